"""Orthogonal Procrustes against the singular value decomposition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sametask.numerics.procrustes import orthogonal


def reference(matrix: np.ndarray) -> np.ndarray:
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def random(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d, d))


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_agrees_with_the_singular_value_decomposition(d) -> None:
    matrices = random(500, d)
    assert (np.linalg.det(matrices) < 0).sum() > 50  # reflections are among them
    assert (np.linalg.det(matrices) > 0).sum() > 50
    np.testing.assert_allclose(orthogonal(matrices), reference(matrices), atol=1e-11)


def test_agrees_with_it_for_many_and_for_nearly_singular_matrices() -> None:
    matrices = random(5000, 3, 4)
    left, right = reference(random(5000, 3, 5)), reference(random(5000, 3, 6))
    gains = np.stack([np.ones(5000), 10.0 ** -np.linspace(0, 4, 5000), 10.0 ** -np.linspace(0, 9, 5000)], axis=1)
    for matrix, accuracy in ((matrices, 1e-11), (left * gains[:, None] @ right, 1e-6)):
        np.testing.assert_allclose(orthogonal(matrix), reference(matrix), atol=accuracy)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_result_is_orthogonal_and_as_near_as_can_be_even_where_it_is_not_unique(d) -> None:
    matrices = random(200, d)
    if d > 1:
        matrices[:50] = matrices[:50, :, :1] * matrices[:50, :1, :]  # rank one
        matrices[50:60] = 0
    matrices[60:70] *= 1e-200
    matrices[70:80] *= 1e150
    found = orthogonal(matrices)
    np.testing.assert_allclose(found @ found.transpose(0, 2, 1), np.broadcast_to(np.eye(d), found.shape), atol=1e-12)
    # the minimum of |M − R|² has tr(Rᵀ M) equal to the sum of the singular values
    size = np.linalg.svd(matrices, compute_uv=False).sum(axis=1)
    np.testing.assert_allclose(np.einsum("nij,nij->n", found, matrices), size, rtol=1e-10, atol=0)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_no_other_orthogonal_matrix_is_nearer(d) -> None:
    matrices = random(100, d, 1)
    others = reference(random(100, d, 2))
    distance = [np.square(matrices - r).sum(axis=(1, 2)) for r in (orthogonal(matrices), others)]
    assert (distance[0] <= distance[1] + 1e-12).all()
    if d > 1:
        assert (distance[0] < distance[1] - 1e-3).all()


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("sign", [1, -1])
def test_recovers_a_rotation_or_reflection_from_noisy_pairs(d, sign) -> None:
    rng = np.random.default_rng(3)
    rotation = reference(rng.normal(size=(d, d)))
    rotation[:, 0] *= sign * np.linalg.det(rotation)
    assert np.linalg.det(rotation) == pytest.approx(sign)
    b = rng.normal(size=(2000, d))
    a = b @ rotation.T + 0.1 * rng.normal(size=b.shape)
    found = orthogonal(a.T @ b)
    np.testing.assert_allclose(found, rotation, atol=0.02)
    # what must not pass: the transpose
    if d > 1 and sign > 0:
        assert np.abs(orthogonal(b.T @ a) - rotation).max() > 0.1


def test_types_and_batches() -> None:
    for d in (1, 2, 3):
        many = random(12, d).reshape(3, 4, d, d).astype(np.float32)
        found = orthogonal(many)
        assert found.shape == many.shape
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[1, 2], orthogonal(many[1, 2]), atol=1e-6)
        assert orthogonal(np.zeros((0, d, d))).shape == (0, d, d)


@settings(deadline=None, max_examples=50)
@given(some.integers(1, 3), some.integers(0, 10**6))
def test_turning_both_sides_turns_the_answer(d, seed) -> None:
    matrix, one, two = random(3, d, seed)
    left, right = reference(one), reference(two)
    if np.linalg.svd(matrix, compute_uv=False)[-1] > 1e-3:
        np.testing.assert_allclose(orthogonal(left @ matrix @ right), left @ orthogonal(matrix) @ right, atol=1e-9)
        np.testing.assert_allclose(orthogonal(matrix.T), orthogonal(matrix).T, atol=1e-9)
        np.testing.assert_allclose(orthogonal(3 * matrix), orthogonal(matrix), atol=1e-9)
