"""Probe a network: evaluate it, and small neighbourhoods, at given inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from sametask import _check, _cluster
from sametask._check import InputError
from sametask._types import Array
from sametask.networks.network import Network
from sametask.numerics import local_metric
from sametask.probes import storage, streaming
from sametask.probes.chunks import Sight, metrics_among_all, progress_bar
from sametask.probes.guard import check_derivatives
from sametask.probes.inputs import Inputs
from sametask.probes.neighbourhoods import Jacobian, Neighbourhood
from sametask.probes.noise import Noise, noise_of
from sametask.probes.probe import Probe, assemble, check_enough, check_ids
from sametask.probes.stored import StoredProbe

_FIRST = 256
"""Inputs by which it is told which neurons vary, where some are drawn."""
_FEW = 16
"""Inputs by which it is told how many neurons there are."""


@overload
def probe(
    network: Network,
    inputs: Any,
    neighbourhood: Neighbourhood | None = None,
    *,
    neurons: int | Sequence[int] | Array | None = None,
    ids: Any = None,
    seed: int = 0,
    batch_size: int = 256,
    store: None = None,
    chunk_rows: int | None = None,
    client: Any = None,
    repeats: int = 1,
) -> Probe: ...


@overload
def probe(
    network: Network,
    inputs: Any,
    neighbourhood: Neighbourhood | None = None,
    *,
    neurons: int | Sequence[int] | Array | None = None,
    ids: Any = None,
    seed: int = 0,
    batch_size: int = 256,
    store: str | Path,
    chunk_rows: int | None = None,
    client: Any = None,
    repeats: int = 1,
) -> StoredProbe: ...


def probe(
    network: Network,
    inputs: Any,
    neighbourhood: Neighbourhood | None = None,
    *,
    neurons: int | Sequence[int] | Array | None = None,
    ids: Any = None,
    seed: int = 0,
    batch_size: int = 256,
    store: str | Path | None = None,
    chunk_rows: int | None = None,
    client: Any = None,
    repeats: int = 1,
) -> Probe | StoredProbe:
    """See a network at some inputs, each with a small neighbourhood that fixes the local metric.

    With a ``store`` nothing is held in memory but one chunk, 8 bytes for each id, and for :class:`Neighbours` a tree
    of the inputs. Killed at any moment, the same call goes on: chunks that were finished are not computed again. They
    are recognised by the inputs, all options, and the network's activations at some inputs seen before. Until it is
    finished the store is beside its name (``a.zarr.part``); a finished probe of that name that another call wrote
    stays until then, and is replaced, as :meth:`Probe.save` does. The result is the same to the bit as in memory.

    Args:
        network: from :func:`~sametask.from_torch`, :func:`~sametask.from_onnx` or :func:`~sametask.from_callable`.
        inputs: (n, …) the inputs, a sample of a low-dimensional manifold. A memory-mapped file
            (``numpy.load(…, mmap_mode="r")``) is never copied whole.
        neighbourhood: how to see the neighbourhood of each; default :class:`Jacobian`, exact derivatives with respect
            to inputs that are themselves the intrinsic coordinates.
        neurons: None for all, a number to draw that many at random (2d + 1 generic ones are enough, by Whitney's
            theorem), or indices.
        ids: (n,) whole numbers or strings that name the samples. None derives them from the inputs themselves, so
            that two networks probed at the same inputs have the same ids.
        seed: of the draw of neurons and of random perturbations; those of an input are told by the seed and its row.
        batch_size: inputs given to the network at once; bounds the memory. Bits depend on it only where the network's
            own do.
        store: a Zarr directory, written chunk by chunk as it is computed.
        chunk_rows: inputs in a chunk of a new store, rounded up to whole batches: what is lost at worst when the
            process is killed, and what a worker of a ``client`` is given at once, with a store or without. None takes
            some megabytes' worth, or less where more workers would have nothing to do. A store that was begun keeps
            its own.
        client: a ``dask.distributed.Client``, whose workers then see the inputs, chunk by chunk; this process hands
            them out and writes. None takes the current one where there is one, False none. Bits are the same where
            workers compute as this machine does.
        repeats: how often each input is given to the network, whose answers are averaged: more than once for networks
            that draw random numbers. Not with a ``store``.

    Returns:
        The probe; with a ``store`` a :class:`StoredProbe`, whose rows are read as they are asked for.

    Raises:
        InputError: inputs or activations are not finite, inputs repeat, a neuron does not exist, or the neighbourhood
            does not suit the network. With a ``store``: it was begun by another call, or another process is writing
            it. With a ``client``: the network cannot be sent to workers.
        ClusterError: workers were lost again and again, or the scheduler. What was stored is kept.

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
    x = Inputs.of(inputs)
    seed = _check.count("seed", seed, least=0)
    _check.count("batch_size", batch_size)
    repeats = _check.count("repeats", repeats)
    if repeats > 1 and store is not None:
        raise InputError("repeats: not with a store; probe in memory, and save with Probe.save")
    if chunk_rows is not None:
        _check.count("chunk_rows", chunk_rows)
    wanted = _wanted(neurons)
    path = None if store is None else storage.target("store", store)
    given_ids = None if ids is None else check_ids(ids, len(x))
    content_ids, digest = x.survey(names=ids is None)
    neighbourhood.check(network, x)

    sight = Sight(
        network=network,
        way=neighbourhood,
        inputs=x,
        ids=content_ids if given_ids is None else given_ids,
        seed=seed,
        batch_size=batch_size,
    )
    call = {} if path is None else sight.call(wanted, digest, given_ids)
    resumed = None if path is None else streaming.resumed(sight, path, call, client)
    if resumed is not None:
        return resumed
    few = min(len(x), _FIRST if isinstance(wanted, int) else _FEW)
    first = np.concatenate([network(x[rows]) for rows in _batches(few, batch_size)])
    chosen = _choose(wanted, first, np.random.default_rng(seed))
    sight = sight.choose(network.neuron_names(first.shape[1]), chosen)
    sight = dataclasses.replace(sight, noise=_noise(network, x[: min(few, batch_size)], first, sight.columns))
    if isinstance(neighbourhood, Jacobian) and sight.noise is None:
        check_derivatives(network, x, neighbourhood, sight.columns, seed)
    check_enough("inputs", len(x), sight.dimension)
    rows = storage.rows_in_chunk(len(x), sight.row_bytes(first), batch_size, chunk_rows)
    client = _cluster.found(client, -(-len(x) // batch_size)) or False
    if client and chunk_rows is None:
        rows = min(rows, storage.rows_in_chunk(len(x), 1, batch_size, _cluster.rows_for_all(client, len(x))))
    if path is not None:
        return streaming.begun(sight, path, call, rows, client)
    seen = _in_memory(sight, rows, client)
    return seen if repeats == 1 else seen.with_repeats(_answers(sight, repeats))


def _answers(sight: Sight, repeats: int) -> Array:
    """(n, repeats, m) answers to each input."""
    batches = _batches(len(sight.inputs), sight.batch_size)
    every = [[sight.network(sight.inputs[rows])[:, sight.columns] for rows in batches] for _ in range(repeats)]
    return np.stack([np.concatenate(each) for each in every], axis=1)


def _in_memory(sight: Sight, rows: int, client: Any) -> Probe:
    """Chunk by chunk all the same, so that results do not depend on whether they are stored."""
    n = len(sight.inputs)
    parts = [slice(start, min(start + rows, n)) for start in range(0, n, rows)]
    with progress_bar(sight, 0) as bar:
        client = _cluster.found(client, len(parts))
        seen = dict(sight.seen(parts, client, bar.update))
        y = np.concatenate([seen[k][0] for k in range(len(parts))])
        if sight.way.among_all:
            metrics = dict(metrics_among_all(sight.way.complete(y, sight.inputs), parts, client, bar.update))
        else:
            metrics = {k: metric for k, (_, metric) in seen.items() if metric is not None}
    return assemble(
        y,
        local_metric.concatenate([metrics[k] for k in range(len(parts))]),
        ids=sight.ids,
        scale=sight.way.scale,
        neurons=sight.kept,
        inputs=sight.inputs[slice(None)],
        name=sight.name,
        kind=sight.way.kind,
        noise=sight.noise,
    )


def _noise(network: Network, inputs: Array, first: Array, columns: Array | slice) -> Noise | None:
    """Whether the network says the same again of the first inputs."""
    seen, again = first[: len(inputs), columns], network(inputs)[:, columns]
    if seen.shape != again.shape:
        return None
    return noise_of(np.stack([seen, again], axis=1), first[:, columns].astype(np.float64).var(axis=0), 1)


def _batches(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _wanted(neurons: Any) -> int | Array | None:
    """The user's choice of neurons, as far as it can be checked without the network."""
    if neurons is None:
        return None
    if isinstance(neurons, int | np.integer) and not isinstance(neurons, bool):
        return _check.count("neurons", int(neurons))
    expected = "None, a number, or a list of indices"
    chosen = _check.as_array("neurons", neurons, expected)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or len(chosen) == 0:
        raise InputError(f"neurons: {_check.shown(neurons)}; give {expected}")
    return chosen


def _choose(wanted: int | Array | None, activations: Array, rng: np.random.Generator) -> Array | None:
    """Columns to keep; None for all."""
    m = activations.shape[1]
    if wanted is None:
        return None
    if isinstance(wanted, int):
        alive = np.flatnonzero(np.ptp(activations, axis=0) > 0)
        if wanted > len(alive):
            raise InputError(f"neurons: {wanted} wanted, but only {len(alive)} of {m} vary over the sample")
        return np.sort(rng.choice(alive, wanted, replace=False))
    missing = (wanted < -m) | (wanted >= m)
    if missing.any():
        raise InputError(f"neurons: index {wanted[missing][0]} of {m} neurons; give 0 to {m - 1}")
    chosen = wanted.astype(np.int64) % m
    if len(np.unique(chosen)) != len(chosen):
        raise InputError("neurons: an index appears twice; give each neuron once")
    return chosen
