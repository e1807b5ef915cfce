"""Outcomes: a name for what happened, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much a finding matters to the answer."""

    NOTE = "note"
    WARNING = "warning"
    DECISIVE = "decisive"


@dataclass(frozen=True)
class Finding:
    """One thing noticed about the data or the fit, in words, with what to do about it.

    Attributes:
        name: a short stable identifier (``"folds"``, ``"collapse"``, …), the same in every report.
        message: what was seen, where, and how much of it.
        advice: what the user can do; empty when nothing needs doing.
        severity: whether the answer rests on it.
        subject: ``"first"``, ``"second"`` or ``"both"``: whose finding it is.
    """

    name: str
    message: str
    advice: str = ""
    severity: Severity = Severity.NOTE
    subject: str = "both"

    def __str__(self) -> str:
        who = "" if self.subject == "both" else f"{self.subject} network: "
        return f"{who}{self.message}" + (f" → {self.advice}" if self.advice else "")
