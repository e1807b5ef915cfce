"""The sparse graph of each sample's nearest neighbours in the intrinsic metric, without shortcuts.

The Mahalanobis-like distance ``d²(i,j) = ½(|W_i Δy|² + |W_j Δy|²)`` (Singer & Coifman 2008) equals the squared
intrinsic distance up to fourth order. Two things stand between it and the nearest neighbours.

*Uneven response.* Where a network responds k times more weakly to one direction, the nearest samples in activation
space lie in a strip 1 : k, whatever the number of samples. So neighbours are found by descent in the metric itself:
neighbours of neighbours are candidates until nothing changes (NN-descent; Dong, Moses & Li 2011). The nearest in
activation space only begin it.

*Shortcuts.* The distance sees only the tangent planes: two far-apart points whose difference is normal to both look
like neighbours. Along one sheet the tangent planes at both ends leave over +½ II(u, u) and −½ II(u, u) of Δy: opposite
sides, and a sum of third order. Of two sheets that pass close by, both leave over the gap between them, on the same
side. So a pair that leaves it over on the same side is a shortcut, and so is one whose normal component is most of Δy.
The descent itself goes along pairs with a small sum only. And an intrinsic distance can't be shorter than |Δy| / s_max.
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
_BEGIN = 48
"""Nearest samples in activation space that the descent begins with."""
_JOINED = 16
"""Neighbours of each sample that are joined with one another in a round of the descent."""
_HOP = 24
"""Neighbours of each whose neighbours are the candidates in the end: in the plane some 96 of them, in space 190."""
_ROUNDS = 16
"""At most; two where response is even, five where it is 1 : 30."""
_NORMAL = 0.7
"""Share of Δy normal to a tangent plane, from which on a pair is a shortcut."""
_SAME_SIDE = 0.02
"""Share of Δy that both ends leave over on the same side, from which on a pair is a shortcut."""
_SUM = 0.1
"""Share of Δy that both ends leave over in the mean, whichever side, from which on the descent does not go there."""
_THICKNESS = 8.0
"""Times what the nearest leave over, which noise explains: it makes a sheet thick, and not two."""


@dataclass(frozen=True)
class NeighbourGraph:
    """The nearest neighbours of each sample, nearest first.

    Attributes:
        index: (n, k) neighbours; where fewer than k are left the row is filled with the sample itself.
        squared: (n, k) squared intrinsic distances, infinite where filled.
        steps: (n, k, d) the intrinsic steps to them in the sample's frame, zero where filled.
        unresolved: share of the steps along geodesics on which the two ends differ by more than a tenth.
    """

    index: Int[Array, "n k"]
    squared: Float[Array, "n k"]
    steps: Float[Array, "n k d"]
    unresolved: float = 0.0

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
        steps = np.where(gone[:, :, None], 0, np.take_along_axis(self.steps[rows], order[:, :, None], axis=1))
        return NeighbourGraph(index, squared, steps, self.unresolved)

    def rescale(self, factor: float) -> NeighbourGraph:
        """The graph in intrinsic units ``factor`` times smaller."""
        return dataclasses.replace(self, squared=self.squared * factor**2, steps=self.steps * factor)

    def nearest(self, count: int) -> NeighbourGraph:
        """The graph of ``count`` neighbours of each, at most."""
        return dataclasses.replace(
            self, index=self.index[:, :count], squared=self.squared[:, :count], steps=self.steps[:, :count]
        )

    def with_steps(self, steps: Float[Array, "n k d"]) -> NeighbourGraph:
        """The same neighbours in the same order, at other steps, whose lengths are their distances too."""
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
    guarded: bool = True,
    tree: KDTree | None = None,
) -> NeighbourGraph:
    """The ``neighbours`` nearest samples of each sample in the guarded Mahalanobis-like distance.

    Args:
        activations: (n, m), n ≥ 2.
        metric: their local metric; gains must be positive.
        neighbours: how many to keep, at most n − 1.
        guarded: whether pairs that the tangent planes cannot tell from shortcuts are left out.
        tree: nearest neighbours in activation space, when there is one already.
    """
    n, m = activations.shape
    kept = min(neighbours, n - 1)
    samples = Samples.of(activations, metric, KDTree(activations) if tree is None else tree)
    near = samples.nearest(min(_BEGIN, n - 1))
    guards = Guards.of(samples, near) if guarded and m > metric.dimension else Guards.none(n)
    candidates = _Candidates.of(samples, near, guards)

    index, squared = np.empty((n, kept), np.int64), np.empty((n, kept))
    steps = np.empty((n, kept, metric.dimension))

    def keep(rows: slice) -> None:
        j = candidates.of_rows(rows, kept)
        seen = samples.pairs(rows, j)
        own = np.arange(rows.start, rows.stop)[:, None]
        length = np.where(guards.shortcut(rows, j, seen) | (j == own), np.inf, seen.squared)
        j, length = _least(j, length, kept, fill=own)
        step = samples.steps(rows, j)
        step[~np.isfinite(length)] = 0
        index[samples.order[rows]] = samples.order[j]
        squared[samples.order[rows]], steps[samples.order[rows]] = length, step

    parallel.each(keep, candidates.blocks(samples))
    return NeighbourGraph(index, squared, steps)


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

    @property
    def width(self) -> int:
        """Numbers that measuring one pair takes."""
        _, d, m = self.frames.shape
        return m * (d + 1)

    def nearest(self, count: int) -> Int[Array, "n count"]:
        """The nearest of each sample in activation space, without itself."""
        n = len(self.order)
        near = np.empty((n, count), np.int32)

        def look(rows: slice) -> None:
            found = self.tree.query(self.activations[rows], count + 1)[1].reshape(-1, count + 1)
            near[rows] = _without_self(self.place[found], np.arange(rows.start, rows.stop))

        parallel.each(look, parallel.blocks(n, count * self.width, _BLOCK))
        return near

    def pairs(self, rows: slice | Array, j: Int[Array, "p k"]) -> Pairs:
        """Some of the samples, each held against those that ``j`` names."""
        frames, gains = self.frames[rows], self.gains[rows][:, None]
        frames_there, gains_there = self.frames[j], self.gains[j]
        change = self.activations[j] - self.activations[rows][:, None]
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
        same_side = np.einsum("nkm,nkm->nk", left, change) > 0
        left += change
        return Pairs(np.sqrt(ambient), squared, normal, 0.5 * np.sqrt(_squares(left)), same_side)

    def steps(self, rows: slice, j: Int[Array, "p k"]) -> Float[Array, "p k d"]:
        """Intrinsic steps W_i (y_j − y_i) to the samples that ``j`` names."""
        change = self.activations[j] - self.activations[rows, None]
        return np.matmul(change, np.swapaxes(self.frames[rows], 1, 2)) / self.gains[rows, None]


@dataclass(frozen=True)
class Pairs:
    """Each of some samples against several others.

    Attributes:
        ambient: (p, k) distances in activation space.
        squared: (p, k) guarded squared intrinsic distances.
        normal: (p, k) what the tangent planes leave over, at the end where it is more.
        mean: (p, k) length of the mean of what both leave over.
        same_side: (p, k) whether they leave it over on the same side.
    """

    ambient: Array
    squared: Array
    normal: Array
    mean: Array
    same_side: Array


def _squares(values: Array) -> Array:
    """Sums of squares along the last axis."""
    return np.einsum("nkm,nkm->nk", values, values)


def _without_self(found: Array, own: Array) -> Array:
    """Drop each sample from its own neighbours; among duplicates it need not be the first, or be there at all."""
    is_self = found == own[:, None]
    is_self[~is_self.any(axis=1), -1] = True
    return found[~is_self].reshape(len(found), -1)


def _least(j: Array, length: Array, count: int, fill: Array) -> tuple[Array, Array]:
    """The ``count`` candidates of each row at the least length, in ascending order; ``fill`` where there are fewer."""
    if j.shape[1] < count:
        more = ((0, 0), (0, count - j.shape[1]))
        j, length = np.pad(j, more), np.pad(length, more, constant_values=np.inf)
    if j.shape[1] > count:
        some = np.sort(np.argpartition(length, count - 1, axis=1)[:, :count], axis=1)
        j, length = np.take_along_axis(j, some, axis=1), np.take_along_axis(length, some, axis=1)
    order = np.argsort(length, axis=1, kind="stable")
    j, length = np.take_along_axis(j, order, axis=1), np.take_along_axis(length, order, axis=1)
    return np.where(np.isfinite(length), j, fill), length


@dataclass(frozen=True)
class Guards:
    """What tells shortcuts from neighbours.

    Noise makes a sheet thick: both ends leave over the same of Δy, as with two sheets. It does so for nearly all pairs,
    two sheets for those pairs that join them; so what noise explains is judged by what at least three quarters of the
    nearest samples leave over.

    Attributes:
        normal, mean: (n,) what the nearest leave over, the lower quartile.
        rounding: what rounding explains; infinite where nothing is guarded.
    """

    normal: Array
    mean: Array
    rounding: float

    @staticmethod
    def none(n: int) -> Guards:
        """Guards that let all pairs pass."""
        return Guards(np.zeros(n), np.zeros(n), np.inf)

    @staticmethod
    def of(samples: Samples, near: Int[Array, "n k"]) -> Guards:
        """Guards for samples with the nearest of each in activation space."""
        n, d, m = samples.frames.shape
        first = near[:, : max(8, 4 * d + 2)]
        normal, mean = np.empty(n), np.empty(n)

        def judge(rows: slice) -> None:
            seen = samples.pairs(rows, first[rows])
            quarter = first.shape[1] // 4
            normal[rows] = np.partition(seen.normal, quarter, axis=1)[:, quarter]
            mean[rows] = np.partition(seen.mean, quarter, axis=1)[:, quarter]

        parallel.each(judge, parallel.blocks(n, first.shape[1] * samples.width, _BLOCK))
        digits = np.finfo(samples.activations.dtype).eps * np.sqrt(m)
        return Guards(normal, mean, 8 * digits * float(np.abs(samples.activations).max()))

    def shortcut(self, rows: slice | Array, j: Int[Array, "p k"], seen: Pairs) -> Bool[Array, "p k"]:
        """Which pairs are shortcuts."""
        thick = np.minimum(self.normal[rows][:, None], self.normal[j])
        beyond = seen.normal > np.maximum(_NORMAL * seen.ambient, _THICKNESS * thick) + self.rounding
        return beyond | (seen.same_side & self._apart(rows, j, seen, _SAME_SIDE))

    def bent(self, rows: slice | Array, j: Int[Array, "p k"], seen: Pairs) -> Bool[Array, "p k"]:
        """Along which pairs the descent does not go: they may join two sheets where these bend into one another."""
        return self._apart(rows, j, seen, _SUM)

    def _apart(self, rows: slice | Array, j: Array, seen: Pairs, share: float) -> Array:
        thick = np.minimum(self.mean[rows][:, None], self.mean[j])
        return seen.mean > np.maximum(share * seen.ambient, _THICKNESS * thick) + self.rounding


@dataclass(frozen=True)
class _Candidates:
    """Who may be a neighbour of whom: the neighbours of neighbours, and who crosses a gap.

    Attributes:
        joined: (n, n) boolean, each sample with itself and the nearest that the descent found.
        across: (n, n) boolean, pairs near in activation space that nothing else joins.
    """

    joined: sp.csr_array
    across: sp.csr_array

    @staticmethod
    def of(samples: Samples, near: Int[Array, "n k"], guards: Guards) -> _Candidates:
        """By descent from the nearest in activation space."""
        n, d, _ = samples.frames.shape
        found = np.empty((n, min(_HOP, n - 1)), np.int32)
        changed = np.ones(n, bool)
        joined, before = _pattern(near[:, :0]), _pattern(near)
        for turn in range(_ROUNDS):
            asked = np.flatnonzero(changed)

            def descend(block: slice, asked: Array = asked, joined: sp.csr_array = joined, first: bool = turn == 0):
                rows = asked[block]
                j = near[rows] if first else _padded(joined[rows] @ joined, rows)
                found[rows] = _nearest_on_the_sheet(samples, guards, rows, j, found.shape[1])

            width = near.shape[1] if turn == 0 else 4 * _JOINED
            parallel.each(descend, parallel.blocks(len(asked), width * samples.width, _BLOCK))
            joined, before = _pattern(found[:, :_JOINED]), joined
            moved = np.diff(sp.csr_array(joined != before).indptr) > 0  # whose neighbours are others now
            if moved.mean() <= 1e-3:
                break
            changed = joined @ moved
        joined = _pattern(found)
        return _Candidates(joined, _across(samples, guards, near, joined, everywhere=d == 1))

    def blocks(self, samples: Samples) -> list[slice]:
        """Runs of samples to be worked on together."""
        n = len(samples.order)
        many = np.square(self.joined.nnz / n) / 4  # of those that neighbours of neighbours name, a fourth are others
        return parallel.blocks(n, int(min(many, n) + 1) * samples.width, _BLOCK)

    def of_rows(self, rows: slice, wanted: int) -> Int[Array, "p w"]:
        """Candidates of some samples, neighbours of these too where one of them has fewer than are ``wanted``; where a
        row has fewer than others it is filled with the sample itself."""
        pairs = self.joined[rows] @ self.joined
        few = np.flatnonzero(np.diff(pairs.indptr) < wanted)
        if len(few):
            chosen = sp.csr_array((np.ones(len(few), bool), (few, few)), shape=(pairs.shape[0],) * 2)
            pairs = pairs + chosen @ pairs @ self.joined
        if self.across.nnz:
            pairs = pairs + self.across[rows]
        return _padded(pairs, np.arange(rows.start, rows.stop))


def _nearest_on_the_sheet(samples: Samples, guards: Guards, rows: Array, j: Array, count: int) -> Array:
    """The nearest candidates of each row along which the descent may go, nearest first.

    Few samples of a strongly curved sheet all seem to bend too much: the nearest 2 d + 2 are taken whether or not.
    """
    seen = samples.pairs(rows, j)
    own = rows[:, None]
    length = np.where(guards.shortcut(rows, j, seen) | (j == own), np.inf, seen.squared)
    bent = guards.bent(rows, j, seen)
    least = 2 * samples.frames.shape[1] + 2
    if j.shape[1] > least:
        straight = np.where(bent, np.inf, length)
        enough = np.partition(straight, least - 1, axis=1)[:, least - 1, None]
        anyway = np.partition(length, least - 1, axis=1)[:, least - 1, None]
        length = np.where(bent & (np.isfinite(enough) | (length > anyway)), np.inf, length)
    return _least(j, length, count, fill=own)[0]


def _across(
    samples: Samples, guards: Guards, near: Int[Array, "n k"], joined: sp.csr_array, *, everywhere: bool
) -> sp.csr_array:
    """Pairs near in activation space that cross a gap: those whose ends the graph does not join. Of curves all, for
    there the nearest of a sample at a gap all lie on its own side; and around two ends that face one another."""
    n = len(near)
    count, piece = connected_components(joined, directed=False)
    if count == 1 and not everywhere:
        return sp.csr_array((n, n), dtype=bool)
    apart = piece[near] != piece[:, None]
    wanted = np.ones(near.shape, bool) if everywhere else apart.copy()
    bent = np.zeros(near.shape, bool)
    some = np.flatnonzero(wanted.any(axis=1))

    def judge(block: slice) -> None:
        rows = some[block]
        seen = samples.pairs(rows, near[rows])
        wanted[rows] &= ~guards.shortcut(rows, near[rows], seen)
        bent[rows] = wanted[rows] & ~apart[rows] & guards.bent(rows, near[rows], seen)
        wanted[rows] &= ~bent[rows]

    parallel.each(judge, parallel.blocks(len(some), near.shape[1] * samples.width, _BLOCK))
    pairs = _links(near, wanted)
    if bent.any():
        pairs = pairs + joined @ _facing_ends(samples, near, joined, bent) @ joined
    return sp.csr_array(pairs + pairs.T)


def _facing_ends(
    samples: Samples, near: Int[Array, "n k"], joined: sp.csr_array, asked: Bool[Array, "n k"]
) -> sp.csr_array:
    """(n, n) boolean: of the pairs asked about, those of two ends of a curve, each of which lies where the other has no
    neighbours. A curve may turn as it likes where a gap in the samples hides it; then it goes on there."""
    n = len(near)
    ends = np.union1d(np.flatnonzero(asked.any(axis=1)), near[asked])
    i, j = joined[ends].nonzero()
    i = ends[i]
    open_ = np.ones((n, 2), bool)  # against the frame, and along it
    open_[i[i != j], _side(samples, i[i != j], j[i != j])] = False
    i, j = np.repeat(np.arange(n), asked.sum(axis=1)), near[asked]
    facing = open_[i, _side(samples, i, j)] & open_[j, _side(samples, j, i)]
    return sp.csr_array((np.ones(int(facing.sum()), bool), (i[facing], j[facing])), shape=(n, n))


def _side(samples: Samples, i: Int[Array, " p"], j: Int[Array, " p"]) -> Int[Array, " p"]:
    """On which side of sample i of a curve j lies: 1 along its frame, 0 against it."""
    along = np.einsum("pm,pm->p", samples.activations[j] - samples.activations[i], samples.frames[i, 0])
    return (along > 0).astype(np.int64)


def _links(near: Int[Array, "n k"], wanted: Bool[Array, "n k"]) -> sp.csr_array:
    """(n, n) boolean: the wanted of the pairs of each sample with those near it."""
    n = len(near)
    i = np.repeat(np.arange(n), wanted.sum(axis=1))
    return sp.csr_array((np.ones(len(i), bool), (i, near[wanted])), shape=(n, n))


def _pattern(near: Int[Array, "n k"]) -> sp.csr_array:
    """(n, n) boolean: each sample with itself and whom it or who names it."""
    n, k = near.shape
    start = np.arange(n + 1, dtype=np.int32) * k
    named = sp.csr_array((np.ones(n * k, bool), np.ascontiguousarray(near, np.int32).ravel(), start), shape=(n, n))
    return sp.csr_array(named + named.T + sp.eye_array(n, dtype=bool, format="csr"))


def _padded(pairs: sp.csr_array, rows: Int[Array, " p"]) -> Int[Array, "p w"]:
    """The columns of each row, as many in each: filled with the row's own sample."""
    pairs.sort_indices()
    count = np.diff(pairs.indptr)
    result = np.repeat(rows[:, None].astype(np.int32), count.max(initial=1), axis=1)
    result[np.arange(result.shape[1]) < count[:, None]] = pairs.indices
    return result
