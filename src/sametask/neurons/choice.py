"""How well a few neurons determine the others, and which few do it best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import qr

from sametask._types import Array, Float, Int
from sametask.neurons.regression import left_out_errors
from sametask.verdict.evidence import rms

CANDIDATES = 64
"""Neurons that are looked at closely, of more."""
_TARGETS = 256
"""Neurons that errors are told from, of more."""
_SURVEYED = 400
_PRINCIPAL = 24
"""Samples, and principal directions of the neurons to predict, by which candidates are compared."""
_STILL = 1e-9
"""A neuron that varies less than this share of the one that varies most is constant."""


def varying(activations: Float[Array, "n m"]) -> Int[Array, " v"]:
    """The neurons that are not constant over the sample."""
    values = activations.astype(np.float64)
    spread = values.std(axis=0)
    rounding = 8 * np.finfo(activations.dtype).eps * np.abs(values).max(axis=0)
    return np.flatnonzero(spread > np.maximum(_STILL * spread.max(), rounding))


@dataclass(frozen=True)
class Neurons:
    """Neurons to choose from, each of unit spread.

    Attributes:
        index: (v,) which neurons of the probe.
        values: (n, v), standardised.
        dimension: intrinsic dimension d.
        targets: columns that errors are told from.
    """

    index: Int[Array, " v"]
    values: Float[Array, "n v"]
    dimension: int
    targets: Int[Array, " t"]

    @staticmethod
    def of(activations: Float[Array, "n m"], dimension: int, rng: np.random.Generator) -> Neurons:
        """The neurons that vary."""
        index = varying(activations)
        values = activations[:, index].astype(np.float64)
        values = (values - values.mean(axis=0)) / values.std(axis=0)
        v = len(index)
        targets = np.arange(v) if v <= _TARGETS else np.sort(rng.choice(v, _TARGETS, replace=False))
        return Neurons(index, values, dimension, targets)

    def error(self, columns: Int[Array, " c"]) -> float:
        """Root mean square error of the other neurons, each sample predicted from its neighbours in the few, relative
        to their spread."""
        others = np.setdiff1d(self.targets, columns)
        if len(others) == 0:
            return float("nan")
        return rms(left_out_errors(self.values[:, columns], self.values[:, others], self.dimension))

    def best_error(self) -> float:
        """The error with all neurons: what is left to the spacing of samples, and to noise."""
        return rms(left_out_errors(self.values, self.values[:, self.targets], self.dimension))

    def candidates(self) -> Int[Array, " k"]:
        """Columns that together span most of what all do (QR with pivoting), where there are many."""
        n, v = self.values.shape
        if v <= CANDIDATES:
            return np.arange(v)
        rows = np.linspace(0, n - 1, min(n, _SURVEYED)).astype(int)
        # neurons that stir at few samples only look most unlike the rest: what many share counts for more
        scale = np.linalg.svd(self.values[rows], full_matrices=False)
        shared = scale.S[:CANDIDATES, None] * scale.Vh[:CANDIDATES]
        pivots: Any = qr(shared, mode="r", pivoting=True)[-1]
        return np.sort(pivots[:CANDIDATES])

    def greedy(self, most: int, start: Int[Array, " c"] | None = None) -> Int[Array, " k"]:
        """Columns, each the one that lowers the error most beside those before it."""
        n = len(self.values)
        rows = np.linspace(0, n - 1, min(n, _SURVEYED)).astype(int)
        wanted = self.values[:, self.targets]
        left, singular, _ = np.linalg.svd(wanted, full_matrices=False)
        wanted = (left * singular)[:, :_PRINCIPAL]
        chosen = [] if start is None else list(start)
        open_ = [column for column in self.candidates() if column not in chosen]
        while len(chosen) < most and open_:
            errors = [
                rms(left_out_errors(self.values[:, [*chosen, column]], wanted, self.dimension, rows))
                for column in open_
            ]
            chosen.append(open_.pop(int(np.argmin(errors))))
        return np.array(chosen, int)
