"""Coarse maps between two manifolds from distances along them alone, with no correspondence to start from.

Isometric manifolds agree in the distances among their points. Some hundred well-spread points of each stand for it. A
few far apart on the first are tried at all places on the second that are as far apart, one after another; what is left
is completed to a map of all points and mended until it no longer changes.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float, Int
from sametask.matching import landmarks
from sametask.matching.least_squares import Edges

_POINTS = {1: 60, 2: 150}
_POINTS_ABOVE = 250
_KEPT = 2000
"""Partial assignments kept at each step."""
_COMPLETED = 300
_ROUNDS = 6
_QUANTILES = 12
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
        among = self.among + np.diag(np.full(len(self.rows), np.inf))
        return float(np.median(among.min(axis=1)))

    @staticmethod
    def of(edges: Edges, size: int, dimension: int, begun: Int[Array, " k"] | None = None) -> Outline:
        """The outline of so many samples, along the edges between them; the first points are those that it is
        ``begun`` with, or an outermost one."""
        # an edge whose ends disagree may be a shortcut from sheet to sheet: it is no shorter than they disagree
        longer = 1 + edges.apart / np.maximum(edges.length, np.finfo(float).tiny)
        edges = dataclasses.replace(edges, step=edges.step * longer[:, None])
        count = min(_POINTS.get(dimension, _POINTS_ABOVE), size)
        if begun is None or not len(begun):
            begun = np.array([np.argmax(landmarks.distances(edges, size, np.array([0]))[:, 0])])
        rows = [int(row) for row in begun]
        columns = list(landmarks.distances(edges, size, begun).T)
        nearest = np.min(columns, axis=0)
        while len(rows) < count and nearest.max() > 0:
            rows.append(int(np.argmax(nearest)))
            columns.append(landmarks.distances(edges, size, np.array([rows[-1]]))[:, 0])
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
    spacing = float(np.median((two + np.diag(np.full(len(two), np.inf))).min(axis=1)))
    found: list[CoarseMap] = []
    for start in begun:
        each = start
        for _ in range(_ROUNDS):
            if _known(each, found, two, spacing):
                break
            better = _mended(one, two, each, held)
            if better.distortion >= each.distortion:
                found.append(each)
                break
            each = better
        else:
            found.append(each)
        if len(found) == most:
            break
    return tuple(sorted(found, key=lambda each: each.distortion))


def _known(each: CoarseMap, found: list[CoarseMap], two: Array, spacing: float) -> bool:
    """Whether a map sends points, on average, to where one of those found does."""
    others = np.stack([other.there for other in found]) if found else np.empty((0, len(each.there)), np.int64)
    return bool((two[each.there, others].mean(axis=1) < _APART * spacing).any())


def _assignments(one: Array, two: Array, dimension: int, held: int) -> Int[Array, "q k"]:
    """Places for the first few points of the first outline among all of the second's; the best first."""
    count = min(dimension + 2, len(one))
    grid = np.linspace(0, 1, _QUANTILES)
    mine, theirs = (np.quantile(each, grid, axis=1).T for each in (one, two))
    unlike = np.square(mine[:count, None] - theirs[None]).mean(axis=2)  # (count, l2)
    partial, cost = np.arange(len(two))[:, None], unlike[0]
    if held:
        partial, cost = np.arange(held)[None], np.zeros(1)
    for k in range(max(held, 1), count):
        wrong = np.square(one[k, :k][None, :, None] - two[partial]).sum(axis=1)  # (p, l2)
        total = cost[:, None] + wrong + unlike[k][None]
        flat = np.argpartition(total, min(_KEPT, total.size) - 1, axis=None)[:_KEPT]
        flat = flat[np.argsort(total.ravel()[flat], kind="stable")]
        rows, place = np.unravel_index(flat, total.shape)
        partial, cost = np.concatenate([partial[rows], place[:, None]], axis=1), total[rows, place]
    return partial[np.argsort(cost, kind="stable")[:_COMPLETED]]


def _mended(one: Array, two: Array, each: CoarseMap, held: int) -> CoarseMap:
    """Every point placed anew where it is as far from all others as it should be."""
    a = np.concatenate([np.arange(len(one)), each.back])
    return _through(one, two, a, np.concatenate([each.there, np.arange(len(two))]), held)


def _through(one: Array, two: Array, a: Array, b: Array, held: int) -> CoarseMap:
    """The map that suits pairs (a, b) of points best."""
    # what is known counts as much as all the rest
    worth = np.where(a < held, 1 + len(a) / max(held, 1), 1.0)
    mine, theirs = one[:, a], two[:, b]
    wrong = np.square(mine) @ worth
    wrong = wrong[:, None] + np.square(theirs) @ worth - 2 * (mine * worth) @ theirs.T
    there, back = wrong.argmin(axis=1), wrong.argmin(axis=0)
    there[:held] = back[:held] = np.arange(held)
    a, b = np.concatenate([np.arange(len(one)), back]), np.concatenate([there, np.arange(len(two))])
    worth = np.where(a < held, 1 + len(a) / max(held, 1), 1.0)
    off = np.square(one[np.ix_(a, a)] - two[np.ix_(b, b)])
    scale = np.mean(np.square(one)) + np.mean(np.square(two))
    return CoarseMap(there, back, float(np.sqrt(worth @ off @ worth / worth.sum() ** 2 / (0.5 * scale))))
