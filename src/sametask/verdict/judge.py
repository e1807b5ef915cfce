"""Which way two networks are judged: by too little, by the loss of maps, by functions, or by
isometry."""

from __future__ import annotations

import dataclasses

from sametask._outcome import Finding, Severity
from sametask.verdict import by_function, by_isometry, by_loss, judging
from sametask.verdict.judging import Case, Judgement
from sametask.verdict.verdict import Decision


def judge(case: Case) -> Judgement:
    """Fit maps, or test functions, if correspondences are many, or if there is nothing else; match the two if not."""
    if any(single.recorded for single in case.singles):
        return by_loss.judge(case)
    if min(len(probe) for probe in case.probes) < judging.FEWEST:
        return judging.too_few(case)
    if len(case.pairs) < judging.PAIRED:
        return _unless_random(case, by_isometry.judge(case))
    if case.terms.tolerance is None:
        return _unless_random(case, by_function.judge(case))
    return by_loss.judge(case)


_APART = (Decision.INEQUIVALENT, Decision.FIRST_DETERMINES_SECOND, Decision.SECOND_DETERMINES_FIRST)


def _unless_random(case: Case, judgement: Judgement) -> Judgement:
    """The same; but networks whose answers are random are not said to differ, as the randomness may be all of it."""
    if judgement.decision not in _APART or all(probe.noise is None for probe in case.probes):
        return judgement
    finding = Finding(
        "random answers decide",
        "answers that vary from call to call may be all that the two differ by",
        "switch the randomness off, or repeat and average",
        Severity.DECISIVE,
    )
    findings = (*judgement.findings, finding)
    return dataclasses.replace(judgement, decision=Decision.UNDECIDED, confidence=0.5, findings=findings)
