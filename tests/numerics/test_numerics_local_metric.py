"""The factored local metric against explicit matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sametask.numerics import local_metric
from sametask.numerics.local_metric import LocalMetric


def jacobians(n: int, m: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, m, d))


def rebuilt(metric: LocalMetric) -> np.ndarray:
    """J = framesᵀ diag(gains) directions."""
    assert metric.directions is not None
    return np.einsum("ndm,nd,ndk->nmk", metric.frames, metric.gains, metric.directions)


def covariance(metric: LocalMetric) -> np.ndarray:
    """J Jᵀ."""
    return np.einsum("ndm,nd,ndl->nml", metric.frames, metric.gains**2, metric.frames)


def inverse(metric: LocalMetric) -> np.ndarray:
    """Wᵀ W."""
    w = metric.frames / metric.gains[:, :, None]
    return np.einsum("ndm,ndl->nml", w, w)


@settings(deadline=None, max_examples=40)
@given(some.integers(1, 7), some.integers(1, 5), some.integers(0, 10**6), some.sampled_from(["f4", "f8"]))
def test_factors_reproduce_the_jacobian(m, d, seed, dtype) -> None:
    j = jacobians(5, m, d, seed).astype(dtype)
    metric = local_metric.from_jacobians(j, common_basis=True)
    rounding = 50 * np.finfo(dtype).eps * np.abs(j).max()
    assert metric.frames.dtype == metric.gains.dtype == metric.directions.dtype == np.dtype(dtype)
    np.testing.assert_allclose(rebuilt(metric), j, atol=rounding)
    rank = min(m, d)
    assert metric.dimension == rank
    identity = np.broadcast_to(np.eye(rank), (5, rank, rank))
    for orthonormal in (metric.frames, metric.directions):
        np.testing.assert_allclose(
            orthonormal @ orthonormal.transpose(0, 2, 1), identity, atol=50 * np.finfo(dtype).eps
        )
    assert (np.diff(metric.gains, axis=1) <= 0).all()


def test_w_is_the_pseudo_inverse() -> None:
    j = jacobians(20, 6, 3)
    metric = local_metric.from_jacobians(j, common_basis=True)
    for i in range(20):
        np.testing.assert_allclose(inverse(metric)[i], np.linalg.pinv(j[i] @ j[i].T), atol=1e-9)
        w = metric.frames[i] / metric.gains[i, :, None]
        np.testing.assert_allclose(metric.directions[i].T @ w, np.linalg.pinv(j[i]), atol=1e-10)


def test_directions_only_where_samples_share_a_basis() -> None:
    assert local_metric.from_jacobians(jacobians(4, 3, 2), common_basis=False).directions is None


def test_covariances_agree_with_jacobians() -> None:
    j = jacobians(30, 5, 2)
    c = 0.3**2 * j @ j.transpose(0, 2, 1)
    exact = local_metric.from_jacobians(j, common_basis=True)
    metric = local_metric.from_covariances(c, 0.3, 2)
    np.testing.assert_allclose(metric.gains, exact.gains, rtol=1e-9)
    np.testing.assert_allclose(covariance(metric), covariance(exact), atol=1e-9)
    np.testing.assert_allclose(inverse(metric), inverse(exact), rtol=1e-6, atol=1e-6)
    # what must not pass: inverse covariances given for covariances
    wrong = local_metric.from_covariances(np.linalg.pinv(c, rcond=1e-8, hermitian=True), 0.3, 2)
    assert np.abs(wrong.gains / exact.gains - 1).min() > 0.1


def test_covariances_below_zero_by_rounding_give_gain_zero() -> None:
    c = np.diag([1.0, -1e-17, 0])[None]
    assert local_metric.from_covariances(c, 1.0, 3).gains.tolist() == [[1, 0, 0]]


def test_large_bursts_agree_with_jacobians() -> None:
    rng = np.random.default_rng(0)
    j, b, scale = jacobians(4, 5, 2), 40_000, 0.02
    noise = scale * rng.standard_normal((4, b, 2))
    metric = local_metric.from_bursts(np.einsum("nmd,nbd->nbm", j, noise) + 3.0, scale, 2)
    exact = local_metric.from_jacobians(j, common_basis=True)
    np.testing.assert_allclose(covariance(metric), covariance(exact), atol=6 / np.sqrt(b) * np.abs(j).max() ** 2 * 2)
    np.testing.assert_allclose(metric.gains, exact.gains, rtol=6 / np.sqrt(b))


def test_the_bias_of_inverse_covariances_from_bursts_is_corrected() -> None:
    rng = np.random.default_rng(1)
    for b, d in [(8, 1), (12, 2), (16, 3)]:
        j, n = jacobians(1, 5, d)[0], 6000
        metric = local_metric.from_bursts(0.1 * rng.standard_normal((n, b, d)) @ j.T, 0.1, d)
        w = metric.frames / metric.gains[:, :, None]
        # |W J|² has the expectation d when E[Ĉ⁻¹] = C⁻¹
        values = np.square(w @ j).sum(axis=(1, 2)) / d
        error = values.std() / np.sqrt(n)
        assert abs(values.mean() - 1) < 4 * error
        bias = (b - 1) / (b - d - 2)
        uncorrected = values * bias
        assert abs(uncorrected.mean() - 1) > 20 * error
        assert abs(uncorrected.mean() - bias) < 4 * bias * error


def test_bursts_of_equal_activations_have_no_gain_at_all() -> None:
    y = np.random.default_rng(0).normal(size=(10, 1, 4))
    for dtype in (np.float32, np.float64):
        bursts = np.repeat(y, 17, axis=1).astype(dtype)
        assert not local_metric.from_bursts(bursts, 0.1, 2).gains.any()


def test_bursts_do_not_depend_on_the_offset() -> None:
    bursts = np.random.default_rng(0).normal(size=(5, 20, 4))
    near, far = (local_metric.from_bursts(bursts + shift, 0.1, 2) for shift in (0.0, 1e6))
    np.testing.assert_allclose(near.gains, far.gains, rtol=1e-8)


def test_fewer_neurons_than_directions() -> None:
    metric = local_metric.from_jacobians(jacobians(6, 2, 5), common_basis=True)
    assert metric.dimension == 2
    assert metric.frames.shape == (6, 2, 2)
    assert metric.directions.shape == (6, 2, 5)
    np.testing.assert_allclose(rebuilt(metric), jacobians(6, 2, 5), atol=1e-12)


def test_truncate_keeps_the_strongest_directions() -> None:
    metric = local_metric.from_jacobians(jacobians(6, 5, 3), common_basis=True)
    cut = metric.truncate(2)
    assert cut.dimension == 2
    np.testing.assert_array_equal(cut.gains, metric.gains[:, :2])
    # the best approximation of rank 2 leaves exactly the third singular value
    left = np.linalg.norm(rebuilt(cut) - jacobians(6, 5, 3), axis=(1, 2))
    np.testing.assert_allclose(left, metric.gains[:, 2])
    assert metric.truncate(3) is metric
    assert metric.truncate(7) is metric
    assert local_metric.from_jacobians(jacobians(6, 5, 3), common_basis=False).truncate(1).directions is None


def test_rescale_changes_the_unit_of_length() -> None:
    metric = local_metric.from_jacobians(jacobians(6, 5, 3), common_basis=True)
    # metres to centimetres: J is per unit, so a hundredth; steps are a hundred times longer
    centimetres = metric.rescale(100.0)
    np.testing.assert_allclose(rebuilt(centimetres), jacobians(6, 5, 3) / 100)
    np.testing.assert_allclose(inverse(centimetres), inverse(metric) * 100**2)


def test_take_and_concatenate() -> None:
    metric = local_metric.from_jacobians(jacobians(6, 5, 3), common_basis=True)
    rows = np.array([4, 0, 4])
    np.testing.assert_array_equal(metric.take(rows).frames, metric.frames[rows])
    np.testing.assert_array_equal(metric.take(rows).gains, metric.gains[rows])
    np.testing.assert_array_equal(metric.take(rows).directions, metric.directions[rows])
    whole = local_metric.concatenate([metric.take(np.arange(2)), metric.take(np.arange(2, 6))])
    np.testing.assert_array_equal(whole.frames, metric.frames)
    np.testing.assert_array_equal(whole.directions, metric.directions)
    without = local_metric.from_jacobians(jacobians(6, 5, 3), common_basis=False)
    assert without.take(rows).directions is None
    assert local_metric.concatenate([without, without]).directions is None


def test_condition_is_infinite_where_a_direction_is_lost() -> None:
    j = np.zeros((2, 3, 2))
    j[:, 0, 0] = 4
    j[1, 1, 1] = 0.5
    assert local_metric.from_jacobians(j, common_basis=True).condition.tolist() == [np.inf, 8]


@pytest.mark.parametrize("block", [1, 40, 10**9])
def test_blocks_bound_the_memory_and_not_the_result(block, monkeypatch) -> None:
    j = jacobians(23, 5, 2)
    bursts = np.random.default_rng(2).normal(size=(23, 9, 5))
    monkeypatch.setattr(local_metric, "_BLOCK", block)
    np.testing.assert_allclose(rebuilt(local_metric.from_jacobians(j, common_basis=True)), j, atol=1e-12)
    monkeypatch.undo()
    whole = covariance(local_metric.from_bursts(bursts, 0.1, 2))
    monkeypatch.setattr(local_metric, "_BLOCK", block)
    np.testing.assert_allclose(covariance(local_metric.from_bursts(bursts, 0.1, 2)), whole, rtol=1e-10)


def test_a_matrix_on_which_the_fast_driver_fails_changes_no_other(monkeypatch) -> None:
    j = np.random.default_rng(0).normal(size=(50, 4, 2))
    whole = local_metric.from_jacobians(j, common_basis=True)
    fast = np.linalg.svd

    def failing(matrices: np.ndarray, **options: bool) -> tuple[np.ndarray, ...]:
        if (matrices == j[7]).all(axis=(-2, -1)).any():
            raise np.linalg.LinAlgError
        return fast(matrices, **options)

    monkeypatch.setattr(np.linalg, "svd", failing)
    metric = local_metric.from_jacobians(j, common_basis=True)
    others = np.arange(50) != 7
    np.testing.assert_array_equal(metric.frames[others], whole.frames[others])
    np.testing.assert_array_equal(metric.gains[others], whole.gains[others])
    np.testing.assert_allclose(metric.gains[7], whole.gains[7])
