"""The maps that compete, simplest first: identity, permutation, rotation, linear, smooth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.linear_model import RidgeCV

from sametask._types import Array, Float
from sametask.maps.predictors import Affine, Expansion, Predictor, Selected, on_basis, squared_distances

SIMPLEST_FIRST = ("identity", "permutation", "rotation", "linear", "smooth", "geometry")
"""Names of maps; each kind holds more than the one before."""
WIDTHS = (0.1, 0.3, 1.0, 3.0)
"""Of kernels: gamma in units of one over the median squared distance between samples."""
PENALTIES = (1e-10, 1e-6, 1e-3, 1e-2)
"""Of kernel ridge regression: added to the kernel's diagonal, which is 1."""
_LEAST_PENALTY = 1e-13
"""Rounding allows for no less."""
_RIDGE = np.logspace(-8, 3, 23)
_WIDER = 4
"""Targets wider than this many times their rows are turned to as many directions first: coefficients would be large."""
_USUAL = 300
"""Samples whose distances set the width of kernels."""
_MATCHED = 1000
"""Neurons of either network from which no permutation is looked for: it would take minutes."""


@dataclass(frozen=True)
class Candidate:
    """A kind of map, with what is chosen of it beforehand.

    Attributes:
        name: of :data:`SIMPLEST_FIRST`.
        fit: from (n, m1) and (n, m2) activations to a map.
        most: rows that it is fitted to; all of them where None.
    """

    name: str
    fit: Callable[[Array, Array], Predictor]
    most: int | None = None


def simple(source: Float[Array, "n m1"], target: Float[Array, "n m2"]) -> list[Candidate]:
    """Candidates that have no scale to choose."""
    found = [Candidate("rotation", rotation), Candidate("linear", linear)]
    if max(source.shape[1], target.shape[1]) <= _MATCHED:
        found.insert(0, Candidate("permutation", permutation))
    if source.shape[1] == target.shape[1]:
        found.insert(0, Candidate("identity", identity))
    return found


def smooth(source: Float[Array, "n m1"], width: float, penalty: float, most: int | None = None) -> Candidate:
    """Kernel ridge regression; its width is in units of the distances among the first samples of ``source``."""
    scale = _spread(source)
    few = source[:_USUAL] / scale
    usual = float(np.median(cdist(few, few, "sqeuclidean"))) or 1.0
    return Candidate("smooth", lambda a, b: kernel_ridge(a, b, width / usual, penalty), most)


def finer(choice: tuple[float, float]) -> list[tuple[float, float]]:
    """Widths and penalties to try beside one whose penalty is the least of :data:`PENALTIES`, as where the target is a
    smooth function without noise; none beside others."""
    width, penalty = choice
    if penalty > PENALTIES[0]:
        return []
    return [(width, _LEAST_PENALTY), (width / 3, penalty), (width / 3, _LEAST_PENALTY)]


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


def kernel_ridge(source: Float[Array, "n m1"], target: Float[Array, "n m2"], gamma: float, penalty: float) -> Expansion:
    """Kernel ridge regression with Gaussian kernels, on neurons in units of their spread."""
    centre, offset = source.mean(axis=0), target.mean(axis=0)
    basis, wanted, right = 1 / _spread(source), target - offset, None
    if target.shape[1] > _WIDER * len(target):
        wanted, right = _turned(wanted)
    points = on_basis(source - centre, basis)
    kernel = np.exp(-gamma * squared_distances(points, points))
    kernel[np.diag_indices_from(kernel)] += penalty
    try:
        found = cho_solve(cho_factor(kernel, lower=True, overwrite_a=False, check_finite=False), wanted)
    except LinAlgError:  # penalties near rounding: the nearest that is positive
        kernel[np.diag_indices_from(kernel)] += 1e-13 * len(kernel)
        found = cho_solve(cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False), wanted)
    return Expansion(centre, basis, points, gamma, found, right, offset)


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
