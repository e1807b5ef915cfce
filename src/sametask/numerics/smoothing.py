"""Smoothing of a noisy local metric over neighbouring samples.

A metric estimated from a burst of b activations is off by 1/√(2b) in every direction, and the errors of neighbours are
independent. The inverse metric (the covariance) is a smooth function of the tangential coordinates around any sample: a
polynomial fitted to it at the neighbours says what it is at the sample itself.
"""

from __future__ import annotations

import numpy as np

from sametask._types import Array, Float, Int
from sametask.numerics.local_metric import LocalMetric
from sametask.numerics.normal import metric_around

_BLOCK = 1 << 22
_SURVEYED = 500
"""Samples that the noise, and what smooths it best, are told from."""
_LEAST = 0.05
"""Smoothing makes no direction this many times shorter (squared) than it was measured."""


def smoothed_inverse(
    activations: Float[Array, "n m"], metric: LocalMetric, neighbours: Int[Array, "n k"]
) -> Float[Array, "n d d"] | None:
    """The inverse metric at each sample, smoothed, in units of what was measured there; None where there is no noise.

    Linear and quadratic fits over fewer and more neighbours predict, without the sample itself, what was measured.
    Where the quadratic over fewest predicts best, what is left is the polynomial's error and not noise. What the best
    gets wrong everywhere alike is small beside the noise of any sample, but makes the manifold too large or too small:
    it is put right by the typical ratio of what was measured to what was predicted.

    Args:
        activations, metric: the samples.
        neighbours: (n, k) of each sample, nearest first; entries that repeat the sample are left out.
    """
    n, d = metric.gains.shape
    candidates = _candidates(d, neighbours.shape[1])
    if len(candidates) < 2:
        return None
    surveyed = np.arange(0, n, -(-n // _SURVEYED))
    predicted = [
        _fit(activations, metric, surveyed, neighbours[surveyed, :count], degree, own=False)
        for degree, count in candidates
    ]
    missed = [_missed(each) for each in predicted]
    quadratic = [error for error, (degree, _) in zip(missed, candidates, strict=True) if degree == 2]
    if quadratic[0] <= min(missed):
        return None
    best = int(np.argmin(missed))
    degree, count = candidates[best]
    inverse = np.empty((n, d, d))
    block = max(1, _BLOCK // max(1, count * d * activations.shape[1]))
    for start in range(0, n, block):
        rows = np.arange(start, min(start + block, n))
        inverse[rows] = _fit(activations, metric, rows, neighbours[rows, :count], degree, own=True)
    values, vectors = np.linalg.eigh(inverse * (_ratio(predicted[best], metric.inflation) / metric.inflation))
    return np.matmul(vectors * np.maximum(values, _LEAST)[:, None], np.swapaxes(vectors, 1, 2))


def _candidates(d: int, most: int) -> list[tuple[int, int]]:
    """(degree, neighbours): from two and a half for each term of the quadratic, doubled up to all there are."""
    counts = []
    count = int(2.5 * (d + 1) * (d + 2) / 2)
    while count < most:
        counts.append(count)
        count *= 2
    counts.append(most)
    return [(degree, count) for degree in (2, 1) for count in counts] if len(counts) > 1 else []


def _missed(predicted: Array) -> float:
    """Typical error of predictions of what was measured: the identity."""
    return float(np.median(np.square(predicted - np.eye(predicted.shape[1])).mean(axis=(1, 2))))


def _ratio(predicted: Array, inflation: float) -> float:
    """Typical ratio of what was measured, the identity, to predictions.

    By the median, as near folds predictions are of no use. The inverse of a covariance of ν degrees of freedom is too
    large by ν/(ν − d − 1) on average, which is the inflation, and typically by 4/(3νd) less.
    """
    d = predicted.shape[1]
    per_freedom = (1 - 1 / inflation) / (d + 1)  # 1/ν
    typical = np.median(np.trace(predicted, axis1=1, axis2=2)) / d
    return float(inflation * (1 - 4 * per_freedom / (3 * d)) / max(typical, _LEAST))


def _fit(activations: Array, metric: LocalMetric, rows: Array, near: Array, degree: int, *, own: bool) -> Array:
    """(p, d, d): the inverse metric at ``rows``, by a polynomial fitted to their neighbours, and to themselves if
    ``own``."""
    near = np.concatenate([rows[:, None], near], axis=1)
    z, overlap = metric_around(activations, metric, rows, near)
    p, k, d = z.shape
    length = np.linalg.norm(z, axis=2)
    radius = np.maximum(length.max(axis=1) * (1 + 1e-6), np.finfo(float).tiny)[:, None]
    weight = 1 - np.square(length / radius)
    weight[:, 1:][near[:, 1:] == rows[:, None]] = 0
    if not own:
        weight[:, 0] = 0
    z = z / radius[:, :, None]
    design = np.concatenate([np.ones((p, k, 1)), z], axis=2)
    if degree == 2:
        a, b = np.triu_indices(d)
        design = np.concatenate([design, z[:, :, a] * z[:, :, b]], axis=2)
    weighted = np.swapaxes(design * weight[:, :, None], 1, 2)
    moment = np.matmul(weighted, design)
    # nothing on the constant: where neighbours are few or lie to one side the rest gives way
    ridge = 1e-6 * np.eye(design.shape[2])
    ridge[0, 0] = 1e-12
    moment += ridge * np.maximum(moment[:, :1, :1], np.finfo(float).tiny)
    inverse = np.matmul(overlap, np.swapaxes(overlap, 2, 3)).reshape(p, k, d * d)
    return np.linalg.solve(moment, np.matmul(weighted, inverse))[:, 0].reshape(p, d, d)
