"""Normal coordinates around every sample: geodesic steps to the samples nearby, one order beyond the tangent plane.

Around sample i the tangential part z = W_i (y − y_i) of an activation is a coordinate system of the manifold. In it the
metric is known at every neighbour j, from W_i V_j alone. A quadratic fitted to it gives the Christoffel symbols and
their derivatives at i, and these the geodesic from i to z: u = z + ½ Γ(z, z) + C(z, z, z), right to fourth order. The
differential of u at a neighbour turns its frame into one that is orthonormal but for the curvature of the manifold, and
the rotation in it is the parallel transport. (Polar factors of W_i V_j alone are the transport to first order only.)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float, Int
from sametask.numerics.local_metric import LocalMetric

_BLOCK = 1 << 22
_RIDGE = 1e-6
_MOST_RIDGE = 1e6
_SURVEYED = 1000
"""Samples that the noise of the metric is told from."""
_MOST = 0.7
"""Largest change of the metric across a step that corrections follow."""


@dataclass(frozen=True)
class NormalCoordinates:
    """Polynomials from tangential to normal coordinates.

    Attributes:
        quadratic: (n, d, d, d) symmetric in the last two: ½ Γ.
        cubic: (n, d, d, d, d) symmetric in the last three: C.
    """

    quadratic: Float[Array, "n d d d"]
    cubic: Float[Array, "n d d d d"]

    def __call__(
        self, i: Int[Array, " p"], tangential: Float[Array, "p d"]
    ) -> tuple[Float[Array, "p d"], Float[Array, "p d d"]]:
        """Normal coordinates u around samples ``i``, and their differential ∂u/∂z."""
        z = tangential
        p, d = z.shape
        pairs = (z[:, :, None] * z[:, None, :]).reshape(p, d * d, 1)
        once = np.matmul(self.quadratic[i].reshape(p, d * d, d), z[:, :, None]).reshape(p, d, d)
        twice = np.matmul(self.cubic[i].reshape(p, d * d, d * d), pairs).reshape(p, d, d)
        # where the metric changes this fast the samples do not resolve it, and the polynomial is no guide
        size = np.sqrt(np.square(2 * once + 3 * twice).sum(axis=(1, 2)))
        held = np.minimum(1, _MOST / np.maximum(size, np.finfo(float).tiny))[:, None, None]
        once, twice = held * once, held * twice
        steps = z + np.matmul(once + twice, z[:, :, None])[..., 0]
        return steps, np.eye(z.shape[1]) + 2 * once + 3 * twice

    @staticmethod
    def fit(
        activations: Float[Array, "n m"], metric: LocalMetric, neighbours: Int[Array, "n k"], count: int
    ) -> NormalCoordinates:
        """Fit to the ``count`` nearest of each sample's neighbours; entries that repeat the sample are left out."""
        n, d = metric.gains.shape
        quadratic, cubic = np.empty((n, d, d, d)), np.empty((n, d, d, d, d))
        near = neighbours[:, :count]

        def regression(rows: Array) -> _Regression:
            z, overlap = metric_around(activations, metric, rows, near[rows])
            return _Regression.of(z, overlap, near[rows] != rows[:, None])

        block = max(1, _BLOCK // max(1, near.shape[1] * d * activations.shape[1]))
        ridge = regression(np.arange(0, n, -(-n // min(_SURVEYED, block)))).noise() if n else _RIDGE
        for start in range(0, n, block):
            rows = np.arange(start, min(start + block, n))
            fit = regression(rows)
            quadratic[rows], cubic[rows] = _geodesics(*_metric_derivatives(fit.coefficients(ridge), fit.radius))
        return NormalCoordinates(quadratic, cubic)


def metric_around(
    activations: Float[Array, "n m"], metric: LocalMetric, rows: Int[Array, " p"], near: Int[Array, "p k"]
) -> tuple[Float[Array, "p k d"], Float[Array, "p k d d"]]:
    """Tangential coordinates z = W_i (y_j − y_i) of the samples ``near`` each of ``rows``, and W_i V_j: the inverse
    metric there, in these coordinates, is the product of it with its transpose."""
    z = np.matmul(activations[near] - activations[rows, None], np.swapaxes(metric.frames[rows], 1, 2))
    z /= metric.gains[rows, None]
    overlap = np.matmul(metric.frames[rows, None], np.swapaxes(metric.frames[near], 2, 3))
    overlap *= metric.gains[near][:, :, None, :] / metric.gains[rows][:, None, :, None]
    return z, overlap


@dataclass(frozen=True)
class _Regression:
    """Of the inverse metric, less that at the origin, on linear and quadratic monomials of tangential coordinates.

    The inverse is bounded where tangent planes turn away; the metric is not.

    Attributes:
        inverse: (n, k, d²) at the neighbours.
        design: (n, k, terms) monomials of z in units of the radius.
        weighted: (n, terms, k) the same, transposed and weighted.
        length: (n, k) of z in units of the radius; infinite where there is no neighbour.
        radius: (n,) reach of the neighbours.
    """

    inverse: Array
    design: Array
    weighted: Array
    length: Array
    radius: Array

    @staticmethod
    def of(z: Array, overlap: Array, present: Array) -> _Regression:
        n, k, d = z.shape
        inverse = (np.matmul(overlap, np.swapaxes(overlap, 2, 3)) - np.eye(d)).reshape(n, k, d * d)
        length = np.where(present, np.linalg.norm(z, axis=2), 0)
        radius = length.max(axis=1)
        radius[radius == 0] = 1.0  # all neighbours where the sample is: the scale is of no account
        scaled, length = z / radius[:, None, None], length / radius[:, None]
        weight = np.where(present, np.maximum(1 - np.square(length), 1e-2), 0)
        rows, columns = np.triu_indices(d)
        design = np.concatenate([scaled, scaled[:, :, rows] * scaled[:, :, columns]], axis=2)
        weighted = np.swapaxes(design * weight[:, :, None], 1, 2)
        return _Regression(inverse, design, weighted, np.where(present, length, np.inf), radius)

    def coefficients(self, ridge: float) -> Array:
        """(n, terms, d²), shrunk by ``ridge`` in units of the weight of one neighbour."""
        moment = np.matmul(self.weighted, self.design) + max(ridge, _RIDGE) * np.eye(self.design.shape[2])
        return np.linalg.solve(moment, np.matmul(self.weighted, self.inverse))

    def noise(self) -> float:
        """Variance of noise over that of coefficients: the ridge that noise calls for.

        Told at the nearest neighbour: there a polynomial that follows too little errs least, and noise as much as
        anywhere.
        """
        fitted = self.coefficients(_RIDGE)
        own, nearest = np.arange(len(fitted)), self.length.argmin(axis=1)
        left = self.inverse[own, nearest] - np.einsum("nt,ntw->nw", self.design[own, nearest], fitted)
        left = np.where(np.isfinite(self.length[own, nearest])[:, None], left, 0)
        signal = float(np.median(np.square(fitted).mean(axis=(1, 2))))
        return min(float(np.median(np.square(left).mean(axis=1))) / signal, _MOST_RIDGE) if signal > 0 else _RIDGE


def _metric_derivatives(fitted: Array, radius: Array) -> tuple[Array, Array]:
    """First and second order of the metric at the origin, from the coefficients of its inverse.

    (n, d, d, d) and (n, d, d, d, d): directions come first, the metric's indices last.
    """
    n, _, square = fitted.shape
    d = round(square**0.5)
    fitted = fitted.reshape(n, -1, d, d)
    first = fitted[:, :d] / radius[:, None, None, None]
    second = np.empty((n, d, d, d, d))
    for term, (a, b) in enumerate(zip(*np.triu_indices(d), strict=True)):
        value = fitted[:, d + term] / np.square(radius)[:, None, None]
        second[:, a, b] = second[:, b, a] = value if a == b else 0.5 * value
    # the inverse metric is 1 + A(z) + B(z, z), so the metric 1 − A(z) − B(z, z) + A(z)²
    product = np.einsum("naij,nbjk->nabik", first, first)
    product = 0.25 * (product + np.swapaxes(product, 1, 2))
    product = product + np.swapaxes(product, 3, 4)
    return -first, product - second


def _geodesics(linear: Array, second: Array) -> tuple[Array, Array]:
    """½ Γ and C of the geodesics of a metric 1 + L(z) + Q(z, z).

    The geodesic of initial velocity v is z(t) = t v − ½ t² Γ(v, v) + ⅙ t³ (2 Γ(v, Γ(v, v)) − ∂_v Γ(v, v)); solved for v
    it is u = z + ½ Γ(z, z) + ⅙ (Γ(z, Γ(z, z)) + ∂_z Γ(z, z)).
    """
    christoffel = 0.5 * (
        np.einsum("nuvl->nluv", linear) + np.einsum("nvul->nluv", linear) - np.einsum("nluv->nluv", linear)
    )
    # the derivative of the lowered symbols, and that of the inverse metric which raises them
    change = 2 * np.einsum("nabcl->nlabc", second) - np.einsum("nalbc->nlabc", second)
    change -= np.einsum("nakl,nlbc->nkabc", linear, christoffel)
    cubic = (change + np.einsum("nkal,nlbc->nkabc", christoffel, christoffel)) / 6
    turns = [(0, 1, *(2 + p for p in order)) for order in itertools.permutations(range(3))]
    return 0.5 * christoffel, np.mean([np.transpose(cubic, turn) for turn in turns], axis=0)
