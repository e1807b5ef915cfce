"""Smooth functions on a charted manifold, told from what is known at some of its samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Bool, Float, Int
from sametask.charts.chart import Chart
from sametask.matching.spectral import gradients

_BLOCK = 1 << 22
_MOST_FUNCTIONS = 20
_ROWS_EACH = 3
"""Known rows for each eigenfunction fitted, at least."""
_STIFFNESS = 10.0 ** np.arange(-7, 3)
"""Of the smoothest functions against what is known: those that miss least, left out, are taken."""
_SPLITS = 12
_DAMPED = 1.5
"""The last of the modes in which a concentration is told is damped by e⁻¹·⁵, later ones by more."""


@dataclass(frozen=True)
class Field:
    """A function on a manifold, with columns.

    Attributes:
        values: (n, c) at the samples.
        slope: (n, c, d) its gradients there, in each sample's frame.
        left_out: (n, c) what the others say where it is known; NaN elsewhere.
        error: mean square by which that misses what is known, summed over columns; infinite where too little is known
            to say.
    """

    values: Float[Array, "n c"]
    slope: Float[Array, "n c d"]
    left_out: Float[Array, "n c"]
    error: float

    def at(self, sample: Int[Array, " p"], offset: Float[Array, "p d"]) -> Float[Array, "p c"]:
        """Values at places, within the range of those at samples."""
        told = self.values[sample] + np.einsum("pcd,pd->pc", self.slope[sample], offset)
        return np.clip(told, self.values.min(axis=0), self.values.max(axis=0))


def fit(chart: Chart, known: Float[Array, "n c"]) -> Field:
    """What is known at some samples, smoothed and continued to all: by whatever misses least what it was not given.

    Either linear functions over fewer or more of the neighbours, or eigenfunctions of which rough ones are resisted.
    The latter continue what is known on few rows.
    """
    told = np.asarray(~np.isnan(known).any(axis=1))
    best = _by_functions(chart, known, told)
    k = chart.graph.index.shape[1]
    count = int(2.5 * (chart.dimension + 1))
    while count < 2 * k:
        local = _by_neighbours(chart, known, told, min(count, k), best)
        if local.error < best.error:
            best = local
        count *= 2
    return best


def _by_functions(chart: Chart, known: Array, told: Bool[Array, " n"]) -> Field:
    rows = np.flatnonzero(told)
    size = min(_MOST_FUNCTIONS, len(rows) // _ROWS_EACH, len(chart.eigenvalues))
    design = np.concatenate([np.ones((len(told), 1)), chart.functions[:, :size]], axis=1)
    roughness = np.diag(np.square(np.concatenate([[0.0], chart.eigenvalues[:size] / chart.eigenvalues[0]])))
    at, wanted = design[rows], known[rows]
    normal, right = at.T @ at / len(rows), at.T @ wanted / len(rows)
    error, values, left_out = np.inf, None, wanted
    for stiffness in _STIFFNESS:
        inverse = np.linalg.inv(normal + stiffness * roughness + 1e-12 * np.eye(1 + size))
        coefficients = inverse @ right
        own = np.einsum("pk,kl,pl->p", at, inverse, at)[:, None] / len(rows)
        missed = (wanted - at @ coefficients) / np.maximum(1 - own, 1e-3)
        total = float(np.square(missed).sum(axis=1).mean())
        if values is None or total < error:
            error, values, left_out = total, design @ coefficients, wanted - missed
    assert values is not None
    # beyond what is known nothing larger is expected
    values = np.clip(values, wanted.min(axis=0), wanted.max(axis=0))
    everywhere = np.full(known.shape, np.nan)
    everywhere[rows] = left_out
    return Field(values, gradients(chart, values), everywhere, error if len(rows) > 2 else np.inf)


def _by_neighbours(chart: Chart, known: Array, told: Bool[Array, " n"], count: int, otherwise: Field) -> Field:
    """Weighted linear functions through the known ones of so many neighbours; ``otherwise`` where these are too few."""
    graph, d = chart.graph, chart.dimension
    values, slope, left_out = (x.copy() for x in (otherwise.values, otherwise.slope, otherwise.left_out))
    filled = np.where(told[:, None], known, 0.0)
    block = max(1, _BLOCK // (count * (known.shape[1] + d + 1)))
    for start in range(0, len(told), block):
        rows = np.arange(start, min(start + block, len(told)))
        near, steps = graph.index[rows, :count], graph.steps[rows, :count]
        length = np.where(graph.present[rows, :count], np.linalg.norm(steps, axis=2), 0)
        radius = np.maximum(length.max(axis=1) * (1 + 1e-6), np.finfo(float).tiny)[:, None]
        weight = (1 - np.square(length / radius)) * (told[near] & graph.present[rows, :count])
        enough = np.count_nonzero(weight, axis=1) >= d + 2
        if not enough.any():
            continue
        rows, near, weight, radius = rows[enough], near[enough], weight[enough], radius[enough]
        design = np.concatenate([np.ones((*near.shape, 1)), steps[enough] / radius[:, :, None]], axis=2)
        weighted = np.swapaxes(design * weight[:, :, None], 1, 2)
        moment, right = np.matmul(weighted, design), np.matmul(weighted, filled[near])
        ridge = np.diag([1e-12, *[1e-6] * d]) * np.maximum(moment[:, :1, :1], np.finfo(float).tiny)
        left_out[rows] = np.where(told[rows, None], np.linalg.solve(moment + ridge, right)[:, 0], np.nan)
        moment[:, 0, 0] += told[rows]
        right[:, 0] += filled[rows]
        solved = np.linalg.solve(moment + ridge, right)
        values[rows] = solved[:, 0]
        slope[rows] = np.swapaxes(solved[:, 1:], 1, 2) / radius[:, :, None]
    if not told.any():
        return otherwise
    values = np.clip(values, known[told].min(axis=0), known[told].max(axis=0))
    error = float(np.square(left_out[told] - known[told]).sum(axis=1).mean())
    return Field(values, slope, left_out, error)


def concentrations(
    charts: tuple[Chart, Chart], rows: tuple[Int[Array, " k"], Int[Array, " l"]], modes: int
) -> tuple[Field, Field]:
    """How densely rows lie, per volume, around every sample: the square root of the density, 1 where it is average.

    A series of eigenfunctions (orthonormal in the volume), damped as heat that spreads from the rows for a time that
    both manifolds share: isometric manifolds agree in it, whatever their samples. The root makes its noise alike
    everywhere. The error is what halves of the rows show.

    Args:
        charts: of both manifolds.
        rows: of either.
        modes: eigenfunctions that are hardly damped.
    """
    most = min(len(chart.eigenvalues) for chart in charts)
    last = min(modes, most) - 1
    time = _DAMPED / float(np.sqrt(charts[0].eigenvalues[last] * charts[1].eigenvalues[last]))
    one, two = (_concentration(chart, at, time, most) for chart, at in zip(charts, rows, strict=True))
    return one, two


def _concentration(chart: Chart, rows: Array, time: float, most: int) -> Field:
    functions = chart.functions[:, :most]
    damping = np.exp(-time * chart.eigenvalues[:most])

    def around(some: Array) -> Array:
        return np.sqrt(np.maximum(1 + functions @ (damping * functions[some].mean(axis=0)), 0))[:, None]

    values, rng = around(rows), np.random.default_rng(0)
    error = np.inf
    if len(rows) > 1:
        apart = []
        for _ in range(_SPLITS):
            order = rng.permutation(len(rows))
            apart.append(np.mean(np.square(around(rows[order[::2]]) - around(rows[order[1::2]]))))
        # two halves differ by the noise of both, each of twice the variance of all
        error = float(np.mean(apart)) / 4
    return Field(values, gradients(chart, values), values, error)
