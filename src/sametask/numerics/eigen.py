"""Leading eigenpairs of large sparse symmetric matrices, the same bits every time."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import eigsh, lobpcg, splu

from sametask._types import Array, Float
from sametask.numerics import parallel
from sametask.numerics.sparse_solve import operator_of

_DENSE_BELOW = 400
_LANCZOS_BELOW = 12_000
"""Of larger graphs the leading eigenvalues lie so close together that Lanczos iterations become many."""
_SEEDS_IN_SIGHT = 8
"""Coarse samples that each sample is joined to, on average."""
_SPARE = 3
"""Eigenvectors iterated on beyond those asked for: the last converge as fast as they stand apart from the next."""
_CONVERGED = 3e-3
"""Residual, relative to the gap between the first two eigenvalues; errors of eigenvalues go with its square."""
_STALLED = 0.1
"""A residual that is no answer."""
_MOST_STEPS = 40
_SMOOTHING = 2
_DAMPED = 0.66
"""Of a Jacobi step: eigenvalues of the matrix lie between −1 and 1."""


def leading(
    matrix: sp.csr_array,
    count: int,
    *,
    first: Float[Array, " n"] | None = None,
    guess: Float[Array, "n g"] | None = None,
) -> tuple[Float[Array, " e"], Float[Array, "n e"]]:
    """The ``count`` largest eigenvalues, descending, and their unit eigenvectors.

    The sign of each eigenvector is fixed by making its largest entry positive.

    Args:
        matrix: symmetric.
        count: how many.
        first: its leading eigenvector where that is known, positive, of eigenvalue 1, and no entry of the matrix is
            negative: a diffusion operator's. Large ones are then solved on two levels.
        guess: vectors that nearly span the eigenvectors looked for, where there are some.
    """
    n = len(matrix.indptr) - 1
    count = min(count, n)
    if n <= _DENSE_BELOW or count >= n - 1:
        values, vectors = np.linalg.eigh(matrix.toarray())
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    else:
        with parallel.alone():
            found = None if first is None or n < _LANCZOS_BELOW else _two_levels(matrix, count, first, guess)
            values, vectors = found or _lanczos(matrix, count)
    largest = np.abs(vectors).argmax(axis=0)
    sign = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return values, vectors * np.where(sign == 0, 1, sign)


def _lanczos(matrix: sp.csr_array, count: int) -> tuple[Array, Array]:
    n = len(matrix.indptr) - 1
    start = np.random.default_rng(0).standard_normal(n)
    values, vectors = eigsh(matrix, k=count, which="LA", v0=start, ncv=min(n - 1, max(2 * count + 10, 40)))
    order = np.argsort(-values)
    return values[order], vectors[:, order]


def _two_levels(matrix: sp.csr_array, count: int, first: Array, guess: Array | None) -> tuple[Array, Array] | None:
    """LOBPCG (Knyazev 2001) on I − ``matrix``, begun and preconditioned by a coarse space; None where it stalls.

    One in some eight samples is a seed, and all others lie between the seeds that they are joined to, which carries
    ``first`` over exactly. The coarse eigenproblem is solved by elimination; the preconditioner is its solution between
    damped Jacobi steps.
    """
    order = reverse_cuthill_mckee(sp.csr_matrix(matrix), symmetric_mode=True)  # neighbours near in memory: 3 × as fast
    matrix, first = sp.csr_array(matrix[order][:, order]), first[order]
    matrix.sort_indices()
    between = _prolongation(matrix, first)
    back = sp.csr_array(between.T)
    mass = sp.csc_array(back @ between)
    coarse = sp.csc_array(mass - back @ (matrix @ between))
    shift = 1e-10 * float(coarse.diagonal().mean())  # the constant has eigenvalue 0
    eliminated = splu(
        sp.csc_matrix(coarse + shift * mass),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )

    def laplacian(values: Array) -> Array:
        return values - matrix @ values

    def precondition(residual: Array) -> Array:
        values = _DAMPED * residual
        for _ in range(_SMOOTHING - 1):
            values = values + _DAMPED * (residual - laplacian(values))
        values = values + between @ eliminated.solve(back @ (residual - laplacian(values)))
        for _ in range(_SMOOTHING):
            values = values + _DAMPED * (residual - laplacian(values))
        return values

    if guess is None:
        size = len(coarse.indptr) - 1
        start, inverse = np.random.default_rng(0).standard_normal(size), operator_of(size, eliminated.solve)
        options = {"sigma": -shift, "OPinv": inverse, "v0": start, "tol": 1e-4}
        begin = between @ eigsh(coarse, k=count + _SPARE, M=mass, **options)[1]
    else:
        begin = np.column_stack([first, guess[order]])
    n = len(first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where it does not converge, which is looked at below
        gaps, vectors = lobpcg(
            operator_of(n, laplacian),
            begin,
            M=operator_of(n, precondition),
            tol=_CONVERGED * _first_gap(begin, laplacian),
            maxiter=_MOST_STEPS,
            largest=False,
        )[:2]
    leading = np.argsort(gaps, kind="stable")[:count]
    gaps, vectors = gaps[leading], vectors[:, leading]
    left = np.linalg.norm(laplacian(vectors) - vectors * gaps, axis=0)
    if not np.isfinite(left).all() or left.max() > _STALLED * max(gaps[1], np.finfo(float).tiny):
        return None
    result = np.empty_like(vectors)
    result[order] = vectors
    return 1 - gaps, result


def _first_gap(begin: Array, laplacian: Callable[[Array], Array]) -> float:
    """The second smallest Ritz value of what is begun with."""
    basis = np.linalg.qr(begin)[0]
    return float(np.linalg.eigvalsh(basis.T @ laplacian(basis))[1])


def _prolongation(matrix: sp.csr_array, first: Array) -> sp.csr_array:
    """(n, seeds) that carries values at the seeds to all samples, as averages weighted by the matrix; ``first`` at the
    seeds becomes ``first``."""
    n = len(first)
    apart = max(2, round(matrix.nnz / n / _SEEDS_IN_SIGHT))
    seeds = np.zeros(n, bool)
    seeds[np.random.default_rng(0).choice(n, n // apart, replace=False)] = True
    seeds |= matrix @ seeds.astype(float) == 0  # no seed in sight
    between = sp.csr_array(matrix[:, np.flatnonzero(seeds)])
    total = between @ first[seeds]
    between.data *= np.repeat(first / total, np.diff(between.indptr))
    return between
