"""Outlines and surfaces that worlds are made of, none of which has a symmetry but the ellipsoid."""

from __future__ import annotations

import numpy as np

_WAVES = (
    np.array([0.10, 0.16, 0.12, 0.07, 0.04]),  # of the blob's outline, once to five times around
    np.array([0.4, 1.9, 3.6, 0.9, 5.2]),
)
_AXES = np.array([[0.2, 0.3, 0.93], [0.85, -0.2, 0.48], [-0.5, 0.75, 0.43], [0.1, -0.8, -0.59]])
_AXES /= np.linalg.norm(_AXES, axis=1, keepdims=True)
_HEIGHTS = np.array([0.22, 0.18, 0.2, 0.15])  # of the bumps: zonal harmonics of degrees 2, 3, 2, 3
_MOST_AREA = 2.08
"""Of the bumpy sphere for each of the sphere."""


def in_blob(x: np.ndarray) -> np.ndarray:
    """Whether points lie in a smooth outline around (0.8, 0.8) of radii about 0.6."""
    x = x - 0.8
    angle = np.arctan2(x[:, 1], x[:, 0])
    amplitude, phase = _WAVES
    return np.linalg.norm(x, axis=1) < 0.6 * (1 + np.cos(np.outer(angle, np.arange(1, 6)) + phase) @ amplitude)


def in_triangle(x: np.ndarray) -> np.ndarray:
    """Whether points lie in the triangle of sides 1.6, 1.3 and 0.9."""
    corners = np.array([[0.0, 0.0], [1.6, 0.0], [1.075, np.sqrt(1.69 - 1.075**2)]])
    along = np.roll(corners, -1, axis=0) - corners
    away = x[:, None] - corners
    return np.all(along[:, 0] * away[:, :, 1] > along[:, 1] * away[:, :, 0], axis=1)


def directions(rng: np.random.Generator, n: int) -> np.ndarray:
    """Points of the unit sphere, uniform."""
    x = rng.normal(size=(n, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def across(normals: np.ndarray) -> np.ndarray:
    """(n, 3, 2) orthonormal tangents of a surface, from its unit normals."""
    helper = np.where(np.abs(normals[:, :1]) < 0.6, [[1.0, 0, 0]], [[0, 1.0, 0]])
    first = np.cross(normals, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(normals, first)], 2)


def bumpy_radius(u: np.ndarray) -> np.ndarray:
    """Of the bumpy sphere in the directions u."""
    c = u @ _AXES.T
    return 1 + np.where([True, False, True, False], 1.5 * c**2 - 0.5, 2.5 * c**3 - 1.5 * c) @ _HEIGHTS


def bumpy_normals(x: np.ndarray) -> np.ndarray:
    """Unit normals of the bumpy sphere at its points."""
    radius = np.linalg.norm(x, axis=1, keepdims=True)
    u = x / radius
    c = u @ _AXES.T
    slope = (np.where([True, False, True, False], 3 * c, 7.5 * c**2 - 1.5) * _HEIGHTS) @ _AXES
    normal = u - (slope - np.sum(slope * u, axis=1, keepdims=True) * u) / radius
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def bumpy_points(rng: np.random.Generator, n: int) -> np.ndarray:
    """Of the bumpy sphere, uniform in its area."""
    u = directions(rng, 8 * n)
    x = bumpy_radius(u)[:, None] * u
    area = np.sum(x * x, axis=1) / np.sum(bumpy_normals(x) * u, axis=1)  # of the surface for each of the sphere
    return x[rng.uniform(0, _MOST_AREA, len(x)) < area][:n]


def ellipsoid_points(rng: np.random.Generator, n: int, axes: np.ndarray) -> np.ndarray:
    """Of an ellipsoid, uniform in its area."""
    u = directions(rng, 8 * n)
    area = np.linalg.norm(u / axes, axis=1)
    return (axes * u)[rng.uniform(0, (1 / axes).max(), len(u)) < area][:n]
