"""From evidence to a decision: by function where correspondences are many, by isometry where they are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sametask._check import InputError
from sametask._outcome import Finding, Severity
from sametask._types import Array, Int
from sametask.charts.chart import Chart, chart
from sametask.charts.diffusion import DiffusionChart
from sametask.matching import isometric, landmarks
from sametask.matching.known import Known
from sametask.matching.match import COMPARED, Match, match, spectral_scale
from sametask.probes.probe import Probe
from sametask.probes.rank import LocalRank
from sametask.transformation import Transformation
from sametask.verdict import diagnosis, floors, function
from sametask.verdict.evidence import Evidence, log_spread
from sametask.verdict.floors import IsometryFigures, OwnFigures, OwnSpectrum
from sametask.verdict.folds import Folds
from sametask.verdict.verdict import Decision, Trial

FEWEST = 64
"""A noise floor needs two halves, and a chart of each needs some thirty samples; with fewer nothing is decided."""
PAIRED = 64
"""Correspondences from which a function is tested directly."""
_SURE = 0.9
_TRIAL = 0.2
_SPARE = 15
_REACH = 4.0
"""Errors beyond this multiple of what a network shows of itself are not noise."""
_LEAST_ERROR = 3e-3
_LEAST_STRAIN = 0.05
_LEAST_APART = 0.05
_LEAST_SPECTRUM = 0.02
"""Of no account, even where data without noise would show less."""
_UNRELATED = 0.6
"""Relative difference of distances among samples and among unrelated ones: 0.5 to 0.9 on the worlds of the tests."""
_UNLIKE_STRAIN = 0.4
"""Strain of matches of manifolds that are not isometric, after refinement: 0.1 to 0.4; unrelated steps leave 1."""
_TORN = 0.2
"""Where halves show more, strain tells nothing, unless they do at most places: then all are heard, and seldom tell."""
_STRAIN_REACH = 2.5
_BEYOND_REACH = 2.0
_REACH_IN_PLACE = 1.5
"""Spectra at the same places of right matches differ by less than those of halves."""
_LIKELY = 0.5
_MOSTLY_CUT = 0.5
"""A manifold with more of its edge inside another one is not a part that somebody left when they cut the rest off."""
SMALLEST_OVERLAP = 1 / 3
"""Of either manifold. A cap of so much of a sphere, laid flat, is strained by about as much as is put up with."""
_USUAL_STRAIN = 1.5
"""Right matches strain up to 1.5 times as much as halves of one network; see docs/design.md."""


@dataclass(frozen=True)
class Case:
    """What is to be judged: two probes, their correspondences, and what each shows by itself."""

    probes: tuple[Probe, Probe]
    pairs: Int[Array, "k 2"]
    ranks: tuple[LocalRank, LocalRank]
    folds: tuple[Folds, Folds]
    method: DiffusionChart
    rng: np.random.Generator
    anchor_noise: float | None = None
    relative_scale: float | None = 1.0
    known: tuple[Known, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """A decision with its reasons."""

    decision: Decision
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    transformation: Transformation | None = None
    charts: tuple[Chart, Chart] | None = None
    match: Match | None = None
    trial: Trial | None = None


def too_few(case: Case) -> Judgement:
    """The answer to small samples."""
    n = min(len(probe) for probe in case.probes)
    finding = Finding(
        "few samples",
        f"{n} samples are too few to know the noise of any figure: halves of them carry no chart",
        f"at least {FEWEST} samples, some hundreds for each dimension to be sure",
        Severity.DECISIVE,
    )
    return Judgement(Decision.UNDECIDED, 0.5, findings=(finding,))


# -- by function -----------------------------------------------------------------------------------------------------


def by_function(case: Case) -> Judgement:
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
    floor = max(_LEAST_ERROR, *map(_rms, own))
    floor_spread = max(log_spread(errors, case.rng) for errors in own)
    shuffled = case.rng.permutation(len(rows))
    evidence, holds = [], []
    for a, b, claim in ((0, 1, "first determines second"), (1, 0, "second determines first")):
        errors = function.left_out_errors(y[a], y[b], d)
        null = function.left_out_errors(y[a], y[b][shuffled], d)
        spread = float(np.hypot(log_spread(errors, case.rng), floor_spread))
        name = f"left-out error, {claim}"
        evidence.append(Evidence(name, claim, _rms(errors), floor, _rms(null), spread, "of spread", _REACH))
        holds.append(min(evidence[-1].probability, 0.5 if _contradicted(case, a, b) else 1.0))
    there, back = holds
    decision, confidence = _four_ways(there, back)
    one, two, kept, findings = _paired_charts(probes[0], probes[1], case.method)
    transformation, trial = None, None
    if decision in _ONE_WAY_OR_BOTH:
        forward, backward = decision is not _BACK, decision is not _THERE
        transformation = Transformation.from_pairs(one, two, forward=forward, backward=backward)
        trial = _held_out(one, two, rows[kept], forward, case)
    else:
        findings = [*findings, *_why_not(case, there, back)]
    if case.ranks[0].rank == case.ranks[1].rank:
        given = case.relative_scale
        factor = spectral_scale(one, two)[0] if given is None else given
        scaled = (probes[0], probes[1].rescale(1 / factor))
        evidence.append(_spectral_evidence(one, two.rescale(1 / factor), scaled, case, "neighbourhoods agree"))
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
    return (best if outcomes[best] >= _SURE else Decision.UNDECIDED), float(outcomes[best])


def _contradicted(case: Case, source: int, target: int) -> bool:
    """Whether the source lacks what the target has, however little its error shows it.

    A direction that moves the target little, or a fold of a narrow strip, hardly adds to an error.
    """
    fewer = case.ranks[source].rank < case.ranks[target].rank
    return fewer or (case.folds[source].any and not case.folds[target].any)


def _rms(errors: Array) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


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


# -- by isometry -----------------------------------------------------------------------------------------------------


def by_isometry(case: Case) -> Judgement:
    """Match the two by geometry, and compare what is left with what halves of each network leave."""
    first, second = case.probes
    charts = (chart(first, case.method), chart(second, case.method))
    findings = [*diagnosis.of_chart(charts[0], "first"), *diagnosis.of_chart(charts[1], "second")]
    unlike = _unlike(case)
    if unlike:
        return Judgement(Decision.UNDECIDED, 0.5, (), (*findings, unlike), None, charts)
    own = _own(case, case.probes, charts)
    pairs, held = _spare(case)
    matched = match(
        *charts,
        anchors=pairs if len(pairs) else None,
        anchor_noise=case.anchor_noise,
        relative_scale=case.relative_scale,
        observables=case.known,
        seed=int(case.rng.integers(2**31)),
    )
    if matched.relative_scale != 1:
        # told in the units of the first from here on
        charts = (matched.first, matched.second)
        own = (own[0], own[1].rescale(1 / matched.relative_scale))
    findings += [*diagnosis.of_match(matched), *diagnosis.of_observables(matched)]
    transformation = Transformation.from_match(matched)
    trial = _spare_anchors(transformation, first, second, held) if len(held) else None
    whole = _Compared(charts, own, floors.isometry_figures(matched, own), matched.anchor_distances)
    spectrum, shape, anchored = _evidence(whole, matched, trial, case)
    part, perhaps = _of_overlap(case, matched), False
    if part:
        in_part = _evidence(part, matched, trial, case)
        # a match that tears, or that anchors contradict, says nothing of what lies outside
        if min(figure.probability for figure in (*in_part[1], *in_part[2])) >= _LIKELY:
            perhaps = matched.pinned is False
            if not perhaps:
                whole, (spectrum, shape, anchored) = part, in_part
                findings += diagnosis.partial_overlap(matched)
    unsure = len(matched.left_out) or any(map(diagnosis.nearly_folds, case.probes))
    if _only_spectra_fail(spectrum, shape, anchored) and not unsure:
        spectrum = _spectrum_in_place(matched, case)
    if len(matched.anchors):
        findings += diagnosis.of_anchors(anchored[: len(anchored) - bool(trial)])
    observed = _observed(matched)
    evidence = (spectrum, *shape, *anchored, *observed)
    folded = _folded(case)
    if folded:
        findings.append(folded)
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    decision, confidence = _isometric(spectrum, shape, anchored, observed)
    if decision is Decision.EQUIVALENT and diagnosis.in_another_unit(matched):
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    if whole is part and max(matched.overlap.share) < SMALLEST_OVERLAP:
        findings.append(_small_overlap(matched))
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    if perhaps and matched.candidates[0].cut < _MOSTLY_CUT:
        findings.append(diagnosis.perhaps_a_part(matched))
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    if decision is Decision.EQUIVALENT:
        findings += diagnosis.ambiguity(matched)
    elif _only_observables_disagree(matched, spectrum, shape, anchored, observed):
        transformation = None
    elif _blurred(case, spectrum, shape, anchored):
        findings.append(_BLURRED)
    else:
        transformation = None
        findings.append(
            _not_isometric(
                spectrum, (spectrum, *shape), whole.figures, scaled=any(f.name == "scale mismatch" for f in findings)
            )
            if decision is Decision.INEQUIVALENT
            else _cannot_tell(evidence)
        )
    return Judgement(decision, confidence, evidence, tuple(findings), transformation, charts, matched, trial)


@dataclass(frozen=True)
class _Compared:
    """What is compared: two charts, what each shows of itself, the figures between them, and how far anchors are apart
    on either."""

    charts: tuple[Chart, Chart]
    own: tuple[OwnFigures, OwnFigures]
    figures: IsometryFigures
    among: Array


def _own(case: Case, probes: tuple[Probe, Probe], charts: tuple[Chart, Chart]) -> tuple[OwnFigures, OwnFigures]:
    one, two = (floors.own_figures(probe, of, case.method, case.rng) for probe, of in zip(probes, charts, strict=True))
    return one, two


def _evidence(
    of: _Compared, matched: Match, trial: Trial | None, case: Case
) -> tuple[Evidence, list[Evidence], list[Evidence]]:
    """Of the spectra, of the shape, and of anchors."""
    spectrum = _spectrum(*of.charts, [each.spectrum for each in of.own], of.figures.spectrum, "isometric")
    shape = _shape_evidence(of, case.rng)
    # a part of the one that fits some part of the other is easily found, and noisy anchors do not hold it
    loose = case.anchor_noise is None and matched.anchor_noise > 0 and of.charts[0] is not matched.first
    reach = 1.0 if loose else _REACH
    anchored = _anchor_evidence(matched, of, case.anchor_noise or 0.0, reach) if len(matched.anchors) else []
    if trial:
        anchored.append(_trial_evidence(trial, case.rng))
    return spectrum, shape, anchored


def _of_overlap(case: Case, matched: Match) -> _Compared | None:
    """The overlap alone, where either network was also probed on something else and enough anchors hold the match, or
    one was taken for a part of the other; None otherwise.

    Without anchors an overlap could be had by choice: some part of one rectangle fits some part of any other.
    """
    common = matched.overlap
    if not common.partial or (matched.pinned is None and len(matched.anchors) <= matched.first.dimension):
        return None
    if not all(inside[rows].all() for inside, rows in zip(common.inside, matched.left_out.T, strict=True)):
        return None  # both saw them, wherever the match puts them
    whole = (matched.first, matched.second)
    kept = [np.flatnonzero(inside) for inside in common.inside]
    if min(map(len, kept)) < FEWEST:
        return None
    probes = [probe.take(of.rows[rows]) for probe, of, rows in zip(case.probes, whole, kept, strict=True)]
    if matched.relative_scale != 1:
        probes[1] = probes[1].rescale(1 / matched.relative_scale)
    charts = chart(probes[0], case.method), chart(probes[1], case.method)
    own = _own(case, (probes[0], probes[1]), charts)
    places = np.full((len(matched.anchors), 2), -1)
    for k in (0, 1):
        among = np.full(len(whole[k].rows), -1)
        among[kept[k]] = charts[k].position
        places[:, k] = among[matched.anchors[:, k]]
    places = places[(places >= 0).all(axis=1)]
    apart = [
        landmarks.distances(isometric.chart_edges(of), len(of.rows), rows)[rows]
        for of, rows in zip(charts, places.T, strict=True)
    ]
    return _Compared(charts, own, floors.isometry_figures(matched, own, charts), np.stack(apart))


def _only_spectra_fail(spectrum: Evidence, shape: list[Evidence], anchored: list[Evidence]) -> bool:
    """Whether spectra cannot tell, as where samples are spread too unevenly, and anchors and shape agree."""
    agree = min((figure.probability for figure in (*shape, *anchored)), default=0.0) >= _SURE
    return bool(anchored) and agree and not spectrum.separable


def _spectrum_in_place(matched: Match, case: Case) -> Evidence:
    """The difference of spectra where both networks are seen at the same places: the samples of one of them, and where
    the match puts these on the other's manifold.

    How samples are spread is then the same in both, and so is what chance does to their spectra.
    """
    values, floor, nulls = [], [], []
    charts = (matched.first, matched.second)
    for here, at, inside in (
        (0, matched.forward, matched.overlap.inside[0]),
        (1, matched.backward, matched.overlap.inside[1]),
    ):
        rows = np.flatnonzero(inside)
        one, two = floors.spectra_in_place(charts[here], rows, charts[1 - here], at.sample[rows], at.offset[rows])
        values.append(_rms(one - two))
        floor.append(floors.own_spectra_in_place(charts[here].probe.take(rows), case.method, case.rng))
        nulls.append(_rms(np.diff(one)))
    worst = int(np.argmax(values))
    return Evidence(
        "difference of spectra at the same places",
        "isometric",
        values[worst],
        max(*floor, _LEAST_SPECTRUM),
        nulls[worst],
        float(np.sqrt(3 / (4 * COMPARED))),
        "of ln λ",
        _REACH_IN_PLACE,
    )


def _small_overlap(matched: Match) -> Finding:
    one, two = matched.overlap.share
    return Finding(
        "small overlap",
        f"what both were probed on is {one:.0%} of the first's and {two:.0%} of the second's: on so small a part "
        "manifolds of other shape agree as well",
        "probe both on more of the same range of inputs",
        Severity.DECISIVE,
    )


def _isometric(
    spectrum: Evidence, shape: list[Evidence], anchored: list[Evidence], observed: Sequence[Evidence] = ()
) -> tuple[Decision, float]:
    """Equivalent where everything speaks for it; inequivalent where the manifolds themselves differ.

    A match that tears while the spectra agree, or cannot be measured, may be a match that was not found, and so may one
    that tears while anchors surely agree; where anchors contradict one another they may be what tears it. None of these
    shows that the networks differ. Nor does an observable that disagrees: the two may tell different quantities by that
    name.
    """
    probability = min(figure.probability for figure in (spectrum, *shape, *anchored, *observed))
    if probability >= _SURE:
        return Decision.EQUIVALENT, probability
    against = spectrum.probability
    doubtful = not anchored or 1 - _SURE < min(figure.probability for figure in anchored) < _SURE
    if spectrum.separable and against < _SURE and doubtful:
        against = min(against, *(figure.probability for figure in shape))
    if against <= 1 - _SURE:
        return Decision.INEQUIVALENT, 1 - against
    # nothing is likely enough to be said, however sure single figures are
    return Decision.UNDECIDED, float(np.clip(max(probability, 1 - against), 0.5, _SURE))


def _blurred(case: Case, spectrum: Evidence, shape: list[Evidence], anchored: list[Evidence]) -> bool:
    """Whether spectra alone leave the answer open, disturbed by a region that nearly folds and hangs by a thread.

    Then anchors agree, and the match strains no more than right ones do.
    """
    if spectrum.separable or not anchored or not any(diagnosis.nearly_folds(probe) for probe in case.probes):
        return False
    usual = shape[0].value <= _USUAL_STRAIN * shape[0].floor
    return usual and min(figure.probability for figure in (*shape, *anchored)) >= _SURE


_BLURRED = Finding(
    "blurred spectra",
    "a region that nearly folds disturbs the spectra, which leaves open whether the manifolds have the same shape; "
    "everything else agrees, and the transformation is given: it holds where it says inside",
    "more samples, or more neurons where activations nearly fold",
    Severity.DECISIVE,
)


def _spare(case: Case) -> tuple[Array, Array]:
    """Correspondences to match by, and, where there are enough, some to try the transformation on."""
    k = len(case.pairs)
    if k < _SPARE:
        return case.pairs, case.pairs[:0]
    order = case.rng.permutation(k)
    return case.pairs[np.sort(order[: 2 * k // 3])], case.pairs[np.sort(order[2 * k // 3 :])]


def _unlike(case: Case) -> Finding | None:
    a, b = (rank.rank for rank in case.ranks)
    if a == b:
        return None
    more, fewer = ("first", "second") if a > b else ("second", "first")
    return Finding(
        "dimensions differ",
        f"the {more} network carries {max(a, b)} input directions, the {fewer} {min(a, b)}: they are not equivalent. "
        f"Whether the {more} determines the {fewer} cannot be tested without correspondences",
        f"probe both at the same {PAIRED} inputs or more, with ids",
        Severity.DECISIVE,
    )


def _folded(case: Case) -> Finding | None:
    which = [name for name, folds in zip(("first", "second"), case.folds, strict=True) if folds.any]
    if not which:
        return None
    who = f"the {which[0]} network folds" if len(which) == 1 else "both networks fold"
    return Finding(
        "folded",
        f"{who}, and a folded manifold cannot be matched by its geometry",
        f"more neurons; or probe both networks at the same {PAIRED} inputs or more, with ids",
        Severity.DECISIVE,
    )


def _shape_evidence(of: _Compared, rng: np.random.Generator) -> list[Evidence]:
    figures, own = of.figures, of.own
    telling = figures.usual < _TORN
    if telling.mean() < 0.5:
        telling[:] = True
    strain = figures.strain[telling]
    strain_floor = max(_LEAST_STRAIN, floors.torn(figures.usual[telling]))
    beyond_floor = max(_LEAST_STRAIN, *(each.beyond for each in own))
    more = floors.excess(figures.strain, figures.usual)
    number = len(of.charts[0].rows)
    uncovered_floor = max(*(each.uncovered for each in own), 1 / number)
    return [
        Evidence(
            "strain of the match",
            "isometric",
            floors.torn(strain),
            strain_floor,
            _UNLIKE_STRAIN,
            log_spread(np.minimum(strain, 1), rng),
            "of edge length",
            _STRAIN_REACH,
        ),
        Evidence(
            "strain beyond that of halves",
            "isometric",
            _rms(more),
            beyond_floor,
            1.0,
            log_spread(np.hypot(more, beyond_floor), rng),
            "of edge length",
            _BEYOND_REACH,
        ),
        Evidence(
            "samples outside the other's support",
            "isometric",
            max(figures.uncovered, uncovered_floor / 2),
            uncovered_floor,
            1.0,
            float(1 / np.sqrt(max(figures.uncovered * number, 4))),
            "of samples",
        ),
    ]


def _anchor_evidence(matched: Match, of: _Compared, noise: float, reach: float) -> list[Evidence]:
    """How far anchors are from where the others and the geometry put them; and how unlike their distances are."""
    d, residual = matched.first.dimension, matched.forward.anchor_residual
    spread = float(1 / np.sqrt(2 * len(residual) * d))
    found = []
    if len(residual) > d + 1:
        # about how far unrelated samples are apart in a direction: l/√6 on an interval of length l, where λ₁ is π²/l²
        extent = 1 / float(np.sqrt(matched.second.eigenvalues[0]))
        found.append(
            Evidence(
                "distance of anchors from their places",
                "isometric",
                _rms(residual) / np.sqrt(d) / extent,
                float(np.hypot(matched.second.graph.spacing(), noise)) / extent,
                1.0,
                spread,
                "of unrelated samples'",
                reach,
            )
        )
    if of.among.shape[1] > 1:
        there, here = of.among
        floor = max(_LEAST_APART, *(figures.distances for figures in of.own))
        noise = float(np.sqrt(2) * np.hypot(noise, matched.second.graph.spacing()) / _rms(there))
        unlike = landmarks.unlike(there, here)
        figure = Evidence(
            "distances among anchors",
            "isometric",
            unlike,
            float(np.hypot(floor, noise)),
            _UNRELATED,
            spread,
            "of distance",
            _REACH,
        )
        # of few anchors, close together, or where a graph has shortcuts, nothing is known
        found += [figure] if figure.separable else []
    return found


def _observed(matched: Match) -> list[Evidence]:
    """How far what is known on both sides differs at corresponding places; nothing where it tells too little."""
    told = matched.agreement
    if told is None or not told.telling:
        return []
    value, floor, null = told.figures
    # that of the misfit, twice that of its root: on few rows regions show less than it scatters
    spread = told.deviation / max(told.misfit, floor**2)
    figure = Evidence("observable at images", "isometric", value, floor, null, spread, "of unrelated places'")
    return [figure] if figure.separable else []


def _only_observables_disagree(
    matched: Match, spectrum: Evidence, shape: list[Evidence], anchored: list[Evidence], observed: list[Evidence]
) -> bool:
    """Whether geometry alone would call the two equivalent, and what is known on both sides contradicts."""
    if not observed or matched.agreement is None or matched.agreement.agrees:
        return False
    return _isometric(spectrum, shape, anchored)[0] is Decision.EQUIVALENT


def _spectral_evidence(one: Chart, two: Chart, probes: tuple[Probe, ...], case: Case, claim: str) -> Evidence:
    own = [floors.own_spectrum(probe, case.method, case.rng) for probe in probes]
    e = min(COMPARED, len(one.eigenvalues), len(two.eigenvalues))
    return _spectrum(one, two, own, floors.log_eigenvalues(one)[:e] - floors.log_eigenvalues(two)[:e], claim)


def _spectrum(one: Chart, two: Chart, own: list[OwnSpectrum], difference: Array, claim: str) -> Evidence:
    floor = _spectral_floor(one, two, own)
    # a root mean square of e noisy differences is itself known to one part in √(2e)
    spread = float(np.sqrt(1 / (2 * len(difference)) + 1 / (4 * len(difference))))
    null = floors.unrelated_spectrum(one, two)
    return Evidence("difference of spectra", claim, _rms(difference), float(max(floor, 1e-3)), null, spread, "of ln λ")


def _spectral_floor(one: Chart, two: Chart, own: list[OwnSpectrum]) -> float:
    """Noise of a difference of ln λ, from resampling each; and its bias, from how unlike thinning moves the two.

    What thinning the sample does to both networks alike cancels in the difference.
    """
    e = min(len(one.eigenvalues), len(two.eigenvalues), *(len(each.levels) for each in own))
    moved = [each.levels[:e] - floors.log_eigenvalues(whole)[:e] for whole, each in zip((one, two), own, strict=True)]
    noise = max(_rms(each.noise) for each in own)
    return float(np.hypot(noise, _rms(moved[0] - moved[1])))


def _spare_anchors(transformation: Transformation, first: Probe, second: Probe, held: Array) -> Trial:
    estimate = transformation.forward(first.activations[held[:, 0]])
    true = second.activations[held[:, 1]].astype(np.float64)
    return Trial(held[:, 0], estimate.value, true, estimate.uncertainty, estimate.inside)


def _trial_evidence(trial: Trial, rng: np.random.Generator) -> Evidence:
    errors = np.linalg.norm(trial.predicted - trial.true, axis=1)
    spread = np.sqrt(np.mean(np.square(trial.true - trial.true.mean(axis=0)).sum(axis=1)))
    deranged = np.linalg.norm(trial.predicted - np.roll(trial.true, 1, axis=0), axis=1)
    return Evidence(
        "error at spare anchors",
        "isometric",
        _rms(errors) / spread,
        max(_rms(trial.uncertainty) / spread, 1e-3),
        _rms(deranged) / spread,
        log_spread(errors, rng),
        "of spread",
    )


def _not_isometric(
    spectrum: Evidence, evidence: tuple[Evidence, ...], figures: IsometryFigures, *, scaled: bool
) -> Finding:
    # in other units all lengths differ, and what else is said of the match is hollow
    worst = spectrum if scaled else min(evidence, key=lambda figure: figure.probability)
    if worst.name.startswith("samples outside"):
        return Finding(
            "not covered",
            f"{figures.uncovered:.0%} of one network's samples lie outside what the other was probed on",
            "probe both on the same range of inputs; or give more anchors than dimensions: then what both were probed "
            "on is judged by itself",
            Severity.DECISIVE,
        )
    return Finding(
        "not isometric",
        f"no map carries the neighbourhoods of one onto those of the other: {worst.name} is {worst.value:.2g}, where "
        f"one network against itself shows {worst.floor:.2g}",
        "if both saw the same manifold of inputs, check that neighbourhoods mean the same; with the same inputs and "
        "ids a map that is no isometry would be found too",
        Severity.DECISIVE,
    )


def _cannot_tell(evidence: tuple[Evidence, ...]) -> Finding:
    worst = min(evidence, key=lambda figure: figure.probability)
    where = f"between its noise floor {worst.floor:.2g} and its null {worst.null:.2g}"
    if not worst.separable:
        where = f"but noise floor {worst.floor:.2g} and null {worst.null:.2g} are too close to tell one from the other"
    return Finding(
        "too close to call",
        f"{worst.name} is {worst.value:.2g}, {where}",
        "more samples lower the noise floor",
        Severity.DECISIVE,
    )
