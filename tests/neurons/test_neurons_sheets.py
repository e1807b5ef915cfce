"""Folds of a few neurons are found where they are, and nowhere else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import sametask as st
from sametask.neurons.sheets import Sheets
from worlds import EVERY, RandomNetwork, Recorded, World, box, circle, sphere

_SHORTEST = 8
"""Loops of fewer samples are not seen; see ``_APART`` of the module."""


def sheets_of(world: World, network: RandomNetwork | Recorded, n: int, seed: int = 0) -> tuple[Sheets, np.ndarray]:
    x = world.sample(np.random.default_rng(seed), n)
    return Sheets.of(st.chart(world.probe(network, x))), x


def crossings(y: np.ndarray) -> np.ndarray:
    """(k, 2) segments of a closed polyline in the plane that cross."""

    def cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]

    n, along = len(y), np.roll(y, -1, axis=0) - y
    between = y[None] - y[:, None]
    turn = cross(along[:, None], along[None])
    np.fill_diagonal(turn, 1)
    t, s = cross(between, along[None]) / turn, cross(between, along[:, None]) / turn
    i, j = np.nonzero((t >= 0) & (t < 1) & (s >= 0) & (s < 1))
    apart = (i - j) % n
    return np.stack([i, j], 1)[(apart > 1) & (apart < n - 1)]


@pytest.mark.parametrize("seed", range(3))
def test_a_closed_curve_folds_in_the_plane_where_it_crosses_itself(seed):
    network = RandomNetwork.draw(2, 24, 100 + seed)
    n = 400
    found, x = sheets_of(circle(), network, n, seed)
    angle = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    y = network(np.stack([np.cos(angle), np.sin(angle)], 1))
    there = np.arctan2(x[:, 1], x[:, 0]) % (2 * np.pi)
    spacing = 2 * np.pi / n
    for pair in np.random.default_rng(seed).permutation(24).reshape(-1, 2):
        where = angle[crossings(y[:, pair])]
        loops = np.abs((where[:, 0] - where[:, 1] + np.pi) % (2 * np.pi) - np.pi)
        if len(loops) and loops.min() < 2 * _SHORTEST * spacing:
            continue
        folded = found.folded(pair)
        assert (np.count_nonzero(folded) > found.stray) == (len(where) > 0)
        if len(where):
            off = np.abs((there[folded][:, None] - where.ravel() + np.pi) % (2 * np.pi) - np.pi).min(axis=1)
            assert off.max() < 10 * spacing


@pytest.mark.parametrize("n", [150, 1000])
def test_one_neuron_of_an_interval_folds_where_another_input_has_its_value(n):
    network = RandomNetwork.draw(1, 6, 7, strength=3.0)
    found, x = sheets_of(box(1.0), network, n)
    fine = network(np.linspace(0, 1, 4001)[:, None])
    for neuron in range(6):
        curve, own = fine[:, neuron], network(x)[:, neuron]
        turns = np.count_nonzero(np.diff(np.sign(np.diff(curve))))
        passes = np.count_nonzero((curve[:-1] - own[:, None]) * (curve[1:] - own[:, None]) < 0, axis=1)
        share = found.folded(np.array([neuron])).mean()
        # at each end of what folds some samples within reach are counted as well
        assert abs(share - (passes > 1).mean()) <= (1 + turns) * 8 / n


def test_inputs_themselves_never_fold():
    for name in ("interval", "circle", "sphere", "torus"):
        world = EVERY[name]
        x = world.sample(np.random.default_rng(1), 300)
        jacobians = np.matmul(np.eye(world.ambient), world.tangents(x))
        found = Sheets.of(st.chart(st.Probe.from_jacobians(x, jacobians)))
        assert not found.folded(np.arange(world.ambient)).any()


def test_fewer_neurons_than_dimensions_fold_everywhere():
    found, _ = sheets_of(sphere(), RandomNetwork.draw(3, 8, 0), 200)
    assert found.folded(np.array([3])).all()


def test_a_torus_crosses_itself_in_space_and_another_neuron_only_takes_folds_away():
    found, _ = sheets_of(EVERY["torus"], RandomNetwork.draw(4, 16, 3), 500)
    for order in (np.arange(5), np.arange(5, 10)):
        counts = [np.count_nonzero(found.folded(order[:k])) for k in range(1, 6)]
        assert counts[0] == found.size
        assert all(fewer <= more + found.stray for more, fewer in pairwise(counts))
        assert counts[2] > found.stray >= counts[4]


def test_where_neurons_are_silent_they_fold():
    """Two rectified neurons, silent on one half, beside others that are not."""
    x = box(1.0).sample(np.random.default_rng(0), 300)
    ramp = np.maximum(x - 0.5, 0)
    values = np.hstack([ramp**2, ramp**2 + 3 * ramp**3, np.sin(3 * x), np.cos(3 * x)])
    slopes = np.hstack([2 * ramp, 2 * ramp + 9 * ramp**2, 3 * np.cos(3 * x), -3 * np.sin(3 * x)])
    found = Sheets.of(st.chart(st.Probe.from_jacobians(values, slopes[:, :, None])))
    assert found.size == len(x)
    folded = found.folded(np.arange(2))
    assert folded[x[:, 0] < 0.48].all()
    assert not folded[x[:, 0] > 0.55].any()
    assert not found.folded(np.array([0, 3])).any()


@pytest.mark.parametrize("n", [300, 1200])
def test_noise_along_one_sheet_is_no_fold(n):
    """However many samples lie within the noise of each other."""
    x = circle().sample(np.random.default_rng(0), n)
    noise = 0.01 * np.random.default_rng(1).normal(size=(n, 4))
    turned = np.concatenate([x, x @ [[0.6, 0.8], [-0.8, 0.6]]], axis=1)
    jacobians = np.concatenate([np.eye(2), np.array([[0.6, -0.8], [0.8, 0.6]])])
    found = Sheets.of(st.chart(st.Probe.from_jacobians(turned + noise, jacobians @ circle().tangents(x))))
    assert np.count_nonzero(found.folded(np.arange(4))) <= found.stray
    assert found.folded(np.array([0])).mean() > 0.8
