"""What one chunk of a probe is computed from, wherever that is done."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from sametask import _cluster
from sametask._check import InputError
from sametask._types import Array
from sametask.networks.network import Network
from sametask.numerics import local_metric
from sametask.numerics.local_metric import LocalMetric
from sametask.probes.inputs import Inputs, digest_of
from sametask.probes.neighbourhoods import Neighbourhood
from sametask.probes.noise import Noise
from sametask.probes.recorded import Around, Recorded


def see(
    network: Network,
    way: Neighbourhood,
    inputs: Array,
    start: int,
    neurons: Array | slice,
    seed: int,
    batch_size: int,
    tick: Callable[[int], Any] | None = None,
) -> tuple[Array, LocalMetric | None]:
    """One chunk: a function of its arguments alone, so that any process can compute it, again and in any order.

    Args:
        network: what is seen.
        way: how, with everything decided; its :meth:`~Neighbourhood.part` for these rows.
        inputs: (rows, …) the chunk's own.
        start: the row of the first of them among all.
        neurons: which columns are kept.
        seed: of random perturbations.
        batch_size: inputs given to the network at once. Batches begin at multiples of it among all rows, so that they
            are the same whatever the chunks are.
        tick: is told of every batch how many inputs it had.

    Returns:
        Activations (rows, m), and the local metric; None where that is told by all samples.

    Raises:
        InputError: what is seen is not finite, or the network does not return a row for each input.
    """
    activations: list[Array] = []
    metrics: list[LocalMetric] = []
    at, stop = start, start + len(inputs)
    while at < stop:
        end = min(stop, (at // batch_size + 1) * batch_size)
        rows = slice(at - start, end - start)
        values, metric = way.part(rows).observe(network, inputs[rows], at, neurons, seed)
        if len(values) != end - at:
            raise InputError(f"network: {network.name} returned {len(values)} rows for {end - at} inputs")
        activations.append(values)
        if metric is not None:
            metrics.append(metric)
        if tick is not None:
            tick(end - at)
        at = end
    return np.concatenate(activations), local_metric.concatenate(metrics) if metrics else None


@dataclass(frozen=True)
class Sight:
    """A network about to be seen at all inputs.

    Attributes:
        network: what is seen.
        way: how; resolved once :meth:`choose` was called.
        inputs: where.
        ids: (n,) names of the inputs.
        seed: of random perturbations.
        batch_size: inputs given to the network at once.
        names: of all columns that the network returns; known once :meth:`choose` or :meth:`restored` was called.
        neurons: which columns are kept; None for all.
        noise: how much the network's answers vary, as far as a second look at some inputs shows.
    """

    network: Network
    way: Neighbourhood
    inputs: Inputs
    ids: Array | None
    seed: int
    batch_size: int
    names: tuple[str, ...] = ()
    neurons: Array | None = None
    noise: Noise | None = None

    @property
    def name(self) -> str:
        """Of the network."""
        return self.network.name

    @property
    def kind(self) -> str:
        """Of the neighbourhoods."""
        return self.way.kind

    @property
    def scale(self) -> float | None:
        """Of the neighbourhoods."""
        return self.way.scale

    @property
    def columns(self) -> Array | slice:
        """An index that keeps the neurons."""
        return slice(None) if self.neurons is None else self.neurons

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the neurons that are kept."""
        return self.names if self.neurons is None else tuple(self.names[k] for k in self.neurons)

    @property
    def dimension(self) -> int:
        """Directions that the metric will hold."""
        return min(self.way.directions(self.inputs.shape), len(self.kept))

    def choose(self, names: tuple[str, ...], neurons: Array | None) -> Sight:
        """With neurons, and all that must be the same for all inputs, decided."""
        chosen = dataclasses.replace(self, names=names, neurons=neurons)
        way = self.way.resolve(self.network, self.inputs, chosen.columns, self.seed)
        return dataclasses.replace(chosen, way=way)

    def decided(self) -> dict[str, Any]:
        """What was decided, as JSON holds it."""
        return {"neurons": None if self.neurons is None else self.neurons.tolist(), "way": self.way.decided()}

    def restored(self, names: tuple[str, ...], decided: dict[str, Any]) -> Sight:
        """With what was :meth:`decided` before."""
        neurons = None if decided["neurons"] is None else np.array(decided["neurons"], np.int64)
        way = dataclasses.replace(self.way, **decided["way"])  # type: ignore[type-var]  # subclasses are data classes
        return dataclasses.replace(self, names=names, neurons=neurons, way=way)

    def call(self, neurons: int | Array | None, inputs: str, given_ids: Array | None) -> dict[str, Any]:
        """What tells this call from others, in plain numbers and digests: all that results depend on but the network,
        which is known again by its activations."""
        told = {
            "samples": len(self.inputs),
            "inputs": inputs,
            "neighbourhood": self.way.described(self.inputs, self.seed),
            "neurons": neurons.tolist() if isinstance(neurons, np.ndarray) else neurons,
            "ids": None if given_ids is None else digest_of(given_ids),
            "seed": self.seed,
            "name": self.name,
        }
        return json.loads(json.dumps(told))

    def seen(
        self, chunks: Sequence[slice], client: Any, tick: Callable[[int], Any]
    ) -> Iterator[tuple[int, tuple[Array, LocalMetric | None]]]:
        """What :func:`see` returns of chunks of rows, by their number in ``chunks``, as they are finished.

        Args:
            chunks: slices of rows.
            client: of a cluster, or None.
            tick: is told how many inputs were seen.
        """
        shared = (self.network, self.columns, self.seed, self.batch_size)
        parts = ((self.way.part(rows), self.inputs[rows], rows.start) for rows in chunks)
        if client is None:
            yield from ((k, _see(shared, *part, tick=tick)) for k, part in enumerate(parts))
            return
        for k, seen in _cluster.each(client, _see, shared, parts, "probe"):
            yield k, seen
            tick(chunks[k].stop - chunks[k].start)

    def row_bytes(self, activations: Array) -> int:
        """Bytes of everything about one sample, where all columns take as many as in ``activations``."""
        m, d = len(self.kept), self.dimension
        own = self.inputs.width * self.inputs.dtype.itemsize
        return m * activations.itemsize + 8 * (d * m + d + d * self.way.directions(self.inputs.shape) + 1) + own


def metrics_among_all(
    recorded: Recorded, chunks: Sequence[slice], client: Any, tick: Callable[[int], Any]
) -> Iterator[tuple[int, LocalMetric]]:
    """Metrics that are told by all samples, as :meth:`Sight.seen` returns what is seen."""
    parts = ((recorded.around(rows),) for rows in chunks)
    done = (
        ((k, part[0].metric()) for k, part in enumerate(parts))
        if client is None
        else _cluster.each(client, _metric, None, parts, "metric")
    )
    for k, metric in done:
        yield k, metric
        tick(chunks[k].stop - chunks[k].start)


def _see(shared: tuple[Any, ...], way: Neighbourhood, inputs: Array, start: int, **options: Any) -> tuple[Any, Any]:
    network, *rest = shared
    return see(network, way, inputs, start, *rest, **options)


def _metric(_: None, around: Around) -> LocalMetric:
    return around.metric()


def progress_bar(sight: Sight, done: int) -> Any:
    """A bar of inputs on a terminal, nothing in a pipe; ``done`` of them were found."""
    passes = 2 if sight.way.among_all else 1
    return tqdm(
        desc=f"probing {sight.name}",
        unit="input",
        total=passes * len(sight.inputs),
        initial=done,
        unit_scale=True,
        disable=not sys.stderr.isatty(),
    )
