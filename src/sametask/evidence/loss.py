"""How much of one network a map from the other loses, with a bound that holds for all maps tried at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Bool, Float
from sametask.probes.noise import Noise

UNITS = ("layer", "neuron")
_ROUNDING = 16.0
"""Units in the last place of a neuron's largest value: it is constant if it is spread no more than sums round."""
_OFF_MODE = 20
"""Rows away from its most frequent value, from which a neuron counts by itself: fewer say nothing of its variance."""
_ROWS, _AXES = 1000, 3
"""Rows by which directions of error are found, and how many directions are named: these only describe."""


@dataclass(frozen=True)
class Tried:
    """One map: the error it leaves.

    Attributes:
        value: held-out error, as a share of the spread.
        high: upper bound of the error on fresh rows, simultaneous over all maps and both directions.
    """

    value: float
    high: float


@dataclass(frozen=True)
class Lost:
    """What a map does not carry over.

    Attributes:
        neurons: name, R² and share of the spread of the target's neurons that are predicted worst, worst first.
        directions: R² and share of the spread of the directions that hold most of the error, most first.
    """

    neurons: tuple[tuple[str, float, float], ...]
    directions: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Loss:
    """How much of the target the best map from the source loses.

    Attributes:
        value: held-out error of the map, as a share of the spread, in the units that were asked for.
        high: one-sided upper bound of the map's error on fresh rows, at the level asked for, simultaneous over all
            maps tried and both directions.
        low: no map of moderate slope does better; 0 where nothing of the kind is known.
        raw: the error with the noise of repeated answers left in it.
        map: name of the map: ``"identity"``, ``"permutation"`` (with scales), ``"rotation"`` (with one scale),
            ``"linear"``, ``"smooth"`` or ``"geometry"``.
        candidates: error and bound of each map tried, by name, simplest first.
        other: the error in the units that were not asked for.
        lost: by neuron and by direction.
        rows: number of rows that the error is known at.
        groups: number of groups among these; rows where none were given.
        unjudged: number of neurons of the target that vary, but in too few rows, or by too little beside their noise,
            to count by themselves.
    """

    value: float
    high: float
    low: float
    raw: float
    map: str
    candidates: Mapping[str, Tried]
    other: float
    lost: Lost
    rows: int
    groups: int
    unjudged: int = 0

    def sufficient(self, tolerance: float) -> str | None:
        """The simplest map whose bound is within ``tolerance``; None where there is none."""
        return next((name for name, tried in self.candidates.items() if tried.high <= tolerance), None)


@dataclass(frozen=True)
class Yardstick:
    """What errors are held against: the spread of the target, with the noise of its answers taken off.

    Attributes:
        spread: (m,) variance of each neuron.
        counts: (m,) neurons that count by themselves.
        noise: of the target's answers, or None.
        unjudged: number of neurons that vary, and do not count by themselves.
    """

    spread: Float[Array, " m"]
    counts: Bool[Array, " m"]
    noise: Noise | None
    unjudged: int = 0

    @staticmethod
    def of(target: Float[Array, "n m"], noise: Noise | None = None) -> Yardstick:
        """The spread of a network's activations.

        Neurons count by themselves unless they are constant, off their most frequent value in fewer than 20 rows (in
        fewer than 40 rows in all: in fewer than half of them), or spread no more than their noise or digits.
        """
        given = np.asarray(target)
        values = given.astype(np.float64)
        variance = values.var(axis=0)
        spread = variance if noise is None else np.maximum(variance - noise.variance, 0)
        digits = np.finfo(given.dtype if given.dtype.kind == "f" else np.float64).eps
        varies = spread > np.square(_ROUNDING * digits * np.abs(values).max(axis=0, initial=0))
        counts = varies.copy()
        if noise is not None:
            # the variance of an estimate of variance from n rows and that of the noise
            unsure = np.sqrt(2 / len(values)) * variance + np.sqrt(2 / noise.freedom) * noise.variance
            counts &= spread > 2 * unsure
        least = min(_OFF_MODE, len(values) // 2)
        counts &= _off_mode(values) >= least
        return Yardstick(spread, counts, noise, int((varies & ~counts).sum()))

    def parts(self, errors: Float[Array, "n m"], units: str) -> Parts:
        """What a squared loss is the largest of: one part in layer units, one for each neuron that counts in neuron
        units."""
        squares = np.square(errors)
        explained = np.zeros(len(self.spread)) if self.noise is None else self.noise.variance
        unsure = 0.0 if self.noise is None else float(np.sqrt(2 / self.noise.freedom))
        if units == "layer":
            spread, noise = np.array([self.spread.sum()]), np.array([explained.sum()])
            rows = squares.sum(axis=1, keepdims=True)
        else:
            spread, noise, rows = self.spread[self.counts], explained[self.counts], squares[:, self.counts]
        spread = np.maximum(spread, np.finfo(float).tiny)
        # neurons may be noisy all together, so that what is not known of each adds up
        return Parts(rows / spread, noise / spread, unsure * noise / spread)

    def squared(self, errors: Float[Array, "n m"], units: str) -> float:
        """Squared loss, below 0 where noise explains more than all of it."""
        return self.parts(errors, units).squared


@dataclass(frozen=True)
class Parts:
    """A squared loss by what it is the largest of.

    Attributes:
        rows: (n, c) squared errors of each row, as shares of the spread.
        noise: (c,) share that noise of the target's own answers explains.
        unsure: (c,) standard error of that.
    """

    rows: Float[Array, "n c"]
    noise: Float[Array, " c"]
    unsure: Float[Array, " c"]

    @property
    def values(self) -> Float[Array, " c"]:
        """Of each part."""
        return self.rows.mean(axis=0) - self.noise

    @property
    def squared(self) -> float:
        """The largest; 1, as of a map that says nothing, if there are none."""
        return float(self.values.max()) if len(self.values) else 1.0

    def worst(self, most: int) -> Parts:
        """The parts with the largest values."""
        kept = np.argsort(-self.values, kind="stable")[:most]
        return Parts(self.rows[:, kept], self.noise[kept], self.unsure[kept])


def root(squared: float) -> float:
    """A loss from its square, 0 where noise explains more than all of it."""
    return float(np.sqrt(max(squared, 0.0)))


def lost(
    errors: Float[Array, "n m"],
    target: Float[Array, "n m"],
    yardstick: Yardstick,
    names: tuple[str, ...],
    most: int = 5,
) -> Lost:
    """What errors are made of, by neuron and by direction."""
    spread = yardstick.spread
    total = max(float(spread.sum()), np.finfo(float).tiny)
    explained = 0 if yardstick.noise is None else yardstick.noise.variance
    each = np.maximum(np.square(errors).mean(axis=0) - explained, 0)
    r2 = 1 - each / np.maximum(spread, np.finfo(float).tiny)
    counting = np.flatnonzero(yardstick.counts)
    worst = counting[np.argsort(r2[counting], kind="stable")[:most]]
    neurons = tuple((names[k], float(r2[k]), float(spread[k] / total)) for k in worst)
    return Lost(neurons, _directions(errors, target, total))


def _directions(errors: Array, target: Array, total: float) -> tuple[tuple[float, float], ...]:
    """R² and share of the spread of the directions that hold most of the error."""
    few = errors[:: max(1, len(errors) // _ROWS)]
    axes = np.linalg.svd(few, full_matrices=False)[2][:_AXES]
    missed = np.square(errors @ axes.T).mean(axis=0)
    there = (target @ axes.T).var(axis=0)
    return tuple((float(1 - a / b), float(b / total)) for a, b in zip(missed, there, strict=True) if b > 0)


def _off_mode(values: Float[Array, "n m"]) -> Array:
    """(m,) rows at which each neuron does not say what it says most often."""
    ordered = np.sort(values, axis=0)
    n = len(ordered)
    longest = np.ones(ordered.shape[1], np.int64)
    run = np.ones(ordered.shape[1], np.int64)
    for k in range(1, n):
        run = np.where(ordered[k] == ordered[k - 1], run + 1, 1)
        longest = np.maximum(longest, run)
    return n - longest
