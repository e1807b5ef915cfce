"""Is one network a function of the other? Tested directly where correspondences are many."""

from __future__ import annotations

import numpy as np

from sametask._check import InputError
from sametask._outcome import Finding, Severity
from sametask._types import Array
from sametask.charts.chart import Chart, chart
from sametask.charts.diffusion import DiffusionChart
from sametask.matching.match import spectral_scale
from sametask.probes.probe import Probe
from sametask.transformation import Transformation
from sametask.verdict import diagnosis, function
from sametask.verdict.evidence import REACH, Evidence, log_spread, rms
from sametask.verdict.figures import of_spectra
from sametask.verdict.judging import FEWEST, SURE, Case, Judgement
from sametask.verdict.verdict import Decision, Trial

_TRIAL = 0.2
"""Share of the samples that the transformation is tried on."""
_LEAST_ERROR = 3e-3
"""Of no account, even where data without noise would show less."""


def judge(case: Case) -> Judgement:
    """Test in each direction, held out, whether one network's activations are a function of the other's."""
    probes = tuple(probe.take(case.pairs[:, k]) for k, probe in enumerate(case.probes))
    rows = case.pairs
    y = [probe.manifold.activations for probe in probes]
    d = max(case.ranks[0].rank, case.ranks[1].rank)
    own = [function.left_out_errors(values, values, d) for values in y]
    for values, rank in zip(y, case.ranks, strict=True):
        if values.shape[1] <= rank.rank:
            # no more neurons than dimensions: they predict themselves exactly, so bent functions of them are taken
            own.append(function.left_out_errors(values, function.bent(values), rank.rank))
    floor = max(_LEAST_ERROR, *map(rms, own))
    floor_spread = max(log_spread(errors, case.rng) for errors in own)
    shuffled = case.rng.permutation(len(rows))
    evidence, holds, unresolved = [], [], []
    for a, b, claim in ((0, 1, "first determines second"), (1, 0, "second determines first")):
        errors = function.left_out_errors(y[a], y[b], d)
        null = function.left_out_errors(y[a], y[b][shuffled], d)
        spread = float(np.hypot(log_spread(errors, case.rng), floor_spread))
        name = f"left-out error, {claim}"
        evidence.append(Evidence(name, claim, rms(errors), floor, rms(null), spread, "of spread", REACH))
        holds.append(min(evidence[-1].probability, 0.5 if _contradicted(case, a, b) else 1.0))
        if evidence[-1].probability < 0.5 and function.still_falls(y[a], y[b], d, case.rng):
            holds[-1] = 0.5
            unresolved.append((a, b))
    there, back = holds
    decision, confidence = _four_ways(there, back)
    one, two, kept, findings = _paired_charts(probes[0], probes[1], case.method)
    transformation, trial = None, None
    if decision in _ONE_WAY_OR_BOTH:
        forward, backward = decision is not _BACK, decision is not _THERE
        transformation = Transformation.from_pairs(one, two, forward=forward, backward=backward)
        trial = _held_out(one, two, rows[kept], forward, case)
    else:
        findings = [*findings, *(_unresolved(unresolved) or _why_not(case, there, back))]
    if case.ranks[0].rank == case.ranks[1].rank:
        given = case.relative_scale
        factor = spectral_scale(one, two)[0] if given is None else given
        scaled = (probes[0], probes[1].rescale(1 / factor))
        evidence.append(of_spectra(one, two.rescale(1 / factor), scaled, case, "neighbourhoods agree"))
        findings = [*findings, *_metric_disagrees(evidence[-1], decision)]
    findings = [*findings, *diagnosis.unused(bool(case.known))]
    return Judgement(decision, confidence, tuple(evidence), tuple(findings), transformation, (one, two), None, trial)


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


def _paired_charts(first: Probe, second: Probe, method: DiffusionChart) -> tuple[Chart, Chart, Array, list[Finding]]:
    """Charts of the samples that both networks saw and both charts keep, in the same order, and which they are."""
    kept = np.arange(len(first))
    one, two = chart(first, method), chart(second, method)
    findings = [*diagnosis.of_chart(one, "first"), *diagnosis.of_chart(two, "second")]
    for _ in range(5):
        if len(one.rows) == len(first) and len(two.rows) == len(second):
            break
        common = np.intersect1d(one.rows, two.rows)
        if len(common) < FEWEST // 2:
            raise InputError("samples: what the two networks keep connected does not overlap; give more samples")
        first, second, kept = first.take(common), second.take(common), kept[common]
        one, two = chart(first, method), chart(second, method)
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


def _unresolved(directions: list[tuple[int, int]]) -> list[Finding]:
    names = ("first", "second")
    return [
        Finding(
            "too few to follow",
            f"the error of predicting the {names[target]} network from the {names[source]} still falls with the number "
            f"of samples: parts of the {names[source]}'s activations come nearer to each other than samples are",
            "several times as many samples: if the error stays then, something is lost",
            Severity.DECISIVE,
            names[source],
        )
        for source, target in directions
    ]


def _why_not(case: Case, there: float, back: float) -> list[Finding]:
    for source, target, holds in ((0, 1, there), (1, 0, back)):
        if holds != 0.5 or not _contradicted(case, source, target):
            continue
        names = ("first", "second")
        a, b = (case.ranks[k].rank for k in (source, target))
        what = (
            f"carries {b} input directions, the {names[source]} {a}" if a < b else "does not fold where that one does"
        )
        return [
            Finding(
                "little lost",
                f"predicting the {names[target]} network from the {names[source]} leaves little error, and yet the "
                f"{names[target]} {what}: what is lost hardly moves it",
                "choose the neurons that carry it (Probe.select), so that its loss shows",
                Severity.DECISIVE,
            )
        ]
    if max(there, back) >= 0.1:
        return [
            Finding(
                "too close to call",
                "the errors lie between the noise floor and the null",
                "more samples, or neurons that respond more strongly",
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
