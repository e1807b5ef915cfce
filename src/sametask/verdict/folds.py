"""Where activations turn back on themselves or cross, so that they no longer tell inputs apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Bool, Float
from sametask.numerics.local_metric import LocalMetric
from sametask.probes.probe import Probe

_NEAR = 8
_CLEAR = 0.5
"""Jacobians of near neighbours that differ by more than half their size are not those of one smooth sheet."""


@dataclass(frozen=True)
class Folds:
    """Samples whose activations also belong to another piece of the input manifold.

    Attributes:
        folded: (n,) samples with several near neighbours in activation space that respond to the input in another way.
        turning: (n,) samples next to a place where the response vanishes and changes sign.
        share: share of the samples that are either.
    """

    folded: Bool[Array, " n"]
    turning: Bool[Array, " n"]

    @property
    def share(self) -> float:
        """Share of samples folded or turning."""
        return float((self.folded | self.turning).mean())

    @property
    def any(self) -> bool:
        """Whether the folds are more than stray samples."""
        return bool(self.folded.mean() > 0.01 or (self.turning.sum() >= 2 and self.share > 0.002))


def find_folds(probe: Probe) -> Folds:
    """Look for folds and crossings in activation space.

    On a smooth embedded manifold two samples whose activations nearly agree are the same place seen twice, and respond
    alike. Where activations fold, samples from different places meet: their activations agree, their Jacobians don't.
    With a common input basis the sign of a response counts as well, so that a symmetric fold is seen too.
    """
    manifold = probe.manifold
    n = len(probe)
    near = np.asarray(manifold.tree.query(manifold.activations, min(_NEAR, n - 1) + 1)[1])[:, 1:]
    i, j = np.repeat(np.arange(n), near.shape[1]), near.ravel()
    difference = _jacobian_difference(manifold.metric, i, j)
    change = manifold.activations[j] - manifold.activations[i]
    normal, length = _normal_and_length(manifold.metric, i, j, change)
    # how fast Jacobians change along the sheet, judged by the more alike half of all pairs
    rate = np.quantile(difference / np.maximum(length, np.finfo(float).tiny), 0.25)
    # and how unlike they are for want of precision: a small burst tells a Jacobian only roughly
    noise = np.quantile(difference, 0.25)
    limit = np.maximum(np.maximum(_CLEAR, 10 * noise), 8 * rate * length)
    # a pair far apart for its own tangent planes is no near pair, whatever its Jacobians are
    tangential = normal < 0.7
    clash = ((difference > limit) & tangential).reshape(near.shape)
    folded = clash.mean(axis=1) >= 0.25
    return Folds(folded, _turning(probe))


def _jacobian_difference(metric: LocalMetric, i: Array, j: Array) -> Float[Array, " p"]:
    """Distance of two Jacobians relative to their size, up to a rotation of the inputs where they share no basis."""
    overlap = np.einsum("pdm,pem->pde", metric.frames[i], metric.frames[j], optimize=True)
    overlap = overlap * metric.gains[i][:, :, None] * metric.gains[j][:, None, :]
    if metric.directions is not None:
        agreement = np.einsum("pde,pdk,pek->p", overlap, metric.directions[i], metric.directions[j])
    else:
        agreement = np.linalg.svd(overlap, compute_uv=False).sum(axis=1)
    sizes = np.square(metric.gains[i]).sum(axis=1), np.square(metric.gains[j]).sum(axis=1)
    squared = np.maximum(sizes[0] + sizes[1] - 2 * agreement, 0)
    return np.sqrt(squared / (0.5 * (sizes[0] + sizes[1])))


def _normal_and_length(metric: LocalMetric, i: Array, j: Array, change: Array) -> tuple[Array, Array]:
    """Share of each change that leaves the tangent plane, and its guarded intrinsic length."""
    tangential = np.einsum("pdm,pm->pd", metric.frames[i], change)
    squared = np.maximum(np.square(change).sum(axis=1), np.finfo(float).tiny)
    normal = np.sqrt(np.maximum(1 - np.square(tangential).sum(axis=1) / squared, 0))
    intrinsic = np.square(tangential / metric.gains[i]).sum(axis=1)
    return normal, np.sqrt(np.maximum(intrinsic, squared / metric.gains[i][:, 0] ** 2))


def _turning(probe: Probe) -> Array:
    """Samples within a spacing of a place where the smallest gain runs through zero.

    Where activations turn back the smallest gain falls to zero linearly; extrapolated from its neighbours it vanishes
    within the distance to the next sample. Only possible where neurons are too few: with more neurons than dimensions
    a gain seldom vanishes exactly.
    """
    manifold = probe.manifold
    metric, y = manifold.metric, manifold.activations
    n, d = metric.gains.shape
    near = np.asarray(manifold.tree.query(y, min(2 * d + 4, n - 1) + 1)[1])[:, 1:]
    smallest = metric.gains[:, -1]
    change = y[near] - y[:, None]
    steps = np.matmul(change, np.swapaxes(metric.frames, 1, 2)) / metric.gains[:, None]
    moment = np.einsum("nkd,nke->nde", steps, steps)
    moment += 1e-9 * np.trace(moment, axis1=1, axis2=2)[:, None, None] * np.eye(d) + 1e-300 * np.eye(d)
    right = np.einsum("nkd,nk->nd", steps, smallest[near] - smallest[:, None])
    slope = np.linalg.norm(np.linalg.solve(moment, right[:, :, None])[:, :, 0], axis=1)
    spacing = np.sqrt(np.median(np.square(steps).sum(axis=2).min(axis=1)))
    typical = np.median(smallest)
    return (smallest < 1.5 * spacing * slope) & (smallest < 0.05 * typical)
