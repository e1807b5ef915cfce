"""What keeps a decision by geometry from being said, however well the two agree."""

from __future__ import annotations

import numpy as np

from sametask._outcome import Finding, Severity
from sametask.matching import gaps
from sametask.matching.match import Match
from sametask.matching.search import Part
from sametask.verdict import diagnosis
from sametask.verdict.judging import Case
from sametask.verdict.verdict import Decision

_MOSTLY_CUT = 0.5
"""Who cuts a flat manifold in two leaves a part with no more of its edge inside the whole than this."""
_SMALLEST_OVERLAP = 1 / 3
"""Of either manifold. A cap of so much of a sphere, laid flat, is strained by about as much as is put up with."""
_GAP = 3.0
"""Gaps of so many times what chance leaves are left out on purpose."""


def why(case: Case, matched: Match, decision: Decision, *, in_part: bool, perhaps: bool) -> list[Finding] | None:
    """What leaves a decision open, beyond what the match itself tells; None where nothing does.

    Args:
        case, matched: the two and their match.
        decision: what its figures say.
        in_part: whether they are those of the overlap alone.
        perhaps: whether one is taken for a part of the other, and nothing holds its place.
    """
    same = decision is Decision.EQUIVALENT
    if same and _cut_open(case, matched):
        return [_CUT_OPEN]
    if same and diagnosis.in_another_unit(matched):
        return []
    if in_part and max(matched.overlap.share) < _SMALLEST_OVERLAP:
        return [_small_overlap(matched)]
    # a part of the one that fits some part of the other is easily found, and one outline that is bent to another; noisy
    # anchors do not hold either
    loose = case.anchor_noise is None and matched.anchor_noise > 0
    if same and loose and (in_part or outlined(case)):
        return [_LOOSE]
    if perhaps and matched.part is not None and _left_whole(matched.part, matched.first.dimension):
        return [diagnosis.perhaps_a_part(matched, matched.part), *diagnosis.ambiguity(matched)]
    if same and matched.overlap.partial and not in_part and not held(matched):
        # of manifolds that only geometry brought together nothing is excused by where each was probed
        return [not_covered(1 - min(matched.overlap.share))]
    return None


def _cut_open(case: Case, matched: Match) -> bool:
    """Whether one curve is closed and the other has ends, which lie side by side on the closed one: no further apart
    than samples leave gaps. Of a match only the few edges across strain."""
    if matched.first.dimension > 1:
        return False
    closed = [not len(single.supported.edge) for single in case.singles]
    if closed[0] == closed[1]:
        return False
    way_round, ending = closed.index(True), closed.index(False)
    around = (matched.first, matched.second)[way_round]
    ends = (matched.forward, matched.backward)[ending].sample[case.singles[ending].supported.edge]
    between = around.edges.distances(ends)[ends]
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
    "loose anchors",
    "the two agree on what both were probed on, as manifolds of other outline may; anchors that agree with it only "
    "roughly do not tell these apart",
    "pairs that saw exactly the same input; or say how noisy anchors are, if they are (anchor_noise)",
    Severity.DECISIVE,
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


def not_covered(share: float) -> Finding:
    """That one was probed where the other was not."""
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


def outlined(case: Case) -> bool:
    """Whether either is a surface, or more, with an edge: flat ones fit one another whatever their outlines."""
    return case.probes[0].dimension > 1 and any(len(single.supported.rim) for single in case.singles)


def held(matched: Match) -> bool:
    """Whether anchors hold the match."""
    return len(matched.anchors) > matched.first.dimension
