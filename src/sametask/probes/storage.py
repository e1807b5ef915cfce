"""Probes on disk: Zarr directories, written whole or not at all. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr

from sametask._check import InputError
from sametask._types import Array
from sametask.numerics.local_metric import LocalMetric

if TYPE_CHECKING:
    from sametask.probes.probe import Probe

_FORMAT = "sametask-probe"
_VERSION = 1


def save(probe: Probe, path: Path) -> None:
    """Write beside the target, then rename: no reader ever sees half a probe."""
    path = path.resolve()
    if path.exists() and not _is_probe(path):
        raise InputError(f"path: {path} exists and is not a probe; choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            _write(probe, scratch / "probe")
            _replace(path, scratch / "probe", scratch / "old")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise InputError(f"path: cannot write {path} ({error.strerror or error}); choose another place") from error


def _replace(path: Path, new: Path, old: Path) -> None:
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


def load(path: Path) -> Probe:
    """Read a probe, checking that the parts fit together."""
    from sametask.probes.probe import Probe

    if not path.exists():
        raise InputError(f"path: no such probe {path}; probes are directories written by Probe.save")
    if not _is_probe(path):
        raise InputError(f"path: {path} is not a saved probe; write one with Probe.save or `sametask probe`")
    group = zarr.open_group(path, mode="r")
    attributes = dict(group.attrs)
    if attributes.get("version") != _VERSION:
        raise InputError(f"path: {path} has format version {attributes.get('version')}; this release reads {_VERSION}")
    try:
        arrays = _read(group, attributes)
        metric = LocalMetric(arrays["frames"], arrays["gains"], arrays.get("directions"))
        ids = arrays.get("ids")
        if ids is not None and attributes["ids"] == "text":
            ids = np.array([bytes(row).rstrip(b"\0").decode() for row in ids])
        return Probe(
            arrays["activations"],
            metric,
            ids,
            attributes["scale"],  # type: ignore[arg-type]  # JSON: a number or null
            tuple(map(str, attributes["neurons"])),  # type: ignore[arg-type]  # JSON: a list of strings
            arrays.get("inputs"),
            str(attributes["name"]),
            str(attributes["kind"]),
        )
    except Exception as error:  # what a damaged file makes its reader raise is anyone's guess
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"path: {path} is a damaged probe ({reason}); probe the network again") from None


def _write(probe: Probe, path: Path) -> None:
    group = zarr.create_group(path)
    arrays: dict[str, Array | None] = {
        "activations": probe.activations,
        "frames": probe.metric.frames,
        "gains": probe.metric.gains,
        "directions": probe.metric.directions,
        "inputs": probe.inputs,
        "ids": _as_numbers(probe.ids),
    }
    digests = {}
    for name, values in arrays.items():
        if values is not None:
            group.create_array(name, data=np.ascontiguousarray(values))
            digests[name] = _digest(values)
    text = probe.ids is not None and probe.ids.dtype.kind == "U"
    group.attrs.update(
        {
            "format": _FORMAT,
            "version": _VERSION,
            "scale": probe.scale,
            "neurons": list(probe.neurons),
            "name": probe.name,
            "kind": probe.kind,
            "ids": "text" if text else "numbers",
            "digests": digests,
        }
    )


def _read(group: zarr.Group, attributes: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays, none of them other than what was written: Zarr itself reads a lost chunk as zeros."""
    arrays: dict[str, Array] = {}
    for name, digest in attributes["digests"].items():
        arrays[name] = np.asarray(group[name][...])  # type: ignore[index]  # arrays, not groups, by our own writing
        if _digest(arrays[name]) != digest:
            raise ValueError(f"{name} has changed since it was written")
    if len(attributes["neurons"]) != arrays["activations"].shape[1]:
        raise ValueError(f"{len(attributes['neurons'])} names of neurons")
    if not isinstance(attributes["scale"], float | int | None):
        raise ValueError(f"scale {attributes['scale']!r}")
    return arrays


def _digest(values: Array) -> str:
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return hashlib.blake2b(
        repr((values.dtype.str, values.shape)).encode() + values.tobytes(), digest_size=16
    ).hexdigest()


def _as_numbers(ids: Array | None) -> Array | None:
    """String ids as rows of UTF-8 bytes: plain numbers on disk, whatever the Zarr release thinks of strings."""
    if ids is None or ids.dtype.kind != "U":
        return ids
    encoded = [str(value).encode() for value in ids]
    width = max(map(len, encoded), default=0) or 1
    return np.array([list(value.ljust(width, b"\0")) for value in encoded], np.uint8)


def _is_probe(path: Path) -> bool:
    try:
        return dict(zarr.open_group(path, mode="r").attrs).get("format") == _FORMAT
    except Exception:  # what a file of another kind makes its reader raise is anyone's guess
        return False
