"""What this very data could show at best: each network against itself, half against half."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float, Int
from sametask.charts.chart import Among, Chart, chart
from sametask.charts.diffusion import DiffusionChart
from sametask.matching import gaps, isometric, landmarks
from sametask.matching.match import COMPARED, Match
from sametask.matching.support import Supported
from sametask.numerics import diffusion
from sametask.numerics.edges import Edges
from sametask.probes.probe import Probe

_MOST = 1000
_SHARE = 0.8
_RESAMPLES = 5
_SPLITS = 2
"""Ways in which samples are halved: where one tears by chance, another tells."""
_USUAL = 2.0
"""Strain that is so many times what halves show around a place is as good as theirs."""
_LANDMARKS = 12
_NEAR = (16, 32)
"""Neighbours by which spectra at the same places are told, in one dimension, and in two and more."""
_REACH = 4.0
"""The kernel has fallen to e⁻⁴ at the farthest of them."""


@dataclass(frozen=True)
class OwnSpectrum:
    """What chance does to the leading eigenvalues of one network.

    Attributes:
        noise: (e,) by how much the logarithms of two whole samples' differ (root mean squares).
        levels: (e,) means of the logarithms.
    """

    noise: Float[Array, " e"]
    levels: Float[Array, " e"]

    def rescale(self, factor: float) -> OwnSpectrum:
        """The same in intrinsic units ``factor`` times smaller."""
        return dataclasses.replace(self, levels=self.levels - 2 * np.log(factor))


@dataclass(frozen=True)
class OwnFigures:
    """What a network shows against itself, where the match is right.

    Attributes:
        spectrum: of its eigenvalues.
        strain: (n,) root mean square strain around each sample of its chart.
        beyond: strain beyond that of other halves, where they are halved in another way; see :func:`beyond`.
        uncovered: larger share, of two halves, of samples that lie outside the other's support.
        distances: how far distances among landmarks differ, in half of the samples and in all.
    """

    spectrum: OwnSpectrum
    strain: Float[Array, " n"]
    beyond: float
    uncovered: float
    distances: float

    def rescale(self, factor: float) -> OwnFigures:
        """The figures in intrinsic units ``factor`` times smaller."""
        return dataclasses.replace(self, spectrum=self.spectrum.rescale(factor))


@dataclass(frozen=True)
class IsometryFigures:
    """How far two charts are from isometric under a match.

    Attributes:
        strain: (p,) relative violation of the edges around each sample of the first, and of the second.
        usual: (p,) what halves of either network show there, together.
        uncovered: larger share, of the two, of samples that lie outside the other's support.
        gap: the largest of either among the other's samples; None where anchors tell the overlap of the two.
    """

    strain: Float[Array, " p"]
    usual: Float[Array, " p"]
    uncovered: float
    gap: float | None = None


def isometry_figures(
    matched: Match, own: tuple[OwnFigures, OwnFigures], parts: tuple[Chart, Chart] | None = None
) -> IsometryFigures:
    """The figures of a match, and what each network shows of itself at the same places; or those of its overlap alone,
    where the charts of that are given, of which ``own`` is then told."""
    first, second = parts or (matched.first, matched.second)
    places = (matched.forward, matched.backward)
    kept = [np.flatnonzero(inside) if parts else np.arange(len(inside)) for inside in matched.overlap.inside]
    outside = 0.0
    if not parts:
        outside = max(_outside(at.offset, at.sample, of) for at, of in zip(places, (second, first), strict=True))
    # what halves show at each sample of the whole charts; NaN beyond the overlap
    shown = [np.full(len(of.rows), np.nan) for of in (matched.first, matched.second)]
    for each, rows, figures, of in zip(shown, kept, own, (first, second), strict=True):
        each[rows[of.rows] if parts else rows] = figures.strain
    strain, usual = [], []
    for k in (0, 1):
        here, there = shown[k][kept[k]], shown[1 - k][places[k].sample[kept[k]]]
        strain.append(places[k].strain[kept[k]])
        usual.append(np.hypot(_known(here), _known(there)))
    gap = None
    if not parts and len(matched.anchors) <= first.dimension:
        sides = [Supported.of(each.manifold, each.graph) for each in (first, second)]
        gap = max(
            gaps.largest(side, np.linalg.norm(at.offset, axis=1), other.spread[at.sample])
            for side, other, at in zip(sides, sides[::-1], places, strict=True)
        )
    return IsometryFigures(np.concatenate(strain), np.concatenate(usual), outside, gap)


def log_eigenvalues(of: Chart) -> Float[Array, " e"]:
    """Logarithms of the first eigenvalues, as accurate as can be had."""
    return _log(of.eigenvalues)


def _log(values: Array) -> Array:
    return np.log(np.maximum(values, np.finfo(float).tiny))


def own_figures(probe: Probe, whole: Chart, method: DiffusionChart, rng: np.random.Generator) -> OwnFigures:
    """The figures of a network against itself: one half of its samples placed, by their activations, on the other.

    That match is right, so nothing in the figures is due to matching.

    Args:
        probe: of the network.
        whole: its chart.
        method: how halves are charted.
        rng: of the halves.
    """
    edges = whole.edges
    # where landmarks stand for all, what is told is of these
    among = whole.rows if whole.thinned else np.arange(len(probe))
    strains = np.full((_SPLITS, len(whole.rows)), np.nan)
    outside, distances = [], []
    draws = [rng, *rng.spawn(_SPLITS - 1)]  # how often strain is told changes no other figure
    for split in range(_SPLITS):
        one, two = _parts(probe, whole, among, method, draws[split])
        for source, target in ((one, two), (two, one)):
            lifted = source.manifold.lift(source.manifold.activations)
            sample, offset, _ = target.manifold.locate(target.manifold.project(lifted)[0])
            between, place = source.edges, source.rows
            charted = place >= 0
            strains[split, place[charted]] = isometric.strain(target.manifold, between, sample, offset)[charted]
            if split == 0:
                outside.append(_outside(offset, sample, target))
                distances.append(_unlike_distances(edges, between, place, rng))
    strains = np.minimum(strains, 1)
    others = [_around(edges, np.delete(strains, split, axis=0)) for split in range(_SPLITS)]
    scatter = max(beyond(*_both_known(each, other)) for each, other in zip(strains, others, strict=True))
    spectrum = own_spectrum(whole.measured if whole.thinned else probe, method, rng)
    return OwnFigures(spectrum, _around(edges, strains), scatter, max(outside), max(distances))


def _parts(
    probe: Probe, whole: Chart, among: Array, method: DiffusionChart, rng: np.random.Generator
) -> tuple[Among, Among]:
    """Two halves of some of a network's samples, told by their places on its chart (−1 where they have none): with the
    neighbours that they have there among themselves, or where these are too few charted anew."""
    rows = _half_rows(among, rng)
    places = [whole.position[each] for each in rows]
    found = [whole.among(each[each >= 0]) for each in places]
    if found[0] is not None and found[1] is not None:
        return found[0], found[1]
    one, two = (chart(probe.take(each), method) for each in rows)
    return Among(places[0][one.rows], one.manifold, one.graph), Among(places[1][two.rows], two.manifold, two.graph)


def _half_rows(among: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    half = min(len(among) // 2, _MOST)
    order = rng.permutation(among)
    return np.sort(order[:half]), np.sort(order[half : 2 * half])


def _halves(
    probe: Probe, among: Array, method: DiffusionChart, rng: np.random.Generator
) -> tuple[tuple[Array, Array], tuple[Chart, Chart]]:
    """Rows of two halves of some of a network's samples, or of so many at most, and their charts."""
    one, two = _half_rows(among, rng)
    return (one, two), (chart(probe.take(one), method), chart(probe.take(two), method))


def _around(edges: Edges, strains: Float[Array, "s n"]) -> Float[Array, " n"]:
    """Root mean square of what halves show of each sample and its neighbours; of all where they show nothing there."""
    n = strains.shape[1]
    squared, count = np.nansum(np.square(strains), axis=0), np.isfinite(strains).sum(axis=0).astype(float)
    squared = squared + np.bincount(edges.i, squared[edges.j], minlength=n)
    count = count + np.bincount(edges.i, count[edges.j], minlength=n)
    overall = squared.sum() / max(count.sum(), 1.0)
    return np.sqrt(np.where(count > 0, squared / np.maximum(count, 1), overall))


def _both_known(one: Array, two: Array) -> tuple[Array, Array]:
    known = np.isfinite(one)
    return one[known], two[known]


def _known(strain: Array) -> Array:
    """What is not known, outside of an overlap, as typical of the rest."""
    known = np.isfinite(strain)
    typical = np.sqrt(np.mean(np.square(strain[known]))) if known.any() else 0.0
    return np.where(known, strain, typical)


def _unlike_distances(whole: Edges, part: Edges, place: Array, rng: np.random.Generator) -> float:
    """How unlike distances among some samples are along edges of all and of a part; ``place`` is that of its samples
    among all, −1 where they are not there."""
    here = rng.permutation(np.flatnonzero(place >= 0))[:_LANDMARKS]
    there = place[here]
    return landmarks.unlike(whole.distances(there)[there], part.distances(here)[here])


def own_spectrum(probe: Probe, method: DiffusionChart, rng: np.random.Generator) -> OwnSpectrum:
    """How much ln λ of two whole samples differ by chance, and its mean over subsamples.

    Halves of a sample that is barely dense enough fall apart, and say nothing of the whole. Draws of a share f vary
    by (1 − f)/f σ²(N), the difference of two whole samples by 2 σ²(N).
    """
    n = len(probe)
    k = min(int(_SHARE * n), 2 * _MOST)
    drawn = [chart(probe.take(np.sort(rng.choice(n, k, replace=False))), method) for _ in range(_RESAMPLES)]
    told = [log_eigenvalues(each) for each in drawn]
    e = min(COMPARED, *map(len, told))
    levels = np.stack([each[:e] for each in told])
    return OwnSpectrum(np.sqrt(2 * levels.var(axis=0, ddof=1) * k / (n - k)), levels.mean(axis=0))


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
    few = graph.nearest(_NEAR[min(of.dimension, len(_NEAR)) - 1])
    near, present = few.index, few.present
    i, k = np.repeat(np.arange(len(rows)), near.shape[1]), near.ravel()
    here = of.manifold.displacement(rows[i], rows[k])[0]
    step, transport = target.manifold.displacement(sample[i], sample[k])
    there = step - offset[i] + np.einsum("pde,pe->pd", transport, offset[k])
    spread = np.sqrt(np.where(present, few.squared, 0).max(axis=1))
    spread = np.maximum(spread, np.finfo(float).tiny)
    unit = np.sqrt(spread[i] * spread[k])[:, None] / np.median(spread)
    spectra = []
    for steps in (here / unit, there / unit):
        even = few.with_steps(steps.reshape(few.steps.shape))
        bandwidth = float(np.median(spread) ** 2 / _REACH)
        values = diffusion.spectrum(even, of.dimension, bandwidth=bandwidth, alpha=of.options.alpha, count=COMPARED)
        spectra.append(_log(values))
    return spectra[0], spectra[1]


def own_spectra_in_place(probe: Probe, method: DiffusionChart, rng: np.random.Generator) -> float:
    """How far apart those spectra are for half of a network's samples, and where these are on the other half."""
    _, (one, two) = _halves(probe, np.arange(len(probe)), method, rng)
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


def beyond(strain: Float[Array, " p"], usual: Float[Array, " p"]) -> float:
    """Root mean square strain beyond twice what is usual at each place.

    A match that must tear does so where nothing else would; what halves tear by themselves is no sign of it, and where
    they tear the match may too.
    """
    return float(np.sqrt(np.mean(np.square(excess(strain, usual)))))


def excess(strain: Float[Array, " p"], usual: Float[Array, " p"]) -> Float[Array, " p"]:
    """Strain of each place beyond twice what is usual there: what the two leave, as squares."""
    return np.sqrt(np.maximum(np.square(np.minimum(strain, 1)) - np.square(_USUAL * usual), 0))


def _outside(offset: Array, sample: Array, target: Chart | Among) -> float:
    """Share of places farther from their nearest sample than neighbours commonly are."""
    near = min(2 * target.manifold.dimension + 2, target.graph.index.shape[1])
    squared = np.where(target.graph.present, target.graph.squared, -np.inf)[:, :near].max(axis=1)
    reach = np.sqrt(np.maximum(squared, 0))
    return float(np.mean(np.linalg.norm(offset, axis=1) > 1.5 * reach[sample]))
