"""Maps between activations as plain arrays: some neurons scaled, an affine map, a sum of kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import euclidean_distances

from sametask._types import Array, Float, Int

_BLOCK = 1 << 23
"""Kernel values held at once."""


@dataclass(frozen=True)
class Selected:
    """Each neuron of the target is one of the source, scaled and shifted; none of them where the scale is 0.

    Attributes:
        columns: (m2,) neurons of the source.
        scales, offset: (m2,).
        width: number of neurons of the source.
    """

    columns: Int[Array, " m2"]
    scales: Float[Array, " m2"]
    offset: Float[Array, " m2"]
    width: int

    def __call__(self, x: Float[Array, "n m1"]) -> Float[Array, "n m2"]:
        """Predict rows of the target."""
        return x[:, self.columns] * self.scales + self.offset


@dataclass(frozen=True)
class Affine:
    """An affine map, in factors where these are smaller than their product.

    Attributes:
        centre: (m1,) of the source.
        left: (m1, r).
        right: (r, m2), or None where ``left`` is the whole matrix.
        offset: (m2,) predicted at the centre.
    """

    centre: Float[Array, " m1"]
    left: Float[Array, "m1 r"]
    right: Float[Array, "r m2"] | None
    offset: Float[Array, " m2"]

    def __call__(self, x: Float[Array, "n m1"]) -> Float[Array, "n m2"]:
        """Predict rows of the target."""
        z = (x - self.centre) @ self.left
        return (z if self.right is None else z @ self.right) + self.offset

    @property
    def width(self) -> int:
        """Number of neurons of the source."""
        return len(self.centre)


@dataclass(frozen=True)
class Expansion:
    """A sum of Gaussian kernels around samples of the source: kernel ridge regression.

    Attributes:
        centre: (m1,) of the source.
        basis: (m1,) what neurons are multiplied by, so that they count in units of their spread; or (m1, r) where there
            are more of them than samples, which turns them as well.
        points: (p, r) samples, in that basis.
        gamma: kernels are exp(−gamma · squared distance).
        coefficients: (p, c).
        right: (c, m2) where the target has more neurons than there are samples, or None.
        offset: (m2,).
    """

    centre: Float[Array, " m1"]
    basis: Float[Array, "m1 ..."]
    points: Float[Array, "p r"]
    gamma: float
    coefficients: Float[Array, "p c"]
    right: Float[Array, "c m2"] | None
    offset: Float[Array, " m2"]

    def __call__(self, x: Float[Array, "n m1"]) -> Float[Array, "n m2"]:
        """Predict rows of the target."""
        z = on_basis(x - self.centre, self.basis)
        found = np.empty((len(x), self.coefficients.shape[1]))
        block = max(1, _BLOCK // len(self.points))
        for start in range(0, len(z), block):
            rows = slice(start, start + block)
            kernel = np.exp(-self.gamma * squared_distances(z[rows], self.points))
            found[rows] = kernel @ self.coefficients
        return (found if self.right is None else found @ self.right) + self.offset

    @property
    def width(self) -> int:
        """Number of neurons of the source."""
        return len(self.centre)


@dataclass(frozen=True)
class HermiteExpansion:
    """A sum of Gaussian kernels around samples of the source and of their derivatives along tangents: kernel ridge
    regression on values and derivatives.

    Attributes:
        centre: (m1,) of the source.
        basis: (m1,) what neurons are multiplied by, so that they count in units of their spread.
        points: (p, m1) samples, in that basis.
        tangents: (p, d, m1) unit vectors in that basis.
        gamma: kernels are exp(−gamma · squared distance).
        coefficients: (p, m2) of kernels.
        slopes: (p, d, m2) of their derivatives, each divided by √(2 gamma).
        offset: (m2,).
    """

    centre: Float[Array, " m1"]
    basis: Float[Array, " m1"]
    points: Float[Array, "p m1"]
    tangents: Float[Array, "p d m1"]
    gamma: float
    coefficients: Float[Array, "p m2"]
    slopes: Float[Array, "p d m2"]
    offset: Float[Array, " m2"]

    def __call__(self, x: Float[Array, "n m1"]) -> Float[Array, "n m2"]:
        """Predict rows of the target."""
        z = on_basis(x - self.centre, self.basis)
        found = np.empty((len(x), self.coefficients.shape[1]))
        block = max(1, _BLOCK // len(self.points))
        for start in range(0, len(z), block):
            rows = slice(start, start + block)
            kernel, along = kernel_and_derivatives(z[rows], self.points, self.tangents, self.gamma)
            found[rows] = kernel @ self.coefficients
            for k in range(self.tangents.shape[1]):
                found[rows] += along[:, :, k] @ self.slopes[:, k]
        return found + self.offset

    @property
    def width(self) -> int:
        """Number of neurons of the source."""
        return len(self.centre)


def kernel_and_derivatives(
    z: Float[Array, "n r"], points: Float[Array, "p r"], tangents: Float[Array, "p d r"], gamma: float
) -> tuple[Float[Array, "n p"], Float[Array, "n p d"]]:
    """Gaussian kernels, and their derivatives along tangents at the points, divided by √(2 gamma)."""
    kernel = np.exp(-gamma * squared_distances(z, points))
    steps = np.einsum("nr,pdr->npd", z, tangents) - np.einsum("pr,pdr->pd", points, tangents)
    return kernel, np.sqrt(2 * gamma) * steps * kernel[:, :, None]


def squared_distances(x: Float[Array, "n r"], y: Float[Array, "p r"]) -> Float[Array, "n p"]:
    """Squared distances: exact in few directions, in many by products, which round more and are far faster."""
    return cdist(x, y, "sqeuclidean") if x.shape[1] <= _FEW else euclidean_distances(x, y, squared=True)


_FEW = 64


def on_basis(x: Float[Array, "n m1"], basis: Float[Array, "m1 ..."]) -> Float[Array, "n r"]:
    """Rows by their coordinates along a basis, which one number a neuron stands for where it is diagonal."""
    return x * basis if basis.ndim == 1 else x @ basis


Predictor = Selected | Affine | Expansion | HermiteExpansion
