"""Every number that a decision by loss rests on: value, unit, reason, and how it was calibrated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    """A number that decides.

    Attributes:
        value: of it.
        unit: of the value.
        reason: why there is one, and why this.
        calibration: the run that shows it to be right, or why none is needed.
    """

    value: float
    unit: str
    reason: str
    calibration: str


FEWEST_GROUPS = Threshold(
    20.0,
    "groups of rows",
    "From k independent groups no bound that holds whatever the errors are has a level above k / (k + 1): below 19 "
    "there is none at 95 %.",
    "derived",
)
AGAINST = Threshold(
    0.1,
    "probability that a function holds",
    "A direction is ruled out only if the exact test of functions, between its noise floor and its null, speaks "
    "against it as well.",
    "the level at which the exact question is decided; python benchmarks/battery",
)
HIGHEST_FLOOR = Threshold(
    0.05,
    "share of the spread",
    "What passes for a function at a noise floor may miss as much as the floor: above the default tolerance the exact "
    "question is not answered with yes.",
    "the default tolerance",
)
