"""The match: where each network's samples lie on the other's manifold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array, Int
from sametask.charts.chart import Chart
from sametask.matching import isometric, spectral
from sametask.matching.candidates import Candidate, candidates
from sametask.matching.isometric import Images
from sametask.matching.spectral import SpectralAlignment
from sametask.numerics.manifold import SampledManifold

_REFINED = 3
"""Unanchored candidates refined: those that look best after the functional maps have grown."""


@dataclass(frozen=True)
class Match:
    """Two charts brought together.

    Attributes:
        first: chart of the first network.
        second: chart of the second.
        forward: places of the first network's samples on the second's manifold.
        backward: places of the second network's samples on the first's.
        anchors: (k, 2) pairs of chart rows that were known to belong together.
        kind: ``"anchored"`` or ``"unanchored"``.
        candidates: what was tried, best first.
        ambiguity: how many candidates the data cannot tell apart; 1 when the match is unique.
    """

    first: Chart
    second: Chart
    forward: Images
    backward: Images
    anchors: Int[Array, "k 2"]
    kind: str
    candidates: tuple[Candidate, ...]
    ambiguity: int = 1

    def __repr__(self) -> str:
        return (
            f"Match({self.first.probe.name!r} ↔ {self.second.probe.name!r}: {self.kind}, {len(self.anchors)} anchors, "
            f"strain {self.strain:.2g}, {self.ambiguity} candidate(s))"
        )

    @property
    def strain(self) -> float:
        """Typical relative violation of isometry: 0 when every neighbourhood is carried rigidly."""
        return float(np.median(self.forward.strain))


def match(first: Chart, second: Chart, *, anchors: Any = None, seed: int = 0) -> Match:
    """Match two charts isometrically.

    Args:
        first, second: charts of equal dimension.
        anchors: (k, 2) rows of the two *probes* that are known to belong together, or None to match from geometry
            alone.
        seed: of the candidates drawn where eigenvalue blocks leave a continuum of them.

    Returns:
        The match, refined.

    Raises:
        InputError: dimensions differ, or anchors are not pairs of rows.
    """
    for argument, given in (("first", first), ("second", second)):
        if not isinstance(given, Chart):
            raise InputError(f"{argument}: {type(given).__name__}; give an st.Chart, from st.chart(probe)")
    if first.dimension != second.dimension:
        raise InputError(
            f"charts: {first.dimension} and {second.dimension} dimensions; only manifolds of one dimension can be "
            "isometric. Truncate the probes, or compare with correspondences"
        )
    pairs = anchor_rows(first, second, anchors)
    groups = spectral.shared_blocks(first, second)
    if len(pairs):
        start = spectral.anchored_start(first, second, pairs, groups)
        alignment = spectral.grow(first, second, start, groups, anchors=pairs)
        images = refine(first, second, alignment, pairs)
        found = (Candidate(alignment, images, _score(alignment, images)),)
        kind, equally_good = "anchored", 1
    else:
        drafts = candidates(first, second, groups, np.random.default_rng(seed))
        refined = []
        for alignment in drafts[:_REFINED]:
            images = refine(first, second, alignment, pairs)
            refined.append(Candidate(alignment, images, _score(alignment, images)))
        refined.sort(key=lambda candidate: candidate.score)
        found = tuple(refined)
        kind, equally_good = "unanchored", _equally_good(drafts)
    best = found[0]
    backward = invert(best.images, first, second)
    return Match(first, second, best.images, backward, pairs, kind, found, equally_good)


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


def refine(first: Chart, second: Chart, alignment: SpectralAlignment, anchors: Int[Array, "k 2"]) -> Images:
    """Isometric refinement of a spectral alignment."""
    one, two = first.manifold, second.manifold
    edges = isometric.graph_edges(one, first.graph, edge_count(first.dimension))
    return isometric.refine(one, two, edges, spectral.places(first, second, alignment), anchors=anchors)


def edge_count(dimension: int) -> int:
    """Neighbours whose edges take part in the refinement."""
    return 4 + 4 * dimension


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
    edges = isometric.graph_edges(two, second.graph, edge_count(second.dimension))
    sample, offset, differential, strain = isometric.mend(one, edges, sample, offset, differential)
    return Images(sample, offset, differential, strain, images.deviation[near], images.anchor_residual)


def _score(alignment: SpectralAlignment, images: Images) -> float:
    """Lower is better: distance of the samples in the aligned eigenfunctions, and strain."""
    return alignment.distance * (1 + float(np.median(images.strain)))


def _equally_good(drafts: tuple[SpectralAlignment, ...]) -> int:
    """Candidates within twice the best: an isometry of the manifold turns a right one into another right one."""
    best = drafts[0].distance
    return sum(draft.distance < 2 * best for draft in drafts)
