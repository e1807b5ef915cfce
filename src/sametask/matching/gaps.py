"""Gaps: the largest regions that samples of one network fill and those of the other leave empty.

Samples of the same manifold mix: a ball in which so many of the other's samples are expected is empty with a chance of
one in e to that number, however few of all samples it holds. Shares of samples do not tell a hole from scatter.
"""

from __future__ import annotations

import numpy as np

from sametask._types import Array, Float
from sametask.matching.support import Supported

_COVERED = {3: 3 * np.pi**2 / 32}
"""The constant α of random coverings by balls, 1 in one and two dimensions."""


def expected(source: Supported, reach: Float[Array, " n"], spread: Float[Array, " n"]) -> Float[Array, " n"]:
    """How many samples of another network are expected as near to each of a network's samples as the nearest one is.

    Told by the network's own samples within that reach, in proportion of the densities, and by the other's density: at
    edges the former is less, where samples are few the latter is.

    Args:
        source: the network's samples.
        reach: distance from the place of each to the nearest of the other's samples.
        spread: of the other's samples there, see :attr:`Supported.spread`.
    """
    d, graph = source.manifold.dimension, source.graph
    denser = (source.spread / spread) ** d
    within = graph.present & (graph.squared < np.square(reach)[:, None])
    by_own = denser + np.where(within, denser[graph.index], 0).sum(axis=1)
    return np.minimum(by_own, (2 * d + 2) * (reach / spread) ** d)


def largest(source: Supported, reach: Float[Array, " n"], spread: Float[Array, " n"]) -> float:
    """The largest such number, in units of what chance leaves among so many samples."""
    return float(expected(source, reach, spread).max() / chance(len(reach), source.manifold.dimension))


def chance(number: int, dimension: int) -> float:
    """How many of so many random points the largest ball without any of them has room for.

    Janson, *Random coverings in several dimensions* (1986): ln n + (d − 1) ln ln n + ln α_d. It scatters by π/√6, as
    the largest of many exponential variables.
    """
    usual = np.log(max(number, 3))
    return float(usual + (dimension - 1) * np.log(usual) + np.log(_COVERED.get(dimension, 1.0)))
