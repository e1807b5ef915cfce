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
from sametask.numerics import parallel
from sametask.numerics.local_metric import LocalMetric

_BLOCK = parallel.CACHED
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
    samples = Samples.of(activations, metric, KDTree(activations) if tree is None else tree)
    guarded = np.isfinite(curvature_factor) and m > metric.dimension
    bounds = _Bounds.of(samples, fetched, curvature_factor) if guarded else None
    found = _candidates(samples, fetched, bounds)
    vouched = _vouch(samples, found)
    found.suspect[vouched] = False
    pruned = np.empty(n)

    index, squared, mismatch = np.empty((n, kept), np.int64), np.empty((n, kept)), np.empty((n, kept))
    steps = np.empty((n, kept, metric.dimension))

    def keep(rows: slice) -> None:
        shortcut = found.suspect[rows] | found.aside[rows]
        trusted = np.where(shortcut, np.inf, found.squared[rows])
        order = np.sort(np.argpartition(trusted, kept - 1, axis=1)[:, :kept], axis=1)
        near = np.take_along_axis(trusted, order, axis=1)
        # nearest first, but those that had to be vouched for after all others: whoever takes a few takes the surest
        late = np.take_along_axis(vouched[rows], order, axis=1) & np.isfinite(near)
        order = np.take_along_axis(order, np.lexsort((near, late), axis=1), axis=1)
        length = np.take_along_axis(trusted, order, axis=1)
        j = np.take_along_axis(found.near[rows], order, axis=1)
        missing = ~np.isfinite(length)
        step, differ = samples.steps(rows, j)
        step[missing], differ[missing] = 0, np.inf
        j = np.where(missing, np.arange(rows.start, rows.stop)[:, None], j)
        own = samples.order[rows]
        index[own], squared[own], steps[own], mismatch[own] = samples.order[j], length, step, differ
        pruned[own] = shortcut.mean(axis=1)

    parallel.each(keep, parallel.blocks(n, (fetched + kept * m) * (metric.dimension + 1), _BLOCK))
    return NeighbourGraph(index, squared, steps, mismatch, pruned)


@dataclass(frozen=True)
class Samples:
    """The samples in the order of the tree's leaves: what is worked on together lies close together.

    Attributes:
        activations, frames, gains: theirs.
        order: (n,) which sample each is.
        place: (n,) where each sample is.
        tree: of the activations as they were given.
    """

    activations: Array
    frames: Array
    gains: Array
    order: Array
    place: Array
    tree: KDTree

    @staticmethod
    def of(activations: Array, metric: LocalMetric, tree: KDTree) -> Samples:
        """Samples in the order of the leaves of their tree."""
        order = np.asarray(tree.indices)
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order))
        return Samples(activations[order], metric.frames[order], metric.gains[order], order, place, tree)

    def near(self, rows: slice, count: int) -> Array:
        """(p, count) the nearest of each of a run of samples in activation space, without itself."""
        found = self.tree.query(self.activations[rows], count + 1)[1].reshape(-1, count + 1)
        return _without_self(self.place[found], np.arange(rows.start, rows.stop))

    def pairs(self, rows: slice, j: Int[Array, "p k"]) -> Pairs:
        """A run of samples, each held against those that ``j`` names."""
        frames, gains = self.frames[rows], self.gains[rows, None]
        frames_there, gains_there = self.frames[j], self.gains[j]
        change = self.activations[j] - self.activations[rows, None]
        here = np.matmul(change, np.swapaxes(frames, 1, 2))
        there = np.einsum("nkdm,nkm->nkd", frames_there, change)
        ambient = _squares(change)
        largest = np.maximum(gains[:, :, 0], gains_there[:, :, 0])
        length = 0.5 * (_squares(here / gains) + _squares(there / gains_there))
        squared = np.maximum(length, ambient / largest**2)
        # what the tangent planes leave over, not √(|Δy|² − …): that would lose half the digits
        left = change - np.matmul(here, frames)
        change -= np.einsum("nkd,nkdm->nkm", there, frames_there)
        normal = np.sqrt(np.maximum(_squares(left), _squares(change)))
        # On one sheet the two ends see half the curvature each, on opposite sides, and the sum is of third order.
        same_side = np.einsum("nkm,nkm->nk", left, change) > 0
        left += change
        aside = np.where(same_side, 0.5 * np.sqrt(_squares(left)), 0)
        return Pairs(ambient, squared, normal, aside)

    def steps(self, rows: slice | Array, j: Int[Array, "p k"]) -> tuple[Array, Array]:
        """Intrinsic steps to the samples that ``j`` names, and by how much either end disagrees on their lengths."""
        change = self.activations[j] - self.activations[rows][:, None]
        here = np.matmul(change, np.swapaxes(self.frames[rows], 1, 2)) / self.gains[rows][:, None]
        there = np.einsum("nkdm,nkm->nkd", self.frames[j], change) / self.gains[j]
        tiny = np.finfo(float).tiny
        return here, 0.5 * np.abs(np.log(_squares(here) + tiny) - np.log(_squares(there) + tiny))


@dataclass(frozen=True)
class Pairs:
    """Each of some samples against several others.

    Attributes:
        ambient: (p, k) squared distances in activation space.
        squared: (p, k) guarded squared intrinsic distances.
        normal: (p, k) what the tangent planes leave over.
        aside: (p, k) how much of that both ends see on the same side.
    """

    ambient: Array
    squared: Array
    normal: Array
    aside: Array


def _squares(values: Array) -> Array:
    """Sums of squares along the last axis."""
    return np.einsum("nkm,nkm->nk", values, values)


@dataclass(frozen=True)
class _Bounds:
    """How large a normal component the curvature around each sample explains.

    Curvature is judged by the nearest candidates in activation space, the least likely to be shortcuts.

    Attributes:
        bend: (n,) normal component for each squared distance, typically.
        noise: (n,) normal component, typically.
        factor: how many times as large a component is still explained.
        rounding: what is explained by rounding.
    """

    bend: Array
    noise: Array
    factor: float
    rounding: float

    @staticmethod
    def of(samples: Samples, fetched: int, factor: float) -> _Bounds:
        n, m = samples.activations.shape
        first = _first(samples.frames.shape[1], fetched)
        bend, noise = np.empty(n), np.empty(n)

        def judge(rows: slice) -> None:
            seen = samples.pairs(rows, samples.near(rows, first))
            # a duplicate, at no distance and with no normal component, shows no bend
            bend[rows] = np.median(seen.normal / np.maximum(seen.squared, np.finfo(float).tiny), axis=1)
            noise[rows] = np.median(seen.normal, axis=1)

        parallel.each(judge, parallel.blocks(n, first * m * (samples.frames.shape[1] + 1), _BLOCK))
        digits = np.finfo(samples.activations.dtype).eps * np.sqrt(m)
        return _Bounds(bend, noise, factor, 8 * digits * float(np.abs(samples.activations).max()))

    def exceeded(self, rows: slice, j: Array, seen: Pairs) -> Array:
        """(p, k) whether the normal component is larger than the curvature at either end explains."""
        here = np.maximum(self.bend[rows, None] * seen.squared, self.noise[rows, None])
        there = np.maximum(self.bend[j] * seen.squared, self.noise[j])
        return seen.normal > self.factor * np.minimum(here, there) + self.rounding


def _first(d: int, fetched: int) -> int:
    return min(max(8, 4 * d + 2), fetched)


@dataclass(frozen=True)
class _Candidates:
    """For each sample those near it in activation space, nearest there first.

    Attributes:
        near: (n, k) where they are.
        squared: (n, k) guarded squared intrinsic distances.
        suspect: (n, k) whether no curvature explains their normal component.
        aside: (n, k) whether both ends see it on the same side.
    """

    near: Array
    squared: Array
    suspect: Array
    aside: Array


def _candidates(samples: Samples, fetched: int, bounds: _Bounds | None) -> _Candidates:
    n, m = samples.activations.shape
    d = samples.frames.shape[1]
    near, squared = np.empty((n, fetched), np.int32), np.empty((n, fetched))
    suspect, aside = np.zeros((n, fetched), bool), np.zeros((n, fetched), bool)

    def look(rows: slice) -> None:
        near[rows] = samples.near(rows, fetched)
        seen = samples.pairs(rows, near[rows])
        squared[rows] = seen.squared
        if bounds is not None:
            suspect[rows] = bounds.exceeded(rows, near[rows], seen)
            aside[rows] = _beyond(seen.aside, _ASIDE * np.sqrt(seen.ambient), d) > bounds.rounding

    parallel.each(look, parallel.blocks(n, fetched * m * (d + 1), _BLOCK))
    return _Candidates(near, squared, suspect, aside)


def _beyond(aside: Array, allowed: Array, d: int) -> Array:
    """What is seen aside beyond what is allowed, and beyond eight times what the nearest candidates show.

    Nearest candidates that lie aside themselves mean a sheet made thick, by noise or by a direction left out of the
    metric, and no second sheet. Noise sets nearly all of them aside, a second sheet those that are on it: their lower
    quartile is that of this sheet, where the median may be of the other.
    """
    first = np.sort(aside[:, : _first(d, aside.shape[1])], axis=1)
    thickness = first[:, first.shape[1] // 4, None]
    return aside - np.maximum(allowed, 8 * thickness)


def _without_self(found: Array, own: Array) -> Array:
    """Drop each sample from its own neighbours; among duplicates it need not be the first, or be there at all."""
    is_self = found == own[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    return found[~is_self].reshape(len(found), -1)


def _vouch(samples: Samples, found: _Candidates) -> Array:
    """(n, k) suspects that third samples vouch for.

    Where gains differ with direction the nearest candidates lie along the weak directions, and the manifold may bend
    more along the strong ones: where what is trusted lies to few sides only, a suspect is let off when both ends have
    several trusted neighbours in common. Two sheets have none, but for a few that slipped through themselves; hence
    several.
    """
    vouched = np.zeros(found.suspect.shape, bool)
    d = samples.frames.shape[1]
    if d == 1 or not found.suspect.any():
        return vouched
    shortcut = found.suspect.copy()
    lopsided = np.empty(len(shortcut), bool)
    changed = np.arange(len(shortcut))
    for _ in range(_VOUCHING_ROUNDS):
        lopsided[changed] = _evenness(samples, found, shortcut, changed) < _EVEN
        rows, columns = np.nonzero(shortcut)
        asked = lopsided[rows] | lopsided[found.near[rows, columns]]
        rows, columns = rows[asked], columns[asked]
        let_off = _have_friends_in_common(found, shortcut, rows, columns)
        rows, columns = rows[let_off], columns[let_off]
        vouched[rows, columns] = True
        shortcut[rows, columns] = False
        changed = np.unique(rows)
    return vouched & ~found.aside


def _evenness(samples: Samples, found: _Candidates, shortcut: Array, asked: Int[Array, " p"]) -> Array:
    """How evenly the nearest trusted candidates lie to all sides: 1 evenly (in half a ball too), 0 on a line."""
    _, d, m = samples.frames.shape
    count = max(2, shortcut.shape[1] // 4)
    result = np.empty(len(asked))

    def judge(block: slice) -> None:
        rows = asked[block]
        trusted = np.where(shortcut[rows], np.inf, found.squared[rows])
        order = np.argpartition(trusted, count - 1, axis=1)[:, :count]
        change = samples.activations[np.take_along_axis(found.near[rows], order, axis=1)]
        change -= samples.activations[rows, None]
        units = np.matmul(change, np.swapaxes(samples.frames[rows], 1, 2)) / samples.gains[rows, None]
        units /= np.maximum(np.linalg.norm(units, axis=2, keepdims=True), np.finfo(float).tiny)
        units[~np.isfinite(np.take_along_axis(trusted, order, axis=1))] = 0
        moment = np.matmul(np.swapaxes(units, 1, 2), units)
        total = np.trace(moment, axis1=1, axis2=2)
        result[block] = d * np.linalg.eigvalsh(moment)[:, 0] / np.maximum(total, np.finfo(float).tiny)

    parallel.each(judge, parallel.blocks(len(asked), shortcut.shape[1] + count * m, _BLOCK))
    return result


def _have_friends_in_common(found: _Candidates, shortcut: Array, rows: Array, columns: Array) -> Array:
    """Which of the pairs asked about have several trusted near neighbours in common."""
    n, fetched = shortcut.shape
    count = min(_VOUCHERS, fetched)
    named, valid = np.empty((n, count), np.int32), np.empty((n, count), bool)

    def name(block: slice) -> None:
        trusted = np.where(shortcut[block], np.inf, found.squared[block])
        order = np.argpartition(trusted, count - 1, axis=1)[:, :count]
        valid[block] = np.isfinite(np.take_along_axis(trusted, order, axis=1))
        named[block] = np.take_along_axis(found.near[block], order, axis=1)

    parallel.each(name, parallel.blocks(n, fetched, _BLOCK))
    starts = np.concatenate([[0], np.cumsum(valid.sum(axis=1))])
    friends = sp.csr_array((np.ones(starts[-1], np.int32), named[valid], starts), shape=(n, n))
    friends.sort_indices()
    result = np.empty(len(rows), bool)

    def ask(block: slice) -> None:
        i, j = rows[block], found.near[rows[block], columns[block]]
        result[block] = np.diff(friends[i].multiply(friends[j]).indptr) >= _WITNESSES

    parallel.each(ask, parallel.blocks(len(rows), count, 16 * _BLOCK))
    return result
