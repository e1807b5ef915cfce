"""The sparse neighbour graph in the Mahalanobis-like distance, without tangent-blind shortcuts.

The distance ``d²(i,j) = ½(|W_i Δy|² + |W_j Δy|²)`` (Singer & Coifman 2008) equals the squared intrinsic distance up to
fourth order, but it sees only the tangent planes: two far-apart points whose difference is normal to both planes look
like neighbours. Four cures, all used here: only pairs near in activation space are candidates; an intrinsic distance
can't be shorter than |Δy| / s_max; a pair whose normal component is much larger than the curvature found among the
nearest candidates can explain is no neighbour at all; and nor is one whose two ends see the normal component on the
same side. (Along one sheet the tangent planes at both ends leave over +½ II(u, u) and −½ II(u, u) of Δy: opposite
sides, and a sum of third order. Of two sheets that pass close by, both leave over the gap between them.)
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from sametask._types import Array, Bool, Float, Int
from sametask.numerics.local_metric import LocalMetric

_BLOCK = 1 << 22
_VOUCHERS = 24
_VOUCHING_ROUNDS = 2
_WITNESSES = 4
_ASIDE = 0.1
"""What both ends see off the tangent planes on the same side, relative to |Δy|, before it counts."""
_EVEN = 0.7


@dataclass(frozen=True)
class NeighbourGraph:
    """The nearest neighbours of each sample, nearest first; those less sure to be neighbours after the others.

    Attributes:
        index: (n, k) neighbours; where fewer than k are left the row is filled with the sample itself.
        squared: (n, k) squared intrinsic distances, infinite where filled.
        steps: (n, k, d) the intrinsic steps W_i (y_j − y_i), zero where filled.
        mismatch: (n, k) how much the two one-sided lengths disagree, ``|log(|W_i Δy| / |W_j Δy|)|``; infinite where
            filled.
        pruned: (n,) share of each sample's candidates left out as shortcuts.
    """

    index: Int[Array, "n k"]
    squared: Float[Array, "n k"]
    steps: Float[Array, "n k d"]
    mismatch: Float[Array, "n k"]
    pruned: Float[Array, " n"]

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.index)

    @property
    def present(self) -> Bool[Array, "n k"]:
        """Which entries are neighbours."""
        return np.isfinite(self.squared)

    def symmetric(self) -> sp.csr_array:
        """Squared distances as a sparse symmetric matrix; a pair is kept when either end names the other."""
        present = self.present
        rows = np.repeat(np.arange(self.size), present.sum(axis=1))
        # An explicit zero would vanish from the sparse pattern: duplicates get the smallest positive distance.
        data = np.maximum(self.squared[present], np.finfo(float).tiny).astype(np.float64)
        half = sp.csr_array((data, (rows, self.index[present])), shape=(self.size, self.size))
        return sp.csr_array(half.maximum(half.T))

    def components(self, reach: float = np.inf) -> tuple[int, Int[Array, " n"]]:
        """Number of connected pieces and the piece of each sample; pairs beyond a squared ``reach`` are not joined."""
        joined = self.symmetric()
        joined.data[joined.data > reach] = 0
        joined.eliminate_zeros()
        count, label = connected_components(joined, directed=False)
        return int(count), label

    def take(self, rows: Int[Array, " p"]) -> NeighbourGraph:
        """The graph of some of the samples; neighbours that are not among them are left out."""
        place = np.full(self.size, -1)
        place[rows] = np.arange(len(rows))
        index = place[self.index[rows]]
        gone = (index < 0) | ~self.present[rows]
        order = np.argsort(gone, axis=1, kind="stable")  # what is left stays in order, nearest first
        gone = np.take_along_axis(gone, order, axis=1)
        index = np.where(gone, np.arange(len(rows))[:, None], np.take_along_axis(index, order, axis=1))
        squared = np.where(gone, np.inf, np.take_along_axis(self.squared[rows], order, axis=1))
        mismatch = np.where(gone, np.inf, np.take_along_axis(self.mismatch[rows], order, axis=1))
        steps = np.where(gone[:, :, None], 0, np.take_along_axis(self.steps[rows], order[:, :, None], axis=1))
        return NeighbourGraph(index, squared, steps, mismatch, self.pruned[rows])

    def rescale(self, factor: float) -> NeighbourGraph:
        """The graph in intrinsic units ``factor`` times smaller."""
        return dataclasses.replace(self, squared=self.squared * factor**2, steps=self.steps * factor)

    def nearest(self, count: int) -> NeighbourGraph:
        """The graph of so many neighbours of each, at most."""
        first = {name: getattr(self, name)[:, :count] for name in ("index", "squared", "steps", "mismatch")}
        return dataclasses.replace(self, **first)

    def with_steps(self, steps: Float[Array, "n k d"]) -> NeighbourGraph:
        """The same neighbours in the same order, at other steps, which tell their distances too."""
        steps = np.where(self.present[:, :, None], steps, 0)
        squared = np.where(self.present, np.square(steps).sum(axis=2), np.inf)
        return dataclasses.replace(self, squared=squared, steps=steps)

    def spacing(self) -> float:
        """Typical distance to the nearest neighbour, in intrinsic units."""
        nearest = self.squared.min(axis=1)
        nearest = nearest[np.isfinite(nearest)]
        return float(np.sqrt(np.median(nearest))) if len(nearest) else float("inf")


def neighbour_graph(
    activations: Float[Array, "n m"],
    metric: LocalMetric,
    neighbours: int,
    *,
    overfetch: float = 4.0,
    curvature_factor: float = 3.0,
    tree: KDTree | None = None,
) -> NeighbourGraph:
    """The ``neighbours`` nearest samples of each sample in the guarded Mahalanobis-like distance.

    Args:
        activations: (n, m), n ≥ 2.
        metric: their local metric; gains must be positive.
        neighbours: how many to keep, at most n − 1.
        overfetch: candidates taken in activation space for each neighbour kept; gains differ with direction, so the
            nearest in one metric are not the nearest in the other.
        curvature_factor: a candidate whose normal component exceeds this multiple of what the sample's own
            neighbourhood shows at that distance is a shortcut. Infinity keeps all.
        tree: nearest neighbours in activation space, when there is one already.
    """
    n, m = activations.shape
    kept = min(neighbours, n - 1)
    fetched = int(min(np.ceil(overfetch * kept), n - 1))
    tree = KDTree(activations) if tree is None else tree
    near, squared, steps, mismatch, normal, aside = _candidates(activations, metric, tree, fetched)

    pruned, vouched = np.zeros(n), np.zeros(near.shape, bool)
    if np.isfinite(curvature_factor) and m > metric.dimension:
        rounding = 8 * np.finfo(activations.dtype).eps * np.sqrt(m) * float(np.abs(activations).max())
        shortcut, vouched = _shortcuts(near, squared, steps, normal, curvature_factor, rounding)
        shortcut |= aside > rounding
        vouched &= ~shortcut
        pruned = shortcut.mean(axis=1)
        squared[shortcut] = np.inf

    order = np.argsort(squared, axis=1, kind="stable")[:, :kept]
    # nearest first, but those that had to be vouched for after all others: whoever takes a few takes the surest
    order = np.take_along_axis(
        order, np.argsort(np.take_along_axis(vouched, order, axis=1), axis=1, kind="stable"), axis=1
    )
    index = np.take_along_axis(near, order, axis=1)
    squared = np.take_along_axis(squared, order, axis=1)
    mismatch = np.take_along_axis(mismatch, order, axis=1)
    steps = np.take_along_axis(steps, order[:, :, None], axis=1)
    missing = ~np.isfinite(squared)
    index = np.where(missing, np.arange(n)[:, None], index)
    steps[missing] = 0
    mismatch[missing] = np.inf
    return NeighbourGraph(index, squared, steps, mismatch, pruned)


def _candidates(
    activations: Array, metric: LocalMetric, tree: KDTree, fetched: int
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Neighbours in activation space: guarded squared distances, steps, mismatches, normal components, and how much of
    those both ends see on the same side."""
    n, m = activations.shape
    d = metric.dimension
    near = np.empty((n, fetched), np.int64)
    squared, mismatch, normal, aside = (np.empty((n, fetched)) for _ in range(4))
    steps = np.empty((n, fetched, d))
    block = max(1, _BLOCK // (fetched * m * (d + 1)))
    for start in range(0, n, block):
        rows = slice(start, min(start + block, n))
        found = tree.query(activations[rows], fetched + 1, workers=-1)[1].reshape(-1, fetched + 1)
        j = _without_self(found, np.arange(rows.start, rows.stop))
        change = activations[j] - activations[rows, None]
        ambient = np.einsum("nkm,nkm->nk", change, change)
        here = np.matmul(change, np.swapaxes(metric.frames[rows], 1, 2))
        there = np.einsum("nkdm,nkm->nkd", metric.frames[j], change, optimize=True)
        steps[rows] = here / metric.gains[rows, None]
        length_here = np.square(steps[rows]).sum(axis=2)
        length_there = np.square(there / metric.gains[j]).sum(axis=2)
        largest = np.maximum(metric.gains[rows, None, 0], metric.gains[j, 0])
        squared[rows] = np.maximum(0.5 * (length_here + length_there), ambient / largest**2)
        tiny = np.finfo(float).tiny
        mismatch[rows] = 0.5 * np.abs(np.log(length_here + tiny) - np.log(length_there + tiny))
        # what the tangent planes leave over, not √(|Δy|² − …): that would lose half the digits
        left_here = change - np.matmul(here, metric.frames[rows])
        left_there = change - np.einsum("nkd,nkdm->nkm", there, metric.frames[j], optimize=True)
        normal[rows] = np.sqrt(np.maximum(np.square(left_here).sum(axis=2), np.square(left_there).sum(axis=2)))
        # On one sheet the two ends see half the curvature each, on opposite sides, and the sum is of third order.
        both = 0.5 * np.linalg.norm(left_here + left_there, axis=2)
        aside[rows] = np.where(np.einsum("nkm,nkm->nk", left_here, left_there) > 0, both, 0)
        aside[rows] = _beyond(aside[rows], _ASIDE * np.sqrt(ambient), d)
        near[rows] = j
    return near, squared, steps, mismatch, normal, aside


def _beyond(aside: Array, allowed: Array, d: int) -> Array:
    """What is seen aside beyond what is allowed, and beyond eight times what the nearest candidates show.

    Nearest candidates that lie aside themselves mean a sheet made thick, by noise or by a direction left out of the
    metric, and no second sheet. Noise sets nearly all of them aside, a second sheet those that are on it: their lower
    quartile is that of this sheet, where the median may be of the other.
    """
    first = np.sort(aside[:, : max(8, 4 * d + 2)], axis=1)
    thickness = first[:, first.shape[1] // 4, None]
    return aside - np.maximum(allowed, 8 * thickness)


def _without_self(found: Array, own: Array) -> Array:
    """Drop each sample from its own neighbours; among duplicates it need not be the first, or be there at all."""
    is_self = found == own[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    return found[~is_self].reshape(len(found), -1)


def _shortcuts(
    near: Array, squared: Array, steps: Array, normal: Array, factor: float, rounding: float
) -> tuple[Array, Array]:
    """Candidates whose normal component neither end's curvature explains, and that no third samples vouch for.

    Curvature is judged by the nearest candidates in activation space, the least likely to be shortcuts. Where gains
    differ with direction those lie along the weak directions, and the manifold may bend more along the strong ones:
    where what is trusted lies to few sides only, a suspect is let off when both ends have several trusted neighbours in
    common. Two sheets have none, but for a few that slipped through themselves; hence several.

    Returns:
        The shortcuts, and the suspects that were vouched for.
    """
    d = steps.shape[2]
    first = min(max(8, 4 * d + 2), near.shape[1])
    # a duplicate, at no distance and with no normal component, shows no bend
    bend = np.median(normal[:, :first] / np.maximum(squared[:, :first], np.finfo(float).tiny), axis=1)
    noise = np.median(normal[:, :first], axis=1)
    here = np.maximum(bend[:, None] * squared, noise[:, None])
    there = np.maximum(bend[near] * squared, noise[near])
    suspect = normal > factor * np.minimum(here, there) + rounding
    shortcut = suspect
    if d > 1:
        for _ in range(_VOUCHING_ROUNDS):
            lopsided = _evenness(squared, steps, shortcut) < _EVEN
            asked = shortcut & (lopsided[:, None] | lopsided[near])
            shortcut = shortcut & ~(asked & _vouched_for(near, squared, shortcut, asked))
    return shortcut, suspect & ~shortcut


def _evenness(squared: Array, steps: Array, suspect: Array) -> Array:
    """How evenly the nearest trusted candidates lie to all sides: 1 evenly (in half a ball too), 0 on a line."""
    d = steps.shape[2]
    trusted = np.where(suspect, np.inf, squared)
    count = max(2, trusted.shape[1] // 4)
    order = np.argpartition(trusted, count - 1, axis=1)[:, :count]
    length = np.take_along_axis(trusted, order, axis=1)
    units = np.take_along_axis(steps, order[:, :, None], axis=1)
    units = units / np.maximum(np.linalg.norm(units, axis=2, keepdims=True), np.finfo(float).tiny)
    units[~np.isfinite(length)] = 0
    moment = np.einsum("nkd,nke->nde", units, units)
    total = np.trace(moment, axis1=1, axis2=2)
    return d * np.linalg.eigvalsh(moment)[:, 0] / np.maximum(total, np.finfo(float).tiny)


def _vouched_for(near: Array, squared: Array, suspect: Array, asked: Array) -> Array:
    """Which of the pairs ``asked`` have several trusted near neighbours in common."""
    trusted = np.where(suspect, np.inf, squared)
    count = min(_VOUCHERS, near.shape[1])
    order = np.argpartition(trusted, count - 1, axis=1)[:, :count]
    valid = np.isfinite(np.take_along_axis(trusted, order, axis=1))
    rows = np.repeat(np.arange(len(near)), valid.sum(axis=1))
    named = np.take_along_axis(near, order, axis=1)[valid]
    friends = sp.csr_array((np.ones(len(rows), np.int32), (rows, named)), shape=(len(near), len(near)))
    rows, columns = np.nonzero(asked)
    vouched = np.zeros(asked.shape, bool)
    block = max(1, _BLOCK // count)
    for start in range(0, len(rows), block):
        i, k = rows[start : start + block], columns[start : start + block]
        shared = friends[i].multiply(friends[near[i, k]])
        vouched[i, k] = np.diff(shared.indptr) >= _WITNESSES
    return vouched
