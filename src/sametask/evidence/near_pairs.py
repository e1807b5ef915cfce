"""Rows that lie side by side in one network and far apart in the other: what no map of moderate slope can make good."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from sametask._types import Array, Float
from sametask.evidence.bounds import DRAWS
from sametask.numerics.manifold import SampledManifold

_SLACK = 2.0
"""Slopes of a map may exceed what the local metrics show at both ends by this factor: between samples they bend."""
_SURELY = 0.01
"""Quantile of the bootstrap that is taken for the bound."""


def least_loss(
    source: SampledManifold,
    target: SampledManifold,
    resolutions: tuple[float, float] = (0.0, 0.0),
    seed: int = 0,
) -> float:
    """A lower bound of the loss, in layer units, of maps whose slope stays within twice what local metrics show.

    Whatever a map says at two places side by side, it misses one of them by half of what it should differ by and does
    not: if rows i and j are Δa apart in the source and Δb in the target, and slopes are at most L, the squares of both
    errors add up to (Δb − L Δa)² / 2 or more. Each row is held against the one nearest to it in the source.

    Args:
        source, target: the two networks at the same inputs, row by row.
        resolutions: length by which rows of the source and of the target may differ for no reason: steps of values.
        seed: of the bootstrap.

    Returns:
        The 1 % quantile of the bound over draws of rows, as a share of the target's spread.

    Source: the idea of Rice (1984) and of Evans & Jones (2002), as a bound for a class of functions.
    """
    a, b = (each.activations.astype(np.float64) for each in (source, target))
    n = len(a)
    near = np.asarray(KDTree(a).query(a, 2)[1])
    other = np.where(near[:, 0] == np.arange(n), near[:, 1], near[:, 0])
    # the steepest that a map can be at a place: the weakest response of the source is the strongest of the target's
    steepest = target.metric.gains[:, 0] / np.maximum(source.metric.gains[:, -1], np.finfo(float).tiny)
    slope = _SLACK * np.maximum(steepest, steepest[other])
    apart = np.linalg.norm(a - a[other], axis=1), np.linalg.norm(b - b[other], axis=1)
    excess = np.maximum(apart[1] - resolutions[1] - slope * (apart[0] + resolutions[0]), 0) / 2
    spread = float(np.square(b - b.mean(axis=0)).sum(axis=1).mean())
    rng = np.random.default_rng(seed)
    means = rng.multinomial(n, np.full(n, 1 / n), size=DRAWS) @ np.square(excess) / n
    return float(np.sqrt(np.quantile(means, _SURELY) / max(spread, np.finfo(float).tiny)))


def resolution(values: Float[Array, "n m"]) -> float:
    """Length of one step in all neurons at once of values that come in steps; 0 of neurons that do not.

    A neuron comes in steps where fewer than half of its values are different; its step is the median gap between
    neighbouring ones.
    """
    steps = []
    for column in values.T:
        different = np.unique(column)
        if 1 < len(different) < len(column) / 2:
            steps.append(float(np.median(np.diff(different))))
    return float(np.linalg.norm(steps)) if steps else 0.0
