"""Orthogonal Procrustes, one matrix or many."""

from __future__ import annotations

import numpy as np

from sametask._types import Array, Float

_BLOCK = 1 << 12
"""Matrices at a time: what the cache holds."""

_SINGULAR = 1e-5
"""Determinant of a matrix of entries up to one, below which it is left to the singular value decomposition."""

_MOST_STEPS = 12
"""Newton steps at most; five to seven are usual."""

_CONVERGED = 1e-8
"""A change by less is the last: it squares with every step."""


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
    if matrix.shape[-1] == 3:
        return _orthogonal_of_three(matrix.reshape(-1, 3, 3)).reshape(matrix.shape).astype(matrix.dtype)
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def _orthogonal_of_three(matrix: Float[Array, "n 3 3"]) -> Float[Array, "n 3 3"]:
    """Newton's iteration X ← (X + X⁻ᵀ) / 2 (Higham 1986): many times faster than a decomposition for each.

    Matrices that are all but singular are left to the decomposition.
    """
    result = np.empty(matrix.shape)
    for start in range(0, len(matrix), _BLOCK):
        rows = slice(start, start + _BLOCK)
        size = np.abs(matrix[rows]).max(axis=(1, 2), initial=0)
        x = np.ascontiguousarray(np.moveaxis(matrix[rows] / np.where(size > 0, size, 1)[:, None, None], 0, -1))
        singular = np.abs(_determinant(x, _cofactors(x))) < _SINGULAR
        x[:, :, singular] = np.eye(3)[:, :, None]
        for _ in range(_MOST_STEPS):
            cofactors = _cofactors(x)
            inverse = cofactors / _determinant(x, cofactors)
            ratio = np.sqrt(np.sqrt(np.square(inverse).sum(axis=(0, 1)) / np.square(x).sum(axis=(0, 1))))
            before, x = x, 0.5 * (ratio * x + inverse / ratio)
            if np.abs(x - before).max() < _CONVERGED:
                break
        result[rows] = np.moveaxis(x, -1, 0)
        if singular.any():
            left, _, right = np.linalg.svd(matrix[rows][singular])
            result[rows][singular] = left @ right
    return result


def _cofactors(x: Float[Array, "3 3 n"]) -> Float[Array, "3 3 n"]:
    """Row a is the cross product of the two rows that follow it."""
    result = np.empty_like(x)
    for a in range(3):
        u, v = x[(a + 1) % 3], x[(a + 2) % 3]
        for b in range(3):
            c, d = (b + 1) % 3, (b + 2) % 3
            np.subtract(u[c] * v[d], u[d] * v[c], out=result[a, b])
    return result


def _determinant(x: Float[Array, "3 3 n"], cofactors: Float[Array, "3 3 n"]) -> Float[Array, " n"]:
    return x[0, 0] * cofactors[0, 0] + x[0, 1] * cofactors[0, 1] + x[0, 2] * cofactors[0, 2]
