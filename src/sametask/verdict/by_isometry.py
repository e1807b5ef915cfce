"""Are the two isometric? Judged by a match of their geometry, where correspondences are few."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sametask._outcome import Finding, Severity
from sametask._types import Array
from sametask.matching.match import Match, match
from sametask.matching.unanchored import part_of
from sametask.transformation import Transformation
from sametask.verdict import diagnosis, figures, floors, withheld
from sametask.verdict.evidence import SURE, Evidence
from sametask.verdict.floors import IsometryFigures
from sametask.verdict.judging import PAIRED, Case, Judgement, advice, needed
from sametask.verdict.verdict import Decision

_UNLIKE_NOISE = 0.95
"""Confidence that what looks like noise is none that a network of more samples would resolve."""
_SPARE = 15
"""Anchors from which some are kept back to try the transformation on."""
_LIKELY = 0.5
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
    by_spectra = not withheld.held(matched) and withheld.outlined(case)
    in_place = _only_spectra_fail(spectrum, shape, anchored) and not unsure and not by_spectra
    if in_place:
        spectrum = figures.of_spectra_in_place(matched, case)
    if len(matched.anchors):
        findings += diagnosis.of_anchors(anchored[: len(anchored) - bool(trial)])
    observed = figures.of_observables(matched)
    evidence = (spectrum, *shape, *anchored, *observed)
    folded = _folded(case)
    if folded:
        findings.append(folded)
        return Judgement(Decision.UNDECIDED, 0.5, evidence, tuple(findings), None, charts, matched, trial)
    decision, confidence = decided(spectrum, shape, anchored, observed, in_place=in_place)
    reasons = withheld.why(case, matched, decision, in_part=whole is part, perhaps=perhaps)
    if reasons is not None:
        return Judgement(Decision.UNDECIDED, 0.5, evidence, (*findings, *reasons), None, charts, matched, trial)
    spectra_missing = by_spectra and not spectrum.separable and decision is Decision.EQUIVALENT
    if spectra_missing:
        decision, confidence = Decision.UNDECIDED, 0.5
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
        worst = spectrum if spectra_missing else min(evidence, key=lambda figure: figure.probability)
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


def decided(
    spectrum: Evidence,
    shape: list[Evidence],
    anchored: list[Evidence],
    observed: Sequence[Evidence] = (),
    *,
    in_place: bool = False,
) -> tuple[Decision, float]:
    """Equivalent where everything speaks for it; inequivalent where the manifolds themselves differ.

    A match that tears while the spectra agree, or cannot be measured, may be a match that was not found, and so may one
    that tears while anchors surely agree; where anchors contradict one another they may be what tears it. None of these
    shows that the networks differ. Nor do spectra at the same places, which are told by the match, nor an observable
    that disagrees: the two may tell different quantities by that name.
    """
    probability = min(figure.probability for figure in (spectrum, *shape, *anchored, *observed))
    if probability >= SURE:
        return Decision.EQUIVALENT, probability
    against = max(spectrum.probability, 0.5) if in_place else spectrum.probability
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
        return withheld.not_covered(shown.uncovered)
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
