"""Named figures, each between what this data could show at best and at worst."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from sametask._types import Array

_TINY = 1e-12
_LEAST_SPREAD = 0.16
"""No figure is read more finely than this share of the way from its floor to its limit."""
SURE = 0.9
"""Probability from which something is said."""
REACH = 4.0
"""Errors beyond this multiple of what a network shows of itself are not noise."""


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
        reach: multiple of the floor beyond which a figure speaks against the claim, however far the null is.
        rate: the floor falls with the number of samples to the power of minus this, as far as is known.
    """

    name: str
    claim: str
    value: float
    floor: float
    null: float
    spread: float
    unit: str = ""
    reach: float = float("inf")
    rate: float = 0.5

    def place(self, figure: float) -> float:
        """Where a figure lies on the way from floor (0) to null (1), on a logarithmic scale."""
        low, high = _log(self.floor), _log(self.null)
        return (_log(figure) - low) / (high - low) if high != low else 0.5

    @property
    def position(self) -> float:
        """Where the value lies on that way; in the middle where floor and null are too close to tell apart."""
        return self.place(self.value) if self.separable else 0.5

    @property
    def separable(self) -> bool:
        """Whether floor and null lie far enough apart, for this spread, to tell one from the other."""
        gap = _log(self.null) - _log(self.floor)
        # at the midpoint both kinds of mistake have a chance of 5 %
        return bool(gap > max(2 * norm.ppf(0.95) * self.spread, np.log(2)))

    @property
    def limit(self) -> float:
        """The figure at which the claim is as likely as not: halfway to the null, or within reach of the floor."""
        halfway = 0.5 * (_log(self.floor) + _log(self.null))
        return float(np.exp(min(halfway, _log(self.floor) + np.log(self.reach))))

    @property
    def probability(self) -> float:
        """Probability that the claim holds: that the value belongs to the floor rather than to the null.

        Where the two are too close to tell apart it is one half, unless the value lies far beyond both; or far below
        the null: what does not belong together would show no less for a floor that is high.
        """
        if not self.separable:
            beyond = max(norm.ppf(0.95) * self.spread, np.log(2))
            if _log(self.value) > max(_log(self.floor), _log(self.null)) + beyond:
                return 0.05
            below = max(2 * norm.ppf(0.95) * self.spread, np.log(2))
            return 0.95 if _log(self.value) < _log(self.null) - below else 0.5
        return float(norm.cdf((_log(self.limit) - _log(self.value)) / self._width))

    @property
    def undecided(self) -> tuple[float, float]:
        """The figures between which neither the claim nor its opposite has a probability of nine tenths."""
        half = norm.ppf(SURE) * self._width
        return float(self.limit * np.exp(-half)), float(self.limit * np.exp(half))

    @property
    def needed(self) -> float:
        """How many times as many samples would decide, 1 where these do.

        By then the noise floor has fallen so far that a value like this one stands out from it. Where it is noise
        itself, it has fallen along, and shows that.
        """
        if self.separable and not SURE > self.probability > 1 - SURE:
            return 1.0
        log_null, log_value = _log(self.null), _log(self.value)
        z = norm.ppf(SURE) * _LEAST_SPREAD
        halfway = (2 * log_value - (1 + z) * log_null) / (1 - z)
        within = log_value - np.log(self.reach) * (1 + z)
        apart = log_null - max(2 * norm.ppf(0.95) * self.spread, np.log(2))
        floor = min(max(halfway, within), apart)
        return float(np.exp(np.clip((_log(self.floor) - floor) / max(self.rate, 1e-3), np.log(1.25), 50.0)))

    @property
    def _width(self) -> float:
        return max(self.spread, _LEAST_SPREAD * (_log(self.limit) - _log(self.floor)))

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return (
            f"{self.name}: {self.value:.3g}{unit} (noise floor {self.floor:.3g}, null {self.null:.3g}; "
            f"P({self.claim}) = {self.probability:.2f})"
        )


def _log(figure: float) -> float:
    return float(np.log(max(figure, _TINY)))


def rms(errors: Array) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(errors))))


def log_spread(errors: Array, rng: np.random.Generator, draws: int = 200) -> float:
    """Bootstrap standard error of the logarithm of a root mean square."""
    squares = np.square(np.asarray(errors, dtype=float))
    if len(squares) < 2 or squares.sum() == 0:
        return 0.0
    # Poisson weights: the bootstrap without building resamples
    weights = rng.poisson(1.0, (draws, len(squares)))
    means = weights @ squares / np.maximum(weights.sum(axis=1), 1)
    return float(np.std(0.5 * np.log(np.maximum(means, _TINY**2))))
