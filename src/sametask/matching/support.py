"""Where a sampled manifold ends: how far places lie beyond the samples around them.

Isometric manifolds end at the same places. Where nothing else holds a match (flat manifolds slide and turn for
nothing) their edges do: no sample of either network may lie beyond those of the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sametask._types import Array, Float, Int
from sametask.matching.least_squares import Pulls
from sametask.numerics import parallel
from sametask.numerics.edges import Edges
from sametask.numerics.manifold import SampledManifold
from sametask.numerics.neighbours import NeighbourGraph

_ROUNDS = 40
_DIRECTIONS = 64
_SURELY = 0.5
"""Of a depth that is told in some directions only, and so too large."""
_INSIDE = 1e-3
"""Places this near to the hull of the samples around, in units of its radius, are inside."""
_WEIGHT = 0.01
"""Of a wall against a typical edge: walls are known to a fraction of the spacing, edges far better. All of them
together move the map as a whole."""
_POWER = 0.75
"""The hull of as many samples as are around falls short of the edge as the root of their density; so many of the others
lie beyond it, as go with their own density. Each counts by this power of the ratio, lest the denser ones win."""
_UNEQUAL = 30.0
"""Densities that differ by a larger factor count as if they differed by this."""
_FIRM = 0.3
"""Beyond so many spacings a sample pulls no more firmly: at corners samples lie farthest beyond, and tell least."""
_PASSING = 4
"""So many of the nearest are asked whether they see beyond a sample."""
_RIM = 0.5
"""Samples no deeper than this, in units of how far apart they lie, are of the rim."""


def beyond(
    manifold: SampledManifold,
    graph: NeighbourGraph,
    sample: Int[Array, " p"],
    offset: Float[Array, "p d"],
    *,
    own: bool = True,
) -> Float[Array, "p d"]:
    """How far places lie beyond the convex hull of the samples around: the steps to them from its nearest points, in
    the frame at ``sample``; zero inside.

    Args:
        manifold, graph: whose samples, and who is around whom.
        sample, offset: the places.
        own: whether ``sample`` itself counts among the samples around.
    """
    result = np.zeros(offset.shape)
    reach = np.sqrt(np.where(graph.present, graph.squared, 0).max(axis=1))

    def look(rows: slice) -> None:
        steps = _around(manifold, graph, sample[rows], own=own)
        result[rows] = -_nearest_to_origin(steps - offset[rows, None], _INSIDE * reach[sample[rows]])

    _in_blocks(look, manifold, graph, len(sample))
    return result


def _in_blocks(look: Callable[[slice], None], manifold: SampledManifold, graph: NeighbourGraph, count: int) -> None:
    _ = manifold.normal  # made once, before threads ask for it
    parallel.each(look, parallel.blocks(count, graph.index.shape[1] * manifold.activations.shape[1]))


def _around(manifold: SampledManifold, graph: NeighbourGraph, sample: Array, *, own: bool) -> Array:
    """(p, k + 1, d) steps from each sample to those around it; and to itself, if it is its ``own``."""
    near = graph.index[sample]
    change = manifold.activations[near] - manifold.activations[sample][:, None]
    everyone = np.repeat(sample, near.shape[1])
    steps = manifold.normal(everyone, manifold.step(everyone, change.reshape(len(everyone), -1)))[0]
    steps = steps.reshape(*near.shape, -1)
    filling = np.zeros((len(sample), 1, steps.shape[2])) if own else steps[:, :1]
    steps = np.where(graph.present[sample][:, :, None], steps, filling)
    return np.concatenate([steps, filling], axis=1)


def _nearest_to_origin(points: Float[Array, "p k d"], tolerance: Float[Array, " p"]) -> Float[Array, "p d"]:
    """The points of convex hulls that are nearest to the origin; exactly 0 where that is within ``tolerance``.

    The simplex of vertices nearest to the origin takes in the vertex farthest against its nearest point, until there is
    none (Gilbert, Johnson & Keerthi 1988).
    """
    p, _, d = points.shape
    own = np.arange(p)
    at = points[own, np.square(points).sum(axis=2).argmin(axis=1)]
    simplex = np.repeat(at[:, None], d + 1, axis=1)
    for _ in range(_ROUNDS):
        along = np.einsum("pkd,pd->pk", points[own], at[own])
        squared = np.square(at[own]).sum(axis=1)
        best = along.argmin(axis=1)
        left = (squared > tolerance[own] ** 2) & (squared - along[np.arange(len(own)), best] > 1e-3 * squared)
        if not left.any():
            break
        own, best = own[left], best[left]
        simplex[own, -1] = points[own, best]
        at[own], simplex[own] = _nearest_of_simplex(simplex[own])
    at[np.linalg.norm(at, axis=1) <= tolerance] = 0
    return at


def _nearest_of_simplex(corners: Float[Array, "p v d"]) -> tuple[Float[Array, "p d"], Float[Array, "p v d"]]:
    """The points of simplices nearest to the origin, and the corners of the faces that they lie on, some of these
    repeated; the last is free to be replaced, unless the origin is inside."""
    p, v, d = corners.shape
    nearest, face = np.full((p, d), np.inf), corners.copy()
    shortest = np.full(p, np.inf)
    for size in range(1, v + 1):
        for chosen in itertools.combinations(range(v), size):
            base = corners[:, chosen[0]]
            sides = corners[:, chosen[1:]] - base[:, None]
            gram = np.matmul(sides, np.swapaxes(sides, 1, 2))
            gram += (1e-12 * np.trace(gram, axis1=1, axis2=2)[:, None, None] + np.finfo(float).tiny) * np.eye(size - 1)
            share = -np.linalg.solve(gram, np.einsum("psd,pd->ps", sides, base)[:, :, None])[:, :, 0]
            found = base + np.einsum("ps,psd->pd", share, sides)
            length = np.where((share >= 0).all(axis=1) & (share.sum(axis=1) <= 1), np.square(found).sum(axis=1), np.inf)
            nearer = length < shortest
            shortest[nearer], nearest[nearer] = length[nearer], found[nearer]
            kept = [*chosen, *[chosen[0]] * (v - size)]
            face[nearer] = corners[nearer][:, kept]
    return nearest, face


@dataclass(frozen=True)
class Supported:
    """A manifold and where it ends.

    Attributes:
        manifold, graph: its samples, and who is around whom.
        depth: (n,) about how deep each sample lies within the hull of those around; 0 at the edge.
    """

    manifold: SampledManifold
    graph: NeighbourGraph
    depth: Float[Array, " n"]

    @staticmethod
    def of(manifold: SampledManifold, graph: NeighbourGraph) -> Supported:
        """The manifold with its edge found."""
        directions = np.random.default_rng(0).normal(size=(manifold.dimension, _DIRECTIONS))
        directions /= np.linalg.norm(directions, axis=0)
        depth, everyone = np.empty(graph.size), np.arange(graph.size)

        def look(rows: slice) -> None:
            steps = _around(manifold, graph, everyone[rows], own=False)
            depth[rows] = np.maximum((steps @ directions).max(axis=1).min(axis=1), 0)

        _in_blocks(look, manifold, graph, graph.size)
        return Supported(manifold, graph, depth)

    @cached_property
    def spread(self) -> Float[Array, " n"]:
        """How far apart samples lie around each."""
        near = min(2 * self.manifold.dimension + 2, self.graph.index.shape[1])
        squared = np.where(self.graph.present, self.graph.squared, 0)[:, :near].max(axis=1)
        logarithm = 0.5 * np.log(np.maximum(squared, np.finfo(float).tiny))
        return np.exp(logarithm[self.graph.index].mean(axis=1))

    @cached_property
    def rim(self) -> Int[Array, " q"]:
        """Samples about as near to the edge as they are to one another; of a curve those at its ends."""
        if self.manifold.dimension == 1:
            return self.edge
        return np.flatnonzero(self.depth < _RIM * self.spread)

    @cached_property
    def volume(self) -> float:
        """Of the manifold, in units that go with its dimension."""
        return float(np.sum(self.spread**self.manifold.dimension))

    def from_rim(self, edges: Edges) -> Float[Array, " n"]:
        """How far along ``edges`` each sample is from the rim; infinite where there is none."""
        if not len(self.rim):
            return np.full(self.graph.size, np.inf)
        return edges.distances(self.rim).min(axis=1)

    @cached_property
    def edge(self) -> Int[Array, " q"]:
        """Samples beyond the hull of those around; of a curve those beyond which no neighbour of theirs sees anyone."""
        rows = np.flatnonzero(self.depth < self.graph.spacing())
        outside = beyond(self.manifold, self.graph, rows, np.zeros((len(rows), self.manifold.dimension)), own=False)
        rows = rows[(outside != 0).any(axis=1)]
        return rows if self.manifold.dimension > 1 else rows[~_passed(self.graph, rows)]

    def beyond(self, sample: Int[Array, " p"], offset: Float[Array, "p d"]) -> Float[Array, "p d"]:
        """As :func:`beyond`; places that samples surely surround are not asked about."""
        asked = np.flatnonzero(~(np.linalg.norm(offset, axis=1) < _SURELY * self.depth[sample]))
        result = np.zeros(offset.shape)
        result[asked] = beyond(self.manifold, self.graph, sample[asked], offset[asked])
        return result


def _passed(graph: NeighbourGraph, rows: Int[Array, " q"]) -> Array:
    """Which samples of a curve, neighbours of theirs have others beyond, who are not around those samples themselves.

    One metric that is off, as bursts of chance are, hides one side of one sample, and from no other.
    """
    passed = np.zeros(len(rows), bool)
    for q, row in enumerate(rows):
        around = graph.index[row][graph.present[row]]
        for near in around[:_PASSING]:
            here = graph.index[near] == row
            if here.any():
                along = graph.steps[near, :, 0] / graph.steps[near, here.argmax(), 0]
                passed[q] |= (~np.isin(graph.index[near], around) & (along > 1) & graph.present[near]).any()
    return passed


@dataclass(frozen=True)
class Walls:
    """What keeps samples of either network from lying beyond those of the other.

    Attributes:
        first, second: the two.
        within: where the first is a part of the second, which may go on beyond it: edges of the second as near as this
            to those of the first are taken for the same. 0 where neither is a part.
    """

    first: Supported
    second: Supported
    within: float = 0.0

    @staticmethod
    def between(
        first: tuple[SampledManifold, NeighbourGraph],
        second: tuple[SampledManifold, NeighbourGraph],
        within: float = 0.0,
    ) -> Walls:
        """Those of two manifolds, each with its graph."""
        return Walls(Supported.of(*first), Supported.of(*second), within)

    def __call__(self, sample: Array, offset: Array, rotation: Array) -> Pulls:
        """Pulls on places; see :func:`isometric.refine`."""
        d, edge = self.first.manifold.dimension, self.second.edge
        there = self.second.beyond(sample, offset)
        near, here = self.seen(edge, sample, offset, rotation)
        back = np.einsum("pde,pe->pd", rotation[near], self.first.beyond(near, here))
        rows = np.concatenate([np.arange(len(sample)), near])
        moves = np.concatenate([-there, back])
        sparser = np.concatenate(
            [self.first.spread / self.second.spread[sample], self.second.spread[edge] / self.first.spread[near]]
        )
        worth = np.clip(sparser ** (_POWER * d), 1 / _UNEQUAL, _UNEQUAL)
        length = np.linalg.norm(moves, axis=1)
        worth /= np.maximum(1, length / (_FIRM * self.second.graph.spacing()))
        if self.within:
            worth[len(sample) :] *= np.square(np.maximum(1 - np.square(length[len(sample) :] / self.within), 0))
        return Pulls.along(rows, moves, _WEIGHT * worth)

    def seen(
        self, rows: Int[Array, " q"], sample: Array, offset: Array, rotation: Array
    ) -> tuple[Int[Array, " q"], Float[Array, "q d"]]:
        """Places, on the first manifold, of some samples of the second."""
        two = self.second.manifold
        images = SampledManifold(two.evaluate(sample, offset), two.metric.take(sample))
        near = images.nearest(two.activations[rows])
        step = two.displacement(sample[near], rows)[0] - offset[near]
        return near, np.einsum("ped,pe->pd", rotation[near], step)

    def overshoot(self, sample: Array, offset: Array, rotation: Array) -> float:
        """How far samples of either (of the first alone, where it is a part) lie beyond those of the other: root mean
        square, in units of the spacing."""
        there = self.second.beyond(sample, offset)
        if self.within:
            return float(np.sqrt(np.square(there).sum(axis=1).mean()) / self.second.graph.spacing())
        back = self.first.beyond(*self.seen(np.arange(self.second.graph.size), sample, offset, rotation))
        squared = 0.5 * (np.square(there).sum(axis=1).mean() + np.square(back).sum(axis=1).mean())
        return float(np.sqrt(squared) / max(self.first.graph.spacing(), self.second.graph.spacing()))

    def cut(self, sample: Array, deep: Float[Array, " m"]) -> float:
        """Share of the first's rim that lies deep inside the second, of which samples are so ``deep``."""
        at = sample[self.first.rim]
        deeper = np.clip((deep[at] - self.second.spread[at]) / self.within, 0, 1)
        return float(np.mean(np.square(deeper))) if len(at) else 0.0
