"""What a user has at hand, as a probe: arrays, tensors, tables, files of them, networks with inputs, or probes."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array
from sametask.networks.callable import from_callable
from sametask.networks.network import Network
from sametask.networks.torch_network import from_torch
from sametask.probes.inputs import Inputs
from sametask.probes.neighbourhoods import CentralDifference, Jacobian, Neighbourhood, NoNeighbourhood
from sametask.probes.probe import Probe, check_ids
from sametask.probes.probing import probe
from sametask.probes.stored import StoredProbe

_COORDINATES = 3
"""Inputs of as many numbers at most are taken for coordinates, whose neighbourhoods a few hundred samples can fill."""

_FEWEST = 60
"""Samples from which neighbourhoods of them are of any use."""


def as_probe(
    argument: str, value: Any, *, inputs: Any = None, layers: Any = None, ids: Any = None, seed: int = 0
) -> Probe | StoredProbe:
    """A probe of whatever was given.

    Networks are seen with exact derivatives, or central differences, if inputs have up to three numbers, each of which
    counts as a coordinate; else by their activations alone.

    Args:
        argument: its name, for errors and as the name of what has none.
        value: a probe; activations (n, m) or (n, …) as an array, a tensor or a data frame (its columns are neurons, its
            index, unless it just counts rows, ids); the name of a .npy file or of a saved probe; a network, a torch
            module or a function.
        inputs: (n, …) what a network is given.
        layers: of a torch module.
        ids: (n,) of recorded activations, or None.
        seed: of draws.

    Raises:
        InputError: it is none of these, a network has no inputs, or what is given does not fit together.
    """
    if isinstance(value, Probe | StoredProbe):
        if ids is not None:
            raise InputError("ids: those of a probe are fixed; give them to st.probe or Probe.from_…")
        return value
    if isinstance(value, str | Path):
        return _of_file(argument, Path(value), ids)
    network = _network(value, layers)
    if network is not None:
        if inputs is None:
            raise InputError(f"{argument}: a network ({network.name}); give inputs= as well, or an st.Probe of it")
        return _seen(network, inputs, ids, seed)
    return _recorded(argument, value, ids)


def ids_of(ids: Any) -> tuple[Any, Any]:
    """Ids for both, or a pair of arrays with some for each."""
    pair = isinstance(ids, tuple | list) and len(ids) == 2 and not any(np.ndim(each) == 0 for each in ids)
    return (ids[0], ids[1]) if pair else (ids, ids)


def _seen(network: Network, inputs: Any, ids: Any, seed: int) -> Probe:
    x = Inputs.of(inputs)
    names = np.arange(len(x)) if ids is None else ids  # rows correspond, also those with equal inputs
    way: Neighbourhood = NoNeighbourhood()
    coordinates = len(x.shape) == 2 and x.shape[1] <= _COORDINATES and x.dtype.kind == "f"
    if coordinates and len(x) >= _FEWEST:
        way = Jacobian() if network.differentiable else CentralDifference()
    return probe(network, inputs, way, ids=names, seed=seed)


def _network(value: Any, layers: Any) -> Network | None:
    """The network that something is; None if it is none."""
    if isinstance(value, Network):
        return value
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.nn.Module | torch.export.ExportedProgram):
        return from_torch(value, layers)
    if callable(value) and not hasattr(value, "__array__"):
        return from_callable(value)
    return None


def _of_file(argument: str, path: Path, ids: Any) -> Probe | StoredProbe:
    if path.suffix != ".npy":
        return StoredProbe.open(path)
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{argument}: cannot read {path} ({_check.first_line(error)}); give a .npy file") from None
    return _recorded(argument, values, ids, name=path.stem)


def _recorded(argument: str, value: Any, ids: Any, name: str | None = None) -> Probe:
    neurons: tuple[str, ...] = ()
    index = getattr(value, "index", None)
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):
        neurons = tuple(map(str, value.columns))
        if ids is None and index is not None and type(index).__name__ != "RangeIndex":
            ids = _index(argument, index)
        value = value.to_numpy()
    if not hasattr(value, "__len__") or isinstance(value, dict | set | bytes):
        raise InputError(
            f"{argument}: {type(value).__name__}; give activations (n samples, m neurons), a network and inputs=, or "
            "an st.Probe"
        )
    made = Probe.from_activations(_plain(argument, value), ids=ids, name=argument if name is None else name)
    if neurons:
        if len(set(neurons)) < len(neurons):
            neurons = _check.different(neurons)
        made = dataclasses.replace(made, neurons=neurons)
    return made


def _index(argument: str, index: Any) -> Array:
    """The index of a data frame as ids."""
    names = index.to_numpy()
    if names.dtype.kind not in "iuU":
        names = np.array([str(each) for each in names])
    try:
        checked = check_ids(names, len(names))
    except InputError as error:
        raise InputError(f"{argument}: the index of the data frame names samples; {error}") from None
    assert checked is not None
    return checked


def _plain(argument: str, value: Any) -> Array:
    """An array that numpy computes with: tensors without their gradients, bfloat16 as float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if "bfloat16" in str(value.dtype):
            value = value.float()
    result = _check.as_array(argument, value, "activations (n samples, m neurons)")
    if isinstance(value, np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
        rows = np.flatnonzero(np.ma.getmaskarray(value).reshape(len(value), -1).any(axis=1))
        raise InputError(f"{argument}: {len(rows)} rows have masked values ({_some(rows)}); drop or fill those rows")
    return result.astype(np.float32) if result.dtype.name == "bfloat16" else result


def _some(rows: Sequence[int] | Array) -> str:
    return ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
