"""The match: where each network's samples lie on the other's manifold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array, Float, Int
from sametask.charts.chart import Chart
from sametask.matching import isometric
from sametask.matching.anchored import Anchored, anchored
from sametask.matching.candidate import Candidate, Places
from sametask.matching.hints import Choice, Hints
from sametask.matching.inverse import invert
from sametask.matching.isometric import Images
from sametask.matching.known import known_of
from sametask.matching.observables import Agreement, Observables
from sametask.matching.overlap import Overlap, believed, confined, overlap
from sametask.matching.search import Part
from sametask.matching.symmetry import Symmetry
from sametask.matching.unanchored import settled, unanchored

COMPARED = 6
"""Eigenvalues compared: beyond these noise and bandwidth tell more than the manifold."""

_BIAS = 0.01
"""Relative error of lengths told by eigenvalues that does not show in their disagreement."""


_FAR_BETTER = 3.0
_SURELY = 5.0
"""Anchors so many times nearer to their places in another unit, by so many standard deviations, speak for it."""


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
        overlap: what both were probed on.
        ambiguity: how many candidates the data cannot tell apart, of those that were tried; 1 when the match is unique.
            ``symmetry`` says whether there are more: a continuum, or a group that is not complete.
        left_out: (j, 2) pairs of chart rows given as anchors that contradict the rest.
        anchor_noise: standard deviation of the anchors per direction, in intrinsic units; 0 where they are exact.
        relative_scale: lengths in the second network's neighbourhoods, as given, for each in the first's; ``second`` is
            the chart in the units of ``first``.
        relative_scale_deviation: its relative standard deviation; 0 where it was given.
        better_scale: the relative scale that seemingly noisy anchors agree with far better than with the one given, and
            its relative standard deviation by what is left of the match; None where there is no such.
        anchor_distances: of the anchors from one another, along edges between neighbours, on either manifold.
        symmetry: without anchors, the isometries that equally good matches differ by, and the samples (rows of the
            first chart) whose labels would decide between them; None where the match is unique.
        agreement: how well observables agree under the match; None where none were given.
        choice: what observables chose the match among; None where they chose nothing.
        part: how one manifold fits into the other, where for want of anchors it was taken for a part of it; else None.
    """

    first: Chart
    second: Chart
    forward: Images
    backward: Images
    anchors: Int[Array, "k 2"]
    kind: str
    candidates: tuple[Candidate, ...]
    overlap: Overlap
    ambiguity: int = 1
    left_out: Int[Array, "j 2"] = dataclasses.field(default_factory=lambda: np.empty((0, 2), np.int64))
    anchor_noise: float = 0.0
    relative_scale: float = 1.0
    relative_scale_deviation: float = 0.0
    better_scale: tuple[float, float] | None = None
    anchor_distances: Float[Array, "2 k k"] = dataclasses.field(default_factory=lambda: np.zeros((2, 0, 0)))
    symmetry: Symmetry | None = None
    agreement: Agreement | None = None
    part: Part | None = None
    choice: Choice | None = None

    def __repr__(self) -> str:
        return (
            f"Match({self.first.probe.name!r} ↔ {self.second.probe.name!r}: {self.kind}, {len(self.anchors)} anchors, "
            f"strain {self.strain:.2g}, {self.ambiguity} candidate(s))"
        )

    @property
    def left_out_rows(self) -> Int[Array, "j 2"]:
        """The anchors left out as rows of the probes."""
        return np.stack([self.first.rows[self.left_out[:, 0]], self.second.rows[self.left_out[:, 1]]], axis=1)

    def choose(self, k: int) -> Match:
        """The match that takes candidate ``k`` for the right one, that is now the first.

        Raises:
            InputError: there is no such candidate.
        """
        _check.count("k", k, least=0)
        if k >= len(self.candidates):
            raise InputError(f"k: {k}; this match has candidates 0 to {len(self.candidates) - 1}")
        # what outlines leave open is as much for each
        images = dataclasses.replace(self.candidates[k].images, deviation=self.forward.deviation)
        images, backward, common = _finished(self.first, self.second, images, self.anchors, confine=False)
        chosen = dataclasses.replace(self.candidates[k], images=images)
        others = (each for number, each in enumerate(self.candidates) if number != k)
        return dataclasses.replace(
            self,
            forward=images,
            backward=backward,
            overlap=common,
            candidates=(chosen, *others),
            agreement=None,
            choice=None,
        )

    @property
    def strain(self) -> float:
        """Typical relative violation of isometry: 0 when every neighbourhood is carried rigidly."""
        return float(np.median(self.forward.strain))


def _finished(
    first: Chart, second: Chart, images: Images, anchors: Int[Array, "k 2"], *, confine: bool
) -> tuple[Images, Images, Overlap]:
    """Places both ways, those believed that only seem to be on the other's support marked as torn; and the overlap."""
    inside, images = believed(first, second, first.edges, images, anchors[:, 0])
    if confine:
        images = confined(first, second, first.edges, images, inside, anchors)
    backward = invert(images, first, second)
    inside_back, backward = believed(second, first, second.edges, backward, anchors[:, 1])
    return images, backward, overlap((first, second), (images, backward), (inside, inside_back))


def match(
    first: Chart,
    second: Chart,
    *,
    anchors: Any = None,
    anchor_noise: float | None = None,
    relative_scale: float | None = 1.0,
    observables: Any = None,
    sampled_alike: bool = False,
    seed: int = 0,
    start: Places | None = None,
) -> Match:
    """Match two charts isometrically.

    Args:
        first, second: charts of equal dimension.
        anchors: (k, 2) rows of the two *probes* that are known to belong together, or None (or an empty list) to match
            from geometry alone. Samples that the charts left out are no anchors. Of d + 3 anchors or more those that
            contradict the rest are left out. A list may hold :class:`SameSet` and :class:`SameOrder` as well.
        anchor_noise: standard deviation of the anchors, per direction, in intrinsic units: how far apart the inputs
            were that are taken for the same. None tells it from how well they agree with the match.
        relative_scale: lengths in the second network's neighbourhoods for each in the first's, where they were told in
            different units; None where nobody knows. Then it is told by the spectra, and more exactly by the anchors.
        observables: quantities known on both sides, as for :func:`sametask.compare`; they and the sets and orders
            among the anchors choose between matches that geometry cannot tell apart.
        sampled_alike: whether both were sampled alike, so that densities must agree.
        seed: of the candidates drawn where eigenvalue blocks leave a continuum of them.
        start: places (samples and offsets) of the first's samples on the second's manifold, to refine where anchors do
            not hold the match; then no other match is looked for. See :func:`sametask.matching.inverse.composed`.

    Returns:
        The match, refined.

    Raises:
        InputError: dimensions differ, anchors are not pairs of rows or name rows that do not exist or a sample twice,
            noise is negative or more than the manifold is across, scale is not positive, or observables have no value
            for each sample or are not of one kind.
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
    sizes = len(first.position), len(second.position)
    anchors, known = known_of(sizes, anchors, observables, sampled_alike)
    pairs = anchor_rows(first, second, anchors)
    factor, unsure = _given_scale(first, second, relative_scale)
    second = second if factor == 1 else second.rescale(1 / factor)
    if len(pairs) and anchor_noise:
        _check_noise(anchor_noise, first)
    # fewer anchors do not hold a match at its size: the spectra alone tell it
    held_by_anchors = len(pairs) > first.dimension
    stretch = (1.0, unsure) if unsure and held_by_anchors else None
    better, group, part, choice = None, None, None, None
    if held_by_anchors:

        def by_geometry(parts: tuple[Chart, Chart], rows: tuple[Array, Array]) -> Places:
            hints = Hints.of(first, second, pairs, known).part((first, second), parts, rows)
            return unanchored(*parts, np.random.default_rng(seed), hints, unsure).candidates[0].places

        held = anchored(first, second, pairs, noise=anchor_noise, stretch=stretch, otherwise=by_geometry)
        found = (Candidate(held.images),)
        kept, noise, kind, equally_good = held.kept, held.noise, "anchored", held.ambiguity
        among = held.distances
        if noise and anchor_noise is None and not unsure:
            better = _better_scale(first, second, held, pairs[kept])
    else:
        hints = Hints.of(first, second, pairs, known)
        if start is None:
            left = unanchored(first, second, np.random.default_rng(seed), hints, unsure)
        else:
            left = settled(first, second, start, hints)
        part, choice = left.part, left.choice
        found, group = left.candidates, left.symmetry
        kept, noise, equally_good = np.ones(len(pairs), bool), anchor_noise or 0.0, left.equally_good
        kind = "anchored" if len(pairs) else "unanchored"
        among = np.stack(
            [
                of.edges.distances(rows)[rows] if len(rows) else np.zeros((0, 0))
                for of, rows in zip((first, second), pairs.T, strict=True)
            ]
        )
    images = found[0].images
    if stretch:
        second, images = second.rescale(1 / images.stretch), images.rescale(1 / images.stretch)
        among = among / np.array([1.0, images.stretch])[:, None, None]
        factor, unsure = factor * images.stretch, images.stretch_deviation
    right, wrong = pairs[kept], pairs[~kept]
    images, backward, common = _finished(first, second, images, right, confine=held_by_anchors and not noise)
    found = (dataclasses.replace(found[0], images=images), *found[1:])
    if better:
        better = (factor * better[0], better[1])
    observed = Observables.of(first, second, known)
    agreement = observed.agreement(images) if observed else None
    return Match(
        first,
        second,
        images,
        backward,
        right,
        kind,
        found,
        common,
        equally_good,
        wrong,
        noise,
        factor,
        unsure,
        better,
        among,
        group,
        agreement,
        part,
        choice,
    )


def _check_noise(noise: float, chart: Chart) -> None:
    """Refuse noise larger than the manifold, which leaves an anchor nothing to say."""
    across = float(np.pi / np.sqrt(chart.eigenvalues[0]))  # of an interval; half around a circle
    if noise > across:
        raise InputError(
            f"anchor_noise: {noise:.3g}, but the manifold is only {across:.2g} across in intrinsic units; give less, "
            "or anchors=None to match without"
        )


def _given_scale(first: Chart, second: Chart, relative_scale: float | None) -> tuple[float, float]:
    if relative_scale is None:
        return spectral_scale(first, second)
    return _check.length_ratio("relative_scale", relative_scale), 0.0


def spectral_scale(first: Chart, second: Chart) -> tuple[float, float]:
    """Lengths on the second manifold for each on the first, by their spectra, and the relative standard deviation."""
    e = min(COMPARED, len(first.eigenvalues), len(second.eigenvalues))
    ratio = 0.5 * np.log(first.eigenvalues[:e] / np.maximum(second.eigenvalues[:e], np.finfo(float).tiny))
    return float(np.exp(np.median(ratio))), float(np.hypot(_BIAS, np.std(ratio) / np.sqrt(e)))


def anchor_rows(first: Chart, second: Chart, anchors: Any) -> Int[Array, "k 2"]:
    """Anchors given as rows of the probes, as rows of the charts; those whose sample was not charted are left out."""
    charts = (first, second)
    given = _check.row_pairs("anchors", anchors, (len(first.position), len(second.position)))
    pairs = np.stack([chart.position[rows] for chart, rows in zip(charts, given.T, strict=True)], axis=1)
    charted = (pairs >= 0).all(axis=1)
    if not charted.all() and any(chart.thinned for chart in charts):
        raise InputError(
            f"anchors: {int((~charted).sum())} of {len(pairs)} name samples that landmarks stand for; chart with "
            "st.chart(probe, keep=rows of the anchors), or match with st.compare"
        )
    pairs = pairs[charted]
    for column in (0, 1):  # samples that share their activations share their place: one partner for all of them
        pairs = pairs[np.sort(np.unique(pairs[:, column], return_index=True)[1])]
    return pairs


def _better_scale(first: Chart, second: Chart, held: Anchored, pairs: Array) -> tuple[float, float] | None:
    """Whether anchors that seem noisy agree once the unit is free, and in what unit: lengths on the second manifold for
    each on the first, and the relative standard deviation."""
    edges = first.edges
    start = (held.images.sample, held.images.offset)
    guess = spectral_scale(first, second)
    free = isometric.refine(first.manifold, second.manifold, edges, start, anchors=pairs, stretch=guess, draws=0)
    left, before = (float(np.mean(np.square(each.anchor_residual))) for each in (free, held.images))
    off = abs(float(np.log(free.stretch)))
    if left * _FAR_BETTER**2 > before or off < _SURELY * free.stretch_deviation:
        return None
    return free.stretch, free.stretch_deviation
