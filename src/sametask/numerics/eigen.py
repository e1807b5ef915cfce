"""Leading eigenpairs of large sparse symmetric matrices, the same bits every time."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh

from sametask._types import Array, Float

_DENSE_BELOW = 400


def leading(matrix: sp.csr_array, count: int) -> tuple[Float[Array, " e"], Float[Array, "n e"]]:
    """The ``count`` largest eigenvalues, descending, and their unit eigenvectors.

    The sign of each eigenvector is fixed by making its largest entry positive.
    """
    n = len(matrix.indptr) - 1
    count = min(count, n)
    if n <= _DENSE_BELOW or count >= n - 1:
        values, vectors = np.linalg.eigh(matrix.toarray())
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    else:
        start = np.random.default_rng(0).standard_normal(n)
        values, vectors = eigsh(matrix, k=count, which="LA", v0=start, ncv=min(n - 1, max(2 * count + 10, 40)))
        order = np.argsort(-values)
        values, vectors = values[order], vectors[:, order]
    largest = np.abs(vectors).argmax(axis=0)
    sign = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return values, vectors * np.where(sign == 0, 1, sign)
