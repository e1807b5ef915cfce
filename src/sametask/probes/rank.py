"""How many intrinsic directions a network still carries, as far as this sample can resolve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Float
from sametask.numerics.manifold import SampledManifold
from sametask.numerics.neighbours import neighbour_graph
from sametask.probes.probe import Probe, check_neighbourhoods

_NEAR = 12
_MOST_ROWS = 10_000
"""Samples that a rank is estimated from, at most: of these it takes up to three quarters of the time of their chart.
Of more samples the resolution is that of 10,000."""
_RESOLVED = 0.5
"""More signal than error."""


@dataclass(frozen=True)
class LocalRank:
    """Which intrinsic directions a probe resolves.

    A step between near neighbours can be measured from either end, by the local metric of the one or of the other.
    Along a direction that the network carries, both agree; along one that it has discarded, what is left is the
    curvature of the others, which the two ends see with opposite signs.

    Attributes:
        rank: number of directions that are resolved.
        gains: (d,) typical gain along each direction, relative to the first.
        agreement: (d,) entry r − 1 is for the r strongest directions together: 1 where both ends agree on steps, 0
            where they are unrelated, negative where they contradict each other. Above one half there is more signal
            than error, and the r directions count as resolved.
        lost: (D,) the input direction most nearly discarded, when samples share an input basis and a direction is
            lost; otherwise None.
    """

    rank: int
    gains: Float[Array, " d"]
    agreement: Float[Array, " d"]
    lost: Float[Array, " tangents"] | None = None

    @property
    def resolved(self) -> bool:
        """Whether any direction is; where none is ``rank`` is 1 all the same."""
        return bool(self.agreement[0] > _RESOLVED)


def local_rank(probe: Probe) -> LocalRank:
    """The rank of a probe's local metric at the resolution of its sample.

    Lengths are as the probe has them: of inputs in unlike units, as pascals and kelvins, give ``st.in_units(probe)``.
    """
    check_neighbourhoods(probe, "a rank")
    whole = probe.manifold
    rows = np.linspace(0, len(probe) - 1, min(len(probe), _MOST_ROWS)).astype(np.int64)
    activations, metric = whole.activations[rows], whole.metric.take(rows)
    d = metric.dimension
    relative = np.median(metric.gains / metric.gains[:, :1], axis=0)
    # A lost direction spoils the transport of the others, so directions are tried together from the strongest on.
    agreement = np.array([_agreement(SampledManifold(activations, metric.truncate(r))) for r in _to(d)])
    resolved = (agreement > _RESOLVED) & (relative > 1e-6)
    rank = max((r for r in _to(d) if resolved[r - 1]), default=1)
    lost = None
    if rank < d and metric.directions is not None:
        # the input direction along which the sum of squared responses is least
        responses = metric.directions * (metric.gains / metric.gains[:, :1])[:, :, None]
        lost = np.linalg.eigh(np.einsum("ndk,ndl->kl", responses, responses))[1][:, 0]
    return LocalRank(rank, relative, agreement, lost)


def _agreement(manifold: SampledManifold) -> float:
    """How far both ends of near pairs agree, along the direction on which they agree least."""
    graph = neighbour_graph(manifold.activations, manifold.metric, _NEAR, tree=manifold.tree)
    present = graph.present
    i, j = np.repeat(np.arange(graph.size), present.sum(axis=1)), graph.index[present]
    change = manifold.activations[j] - manifold.activations[i]
    here = manifold.step(i, change)
    there = np.einsum("pde,pe->pd", manifold.transport(i, j), manifold.step(j, change))
    disagreement, power = np.zeros(graph.steps.shape), np.zeros(graph.steps.shape)
    disagreement[present] = np.square(here - there)
    power[present] = np.square(here) + np.square(there)
    share = disagreement.sum(axis=1) / np.maximum(power.sum(axis=1), np.finfo(float).tiny)
    # medians over samples: a few folded or flat places do not speak for the rest
    return float(1 - np.median(share[present.any(axis=1)], axis=0).max())


def _to(d: int) -> range:
    return range(1, d + 1)
