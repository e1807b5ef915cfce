"""The two-way map between the activations of two networks, with uncertainty and support."""

from __future__ import annotations

import dataclasses
import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sametask import _check, _cluster, _files
from sametask._check import InputError
from sametask._types import Array, Bool, Float
from sametask.charts.chart import Chart
from sametask.maps import files as maps_files
from sametask.maps.chain import Chain
from sametask.maps.estimate import Estimate as Estimate
from sametask.maps.fitted import FittedMap
from sametask.matching.isometric import Images
from sametask.matching.match import Match
from sametask.numerics.hermite import hermite_weights
from sametask.numerics.local_metric import LocalMetric
from sametask.numerics.manifold import AROUND, Projection, SampledManifold, combine
from sametask.numerics.neighbours import NeighbourGraph
from sametask.probes.probe import Probe
from sametask.probes.stored import StoredProbe
from sametask.probes.units import metric_in_units

_VERSION = 4
_STRAINED = 0.05
"""Of less strain nothing is made; see the trust of edges in :mod:`sametask.matching.isometric`."""
_FARTHEST = 100.0
"""Distance from the nearest sample, in its radii, from which on uncertainty grows no more: nothing is known there."""
_DIFFERENCE = 0.25
"""Of the distance to neighbours: over so much the next map is smooth."""
TORN = 0.5
"""A sample whose neighbourhood is carried with more strain has no place of its own."""


@dataclass(frozen=True)
class OneWay:
    """A map from one network's activation manifold to another network's activations.

    At each sample of the source the value and its derivative are known; cubics through the samples around lie between.

    Attributes:
        source: the manifold mapped from.
        values: (n, m2) what the other network says at each sample.
        slopes: (n, d, m2) derivatives along the sample's frame.
        error: (n,) expected error of values between samples: each predicted from its neighbours alone.
        deviation: (n,) expected error of the values themselves, from the uncertainty of the match.
        noise: (n,) expected error from noise of the activations mapped, which puts them elsewhere on the source.
        radius: (n,) intrinsic distance from each sample within which a place counts as near it.
        thickness: (n,) activation distance from the manifold that curvature between samples explains.
        covered: (n,) whether the other network was probed near the image of the sample, and that is not torn.
        unit: lengths in the neighbourhoods of the network mapped from, as given, for each on ``source``.
    """

    source: SampledManifold
    values: Float[Array, "n m2"]
    slopes: Float[Array, "n d m2"]
    error: Float[Array, " n"]
    deviation: Float[Array, " n"]
    noise: Float[Array, " n"]
    radius: Float[Array, " n"]
    thickness: Float[Array, " n"]
    covered: Bool[Array, " n"]
    unit: float = 1.0

    @property
    def neurons(self) -> int:
        """Number of neurons mapped from."""
        projection = self.source.projection
        return self.source.activations.shape[1] if projection is None else len(projection.centre)

    @property
    def outputs(self) -> int:
        """Number of neurons mapped to."""
        return self.values.shape[1]

    @property
    def dimension(self) -> int:
        """Intrinsic dimension of what is mapped."""
        return self.source.dimension

    @property
    def kind(self) -> str:
        """What the map is made of: the geometry of charts."""
        return "geometry"

    def then(self, on: AnyMap) -> AnyMap:
        """This map and another one after it; derivatives of the latter are told by differences."""
        if not isinstance(on, OneWay):
            return Chain(self, on)
        reach = _DIFFERENCE * self.radius
        at = on(self.values)
        n, d, _ = self.slopes.shape
        slopes = np.empty((n, d, on.values.shape[1]))
        for k in range(d):
            step = reach[:, None] * self.slopes[:, k]
            slopes[:, k] = (on(self.values + step).value - on(self.values - step).value) / (2 * reach[:, None])
        sizes = [np.sqrt(np.square(each).sum(axis=(1, 2))) for each in (slopes, self.slopes)]
        gain = sizes[0] / np.maximum(sizes[1], np.finfo(float).tiny)
        return dataclasses.replace(
            self,
            values=at.value,
            slopes=slopes,
            error=self.error * gain,
            deviation=np.hypot(self.deviation * gain, at.uncertainty),
            noise=self.noise * gain,
            covered=self.covered & at.inside,
        )

    def __call__(self, activations: Float[Array, "p m"], metric: LocalMetric | None = None) -> Estimate:
        """Locate on the source, with the local metric where it is known; interpolate between the samples around."""
        reduced, left = self.source.project(activations)
        if metric is not None:
            metric = self.source.project_metric(metric).rescale(1 / self.unit)
        sample, offset, missing, value = self.source.carry(reduced, metric, (self.values, self.slopes))
        missing = np.hypot(missing, left)
        away = np.linalg.norm(offset, axis=1) / self.radius[sample]
        aside = np.maximum(missing - self.thickness[sample], 0)
        inside = (away <= 1) & (aside == 0) & self.covered[sample]
        # what cubics leave out grows with the fourth power of the distance, and a turn of the match with the first
        beyond = np.clip(away, 1, _FARTHEST)
        parts = (self.error[sample] * beyond**4, self.deviation[sample] * beyond, self.noise[sample])
        # what lies beside the manifold may as well lie as far along it
        parts += (aside * self._steepness[sample],)
        return Estimate(value, np.sqrt(sum(np.square(part) for part in parts)), inside)

    @cached_property
    def _steepness(self) -> Float[Array, " n"]:
        """Change of values for each change of the activations mapped."""
        gains = np.maximum(self.source.metric.gains, np.finfo(float).tiny)
        return np.sqrt(np.square(self.slopes / gains[:, :, None]).sum(axis=(1, 2)))


AnyMap = OneWay | FittedMap | Chain


@dataclass(frozen=True)
class Transformation:
    """A map from one network's activations to the other's, and back.

    Attributes:
        there: first to second, or None where the first does not determine the second.
        back: second to first, or None likewise.
        names: of the two networks.
        neurons: names of the neurons of each.
        input_units: (D,) what counts as one unit of length along each input coordinate in the local metric of probes
            that are mapped; None where that is taken as it comes.
    """

    there: AnyMap | None
    back: AnyMap | None
    names: tuple[str, str]
    neurons: tuple[tuple[str, ...], tuple[str, ...]]
    input_units: tuple[float, ...] | None = None

    def __repr__(self) -> str:
        arrow = "↔" if self.there and self.back else "→" if self.there else "←"
        return f"Transformation({self.names[0]!r} {arrow} {self.names[1]!r})"

    @staticmethod
    def from_match(match: Match) -> Transformation:
        """The transformation, both ways, that an isometric match implies.

        Raises:
            InputError: not a match.
        """
        if not isinstance(match, Match):
            raise InputError(f"match: {type(match).__name__}; give an st.Match, from st.match or a verdict's match")
        there = _through(match.first, match.second, match.forward)
        back = _through(match.second, match.first, match.backward)
        return _of(match.first, match.second, there, dataclasses.replace(back, unit=match.relative_scale))

    @staticmethod
    def from_pairs(first: Chart, second: Chart, *, forward: bool = True, backward: bool = True) -> Transformation:
        """The transformation between samples known to belong together: row i of one chart to row i of the other.

        No isometry is assumed, and dimensions may differ: values are known, derivatives are fitted.

        Raises:
            InputError: the charts have different numbers of samples.
        """
        if len(first.rows) != len(second.rows):
            raise InputError(f"charts: {len(first.rows)} and {len(second.rows)} samples; give the same inputs to both")
        there = _paired(first, second.probe.activations) if forward else None
        back = _paired(second, first.probe.activations) if backward else None
        return _of(first, second, there, back)

    def forward(self, activations: Any, *, client: Any = None) -> Estimate:
        """What the second network says where the first says ``activations``.

        Args:
            activations: (n, m1), or a probe of the first network, stored or not: where its activations cross
                themselves, the local metric tells which branch a sample is on, which activations alone do not.
            client: a ``dask.distributed.Client`` whose workers carry some rows each. None takes the current one where
                there is one, False none.

        Returns:
            value (n, m2), uncertainty (n,) and inside (n,).

        Raises:
            InputError: wrong number of neurons or dimensions, values not finite, or the first does not determine the
                second.
            ClusterError: workers were lost again and again, or the scheduler.
        """
        return self._carry(self.there, activations, client, "forward", *self.names)

    def backward(self, activations: Any, *, client: Any = None) -> Estimate:
        """What the first network says where the second says ``activations``; see :meth:`forward`."""
        return self._carry(self.back, activations, client, "backward", *self.names[::-1])

    def then(self, on: Transformation) -> Transformation:
        """The way from the first network to a third, through this one's second: this map, and ``on`` after it.

        Raises:
            InputError: ``on`` does not begin where this ends.
        """
        if self.neurons[1] != on.neurons[0]:
            raise InputError(
                f"on: a map from {on.names[0]} with {len(on.neurons[0])} neurons, but this one leads to "
                f"{self.names[1]} with {len(self.neurons[1])}; give a map that begins at {self.names[1]}"
            )
        there = _after(self.there, on.there) if self.there and on.there else None
        back = _after(on.back, self.back) if on.back and self.back else None
        names, neurons = (self.names[0], on.names[1]), (self.neurons[0], on.neurons[1])
        return Transformation(there, back, names, neurons, self.input_units)

    def round_trip(self, activations: Any) -> Float[Array, "n m"]:
        """Activations of the first network carried to the second and back."""
        return self.backward(self.forward(activations).value).value

    def _carry(
        self, way: AnyMap | None, activations: Any, client: Any, name: str, source: str, target: str
    ) -> Estimate:
        if way is None:
            raise InputError(f"{name}: {source} does not determine {target}; only the other way exists")
        d, m, m2 = way.dimension, way.neurons, way.outputs
        probed = isinstance(activations, Probe | StoredProbe) and activations.dimension
        if d is not None and probed and activations.dimension != d:
            raise InputError(
                f"activations: a probe of {activations.dimension} dimensions, but {source} was probed in {d}"
            )
        if isinstance(activations, StoredProbe):
            n, width, parts = len(activations), len(activations.neurons), activations.chunks
            blocks, units = activations.blocks(), self.input_units
            pieces = (
                (rows, (p.activations.astype(np.float64), metric_in_units(p, units) if probed else None))
                for rows, p in blocks
            )
        else:
            metric = None
            if isinstance(activations, Probe):
                metric = metric_in_units(activations, self.input_units) if probed else None
                activations = activations.activations
            expected = "(n samples, m neurons), or a probe"
            y = _check.array("activations", activations, ndim=range(2, 33), expected=expected)
            y = y.reshape(len(y), -1) if y.size else y.reshape(len(y), y.shape[1])
            (n, width), cuts = y.shape, _cluster.cuts(len(y), max(m, m2))
            parts = len(cuts)
            pieces = ((rows, (y[rows].astype(np.float64), metric.take(rows) if metric else None)) for rows in cuts)
        if width != m:
            raise InputError(f"activations: {width} neurons, but {source} was probed with {m}")
        client = _cluster.found(client, parts)
        whole, residuals = Estimate(np.empty((n, m2)), np.empty(n), np.empty(n, bool)), None
        for rows, part in _cluster.by_rows(client, type(way).__call__, way, pieces, "translate"):
            whole.value[rows], whole.uncertainty[rows], whole.inside[rows] = part.value, part.uncertainty, part.inside
            residuals = part.residuals
        return dataclasses.replace(whole, residuals=residuals)

    # -- files -------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the transformation to a ``.npz`` file; the file appears only once it is whole.

        Raises:
            InputError: the file cannot be written there.
        """
        about = {
            "format": "sametask-transformation",
            "version": _VERSION,
            "names": list(self.names),
            "neurons": [list(neurons) for neurons in self.neurons],
            "input_units": None if self.input_units is None else list(self.input_units),
        }
        arrays: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
        for label, way in (("there", self.there), ("back", self.back)):
            if way is not None:
                arrays |= {f"{label}_{field}": array for field, array in _arrays(way).items()}
        with _files.whole("path", path) as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @staticmethod
    def load(path: str | Path) -> Transformation:
        """Read a transformation written by :meth:`save`. Nothing is unpickled.

        Raises:
            InputError: there is no such file, or it does not hold a transformation.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"path: no such file {path}; transformations are .npz files from Transformation.save")
        try:
            # opened here: where numpy refuses a file that it opened itself, it can leave it open
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                about = json.loads(bytes(stored["about"]).decode())
                if about.get("format") != "sametask-transformation":
                    raise KeyError("format")
                if about.get("version") not in (2, 3, _VERSION):
                    raise InputError(f"path: {path} has version {about.get('version')}; this release reads {_VERSION}")
                ways = [_read(_of_label(stored, label)) for label in ("there", "back")]
                names, neurons, units = about["names"], about["neurons"], about.get("input_units")
                return Transformation(
                    ways[0],
                    ways[1],
                    (names[0], names[1]),
                    (tuple(neurons[0]), tuple(neurons[1])),
                    None if units is None else tuple(map(float, units)),
                )
        except InputError:
            raise
        except (KeyError, ValueError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
            raise InputError(
                f"path: {path} is not a saved transformation; write one with Transformation.save"
            ) from None


_FIELDS = ("values", "slopes", "error", "deviation", "noise", "radius", "thickness", "covered")


def _arrays(way: AnyMap) -> dict[str, Any]:
    """A map as arrays by name."""
    if isinstance(way, Chain):
        parts = [{f"{k}_{field}": array for field, array in _arrays(part).items()} for k, part in enumerate(way.parts)]
        return {"chain": np.array(len(parts)), **{field: array for part in parts for field, array in part.items()}}
    if isinstance(way, FittedMap):
        return maps_files.arrays(way)
    metric = way.source.metric
    arrays = {field: getattr(way, field) for field in (*_FIELDS, "unit")}
    arrays |= {
        "activations": way.source.activations,
        "frames": metric.frames,
        "gains": metric.gains,
        "neighbours": way.source.neighbours,
    }
    if way.source.projection is not None:
        arrays |= {"centre": way.source.projection.centre, "basis": way.source.projection.basis}
    return arrays


def _of_label(stored: Any, label: str) -> dict[str, Array]:
    """Arrays whose names begin with a label, without it."""
    return {name.removeprefix(f"{label}_"): stored[name] for name in stored if name.startswith(f"{label}_")}


def _read(arrays: dict[str, Array]) -> AnyMap | None:
    """A map from its arrays; None from none."""
    if not arrays:
        return None
    if "chain" in arrays:
        parts = [_read(_of_label(arrays, str(k))) for k in range(int(arrays["chain"]))]
        first, second = parts
        if first is None or second is None or first.outputs != second.neurons:
            raise ValueError("chain")
        return Chain(first, second)
    if "kind" in arrays:
        return maps_files.read(arrays)
    n = len(arrays["activations"])
    for name, array in arrays.items():
        of_samples = name not in ("basis", "centre", "unit")
        if array.dtype.kind not in "fiub" or np.isnan(array).any() or (of_samples and array.shape[:1] != (n,)):
            raise ValueError(name)
        lengths = name in ("error", "deviation", "noise", "radius", "thickness")
        if (lengths and array.min(initial=0) < 0) or (name == "gains" and not (array > 0).all()):
            raise ValueError(name)
    if arrays["neighbours"].min(initial=0) < 0 or arrays["neighbours"].max(initial=0) >= n or not n:
        raise ValueError("neighbours")
    projection = Projection(arrays["centre"], arrays["basis"]) if "basis" in arrays else None
    metric = LocalMetric(arrays["frames"], arrays["gains"])
    source = SampledManifold(arrays["activations"], metric, arrays["neighbours"], projection)
    return OneWay(source, *(arrays[field] for field in _FIELDS), unit=float(arrays["unit"]))


def _after(first: AnyMap, second: AnyMap) -> AnyMap:
    """One map and another after it."""
    return first.then(second) if isinstance(first, OneWay) else Chain(first, second)


def _of(first: Chart, second: Chart, there: OneWay | None, back: OneWay | None) -> Transformation:
    a, b = first.probe, second.probe
    return Transformation(there, back, (a.name, b.name), (a.neurons, b.neurons))


def _through(source: Chart, target: Chart, images: Images) -> OneWay:
    """A one-way map from places on the target's manifold."""
    manifold = target.manifold
    pieces = target.probe.pieces
    values, slopes = manifold.expand(images.sample, images.offset, pieces)
    slopes = np.matmul(np.swapaxes(images.differential, 1, 2), slopes)
    reach = radius_of(target.graph, target.dimension)[images.sample]
    # beyond what the match as a whole is off by, a place is off by as much as its neighbours contradict it
    place = np.hypot(images.deviation, np.where(images.strain > _STRAINED, images.strain * reach, 0))
    deviation = place * np.sqrt(np.square(slopes).sum(axis=(1, 2)))
    covered = (np.linalg.norm(images.offset, axis=1) <= reach) & (images.strain <= TORN)
    # an activation off by ε is taken for one at an intrinsic step of W ε
    moved = np.sqrt(np.square(slopes / source.manifold.metric.gains[:, :, None]).sum(axis=(1, 2)))
    return _one_way(source, values, slopes, deviation, _noise(source.manifold, source.graph) * moved, covered)


def _paired(source: Chart, values: Array) -> OneWay:
    """A one-way map through known values."""
    n = len(values)
    slopes = fitted_slopes(source.graph, values.astype(np.float64))
    # a sample's own noise shows where its value is predicted from its neighbours
    return _one_way(source, values.astype(np.float64), slopes, np.zeros(n), np.zeros(n), np.ones(n, bool))


def _one_way(source: Chart, values: Array, slopes: Array, deviation: Array, noise: Array, covered: Array) -> OneWay:
    manifold, graph = source.manifold, source.graph
    error = left_out_error(manifold, graph, values, slopes)
    radius = radius_of(graph, source.dimension)
    thickness = thickness_of(manifold, graph) + 2 * manifold.project(source.probe.activations)[1]
    return OneWay(manifold, values, slopes, error, deviation, noise, radius, thickness, covered)


def left_out_error(
    manifold: SampledManifold,
    graph: NeighbourGraph,
    values: Float[Array, "n m"],
    slopes: Float[Array, "n d m"],
) -> Float[Array, " n"]:
    """Local root mean square error of each sample's value predicted from its neighbours' pieces alone.

    A new place lies as far from its nearest sample as samples lie from each other, so this is the error to expect
    between samples.
    """
    error = np.empty(graph.size)
    for own, residual, _ in _left_out(manifold, graph, values, slopes):
        error[own] = np.linalg.norm(residual, axis=1)
    return spread_around(graph, error)


def _left_out(
    manifold: SampledManifold, graph: NeighbourGraph, values: Array, slopes: Array
) -> Iterator[tuple[Array, Array, Array]]:
    """Some samples at a time: which, by how much their neighbours' pieces alone miss their values, and the steps to
    those neighbours."""
    n = graph.size
    near = graph.index[:, :AROUND]
    block = max(1, (1 << 22) // (near.shape[1] * values.shape[1] * (manifold.dimension + 1)))
    for start in range(0, n, block):
        own = np.arange(start, min(start + block, n))
        steps, turns = manifold.steps_to(near[own], own, np.zeros((len(own), manifold.dimension)))
        predicted, _ = combine(near[own], steps, turns, values, slopes)
        yield own, predicted - values[own], steps


def spread_around(graph: NeighbourGraph, error: Array) -> Array:
    """Root mean square over each sample and its neighbours."""
    near = np.concatenate([np.arange(graph.size)[:, None], graph.index[:, :AROUND]], axis=1)
    return np.sqrt(np.mean(np.square(error[near]), axis=1))


def _noise(manifold: SampledManifold, graph: NeighbourGraph) -> Float[Array, " n"]:
    """Standard deviation of the noise of each neuron around each sample, in activation units: as far as samples lie
    beside the manifold through their neighbours, noise displaces them along it."""
    normal = manifold.activations.shape[1] - manifold.dimension
    if normal == 0:
        return np.zeros(graph.size)
    frames, gains = manifold.metric.frames, manifold.metric.gains
    beside = np.empty(graph.size)
    for own, residual, steps in _left_out(manifold, graph, manifold.activations, gains[:, :, None] * frames):
        along = np.matmul(frames[own], residual[:, :, None])
        aside = np.linalg.norm(residual - np.matmul(np.swapaxes(frames[own], 1, 2), along)[:, :, 0], axis=1)
        # what is predicted has the noise of the neighbours
        beside[own] = aside / np.sqrt(1 + np.square(hermite_weights(steps)[0]).sum(axis=1))
    return spread_around(graph, beside) / np.sqrt(normal)


def fitted_slopes(graph: NeighbourGraph, values: Array) -> Array:
    """(n, d, m): derivatives by local regression over the nearest neighbours, quadratic where there are enough."""
    d = graph.steps.shape[2]
    rows, columns = np.triu_indices(d)
    terms = d + len(rows)
    near = min(max(2 * terms + 2, 8), graph.index.shape[1])
    steps = graph.steps[:, :near]
    weight = graph.present[:, :near].astype(float)
    length = np.sqrt(np.square(steps).sum(axis=2).max(axis=1))[:, None, None] + np.finfo(float).tiny
    scaled = steps / length
    design = (
        np.concatenate([scaled, scaled[:, :, rows] * scaled[:, :, columns]], axis=2) if near >= 2 * terms else scaled
    )
    weighted = design * weight[:, :, None]
    moment = np.matmul(np.swapaxes(weighted, 1, 2), design)
    moment += 1e-10 * np.trace(moment, axis1=1, axis2=2)[:, None, None] * np.eye(design.shape[2]) + 1e-300
    solver = np.linalg.solve(moment, np.swapaxes(weighted, 1, 2))[:, :d]
    slopes = np.empty((len(values), d, values.shape[1]))
    block = max(1, (1 << 22) // (near * values.shape[1]))
    for start in range(0, len(values), block):
        own = slice(start, start + block)
        change = values[graph.index[own, :near]] - values[own, None]
        slopes[own] = np.matmul(solver[own], change) / length[own]
    return slopes


def radius_of(graph: NeighbourGraph, dimension: int) -> Array:
    """Intrinsic distance to about the (2d + 2)nd neighbour."""
    near = min(2 * dimension + 2, graph.index.shape[1])
    squared = np.where(graph.present, graph.squared, -np.inf)[:, :near].max(axis=1)
    radius = np.sqrt(np.maximum(squared, 0))
    return np.where(radius > 0, radius, np.median(radius))


def thickness_of(manifold: SampledManifold, graph: NeighbourGraph) -> Array:
    """Largest distance of near neighbours from each sample's tangent plane, in activation units."""
    n, d = graph.size, manifold.dimension
    near = graph.index[:, : 2 * d + 2]
    i, j = np.repeat(np.arange(n), near.shape[1]), near.ravel()
    change = manifold.activations[j] - manifold.activations[i]
    left = np.linalg.norm(change - manifold.change(i, manifold.step(i, change)), axis=1)
    rounding = 8 * np.sqrt(np.finfo(manifold.activations.dtype).eps) * np.linalg.norm(change, axis=1)
    return (left + rounding).reshape(n, -1).max(axis=1)
