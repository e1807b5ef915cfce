"""Does one network determine the other within a tolerance? Yes by a map and its bound, no by what no map can mend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sametask._check import InputError
from sametask._outcome import Finding
from sametask._types import Array, Bool, Float
from sametask.charts.chart import Chart, chart
from sametask.evidence import near_pairs
from sametask.evidence.grouping import joined, near_duplicates
from sametask.evidence.loss import Loss
from sametask.evidence.trials import Best, both_ways
from sametask.maps.fitted import FittedMap, Support
from sametask.maps.selection import Split
from sametask.numerics.thinning import well_spread
from sametask.transformation import AnyMap, Estimate, Transformation
from sametask.verdict import diagnosis
from sametask.verdict.by_function import contradicted, paired_charts
from sametask.verdict.decision import CANNOT_TELL, NO, YES, decision_of
from sametask.verdict.direction import Direction, directions
from sametask.verdict.judging import Case, Judgement
from sametask.verdict.loss_findings import alike_rows, of_answers, uncharted
from sametask.verdict.single import Single
from sametask.verdict.thresholds import AGAINST, FEWEST_GROUPS, LEAST_ALONG
from sametask.verdict.verdict import Trial

_MOST = 10_000
"""Rows that maps are tried on: bounds do not gain by more."""
_TANGENT = 0.5
"""Charts are only worth trying as a map if half of the step to the nearest sample lies along the local metric."""


def judge(case: Case) -> Judgement:
    """Fit maps each way, and hold their bounds against the tolerance."""
    pairs = _Pairs.of(case)
    tolerance = case.terms.tolerance
    assert tolerance is not None
    fifth = _Charted(case, pairs)
    found, confidence = both_ways(
        pairs.activations,
        pairs.split,
        (case.probes[0].neurons, case.probes[1].neurons),
        units=case.terms.units,
        level=case.terms.level,
        noise=(case.probes[0].noise, case.probes[1].noise),
        geometry=(fifth.forward, fifth.backward),
        seed=pairs.seed,
    )
    answers, losses, exact = _answered(case, pairs, (found[0].loss, found[1].loss))
    decision = decision_of(answers)
    sure = [confidence(tolerance, [k for k in (0, 1) if answers[k] == YES])] if YES in answers else []
    if exact is not None:
        sure += [1 - exact[k].holds for k in (0, 1) if answers[k] == NO]
    findings = [*pairs.findings, *of_answers(answers, losses, exact, pairs.split, pairs.rows, case.terms)]
    evidence = []
    if exact is not None:
        # elsewhere it says nothing: functions known to hold may lose much more than the tolerance
        evidence = [figure for k in (0, 1) if answers[k] == NO for figure in (exact[k].level, exact[k].fall)]
    one, two, charted = fifth.whole
    findings += charted
    findings += diagnosis.unused(bool(case.known))
    ways = [_shipped(best, k, pairs, fifth) for k, best in enumerate(found)]
    a, b = case.probes
    # the direction that holds, where only one does
    shown = int(answers[0] != YES and answers[1] == YES)
    return Judgement(
        decision,
        min(sure) if CANNOT_TELL not in answers else 0.5,
        tuple(evidence),
        tuple(findings),
        Transformation(ways[0], ways[1], (a.name, b.name), (a.neurons, b.neurons)),
        None if one is None or two is None else (one, two),
        None,
        _tried(found[shown], shown, pairs, fifth),
        loss=losses,
        determines=answers,
    )


def _answered(
    case: Case, pairs: _Pairs, losses: tuple[Loss, Loss]
) -> tuple[tuple[str, str], tuple[Loss, Loss], tuple[Direction, Direction] | None]:
    """Yes, no or cannot tell, each way; losses with their lower bounds; and the exact test, where it was asked."""
    tolerance = case.terms.tolerance
    assert tolerance is not None
    enough = pairs.split.size >= FEWEST_GROUPS.value
    answers = [YES if loss.high <= tolerance and enough else CANNOT_TELL for loss in losses]
    if CANNOT_TELL not in answers:
        return (YES, YES), losses, None
    if any(single.recorded for single in case.singles):
        return (answers[0], answers[1]), losses, None  # without slopes nothing is ruled out
    exact, found = _exact(case, pairs), list(losses)
    # what random answers leave apart may be nothing but that, and a metric that does not show which way samples lie
    # from one another shows neither what is lost nor how steep a map may be
    if all(probe.noise is None for probe in case.probes) and pairs.along >= LEAST_ALONG.value:
        for k in (0, 1):
            if answers[k] == YES:
                continue
            found[k] = _with_least(losses[k], pairs, k)
            if _ruled_out(found[k], exact[k], tolerance):
                answers[k] = NO
    return (answers[0], answers[1]), (found[0], found[1]), exact


@dataclass(frozen=True)
class _Pairs:
    """Rows that correspond, as they are split.

    Attributes:
        singles: the two networks at these rows.
        rows: (k, 2) which rows of the probes they are.
        split: in folds, by group.
        seed: of draws.
        findings: on what belongs together.
    """

    singles: tuple[Single, Single]
    rows: Array
    split: Split
    seed: int
    findings: tuple[Finding, ...]

    @staticmethod
    def of(case: Case) -> _Pairs:
        """Those of a case; of very many some."""
        rng = np.random.default_rng(int(case.rng.integers(2**31)))
        rows, groups = _in_order(case)
        kept = np.arange(len(rows))
        if len(rows) > _MOST:
            labels = np.arange(len(rows)) if groups is None else joined(groups)
            kept = Split(labels, np.zeros(len(rows), np.int64)).some(_MOST, int(rng.integers(2**31)))
        rows = rows[kept]
        singles = (case.singles[0].take(rows[:, 0]), case.singles[1].take(rows[:, 1]))
        alike = near_duplicates((singles[0].probe.manifold.activations, singles[1].probe.manifold.activations))
        given = np.arange(len(rows)) if groups is None else groups[kept]
        groups = joined(given, alike)
        seed = int(rng.integers(2**31))
        return _Pairs(singles, rows, Split.of(groups, seed), seed, tuple(alike_rows(given, alike, groups)))

    @cached_property
    def along(self) -> float:
        """The usual share of the step to the nearest sample that lies along the local metric's directions; of the
        network of which it is less."""
        return min(_along(single) for single in self.singles)

    @property
    def activations(self) -> tuple[Array, Array]:
        """Of the two networks, row by row."""
        return self.singles[0].probe.activations, self.singles[1].probe.activations


def _in_order(case: Case) -> tuple[Array, Array | None]:
    """Pairs, and their groups, in an order of their own if both probes name them alike: whose rows come first, and how
    they are ordered, is nobody's choice."""
    pairs, groups = case.pairs, case.groups
    one, two = (single.given.ids for single in case.singles)
    if one is None or two is None or not np.array_equal(one[pairs[:, 0]], two[pairs[:, 1]]):
        return pairs, groups
    order = np.argsort(one[pairs[:, 0]], kind="stable")
    return pairs[order], None if groups is None else groups[order]


class _Charted:
    """Charts of rows that correspond: of all of them, and of four folds, by which the map by charts is tried on the
    fifth. Made when they are asked for."""

    def __init__(self, case: Case, pairs: _Pairs) -> None:
        self._case, self._pairs = case, pairs

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

    @cached_property
    def map(self) -> Transformation | None:
        """The map by charts, fitted to all rows."""
        one, two, _ = self.whole
        return None if one is None or two is None else Transformation.from_pairs(one, two)

    @cached_property
    def tried(self) -> tuple[Array, tuple[Estimate, Estimate]] | None:
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

    def forward(self) -> tuple[Float[Array, "n m2"], Bool[Array, " n"]] | None:
        """Errors of the map by charts on rows it has not seen, and which rows these are."""
        return self._errors(0)

    def backward(self) -> tuple[Float[Array, "n m1"], Bool[Array, " n"]] | None:
        """The same the other way."""
        return self._errors(1)

    def _errors(self, source: int) -> tuple[Array, Array] | None:
        if self.tried is None:
            return None
        held, estimates = self.tried
        target = self._pairs.activations[1 - source].astype(np.float64)
        errors, known = np.zeros(target.shape), np.zeros(len(target), bool)
        errors[held], known[held] = target[held] - estimates[source].value, True
        return errors, known


def _along(single: Single) -> float:
    """The usual share of the step to the nearest sample that lies along the local metric's directions."""
    manifold = single.probe.manifold
    rows = np.arange(len(manifold.activations))
    near = np.asarray(manifold.tree.query(manifold.activations, 2)[1])
    other = np.where(near[:, 0] == rows, near[:, 1], near[:, 0])
    change = manifold.activations[other] - manifold.activations
    along = np.linalg.norm(np.matmul(manifold.metric.frames, change[:, :, None])[:, :, 0], axis=1)
    length = np.linalg.norm(change, axis=1)
    return float(np.median(along / np.maximum(length, np.finfo(float).tiny)))


def _exact(case: Case, pairs: _Pairs) -> tuple[Direction, Direction]:
    """The test of the exact question, each way."""
    lacks = (contradicted(case, 0, 1), contradicted(case, 1, 0))
    return directions(pairs.singles, lacks, pairs.seed)


def _with_least(loss: Loss, pairs: _Pairs, source: int) -> Loss:
    """The loss with its lower bound."""
    manifolds = [pairs.singles[k].probe.manifold for k in (source, 1 - source)]
    steps = [near_pairs.resolution(each.activations.astype(np.float64)) for each in manifolds]
    low = near_pairs.least_loss(manifolds[0], manifolds[1], (steps[0], steps[1]), pairs.seed)
    return Loss(**{**vars(loss), "low": low})


def _ruled_out(loss: Loss, exact: Direction, tolerance: float) -> bool:
    """Whether no map of moderate slope can be within the tolerance, and the exact test says so, too."""
    return loss.low > tolerance and exact.holds <= AGAINST.value and not exact.but_for_few and not exact.far


def _shipped(best: Best, source: int, pairs: _Pairs, charted: _Charted) -> AnyMap:
    """The best map, fitted to all rows."""
    a, b = (pairs.activations[k].astype(np.float64) for k in (source, 1 - source))
    trial = best.trial
    if trial.candidate is None:
        assert charted.map is not None
        way = charted.map.there if source == 0 else charted.map.back
        assert way is not None
        return way
    rows = np.arange(len(a)) if trial.candidate.most is None else pairs.split.some(trial.candidate.most, pairs.seed)
    assert trial.errors is not None
    lengths = np.linalg.norm(trial.errors, axis=1)
    support = Support.of(a, b, lengths, pairs.split.groups, pairs.seed)
    return FittedMap(trial.name, trial.candidate.fit(a[rows], b[rows]), support, b.shape[1])


def _tried(best: Best, source: int, pairs: _Pairs, charted: _Charted) -> Trial:
    """What a map says of one fold that it has not seen, with uncertainties from the other folds."""
    a, b = (pairs.activations[k].astype(np.float64) for k in (source, 1 - source))
    forward = source == 0
    if best.trial.candidate is None:
        assert charted.tried is not None
        held, estimates = charted.tried
        estimate = estimates[source]
        rows = pairs.rows[held, 0]
        return Trial(rows, estimate.value, b[held], estimate.uncertainty, estimate.inside, forward)
    errors, folds = best.trial.errors, pairs.split.folds
    assert errors is not None
    seen, held = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    groups = np.unique(pairs.split.groups[seen], return_inverse=True)[1]
    support = Support.of(a[seen], b[seen], np.linalg.norm(errors[seen], axis=1), groups, pairs.seed)
    uncertainty, inside = support(a[held])
    return Trial(pairs.rows[held, 0], b[held] - errors[held], b[held], uncertainty, inside, forward)
