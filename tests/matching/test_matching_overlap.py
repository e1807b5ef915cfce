"""Partial overlap: what of each network's support lies in the other's, and the match there."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import sametask as st
from matches import clean, truth
from sametask.matching.overlap import on_all_sides
from worlds import Partly, partly, relative_error


@cache
def matched(which: str, seed: int) -> tuple[Partly, st.Match]:
    both = partly(which, 500, seed)
    return both, st.match(st.chart(both.first), st.chart(both.second), anchors=both.anchors)


@pytest.mark.parametrize("which", ["interval", "rectangle", "sphere", "ring", "strips"])
def test_the_share_of_the_overlap_is_found(which):
    both, match = matched(which, 1)
    for found, true, deviation in zip(match.overlap.share, both.share, match.overlap.deviation, strict=True):
        assert abs(found - true) < max(0.05, 2 * deviation)
    assert match.overlap.partial
    assert not len(match.left_out)


@pytest.mark.parametrize("which", ["interval", "rectangle", "ring", "strips"])
def test_samples_inside_are_told_but_for_a_rim(which):
    both, match = matched(which, 1)
    for inside, true, chart in zip(match.overlap.inside, both.inside, (match.first, match.second), strict=True):
        true = true[chart.rows]
        assert (inside & ~true).mean() < 0.02
        assert (~inside & true).mean() < 0.15


@pytest.mark.parametrize("which", ["interval", "rectangle", "sphere", "ring", "strips"])
def test_the_map_is_right_inside(which):
    both, match = matched(which, 1)
    inside = match.overlap.inside[0] & both.inside[0][match.first.rows]
    places = match.forward
    at = match.second.manifold.evaluate(places.sample, places.offset)
    assert relative_error(at[inside], truth(both, match)[inside]) < 0.02


@pytest.mark.parametrize("world", ["interval", "rectangle", "sphere"])
def test_what_both_saw_in_whole_is_no_part(world):
    match = clean(world, 400, 1)
    assert not match.overlap.partial
    assert min(match.overlap.share) > 0.93


def test_points_lie_on_all_sides_or_do_not():
    rng = np.random.default_rng(0)
    for d in (1, 2, 3):
        steps = rng.normal(size=(500, 3 * d + 5, d))
        present = np.ones(steps.shape[:2], bool)
        assert on_all_sides(steps, present).mean() > 0.97
        steps[:, :, 0] = np.abs(steps[:, :, 0])
        # where the points reach all but around, the plane is not always found
        assert on_all_sides(steps, present).mean() < 0.05
        steps[:, :, 0] += 0.1
        assert not on_all_sides(steps, present).any()
        assert not on_all_sides(steps, ~present).any()


def test_a_place_at_a_sample_is_on_it():
    steps = np.zeros((1, 8, 2))
    steps[0, 1:] = np.random.default_rng(1).uniform(0.5, 1, (7, 2))
    assert on_all_sides(steps, np.ones((1, 8), bool)).all()
