"""Anchors as landmarks: distances along a manifold, anchors held against one another, and places from distances."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from matches import charted
from sametask.matching import landmarks
from sametask.matching.anchored import can_be_checked
from sametask.numerics.edges import Edges
from worlds import relative_error

_N = 600
_RIGHT = ["interval", "rectangle", "circle", "sphere", "annulus", "box"]


def distances(chart, rows):
    edges = Edges.of(chart.manifold, chart.graph)
    return edges.distances(np.asarray(rows))


def apart(world: str, pairs: np.ndarray, seed: int = 6) -> np.ndarray:
    _, first, second = charted(world, _N, seed, 40)
    there, here = distances(first, pairs[:, 0])[pairs[:, 0]], distances(second, pairs[:, 1])[pairs[:, 1]]
    return landmarks.disagreement(there, here, second.graph.spacing())


def anchors(count: int) -> np.ndarray:
    return np.stack([np.arange(count)] * 2, axis=1)


def true_distances(world: str, x: np.ndarray) -> np.ndarray:
    chord = np.linalg.norm(x[:, None] - x[None, :6], axis=2)
    return 2 * np.arcsin(np.minimum(chord / 2, 1)) if world in ("circle", "sphere") else chord


@pytest.mark.parametrize("world", ["interval", "rectangle", "circle", "sphere", "box"])
def test_distances_are_those_along_the_manifold(world):
    both, first, _ = charted(world, _N, 6, 40)
    true = true_distances(world, both.first.inputs)
    found = distances(first, np.arange(6))
    assert found.shape == (_N, 6)
    assert np.array_equal(np.diag(found), np.zeros(6))
    far = true > 0.3 * true.max()
    # paths along edges zigzag, the more the fewer samples there are along a side
    assert np.abs(found[far] / true[far] - 1).max() < {1: 0.01, 2: 0.2, 3: 0.5}[first.dimension]


def test_samples_that_no_edge_reaches_are_infinitely_far():
    _, first, _ = charted("interval", _N, 6, 40)
    edges = dataclasses.replace(Edges.of(first.manifold, first.graph, 8), size=_N + 1)
    assert np.isinf(edges.distances(np.array([0]))[-1]).all()


@pytest.mark.parametrize("world", _RIGHT)
@pytest.mark.parametrize("count", [6, 30])
def test_right_anchors_agree(world, count):
    assert landmarks.agreeing(apart(world, anchors(count)), count // 3).all()


@pytest.mark.parametrize(
    ("world", "others"),
    [
        *((world, (2,)) for world in _RIGHT),
        *((world, (2, 5)) for world in ("interval", "rectangle", "circle")),
    ],
)
def test_wrong_anchors_of_six_are_found(world, others):
    both, _, _ = charted(world, _N, 6, 40)
    x, pairs = both.second.inputs, anchors(6)
    for row in others:
        pairs[row, 1] = int(np.argmax(np.linalg.norm(x - x[row], axis=1)))
    kept = landmarks.agreeing(apart(world, pairs), 2)
    assert np.flatnonzero(~kept).tolist() == list(others)


def test_two_wrong_anchors_of_six_on_a_sphere_are_found_in_half_of_the_draws():
    """Both are taken for their antipodes, and agree with each other."""
    found = []
    for seed in range(6, 22):
        second = charted("sphere", _N, seed, 40)[2]
        x, pairs = second.probe.inputs[np.argsort(second.rows)], anchors(6)
        for row in (2, 5):
            pairs[row, 1] = int(np.argmax(np.linalg.norm(x - x[row], axis=1)))
        found.append(np.flatnonzero(~landmarks.agreeing(apart("sphere", pairs, seed), 2)).tolist() == [2, 5])
    assert np.mean(found) > 0.3


@pytest.mark.parametrize("world", ["rectangle", "sphere"])
def test_no_more_than_allowed_are_left_out(world):
    pairs = anchors(12)
    pairs[:, 1] = pairs[np.random.default_rng(3).permutation(12), 1]
    shuffled = apart(world, pairs)
    for most in (0, 1, 4):
        assert (~landmarks.agreeing(shuffled, most)).sum() <= most


def test_disagreement_is_symmetric_and_between_0_and_1():
    rng = np.random.default_rng(0)
    there, here = (np.abs(m + m.T) for m in rng.normal(size=(2, 5, 5)))
    there[0, 1] = there[1, 0] = np.inf
    found = landmarks.disagreement(there, here, 0.1)
    assert np.array_equal(found, found.T)
    assert found.min() >= 0
    assert found.max() == 1


@pytest.mark.parametrize("world", _RIGHT)
def test_places_from_six_distances_are_within_a_few_spacings(world):
    both, first, second = charted(world, _N, 6, 40)
    there, here = (distances(chart, np.arange(6)) for chart in (first, second))
    sample, offset = landmarks.places(second, there, here)
    assert sample.shape == (_N,)
    assert offset.shape == (_N, second.dimension)
    at = second.manifold.evaluate(sample, offset)
    wanted = both.networks[1](both.first.inputs[first.rows])
    assert relative_error(at, wanted) < 0.25


def test_how_many_anchors_can_be_checked():
    assert [can_be_checked(count, 1) for count in (3, 4)] == [False, True]
    assert [can_be_checked(count, 2) for count in (4, 5)] == [False, True]
    assert [can_be_checked(count, 3) for count in (5, 6)] == [False, True]
