"""Is one network a function of the other? Tested directly where correspondences are many."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sametask._check import InputError
from sametask._outcome import Finding, Severity
from sametask._types import Array
from sametask.charts.chart import Chart, chart
from sametask.matching.match import spectral_scale
from sametask.numerics.manifold import SampledManifold
from sametask.transformation import Transformation
from sametask.verdict import diagnosis, function
from sametask.verdict.evidence import REACH, SURE, Evidence, log_spread, rms
from sametask.verdict.figures import of_spectra
from sametask.verdict.function import Missed
from sametask.verdict.judging import FEWEST, Case, Judgement, advice, needed
from sametask.verdict.single import Single
from sametask.verdict.verdict import Decision, Trial

_TRIAL = 0.2
"""Share of the samples that the transformation is tried on."""
_LEAST_ERROR = 3e-3
"""Of no account, even where data without noise would show less."""
_BY_CHANCE = 0.9
"""Predictions that miss by as much of what random ones do tell nothing, whatever the noise floor."""


@dataclass(frozen=True)
class Direction:
    """Whether the target is a function of the source.

    Attributes:
        source, target: 0 and 1, or 1 and 0.
        level: the evidence of the error that is left.
        fall: the evidence of how it falls with more samples.
        contradicted: whether the source lacks what the target has, however little the error shows it.
        sparse: whether the target changes so much from one sample to the next that no error could tell it.
    """

    source: int
    target: int
    level: Evidence
    fall: Evidence
    contradicted: bool
    sparse: bool

    @property
    def falling(self) -> bool:
        """Whether an error of some account falls with more samples as errors of functions do."""
        return self.level.value > _LEAST_ERROR and self.fall.probability > 0.5

    @property
    def holds(self) -> float:
        """Probability that the target is a function of the source.

        Small errors say that it is, large ones that it is not. Large ones that fall with more samples as errors of
        functions do leave it open, and so do small ones that should fall and do not.
        """
        if self.sparse and self.level.probability < 0.5:
            return 0.5
        if self.level.value >= _BY_CHANCE * self.level.null:
            return 1 - _SURELY
        probability = self.level.probability
        if self.falling:
            # a far null excuses nothing but what more samples would mend
            probability = max(dataclasses.replace(self.level, reach=float("inf")).probability, 0.5)
        elif self.level.value > _LEAST_ERROR and self.fall.probability <= 1 - SURE:
            probability = min(probability, 0.5)
        if not self.contradicted:
            return probability
        # the local metric by itself is right in nine of ten cases; against small errors it leaves the matter open
        against = probability * (1 - SURE), (1 - probability) * SURE
        return 0.5 if probability >= 0.5 else against[0] / sum(against)


_SURELY = 0.99
_TELLS, _FAR = 0.5, 0.5
"""Shares of the spread: errors of neurons that tell something of each other, and steps between neighbouring samples
that are too far to follow."""
_ARITHMETIC = 1e-4
_FALLS = 0.5
"""Errors of smooth functions at least halve where samples double, in up to three dimensions."""


def judge(case: Case) -> Judgement:
    """Test in each direction, held out, whether one network's activations are a function of the other's."""
    paired = [single.take(case.pairs[:, k]) for k, single in enumerate(case.singles)]
    probes = [single.probe for single in paired]
    rows = case.pairs
    there, back = _directions(case, [probe.manifold for probe in probes])
    decision, confidence = _four_ways(there.holds, back.holds)
    evidence = [there.level, there.fall, back.level, back.fall]
    more = _needed(there, back, len(rows)) if decision is Decision.UNDECIDED else None
    if case.brief:
        why = () if decision in _ONE_WAY_OR_BOTH else _why_not(case, there, back, more)
        return Judgement(decision, confidence, tuple(evidence), tuple(why), needed=more)
    one, two, kept, findings = _paired_charts(paired[0], paired[1])
    transformation, trial = None, None
    if decision in _ONE_WAY_OR_BOTH:
        forward, backward = decision is not _BACK, decision is not _THERE
        transformation = Transformation.from_pairs(one, two, forward=forward, backward=backward)
        trial = _held_out(one, two, rows[kept], forward, case)
    else:
        findings = [*findings, *_why_not(case, there, back, more)]
    if case.ranks[0].rank == case.ranks[1].rank:
        given = case.relative_scale
        factor = spectral_scale(one, two)[0] if given is None else given
        chance = (paired[0].spectrum, paired[1].spectrum.rescale(1 / factor))
        evidence.append(of_spectra(one, two.rescale(1 / factor), chance, "neighbourhoods agree"))
        findings = [*findings, *_metric_disagrees(evidence[-1], decision)]
    findings = [*findings, *diagnosis.unused(bool(case.known))]
    return Judgement(
        decision, confidence, tuple(evidence), tuple(findings), transformation, (one, two), None, trial, more
    )


def _directions(case: Case, manifolds: list[SampledManifold]) -> list[Direction]:
    """The evidence in each direction, between functions known to hold and shuffled rows."""
    y = [manifold.activations for manifold in manifolds]
    d = max(rank.rank for rank in case.ranks)
    own = [function.known_to_hold(values, rank.rank, case.rng) for values, rank in zip(y, case.ranks, strict=True)]
    floor = max(_LEAST_ERROR, *(each.level for each in own))
    falls = _slowest(own)
    floor_spread = max(log_spread(each.errors, case.rng) for each in own)
    shuffled = case.rng.permutation(len(case.pairs))
    found = []
    for a, b, claim in ((0, 1, "first determines second"), (1, 0, "second determines first")):
        seen = function.missed(y[a], y[b], d, case.rng)
        null = rms(function.left_out_errors(y[a], y[b][shuffled], d, function.some(len(shuffled), case.rng)))
        own_spread = log_spread(seen.errors, case.rng)
        level = Evidence(
            f"left-out error, {claim}",
            claim,
            seen.level,
            floor,
            null,
            float(np.hypot(own_spread, floor_spread)),
            "of spread",
            REACH,
        )
        heard = (seen.errors, seen.sparse, *((falls.errors, falls.sparse) if falls else ()))
        fall = Evidence(
            f"fall of the left-out error, {claim}",
            claim,
            seen.fall,
            falls.fall if falls else _FALLS,
            1.0,
            float(np.linalg.norm([log_spread(each, case.rng) for each in heard])),
            "of that with half of the samples",
        )
        # noise moves as far from one sample to the next as what is wound up; but its neurons tell nothing of each other
        sparse = own[b].level < _TELLS and function.step(manifolds[a], manifolds[b]) > _FAR
        found.append(Direction(a, b, level, fall, _contradicted(case, a, b), sparse))
    return found


def _slowest(own: list[Missed]) -> Missed | None:
    """Of functions known to hold the one whose errors fall least; errors next to nothing are those of arithmetic."""
    return max((each for each in own if each.level > _ARITHMETIC), key=lambda each: each.fall, default=None)


_THERE, _BACK = Decision.FIRST_DETERMINES_SECOND, Decision.SECOND_DETERMINES_FIRST
_ONE_WAY_OR_BOTH = (Decision.EQUIVALENT, _THERE, _BACK)


def _four_ways(there: float, back: float) -> tuple[Decision, float]:
    """The decision from the probabilities of each direction, undecided where the likeliest is not likely enough."""
    outcomes = {
        Decision.EQUIVALENT: there * back,
        Decision.FIRST_DETERMINES_SECOND: there * (1 - back),
        Decision.SECOND_DETERMINES_FIRST: (1 - there) * back,
        Decision.INEQUIVALENT: (1 - there) * (1 - back),
    }
    best = max(outcomes, key=lambda decision: outcomes[decision])
    return (best if outcomes[best] >= SURE else Decision.UNDECIDED), float(outcomes[best])


def _contradicted(case: Case, source: int, target: int) -> bool:
    """Whether the source lacks what the target has, however little its error shows it.

    A direction that moves the target little, or a fold of a narrow strip, hardly adds to an error.
    """
    fewer = case.ranks[source].rank < case.ranks[target].rank
    return fewer or (case.folds[source].any and not case.folds[target].any)


def _paired_charts(first: Single, second: Single) -> tuple[Chart, Chart, Array, list[Finding]]:
    """Charts of the samples that both networks saw and both charts keep, in the same order, and which they are."""
    kept = np.arange(len(first.probe))
    one, two = first.chart, second.chart
    findings = [*diagnosis.of_chart(one, "first"), *diagnosis.of_chart(two, "second")]
    for _ in range(5):
        if len(one.rows) == len(two.rows) == len(kept):
            break
        common = np.intersect1d(one.rows, two.rows)
        if len(common) < FEWEST // 2:
            raise InputError("samples: what the two networks keep connected does not overlap; give more samples")
        first, second, kept = first.take(common), second.take(common), kept[common]
        one, two = first.chart, second.chart
    return one, two, kept, findings


def _held_out(one: Chart, two: Chart, rows: Array, forward: bool, case: Case) -> Trial | None:
    """Predict a fifth of the samples from a transformation fitted to the others."""
    n = len(one.rows)
    order = case.rng.permutation(n)
    held, kept = np.sort(order[: int(_TRIAL * n)]), np.sort(order[int(_TRIAL * n) :])
    charts = [chart(each.probe.take(kept), case.method) for each in (one, two)]
    if any(len(each.rows) != len(kept) for each in charts):
        return None
    fitted = Transformation.from_pairs(charts[0], charts[1], forward=forward, backward=not forward)
    source, target = (one, two) if forward else (two, one)
    carry = fitted.forward if forward else fitted.backward
    estimate = carry(source.probe.activations[held])
    true = target.probe.activations[held].astype(np.float64)
    return Trial(rows[held, 0], estimate.value, true, estimate.uncertainty, estimate.inside, forward)


def _left_open(there: Direction, back: Direction) -> Direction:
    """The direction that is least decided."""
    return min((there, back), key=lambda way: abs(way.holds - 0.5))


def _needed(there: Direction, back: Direction, samples: int) -> int | None:
    """How many samples would decide: by then an error that falls is small enough, or the noise floor."""
    way = _left_open(there, back)
    times = way.level.needed
    if way.falling:
        # as it falls from half of the samples to all, so it goes on
        wanted = np.log(way.level.value / way.level.undecided[0])
        times = float(np.exp(max(wanted / max(-np.log2(way.fall.value), 0.1), np.log(1.25))))
    return needed(times, samples)


def _why_not(case: Case, there: Direction, back: Direction, more: int | None) -> list[Finding]:
    names = ("first", "second")
    for way in (there, back):
        if way.holds != 0.5 or not way.contradicted:
            continue
        source, target = names[way.source], names[way.target]
        a, b = (case.ranks[k].rank for k in (way.source, way.target))
        what = f"carries {b} input directions, the {source} {a}" if a < b else "does not fold where that one does"
        return [
            Finding(
                "little lost",
                f"predicting the {target} network from the {source} leaves little error, and yet the {target} {what}: "
                "what is lost hardly moves it",
                "choose the neurons that carry it (Probe.select), so that its loss shows",
                Severity.DECISIVE,
            )
        ]
    for way in (there, back):
        if way.sparse and way.holds == 0.5:
            return [
                Finding(
                    "too few to follow",
                    "from one sample to the next its activations change by more than half of their spread: whether "
                    f"they are a function of the {names[way.source]} network's cannot be told",
                    "twice as many samples for each dimension, or more; or an earlier layer, which turns less",
                    Severity.DECISIVE,
                    names[way.target],
                )
            ]
    if max(there.holds, back.holds) >= 1 - SURE:
        way = _left_open(there, back)
        level, falls = way.level, f", and falls to {way.fall.value:.2g} of it where samples double"
        return [
            Finding(
                "too close to call",
                f"{level.name} is {level.value:.2g}, between its noise floor {level.floor:.2g} and its null "
                f"{level.null:.2g}{falls if way.falling else ''}",
                advice(more, "neurons that respond more strongly"),
                Severity.DECISIVE,
            )
        ]
    return [
        Finding(
            "no function",
            "neighbours in either network's activations are not neighbours in the other's",
            "the two respond to different things; try earlier layers",
            Severity.DECISIVE,
        )
    ]


def _metric_disagrees(figure: Evidence, decision: Decision) -> list[Finding]:
    if decision is not Decision.EQUIVALENT or figure.probability >= 0.1:
        return []
    return [
        Finding(
            "neighbourhoods disagree",
            "each network is a function of the other, but their neighbourhoods are not of the same size or shape",
            "without correspondences these two could not be matched; check that neighbourhoods mean the same",
            Severity.WARNING,
        )
    ]
