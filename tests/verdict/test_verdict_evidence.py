"""A figure between its noise floor and its null."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sametask.verdict.evidence import Evidence, log_spread

_SHOWN = Evidence("error", "it holds", 0.02, 0.01, 1.0, 0.05)


def test_the_floor_speaks_for_the_claim_and_the_null_against_it() -> None:
    assert dataclasses.replace(_SHOWN, value=0.01).probability > 0.999
    assert dataclasses.replace(_SHOWN, value=1.0).probability < 0.001
    assert dataclasses.replace(_SHOWN, value=0.1).probability == pytest.approx(0.5)  # halfway, on a logarithmic scale


def test_a_far_null_does_not_excuse_many_times_the_floor() -> None:
    near = dataclasses.replace(_SHOWN, reach=4.0)
    assert near.limit == pytest.approx(0.04)
    assert near.probability > 0.9
    assert dataclasses.replace(near, value=0.07).probability < 0.1
    # without it seven times the floor would pass
    assert dataclasses.replace(_SHOWN, value=0.07).probability > 0.5


def test_figures_between_floor_and_null_too_close_together_say_nothing() -> None:
    close = Evidence("error", "it holds", 0.6, 0.5, 0.9, 0.1)
    assert not close.separable
    assert close.probability == 0.5
    # but one far beyond both speaks against the claim
    assert dataclasses.replace(close, value=4.7).probability < 0.1
    # and where a floor exceeds its null as well
    assert dataclasses.replace(close, floor=2.0, value=3.0).probability == 0.5


def test_a_figure_far_below_the_null_speaks_for_the_claim_however_high_the_floor() -> None:
    close = Evidence("error", "it holds", 0.2, 0.5, 0.9, 0.1)
    assert not close.separable
    assert close.probability > 0.9
    assert dataclasses.replace(close, floor=5.0).probability > 0.9
    # but not where the figure is itself known only roughly
    assert dataclasses.replace(close, spread=0.6).probability == 0.5


@pytest.mark.parametrize("reach", [4.0, float("inf")])
def test_between_the_undecided_figures_neither_side_is_sure(reach: float) -> None:
    shown = dataclasses.replace(_SHOWN, reach=reach)
    chances = [dataclasses.replace(shown, value=value).probability for value in shown.undecided]
    assert chances == pytest.approx([0.9, 0.1])
    assert shown.floor < shown.undecided[0] < shown.limit < shown.undecided[1] < shown.null


def test_the_spread_of_a_root_mean_square_falls_with_the_number_of_errors() -> None:
    rng = np.random.default_rng(0)
    few, many = (log_spread(rng.normal(size=n), np.random.default_rng(1)) for n in (50, 5000))
    assert few == pytest.approx(1 / np.sqrt(2 * 50), rel=0.5)
    assert many == pytest.approx(1 / np.sqrt(2 * 5000), rel=0.5)
    assert log_spread(np.zeros(10), rng) == 0
