"""Coarse maps between two manifolds from distances along them alone, with no correspondence to start from.

Isometric manifolds agree in the distances among their points. Some hundred well-spread points of each stand for it. A
few far apart on the first are tried at all places on the second that are as far apart, one after another; what is left
is completed to a map of all points and mended until it no longer changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float, Int
from sametask.numerics.edges import Edges

_POINTS = {1: 60, 2: 150}
_POINTS_ABOVE = 250
_KEPT = 2000
"""Partial assignments kept at each step."""
_KEPT_OF_PART = 20_000
_SCREENED_BY = 48
"""A part has its place among all those of its shape: points by which more of them are screened."""
_COMPLETED = 300
_ROUNDS = 6
_QUANTILES = 12
_FURTHER = 3.0
_CUT_COST = 0.5
"""Where the whole goes on beyond the part's edge, its points are so many spacings deep at most, for the search, and the
square of that counts so much less than that of a point beyond the whole's."""
_BY_EDGE = 0.1
"""What a distance counts that a path beyond the part's edge could have shortened."""
_APART = 1.5
"""Maps whose points are nearer to each other than so many times the distance between points are the same."""


@dataclass(frozen=True)
class Outline:
    """Well-spread points of a manifold.

    Attributes:
        rows: (l,) of the samples; each as far as can be from those before it.
        distances: (n, l) of all samples from them.
    """

    rows: Int[Array, " l"]
    distances: Float[Array, "n l"]

    @property
    def among(self) -> Float[Array, "l l"]:
        """Distances of the points from each other."""
        return self.distances[self.rows]

    @property
    def spacing(self) -> float:
        """How far the points are from the nearest others."""
        return _spacing(self.among)

    @staticmethod
    def of(edges: Edges, dimension: int, begun: Int[Array, " k"] | None = None, *, times: float = 1.0) -> Outline:
        """The outline of so many samples, along the edges between them; the first points are those that it is
        ``begun`` with, or an outermost one; ``times`` as many as are usual."""
        # an edge whose ends disagree may be a shortcut from sheet to sheet: it is no shorter than they disagree
        longer = 1 + edges.apart / np.maximum(edges.length, np.finfo(float).tiny)
        edges = dataclasses.replace(edges, step=edges.step * longer[:, None])
        count = min(round(times * _POINTS.get(dimension, _POINTS_ABOVE)), edges.size)
        if begun is None or not len(begun):
            begun = np.array([np.argmax(edges.distances(np.array([0]))[:, 0])])
        rows = [int(row) for row in begun]
        columns = list(edges.distances(begun).T)
        nearest = np.min(columns, axis=0)
        while len(rows) < count and nearest.max() > 0:
            rows.append(int(np.argmax(nearest)))
            columns.append(edges.distances(np.array([rows[-1]]))[:, 0])
            nearest = np.minimum(nearest, columns[-1])
        return Outline(np.array(rows), np.stack(columns, axis=1))


@dataclass(frozen=True)
class CoarseMap:
    """Points of one outline at points of the other, and the other way round.

    Attributes:
        there: (l1,) for each point of the first.
        back: (l2,) for each point of the second.
        distortion: root mean square difference of distances, relative to them.
    """

    there: Int[Array, " l1"]
    back: Int[Array, " l2"]
    distortion: float


def coarse_maps(
    one: Float[Array, "l1 l1"],
    two: Float[Array, "l2 l2"],
    dimension: int,
    starts: tuple[Int[Array, " l1"], ...] = (),
    *,
    held: int = 0,
    most: int = 48,
) -> tuple[CoarseMap, ...]:
    """Maps that nearly keep distances, least distorted first, one for each that is different.

    Args:
        one, two: distances among the points of the two outlines.
        dimension: of the manifolds.
        starts: points of the second for those of the first, to be tried besides.
        held: the first so many points of the two are known to belong together.
        most: different maps to stop at; a continuum has any number.
    """
    assigned = _assignments(one, two, dimension, held)
    few, all_ = np.arange(assigned.shape[1]), np.arange(len(one))
    begun = [_through(one, two, few, places, held) for places in assigned]
    begun += [_through(one, two, all_, places, held) for places in starts]
    begun.sort(key=lambda each: each.distortion)
    return _settled(begun, two, lambda each: _mended(one, two, each, held), most, _APART * _spacing(two))


def part_maps(
    one: Float[Array, "l1 l1"],
    two: Float[Array, "l2 l2"],
    deep: tuple[Float[Array, " l1"], Float[Array, " l2"]],
    dimension: int,
    *,
    among: int,
    held: int = 0,
    most: int = 48,
) -> tuple[CoarseMap, ...]:
    """As :func:`coarse_maps`, of a manifold to a part of a larger one; nothing is said of the way back.

    No point of the part is deeper inside the part than inside the whole; where the two share their edge it is as deep.
    Distances along the part are those along the whole unless a path that leaves the part is shorter, and that goes by
    its edge at both ends.

    Args:
        one, two: distances among the points of the two outlines.
        deep: how far the points are from the edge of either; infinite where there is none.
        among: the first so many points of the second, about as far apart as those of the first, are tried; all of them
            when a map is mended.
        dimension, held, most: as there.
    """
    spacing = _spacing(two[:among, :among])
    mine, theirs = deep[0][:, None], deep[1][None]
    further = np.clip(theirs - mine, 0, _FURTHER * spacing)
    unlike = np.square(np.maximum(mine - theirs, 0)) + _CUT_COST * np.square(further)
    surely = np.where(one <= mine + mine.T, 1.0, _BY_EDGE)
    rim = deep[0] <= max(spacing, deep[0].min())
    count = max(min(dimension + 1, len(one)), held)
    unlike -= unlike.min(axis=1, keepdims=True)
    tried = two[:among, :among], unlike[:, :among]
    assigned = _beam(one, tried[0], count, held, tried[1][:count], surely, kept=_KEPT_OF_PART)
    few = np.arange(min(_SCREENED_BY, len(one)))
    cost = _screened(one[few, :count], tried[0], assigned, tried[1][few], surely[few, :count])
    assigned = assigned[np.argsort(cost, kind="stable")[:_COMPLETED]]

    def through(a: Array, b: Array) -> CoarseMap:
        worth = surely[:, a] * np.where(a < held, 1 + len(a) / max(held, 1), 1.0)
        wrong = _wrong(one[:, a], two[:, b], worth) / worth.sum(axis=1)[:, None]
        there = (len(a) * wrong + unlike).argmin(axis=1)
        there[:held] = np.arange(held)
        off = np.sum(surely * np.square(one - two[np.ix_(there, there)])) / surely.sum()
        off += np.mean(unlike[np.arange(len(one)), there][rim])
        return CoarseMap(there, np.empty(0, np.int64), float(np.sqrt(off / np.mean(np.square(one)))))

    begun = [through(np.arange(count), places) for places in assigned]
    begun.sort(key=lambda each: each.distortion)
    return _settled(begun, two, lambda each: through(np.arange(len(one)), each.there), most, _APART * spacing)


def _settled(
    begun: list[CoarseMap], two: Array, mended: Callable[[CoarseMap], CoarseMap], most: int, near: float
) -> tuple[CoarseMap, ...]:
    """Maps mended until they no longer get better, each once, least distorted first."""
    found: list[CoarseMap] = []
    for start in begun:
        each = start
        for _ in range(_ROUNDS):
            if _known(each, found, two, near):
                break
            better = mended(each)
            if better.distortion >= each.distortion:
                found.append(each)
                break
            each = better
        else:
            found.append(each)
        if len(found) == most:
            break
    return tuple(sorted(found, key=lambda each: each.distortion))


def _spacing(among: Float[Array, "l l"]) -> float:
    """How far points typically are from the nearest others, by the distances among them."""
    return float(np.median((among + np.diag(np.full(len(among), np.inf))).min(axis=1)))


def _known(each: CoarseMap, found: list[CoarseMap], two: Array, near: float) -> bool:
    """Whether a map sends points, on average, to where one of those found does."""
    others = np.stack([other.there for other in found]) if found else np.empty((0, len(each.there)), np.int64)
    return bool((two[each.there, others].mean(axis=1) < near).any())


def _assignments(one: Array, two: Array, dimension: int, held: int) -> Int[Array, "q k"]:
    """Places for the first few points of the first outline among all of the second's; the best first."""
    count = min(dimension + 2, len(one))
    grid = np.linspace(0, 1, _QUANTILES)
    mine, theirs = (np.quantile(each, grid, axis=1).T for each in (one, two))
    unlike = np.square(mine[:count, None] - theirs[None]).mean(axis=2)  # (count, l2)
    return _beam(one, two, count, held, unlike, np.ones((count, count)))[:_COMPLETED]


def _screened(
    one: Float[Array, "s k"],
    two: Float[Array, "l2 l2"],
    assigned: Int[Array, "q k"],
    unlike: Float[Array, "s l2"],
    worth: Float[Array, "s k"],
) -> Float[Array, " q"]:
    """What speaks against places of k points, by the best places that these leave to some others."""
    cost = np.empty(len(assigned))
    block = max(1, (1 << 23) // unlike.size)
    for start in range(0, len(assigned), block):
        places = assigned[start : start + block]
        wrong = np.repeat(unlike[None], len(places), axis=0)
        for k, column in enumerate(places.T):
            wrong += worth[:, k, None] * np.square(one[None, :, k, None] - two[column][:, None])
        cost[start : start + block] = wrong.min(axis=2).mean(axis=1)
    return cost


def _beam(
    one: Array, two: Array, count: int, held: int, unlike: Array, worth: Array, *, kept: int = _KEPT
) -> Int[Array, "q k"]:
    """Places for the first points, one after another, where distances agree, by what these are worth; the best first.

    Args:
        one, two: distances among points.
        count: points that are placed.
        held: the first so many have their own places.
        unlike: (count, l2) what speaks against each place for each.
        worth: of each distance.
        kept: partial ones at each step.
    """
    partial, cost = np.arange(len(two))[:, None], unlike[0]
    if held:
        partial, cost = np.arange(held)[None], np.zeros(1)
    for k in range(max(held, 1), count):
        wrong = np.square(one[k, :k][None, :, None] - two[partial])  # (p, k, l2)
        total = cost[:, None] + np.einsum("k,pkl->pl", worth[k, :k], wrong) + unlike[k][None]
        flat = np.argpartition(total, min(kept, total.size) - 1, axis=None)[:kept]
        flat = flat[np.argsort(total.ravel()[flat], kind="stable")]
        rows, place = np.unravel_index(flat, total.shape)
        partial, cost = np.concatenate([partial[rows], place[:, None]], axis=1), total[rows, place]
    return partial[np.argsort(cost, kind="stable")]


def _wrong(mine: Float[Array, "l1 k"], theirs: Float[Array, "l2 k"], worth: Float[Array, "l1 k"]) -> Array:
    """(l1, l2) sums of squared differences of distances from k points."""
    return (worth * np.square(mine)).sum(axis=1)[:, None] + worth @ np.square(theirs).T - 2 * (worth * mine) @ theirs.T


def _mended(one: Array, two: Array, each: CoarseMap, held: int) -> CoarseMap:
    """Every point placed anew where it is as far from all others as it should be."""
    a = np.concatenate([np.arange(len(one)), each.back])
    return _through(one, two, a, np.concatenate([each.there, np.arange(len(two))]), held)


def _through(one: Array, two: Array, a: Array, b: Array, held: int) -> CoarseMap:
    """The map that suits pairs (a, b) of points best."""
    # what is known counts as much as all the rest
    worth = np.where(a < held, 1 + len(a) / max(held, 1), 1.0)
    wrong = _wrong(one[:, a], two[:, b], np.broadcast_to(worth, (len(one), len(a))))
    there, back = wrong.argmin(axis=1), wrong.argmin(axis=0)
    there[:held] = back[:held] = np.arange(held)
    a, b = np.concatenate([np.arange(len(one)), back]), np.concatenate([there, np.arange(len(two))])
    worth = np.where(a < held, 1 + len(a) / max(held, 1), 1.0)
    off = np.square(one[np.ix_(a, a)] - two[np.ix_(b, b)])
    scale = np.mean(np.square(one)) + np.mean(np.square(two))
    return CoarseMap(there, back, float(np.sqrt(worth @ off @ worth / worth.sum() ** 2 / (0.5 * scale))))
