"""The search for matches without anchors: from coarse maps of outlines to candidates that are equally good."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float
from sametask.charts.chart import Chart
from sametask.matching import landmarks, spectral, symmetry
from sametask.matching.candidate import GLANCE, TO_THE_END, Candidate, Pair, least_cut_first
from sametask.matching.hints import Choice, Hints
from sametask.matching.inverse import invert
from sametask.matching.outlines import CoarseMap, Outline, coarse_maps, part_maps
from sametask.matching.starts import spectral_starts
from sametask.matching.support import Supported, Walls
from sametask.matching.symmetry import Symmetry

_FOUND, _FOUND_BY_HINTS = 48, 200
"""Different coarse maps looked for: of a continuum there is any number, and hints tell which are near the right one."""
_FINER = 4
"""So many times more points stand for the whole where one is a part: all that tells its places may be curvature."""
_SCREENED = 1.5
"""Coarse maps this many times more distorted than the best are not settled: wrong ones measured 1.9 times and more on a
rectangle, slid ones 1.5 on an interval."""
_MOST, _LIKELY = 32, 12
"""Coarse maps refined for a glance, and those that are settled after it."""
_LANDMARKS = 24
_HALVES = 3
_OF_CONTINUUM = 4
"""Candidates of a continuum that are refined to the end."""
_ELSEWHERE, _TELLING = 3, 0.03
"""Other places of a part, of which so many must be known, and by how much more it tears there where curvature tells:
parts of a bumpy sphere measured 0.03 to 0.06, of flat shapes 0.003 at most."""
_NEXT = 4.0
"""Equally good candidates nearer to each other than so many spacings of the outline, and yet not the same, are two of a
continuum."""


@dataclass(frozen=True)
class Part:
    """How a manifold fits into another one, of which it was taken for a part.

    Attributes:
        cut: share of its edge that lies deep inside the other.
        closed: whether the other has no edge that it could share.
        curved: whether it was strained wherever else it was tried.
        pinned: whether that tells its place: it fits in one, and no anchor had to say so.
    """

    cut: float
    closed: bool
    curved: bool
    pinned: bool


@dataclass(frozen=True)
class Found:
    """What a search leaves.

    Attributes:
        good: candidates that are equally good, best first, refined to the end.
        rest: others that were settled.
        count: how many were equally good before those of a continuum were cut short.
        symmetry: what the good ones differ by; None of one.
        part: how the first fits into the second, where it was taken for a part of it; else None.
        choice: what observables chose among; None where they chose nothing.
    """

    good: list[Candidate]
    rest: list[Candidate]
    count: int
    symmetry: Symmetry | None
    part: Part | None
    choice: Choice | None


@dataclass(frozen=True)
class Search:
    """Two charts, what stands for them while matches are looked for, and what is known of these.

    Attributes:
        pair: the two, with what holds a match.
        one, two: their outlines.
        hints: what is known.
        usual: how far halves of the first overshoot each other.
        signs: that make frames of either of one hand.
    """

    pair: Pair
    one: Outline
    two: Outline
    hints: Hints
    usual: float
    signs: tuple[Float[Array, " n"], Float[Array, " m"]]

    @staticmethod
    def of(first: Chart, second: Chart, hints: Hints, rng: np.random.Generator, *, times: float = 1.0) -> Search:
        """For charts of which the second is so many ``times`` as large as the first, which then is a part of it."""
        part = times > 1
        edges = first.edges, second.edges
        one, two = (
            Outline.of(edges[k], each.dimension, hints.pairs[:, k], times=more)
            for k, (each, more) in enumerate(((first, 1.0), (second, _FINER * times if part else 1.0)))
        )
        pair = Pair.of(first, second, one.spacing if part else 0.0)
        signs = tuple(symmetry.orientation(edges[k]) for k in (0, 1))
        return Search(pair, one, two, hints, _usual_overshoot(first, rng), (signs[0], signs[1]))

    @property
    def within(self) -> float:
        """See :attr:`Walls.within`."""
        return self.pair.walls.within

    @property
    def spacing(self) -> float:
        """Of the points that maps are found by; places nearer than it are the same."""
        return self.one.spacing if self.within else self.two.spacing

    @property
    def anchors(self) -> Array | None:
        """Pairs that hold candidates."""
        return self.hints.pairs if len(self.hints.pairs) else None

    def found(self, rng: np.random.Generator) -> Found:
        """Candidates that are equally good, and the rest."""
        settled, glanced = self._settled(rng)
        good = [each for each in settled if each.as_good(settled[0], self.usual)]
        # where all that were settled are as good there are more: those that were only glanced at tell of what kind
        capped = len(good) == len(settled) and len(glanced) > _LIKELY and not self.hints
        alike = [each for each in glanced if capped and each.as_good(glanced[0], self.usual)]
        turned = self.hints.observed.telling and self._continuous(good)
        if turned:
            # of a continuum only some were tried: observables turn them to where they agree
            observed = self.hints.observed
            good = [self.pair.refined(each.places, anchors=self.anchors, observed=observed) for each in good]
        if self.hints:
            good = self._different(good)
        good, choice = self._left_open(good)
        count, continuous = len(good), self._continuous(good) or self._continuous(alike)
        good = [
            self.pair.refined(each.places, iterations=TO_THE_END, anchors=self.anchors)
            for each in good[: _OF_CONTINUUM if continuous else None]
        ]
        good = least_cut_first(self._different(good), self.usual)
        good, chosen = self._left_open([each for each in good if each.as_good(good[0], self.usual)])
        continuous &= len(good) > 1
        choice = choice or chosen
        if turned:
            choice = None if continuous else Choice(0, float("nan"))
        rest = [each for each in settled if all(self._apart(each, other) >= self.spacing for other in good)]
        part = None
        if self.within:
            # flat parts slide for nothing, and one placement that overshoots less than others says little
            curved = len(rest) >= _ELSEWHERE and min(each.torn for each in rest) > good[0].torn + _TELLING
            closed = not len(self.pair.walls.second.rim)
            part = Part(good[0].cut, closed, curved, curved and len(good) == 1 and not len(self.hints.pairs))
        group = None
        if len(good) > 1:
            group = self._symmetry(good, alike if len(alike) > len(settled) else [], continuous=continuous)
        return Found(good, rest, count if continuous else len(good), group, part, choice)

    def _settled(self, rng: np.random.Generator) -> tuple[list[Candidate], list[Candidate]]:
        """Candidates that coarse maps settle to, each once, best first; and what all these came to at a glance."""
        pair, anchors = self.pair, self.anchors
        maps = self._coarse(rng)
        maps = [each for each in maps if each.distortion <= _SCREENED * maps[0].distortion]
        if self.hints:
            maps.sort(key=lambda each: self.hints.cost(each, self.one, self.two))
        found = [
            pair.refined(
                landmarks.places(pair.second, *self._landmark_distances(each)), iterations=GLANCE, anchors=anchors
            )
            for each in maps[:_MOST]
        ]
        glanced = least_cut_first(self._different(found), self.usual)
        likely = glanced[: None if self.hints else _LIKELY]
        settled = [pair.refined(each.places, anchors=anchors) for each in likely]
        return least_cut_first(self._different(settled), self.usual), glanced

    def _coarse(self, rng: np.random.Generator) -> tuple[CoarseMap, ...]:
        one, two = self.one, self.two
        first, second = self.pair.first, self.pair.second
        most, held = _FOUND_BY_HINTS if self.hints else _FOUND, len(self.hints.pairs)
        if not self.within:
            starts = spectral_starts(first, second, one, two, rng)
            return coarse_maps(one.among, two.among, first.dimension, starts, held=held, most=most)
        deep = self.pair.walls.first.from_rim(self.pair.edges)[one.rows], self.pair.deep[two.rows]
        sides = self.pair.walls.first, self.pair.walls.second
        few = min(round(len(one.rows) * sides[1].volume / sides[0].volume), len(two.rows))
        return part_maps(one.among, two.among, deep, first.dimension, among=few, held=held, most=most)

    def _landmark_distances(self, coarse: CoarseMap) -> tuple[Array, Array]:
        """Distances of the samples of either network from points of the first and from where these are sent."""
        k = min(_LANDMARKS, len(self.one.rows))
        return self.one.distances[:, :k], self.two.distances[:, coarse.there[:k]]

    def _left_open(self, good: list[Candidate]) -> tuple[list[Candidate], Choice | None]:
        """Candidates that hints do not tell from the one that meets them best, and what they chose these from."""
        if not self.hints:
            return good, None
        places = [each.places for each in good]
        left = self.hints.left_open(places, self.two)
        return [good[k] for k in left], self.hints.choice(places, left, self.two)

    def _different(self, found: list[Candidate]) -> list[Candidate]:
        """Of candidates that are the same only the best, best first."""
        kept: list[Candidate] = []
        for each in sorted(found, key=lambda each: each.score):
            if all(self._apart(each, known) >= self.spacing for known in kept):
                kept.append(each)
        return kept

    def _apart(self, a: Candidate, b: Candidate) -> float:
        """How far two candidates send points of the outline to different places, on average."""
        p, q = (self.two.distances[each.images.sample[self.one.rows]] for each in (a, b))
        return float(np.abs(p - q).max(axis=1).mean())

    def _hands(self, good: list[Candidate]) -> list[int]:
        return [symmetry.handedness(each.images, *self.signs) for each in good]

    def _continuous(self, good: list[Candidate]) -> bool:
        """Whether some of equally good candidates of one handedness lie close together (mirror images of strips do)."""
        near = _NEXT * self.spacing
        pairs = itertools.combinations(zip(good, self._hands(good), strict=True), 2)
        return any(hand == other and self._apart(a, b) < near for (a, hand), (b, other) in pairs)

    def _symmetry(self, good: list[Candidate], more: list[Candidate], *, continuous: bool) -> Symmetry:
        """What equally good candidates differ by; ``more`` are as good at a glance, where there are more than these."""
        first, second, one, two = self.pair.first, self.pair.second, self.one, self.two
        complete, told_apart = not more, good if continuous or not more else more
        places = np.stack([two.distances[each.images.sample[one.rows]] for each in told_apart])  # (c, l1, l2)
        block = len(spectral.shared_blocks(first, second)[0])
        deciding = symmetry.deciding(places, self.spacing, first.dimension + 1)
        if continuous:
            # of a continuum only some are known: one anchor holds a point, and the manifold turns about it
            others = [k for k in range(len(one.rows)) if k not in deciding]
            deciding = np.array([*deciding, *others][: max(block, len(deciding), 2)])
        found = Symmetry(
            "where a part belongs", 0 if continuous else len(good), one.rows[deciding], complete or continuous
        )
        if self.within:
            return found
        back = invert(good[0].images, first, second).sample
        near = 2 * two.spacing
        orders = [symmetry.order(each.images.sample[back], two.distances, near, two.rows) for each in good]
        hands = self._hands(good)
        title = symmetry.name(hands, orders, first.dimension, block, continuous=continuous, complete=complete)
        if continuous and self.hints:
            title = f"part of {title}"
        return dataclasses.replace(found, name=title)


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
