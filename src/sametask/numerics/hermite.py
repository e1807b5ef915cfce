"""Moving least squares on values and derivatives: a cubic through the samples around a place.

Local polynomials fitted to values alone need many samples; a network's local metric gives derivatives too. A cubic
fitted to both is fourth-order accurate where they are exact, from few samples, and its weights depend on the places
alone: one set of them serves any function.
"""

from __future__ import annotations

import math

import numpy as np

from sametask._types import Array, Float

_DEGREE = 3
_RIDGE = 1e-9
_SINGULAR = 1e-9
"""How near a sample all weight falls to it, in squared shares of the reach."""


def hermite_weights(
    steps: Float[Array, "p q d"],
) -> tuple[Float[Array, "p q"], Float[Array, "p q d"], Float[Array, "p d q"], Float[Array, "p d q d"]]:
    """Weights that turn values and derivatives at ``steps`` from a place into the value and derivative there.

    Returns:
        Weights of values and of derivatives in the value; the same in the derivative, its direction before the sample.
    """
    p, q, d = steps.shape
    squared = np.square(steps).sum(axis=2)
    reach = np.sqrt(squared.max(axis=1) * (1 + 1e-6))
    reach[reach == 0] = 1
    scaled = steps / reach[:, None, None]
    share = squared / np.square(reach)[:, None]
    weight = np.square(1 - share) / (share + _SINGULAR)
    weight /= weight.max(axis=1, keepdims=True)
    values, slopes = _monomials(scaled)
    terms = values.shape[-1]
    design = np.concatenate([values, slopes.reshape(p, q * d, terms)], axis=1)
    rows = np.concatenate([weight, np.repeat(weight, d, axis=1)], axis=1)
    weighted = np.swapaxes(design * rows[:, :, None], 1, 2)
    moment = np.matmul(weighted, design)
    diagonal = np.einsum("pii->pi", moment)
    # least of all on what few samples must not lose: the constant, then the slope
    penalty = np.full(terms, _RIDGE)
    penalty[0], penalty[1 : d + 1] = 0, 1e-3 * _RIDGE
    diagonal += penalty * diagonal.max(axis=1, keepdims=True)
    rows = np.linalg.solve(moment, np.broadcast_to(np.eye(terms, d + 1), (p, terms, d + 1)))
    solved = np.matmul(np.swapaxes(rows, 1, 2), weighted)
    of_values, of_slopes = solved[:, :, :q], solved[:, :, q:].reshape(p, d + 1, q, d) * reach[:, None, None, None]
    return (
        of_values[:, 0],
        of_slopes[:, 0],
        of_values[:, 1:] / reach[:, None, None],
        of_slopes[:, 1:] / reach[:, None, None, None],
    )


def _monomials(x: Array) -> tuple[Array, Array]:
    """Monomials of up to ``_DEGREE`` (p, q, terms), the constant and the coordinates first, and their derivatives
    (p, q, d, terms)."""
    d = x.shape[2]
    powers = [(0,) * d, *(tuple(int(a == b) for b in range(d)) for a in range(d))]
    powers += [power for total in range(2, _DEGREE + 1) for power in _powers(d, total)]
    table = [[np.ones(x.shape[:2])] for _ in range(d)]  # of powers of each coordinate
    for a, of in enumerate(table):
        for _ in range(_DEGREE):
            of.append(of[-1] * x[:, :, a])
    values = np.empty((*x.shape[:2], len(powers)))
    slopes = np.empty((*x.shape[:2], d, len(powers)))
    for t, power in enumerate(powers):
        values[:, :, t] = math.prod((table[a][k] for a, k in enumerate(power)), start=1.0)
        for b, own in enumerate(power):
            others = math.prod((table[a][k] for a, k in enumerate(power) if a != b), start=float(own))
            slopes[:, :, b, t] = others * table[b][max(own - 1, 0)]
    return values, slopes


def _powers(d: int, total: int) -> list[tuple[int, ...]]:
    if d == 1:
        return [(total,)]
    return [(k, *rest) for k in range(total, -1, -1) for rest in _powers(d - 1, total - k)]
