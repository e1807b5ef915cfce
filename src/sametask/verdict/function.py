"""With correspondences: is one network's activation a function of the other's?"""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from sametask._types import Array, Float, Int

_NEAR_FACTOR = 4


def left_out_errors(source: Float[Array, "n m1"], target: Float[Array, "n m2"], dimension: int) -> Float[Array, " n"]:
    """Error of each target row predicted from its neighbours in the source, itself left out.

    Local linear regression in the directions in which the neighbours spread most. Where the source folds or has lost a
    direction, neighbours in the source are not neighbours in the target, and the error is of the size of the target.

    Args:
        source: activations predicted from.
        target: activations predicted.
        dimension: directions regressed on: the larger intrinsic dimension of the two.

    Returns:
        (n,) lengths of the errors, relative to the root mean square spread of the target.
    """
    n = len(source)
    directions = min(dimension, source.shape[1])
    k = min(_NEAR_FACTOR * (directions + 1), n - 1)
    near = np.asarray(KDTree(source).query(source, k + 1)[1])
    near = _others(near)
    predicted = np.empty(target.shape)
    block = max(1, (1 << 22) // (k * max(source.shape[1], target.shape[1])))
    for start in range(0, n, block):
        rows = slice(start, start + block)
        predicted[rows] = _predict(source, target, near[rows], np.arange(n)[rows], directions)
    spread = np.sqrt(np.mean(np.square(target - target.mean(axis=0)).sum(axis=1)))
    return np.linalg.norm(predicted - target, axis=1) / max(spread, np.finfo(float).tiny)


def still_falls(
    source: Float[Array, "n m1"], target: Float[Array, "n m2"], dimension: int, rng: np.random.Generator
) -> bool:
    """Whether the error falls with the number of samples, as it does where these are too few to follow the source.

    Where the source has lost something the error stays, however many samples there are. Where sheets of the source are
    only nearer to each other than samples are, it falls. Halves of the samples tell: with even the nearest sample for a
    prediction the error is in proportion to the spacing, and 2^(1/d) times as large in them; half of that order is the
    limit.
    """
    halves = np.array_split(rng.permutation(len(source)), 2)
    fewer = np.concatenate([left_out_errors(source[rows], target[rows], dimension) for rows in halves])
    everyone = left_out_errors(source, target, dimension)
    return bool(np.mean(np.square(fewer)) > 2 ** (1 / dimension) * np.mean(np.square(everyone)))


def bent(values: Float[Array, "n m"]) -> Float[Array, "n w"]:
    """Functions of activations that bend as much as sines over one standard deviation, as networks commonly do.

    How well these are predicted is what may be expected of any function that bends so.
    """
    left, singular, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    whitened = left * np.sqrt(len(values)) * (singular > 0)
    return np.concatenate([np.sin(whitened), np.cos(whitened)], axis=1)


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


def _others(near: Int[Array, "n k"]) -> Array:
    """Neighbours without the sample itself, which duplicates may have pushed from first place."""
    own = np.arange(len(near))[:, None] == near
    own[~own.any(axis=1), -1] = True
    return near[~own].reshape(len(near), -1)
