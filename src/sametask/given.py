"""What a user has at hand, as a probe: arrays, tensors, tables, files of them, networks with inputs, or probes."""

from __future__ import annotations

import dataclasses
import sys
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
        value: a probe; activations (n, m) or (n, …) as an array, a tensor or a data frame, whose columns are neurons;
            the name of a .npy file or of a saved probe; a network, a torch module or a function.
        inputs: (n, …) what a network is given.
        layers: of a torch module.
        ids: (n,) of recorded activations, or None.
        seed: of draws.

    Raises:
        InputError: it is none of these, a network has no inputs, or what is given does not fit together.
    """
    torch = sys.modules.get("torch")
    if layers is not None and (torch is None or not isinstance(value, torch.nn.Module | torch.export.ExportedProgram)):
        raise InputError(f"layers: only of torch modules, and {argument} is {type(value).__name__}; leave them out")
    if isinstance(value, Probe | StoredProbe):
        return value
    if isinstance(value, str | Path):
        return _of_file(argument, Path(value), ids)
    network = _network(value, layers)
    if network is not None:
        if inputs is None:
            raise InputError(f"{argument}: a network ({network.name}); give inputs= as well, or an st.Probe of it")
        return _seen(network, inputs, ids, seed)
    return _recorded(argument, value, ids)


def ids_of(ids: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """Ids for both, or a pair of arrays with some for each, one of which may be None; of two data frames their indexes,
    unless both just count their rows."""
    pair = isinstance(ids, tuple | list) and len(ids) == 2 and not any(np.isscalar(each) for each in ids)
    if pair:
        return ids[0], ids[1]
    if ids is not None or not (is_frame(first) and is_frame(second)):
        return ids, ids
    indexes = [getattr(each, "index", None) for each in (first, second)]
    if any(each is None or not hasattr(each, "to_numpy") for each in indexes) or all(map(_counts, indexes)):
        return None, None
    return _index("first", indexes[0]), _index("second", indexes[1])


def _counts(index: Any) -> bool:
    """Whether the index of a data frame says no more than where rows are."""
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1


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
        if not path.is_dir():
            raise InputError(f"{argument}: {str(path)!r}; give a .npy file, or the directory of a saved probe")
        return StoredProbe.open(path)
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise InputError(f"{argument}: cannot read {path} ({error.strerror or error}); give a .npy file") from None
    except (ValueError, EOFError):
        raise InputError(f"{argument}: {path} is not a .npy file of numbers; write one with numpy.save") from None
    return _recorded(argument, values, ids, name=path.stem)


def _recorded(argument: str, value: Any, ids: Any, name: str | None = None) -> Probe:
    neurons: tuple[str, ...] = ()
    if is_frame(value):
        neurons = tuple(map(str, value.columns))
        value = _numbers(argument, value)
    elif (not hasattr(value, "__len__") and not hasattr(value, "__array__")) or isinstance(value, dict | set | bytes):
        raise InputError(
            f"{argument}: {type(value).__name__}; give activations (n samples, m neurons), a network and inputs=, or "
            "an st.Probe"
        )
    elif hasattr(value, "toarray"):
        raise InputError(f"{argument}: a sparse matrix; give {argument}.toarray()")
    try:
        made = Probe.from_activations(value, ids=ids, name=argument if name is None else name)
    except InputError as error:
        what, _, rest = str(error).partition(":")
        raise InputError(f"{argument}:{rest}" if what == "activations" else str(error)) from None
    if neurons:
        if len(set(neurons)) < len(neurons):
            neurons = _check.different(neurons)
        made = dataclasses.replace(made, neurons=neurons)
    return made


def is_frame(value: Any) -> bool:
    """Whether it is a data frame."""
    return hasattr(value, "columns") and hasattr(value, "to_numpy")


def _numbers(argument: str, frame: Any) -> Array:
    """The values of a data frame, nullable numbers as floats."""
    values = frame.to_numpy()
    if values.dtype.kind in "fiub":
        return values
    columns = []
    for column in frame.columns:
        try:
            columns.append(frame[column].to_numpy(dtype=float, na_value=np.nan))
        except (TypeError, ValueError):
            kind = frame[column].dtype
            raise InputError(f"{argument}: column {str(column)!r} holds {kind}; give columns of numbers") from None
    return np.stack(columns, axis=1)


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
