"""What is known of a match besides geometry, and does not hold it by itself: a few pairs, observables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float, Int
from sametask.charts.chart import Chart
from sametask.matching.known import Known, on_chart
from sametask.matching.observables import Observables
from sametask.matching.outlines import CoarseMap, Outline

_AS_NEAR = 2.0
"""Pairs are met as well by matches that bring them this many times less near, or within the spacing of an outline."""


@dataclass(frozen=True)
class Choice:
    """What observables, sets and orders chose among.

    Attributes:
        among: how many matches are as good without them; 0 for a continuum.
        next: their misfit under the best match that they set aside; NaN for a continuum.
    """

    among: int
    next: float


@dataclass(frozen=True)
class Hints:
    """Pairs and observables of two charts.

    Attributes:
        pairs: (k, 2) rows of the charts that belong together; fewer than hold a match.
        known: observables as the user gave them, for each row of the charts' probes.
        observed: the same made ready for the two charts.
        dimension: of the manifolds.
    """

    pairs: Int[Array, "k 2"]
    known: tuple[Known, ...]
    observed: Observables
    dimension: int

    @staticmethod
    def of(first: Chart, second: Chart, pairs: Int[Array, "k 2"], known: tuple[Known, ...]) -> Hints:
        """For these charts."""
        return Hints(pairs, known, Observables.of(first, second, known), first.dimension)

    def swapped(self, charts: tuple[Chart, Chart]) -> Hints:
        """The same with the two charts the other way round, in which they are given."""
        known = tuple(dataclasses.replace(each, first=each.second, second=each.first) for each in self.known)
        return Hints.of(*charts, self.pairs[:, ::-1], known)

    def __bool__(self) -> bool:
        """Whether there is anything that tells matches apart."""
        return len(self.pairs) > 0 or self.observed.telling

    def part(self, charts: tuple[Chart, Chart], parts: tuple[Chart, Chart], rows: tuple[Array, Array]) -> Hints:
        """The same for charts of some of the samples.

        Args:
            charts: of all.
            parts: charts of some.
            rows: of ``charts``, for each row of ``parts``; all that pairs name among them.
        """
        if all(part is whole for part, whole in zip(parts, charts, strict=True)):
            return self
        sides = tuple(zip(charts, parts, rows, strict=True))
        known = tuple(
            dataclasses.replace(each, first=_some(each.first, *sides[0]), second=_some(each.second, *sides[1]))
            for each in self.known
        )
        pairs = self.pairs.copy()
        for k, (whole, part, kept) in enumerate(sides):
            place = np.full(len(whole.rows), -1)
            place[kept] = np.arange(len(part.rows))
            pairs[:, k] = place[pairs[:, k]]
        return Hints.of(*parts, pairs[(pairs >= 0).all(axis=1)], known)

    def cost(self, coarse: CoarseMap, one: Outline, two: Outline) -> float:
        """How badly a coarse map meets them; comparable among coarse maps only."""
        nearest = one.distances.argmin(axis=1)
        sample = two.rows[coarse.there[nearest]]
        cost = self._apart(sample, two) / float(two.among.max()) if len(self.pairs) else 0.0
        if self.observed.telling:
            cost += self.observed.misfit_at(sample, np.zeros((len(sample), self.dimension)))
        return cost

    def left_open(self, places: Sequence[tuple[Array, Array]], two: Outline) -> list[int]:
        """Which matches, by their places, they cannot tell from the one that meets them best; that one first."""
        kept = self.met(places, two)
        if self.observed.telling:
            kept = [kept[k] for k in self.observed.left_open([places[k] for k in kept])]
        return kept

    def met(self, places: Sequence[tuple[Array, Array]], two: Outline) -> list[int]:
        """The same, of the pairs alone."""
        kept = list(range(len(places)))
        if len(self.pairs):
            apart = [self._apart(sample, two) for sample, _ in places]
            near = max(_AS_NEAR * min(apart), two.spacing)
            kept = sorted((k for k in kept if apart[k] <= near), key=lambda k: apart[k])
        return kept

    def choice(self, places: Sequence[tuple[Array, Array]], left: list[int], two: Outline) -> Choice | None:
        """What they chose among by more than the pairs, where some were ``left``; None where those are all."""
        before = self.met(places, two)
        others = [self.observed.misfit_at(*places[k]) for k in before if k not in left]
        return Choice(len(before), min(others)) if others else None

    def _apart(self, sample: Int[Array, " n"], two: Outline) -> float:
        """Distance of images of pairs from their partners, as the outline tells it: root mean square."""
        there, here = two.distances[sample[self.pairs[:, 0]]], two.distances[self.pairs[:, 1]]
        return float(np.sqrt(np.mean(np.square(np.abs(there - here).max(axis=1)))))


def _some(values: Float[Array, "s c"], whole: Chart, part: Chart, kept: Int[Array, " p"]) -> Float[Array, "t c"]:
    """Values for each row of a probe, as values for each row of the probe that part of its chart was made of."""
    result = np.full((len(part.position), values.shape[1]), np.nan)
    result[part.rows] = on_chart(values, whole.position, len(whole.rows))[kept]
    return result
