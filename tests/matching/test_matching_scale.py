"""Neighbourhoods told in different units: the factor between them, given or told by the match."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from matches import carried_error, charted
from worlds import WORLDS, Pair, pair

_FACTOR = 1.7
_SIZES = {"interval": 300, "circle": 300, "rectangle": 400, "sphere": 600}
_SEED = 60


@cache
def charts(world: str, anchors: int = 6) -> tuple[Pair, st.Chart, st.Chart]:
    """The second network's lengths are 1.7 times what they should be."""
    both, first, _ = charted(world, _SIZES[world], _SEED, anchors)
    return both, first, st.chart(both.second.rescale(_FACTOR))


@cache
def matched(world: str, scale: float | None, anchors: int = 6) -> st.Match:
    both, first, second = charts(world, anchors)
    return st.match(first, second, anchors=both.anchors if anchors else None, relative_scale=scale)


@pytest.mark.parametrize("world", _SIZES)
def test_the_factor_is_told_to_one_percent_and_as_well_as_is_said(world):
    match = matched(world, None)
    error = abs(match.relative_scale / _FACTOR - 1)
    assert error < 0.01
    assert error < 4 * match.relative_scale_deviation
    assert 0 < match.relative_scale_deviation < 0.02


@pytest.mark.parametrize("world", _SIZES)
def test_not_knowing_the_unit_costs_no_accuracy(world):
    both = charts(world)[0]
    # errors of one size: another start of the refinement moves them by some tenths
    assert carried_error(both, matched(world, None)) < 1.5 * carried_error(both, matched(world, _FACTOR)) + 1e-4


def test_not_knowing_the_unit_costs_little_certainty():
    for world in ("rectangle", "circle"):
        unsure, sure = (
            np.sqrt(np.mean(np.square(matched(world, scale).forward.deviation))) for scale in (None, _FACTOR)
        )
        assert unsure < 3 * sure


@pytest.mark.parametrize("world", ["interval", "rectangle"])
def test_a_factor_that_is_given_is_taken_exactly(world):
    match = matched(world, _FACTOR)
    assert match.relative_scale == _FACTOR
    assert match.relative_scale_deviation == 0
    both, first, right = charted(world, _SIZES[world], _SEED)
    plain = st.match(first, right, anchors=both.anchors)
    assert plain.relative_scale == 1
    np.testing.assert_allclose(carried_error(both, match), carried_error(both, plain), rtol=1e-3)


@pytest.mark.parametrize("scale", [_FACTOR, None])
def test_the_match_is_in_the_units_of_the_first(scale):
    match = matched("rectangle", scale)
    np.testing.assert_allclose(match.second.graph.spacing(), match.first.graph.spacing(), rtol=0.1)
    for chart in (match.first, match.second):  # as the same samples are seen by a network that is the identity
        x = np.asarray(chart.probe.inputs)
        plain = st.chart(st.Probe.from_jacobians(x, np.broadcast_to(np.eye(2), (len(x), 2, 2))))
        np.testing.assert_allclose(chart.eigenvalues[:5], plain.eigenvalues[:5], rtol=0.05)
    assert match.strain < 0.05


def test_the_opposite_a_wrong_factor_misplaces_everything():
    """The shorter interval is carried rigidly into the longer, and strain does not show it."""
    match = matched("interval", 1.0)
    assert carried_error(charts("interval")[0], match) > 0.1


@pytest.mark.parametrize("factor", [1e-3, 0.3, 1.0, 1e4])
def test_any_factor_is_told(factor):
    both, first, _ = charted("interval", 300, _SEED)
    second = st.chart(both.second.rescale(factor))
    match = st.match(first, second, anchors=both.anchors, relative_scale=None)
    assert abs(match.relative_scale / factor - 1) < 0.01


def test_swapped_networks_tell_the_inverse_factor():
    both, first, second = charts("rectangle")
    back = st.match(second, first, anchors=both.anchors[:, ::-1], relative_scale=None)
    forth = matched("rectangle", None)
    told = back.relative_scale * forth.relative_scale - 1
    assert abs(told) < 4 * np.hypot(back.relative_scale_deviation, forth.relative_scale_deviation)


@pytest.mark.parametrize("world", ["interval", "rectangle"])
def test_without_anchors_the_factor_is_told_about_as_well_as_by_the_spectra(world):
    match = matched(world, None, 0)
    assert abs(match.relative_scale / _FACTOR - 1) < 0.1


@pytest.mark.parametrize("world", ["interval", "rectangle"])
def test_without_anchors_the_factor_is_known_as_well_as_is_said(world):
    match = matched(world, None, 0)
    assert abs(match.relative_scale / _FACTOR - 1) < 4 * match.relative_scale_deviation


@pytest.mark.parametrize("world", ["interval", pytest.param("rectangle", marks=pytest.mark.slow)])
def test_without_anchors_places_are_as_uncertain_as_the_unit(world):
    """A wrong unit moves places as far as they are from the middle; the middle moves where edges leave room, and more
    where the two do not fit in size: what is said may be twice as much, not less. It is told by four halves, and
    scatters by as much itself from draw to draw, so of five draws the middle one is asked."""
    times = []
    for seed in range(_SEED, _SEED + 5):
        both, first, _ = charted(world, _SIZES[world], seed, 0)
        second = st.chart(both.second.rescale(_FACTOR))
        match, given = (st.match(first, second, anchors=None, relative_scale=scale) for scale in (None, _FACTOR))
        x = match.first.probe.inputs
        away = np.linalg.norm(x - (x.max(axis=0) + x.min(axis=0)) / 2, axis=1) / np.sqrt(match.first.dimension)
        added, usual = (np.sqrt(np.square(each.forward.deviation).mean()) for each in (match, given))
        wanted = match.relative_scale_deviation * np.sqrt(np.square(away).mean())
        assert added > 0.8 * wanted
        times.append(added / np.hypot(wanted, usual))
    assert np.median(times) < 2


@pytest.mark.slow
def test_without_anchors_three_dimensions_keep_their_size():
    both, first, _ = charted("box", 300, _SEED, 0)
    match = st.match(first, st.chart(both.second.rescale(_FACTOR)), relative_scale=None)
    assert abs(match.relative_scale / _FACTOR - 1) < 0.1


# -- a wrong unit that is given ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("world", "given"), [("interval", 1.02), ("rectangle", 0.97)])
def test_a_unit_that_is_slightly_off_is_told_from_noise_of_anchors(world, given):
    both = charts(world)[0]
    v = st.compare(both.first, both.second, anchors=both.anchors, relative_scale=given)
    told, deviation = v.match.better_scale
    assert abs(told - 1) < 1e-3
    assert deviation < 1e-3
    named = {finding.name for finding in v.diagnosis}
    assert "unit seems off" in named
    assert "noisy anchors" not in named


def test_the_opposite_noisy_anchors_are_no_wrong_unit():
    both = charts("rectangle", 12)[0]
    x = both.second.inputs.copy()
    x[:12] += 0.05 * np.random.default_rng(3).normal(size=(12, 2))
    moved = WORLDS["rectangle"].probe(both.networks[1], x)
    match = st.match(st.chart(both.first), st.chart(moved), anchors=both.anchors)
    assert match.anchor_noise > 0.01
    assert match.better_scale is None


# -- compare ---------------------------------------------------------------------------------------------------------


def compared(scale: float | None) -> st.Verdict:
    both = charts("rectangle")[0]
    return st.compare(both.first, both.second.rescale(_FACTOR), anchors=both.anchors, relative_scale=scale)


@pytest.mark.parametrize("scale", [_FACTOR, None])
def test_networks_told_in_other_units_are_equivalent_where_the_unit_may_differ(scale):
    both = charts("rectangle")[0]
    v = compared(scale)
    assert v.decision is st.Decision.EQUIVALENT
    assert abs(v.match.relative_scale / _FACTOR - 1) < 0.01
    told = [finding for finding in v.diagnosis if finding.name == "relative scale"]
    assert len(told) == (scale is None)
    for finding in told:
        assert f"{v.match.relative_scale:.5g}" in finding.message
    values = v.transformation.forward(both.unseen_first).value
    assert np.sqrt(np.mean((values - both.unseen_second) ** 2)) < 0.02 * both.unseen_second.std()


@pytest.mark.parametrize("scale", [_FACTOR, None])
def test_many_correspondences_in_other_units_agree_too(scale):
    both = pair("rectangle", 200, _SEED, anchors=200)
    v = st.compare(both.first, both.second.rescale(_FACTOR), anchors=both.anchors, relative_scale=scale)
    assert v.decision is st.Decision.EQUIVALENT
    assert "neighbourhoods disagree" not in {finding.name for finding in v.diagnosis}


# -- mistakes --------------------------------------------------------------------------------------------------------

_NO_SCALE = [0, 0.0, -1.7, float("nan"), float("inf"), "unknown", True, [1.7], np.array([1.0, 2.0])]


@pytest.mark.parametrize("scale", _NO_SCALE, ids=str)
def test_factors_that_are_none_are_refused(scale):
    both, first, second = charts("rectangle")
    with raises_one_line("relative_scale", "above zero"):
        st.match(first, second, anchors=both.anchors, relative_scale=scale)


@pytest.mark.parametrize("scale", _NO_SCALE, ids=str)
@pytest.mark.parametrize(
    ("n", "anchors"), [(30, 6), (100, 6), (100, 100)], ids=["too few", "by isometry", "by function"]
)
def test_factors_that_are_none_are_refused_however_the_two_are_compared(n, anchors, scale):
    both = pair("rectangle", n, _SEED, anchors=anchors)
    with raises_one_line("relative_scale", "above zero"):
        st.compare(both.first, both.second, anchors=both.anchors, relative_scale=scale)


@pytest.mark.parametrize("scale", [1e300, 1e-300, 1e31, 1e-31])
def test_factors_beyond_all_reason_are_refused(scale):
    both, first, second = charts("interval")
    with raises_one_line("relative_scale", f"{scale}", "above zero", "1e+30"):
        st.match(first, second, anchors=both.anchors, relative_scale=scale)
    with raises_one_line("relative_scale", f"{scale}", "above zero", "1e+30"):
        st.compare(both.first, both.second, anchors=both.anchors, relative_scale=scale)


@pytest.mark.parametrize("scale", [1e30, pytest.param(1e-30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("anchors", [0, 6])
def test_the_opposite_factors_that_are_only_wrong_are_worked_with(anchors, scale):
    both, first, second = charts("rectangle", anchors)
    assert st.match(first, second, anchors=both.anchors, relative_scale=scale).relative_scale == scale
