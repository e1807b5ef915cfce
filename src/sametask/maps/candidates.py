"""The maps that compete, simplest first: identity, permutation, rotation, linear, smooth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import RidgeCV

from sametask._types import Array, Float, Int
from sametask.maps.predictors import (
    Affine,
    Expansion,
    HermiteExpansion,
    Predictor,
    Selected,
    kernel_and_derivatives,
    on_basis,
    squared_distances,
)

SIMPLEST_FIRST = ("identity", "permutation", "rotation", "linear", "smooth", "geometry")
"""Names of maps; each kind holds more than the one before."""
WIDTHS = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Of kernels: gamma in units of one over the median squared distance between samples."""
PENALTIES = (1e-13, 1e-11, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1)
"""Of kernel ridge regression: added to the kernel's diagonal, which is 1. Rounding allows for no less."""
_RIDGE = np.logspace(-8, 6, 29)
_USUAL = 300
"""Samples whose distances set the width of kernels."""
_MATCHED = 1000
"""Neurons of either network from which no permutation is looked for: it would take minutes."""


@dataclass(frozen=True)
class Derivatives:
    """What a map must do to small steps of the source.

    Attributes:
        steps: (n, d, m1) unit steps at each row.
        changes: (n, d, m2) derivatives of the target along them.
    """

    steps: Float[Array, "n d m1"]
    changes: Float[Array, "n d m2"]

    def take(self, rows: Int[Array, " k"]) -> Derivatives:
        """At some of the rows."""
        return Derivatives(self.steps[rows], self.changes[rows])


@dataclass(frozen=True)
class Candidate:
    """A kind of map, with what is chosen of it beforehand.

    Attributes:
        name: of :data:`SIMPLEST_FIRST`.
        fit: from (n, m1) and (n, m2) activations to a map; from derivatives at these rows as well, if there are any.
        most: rows that it is fitted to; all of them where None.
        derivatives: at all rows, or None.
    """

    name: str
    fit: Callable[..., Predictor]
    most: int | None = None
    derivatives: Derivatives | None = None

    def fitted(self, source: Float[Array, "n m1"], target: Float[Array, "n m2"], rows: Int[Array, " k"]) -> Predictor:
        """The map fitted to some of the rows."""
        known = () if self.derivatives is None else (self.derivatives.take(rows),)
        return self.fit(source[rows], target[rows], *known)


def simple(source: Float[Array, "n m1"], target: Float[Array, "n m2"]) -> list[Candidate]:
    """Candidates that have no scale to choose."""
    found = [Candidate("rotation", rotation), Candidate("linear", linear)]
    if max(source.shape[1], target.shape[1]) <= _MATCHED:
        found.insert(0, Candidate("permutation", permutation))
    if source.shape[1] == target.shape[1]:
        found.insert(0, Candidate("identity", identity))
    return found


@dataclass(frozen=True)
class Scales:
    """What is chosen of kernel ridge regression beforehand.

    Attributes:
        even: whether neurons count in units of their own spread; if not, all in that of the layer.
        width: of kernels, in units of the distances among the first samples.
        penalty: added to the kernel's diagonal.
    """

    even: bool
    width: float
    penalty: float


def smooth(source: Float[Array, "n m1"], scales: Scales, most: int | None = None) -> Candidate:
    """Kernel ridge regression."""
    gamma = scales.width / _usual_distance(source, even=scales.even)
    return Candidate("smooth", lambda a, b: kernel_ridge(a, b, gamma, scales.penalty, even=scales.even), most)


def smooth_path(
    source: Float[Array, "n m1"],
    target: Float[Array, "n m2"],
    width: float,
    seen: Int[Array, " s"],
    held: Int[Array, " h"],
    *,
    even: bool,
) -> list[Float[Array, "h m2"]]:
    """What kernel ridge regressions on rows ``seen`` predict at rows ``held``, one for each of :data:`PENALTIES`: all
    from one decomposition."""
    gamma = width / _usual_distance(source, even=even)
    scale = _scale(source[seen], even=even)
    points, offset = source[seen] / scale, target[seen].mean(axis=0)
    values, vectors = np.linalg.eigh(np.exp(-gamma * squared_distances(points, points)))
    there = np.exp(-gamma * squared_distances(source[held] / scale, points)) @ vectors
    wanted = vectors.T @ (target[seen] - offset)
    values = np.maximum(values, 0)[:, None]
    return [there @ (wanted / (values + penalty)) + offset for penalty in PENALTIES]


def hermite(
    source: Float[Array, "n m1"], width: float, penalty: float, derivatives: Derivatives, most: int | None = None
) -> Candidate:
    """Kernel ridge regression on values and derivatives; neurons count in units of their spread."""
    gamma = width / _usual_distance(source)
    return Candidate(
        "smooth", lambda a, b, known: hermite_ridge(a, b, known, gamma, penalty), most, derivatives=derivatives
    )


def identity(source: Float[Array, "n m"], target: Float[Array, "n m"]) -> Selected:
    """The same neurons, as they are."""
    m = source.shape[1]
    return Selected(np.arange(m), np.ones(m), np.zeros(m), m)


def permutation(source: Float[Array, "n m1"], target: Float[Array, "n m2"]) -> Selected:
    """One neuron for each of the target's, each used once, with a scale of its own: by correlation (Li et al. 2016)."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    sizes = np.sqrt(np.square(a).sum(axis=0)), np.sqrt(np.square(b).sum(axis=0))
    product = a.T @ b
    alike = np.abs(product) / np.maximum(np.outer(*sizes), np.finfo(float).tiny)
    rows, columns = linear_sum_assignment(-alike)
    chosen, scales = np.zeros(target.shape[1], np.int64), np.zeros(target.shape[1])
    chosen[columns] = rows
    scales[columns] = product[rows, columns] / np.maximum(np.square(sizes[0][rows]), np.finfo(float).tiny)
    return Selected(chosen, scales, target.mean(axis=0) - scales * source.mean(axis=0)[chosen], source.shape[1])


def rotation(source: Float[Array, "n m1"], target: Float[Array, "n m2"]) -> Affine:
    """A rotation or reflection with one scale and a shift (Schönemann & Carroll 1970), the narrower network padded with
    zeros."""
    centre, offset = source.mean(axis=0), target.mean(axis=0)
    a, b = source - centre, target - offset
    if max(a.shape[1], b.shape[1]) <= len(a):
        left, sizes, right = np.linalg.svd(a.T @ b, full_matrices=False)
    else:
        # the product has no more directions than there are rows
        turned, first, one = np.linalg.svd(a, full_matrices=False)
        other, second, two = np.linalg.svd(b, full_matrices=False)
        core = (first[:, None] * (turned.T @ other)) * second
        left, sizes, right = np.linalg.svd(core, full_matrices=False)
        left, right = one.T @ left, right @ two
    scale = sizes.sum() / max(float(np.square(a).sum()), np.finfo(float).tiny)
    return _affine(centre, left * scale, right, offset)


def linear(source: Float[Array, "n m1"], target: Float[Array, "n m2"]) -> Affine:
    """Ridge regression on neurons in units of their spread; the penalty by leave-one-out error."""
    centre, basis, offset, wanted, right = _reduced(source, target)
    fitted = RidgeCV(_RIDGE).fit(on_basis(source - centre, basis), wanted)
    slope = np.atleast_2d(np.asarray(fitted.coef_)).T
    shift = np.atleast_1d(np.asarray(fitted.intercept_))
    shift = shift if right is None else shift @ right
    left = basis[:, None] * slope if basis.ndim == 1 else basis @ slope
    return _affine(centre, left, right, offset + shift)


def kernel_ridge(
    source: Float[Array, "n m1"], target: Float[Array, "n m2"], gamma: float, penalty: float, *, even: bool = True
) -> Expansion:
    """Kernel ridge regression with Gaussian kernels, on neurons in units of their spread, or of the layer's."""
    centre, offset = source.mean(axis=0), target.mean(axis=0)
    basis, wanted = 1 / _scale(source, even=even), target - offset
    points = on_basis(source - centre, basis)
    kernel = np.exp(-gamma * squared_distances(points, points))
    kernel[np.diag_indices_from(kernel)] += penalty
    try:
        found = cho_solve(cho_factor(kernel, lower=True, overwrite_a=False, check_finite=False), wanted)
    except LinAlgError:  # penalties near rounding: the nearest that is positive
        kernel[np.diag_indices_from(kernel)] += 1e-13 * len(kernel)
        found = cho_solve(cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False), wanted)
    return Expansion(centre, basis, points, gamma, found, None, offset)


def hermite_ridge(
    source: Float[Array, "n m1"],
    target: Float[Array, "n m2"],
    derivatives: Derivatives,
    gamma: float,
    penalty: float,
) -> HermiteExpansion:
    """Kernel ridge regression with Gaussian kernels on values and derivatives, on neurons in units of their spread.

    Derivatives count in units of what the kernel's own is at its steepest, so that one penalty serves both.
    """
    centre, offset = source.mean(axis=0), target.mean(axis=0)
    basis = 1 / _spread(source)
    points, tangents = on_basis(source - centre, basis), derivatives.steps * basis
    lengths = np.maximum(np.linalg.norm(tangents, axis=2, keepdims=True), np.finfo(float).tiny)
    tangents = tangents / lengths
    (n, d, _), m2 = tangents.shape, target.shape[1]
    kernel, along = kernel_and_derivatives(points, points, tangents, gamma)
    gram = np.empty((n * (d + 1), n * (d + 1)))
    gram[:n, :n] = kernel
    gram[:n, n:] = along.reshape(n, n * d)
    gram[n:, :n] = gram[:n, n:].T
    flat = tangents.reshape(n * d, -1)
    steps = (points @ flat.T).reshape(n, n, d) - np.einsum("pr,pdr->pd", points, tangents)
    # derivatives at both ends: of i along its tangent k, of j along its tangent l
    both = (flat @ flat.T).reshape(n, d, n, d)
    both += 2 * gamma * np.swapaxes(steps, 0, 1).transpose(0, 2, 1)[:, :, :, None] * steps[:, None]
    both *= kernel[:, None, :, None]
    gram[n:, n:] = both.reshape(n * d, n * d)
    gram[np.diag_indices_from(gram)] += penalty
    wanted = np.concatenate([target - offset, (derivatives.changes / lengths / np.sqrt(2 * gamma)).reshape(n * d, m2)])
    try:
        found = cho_solve(cho_factor(gram, lower=True, check_finite=False), wanted)
    except LinAlgError:
        gram[np.diag_indices_from(gram)] += 1e-13 * len(gram)
        found = cho_solve(cho_factor(gram, lower=True, overwrite_a=True, check_finite=False), wanted)
    return HermiteExpansion(centre, basis, points, tangents, gamma, found[:n], found[n:].reshape(n, d, m2), offset)


def _usual_distance(source: Array, *, even: bool = True) -> float:
    """Median squared distance among the first rows, neurons in units of their spread, or of the layer's."""
    few = source[:_USUAL] / _scale(source, even=even)
    return float(np.median(squared_distances(few, few))) or 1.0


def _scale(values: Array, *, even: bool) -> Array:
    """(m,) spread of each neuron, or that of the layer for all."""
    spread = _spread(values)
    return spread if even else np.full_like(spread, np.sqrt(values.var(axis=0).mean()) or 1.0)


def _spread(values: Array) -> Array:
    """(m,) standard deviations, 1 for constants."""
    spread = values.std(axis=0)
    return np.where(spread > 0, spread, 1.0)


def _reduced(source: Array, target: Array) -> tuple[Array, Array, Array, Array, Array | None]:
    """Centre and basis of the source, offset of the target, and its rows beside it, with what carries those back: both
    in no more directions than there are rows, so that nothing is lost."""
    centre, offset = source.mean(axis=0), target.mean(axis=0)
    n, m1 = source.shape
    basis, wanted, right = 1 / _spread(source), target - offset, None
    if m1 > n:
        scaled = (source - centre) / _spread(source)
        basis = np.linalg.svd(scaled, full_matrices=False)[2].T / _spread(source)[:, None]
    if target.shape[1] > n:
        wanted, right = _turned(wanted)
    return centre, basis, offset, wanted, right


def _turned(values: Float[Array, "n m"]) -> tuple[Float[Array, "n n"], Float[Array, "n m"]]:
    """Values in as many directions as there are rows, and what carries them back."""
    left, sizes, right = np.linalg.svd(values, full_matrices=False)
    return left * sizes, right


def _affine(centre: Array, left: Array, right: Array | None, offset: Array) -> Affine:
    """An affine map in the smaller of its two forms."""
    if right is not None and left.shape[0] * right.shape[1] <= left.size + right.size:
        left, right = left @ right, None
    return Affine(centre, left, right, offset)
