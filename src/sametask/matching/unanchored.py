"""A match from geometry alone: the candidates that it leaves, and which of them are equally good."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np

from sametask._types import Array
from sametask.charts.chart import Chart, chart
from sametask.matching import halves, isometric, landmarks, spectral, symmetry
from sametask.matching.candidates import spectral_starts
from sametask.matching.hints import Choice, Hints
from sametask.matching.inverse import invert
from sametask.matching.isometric import Edges, Images
from sametask.matching.least_squares import Pulls
from sametask.matching.observables import Observables
from sametask.matching.outlines import CoarseMap, Outline, coarse_maps, part_maps
from sametask.matching.support import Supported, Walls
from sametask.matching.symmetry import Symmetry

_SEARCHED = 2000
"""Samples of each network that the search takes; all take part in the refinement."""
_FOUND, _FOUND_BY_HINTS = 48, 200
"""Different coarse maps looked for: of a continuum there is any number, and hints tell which are near the right one."""
_PART = 0.8
"""A manifold of less than this of the other's volume is taken for a part of it; volumes are known to hundredths."""
_FINER = 4
"""So many times more points stand for the whole where one is a part: all that tells its places may be curvature."""
_SCREENED = 1.5
"""Coarse maps this many times more distorted than the best are not settled: wrong ones measured 1.9 times and more on a
rectangle, slid ones 1.5 on an interval."""
_MOST, _LIKELY = 32, 12
"""Coarse maps refined for a glance, and those that are settled after it."""
_GLANCED, _TRIED, _TRIED_WITHIN, _ITERATIONS = 3, 8, 16, 30
"""Iterations of the refinement: for a glance, until it has settled (a part has more to slide), to the end."""
_REACH = 2.0
"""So many times farther edges of a whole are taken for those of a part, until it has settled."""
_TOLERANCE_TRIED = 1e-2
_TOLERANCE = 1e-4
"""Of places, in units of the spacing, which edges of the manifolds tell to a tenth."""
_LANDMARKS = 24
_HALVES = 3
_OF_CONTINUUM = 4
"""Candidates of a continuum that are refined to the end."""
_AS_GOOD = 2.0
_AS_USUAL = 1.5
_AS_TORN = 0.1
_AS_CUT = 0.1
_NO_STRAIN = 1e-3
_VOICES = 8
_SURELY = 2.5
"""Candidates are as good as the best to within these factors of its overshoot (or of what halves of one network show),
if they tear hardly more, cut hardly more of an edge, and strain about as many samples more (by more than nothing) as
they strain less: mirror images measured 46 to 54 %, wrong maps of a bumpy sphere 69 to 79 %. Of so many samples one is
heard by itself; of a hundred at an edge cuts are known to a tenth."""
_NEXT = 4.0
"""Equally good candidates nearer to each other than so many spacings of the outline, and yet not the same, are two of a
continuum."""


Places = tuple[Array, Array]
"""Samples and offsets."""


@dataclass(frozen=True)
class Candidate:
    """One way in which two charts could belong together.

    Attributes:
        images: refined places of the first's samples.
        overshoot: how far samples of either lie beyond those of the other, in units of the spacing; 0 where anchors
            decided and it was not asked.
        cut: share of the smaller manifold's edge that lies deep inside the larger one; 0 where neither is a part.
    """

    images: Images
    overshoot: float = 0.0
    cut: float = 0.0

    @property
    def torn(self) -> float:
        """Root mean square strain, where tearing an edge apart counts as much as tearing it far apart."""
        return float(np.sqrt(np.mean(np.square(np.minimum(self.images.strain, 1)))))

    @property
    def score(self) -> float:
        """Lower is better: what places are off by, in units of the spacing; edges are some two.spacings long."""
        return float(np.hypot(self.overshoot, 2 * self.torn))


@dataclass(frozen=True)
class Unanchored:
    """What geometry alone leaves.

    Attributes:
        candidates: best first, the equally good ones before all others; those are refined to the end.
        equally_good: how many are, of those that were tried; ``symmetry`` says whether there are more.
        symmetry: what they differ by; None where only one is left.
        pinned: where one was taken for a part of the other, whether it fits nowhere else, whatever it cuts; else None.
        choice: what observables chose among; None where they chose nothing.
    """

    candidates: tuple[Candidate, ...]
    equally_good: int
    symmetry: Symmetry | None
    pinned: bool | None = None
    choice: Choice | None = None


@dataclass(frozen=True)
class _Pair:
    """Two charts, and what a match between them is held by."""

    first: Chart
    second: Chart
    edges: Edges
    walls: Walls
    deep: Array

    @staticmethod
    def of(first: Chart, second: Chart, within: float = 0.0) -> _Pair:
        walls = Walls.between((first.manifold, first.graph), (second.manifold, second.graph), within)
        deep = walls.second.from_rim(isometric.chart_edges(second)) if within else np.empty(0)
        return _Pair(first, second, isometric.chart_edges(first), walls, deep)

    def refined(
        self,
        start: Places,
        *,
        iterations: int | None = None,
        anchors: Array | None = None,
        observed: Observables | None = None,
    ) -> Candidate:
        """The candidate that a first guess comes to, not to the end unless so many iterations are asked for."""
        to_the_end = iterations == _ITERATIONS
        if iterations is None:
            iterations = _TRIED_WITHIN if self.walls.within else _TRIED

        reach = dataclasses.replace(self.walls, within=self.walls.within * (1 if to_the_end else _REACH))

        def pulls(sample: Array, offset: Array, rotation: Array) -> Pulls:
            walls = reach(sample, offset, rotation)
            return walls if observed is None else Pulls.all(walls, observed.pulls(sample, offset, rotation))

        images = isometric.refine(
            self.first.manifold,
            self.second.manifold,
            self.edges,
            start,
            anchors=anchors,
            pulls=pulls,
            iterations=iterations,
            tolerance=_TOLERANCE if to_the_end else _TOLERANCE_TRIED,
            repairs=2 if to_the_end else int(iterations > _GLANCED),
            draws=8 if to_the_end else 0,
        )
        cut = self.walls.cut(images.sample, self.deep) if self.walls.within else 0.0
        return Candidate(images, self.walls.overshoot(images.sample, images.offset, images.differential), cut)


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
    sides = tuple(Supported.of(each.manifold, each.graph) for each in (first, second))
    small = int(sides[1].volume < sides[0].volume)
    larger, smaller = sides[1 - small].volume, sides[small].volume
    if unsure or smaller > _PART * larger or not len(sides[small].rim):
        return _search(first, second, rng, hints, unsure)
    if not small:
        return _search(first, second, rng, hints, unsure, times=larger / smaller)
    back = _search(second, first, rng, hints.swapped((second, first)), unsure, times=larger / smaller)
    turned = tuple(dataclasses.replace(each, images=invert(each.images, second, first)) for each in back.candidates)
    group = back.symmetry
    if group is not None:
        group = dataclasses.replace(group, anchors=back.candidates[0].images.sample[group.anchors])
    return dataclasses.replace(back, candidates=turned, symmetry=group)


def _search(
    first: Chart, second: Chart, rng: np.random.Generator, hints: Hints, unsure: float, *, times: float = 1.0
) -> Unanchored:
    """As :func:`unanchored`; the first is a part of the second, where that is more than once as large."""
    small, rows = zip(*(_part(each, hints.pairs[:, k], rng) for k, each in enumerate((first, second))), strict=True)
    told = hints.part((first, second), small, rows)
    one, two = (
        Outline.of(isometric.chart_edges(each), len(each.rows), each.dimension, told.pairs[:, k], times=more)
        for k, (each, more) in enumerate(zip(small, (1.0, _FINER * times if times > 1 else 1.0), strict=True))
    )
    within = one.spacing if times > 1 else 0.0
    pair = _Pair.of(small[0], small[1], within)
    anchors = told.pairs if len(told.pairs) else None
    usual = _usual_overshoot(small[0], rng)
    settled, likely = _settled(pair, one, two, told, rng, usual)
    good = [each for each in settled if _as_good(each, settled[0], usual)]
    # where all that were settled are as good there are more: those that were only glanced at tell of what kind
    capped = len(good) == len(settled) and len(likely) > _LIKELY and not told
    alike = [each for each in likely if capped and _as_good(each, likely[0], usual)]
    signs = [symmetry.orientation(isometric.chart_edges(each), len(each.rows)) for each in small]
    turned = told.observed.telling and _continuous(good, _hands(good, signs), one, two)
    if turned:
        # of a continuum only some were tried: observables turn them to where they agree
        good = [pair.refined(_places(each), anchors=anchors, observed=told.observed) for each in good]
    choice = None
    if told:
        good = _different(good, one, two)
        places = [_places(each) for each in good]
        left = told.left_open(places, two)
        choice = told.choice(places, left, two)
        good = [good[k] for k in left]
    tried = len(good)
    continuous = any(_continuous(found, _hands(found, signs), one, two) for found in (good, alike))
    good = [
        pair.refined(_places(each), iterations=_ITERATIONS, anchors=anchors)
        for each in good[: _OF_CONTINUUM if continuous else None]
    ]
    good = _least_cut_first(_different(good, one, two), usual)
    good = [each for each in good if _as_good(each, good[0], usual)]
    if told:
        places = [_places(each) for each in good]
        left = told.left_open(places, two)
        choice = choice or told.choice(places, left, two)
        good = [good[k] for k in left]
    continuous &= len(good) > 1
    hands = _hands(good, signs)
    rest = [each for each in settled if all(_apart(each, other, one, two) >= two.spacing for other in good)]
    alone = len(good) == 1 and not any(_fits(each, good[0], usual) for each in rest)
    refined, pairs = good, told.pairs
    if small[0] is not first or small[1] is not second:
        whole, rest, pairs = _Pair.of(first, second, within), [], hints.pairs
        anchors = pairs if len(pairs) else None
        starts = [_carried(each.images, pair, whole) for each in good]
        refined = [whole.refined(start, iterations=_ITERATIONS, anchors=anchors) for start in starts]
    group = None
    if len(good) > 1:
        more = alike if len(alike) > len(settled) else []
        group = _symmetry(good, hands, pair, one, two, more, continuous=continuous)
        if within:
            group = dataclasses.replace(group, name="where a part belongs")
        elif continuous and told:
            group = dataclasses.replace(group, name=f"part of {group.name}")
        group = dataclasses.replace(group, anchors=rows[0][group.anchors])
    best = refined[0].images
    best = dataclasses.replace(
        best, deviation=halves.loose_deviation(first, second, best, pairs, unsure=unsure, within=within)
    )
    refined = [dataclasses.replace(refined[0], images=best), *refined[1:]]
    if turned:
        choice = None if continuous else Choice(0, float("nan"))
    return Unanchored((*refined, *rest), tried if continuous else len(good), group, alone if within else None, choice)


def _settled(
    pair: _Pair, one: Outline, two: Outline, hints: Hints, rng: np.random.Generator, usual: float
) -> tuple[list[Candidate], list[Candidate]]:
    """Candidates that coarse maps settle to, each once, best first; and what all coarse maps came to at a glance."""
    first, second = pair.first, pair.second
    most, held = _FOUND_BY_HINTS if hints else _FOUND, len(hints.pairs)
    if pair.walls.within:
        deep = pair.walls.first.from_rim(pair.edges)[one.rows], pair.deep[two.rows]
        maps = part_maps(
            one.among, two.among, deep, first.dimension, among=len(two.rows) // _FINER, held=held, most=most
        )
    else:
        starts = spectral_starts(first, second, one, two, rng)
        maps = coarse_maps(one.among, two.among, first.dimension, starts, held=held, most=most)
    maps = [each for each in maps if each.distortion <= _SCREENED * maps[0].distortion]
    if hints:
        maps.sort(key=lambda each: hints.cost(each, one, two))
    anchors = hints.pairs if held else None
    found = [
        pair.refined(
            landmarks.places(second, *_landmark_distances(one, two, coarse)), iterations=_GLANCED, anchors=anchors
        )
        for coarse in maps[:_MOST]
    ]
    likely = _least_cut_first(_different(found, one, two), usual)
    settled = [pair.refined(_places(each), anchors=anchors) for each in likely[: None if hints else _LIKELY]]
    return _least_cut_first(_different(settled, one, two), usual), likely


def _different(found: list[Candidate], one: Outline, two: Outline) -> list[Candidate]:
    """Of candidates that are the same only the best, best first."""
    kept: list[Candidate] = []
    for each in sorted(found, key=lambda each: each.score):
        if all(_apart(each, known, one, two) >= two.spacing for known in kept):
            kept.append(each)
    return kept


def _places(of: Candidate) -> Places:
    return of.images.sample, of.images.offset


def _hands(good: list[Candidate], signs: list[Array]) -> list[int]:
    return [symmetry.handedness(each.images, signs[0], signs[1]) for each in good]


def _part(whole: Chart, wanted: Array, rng: np.random.Generator) -> tuple[Chart, Array]:
    """The chart of as many samples as are searched, those ``wanted`` among them, and which they are."""
    everyone = np.arange(len(whole.rows))
    if len(everyone) <= _SEARCHED:
        return whole, everyone
    others = rng.permutation(np.setdiff1d(everyone, wanted))[: _SEARCHED - len(wanted)]
    rows = np.sort(np.concatenate([wanted, others]))
    part = chart(whole.measured.take(rows), whole.options)
    return part, rows[part.rows]


def _landmark_distances(one: Outline, two: Outline, coarse: CoarseMap) -> tuple[Array, Array]:
    """Distances of the samples of either network from points of the first and from where these are sent."""
    k = min(_LANDMARKS, len(one.rows))
    return one.distances[:, :k], two.distances[:, coarse.there[:k]]


def _apart(a: Candidate, b: Candidate, one: Outline, two: Outline) -> float:
    """How far two candidates send points of the outline to different places, on average."""
    p, q = (two.distances[each.images.sample[one.rows]] for each in (a, b))
    return float(np.abs(p - q).max(axis=1).mean())


def _usual_overshoot(of: Chart, rng: np.random.Generator) -> float:
    """How far halves of a network lie beyond each other where they are placed on one another rightly."""
    n = len(of.rows)
    found = []
    for _ in range(_HALVES):
        order = rng.permutation(n)
        one, two = (Supported.of(*of.part(np.sort(each))) for each in (order[: n // 2], order[n // 2 :]))
        there = two.manifold.project(one.manifold.lift(one.manifold.activations))[0]
        sample, offset, _ = two.manifold.locate(there)
        turn = np.broadcast_to(np.eye(of.dimension), (len(sample), of.dimension, of.dimension))
        found.append(Walls(one, two).overshoot(sample, offset, turn))
    return max(found)


def _least_cut_first(found: list[Candidate], usual: float) -> list[Candidate]:
    """Candidates with those that fit as well as the best before all others, the one that cuts least first; as they are
    where nothing is cut."""
    if not any(each.cut for each in found):
        return found
    return sorted(found, key=lambda each: (not _fits(each, found[0], usual), each.cut))


def _as_good(each: Candidate, best: Candidate, usual: float) -> bool:
    """Whether a candidate is as good as the best."""
    return _fits(each, best, usual) and each.cut <= best.cut + _AS_CUT


def _fits(each: Candidate, best: Candidate, usual: float) -> bool:
    """Whether a candidate is as good as the best, however much of an edge it cuts."""
    more = float(np.mean(each.images.strain > best.images.strain + _NO_STRAIN))
    most = 0.5 + _SURELY * 0.5 / float(np.sqrt(len(best.images.strain) / _VOICES))
    within = each.overshoot <= max(_AS_GOOD * best.overshoot, _AS_USUAL * usual)
    return within and more <= most and each.torn <= best.torn + _AS_TORN


def _continuous(good: list[Candidate], hands: list[int], one: Outline, two: Outline) -> bool:
    """Whether some of equally good candidates of one handedness lie close together (mirror images of strips do)."""
    near = _NEXT * two.spacing
    pairs = itertools.combinations(zip(good, hands, strict=True), 2)
    return any(hand == other and _apart(a, b, one, two) < near for (a, hand), (b, other) in pairs)


def _symmetry(
    good: list[Candidate],
    hands: list[int],
    pair: _Pair,
    one: Outline,
    two: Outline,
    more: list[Candidate],
    *,
    continuous: bool,
) -> Symmetry:
    """What equally good candidates differ by; ``more`` are as good at a glance, where there are more than these."""
    first, second = pair.first, pair.second
    complete, told_apart = not more, good if continuous or not more else more
    places = np.stack([two.distances[each.images.sample[one.rows]] for each in told_apart])  # (c, l1, l2)
    back = invert(good[0].images, first, second).sample
    orders = [symmetry.order(each.images.sample[back], two.distances, 2 * two.spacing, two.rows) for each in good]
    block = len(spectral.shared_blocks(first, second)[0])
    title = symmetry.name(hands, orders, first.dimension, block, continuous=continuous, complete=complete)
    deciding = symmetry.deciding(places, two.spacing, first.dimension + 1)
    if continuous:
        # of a continuum only some are known: one anchor holds a point, and the manifold turns about it
        others = [k for k in range(len(one.rows)) if k not in deciding]
        deciding = np.array([*deciding, *others][: max(block, len(deciding), 2)])
    return Symmetry(title, 0 if continuous else len(good), one.rows[deciding], complete or continuous)


def _carried(images: Images, part: _Pair, whole: _Pair) -> Places:
    """Places for all samples by those of some."""
    if part is whole:
        return images.sample, images.offset
    one, two = part.first.manifold, part.second.manifold
    near, step, _ = one.locate(one.project(whole.first.manifold.lift(whole.first.manifold.activations))[0])
    offset = images.offset[near] + np.einsum("pde,pe->pd", images.differential[near], step)
    sample, offset, _ = two.reanchor(images.sample[near], offset)
    at = two.lift(two.evaluate(sample, offset))
    sample, offset, _ = whole.second.manifold.locate(whole.second.manifold.project(at)[0])
    return sample, offset
