"""Neurons enough: theory is met on manifolds whose answer is known, and mistakes get one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask._outcome import Severity
from worlds import EVERY, RandomNetwork


def seen(name: str, n: int, seed: int, neurons: int = 24) -> st.Probe:
    world = EVERY[name]
    x = world.sample(np.random.default_rng(seed), n)
    return world.probe(RandomNetwork.draw(world.ambient, neurons, seed), x)


FEWEST = {"interval": 1, "circle": 2, "sphere": 3, "torus": 3}
"""No fewer neurons embed these at all."""


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", FEWEST)
def test_folds_vanish_at_twice_the_dimension_and_one_and_not_where_nothing_embeds(name, seed):
    probe = seen(name, 600 if name == "torus" else 400, seed)
    found = st.whitney(probe, range(1, 2 * probe.dimension + 3), draws=4, seed=seed)
    assert found.theory == 2 * EVERY[name].dimension + 1
    assert found.enough_drawn is not None
    assert found.enough_drawn <= found.theory
    assert found.enough_greedy is not None
    assert FEWEST[name] <= found.enough_greedy <= found.theory
    below = found.counts < FEWEST[name]
    assert (found.folded[:, below] > 0.5).all()
    assert not found.unfolded[:, below].any()


def test_a_torus_crosses_itself_in_space_whichever_neurons_are_drawn():
    """And does so no more in five; but so few samples take sheets that all but touch for sheets that meet."""
    found = st.whitney(seen("torus", 700, 3), [3, 5], draws=6)
    assert not found.unfolded[:, 0].any()
    assert found.unfolded[:, 1].sum() >= 5
    assert (found.folded[:, 0] > 0.1).all()


@pytest.mark.parametrize("name", ["circle", "sphere", "torus"])
def test_the_error_falls_off_a_cliff_where_folds_vanish(name):
    found = st.whitney(seen(name, 300, 4, neurons=12), draws=3)
    error = np.median(found.error, axis=0)
    folded = error[found.counts < FEWEST[name]].min()
    unfolded = error[found.counts >= found.theory].max()
    assert unfolded < 0.5 * folded
    greedy = dict(zip(found.counts, found.greedy_error, strict=True))
    assert greedy[found.enough_greedy] < 0.5 * greedy[FEWEST[name] - 1]


def test_the_neurons_picked_embed_and_predict():
    probe = seen("sphere", 400, 5, neurons=8)
    found = st.whitney(probe, range(1, 6), draws=1)
    picked = probe.select(found.neurons)
    assert len(picked.neurons) == found.enough_greedy
    rebuilt = st.reconstruct(probe, found.neurons)
    assert rebuilt.folded <= rebuilt.stray
    assert rebuilt.error < 0.05


def test_neurons_that_turn_back_together_never_suffice():
    """All are functions of the square of the input, but one; without it all fold alike."""
    x = np.random.default_rng(0).uniform(-1, 1, (300, 1))
    network = RandomNetwork.draw(1, 9, 0)
    even, slope = network(x**2), network.jacobian(x**2) * 2 * x[:, :, None]
    odd = st.Probe.from_jacobians(np.hstack([even, x]), np.concatenate([slope, np.ones((300, 1, 1))], axis=1))
    found = st.whitney(odd, [1, 2, 5], draws=5)
    assert found.enough_greedy == 1
    assert found.neurons == (9,)
    has = found.drawn == 9
    for row in range(5):
        for k, count in enumerate(found.counts):
            assert found.unfolded[row, k] == has[row, :count].any()
    findings = {finding.name for finding in st.whitney(odd.select(range(9)), [1, 2], draws=2).findings}
    assert "folds" in findings


@pytest.mark.parametrize("kind", ["difference", "burst", "neighbours", "covariance"])
@pytest.mark.parametrize("n", [60, 300])
def test_every_kind_of_probe(kind, n):
    world, network = EVERY["circle"], RandomNetwork.draw(2, 12, 8)
    rng = np.random.default_rng(8)
    x = world.sample(rng, n)
    if kind == "difference":
        angle = np.arctan2(x[:, 1:], x[:, :1])
        net = st.from_callable(lambda a: network(np.hstack([np.cos(a), np.sin(a)])))
        probe = st.probe(net, angle, st.CentralDifference(1e-4))
    elif kind == "burst":
        probe = world.bursts(network, x, rng, 16, 0.01)
    elif kind == "neighbours":
        probe = st.probe(st.from_callable(network), x, st.Neighbours(12, 1))
    else:
        jacobian = np.matmul(network.jacobian(x), world.tangents(x))
        probe = st.Probe.from_covariances(network(x), np.matmul(jacobian, np.swapaxes(jacobian, 1, 2)), 1)
    found = st.whitney(probe, draws=4)
    assert not found.unfolded[:, 0].any()
    assert found.unfolded[:, 2].sum() >= 3
    assert found.enough_greedy in (2, 3)


def test_wide_layers_are_bounded_and_silent_neurons_left_out():
    world = EVERY["circle"]
    x = world.sample(np.random.default_rng(0), 150)
    network = RandomNetwork.draw(2, 900, 2)
    values, jacobians = network(x), np.matmul(network.jacobian(x), world.tangents(x))
    values[:, :100], jacobians[:, :100] = 0.3, 0
    found = st.whitney(st.Probe.from_jacobians(values, jacobians), draws=2)
    assert min(found.drawn.min(), found.order.min()) >= 100
    assert found.enough_greedy == 2
    assert any("100 of 900 neurons" in finding.message for finding in found.findings)


def test_of_many_samples_some_are_used_and_that_is_said():
    found = st.whitney(seen("interval", 2500, 1, neurons=5), [1, 2], draws=1)
    assert found.samples == (2000, 2500)
    assert any(finding.name == "samples" for finding in found.findings)


def test_the_same_seed_gives_the_same_and_the_record_can_be_written():
    probe = seen("circle", 150, 6, neurons=8)
    one, two, other = (st.whitney(probe, draws=3, seed=seed) for seed in (0, 0, 1))
    assert json.dumps(one.to_dict(), allow_nan=False) == json.dumps(two.to_dict())
    assert not np.array_equal(one.drawn, other.drawn)
    assert "2d + 1" in str(one)
    assert str(one.enough_greedy) in one.meaning


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": [0, 1]}, "counts: [0, 1]; give"),
        ({"counts": [8]}, "counts: 8, but 8 neurons vary"),
        ({"counts": "3"}, "counts: '3'; give"),
        ({"counts": [1.5]}, "counts: [1.5]; give"),
        ({"draws": 0}, "draws: 0; give"),
        ({"seed": -1}, "seed: -1; give"),
    ],
)
def test_mistakes_get_one_line(arguments, message):
    with raises_one_line(message):
        st.whitney(seen("circle", 60, 0, neurons=8), **arguments)


def test_what_is_no_probe_and_a_single_neuron_are_refused():
    with raises_one_line("probe: ndarray; give"):
        st.whitney(np.zeros((3, 3)))  # pyright: ignore[reportArgumentType]
    with raises_one_line("probe: 1 neuron"):
        st.whitney(seen("interval", 60, 0, neurons=1))


def crossing(n: int, seed: int) -> st.Probe:
    """Two of eight neurons of a small network on a square, 0 and 6, lay a tenth of it on two sheets."""
    rng = np.random.default_rng(205)
    inner, bias, outer = rng.normal(size=(2, 12)) * 1.5, rng.normal(size=12), rng.normal(size=(12, 8)) / np.sqrt(12)
    network = st.from_callable(lambda x: np.tanh(x @ inner + bias) @ outer)
    return st.probe(network, np.random.default_rng(seed).uniform(0, 1, (n, 2)), st.CentralDifference(1e-4))


def test_what_samples_left_out_show_is_not_called_enough():
    """Samples are too sparse to see the sheets meet, not to see that the few do not tell the others."""
    found = st.whitney(crossing(250, 0), range(1, 5), draws=2)
    assert found.greedy_folded[1] <= found.stray
    assert found.enough_greedy != 2
    assert "others missed" in {finding.name for finding in found.findings}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_few_that_do_not_determine_the_others_are_told_of_whether_folds_are_seen_or_not(seed):
    rebuilt = st.reconstruct(crossing(150, seed), [0, 6])
    assert rebuilt.findings[0].severity is Severity.DECISIVE
    assert rebuilt.findings[0].name == "not determined"


def test_of_tiny_samples_nothing_is_sure():
    found = st.whitney(seen("circle", 40, 1, neurons=6), draws=2)
    assert found.enough_drawn is None
    assert found.enough_greedy is None
    assert found.findings[0].name == "few samples"
    assert "too few" in found.meaning
    assert json.dumps(found.to_dict(), allow_nan=False)
