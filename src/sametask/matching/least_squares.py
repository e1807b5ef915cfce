"""The linear systems of the refinement: edges, anchors and the unit of length as least squares, and their solution."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import cg, splu

from sametask._types import Array, Float, Int
from sametask.numerics import parallel
from sametask.numerics.edges import Edges
from sametask.numerics.manifold import SampledManifold
from sametask.numerics.sparse_solve import Clusters, diagonal_blocks, operator_of, two_level_solver

STEP_TOLERANCE = 1e-5
"""Of the linear solve in each Gauss–Newton step. The next step takes up what is left, but for the places that edges of
next to no trust hold: there ten times as much showed."""

_DRAW_TOLERANCE = 1e-2
"""Of the linear solve for each draw: eight draws tell a deviation to no better than a fifth."""

_ELIMINATED = 120_000
"""Samples of surfaces that are eliminated at most: it takes 8 s and 1.2 GB at 100,000."""

_KEPT_ABOVE, _KEPT_FOR = 10_000, 12
"""From so many samples on an elimination serves later steps too, as long as so many corrections make up for what has
changed since: each takes a fiftieth of it."""

_DAMPING = 1e-9
_DAMPING_OF_CURVES = 1e-12
"""Relative to how firmly samples are held: typically, and on curves each by itself. Curves are chains: across gaps of
the other sample they hold by few edges of little worth, and more damping in between keeps a tear of the first guess
open."""

_FREE_DAMPING = 1e-3
_PULLED_DAMPING = 1e-8
"""Relative to a typical edge, where no anchor holds the map: every isometry of the manifold costs nothing, and this
keeps it where it started. Where something pulls at it, it must yield."""

Solver = Callable[[Array, float], Array]
"""Solves a system for a right-hand side, to a relative tolerance."""


def rotation_generators(d: int) -> Float[Array, "r d d"]:
    """A basis of the antisymmetric matrices."""
    generators = np.zeros((d * (d - 1) // 2, d, d))
    rows, columns = np.triu_indices(d, k=1)
    for r, (a, b) in enumerate(zip(rows, columns, strict=True)):
        generators[r, a, b], generators[r, b, a] = -1, 1
    return generators


def linearise(edges: Edges, root: Array, transport: Array, turned: Array, generators: Array, n: int) -> sp.bsr_array:
    """How the weighted residual of every edge answers to moves and spins of every sample.

    The residual of edge (i, j) is the step between the images less the turned step; it changes by
    ``Θ move_j − move_i − (spin_i · generators) turned``. ``root`` is the square root of each edge's weight.
    """
    p, d = turned.shape
    width = d + len(generators)
    blocks = np.zeros((p, 2, d, width))
    blocks[:, 0, :, :d] = -np.eye(d)
    blocks[:, 0, :, d:] = -_swept(turned, generators)
    blocks[:, 1, :, :d] = transport
    blocks *= root[:, None, None, None]
    samples = np.stack([edges.i, edges.j], axis=1).ravel()
    return sp.bsr_array((blocks.reshape(-1, d, width), samples, np.arange(0, 2 * p + 1, 2)), shape=(p * d, n * width))


def _swept(steps: Array, generators: Array) -> Float[Array, "p d r"]:
    """How steps change as the frame they are told in is spun."""
    return np.einsum("rde,pe->pdr", generators, steps)


@dataclass(frozen=True)
class Pulls:
    """Where some places should move, each along one direction, for reasons that edges do not know.

    Attributes:
        rows: (p,) samples of the first network.
        direction: (p, d) of unit length, in the frame at the image.
        wanted: (p,) how far.
        weight: (p,) of each, in units of a typical edge's.
    """

    rows: Int[Array, " p"]
    direction: Float[Array, "p d"]
    wanted: Float[Array, " p"]
    weight: Float[Array, " p"]

    @staticmethod
    def along(rows: Int[Array, " p"], moves: Float[Array, "p d"], weight: Float[Array, " p"]) -> Pulls:
        """That places move by so much, however they move aside."""
        wanted = np.linalg.norm(moves, axis=1)
        asked = wanted > 0
        return Pulls(rows[asked], moves[asked] / wanted[asked, None], wanted[asked], weight[asked])

    @staticmethod
    def all(*pulls: Pulls) -> Pulls:
        """Several together."""
        parts = zip(*((each.rows, each.direction, each.wanted, each.weight) for each in pulls), strict=True)
        return Pulls(*(np.concatenate(part) for part in parts))


@dataclass(frozen=True)
class Anchors:
    """Samples whose image is known.

    Attributes:
        pairs: (k, 2).
        stiffness: (k,) of each, in units of a typical edge's.
    """

    pairs: Array
    stiffness: Array

    def add(
        self,
        normal: sp.bsr_array,
        second: SampledManifold,
        sample: Array,
        offset: Array,
        typical: float,
        pulls: Pulls | None = None,
    ) -> tuple[sp.bsr_array, Array]:
        """Add the anchors, and what else pulls, to the normal equations of the edges, in place; their part of the
        right-hand side too."""
        n, d = offset.shape
        diagonal = normal.diagonal()
        if d > 1:
            extra = np.tile(_DAMPING * diagonal.reshape(n, -1).mean(axis=0), (n, 1))  # moves and spins have their units
        else:
            extra = _DAMPING_OF_CURVES * np.maximum(diagonal, _DAMPING * diagonal.mean()).reshape(n, d)
        if not len(self.pairs):
            edge = np.where(np.arange(extra.shape[1]) < d, typical, 1.0)  # what one holds of moves, and of spins
            extra += (_FREE_DAMPING if pulls is None else _PULLED_DAMPING) * edge
        pull = np.zeros(extra.shape)
        stiffness = self.stiffness[:, None] * typical
        np.add.at(extra[:, :d], self.pairs[:, 0], stiffness)
        np.add.at(pull[:, :d], self.pairs[:, 0], stiffness * self._wanted(second, sample, offset))
        own, unknown = diagonal_blocks(normal), np.arange(extra.shape[1])
        normal.data[own[:, None], unknown, unknown] += extra
        if pulls is not None:
            firm = (pulls.weight * typical)[:, None] * pulls.direction
            np.add.at(pull[:, :d], pulls.rows, firm * pulls.wanted[:, None])
            np.add.at(normal.data[:, :d, :d], own[pulls.rows], firm[:, :, None] * pulls.direction[:, None, :])
        return normal, pull.ravel()

    def left_out(
        self, second: SampledManifold, sample: Array, offset: Array, solve: Solver, typical: float
    ) -> tuple[Array, Array]:
        """(k,) distances of the anchors from where all the rest would put them, and (n,) how far places move where
        anchors move by one unit each at random, per direction.

        An anchor pulls its image towards itself, by as much as the rest gives way there.
        """
        wanted = self._wanted(second, sample, offset)
        (k, d), n = wanted.shape, len(sample)
        width = d + d * (d - 1) // 2
        missed, influence = np.zeros(k), np.zeros(n)
        for a in range(k):
            at = self.pairs[a, 0] * width + np.arange(d)
            moved = np.empty((n * width, d))
            for p in range(d):
                pulled = np.zeros(n * width)
                pulled[at[p]] = self.stiffness[a] * typical
                moved[:, p] = solve(pulled, _DRAW_TOLERANCE)
            kept = np.eye(d) - moved[at]
            missed[a] = np.linalg.norm(np.linalg.lstsq(kept, wanted[a], rcond=1e-9)[0])
            influence += np.square(moved.reshape(n, width, d)[:, :d]).sum(axis=(1, 2)) / d
        # the d (d + 1) / 2 rigid motions rest on the k d numbers that anchors give and on nothing else: where the
        # manifold is curved linearised edges resist them, though the edges themselves do not
        rigid = (d + 1) / (2 * k) if k else 0.0
        return missed, np.sqrt(np.maximum(influence, rigid))

    def _wanted(self, second: SampledManifold, sample: Array, offset: Array) -> Array:
        """(k, d): the steps from the images of the anchors to where they belong."""
        at = self.pairs[:, 0]
        return second.displacement(sample[at], self.pairs[:, 1])[0] - offset[at]


@dataclass(frozen=True)
class Unit:
    """The unit of lengths on the second manifold, where it is unknown.

    Attributes:
        stretch: lengths there for each on the first manifold.
        prior: its logarithm by what else is known.
        precision: of the prior, the inverse of its variance; 0 where the unit is not free.
        information: what edges and anchors add to the precision, in units of their own variance.
    """

    stretch: float = 1.0
    prior: float = 0.0
    precision: float = 0.0
    information: float = 0.0

    @staticmethod
    def free(stretch: float, deviation: float) -> Unit:
        """A unit of which something is known, with the relative standard deviation given."""
        return Unit(stretch, float(np.log(stretch)), 1 / deviation**2)

    def solve(
        self, solution: Array, solve: Solver, back: sp.bsr_array, turned: Array, residual: Array
    ) -> tuple[Array, Unit]:
        """The solution with the unit free as well, from that with the unit held (one more column, eliminated last)."""
        variance = max(float(np.mean(np.square(residual))), 1e-12)
        column = -(back @ turned)
        response = solve(column, STEP_TOLERANCE)
        information = float(turned @ turned - column @ response)
        pulled = float(turned @ residual - column @ solution)
        weak = self.precision * variance
        change = (pulled + weak * (self.prior - np.log(self.stretch))) / (information + weak)
        change = float(np.clip(change, -0.2, 0.2))
        stretch = self.stretch * float(np.exp(change))
        return solution - change * response, dataclasses.replace(self, stretch=stretch, information=information)

    def deviation(self, noise: Array) -> float:
        """Relative standard deviation of the stretch."""
        if not self.precision:
            return 0.0
        variance = max(float(np.mean(np.square(noise))), 1e-12)
        return float(1 / np.sqrt(self.precision + self.information / variance))


class Eliminated:
    """Solves a system by elimination; by that of an earlier one and corrections, as long as these are few."""

    def __init__(self, normal: sp.bsr_array, before: Eliminated | None = None) -> None:
        """For the matrix ``normal``, with what was eliminated ``before``."""
        self._matrix = normal
        self._factors = None if before is None else before._factors
        self._exact = False

    def __call__(self, right: Array, tolerance: float) -> Array:
        """The solution."""
        with parallel.alone():
            return self._solved(right, tolerance)

    def _solved(self, right: Array, tolerance: float) -> Array:
        if self._factors is not None and not self._exact:
            inverse = operator_of(len(right), self._factors.solve)
            solution, short = cg(self._matrix, right, rtol=tolerance, maxiter=_KEPT_FOR, M=inverse)
            if not short:
                return solution
        if not self._exact:
            self._factors = None  # two of them may not fit
            options = {"SymmetricMode": True}
            matrix = sp.csc_array(self._matrix)
            self._factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
            self._exact = True
        assert self._factors is not None
        return self._factors.solve(right)


def solver(
    normal: sp.bsr_array,
    edges: Edges,
    root: Array,
    transport: Array,
    turned: Array,
    generators: Array,
    before: Solver | None = None,
) -> Solver:
    """Solve the normal equations to a relative tolerance: by elimination on curves, where nothing fills in, and on
    surfaces of no more than many samples, where little does; else by conjugate gradients.

    What solved the equations of the step ``before`` may serve once more.
    """
    d, width = turned.shape[1], normal.blocksize[0]
    n = len(normal.indptr) - 1
    if d == 1 or (d == 2 and n <= _ELIMINATED):
        return Eliminated(normal, before if isinstance(before, Eliminated) and n > _KEPT_ABOVE else None)

    def carried(edge: Array) -> Array:
        # rigid motions of i and j together leave the residual of their edge as it is
        back = np.swapaxes(transport[edge], 1, 2)
        maps = np.zeros((len(edge), width, width))
        maps[:, :d, :d] = back
        maps[:, :d, d:] = np.matmul(back, _swept(turned[edge], generators))
        turns = np.matmul(back[:, None], np.matmul(generators, transport[edge][:, None]))
        maps[:, d:, d:] = 0.5 * np.einsum("ade,pbde->pab", generators, turns)
        return maps

    # edges of little trust are long: what they alone join need not move as one
    clusters = Clusters.grow(edges.i, edges.j, 1 / root, n, width)
    return two_level_solver(normal, clusters.cluster, clusters.motions(edges.i, carried, width))


def places_deviation(back: sp.bsr_array, noise: Array, edges: Edges, solve: Solver, n: int, draws: int) -> Array:
    """Standard deviation of the places if every sample's edges were off together by as much as is left of them.

    What is left is mostly curvature, which the edges of one sample share; taking edges for independent would promise
    too much.
    """
    rng = np.random.default_rng(0)
    d = edges.step.shape[1]
    squares = np.zeros(n)
    for _ in range(draws):
        drawn = noise[:, None] * rng.standard_normal((n, d))[edges.i] / np.sqrt(d)
        places = solve(back @ drawn.ravel(), _DRAW_TOLERANCE).reshape(n, -1)[:, :d]
        squares += np.square(places).mean(axis=1)
    return np.sqrt(squares / max(draws, 1))
