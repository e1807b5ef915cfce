"""Some of very many samples, spread evenly over the manifold: none nearer to another than it must be, and no hole."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from sametask._types import Array, Float, Int
from sametask.numerics.local_metric import LocalMetric
from sametask.numerics.neighbours import neighbour_graph

_NEAR = 16
_AT_ONCE = 4
"""A stage keeps no fewer than one in so many samples: those near a sample are then among the nearest that are known."""
_AT_MOST = 40
"""Times as many samples as are wanted that are looked at."""
_CLOSE = 0.01
"""Relative error of the number kept in a stage."""
_TRIALS = 16


def well_spread(
    activations: Float[Array, "n m"],
    metric: LocalMetric,
    count: int,
    *,
    keep: Int[Array, " k"] | None = None,
    seed: int = 0,
) -> Int[Array, " c"]:
    """About ``count`` of the samples, as far apart as they can be in the intrinsic distance, ascending.

    Samples are taken in random order, each unless one nearer than some radius was taken before (a maximal Poisson disk
    sample); the radius is the one that leaves as many as are wanted. So samples are as dense everywhere, wherever there
    are enough, and places are rarely farther from one than the radius.

    Args:
        activations: (n, m).
        metric: their local metric, every gain positive.
        count: how many are wanted, to about a hundredth.
        keep: samples that are taken in any case, and counted.
        seed: of the order.
    """
    n = len(activations)
    kept = np.empty(0, np.int64) if keep is None else np.unique(keep)
    rows = np.arange(n)
    if n > _AT_MOST * count:
        rng = np.random.default_rng(seed)
        rows = np.union1d(rng.choice(n, _AT_MOST * count, replace=False), kept)
    while len(rows) > (1 + _CLOSE) * count:
        wanted = max(count, len(rows) // _AT_ONCE)
        left = _thinned(activations[rows], metric.take(rows), wanted, np.searchsorted(rows, kept), seed)
        if len(left) == len(rows):
            break
        rows = rows[left]
    return rows


def _thinned(activations: Array, metric: LocalMetric, wanted: int, kept: Array, seed: int) -> Array:
    """One stage: about ``wanted`` of the samples, ``kept`` among them."""
    n = len(activations)
    graph = neighbour_graph(activations, metric, _NEAR)
    near, squared = graph.index, graph.squared
    first = np.zeros(n, bool)
    first[kept] = True
    order = np.random.default_rng(seed).permutation(n).astype(np.int32)
    order[first] += n
    typical = np.median(squared[:, : max(1, n // wanted)].max(axis=1))
    low, high = typical / 64, typical * 64
    taken = np.ones(n, bool)
    for _ in range(_TRIALS):
        middle = float(np.sqrt(low * high))
        taken = _apart(near, squared, middle, order, first)
        if abs(taken.sum() / wanted - 1) < _CLOSE or typical == 0:  # repeats go first
            break
        low, high = (middle, high) if taken.sum() > wanted else (low, middle)
    return np.flatnonzero(taken)


def _apart(near: Array, squared: Array, radius: float, order: Array, first: Array) -> Array:
    """(n,) samples taken, those of highest ``order`` first, of which no two are within a squared ``radius`` but where
    both are of the ``first``."""
    n = len(near)
    row, column = np.nonzero(squared <= radius)
    i, j = row.astype(np.int32), near[row, column]
    links = sp.csr_array((np.ones(2 * len(i), bool), (np.concatenate([i, j]), np.concatenate([j, i]))), shape=(n, n))
    links.sum_duplicates()
    i, j = np.repeat(np.arange(n, dtype=np.int32), np.diff(links.indptr)), links.indices
    taken, open_ = first.copy(), ~first
    open_[j[first[i]]] = False
    while open_.any():
        both = open_[i] & open_[j]
        i, j = i[both], j[both]
        starts = np.flatnonzero(np.diff(i, prepend=-1))
        best = np.full(n, -1, np.int32)
        if len(i):
            best[i[starts]] = np.maximum.reduceat(order[j], starts)
        won = open_ & (order > best)
        taken |= won
        open_ &= ~won
        open_[j[won[i]]] = False
    return taken
