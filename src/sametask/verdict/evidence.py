"""Named figures, each between what this data could show at best and at worst."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from sametask._types import Array

_TINY = 1e-12
_LEAST_SPREAD = 0.08
"""No figure is read more finely than this share of the way from floor to null."""


@dataclass(frozen=True)
class Evidence:
    """One figure, with its noise floor and its null.

    Every figure is an error or a discrepancy: low speaks for the claim, high against it.

    Attributes:
        name: short and stable.
        claim: what a low value supports.
        value: the figure.
        floor: the same figure where the claim is known to hold, from this very data: its noise floor.
        null: the same figure where the claim is known not to hold: a deranged match, unrelated spectra.
        spread: standard error of ``ln value`` and ``ln floor`` together.
        unit: of all three.
    """

    name: str
    claim: str
    value: float
    floor: float
    null: float
    spread: float
    unit: str = ""

    @property
    def position(self) -> float:
        """Where the value lies on the way from floor (0) to null (1), on a logarithmic scale."""
        if not self.separable:
            return 0.5
        low, high = np.log(max(self.floor, _TINY)), np.log(max(self.null, _TINY))
        return float((np.log(max(self.value, _TINY)) - low) / (high - low))

    @property
    def separable(self) -> bool:
        """Whether floor and null lie far enough apart, for this spread, to tell one from the other."""
        gap = np.log(max(self.null, _TINY)) - np.log(max(self.floor, _TINY))
        # at the midpoint both kinds of mistake have a chance of 5 %
        return bool(gap > max(2 * norm.ppf(0.95) * self.spread, np.log(2)))

    @property
    def probability(self) -> float:
        """Probability that the claim holds: that the value belongs to the floor rather than to the null."""
        if not self.separable:
            return 0.5
        gap = np.log(max(self.null, _TINY)) - np.log(max(self.floor, _TINY))
        spread = max(self.spread / gap, _LEAST_SPREAD)
        return float(norm.cdf((0.5 - self.position) / spread))

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return (
            f"{self.name}: {self.value:.3g}{unit} (noise floor {self.floor:.3g}, null {self.null:.3g}; "
            f"P({self.claim}) = {self.probability:.2f})"
        )


def log_spread(errors: Array, rng: np.random.Generator, draws: int = 200) -> float:
    """Bootstrap standard error of the logarithm of a root mean square."""
    squares = np.square(np.asarray(errors, dtype=float))
    if len(squares) < 2 or squares.sum() == 0:
        return 0.0
    # Poisson weights: the bootstrap without building resamples
    weights = rng.poisson(1.0, (draws, len(squares)))
    means = weights @ squares / np.maximum(weights.sum(axis=1), 1)
    return float(np.std(0.5 * np.log(np.maximum(means, _TINY**2))))
