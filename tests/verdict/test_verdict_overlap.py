"""Verdicts about the overlap of two probes, and about samples that are spread unevenly."""

from __future__ import annotations

import json

import numpy as np
import pytest

import sametask as st
from sametask import Decision
from worlds import RandomNetwork, box, partly, relative_error


def named(verdict: st.Verdict, name: str) -> list:
    return [finding for finding in verdict.diagnosis if finding.name == name]


@pytest.mark.parametrize("which", ["interval", "rectangle", "larger", "ring"])
def test_the_decision_is_about_the_overlap_and_says_so(which):
    both = partly(which, 400, 3)
    v = st.compare(both.first, both.second, anchors=both.anchors)
    assert v.decision is Decision.EQUIVALENT
    assert v.partial
    assert np.allclose(v.overlap, both.share, atol=0.08)
    (finding,) = named(v, "partial overlap")
    for share in v.overlap:
        assert f"{share:.0%}" in finding.message
        assert f"{share:.0%}" in str(v)
    again = json.loads(json.dumps(v.to_dict(), allow_nan=False))
    assert again["overlap"] == list(v.overlap)
    assert again["partial"] is True
    estimate = v.transformation.forward(both.networks[0](both.unseen))
    assert estimate.inside.mean() > 0.9
    kept = estimate.inside
    assert relative_error(estimate.value[kept], both.networks[1](both.unseen)[kept]) < 0.01


def test_beyond_the_overlap_answers_are_marked_as_outside():
    both = partly("rectangle", 400, 3)
    v = st.compare(both.first, both.second, anchors=both.anchors)
    beyond = np.random.default_rng(0).uniform([1.1, 0], [1.6, 1], (200, 2))
    assert v.transformation.forward(both.networks[0](beyond)).inside.mean() < 0.02


def test_a_small_overlap_decides_nothing():
    both = partly("small", 500, 3)
    v = st.compare(both.first, both.second, anchors=both.anchors)
    assert v.decision is Decision.UNDECIDED
    assert v.transformation is None
    (finding,) = named(v, "small overlap")
    assert finding.advice


def test_without_anchors_no_overlap_is_chosen():
    """The opposite: some part of any rectangle fits some part of another."""
    both = partly("rectangle", 250, 3)
    v = st.compare(both.first, both.second, anchors=None)
    assert v.decision is Decision.UNDECIDED
    assert v.transformation is None
    (finding,) = named(v, "perhaps a part")
    assert f"{v.overlap[0]:.0%}" in finding.message
    assert v.overlap == pytest.approx(both.share, abs=0.05)
    assert "anchors" in finding.advice


def test_wrong_anchors_have_no_overlap():
    both = partly("rectangle", 250, 3)
    wrong = np.stack([both.anchors[:, 0], np.roll(both.anchors[:, 1], 2)], 1)
    v = st.compare(both.first, both.second, anchors=wrong)
    assert v.decision is not Decision.EQUIVALENT


def uneven(sides: tuple[float, ...], second: tuple[float, ...], n: int, seed: int) -> tuple[st.Probe, st.Probe]:
    """One sampled evenly, the other ever more sparsely away from a corner; the first six rows are the same."""
    rng = np.random.default_rng([seed, 7])
    d = len(sides)
    x = rng.uniform(0, 1, (n, d))
    y = -np.log(1 - rng.uniform(0, 1, (n, d)) * (1 - np.exp(-3))) / 3
    x[:6] = y[:6]
    worlds = (box(*sides), box(*second))
    probes = [
        world.probe(RandomNetwork.draw(d, 2 * d + 1, 1000 * seed + k), u * np.array(of), name=("first", "second")[k])
        for k, (world, u, of) in enumerate(zip(worlds, (x, y), (sides, second), strict=True))
    ]
    return probes[0], probes[1]


_SIX = np.stack([np.arange(6)] * 2, axis=1)


@pytest.mark.parametrize(("sides", "n"), [((1.0,), 200), ((1.6, 1.0), 400)])
def test_uneven_samples_are_equivalent_all_the_same(sides, n):
    v = st.compare(*uneven(sides, sides, n, 4), anchors=_SIX)
    assert v.decision is Decision.EQUIVALENT


@pytest.mark.parametrize(("sides", "second", "n"), [((1.0,), (1.3,), 200), ((1.6, 1.0), (1.6, 1.4), 400)])
def test_uneven_samples_excuse_nothing(sides, second, n):
    v = st.compare(*uneven(sides, second, n, 4), anchors=_SIX)
    assert v.decision is not Decision.EQUIVALENT


def around(seed: int, sizes: tuple[int, int], share: float, cut: bool) -> tuple[st.Probe, st.Probe]:
    """A circle, and a curve of the same lengths that is closed by nothing where it is ``cut``; the second was probed on
    a ``share`` of the way around. The first four rows are the same."""
    rng = np.random.default_rng([seed, 8])
    there, here = (rng.uniform(0, 2 * np.pi * part, (n, 1)) for n, part in zip(sizes, (1, share), strict=True))
    there[:4] = here[:4]
    one, two = rng.normal(size=(2, 12)), rng.normal(size=(3, 12)) * 0.7

    def closed(t: np.ndarray) -> np.ndarray:
        return np.tanh(np.hstack([np.cos(t), np.sin(t)]) @ one)

    def other(t: np.ndarray) -> np.ndarray:
        return np.tanh(np.hstack([np.cos(t), np.sin(t), t / 2 - 1.5 if cut else np.cos(2 * t)]) @ two)

    probe, difference = st.probe, st.CentralDifference(1e-5)
    return probe(st.from_callable(closed), there, difference), probe(st.from_callable(other), here, difference)


_FOUR = np.stack([np.arange(4)] * 2, axis=1)


@pytest.mark.parametrize(("seed", "sizes"), [(8, (161, 871)), (10, (804, 118)), (14, (584, 175)), (15, (410, 562))])
def test_a_circle_that_is_cut_open_is_none(seed, sizes):
    v = st.compare(*around(seed, sizes, 1.0, cut=True), anchors=_FOUR)
    assert v.decision is not Decision.EQUIVALENT


@pytest.mark.parametrize(("share", "sizes"), [(0.6, (258, 793)), (0.8, (778, 258))])
def test_an_arc_is_a_part_of_a_circle(share, sizes):
    v = st.compare(*around(1, sizes, share, cut=False), anchors=_FOUR)
    assert v.decision is Decision.EQUIVALENT
    assert v.partial
