"""Which eigenfunctions are new directions (Dsilva, Talmon, Coifman & Kevrekidis, ACHA 2018)."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from sametask._types import Array, Float

_MOST_SAMPLES = 800
_NEW = 0.5
_LOCAL = 4


def independent_coordinates(
    functions: Float[Array, "n e"], measure: Float[Array, " n"], dimension: int, *, considered: int = 12
) -> tuple[int, ...]:
    """Indices of eigenfunctions that are not functions of earlier ones.

    Each eigenfunction is regressed, locally and linearly, on those already chosen; a large leave-one-out residual
    means a new direction. An embedding may need more than ``dimension`` of them: at most 2d + 1 are returned, and at
    least one.
    """
    n, e = functions.shape
    rows = np.linspace(0, n - 1, min(n, _MOST_SAMPLES)).astype(np.int64)
    weights = measure[rows] / measure[rows].sum()
    chosen = [0]
    for k in range(1, min(e, considered)):
        if len(chosen) > 2 * dimension:
            break
        if _residual(functions[rows][:, chosen], functions[rows, k], weights) > _NEW:
            chosen.append(k)
    return tuple(chosen)


def _residual(known: Array, values: Array, weights: Array) -> float:
    """Relative leave-one-out error of local linear regression of ``values`` on ``known``."""
    distance = cdist(known, known)
    # as local as the sample allows: a fixed width would take fast oscillations along a known direction for a new one
    near = min(_LOCAL * (known.shape[1] + 1), len(known) - 1)
    width = np.partition(distance, near, axis=1)[:, near, None]
    width = np.maximum(width, 1e-12 * distance.max() or 1.0)  # many equal values
    kernel = np.exp(-np.square(np.minimum(distance / width, 30.0)))  # e⁻⁹⁰⁰ is 0
    np.fill_diagonal(kernel, 0)
    design = np.concatenate([np.ones((len(known), 1)), known], axis=1)
    columns = design.shape[1]
    # one weighted least-squares problem a sample, all solved at once
    moments = kernel @ (design[:, :, None] * design[:, None, :]).reshape(len(known), -1)
    moments = moments.reshape(-1, columns, columns)
    moments += 1e-9 * np.trace(moments, axis1=1, axis2=2)[:, None, None] * np.eye(columns) + 1e-300 * np.eye(columns)
    right = kernel @ (design * values[:, None])
    predicted = np.einsum("nc,nc->n", design, np.linalg.solve(moments, right[:, :, None])[:, :, 0])
    spread = weights @ np.square(values - weights @ values)
    # beyond twice the range of the values a prediction is wrong enough
    reach = 2 * np.abs(values).max()
    predicted = np.clip(predicted, -reach, reach)
    return float(np.sqrt(weights @ np.square(values - predicted) / max(spread, np.finfo(float).tiny)))
