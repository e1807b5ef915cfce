"""Eigenfunctions at new activations: the Nyström extension of a diffusion operator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sametask._types import Array, Float, Int
from sametask.numerics import parallel
from sametask.numerics.manifold import SampledManifold

KERNEL_MOST = 30.0
"""What a kernel joins by less than e⁻³⁰ is not connected to working precision, and out of its reach."""


@dataclass(frozen=True)
class Extension:
    """All that it takes to embed new activations, and nothing else: this is what workers of a cluster are sent.

    Attributes:
        manifold: the samples, with the neighbours of the graph.
        start: (n + 1,) where the row of each sample begins in ``near``.
        near: the samples that the kernel joins to each.
        steps: the intrinsic steps to them.
        density: (n,) of the samples.
        alpha: power by which the density is taken out.
        bandwidth: of the kernel, in squared intrinsic units.
        functions: (n, e) eigenfunctions.
        decay: (e,) their eigenvalues μ.
    """

    manifold: SampledManifold
    start: Int[Array, " n1"]
    near: Int[Array, " joined"]
    steps: Float[Array, "joined d"]
    density: Float[Array, " n"]
    alpha: float
    bandwidth: float
    functions: Float[Array, "n e"]
    decay: Float[Array, " e"]

    def __call__(self, activations: Float[Array, "p m"]) -> Float[Array, "p e"]:
        """The eigenfunctions at each activation; NaN where no sample is within the kernel's reach."""
        result = np.empty((len(activations), len(self.decay)))
        _ = self.manifold.tree, self.manifold.normal  # made once, before threads ask for them

        def extend(rows: slice) -> None:
            with np.errstate(over="ignore", invalid="ignore"):  # far away squares overflow, and the answer is NaN
                result[rows] = self._extend(self.manifold.project(activations[rows])[0])

        n, m = self.manifold.activations.shape
        joined = -(-len(self.near) // n)
        parallel.each(extend, parallel.blocks(len(activations), joined * (self.manifold.dimension + 4) + m))
        return result

    def _extend(self, y: Array) -> Array:
        """Over the neighbours of the sample nearest to each activation: no shortcuts, and samples return exactly their
        own row of the operator."""
        manifold = self.manifold
        nearest = manifold.nearest(y)
        change = y - manifold.activations[nearest]
        tangential = manifold.step(nearest, change)
        offset = manifold.normal(nearest, tangential)[0]
        beside = np.square(change - manifold.change(nearest, tangential)).sum(axis=1)
        beside /= np.square(manifold.metric.gains[nearest, 0])  # an intrinsic distance is at least this
        lengths = np.diff(self.start)[nearest]
        query = np.repeat(np.arange(len(y)), lengths)
        within = np.arange(len(query)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        entry = self.start[nearest][query] + within
        j = self.near[entry]
        squared = np.square(self.steps[entry] - offset[query]).sum(axis=1) + beside[query]
        weight = np.exp(-squared / self.bandwidth) * self.density[j] ** -self.alpha
        weight[squared > KERNEL_MOST * self.bandwidth] = 0
        total = np.bincount(query, weight, minlength=len(y))
        average = sp.csr_array((weight, (query, j)), shape=(len(y), len(self.density))) @ self.functions
        with np.errstate(invalid="ignore", divide="ignore"):
            return average / total[:, None] / self.decay
