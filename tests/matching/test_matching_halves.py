"""How far off places are said to be, against how far off they are."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from matches import astray, charted, clean
from sametask.matching import halves
from worlds import pair

_SEEDS = (30, 31, 32)
_SIZES = {"interval": 300, "circle": 300, "rectangle": 400}
_LARGER = {"sphere": (600, 2), "box": (600, 2)}


def ratio(world: str, n: int, seed: int) -> float:
    """Root mean square deviation for each root mean square error, but at the anchors, which are held."""
    match = clean(world, n, seed)
    others = np.setdiff1d(np.arange(len(match.first.rows)), match.anchors[:, 0])
    error = astray(charted(world, n, seed)[0], match)[others]
    return float(np.sqrt(np.mean(np.square(match.forward.deviation[others])) / np.mean(np.square(error))))


@pytest.mark.parametrize("world", _SIZES)
def test_deviations_have_the_size_of_the_error(world):
    ratios = [ratio(world, _SIZES[world], seed) for seed in _SEEDS]
    assert 1 / 3 < np.exp(np.mean(np.log(ratios))) < 3, ratios


@pytest.mark.parametrize("world", _LARGER)
def test_deviations_have_the_size_of_the_error_where_curvature_or_three_dimensions_make_it_large(world):
    n, seeds = _LARGER[world]
    ratios = [ratio(world, n, seed) for seed in _SEEDS[:seeds]]
    assert 1 / 3 < np.exp(np.mean(np.log(ratios))) < 3, ratios


def test_deviations_of_noisy_metrics_have_the_size_of_the_error():
    ratios = []
    for seed in _SEEDS[:2]:
        both = pair("rectangle", 400, seed, burst=(32, 1e-3))
        match = st.match(st.chart(both.first), st.chart(both.second), anchors=both.anchors)
        assert match.first.noisy
        error = astray(both, match)
        ratios.append(np.sqrt(np.mean(np.square(match.forward.deviation)) / np.mean(np.square(error))))
    assert 1 / 3 < np.exp(np.mean(np.log(ratios))) < 3, ratios


def test_larger_errors_have_larger_deviations_between_worlds():
    """The same factor for all would pass as well if the deviation did not follow the error at all."""
    small, large = (
        np.sqrt(np.mean([np.mean(np.square(clean(world, n, seed).forward.deviation)) for seed in (30, 31)]))
        for world, n in (("rectangle", 400), ("sphere", 600))
    )
    assert large > 5 * small


@pytest.mark.parametrize("world", [*_SIZES, *_LARGER])
def test_deviations_are_numbers_and_never_negative(world):
    n = _SIZES.get(world) or _LARGER[world][0]
    match = clean(world, n, _SEEDS[0])
    for images in (match.forward, match.backward):
        assert images.deviation.shape == (len(images.sample),)
        assert np.isfinite(images.deviation).all()
        assert (images.deviation >= 0).all()
        assert (images.deviation > 0).mean() > 0.9


@pytest.mark.parametrize("anchors", [0, 4])
@pytest.mark.parametrize("n", [20, 60, 91, 92, 110])
def test_small_samples_have_deviations_too(n, anchors):
    both = pair("rectangle", n, 33, anchors=anchors)
    match = st.match(st.chart(both.first), st.chart(both.second), anchors=both.anchors if anchors else None)
    assert np.isfinite(match.forward.deviation).all()
    assert (match.forward.deviation >= 0).all()
    assert match.forward.deviation.max() > 0


def test_samples_too_few_for_halves_fall_back_on_residuals():
    both = pair("interval", 60, 34)
    first, second = st.chart(both.first), st.chart(both.second)
    images = st.match(first, second, anchors=both.anchors).candidates[0].images
    once = halves.deviation(first, second, images, both.anchors)
    np.testing.assert_allclose(once, halves.OF_RESIDUALS * images.deviation)


@pytest.mark.parametrize(("n", "anchors"), [(70, 60), (100, 100), (150, 140), (200, 100)])
def test_samples_that_are_mostly_anchors_have_deviations_too(n, anchors):
    both = pair("interval", n, 35, anchors=anchors)
    match = st.match(st.chart(both.first), st.chart(both.second), anchors=both.anchors)
    assert np.isfinite(match.forward.deviation).all()
    assert (match.forward.deviation >= 0).all()


def test_the_same_call_gives_the_same_deviations():
    both, first, second = charted("rectangle", 400, 30)
    again = st.match(first, second, anchors=both.anchors)
    assert np.array_equal(again.forward.deviation, clean("rectangle", 400, 30).forward.deviation)
