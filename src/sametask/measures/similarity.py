"""All usual measures of two networks' activations at the same inputs, beside what chance and halves of them show."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask.measures.measure import Measure
from sametask.measures.points import Points, checked
from sametask.measures.usual import USUAL

FEWEST = 16
"""Rows from which figures are told: halves have eight."""
_MOST, _MOST_WIDE, _WIDE = 800, 400, 256
"""Rows used, rows used of wide activations, and neurons from which they are wide."""
_SURE = 3.0


@dataclass(frozen=True)
class Reading:
    """What one measure says.

    Not a number is what a measure says where all pairs of samples are equally far apart.

    Attributes:
        measure: which.
        value: of the corresponding rows.
        spread: standard error, from how much random halves of the rows differ.
        chance: the mean over shuffled rows, where nothing corresponds.
        chance_spread: standard deviation over those.
    """

    measure: Measure
    value: float
    spread: float
    chance: float
    chance_spread: float

    @property
    def tells(self) -> bool:
        """Whether the figure is farther from chance than three of their standard errors."""
        return bool(abs(self.value - self.chance) > max(_SURE * np.hypot(self.spread, self.chance_spread), 1e-9))

    def __str__(self) -> str:
        nothing = "" if self.tells else ", no different"
        return (
            f"{self.measure.name}: {self.value:.3f} ± {self.spread:.3f} "
            f"(chance {self.chance:.3f} ± {self.chance_spread:.3f}{nothing})"
        )


@dataclass(frozen=True)
class Similarity:
    """What the usual measures say of two networks.

    Attributes:
        readings: one of each measure.
        rows: how many rows were used.
        given: how many rows correspond.
    """

    readings: tuple[Reading, ...]
    rows: int
    given: int

    def __getitem__(self, name: str) -> Reading:
        """The reading of the measure of that name."""
        _check.one_of("name", name, [reading.measure.name for reading in self.readings])
        return next(reading for reading in self.readings if reading.measure.name == name)

    @property
    def sample(self) -> str:
        """How many rows were used, in words."""
        return f"{self.given:,}" if self.rows == self.given else f"{self.rows:,} of {self.given:,}"

    def __str__(self) -> str:
        width = max(len(reading.measure.name) for reading in self.readings)
        lines = [f"{self.sample} corresponding rows"]
        for each in self.readings:
            lower = ", lower is closer" if each.measure.closer == "lower" else ""
            nothing = "" if each.tells else ", no different"
            lines.append(
                f"  {each.measure.name:{width}}  {each.value:6.3f} ± {each.spread:.3f}   "
                f"chance {each.chance:.3f} ± {each.chance_spread:.3f}{nothing}{lower}"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON."""
        return {
            "rows": self.rows,
            "corresponding": self.given,
            "readings": [
                {
                    "name": each.measure.name,
                    "value": _finite(each.value),
                    "spread": _finite(each.spread),
                    "chance": _finite(each.chance),
                    "chance_spread": _finite(each.chance_spread),
                    "closer": each.measure.closer,
                    "identical": each.measure.identical,
                }
                for each in self.readings
            ],
        }


def similarity(
    first: Any, second: Any, *, most: int | None = None, draws: int = 10, halvings: int = 4, seed: int = 0
) -> Similarity:
    """What the usual measures say of two networks' activations at the same inputs: CKA, CCA, Procrustes, RSA, k-NN.

    They say how alike the two are, each by its own standard; none says whether one is a function of the other, which
    ``st.compare`` does. ``docs/measures.md`` shows where they mislead and where they are enough.

    Args:
        first: (n, m1) activations.
        second: (n, m2), row by row at the same inputs; the widths may differ.
        most: rows used; of more that many are drawn. None is 800, and 400 where a network has more than 256 neurons:
            a second or two. Time grows with the square of the rows, and with the cube of rows or neurons, if fewer.
        draws: shuffles of the rows, which tell what chance shows.
        halvings: of the rows, which tell the spread: two halves differ by twice the standard error of the whole.
        seed: of what is drawn.

    Returns:
        A reading of each measure in ``st.measures.USUAL``.

    Raises:
        InputError: not arrays of finite numbers with equally many rows, fewer than 16, or all the same.

    Examples:
        >>> import numpy as np, sametask as st
        >>> x = np.random.default_rng(0).normal(size=(200, 3))
        >>> alike = st.similarity(x, x @ np.diag([1.0, 1.0, 9.0]))
        >>> print(alike["mean CCA"])
        mean CCA: 1.000 ± 0.000 (chance 0.099 ± 0.022)
    """
    one, two = checked(first, second)
    wide = max(one.shape[1], two.shape[1]) > _WIDE
    most = (_MOST_WIDE if wide else _MOST) if most is None else _check.count("most", most, least=FEWEST)
    draws = _check.count("draws", draws, least=2)
    halvings = _check.count("halvings", halvings)
    rng = np.random.default_rng(_check.count("seed", seed, least=0))
    given = len(one)
    if given < FEWEST:
        raise InputError(f"first: {given} rows; give at least {FEWEST}, some hundreds to be sure")
    if given > most:
        rows = np.sort(rng.choice(given, most, replace=False))
        one, two = one[rows], two[rows]
    n = len(one)
    sides = Points.of("first", one), Points.of("second", two)
    shuffles = [rng.permutation(n) for _ in range(draws)]
    halves = _halves(sides, halvings, rng)
    readings = []
    for measure in USUAL:
        seen = [measure.see(side) for side in sides]
        chance = [measure.hold(seen[0], seen[1].take(order)) for order in shuffles]
        apart = [[measure.hold(*map(measure.see, half)) for half in halving] for halving in halves]
        spread = np.sqrt(np.mean(np.square(np.diff(apart, axis=1)))) / 2 if apart else np.nan
        readings.append(
            Reading(measure, measure.hold(*seen), float(spread), float(np.mean(chance)), float(np.std(chance, ddof=1)))
        )
    return Similarity(tuple(readings), n, given)


def _halves(sides: tuple[Points, Points], halvings: int, rng: np.random.Generator) -> list[list[tuple[Points, Points]]]:
    """Random halves of the rows as both networks saw them; not those in which a network says always the same."""
    found = []
    for _ in range(halvings):
        order = rng.permutation(len(sides[0]))
        with contextlib.suppress(InputError):
            found.append([(sides[0].take(rows), sides[1].take(rows)) for rows in np.array_split(order, 2)])
    return found


def _finite(figure: float) -> float | None:
    return figure if np.isfinite(figure) else None
