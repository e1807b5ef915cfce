"""Candidates without anchors: one where there is no symmetry, all where there is; hints that choose between them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import sametask as st
from matches import astray, carried_error, charted, truth
from sametask.matching import search, unanchored
from sametask.verdict import diagnosis
from worlds import Pair, pair, relative_error


@cache
def free(world: str, n: int, seed: int) -> tuple[Pair, st.Match]:
    both, first, second = charted(world, n, seed, anchors=0)
    return both, st.match(first, second)


def errors(both: Pair, match: st.Match, where: np.ndarray | slice = slice(None)) -> list[float]:
    """Of the second's activations at each candidate's places, of all samples or of some."""
    second = match.second.manifold
    return [
        relative_error(second.evaluate(each.images.sample, each.images.offset)[where], truth(both, match)[where])
        for each in match.candidates
    ]


def test_a_shape_without_symmetry_has_one_match():
    both, match = free("L-shape", 600, 61)
    assert match.ambiguity == 1
    assert match.symmetry is None
    assert carried_error(both, match) < 0.03
    assert min(match.overlap.share) > 0.95


def test_uncertainty_covers_what_outlines_leave_open():
    both, match = free("L-shape", 600, 61)
    estimate = st.Transformation.from_match(match).forward(both.unseen_first)
    error = np.linalg.norm(estimate.value - both.unseen_second, axis=1)
    assert np.mean(error[estimate.inside] <= 2 * estimate.uncertainty[estimate.inside]) > 0.6
    assert np.median(estimate.uncertainty) < 0.05 * np.sqrt(both.unseen_second.var(axis=0).sum())


def test_every_candidate_of_a_rectangle_is_a_match_to_choose():
    both, match = free("rectangle", 500, 62)
    assert match.ambiguity == 4
    k = int(np.argmin(errors(both, match)))
    chosen = match.choose(k)
    assert carried_error(both, chosen) < 0.03
    assert len(chosen.candidates) == len(match.candidates)
    back = st.Transformation.from_match(chosen).backward(both.unseen_second)
    assert relative_error(back.value[back.inside], both.unseen_first[back.inside]) < 0.04
    with pytest.raises(st.InputError, match="this match has candidates 0 to"):
        match.choose(len(match.candidates))


def test_one_anchor_where_the_match_says_decides():
    both, match = free("rectangle", 500, 62)
    first, second = match.first, match.second
    (row,) = match.symmetry.anchors
    # the second network's nearest sample to what the first saw there
    seen = both.networks[1](first.probe.inputs[[row]])
    partner = int(np.argmin(np.linalg.norm(second.probe.activations - seen, axis=1)))
    decided = st.match(first, second, anchors=[(first.rows[row], second.rows[partner])], anchor_noise=0.02)
    assert decided.ambiguity == 1
    assert carried_error(both, decided) < 0.05


def test_an_observable_decides_between_the_candidates_of_a_rectangle():
    both, match = free("rectangle", 500, 62)
    first, second = match.first, match.second
    slanted = [probe.inputs @ [1.0, 0.4] for probe in (both.first, both.second)]
    decided = st.match(first, second, observables=tuple(slanted))
    assert decided.ambiguity == 1
    assert carried_error(both, decided) < 0.03
    assert decided.agreement.agrees


def test_an_observable_turns_a_circle():
    both, first, second = charted("circle", 300, 63, anchors=0)
    angles = [np.arctan2(*probe.inputs.T[::-1]) for probe in (both.first, both.second)]
    told = [np.stack([np.cos(each), np.sin(2 * each)], axis=1) for each in angles]
    match = st.match(first, second, observables=tuple(told))
    assert match.ambiguity == 1
    assert carried_error(both, match) < 0.05
    (said,) = diagnosis.of_observables(match)
    assert said.message.startswith("observable 1 and observable 2 chose 1 of a continuum of matches")


@cache
def few_settled(most: int, world: str, n: int, seed: int) -> st.Match:
    """The match where no more than so many candidates are settled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_LIKELY", most)
        return free(world, n, seed)[1]


def test_a_circle_of_which_few_were_settled_is_a_continuum():
    match = few_settled(3, "circle", 150, 68)
    assert match.symmetry.name == "O(2)"
    assert match.symmetry.order == 0
    assert len(match.symmetry.anchors) >= 2


def test_a_group_of_which_few_were_settled_is_at_least_so_large():
    match = few_settled(2, "rectangle", 300, 69)
    assert match.ambiguity == match.symmetry.order == 2
    assert not match.symmetry.complete
    assert "2 isometries or more" in match.symmetry.name
    (row,) = match.symmetry.anchors  # off the mirrors of those that were not settled as well
    assert np.all(np.abs(match.first.probe.inputs[match.first.rows[row]] / [1.6, 1.0] - 0.5) > 0.2)
    (said,) = diagnosis.ambiguity(match)
    assert said.message.startswith("at least 2 matches")


def test_more_samples_than_are_searched_are_all_refined(monkeypatch):
    both, first, second = charted("L-shape", 600, 64, anchors=0)
    monkeypatch.setattr(unanchored, "_SEARCHED", 400)
    match = st.match(first, second)
    assert len(match.forward.sample) == len(first.rows)
    assert match.ambiguity == 1
    assert carried_error(both, match) < 0.03


def test_unequal_samples_and_densities_have_the_same_match():
    both, first, second = charted("L-shape", 600, 65, anchors=0)
    rng = np.random.default_rng(0)
    x = both.second.inputs
    thinned = np.flatnonzero(rng.uniform(size=len(x)) < 0.25 + 0.75 * x[:, 0] / 1.6)
    few = st.chart(both.second.take(thinned))
    match = st.match(first, few)
    assert match.ambiguity == 1
    assert len(few.rows) < 0.8 * len(second.rows)
    assert carried_error(both, match) < 0.15  # wrong maps are off by more than half
    assert np.median(astray(both, match) / match.forward.deviation) < 2


def test_the_same_seed_finds_the_same_candidates():
    _, first, second = charted("interval", 200, 66, anchors=0)
    one, two = st.match(first, second), st.match(first, second)
    assert [each.score for each in one.candidates] == [each.score for each in two.candidates]
    assert np.array_equal(one.forward.offset, two.forward.offset)


def test_few_anchors_have_distances_too():
    _, first, second = charted("rectangle", 300, 67, anchors=2)
    match = st.match(first, second, anchors=[(0, 0), (1, 1)])
    there, here = match.anchor_distances[:, 0, 1]
    assert there > 0
    assert abs(there / here - 1) < 0.1


@pytest.mark.parametrize("shares", [pytest.param((1.0, 0.6), marks=pytest.mark.slow), (0.6, 1.0)])
def test_a_part_is_found_in_the_whole(shares):
    both = pair("L-shape", 600, 73, anchors=0, shares=shares)  # of 71 to 78 five; three at another place that fits
    match = st.match(st.chart(both.first), st.chart(both.second))
    assert match.part is not None
    assert not match.part.pinned  # it slides without strain, only cutting more
    assert match.part.cut < 0.5
    assert np.allclose(match.overlap.share, shares[::-1], atol=0.05)
    both_saw = both.first.inputs[match.first.rows][:, 0] > both.unseen[:, 0].min()
    k = int(np.argmin(errors(both, match, both_saw if shares[1] < 1 else slice(None))))
    assert k < match.ambiguity
    estimate = st.Transformation.from_match(match.choose(k)).forward(both.unseen_first)
    assert estimate.inside.mean() > 0.9
    assert relative_error(estimate.value[estimate.inside], both.unseen_second[estimate.inside]) < 0.1


def test_a_part_of_an_interval_fits_at_either_end():
    both = pair("interval", 300, 72, anchors=0, shares=(1.0, 0.6))
    match = st.match(st.chart(both.first), st.chart(both.second))
    assert match.ambiguity == 4
    assert min(errors(both, match, where=both.first.inputs[match.first.rows][:, 0] > 0.45)) < 0.05
    assert match.overlap.share[0] == pytest.approx(0.6, abs=0.05)


@pytest.mark.slow
def test_a_part_of_a_bumpy_sphere_fits_in_one_place():
    both = pair("bumpy sphere", 1500, 2, anchors=0, shares=(1.0, 0.6))
    v = st.compare(both.first, both.second, anchors=None)
    assert v.decision is st.Decision.EQUIVALENT
    assert v.partial
    assert np.allclose(v.overlap, (0.6, 1), atol=0.05)
    estimate = v.transformation.forward(both.unseen_first)
    assert relative_error(estimate.value[estimate.inside], both.unseen_second[estimate.inside]) < 0.05
