"""Which way two networks are judged: by too little, by functions, or by isometry."""

from __future__ import annotations

from sametask.verdict import by_function, by_isometry, judging
from sametask.verdict.judging import Case, Judgement


def judge(case: Case) -> Judgement:
    """Test directly whether one is a function of the other where correspondences are many, match them where not."""
    if min(len(probe) for probe in case.probes) < judging.FEWEST:
        return judging.too_few(case)
    if len(case.pairs) >= judging.PAIRED:
        return by_function.judge(case)
    return by_isometry.judge(case)
