"""Do anchors agree with one another, and with the match that they give together?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Bool, Float, Int
from sametask.charts.chart import Chart
from sametask.matching import spectral
from sametask.matching.spectral import SpectralAlignment

FEW = 8
"""Of so few anchors a wrong one must be left out to be seen; among more it changes the match little."""


@dataclass(frozen=True)
class AnchorCheck:
    """What anchors say of one another.

    Attributes:
        pairs: (k, 2) rows of the two charts.
        kept: (k,) whether each agrees with the rest.
        apart: (k,) distance of each anchor from its partner in the leading eigenfunctions, aligned by those kept,
            relative to unrelated samples. Neither map is free to follow a few anchors: right ones lie close.
    """

    pairs: Int[Array, "k 2"]
    kept: Bool[Array, " k"]
    apart: Float[Array, " k"]


def enough_to_check(count: int, dimension: int) -> bool:
    """Whether ``count`` anchors still fix a match when one of them is left out."""
    return count >= dimension + 3


def most_wrong(count: int) -> int:
    """How many of ``count`` anchors are left out at most: a third."""
    return count // 3


def check_anchors(first: Chart, second: Chart, pairs: Int[Array, "k 2"], limit: float) -> AnchorCheck:
    """Drop anchors without which the others agree.

    Args:
        first, second: the charts.
        pairs: rows of the charts.
        limit: distance, relative to unrelated samples, beyond which an anchor contradicts the others. At most a third
            of them is dropped; if the rest contradict one another still, all that are left are kept.
    """
    groups = spectral.shared_blocks(first, second)

    def apart_by(rows: Array) -> Array:
        alignment = spectral.anchored(first, second, pairs[rows], groups)
        return _apart(first, second, pairs, alignment)

    kept = np.ones(len(pairs), bool)
    while True:
        rows = np.flatnonzero(kept)
        apart = apart_by(rows)
        spare = most_wrong(len(pairs)) - int((~kept).sum())
        if apart[rows].max() <= limit or not spare or not enough_to_check(len(rows) - 1, first.dimension):
            return AnchorCheck(pairs, kept, apart)
        if len(rows) > FEW:
            worst = rows[np.argsort(-apart[rows])][: min(spare, int((apart[rows] > limit).sum()))]
        else:
            without = [np.delete(rows, k) for k in range(len(rows))]
            worst = rows[[int(np.argmin([apart_by(others)[others].max() for others in without]))]]
        kept[worst] = False


def _apart(first: Chart, second: Chart, pairs: Array, alignment: SpectralAlignment) -> Array:
    size = min(alignment.size, spectral.leading_size(spectral.shared_blocks(first, second), first.dimension))
    there = first.functions[pairs[:, 0], :size] @ alignment.rotation[:size, :size]
    # unrelated samples differ by √2 in each function of unit mean square
    return np.linalg.norm(there - second.functions[pairs[:, 1], :size], axis=1) / np.sqrt(2 * size)
