"""Figures of a match by geometry, each between what halves of the networks show and what unlike ones would."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sametask._types import Array
from sametask.charts.chart import Chart, chart
from sametask.matching import gaps, landmarks
from sametask.matching.anchored import can_be_checked
from sametask.matching.match import COMPARED, Match, anchor_rows
from sametask.probes.probe import Probe
from sametask.transformation import Transformation
from sametask.verdict import floors
from sametask.verdict.evidence import REACH, SURE, Evidence, log_spread, rms
from sametask.verdict.floors import IsometryFigures, OwnFigures, OwnSpectrum
from sametask.verdict.judging import FEWEST, Case
from sametask.verdict.verdict import Trial

_LEAST_STRAIN = 0.05
_LEAST_APART = 0.05
_LEAST_SPECTRUM = 0.06
_LEAST_ASTRAY = 0.01
"""Of no account, even where data without noise would show less: 5 % of lengths, 3 % where places are the same, and
places that are off by one hundredth of the manifold, where its lengths may be by more."""
_UNRELATED = 0.6
"""Relative difference of distances among samples and among unrelated ones: 0.5 to 0.9 on the worlds of the tests."""
_UNLIKE_STRAIN = 0.4
"""Strain of matches of manifolds that are not isometric, after refinement: 0.1 to 0.4; unrelated steps leave 1."""
_TORN = 0.2
"""Where halves show more, strain tells nothing, unless they do at most places: then all are heard, and seldom tell."""
_STRAIN_REACH = 2.5
_BEYOND_REACH = 2.0
_GAP_REACH = (2.5, 2.0)
"""In one dimension, and in more. Densities are told from few samples: right matches showed up to 2.0 and 1.7 times what
chance leaves, holes and corners missing of some dozen samples 2 to 5."""
_PER_UNRESOLVED = 2.0
"""Error of ln λ over the share of unresolved steps: 93 % of errors above 0.03 are no larger
(``benchmarks/uneven.py bias``)."""
_REACH_IN_PLACE = 1.5
"""Spectra at the same places of right matches differ by less than those of halves."""


@dataclass(frozen=True)
class Compared:
    """What is compared: two charts, what each shows of itself, the figures between them, and how far anchors are apart
    on either."""

    charts: tuple[Chart, Chart]
    own: tuple[OwnFigures, OwnFigures]
    figures: IsometryFigures
    among: Array


def of_match(
    of: Compared, matched: Match, trial: Trial | None, case: Case
) -> tuple[Evidence, list[Evidence], list[Evidence]]:
    """Of the spectra, of the shape, and of anchors."""
    spectrum = of_spectra(*of.charts, (of.own[0].spectrum, of.own[1].spectrum), "isometric")
    shape = _shape_evidence(of, case.rng)
    if of.figures.gap is not None:
        shape.append(_gap_evidence(of))
    anchored = _anchor_evidence(matched, of, case.anchor_noise or 0.0) if len(matched.anchors) else []
    if trial:
        anchored.append(_trial_evidence(trial, case.rng))
    return spectrum, shape, anchored


def of_overlap(case: Case, matched: Match) -> Compared | None:
    """The overlap alone, where either network was also probed on something else and enough anchors hold the match, or
    one was taken for a part of the other; None otherwise.

    Without anchors an overlap could be had by choice: some part of one rectangle fits some part of any other.
    """
    common = matched.overlap
    if not common.partial or (matched.part is None and len(matched.anchors) <= matched.first.dimension):
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
    one, two = (floors.own_figures(probe, of, case.method, case.rng) for probe, of in zip(probes, charts, strict=True))
    places = np.full((len(matched.anchors), 2), -1)
    for k in (0, 1):
        among = np.full(len(whole[k].rows), -1)
        among[kept[k]] = charts[k].position
        places[:, k] = among[matched.anchors[:, k]]
    places = places[(places >= 0).all(axis=1)]
    apart = [of.edges.distances(rows)[rows] for of, rows in zip(charts, places.T, strict=True)]
    return Compared(charts, (one, two), floors.isometry_figures(matched, (one, two), charts), np.stack(apart))


def of_spectra_in_place(matched: Match, case: Case) -> Evidence:
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
        values.append(rms(one - two))
        floor.append(floors.own_spectra_in_place(charts[here].probe.take(rows), case.method, case.rng))
        nulls.append(rms(np.diff(one)))
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


def _shape_evidence(of: Compared, rng: np.random.Generator) -> list[Evidence]:
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
    rate = 1 / of.charts[0].dimension  # at least as fast as the spacing of samples
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
            rate,
        ),
        Evidence(
            "strain beyond that of halves",
            "isometric",
            rms(more),
            beyond_floor,
            1.0,
            log_spread(np.hypot(more, beyond_floor), rng),
            "of edge length",
            _BEYOND_REACH,
            rate,
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


def _gap_evidence(of: Compared) -> Evidence:
    """That no region is empty of one network's samples that is full of the other's; its floor is chance."""
    number = max(len(each.rows) for each in of.charts)
    chance = gaps.chance(number, of.charts[0].dimension)
    return Evidence(
        "largest gap of one among the other's samples",
        "isometric",
        float(of.figures.gap or 0),
        1.0,
        number / chance,
        float(np.pi / np.sqrt(6) / chance),
        "of what chance leaves",
        _GAP_REACH[of.charts[0].dimension > 1],
        1.0,
    )


def _anchor_evidence(matched: Match, of: Compared, noise: float) -> list[Evidence]:
    """How far anchors are from where the others and the geometry put them; and how unlike their distances are."""
    d, residual = matched.first.dimension, matched.forward.anchor_residual
    # places are no surer than the sparser of the two tells; but where a part of the one lies on a part of the other,
    # nothing else than anchors tells manifolds of other shape, and they have to agree as halves do
    in_part = of.charts[0] is not matched.first
    spacing = max(matched.first.graph.spacing(), matched.second.graph.spacing())
    if in_part:
        spacing = rms(matched.forward.deviation[matched.anchors[:, 0]])
    spread = float(1 / np.sqrt(2 * len(residual) * d))
    found = []
    if len(residual) > d + 1:
        # about how far unrelated samples are apart in a direction: l/√6 on an interval of length l, where λ₁ is π²/l²
        extent = 1 / float(np.sqrt(matched.second.eigenvalues[0]))
        found.append(
            Evidence(
                "distance of anchors from their places",
                "isometric",
                rms(residual) / np.sqrt(d) / extent,
                max(float(np.hypot(spacing, noise)) / extent, _LEAST_ASTRAY),
                1.0,
                spread,
                "of unrelated samples'",
                _BEYOND_REACH if in_part else REACH,
            )
        )
    if found and found[0].probability >= SURE and not in_part:
        return found  # distances along edges, which shortcuts spoil, say no more than places
    if of.among.shape[1] > 1:
        figure = _distances(of.among, of.own, float(np.hypot(noise, matched.second.graph.spacing())), spread)
        # of few anchors, close together, or where a graph has shortcuts, nothing is known
        found += [figure] if figure.separable else []
    return found


def _distances(among: Array, own: tuple[OwnFigures, OwnFigures], blurred: float, spread: float) -> Evidence:
    """How unlike distances among anchors are on the two, where places are told to within ``blurred``."""
    there, here = among
    floor = max(_LEAST_APART, *(figures.distances for figures in own))
    noise = float(np.sqrt(2) * blurred / rms(there))
    return Evidence(
        "distances among anchors",
        "isometric",
        landmarks.unlike(there, here),
        float(np.hypot(floor, noise)),
        _UNRELATED,
        spread,
        "of distance",
        REACH,
    )


def anchors_may_agree(charts: tuple[Chart, Chart], case: Case) -> bool:
    """Whether distances among anchors, those left out that fit least, leave it open that the two overlap."""
    pairs = anchor_rows(*charts, case.pairs)
    if not can_be_checked(len(pairs), charts[0].dimension):
        return True
    there, here = (of.edges.distances(rows)[rows] for of, rows in zip(charts, pairs.T, strict=True))
    spacing = charts[1].graph.spacing()
    kept = landmarks.agreeing(landmarks.disagreement(there, here, spacing), len(pairs) // 3)
    among = np.stack([there[kept][:, kept], here[kept][:, kept]])
    spread = float(1 / np.sqrt(2 * kept.sum() * charts[0].dimension))
    figure = _distances(among, (case.singles[0].own, case.singles[1].own), spacing, spread)
    return not figure.separable or figure.probability > 1 - SURE


def of_observables(matched: Match) -> list[Evidence]:
    """How far what is known on both sides differs at corresponding places; nothing where it tells too little."""
    told = matched.agreement
    if told is None or not told.telling:
        return []
    value, floor, null = told.figures
    # that of the misfit, twice that of its root: on few rows regions show less than it scatters
    spread = told.deviation / max(told.misfit, floor**2)
    figure = Evidence("observable at images", "isometric", value, floor, null, spread, "of unrelated places'")
    return [figure] if figure.separable else []


def of_spectra(one: Chart, two: Chart, own: tuple[OwnSpectrum, OwnSpectrum], claim: str) -> Evidence:
    """How far the spectra of two charts differ; ``own`` is what chance does to either.

    A difference that speaks against the claim is held against what steps that the charts do not resolve may cause, too.
    """
    there, here = floors.log_eigenvalues(one), floors.log_eigenvalues(two)
    e = min(COMPARED, len(there), len(here))
    difference = there[:e] - here[:e]
    floor = _spectral_floor(one, two, own)
    # a root mean square of e noisy differences is itself known to one part in √(2e)
    spread = float(np.sqrt(1 / (2 * e) + 1 / (4 * e)))
    null = floors.unrelated_spectrum(one, two)
    value, floor = rms(difference), max(floor, 1e-3)
    figure = Evidence("difference of spectra", claim, value, floor, null, spread, "of ln λ")
    unresolved = _PER_UNRESOLVED * np.hypot(one.graph.unresolved, two.graph.unresolved)
    if figure.probability >= 0.5 or not unresolved:
        return figure
    return dataclasses.replace(figure, floor=float(np.hypot(floor, unresolved)))


def _spectral_floor(one: Chart, two: Chart, own: tuple[OwnSpectrum, OwnSpectrum]) -> float:
    """Noise of a difference of ln λ, from resampling each; and its bias, from how unlike thinning moves the two.

    What thinning the sample does to both networks alike cancels in the difference.
    """
    e = min(len(one.eigenvalues), len(two.eigenvalues), *(len(each.levels) for each in own))
    moved = [each.levels[:e] - floors.log_eigenvalues(whole)[:e] for whole, each in zip((one, two), own, strict=True)]
    noise = max(rms(each.noise) for each in own)
    return float(np.hypot(noise, rms(moved[0] - moved[1])))


def trial_at(transformation: Transformation, first: Probe, second: Probe, held: Array) -> Trial:
    """What the transformation says at anchors that were kept back, beside the truth."""
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
        rms(errors) / spread,
        max(rms(trial.uncertainty) / spread, 1e-3),
        rms(deranged) / spread,
        log_spread(errors, rng),
        "of spread",
    )
