"""What halves of a network show of it, and what a match is held against."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from matches import charted, clean
from sametask.verdict import floors

_N = 250


def own(which: int) -> floors.OwnFigures:
    both, *charts = charted("rectangle", _N, 3)
    return floors.own_figures(
        (both.first, both.second)[which], charts[which], st.DiffusionChart(), np.random.default_rng(which)
    )


def test_tears_where_halves_tear_are_no_sign_and_elsewhere_they_are():
    usual, strain = np.full(400, 0.02), np.full(400, 0.02)
    usual[:8] = 0.6
    strain[:8] = 1.0
    assert floors.beyond(strain, usual) == 0
    assert floors.beyond(np.roll(strain, 100), usual) == pytest.approx(np.sqrt(8 / 400), rel=0.01)
    # root mean squares of all places could not tell the two apart
    assert floors.torn(strain) == pytest.approx(floors.torn(np.roll(strain, 100)))


def test_halves_of_a_rectangle_hold_everywhere():
    figures = own(0)
    assert figures.strain.shape == (_N,)
    assert figures.strain.max() < 0.1
    assert figures.beyond < 0.02
    assert figures.uncovered < 0.05


def test_a_right_match_strains_no_more_than_halves_and_a_torn_one_does():
    match = clean("rectangle", _N, 3)
    figures = floors.isometry_figures(match, (own(0), own(1)))
    assert len(figures.strain) == len(figures.usual) == 2 * _N
    assert floors.torn(figures.strain) < floors.torn(figures.usual)
    assert floors.beyond(figures.strain, figures.usual) < 0.01
    torn = figures.strain.copy()
    torn[::20] = 1
    assert floors.beyond(torn, figures.usual) > 0.2


def test_what_is_known_of_a_few_samples_stands_for_their_neighbours():
    edges = charted("rectangle", _N, 3)[1].edges
    strains = np.full((1, _N), np.nan)
    strains[0, ::3] = 0.1
    assert np.allclose(floors._around(edges, strains), 0.1)
