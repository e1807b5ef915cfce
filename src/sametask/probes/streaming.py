"""Probes that are stored as they are computed, and gone on with where they were left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from sametask import _cluster
from sametask._check import InputError
from sametask._cluster import ClusterError
from sametask._types import Array
from sametask.probes import storage
from sametask.probes.chunks import Sight, metrics_among_all, progress_bar
from sametask.probes.storage import FINISHED, UNFINISHED, Store
from sametask.probes.stored import StoredProbe
from sametask.probes.writing import Stage, Writer, take_lock

_COMPARED = 16
_ALIKE = float(np.sqrt(np.finfo(np.float32).eps))
"""How far the same network may differ from itself, relative to the size of its activations: devices add in any order,
in single precision, over and over. Another network differs by more."""


def resumed(sight: Sight, path: Path, call: dict[str, Any], client: Any) -> StoredProbe | None:
    """What is at ``path``, or begun beside it, by the same call: whole, or made so. None where there is nothing.

    Raises:
        InputError: what was begun is another call's or another network's, or being written.
    """
    with _writable(path):
        there = storage.header(path)
        if there is not None and there.get("call") == call and there.get("state") == FINISHED:
            found = _whole(sight, path, there, client)
            if found is not None:
                return found
        work = storage.part_of(path)
        if not work.exists():
            return None
        there = storage.header(work) or {}
        with Writer.begin(path, {**there, "call": call}) as writer:
            if not writer.found(writer.stages[0]):
                writer.forget()  # nothing to go on with: begun() decides anew
                return None
            try:
                sight = _again(sight, writer)
            except _Another as error:
                done, parts = storage.progress(work) or (writer.chunks, writer.chunks)
                raise InputError(
                    f"store: {work} was begun with another network ({error}) and holds {done} of {parts} chunks; "
                    "choose another name, or remove it"
                ) from None
            return _through(sight, writer, client)


def begun(sight: Sight, path: Path, call: dict[str, Any], rows: int, client: Any) -> StoredProbe:
    """A new store, from its first chunk to its last."""
    n = len(sight.inputs)
    attributes = {
        **storage.described(sight, sight.ids),
        "state": UNFINISHED,
        "samples": n,
        "rows": rows,
        "parts": -(-n // rows) * (2 if sight.way.among_all else 1),
        "neurons": list(sight.kept),
        "call": call,
        "decided": {**sight.decided(), "width": len(sight.names)},
    }
    with _writable(path), Writer.begin(path, attributes) as writer:
        return _through(sight, writer, client)


def _whole(sight: Sight, path: Path, there: dict[str, Any], client: Any) -> StoredProbe | None:
    """The finished store at ``path``, its damaged chunks mended; None where it is another network's."""
    writer = Writer(path, path, None, there)
    if not writer.found(writer.stages[0]):
        return None
    try:
        sight = _again(sight, writer)
    except _Another:
        return None
    if not any(writer.missing(stage) for stage in writer.stages):
        return StoredProbe._of(Store.open(path), found=writer.chunks)
    lock = take_lock(path, path)
    if lock is None:  # another process put another in its place just now
        return None
    with Writer(path, path, lock, there) as writer:
        return _through(sight, writer, client)


def _through(sight: Sight, writer: Writer, client: Any) -> StoredProbe:
    """All chunks that are missing, then the whole."""
    client = _cluster.found(client, max(len(writer.missing(stage)) for stage in writer.stages))
    found = {stage: writer.found(stage) for stage in writer.stages}
    done = sum(rows.stop - rows.start for each in found.values() for rows in map(writer.slice, each))
    with progress_bar(sight, done) as bar, _saying_what_is_kept(writer):
        _first_pass(sight, writer, client, bar)
        if writer.missing(writer.stages[-1]):
            _second_pass(sight, writer, client, bar)
    writer.finish()
    return StoredProbe._of(Store.open(writer.path), found=len(found[writer.stages[-1]]))


def _first_pass(sight: Sight, writer: Writer, client: Any, bar: Any) -> None:
    numbers = storage.id_numbers(sight.ids)
    missing = writer.missing(writer.stages[0])
    for k, (activations, metric) in sight.seen([writer.slice(chunk) for chunk in missing], client, bar.update):
        rows = writer.slice(missing[k])
        extra = {"inputs": sight.inputs[rows]} | ({} if numbers is None else {"ids": numbers[rows]})
        writer.write(writer.stages[0], missing[k], activations, metric, extra)


def _second_pass(sight: Sight, writer: Writer, client: Any, bar: Any) -> None:
    """Metrics that are told by all samples."""
    stage: Stage = "metric"
    missing = writer.missing(stage)
    with _beside(writer) as activations:
        recorded = sight.way.complete(activations, sight.inputs)
        for k, metric in metrics_among_all(recorded, [writer.slice(chunk) for chunk in missing], client, bar.update):
            writer.write(stage, missing[k], None, metric, {})


@contextmanager
def _saying_what_is_kept(writer: Writer) -> Iterator[None]:
    """Where a cluster fails, how much there is to go on with."""
    try:
        yield
    except ClusterError as error:
        done, parts = storage.progress(writer.path) or (0, 0)
        kept = f"; {done} of {parts} chunks of {writer.path} are there: the same call goes on" if done else ""
        raise ClusterError(f"{error}{kept}") from error


@contextmanager
def _beside(writer: Writer) -> Iterator[Array]:
    """The activations of a store as a memory-mapped file.

    Neighbours of a chunk's inputs are anywhere among the rows: gathered from the store itself they would have every
    chunk unpacked for every other. The file is made anew each time from chunks that hold, and is never believed.
    """
    file = writer.work / ".activations"
    first = writer.read(0, ["activations"])["activations"]
    try:
        values = np.memmap(file, first.dtype, "w+", shape=(writer.n, first.shape[1]))
        for chunk in range(writer.chunks):
            values[writer.slice(chunk)] = writer.read(chunk, ["activations"])["activations"]
        yield np.asarray(values)
    finally:
        with suppress(OSError):  # where files in use cannot be removed Writer.finish does
            file.unlink(missing_ok=True)


class _Another(Exception):
    """The network is not the one whose chunks are there; the message says in words how."""


def _again(sight: Sight, writer: Writer) -> Sight:
    """The sight as it was when the store was begun, if the network is still the same.

    A few inputs tell: the network may be slow, and is asked every time a store is gone on with.
    """
    first = writer.found(writer.stages[0])[0]
    stored = writer.read(first, ["activations"])["activations"][:_COMPARED]
    start, seen = writer.slice(first).start, []
    for at in range(0, len(stored), sight.batch_size):
        stop = min(at + sight.batch_size, len(stored))
        seen.append(sight.network(sight.inputs[slice(start + at, start + stop)]))
    values = np.concatenate(seen)
    decided = writer.attributes["decided"]
    if values.shape[1] != decided["width"]:
        raise _Another(f"{values.shape[1]} neurons here, {decided['width']} there")
    sight = sight.restored(sight.network.neuron_names(values.shape[1]), decided)
    if list(sight.kept) != writer.attributes["neurons"]:
        raise _Another("other names of neurons")
    missed = np.abs(values[:, sight.columns] - stored).max(axis=0)
    size = np.abs(stored).max(axis=0)
    if not (missed <= _ALIKE * np.maximum(size, _ALIKE * size.max())).all():
        raise _Another(f"activations at inputs seen before differ by up to {missed.max():.3g}")
    return sight


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """What the system refuses, in one line."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"store: cannot write {path} ({error.strerror or error}); make room, or choose another place"
        ) from error
