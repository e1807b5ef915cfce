"""How far the places of a match are off: what half of the samples would have said.

What is left of the edges does not tell. Errors that neighbouring edges share (curvature that the samples do not
resolve, noise of the local metric) strain nothing and add up from anchor to anchor. A match of half of each network's
samples, started from the whole one, goes astray by these errors too, and by more.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from sametask._types import Array, Float, Int
from sametask.charts.chart import Chart
from sametask.matching import isometric
from sametask.matching.isometric import Images
from sametask.matching.support import Walls
from sametask.numerics.edges import Edges
from sametask.numerics.neighbours import NeighbourGraph

_FEWEST = 40
"""Samples in a half besides the anchors, below which it is not matched by itself."""
_ITERATIONS = 4
_ITERATIONS_FREE = 12
_AROUND = 64
_COUNT = {1: 4}
"""Halves matched on curves, where the widest gap decides and halves differ much; else one."""
_OF_HALVES = {1: 0.11, 2: 0.33}
_OF_HALVES_ABOVE = 0.55
_COUNT_FREE = 4
_OF_FREE_HALVES = 1.0
"""Where nothing but the edges of the manifolds holds a match, halves are off as a whole: by so few numbers (with one
anchor in the plane by one, a turn) that some happen to agree. Of the halves the second most astray tells; one may have
been lost."""
_OF_NOISY_HALVES = 1.2
"""The error of a whole match for each by which halves differ from it, in one and two dimensions and above, and where
the local metric is noisy: measured on worlds whose truth is known, see docs/design.md."""
OF_RESIDUALS = 4.0
"""Likewise for each standard deviation that the residuals of the edges suggest, where there are too few samples."""


def deviation(
    first: Chart,
    second: Chart,
    images: Images,
    anchors: Int[Array, "k 2"],
    weights: Float[Array, " k"] | None = None,
    *,
    within: float = 0.0,
) -> Float[Array, " n"]:
    """Standard deviation of each place, per direction, in intrinsic units.

    Args:
        first, second: the charts.
        images: the match of all samples, with the deviation that its residuals suggest.
        anchors, weights: what the match was held by; halves are held by the same.
        within: of the walls that held it, see :class:`Walls`.
    """
    if min(len(first.rows), len(second.rows)) < 2 * (_FEWEST + len(anchors)):
        return OF_RESIDUALS * images.deviation
    rng = np.random.default_rng(0)
    spreads = []
    free = len(anchors) <= first.dimension
    for _ in range(_COUNT_FREE if free else _COUNT.get(first.dimension, 1)):
        rows = [_half(len(chart.rows), anchors[:, k], rng) for k, chart in enumerate((first, second))]
        moved = _moved(first, second, images, rows, anchors, weights, within)
        away = np.full(len(first.rows), np.nan)
        away[rows[0]] = np.linalg.norm(moved, axis=1) / np.sqrt(first.dimension)
        away[anchors[:, 0]] = np.nan  # held in both
        spreads.append(_spread(away, images.deviation, first.graph))
    if free:
        return _OF_FREE_HALVES * np.sort(spreads, axis=0)[-2]
    return _factor(first, second) * np.median(spreads, axis=0)


def _half(n: int, anchors: Array, rng: np.random.Generator) -> Array:
    """The anchors, and others that make up half of the samples."""
    others = rng.permutation(np.setdiff1d(np.arange(n), anchors))
    return np.concatenate([anchors, np.sort(others[: max(n // 2 - len(anchors), 0)])])


def _moved(
    first: Chart, second: Chart, images: Images, rows: list[Array], anchors: Array, weights: Array | None, within: float
) -> Array:
    """(p, d): steps from the places of the whole match to those of the half, in intrinsic units."""
    (one, graph), (two, opposite) = (chart.part(kept) for chart, kept in zip((first, second), rows, strict=True))
    whole = second.manifold
    sample, offset = images.sample[rows[0]], images.offset[rows[0]]
    at = whole.evaluate(sample, offset)
    near = _nearest_kept(second, rows[1])[sample]
    start = near, two.step(near, two.project(whole.lift(at))[0] - two.activations[near])
    k = len(anchors)
    edges = Edges.of(one, graph)
    half = isometric.refine(
        one,
        two,
        edges,
        start,
        anchors=np.stack([np.arange(k)] * 2, axis=1),
        weights=weights,
        pulls=None if k > first.dimension else Walls.between((one, graph), (two, opposite), within),
        iterations=_ITERATIONS if k > first.dimension else _ITERATIONS_FREE,
        draws=0,
    )
    moved = whole.project(two.lift(two.evaluate(half.sample, half.offset)))[0]
    return whole.step(sample, moved - at)


def _nearest_kept(chart: Chart, kept: Array) -> Array:
    """(n,) for each sample of a chart, the place among those ``kept`` of the nearest of its neighbours that is kept."""
    place = np.full(len(chart.rows), -1)
    place[kept] = np.arange(len(kept))
    around = np.concatenate([np.arange(len(place))[:, None], chart.graph.index], axis=1)
    present = place[around] >= 0
    near = place[around[np.arange(len(place)), present.argmax(axis=1)]]
    lost = np.flatnonzero(~present.any(axis=1))
    if len(lost):
        activations = chart.manifold.activations
        near[lost] = KDTree(activations[kept]).query(activations[lost])[1]
    return near


def _factor(first: Chart, second: Chart) -> float:
    return _OF_NOISY_HALVES if first.noisy or second.noisy else _OF_HALVES.get(first.dimension, _OF_HALVES_ABOVE)


def _spread(away: Array, shape: Array, graph: NeighbourGraph) -> Array:
    """How far halves are away around each sample: half by what its wider neighbourhood shows, half by where residuals
    let places give way, as one half tells much of the whole and little of the single place."""
    around = np.concatenate([away[:, None], away[graph.index[:, :_AROUND]]], axis=1)
    known = np.isfinite(around)
    overall = np.nanmean(np.square(away)) if np.isfinite(away).any() else 0.0
    count = known.sum(axis=1)
    local = np.where(known, np.square(around), 0).sum(axis=1)
    local = np.where(count > 0, local / np.maximum(count, 1), overall)
    level = np.mean(np.square(shape))
    given = overall * np.square(shape) / level if level > 0 else np.full(len(shape), overall)
    return np.sqrt(0.5 * (local + given))


def loose_deviation(
    first: Chart, second: Chart, images: Images, pairs: Array, *, unsure: float = 0.0, within: float = 0.0
) -> Array:
    """Of places that anchors do not hold: a wrong unit moves them as far as they are from the middle.

    Args:
        first, second, images, pairs: as for :func:`deviation`.
        unsure: relative standard deviation of the unit.
        within: of the walls, see :class:`Walls`.
    """
    own = deviation(first, second, images, pairs, within=within)
    if not unsure:
        return own
    return np.hypot(own, unsure * _from_middle(first.edges) / np.sqrt(first.dimension))


def _from_middle(edges: Edges) -> Float[Array, " n"]:
    """Intrinsic distances of the samples, along edges, from the one whose farthest sample is nearest."""

    def away(row: int) -> Array:
        return edges.distances(np.array([row]))[:, 0]

    there = away(int(np.argmax(away(0))))
    back = away(int(np.argmax(there)))
    return away(int(np.argmin(np.maximum(there, back))))
