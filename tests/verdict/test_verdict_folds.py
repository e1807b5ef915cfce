"""Folds are found where activations turn back, and not where they all but stop and go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import sametask as st
from sametask.verdict.folds import find_folds
from worlds import RandomNetwork, World, box, circle, pair, sphere

_SHEET = RandomNetwork.draw(2, 5, 21)
_CURVE = RandomNetwork.draw(1, 3, 21)


def through(
    world: World,
    n: int,
    inner: Callable[[np.ndarray], np.ndarray],
    derivative: Callable[[np.ndarray], np.ndarray],
    network: RandomNetwork,
    noise: float = 0.0,
) -> st.Probe:
    """A random network of ``inner`` of the inputs, at samples of a world."""
    rng = np.random.default_rng(n)
    x = world.sample(rng, n)
    jacobian = np.matmul(network.jacobian(inner(x)), derivative(x))
    values = network(inner(x))
    values = values + noise * np.sqrt(values.var(axis=0).mean()) * rng.normal(size=values.shape)
    return st.Probe.from_jacobians(values, np.matmul(jacobian, world.tangents(x)), inputs=x)


def bent_sheet(at: float, n: int, noise: float = 0.0) -> st.Probe:
    """A rectangle whose first coordinate turns back, embedded."""
    return through(
        box(1.6, 1.0),
        n,
        lambda u: np.stack([(u[:, 0] - at) ** 2, u[:, 1]], 1),
        lambda u: np.stack([np.stack([2 * (u[:, 0] - at), 0 * u[:, 0]], 1), [[0.0, 1.0]] * len(u)], 1),
        _SHEET,
        noise,
    )


def wave(n: int, noise: float = 0.0) -> st.Probe:
    """An interval that turns back twice, embedded."""
    return through(
        box(1.0), n, lambda x: np.sin(6 * x + 0.4), lambda x: 6 * np.cos(6 * x + 0.4)[:, :, None], _CURVE, noise
    )


def flattened_sphere(n: int) -> st.Probe:
    """A sphere seen along an axis, embedded: both halves have the same activations and the same metric."""
    return through(sphere(), n, lambda x: x[:, :2], lambda x: np.broadcast_to(np.eye(2, 3), (len(x), 2, 3)), _SHEET)


def flattened_circle(n: int) -> st.Probe:
    """A circle seen from its side."""
    return through(circle(), n, lambda x: x[:, :1], lambda x: np.broadcast_to(np.eye(1, 2), (len(x), 1, 2)), _CURVE)


@pytest.mark.parametrize("n", [150, 400, 3000])
@pytest.mark.parametrize("folded", [wave, flattened_circle, flattened_sphere])
def test_what_turns_back_folds(folded, n):
    assert find_folds(folded(n)).any


@pytest.mark.parametrize("n", [150, 400, 3000])
@pytest.mark.parametrize("at", [0.15, 0.6])
def test_a_sheet_that_turns_back_folds_there(at, n):
    probe = bent_sheet(at, n)
    folds = find_folds(probe)
    assert folds.any
    assert probe.inputs is not None
    assert np.abs(probe.inputs[folds.turning, 0] - at).max() < 0.3


@pytest.mark.parametrize("folded", [wave(400, 0.01), bent_sheet(0.6, 400, 0.01)], ids=["curve", "sheet"])
def test_where_noise_drowns_the_difference_it_folds(folded):
    assert find_folds(folded).any


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("pleat", [0.1, 0.03, 0.01, 0.003])
def test_a_pleat_does_not_fold(pleat, seed):
    """Its gain falls to as little as a three hundredth, and never to zero."""
    both = pair("rectangle", 1000, seed, pleat=pleat)
    for probe in (both.first, both.second):
        assert probe.metric.condition.max() > 1 / pleat / 2
        assert not find_folds(probe).any


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("pleat", [0.1, 0.03, 0.01, 0.003])
def test_a_pleat_within_the_sample_does_not_fold(pleat, dimension):
    network = replace(RandomNetwork.draw(dimension, 2 * dimension + 1, 4), pleat=pleat)
    x = np.random.default_rng(4).uniform(-0.8, 0.8, (1000, dimension))
    jacobians = network.jacobian(x)
    for common in (False, True):
        assert not find_folds(st.Probe.from_jacobians(network(x), jacobians, common_basis=common)).any


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("at", "folds"), [(0.995, True), (1.005, False), (1.02, False)])
def test_what_would_turn_back_beyond_its_samples_does_not_fold(at, folds, seed):
    """Where signs of responses are known, a fold has samples on both sides."""
    x = np.random.default_rng(seed).uniform(0, 1, (400, 1))
    assert (x > at).any() == folds
    probe = st.probe(st.from_callable(lambda x: (at - x) ** 2), x, st.CentralDifference(1e-6))
    assert find_folds(probe).any == folds


@pytest.mark.parametrize("neurons", [3, 5])
def test_curves_that_all_but_stop_do_not_fold(neurons):
    for seed in range(6):
        both = pair("circle", 400, seed, neurons=neurons)
        assert not any(find_folds(probe).any for probe in (both.first, both.second))


def test_crossing_curves_meet():
    """A figure of eight."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 300)
    y = np.stack([np.sin(angle), np.sin(2 * angle)], 1)
    slopes = np.stack([np.cos(angle), 2 * np.cos(2 * angle)], 1)[:, :, None]
    folds = find_folds(st.Probe.from_jacobians(y, slopes))
    assert folds.any
    assert np.linalg.norm(y[folds.folded], axis=1).max() < 0.3
