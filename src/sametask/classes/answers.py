"""What is known of each pair of many networks, and how it is known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum

from sametask._outcome import Finding, Severity
from sametask.matching.isometric import Images
from sametask.verdict.evidence import SURE, Evidence
from sametask.verdict.judging import Judgement
from sametask.verdict.verdict import Decision

_THERE, _BACK = Decision.FIRST_DETERMINES_SECOND, Decision.SECOND_DETERMINES_FIRST
UNLIKE = "dimensions differ"


class How(Enum):
    """Where the answer to a pair comes from."""

    TESTED = "tested"
    COMPOSED = "tested from a composed map"
    INFERRED = "follows from others"
    FAILED = "could not be tested"


@dataclass(frozen=True)
class Answer:
    """The answer to a pair.

    Attributes:
        decision: which.
        confidence: of it.
        how: where it comes from.
        evidence: figures, where the pair was tested.
        findings: why.
        via: the network through which it was composed or follows; None where it was not.
    """

    decision: Decision
    confidence: float
    how: How = How.TESTED
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    via: int | None = None

    @property
    def probability(self) -> float:
        """That the two are equivalent: one half where nothing could be decided, unless they carry different numbers of
        directions."""
        if self.decision is Decision.EQUIVALENT:
            return self.confidence
        if self.decision is not Decision.UNDECIDED:
            return 1 - self.confidence
        return 1 - SURE if any(finding.name == UNLIKE for finding in self.findings) else 0.5

    @property
    def apart(self) -> bool:
        """Whether the two are surely not equivalent."""
        return self.decision not in (Decision.EQUIVALENT, Decision.UNDECIDED)

    @property
    def swapped(self) -> Answer:
        """The answer with the two the other way round."""
        other = {_THERE: _BACK, _BACK: _THERE}
        return dataclasses.replace(self, decision=other.get(self.decision, self.decision))

    @property
    def why(self) -> Finding | None:
        """The finding that decides, or the first of the weightiest."""
        order = [Severity.DECISIVE, Severity.WARNING, Severity.NOTE]
        return min(self.findings, key=lambda finding: order.index(finding.severity), default=None)


@dataclass(frozen=True)
class Told:
    """An answer, and where a match put the samples of either network on the other's manifold."""

    answer: Answer
    forward: Images | None = None
    backward: Images | None = None

    @staticmethod
    def of(judgement: Judgement, how: How = How.TESTED, via: int | None = None) -> Told:
        """From a judgement."""
        found = judgement.decision, judgement.confidence, how, judgement.evidence, judgement.findings, via
        match = judgement.match
        return Told(Answer(*found), *((match.forward, match.backward) if match else ()))


def failed(message: str) -> Answer:
    """Of a pair that could not be tested."""
    what, _, advice = message.partition("; ")
    finding = Finding("not tested", what, advice, Severity.DECISIVE)
    return Answer(Decision.UNDECIDED, 0.5, How.FAILED, findings=(finding,))
