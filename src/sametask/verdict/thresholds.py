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
    59.0,
    "groups of rows",
    "59 independent groups are the fewest of which the worst is, at 95 %, beyond 95 % of all (Wilks 1941): with fewer, "
    "more than one group in twenty may be worse than any that was seen, and no bound of their mean holds.",
    "derived; with 20 and 40 groups, whose loss hung on few of them, bounds were exceeded in 9 and 4 of 15 draws",
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
LEAST_ALONG = Threshold(
    0.95,
    "share of the step to the nearest sample",
    "What the local metric has no direction for it cannot show to be lost: neighbours taken in one dimension of many "
    "leave most of a step beside it, and so do noise and steps of values.",
    "random networks of 1 to 3 dimensions probed along all directions, 60 to 2,000 samples: .988 and more; recorded "
    "neighbours in fewer dimensions than the data have: .2 to .8; claims: python benchmarks/battery/within.py",
)
