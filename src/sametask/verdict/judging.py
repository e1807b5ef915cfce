"""What is judged, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sametask._outcome import Finding, Severity
from sametask._types import Array, Int
from sametask.charts.chart import Chart
from sametask.charts.diffusion import DiffusionChart
from sametask.evidence.loss import Loss
from sametask.matching.candidate import Places
from sametask.matching.known import Known
from sametask.matching.match import Match
from sametask.probes.probe import Probe
from sametask.probes.rank import LocalRank
from sametask.transformation import Transformation
from sametask.verdict.evidence import Evidence
from sametask.verdict.folds import Folds
from sametask.verdict.single import Single
from sametask.verdict.terms import EXACT, Terms
from sametask.verdict.verdict import Decision, Trial

FEWEST = 60
"""A noise floor needs two halves, and a chart of each needs some thirty samples; with fewer nothing is decided."""
PAIRED = 60
"""Correspondences from which a function is tested directly."""


@dataclass(frozen=True)
class Case:
    """What is to be judged: two networks, each as it shows itself, and their correspondences."""

    singles: tuple[Single, Single]
    pairs: Int[Array, "k 2"]
    rng: np.random.Generator
    anchor_noise: float | None = None
    relative_scale: float | None = 1.0
    known: tuple[Known, ...] = ()
    brief: bool = False
    """Whether the decision alone is asked for: no transformation, and no match where the decision is sure without."""
    terms: Terms = EXACT
    """What counts as the same."""
    groups: Int[Array, " k"] | None = None
    """Of each pair: pairs of one group belong together, as frames of one clip do."""
    start: Places | None = None
    """Places of the first's samples on the second's manifold to begin a match from, in place of a search."""

    @property
    def probes(self) -> tuple[Probe, Probe]:
        """Of the two, in the directions that each still carries."""
        return self.singles[0].probe, self.singles[1].probe

    @property
    def ranks(self) -> tuple[LocalRank, LocalRank]:
        """How many directions these are."""
        return self.singles[0].rank, self.singles[1].rank

    @property
    def folds(self) -> tuple[Folds, Folds]:
        """Where activations of each turn back on themselves."""
        return self.singles[0].folds, self.singles[1].folds

    @property
    def method(self) -> DiffusionChart:
        """How networks are charted."""
        return self.singles[0].method


@dataclass(frozen=True)
class Judgement:
    """A decision with its reasons; ``needed`` is how many samples of each network would decide where these do not;
    ``loss`` and ``determines`` are there forward and backward, if a tolerance was given and many samples correspond."""

    decision: Decision
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    transformation: Transformation | None = None
    charts: tuple[Chart, Chart] | None = None
    match: Match | None = None
    trial: Trial | None = None
    needed: int | None = None
    loss: tuple[Loss, Loss] | None = None
    determines: tuple[str, str] | None = None


_MOST_TIMES = 100.0
"""Samples more than so many times as many are out of reach."""


def needed(times: float, samples: int) -> int | None:
    """So many times as many samples, rounded up to two digits; None where that is out of reach."""
    if times > _MOST_TIMES:
        return None
    digits = 10 ** max(int(np.log10(times * samples)) - 1, 0)
    return int(np.ceil(times * samples / digits)) * digits


def advice(samples: int | None, else_: str) -> str:
    """What to do where a figure leaves the matter open."""
    if samples is None:
        return f"{else_}; no number of samples in reach would decide by this figure"
    return f"about {samples:,} samples of each network would decide, as far as the noise floor tells; or {else_}"


def too_few(case: Case) -> Judgement:
    """The answer to small samples."""
    n = min(len(probe) for probe in case.probes)
    finding = Finding(
        "few samples",
        f"{n} samples are too few to know the noise of any figure: halves of them carry no chart",
        f"at least {FEWEST} samples, some hundreds for each dimension to be sure",
        Severity.DECISIVE,
    )
    return Judgement(Decision.UNDECIDED, 0.5, findings=(finding,), needed=2 * FEWEST)
