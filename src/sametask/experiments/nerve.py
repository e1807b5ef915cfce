"""FitzHugh and Nagumo's model of a nerve cell: a field of a fast variable v and a slow one w, with a limit cycle.

v′ = v − v³ / 3 − w + I and w′ = ε (v + a − b w), all without dimension. For b < 1 the determinant of its Jacobian,
ε (1 − b + b v²), does not vanish, and the field tells the state.
"""

from __future__ import annotations

import numpy as np

from sametask._types import Array, Bool, Float

A, B, EPSILON, CURRENT = 0.7, 0.5, 0.5, 1.0


def field(states: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
    """How (v, w) moves."""
    v, w = states.T
    return np.stack([v - v**3 / 3 - w + CURRENT, EPSILON * (v + A - B * w)], axis=1)


def within(states: Float[Array, "n 2"]) -> Bool[Array, " n"]:
    """Whether states lie in a region without symmetry around the limit cycle."""
    right, up = (states[:, 0] + 0.1) / 1.75, (states[:, 1] - 1.1) / 1.18
    angle = np.arctan2(up, right)
    return np.hypot(right, up) < 1.25 + 0.12 * np.sin(2 * angle) + 0.08 * np.cos(3 * angle) - 0.06 * np.sin(angle)


def states(rng: np.random.Generator, n: int) -> Float[Array, "n 2"]:
    """States, uniform in the region."""
    drawn = rng.uniform([-2.8, -1.0], [2.6, 3.2], (4 * n + 20, 2))
    return drawn[within(drawn)][:n]
