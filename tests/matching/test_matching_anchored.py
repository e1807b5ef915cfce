"""Which anchors are believed, and how firmly: right, wrong and noisy ones."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from scipy.spatial import KDTree

import sametask as st
from assertions import raises_one_line
from matches import astray, carried_error, charted, clean
from sametask.verdict.diagnosis import ambiguity
from worlds import WORLDS, Pair, RandomNetwork, pair

_SIZES = {"interval": 300, "circle": 300, "rectangle": 400, "sphere": 600, "box": 600}
_WRONG = 2


# -- right anchors ---------------------------------------------------------------------------------------------------


def matches_of(world: str) -> list[st.Match]:
    return [clean(world, _SIZES[world], seed) for seed in ((30, 31) if _SIZES[world] >= 600 else (30, 31, 32))]


@pytest.mark.parametrize("world", _SIZES)
def test_right_anchors_are_kept_and_held_to_be_exact(world):
    for match in matches_of(world):
        assert match.left_out.shape == (0, 2)
        assert match.anchors[:, 0].tolist() == list(range(6))
        assert match.anchor_noise == 0


@pytest.mark.parametrize(("n", "seed"), [(600, 213), (300, 215)])
def test_right_anchors_are_kept_on_circles_that_all_but_stop(n, seed):
    assert len(clean("circle", n, seed).left_out) == 0


def test_a_right_anchor_at_the_limit_of_the_eigenfunctions_is_kept():
    assert len(clean("circle", 300, 219).left_out) == 0


def test_right_anchors_are_exact_on_a_circle_that_all_but_stops():
    assert clean("circle", 300, 214).anchor_noise == 0


# -- a wrong one -----------------------------------------------------------------------------------------------------


def misled(world: str, seed: int, spacings: float | None) -> tuple[Pair, st.Match, int]:
    """A match by six anchors of which one has another partner: the farthest sample, or one so many spacings away."""
    both, first, second = charted(world, _SIZES[world], seed)
    x = both.second.inputs
    away = np.linalg.norm(x - x[_WRONG], axis=1)
    others = np.arange(6, len(x))
    score = away if spacings is None else -np.abs(away - spacings * second.graph.spacing())
    partner = int(others[np.argmax(score[others])])
    pairs = both.anchors.copy()
    pairs[_WRONG, 1] = partner
    return both, st.match(first, second, anchors=pairs), partner


_MISLED = [
    *(("interval", 40, spacings) for spacings in (None, 6.0, 2.0)),
    ("circle", 41, 6.0),
    *(("rectangle", 40, spacings) for spacings in (None, 6.0, 2.0)),
    ("sphere", 41, None),
    ("sphere", 41, 2.0),
]


@pytest.mark.parametrize(("world", "seed", "spacings"), _MISLED)
def test_one_wrong_anchor_of_six_is_left_out(world, seed, spacings):
    both, match, partner = misled(world, seed, spacings)
    assert match.left_out.tolist() == [[_WRONG, partner]]
    assert match.anchors[:, 0].tolist() == [0, 1, 3, 4, 5]
    assert match.anchor_noise == 0
    # and does no harm: five right ones do what six do, or nearly
    assert carried_error(both, match) < max(3 * carried_error(both, clean(world, _SIZES[world], seed)), 1e-3)


def test_only_the_wrong_anchor_is_left_out_on_a_circle():
    _, match, partner = misled("circle", 40, None)
    assert match.left_out.tolist() == [[_WRONG, partner]]


def test_four_anchors_of_a_rectangle_are_too_few_to_leave_any_out():
    both, first, second = charted("rectangle", 400, 30)
    pairs = both.anchors[:4].copy()
    pairs[3, 1] = 200
    match = st.match(first, second, anchors=pairs)
    assert len(match.left_out) == 0
    assert np.array_equal(match.anchors, pairs)


# -- noisy ones ------------------------------------------------------------------------------------------------------


@cache
def jittered(world: str, seed: int, spacings: float) -> tuple[Pair, st.Chart, st.Chart, float]:
    """Twelve anchors that the second network saw a little elsewhere, and by how much per direction."""
    n = _SIZES[world]
    both, first, _ = charted(world, n, seed, 12)
    sigma = spacings * float(first.graph.spacing())
    moves = sigma * np.random.default_rng([seed, 9]).normal(size=(12, first.dimension))
    x = both.second.inputs.copy()
    if world == "circle":
        angle = np.arctan2(x[:12, 1], x[:12, 0]) + moves[:, 0]
        x[:12] = np.stack([np.cos(angle), np.sin(angle)], 1)
    else:
        x[:12] += moves
    second = st.chart(WORLDS[world].probe(both.networks[1], x, name="second"))
    return both, first, second, float(np.sqrt(np.mean(np.square(moves))))


_JITTERED = [("interval", 50), ("interval", 51), ("circle", 51), ("rectangle", 50)]


@cache
def told(world: str, seed: int, spacings: float) -> st.Match:
    both, first, second, _ = jittered(world, seed, spacings)
    return st.match(first, second, anchors=both.anchors)


@pytest.mark.parametrize("spacings", [0.7, 1.5])
def test_noise_of_moved_inputs_is_told(spacings):
    """By twelve anchors no better than to a fifth."""
    factors = [told(*case, spacings).anchor_noise / jittered(*case, spacings)[3] for case in _JITTERED]
    assert 0.5 < min(factors) <= max(factors) < 2, factors
    assert 0.75 < np.exp(np.mean(np.log(factors))) < 1.33, factors


@pytest.mark.parametrize("world", ["interval", "rectangle"])
def test_noise_of_the_nearest_other_sample_is_told(world, seed=52):
    both, first, second = charted(world, _SIZES[world], seed, 0)
    away, near = KDTree(both.second.inputs).query(both.first.inputs)
    rows = np.unique(near, return_index=True)[1]
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:12])
    match = st.match(first, second, anchors=np.stack([rows, near[rows]], 1))
    sigma = float(np.sqrt(np.mean(np.square(away[rows])) / first.dimension))
    assert 0.5 < match.anchor_noise / sigma < 2


def test_noisy_anchors_are_not_taken_for_wrong_ones():
    assert sum(len(told(*case, 0.7).left_out) for case in _JITTERED) == 0


def test_places_by_noisy_anchors_are_as_uncertain_as_they_are_wrong():
    ratios = []
    for case in _JITTERED:
        match = told(*case, 0.7)
        error = astray(jittered(*case, 0.7)[0], match)
        ratios.append(np.sqrt(np.mean(np.square(match.forward.deviation)) / np.mean(np.square(error))))
    assert 1 / 3 < np.exp(np.mean(np.log(ratios))) < 3, ratios


@pytest.mark.parametrize(("world", "seed"), [("interval", 50), ("circle", 51)])
def test_noise_that_is_given_is_taken(world, seed):
    both, first, second, sigma = jittered(world, seed, 1.5)
    match = st.match(first, second, anchors=both.anchors, anchor_noise=sigma)
    assert match.anchor_noise == sigma
    assert carried_error(both, match) < 1.2 * carried_error(both, told(world, seed, 1.5))
    # what is lost by trusting them: the map is strained around each
    trusting = st.match(first, second, anchors=both.anchors, anchor_noise=0.0)
    assert trusting.anchor_noise == 0
    assert match.forward.strain.max() < trusting.forward.strain.max()
    assert np.median(match.forward.deviation) > np.median(trusting.forward.deviation)


def test_noise_given_for_exact_anchors_does_little_harm():
    both, first, second = charted("rectangle", 400, 30)
    match = st.match(first, second, anchors=both.anchors, anchor_noise=1e-3)
    assert match.anchor_noise == 1e-3
    assert carried_error(both, match) < 3 * carried_error(both, clean("rectangle", 400, 30))


@pytest.mark.parametrize("world", ["interval", "circle", "rectangle", "sphere"])
def test_noise_of_anchors_shows_in_places_that_they_alone_hold(world):
    """Rigid motions, d (d + 1) / 2 of them, are told by the 6 d numbers that anchors give."""
    both, first, second = charted(world, min(_SIZES[world], 400), 32)
    sigma = 0.3
    deviation = st.match(first, second, anchors=both.anchors, anchor_noise=sigma).forward.deviation
    least = sigma * np.sqrt((first.dimension + 1) / 12)
    assert deviation.min() >= 0.999 * least
    assert np.sqrt(np.mean(np.square(deviation))) < 2 * least


@pytest.mark.parametrize("noise", [5.0, 1e8, 1e300])
def test_noise_larger_than_the_manifold_is_refused(noise):
    both, first, second = charted("rectangle", 400, 30)
    with raises_one_line("anchor_noise", "across"):
        st.match(first, second, anchors=both.anchors, anchor_noise=noise)
    assert st.match(first, second, anchors=both.anchors, anchor_noise=1e-300).anchor_noise == 1e-300


_NO_NOISE = [-1.0, -1e-9, float("nan"), float("inf"), "much", True, [0.1], np.array([0.1, 0.2])]


@pytest.mark.parametrize("noise", _NO_NOISE, ids=str)
def test_noise_that_is_none_is_refused(noise):
    both, first, second = charted("rectangle", 400, 30)
    with raises_one_line("anchor_noise", "give", "zero"):
        st.match(first, second, anchors=both.anchors, anchor_noise=noise)


@pytest.mark.parametrize("noise", _NO_NOISE, ids=str)
@pytest.mark.parametrize(
    ("n", "anchors"), [(30, 6), (100, 6), (100, 100)], ids=["too few", "by isometry", "by function"]
)
def test_noise_that_is_none_is_refused_however_the_two_are_compared(n, anchors, noise):
    both = pair("rectangle", n, 30, anchors=anchors)
    with raises_one_line("anchor_noise", "give", "zero"):
        st.compare(both.first, both.second, anchors=both.anchors, anchor_noise=noise)


# -- anchors that leave a mirror image ---------------------------------------------------------------------------------


def on_mirror(world: str, seed: int) -> st.Verdict:
    """Six anchors along the middle of a rectangle, or on a great circle."""
    rng = np.random.default_rng(seed)
    if world == "rectangle":
        shared = np.stack([rng.uniform(0, 1.6, 6), np.full(6, 0.5)], 1)
    else:
        angle = rng.uniform(0, 2 * np.pi, 6)
        shared = np.stack([np.cos(angle), np.sin(angle), np.zeros(6)], 1)
    probes = []
    for k in (0, 1):
        x = WORLDS[world].sample(np.random.default_rng([seed, k]), 500)
        x[:6] = shared
        probes.append(WORLDS[world].probe(RandomNetwork.draw(x.shape[1], 7, 10 * seed + k), x))
    return st.compare(*probes, anchors=np.repeat(np.arange(6)[:, None], 2, axis=1))


@pytest.mark.parametrize(("world", "seed"), [("rectangle", 1), ("rectangle", 4), ("sphere", 1), ("sphere", 4)])
def test_anchors_on_a_mirror_line_leave_two_matches(world, seed):
    verdict = on_mirror(world, seed)
    assert verdict.match is not None
    assert verdict.match.ambiguity >= 2
    told = any(finding.name == "ambiguous" for finding in verdict.diagnosis)
    assert told or verdict.decision is not st.Decision.EQUIVALENT


@pytest.mark.parametrize(("world", "n"), [("rectangle", 400), ("sphere", 600), ("L-shape", 500), ("circle", 300)])
def test_anchors_in_general_position_leave_one(world, n):
    assert all(clean(world, n, seed).ambiguity == 1 for seed in (41, 42, 43))


# -- too few: the edges of the manifolds hold the rest ----------------------------------------------------------------


@cache
def loosely(world: str, n: int, seed: int, count: int) -> tuple[Pair, st.Match]:
    both, first, second = charted(world, n, seed, count)
    return both, st.match(first, second, anchors=both.anchors)


def errors(both: Pair, match: st.Match) -> list[float]:
    """Of each of the matches that are equally good."""
    images = (each.images for each in match.candidates[: match.ambiguity])
    return [carried_error(both, dataclasses.replace(match, forward=each)) for each in images]


@pytest.mark.parametrize(("world", "n", "count"), [("rectangle", 400, 1), ("interval", 200, 1)])
def test_few_anchors_off_the_mirrors_are_enough(world, n, count):
    ratios = []
    for seed in (61, 63):
        both, match = loosely(world, n, seed, count)
        assert match.ambiguity == 1
        assert match.symmetry is None
        assert carried_error(both, match) < 0.03
        away = np.sqrt(np.mean(np.square(astray(both, match))))
        ratios.append(away / np.sqrt(np.mean(np.square(match.forward.deviation))))
    assert np.exp(np.mean(np.log(ratios))) < 2, ratios


def test_the_opposite_one_anchor_on_a_circle_leaves_its_mirror_image():
    both, match = loosely("circle", 200, 61, 1)
    assert match.ambiguity == 2
    assert min(errors(both, match)) < 0.06 < 1 < max(errors(both, match))
    assert [finding.name for finding in ambiguity(match)] == ["ambiguous"]


def test_where_few_anchors_begin_astray_geometry_is_asked():
    """Three on a torus: distances from them leave mirror images, and eigenfunctions as many."""
    both, first, second = charted("torus", 500, 43, anchors=3)
    match = st.match(first, second, anchors=both.anchors)
    assert carried_error(both, match) < 0.1
