"""Local kriging: smooth functions told by their values at the nearest samples alone.

Values at ``k`` neighbours determine a Gaussian process around each place (ordinary kriging: weights sum to one), whose
covariance falls with the squared distance over a multiple of the neighbours' own. Where a function is smooth this is
far more exact than a local polynomial: errors of 10⁻⁵ of its spread where local linear regression leaves 10⁻².

Cressie, *Statistics for Spatial Data*, section 3.2; Gramacy & Apley, *Local Gaussian process approximation for large
computer experiments* (2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float, Int

_REACHES = (1.0, 4.0, 16.0, 64.0)
_RIDGES = (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2)
_TUNED = 60
"""Places by which smoothness and noise are chosen."""
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Kernel:
    """How values at neighbours are weighted.

    Attributes:
        reach: squared length scale over the median squared distance of the neighbours.
        ridge: variance of noise over that of the process.
    """

    reach: float
    ridge: float


def neighbours_for(dimension: int) -> int:
    """Neighbours that a function of so many dimensions is told by."""
    return 16 * (dimension + 1)


def tuned(
    places: Float[Array, "p m"], around: Float[Array, "p k m"], true: Float[Array, "p w"], values: Float[Array, "p k w"]
) -> Kernel:
    """The kernel that predicts the values at places best from those around them, the places themselves left out."""
    squared, between = _distances(places, around)
    best, kernel = np.inf, Kernel(_REACHES[0], _RIDGES[0])
    for reach in _REACHES:
        covariance, here = _covariances(squared, between, reach)
        own, basis = np.linalg.eigh(covariance)
        own = np.maximum(own, 0)
        seen = np.matmul(np.swapaxes(basis, 1, 2), here[:, :, None])[:, :, 0]
        total = basis.sum(axis=1)
        for ridge in _RIDGES:
            weights = np.matmul(basis, (seen / (own + ridge))[:, :, None])[:, :, 0]
            level = np.matmul(basis, (total / (own + ridge))[:, :, None])[:, :, 0]
            weights = _summing_to_one(weights, level)
            missed = np.square(np.matmul(weights[:, None], values)[:, 0] - true).sum()
            if missed < best:
                best, kernel = missed, Kernel(reach, ridge)
    return kernel


def weights(places: Float[Array, "p m"], around: Float[Array, "p k m"], kernel: Kernel) -> Float[Array, "p k"]:
    """Weights of the values at the samples around each place; each row sums to one."""
    covariance, here = _covariances(*_distances(places, around), kernel.reach)
    covariance += kernel.ridge * np.eye(covariance.shape[1])
    both = np.linalg.solve(covariance, np.stack([here, np.ones_like(here)], axis=2))
    return _summing_to_one(both[:, :, 0], both[:, :, 1])


def gradient_weights(around: Float[Array, "p k m"], kernel: Kernel) -> Float[Array, "p m k"]:
    """Weights of the values at samples ``around`` the origin that give the derivative there; each row sums to zero."""
    origin = np.zeros((len(around), around.shape[2]))
    squared, between = _distances(origin, around)
    covariance, here = _covariances(squared, between, kernel.reach)
    covariance += kernel.ridge * np.eye(covariance.shape[1])
    length = kernel.reach * np.median(squared, axis=1)
    slopes = np.swapaxes(around, 1, 2) * here[:, None] / length[:, None, None]
    right = np.concatenate([np.swapaxes(slopes, 1, 2), np.ones((*here.shape, 1))], axis=2)
    solved = np.linalg.solve(covariance, right)
    found, level = np.swapaxes(solved[:, :, :-1], 1, 2), solved[:, :, -1]
    return found - level[:, None] * (found.sum(axis=2) / level.sum(axis=1, keepdims=True))[:, :, None]


def left_out(
    source: Float[Array, "n m"],
    target: Float[Array, "n w"],
    near: Int[Array, "p k"],
    rows: Int[Array, " p"],
) -> Float[Array, "p w"]:
    """What is missed of the target's ``rows`` where they are predicted from those ``near`` them in the source."""
    some = np.linspace(0, len(rows) - 1, min(len(rows), _TUNED)).astype(np.int64)
    kernel = tuned(source[rows[some]], source[near[some]], target[rows[some]], target[near[some]])
    missed = np.empty((len(rows), target.shape[1]))
    block = max(1, _BLOCK // (near.shape[1] * (near.shape[1] + source.shape[1] + target.shape[1])))
    for start in range(0, len(rows), block):
        own = slice(start, start + block)
        weight = weights(source[rows[own]], source[near[own]], kernel)
        missed[own] = np.matmul(weight[:, None], target[near[own]])[:, 0] - target[rows[own]]
    return missed


def _distances(places: Array, around: Array) -> tuple[Array, Array]:
    """Squared distances of the samples from the place, and from each other."""
    change = around - places[:, None]
    product = np.matmul(change, np.swapaxes(change, 1, 2))
    squared = np.einsum("pkk->pk", product)
    return squared, np.maximum(squared[:, :, None] + squared[:, None] - 2 * product, 0)


def _covariances(squared: Array, between: Array, reach: float) -> tuple[Array, Array]:
    length = 2 * reach * np.maximum(np.median(squared, axis=1), np.finfo(float).tiny)
    return np.exp(-between / length[:, None, None]), np.exp(-squared / length[:, None])


def _summing_to_one(weights: Array, level: Array) -> Array:
    return weights + level * ((1 - weights.sum(axis=1)) / level.sum(axis=1))[:, None]
