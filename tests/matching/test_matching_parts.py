"""Many samples are matched in two stages, and an elimination serves several steps: nothing else changes by it."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from matches import carried_error, charted
from sametask.matching import anchored, least_squares
from sametask.matching.parts import carried, part

_N = 1200


@pytest.fixture
def two_stages(monkeypatch):
    """So many as are matched here are many."""
    monkeypatch.setattr(anchored, "_AT_ONCE", 700)
    monkeypatch.setattr(anchored, "_SOME", 400)


def test_a_part_has_what_is_wanted_and_says_which_samples_it_is_of() -> None:
    _, whole, _ = charted("rectangle", _N, 70)
    wanted = np.array([3, 700, 1199])
    some, rows = part(whole, wanted, 300, np.random.default_rng(0))
    assert len(some.rows) == len(rows) == 300
    assert set(wanted) <= set(rows.tolist())
    np.testing.assert_array_equal(some.probe.activations, whole.probe.activations[rows])
    everything, rows = part(whole, wanted, _N, np.random.default_rng(0))
    assert everything is whole
    np.testing.assert_array_equal(rows, np.arange(_N))


def test_places_of_some_samples_lead_to_those_of_all() -> None:
    both, first, second = charted("rectangle", _N, 70)
    rng = np.random.default_rng(0)
    (one, ones), (two, twos) = (part(each, both.anchors[:, k], 400, rng) for k, each in enumerate((first, second)))
    anchors = np.stack([np.searchsorted(rows, both.anchors[:, k]) for k, rows in enumerate((ones, twos))], axis=1)
    match = st.match(one, two, anchors=anchors)
    sample, offset = carried(match.forward, (one, two), (first, second))
    straight = st.match(first, second, anchors=both.anchors).forward
    at = second.manifold.evaluate(sample, offset)
    true = second.manifold.evaluate(straight.sample, straight.offset)
    away = np.linalg.norm(second.manifold.step(sample, at - true), axis=1)
    assert np.median(away) < 0.1 * second.graph.spacing()


@pytest.mark.parametrize("world", ["interval", "circle", "rectangle", "sphere"])
def test_two_stages_come_to_the_same_match(world, two_stages) -> None:
    both, first, second = charted(world, _N, 71)
    match = st.match(first, second, anchors=both.anchors)
    assert match.left_out.shape == (0, 2)
    assert match.anchor_noise == 0
    anchored._AT_ONCE = _N  # the fixture puts it back
    straight = st.match(first, second, anchors=both.anchors)
    assert match.ambiguity == straight.ambiguity == 1
    errors = [carried_error(both, each) for each in (match, straight)]
    assert errors[0] < max(1.5 * errors[1], 1e-6)
    ratio = np.median(match.forward.deviation) / np.median(straight.forward.deviation)
    assert 0.5 < ratio < 2


def test_wrong_anchors_are_found_by_the_first_stage(two_stages) -> None:
    both, first, second = charted("rectangle", _N, 72)
    pairs = both.anchors.copy()
    x = np.asarray(both.second.inputs)
    pairs[2, 1] = 6 + int(np.argmax(np.linalg.norm(x[6:] - x[2], axis=1)))
    match = st.match(first, second, anchors=pairs)
    assert match.left_out.tolist() == [[2, pairs[2, 1]]]
    assert carried_error(both, match) < 1e-3


def test_noise_of_anchors_is_told_by_all_samples(two_stages) -> None:
    both, first, second = charted("rectangle", _N, 73)
    x = np.asarray(both.second.inputs)
    rng, spacing = np.random.default_rng(0), second.graph.spacing()
    pairs = both.anchors.copy()
    for k in range(6):
        wanted = x[k] + spacing * 1.5 * rng.normal(size=2)
        pairs[k, 1] = 6 + int(np.argmin(np.linalg.norm(x[6:] - wanted, axis=1)))
    noise = np.linalg.norm(x[pairs[:, 1]] - np.asarray(both.first.inputs)[pairs[:, 0]]) / np.sqrt(12)
    match = st.match(first, second, anchors=pairs)
    assert 0.3 * noise < match.anchor_noise < 2 * noise


def test_an_unknown_unit_is_told(two_stages) -> None:
    both, first, second = charted("rectangle", _N, 74)
    match = st.match(first, second.rescale(1.3), anchors=both.anchors, relative_scale=None)
    assert match.relative_scale == pytest.approx(1.3, rel=1e-3)


def test_few_anchors_are_matched_with_all_that_geometry_tells(two_stages) -> None:
    """Three anchors of a torus are too few to be checked: where guesses are torn geometry is asked, of the part."""
    both, first, second = charted("torus", _N, 75)
    match = st.match(first, second, anchors=both.anchors[:3])
    assert match.kind == "anchored"
    assert np.isfinite(match.forward.deviation).all()


@pytest.mark.parametrize("world", ["interval", "rectangle"])
def test_an_elimination_that_is_kept_changes_nothing(world, monkeypatch) -> None:
    both, first, second = charted(world, 400, 76)
    anew = st.match(first, second, anchors=both.anchors)
    monkeypatch.setattr(least_squares, "_KEPT_ABOVE", 0)
    made = []
    splu = least_squares.splu
    monkeypatch.setattr(least_squares, "splu", lambda *given, **options: made.append(1) or splu(*given, **options))
    kept = st.match(first, second, anchors=both.anchors)
    eliminations = len(made)
    made.clear()
    monkeypatch.setattr(least_squares, "_KEPT_ABOVE", 10**9)
    st.match(first, second, anchors=both.anchors)
    assert eliminations < 0.8 * len(made)
    at = [second.manifold.evaluate(each.forward.sample, each.forward.offset) for each in (anew, kept)]
    spread = np.linalg.norm(at[0] - at[0].mean(axis=0), axis=1).mean()
    assert np.abs(at[0] - at[1]).max() < 1e-4 * spread
