"""Probes made of recorded arrays: what they hold, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask.numerics.manifold import SampledManifold
from sametask.probes.probe import check_enough, check_ids
from worlds import RandomNetwork

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 1, (60, 2))
NETWORK = RandomNetwork.draw(2, 5, 3)
Y, J = NETWORK(X), NETWORK.jacobian(X)
C = J @ J.transpose(0, 2, 1)


def bursts_of(x: np.ndarray, b: int, scale: float, seed: int = 0) -> np.ndarray:
    n, d = x.shape
    around = x[:, None] + scale * np.random.default_rng(seed).standard_normal((n, b, d))
    return NETWORK(around.reshape(-1, d)).reshape(n, b, -1)


def covariance(probe: st.Probe) -> np.ndarray:
    metric = probe.metric
    return np.einsum("ndm,nd,ndl->nml", metric.frames, metric.gains**2, metric.frames)


# -- what they hold ------------------------------------------------------------------------------------------------


def test_from_jacobians() -> None:
    probe = st.Probe.from_jacobians(Y, J, ids=range(60), inputs=X, name="net")
    np.testing.assert_allclose(covariance(probe), C, atol=1e-12)
    np.testing.assert_array_equal(probe.activations, Y)
    np.testing.assert_array_equal(probe.inputs, X)
    np.testing.assert_array_equal(probe.ids, np.arange(60))
    assert (probe.kind, probe.scale, probe.dimension, len(probe)) == ("jacobian", None, 2, 60)
    assert probe.neurons == tuple(f"neuron[{k}]" for k in range(5))
    assert repr(probe) == "Probe('net': 60 samples, 5 neurons, 2 dimensions, by jacobian)"
    assert probe.metric.directions is None  # tangents need not mean the same at every sample
    common = st.Probe.from_jacobians(Y, J, common_basis=True).metric
    assert common.directions is not None
    np.testing.assert_allclose(np.einsum("ndm,nd,ndk->nmk", common.frames, common.gains, common.directions), J)


def test_from_covariances() -> None:
    probe = st.Probe.from_covariances(Y, 0.04 * C, 2, scale=0.2)
    np.testing.assert_allclose(covariance(probe), C, atol=1e-10)
    assert (probe.kind, probe.scale) == ("covariance", 0.2)
    # what must not pass: the default scale is one
    assert np.abs(covariance(st.Probe.from_covariances(Y, 0.04 * C, 2)) - C).max() > 0.1


def test_from_bursts() -> None:
    scale, b = 1e-3, 4000
    probe = st.Probe.from_bursts(Y, bursts_of(X, b, scale), scale)
    assert (probe.kind, probe.scale, probe.dimension) == ("burst", scale, 2)
    exact = st.Probe.from_jacobians(Y, J)
    np.testing.assert_allclose(probe.metric.gains, exact.metric.gains, rtol=6 / np.sqrt(2 * b) * 2)
    np.testing.assert_allclose(covariance(probe), C, atol=0.1 * np.abs(C).max())
    assert st.Probe.from_bursts(Y, bursts_of(X, 20, scale), scale, dimension=1).dimension == 1


def test_the_dimension_of_bursts_is_estimated() -> None:
    for d in (1, 2, 3):
        network = RandomNetwork.draw(d, 7, 5)
        x = np.random.default_rng(d).uniform(0, 1, (80, d))
        around = x[:, None] + 1e-3 * np.random.default_rng(0).standard_normal((80, 40, d))
        bursts = network(around.reshape(-1, d)).reshape(80, 40, 7)
        assert st.Probe.from_bursts(network(x), bursts, 1e-3).dimension == d


def test_types_are_kept() -> None:
    single = st.Probe.from_jacobians(Y.astype(np.float32), J.astype(np.float32))
    assert single.activations.dtype == single.metric.gains.dtype == single.metric.frames.dtype == np.float32
    whole = st.Probe.from_jacobians(np.arange(120).reshape(60, 2) ** 2, np.ones((60, 2, 1), int))
    assert whole.activations.dtype == whole.metric.gains.dtype == np.float64
    np.testing.assert_array_equal(st.Probe.from_jacobians(Y.tolist(), J.tolist()).activations, Y)


def test_fewer_neurons_than_directions() -> None:
    probe = st.Probe.from_jacobians(Y[:, :1], J[:, :1])
    assert probe.dimension == 1


def test_take_and_truncate() -> None:
    probe = st.Probe.from_jacobians(Y, J, ids=[f"a{k}" for k in range(60)], inputs=X)
    rows = np.array([5, 3])
    part = probe.take(rows)
    assert len(part) == 2
    assert part.ids.tolist() == ["a5", "a3"]
    np.testing.assert_array_equal(part.inputs, X[rows])
    np.testing.assert_array_equal(part.metric.gains, probe.metric.gains[rows])
    assert part.neurons == probe.neurons
    bare = st.Probe.from_jacobians(Y, J).take(rows)
    assert bare.ids is None
    assert bare.inputs is None
    assert probe.truncate(1).dimension == 1
    assert probe.truncate(1).activations is probe.activations
    assert probe.truncate(9).dimension == 2


@pytest.mark.parametrize("columns", [[3, 0, 4], [2], np.array([1, 2])])
def test_some_neurons_have_their_own_metric(columns) -> None:
    exact = st.Probe.from_jacobians(Y[:, columns], J[:, columns], common_basis=True)
    for common_basis in (True, False):
        whole = st.Probe.from_jacobians(Y, J, ids=range(60), inputs=X, name="net", common_basis=common_basis)
        part = whole.select(columns)
        np.testing.assert_array_equal(part.activations, Y[:, columns])
        np.testing.assert_allclose(covariance(part), covariance(exact), atol=1e-10)
        assert part.neurons == tuple(f"neuron[{k}]" for k in columns)
        assert (part.name, part.kind) == ("net", "jacobian")
        np.testing.assert_array_equal(part.ids, whole.ids)
        assert (part.metric.directions is None) != common_basis
        if common_basis:
            metric = part.metric
            rebuilt = np.einsum("ndm,nd,ndk->nmk", metric.frames, metric.gains, metric.directions)
            np.testing.assert_allclose(rebuilt, J[:, columns], atol=1e-10)
    assert whole.select(columns, name="part").name == "part"


@pytest.mark.parametrize(
    "columns", [[], [5], [-1], [[0, 1]], [0.5], [True], "a", 2, [[0], [1, 2]], np.ones((30, 30), int)]
)
def test_neurons_that_cannot_be_selected(columns) -> None:
    with raises_one_line("neurons:", "list of indices from 0 to 4"):
        st.Probe.from_jacobians(Y, J).select(columns)


def test_neurons_that_do_not_respond_cannot_be_selected_alone() -> None:
    y, j = np.concatenate([Y, np.ones((60, 1))], axis=1), np.concatenate([J, np.zeros((60, 1, 2))], axis=1)
    with raises_one_line("activations:", "every neuron is constant"):
        st.Probe.from_jacobians(y, j).select([5])


def test_lost_directions_have_a_tiny_gain_in_place_of_none() -> None:
    j = J.copy()
    j[:, :, 1] = 0
    for dtype in (np.float32, np.float64):
        probe = st.Probe.from_jacobians(Y.astype(dtype), j.astype(dtype))
        assert (probe.metric.gains[:, 1] < 1e-6).all()
        gains = probe.manifold.metric.gains
        assert (gains > 0).all()
        assert (gains[:, 1] < 1e-5 * gains[:, 0]).all()
        step = probe.manifold.step(np.array([0]), probe.activations[1:2] - probe.activations[:1])
        assert np.isfinite(np.square(step)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dead_at_most_samples(dtype) -> None:
    """The median gain is zero; what stands in for zero must still be far from the bounds of the type."""
    j = J.astype(dtype)
    j[:45] = 0
    probe = st.Probe.from_jacobians(Y.astype(dtype), j)
    gains = probe.manifold.metric.gains
    assert gains.dtype == dtype
    assert (gains > 0).all()
    step = probe.manifold.step(np.arange(59), (Y[1:] - Y[:-1]).astype(dtype))
    assert np.isfinite(np.square(step)).all()


@pytest.mark.parametrize("rank", [5, 200])
def test_wide_activations_are_projected_and_the_metric_with_them(rank) -> None:
    """Steps and lengths within the span are the same as with all neurons."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(400, rank)))[0]
    x = rng.uniform(0, 1, (300, 2))
    network = RandomNetwork.draw(2, rank, 3)
    y, j = network(x) @ basis.T, basis @ network.jacobian(x)
    probe = st.Probe.from_jacobians(y, j, common_basis=True)
    manifold, whole = probe.manifold, SampledManifold(y, probe.metric)
    assert manifold.activations.shape == (300, 128)
    assert manifold.metric.directions is not None
    a, b = np.arange(150), np.arange(150, 300)
    lengths = [np.linalg.norm(part.activations[a] - part.activations[b], axis=1) for part in (manifold, whole)]
    np.testing.assert_allclose(*lengths, rtol=1e-9)
    steps = [
        np.einsum("ndk,nd->nk", part.metric.directions[a], part.displacement(a, b)[0]) for part in (manifold, whole)
    ]
    np.testing.assert_allclose(*steps, atol=1e-9)
    values, slopes = probe.pieces
    np.testing.assert_array_equal(values, y)
    rebuilt = np.einsum("ndm,ndk->nmk", slopes, manifold.metric.directions)
    np.testing.assert_allclose(rebuilt, j, atol=1e-9 * np.abs(j).max())


def test_a_hundred_thousand_samples() -> None:
    n = 100_000
    x = np.random.default_rng(0).uniform(0, 1, (n, 2))
    network = RandomNetwork.draw(2, 3, 3)
    y, j = network(x), network.jacobian(x)
    probe = st.Probe.from_jacobians(y, j, ids=np.arange(n))
    assert len(probe) == n
    np.testing.assert_allclose(covariance(probe)[:100], (j @ j.transpose(0, 2, 1))[:100], atol=1e-10)


# -- what they refuse ----------------------------------------------------------------------------------------------


def test_shapes_that_disagree() -> None:
    with raises_one_line("activations:", "(60,)", "(n samples, m neurons)"):
        st.Probe.from_jacobians(Y[:, 0], J)
    with raises_one_line("jacobians:", "(60, 5)", "(n samples, m neurons, d directions)"):
        st.Probe.from_jacobians(Y, J[:, :, 0])
    with raises_one_line("jacobians:", "59 rows", "activations has 60"):
        st.Probe.from_jacobians(Y, J[1:])
    with raises_one_line("jacobians:", "(60, 4, 2)", "5 neurons"):
        st.Probe.from_jacobians(Y, J[:, 1:])
    bursts = bursts_of(X, 10, 0.01)
    with raises_one_line("bursts:", "59 rows", "activations has 60"):
        st.Probe.from_bursts(Y, bursts[1:], 0.01)
    with raises_one_line("bursts:", "(60, 10, 4)", "5 neurons"):
        st.Probe.from_bursts(Y, bursts[:, :, 1:], 0.01)
    with raises_one_line("bursts:", "(60, 5)"):
        st.Probe.from_bursts(Y, bursts[:, 0], 0.01)
    with raises_one_line("covariances:", "59 rows", "activations has 60"):
        st.Probe.from_covariances(Y, C[1:], 2)
    with raises_one_line("covariances:", "(60, 4, 5)", "one m × m matrix"):
        st.Probe.from_covariances(Y, C[:, 1:], 2)
    with raises_one_line("inputs:", "59 rows", "activations has 60"):
        st.Probe.from_jacobians(Y, J, inputs=X[1:])


def test_values_that_are_not_finite() -> None:
    y, j, c, bursts = Y.copy(), J.copy(), C.copy(), bursts_of(X, 10, 0.01)
    y[3, 1], j[7, 0, 0], c[2, 1, 1], bursts[59, 0, 0] = np.nan, np.inf, np.nan, -np.inf
    with raises_one_line("activations:", "1 of 60 rows (3)"):
        st.Probe.from_jacobians(y, J)
    with raises_one_line("jacobians:", "1 of 60 rows (7)"):
        st.Probe.from_jacobians(Y, j)
    with raises_one_line("covariances:", "1 of 60 rows (2)"):
        st.Probe.from_covariances(Y, c, 2)
    with raises_one_line("bursts:", "1 of 60 rows (59)"):
        st.Probe.from_bursts(Y, bursts, 0.01)


def test_things_that_are_no_numbers() -> None:
    with raises_one_line("activations:", "not an array"):
        st.Probe.from_jacobians([[1, 2], [3]], J)
    with raises_one_line("jacobians:", "dtype"):
        st.Probe.from_jacobians(Y, J.astype(str))
    for inputs, words in [
        ([[1], [1, 2]], "not an array"),
        (3.0, "shape ()"),
        (["a"] * 60, "real numbers"),
        (X.astype(object), "real numbers"),
        (X.astype(np.longdouble), "real numbers"),
    ]:
        with raises_one_line("inputs:", words):
            st.Probe.from_jacobians(Y, J, inputs=inputs)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_samples(n) -> None:
    bursts = bursts_of(X, 10, 0.01)
    words = f"{n} samples", "2 intrinsic dimensions", "at least 4"
    with raises_one_line("activations:", *words):
        st.Probe.from_jacobians(Y[:n], J[:n])
    with raises_one_line("activations:", *words):
        st.Probe.from_covariances(Y[:n], C[:n], 2)
    if n:
        with raises_one_line("activations:", *words):
            st.Probe.from_bursts(Y[:n], bursts[:n], 0.01, 2)
    else:
        with raises_one_line("bursts:", "(0, 10, 5)"):
            st.Probe.from_bursts(Y[:n], bursts[:n], 0.01)


def test_dimension_too_high_for_the_sample() -> None:
    check_enough("activations", 81, 4)
    with raises_one_line("activations:", "80 samples cannot fill 4", "3^4"):
        check_enough("activations", 80, 4)
    with raises_one_line("activations:", "cannot fill 900", "3^900"):
        check_enough("activations", 1000, 900)


def test_no_neurons_and_no_directions() -> None:
    for y, j in [(Y[:, :0], J[:, :0]), (Y, J[:, :, :0])]:
        with raises_one_line("activations:"):
            st.Probe.from_jacobians(y, j)
    with raises_one_line("dimension:", "only 0 neurons"):
        st.Probe.from_covariances(Y[:, :0], C[:, :0, :0], 1)
    with raises_one_line("bursts:", "(60, 10, 0)"):
        st.Probe.from_bursts(Y[:, :0], bursts_of(X, 10, 0.01)[:, :, :0], 0.01)


def test_networks_that_do_not_respond() -> None:
    with raises_one_line("activations:", "every neuron is constant", "choose another layer"):
        st.Probe.from_jacobians(np.ones((60, 5)), J)
    with raises_one_line("activations:", "no neuron responds", "choose another layer"):
        st.Probe.from_jacobians(Y, 0 * J)
    with raises_one_line("activations:", "no neuron responds"):
        st.Probe.from_covariances(Y, 0 * C, 2)
    with raises_one_line("activations:", "no neuron responds"):  # also where the mean of a burst is rounded
        st.Probe.from_bursts(Y, np.repeat(Y[:, None], 11, axis=1), 0.01)


def test_bursts_too_small() -> None:
    bursts = bursts_of(X, 10, 0.01)
    for b in (0, 1, 3):
        with raises_one_line("bursts:", f"(60, {b}, 5)", "at least 4"):
            st.Probe.from_bursts(Y, bursts[:, :b], 0.01)
    with raises_one_line("bursts:", "4 in each burst", "2 dimensions need at least 5"):
        st.Probe.from_bursts(Y, bursts[:, :4], 0.01, 2)


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf, "small", None, 10**400])
def test_scales_refused(scale) -> None:
    with raises_one_line("scale:", "number above zero"):
        st.Probe.from_bursts(Y, bursts_of(X, 10, 0.01), scale)
    with raises_one_line("scale:", "number above zero"):
        st.Probe.from_covariances(Y, C, 2, scale=scale)


@pytest.mark.parametrize(
    ("dimension", "words"),
    [(0, "at least 1"), (2.5, "whole number"), ("2", "whole number"), (6, "only 5 neurons")],
)
def test_dimensions_refused(dimension, words) -> None:
    with raises_one_line("dimension:", words):
        st.Probe.from_covariances(Y, C, dimension)
    with raises_one_line("dimension:", words):
        st.Probe.from_bursts(Y, bursts_of(X, 10, 0.01), 0.01, dimension)


def test_covariances_that_are_none() -> None:
    with raises_one_line("covariances:", "not symmetric"):
        st.Probe.from_covariances(Y, C + np.triu(C, 1), 2)
    with raises_one_line("covariances:", "negative variances"):
        st.Probe.from_covariances(Y, -C, 2)
    st.Probe.from_covariances(Y, C * (1 + 1e-6 * np.triu(np.ones((5, 5)))), 2)  # rounding is no offence


def test_duplicates_wherever_they_are() -> None:
    with raises_one_line("activations:", "samples 0 and 60 are the same", "60 duplicates"):
        st.Probe.from_jacobians(np.concatenate([Y, Y]), np.concatenate([J, J]))
    # the first neurons are dead, as in a layer of rectifiers
    y = np.concatenate([np.zeros((60, 20)), Y], axis=1)
    j = np.concatenate([np.zeros((60, 20, 2)), J], axis=1)
    y[41], j[41] = y[17], j[17]
    with raises_one_line("activations:", "samples 17 and 41 are the same", "1 duplicates"):
        st.Probe.from_jacobians(y, j)
    y, j = np.concatenate([Y, Y[:1]]), np.concatenate([J, J[:1]])
    y[0, 0], y[-1, 0] = 0.0, -0.0
    with raises_one_line("activations:", "samples 0 and 60 are the same"):
        st.Probe.from_jacobians(y, j)
    # equal activations where the network folds are no duplicates: their Jacobians differ
    y, j = Y.copy(), J.copy()
    y[1] = y[0]
    assert len(st.Probe.from_jacobians(y, j)) == 60


def test_a_few_samples_that_half_precision_gives_the_same_values() -> None:
    y, j = Y.astype(np.float16), J.astype(np.float16)
    y[41], j[41] = y[17], j[17]
    y[42], j[42] = y[17], j[17]
    probe = st.Probe.from_jacobians(y, j)
    assert len(probe) == 60
    assert np.flatnonzero(probe.first_alike != np.arange(60)).tolist() == [41, 42]
    assert probe.first_alike[[41, 42]].tolist() == [17, 17]
    with raises_one_line("activations:", "samples 0 and 60 are the same", "60 duplicates", "single precision"):
        st.Probe.from_jacobians(*(np.tile(each, (2,) + (1,) * (each.ndim - 1)).astype(np.float16) for each in (Y, J)))
    # told precisely, nothing repeats for want of digits
    fine = Y.copy()
    fine[41] = fine[17]
    assert np.array_equal(st.Probe.from_jacobians(fine, J).first_alike, np.arange(60))


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint64, str])
def test_ids_of_every_kind(kind) -> None:
    given = np.arange(10).astype(kind)
    np.testing.assert_array_equal(check_ids(given, 10), given)
    np.testing.assert_array_equal(check_ids(given.tolist(), 10), given)
    assert check_ids(None, 10) is None


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([1, 2], ("2 of them for 3 samples",)),
        ([1.5, 2, 3], ("float64", "whole number or string")),
        ([True, False, True], ("bool",)),
        ([[1], [2], [3]], ("(3, 1)",)),
        ([[1], [2, 3], []], ("not an array",)),
        ([None, 1, 2], ("object",)),
        ([7, 8, 7], ("7 names 2 samples", "1 ids repeat")),
        (["a", "b", "a"], ("'a' names 2 samples",)),
        (7, ("shape ()",)),
    ],
)
def test_ids_refused(ids, words) -> None:
    with raises_one_line("ids:", *words):
        check_ids(ids, 3)
