"""The local metric told by recorded samples alone: Jacobians by kriging among the nearest inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from sametask._types import Array
from sametask.numerics import kriging, local_metric
from sametask.numerics.kriging import Kernel
from sametask.numerics.local_metric import LocalMetric
from sametask.probes.inputs import Inputs, decades

_TUNED = 200
"""Inputs by which smoothness and noise of a network are told."""
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Recorded:
    """Samples by which the Jacobian at each of them is told, any rows at a time.

    Memory is what the tree of inputs takes, 8 bytes for each of their numbers and about 20 for each input.
    Activations are only gathered for the rows asked for, and may lie in a memory-mapped file.

    Attributes:
        tree: of the inputs, flattened, in double precision.
        activations: (n, m) at all samples.
        k: neighbours of each.
        dimension: of the manifold of inputs.
        kernel: how values at neighbours are weighted, the same for all.
        units: (w,) of the inputs in the tree.
    """

    tree: KDTree
    activations: Array
    k: int
    dimension: int
    kernel: Kernel
    units: Array

    @staticmethod
    def of(activations: Array, inputs: Inputs, k: int, dimension: int) -> Recorded:
        """All samples, with smoothness and noise estimated from some of them.

        Inputs that are the intrinsic coordinates are near one another by powers of ten of their spread: beside pascals
        a distance would say nothing of kelvins.
        """
        flat = np.empty((len(inputs), inputs.width))
        for rows in inputs.blocks():
            flat[rows] = inputs[rows].reshape(-1, inputs.width)
        units = decades(inputs.spread()) if inputs.width == dimension else np.ones(inputs.width)
        flat /= units
        tree = KDTree(flat)
        some = np.linspace(0, len(flat) - 1, min(len(flat), _TUNED)).astype(np.int64)
        near = np.asarray(tree.query(flat[some], k + 1)[1])
        steps, _ = _steps(flat, near, dimension)
        values, around = (activations[each].astype(np.float64) for each in (some, near[:, 1:]))
        kernel = kriging.tuned(np.zeros_like(steps[:, 0]), steps[:, 1:], values, around)
        return Recorded(tree, activations, k, dimension, kernel, units)

    def around(self, rows: slice) -> Around:
        """All that the local metric at some rows is told by."""
        flat = np.asarray(self.tree.data)
        near = np.asarray(self.tree.query(flat[rows], self.k + 1)[1])
        own = np.arange(*rows.indices(len(flat)))
        used = np.union1d(near, own)
        near, own = np.searchsorted(used, near), np.searchsorted(used, own)
        return Around(flat[used], self.activations[used], near, own, self.dimension, self.kernel, self.units)


@dataclass(frozen=True)
class Around:
    """Some samples with those near them, by which the local metric is told, wherever that is done.

    Attributes:
        inputs: (u, w) flattened.
        activations: (u, m).
        near: (p, k + 1) which of these are nearest to each of p samples.
        own: (p,) which these samples are.
        dimension: of the manifold of inputs.
        kernel: how values at neighbours are weighted.
        units: (w,) of these inputs.
    """

    inputs: Array
    activations: Array
    near: Array
    own: Array
    dimension: int
    kernel: Kernel
    units: Array

    def metric(self) -> LocalMetric:
        """The local metric at the p samples."""
        (p, k), m, w = self.near.shape, self.activations.shape[1], self.inputs.shape[1]
        jacobians = np.empty((p, m, self.dimension))
        block = max(1, _BLOCK // (k * (k + w + m)))
        for start in range(0, p, block):
            rows = slice(start, start + block)
            jacobians[rows] = self._jacobians(self.near[rows], self.own[rows])
        return local_metric.from_jacobians(jacobians, common_basis=w == self.dimension)

    def _jacobians(self, near: Array, own: Array) -> Array:
        steps, products = _steps(self.inputs, near, self.dimension)
        weights = kriging.gradient_weights(steps, self.kernel)
        there, here = (self.activations[each].astype(np.float64) for each in (near, own))
        slopes = np.matmul(weights, there - here[:, None])
        if self.inputs.shape[1] == self.dimension:
            slopes /= self.units[:, None]
        else:
            # lengths along the manifold itself, of which the principal directions are only secants
            metric = np.matmul(np.matmul(weights, products), np.swapaxes(weights, 1, 2))
            slopes = np.linalg.solve(np.linalg.cholesky(metric), slopes)
        return np.swapaxes(slopes, 1, 2)


def _steps(flat: Array, near: Array, dimension: int) -> tuple[Array, Array]:
    """Steps (p, k + 1, d) from samples to those near them, themselves first, along principal directions of these;
    and products of the changes of the inputs."""
    change = flat[near] - flat[near[:, :1]]
    products = np.matmul(change, np.swapaxes(change, 1, 2))
    if flat.shape[1] == dimension:
        return change, products
    # principal directions by products alone: inputs may be wide
    across = products - products.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(across - across.mean(axis=2, keepdims=True))
    values, vectors = values[:, -dimension:], vectors[:, :, -dimension:]
    scale = np.sqrt(np.maximum(values, np.finfo(float).tiny))[:, None]
    centred = products - products.mean(axis=2, keepdims=True)
    return np.matmul(centred, vectors) / scale, products
