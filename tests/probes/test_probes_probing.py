"""Probing: ids, neurons, batches, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import sametask as st
from assertions import as_users_run_it, raises_one_line
from sametask.networks import from_callable
from sametask.networks.callable import CallableNetwork
from worlds import RandomNetwork

STEP = st.CentralDifference(1e-3)
X = np.random.default_rng(0).uniform(0, 1, (300, 2))


def net(m: int = 6, seed: int = 3, name: str = "net") -> CallableNetwork:
    return from_callable(RandomNetwork.draw(2, m, seed), name)


# -- ids -----------------------------------------------------------------------------------------------------------


def test_the_same_inputs_have_the_same_ids_whatever_the_network_and_the_order() -> None:
    one, two = st.probe(net(), X, STEP), st.probe(net(seed=9), X[::-1], STEP)
    assert one.ids is not None
    np.testing.assert_array_equal(one.ids, two.ids[::-1])
    assert one.ids.dtype == np.int64
    assert (one.ids >= 0).all()
    assert len(np.unique(one.ids)) == 300


def test_other_inputs_have_other_ids() -> None:
    ids = st.probe(net(), X, STEP).ids
    other = st.probe(net(), np.nextafter(X, 2), STEP).ids
    assert not np.intersect1d(ids, other).size
    swapped = st.probe(net(), X[:, ::-1].copy(), STEP).ids
    assert not np.intersect1d(ids, swapped).size


def test_the_type_and_layout_of_the_inputs_do_not_matter_to_ids() -> None:
    single = X.astype(np.float32)
    ids = st.probe(net(), single, STEP).ids
    for same in (single.astype(np.float64), np.asfortranarray(single), single.astype(">f4"), single.tolist()):
        np.testing.assert_array_equal(st.probe(net(), same, STEP).ids, ids)
    zero = np.array([[0.0, 1], [1, 0], [2, 1], [0.5, 0.5], [3, 2], [1, 1], [2, 2], [0, 3], [3, 1]])
    np.testing.assert_array_equal(st.probe(net(), zero, STEP).ids, st.probe(net(), zero.copy(), STEP).ids)
    negative = np.where(zero == 0, -0.0, zero)
    np.testing.assert_array_equal(st.probe(net(), negative, STEP).ids, st.probe(net(), zero, STEP).ids)


def test_given_ids_are_kept() -> None:
    names = [f"img{k}" for k in range(300)]
    assert st.probe(net(), X, STEP, ids=names).ids.tolist() == names
    assert st.probe(net(), X, STEP, ids=range(300)).ids.tolist() == list(range(300))


@settings(deadline=None, max_examples=10)
@given(some.integers(0, 10**6))
def test_ids_are_as_many_as_inputs(seed) -> None:
    x = np.random.default_rng(seed).integers(0, 50, (60, 2)).astype(float)
    x = np.unique(x, axis=0)
    assert len(np.unique(st.probe(net(), x, STEP).ids)) == len(x)


def test_inputs_that_repeat() -> None:
    with raises_one_line("inputs:", "samples 0 and 300 are the same", "1 duplicates", "np.unique"):
        st.probe(net(), np.concatenate([X, X[:1]]), STEP)
    with raises_one_line("inputs:", "are the same", "300 duplicates"):
        st.probe(net(), np.concatenate([X, X]), STEP)
    assert len(st.probe(net(), np.concatenate([X, X[:1]]), STEP, ids=range(301))) == 301  # who names them vouches


# -- neurons -------------------------------------------------------------------------------------------------------


def test_all_neurons() -> None:
    probe = st.probe(net(), X, STEP)
    assert probe.activations.shape == (300, 6)
    assert probe.neurons == tuple(f"output[{k}]" for k in range(6))


def test_a_count_of_neurons_is_drawn_by_the_seed() -> None:
    probes = [st.probe(net(), X, STEP, neurons=3, seed=seed) for seed in (0, 0, *range(1, 12))]
    assert probes[0].neurons == probes[1].neurons
    assert len({probe.neurons for probe in probes}) > 3
    whole = st.probe(net(), X, STEP)
    for probe in probes:
        assert probe.activations.shape == (300, 3)
        columns = [whole.neurons.index(name) for name in probe.neurons]
        assert columns == sorted(columns)
        np.testing.assert_array_equal(probe.activations, whole.activations[:, columns])
    with as_users_run_it():
        assert st.probe(net(), X, STEP, neurons=np.int64(6)).neurons == whole.neurons


def test_only_neurons_that_vary_are_drawn() -> None:
    network = from_callable(lambda x: np.hstack([x, np.ones((len(x), 8))]))
    for seed in range(5):
        assert st.probe(network, X, STEP, neurons=2, seed=seed).neurons == ("output[0]", "output[1]")
    with raises_one_line("neurons:", "3 wanted", "only 2 of 10 vary"):
        st.probe(network, X, STEP, neurons=3)


def test_neurons_by_index() -> None:
    whole = st.probe(net(), X, STEP)
    probe = st.probe(net(), X, STEP, neurons=[4, 0, -1])
    assert probe.neurons == ("output[4]", "output[0]", "output[5]")
    np.testing.assert_array_equal(probe.activations, whole.activations[:, [4, 0, 5]])
    exact = whole.metric
    metric = probe.metric
    rebuilt = np.einsum("ndm,nd,ndk->nmk", metric.frames, metric.gains, metric.directions)
    expected = np.einsum("ndm,nd,ndk->nmk", exact.frames, exact.gains, exact.directions)[:, [4, 0, 5]]
    np.testing.assert_allclose(rebuilt, expected, atol=1e-9)
    many = st.probe(net(400), X, STEP, neurons=np.array([250, 7], np.uint8))
    assert many.neurons == ("output[250]", "output[7]")
    assert st.probe(net(), X, STEP, neurons=(1,)).neurons == ("output[1]",)


@pytest.mark.parametrize("way", [STEP, st.Burst(16, 1e-3), st.Neighbours(8, 2), None])
def test_every_way_takes_neurons(way) -> None:
    network = RandomNetwork.draw(2, 6, 3)
    given = from_callable(network, jacobian=network.jacobian)
    probe = st.probe(given, X, way, neurons=[4, 0, 1])
    np.testing.assert_allclose(probe.activations, network(X)[:, [4, 0, 1]])
    assert probe.metric.frames.shape == (300, 2, 3)


@pytest.mark.parametrize(
    ("neurons", "words"),
    [
        (0, "at least 1"),
        (-2, "at least 1"),
        (7, "7 wanted, but only 6 of 6"),
        (True, "None, a number, or a list"),
        (2.5, "None, a number, or a list"),
        ("output[0]", "None, a number, or a list"),
        ([], "None, a number, or a list"),
        ([[0, 1]], "None, a number, or a list"),
        (np.ones((30, 30), int), "None, a number, or a list"),
        ([0.5], "None, a number, or a list"),
        ([True, False], "None, a number, or a list"),
        ([[0], [1, 2]], "not an array"),
        ([-6, 6], "index 6 of 6 neurons; give 0 to 5"),
        ([-7, 0], "index -7 of 6 neurons; give 0 to 5"),
        ([0, -6], "appears twice"),
        ([1, 1], "appears twice"),
    ],
)
def test_neurons_refused(neurons, words) -> None:
    with raises_one_line("neurons:", words):
        st.probe(net(), X, STEP, neurons=neurons)


# -- batches and types ---------------------------------------------------------------------------------------------


def test_batches_do_not_change_the_result() -> None:
    whole = st.probe(net(), X, STEP, batch_size=10**6)
    for size in (1, 7, 300):
        parts = st.probe(net(), X, STEP, batch_size=size)
        np.testing.assert_allclose(parts.activations, whole.activations, atol=1e-12)
        np.testing.assert_allclose(parts.metric.gains, whole.metric.gains, rtol=1e-6)


def test_batches_bound_what_the_network_is_given() -> None:
    seen: list[int] = []

    def watched(x: np.ndarray) -> np.ndarray:
        seen.append(len(x))
        return np.hstack([x, x**2])

    st.probe(from_callable(watched), X, STEP, batch_size=64)
    assert max(seen) == 64


def test_same_bits_twice() -> None:
    for way in (STEP, st.Burst(16, 1e-3), st.Neighbours(8, 2)):
        one, two = (st.probe(net(), X, way, seed=5, neurons=4) for _ in range(2))
        assert one.activations.tobytes() == two.activations.tobytes()
        assert one.metric.gains.tobytes() == two.metric.gains.tobytes()
        assert one.metric.frames.tobytes() == two.metric.frames.tobytes()


def test_types_of_inputs() -> None:
    """Networks are given what the user gave, but for types that nobody computes in."""
    seen: list[np.dtype] = []

    def watched(x: np.ndarray) -> np.ndarray:
        seen.append(x.dtype)
        return np.hstack([x, x**2]).astype(np.float64)

    for given_type, kept in [
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.longdouble, np.float64),
    ]:
        seen.clear()
        grid = (np.arange(60).reshape(30, 2) / 64).astype(given_type)
        probe = st.probe(from_callable(watched), grid, st.CentralDifference(0.01))
        assert set(seen) == {np.dtype(kept)}
        assert probe.inputs.dtype == kept
    seen.clear()
    st.probe(from_callable(watched), np.arange(60).reshape(30, 2) ** 2, st.Neighbours(8, 2))
    assert set(seen) == {np.dtype(np.int64)}


def test_the_users_inputs_are_not_changed() -> None:
    x = X.copy()
    st.probe(net(), x, STEP)
    np.testing.assert_array_equal(x, X)


def test_inputs_of_more_dimensions() -> None:
    x = X.reshape(300, 1, 2)
    probe = st.probe(from_callable(lambda x: RandomNetwork.draw(2, 5, 3)(x[:, 0])), x, STEP)
    flat = st.probe(from_callable(RandomNetwork.draw(2, 5, 3)), X, STEP)
    np.testing.assert_allclose(probe.metric.gains, flat.metric.gains)
    np.testing.assert_array_equal(probe.ids, flat.ids)
    assert probe.inputs.shape == (300, 1, 2)


def test_no_progress_is_shown_in_a_pipe(capfd) -> None:
    st.probe(net(), X, STEP)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


# -- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([[1, 2], [3]], "not an array"),
        (3.0, "shape ()"),
        ([], "at least one number"),
        (np.zeros((5, 0)), "at least one number"),
        (np.zeros((0, 2)), "at least one number"),
        (X[:, 0], "x[:, None]"),
        ([["a", "b"]], "dtype <U1"),
        (X * 1j, "complex128"),
        (X.astype(object), "object"),
        (np.where(X > 0.99, np.nan, X), "NaN"),
        (X[:1], "1 samples; 2 intrinsic dimensions need at least 4"),
        (X[:3], "3 samples; 2 intrinsic dimensions need at least 4"),
        (X[:8], "8 samples cannot fill 2 intrinsic dimensions"),
    ],
)
def test_inputs_refused(inputs, words) -> None:
    with raises_one_line("inputs:", words):
        st.probe(net(), inputs, STEP)


def test_things_that_are_no_networks_or_neighbourhoods() -> None:
    with raises_one_line("network:", "ufunc", "st.from_torch, st.from_onnx or st.from_callable"):
        st.probe(np.sin, X)
    for wrong in ("jacobian", st.Jacobian, np.ones((30, 30))):
        with raises_one_line("neighbourhood:", "st.Jacobian(), st.CentralDifference(), st.Burst() or st.Neighbours()"):
            st.probe(net(), X, wrong)


@pytest.mark.parametrize("seed", [-1, 0.5, "a", None, [1, 2]])
def test_seeds_refused(seed) -> None:
    with raises_one_line("seed:", "whole number of at least 0"):
        st.probe(net(), X, STEP, seed=seed)


@pytest.mark.parametrize("size", [0, -1, 2.5, None])
def test_batch_sizes_refused(size) -> None:
    with raises_one_line("batch_size:", "whole number of at least 1"):
        st.probe(net(), X, STEP, batch_size=size)


def test_ids_are_checked_before_the_network_is_asked() -> None:
    def never(x: np.ndarray) -> np.ndarray:
        raise AssertionError

    with raises_one_line("ids:", "2 of them for 300 samples"):
        st.probe(from_callable(never), X, STEP, ids=[1, 2])


def test_networks_that_say_nothing() -> None:
    with raises_one_line("activations:", "every neuron is constant"):
        st.probe(from_callable(lambda x: np.ones((len(x), 2))), X, STEP)
    with raises_one_line("activations:", "no neuron responds"):
        st.probe(
            from_callable(lambda x: np.floor(2 * x)), X * 0.4 + np.round(X) * 0.5 + 0.05, st.CentralDifference(1e-6)
        )
