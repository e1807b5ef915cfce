"""Inputs and all other neurons from a few."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sametask import _check, _files
from sametask._check import InputError
from sametask._outcome import Finding, Severity
from sametask._types import Array, Float
from sametask.charts import Chart, chart
from sametask.neurons.choice import Neurons
from sametask.neurons.regression import left_out_errors
from sametask.neurons.sheets import Sheets
from sametask.neurons.whitney import Determined, about_reference, described, some
from sametask.numerics import local_metric
from sametask.numerics.manifold import SampledManifold, combine
from sametask.numerics.neighbours import NeighbourGraph
from sametask.probes import Probe, local_rank
from sametask.probes.units import units_in_words
from sametask.transformation import Estimate, OneWay, fitted_slopes, radius_of, spread_around
from sametask.verdict.judging import FEWEST
from sametask.verdict.verdict import Trial, by_weight

_PARTS = 5
_ENOUGH_HELD_OUT = 200
"""Parts are left out, one after another, until so many samples were."""
_UNTOLD = 0.5
"""An input coordinate of which less is explained is not told."""
_POOR = 0.9
"""A neuron of which less is explained is not reconstructed well."""
_LEAST = 1e-3
"""Input coordinates whose variance is less than this share of the largest are as good as constant."""
_LISTED = 5
"""So many input coordinates are named."""
_DEVIATIONS = 4.0
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Reconstructed:
    """What a few neurons say about the rest.

    Attributes:
        inputs: the inputs, as images where they are images; None where the probe held none.
        neurons: (n, others) all other neurons.
    """

    inputs: Estimate | None
    neurons: Estimate


@dataclass(frozen=True)
class Reconstruction:
    """A map from a few neurons to the inputs and to all other neurons.

    Call it with activations of the few to reconstruct.

    Attributes:
        neurons: the few.
        others: the neurons that are reconstructed.
        names: of all neurons.
        network: name of the network.
        dimension: intrinsic dimension d that all neurons together carry.
        folded: share of samples at which the few do not tell two places apart; up to ``stray`` it is none.
        stray: share of folded samples that is no more than strays.
        to_neurons: the map to the other neurons.
        to_inputs: the map to the inputs, flattened; or None.
        input_shape: of one input.
        held_out: other neurons predicted for samples that were left out, beside the truth.
        held_out_inputs: inputs likewise; or None.
        findings: what was noticed, the weightiest first.
        renderer: writes the report. Given from above, as reports stand on records and not the other way round.
        input_units: (D,) what counts as one unit of length along each input coordinate; None where inputs are none.
    """

    neurons: tuple[int, ...]
    others: tuple[int, ...]
    names: tuple[str, ...]
    network: str
    dimension: int
    folded: float
    stray: float
    to_neurons: OneWay
    to_inputs: OneWay | None
    input_shape: tuple[int, ...] | None
    held_out: Trial
    held_out_inputs: Trial | None
    findings: tuple[Finding, ...]
    renderer: Callable[[Reconstruction, Path], None] = field(repr=False, compare=False)
    input_units: tuple[float, ...] | None = None

    def __call__(self, activations: Any) -> Reconstructed:
        """Inputs and other neurons where the few say ``activations``.

        Args:
            activations: (n, k) of the few, in the order of ``neurons``.

        Raises:
            InputError: another number of neurons, or values not finite.
        """
        k = len(self.neurons)
        y = _check.array("activations", activations, ndim=2, expected=f"(n samples, {k} neurons)").astype(np.float64)
        if y.shape[1] != k:
            raise InputError(f"activations: {y.shape[1]} neurons; give the {k} that are reconstructed from")
        inputs = None
        if self.to_inputs is not None and self.input_shape is not None:
            flat = _estimate(self.to_inputs, y)
            inputs = dataclasses.replace(flat, value=flat.value.reshape(len(y), *self.input_shape))
        return Reconstructed(inputs, _estimate(self.to_neurons, y))

    @property
    def r2(self) -> Float[Array, " others"]:
        """Of each other neuron, the share of its variance that is explained for samples left out; NaN of constants."""
        return explained(self.held_out)

    @property
    def input_r2(self) -> Float[Array, " coordinates"] | None:
        """Of each input coordinate likewise."""
        trial = self._in_units
        return None if trial is None else explained(trial, _LEAST)

    @property
    def error(self) -> float:
        """Of the other neurons, at samples left out: root mean square error relative to their spread."""
        return relative_error(self.held_out)

    @property
    def input_error(self) -> float | None:
        """Of the inputs likewise."""
        trial = self._in_units
        return None if trial is None else relative_error(trial)

    @property
    def _in_units(self) -> Trial | None:
        """The inputs of samples left out, coordinates in their units: pascals would outweigh kelvins."""
        trial = self.held_out_inputs
        if trial is None or self.input_units is None:
            return trial
        units = np.array(self.input_units)
        return dataclasses.replace(trial, predicted=trial.predicted / units, true=trial.true / units)

    @property
    def coverage(self) -> dict[str, tuple[float, float]]:
        """Share of the samples left out whose error is within one and within two uncertainties."""
        trials = {"neurons": self.held_out, "inputs": self.held_out_inputs}
        return {name: covered(trial) for name, trial in trials.items() if trial is not None}

    @property
    def meaning(self) -> str:
        """The answer in a sentence or two."""
        few = ", ".join(self.names[k] for k in self.neurons)
        parts, untold = [], ""
        if (trial := self._in_units) is not None:
            told_inputs, untold = _of_inputs(trial)
            parts += told_inputs
        if self.others:
            count = len(self.others)
            what = "the other neuron" if count == 1 else f"the other {count} neurons"
            parts.append(f"{what} to within {_percent(self.error)} of their spread")
        told = f"{few} tell{'s' if len(self.neurons) == 1 else ''} {' and '.join(parts)}, at samples left out."
        told = " ".join([told] * bool(parts) + [untold] * bool(untold))
        if self.folded > self.stray:
            told += f" At {self.folded:.0%} of the samples they do not tell two places apart."
        return told

    def __str__(self) -> str:
        lines = [f"{self.network}: {len(self.neurons)} of {len(self.names)} neurons", f"  {self.meaning}"]
        rows = []
        if self.held_out_inputs is not None:
            rows.append(("inputs", self.held_out_inputs, self.input_error, self.input_r2))
        if self.others:
            rows.append(("other neurons", self.held_out, self.error, self.r2))
        lines.append("                 error   worst R²   median R²   within 1 and 2 uncertainties")
        for name, trial, error, share in rows:
            one, two = covered(trial)
            known = share[np.isfinite(share)]
            lines.append(
                f"{name:14} {error:7.2g} {known.min(initial=1):10.4f} {np.median(known):11.4f} {one:10.0%} {two:.0%}"
            )
        if (units := units_in_words(self.input_units)) is not None:
            lines.append(f"  {units}")
        return "\n".join(lines + [f"  {finding}" for finding in self.findings])

    def to_dict(self) -> dict[str, Any]:
        """The record as plain numbers and strings, for JSON; names that repeat are numbered."""
        names = _check.different(self.names)
        return {
            "network": self.network,
            "dimension": self.dimension,
            "meaning": self.meaning,
            "neurons": list(self.neurons),
            "neuron_names": [names[k] for k in self.neurons],
            "folded": self.folded,
            "held_out": len(self.held_out.rows),
            "error": {
                "neurons": self.error if self.others else None,
                "inputs": self.input_error,
            },
            "coverage": {name: list(shares) for name, shares in self.coverage.items()},
            "r2": {names[k]: _number(share) for k, share in zip(self.others, self.r2, strict=True)},
            "input_r2": None if self.input_r2 is None else [_number(share) for share in self.input_r2],
            "input_units": None if self.input_units is None else list(self.input_units),
            "findings": described(self.findings),
        }

    def report(self, path: str | Path) -> None:
        """Write one self-contained HTML page: the answer in words first, then tables and pictures.

        Args:
            path: of the page; it appears only once it is whole.

        Raises:
            InputError: ``path`` cannot be written.
            MissingExtraError: matplotlib is not installed.
        """
        self.renderer(self, _files.place("path", path))


def explained(trial: Trial, least: float = 1e-12) -> Float[Array, " m"]:
    """Share of the variance of each column that is predicted; NaN where it is less than ``least`` of the largest."""
    total = np.square(trial.true - trial.true.mean(axis=0)).sum(axis=0)
    missed = np.square(trial.predicted - trial.true).sum(axis=0)
    return np.where(total > least * total.max(initial=0), 1 - missed / np.where(total > 0, total, 1), np.nan)


def _of_inputs(trial: Trial) -> tuple[list[str], str]:
    """What is told of the inputs, and a sentence on what is not."""
    share = explained(trial, _LEAST)
    varied, untold = np.flatnonzero(np.isfinite(share)), np.flatnonzero(share < _UNTOLD)
    if not len(untold):
        return [f"the input to within {_percent(relative_error(trial))} of its spread"], ""
    why = f"R² below {_UNTOLD}, at samples left out"
    if len(untold) == len(varied):
        return [], f"The input cannot be told ({why})."
    kept = np.setdiff1d(varied, untold)
    told = dataclasses.replace(trial, predicted=trial.predicted[:, kept], true=trial.true[:, kept])
    listed = ", ".join(map(str, untold[:_LISTED])) + (f" and {len(untold) - _LISTED} more" * (len(untold) > _LISTED))
    return (
        [f"{len(kept)} of {len(varied)} input coordinates to within {_percent(relative_error(told))} of their spread"],
        f"Input {listed} cannot be told ({why}).",
    )


def relative_error(trial: Trial) -> float:
    """Root mean square error over root mean square spread, of all samples: where the few fold those outside the
    support count as well."""
    spread = np.square(trial.true - trial.true.mean(axis=0)).sum()
    return float(np.sqrt(np.square(trial.predicted - trial.true).sum() / max(spread, np.finfo(float).tiny)))


def covered(trial: Trial) -> tuple[float, float]:
    """Share of rows within the support whose error is within one and within two uncertainties."""
    kept = trial.inside if trial.inside.any() else np.ones(len(trial.rows), bool)
    error = np.linalg.norm(trial.predicted - trial.true, axis=1)[kept]
    one = trial.uncertainty[kept]
    return float((error <= one).mean()), float((error <= 2 * one).mean())


def reconstruct_from(
    probe: Probe, neurons: int | list[int], seed: int, renderer: Callable[[Reconstruction, Path], None]
) -> Reconstruction:
    """The computation of :func:`sametask.reconstruct`: ``neurons`` are so many to choose, or indices in order."""
    rng = np.random.default_rng(seed)
    rank = local_rank(probe).rank
    used = probe.truncate(rank)
    charted = chart(used)
    rows = some(len(charted.rows), rng)
    choice = Neurons.of(charted.probe.activations[rows], rank, rng)
    m = len(probe.neurons)
    if isinstance(neurons, int):
        if neurons > len(choice.index):
            raise InputError(
                f"neurons: {neurons}, but {len(choice.index)} neurons vary over the sample; give at most so many"
            )
        few = choice.index[choice.greedy(neurons)]
    else:
        few = np.array(neurons, int)
        still = np.setdiff1d(few, choice.index)
        if len(still):
            raise InputError(
                f"neurons: {probe.neurons[still[0]]} does not vary over the sample; choose others ({len(choice.index)} "
                "neurons vary)"
            )
    if len(few) < rank:
        raise InputError(
            f"neurons: {len(few)} of them; {rank} dimensions need at least {rank}, and 2d + 1 = {2 * rank + 1} generic "
            "ones are enough"
        )
    others = np.setdiff1d(np.arange(m), few)
    if len(others) == 0 and probe.inputs is None:
        raise InputError("neurons: all of them, and the probe holds no inputs; leave some out to reconstruct")
    sheets = Sheets.of(charted)
    folded = sheets.folded(few)
    to_neurons, to_inputs = _fit(charted, few, others, sheets)
    held_out, held_out_inputs = _held_out(used, few, others, rng)
    result = Reconstruction(
        tuple(few.tolist()),
        tuple(others.tolist()),
        probe.neurons,
        probe.name,
        rank,
        float(folded.mean()),
        sheets.stray / sheets.size,
        to_neurons,
        to_inputs,
        None if probe.inputs is None else probe.inputs.shape[1:],
        held_out,
        held_out_inputs,
        (),
        renderer,
    )
    columns = np.searchsorted(choice.index, few)
    determined = len(rows) < FEWEST or Determined.of(choice, rng)(columns)
    findings = _findings(probe, used, result, sheets, choice, determined)
    return dataclasses.replace(result, findings=by_weight(findings))


def _estimate(way: OneWay, activations: Array) -> Estimate:
    if len(activations) == 0:
        return Estimate(np.empty((0, way.values.shape[1])), np.empty(0), np.empty(0, bool))
    return way(activations)


# -- the map ---------------------------------------------------------------------------------------------------------


def _fit(charted: Chart, few: Array, others: Array, sheets: Sheets) -> tuple[OneWay, OneWay | None]:
    """Maps from the few to the others and to the inputs, at the samples of a chart of all neurons.

    All neurons together tell which samples are neighbours, and how far apart; so sheets that meet for the few are never
    interpolated between.
    """
    given, derivatives = charted.probe.pieces
    n = len(charted.rows)
    jacobians = np.swapaxes(derivatives[:, :, few].astype(np.float64), 1, 2)
    metric = local_metric.from_jacobians(jacobians, common_basis=True)
    turns = metric.directions
    assert turns is not None
    typical = max(float(np.median(metric.gains)), float(np.finfo(np.float32).tiny))
    metric = dataclasses.replace(metric, gains=np.maximum(metric.gains, 1e-9 * typical), directions=None)
    source = charted.manifold.seen_through(given[:, few].astype(np.float64), metric, turns)
    steps = np.matmul(turns[:, None], charted.graph.steps[..., None])[..., 0]
    graph = dataclasses.replace(charted.graph, steps=steps)
    folded = sheets.folded(few)
    # what the few say between samples is known only roughly, and so is the place that they tell
    off = _left_out(source, source.activations, metric.gains[:, :, None] * metric.frames) / np.sqrt(len(few))
    off = spread_around(graph, off)
    values = given[:, others].astype(np.float64)
    known = [np.matmul(turns, derivatives[:, :, others])]
    to_neurons = _way(source, graph, values, known, folded, off)
    if charted.probe.inputs is None:
        return to_neurons, None
    inputs = charted.probe.inputs.reshape(n, -1).astype(np.float64)
    directions = charted.probe.metric.directions
    reduced = charted.manifold.projection is not None
    known = []
    if directions is not None and not reduced and directions.shape[2] == inputs.shape[1]:
        # perhaps inputs are the intrinsic coordinates themselves: then these are their derivatives
        known.append(np.matmul(turns, directions))
    return to_neurons, _way(source, graph, inputs, known, folded, off)


def _way(
    source: SampledManifold, graph: NeighbourGraph, values: Array, known: list[Array], folded: Array, off: Array
) -> OneWay:
    """The map to values, with derivatives that are known or fitted, whichever predicts neighbours better."""
    n = len(values)
    candidates = [*known, fitted_slopes(graph, values)] if values.shape[1] else known
    errors = [_left_out(source, values, slopes) for slopes in candidates]
    best = int(np.argmin([np.square(error).sum() for error in errors]))
    # where the few fold, a place may be taken for the one on the other sheet
    mixed = np.zeros(n)
    if folded.any():
        rows = np.flatnonzero(folded)
        spread = np.sqrt(np.square(values - values.mean(axis=0)).sum(axis=1).mean())
        mixed[rows] = spread * left_out_errors(source.activations, values, source.dimension, rows)
        mixed = np.where(folded, spread_around(graph, mixed), 0)
    slopes = candidates[best]
    moved = np.sqrt(np.square(slopes / source.metric.gains[:, :, None]).sum(axis=(1, 2)))
    return OneWay(
        source,
        values,
        slopes,
        spread_around(graph, errors[best]),
        mixed,
        off * moved,
        radius_of(graph, source.dimension),
        # places are found by the same cubics, so that no more than what these miss is left over
        _DEVIATIONS * np.sqrt(source.activations.shape[1]) * off + _rounding(source.activations),
        np.ones(n, bool),
    )


def _rounding(values: Array) -> float:
    """What iterations towards a value leave over where nothing is missed."""
    return float(np.sqrt(np.finfo(np.float32).eps) * 1e-3 * np.abs(values - values.mean(axis=0)).max())


def _left_out(source: SampledManifold, values: Array, slopes: Array) -> Float[Array, " n"]:
    """How far each sample's value is from what its neighbours' pieces predict."""
    steps, turns = (each[:, 1:] for each in source.spokes)
    assert source.neighbours is not None
    near = source.neighbours[:, 1 : steps.shape[1] + 1]
    error = np.empty(len(values))
    block = max(1, _BLOCK // (near.shape[1] * max(values.shape[1], 1) * (source.dimension + 1)))
    for start in range(0, len(values), block):
        rows = slice(start, start + block)
        predicted, _ = combine(near[rows], steps[rows], turns[rows], values, slopes)
        error[rows] = np.linalg.norm(predicted - values[rows], axis=1)
    return error


# -- how good it is --------------------------------------------------------------------------------------------------


def _held_out(probe: Probe, few: Array, others: Array, rng: np.random.Generator) -> tuple[Trial, Trial | None]:
    """Predictions for parts of the samples by maps that know only the rest."""
    n = len(probe)
    parts = np.array_split(rng.permutation(n), _PARTS)
    trials: list[list[tuple[Array, ...]]] = [[], []]
    tested = 0
    for part in parts:
        rest = np.setdiff1d(np.arange(n), part)
        charted = chart(probe.take(rest))
        ways = _fit(charted, few, others, Sheets.of(charted))
        y = probe.activations[part][:, few].astype(np.float64)
        truths = [probe.activations[part][:, others]]
        if probe.inputs is not None:
            truths.append(probe.inputs[part].reshape(len(part), -1))
        for trial, way, true in zip(trials, ways, truths, strict=False):
            assert way is not None
            found = way(y)
            trial.append((part, found.value, true.astype(np.float64), found.uncertainty, found.inside))
        tested += len(part)
        if tested >= _ENOUGH_HELD_OUT:
            break
    made = [[np.concatenate(each) for each in zip(*trial, strict=True)] for trial in trials if trial]
    one, *more = [Trial(rows, predicted, true, error, inside) for rows, predicted, true, error, inside in made]
    return one, more[0] if more else None


def _findings(
    probe: Probe, used: Probe, result: Reconstruction, sheets: Sheets, choice: Neurons, determined: bool
) -> list[Finding]:
    found = [finding for finding in about_reference(probe, used, sheets, choice) if finding.name != "constant neurons"]
    if probe.inputs is None:
        found.append(
            Finding(
                "no inputs",
                "the probe holds no inputs: only neurons are reconstructed",
                "give inputs=… where the probe is made",
            )
        )
    if result.folded > result.stray:
        found.append(
            Finding(
                "folds",
                f"these {len(result.neurons)} neurons do not tell two places apart at {result.folded:.0%} of the "
                "samples: there one of the two is given, and the uncertainty says how far apart they are",
                _remedy(result, sheets, choice),
                Severity.WARNING,
            )
        )
    poor = int(np.count_nonzero(result.r2 < _POOR))
    if not determined:
        found.append(
            Finding(
                "not determined",
                f"the others are not a function of these {len(result.neurons)}: at samples left out the error is "
                "far above that of functions known to hold, and does not fall with more samples",
                "add neurons" if result.folded > result.stray else "add neurons, or give more samples to see the folds",
                Severity.DECISIVE,
            )
        )
    if poor and determined and result.folded <= result.stray:
        found.append(
            Finding(
                "poorly reconstructed",
                f"of {poor} of {len(result.others)} other neurons less than {_POOR:.0%} of the variance is explained, "
                "though the few do not fold: these neurons vary faster than samples are spaced, or are noisy",
                "give more samples",
            )
        )
    return found


def _remedy(result: Reconstruction, sheets: Sheets, choice: Neurons) -> str:
    """Which neurons, added to the few, tell all places apart."""
    few = np.searchsorted(choice.index, np.array(result.neurons))
    most = min(len(choice.index), max(2 * result.dimension + 1, len(few) + 1) + 1)
    order = choice.index[choice.greedy(most, few)]
    for count in range(len(few) + 1, len(order) + 1):
        if np.count_nonzero(sheets.folded(order[:count])) <= sheets.stray:
            added = ", ".join(result.names[k] for k in order[len(few) : count])
            return f"add {added}: these {count} tell all places apart"
    return f"add neurons: 2d + 1 = {2 * result.dimension + 1} generic ones are enough"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
