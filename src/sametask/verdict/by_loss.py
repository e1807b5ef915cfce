"""Does one network determine the other within a tolerance? Yes by a map and its bound, no by what no map can mend."""

from __future__ import annotations

import numpy as np

from sametask.evidence import near_pairs
from sametask.evidence.loss import Loss
from sametask.evidence.trials import Besides, Best, both_ways
from sametask.maps.fitted import FittedMap, Support
from sametask.transformation import AnyMap, Transformation
from sametask.verdict import diagnosis
from sametask.verdict.by_function import contradicted
from sametask.verdict.decision import CANNOT_TELL, NO, YES, decision_of
from sametask.verdict.direction import Direction, directions
from sametask.verdict.geometry import Charted, Geometry, geometry_of
from sametask.verdict.judging import Case, Judgement
from sametask.verdict.loss_findings import of_answers
from sametask.verdict.pairs import Pairs
from sametask.verdict.thresholds import AGAINST, FEWEST_GROUPS, LEAST_ALONG
from sametask.verdict.verdict import Trial


def judge(case: Case) -> Judgement:
    """Fit maps each way, and hold their bounds against the tolerance."""
    pairs = Pairs.of(case)
    tolerance = case.terms.tolerance
    assert tolerance is not None
    charted = Charted(case, pairs)
    geometry = geometry_of(case, pairs, charted)
    found, confidence = both_ways(
        pairs.activations,
        pairs.split,
        (case.probes[0].neurons, case.probes[1].neurons),
        units=case.terms.units,
        level=case.terms.level,
        noise=(case.probes[0].noise, case.probes[1].noise),
        besides=(_besides(0, pairs, geometry), _besides(1, pairs, geometry)),
        seed=pairs.seed,
    )
    answers, losses, exact = _answered(case, pairs, (found[0].loss, found[1].loss))
    decision = decision_of(answers)
    recorded = any(single.recorded for single in case.singles)
    sure = [confidence(tolerance, [k for k in (0, 1) if answers[k] == YES])] if YES in answers else []
    if exact is not None:
        sure += [1 - exact[k].holds for k in (0, 1) if answers[k] == NO]
    findings = [
        *pairs.findings,
        *of_answers(answers, losses, exact, pairs.independent, pairs.rows, case.terms, recorded=recorded),
    ]
    evidence = []
    if exact is not None:
        # elsewhere it says nothing: functions known to hold may lose much more than the tolerance
        evidence = [figure for k in (0, 1) if answers[k] == NO for figure in (exact[k].level, exact[k].fall)]
    one, two, noticed = charted.whole
    findings += noticed
    findings += diagnosis.unused(bool(case.known))
    ways = [_shipped(best, k, pairs, geometry) for k, best in enumerate(found)]
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
        _tried(found[shown], shown, pairs, geometry),
        loss=losses,
        determines=answers,
    )


def _besides(source: int, pairs: Pairs, geometry: Geometry) -> Besides:
    """What else is known of one direction than rows that correspond."""
    return Besides(
        lambda: geometry.errors(source),
        geometry.desired,
        pairs.derivatives(source),
        lambda: geometry.elsewhere(source),
    )


def _answered(
    case: Case, pairs: Pairs, losses: tuple[Loss, Loss]
) -> tuple[tuple[str, str], tuple[Loss, Loss], tuple[Direction, Direction] | None]:
    """Yes, no or cannot tell, each way; losses with their lower bounds; and the exact test, where it was asked."""
    tolerance = case.terms.tolerance
    assert tolerance is not None
    enough = pairs.independent >= FEWEST_GROUPS.value
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


def _exact(case: Case, pairs: Pairs) -> tuple[Direction, Direction]:
    """The test of the exact question, each way."""
    lacks = (contradicted(case, 0, 1), contradicted(case, 1, 0))
    return directions(pairs.singles, lacks, pairs.seed)


def _with_least(loss: Loss, pairs: Pairs, source: int) -> Loss:
    """The loss with its lower bound."""
    manifolds = [pairs.singles[k].probe.manifold for k in (source, 1 - source)]
    steps = [near_pairs.resolution(each.activations.astype(np.float64)) for each in manifolds]
    low = near_pairs.least_loss(manifolds[0], manifolds[1], (steps[0], steps[1]), pairs.seed)
    return Loss(**{**vars(loss), "low": low})


def _ruled_out(loss: Loss, exact: Direction, tolerance: float) -> bool:
    """Whether no map of moderate slope can be within the tolerance, and the exact test says so, too."""
    return loss.low > tolerance and exact.holds <= AGAINST.value and not exact.but_for_few and not exact.far


def _shipped(best: Best, source: int, pairs: Pairs, geometry: Geometry) -> AnyMap:
    """The best map, fitted to all rows."""
    a, b = (pairs.activations[k].astype(np.float64) for k in (source, 1 - source))
    trial = best.trial
    if trial.candidate is None:
        assert geometry.map is not None
        way = geometry.map.there if source == 0 else geometry.map.back
        assert way is not None
        return way
    rows = np.arange(len(a)) if trial.candidate.most is None else pairs.split.some(trial.candidate.most, pairs.seed)
    assert trial.errors is not None
    lengths = np.linalg.norm(trial.errors, axis=1)
    support = Support.of(a, b, lengths, pairs.split.groups, pairs.seed)
    return FittedMap(trial.name, trial.candidate.fitted(a, b, rows), support, b.shape[1])


def _tried(best: Best, source: int, pairs: Pairs, geometry: Geometry) -> Trial:
    """What a map says of one fold that it has not seen, with uncertainties from the other folds."""
    a, b = (pairs.activations[k].astype(np.float64) for k in (source, 1 - source))
    forward = source == 0
    if best.trial.candidate is None:
        assert geometry.tried is not None
        held, estimates = geometry.tried
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
