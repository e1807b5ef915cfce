"""The one writer of a store: chunks in any order, each whole or not there, whenever the process is killed.

A chunk counts once its entry is in the journal. The entry is written (temporary file, fsync, rename) after the arrays'
files are on disk, and holds their digests, which are compared before it is believed. Until all are there the store
lives beside its name; then the journal's digests become attributes of the group, and the store takes its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import numpy as np
import zarr

from sametask import _files
from sametask._check import InputError
from sametask._types import Array
from sametask.numerics.local_metric import LocalMetric
from sametask.probes import storage
from sametask.probes.inputs import digest_of
from sametask.probes.probe import check_tells
from sametask.probes.storage import FINISHED, JOURNAL, METRIC, UNFINISHED, Damaged

Stage = Literal["all", "seen", "metric"]
"""What is computed of a chunk at once: all of it; or first the activations, and the metric once all those are there."""


@dataclass(frozen=True)
class Entry:
    """What the journal says of a chunk.

    Attributes:
        digests: of the part of each array.
        constant: a digest of the activations where they are the same at all samples of the chunk, else None.
        responds: whether any neuron responds to small steps.
        inflation: of the metric.
    """

    digests: dict[str, str]
    constant: str | None = None
    responds: bool = True
    inflation: float = 1.0


class Writer:
    """Writes the chunks of one store; to be used as a context, which holds the store's lock."""

    def __init__(self, path: Path, work: Path, lock: IO[bytes] | None, attributes: Mapping[str, Any]) -> None:
        """A store that will be ``path`` and is now ``work``, whose lock is held; made by :meth:`begin`."""
        self.path = path
        self.work = work
        self._lock = lock
        self.attributes = dict(attributes)
        self.n, self.rows = int(attributes["samples"]), int(attributes["rows"])
        self.chunks = -(-self.n // self.rows)
        self.stages: tuple[Stage, ...] = ("seen", "metric") if attributes["parts"] > self.chunks else ("all",)
        self._group = zarr.open_group(work, mode="r+")
        self._entries = self._believed()

    @staticmethod
    def begin(path: Path, attributes: Mapping[str, Any]) -> Writer:
        """The writer of the store beside ``path``, whether that was begun before or is begun now.

        Raises:
            InputError: another process is writing it, or what is there is another call's.
        """
        work = storage.part_of(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            if not work.exists():
                lock = _made(path, work, attributes)
            else:
                storage.target("store", work)
                lock = take_lock(path, work)
            if lock is None:
                continue  # another process finished or began it just now
            try:
                return Writer(path, work, lock, _agreed(path, work, attributes))
            except BaseException:
                lock.close()
                raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        if kind is not None and self.work != self.path and not self._entries:
            shutil.rmtree(self.work, ignore_errors=True)  # there is nothing to go on with
        self._release()

    # -- what is there -------------------------------------------------------------------------------------------------

    def slice(self, chunk: int) -> slice:
        """The rows of a chunk."""
        return slice(chunk * self.rows, min((chunk + 1) * self.rows, self.n))

    def missing(self, stage: Stage) -> list[int]:
        """Chunks that are still to be computed."""
        return [chunk for chunk in range(self.chunks) if (stage, chunk) not in self._entries]

    def found(self, stage: Stage) -> list[int]:
        """Chunks that are there."""
        return [chunk for chunk in range(self.chunks) if (stage, chunk) in self._entries]

    def read(self, chunk: int, names: list[str]) -> dict[str, Array]:
        """Some arrays of a chunk that is there."""
        for stage in self.stages:
            digests = self._entries[stage, chunk].digests if (stage, chunk) in self._entries else {}
            if set(names) <= set(digests):
                return {n: storage.read_part(self._group, n, self.slice(chunk), digests[n]) for n in names}
        raise AssertionError("only chunks that are there are read")

    def forget(self) -> None:
        """Drop a journal of which nothing is believed."""
        shutil.rmtree(self.work / JOURNAL, ignore_errors=True)

    def _believed(self) -> dict[tuple[Stage, int], Entry]:
        """The entries whose chunks are what they say; all others are as if never written."""
        said: dict[tuple[Stage, int], Entry] = {}
        for name, digests in self.attributes.get("digests", {}).items():
            stage = self.stages[-1 if name in METRIC else 0]
            for chunk, digest in enumerate(digests):
                said.setdefault((stage, chunk), Entry({})).digests[name] = digest
        for stage in self.stages:
            for chunk in range(self.chunks):
                entry = _read_entry(self._entry_file(stage, chunk))
                if entry is not None:
                    said[stage, chunk] = entry
        return {key: entry for key, entry in said.items() if self._holds(key[1], entry)}

    def _holds(self, chunk: int, entry: Entry) -> bool:
        try:
            for name, digest in entry.digests.items():
                storage.read_part(self._group, name, self.slice(chunk), digest)
        except Damaged:
            return False
        return True

    # -- writing -------------------------------------------------------------------------------------------------------

    def write(
        self, stage: Stage, chunk: int, activations: Array | None, metric: LocalMetric | None, extra: dict[str, Array]
    ) -> None:
        """Put a chunk on disk, then its entry into the journal.

        Args:
            stage: what of the chunk this is.
            chunk: its number.
            activations: (rows, m), in the first stage.
            metric: at the same samples, in the last.
            extra: inputs and ids, in the first.
        """
        arrays = dict(extra)
        if activations is not None:
            arrays["activations"] = activations
        if metric is not None:
            arrays |= {name: part for name in METRIC if (part := getattr(metric, name)) is not None}
        arrays = {name: np.ascontiguousarray(part) for name, part in arrays.items()}
        for name, part in arrays.items():
            self._array(name, part)[self.slice(chunk)] = part
            file = storage.chunk_file(self.work, name, chunk, part.ndim)
            if file.exists():  # Zarr writes none where all is zero
                _files.sync(file)
            _files.sync(self.work / name)
        entry = Entry(
            {name: digest_of(part) for name, part in arrays.items()},
            None if activations is None else _constant(activations),
            metric is not None and bool(metric.gains.any()),
            1.0 if metric is None else float(metric.inflation),
        )
        (self.work / JOURNAL).mkdir(exist_ok=True)
        _write_entry(self._entry_file(stage, chunk), entry)
        self._entries[stage, chunk] = entry

    def finish(self) -> None:
        """Give the store its name, now that all chunks are there; what had that name before is replaced.

        Raises:
            InputError: the network says nothing; then nothing is left.
        """
        digests: dict[str, list[str]] = {}
        for stage in self.stages:
            for chunk in range(self.chunks):
                for name, digest in self._entries[stage, chunk].digests.items():
                    digests.setdefault(name, []).append(digest)
        told = {**self.attributes, "digests": digests}
        if self.attributes["state"] == UNFINISHED:
            try:
                self._check_tells()
            except InputError:
                shutil.rmtree(self.work)
                raise
            inflation = self._entries[self.stages[-1], 0].inflation
            told |= {"state": FINISHED, "inflation": inflation}
        storage.write_header(self.work, told)
        shutil.rmtree(self.work / JOURNAL, ignore_errors=True)
        for left in (*self.work.glob(".*"), *self.work.glob("*/*.partial")):  # by processes that were killed
            left.unlink(missing_ok=True)
        if self.work != self.path:
            if sys.platform == "win32":  # where a directory with an open file in it cannot be renamed
                self._release()
            scratch = storage.scratch_beside(self.path)
            try:
                storage.replace(self.path, self.work, scratch / "old")
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            _files.sync(self.path.parent)
        (self.path / "lock").unlink(missing_ok=True)

    def _check_tells(self) -> None:
        first, last = (
            [self._entries[stage, k] for k in range(self.chunks)] for stage in (self.stages[0], self.stages[-1])
        )
        values = {entry.constant for entry in first}
        check_tells(None in values or len(values) > 1, any(entry.responds for entry in last))

    def _array(self, name: str, part: Array) -> zarr.Array:
        """The array, which is made for its first chunk, or again where it is damaged."""
        try:
            found = self._group[name]
        except Exception:  # not there, or not readable
            found = None
        if isinstance(found, zarr.Array):
            if (found.dtype, found.shape) == (part.dtype, (self.n, *part.shape[1:])) and found.chunks[0] == self.rows:
                return found
            if any(name in entry.digests for entry in self._entries.values()):
                raise InputError(
                    f"network: {name} are {part.dtype} of shape {part.shape[1:]} here, {found.dtype} of shape "
                    f"{found.shape[1:]} at samples seen before; give a network that always returns the same kind"
                )
        made = storage.create_array(self._group, name, part, self.n, self.rows)
        _files.sync(self.work / name / "zarr.json")
        _files.sync(self.work)
        return made

    def _entry_file(self, stage: Stage, chunk: int) -> Path:
        return self.work / JOURNAL / f"{stage}.{chunk}.json"

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def take_lock(path: Path, work: Path) -> IO[bytes] | None:
    """The lock of the store at ``work``; None where that was moved away meanwhile.

    Raises:
        InputError: another process has it.
    """
    file = work / "lock"
    try:
        lock = _files.lock(file)
    except FileNotFoundError:
        return None
    if lock is None:
        raise InputError(f"store: another process is writing {path}; wait until it has ended, or choose another name")
    try:
        same = file.stat().st_ino == os.fstat(lock.fileno()).st_ino
    except FileNotFoundError:
        same = False
    if not same:  # whoever had it gave the store its name while we waited for the lock
        lock.close()
        return None
    return lock


def _made(path: Path, work: Path, attributes: Mapping[str, Any]) -> IO[bytes] | None:
    """A store without chunks at ``work``, whole from the first, and its lock; None where another process was first."""
    scratch = storage.scratch_beside(path)
    try:
        new = scratch / "probe"
        new.mkdir()
        storage.write_header(new, attributes)
        if sys.platform == "win32":  # where a directory with an open file in it cannot be renamed
            new.rename(work)
            return take_lock(path, work)
        lock = _files.lock(new / "lock")
        assert lock is not None  # nobody else knows of it
        try:
            new.rename(work)
            _files.sync(path.parent)
        except BaseException as error:
            lock.close()
            if isinstance(error, OSError) and work.exists():
                return None
            raise
        return lock
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _agreed(path: Path, work: Path, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of the store at ``work``, which is of the call that is ``wanted``, or holds nothing yet."""
    there = storage.header(work)
    if there is None or there.get("version") != storage.VERSION or "call" not in there:
        raise InputError(f"store: {work} is not what a call of st.probe left; choose another name, or remove it")
    done, parts = storage.progress(work) or (int(there["parts"]), there["parts"])
    if not done:
        storage.write_header(work, wanted)
        return wanted
    differ = differing(there["call"], wanted["call"])
    if differ:
        raise InputError(
            f"store: {work} was begun by another call ({', '.join(differ)}) and holds {done} of {parts} chunks; "
            "make that call again to go on, choose another name, or remove it"
        )
    return there


def differing(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """In words, what differs between two calls."""

    def short(value: Any) -> bool:
        return isinstance(value, bool | int | float | None) or (isinstance(value, str) and len(value) < 20)

    names = dict.fromkeys([*there, *here])
    return [
        f"{name}: {there.get(name)!r} there, {here.get(name)!r} here"
        if short(there.get(name)) and short(here.get(name))
        else f"other {name}"
        for name in names
        if there.get(name) != here.get(name)
    ]


def _constant(activations: Array) -> str | None:
    """A name for the activations at all samples, if they are the same."""
    first = activations[:1] + 0.0  # −0.0 is 0.0
    return digest_of(first) if (activations == first).all() else None


def _write_entry(path: Path, entry: Entry) -> None:
    told = json.dumps(entry.__dict__, sort_keys=True).encode()
    _files.write_synced(path, hashlib.blake2b(told, digest_size=16).hexdigest().encode() + b"\n" + told)


def _read_entry(path: Path) -> Entry | None:
    """The entry in a file that is what was written; None where it is not, or not there."""
    try:
        digest, _, told = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if hashlib.blake2b(told, digest_size=16).hexdigest().encode() != digest:
        return None
    return Entry(**json.loads(told))
