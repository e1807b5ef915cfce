"""What this very data could show at best: each network matched with half of itself."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float
from sametask.charts.chart import Chart, chart
from sametask.charts.diffusion import DiffusionChart
from sametask.matching import spectral
from sametask.matching.match import Match, match
from sametask.probes.probe import Probe

COMPARED = 6
"""Eigenvalues compared: beyond these noise and bandwidth tell more than the manifold."""
_MOST = 1000
_SHARE = 0.8


@dataclass(frozen=True)
class IsometryFigures:
    """How far two charts are from isometric.

    Attributes:
        spectrum: (e,) differences of the logarithms of the leading eigenvalues.
        levels: (e,) mean of the logarithms of the leading eigenvalues.
        strain: (n,) relative violation of the edges around each sample.
        uncovered: larger share, of the two, of samples that lie outside the other's support.
        anchors: (k,) distance of each anchor's image from its partner, relative to the manifold's size.
    """

    spectrum: Float[Array, " e"]
    levels: Float[Array, " e"]
    strain: Float[Array, " n"]
    uncovered: float
    anchors: Float[Array, " k"]


def isometry_figures(matched: Match) -> IsometryFigures:
    """The figures of a match."""
    first, second = matched.first, matched.second
    e = min(COMPARED, len(first.eigenvalues), len(second.eigenvalues))
    one, two = log_eigenvalues(first)[:e], log_eigenvalues(second)[:e]
    outside = max(
        _outside(matched.forward.offset, matched.forward.sample, second),
        _outside(matched.backward.offset, matched.backward.sample, first),
    )
    strain = np.concatenate([matched.forward.strain, matched.backward.strain])
    return IsometryFigures(
        one - two, 0.5 * (one + two), strain, outside, matched.forward.anchor_residual / size(second)
    )


def log_eigenvalues(of: Chart) -> Float[Array, " e"]:
    """Logarithms of the eigenvalues."""
    return np.log(np.maximum(of.eigenvalues, np.finfo(float).tiny))


def size(of: Chart) -> float:
    """A length typical of the whole manifold: 1/√λ₁, about a third of the diameter."""
    return float(1 / np.sqrt(max(of.eigenvalues[0], np.finfo(float).tiny)))


def half_figures(probe: Probe, method: DiffusionChart, anchors: int, rng: np.random.Generator) -> IsometryFigures:
    """The figures of a network matched with itself: two halves of its samples that share only the anchors.

    ``spectrum`` is scaled to what two whole samples show.
    """
    n = len(probe)
    half = min(n // 2, _MOST)
    shared = max(anchors, probe.dimension + 2)
    order = rng.permutation(n)
    a = np.concatenate([order[:shared], order[shared : half + shared // 2]])
    b = np.concatenate([order[:shared], order[half + shared // 2 : 2 * half]])
    charts = [chart(probe.take(rows), method) for rows in (a, b)]
    pairs = np.stack([np.arange(shared)] * 2, axis=1)
    figures = isometry_figures(match(charts[0], charts[1], anchors=pairs))
    spectrum, levels = _resampled_spectrum(probe, method, rng)
    return dataclasses.replace(figures, spectrum=spectrum, levels=levels)


def _resampled_spectrum(probe: Probe, method: DiffusionChart, rng: np.random.Generator) -> tuple[Array, Array]:
    """How much ln λ of two whole samples differ by chance, and its mean over subsamples.

    Halves of a sample that is barely dense enough fall apart, and say nothing of the whole. Two draws of a share f
    differ with variance 2 (1 − f)/f σ²(N), two whole samples with 2 σ²(N).
    """
    n = len(probe)
    k = min(int(_SHARE * n), 2 * _MOST)
    drawn = [chart(probe.take(np.sort(rng.choice(n, k, replace=False))), method) for _ in range(2)]
    e = min(COMPARED, *(len(each.eigenvalues) for each in drawn))
    one, two = (log_eigenvalues(each)[:e] for each in drawn)
    return (one - two) * np.sqrt(k / (n - k)), 0.5 * (one + two)


def unrelated_spectrum(first: Chart, second: Chart) -> float:
    """How much the spectra of unrelated manifolds of one dimension differ: by the spacing of their levels."""
    gaps = []
    for each in (first, second):
        values = log_eigenvalues(each)[: COMPARED + 1]
        gaps.append(np.diff(values))
    return float(np.sqrt(np.mean(np.square(np.concatenate(gaps))))) if gaps[0].size else 0.0


def unrelated_strain(of: Chart, rng: np.random.Generator) -> float:
    """Strain of a match that carries every step to an unrelated one of the same length distribution."""
    steps = of.graph.steps[:, : 4 + 4 * of.dimension].reshape(-1, of.dimension)
    steps = steps[np.square(steps).sum(axis=1) > 0]
    other = steps[rng.permutation(len(steps))]
    relative = np.square(steps - other).sum(axis=1) / np.square(steps).sum(axis=1)
    return float(np.sqrt(np.median(relative)))


def unrelated_anchors(of: Chart, pairs: Array) -> float:
    """Distance between anchors that are not partners, relative to the manifold's size: eigenfunctions tell it."""
    if len(pairs) < 2:
        return 0.0
    leading = of.functions[pairs[:, 1]][:, : len(spectral.shared_blocks(of, of)[0])]
    apart = np.linalg.norm(leading - np.roll(leading, 1, axis=0), axis=1)
    return float(np.sqrt(np.mean(np.square(apart))))


def _outside(offset: Array, sample: Array, target: Chart) -> float:
    """Share of places farther from their nearest sample than neighbours commonly are."""
    near = min(2 * target.dimension + 2, target.graph.index.shape[1])
    squared = np.where(target.graph.present, target.graph.squared, -np.inf)[:, :near].max(axis=1)
    reach = np.sqrt(np.maximum(squared, 0))
    return float(np.mean(np.linalg.norm(offset, axis=1) > 1.5 * reach[sample]))
