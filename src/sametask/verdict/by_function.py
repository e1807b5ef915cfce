"""Is one network a function of the other? Tested directly where correspondences are many."""

from __future__ import annotations

import numpy as np

from sametask._check import InputError
from sametask._outcome import Finding, Severity
from sametask._types import Array
from sametask.charts.chart import Chart, chart
from sametask.matching.match import spectral_scale
from sametask.numerics.thinning import well_spread
from sametask.transformation import Transformation
from sametask.verdict import diagnosis
from sametask.verdict.direction import Direction, directions
from sametask.verdict.evidence import SURE, Evidence
from sametask.verdict.figures import of_spectra
from sametask.verdict.function import LEAST_ERROR
from sametask.verdict.judging import FEWEST, Case, Judgement, advice, needed
from sametask.verdict.single import Single
from sametask.verdict.thresholds import HIGHEST_FLOOR
from sametask.verdict.verdict import Decision, Trial

_NOISY = 0.01
"""Share of the spread from which noise is spoken of."""
_TRIAL = 0.2
"""Share of the samples that the transformation is tried on."""


def judge(case: Case) -> Judgement:
    """Test in each direction, held out, whether one network's activations are a function of the other's."""
    rows = case.pairs
    paired = [single.take(rows[:, k]) for k, single in enumerate(case.singles)]
    lacks = (contradicted(case, 0, 1), contradicted(case, 1, 0))
    there, back = directions((paired[0], paired[1]), lacks, int(case.rng.integers(2**31)))
    decision, confidence = _decided(there, back)
    floor = max(there.level.floor, back.level.floor)
    hidden = decision is Decision.EQUIVALENT and floor > HIGHEST_FLOOR.value
    if hidden:
        decision, confidence = Decision.UNDECIDED, 0.5
    evidence = [
        figure for way in (there, back) for figure in (way.level, way.fall)[: 2 if way.level.value > LEAST_ERROR else 1]
    ]
    more = _needed(there, back, len(rows)) if decision is Decision.UNDECIDED and not hidden else None
    if case.brief:
        why = () if decision in _ONE_WAY_OR_BOTH else _why_undecided(case, there, back, more, hidden=hidden)
        return Judgement(decision, confidence, tuple(evidence), tuple(why), needed=more)
    if len(rows) > case.method.landmarks:
        manifold = paired[0].probe.manifold
        rows = rows[well_spread(manifold.activations, manifold.metric, case.method.landmarks)]
        paired = [single.take(rows[:, k]) for k, single in enumerate(case.singles)]
    one, two, kept, findings = paired_charts(paired[0], paired[1])
    transformation, trial = None, None
    if decision in _ONE_WAY_OR_BOTH:
        forward, backward = decision is not _BACK, decision is not _THERE
        transformation = Transformation.from_pairs(one, two, forward=forward, backward=backward)
        trial = _held_out(one, two, rows[kept], forward, case)
        findings = [*findings, *_within_noise(there, back)]
    else:
        findings = [*findings, *_why_undecided(case, there, back, more, hidden=hidden)]
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


_THERE, _BACK = Decision.FIRST_DETERMINES_SECOND, Decision.SECOND_DETERMINES_FIRST
_ONE_WAY_OR_BOTH = (Decision.EQUIVALENT, _THERE, _BACK)


def _decided(there: Direction, back: Direction) -> tuple[Decision, float]:
    """The decision, undecided where a few rows alone speak against it, or where samples are too far apart to follow."""
    decision, confidence = _four_ways(there.holds, back.holds)
    if any(way.but_for_few and way.holds < 0.5 for way in (there, back)):
        return Decision.UNDECIDED, 0.5
    failing = {_THERE: back, _BACK: there}.get(decision)
    if failing is not None and failing.far:
        return Decision.UNDECIDED, 0.5
    return decision, confidence


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


def contradicted(case: Case, source: int, target: int) -> bool:
    """Whether the source lacks what the target has, however little its error shows it.

    A direction that moves the target little, or a fold of a narrow strip, hardly adds to an error.
    """
    fewer = case.ranks[source].rank < case.ranks[target].rank
    return fewer or (case.folds[source].any and not case.folds[target].any)


def paired_charts(first: Single, second: Single) -> tuple[Chart, Chart, Array, list[Finding]]:
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


_NAMES = ("first", "second")


def few_rows_disagree(pairs: Array, ways: list[Direction]) -> Finding:
    """That a function fails at a few of the rows of ``pairs`` only."""
    way, names = ways[0], _NAMES
    worst = pairs[way.seen.rows[np.argsort(way.seen.errors)[:-4:-1]], 0].tolist()
    whose = "each network is a function of the other"
    why = "it is as if the two had not seen the same input"
    if len(ways) == 1:
        whose = f"the {names[way.target]} network is a function of the {names[way.source]}"
        why = "samples are too far apart to follow, or a narrow fold or a seam begins"
    return Finding(
        "few rows disagree",
        f"but for a few rows {whose}; at these {why} (rows {', '.join(map(str, worst))} of the first network's, and "
        "perhaps others)",
        "check the ids of these rows; more samples around them would decide",
        Severity.DECISIVE,
    )


def too_few_to_follow(way: Direction) -> Finding:
    """That the target changes too much from one sample to the next."""
    return Finding(
        "too few to follow",
        "from one sample to the next its activations change by more than half of their spread: whether they are a "
        f"function of the {_NAMES[way.source]} network's cannot be told",
        "twice as many samples for each dimension, or more; or an earlier layer, which turns less",
        Severity.DECISIVE,
        _NAMES[way.target],
    )


def _why_not(case: Case, there: Direction, back: Direction, more: int | None) -> list[Finding]:
    names = _NAMES
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
        if way.holds == 0.5 and way.staying and not way.falling:
            return [
                Finding(
                    "little lost",
                    f"predicting the {names[way.target]} network from the {names[way.source]} leaves "
                    f"{way.level.value:.2g} of its spread, which more samples do not lessen as they do for functions "
                    "of its neurons: something small is lost, or noise",
                    "choose the neurons that carry it (Probe.select), so that its loss shows",
                    Severity.DECISIVE,
                )
            ]
    few = [way for way in (there, back) if way.but_for_few and way.holds < 0.5]
    if few:
        return [few_rows_disagree(case.pairs, few)]
    for way in (there, back):
        if way.far and way.holds <= 0.5:
            return [too_few_to_follow(way)]
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


def _why_undecided(case: Case, there: Direction, back: Direction, more: int | None, *, hidden: bool) -> list[Finding]:
    """Why nothing is said, or no."""
    if not hidden:
        return _why_not(case, there, back, more)
    return [
        Finding(
            "high noise floor",
            f"functions known to hold miss by {max(there.level.floor, back.level.floor):.1%} of the spread on these "
            "samples: whether anything smaller is lost they cannot show",
            "give a tolerance: then what is said is bounded by the error of a map",
            Severity.DECISIVE,
        ),
        *_within_noise(there, back),
    ]


def _within_noise(there: Direction, back: Direction) -> list[Finding]:
    """What would not show, where errors of functions that hold are noise."""
    noise = max((way.noise for way in (there, back) if way.holds >= 0.5), default=0.0)
    if noise < _NOISY:
        return []
    return [
        Finding(
            "within noise",
            f"what is left is noise, some {noise:.1%} of the spread: what either lacks and moves the other by less "
            "than about twice that may not show",
            "average repeated activations, or probe more neurons",
            Severity.WARNING,
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
