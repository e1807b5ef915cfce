"""Orthogonal Procrustes, one matrix or many."""

from __future__ import annotations

import numpy as np

from sametask._types import Array, Float


def orthogonal(matrix: Float[Array, "*batch d d"]) -> Float[Array, "*batch d d"]:
    """The nearest orthogonal matrix: the polar factor U Vᵀ of the singular value decomposition U S Vᵀ.

    For a cross moment M = Σ a bᵀ it is the R ∈ O(d) that minimises Σ |a − R b|² (Schönemann 1966).
    """
    if matrix.shape[-1] == 1:  # O(1) = {1, −1}
        return np.where(matrix < 0, -1.0, 1.0).astype(matrix.dtype)
    if matrix.shape[-1] == 2:  # closed form: a rotation where the determinant is positive, else a reflection
        a, b, c, d = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 0], matrix[..., 1, 1]
        side = np.where(np.hypot(a - d, b + c) > np.hypot(a + d, c - b), -1.0, 1.0)  # products would underflow
        x, y = a + side * d, c - side * b
        length = np.hypot(x, y)
        x, y = np.where(length > 0, x, 1.0), np.where(length > 0, y, 0.0)
        length = np.where(length > 0, length, 1.0)
        x, y = x / length, y / length
        return np.stack([np.stack([x, -side * y], -1), np.stack([y, side * x], -1)], -2).astype(matrix.dtype)
    left, _, right = np.linalg.svd(matrix)
    return left @ right
