"""Probe a network: evaluate it, and small neighbourhoods, at given inputs."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from sametask import _check
from sametask._check import InputError
from sametask._types import Array
from sametask.networks.network import Network
from sametask.numerics import local_metric
from sametask.numerics.local_metric import LocalMetric
from sametask.probes.neighbourhoods import Jacobian, Neighbourhood
from sametask.probes.probe import Probe, assemble, check_enough, check_ids


def probe(
    network: Network,
    inputs: Any,
    neighbourhood: Neighbourhood | None = None,
    *,
    neurons: int | Sequence[int] | Array | None = None,
    ids: Any = None,
    seed: int = 0,
    batch_size: int = 256,
) -> Probe:
    """See a network at some inputs, each with a small neighbourhood that fixes the local metric.

    Args:
        network: from :func:`~sametask.from_torch`, :func:`~sametask.from_onnx` or :func:`~sametask.from_callable`.
        inputs: (n, …) the inputs, a sample of a low-dimensional manifold.
        neighbourhood: how to see the neighbourhood of each; default :class:`Jacobian`, exact derivatives with respect
            to inputs that are themselves the intrinsic coordinates.
        neurons: None for all, a number to draw that many at random (2d + 1 generic ones are enough, by Whitney's
            theorem), or indices.
        ids: (n,) whole numbers or strings that name the samples. None derives them from the inputs themselves, so
            that two networks probed at the same inputs have the same ids.
        seed: of the draw of neurons and of random perturbations.
        batch_size: inputs given to the network at once; bounds the memory.

    Returns:
        The probe.

    Raises:
        InputError: inputs or activations are not finite, inputs repeat, a neuron does not exist, or the neighbourhood
            does not suit the network.

    Examples:
        >>> import numpy as np, sametask as st
        >>> x = np.random.default_rng(0).uniform(0, 1, (200, 1))
        >>> st.probe(st.from_callable(lambda x: np.hstack([np.sin(x), np.cos(x)])), x, st.CentralDifference(1e-4))
        Probe('function': 200 samples, 2 neurons, 1 dimensions, by difference)
    """
    if not isinstance(network, Network):
        raise InputError(
            f"network: {type(network).__name__}; wrap it with st.from_torch, st.from_onnx or st.from_callable"
        )
    neighbourhood = Jacobian() if neighbourhood is None else neighbourhood
    if not isinstance(neighbourhood, Neighbourhood):
        raise InputError(
            f"neighbourhood: {_check.shown(neighbourhood)}; "
            "give st.Jacobian(), st.CentralDifference(), st.Burst() or st.Neighbours()"
        )
    x = _inputs(inputs)
    seed = _check.count("seed", seed, least=0)
    neighbourhood.check(network, x)
    _check.count("batch_size", batch_size)
    given_ids = _content_ids(x) if ids is None else check_ids(ids, len(x))
    rng = np.random.default_rng(seed)

    first = network(x[: min(len(x), batch_size)])
    chosen = _choose(neurons, first, rng)
    names = network.neuron_names(first.shape[1])

    neighbourhood = neighbourhood.resolve(network, x, chosen, rng)
    activations: list[Array] = []
    metrics: list[LocalMetric | None] = []
    starts = range(0, len(x), batch_size)
    for start in tqdm(starts, desc=f"probing {network.name}", unit="batch", disable=not sys.stderr.isatty()):
        rows = slice(start, start + batch_size)
        values, metric = neighbourhood.observe(network, x, rows, chosen, rng)
        if len(values) != len(x[rows]):
            raise InputError(f"network: {network.name} returned {len(values)} rows for {len(x[rows])} inputs")
        activations.append(values)
        metrics.append(metric)
    y = np.concatenate(activations)
    seen = [metric for metric in metrics if metric is not None]
    metric = local_metric.concatenate(seen) if seen else neighbourhood.complete(y, x)
    check_enough("inputs", len(x), metric.dimension)
    kept = names if isinstance(chosen, slice) else tuple(names[k] for k in chosen)
    return assemble(
        y,
        metric,
        ids=given_ids,
        scale=neighbourhood.scale,
        neurons=kept,
        inputs=x,
        name=network.name,
        kind=neighbourhood.kind,
    )


def _inputs(inputs: Any) -> Array:
    x = _check.as_array("inputs", inputs, "(n samples, …)")
    if x.dtype == object or x.dtype.kind not in "fiub":
        raise InputError(f"inputs: dtype {x.dtype}; give an array of numbers, one row a sample")
    if x.ndim == 0 or x.size == 0:
        raise InputError(f"inputs: shape {x.shape}; give (n samples, …), at least one number for each")
    if x.ndim == 1:
        raise InputError(f"inputs: shape {x.shape}; give (n samples, …); reshape a single column with x[:, None]")
    if x.dtype.kind == "f":
        _check.finite("inputs", x)
    if x.dtype == np.float16:
        return x.astype(np.float32)
    if x.dtype.kind == "f" and x.dtype.itemsize > 8:
        return x.astype(np.float64)
    return x


def _content_ids(inputs: Array) -> Array:
    """A 63-bit name for each input, made from its numbers: the same input has the same name in every probe."""
    # as doubles, so that the type does not matter; plus zero, as −0.0 and 0.0 are the same input
    digests = [hashlib.blake2b((row.astype("<f8") + 0.0).tobytes(), digest_size=8).digest() for row in inputs]
    ids = np.frombuffer(b"".join(digests), "<u8").astype(np.uint64) >> np.uint64(1)
    ids = ids.astype(np.int64)
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        rows = np.flatnonzero(ids == values[counts > 1][0])
        raise InputError(
            f"inputs: samples {rows[0]} and {rows[1]} are the same ({int((counts - 1).sum())} duplicates); "
            "drop the repeats with np.unique(inputs, axis=0)"
        )
    return ids


def _choose(neurons: Any, activations: Array, rng: np.random.Generator) -> Array | slice:
    """Columns to keep."""
    m = activations.shape[1]
    if neurons is None:
        return slice(None)
    if isinstance(neurons, int | np.integer) and not isinstance(neurons, bool):
        alive = np.flatnonzero(np.ptp(activations, axis=0) > 0)
        wanted = _check.count("neurons", int(neurons))
        if wanted > len(alive):
            raise InputError(f"neurons: {wanted} wanted, but only {len(alive)} of {m} vary over the sample")
        return np.sort(rng.choice(alive, wanted, replace=False))
    expected = "None, a number, or a list of indices"
    chosen = _check.as_array("neurons", neurons, expected)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or len(chosen) == 0:
        raise InputError(f"neurons: {_check.shown(neurons)}; give {expected}")
    missing = (chosen < -m) | (chosen >= m)
    if missing.any():
        raise InputError(f"neurons: index {chosen[missing][0]} of {m} neurons; give 0 to {m - 1}")
    chosen = chosen.astype(np.int64) % m
    if len(np.unique(chosen)) != len(chosen):
        raise InputError("neurons: an index appears twice; give each neuron once")
    return chosen
