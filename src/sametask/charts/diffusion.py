"""How to chart: diffusion maps in the Mahalanobis-like metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError

_LOOKED_AT = 10
"""Times as many samples of a stored probe as there are landmarks come into memory."""


@dataclass(frozen=True)
class DiffusionChart:
    """Options of a diffusion chart; the defaults need no tuning.

    Attributes:
        eigenpairs: non-trivial eigenpairs to compute.
        neighbours: neighbours kept for each sample; fewer in small samples. None takes 32 on curves, where they reach
            far, and 64 else.
        bandwidth: ε in exp(−d²/ε), in squared intrinsic units; None takes it from the data.
        alpha: 1 removes the sampling density (Coifman & Lafon 2006), so that two networks probed at different
            densities still agree; 0 keeps it.
        guarded: whether pairs that tangent planes cannot tell from shortcuts are left out of the neighbour graph.
        landmarks: samples charted at most. Of more so many are, as far apart as they can be, and the others have their
            coordinates from these (:meth:`~sametask.charts.chart.Chart.embed`).
        block_gap: eigenvalues closer than this relative gap form a block, unless their noise is known to be less.
    """

    eigenpairs: int = 24
    neighbours: int | None = None
    bandwidth: float | None = None
    alpha: float = 1.0
    guarded: bool = True
    block_gap: float = 0.15
    landmarks: int = 100_000

    def __post_init__(self) -> None:
        _check.count("eigenpairs", self.eigenpairs)
        if self.neighbours is not None:
            _check.count("neighbours", self.neighbours, least=2)
        if self.bandwidth is not None:
            _check.positive("bandwidth", self.bandwidth)
        if not (_is_number(self.alpha) and 0 <= self.alpha <= 1):
            raise InputError(f"alpha: {_check.shown(self.alpha)}; give a number from 0 to 1")
        _check.positive("block_gap", self.block_gap)
        _check.count("landmarks", self.landmarks, least=100)
        if not isinstance(self.guarded, bool):
            raise InputError(f"guarded: {_check.shown(self.guarded)}; give True or False")

    @property
    def looked_at(self) -> int:
        """Samples of a stored probe at most from among which landmarks are taken, where memory holds as many."""
        return _LOOKED_AT * self.landmarks

    def neighbours_for(self, n: int, dimension: int) -> int:
        """Neighbours to keep of ``n`` samples: at most an eighth of them, so that small samples keep some locality."""
        wanted = (32 if dimension == 1 else 64) if self.neighbours is None else self.neighbours
        return min(wanted, max(8, n // 8), n - 1)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)
