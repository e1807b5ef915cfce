"""How well some neurons predict others, by local linear regression: rough, but fast enough to try many choices."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from sametask._types import Array, Float, Int

_NEAR_FACTOR = 4


def left_out_errors(
    source: Float[Array, "n m1"],
    target: Float[Array, "n m2"],
    dimension: int,
    rows: Int[Array, " p"] | None = None,
) -> Float[Array, " p"]:
    """Error of each target row predicted from its neighbours in the source, itself left out.

    Local linear regression in the directions in which the neighbours spread most. Where the source folds or has lost a
    direction, neighbours in the source are not neighbours in the target, and the error is of the size of the target.

    Args:
        source: activations predicted from.
        target: activations predicted.
        dimension: directions regressed on: the larger intrinsic dimension of the two.
        rows: which rows to predict; default all.

    Returns:
        (p,) lengths of the errors, relative to the root mean square spread of the target.
    """
    n = len(source)
    directions = min(dimension, source.shape[1])
    k = min(_NEAR_FACTOR * (directions + 1), n - 1)
    rows = np.arange(n) if rows is None else rows
    near = _others(np.asarray(KDTree(source).query(source[rows], k + 1)[1]), rows)
    predicted = np.empty((len(rows), target.shape[1]))
    block = max(1, (1 << 22) // (k * max(source.shape[1], target.shape[1])))
    for start in range(0, len(rows), block):
        some = slice(start, start + block)
        predicted[some] = _predict(source, target, near[some], rows[some], directions)
    spread = np.sqrt(np.mean(np.square(target - target.mean(axis=0)).sum(axis=1)))
    return np.linalg.norm(predicted - target[rows], axis=1) / max(spread, np.finfo(float).tiny)


def _predict(source: Array, target: Array, near: Array, own: Array, directions: int) -> Array:
    change = source[near] - source[own, None]
    # principal directions of each neighbourhood, by its (k × k) Gram matrix: k is small, neurons may be many
    centre = change.mean(axis=1, keepdims=True)
    gram = np.matmul(change - centre, np.swapaxes(change - centre, 1, 2))
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[:, ::-1][:, :directions], vectors[:, :, ::-1][:, :, :directions]
    scale = np.sqrt(np.maximum(values, np.finfo(float).tiny))
    basis = np.matmul(np.swapaxes(vectors, 1, 2), change - centre) / scale[:, :, None]
    coordinates = np.matmul(change, np.swapaxes(basis, 1, 2)) / scale[:, :1, None]
    design = np.concatenate([np.ones((*coordinates.shape[:2], 1)), coordinates], axis=2)
    moment = np.matmul(np.swapaxes(design, 1, 2), design)
    # directions in which neighbours hardly spread are not extrapolated along
    moment += 1e-8 * np.trace(moment, axis1=1, axis2=2)[:, None, None] * np.eye(design.shape[2])
    # the left-out sample sits at coordinate zero: its prediction is the intercept
    first = np.linalg.solve(moment, np.swapaxes(design, 1, 2))[:, 0]
    return np.einsum("nk,nkm->nm", first, target[near])


def _others(near: Int[Array, "n k"], rows: Int[Array, " n"]) -> Array:
    """Neighbours without the sample itself, which duplicates may have pushed from first place."""
    own = rows[:, None] == near
    own[~own.any(axis=1), -1] = True
    return near[~own].reshape(len(near), -1)
