"""The edges of a neighbour graph: steps between near samples, and how frames are carried along them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components, dijkstra

from sametask._types import Array, Bool, Float, Int
from sametask.numerics.manifold import SampledManifold
from sametask.numerics.neighbours import NeighbourGraph

_EACH_WAY = 2
"""Neighbours on a curve that each sample keeps on either side, however near those on the other are: all of the nearest
may lie on one side of a gap, and a ring that is cut at one holds together all the same."""

_AGREED = 0.05
"""Difference of the steps that two ends see, relative to their mean, up to which that is taken."""
_SAME_ORDER = 0.05
"""Relative error of squared tangential distances up to which they choose the neighbours: at the farthest of these the
kernel has fallen to 2 %."""
_FARTHEST = 8
"""Neighbours of each sample by which that is estimated: an eighth of those that are kept."""
_UNRESOLVED = 0.1
"""Difference, relative to the step, from which on it counts as unresolved; ``benchmarks/uneven.py bias`` holds the
share of such steps against the error of eigenvalues."""
_ROUNDS = 2
"""Steps of four times the length on which ends agree are put together of four."""


@dataclass(frozen=True)
class Edges:
    """Directed edges: the intrinsic step from ``i`` to ``j`` in i's frame, and the transport from j's frame to i's.

    ``size`` is the number of samples, ``apart`` how far the steps differ that the two ends see, ``weight`` the inverse
    square of the length.
    """

    size: int
    i: Int[Array, " p"]
    j: Int[Array, " p"]
    step: Float[Array, "p d"]
    transport: Float[Array, "p d d"]
    apart: Float[Array, " p"]
    weight: Float[Array, " p"]

    @property
    def length(self) -> Float[Array, " p"]:
        """Intrinsic lengths."""
        return np.linalg.norm(self.step, axis=1)

    def distances(self, rows: Int[Array, " k"]) -> Float[Array, "n k"]:
        """Lengths of the shortest paths along the edges to each of ``rows``; infinite where none leads there."""
        links = sp.csr_array((self.length, (self.i, self.j)), shape=(self.size, self.size))
        return np.asarray(dijkstra(links, directed=False, indices=rows)).T

    @staticmethod
    def of(manifold: SampledManifold, graph: NeighbourGraph, neighbours: int | None = None) -> Edges:
        """Edges to the nearest neighbours, each in both directions, weighted by the inverse square of their length.

        Where the nearest leave pieces apart that more distant neighbours join, those join them: on a curve all the
        nearest may lie on one side of a gap.

        Args:
            manifold, graph: the samples, and who is around whom.
            neighbours: how many of each; default 4 + 4 d.
        """
        n = graph.size
        near = graph.present.copy()
        near[:, 4 + 4 * manifold.dimension if neighbours is None else neighbours :] = False
        if manifold.dimension == 1:
            for side in (graph.steps[:, :, 0] > 0, graph.steps[:, :, 0] < 0):
                near |= graph.present & side & (np.cumsum(side & graph.present, axis=1) <= _EACH_WAY)
        everyone = np.broadcast_to(np.arange(n)[:, None], near.shape)
        links = sp.coo_array((np.ones(int(near.sum())), (everyone[near], graph.index[near])), shape=(n, n))
        pieces, piece = connected_components(links, directed=False)
        if pieces > 1:
            near |= graph.present & (piece[:, None] != piece[graph.index])
        i, j = everyone[near], graph.index[near]
        pairs = np.unique(np.concatenate([i * n + j, j * n + i]))
        i, j = pairs // n, pairs % n
        step, transport, apart = displacements(manifold, i, j)
        squared = np.square(step).sum(axis=1)
        floor = 1e-6 * np.median(squared) if len(squared) else 1.0
        return Edges(n, i, j, step, transport, apart, 1 / np.maximum(squared, max(floor, np.finfo(float).tiny)))


def geodesic(manifold: SampledManifold, graph: NeighbourGraph, neighbours: int) -> NeighbourGraph:
    """The ``neighbours`` nearest of a graph's neighbours, at steps along geodesics.

    Distances in two tangent planes are right to fourth order, and too long; where a network responds k times more
    weakly to one direction what they miss is k² times as much. Normal coordinates are exact to sixth order, and where
    they do not reach a step is put together of shorter ones. Where the steps that the two ends see differ by more than
    the step is long all the same, they are not about one step, and the tangential distance stays. Of the steps that are
    kept, the graph says how many are not resolved: eigenvalues are off by about that share, or by a few times as much.
    """
    between = 4 + 4 * manifold.dimension
    seen = graph.present.copy()
    seen[_nearest_already(manifold, graph.nearest(neighbours)), neighbours:] = False
    i, j = np.repeat(np.arange(graph.size), seen.sum(axis=1)), graph.index[seen]
    step, transport, apart = displacements(manifold, i, j)
    put_together(i, j, step, transport, apart, between)
    squared = np.square(step).sum(axis=1)
    doubtful = np.square(apart) > squared
    steps, distances = graph.steps.copy(), graph.squared.copy()
    steps[seen] = np.where(doubtful[:, None], steps[seen], step)
    distances[seen] = np.where(doubtful, distances[seen], squared)
    distances[~seen] = np.inf
    unresolved = np.zeros(seen.shape, bool)
    unresolved[seen] = np.square(apart) > _UNRESOLVED**2 * squared
    order = np.argsort(distances, axis=1, kind="stable")[:, :neighbours]
    distances = np.take_along_axis(distances, order, axis=1)
    share = np.take_along_axis(unresolved, order, axis=1).sum() / max(np.isfinite(distances).sum(), 1)
    index, steps = np.take_along_axis(graph.index, order, axis=1), np.take_along_axis(steps, order[:, :, None], axis=1)
    return NeighbourGraph(index, distances, steps, float(share))


def _nearest_already(manifold: SampledManifold, graph: NeighbourGraph) -> Bool[Array, " n"]:
    """For which samples no others than these are the nearest along geodesics: those whose tangential distances to the
    farthest of them are right."""
    farthest, tangential = graph.index[:, -_FARTHEST:], graph.squared[:, -_FARTHEST:]
    i, j = np.repeat(np.arange(graph.size), farthest.shape[1]), farthest.ravel()
    squared = np.square(displacements(manifold, i, j)[0]).sum(axis=1).reshape(farthest.shape)
    return (np.abs(tangential - squared) <= _SAME_ORDER * squared).all(axis=1)


def put_together(i: Array, j: Array, step: Array, transport: Array, apart: Array, between: int) -> None:
    """Replace steps on which the two ends do not agree by the sum of two shorter ones on which they do, in place; but
    not on curves, where all ways are one, and a way across a cut must be seen as such.

    Args:
        i, j: (p,) ends of the steps, ascending in i.
        step, transport, apart: (p, d), (p, d, d) and (p,) as of :func:`displacements`.
        between: nearest samples of i by way of which it may go.
    """
    if step.shape[1] == 1 or not (apart > _AGREED * np.linalg.norm(step, axis=1)).any():
        return
    n = int(max(i.max(initial=0), j.max(initial=0))) + 1
    starts = np.searchsorted(i, np.arange(n))
    nearest = np.lexsort((np.square(step).sum(axis=1), i))  # the entries of each sample, nearest first
    counts = np.bincount(i, minlength=n)
    keys = i * n + j
    in_order = np.argsort(keys)
    for _ in range(_ROUNDS):
        asked = np.flatnonzero(apart > _AGREED * np.linalg.norm(step, axis=1))
        if not len(asked):
            return
        left, found = apart[asked].copy(), np.full((len(asked), 2), -1)
        for rank in range(between):
            asks = np.flatnonzero(counts[i[asked]] > rank)
            one = nearest[starts[i[asked[asks]]] + rank]
            wanted = j[one] * n + j[asked[asks]]
            at = np.minimum(np.searchsorted(keys, wanted, sorter=in_order), len(keys) - 1)
            two = in_order[at]
            sum_ = np.where(keys[two] == wanted, apart[one] + apart[two], np.inf)
            better = sum_ < left[asks]
            left[asks[better]] = sum_[better]
            found[asks[better]] = np.stack([one[better], two[better]], axis=1)
        changed = found[:, 0] >= 0
        asked, (one, two) = asked[changed], found[changed].T
        step[asked] = step[one] + np.einsum("pde,pe->pd", transport[one], step[two])
        transport[asked] = np.matmul(transport[one], transport[two])
        apart[asked] = left[changed]


def displacements(
    manifold: SampledManifold, a: Int[Array, " p"], b: Int[Array, " p"]
) -> tuple[Float[Array, "p d"], Float[Array, "p d d"], Float[Array, " p"]]:
    """Steps between samples, transports, and how far the ends differ; pairs that come more than once, either way round,
    are measured once."""
    n = len(manifold.activations)
    pairs, place = np.unique(np.minimum(a, b) * n + np.maximum(a, b), return_inverse=True)
    step, transport, apart = manifold.measure(pairs // n, pairs % n)
    step, transport = step[place], transport[place]
    back = a > b
    transport[back] = np.swapaxes(transport[back], 1, 2)
    step[back] = -np.einsum("pde,pe->pd", transport[back], step[back])
    return step, transport, apart[place]
