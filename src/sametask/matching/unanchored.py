"""A match from geometry alone: the candidates that it leaves, and which of them are equally good."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sametask.charts.chart import Chart
from sametask.matching import halves
from sametask.matching.candidate import TO_THE_END, Candidate, Pair, Places
from sametask.matching.hints import Choice, Hints
from sametask.matching.inverse import invert
from sametask.matching.parts import carried, part
from sametask.matching.search import Part, Search
from sametask.matching.support import Supported
from sametask.matching.symmetry import Symmetry

_SEARCHED = 2000
"""Samples of each network that the search takes; all take part in the refinement."""
_PART = 0.8
"""A manifold of less than this of the other's volume is taken for a part of it; volumes are known to hundredths."""


@dataclass(frozen=True)
class Unanchored:
    """What geometry alone leaves.

    Attributes:
        candidates: best first, the equally good ones before all others; those are refined to the end.
        equally_good: how many are, of those that were tried; ``symmetry`` says whether there are more.
        symmetry: what they differ by; None where only one is left.
        part: how one fits into the other, where it was taken for a part of it; else None.
        choice: what observables chose among; None where they chose nothing.
    """

    candidates: tuple[Candidate, ...]
    equally_good: int
    symmetry: Symmetry | None
    part: Part | None = None
    choice: Choice | None = None


def unanchored(first: Chart, second: Chart, rng: np.random.Generator, hints: Hints, unsure: float = 0.0) -> Unanchored:
    """Match two charts of one dimension by geometry, and by hints that do not hold it by themselves.

    Coarse maps that nearly keep distances among well-spread points are settled by a short refinement, in which nothing
    may lie beyond the samples of the other network. What is as good as the best, not the same, and meets the hints as
    well, is refined to the end. Where one manifold is much smaller than the other, it is taken for a part of it, and
    of the places that suit it as well those are the best that cut least of the other off.

    Args:
        first, second: the charts.
        rng: of the samples searched, and of rotations drawn where blocks of eigenvalues leave a continuum.
        hints: a few pairs, observables.
        unsure: relative standard deviation of the unit of lengths.
    """
    sides = Supported.of(first.manifold, first.graph), Supported.of(second.manifold, second.graph)
    small = part_of(sides)
    if unsure or small is None:
        return _matched(first, second, rng, hints, unsure)
    times = sides[1 - small].volume / sides[small].volume
    if not small:
        return _matched(first, second, rng, hints, unsure, times=times)
    back = _matched(second, first, rng, hints.swapped((second, first)), unsure, times=times)
    turned = tuple(dataclasses.replace(each, images=invert(each.images, second, first)) for each in back.candidates)
    group = back.symmetry
    if group is not None:
        group = dataclasses.replace(group, anchors=back.candidates[0].images.sample[group.anchors])
    return dataclasses.replace(back, candidates=turned, symmetry=group)


def part_of(sides: tuple[Supported, Supported]) -> int | None:
    """Which of two manifolds is taken for a part of the other; None where neither is."""
    small = int(sides[1].volume < sides[0].volume)
    alike = sides[small].volume > _PART * sides[1 - small].volume
    return None if alike or not len(sides[small].rim) else small


def settled(first: Chart, second: Chart, start: Places, hints: Hints) -> Unanchored:
    """The match that a first guess comes to, as good as that is; no other is looked for.

    Args:
        first, second: the charts.
        start: places of the first's samples on the second's manifold.
        hints: pairs that hold it.
    """
    anchors = hints.pairs if len(hints.pairs) else None
    return Unanchored((Pair.of(first, second).refined(start, iterations=TO_THE_END, anchors=anchors),), 1, None)


def _matched(
    first: Chart, second: Chart, rng: np.random.Generator, hints: Hints, unsure: float, *, times: float = 1.0
) -> Unanchored:
    """As :func:`unanchored`; the first is a part of the second, where that is more than once as large."""
    small, rows = zip(
        *(part(each, hints.pairs[:, k], _SEARCHED, rng) for k, each in enumerate((first, second))), strict=True
    )
    search = Search.of(small[0], small[1], hints.part((first, second), small, rows), rng, times=times)
    found = search.found(rng)
    good, rest, group, pairs = found.good, found.rest, found.symmetry, search.hints.pairs
    if small[0] is not first or small[1] is not second:
        whole, rest, pairs = Pair.of(first, second, search.within), [], hints.pairs
        starts = [carried(each.images, small, (first, second)) for each in good]
        anchors = pairs if len(pairs) else None
        good = [whole.refined(start, iterations=TO_THE_END, anchors=anchors) for start in starts]
    if group is not None:
        group = dataclasses.replace(group, anchors=rows[0][group.anchors])
    best = good[0].images
    deviation = halves.loose_deviation(first, second, best, pairs, unsure=unsure, within=search.within)
    best = dataclasses.replace(good[0], images=dataclasses.replace(best, deviation=deviation))
    return Unanchored((best, *good[1:], *rest), found.count, group, found.part, found.choice)
