"""Rows that belong together: those that the user says do, and those so much alike that one tells the other."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from sametask._types import Array, Float, Int
from sametask.numerics.manifold import Projection

_AROUND = (40, 400)
"""Rows around each among which a gap is looked for: the first sees small clusters that lie close to others better, the
last is the size beyond which none is found."""
_BEHIND = 8
"""Distances behind a gap, at least, by which the dimension is estimated: from 8 its standard error is a third."""
_CHANCE = 0.01
"""Chance that rows which do not belong together show such a gap anywhere."""
_NEAR = 0.1
"""Of the spread of both networks: rows that differ by more, twice the default tolerance, are no near-duplicates."""
_AXES = 32
"""Principal directions by which wide activations are searched: near-duplicates are near in any of them."""


def near_duplicates(activations: tuple[Float[Array, "n m1"], Float[Array, "n m2"]]) -> Int[Array, " n"]:
    """(n,) groups of rows that are near-duplicates of one another in both networks.

    Of rows drawn independently in d dimensions the distance to the (k + 1)-th neighbour exceeds t times that to the
    k-th with a chance of t to the power of −d k. Rows nearer than a gap that would have a chance of 1 % among all rows
    and all k, and nearer than a tenth of the spread, belong together. The dimension is estimated from the distances
    beyond the gap (Levina & Bickel 2004), and taken to be 1 at least.

    Args:
        activations: of the two networks, row by row at the same inputs.
    """
    n = len(activations[0])
    places = np.concatenate([_scaled(each) for each in activations], axis=1) / np.sqrt(2)
    if n < 4:
        return np.arange(n)
    count = min(_AROUND[-1], n - 1)
    distance, index = _nearest(places, count + 1)
    own = index == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True  # repeats may have pushed a row from among its own neighbours
    distance, index = (np.asarray(each)[~own].reshape(n, count) for each in (distance, index))
    tiny = np.finfo(float).eps * max(float(np.abs(places).max(initial=0)), np.finfo(float).tiny)
    log = np.log(np.maximum(distance, tiny))
    return joined(*(_clusters(log[:, :most], index) for most in _AROUND))


def _clusters(log: Float[Array, "n k"], index: Int[Array, "n ..."]) -> Int[Array, " n"]:
    """(n,) groups by gaps among the logarithms of distances to the nearest, which ``index`` names."""
    n, count = log.shape
    gaps = np.diff(log, axis=1) * np.arange(1, count)  # behind the k-th, k = 1 …: exponential, with rate d
    ranks = count - 1 - _BEHIND
    if ranks < 1:
        return np.arange(n)
    dimension = np.array([_dimension(gaps[:, k:]) for k in range(1, ranks + 1)])
    if count > _AROUND[0]:
        # the last distances alone may lie within one cluster, which would seem to have any number of dimensions
        dimension = np.minimum(dimension, _dimension(gaps))
    # −ln chance of a gap as large as this, where the dimension is that of the rows behind it
    evidence = gaps[:, :ranks] * dimension
    # of several gaps the one that chance explains least; and most members must see the same one
    least = np.log(n * ranks * len(_AROUND) / _CHANCE)
    evidence[log[:, :ranks] > np.log(_NEAR)] = 0  # apart from the rest, and not near: parts, such as classes
    last = np.where(evidence.max(axis=1) > least, 1 + np.argmax(evidence, axis=1), 0)
    members: dict[tuple[int, ...], list[int]] = {}
    for k in np.flatnonzero(last).tolist():
        members.setdefault(tuple(sorted((k, *index[k, : last[k]].tolist()))), []).append(k)
    kept = [list(cluster) for cluster, seen_by in members.items() if 2 * len(seen_by) > len(cluster)]
    rows = np.array([row for cluster in kept for row in cluster], np.int64)
    firsts = np.array([cluster[0] for cluster in kept for _ in cluster], np.int64)
    return _components(n, rows, firsts)


def joined(*labels: Int[Array, " n"]) -> Int[Array, " n"]:
    """(n,) groups of rows that are together by any of several labels, numbered from 0 without gaps."""
    n = len(labels[0])
    rows, columns = [], []
    for each in labels:
        _, first, inverse = np.unique(each, return_index=True, return_inverse=True)
        rows.append(np.arange(n))
        columns.append(first[inverse])
    return _components(n, np.concatenate(rows), np.concatenate(columns))


def _nearest(places: Float[Array, "n d"], count: int) -> tuple[Float[Array, "n k"], Int[Array, "n k"]]:
    """The nearest of each, itself among them: by all distances, as trees do not help in many dimensions."""
    distance, index = np.empty((len(places), count)), np.empty((len(places), count), np.int64)
    for start in range(0, len(places), _BLOCK):
        rows = slice(start, start + _BLOCK)
        far = cdist(places[rows], places)
        near = np.argpartition(far, count - 1, axis=1)[:, :count] if count < len(places) else np.argsort(far, axis=1)
        near = np.take_along_axis(
            near, np.argsort(np.take_along_axis(far, near, axis=1), axis=1, kind="stable"), axis=1
        )
        distance[rows], index[rows] = np.take_along_axis(far, near, axis=1), near
    return distance, index


_BLOCK = 512
"""Rows whose distances to all are held at once."""


def _components(n: int, rows: Array, columns: Array) -> Int[Array, " n"]:
    graph = coo_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _dimension(gaps: Float[Array, "n k"]) -> float:
    """Intrinsic dimension from k times the logarithm of each distance over the one before, the k-th; 1 at least."""
    mean = float(np.median(gaps.mean(axis=1)))
    return max(1.0, 1 / mean) if mean > 0 else 1.0


def _scaled(values: Array) -> Array:
    """Activations in few directions, in units of their spread together."""
    values = values.astype(np.float64)
    if values.shape[1] > _AXES and len(values) > _AXES:
        values = Projection.fit(values, _AXES).apply(values)[0]
    centred = values - values.mean(axis=0)
    return centred / max(float(np.sqrt(np.square(centred).sum(axis=1).mean())), np.finfo(float).tiny)
