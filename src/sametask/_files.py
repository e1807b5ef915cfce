"""Files that appear only once they are whole."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sametask import _check
from sametask._check import InputError


def place(argument: str, path: Any) -> Path:
    """``path`` as a place where a file can be written, or an InputError that says why not."""
    try:
        result = Path(path)
    except TypeError:
        raise InputError(f"{argument}: {_check.shown(path)}; give the name of a file") from None
    if result.is_dir():
        raise InputError(f"{argument}: {result} is a directory; give the name of a file in it")
    nearest = next(parent for parent in result.absolute().parents if parent.exists())
    if not nearest.is_dir():
        raise InputError(f"{argument}: cannot write {result}, as {nearest} is a file; choose another place")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"{argument}: cannot write {result}, as {nearest} is not writable; choose another place")
    return result


@contextmanager
def whole(argument: str, path: Any) -> Iterator[IO[bytes]]:
    """A file to write to, beside ``path``; it takes that name when all has gone well, and else is gone.

    Raises:
        InputError: the place cannot be written to.
    """
    target = place(argument, path)
    scratch = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("xb") as file:
                yield file
            scratch.replace(target)
        finally:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{argument}: cannot write {target} ({error.strerror or error}); choose another place"
        ) from error


def sync(path: Path) -> None:
    """Return when a file, or the names in a directory, are on disk."""
    if path.is_dir() and sys.platform == "win32":  # where directories cannot be opened
        return
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_synced(path: Path, content: bytes) -> None:
    """A small file that is whole or not there, also after the machine goes down; what was there is replaced."""
    scratch = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with scratch.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
    sync(path.parent)


def lock(path: Path) -> IO[bytes] | None:
    """The file at ``path``, open and locked until it is closed; None where another process has it.

    The system lets go of the lock when a process ends, however it ends, so there are no stale ones.
    """
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.close()
        return None
    except BaseException:
        file.close()
        raise
    return file
