"""The five answers, and the three that each direction has."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Decision(Enum):
    """The five answers."""

    EQUIVALENT = "equivalent"
    FIRST_DETERMINES_SECOND = "first determines second"
    SECOND_DETERMINES_FIRST = "second determines first"
    INEQUIVALENT = "inequivalent"
    UNDECIDED = "undecided"


YES, NO, CANNOT_TELL = "yes", "no", "cannot tell"
"""Whether one network determines the other."""


def decision_of(determines: Sequence[str]) -> Decision:
    """The decision that the answers forward and backward come to."""
    if CANNOT_TELL in determines:
        return Decision.UNDECIDED
    forward, backward = (each == YES for each in determines)
    if forward:
        return Decision.EQUIVALENT if backward else Decision.FIRST_DETERMINES_SECOND
    return Decision.SECOND_DETERMINES_FIRST if backward else Decision.INEQUIVALENT
