"""Which isometries of the manifold equally good matches differ by, and which anchors would decide between them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import breadth_first_order

from sametask._types import Array, Float, Int
from sametask.matching.isometric import Images
from sametask.numerics.edges import Edges

_SURELY = 0.8
"""Of all samples, more must agree on the handedness of a match than disagree, by this share."""
_SAME = 2.0
"""Places nearer than so many spacings of the outline are the same."""
_NUMBERS = {2: "two", 3: "three", 4: "four"}


@dataclass(frozen=True)
class Symmetry:
    """Isometries of a manifold that geometry alone cannot break.

    Attributes:
        name: of the group they form, as far as that is recognised.
        order: how many there are; 0 for a continuum.
        anchors: (k,) rows of the first chart: samples whose place on the second manifold, once known, decides.
        complete: whether these are all of them; otherwise there may be more than were tried.
    """

    name: str
    order: int
    anchors: Int[Array, " k"]
    complete: bool = True


def handedness(images: Images, one: Float[Array, " n"], two: Float[Array, " m"]) -> int:
    """Whether a match keeps (1) or reverses (−1) orientations of the manifolds; 0 where samples do not agree on it.

    Args:
        images: the match.
        one, two: (n,) and (m,) signs of the samples' frames, see :func:`orientation`.
    """
    mean = float(np.mean(np.sign(np.linalg.det(images.differential)) * one * two[images.sample]))
    return int(np.sign(mean)) if abs(mean) > _SURELY else 0


def orientation(edges: Edges) -> Float[Array, " n"]:
    """Signs that make all frames of an orientable manifold of one hand, spread from sample to sample."""
    sign = np.sign(np.linalg.det(edges.transport))
    size = edges.size
    links = sp.csr_array((sign, (edges.i, edges.j)), shape=(size, size))
    order, before = breadth_first_order(links, 0, directed=False)
    relative = np.ones(size)
    inner = order[1:]
    relative[inner] = np.asarray(links[before[inner], inner]).ravel()
    result = np.ones(size)
    for row in inner:
        result[row] = result[before[row]] * relative[row]
    return result


def name(
    hands: list[int], orders: list[int], dimension: int, block: int, *, continuous: bool, complete: bool = True
) -> str:
    """What a group of isometries is called.

    Args:
        hands: of its members, the identity first.
        orders: how often each is repeated before nothing has changed; 0 where that is not known.
        dimension: of the manifold.
        block: number of leading eigenvalues that are equal.
        continuous: whether members are some of a continuum.
        complete: whether they are all there are.
    """
    if continuous:
        if dimension == 1:
            return "O(2)"  # of a closed curve, however its eigenvalues scatter
        return f"O({block})" if 2 <= block <= dimension + 1 else "a continuous group"
    count, kept = len(hands), sum(hand == hands[0] for hand in hands)
    if not complete:
        return f"a group of {count} isometries or more"
    if count == 2:
        if dimension == 1:
            return "the reversal of a curve"
        return "a half turn" if kept == 2 else "a reflection"
    generators = count.bit_length() - 1
    # of other groups of as many far fewer members undo themselves, so that one may be mistaken
    if count == 2**generators and orders[1:].count(2) >= count - 2 and kept in (count, count // 2):
        if generators == dimension and kept < count:
            return f"the reflections of a {'rectangle' if dimension == 2 else 'box'}"
        what = "half turns" if kept == count else "reflections"
        return f"{_NUMBERS.get(generators, generators)} {what} that commute, and what they compose to"
    if dimension == 2 and kept in (count, count // 2) and _turns(hands, orders, kept):
        if kept == count:
            return f"{count} turns (cyclic)"
        if kept > 2:
            return f"the {kept} turns and {kept} reflections of a regular polygon of {kept} sides (dihedral)"
    return f"a group of {count} isometries"


def _turns(hands: list[int], orders: list[int], count: int) -> bool:
    """Whether most of the members that must be repeated ``count`` times, were the handed ones turns by as many parts of
    a full one, are."""
    found = sum(hand == hands[0] and order == count for hand, order in zip(hands, orders, strict=True))
    return 2 * found > sum(math.gcd(k, count) == 1 for k in range(1, count + 1))


def order(
    there: Int[Array, " n"], distances: Float[Array, "n l"], near: float, begun: Int[Array, " k"], most: int = 12
) -> int:
    """How often a map of samples to samples of the same manifold is repeated before all are back; 0 for too often.

    Args:
        there: the map.
        distances: of samples from well-spread points of the manifold.
        near: on average, to be back.
        begun: samples that are followed.
        most: repetitions to stop at.
    """
    at = begun
    for times in range(1, most + 1):
        at = there[at]
        if np.abs(distances[at] - distances[begun]).max(axis=1).mean() < near:
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
