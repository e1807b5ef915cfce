"""Every way to see a neighbourhood against the exact metric of a network whose Jacobian is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line, slope
from sametask.networks import from_callable
from sametask.networks.callable import CallableNetwork
from sametask.probes.neighbourhoods import burst_dimension
from worlds import WORLDS, RandomNetwork


def wrapped(network: RandomNetwork) -> CallableNetwork:
    """A random network as users give it, with exact derivatives."""
    return from_callable(network, "random", jacobian=network.jacobian)


def black_box(network: RandomNetwork) -> CallableNetwork:
    return from_callable(network, "black box")


def flat(d: int = 2, n: int = 200, m: int = 5, seed: int = 0) -> tuple[RandomNetwork, np.ndarray]:
    return RandomNetwork.draw(d, m, seed + 3), np.random.default_rng(seed).uniform(0, 1, (n, d))


def covariance(probe: st.Probe) -> np.ndarray:
    """J Jᵀ, which does not depend on the frames chosen."""
    metric = probe.metric
    return np.einsum("ndm,nd,ndl->nml", metric.frames, metric.gains**2, metric.frames)


def error(probe: st.Probe, jacobians: np.ndarray) -> float:
    """Root mean square relative error of J Jᵀ."""
    exact = jacobians @ jacobians.transpose(0, 2, 1)
    return float(np.sqrt(np.mean((covariance(probe) - exact) ** 2) / np.mean(exact**2)))


# -- the worlds whose inputs are not intrinsic coordinates ------------------------------------------------------------


def embedded(name: str, n: int = 200) -> tuple[RandomNetwork, np.ndarray, np.ndarray, np.ndarray]:
    """A network on a world, its inputs, tangents (n, d, D), and the exact Jacobians along them."""
    world = WORLDS[name]
    network = RandomNetwork.draw(world.ambient, 5, 3)
    x = world.sample(np.random.default_rng(0), n)
    tangents = np.ascontiguousarray(world.tangents(x).transpose(0, 2, 1))
    return network, x, tangents, np.einsum("nmk,ndk->nmd", network.jacobian(x), tangents)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_jacobian_is_exact(d) -> None:
    network, x = flat(d, m=7)
    probe = st.probe(wrapped(network), x)
    assert error(probe, network.jacobian(x)) < 1e-12
    assert (probe.kind, probe.scale, probe.dimension) == ("jacobian", None, d)
    assert probe.metric.directions is not None
    # what must not pass: the metric of another network
    assert error(probe, RandomNetwork.draw(d, 7, 99).jacobian(x)) > 0.1


@pytest.mark.parametrize("name", ["circle", "sphere"])
@pytest.mark.parametrize("way", [st.Jacobian, lambda tangents: st.CentralDifference(1e-5, tangents)])
def test_given_tangents(name, way) -> None:
    network, x, tangents, exact = embedded(name)
    probe = st.probe(wrapped(network), x, way(tangents))
    assert error(probe, exact) < 1e-8
    assert probe.dimension == WORLDS[name].dimension
    assert probe.metric.directions is None  # tangents mean another direction at every sample
    # what must not pass: all directions of the space around the manifold
    assert st.probe(wrapped(network), x).dimension == WORLDS[name].ambient


def test_central_differences_are_second_order_in_the_step() -> None:
    network, x = flat()
    steps = [0.1, 0.05, 0.025, 0.0125]
    errors = [error(st.probe(black_box(network), x, st.CentralDifference(h)), network.jacobian(x)) for h in steps]
    assert slope(steps, errors) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e3])
def test_the_default_step_suits_any_unit_and_type(dtype, spread) -> None:
    network, x = flat()

    def in_units(x: np.ndarray) -> np.ndarray:
        return network(x / dtype(spread)).astype(dtype)

    probe = st.probe(from_callable(in_units), (spread * x).astype(dtype), st.CentralDifference())
    assert error(probe, network.jacobian(x) / spread) < 1e-3
    assert (probe.kind, probe.scale) == ("difference", None)


def test_central_differences_use_the_step_that_was_really_taken() -> None:
    """Single precision far from zero: a step of 0.001 from 100 is rounded by several per cent."""
    _, x = flat()
    probe = st.probe(
        from_callable(lambda z: 2.0 * z.astype(np.float64)), (x + 100).astype(np.float32), st.CentralDifference(1e-3)
    )
    exact = np.broadcast_to(2 * np.eye(2), (200, 2, 2))
    assert error(probe, np.asarray(exact)) < 1e-6


def test_tangents_that_are_not_of_unit_length_are_taken_as_they_are() -> None:
    network, x, tangents, exact = embedded("circle")
    probe = st.probe(black_box(network), x, st.CentralDifference(1e-5, 2 * tangents))
    assert error(probe, 2 * exact) < 1e-8


# -- bursts --------------------------------------------------------------------------------------------------------


def test_bursts_get_better_with_size() -> None:
    network, x = flat()
    sizes = [16, 64, 256, 1024]
    errors = [error(st.probe(black_box(network), x, st.Burst(size, 1e-3)), network.jacobian(x)) for size in sizes]
    assert slope(sizes, errors) == pytest.approx(-0.5, abs=0.15)
    assert errors[-1] < 0.1


def test_bursts_hold_what_they_should() -> None:
    network, x = flat()
    probe = st.probe(black_box(network), x, st.Burst(64, 1e-3))
    assert (probe.kind, probe.scale, probe.dimension) == ("burst", 1e-3, 2)
    assert probe.metric.directions is None
    np.testing.assert_array_equal(probe.activations, network(x))  # at the inputs themselves, not the means


def test_bursts_come_from_the_seed_and_not_from_the_batches() -> None:
    network, x = flat(n=100)

    def gains(seed: int, batch_size: int, **options: Any) -> bytes:
        probe = st.probe(black_box(network), x, st.Burst(16, **options), seed=seed, batch_size=batch_size)
        return probe.metric.gains.tobytes()

    assert gains(0, 256) == gains(0, 256)
    assert gains(0, 256) == gains(0, 7)
    assert gains(0, 256) != gains(1, 256)

    def perturb(x: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
        return x + 0.01 * rng.standard_normal((size, 2))

    assert gains(0, 256, perturb=perturb) == gains(0, 7, perturb=perturb)


@pytest.mark.parametrize("name", ["circle", "sphere"])
def test_bursts_by_perturbation_estimate_the_dimension(name) -> None:
    """Perturbations along the manifold: the inputs have more numbers than there are directions."""
    network, x, _, exact = embedded(name)
    world = WORLDS[name]

    def perturb(x: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
        tangents = world.tangents(x[None])[0]
        moved = x + 0.01 * rng.standard_normal((size, world.dimension)) @ tangents.T
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)

    probe = st.probe(black_box(network), x, st.Burst(400, 0.01, perturb))
    assert probe.dimension == world.dimension
    assert error(probe, exact) < 0.15
    assert st.probe(black_box(network), x, st.Burst(40, 0.01, perturb, dimension=1)).dimension == 1


def test_perturbations_of_inputs_that_are_no_vectors() -> None:
    """Whole-number images shifted sideways."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 6, 6), dtype=np.uint8)
    weights = rng.normal(size=(36, 4))
    network = from_callable(lambda x: np.tanh(x.reshape(len(x), -1) / 255.0 @ weights))

    def shift(x: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
        noise = np.repeat(x[None].astype(int), size, axis=0)
        noise[:, 2, 3] += rng.integers(-9, 10, size)
        return np.clip(noise, 0, 255).astype(np.uint8)

    probe = st.probe(network, images, st.Burst(40, 5.0, shift))
    assert probe.dimension == 1
    assert probe.inputs is not None
    assert probe.inputs.dtype == np.uint8


@pytest.mark.parametrize(
    ("singular", "expected"),
    [
        ([1.0], 1),
        ([1.0, 0.9, 0.8], 3),
        ([1.0, 0.3, 0.01, 0.009], 2),
        ([1.0, 0.01, 0.009, 0.008], 1),
        ([1.0, 0.5, 1e-7, 1e-12], 2),  # below a thousandth all is absent: no steepest fall between nothings
        ([0.0, 0.0], 1),
    ],
)
def test_burst_dimension(singular, expected) -> None:
    rng = np.random.default_rng(0)
    bursts = rng.standard_normal((300, 60, len(singular))) * singular
    assert burst_dimension(bursts + 5.0) == expected


# -- neighbours ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2])
def test_neighbours_with_intrinsic_inputs(d) -> None:
    network, x = flat(d, n=1500)
    probe = st.probe(black_box(network), x, st.Neighbours(16, d))
    assert error(probe, network.jacobian(x)) < 0.02
    assert (probe.kind, probe.scale, probe.dimension) == ("neighbours", None, d)
    assert probe.metric.directions is not None


@pytest.mark.parametrize(("name", "d"), [("circle", 1), ("sphere", 2)])
def test_neighbours_on_a_manifold_of_inputs(name, d) -> None:
    network, x, _, exact = embedded(name, n=1500)
    probe = st.probe(black_box(network), x, st.Neighbours(16, d))
    assert error(probe, exact) < 0.05
    assert probe.metric.directions is None


def test_neighbours_get_better_with_samples() -> None:
    errors, counts = [], [200, 800, 3200]
    for n in counts:
        network, x = flat(2, n=n)
        errors.append(error(st.probe(black_box(network), x, st.Neighbours(16, 2)), network.jacobian(x)))
    assert slope(counts, errors) < -0.7  # spacing ~ n^−½; a quadratic leaves second order, a plane only first


def test_few_neighbours_fit_a_plane() -> None:
    network, x = flat(2, n=1500)
    plane = error(st.probe(black_box(network), x, st.Neighbours(5, 2)), network.jacobian(x))
    quadratic = error(st.probe(black_box(network), x, st.Neighbours(16, 2)), network.jacobian(x))
    assert quadratic < plane < 0.3


# -- what is refused -----------------------------------------------------------------------------------------------


def test_networks_without_derivatives() -> None:
    network, x = flat()
    with raises_one_line("neighbourhood:", "black box has no exact derivatives", "CentralDifference", "Burst"):
        st.probe(black_box(network), x)


def test_inputs_that_are_no_intrinsic_coordinates() -> None:
    wide = np.random.default_rng(0).uniform(0, 1, (30, 17))
    network = from_callable(lambda x: x[:, :3], jacobian=lambda x: np.tile(np.eye(17)[:3], (len(x), 1, 1)))
    for way in (st.Jacobian(), st.CentralDifference(), st.Burst(64)):
        with raises_one_line("inputs:", "17 numbers each", "tangents", "st.Neighbours"):
            st.probe(network, wide, way)
    whole = np.arange(60).reshape(30, 2)
    tangents = np.ones((30, 1, 2)) / np.sqrt(2)
    for way in (
        st.Jacobian(),
        st.CentralDifference(),
        st.Burst(64),
        st.Jacobian(tangents),
        st.CentralDifference(0.1, tangents),
    ):
        with raises_one_line("inputs:", "int64 cannot be moved", "floating-point"):
            st.probe(network, whole, way)


@pytest.mark.parametrize("way", [st.Jacobian, lambda tangents: st.CentralDifference(0.01, tangents)])
@pytest.mark.parametrize(
    ("tangents", "words"),
    [
        (np.ones((200, 2)), "(200, d, 2)"),
        (np.ones((199, 1, 2)), "(200, d, 2)"),
        (np.ones((200, 1, 3)), "(200, d, 2)"),
        (np.ones((200, 0, 2)), "(200, d, 2)"),
        ([[1], [1, 2]], "not an array"),
        (np.full((200, 1, 2), "a"), "real numbers"),
        (np.full((200, 1, 2), np.nan), "200 of 200 rows"),
        (np.concatenate([np.ones((150, 2, 2)), np.ones((50, 2, 2)) * [[[1], [0]]]]), "tangent 1 of sample 150 is zero"),
    ],
)
def test_tangents_refused(way, tangents, words) -> None:
    network, x = flat()
    with raises_one_line("tangents:", words):
        st.probe(wrapped(network), x, way(tangents))


@pytest.mark.parametrize("step", [0, -1.0, np.nan, np.inf, "small"])
def test_steps_refused(step) -> None:
    network, x = flat()
    with raises_one_line("step:", "number above zero"):
        st.probe(black_box(network), x, st.CentralDifference(step))


def test_steps_that_vanish_in_rounding() -> None:
    network, x = flat()
    with raises_one_line("step:", "1e-06 vanishes", "float32", "larger step"):
        st.probe(black_box(network), (x + 1000).astype(np.float32), st.CentralDifference(1e-6))


@pytest.mark.parametrize(
    ("options", "argument", "words"),
    [
        ({"scale": None}, "scale:", "number above zero"),
        ({"scale": 0}, "scale:", "number above zero"),
        ({"scale": np.inf}, "scale:", "number above zero"),
        ({"size": 3}, "size:", "at least 4"),
        ({"size": 64.0}, "size:", "whole number"),
        ({"size": 4}, "size:", "2 intrinsic dimensions need at least 5"),
        ({"size": 6, "dimension": 4}, "size:", "4 intrinsic dimensions need at least 7"),
        ({"dimension": 0}, "dimension:", "at least 1"),
        ({"perturb": lambda x, rng, size: x}, "perturb:", "shape (2,); give (64, 2)"),
        ({"perturb": lambda x, rng, size: np.zeros((size - 1, 2))}, "perturb:", "shape (63, 2); give (64, 2)"),
    ],
)
def test_bursts_refused(options, argument, words) -> None:
    network, x = flat()
    with raises_one_line(argument, words):
        st.probe(black_box(network), x, st.Burst(**options))


def test_bursts_too_small_for_the_dimension_they_show() -> None:
    network, x = flat(3, m=7)

    def perturb(x: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
        return x + 0.01 * rng.standard_normal((size, 3))

    # five perturbations cannot show more than two dimensions, and that many they can serve
    assert st.probe(black_box(network), x, st.Burst(5, 0.01, perturb)).dimension <= 2
    with raises_one_line("size:", "bursts of 5", "3 intrinsic dimensions need at least 6"):
        st.probe(black_box(network), x, st.Burst(5, 0.01, perturb, dimension=3))


def test_perturbations_that_change_nothing() -> None:
    network, x = flat()
    with raises_one_line("activations:", "no neuron responds"):
        st.probe(black_box(network), x, st.Burst(perturb=lambda x, rng, size: np.repeat(x[None], size, axis=0)))


@pytest.mark.parametrize(
    ("k", "dimension", "argument", "words"),
    [
        (3, 2, "k:", "2 intrinsic dimensions need at least 4"),
        (200, 2, "k:", "200 neighbours of 200 inputs"),
        (2.5, 2, "k:", "whole number"),
        (16, 0, "dimension:", "at least 1"),
        (16, "two", "dimension:", "whole number"),
        (16, 3, "dimension:", "only 2 numbers"),
    ],
)
def test_neighbours_refused(k, dimension, argument, words) -> None:
    network, x = flat()
    with raises_one_line(argument, words):
        st.probe(black_box(network), x, st.Neighbours(k, dimension))


def broken(where: float) -> CallableNetwork:
    """NaN wherever the first input is above ``where``."""
    return from_callable(lambda x: np.where(x[:, :1] > where, np.nan, np.hstack([x, x**2])), "broken")


@pytest.mark.parametrize("way", [st.CentralDifference(1e-3), st.Burst(16, 1e-3), st.Neighbours(8, 2)])
def test_activations_that_are_not_finite_are_named_by_their_rows(way) -> None:
    x = np.random.default_rng(0).uniform(0, 0.9, (600, 2))
    x[[300, 511], 0] = 1.0  # in the second batch
    with raises_one_line("activations of broken:", "2 of rows 256 to 511 (300, 511)", "drop or repair"):
        st.probe(broken(0.95), x, way)


@pytest.mark.parametrize(
    ("way", "argument"),
    [(st.CentralDifference(0.01), "derivatives of broken:"), (st.Burst(200, 0.01), "bursts of broken:")],
)
def test_neighbourhoods_that_are_not_finite_are_named_by_their_rows(way, argument) -> None:
    x = np.random.default_rng(0).uniform(0, 0.8, (300, 2))
    x[290, 0] = 0.9499
    with raises_one_line(argument, "1 of rows 256 to 299 (290)"):
        st.probe(broken(0.95), x, way)
