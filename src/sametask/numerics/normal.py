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
_MOST = 0.7
"""Largest change of the metric across a step that corrections follow."""


@dataclass(frozen=True)
class NormalCoordinates:
    """Polynomials from tangential to normal coordinates.

    Attributes:
        quadratic: (n, d, d, d) symmetric in the last two: ½ Γ.
        cubic: (n, d, d, d, d) symmetric in the last three: C.
        radius: (n,) reach of the neighbours fitted to. Beyond it the corrections grow linearly.
    """

    quadratic: Float[Array, "n d d d"]
    cubic: Float[Array, "n d d d d"]
    radius: Float[Array, " n"]

    def __call__(
        self, i: Int[Array, " p"], tangential: Float[Array, "p d"]
    ) -> tuple[Float[Array, "p d"], Float[Array, "p d d"]]:
        """Normal coordinates u around samples ``i``, and their differential ∂u/∂z."""
        z = tangential
        length = np.linalg.norm(z, axis=1)
        near = (self.radius[i] / np.maximum(length, self.radius[i]))[:, None, None]
        once = near * np.matmul(self.quadratic[i], z[:, None, :, None])[..., 0]
        twice = np.matmul(self.cubic[i], z[:, None, None, :, None])[..., 0]
        twice = near**2 * np.matmul(twice, z[:, None, :, None])[..., 0]
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
        quadratic, cubic, radius = np.empty((n, d, d, d)), np.empty((n, d, d, d, d)), np.empty(n)
        near = neighbours[:, :count]
        block = max(1, _BLOCK // max(1, near.shape[1] * d * activations.shape[1]))
        for start in range(0, n, block):
            rows = np.arange(start, min(start + block, n))
            j = near[rows]
            z = np.matmul(activations[j] - activations[rows, None], np.swapaxes(metric.frames[rows], 1, 2))
            z /= metric.gains[rows, None]
            overlap = np.matmul(metric.frames[rows, None], np.swapaxes(metric.frames[j], 2, 3))
            overlap *= metric.gains[j][:, :, None, :] / metric.gains[rows][:, None, :, None]
            linear, second, radius[rows] = _fit_metric(z, overlap, j != rows[:, None])
            quadratic[rows], cubic[rows] = _geodesics(linear, second)
        return NormalCoordinates(quadratic, cubic, radius)


def _fit_metric(z: Array, overlap: Array, present: Array) -> tuple[Array, Array, Array]:
    """The metric's first and second derivatives at the origin of tangential coordinates, and the reach of the fit.

    (n, d, d, d) and (n, d, d, d, d): directions come first, the metric's indices last. The inverse metric is what is
    fitted: it is bounded where tangent planes turn away, and the metric is not.
    """
    n, k, d = z.shape
    inverse = np.matmul(overlap, np.swapaxes(overlap, 2, 3)) - np.eye(d)
    length = np.where(present, np.linalg.norm(z, axis=2), 0)
    radius = np.maximum(length.max(axis=1), np.finfo(float).tiny)
    scaled = z / radius[:, None, None]
    weight = np.where(present, np.maximum(1 - np.square(length / radius[:, None]), 1e-2), 0)
    rows, columns = np.triu_indices(d)
    design = np.concatenate([scaled, scaled[:, :, rows] * scaled[:, :, columns]], axis=2)
    weighted = np.swapaxes(design * weight[:, :, None], 1, 2)
    moment = np.matmul(weighted, design)
    moment += _RIDGE * np.maximum(weight.sum(axis=1), 1)[:, None, None] * np.eye(design.shape[2])
    wanted = np.matmul(weighted, inverse.reshape(n, k, d * d))
    fitted = np.linalg.solve(moment, wanted)
    # noise of the metric shrinks the derivatives: by the ratio of the variance left over to that of the coefficients
    left = np.square(inverse.reshape(n, k, d * d) - np.matmul(design, fitted)).mean(axis=2)
    spare = np.maximum(weight.sum(axis=1) * (1 - min(design.shape[2] / k, 0.9)), np.finfo(float).tiny)
    noise = np.median((weight * left).sum(axis=1) / spare)
    signal = np.median(np.square(fitted).mean(axis=(1, 2)))
    if signal > 0:
        moment += min(noise / signal, 1e6) * np.eye(design.shape[2])
        fitted = np.linalg.solve(moment, wanted)
    fitted = fitted.reshape(n, -1, d, d)
    first = fitted[:, :d] / radius[:, None, None, None]
    second = np.empty((n, d, d, d, d))
    for term, (a, b) in enumerate(zip(rows, columns, strict=True)):
        value = fitted[:, d + term] / np.square(radius)[:, None, None]
        second[:, a, b] = second[:, b, a] = value if a == b else 0.5 * value
    # the inverse metric is 1 + A(z) + B(z, z), so the metric 1 − A(z) − B(z, z) + A(z)²
    product = np.einsum("naij,nbjk->nabik", first, first)
    product = 0.25 * (product + np.swapaxes(product, 1, 2))
    product = product + np.swapaxes(product, 3, 4)
    return -first, product - second, radius


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
