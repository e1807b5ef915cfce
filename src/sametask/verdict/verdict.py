"""The answer, its reasons, and what to do next."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sametask import _check, _files
from sametask._check import InputError
from sametask._outcome import Finding, Severity
from sametask._types import Array, Bool, Float, Int
from sametask.charts.chart import Chart
from sametask.evidence.loss import Loss
from sametask.matching.match import Match
from sametask.measures import Similarity
from sametask.probes.rank import LocalRank
from sametask.probes.units import units_in_words
from sametask.transformation import Transformation
from sametask.verdict.decision import CANNOT_TELL, NO, YES
from sametask.verdict.decision import Decision as Decision
from sametask.verdict.diagnosis import PARTIAL
from sametask.verdict.evidence import Evidence
from sametask.verdict.folds import Folds
from sametask.verdict.heads import HeadTransfer
from sametask.verdict.terms import EXACT, Terms
from sametask.verdict.words import NOT_LEARNED, headline, losses_in_words

_ANSWERS = {
    Decision.EQUIVALENT: (YES, YES),
    Decision.FIRST_DETERMINES_SECOND: (YES, NO),
    Decision.SECOND_DETERMINES_FIRST: (NO, YES),
    Decision.INEQUIVALENT: (NO, NO),
    Decision.UNDECIDED: (CANNOT_TELL, CANNOT_TELL),
}

_MEANING = {
    Decision.EQUIVALENT: "Each network's activations can be computed from the other's.",
    Decision.FIRST_DETERMINES_SECOND: "The second's activations follow from the first's, but not the other way round.",
    Decision.SECOND_DETERMINES_FIRST: "The first's activations follow from the second's, but not the other way round.",
    Decision.INEQUIVALENT: "No map turns one network's activations into the other's.",
    Decision.UNDECIDED: "These samples cannot tell.",
}


@dataclass(frozen=True)
class Within:
    """The smallest tolerance at which two networks are equivalent, as far as samples show.

    Attributes:
        value: the larger loss of both directions.
        high: its bound.
    """

    value: float
    high: float


@dataclass(frozen=True)
class Trial:
    """Predictions of samples that the transformation was not fitted to, beside the truth.

    Attributes:
        rows: (k,) rows in the first probe.
        predicted: (k, m) what was predicted for the target network.
        true: (k, m) what it said.
        uncertainty: (k,) as predicted.
        inside: (k,) as predicted.
        forward: whether the target is the second network.
    """

    rows: Int[Array, " k"]
    predicted: Float[Array, "k m"]
    true: Float[Array, "k m"]
    uncertainty: Float[Array, " k"]
    inside: Bool[Array, " k"]
    forward: bool = True

    @property
    def error(self) -> float:
        """Root mean square error over root mean square spread, within the support where there is any."""
        kept = self.inside if self.inside.any() else np.ones(len(self.rows), bool)
        spread = np.square(self.true - self.true.mean(axis=0)).sum(axis=1).mean()
        missed = np.square(self.predicted - self.true).sum(axis=1)[kept].mean()
        return float(np.sqrt(missed / max(spread, np.finfo(float).tiny)))


@dataclass(frozen=True)
class Verdict:
    """Have two networks learned the same thing?

    Attributes:
        decision: one of five answers.
        confidence: 0 … 1, probability of the decision given the evidence; for *undecided*, of the likeliest answer.
        evidence: named figures, each with its noise floor and its null.
        diagnosis: findings in words, the weightiest first, each with what to do about it.
        transformation: the map between the two, as far as it exists, or None.
        names: of the two networks.
        charts: of the two networks.
        ranks: intrinsic directions that each network still carries.
        folds: where each network's activations turn back on themselves.
        match: how the charts were brought together, or None.
        samples: numbers of samples of the two, and how many correspond.
        trial: predictions checked against the truth, where correspondences were to spare, or None.
        samples_needed: how many samples of each network would decide where these do not, an estimate; None where they
            do, or where no number in reach would.
        renderer: writes the report. Given from above, as reports stand on verdicts and not the other way round.
        measures: what the usual measures of similarity say of the samples that correspond; they do not decide. None
            where fewer than 16 do.
        input_units: (D,) what counted as one unit of length along each input coordinate; None where inputs are no
            coordinates, and lengths are those of the neighbourhoods as they were given.
        terms: what counted as the same: tolerance, units and level.
        loss: how much the best map forward and backward loses, by which it was decided; None where no tolerance was
            given, or too few samples correspond.
        answers: as :attr:`determines` has them, where the decision does not imply them.
        rows: of stored probes, those that were read; None where all were. Rows in ``charts``, ``match`` and ``trial``
            count among these.
    """

    decision: Decision
    confidence: float
    evidence: tuple[Evidence, ...]
    diagnosis: tuple[Finding, ...]
    transformation: Transformation | None
    names: tuple[str, str]
    charts: tuple[Chart, Chart] | None
    ranks: tuple[LocalRank, LocalRank]
    folds: tuple[Folds, Folds]
    match: Match | None
    samples: tuple[int, int, int]
    trial: Trial | None
    renderer: Callable[[Verdict, Path, Sequence[HeadTransfer]], None] = field(repr=False, compare=False)
    measures: Similarity | None = None
    samples_needed: int | None = None
    input_units: tuple[float, ...] | None = None
    terms: Terms = EXACT
    loss: tuple[Loss, Loss] | None = None
    answers: tuple[str, str] | None = field(default=None, repr=False)
    rows: tuple[Int[Array, " n1"] | None, Int[Array, " n2"] | None] = field(default=(None, None), repr=False)

    def __repr__(self) -> str:
        return f"Verdict({self.names[0]!r}, {self.names[1]!r}: {headline(self)}, confidence {self.confidence:.2f})"

    def __str__(self) -> str:
        lines = [
            headline(self),
            f"{self.decision.value.upper()} (confidence {self.confidence:.2f})",
            f"  {self.names[0]}  |  {self.names[1]}",
            f"  {self.meaning}",
            f"  {NOT_LEARNED}",
        ]
        if (units := units_in_words(self.input_units)) is not None:
            lines.append(f"  {units}")
        if self.loss is not None:
            lines.append(f"loss of the best map, as a share of the spread ({self.terms.units} units)")
            lines += [f"  {line}" for line in losses_in_words(self)]
        if self.evidence:
            lines.append("evidence")
            lines += [f"  {figure}" for figure in self.evidence]
        if self.diagnosis:
            lines.append("diagnosis")
            lines += [f"  {finding}" for finding in self.diagnosis]
        if self.measures is not None:
            lines.append(f"usual measures (not part of the decision), {self.measures}")
        return "\n".join(lines)

    @property
    def determines(self) -> tuple[str, str]:
        """Whether the first determines the second, and the second the first: "yes", "no" or "cannot tell"."""
        return _ANSWERS[self.decision] if self.answers is None else self.answers

    @property
    def tolerance(self) -> float | None:
        """Loss up to which one network determines the other; None where the exact question was asked."""
        return self.terms.tolerance

    @property
    def units(self) -> str:
        """``"layer"`` or ``"neuron"``: what losses are shares of."""
        return self.terms.units

    @property
    def level(self) -> float:
        """Of the bounds of losses."""
        return self.terms.level

    @property
    def within(self) -> Within | None:
        """The larger loss of both directions and its bound; None where losses are not known."""
        if self.loss is None:
            return None
        return Within(max(each.value for each in self.loss), max(each.high for each in self.loss))

    @property
    def meaning(self) -> str:
        """The decision in a sentence."""
        if self.decision is Decision.UNDECIDED and YES in self.determines:
            one, two = ("first", "second") if self.determines[0] == YES else ("second", "first")
            way = f"The {two}'s activations follow from the {one}'s"
            rest = "the other way round these samples cannot tell"
            return f"{way}; {rest}." if CANNOT_TELL in self.determines else f"{way}."
        if not self.partial or self.overlap is None:
            return _MEANING[self.decision]
        one, two = self.overlap
        return f"{_MEANING[self.decision]} This holds for what both were probed on: {one:.0%} | {two:.0%} of either."

    @property
    def overlap(self) -> tuple[float, float] | None:
        """How much of what the first network was probed on, by volume, the second was probed on too, and the other way
        round, each 0 … 1, by their match; None without one."""
        return None if self.match is None else self.match.overlap.share

    @property
    def partial(self) -> bool:
        """Whether the decision is about the overlap alone, as either network was also probed on something else."""
        return any(finding.name == PARTIAL for finding in self.diagnosis)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain numbers and strings, for JSON."""
        return {
            "decision": self.decision.value,
            "confidence": self.confidence,
            "meaning": self.meaning,
            "networks": list(self.names),
            "samples": {
                "first": self.samples[0],
                "second": self.samples[1],
                "corresponding": self.samples[2],
            },
            "samples_needed": self.samples_needed,
            "determines": list(self.determines),
            "tolerance": self.tolerance,
            "units": self.units,
            "level": self.level,
            "within": None if self.within is None else dataclasses.asdict(self.within),
            "loss": None if self.loss is None else [_loss(each) for each in self.loss],
            "input_units": None if self.input_units is None else list(self.input_units),
            "overlap": None if self.overlap is None else list(self.overlap),
            "partial": self.partial,
            "dimension": [rank.rank for rank in self.ranks],
            "folded": [folds.share if folds.any else 0.0 for folds in self.folds],
            "ambiguity": None if self.match is None else self.match.ambiguity,
            "symmetry": None if self.match is None else _symmetry(self.match),
            "part": dataclasses.asdict(self.match.part) if self.match is not None and self.match.part else None,
            "match": None if self.match is None else _described(self.match),
            "evidence": [
                {
                    "name": figure.name,
                    "claim": figure.claim,
                    "value": figure.value,
                    "noise_floor": figure.floor,
                    "null": figure.null,
                    "probability": figure.probability,
                    "unit": figure.unit,
                }
                for figure in self.evidence
            ],
            "diagnosis": [
                {
                    "name": finding.name,
                    "subject": finding.subject,
                    "severity": finding.severity.value,
                    "message": finding.message,
                    "advice": finding.advice,
                }
                for finding in self.diagnosis
            ],
            "measures": None if self.measures is None else self.measures.to_dict(),
        }

    def report(self, path: str | Path, heads: Sequence[HeadTransfer] = ()) -> None:
        """Write one self-contained HTML page: decision and reasons in words first, then pictures.

        Args:
            path: of the page; it appears only once it is whole.
            heads: what ``st.transfer_head`` found between these two networks, to show as well.

        Raises:
            InputError: heads are not from ``st.transfer_head``, or of other networks.
            MissingExtraError: matplotlib is not installed.
        """
        if not isinstance(heads, list | tuple) or not all(isinstance(each, HeadTransfer) for each in heads):
            raise InputError(f"heads: {_check.shown(heads)}; give a list of what st.transfer_head returned")
        for each in heads:
            if each.names != self.names:
                raise InputError(
                    f"heads: {each.name!r} was carried between {' and '.join(each.names)}, but this verdict is about "
                    f"{' and '.join(self.names)}; give its own heads"
                )
        self.renderer(self, _files.place("path", path), tuple(heads))


def _loss(loss: Loss) -> dict[str, Any]:
    """One direction as plain numbers and strings."""
    return {
        "value": loss.value,
        "high": loss.high,
        "low": loss.low,
        "raw": loss.raw,
        "map": loss.map,
        "other_units": loss.other,
        "candidates": {name: dataclasses.asdict(tried) for name, tried in loss.candidates.items()},
        "lost": {
            "neurons": [{"name": n, "r2": r2, "share": share} for n, r2, share in loss.lost.neurons],
            "directions": [{"r2": r2, "share": share} for r2, share in loss.lost.directions],
        },
        "rows": loss.rows,
        "groups": loss.groups,
    }


def _described(match: Match) -> dict[str, Any]:
    """What a match was held by, and in what unit; anchors are rows of the probes."""
    return {
        "kind": match.kind,
        "anchors": len(match.anchors),
        "left_out": match.left_out_rows.tolist(),
        "anchor_noise": match.anchor_noise,
        "relative_scale": match.relative_scale,
        "relative_scale_deviation": match.relative_scale_deviation,
    }


def _symmetry(match: Match) -> dict[str, Any] | None:
    """What equally good matches differ by; anchors are rows of the first probe whose labels would decide, and an order
    of 0 is a continuum."""
    group = match.symmetry
    if group is None:
        return None
    anchors = match.first.rows[group.anchors].tolist()
    return {"name": group.name, "order": group.order, "complete": group.complete, "anchors": anchors}


def by_weight(findings: list[Finding]) -> tuple[Finding, ...]:
    """Findings, the weightiest first."""
    order = [Severity.DECISIVE, Severity.WARNING, Severity.NOTE]
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))
