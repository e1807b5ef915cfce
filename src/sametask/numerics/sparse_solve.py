"""Conjugate gradients for positive definite systems in which whole neighbourhoods hardly resist moving together.

Unknowns come in blocks, one for each node of a graph. What a preconditioner that looks at single blocks misses are
motions of many nodes at once that violate no edge by much. Here the nodes are put in clusters, each of which may move
as one, and the system among clusters is solved exactly (a coarse space in the sense of Nicolaides 1987).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import LinearOperator, cg

from sametask._types import Array, Float, Int

_MEMBERS = 16
"""Nodes in a cluster, on average, at least."""

_COARSE = 1200
"""Unknowns among clusters at most: the system among them is dense."""

_DAMPING = 1e-9

_MOST_STEPS = 1500


@dataclass(frozen=True)
class Clusters:
    """A partition of the nodes of a graph, each part with a tree of shortest paths from its seed.

    Attributes:
        cluster: (n,) number of each node's part; −1 where no seed can be reached from.
        edge: (n,) the edge that leads to each node from its parent; −1 at seeds and where there is none.
        generations: nodes at one, two, … edges from their seeds.
    """

    cluster: Int[Array, " n"]
    edge: Int[Array, " n"]
    generations: tuple[Int[Array, " _"], ...]

    @staticmethod
    def grow(i: Int[Array, " p"], j: Int[Array, " p"], length: Float[Array, " p"], n: int, width: int) -> Clusters:
        """Clusters around seeds drawn at random, over directed edges; ``width`` is the number of unknowns of a node."""
        count = max(1, min(n // _MEMBERS, _COARSE // width))
        seeds = np.sort(np.random.default_rng(0).choice(n, count, replace=False))
        graph = sp.csr_array((length, (i, j)), shape=(n, n))
        _, parent, seed = dijkstra(graph, indices=seeds, min_only=True, return_predecessors=True)
        children = np.flatnonzero(parent >= 0)
        key = i * n + j
        order = np.argsort(key)
        edge = np.full(n, -1)
        edge[children] = order[np.searchsorted(key, parent[children] * n + children, sorter=order)]
        placed = np.zeros(n, bool)
        placed[seeds] = True
        generations = []
        while len(children):
            ready = placed[parent[children]]
            generations.append(children[ready])
            placed[children[ready]] = True
            children = children[~ready]
        return Clusters(np.where(seed >= 0, np.searchsorted(seeds, seed), -1), edge, tuple(generations))

    def motions(self, i: Int[Array, " p"], carried: Callable[[Array], Array], width: int) -> Float[Array, "n w w"]:
        """How the unknowns of each node follow those of its seed; ``carried`` tells how along given edges."""
        motions = np.where((self.edge < 0)[:, None, None], np.eye(width), 0.0)
        motions[self.cluster < 0] = 0
        for nodes in self.generations:
            edge = self.edge[nodes]
            motions[nodes] = np.matmul(carried(edge), motions[i[edge]])
        return motions


def diagonal_blocks(matrix: sp.bsr_array) -> Int[Array, " n"]:
    """Where the diagonal blocks of a square matrix stand among its blocks."""
    row = np.repeat(np.arange(len(matrix.indptr) - 1), np.diff(matrix.indptr))
    at = np.flatnonzero(row == matrix.indices)
    return at[np.argsort(row[at])]


def two_level_solver(
    matrix: sp.bsr_array, cluster: Int[Array, " n"], motions: Float[Array, "n w w"]
) -> Callable[[Array, float], Array]:
    """Solve systems with ``matrix``, positive definite, to a given relative tolerance.

    The preconditioner is the inverse of the diagonal blocks, plus the inverse among clusters.
    """
    n, width, _ = motions.shape
    blocks = (np.linalg.inv(matrix.data[diagonal_blocks(matrix)]), np.arange(n), np.arange(n + 1))
    alone = sp.bsr_array(blocks)
    size = (n * width, (int(cluster.max()) + 1) * width)
    spread = sp.bsr_array((motions, np.maximum(cluster, 0), np.arange(n + 1)), shape=size)
    gather = sp.bsr_array(spread.T)
    among = sp.bsr_array(gather @ sp.bsr_array(matrix @ spread)).toarray()
    among[np.diag_indices_from(among)] *= 1 + _DAMPING  # clusters that next to nothing ties to others
    coarse = cho_factor(among)

    def precondition(right: Array) -> Array:
        return alone @ right + spread @ cho_solve(coarse, gather @ right, check_finite=False)

    operator = operator_of(n * width, precondition)
    return lambda right, tolerance: cg(matrix, right, rtol=tolerance, maxiter=_MOST_STEPS, M=operator)[0]


def operator_of(size: int, apply: Callable[[Array], Array]) -> LinearOperator:
    """A square operator, applied to a vector or to the columns of a matrix."""
    # SciPy's annotations know the arguments of its subclasses only
    return LinearOperator((size, size), matvec=apply, matmat=apply, dtype=np.float64)  # pyright: ignore[reportCallIssue]
