"""The edges of a neighbour graph: steps between near samples, and how frames are carried along them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components, dijkstra

from sametask._types import Array, Float, Int
from sametask.numerics.manifold import SampledManifold
from sametask.numerics.neighbours import NeighbourGraph

_EACH_WAY = 2
"""Neighbours on a curve that each sample keeps on either side, however near those on the other are: all of the nearest
may lie on one side of a gap, and a ring that is cut at one holds together all the same."""


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
