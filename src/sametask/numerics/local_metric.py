"""The local metric of a measurement map at each sample, held factored."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from sametask._types import Array, Float, Int

_BLOCK = 1 << 22
"""Numbers worked on at once in batched decompositions; bounds the memory, not the result."""


@dataclass(frozen=True)
class LocalMetric:
    """What small intrinsic steps do to the activations, at each of ``n`` samples.

    The Jacobian at sample i is ``J_i = frames_iᵀ · diag(gains_i) · directions_i``. A small change Δy of the activations
    is the intrinsic step ``W_i Δy = frames_i Δy / gains_i``, in a local orthonormal frame known up to a rotation;
    an intrinsic step u changes the activations by ``V_i u = (u · gains_i) frames_i``. No m × m matrix is ever formed.

    Attributes:
        frames: (n, d, m), orthonormal rows: tangent directions of the activation manifold.
        gains: (n, d), descending: activation units per intrinsic unit along each row of ``frames``.
        directions: (n, d, D) or None: row k is the input direction that ``frames[:, k]`` answers to, in a basis of D
            tangents common to all samples. None when samples have no common input basis.
        tangents: (n, d, D) the same in D tangents of each sample's own, if these were given; None if not, and if
            ``directions`` are there. Two networks may have been seen along the same tangents at the same input.
        inflation: how many times too large squared gains are on average. Those of covariances estimated from few
            activations are, so that their inverses are right on average.
    """

    frames: Float[Array, "n d m"]
    gains: Float[Array, "n d"]
    directions: Float[Array, "n d tangents"] | None = None
    inflation: float = 1.0
    tangents: Float[Array, "n d tangents"] | None = None

    @property
    def dimension(self) -> int:
        """Number d of intrinsic directions held."""
        return self.gains.shape[1]

    @property
    def condition(self) -> Float[Array, " n"]:
        """Largest over smallest gain at each sample; infinite where a direction is lost entirely."""
        with np.errstate(divide="ignore"):
            return self.gains[:, 0] / self.gains[:, -1]

    def take(self, rows: Int[Array, " p"] | slice) -> LocalMetric:
        """The metric at some of the samples."""
        return dataclasses.replace(
            self,
            frames=self.frames[rows],
            gains=self.gains[rows],
            directions=None if self.directions is None else self.directions[rows],
            tangents=None if self.tangents is None else self.tangents[rows],
        )

    def truncate(self, dimension: int) -> LocalMetric:
        """Only the ``dimension`` directions of largest gain."""
        if dimension >= self.dimension:
            return self
        return dataclasses.replace(
            self,
            frames=self.frames[:, :dimension],
            gains=self.gains[:, :dimension],
            directions=None if self.directions is None else self.directions[:, :dimension],
            tangents=None if self.tangents is None else self.tangents[:, :dimension],
        )

    @property
    def answers(self) -> Float[Array, "n d tangents"] | None:
        """(n, d, D) what the frames answer to, in tangents that are common to all samples or each sample's own; None
        where nothing is known."""
        return self.tangents if self.directions is None else self.directions

    def turned(self, by: Float[Array, "n r d"], of: LocalMetric) -> LocalMetric:
        """This metric with what the frames of another one answer to, which are these turned by ``by``."""
        return dataclasses.replace(
            self,
            directions=None if of.directions is None else by @ of.directions,
            tangents=None if of.tangents is None else by @ of.tangents,
        )

    def rescale(self, factor: float) -> LocalMetric:
        """The metric in intrinsic units that are ``factor`` times smaller."""
        return dataclasses.replace(self, gains=self.gains / factor)

    def in_units(self, units: Float[Array, " tangents"]) -> LocalMetric:
        """The metric with lengths along each direction of the common input basis in units of its own."""
        assert self.directions is not None
        left, gains, directions = _svd(self.gains[:, :, None] * self.directions * units.astype(self.gains.dtype))
        return dataclasses.replace(
            self, frames=np.matmul(np.swapaxes(left, 1, 2), self.frames), gains=gains, directions=directions
        )


def nothing(activations: Float[Array, "n m"]) -> LocalMetric:
    """The metric where nothing is known of neighbourhoods: no directions."""
    n, m = activations.shape
    return LocalMetric(np.zeros((n, 0, m), activations.dtype), np.zeros((n, 0), activations.dtype))


def from_jacobians(jacobians: Float[Array, "n m d"], *, common_basis: bool) -> LocalMetric:
    """The metric of exact derivatives along ``d`` tangents of each sample.

    ``common_basis`` says whether tangent k means the same input direction at every sample.
    """
    n, m, d = jacobians.shape
    r = min(m, d)
    frames = np.empty((n, r, m), jacobians.dtype)
    gains = np.empty((n, r), jacobians.dtype)
    directions = np.empty((n, r, d), jacobians.dtype)
    for rows in _blocks(n, m * d):
        left, gains[rows], directions[rows] = _svd(jacobians[rows])
        frames[rows] = np.swapaxes(left, 1, 2)
    if common_basis:
        return LocalMetric(frames, gains, directions)
    return LocalMetric(frames, gains, tangents=directions)


def from_slopes(slopes: Float[Array, "n d m"], of: LocalMetric | None = None) -> LocalMetric:
    """The metric of derivatives along ``d`` orthonormal directions of each sample's own: along the frames of another
    metric, if one is given, whose input directions it then has."""
    metric = from_jacobians(np.swapaxes(slopes, 1, 2), common_basis=True)
    turn = metric.directions
    assert turn is not None
    return dataclasses.replace(metric, directions=None) if of is None else metric.turned(turn, of)


def from_bursts(bursts: Float[Array, "n b m"], scale: float, dimension: int) -> LocalMetric:
    """The metric estimated from ``b`` activations around each sample, inputs spread with standard deviation ``scale``.

    The inverse of a covariance estimated from b samples is too large: ``E[Ĉ⁻¹] = (b−1)/(b−d−2) C⁻¹`` in the d retained
    directions (the mean of the inverse Wishart distribution). Gains are corrected so that Ĉ⁻¹ is unbiased; b > d + 2.
    """
    n, b, m = bursts.shape
    frames = np.empty((n, dimension, m), bursts.dtype)
    gains = np.empty((n, dimension), bursts.dtype)
    inflation = (b - 1) / (b - dimension - 2)
    for rows in _blocks(n, b * m):
        _, singular, right = _svd(centred(bursts[rows]))
        frames[rows] = right[:, :dimension]
        gains[rows] = singular[:, :dimension] / np.sqrt(b - 1) / scale * np.sqrt(inflation)
    return LocalMetric(frames, gains, inflation=inflation)


def _svd(matrices: Float[Array, "n r c"]) -> tuple[Array, Array, Array]:
    """Thin singular value decompositions; the few matrices on which the fast driver fails by the slow one."""
    try:
        return np.linalg.svd(matrices, full_matrices=False)
    except np.linalg.LinAlgError:
        # one by one, so that what comes of a matrix does not depend on those beside it
        left, singular, right = (np.stack(part) for part in zip(*map(_one_svd, matrices), strict=True))
        return left, singular, right


def _one_svd(matrix: Float[Array, "r c"]) -> tuple[Array, Array, Array]:
    try:
        return np.linalg.svd(matrix, full_matrices=False)
    except np.linalg.LinAlgError:
        return linalg.svd(matrix, full_matrices=False, lapack_driver="gesvd")


def centred(bursts: Float[Array, "n b m"]) -> Float[Array, "n b m"]:
    """Bursts about their means; a burst of equal activations gives exact zeros, not the rounding of their mean."""
    moved = bursts - bursts[:, :1]
    return moved - moved.mean(axis=1, keepdims=True)


def from_covariances(covariances: Float[Array, "n m m"], scale: float, dimension: int) -> LocalMetric:
    """The metric of given covariances ``C_i ≈ scale² J_i J_iᵀ``; the ``dimension`` leading directions are kept."""
    n, m, _ = covariances.shape
    frames = np.empty((n, dimension, m), covariances.dtype)
    gains = np.empty((n, dimension), covariances.dtype)
    for rows in _blocks(n, m * m):
        values, vectors = np.linalg.eigh(covariances[rows])
        frames[rows] = np.swapaxes(vectors[:, :, : -dimension - 1 : -1], 1, 2)
        gains[rows] = np.sqrt(np.maximum(values[:, : -dimension - 1 : -1], 0)) / scale
    return LocalMetric(frames, gains)


def concatenate(metrics: list[LocalMetric]) -> LocalMetric:
    """The metrics of several batches as one."""
    directions = [metric.directions for metric in metrics if metric.directions is not None]
    tangents = [metric.tangents for metric in metrics if metric.tangents is not None]
    return LocalMetric(
        np.concatenate([metric.frames for metric in metrics]),
        np.concatenate([metric.gains for metric in metrics]),
        np.concatenate(directions) if directions else None,
        metrics[0].inflation,
        np.concatenate(tangents) if tangents else None,
    )


def _blocks(n: int, size: int) -> list[slice]:
    """Slices of the first axis that hold about ``_BLOCK`` numbers each, ``size`` numbers a row."""
    step = max(1, _BLOCK // max(size, 1))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
