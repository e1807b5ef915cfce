"""The map by the geometry of charts, and how it does on rows that correspond and that it has not seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from sametask._check import InputError
from sametask._outcome import Finding
from sametask._types import Array, Bool, Float, Int
from sametask.charts.chart import Chart, chart
from sametask.matching.match import match
from sametask.numerics.thinning import well_spread
from sametask.transformation import Estimate, Transformation
from sametask.verdict.by_function import paired_charts
from sametask.verdict.judging import Case
from sametask.verdict.loss_findings import uncharted
from sametask.verdict.pairs import Pairs
from sametask.verdict.single import Single

_TANGENT = 0.5
"""Charts are only worth trying as a map if half of the step to the nearest sample lies along the local metric."""
_UNPAIRED = 0.5
"""Share of a network's samples without a partner from which on these say more than those that have one."""
_ALONE = 500
"""Samples without a partner that maps are held against one another at."""
_ANCHORS = 200
"""Of more a match gains nothing, and takes longer."""


Tried = tuple[Int[Array, " h"], tuple[Estimate, Estimate]]


class Geometry(ABC):
    """A map by charts, made when it is asked for."""

    desired: float
    """Loss of other maps up to which this one is not worth its time."""

    def __init__(self, case: Case, pairs: Pairs) -> None:
        """For a case and its rows that correspond."""
        self._case, self._pairs = case, pairs

    @cached_property
    def map(self) -> Transformation | None:
        """The map that all rows make."""
        return self._map()

    @cached_property
    def tried(self) -> Tried | None:
        """Some of the rows that correspond, and what a map made without them says there, forward and backward."""
        return self._tried()

    def elsewhere(self, source: int) -> tuple[Float[Array, "u m1"], Float[Array, "u m2"]] | None:
        """Rows of a network that have no partner, and what a map made without some of those that have says there; None
        if the map does not know of such."""
        return None

    @abstractmethod
    def _map(self) -> Transformation | None: ...

    @abstractmethod
    def _tried(self) -> Tried | None: ...

    def errors(self, source: int) -> tuple[Float[Array, "n m"], Bool[Array, " n"]] | None:
        """Errors on rows it has not seen, and which rows these are."""
        if self.tried is None:
            return None
        held, estimates = self.tried
        target = self._pairs.activations[1 - source].astype(np.float64)
        errors, known = np.zeros(target.shape), np.zeros(len(target), bool)
        errors[held], known[held] = target[held] - estimates[source].value, True
        return errors, known


def geometry_of(case: Case, pairs: Pairs, charted: Charted) -> Geometry:
    """By a match, if most samples have no partner, and by the charts of those that have, if not."""
    return Matched(case, pairs) if Matched.worthwhile(case, pairs) else charted


class Matched(Geometry):
    """An isometric match of all samples, held by those that correspond: most have no partner, and say where the
    manifold lies and what the local metric is there."""

    desired = 1e-5

    @staticmethod
    def worthwhile(case: Case, pairs: Pairs) -> bool:
        """Whether there are samples without a partner, and networks that can be matched."""
        one, two = case.singles
        if one.recorded or two.recorded or one.given.noise or two.given.noise:
            return False
        alike = one.rank.rank == two.rank.rank and one.rank.resolved and two.rank.resolved
        alone = 1 - len(pairs.rows) / min(len(one.given), len(two.given))
        return alike and not (one.folds.any or two.folds.any) and alone >= _UNPAIRED

    def _map(self) -> Transformation | None:
        """By the match that all of them hold."""
        return self._by(np.arange(len(self._pairs.rows)))

    def _tried(self) -> Tried | None:
        """Two of five folds hold a match, which is tried on the others: few anchors do."""
        held, matched = np.flatnonzero(self._pairs.split.folds >= 2), self._fewer
        if matched is None or not len(held):
            return None
        a, b = self._pairs.activations
        return held, (matched.forward(a[held], client=False), matched.backward(b[held], client=False))

    @cached_property
    def _fewer(self) -> Transformation | None:
        return self._by(np.flatnonzero(self._pairs.split.folds < 2))

    def elsewhere(self, source: int) -> tuple[Float[Array, "u m1"], Float[Array, "u m2"]] | None:
        """Some of the rows without a partner."""
        if self._fewer is None:
            return None
        given = self._case.singles[source].given.activations
        alone = np.setdiff1d(np.arange(len(given)), self._pairs.rows[:, source])
        rng = np.random.default_rng(self._pairs.seed)
        rows = given[rng.choice(alone, min(len(alone), _ALONE), replace=False)].astype(np.float64)
        carry = self._fewer.forward if source == 0 else self._fewer.backward
        return rows, carry(rows, client=False).value

    def _by(self, anchors: Int[Array, " k"]) -> Transformation | None:
        """By the match that some of them hold."""
        rng = np.random.default_rng(self._pairs.seed)
        if len(anchors) > _ANCHORS:
            anchors = np.sort(rng.choice(anchors, _ANCHORS, replace=False))
        one, two = self._case.singles
        try:
            found = match(
                one.chart,
                two.chart,
                anchors=self._pairs.rows[anchors],
                anchor_noise=self._case.anchor_noise,
                relative_scale=self._case.relative_scale,
                seed=self._pairs.seed,
            )
        except InputError:
            return None
        return Transformation.from_match(found)


class Charted(Geometry):
    """Charts of rows that correspond: of all of them, and of four folds, by which the map by charts is tried on the
    fifth. Made when they are asked for."""

    desired = 1e-3

    @cached_property
    def singles(self) -> tuple[Single, Single]:
        """The two networks at as many of the rows as are charted."""
        singles = self._pairs.singles
        most = self._case.method.landmarks
        if len(self._pairs.rows) <= most:
            return singles
        manifold = singles[0].probe.manifold
        rows = well_spread(manifold.activations, manifold.metric, most)
        return singles[0].take(rows), singles[1].take(rows)

    @cached_property
    def whole(self) -> tuple[Chart | None, Chart | None, list[Finding]]:
        """Charts of all, and what is noticed on them; None where there are none."""
        if any(single.recorded for single in self._case.singles):
            return None, None, [uncharted("activations alone, without neighbourhoods")]
        try:
            one, two, _, findings = paired_charts(*self.singles)
        except InputError as error:
            return None, None, [uncharted(str(error))]
        return one, two, findings

    def _map(self) -> Transformation | None:
        """The map by charts, fitted to all rows."""
        one, two, _ = self.whole
        return None if one is None or two is None else Transformation.from_pairs(one, two)

    def _tried(self) -> Tried | None:
        """Rows of one fold, and what the map by charts of the others says there, forward and backward."""
        if len(self._pairs.rows) > self._case.method.landmarks or self.whole[0] is None:
            return None
        if self._pairs.along < _TANGENT:
            return None
        folds = self._pairs.split.folds
        seen, held = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
        try:
            charts = [chart(each.probe.take(seen), self._case.method) for each in self._pairs.singles]
        except InputError:
            return None
        if any(len(each.rows) != len(seen) for each in charts):
            return None
        fitted = Transformation.from_pairs(charts[0], charts[1])
        a, b = self._pairs.activations
        return held, (fitted.forward(a[held], client=False), fitted.backward(b[held], client=False))
