"""What this very data could show at best: each network against itself, half against half."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float, Int
from sametask.charts.chart import Chart, chart
from sametask.charts.diffusion import DiffusionChart
from sametask.matching import isometric, landmarks
from sametask.matching.isometric import Edges
from sametask.matching.match import COMPARED, Match
from sametask.numerics import diffusion, eigen
from sametask.numerics.neighbours import NeighbourGraph
from sametask.probes.probe import Probe

_MOST = 1000
_SHARE = 0.8
_RESAMPLES = 5
_LANDMARKS = 12
_NEAR = (16, 32)
"""Neighbours by which spectra at the same places are told, in one dimension, and in two and more."""
_REACH = 4.0
"""The kernel has fallen to e⁻⁴ at the farthest of them."""


@dataclass(frozen=True)
class IsometryFigures:
    """How far two charts are from isometric.

    Attributes:
        spectrum: (e,) differences of the logarithms of the leading eigenvalues.
        levels: (e,) mean of the logarithms of the leading eigenvalues.
        strain: (n,) relative violation of the edges around each sample.
        uncovered: larger share, of the two, of samples that lie outside the other's support.
        distances: how far distances among landmarks differ, in half of the samples and in all; NaN where not asked.
    """

    spectrum: Float[Array, " e"]
    levels: Float[Array, " e"]
    strain: Float[Array, " n"]
    uncovered: float
    distances: float = float("nan")

    def rescale(self, factor: float) -> IsometryFigures:
        """The figures in intrinsic units ``factor`` times smaller."""
        return dataclasses.replace(self, levels=self.levels - 2 * np.log(factor))


def isometry_figures(matched: Match, parts: tuple[Chart, Chart] | None = None) -> IsometryFigures:
    """The figures of a match; or of its overlap alone, where the charts of that are given."""
    first, second = parts or (matched.first, matched.second)
    e = min(COMPARED, len(first.eigenvalues), len(second.eigenvalues))
    one, two = log_eigenvalues(first)[:e], log_eigenvalues(second)[:e]
    places = (matched.forward, matched.backward)
    if parts:
        outside = 0.0
        strains = [at.strain[inside] for at, inside in zip(places, matched.overlap.inside, strict=True)]
    else:
        outside = max(_outside(at.offset, at.sample, of) for at, of in zip(places, (second, first), strict=True))
        strains = [at.strain for at in places]
    return IsometryFigures(one - two, 0.5 * (one + two), np.concatenate(strains), outside)


def log_eigenvalues(of: Chart) -> Float[Array, " e"]:
    """Logarithms of the eigenvalues."""
    return np.log(np.maximum(of.eigenvalues, np.finfo(float).tiny))


def own_figures(
    probe: Probe, method: DiffusionChart, rng: np.random.Generator, whole: Chart | None = None
) -> IsometryFigures:
    """The figures of a network against itself: one half of its samples placed, by their activations, on the other.

    That match is right, so nothing in the figures is due to matching. ``spectrum`` is scaled to what two whole samples
    show. Distances are told where the chart of this probe is given.
    """
    n = len(probe)
    half = min(n // 2, _MOST)
    order = rng.permutation(n)
    rows = [np.sort(order[:half]), np.sort(order[half : 2 * half])]
    one, two = (chart(probe.take(each), method) for each in rows)
    whole_edges = None if whole is None else isometric.chart_edges(whole)
    strain, outside, distances = [], [], []
    for source, target, kept in ((one, two, rows[0]), (two, one, rows[1])):
        sample, offset, _ = target.manifold.locate(target.manifold.project(source.probe.activations)[0])
        between = isometric.chart_edges(source)
        strain.append(isometric.strain(target.manifold, between, sample, offset))
        outside.append(_outside(offset, sample, target))
        if whole is not None and whole_edges is not None:
            place = whole.position[kept[source.rows]]
            distances.append(_unlike_distances((whole_edges, len(whole.rows)), between, place, rng))
    spectrum, levels = _resampled_spectrum(probe, method, rng)
    apart = max(distances, default=float("nan"))
    return IsometryFigures(spectrum, levels, np.concatenate(strain), max(outside), apart)


def _unlike_distances(whole: tuple[Edges, int], part: Edges, place: Array, rng: np.random.Generator) -> float:
    """How unlike distances among some samples are along edges of all (and how many these are) and of a part; ``place``
    is that of its samples among all, −1 where they are not there."""
    here = rng.permutation(np.flatnonzero(place >= 0))[:_LANDMARKS]
    there = place[here]
    along_all = landmarks.distances(*whole, there)[there]
    return landmarks.unlike(along_all, landmarks.distances(part, len(place), here)[here])


def _resampled_spectrum(probe: Probe, method: DiffusionChart, rng: np.random.Generator) -> tuple[Array, Array]:
    """How much ln λ of two whole samples differ by chance (root mean square), and its mean over subsamples.

    Halves of a sample that is barely dense enough fall apart, and say nothing of the whole. Draws of a share f vary
    by (1 − f)/f σ²(N), the difference of two whole samples by 2 σ²(N).
    """
    n = len(probe)
    k = min(int(_SHARE * n), 2 * _MOST)
    drawn = [chart(probe.take(np.sort(rng.choice(n, k, replace=False))), method) for _ in range(_RESAMPLES)]
    e = min(COMPARED, *(len(each.eigenvalues) for each in drawn))
    levels = np.stack([log_eigenvalues(each)[:e] for each in drawn])
    return np.sqrt(2 * levels.var(axis=0, ddof=1) * k / (n - k)), levels.mean(axis=0)


def spectra_in_place(
    of: Chart, rows: Int[Array, " p"], target: Chart, sample: Int[Array, " p"], offset: Float[Array, "p d"]
) -> tuple[Float[Array, " e"], Float[Array, " e"]]:
    """Logarithms of the leading eigenvalues at some samples of a chart, by lengths on its own manifold, and by those on
    the target's between the places that the samples have there.

    On both, lengths are told in units of how far samples are apart around either end on the chart: a change of the
    metric by the same factor at the same places, after which samples are spread evenly.
    """
    graph = of.graph.take(rows)
    label = graph.components()[1]
    largest = np.flatnonzero(label == np.bincount(label).argmax())
    graph, rows, sample, offset = graph.take(largest), rows[largest], sample[largest], offset[largest]
    near = graph.index[:, : _NEAR[min(of.dimension, len(_NEAR)) - 1]]
    i, k = np.repeat(np.arange(len(rows)), near.shape[1]), near.ravel()
    here = of.manifold.displacement(rows[i], rows[k])[0]
    step, transport = target.manifold.displacement(sample[i], sample[k])
    there = step - offset[i] + np.einsum("pde,pe->pd", transport, offset[k])
    present = graph.present[:, : near.shape[1]]
    spread = np.sqrt(np.where(present, graph.squared[:, : near.shape[1]], 0).max(axis=1))
    spread = np.maximum(spread, np.finfo(float).tiny)
    unit = np.sqrt(spread[i] * spread[k])[:, None] / np.median(spread)
    spectra = []
    for steps in (here / unit, there / unit):
        steps = np.where(present[:, :, None], steps.reshape(*near.shape, -1), 0)
        squared = np.where(present, np.square(steps).sum(axis=2), np.inf)
        even = NeighbourGraph(near, squared, steps, np.where(present, 0.0, np.inf), graph.pruned)
        spectra.append(_log_spectrum(even, of.dimension, float(np.median(spread) ** 2 / _REACH), of.options.alpha))
    return spectra[0], spectra[1]


def _log_spectrum(graph: NeighbourGraph, dimension: int, bandwidth: float, alpha: float) -> Array:
    operator = diffusion.diffusion_operator(graph, dimension, bandwidth=bandwidth, alpha=alpha)
    decay, vectors = eigen.leading(operator.conjugate(), min(COMPARED + 1, graph.size))
    functions = vectors[:, 1:] / np.sqrt(operator.stationary)[:, None]
    values = np.sort(diffusion.intrinsic_eigenvalues(operator, decay[1:], functions))
    return np.log(np.maximum(values, np.finfo(float).tiny))


def own_spectra_in_place(probe: Probe, method: DiffusionChart, rng: np.random.Generator) -> float:
    """How far apart those spectra are for half of a network's samples, and where these are on the other half."""
    n = len(probe)
    half = min(n // 2, _MOST)
    order = rng.permutation(n)
    one, two = (chart(probe.take(np.sort(rows)), method) for rows in (order[:half], order[half : 2 * half]))
    sample, offset, _ = two.manifold.locate(two.manifold.project(one.probe.activations)[0])
    here, there = spectra_in_place(one, np.arange(len(one.rows)), two, sample, offset)
    return float(np.sqrt(np.mean(np.square(here - there))))


def unrelated_spectrum(first: Chart, second: Chart) -> float:
    """How much the spectra of unrelated manifolds of one dimension differ: by the spacing of their levels."""
    gaps = []
    for each in (first, second):
        values = log_eigenvalues(each)[: COMPARED + 1]
        gaps.append(np.diff(values))
    return float(np.sqrt(np.mean(np.square(np.concatenate(gaps))))) if gaps[0].size else 0.0


def torn(strain: Float[Array, " n"]) -> float:
    """Root mean square strain, where tearing an edge apart counts as much as tearing it far apart.

    A median would not see a seam at which a map between manifolds of another shape has to tear.
    """
    return float(np.sqrt(np.mean(np.square(np.minimum(strain, 1)))))


def unrelated_strain(of: Chart, rng: np.random.Generator) -> float:
    """Strain of a match that carries every step to an unrelated one of the same length distribution."""
    steps = of.graph.steps[:, : isometric.edge_count(of.dimension)]
    other = steps.reshape(-1, of.dimension)[rng.permutation(steps.shape[0] * steps.shape[1])].reshape(steps.shape)
    squared = np.square(steps).sum(axis=2)
    relative = np.square(steps - other).sum(axis=2) / np.maximum(squared, 1e-6 * float(np.median(squared)) or 1.0)
    return torn(np.sqrt(relative.mean(axis=1)))


def _outside(offset: Array, sample: Array, target: Chart) -> float:
    """Share of places farther from their nearest sample than neighbours commonly are."""
    near = min(2 * target.dimension + 2, target.graph.index.shape[1])
    squared = np.where(target.graph.present, target.graph.squared, -np.inf)[:, :near].max(axis=1)
    reach = np.sqrt(np.maximum(squared, 0))
    return float(np.mean(np.linalg.norm(offset, axis=1) > 1.5 * reach[sample]))
