"""How many neurons are enough: error and folds against their number."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sametask import _files
from sametask._check import InputError
from sametask._outcome import Finding, Severity
from sametask._types import Array, Bool, Float, Int
from sametask.charts import chart
from sametask.neurons.choice import Neurons
from sametask.neurons.sheets import Sheets
from sametask.probes import Probe, local_rank
from sametask.probes.units import units_in_words
from sametask.verdict import function
from sametask.verdict.folds import find_folds
from sametask.verdict.judging import FEWEST
from sametask.verdict.verdict import by_weight

MOST_SAMPLES = 2000
"""Of more samples that many are used."""
MOST_NEURONS = 32
"""So many are tried where fewer fold and the user names none."""
_BEYOND = 2
"""Counts beyond 2d + 1 that are tried."""
_COARSE = 0.01
"""Share of the spread from which on what samples do not resolve is worth a word."""


@dataclass(frozen=True)
class Whitney:
    """How well so many neurons of a network determine all others, and its input.

    Attributes:
        counts: (c,) numbers of neurons tried.
        error: (draws, c) of neurons drawn at random: root mean square error of all other neurons, each of unit
            spread, predicted for samples that are left out; 1 is no better than their means.
        folded: (draws, c) share of samples within reach of a place that these neurons do not tell from another.
        greedy_error, greedy_folded: (c,) of the best greedy choice.
        order: neurons in the order in which the greedy choice takes them.
        drawn: (draws, most) neurons of each draw; its first k are those for k neurons.
        dimension: intrinsic dimension d that all neurons together carry.
        stray: share of folded samples that is no more than strays: fewer than one crossing shows.
        best: error with all neurons, what is left to the spacing of samples and to noise.
        missed_drawn: (c,) whether the other neurons are no function of the draw that predicts them worst, by samples
            left out; folds can be missed where samples are sparse. Only told where no draw folds, up to the first
            number that holds.
        missed_greedy: (c,) the same of the greedy choice.
        enough_drawn: the least number from which on no draw folds or misses the others; None if there is none, or if
            samples are too few to tell.
        enough_greedy: the same of the greedy choice.
        neurons: the neurons picked: the greedy choice of ``enough_greedy`` of them (of the most tried, where it is
            None), for ``probe.select``.
        names: of all neurons.
        samples: how many samples were used, and how many there are.
        network: name of the network.
        findings: what was noticed, the weightiest first.
        renderer: writes the report. Given from above, as reports stand on records and not the other way round.
        input_units: (D,) what counts as one unit of length along each input coordinate; None where inputs are none.
    """

    counts: Int[Array, " c"]
    error: Float[Array, "draws c"]
    folded: Float[Array, "draws c"]
    greedy_error: Float[Array, " c"]
    greedy_folded: Float[Array, " c"]
    order: Int[Array, " most"]
    drawn: Int[Array, "draws most"]
    dimension: int
    stray: float
    best: float
    missed_drawn: Bool[Array, " c"]
    missed_greedy: Bool[Array, " c"]
    names: tuple[str, ...]
    samples: tuple[int, int]
    network: str
    findings: tuple[Finding, ...]
    renderer: Callable[[Whitney, Path], None] = field(repr=False, compare=False)
    input_units: tuple[float, ...] | None = None

    @property
    def theory(self) -> int:
        """2d + 1: so many generic neurons are enough (Whitney; Sauer, Yorke & Casdagli 1991)."""
        return 2 * self.dimension + 1

    @property
    def unfolded(self) -> Bool[Array, "draws c"]:
        """Which draws show no more than strays."""
        return self.folded <= self.stray

    @property
    def enough_drawn(self) -> int | None:
        """The least number from which on no draw folds or misses the others."""
        if self.few_samples:
            return None
        return _from_on(self.counts, np.asarray(self.unfolded.all(axis=0)) & ~self.missed_drawn)

    @property
    def enough_greedy(self) -> int | None:
        """The least number from which on the greedy choice does not fold or miss the others."""
        if self.few_samples:
            return None
        return _from_on(self.counts, (self.greedy_folded <= self.stray) & ~self.missed_greedy)

    @property
    def few_samples(self) -> bool:
        """Whether there are too few samples to be sure of anything."""
        return self.samples[0] < FEWEST

    @property
    def neurons(self) -> tuple[int, ...]:
        """The neurons picked."""
        enough = self.enough_greedy or int(self.counts[-1])
        return tuple(int(k) for k in self.order[:enough])

    def __str__(self) -> str:
        lines = [
            f"{self.network}: {len(self.names)} neurons, {self.dimension} dimensions, {self.samples[0]} samples",
            f"  {self.meaning}",
            "          drawn at random             greedy choice",
            "neurons   error   folded   unfolded   error   folded",
        ]
        for k, count in enumerate(self.counts):
            mark = "  2d + 1" if count == self.theory else ""
            error, folded = np.median(self.error[:, k]), np.median(self.folded[:, k])
            clear = f"{int(self.unfolded[:, k].sum())} of {len(self.unfolded)}"
            lines.append(
                f"{count:7d} {error:7.2g} {folded:8.1%} {clear:>10} "
                f"{self.greedy_error[k]:7.2g} {self.greedy_folded[k]:8.1%}{mark}"
            )
        if (units := units_in_words(self.input_units)) is not None:
            lines.append(f"  {units}")
        lines += [f"  {finding}" for finding in self.findings]
        return "\n".join(lines)

    @property
    def meaning(self) -> str:
        """The answer in a sentence or two."""
        drawn, greedy = self.enough_drawn, self.enough_greedy
        last = int(self.counts[-1])
        if self.few_samples:
            return f"{self.samples[0]} samples are too few to tell how many neurons are enough (theory: {self.theory})."
        first = (
            f"From {_neurons(drawn)} on, none of {len(self.error)} random draws folds (theory: {self.theory})."
            if drawn is not None
            else f"Up to {_neurons(last)}, some of {len(self.error)} random draws fold"
            f"{' or miss others' if self.missed_drawn.any() else ''} (theory: {self.theory})."
        )
        named = ", ".join(self.names[k] for k in self.neurons)
        second = (
            f"Chosen well, {_neurons(greedy)} {'is' if greedy == 1 else 'are'} enough: {named}."
            if greedy is not None
            else f"The greedy choice folds{' or misses others' if self.missed_greedy.any() else ''} as well: {named}."
        )
        return f"{first} {second}"

    def to_dict(self) -> dict[str, Any]:
        """The record as plain numbers and strings, for JSON."""
        return {
            "network": self.network,
            "dimension": self.dimension,
            "theory": self.theory,
            "samples": {"used": self.samples[0], "given": self.samples[1]},
            "meaning": self.meaning,
            "enough": {"drawn": self.enough_drawn, "greedy": self.enough_greedy},
            "neurons": list(self.neurons),
            "neuron_names": [self.names[k] for k in self.neurons],
            "order": self.order.tolist(),
            "drawn": self.drawn.tolist(),
            "stray": self.stray,
            "best_error": self.best,
            "missed": {"drawn": self.missed_drawn.tolist(), "greedy": self.missed_greedy.tolist()},
            "counts": [
                {
                    "neurons": int(count),
                    "error": self.error[:, k].tolist(),
                    "folded": self.folded[:, k].tolist(),
                    "greedy_error": float(self.greedy_error[k]),
                    "greedy_folded": float(self.greedy_folded[k]),
                }
                for k, count in enumerate(self.counts)
            ],
            "input_units": None if self.input_units is None else list(self.input_units),
            "findings": described(self.findings),
        }

    def report(self, path: str | Path) -> None:
        """Write one self-contained HTML page: the answer in words first, then the figure.

        Args:
            path: of the page; it appears only once it is whole.

        Raises:
            InputError: ``path`` cannot be written.
            MissingExtraError: matplotlib is not installed.
        """
        self.renderer(self, _files.place("path", path))


def count_neurons(
    probe: Probe,
    counts: Sequence[int] | None,
    draws: int,
    seed: int,
    renderer: Callable[[Whitney, Path], None],
) -> Whitney:
    """The computation of :func:`sametask.whitney`, of checked arguments."""
    rng = np.random.default_rng(seed)
    used = probe.take(some(len(probe), rng))
    rank = local_rank(used)
    charted = chart(used.truncate(rank.rank))
    measured = charted.probe
    neurons = Neurons.of(measured.activations, rank.rank, rng)
    v, d = len(neurons.index), rank.rank
    if v < 2:
        raise InputError(f"probe: {v} neuron of {len(probe.neurons)} varies; give a probe of two neurons or more")
    tried = list(range(1, min(2 * d + 1 + _BEYOND, v - 1) + 1)) if counts is None else sorted(counts)
    if tried[-1] > v - 1:
        raise InputError(
            f"counts: {tried[-1]}, but {v} neurons vary over the sample, and one must be left to predict; "
            f"give at most {v - 1}"
        )
    longest = min(v - 1, max(tried[-1], MOST_NEURONS)) if counts is None else tried[-1]
    drawn = np.stack([rng.permutation(v)[:longest] for _ in range(draws)])
    order = neurons.greedy(tried[-1])
    sheets = Sheets.of(charted)

    def look(columns: Array) -> tuple[float, float]:
        return neurons.error(columns), float(sheets.folded(neurons.index[columns]).mean())

    stray = sheets.stray / sheets.size
    seen = [look(each[:count]) for count in tried for each in (*drawn, order)]
    # neurons that are silent over much of the sample are not generic: more of them are needed
    while counts is None and tried[-1] < longest and seen[-1][1] > stray:
        tried.append(min(-(-3 * tried[-1] // 2), longest))
        order = neurons.greedy(tried[-1], order)
        seen += [look(each[: tried[-1]]) for each in (*drawn, order)]
    error, folded = np.moveaxis(np.reshape(seen, (len(tried), draws + 1, 2)), (0, 1, 2), (2, 1, 0))
    missed_drawn, missed_greedy = np.zeros(len(tried), bool), np.zeros(len(tried), bool)
    result = Whitney(
        np.array(tried),
        error[:-1],
        folded[:-1],
        error[-1],
        folded[-1],
        neurons.index[order],
        neurons.index[drawn[:, : tried[-1]]],
        d,
        stray,
        neurons.best_error(),
        missed_drawn,
        missed_greedy,
        probe.neurons,
        (sheets.size, len(probe)),
        probe.name,
        (),
        renderer,
    )
    if not result.few_samples:
        test = Determined.of(neurons, rng)
        # sheets that are sampled too sparsely to be seen to meet show in what the few miss
        while (enough := result.enough_drawn) is not None:
            k = tried.index(enough)
            worst = int(np.argmax(np.nan_to_num(error[:-1, k])))
            if test(drawn[worst, :enough]):
                break
            missed_drawn[k] = True
        while (enough := result.enough_greedy) is not None and not test(order[:enough]):
            missed_greedy[tried.index(enough)] = True
    return dataclasses.replace(result, findings=by_weight(_findings(probe, used, result, sheets, neurons)))


@dataclass(frozen=True)
class Determined:
    """Whether a few neurons determine the others, by samples left out, beside functions that are known to hold."""

    neurons: Neurons
    known: function.Missed
    rng: np.random.Generator

    @staticmethod
    def of(neurons: Neurons, rng: np.random.Generator) -> Determined:
        """The test for neurons to choose from."""
        known = function.known_to_hold(neurons.values, neurons.dimension, rng, fewest=True)
        return Determined(neurons, known, rng)

    def __call__(self, columns: Array) -> bool:
        """Whether these determine the others."""
        values, others = self.neurons.values, np.setdiff1d(self.neurons.targets, columns)
        if len(others) == 0:
            return True
        return function.determines(values[:, columns], values[:, others], self.neurons.dimension, self.known, self.rng)


def _findings(probe: Probe, used: Probe, result: Whitney, sheets: Sheets, neurons: Neurons) -> list[Finding]:
    """What was noticed about the probe and about the counts."""
    findings = about_reference(probe, used, sheets, neurons)
    if result.few_samples:
        findings.append(
            Finding(
                "few samples",
                f"{result.samples[0]} samples are too few to be sure of anything: folds are not seen between them",
                f"give at least {FEWEST} samples, some hundreds for each dimension to be sure",
                Severity.DECISIVE,
            )
        )
        return findings
    if result.missed_greedy.any() or result.missed_drawn.any():
        least = int(result.counts[result.missed_greedy | result.missed_drawn].min())
        findings.append(
            Finding(
                "others missed",
                f"from {_neurons(least)} on no fold is seen, but others are not a function of so few: at samples "
                "left out the error is far above that of functions known to hold, and does not fall with more samples",
                "give more samples to see the folds, or take more neurons",
                Severity.WARNING,
            )
        )
    if result.enough_greedy is None and result.enough_drawn is None:
        last = int(result.counts[-1])
        findings.append(
            Finding(
                "too few neurons",
                f"up to {_neurons(last)} every choice that was tried folds, random draws and the greedy one",
                "try more neurons (counts), or more samples, if they do not tell sheets apart that are near",
                Severity.WARNING,
            )
        )
    elif result.enough_drawn is not None and result.enough_drawn > result.theory:
        findings.append(
            Finding(
                "more than theory",
                f"random draws fold with more than 2d + 1 = {result.theory} neurons: neurons are not generic (several "
                "say the same), or sheets pass by closer than these samples resolve",
                "give more samples, or take the neurons picked",
                Severity.WARNING,
            )
        )
    return findings


def about_reference(probe: Probe, used: Probe, sheets: Sheets, neurons: Neurons) -> list[Finding]:
    """What was noticed about all neurons together, which few are held against."""
    findings = []
    rank = neurons.dimension
    folds = find_folds(used.truncate(rank))
    m, v = len(probe.neurons), len(neurons.index)
    if folds.any:
        findings.append(
            Finding(
                "folds",
                f"all {m} neurons together fold at {folds.share:.0%} of the samples: a few are held against what all "
                "carry, not against the input",
                "add neurons or another layer, if the input matters",
                Severity.WARNING,
            )
        )
    if rank < probe.dimension:
        findings.append(
            Finding(
                "collapse",
                f"all {m} neurons together resolve {rank} of {probe.dimension} directions, and only these are counted",
                "choose an earlier layer, if the others matter",
                Severity.WARNING,
            )
        )
    if v < m:
        findings.append(
            Finding("constant neurons", f"{m - v} of {m} neurons do not vary over the sample, and were left out")
        )
    if sheets.size < len(probe):
        findings.append(Finding("samples", f"{sheets.size:,} of {len(probe):,} samples were used"))
    resolution = sheets.resolution(neurons.index[neurons.targets])
    if resolution > _COARSE:
        findings.append(
            Finding(
                "resolution",
                f"sheets that are nearer than {resolution:.1%} of a neuron's spread cannot be told from sheets that "
                "meet",
                "give more samples, or less noise",
            )
        )
    return findings


def described(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Findings as strings, for JSON."""
    return [
        {
            "name": finding.name,
            "severity": finding.severity.value,
            "message": finding.message,
            "advice": finding.advice,
        }
        for finding in findings
    ]


def _from_on(counts: Int[Array, " c"], clear: Bool[Array, " c"]) -> int | None:
    """The least count from which on all are clear."""
    folded = np.flatnonzero(~clear)
    first = folded[-1] + 1 if len(folded) else 0
    return int(counts[first]) if first < len(counts) else None


def some(n: int, rng: np.random.Generator) -> Array:
    """Rows, no more than ``MOST_SAMPLES``."""
    return np.arange(n) if n <= MOST_SAMPLES else np.sort(rng.choice(n, MOST_SAMPLES, replace=False))


def _neurons(count: int | None) -> str:
    return f"{count} neuron" + ("" if count == 1 else "s")
