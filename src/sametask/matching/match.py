"""The match: where each network's samples lie on the other's manifold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array, Int
from sametask.charts.chart import Chart
from sametask.matching import halves, isometric, spectral
from sametask.matching.anchored import anchored
from sametask.matching.candidates import Candidate, candidates
from sametask.matching.isometric import Images
from sametask.matching.spectral import SpectralAlignment
from sametask.numerics.manifold import SampledManifold

_REFINED = 3
"""Unanchored candidates refined: those that look best after the functional maps have grown."""

COMPARED = 6
"""Eigenvalues compared: beyond these noise and bandwidth tell more than the manifold."""

_BIAS = 0.01
"""Relative error of lengths told by eigenvalues that does not show in their disagreement."""


@dataclass(frozen=True)
class Match:
    """Two charts brought together.

    Attributes:
        first: chart of the first network.
        second: chart of the second.
        forward: places of the first network's samples on the second's manifold.
        backward: places of the second network's samples on the first's.
        anchors: (k, 2) pairs of chart rows that were known to belong together, and that agree with one another.
        kind: ``"anchored"`` or ``"unanchored"``.
        candidates: what was tried, best first.
        ambiguity: how many candidates the data cannot tell apart; 1 when the match is unique.
        left_out: (j, 2) pairs of chart rows given as anchors that contradict the rest.
        anchor_noise: standard deviation of the anchors per direction, in intrinsic units; 0 where they are exact.
        relative_scale: lengths in the second network's neighbourhoods, as given, for each in the first's; ``second`` is
            the chart in the units of ``first``.
        relative_scale_deviation: its relative standard deviation; 0 where it was given.
    """

    first: Chart
    second: Chart
    forward: Images
    backward: Images
    anchors: Int[Array, "k 2"]
    kind: str
    candidates: tuple[Candidate, ...]
    ambiguity: int = 1
    left_out: Int[Array, "j 2"] = dataclasses.field(default_factory=lambda: np.empty((0, 2), np.int64))
    anchor_noise: float = 0.0
    relative_scale: float = 1.0
    relative_scale_deviation: float = 0.0

    def __repr__(self) -> str:
        return (
            f"Match({self.first.probe.name!r} ↔ {self.second.probe.name!r}: {self.kind}, {len(self.anchors)} anchors, "
            f"strain {self.strain:.2g}, {self.ambiguity} candidate(s))"
        )

    @property
    def strain(self) -> float:
        """Typical relative violation of isometry: 0 when every neighbourhood is carried rigidly."""
        return float(np.median(self.forward.strain))


def match(
    first: Chart,
    second: Chart,
    *,
    anchors: Any = None,
    anchor_noise: float | None = None,
    relative_scale: float | None = 1.0,
    seed: int = 0,
) -> Match:
    """Match two charts isometrically.

    Args:
        first, second: charts of equal dimension.
        anchors: (k, 2) rows of the two *probes* that are known to belong together, or None to match from geometry
            alone. Of d + 3 anchors or more those that contradict the rest are left out.
        anchor_noise: standard deviation of the anchors, per direction, in intrinsic units: how far apart the inputs
            were that are taken for the same. None tells it from how well they agree with the match.
        relative_scale: lengths in the second network's neighbourhoods for each in the first's, where they were told in
            different units; None where nobody knows. Then it is told by the spectra, and more exactly by the anchors.
        seed: of the candidates drawn where eigenvalue blocks leave a continuum of them.

    Returns:
        The match, refined.

    Raises:
        InputError: dimensions differ, anchors are not pairs of rows, noise is negative, or scale is not positive.
    """
    for argument, given in (("first", first), ("second", second)):
        if not isinstance(given, Chart):
            raise InputError(f"{argument}: {type(given).__name__}; give an st.Chart, from st.chart(probe)")
    if first.dimension != second.dimension:
        raise InputError(
            f"charts: {first.dimension} and {second.dimension} dimensions; only manifolds of one dimension can be "
            "isometric. Truncate the probes, or compare with correspondences"
        )
    if anchor_noise is not None:
        anchor_noise = _check.not_negative("anchor_noise", anchor_noise)
    pairs = anchor_rows(first, second, anchors)
    factor, unsure = _given_scale(first, second, relative_scale)
    second = second if factor == 1 else second.rescale(1 / factor)
    # without anchors nothing holds a match at its size: the spectra alone tell it
    stretch = (1.0, unsure) if unsure and len(pairs) else None
    if len(pairs):
        held = anchored(first, second, pairs, noise=anchor_noise, stretch=stretch)
        found = (Candidate(held.alignment, held.images, _score(held.alignment, held.images)),)
        kept, noise, kind, equally_good = held.kept, held.noise, "anchored", held.ambiguity
    else:
        groups = spectral.shared_blocks(first, second)
        drafts = candidates(first, second, groups, np.random.default_rng(seed))
        refined = []
        for alignment in drafts[:_REFINED]:
            images = _refine(first, second, alignment)
            refined.append(Candidate(alignment, images, _score(alignment, images)))
        refined.sort(key=lambda candidate: candidate.score)
        found = tuple(refined)
        kept, noise, kind, equally_good = np.ones(0, bool), 0.0, "unanchored", _equally_good(drafts)
        best = found[0].images
        best = dataclasses.replace(best, deviation=halves.deviation(first, second, best, pairs))
        found = (dataclasses.replace(found[0], images=best), *found[1:])
    images = found[0].images
    if stretch:
        second, images = second.rescale(1 / images.stretch), images.rescale(1 / images.stretch)
        factor, unsure = factor * images.stretch, images.stretch_deviation
    backward = invert(images, first, second)
    return Match(
        first, second, images, backward, pairs[kept], kind, found, equally_good, pairs[~kept], noise, factor, unsure
    )


def _given_scale(first: Chart, second: Chart, relative_scale: float | None) -> tuple[float, float]:
    if relative_scale is None:
        return spectral_scale(first, second)
    return _check.positive("relative_scale", relative_scale), 0.0


def spectral_scale(first: Chart, second: Chart) -> tuple[float, float]:
    """Lengths on the second manifold for each on the first, by their spectra, and the relative standard deviation."""
    e = min(COMPARED, len(first.eigenvalues), len(second.eigenvalues))
    ratio = 0.5 * np.log(first.eigenvalues[:e] / np.maximum(second.eigenvalues[:e], np.finfo(float).tiny))
    return float(np.exp(np.median(ratio))), float(np.hypot(_BIAS, np.std(ratio) / np.sqrt(e)))


def anchor_rows(first: Chart, second: Chart, anchors: Any) -> Int[Array, "k 2"]:
    """Anchors given as rows of the probes, as rows of the charts; those whose sample was not charted are left out."""
    if anchors is None:
        return np.empty((0, 2), np.int64)
    given = _check.as_array("anchors", anchors, "(k, 2) pairs of row numbers")
    if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iu":
        raise InputError(f"anchors: {given.dtype} of shape {given.shape}; give (k, 2) pairs of row numbers")
    if (given < 0).any():
        raise InputError(f"anchors: row {given.min()}; give row numbers from 0")
    where = []
    for column, chart in enumerate((first, second)):
        position = {int(row): k for k, row in enumerate(chart.rows)}
        where.append(np.array([position.get(int(row), -1) for row in given[:, column]], np.int64))
    pairs = np.stack(where, axis=1).reshape(-1, 2)
    return pairs[(pairs >= 0).all(axis=1)]


def _refine(first: Chart, second: Chart, alignment: SpectralAlignment) -> Images:
    """Isometric refinement of a spectral alignment, without anchors."""
    one, two = first.manifold, second.manifold
    edges = isometric.graph_edges(one, first.graph, isometric.edge_count(first.dimension))
    return isometric.refine(one, two, edges, spectral.places(first, second, alignment))


def invert(images: Images, first: Chart, second: Chart) -> Images:
    """Places of the second network's samples on the first's manifold, from places of the first's on the second's."""
    one, two = first.manifold, second.manifold
    at = two.evaluate(images.sample, images.offset)
    near = SampledManifold(at, two.metric.take(images.sample)).nearest(two.activations)
    # the step from the image of sample `near` to each sample of the second manifold, in the frame at the image
    j = np.arange(len(two.activations))
    step, transport = two.displacement(images.sample[near], j)
    inverse = np.linalg.pinv(images.differential[near])
    offset = np.einsum("pde,pe->pd", inverse, step - images.offset[near])
    sample, offset, turn = one.reanchor(near, offset)
    differential = turn @ inverse @ transport
    edges = isometric.graph_edges(two, second.graph, isometric.edge_count(second.dimension))
    sample, offset, differential, strain = isometric.mend(one, edges, sample, offset, differential)
    return dataclasses.replace(
        images,
        sample=sample,
        offset=offset,
        differential=differential,
        strain=strain,
        deviation=images.deviation[near],
        anchor_influence=images.anchor_influence[near],
    )


def _score(alignment: SpectralAlignment, images: Images) -> float:
    """Lower is better: distance of the samples in the aligned eigenfunctions, and strain."""
    return alignment.distance * (1 + float(np.median(images.strain)))


def _equally_good(drafts: tuple[SpectralAlignment, ...]) -> int:
    """Candidates within twice the best: an isometry of the manifold turns a right one into another right one."""
    best = drafts[0].distance
    return sum(draft.distance < 2 * best for draft in drafts)
