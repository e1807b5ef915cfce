"""The battery: pairs of networks whose truth is known, and what the verdict says of them.

python benchmarks/battery --pairs 135 --first-seed 0 [--even] [--each] [--kind noise] [--most 10000] [--workers 2]
    [--exact]

Networks respond up to 20 times more weakly to one direction of the input than to another, up to 3 times where the
manifold is curved; with ``--even`` they do not, and all else is drawn the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise, repeat
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from cases import KINDS, draw, named

import sametask as st

ORDER = list(st.Decision)
_SHORT = {
    st.Decision.EQUIVALENT: "equivalent",
    st.Decision.FIRST_DETERMINES_SECOND: "first",
    st.Decision.SECOND_DETERMINES_FIRST: "second",
    st.Decision.INEQUIVALENT: "inequivalent",
    st.Decision.UNDECIDED: "undecided",
}
TOLERANCE = 0.05
"""The default of ``compare``; ``--exact`` asks the exact question."""
_EDGES = (0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class Answer:
    """What was said of a case."""

    seed: int
    kind: str
    given: str
    truth: st.Decision
    said: st.Decision
    confidence: float
    seconds: float
    words: str
    reasons: str
    needed: int | None = None
    later: st.Decision | None = None

    @property
    def right(self) -> bool:
        """Whether it is the truth."""
        return self.said is self.truth

    @property
    def wrong(self) -> bool:
        """Whether it is another decision than the truth."""
        return not self.right and self.said is not st.Decision.UNDECIDED


def judged(seed: int, most: int, given: str, even: bool, tolerance: float | None) -> Answer | None:
    """Draw a case and compare; nothing if something else is given to the two."""
    import torch

    torch.set_num_threads(1)
    case = draw(seed, most, even=even)
    if given not in case.given:
        return None
    start = time.perf_counter()
    verdict = st.compare(case.first, case.second, anchors=case.anchors, seed=seed, tolerance=tolerance)
    seconds = time.perf_counter() - start
    reasons = [f"{figure}" for figure in verdict.evidence] + [
        f"[{finding.name}] {finding}" for finding in verdict.diagnosis
    ]
    return Answer(
        seed,
        case.kind,
        case.given,
        case.truth,
        verdict.decision,
        verdict.confidence,
        seconds,
        named(case),
        "\n      ".join(reasons),
        verdict.samples_needed,
    )


def with_more(answer: Answer, even: bool, tolerance: float | None) -> Answer:
    """The same case with as many samples as were said to decide."""
    assert answer.needed is not None
    case = draw(answer.seed, samples=answer.needed, even=even)
    verdict = st.compare(case.first, case.second, anchors=case.anchors, seed=answer.seed, tolerance=tolerance)
    return replace(answer, later=verdict.decision)


def confusion(answers: list[Answer]) -> str:
    """Truths by rows, answers by columns."""
    lines = [f"{'truth':>14} " + "".join(f"{_SHORT[said]:>14}" for said in ORDER)]
    for truth in ORDER[:-1]:
        counts = Counter(answer.said for answer in answers if answer.truth is truth)
        lines.append(f"{_SHORT[truth]:>14} " + "".join(f"{counts[said]:14d}" for said in ORDER))
    return "\n".join(lines)


def by_kind(answers: list[Answer]) -> str:
    """Right, undecided and wrong of each kind."""
    lines = [f"{'kind':32}{'pairs':>7}{'right':>7}{'undecided':>11}{'wrong':>7}"]
    groups = [(kind, [each for each in answers if each.kind == kind]) for kind in KINDS]
    groups += [(f"given: {how}", [each for each in answers if each.given == how]) for how in ("ids", "anchors", "none")]
    for name, some in [*groups, ("all", answers)]:
        right, wrong = sum(each.right for each in some), sum(each.wrong for each in some)
        lines.append(f"{name:32}{len(some):7d}{right:7d}{len(some) - right - wrong:11d}{wrong:7d}")
    return "\n".join(lines)


def reliability(answers: list[Answer]) -> str:
    """How often answers of each confidence are right."""
    said = [each for each in answers if each.said is not st.Decision.UNDECIDED]
    lines = [f"{'confidence':>16}{'answers':>9}{'mean':>8}{'right':>8}"]
    for low, high in pairwise(_EDGES):
        some = [each for each in said if low <= each.confidence < high or (high == 1 and each.confidence == 1)]
        if some:
            mean = np.mean([each.confidence for each in some])
            right = np.mean([each.right for each in some])
            lines.append(f"{f'{low:g} – {high:g}':>16}{len(some):9d}{mean:8.3f}{right:8.3f}")
    return "\n".join(lines)


def main() -> None:
    """Judge the pairs and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, prog="battery")
    parser.add_argument("--pairs", type=int, default=135)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=10_000, help="samples of a network, at most")
    parser.add_argument("--kind", default="", help="only kinds whose name contains this")
    parser.add_argument("--given", default="", help="ids, anchors or none")
    parser.add_argument("--even", action="store_true", help="networks that respond evenly to all inputs")
    parser.add_argument("--exact", action="store_true", help="ask the exact question: a tolerance of None")
    parser.add_argument("--each", action="store_true", help="print every pair as it is judged")
    parser.add_argument("--reasons", action="store_true", help="print evidence and findings of those not right")
    parser.add_argument(
        "--more",
        type=int,
        default=0,
        help="try undecided pairs again with as many samples as asked for, up to this many",
    )
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    tolerance = None if options.exact else TOLERANCE
    asked = [repeat(options.even), repeat(tolerance)]
    start = time.perf_counter()
    names = list(KINDS)
    seeds = range(options.first_seed, options.first_seed + options.pairs)
    seeds = [seed for seed in seeds if options.kind in names[seed % len(names)]]
    answers = []
    with ProcessPoolExecutor(options.workers) as pool:
        for answer in pool.map(judged, seeds, repeat(options.most), repeat(options.given), *asked):
            if answer is None:
                continue
            answers.append(answer)
            if options.each or not answer.right:
                mark = "right" if answer.right else "WRONG" if answer.wrong else "undecided"
                print(
                    f"{answer.seed:5d} {mark:9} {_SHORT[answer.said]:12} {answer.confidence:.3f} "
                    f"{answer.seconds:6.1f} s  {answer.words}",
                    flush=True,
                )
                if options.reasons and not answer.right:
                    print(f"      {answer.reasons}", flush=True)
    if options.more:
        open_ = [each for each in answers if each.needed is not None and each.needed <= options.more]
        with ProcessPoolExecutor(options.workers) as pool:
            later = list(pool.map(with_more, open_, *asked))
        told = [each for each in later if each.later is not st.Decision.UNDECIDED]
        for each in later:
            print(f"{each.seed:5d} with {each.needed:,} samples: {each.later and _SHORT[each.later]}")
        right = sum(each.later is each.truth for each in told)
        print(f"{len(told)} of {len(open_)} undecided pairs decided with the samples they asked for, {right} right")
    for table in (confusion(answers), by_kind(answers), reliability(answers)):
        print(f"\n{table}")
    right = sum(each.right for each in answers)
    print(
        f"\n{right} of {len(answers)} right ({right / max(len(answers), 1):.1%}), {time.perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
