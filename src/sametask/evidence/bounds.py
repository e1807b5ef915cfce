"""Upper bounds of many losses at once, by a bootstrap that draws groups of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from sametask._types import Array, Float, Int
from sametask.evidence.loss import Parts

DRAWS = 999
"""Of the bootstrap."""


@dataclass(frozen=True)
class Deviations:
    """How far losses of draws are below the loss of all rows, in standard errors of the draw (bootstrap-t).

    Rows whose errors are rare and large make a mean that most samples underestimate; a draw without them has a small
    standard error as well, and shows it.

    Attributes:
        values: (c,) squared losses.
        errors: (c,) their standard errors.
        drawn: (draws, c) deviations.
        unseen: (c,) what groups like the worst may add that the sample happens not to have; see :func:`_unseen`.
    """

    values: Float[Array, " c"]
    errors: Float[Array, " c"]
    drawn: Float[Array, "draws c"]
    unseen: Float[Array, " c"]

    @staticmethod
    def of(parts: Parts, groups: Int[Array, " n"], draws: Float[Array, "draws g"]) -> Deviations:
        """Deviations of losses whose rows come in groups.

        Args:
            parts: the losses.
            groups: (n,) of their rows, 0 … without gaps.
            draws: how often each group is in each draw.
        """
        sizes = np.bincount(groups).astype(float)
        sums = np.zeros((len(sizes), parts.rows.shape[1]))
        np.add.at(sums, groups, parts.rows)
        mean, error = _ratio(np.ones((1, len(sizes))), sums, sizes)
        means, errors = _ratio(draws, sums, sizes)
        # a draw of groups that all miss alike says nothing of how sure it is
        least = np.maximum(_LEAST * error, np.finfo(float).tiny)
        drawn = np.where(
            (error > 0) & (draws.sum(axis=1, keepdims=True) > 0), (mean - means) / np.maximum(errors, least), 0.0
        )
        # what is not known of the noise is normal, and has no draws
        return Deviations(parts.values, np.hypot(error[0], parts.unsure), drawn, _unseen(sums / sizes.mean()))


_UNSEEN = 3.0
"""Groups that a sample may lack: a share of 3 / g of all is not among g of them with a chance of 5 %."""


def _unseen(errors: Float[Array, "g c"]) -> Float[Array, " c"]:
    """What a share of 3 / g of all groups adds to the mean if each is as bad as the worst of the sample, for errors
    with tails heavier than exponential: their mean hangs on few, and a sample may have none of these.

    Of exponential errors the worst of g exceeds their mean times log g + 3 with a chance of 5 %.
    """
    g = len(errors)
    worst = errors.max(axis=0, initial=0)
    heavy = worst > errors.mean(axis=0) * (np.log(g) + _UNSEEN)
    return np.where(heavy, min(_UNSEEN / g, 1.0) * worst, 0.0)


_LEAST = 0.1
"""Standard error of a draw, as a share of that of all rows, below which it is taken for this."""


def _ratio(weights: Array, sums: Array, sizes: Array) -> tuple[Array, Array]:
    """(draws, c) means over rows of drawn groups, and their standard errors."""
    number = np.maximum(weights @ sizes, 1)[:, None]
    mean = weights @ sums / number
    squares = weights @ np.square(sums) - 2 * mean * (weights @ (sums * sizes[:, None]))
    squares += np.square(mean) * (weights @ np.square(sizes))[:, None]
    return mean, np.sqrt(np.maximum(squares, 0)) / number


def simultaneous(deviations: Sequence[Deviations], level: float) -> list[Float[Array, " c"]]:
    """Upper bounds of squared losses that hold all at once with probability ``level``.

    Balanced: each has the same chance of failing, whatever its distribution (Beran 1988).
    """
    reached = _joint(deviations)
    share = float(np.quantile(reached, level, method="higher"))
    return [
        each.values + each.unseen + np.maximum(np.quantile(each.drawn, share, axis=0, method="higher"), 0) * each.errors
        for each in deviations
    ]


def level_within(deviations: Sequence[Deviations], asked: Sequence[tuple[Deviations, float]]) -> float:
    """The largest level at which the bounds of some losses are within what is asked of them.

    Args:
        deviations: all that bounds are to hold for.
        asked: some of them, each with the squared loss that it should be within.
    """
    share = 1.0
    for each, squared in asked:
        left = squared - each.values - each.unseen
        room = np.where(each.errors > 0, left / np.maximum(each.errors, 1e-300), np.where(left < 0, -np.inf, np.inf))
        share = min(share, float((each.drawn <= room).mean(axis=0).min(initial=1.0)))
    reached = _joint(deviations)
    return float(np.clip(np.mean(reached <= share), 1 / (len(reached) + 1), len(reached) / (len(reached) + 1)))


def _joint(deviations: Sequence[Deviations]) -> Float[Array, " draws"]:
    """(draws,) the largest rank that any deviation of a draw has among its own, as a share."""
    drawn = np.concatenate([each.drawn[:, each.errors > 0] for each in deviations], axis=1)
    if drawn.shape[1] == 0:
        return np.zeros(len(deviations[0].drawn) if deviations else 1)
    return (rankdata(drawn, method="max", axis=0) / len(drawn)).max(axis=1)
