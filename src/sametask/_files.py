"""Files that appear only once they are whole."""

from __future__ import annotations

import os
import secrets
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
