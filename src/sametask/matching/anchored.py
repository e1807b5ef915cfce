"""A match from anchors: which of them to believe, how firmly, and in what unit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Bool, Float, Int
from sametask.charts.chart import Chart
from sametask.matching import halves, isometric, landmarks, spectral
from sametask.matching.isometric import Images
from sametask.matching.overlap import near
from sametask.matching.parts import carried, part
from sametask.matching.spectral import SpectralAlignment
from sametask.numerics.edges import Edges

_FEW = 8
"""Of so few anchors each suspect is left out in turn; among more a wrong one changes the match little."""
_BLURRED = 8.0
"""Anchors nearer to each other than so many times their noise say little by their distance."""
_WHOLE = 0.01
"""A first guess of which fewer samples are torn from their neighbours, once it settles, needs no other beside it."""
_RENT, _DOUBTFUL = 0.3, 0.05
"""Where a first guess leaves more than such a share of samples strained by so much, and anchors are too few to be
checked, geometry is asked for another."""
_LOST = 1.0
"""Shares of samples torn and of anchors missed add up to more where a guess has not settled."""
_FAR = 5.0
"""An anchor this many times farther from where the rest puts it than others are, and than the match is uncertain, is
wrong."""
_NEAR = 0.2
"""Anchors this near to where the rest puts them, in units of the spacing of samples, are right enough; and within one
spacing where the match is torn anywhere, as what the tear left out may push them."""
_TORN = 6.0
_STRAINED = 0.1
"""A neighbourhood strained by more than this, and this many times more than most, makes its anchor suspect."""
_AS_FAR = 1.25
_AS_TORN = 3.0
"""A mirror image leaves samples as far from anchors on the mirror as they are, and hardly tears more: to within these
factors, and a quarter of a spacing."""
_NOISY = 3.0
"""Anchors this many times farther off than the match is uncertain have noise of their own."""
_ITERATIONS = 30
_TRIED = 5
"""Iterations of a match, and of one that is only to show whether an anchor is missed."""
_ROUNDS = 4
_AGREE = 0.1
"""Their noise is told again, as what it strained heals, until it grows by less."""


_AT_ONCE, _SOME = 20_000, 10_000
"""Of more samples so many are matched first: a first guess, and which anchors to believe, need no more."""

Otherwise = Callable[[tuple[Chart, Chart], tuple[Array, Array]], tuple[Array, Array]]


@dataclass(frozen=True)
class Anchored:
    """A match from anchors.

    Attributes:
        alignment: of the eigenfunctions.
        images: refined places, with their deviation.
        kept: (k,) whether each anchor given agrees with the rest.
        noise: standard deviation of the anchors kept, per direction, in intrinsic units; 0 where they are exact.
        ambiguity: how many matches agree with them: more than 1 where they lie on a mirror of the manifold.
        distances: (2, j, j) of the anchors kept from one another, along the edges of either network's graph.
    """

    alignment: SpectralAlignment
    images: Images
    kept: Bool[Array, " k"]
    noise: float
    ambiguity: int
    distances: Float[Array, "2 j j"]


@dataclass
class _Search:
    """What is known of a match while it is decided which anchors to believe."""

    first: Chart
    second: Chart
    pairs: Array
    edges: Edges
    distances: tuple[Array, Array]
    """(n, k) and (m, k): of the samples of each network from the anchors."""
    stretch: tuple[float, float] | None
    kept: Array
    places: tuple[Array, Array] = (np.empty(0, np.int64), np.empty((0, 0)))
    noise: float = 0.0
    uncertain: float = 0.0
    """Typical deviation of places as halves tell it, once that was asked for."""
    asked: tuple[Images, Array] | None = None
    """The match that they were asked about, and what they told."""
    around: Array | float = 0.0
    """(k,) likewise at each anchor: where a stretch of the manifold is hardly known, nor is the anchor on it."""

    @property
    def rows(self) -> Array:
        """Anchors believed so far."""
        return np.flatnonzero(self.kept)

    @property
    def everyone(self) -> tuple[Array, Array]:
        """All samples of the one and of the other."""
        return np.arange(len(self.first.rows)), np.arange(len(self.second.rows))

    @property
    def checkable(self) -> bool:
        """Whether one more may be left out."""
        return self.spare > 0 and len(self.rows) > self.first.dimension + 2

    @property
    def spare(self) -> int:
        """How many may be left out still: a third of those given at most."""
        return len(self.pairs) // 3 - int((~self.kept).sum())

    def refined(self, rows: Array, weights: Array | None = None, *, trial: bool = False) -> Images:
        """The match held by some of the anchors, refined from the last one accepted; on trial not to the end."""
        return isometric.refine(
            self.first.manifold,
            self.second.manifold,
            self.edges,
            self.places,
            anchors=self.pairs[rows],
            weights=weights,
            stretch=self.stretch,
            iterations=_TRIED if trial else _ITERATIONS,
            repairs=0 if trial else 2,
            draws=0 if trial else 8,
        )

    def settled(self, places: tuple[Array, Array], *, trial: bool) -> tuple[float, Images]:
        """What a first guess comes to, and the shares of samples that are torn and of anchors missed, added up."""
        images = dataclasses.replace(self, places=places).refined(self.rows, trial=trial)
        here = near(self.second, images)
        torn = float(np.mean(images.strain[here] > _STRAINED)) if here.any() else 1.0
        return torn + float(np.mean(images.anchor_residual > self.near(images))), images

    def anew(self, rows: Array) -> Images:
        """The match held by some of the anchors, begun by their distances."""
        there, here = (each[:, rows] for each in self.distances)
        if not np.isfinite(there).all() or not np.isfinite(here).all():
            return self.refined(rows)
        return dataclasses.replace(self, places=landmarks.places(self.second, there, here)).refined(rows)

    def accept(self, images: Images) -> Images:
        """Go on from here."""
        self.places = (images.sample, images.offset)
        return images

    def deviation(self, images: Images, weights: Array | None = None) -> Array:
        """Of its places; halves that were asked about the same match are not asked again."""
        if weights is not None or self.asked is None or self.asked[0] is not images:
            # halves have the unit that the whole match found
            unit = 1 / images.stretch
            second = self.second.rescale(unit) if self.stretch else self.second
            told = halves.deviation(self.first, second, images.rescale(unit), self.pairs[self.kept], weights) / unit
            if weights is not None:
                return told
            self.asked = images, told
        return self.asked[1]

    def missed(self, images: Images, row: int) -> float:
        """Distance between the image of an anchor and its partner."""
        sample, partner = self.pairs[[row], 0], self.pairs[[row], 1]
        step = self.second.manifold.displacement(images.sample[sample], partner)[0]
        return float(np.linalg.norm(step - images.offset[sample]))

    def limit(self, images: Images) -> Array:
        """(k,) distance from where the rest puts it up to which each anchor given agrees."""
        usual = float(np.median(images.anchor_residual))
        uncertain = max(halves.OF_RESIDUALS * float(np.median(images.deviation)), self.uncertain)
        spread = np.sqrt(self.first.dimension) * np.hypot(np.maximum(uncertain, self.around), self.noise)
        return np.broadcast_to(np.maximum(_FAR * np.maximum(usual, spread), self.near(images)), len(self.pairs))

    def near(self, images: Images) -> float:
        """Distance from where the rest puts it at which an anchor is right enough."""
        return (_NEAR if images.strain.max() < 1 else 1.0) * self.second.graph.spacing()

    def ask_halves(self, images: Images) -> Array:
        """Tell how uncertain places are, so that no anchor is accused by residuals alone: errors that neighbouring
        edges share leave none."""
        deviation = self.deviation(images)
        self.uncertain, self.around = float(np.median(deviation)), deviation[self.pairs[:, 0]]
        return deviation

    def agrees(self, places: tuple[Array, Array], images: Images) -> bool:
        """Whether a match from other places, and that stays away, meets the anchors with no more strain."""
        if self.alike(places[0], images.sample):
            return False
        other = dataclasses.replace(self, places=places).refined(self.rows, trial=True)
        torn, usually = _torn_share(other), _torn_share(images)
        met = bool((other.anchor_residual <= self.limit(images)[self.rows]).all())
        far = self.farther(other) > _AS_FAR * self.farther(images) + 0.25 * self.second.graph.spacing()
        return met and not far and torn <= _AS_TORN * usually + _WHOLE and not self.alike(other.sample, images.sample)

    def farther(self, images: Images) -> float:
        """How much farther from the anchors, or nearer, images are than their samples: root mean square."""
        there, here = (each[:, self.kept] for each in self.distances)
        return float(np.sqrt(np.mean(np.square(there - here[images.sample]))))

    def alike(self, samples: Array, others: Array) -> bool:
        """Whether two maps go to nearly the same samples, by the leading eigenfunctions."""
        a, b = (self.second.functions[each, : 1 + 2 * self.first.dimension] for each in (samples, others))
        return float(np.sum(a * b) / np.sqrt(np.sum(np.square(a)) * np.sum(np.square(b)))) >= spectral.ALIKE

    def suspicion(self, images: Images, rows: Array, limit: Array) -> Array:
        """Above 1 for anchors that are far from where the rest would put them, or, where the edges around them gave
        way, have a torn neighbourhood."""
        return np.maximum(images.anchor_residual / limit[rows], self.torn(images)[self.pairs[rows, 0]])

    def torn(self, images: Images) -> Array:
        """Above 1 for samples that are torn from neighbours, or those from theirs."""
        strain = images.strain.copy()
        np.maximum.at(strain, self.edges.i, images.strain[self.edges.j])
        return strain / max(_TORN * float(np.median(images.strain)), _STRAINED)

    def weights(self, uncertain: float) -> Array | None:
        """An anchor as noisy as places are uncertain counts half."""
        if not self.noise:
            return None
        return np.full(len(self.rows), 1 / (1 + np.square(self.noise / max(uncertain, np.finfo(float).tiny))))


def anchored(
    first: Chart,
    second: Chart,
    pairs: Int[Array, "k 2"],
    *,
    noise: float | None = None,
    stretch: tuple[float, float] | None = None,
    otherwise: Otherwise | None = None,
) -> Anchored:
    """Match two charts by anchors.

    Anchors that contradict the rest are left out, one after another, at most a third: first those whose distances from
    the others are not the same on both manifolds, then those that the refined match shows. Of many samples some are
    matched first, and all begin where these came to.

    Args:
        first, second: the charts.
        pairs: rows of the charts.
        noise: standard deviation of the anchors, or None to tell it from the match.
        stretch: see :func:`isometric.refine`.
        otherwise: a first guess, costly, for where anchors are too few to be checked and none of theirs settles: places
            of the first of two charts on the second, given these, parts of the two, and which samples they are of.
    """
    there = first.edges.distances(pairs[:, 0])
    here = second.edges.distances(pairs[:, 1])
    search = _Search(first, second, pairs, first.edges, (there, here), stretch, np.ones(len(pairs), bool))
    checkable = can_be_checked(len(pairs), first.dimension)
    groups = spectral.shared_blocks(first, second)
    some = None
    if max(len(first.rows), len(second.rows)) > _AT_ONCE:
        some = _begin_with_some(search, noise, otherwise)
    if some is None:
        if checkable:
            blurred = second.graph.spacing() + _BLURRED * (noise or 0.0)
            apart = landmarks.disagreement(there[pairs[:, 0]], here[pairs[:, 1]], blurred)
            search.kept = landmarks.agreeing(apart, len(pairs) // 3)
        search.noise = noise or 0.0
        kept = search.kept
        alignment = spectral.anchored(first, second, pairs[kept], groups)
        guesses = [spectral.places(first, second, alignment)]
        if kept.sum() > first.dimension and np.isfinite(there).all() and np.isfinite(here).all():
            guesses.insert(0, landmarks.places(second, there[:, kept], here[:, kept]))
        _begin(search, guesses, None if checkable else otherwise)
    else:
        alignment = some.alignment
    images = _with_right(search, search.accept(search.refined(search.rows)))
    while True:
        images = _without_wrong(search, images)
        deviation = search.deviation(images)
        uncertain = float(np.median(deviation))
        if noise is None and checkable:
            # nor do residuals tell noise where the stretch that an anchor lies on is known less well
            around = float(np.sqrt(np.mean(np.square(deviation[pairs[search.kept, 0]]))))
            images = _with_noise(search, images, uncertain, around)
        elif noise:
            images = search.accept(search.refined(search.rows, search.weights(uncertain)))
        if noise is not None or not search.noise or not _drop_worst(search, images, uncertain):
            break
        search.noise = 0.0
        images = search.accept(search.refined(search.rows))
    if search.noise:
        deviation = search.deviation(images, search.weights(uncertain))
        deviation = np.hypot(deviation, search.noise * images.anchor_influence)
    images = dataclasses.replace(images, deviation=deviation, stretch_deviation=_unsure(images, deviation, stretch))
    left = pairs[search.kept]
    ambiguity = some.ambiguity if some else _ambiguity(search, alignment, images, groups)
    among = np.stack([there[left[:, 0]][:, search.kept], here[left[:, 1]][:, search.kept]])
    return Anchored(alignment, images, search.kept, float(search.noise), ambiguity, among)


def _begin_with_some(search: _Search, noise: float | None, otherwise: Otherwise | None) -> Anchored | None:
    """Match some of the samples, and begin with what comes of them; None where anchors were lost among these."""
    rng, wholes = np.random.default_rng(0), (search.first, search.second)
    (one, ones), (two, twos) = (part(whole, search.pairs[:, k], _SOME, rng) for k, whole in enumerate(wholes))
    parts, rows = (one, two), (ones, twos)
    place = [np.full(len(whole.rows), -1) for whole in wholes]
    for k in (0, 1):
        place[k][rows[k]] = np.arange(len(rows[k]))
    pairs = np.stack([place[k][search.pairs[:, k]] for k in (0, 1)], axis=1)
    if (pairs < 0).any():
        return None
    guess = None if otherwise is None else lambda *_: otherwise(parts, rows)
    found = anchored(one, two, pairs, noise=noise, stretch=search.stretch, otherwise=guess)
    search.kept, search.noise = found.kept, noise or 0.0
    if search.stretch:
        search.stretch = found.images.stretch, search.stretch[1]
    search.places = carried(found.images, parts, wholes)
    return found


def _ambiguity(
    search: _Search, alignment: SpectralAlignment, images: Images, groups: tuple[tuple[int, ...], ...]
) -> int:
    """How many matches agree with the anchors believed."""
    first, second = search.first, search.second
    mirrored = spectral.mirrored(first, second, alignment, search.pairs[search.kept], groups)
    # by distances the match may have come to the mirror image of the alignment
    others = [alignment, *mirrored] if mirrored else []
    return 1 + sum(int(search.agrees(spectral.places(first, second, other), images)) for other in others)


def _torn_share(images: Images) -> float:
    return float(np.mean(images.strain > _STRAINED))


def can_be_checked(count: int, dimension: int) -> bool:
    """Whether ``count`` anchors still fix a match, with some to spare, when one of them is left out."""
    return count >= dimension + 3


def _begin(search: _Search, guesses: list[tuple[Array, Array]], otherwise: Otherwise | None) -> None:
    """Start from the first guess that settles nearly everywhere, or else from the one that settles best.

    Beyond what both were probed on a right guess may tear, which counts for nothing; and its mirror image may not, but
    that misses the anchors. Where none has settled yet anchors are missed by all; then each is refined to the end.
    """
    least, images, trial = np.inf, None, True
    for trial in (True, False):
        least = np.inf
        for places in guesses:
            left, settled = search.settled(places, trial=trial)
            if left < least:
                least, images = left, settled
            if left <= max(_WHOLE, 1 / len(settled.strain)):
                break
        if least <= _LOST:
            break
    assert images is not None
    if otherwise is not None and np.mean(images.strain > _RENT) > _DOUBTFUL:
        left, settled = search.settled(otherwise((search.first, search.second), search.everyone), trial=trial)
        images = settled if left < least else images
    search.accept(images)


def _with_right(search: _Search, images: Images) -> Images:
    """Take back anchors that distances spoke against, where the refined match agrees with them."""
    if search.kept.all():
        return images
    search.ask_halves(images)
    limit = search.limit(images)
    right = [row for row in np.flatnonzero(~search.kept) if search.missed(images, int(row)) <= limit[row]]
    if not right:
        return images
    search.kept[right] = True
    return search.accept(search.refined(search.rows))


def _without_wrong(search: _Search, images: Images) -> Images:
    """Leave out anchors, held to be exact, without which the rest agrees; the match that is left."""
    while search.checkable:
        rows, limit = search.rows, search.limit(images)
        suspicion = search.suspicion(images, rows, limit)
        if suspicion.max() > 1 and not search.uncertain:
            search.ask_halves(images)
            limit = search.limit(images)
            suspicion = search.suspicion(images, rows, limit)
        if suspicion.max() <= 1:
            break
        asked = np.flatnonzero(suspicion > 1) if len(rows) <= _FEW else [int(np.argmax(suspicion))]
        trials = {k: search.refined(np.delete(rows, k), trial=True) for k in asked}
        best = min(trials, key=lambda k: search.suspicion(trials[k], np.delete(rows, k), limit).max())
        row, without = int(rows[best]), trials[best]
        torn = max(1.0, 0.5 * search.torn(images)[search.pairs[row, 0]])
        if search.torn(without)[search.pairs[row, 0]] > torn:
            without = min(without, search.anew(np.delete(rows, best)), key=_torn_share)
        # what stays as torn without it was not torn by it
        if search.torn(without)[search.pairs[row, 0]] > torn or search.missed(without, row) <= limit[row]:
            break
        search.kept[row] = False
        search.accept(without)
        images = search.accept(search.refined(search.rows))
    return images


def _with_noise(search: _Search, images: Images, uncertain: float, around: float) -> Images:
    """Tell the noise of the anchors, and let them hold the match no more firmly than that."""
    floor = max(_NOISY * max(uncertain, around), 0.5 * search.near(images))
    for _ in range(_ROUNDS):
        told = float(np.sqrt(np.mean(np.square(images.anchor_residual)) / search.first.dimension))
        # an anchor that nothing else holds is anywhere: no farther than the manifold reaches
        told = min(told, float(np.pi / np.sqrt(search.second.eigenvalues[0])))
        if told <= max(floor, search.noise * (1 + _AGREE)):
            break
        search.noise = told
        images = search.accept(search.refined(search.rows, search.weights(uncertain)))
    return images


def _drop_worst(search: _Search, images: Images, uncertain: float) -> bool:
    """Leave out the worst of noisy anchors, where that makes the rest agree far better; whether it was."""
    if not search.checkable:
        return False
    rows, weights = search.rows, search.weights(uncertain)
    worst = int(np.argmax(images.anchor_residual))
    trial = search.refined(np.delete(rows, worst), None if weights is None else np.delete(weights, worst))
    usual = float(np.sqrt(np.mean(np.square(trial.anchor_residual))))
    if search.missed(trial, int(rows[worst])) <= max(_FAR * usual, search.near(trial)):
        return False
    search.kept[rows[worst]] = False
    return True


def _unsure(images: Images, deviation: Array, stretch: tuple[float, float] | None) -> float:
    """Relative standard deviation of the stretch: off by as much more than residuals suggest as places are."""
    if stretch is None:
        return 0.0
    level = max(float(np.mean(np.square(images.deviation))), np.finfo(float).tiny)
    more = max(float(np.sqrt(np.mean(np.square(deviation)) / level)), 1.0)
    return min(images.stretch_deviation * more, stretch[1])
