"""Diffusion maps on a sparse neighbour graph (Coifman & Lafon 2006), with eigenvalues in intrinsic units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import ndtr

from sametask._types import Array, Float
from sametask.numerics import eigen
from sametask.numerics.neighbours import NeighbourGraph

_KERNEL_REACH = 4.0
"""ε is the typical squared distance to the farthest kept neighbour over this: the kernel has fallen to e⁻⁴ there."""


@dataclass(frozen=True)
class DiffusionOperator:
    """The α-normalised diffusion operator P = D⁻¹ K of a sample.

    Attributes:
        kernel: (n, n) sparse symmetric, α-normalised; P is it divided by its row sums.
        bandwidth: ε in the kernel exp(−d²/ε), squared intrinsic units.
        alpha: 1 removes the sampling density.
        density: (n,) kernel sums before normalisation, needed to extend.
        row_sums: (n,) row sums of ``kernel``.
        time: diffusion time of one step, in squared intrinsic units: P ≈ exp(−time · Δ). ε/4 for an untruncated
            kernel; measured from the mean squared step, as neighbours are finite in number.
        volume: (n,) share of the manifold's volume that each sample stands for, corrected at boundaries.
        extent: that volume, in intrinsic units to the power of the dimension, but for what the kernel's cut leaves out:
            to be compared among charts.
    """

    kernel: sp.csr_array
    bandwidth: float
    alpha: float
    density: Float[Array, " n"]
    row_sums: Float[Array, " n"]
    time: float
    volume: Float[Array, " n"]
    extent: float

    @property
    def stationary(self) -> Float[Array, " n"]:
        """Stationary distribution of P."""
        return self.row_sums / self.row_sums.sum()

    def conjugate(self) -> sp.csr_array:
        """The symmetric conjugate D^(−½) K D^(−½), which has the eigenvalues of P."""
        return _scaled(self.kernel, 1 / np.sqrt(self.row_sums))

    def leading(
        self, count: int, guess: Float[Array, "n g"] | None = None
    ) -> tuple[Float[Array, " e"], Float[Array, "n e"]]:
        """The ``count`` largest eigenvalues of P but the trivial 1, and their eigenfunctions, of unit mean square in
        the stationary distribution; begun with a ``guess`` at these, where there is one."""
        root = np.sqrt(self.stationary)
        near = None if guess is None else guess * root[:, None]
        decay, vectors = eigen.leading(self.conjugate(), min(count + 1, len(root)), first=root, guess=near)
        return decay[1:], vectors[:, 1:] / root[:, None]


def default_bandwidth(graph: NeighbourGraph) -> float:
    """ε from the data: the median squared distance to the farthest kept neighbour, over four."""
    farthest = np.where(graph.present, graph.squared, -np.inf).max(axis=1)
    farthest = farthest[farthest > 0]
    return float(np.median(farthest) / _KERNEL_REACH) if len(farthest) else 1.0


def kernel_dimension(graph: NeighbourGraph) -> float:
    """Intrinsic dimension by the growth of the kernel sum: 2 · max d log S / d log ε (Coifman et al. 2008)."""
    squared = np.asarray(graph.squared[graph.present])
    squared = squared[squared > 0]
    if len(squared) == 0:
        return 0.0
    scales = default_bandwidth(graph) * np.exp2(np.linspace(-6, 2, 33))
    sums = np.array([float(np.exp(squared / -scale).sum()) for scale in scales])
    grown = sums > graph.size  # below one neighbour a sample the sum says nothing
    if grown.sum() < 3:
        return 0.0
    slopes = np.gradient(np.log(sums[grown]), np.log(scales[grown]))
    return float(2 * slopes.max())


def diffusion_operator(graph: NeighbourGraph, dimension: int, *, bandwidth: float, alpha: float) -> DiffusionOperator:
    """The diffusion operator of a neighbour graph with intrinsic dimension ``dimension``."""
    squared = graph.symmetric()
    kernel = squared.copy()
    kernel.data = np.exp(np.asarray(squared.data, dtype=float) / -bandwidth)
    kernel = sp.csr_array(kernel + sp.eye_array(graph.size))
    density = np.asarray(kernel.sum(axis=1)).ravel()
    kernel = _scaled(kernel, density**-alpha)
    row_sums = np.asarray(kernel.sum(axis=1)).ravel()
    mean_squared_step = (kernel * squared).sum() / row_sums.sum()
    volume = 1 / (density / _inside_share(graph, bandwidth))
    return DiffusionOperator(
        kernel,
        bandwidth,
        alpha,
        density,
        row_sums,
        float(mean_squared_step) / (2 * dimension),
        volume / volume.sum(),
        float(volume.sum()) * (np.pi * bandwidth) ** (dimension / 2),
    )


def intrinsic_eigenvalues(
    operator: DiffusionOperator, decay: Float[Array, " e"], functions: Float[Array, "n e"]
) -> Float[Array, " e"]:
    """Laplace–Beltrami (Neumann) eigenvalues in inverse squared intrinsic units.

    ``λ = −ln μ / time``, times a correction for boundaries: α = 1 normalisation by a kernel density that falls to one
    half at a boundary gives the boundary layer too much weight. The Rayleigh quotient of each eigenfunction is taken
    once in that measure and once in the boundary-corrected volume; their ratio corrects λ to first order.

    Args:
        operator: the diffusion operator.
        decay: eigenvalues μ of P, without the trivial 1.
        functions: its eigenfunctions.
    """
    # local Dirichlet energy: Σ_j P_ij (f_i − f_j)²
    squares = operator.kernel @ functions**2
    products = operator.kernel @ functions
    energy = functions**2 + (squares - 2 * functions * products) / operator.row_sums[:, None]

    def rayleigh(weights: Array) -> Array:
        centred = functions - weights @ functions
        return (weights @ energy) / np.maximum(weights @ centred**2, np.finfo(float).tiny)

    plain, corrected = rayleigh(operator.stationary), rayleigh(operator.volume)
    correction = np.where(plain > 0, corrected / np.maximum(plain, np.finfo(float).tiny), 1.0)
    return -np.log(np.clip(decay, np.finfo(float).tiny, 1.0)) / operator.time * correction


def spectrum(
    graph: NeighbourGraph,
    dimension: int,
    *,
    bandwidth: float,
    alpha: float,
    count: int,
    guess: Float[Array, "n g"] | None = None,
) -> Float[Array, " e"]:
    """The ``count`` smallest eigenvalues of :func:`intrinsic_eigenvalues`, ascending, without the trivial 0; ``guess``
    are functions near the eigenfunctions, where some are known."""
    operator = diffusion_operator(graph, dimension, bandwidth=bandwidth, alpha=alpha)
    return np.sort(intrinsic_eigenvalues(operator, *operator.leading(count, guess)))


def _scaled(matrix: sp.csr_array, scale: Float[Array, " n"]) -> sp.csr_array:
    """A square matrix with rows and columns scaled."""
    result = matrix.copy()
    result.data *= np.repeat(scale, np.diff(matrix.indptr))
    result.data *= scale[matrix.indices]
    return result


def _inside_share(graph: NeighbourGraph, bandwidth: float) -> Array:
    """The share of each sample's kernel that lies inside the manifold: 1 in the interior, ½ on a smooth boundary.

    Near a boundary neighbours lie to one side. For a Gaussian cut by a plane the mean step fixes the distance to the
    plane (Berry & Sauer, Density estimation on manifolds with boundary, 2017); sampling noise is subtracted first.
    """
    weight = np.exp(graph.squared / -bandwidth)  # 0 where nothing is present
    total = 1 + weight.sum(axis=1)
    mean = np.einsum("nk,nkd->nd", weight, graph.steps) / total[:, None]
    noise = np.einsum("nk,nkd->n", weight**2, graph.steps**2) / total**2
    pull = np.sqrt(np.maximum(np.square(mean).sum(axis=1) - noise, 0) / (bandwidth / 2))
    depth = np.linspace(-1, 4, 501)
    pull_at = np.exp(-(depth**2) / 2) / np.sqrt(2 * np.pi) / ndtr(depth)
    return ndtr(np.interp(pull, pull_at[::-1], depth[::-1]))
