"""Anchors as landmarks: how far samples are from them along each manifold.

Isometric manifolds agree in these distances. They tell at once which anchors contradict the others, and where samples
lie: the eigenfunctions that an elongated or cut manifold leads with may not tell that at all.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from sametask._types import Array, Bool, Float, Int
from sametask.charts.chart import Chart
from sametask.matching.spectral import gradients, within

_APART = 0.15
"""Distances that differ by more than this share, in the middle, contradict one another."""
_FAR = 8.0
"""Or by more than so many times the smaller differences: the third smallest of ten is four tenths of a deviation."""
_AGREE = 0.3
_FLAT = 1e-2
"""Directions that landmarks see this much less than others are left to the refinement."""


def disagreement(there: Float[Array, "k k"], here: Float[Array, "k k"], blurred: float) -> Float[Array, "k k"]:
    """How far the distances among landmarks differ, relative to them, from 0 to 1; less for those below ``blurred``."""
    shorter, longer = np.minimum(there, here), np.maximum(there, here)
    return 1 - np.where(np.isfinite(longer), shorter + blurred, 0.0) / (
        np.where(np.isfinite(longer), longer, 1.0) + blurred
    )


def unlike(there: Float[Array, "k k"], here: Float[Array, "k k"]) -> float:
    """How far distances among landmarks differ, relative to them: root mean squares; infinite where no path leads."""
    if not np.isfinite(there + here).all():
        return float("inf")
    return float(np.sqrt(np.mean(np.square(there - here)) / np.mean(np.square((there + here) / 2))))


def agreeing(apart: Float[Array, "k k"], most_wrong: int) -> Bool[Array, " k"]:
    """Which anchors agree with most others; at most so many are left out, the worst one after another."""
    kept = np.ones(len(apart), bool)
    while most_wrong > int((~kept).sum()):
        rows = np.flatnonzero(kept)
        others = apart[np.ix_(rows, rows)][~np.eye(len(rows), dtype=bool)].reshape(len(rows), -1)
        middle = np.median(others, axis=1)
        if middle.max() <= max(_APART, _FAR * float(np.quantile(others, _AGREE))):
            break
        kept[rows[int(np.argmax(middle))]] = False
    return kept


def places(
    second: Chart, there: Float[Array, "n k"], here: Float[Array, "m k"]
) -> tuple[Int[Array, " n"], Float[Array, "n d"]]:
    """The places on the second manifold as far from its landmarks as the first's samples are from theirs.

    Args:
        second: the chart of the second network.
        there: distances of the first's samples from the landmarks.
        here: of the second's.
    """
    nearest = np.asarray(KDTree(here).query(there)[1])
    return nearest, within(second, gradients(second, here)[nearest], there - here[nearest], _FLAT)
