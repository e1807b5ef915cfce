"""Networks whose answers are random: how much they vary for one and the same input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float, Int

_ROUNDING = 1e-4
"""Standard deviation of answers, as a share of their spread, up to which it is rounding: sums in another order."""


@dataclass(frozen=True)
class Noise:
    """Variance of a network's answers to one and the same input.

    Attributes:
        variance: (m,) of each neuron's activations as they stand in the probe, which are means where inputs were
            evaluated more than once.
        freedom: degrees of freedom of the estimate.
        share: root mean square deviation of a single answer, as a share of the spread of mean answers over inputs.
        averaged: answers to each input that the activations are means of.
    """

    variance: Float[Array, " m"]
    freedom: int
    share: float
    averaged: int = 1

    def select(self, neurons: Int[Array, " k"]) -> Noise:
        """Of some of the neurons."""
        return Noise(self.variance[neurons], self.freedom, self.share, self.averaged)


def noise_of(repeats: Float[Array, "n r m"], spread: Float[Array, " m"], averaged: int) -> Noise | None:
    """How much answers vary; None where they are the same but for rounding.

    Args:
        repeats: r answers to each of some inputs.
        spread: variance of activations over inputs.
        averaged: answers that the activations of the probe are means of.
    """
    n, r, _ = repeats.shape
    each = repeats.astype(np.float64).var(axis=1, ddof=1).mean(axis=0)
    # activations vary by their inputs, and by what is left of the noise
    inputs = max(float(spread.sum() - each.sum() / averaged), 1e-2 * float(spread.sum()), np.finfo(float).tiny)
    share = float(np.sqrt(each.sum() / inputs))
    return Noise(each / averaged, n * (r - 1), share, averaged) if share > _ROUNDING else None
