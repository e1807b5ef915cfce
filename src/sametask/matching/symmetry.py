"""Which isometries of the manifold equally good matches differ by, and which anchors would decide between them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order

from sametask._types import Array, Float, Int
from sametask.matching.isometric import Images
from sametask.matching.least_squares import Edges

_SURELY = 0.8
"""Of all samples, more must agree on the handedness of a match than disagree, by this share."""
_SAME = 2.0
"""Places nearer than so many spacings of the outline are the same."""


@dataclass(frozen=True)
class Symmetry:
    """Isometries of a manifold that geometry alone cannot break.

    Attributes:
        name: of the group they form, as far as that is recognised.
        order: how many there are; 0 for a continuum.
        anchors: (k,) rows of the first chart: samples whose place on the second manifold, once known, decides.
    """

    name: str
    order: int
    anchors: Int[Array, " k"]


def handedness(images: Images, one: Float[Array, " n"], two: Float[Array, " m"]) -> int:
    """Whether a match keeps (1) or reverses (−1) orientations of the manifolds; 0 where samples do not agree on it.

    Args:
        images: the match.
        one, two: (n,) and (m,) signs of the samples' frames, see :func:`orientation`.
    """
    mean = float(np.mean(np.sign(np.linalg.det(images.differential)) * one * two[images.sample]))
    return int(np.sign(mean)) if abs(mean) > _SURELY else 0


def orientation(edges: Edges, size: int) -> Float[Array, " n"]:
    """Signs that make all frames of an orientable manifold of one hand, spread from sample to sample."""
    sign = np.sign(np.linalg.det(edges.transport))
    links = sp.csr_array((sign, (edges.i, edges.j)), shape=(size, size))
    order, before = breadth_first_order(links, 0, directed=False)
    relative = np.ones(size)
    inner = order[1:]
    relative[inner] = np.asarray(links[before[inner], inner]).ravel()
    result = np.ones(size)
    for row in inner:
        result[row] = result[before[row]] * relative[row]
    return result


def name(hands: list[int], orders: list[int], dimension: int, block: int, *, continuous: bool) -> str:
    """What a group of isometries is called.

    Args:
        hands: of its members, the identity first.
        orders: how often each is repeated before nothing has changed; 0 where that is not known.
        dimension: of the manifold.
        block: number of leading eigenvalues that are equal.
        continuous: whether members are some of a continuum.
    """
    if continuous:
        return f"O({block})" if 2 <= block <= dimension + 1 else "a continuous group"
    count, kept = len(hands), sum(hand == hands[0] for hand in hands)
    if count == 2:
        if dimension == 1:
            return "the reversal of a curve"
        return "a half turn" if kept == 2 else "a reflection"
    if count == 2**dimension and 2 * kept == count and set(orders[1:]) <= {2}:
        return f"the reflections of a {'rectangle' if dimension == 2 else 'box'}"
    if dimension == 2 and 2 * kept == count:
        return f"the {kept} turns and {kept} reflections of a regular polygon of {kept} sides (dihedral)"
    if dimension == 2 and kept == count:
        return f"{count} turns (cyclic)"
    return f"a group of {count} isometries"


def order(there: Int[Array, " l"], distances: Float[Array, "l l"], near: float, most: int = 12) -> int:
    """How often a map of points to points of the same manifold is repeated before all are back; 0 for too often."""
    at = np.arange(len(there))
    for times in range(1, most + 1):
        at = there[at]
        if distances[at, np.arange(len(at))].mean() < near:
            return times
    return 0


def deciding(places: Float[Array, "c l q"], spacing: float, most: int) -> Int[Array, " k"]:
    """Points whose places tell candidates apart: first that at which the two most alike are farthest apart.

    Args:
        places: distances of where each candidate sends each point from well-spread points of the second manifold.
        spacing: of the latter.
        most: points to stop at.
    """
    count = len(places)
    open_ = list(itertools.combinations(range(count), 2))
    chosen: list[int] = []
    while open_ and len(chosen) < most:
        apart = np.stack([np.abs(places[a] - places[b]).max(axis=1) for a, b in open_])  # (pairs, l)
        told = apart > _SAME * spacing
        best = told.sum(axis=0) == told.sum(axis=0).max()
        chosen.append(int(np.argmax(np.where(best, np.where(told, apart, np.inf).min(axis=0), -1))))
        left = [pair for pair, seen in zip(open_, told[:, chosen[-1]], strict=True) if not seen]
        if len(left) == len(open_):
            break
        open_ = left
    return np.array(chosen, np.int64)
