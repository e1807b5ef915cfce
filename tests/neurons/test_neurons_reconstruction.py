"""Inputs and other neurons come back from a few, and where they cannot that is said."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask.neurons.reconstruction import covered
from worlds import EVERY, RandomNetwork, Recorded


def seen(name: str, n: int, seed: int, neurons: int = 16, **options) -> tuple[st.Probe, RandomNetwork]:
    world = EVERY[name]
    x = world.sample(np.random.default_rng(seed), n)
    network = RandomNetwork.draw(world.ambient, neurons, seed)
    return world.probe(network, x, **options), network


def relative(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.sqrt(np.square(found - true).sum() / np.square(true - true.mean(axis=0)).sum()))


@pytest.mark.parametrize(
    ("name", "n", "most"),
    [("interval", 150, 1e-5), ("rectangle", 300, 0.01), ("circle", 200, 1e-3), ("sphere", 400, 0.02)],
)
def test_inputs_and_neurons_come_back(name, n, most):
    """Errors fall with a high power of the spacing; what is asked for is far below that of a nearest neighbour."""
    world = EVERY[name]
    probe, network = seen(name, n, 1)
    found = st.reconstruct(probe, 2 * world.dimension + 1)
    x = world.sample(np.random.default_rng(99), 200)
    y = network(x)
    rest = found(y[:, list(found.neurons)])
    assert rest.inputs is not None
    assert relative(rest.inputs.value, x) < most
    assert relative(rest.neurons.value, y[:, list(found.others)]) < most
    for estimate, true in ((rest.inputs, x), (rest.neurons, y[:, list(found.others)])):
        error = np.linalg.norm(estimate.value - true, axis=1)
        assert (error <= 2 * estimate.uncertainty).mean() > 0.75
        assert estimate.inside.mean() > 0.9
    assert found.error < 2 * most
    assert np.nanmin(found.r2) > 0.99
    assert not any(finding.severity is not type(finding.severity).NOTE for finding in found.findings)


def test_known_derivatives_are_used():
    """In intrinsic coordinates inputs are as exact as neurons."""
    errors = []
    for known in (False, True):
        found = [
            st.reconstruct(seen("rectangle", 300, seed, common_basis=known)[0], [0, 1, 2, 3, 4]).input_error
            for seed in (2, 3, 5)
        ]
        errors.append(sum(error for error in found if error is not None))
    assert errors[1] < 0.5 * errors[0]


def test_too_few_neurons_fold_and_those_that_are_named_mend_it():
    probe, network = seen("torus", 600, 4)
    found = st.reconstruct(probe, [0, 1, 2])
    assert found.folded > 0.1
    finding = next(finding for finding in found.findings if finding.name == "folds")
    assert finding.advice.startswith("add neuron[")
    added = [int(part.split("]")[0]) for part in finding.advice.split("neuron[")[1:]]
    mended = st.reconstruct(probe, [0, 1, 2, *added])
    assert mended.folded <= mended.stray
    assert mended.error < 0.5 * found.error
    # where one sheet may be taken for the other, that is part of the uncertainty
    x = EVERY["torus"].sample(np.random.default_rng(9), 300)
    y = network(x)
    rest = found(y[:, :3]).neurons
    error = np.linalg.norm(rest.value - y[:, list(found.others)], axis=1)
    wrong = error > 0.1 * np.linalg.norm(y.std(axis=0))
    assert wrong.any()
    assert (~rest.inside[wrong] | (error[wrong] <= 3 * rest.uncertainty[wrong])).mean() > 0.8


def test_half_of_a_circle_is_lost_where_one_neuron_sees_it():
    probe, _ = seen("circle", 200, 5)
    found = st.reconstruct(probe, [3])
    assert found.folded > 0.9
    assert found.error > 0.3
    assert "do not tell two places apart" in found.meaning


def blobs(n: int) -> tuple[st.Probe, np.ndarray]:
    """Pictures of a spot at places in the plane, seen by a network."""
    rng = np.random.default_rng(0)
    places = rng.uniform(0.3, 0.7, (n, 2))
    grid = np.linspace(0, 1, 12)
    weights, outer = rng.normal(size=(144, 12)) / 12, rng.normal(size=(12, 9))

    def render(u: np.ndarray) -> np.ndarray:
        rows, columns = (np.square(grid - u[:, k : k + 1]) for k in (0, 1))
        return np.exp(-(rows[:, :, None] + columns[:, None, :]) / 0.05)

    def network(u: np.ndarray) -> np.ndarray:
        return np.tanh(render(u).reshape(len(u), -1) @ weights) @ outer

    step = 1e-4 * np.eye(2)
    jacobians = np.stack([(network(places + e) - network(places - e)) / 2e-4 for e in step], axis=2)
    pictures = render(places)
    return st.Probe.from_jacobians(network(places), jacobians, inputs=pictures.astype(np.float32)), pictures


def test_images_come_back_as_images():
    probe, pictures = blobs(300)
    found = st.reconstruct(probe, 5)
    rest = found(probe.activations[:7, list(found.neurons)])
    assert rest.inputs is not None
    assert rest.inputs.value.shape == (7, 12, 12)
    assert np.abs(rest.inputs.value - pictures[:7]).max() < 1e-4  # samples themselves, in single precision
    assert found.held_out_inputs is not None
    assert found.input_error is not None
    assert found.input_error < 0.1


def test_samples_come_back_exactly():
    probe, _ = seen("sphere", 300, 6)
    found = st.reconstruct(probe, [0, 3, 5, 8, 9])
    rest = found(probe.activations[:, list(found.neurons)]).neurons.value
    off = np.linalg.norm(rest - probe.activations[:, list(found.others)], axis=1)
    assert np.quantile(off, 0.99) < 1e-6


@pytest.mark.parametrize("kind", ["noise", "burst", "neighbours", "covariance"])
@pytest.mark.parametrize("n", [60, 300])
def test_every_kind_of_probe(kind, n):
    world, network = EVERY["circle"], RandomNetwork.draw(2, 10, 8)
    rng = np.random.default_rng(8)
    x = world.sample(rng, n)
    if kind == "noise":
        probe = world.probe(Recorded(network, 0.01, rng), x)
    elif kind == "burst":
        probe = world.bursts(network, x, rng, 16, 0.01)
    elif kind == "neighbours":
        probe = st.probe(st.from_callable(network), x, st.Neighbours(12, 1))
    else:
        jacobian = np.matmul(network.jacobian(x), world.tangents(x))
        covariances = np.matmul(jacobian, np.swapaxes(jacobian, 1, 2))
        probe = st.Probe.from_covariances(network(x), covariances, 1, inputs=x)
    found = st.reconstruct(probe, 3)
    assert found.error < 0.05
    assert found.held_out_inputs is not None
    assert found.input_error is not None
    assert found.input_error < 0.05
    for trial in (found.held_out, found.held_out_inputs):
        assert covered(trial)[1] > 0.75


def test_names_choose_and_a_count_takes_the_greedy_choice():
    probe, _ = seen("circle", 150, 3, neurons=6)
    assert st.reconstruct(probe, ["neuron[4]", "neuron[1]"]).neurons == (4, 1)
    assert st.reconstruct(probe, 2).neurons == tuple(st.whitney(probe, [2], draws=1).order)


def test_without_inputs_only_neurons_come_back():
    probe, network = seen("circle", 150, 3, neurons=6)
    bare = st.Probe.from_jacobians(
        probe.activations, np.swapaxes(probe.metric.frames * probe.metric.gains[:, :, None], 1, 2)
    )
    found = st.reconstruct(bare, [0, 1, 2])
    assert found.held_out_inputs is None
    assert found.input_r2 is None
    assert any(finding.name == "no inputs" for finding in found.findings)
    assert found(network(np.array([[1.0, 0.0]]))[:, :3]).inputs is None
    assert found(np.empty((0, 3))).neurons.value.shape == (0, 3)
    with raises_one_line("neurons: all of them"):
        st.reconstruct(bare, range(6))


def test_from_all_neurons_inputs_come_back():
    probe, _ = seen("circle", 150, 3, neurons=4)
    found = st.reconstruct(probe, range(4))
    assert found.others == ()
    assert found.held_out_inputs is not None
    assert found.input_error is not None
    assert found.input_error < 0.01
    assert "other" not in found.meaning
    json.dumps(found.to_dict(), allow_nan=False)
    assert str(found)


def test_the_same_seed_gives_the_same_and_the_record_can_be_written():
    probe, _ = seen("circle", 150, 6, neurons=8)
    one, two = (st.reconstruct(probe, 3, seed=1).to_dict() for _ in range(2))
    assert json.dumps(one, allow_nan=False) == json.dumps(two)
    assert set(one["coverage"]) == {"neurons", "inputs"}
    assert len(one["r2"]) == 5


@pytest.mark.parametrize(
    ("neurons", "message"),
    [
        (0, "neurons: 0; give"),
        (99, "neurons: 99, but 7 neurons vary"),
        (1, "neurons: 1 of them; 2 dimensions need at least 2"),
        ([3], "neurons: 1 of them; 2 dimensions need at least 2"),
        ([0, 8], "neurons: [0, 8]; give"),
        ([-1, 0], "neurons: [-1, 0]; give"),
        ([1, 1], "neurons: [1, 1] names one twice"),
        ([1, 7], "neurons: neuron[7] does not vary"),
        ([], "neurons: []; give"),
        ([0.5, 1.0], "neurons: [0.5, 1.0]; give"),
        (["neuron[1]", "nueron[2]"], "neurons: no 'nueron[2]'; did you mean"),
        (None, "neurons: None; give"),
    ],
)
def test_mistakes_get_one_line(neurons, message):
    world, network = EVERY["sphere"], RandomNetwork.draw(3, 8, 0)
    x = world.sample(np.random.default_rng(0), 80)
    values, jacobians = network(x), np.matmul(network.jacobian(x), world.tangents(x))
    values[:, 7], jacobians[:, 7] = 1, 0
    with raises_one_line(message):
        st.reconstruct(st.Probe.from_jacobians(values, jacobians), neurons)


def test_activations_of_another_number_of_neurons_are_refused():
    probe, _ = seen("circle", 100, 3, neurons=5)
    found = st.reconstruct(probe, [0, 2])
    with raises_one_line("activations: 5 neurons; give the 2"):
        found(probe.activations)
    with raises_one_line("activations: NaN"):
        found(np.full((2, 2), np.nan))


def test_inputs_that_the_network_does_not_see_are_named_in_the_answer():
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    blind = st.from_callable(lambda x: np.hstack([np.sin(x[:, :1] + k) for k in range(4)]))
    meaning = st.reconstruct(st.probe(blind, x, st.CentralDifference(1e-4)), [0, 1]).meaning
    assert "1 of 2 input coordinates to within" in meaning
    assert "Input 1 cannot be told" in meaning
    even = st.from_callable(lambda x: np.hstack([np.cos(k * x[:, :1]) for k in (1, 2, 3)]))
    meaning = st.reconstruct(st.probe(even, x[:, :1], st.CentralDifference(1e-4)), [0]).meaning
    assert "The input cannot be told" in meaning
    assert "the input to within" not in meaning


def test_neurons_of_one_name_are_told_apart():
    probe, _ = seen("circle", 120, 3, neurons=6)
    alike = dataclasses.replace(probe, neurons=("a", "a", "a", "b", "c", "d"))
    told = st.reconstruct(alike, [3, 4, 5]).to_dict()
    assert list(told["r2"]) == ["a", "a (2)", "a (3)"]
    with raises_one_line("neurons: 'a' is the name of 3 neurons; give indices"):
        st.reconstruct(alike, ["a", "b"])
