"""Moving least squares on values and derivatives: exact for cubics, and at samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sametask.numerics.hermite import hermite_weights


def cubic(d: int, rng: np.random.Generator):
    """A random cubic on R^d and its gradient."""
    a, b, c = rng.normal(size=d), rng.normal(size=(d, d)), rng.normal(size=(d, d, d))

    def value(x):
        return 1 + x @ a + np.einsum("ij,...i,...j->...", b, x, x) + np.einsum("ijk,...i,...j,...k->...", c, x, x, x)

    def gradient(x):
        bent = np.einsum("ijk,...j,...k->...i", c + c.transpose(1, 0, 2) + c.transpose(2, 0, 1), x, x)
        return a + x @ (b + b.T) + bent

    return value, gradient


@settings(deadline=None, max_examples=30)
@given(some.integers(1, 3), some.integers(0, 10**6), some.sampled_from([1e-6, 1.0, 1e6]))
def test_cubics_are_reproduced_whatever_the_unit_of_length(d, seed, unit) -> None:
    rng = np.random.default_rng(seed)
    value, gradient = cubic(d, rng)
    steps = rng.uniform(-1, 1, (20, 14, d))
    of_values, of_slopes, d_values, d_slopes = hermite_weights(unit * steps)
    f, slopes = value(steps), gradient(steps) / unit
    predicted = np.einsum("pq,pq->p", of_values, f) + np.einsum("pqd,pqd->p", of_slopes, slopes)
    derivative = np.einsum("pdq,pq->pd", d_values, f) + np.einsum("pdqe,pqe->pd", d_slopes, slopes)
    np.testing.assert_allclose(predicted, np.full(20, value(np.zeros(d))), atol=1e-4)
    np.testing.assert_allclose(derivative * unit, np.broadcast_to(gradient(np.zeros(d)), (20, d)), atol=1e-3)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_at_a_sample_its_own_value_and_derivative_are_returned(d) -> None:
    steps = np.random.default_rng(0).uniform(-1, 1, (5, 12, d))
    steps[:, 3] = 0
    of_values, of_slopes, d_values, d_slopes = hermite_weights(steps)
    np.testing.assert_allclose(of_values, np.broadcast_to(np.eye(12)[3], (5, 12)), atol=1e-4)
    assert np.abs(of_slopes).max() < 1e-3
    assert np.abs(d_values).max() < 1e-3
    np.testing.assert_allclose(d_slopes[:, :, 3], np.broadcast_to(np.eye(d), (5, d, d)), atol=1e-3)


def test_weights_of_values_add_up_to_one_where_samples_are_fewer_than_a_cubic_needs() -> None:
    for count in (1, 2, 3):
        of_values, of_slopes, _, _ = hermite_weights(np.random.default_rng(1).normal(size=(6, count, 2)))
        np.testing.assert_allclose(of_values.sum(axis=1), 1, atol=1e-4)
        assert np.isfinite(of_slopes).all()


def test_samples_that_all_lie_at_the_place_are_averaged() -> None:
    of_values, _, _, _ = hermite_weights(np.zeros((2, 4, 1)))
    np.testing.assert_allclose(of_values, 0.25, atol=1e-6)
