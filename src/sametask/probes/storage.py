"""Probes on disk: Zarr groups whose arrays are cut into chunks of the same rows, each with digests. Nothing is ever
unpickled.

A finished store holds the arrays and, in the group's attributes, a digest of every array's part in every chunk. Zarr
itself reads a lost chunk as zeros and does not notice a changed bit; here no part is handed out before its digest was
compared. Version 1 had one digest for each whole array: what version 2 is with one chunk of all rows.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from sametask import _check, _files
from sametask._check import InputError
from sametask._types import Array
from sametask.probes.inputs import digest_of

if TYPE_CHECKING:
    from sametask.probes.probe import Probe

FORMAT = "sametask-probe"
VERSION = 2
METRIC = ("frames", "gains", "directions", "tangents")
FINISHED = "finished"
UNFINISHED = "unfinished"
JOURNAL = "journal"
_CHUNK = 8 << 20
"""Bytes of all arrays in one chunk: enough for files to be few, and little to lose or to hold."""
_GROUP = 256
_ARRAYS = ("activations", *METRIC, "inputs", "ids", "groups")


class Damaged(Exception):
    """What is on disk is not what was written; the message says where, in words that follow "a damaged probe"."""


@dataclass(frozen=True)
class Store:
    """A finished store, read chunk by chunk.

    Attributes:
        path: where it is.
        group: its arrays.
        attributes: what it says of itself.
        n: samples.
        rows: samples in a chunk (in the last, what is left).
        digests: for each array one for each chunk.
    """

    path: Path
    group: zarr.Group
    attributes: Mapping[str, Any]
    n: int
    rows: int
    digests: Mapping[str, list[str]]

    @staticmethod
    def open(path: Path) -> Store:
        """A finished store of either version, its attributes checked; its arrays are when they are read.

        Raises:
            InputError: there is none, it is unfinished, or it is damaged.
        """
        if not path.exists():
            if (begun := progress(path)) is not None:
                raise InputError(unfinished(path, begun))
            raise InputError(f"path: no such probe {path}; probes are directories written by Probe.save")
        attributes = header(path)
        if attributes is None:
            raise InputError(f"path: {path} is not a saved probe; write one with Probe.save or `sametask probe`")
        version = attributes.get("version")
        if version not in (1, VERSION):
            raise InputError(f"path: {path} has format version {version}; this release reads 1 and {VERSION}")
        if attributes.get("state") == UNFINISHED:
            raise InputError(unfinished(path, progress(path)))
        try:
            return Store._of(path, attributes)
        except Exception as error:  # what a damaged file makes its reader raise is anyone's guess
            raise damaged(path, attributes, error) from None

    @staticmethod
    def _of(path: Path, attributes: Mapping[str, Any]) -> Store:
        group = zarr.open_group(path, mode="r")
        digests = attributes["digests"]
        if attributes["version"] == 1:
            digests = {name: [digest] for name, digest in digests.items()}
            n = rows = int(_array(group, "activations").shape[0])
        else:
            n, rows = attributes["samples"], attributes["rows"]
        store = Store(path, group, attributes, n, rows, digests)
        shapes = {name: _array(group, name).shape for name in digests}
        (m,), d = shapes["activations"][1:], shapes["gains"][1:]
        if shapes["frames"][1:] != (*d, m) or any(shape[0] != n for shape in shapes.values()):
            raise Damaged(f"shapes {shapes}")
        if any(len(each) != store.chunks for each in digests.values()):
            raise Damaged("digests for another number of chunks")
        if len(attributes["neurons"]) != m:
            raise Damaged(f"{len(attributes['neurons'])} names of neurons")
        if not isinstance(attributes["scale"], float | int | None):
            raise Damaged(f"scale {attributes['scale']!r}")
        for name in ("name", "kind", "ids"):
            attributes[name]
        return store

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-self.n // self.rows)

    def slice(self, chunk: int) -> slice:
        """The rows of a chunk."""
        return slice(chunk * self.rows, min((chunk + 1) * self.rows, self.n))

    def shape(self, name: str) -> tuple[int, ...]:
        """Of one array."""
        return _array(self.group, name).shape

    def dtype(self, name: str) -> np.dtype[Any]:
        """Of one array."""
        return _array(self.group, name).dtype

    def read(self, chunk: int, names: Iterable[str] | None = None) -> dict[str, Array]:
        """Some of the arrays, or all, at the rows of a chunk.

        Raises:
            InputError: they are not what was written.
        """
        rows = self.slice(chunk)
        parts: dict[str, Array] = {}
        for name in self.digests if names is None else names:
            try:
                parts[name] = read_part(self.group, name, rows, self.digests[name][chunk])
            except Exception as error:
                raise damaged(self.path, self.attributes, error) from None
        return parts


# -- parts of arrays ---------------------------------------------------------------------------------------------------


def rows_in_chunk(n: int, width: int, batch: int = _GROUP, wanted: int | None = None) -> int:
    """Samples in a chunk: ``wanted``, or some megabytes' worth at ``width`` bytes each; always whole batches."""
    rows = max(1, _CHUNK // max(width, 1)) if wanted is None else wanted
    return min(n, -(-rows // batch) * batch)


def create_array(group: zarr.Group, name: str, like: Array, n: int, rows: int) -> zarr.Array:
    """An array for ``n`` rows of those of ``like``, a file for each chunk (none where all is zero)."""
    return group.create_array(
        name,
        shape=(n, *like.shape[1:]),
        chunks=(rows, *(max(size, 1) for size in like.shape[1:])),
        dtype=like.dtype,
        # sorted by significance of bits floats shrink by a sixth more, at the same speed, than by Zarr's default
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
        chunk_key_encoding={"name": "default", "separator": "."},
        overwrite=True,
    )


def chunk_file(path: Path, name: str, chunk: int, ndim: int) -> Path:
    """Where :func:`create_array` has a chunk written."""
    return path / name / ".".join(["c", str(chunk), *["0"] * (ndim - 1)])


def read_part(group: zarr.Group, name: str, rows: slice, digest: str) -> Array:
    """Some rows of an array, and none other than what was written."""
    try:
        values = np.asarray(_array(group, name)[rows])
    except Exception as error:  # Zarr, its codecs and the system each have their own
        raise Damaged(f"{name} of {_named(rows)}: {_reason(error)}") from None
    if digest_of(values) != digest:
        raise Damaged(f"{name} of {_named(rows)} have changed since they were written")
    return values


def id_numbers(ids: Array | None) -> Array | None:
    """String ids as rows of UTF-8 bytes: plain numbers on disk, whatever the Zarr release thinks of strings."""
    if ids is None or ids.dtype.kind != "U":
        return ids
    encoded = [str(value).encode() for value in ids]
    width = max(map(len, encoded), default=0) or 1
    return np.frombuffer(b"".join(value.ljust(width, b"\0") for value in encoded), np.uint8).reshape(-1, width)


def named_ids(numbers: Array, kind: str) -> Array:
    """Ids as they were before :func:`id_numbers`."""
    return numbers if kind != "text" else np.array([bytes(row).rstrip(b"\0").decode() for row in numbers])


# -- attributes --------------------------------------------------------------------------------------------------------


def header(path: Path) -> dict[str, Any] | None:
    """The attributes of the probe at ``path``; None where there is none."""
    try:
        attributes = dict(zarr.open_group(path, mode="r").attrs)
    except Exception:  # what a file of another kind makes its reader raise is anyone's guess
        return None
    return attributes if attributes.get("format") == FORMAT else None


def write_header(path: Path, attributes: Mapping[str, Any]) -> None:
    """New attributes for the group at ``path``, all or none of them."""
    document = {"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"}
    _files.write_synced(path / "zarr.json", json.dumps(document, indent=2).encode())


def described(probe_like: Any, ids: Array | None) -> dict[str, Any]:
    """The attributes that say what a probe is, whoever computed it."""
    noise = probe_like.noise
    kept = {} if noise is None else {"noise": {**vars(noise), "variance": noise.variance.tolist()}}
    return {
        **kept,
        "format": FORMAT,
        "version": VERSION,
        "scale": None if probe_like.scale is None else float(probe_like.scale),
        "name": probe_like.name,
        "kind": probe_like.kind,
        "ids": "text" if ids is not None and ids.dtype.kind == "U" else "numbers",
    }


def part_of(path: Path) -> Path:
    """Where a store lives until it is finished: the name itself is always whole."""
    return path.with_name(path.name + ".part")


def progress(path: Path) -> tuple[int, int] | None:
    """How many of how many chunks of the store at ``path`` are there, if it was begun and is not finished."""
    for place in (path, part_of(path)):
        attributes = header(place)
        if attributes is not None and attributes.get("state") == UNFINISHED:
            done = len(list((place / JOURNAL).glob("*.json")))
            return done, int(attributes.get("parts", 0))
    return None


def unfinished(path: Path, begun: tuple[int, int] | None) -> str:
    """The message that refuses a store that is not finished."""
    done, parts = begun or (0, 0)
    return f"path: {path} is not finished, {done} of {parts} chunks are there; run what began it again to go on"


def damaged(path: Path, attributes: Mapping[str, Any], error: Exception) -> InputError:
    """The refusal of a store that is not what was written."""
    remedy = "run what wrote it again to mend it" if attributes.get("call") else "probe the network again"
    return InputError(f"path: {path} is a damaged probe ({_reason(error)}); {remedy}")


def target(argument: str, path: Any) -> Path:
    """``path`` as a place for a probe: free, or one that holds a probe."""
    try:
        result = Path(path).resolve()
    except TypeError:
        raise InputError(f"{argument}: {_check.shown(path)}; give the name of a Zarr directory") from None
    if result.exists() and header(result) is None:
        raise InputError(f"{argument}: {result} exists and is not a probe; choose another name")
    return result


# -- whole probes ------------------------------------------------------------------------------------------------------


def save(probe: Probe, path: Path) -> None:
    """Write beside the target, then rename: no reader ever sees half a probe."""
    path = target("path", path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = scratch_beside(path)
        try:
            _write(probe, scratch / "probe")
            replace(path, scratch / "probe", scratch / "old")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise InputError(f"path: cannot write {path} ({error.strerror or error}); choose another place") from error


def scratch_beside(path: Path) -> Path:
    """A directory of one's own on the same disk."""
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))


def replace(path: Path, new: Path, old: Path) -> None:
    """Put ``new`` in the place of ``path``; whatever fails, what was there stays."""
    replaced = path.exists()
    if replaced:
        path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        if replaced:
            old.rename(path)
        raise


def _write(probe: Probe, path: Path) -> None:
    group = zarr.create_group(path)
    arrays: dict[str, Array | None] = {
        "activations": probe.activations,
        "frames": probe.metric.frames,
        "gains": probe.metric.gains,
        "directions": probe.metric.directions,
        "tangents": probe.metric.tangents,
        "inputs": probe.inputs,
        "ids": id_numbers(probe.ids),
        "groups": probe.groups,
    }
    n = len(probe)
    kept = {name: arrays[name] for name in _ARRAYS if arrays[name] is not None}
    rows = rows_in_chunk(n, sum(values[:1].nbytes for values in kept.values() if values is not None))
    digests: dict[str, list[str]] = {}
    for name, values in kept.items():
        assert values is not None  # those that are were left out
        array = create_array(group, name, values, n, rows)
        digests[name] = []
        for start in range(0, n, rows):
            part = np.ascontiguousarray(values[start : start + rows])
            array[start : start + rows] = part
            digests[name].append(digest_of(part))
    own = {"state": FINISHED, "samples": n, "rows": rows, "neurons": list(probe.neurons)}
    own |= {"inflation": float(probe.metric.inflation), "digests": digests}
    write_header(path, {**described(probe, probe.ids), **own})


def _array(group: zarr.Group, name: str) -> zarr.Array:
    found = group[name]
    if not isinstance(found, zarr.Array):
        raise Damaged(f"{name} is no array")
    return found


def _named(rows: slice) -> str:
    return f"rows {rows.start} to {rows.stop - 1}"


def _reason(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
