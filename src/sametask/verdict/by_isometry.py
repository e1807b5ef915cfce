"""Are the two isometric? Judged by a match of their geometry, where correspondences are few."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sametask._outcome import Finding, Severity
from sametask._types import Array
from sametask.matching import gaps, isometric, landmarks
from sametask.matching.match import Match, match
from sametask.matching.search import Part
from sametask.matching.unanchored import part_of
from sametask.transformation import Transformation
from sametask.verdict import diagnosis, figures, floors
from sametask.verdict.evidence import SURE, Evidence
from sametask.verdict.floors import IsometryFigures
from sametask.verdict.judging import PAIRED, Case, Judgement, advice, needed
from sametask.verdict.verdict import Decision

_UNLIKE_NOISE = 0.95
"""Confidence that what looks like noise is none that a network of more samples would resolve."""
_SPARE = 15
"""Anchors from which some are kept back to try the transformation on."""
_LIKELY = 0.5
_MOSTLY_CUT = 0.5
"""Who cuts a flat manifold in two leaves a part with no more of its edge inside the whole than this."""
SMALLEST_OVERLAP = 1 / 3
"""Of either manifold. A cap of so much of a sphere, laid flat, is strained by about as much as is put up with."""
_GAP = 3.0
"""Gaps of so many times what chance leaves are left out on purpose."""
_USUAL_STRAIN = 1.5
"""Right matches strain up to 1.5 times as much as halves of one network; see docs/design.md."""


def judge(case: Case) -> Judgement:
    """Match the two by geometry, and compare what is left with what halves of each network leave."""
    if case.singles[0].noise or case.singles[1].noise:
        return _noise(case)
    first, second = case.probes
    charts = (case.singles[0].chart, case.singles[1].chart)
    findings = [*diagnosis.of_chart(charts[0], "first"), *diagnosis.of_chart(charts[1], "second")]
    unlike = _unlike(case)
    if unlike:
        return Judgement(Decision.UNDECIDED, 0.5, (), (*findings, unlike), None, charts)
    own = (case.singles[0].own, case.singles[1].own)
    told = without_match(case) if case.brief or not len(case.pairs) else None
    if told:
        return dataclasses.replace(told, findings=(*findings, *told.findings))
    pairs, held = _spare(case)
    matched = match(
        *charts,
        anchors=pairs if len(pairs) else None,
        anchor_noise=case.anchor_noise,
        relative_scale=case.relative_scale,
        observables=case.known,
        seed=int(case.rng.integers(2**31)),
        start=case.start,
    )
    if matched.relative_scale != 1:
        # told in the units of the first from here on
        charts = (matched.first, matched.second)
        own = (own[0], own[1].rescale(1 / matched.relative_scale))
    findings += [*diagnosis.of_match(matched), *diagnosis.of_observables(matched)]
    transformation = Transformation.from_match(matched)
    trial = figures.trial_at(transformation, first, second, held) if len(held) else None
    whole = figures.Compared(charts, own, floors.isometry_figures(matched, own), matched.anchor_distances)
    spectrum, shape, anchored = figures.of_match(whole, matched, trial, case)
    part, perhaps = figures.of_overlap(case, matched), False
    if part:
        in_part = figures.of_match(part, matched, trial, case)
        # a match that tears, or that anchors contradict, says nothing of what lies outside
        if min(figure.probability for figure in (*in_part[1], *in_part[2])) >= _LIKELY:
            perhaps = matched.part is not None and not matched.part.pinned
            if not perhaps:
                whole, (spectrum, shape, anchored) = part, in_part
                findings += diagnosis.partial_overlap(matched)
    unsure = len(matched.left_out) or any(map(diagnosis.nearly_folds, case.probes))
    # where neither anchors nor curvature hold a match, spectra alone tell one outline from another
    outlined = (
        not _held(matched) and matched.first.dimension > 1 and any(len(each.supported.rim) for each in case.singles)
    )
    if _only_spectra_fail(spectrum, shape, anchored) and not unsure and not outlined:
        spectrum = figures.of_spectra_in_place(matched, case)
    if len(matched.anchors):
        findings += diagnosis.of_anchors(anchored[: len(anchored) - bool(trial)])
    observed = figures.of_observables(matched)
    evidence = (spectrum, *shape, *anchored, *observed)
    folded = _folded(case)
    if folded:
        findings.append(folded)
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    decision, confidence = decided(spectrum, shape, anchored, observed)
    if decision is Decision.EQUIVALENT and _cut_open(case, matched):
        findings.append(_CUT_OPEN)
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    if decision is Decision.EQUIVALENT and diagnosis.in_another_unit(matched):
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    small = whole is part and max(matched.overlap.share) < SMALLEST_OVERLAP
    # a part of the one that fits some part of the other is easily found, and noisy anchors do not hold it
    loose = whole is part and case.anchor_noise is None and matched.anchor_noise > 0
    if small or (loose and decision is Decision.EQUIVALENT):
        findings.append(_small_overlap(matched) if small else _LOOSE)
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    if perhaps and matched.part is not None and _left_whole(matched.part, matched.first.dimension):
        findings += [diagnosis.perhaps_a_part(matched, matched.part), *diagnosis.ambiguity(matched)]
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    if decision is Decision.EQUIVALENT and matched.overlap.partial and whole is not part and not _held(matched):
        # of manifolds that only geometry brought together nothing is excused by where each was probed
        findings.append(_not_covered(1 - min(matched.overlap.share)))
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    if decision is Decision.EQUIVALENT:
        findings += diagnosis.ambiguity(matched)
    elif _only_observables_disagree(matched, spectrum, shape, anchored, observed):
        transformation = None
    elif _blurred(case, spectrum, shape, anchored):
        findings.append(_BLURRED)
    elif decision is Decision.INEQUIVALENT:
        transformation = None
        hollow = any(finding.name == "scale mismatch" for finding in findings)
        findings.append(_not_isometric(spectrum, (spectrum, *shape), whole.figures, scaled=hollow))
    elif alone := _without_anchors(case, anchored):
        transformation, decision, confidence = None, alone.decision, alone.confidence
        findings += [finding for finding in alone.findings if finding.name in _SHAPE]
    else:
        transformation = None
        worst = min(evidence, key=lambda figure: figure.probability)
        more = needed(worst.needed, min(map(len, case.probes))) if worst.needed > 1 else None
        findings.append(_cannot_tell(worst, more))
        return Judgement(decision, confidence, evidence, tuple(findings), None, charts, matched, trial, more)
    return Judgement(decision, confidence, evidence, tuple(findings), transformation, charts, matched, trial)


_SHAPE = ("not isometric", "not covered", "scale mismatch")


def _without_anchors(case: Case, anchored: list[Evidence]) -> Judgement | None:
    """The answer of geometry alone where anchors contradict one another, if it is that the manifolds differ.

    Anchors that are wrong tear any match. Where none can be had without them either, it is not for the anchors.
    """
    if case.brief or not anchored or min(figure.probability for figure in anchored) > 1 - SURE:
        return None
    alone = judge(dataclasses.replace(case, pairs=case.pairs[:0]))
    return alone if alone.decision is Decision.INEQUIVALENT else None


def _noise(case: Case) -> Judgement:
    """What follows the input is no function of noise, nor the other way round; of two that do not, nothing is known."""
    if case.singles[0].noise and case.singles[1].noise:
        return Judgement(Decision.UNDECIDED, 0.5)
    return Judgement(Decision.INEQUIVALENT, _UNLIKE_NOISE)


def without_match(case: Case) -> Judgement | None:
    """The answer where no match can change it: folded manifolds have none, and spectra alone can say that manifolds
    differ; but not where one may be a part of the other, nor where anchors may hold an overlap: where most of these
    could agree by their distances, along either network's edges."""
    charts = (case.singles[0].chart, case.singles[1].chart)
    folded = _folded(case)
    if folded:
        return Judgement(Decision.UNDECIDED, 0.5, (), (folded,), None, charts)
    if case.relative_scale != 1 or case.start is not None or case.anchor_noise is not None:
        return None
    if len(case.pairs) <= charts[0].dimension:
        if part_of((case.singles[0].supported, case.singles[1].supported)) is not None:
            return None
    elif figures.anchors_may_agree(charts, case):
        return None
    spectrum = figures.of_spectra(*charts, (case.singles[0].own.spectrum, case.singles[1].own.spectrum), "isometric")
    if not spectrum.separable or spectrum.probability > 1 - SURE:
        return None
    why = (_unlike_figure(spectrum), *diagnosis.scale_of(*charts))
    return Judgement(Decision.INEQUIVALENT, 1 - spectrum.probability, (spectrum,), why, None, charts)


def _only_spectra_fail(spectrum: Evidence, shape: list[Evidence], anchored: list[Evidence]) -> bool:
    """Whether spectra cannot tell, as where samples are few or spread too unevenly, and all else agrees."""
    agree = min(figure.probability for figure in (*shape, *anchored)) >= SURE
    return agree and not spectrum.separable


def _small_overlap(matched: Match) -> Finding:
    one, two = matched.overlap.share
    return Finding(
        "small overlap",
        f"what both were probed on is {one:.0%} of the first's and {two:.0%} of the second's: on so small a part "
        "manifolds of other shape agree as well",
        "probe both on more of the same range of inputs",
        Severity.DECISIVE,
    )


def decided(
    spectrum: Evidence, shape: list[Evidence], anchored: list[Evidence], observed: Sequence[Evidence] = ()
) -> tuple[Decision, float]:
    """Equivalent where everything speaks for it; inequivalent where the manifolds themselves differ.

    A match that tears while the spectra agree, or cannot be measured, may be a match that was not found, and so may one
    that tears while anchors surely agree; where anchors contradict one another they may be what tears it. None of these
    shows that the networks differ. Nor does an observable that disagrees: the two may tell different quantities by that
    name.
    """
    probability = min(figure.probability for figure in (spectrum, *shape, *anchored, *observed))
    if probability >= SURE:
        return Decision.EQUIVALENT, probability
    against = spectrum.probability
    doubtful = not anchored or 1 - SURE < min(figure.probability for figure in anchored) < SURE
    if spectrum.separable and against < SURE and doubtful:
        against = min(against, *(figure.probability for figure in shape))
    if against <= 1 - SURE:
        return Decision.INEQUIVALENT, 1 - against
    # nothing is likely enough to be said, however sure single figures are
    return Decision.UNDECIDED, float(np.clip(max(probability, 1 - against), 0.5, SURE))


def _blurred(case: Case, spectrum: Evidence, shape: list[Evidence], anchored: list[Evidence]) -> bool:
    """Whether spectra alone leave the answer open, disturbed by a region that nearly folds and hangs by a thread.

    Then anchors agree, and the match strains no more than right ones do.
    """
    if spectrum.separable or not anchored or not any(diagnosis.nearly_folds(probe) for probe in case.probes):
        return False
    usual = shape[0].value <= _USUAL_STRAIN * shape[0].floor
    return usual and min(figure.probability for figure in (*shape, *anchored)) >= SURE


_BLURRED = Finding(
    "blurred spectra",
    "a region that nearly folds disturbs the spectra, which leaves open whether the manifolds have the same shape; "
    "everything else agrees, and the transformation is given: it holds where it says inside",
    "more samples, or more neurons where activations nearly fold",
    Severity.DECISIVE,
)


def _cut_open(case: Case, matched: Match) -> bool:
    """Whether one curve is closed and the other has ends, which lie side by side on the closed one: no further apart
    than samples leave gaps. Of a match only the few edges across strain."""
    closed = [not len(single.supported.edge) for single in case.singles]
    if matched.first.dimension > 1 or closed[0] == closed[1]:
        return False
    way_round, ending = closed.index(True), closed.index(False)
    around = (matched.first, matched.second)[way_round]
    ends = (matched.forward, matched.backward)[ending].sample[case.singles[ending].supported.edge]
    between = landmarks.distances(isometric.chart_edges(around), len(around.rows), ends)[ends]
    number = len((matched.first, matched.second)[ending].rows)
    share = float(np.max(between) * np.sqrt(around.eigenvalues[0]) / (2 * np.pi))  # of the whole way, λ₁ = (2π / l)²
    return number * share <= _GAP * gaps.chance(number, 1)


_CUT_OPEN = Finding(
    "cut open",
    "one network's activations go around a closed curve, the other's have two ends, which lie side by side on the "
    "closed one: it is cut open there, or was not probed in between",
    "probe both more densely there, or at the same inputs with ids",
    Severity.DECISIVE,
)


_LOOSE = Finding(
    "loose overlap",
    "the two agree on a part of what each was probed on, as manifolds of other shape may; anchors that agree with it "
    "only roughly do not tell these apart",
    "pairs that saw exactly the same input; or say how noisy anchors are, if they are (anchor_noise)",
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


def _only_observables_disagree(
    matched: Match, spectrum: Evidence, shape: list[Evidence], anchored: list[Evidence], observed: list[Evidence]
) -> bool:
    """Whether geometry alone would call the two equivalent, and what is known on both sides contradicts."""
    if not observed or matched.agreement is None or matched.agreement.agrees:
        return False
    return decided(spectrum, shape, anchored)[0] is Decision.EQUIVALENT


def _not_isometric(
    spectrum: Evidence, evidence: tuple[Evidence, ...], shown: IsometryFigures, *, scaled: bool
) -> Finding:
    # in other units all lengths differ, and what else is said of the match is hollow
    worst = spectrum if scaled else min(evidence, key=lambda figure: figure.probability)
    if worst.name.startswith("samples outside"):
        return _not_covered(shown.uncovered)
    return _unlike_figure(worst)


def _unlike_figure(worst: Evidence) -> Finding:
    return Finding(
        "not isometric",
        f"no map carries the neighbourhoods of one onto those of the other: {worst.name} is {worst.value:.2g}, where "
        f"one network against itself shows {worst.floor:.2g}",
        "if both saw the same manifold of inputs, check that neighbourhoods mean the same; with the same inputs and "
        "ids a map that is no isometry would be found too",
        Severity.DECISIVE,
    )


def _not_covered(share: float) -> Finding:
    return Finding(
        "not covered",
        f"{share:.0%} of one network's samples lie outside what the other was probed on",
        "probe both on the same range of inputs; or give more anchors than dimensions: then what both were probed on "
        "is judged by itself",
        Severity.DECISIVE,
    )


def _left_whole(part: Part, dimension: int) -> bool:
    """Whether a part fits into a whole as if that had been cut once: by its edge, or because surfaces seldom fit."""
    return part.cut <= _MOSTLY_CUT or part.curved or (part.closed and dimension > 1)


def _held(matched: Match) -> bool:
    """Whether anchors hold the match."""
    return len(matched.anchors) > matched.first.dimension


def _cannot_tell(worst: Evidence, samples: int | None) -> Finding:
    """Why nothing is said: a figure that decides nothing, or one against a match that may only not have been found."""
    if worst.needed == 1:
        what = f"beyond its noise floor {worst.floor:.2g}: the two differ, or the right match was not found"
        todo = "more samples, more anchors, or neurons that respond more strongly"
    else:
        what = f"between its noise floor {worst.floor:.2g} and its null {worst.null:.2g}"
        if not worst.separable:
            what = (
                f"but noise floor {worst.floor:.2g} and null {worst.null:.2g} are too close to tell one from the other"
            )
        todo = advice(samples, "more anchors, or neurons that respond more strongly")
    message = f"{worst.name} is {worst.value:.2g}, {what}"
    return Finding("too close to call", message, todo, Severity.DECISIVE)
