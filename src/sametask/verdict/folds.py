"""Where activations turn back on themselves or cross, so that they no longer tell inputs apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from sametask._types import Array, Bool, Float, Int
from sametask.numerics import parallel
from sametask.numerics.local_metric import LocalMetric
from sametask.numerics.manifold import SampledManifold
from sametask.probes.probe import Probe

_NEAR = 8
_CLEAR = 0.5
"""Jacobians of near neighbours that differ by more than half their size are not those of one smooth sheet."""
_TANGENTIAL = 0.7
_SLOW = 0.15
"""Share of the typical gain below which a gain may be on its way to zero."""
_HEARD = 9
"""Places where activations may turn back that are heard together."""
_ONE_SIDED = 0.5
_UNHEARD = 0.2
"""Share of the gains that neither law explains, from which on noise drowns the difference; a fold is assumed."""


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
        return bool(self.folded.mean() > 0.01 or self.turning.any())


def find_folds(probe: Probe) -> Folds:
    """Look for folds and crossings in activation space.

    On a smooth embedded manifold two samples whose activations nearly agree are the same place seen twice, and respond
    alike. Where activations fold, samples from different places meet: their activations agree, their Jacobians don't.
    With a common input basis the sign of a response counts as well, so that a symmetric fold is seen too.
    """
    return Folds(_meeting(probe), _turning(probe))


def _meeting(probe: Probe) -> Bool[Array, " n"]:
    """Samples with near neighbours that respond in another way, where no smooth change of the response explains it."""
    manifold, n = probe.manifold, len(probe)
    tree, metric, y = manifold.tree, manifold.metric, manifold.activations
    count = min(_NEAR, n - 1)
    difference, normal, length = (np.empty((n, count)) for _ in range(3))

    def look(rows: slice) -> None:
        j = np.asarray(tree.query(y[rows], count + 1)[1])[:, 1:].ravel()
        i = np.repeat(np.arange(rows.start, rows.stop), count)
        difference[rows] = _jacobian_difference(metric, i, j).reshape(-1, count)
        found = _normal_and_length(metric, i, j, y[j] - y[i])
        normal[rows], length[rows] = (each.reshape(-1, count) for each in found)

    parallel.each(look, parallel.blocks(n, count * y.shape[1] * (metric.dimension + 1)))
    # how fast Jacobians change along the sheet, judged by the more alike half of all pairs
    rate = np.quantile(difference / np.maximum(length, np.finfo(float).tiny), 0.25)
    # and how unlike they are for want of precision: a small burst tells a Jacobian only roughly
    noise = np.quantile(difference, 0.25)
    limit = np.maximum(np.maximum(_CLEAR, 10 * noise), 8 * rate * length)
    # a pair far apart for its own tangent planes is no near pair, whatever its Jacobians are
    clash = (difference > limit) & (normal < _TANGENTIAL)
    meeting = clash.mean(axis=1) >= 0.25
    rows = np.flatnonzero(meeting)
    if len(rows):
        meeting[rows] = _unexplained(manifold, rows) > 0.5 * _CLEAR
    return meeting


def _unexplained(manifold: SampledManifold, rows: Int[Array, " p"]) -> Float[Array, " p"]:
    """How far responses around samples are from a quadratic function of the activations, relative to their size.

    Where a sheet all but stops gains change many times over from one neighbour to the next, and yet their squares, the
    metric, are a smooth function of the activations. Where two sheets meet, there are two at one place.
    """
    metric, y = manifold.metric, manifold.activations
    d = metric.dimension
    one, two = np.triu_indices(d)
    terms = 1 + d + len(one)
    near = np.asarray(manifold.tree.query(y[rows], min(2 * terms + 4, len(y) - 1) + 1)[1])
    change = y[near] - y[rows, None]
    steps = np.matmul(change, np.swapaxes(metric.frames[rows], 1, 2))
    squared = np.square(change).sum(axis=2)
    weight = (squared - np.square(steps).sum(axis=2) <= _TANGENTIAL**2 * squared).astype(float)
    response = np.matmul(metric.frames[rows, None], np.swapaxes(metric.frames[near], 2, 3))
    response = response * metric.gains[near][:, :, None]
    size = np.square(metric.gains[near]).sum(axis=2)
    if metric.directions is None:
        response, size = np.matmul(response, np.swapaxes(response, 2, 3)), np.square(size)
    else:
        response = np.matmul(response, metric.directions[near])
    response = response.reshape(*near.shape, -1)
    scale = np.abs(steps).max(axis=1, keepdims=True) + np.finfo(float).tiny
    steps = steps / scale
    design = np.concatenate([np.ones((*near.shape, 1)), steps, steps[:, :, one] * steps[:, :, two]], axis=2)
    left = np.square(response - np.matmul(design, _regressed(design, response, weight))).sum(axis=2)
    count = weight.sum(axis=1)
    share = (weight * left).sum(axis=1) / np.maximum(count - terms, 1)
    return np.sqrt(share / ((weight * size).sum(axis=1) / count))


def _regressed(design: Float[Array, "p k t"], values: Float[Array, "p k w"], weight: Float[Array, "p k"]) -> Array:
    """(p, t, w) coefficients of weighted least squares."""
    weighted = np.swapaxes(design * weight[:, :, None], 1, 2)
    moment = np.matmul(weighted, design)
    size = np.trace(moment, axis1=1, axis2=2)[:, None, None]
    return np.linalg.solve(moment + 1e-12 * size * np.eye(design.shape[2]), np.matmul(weighted, values))


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


def _turning(probe: Probe) -> Bool[Array, " n"]:
    """Samples around a place where the smallest gain runs through zero.

    Where activations turn back it falls to zero linearly with the distance from there; where they all but stop and go
    on, with its square at best. A sample of locally smallest gain and those around it tell which law they follow, and
    as few samples tell it roughly, the nearest of such places are heard together.
    """
    manifold = probe.manifold
    n, d = manifold.metric.gains.shape
    gains = manifold.metric.gains[:, -1]
    turning = np.zeros(n, bool)
    slow = np.flatnonzero(gains < _SLOW * np.median(gains))
    if len(slow) == 0:
        return turning
    near, along, across = _around(manifold, slow, min(16 if d == 1 else 8 * d, n - 1))
    # on a curve one place is all there is to see of a fold; on a surface a fold is a line, and has many
    beside = near.shape[1] if d == 1 else 2 * d + 1
    lowest = gains[slow] <= gains[near[:, :beside]].min(axis=1)
    tips, near, along, across = slow[lowest], near[lowest], along[lowest], across[lowest]
    squared = np.square(along) + np.square(across).sum(axis=2)
    reach = np.sqrt(squared.max(axis=1))
    reach[reach == 0] = 1.0  # all of them in one place, as coarse recording has them
    weight = np.square(1 - 0.95 * squared / np.square(reach)[:, None])
    places = np.concatenate([along[:, :, None], across], axis=2) / reach[:, None, None]
    design = np.concatenate([np.ones((*near.shape, 1)), places], axis=2)
    gain = gains[near]
    size = np.sqrt((weight * np.square(gain)).sum(axis=1))
    missed, laws = [], []
    for power in (1, 2):
        laws.append(_regressed(design, gain[:, :, None] ** (1 / power), weight))
        fitted = np.maximum(np.matmul(design, laws[-1])[:, :, 0], 0) ** power
        missed.append(np.sqrt((weight * np.square(gain - fitted)).sum(axis=1)) / size)
    richer = np.concatenate([design, np.square(design[:, :, 1:2])], axis=2)
    left = gain - np.matmul(richer, _regressed(richer, gain[:, :, None], weight))[:, :, 0]
    noise = np.sqrt((weight * np.square(left)).sum(axis=1)) / size
    # what vanishes only beyond the samples around does not vanish here, and beyond a fold there are no samples
    sided = np.abs((weight * along).sum(axis=1)) > _ONE_SIDED * (weight * np.abs(along)).sum(axis=1)
    ends = (laws[0][:, 0, 0] < np.abs(laws[0][:, 1, 0])) & sided & _both_ways(manifold.metric, tips, near)
    if ends.sum() < d:
        return turning
    places = manifold.activations[tips[ends]]
    together = KDTree(places).query(places, min(_HEARD, len(places)))[1].reshape(len(places), -1)
    linear, square = (np.maximum(each[ends], np.finfo(float).tiny) for each in missed)
    folds = np.median(np.log(square / linear)[together], axis=1) > 0
    unheard = np.median(noise[ends][together], axis=1) > _UNHEARD
    turning[near[ends][folds | unheard, : 2 * d + 2]] = True
    return turning


def _both_ways(metric: LocalMetric, tips: Int[Array, " p"], near: Int[Array, "p k"]) -> Bool[Array, " p"]:
    """Whether some samples around each of ``tips`` respond to its direction of least gain the other way round, as those
    beyond a fold do; always, where responses have no common input basis."""
    if metric.directions is None:
        return np.ones(len(tips), bool)
    along = np.matmul(metric.frames[near], metric.frames[tips, -1][:, None, :, None])[:, :, :, 0] * metric.gains[near]
    turned = np.matmul(metric.directions[near], metric.directions[tips, -1][:, None, :, None])[:, :, :, 0]
    return ((along * turned).sum(axis=2) < 0).any(axis=1)


def _around(
    manifold: SampledManifold, rows: Int[Array, " p"], count: int
) -> tuple[Int[Array, "p k"], Float[Array, "p k"], Float[Array, "p k e"]]:
    """Samples around each of ``rows``, itself first, and the intrinsic steps to them along its direction of least gain
    and across it.

    Gains change many times over, so steps are measured with the mean gain of both ends. That is exact where gains are
    linear. The mean of the directions at both ends follows a fold that is curved.
    """
    metric, y = manifold.metric, manifold.activations
    near = np.asarray(manifold.tree.query(y[rows], min(5 * count, len(y) - 1) + 1)[1])
    change = y[near] - y[rows, None]
    here, there = metric.frames[rows, -1], metric.frames[near, -1]
    sign = np.sign(np.matmul(there, here[:, :, None])[:, :, 0])
    moved = np.matmul(change, here[:, :, None])[:, :, 0] + sign * np.einsum("pkm,pkm->pk", there, change)
    along = moved / (metric.gains[rows, -1, None] + metric.gains[near, -1])
    across = np.matmul(change, np.swapaxes(metric.frames[rows, :-1], 1, 2)) / metric.gains[rows, None, :-1]
    order = np.argsort(np.square(along) + np.square(across).sum(axis=2), axis=1, kind="stable")[:, : count + 1]
    return (
        np.take_along_axis(near, order, axis=1),
        np.take_along_axis(along, order, axis=1),
        np.take_along_axis(across, order[:, :, None], axis=1),
    )
