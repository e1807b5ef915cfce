"""Align the eigenfunctions of two charts: blocks by anchors, then functional maps grown block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.spatial import KDTree

from sametask._types import Array, Float, Int
from sametask.charts.chart import Chart, blocks
from sametask.numerics.procrustes import orthogonal

_UNSEEN = 0.25
"""Anchors whose values in a direction of a block are smaller, where those of samples are 1, may not tell its sign."""

_AS_GOOD = 1.6
"""An alignment is as good as another that brings samples nearer together by less than this: mirror images of symmetric
manifolds measured 0.9–1.3, of others 1.9 and more."""

ALIKE = 0.9
"""Maps whose leading eigenfunctions are more alike than this are the same."""

_FEW = 4000
"""Samples below which nearest ones are looked for by one thread."""

_ANCHOR_WEIGHT = 0.5
"""Weight of all anchors together in the functional map, against 1 for each network's samples."""


@dataclass(frozen=True)
class Eigenfunctions:
    """Eigenfunctions at some of a chart's samples."""

    functions: Float[Array, "n e"]
    stationary: Float[Array, " n"]
    dimension: int


@dataclass(frozen=True)
class SpectralAlignment:
    """A functional map between two charts and the sample map it implies.

    Attributes:
        rotation: (k, k) orthogonal: ``first.functions[:, :k] @ rotation ≈ second.functions[:, :k]`` at equal inputs.
        nearest: (n1,) for each sample of the first network the nearest of the second in the aligned eigenfunctions.
        distance: mean distance to the nearest sample, both ways, in the leading aligned eigenfunctions: low for a right
            match. In all of them noise would drown the difference.
    """

    rotation: Float[Array, "k k"]
    nearest: Int[Array, " n"]
    distance: float

    @property
    def size(self) -> int:
        """Number k of eigenfunctions aligned."""
        return len(self.rotation)


def shared_blocks(first: Chart, second: Chart) -> tuple[tuple[int, ...], ...]:
    """Blocks of the two spectra together: eigenvalues that either chart can't tell apart belong together."""
    e = min(len(first.eigenvalues), len(second.eigenvalues))
    mean = np.sqrt(np.maximum(first.eigenvalues[:e], 0) * np.maximum(second.eigenvalues[:e], 0))
    gap = max(first.options.block_gap, second.options.block_gap)
    found = blocks(np.sort(mean), gap)
    # the last block may go on beyond the computed eigenpairs
    return found[:-1] if len(found) > 1 else found


def anchored(
    first: Chart, second: Chart, anchors: Int[Array, "k 2"], groups: tuple[tuple[int, ...], ...]
) -> SpectralAlignment:
    """Align by anchors: grown from several starts, that which brings the samples, and the anchors, nearest together.

    A block that the anchors barely span comes out turned over, and blocks that noise split apart are aligned one by one
    where they turn together: growth does not mend either, but from a start of other size it does not begin with it.
    """
    grown = [grow(first, second, start, groups, anchors=anchors) for start in starts(first, second, anchors, groups)]
    size = min(leading_size(groups, first.dimension), *(len(alignment.rotation) for alignment in grown))

    def score(alignment: SpectralAlignment) -> float:
        there = first.functions[anchors[:, 0], :size] @ alignment.rotation[:size, :size]
        apart = np.linalg.norm(there - second.functions[anchors[:, 1], :size], axis=1)
        return alignment.distance + float(apart.mean())

    return min(grown, key=score)


def mirrored(
    first: Chart,
    second: Chart,
    alignment: SpectralAlignment,
    anchors: Int[Array, "k 2"],
    groups: tuple[tuple[int, ...], ...],
) -> list[SpectralAlignment]:
    """Mirror images of an alignment that are as good, and that the anchors hardly tell from it.

    Anchors on a mirror line, or all at one point, do not. Of each leading block one direction is reflected at most:
    that in which they are smallest.
    """
    found = []
    for group in groups:
        begin, end = group[0], group[-1] + 1
        if end > min(leading_size(groups, first.dimension), alignment.size):
            break
        _, singular, right = np.linalg.svd(first.functions[anchors[:, 0], begin:end] / np.sqrt(len(anchors)))
        if len(singular) == len(right) and singular[-1] >= _UNSEEN:
            continue
        mirror = np.eye(end)
        mirror[begin:, begin:] -= 2 * np.outer(right[-1], right[-1])
        start = alignment.rotation[:end, :end]
        other = grow(first, second, mirror @ start, groups)
        alike = np.mean((first.functions[:, :end] @ start * second.functions[other.nearest, :end]).sum(axis=1)) / end
        if other.distance < _AS_GOOD * alignment.distance and alike < ALIKE:
            found.append(other)
    return found


def starts(first: Chart, second: Chart, anchors: Array, groups: tuple[tuple[int, ...], ...]) -> list[Array]:
    """Procrustes in each of one, two, … leading blocks, and in these together, as far as the anchors determine it.

    A block of size s has s(s−1)/2 rotations and a reflection; s anchors or more are asked for, but for the first.
    """
    enough = leading_size(groups, first.dimension)
    parts: list[Array] = []
    found = []
    for group in groups:
        end = group[-1] + 1
        if parts and (len(group) > len(anchors) or end > enough):
            break
        parts.append(procrustes(first, second, anchors, group[0], end))
        found.append(np.asarray(scipy.linalg.block_diag(*parts)))
        if len(parts) > 1 and end <= len(anchors):
            found.append(procrustes(first, second, anchors, 0, end))
    return found


def procrustes(first: Chart, second: Chart, anchors: Array, begin: int, end: int) -> Array:
    """The orthogonal map between runs of eigenfunctions that suits the anchors best."""
    return orthogonal(first.functions[anchors[:, 0], begin:end].T @ second.functions[anchors[:, 1], begin:end])


def grow(
    first: Chart | Eigenfunctions,
    second: Chart | Eigenfunctions,
    start: Float[Array, "j j"],
    groups: tuple[tuple[int, ...], ...],
    *,
    anchors: Int[Array, "k 2"] | None = None,
    most: int = 20,
    repeats: int = 2,
) -> SpectralAlignment:
    """Grow an alignment block by block (ZoomOut: Melzi et al. 2019), within orthogonal maps.

    Args:
        first, second: the charts, or some of their samples.
        start: orthogonal map between the leading eigenfunctions.
        groups: the blocks; the map grows by whole blocks, as half a block is no subspace the two charts share.
        anchors: pairs of samples held to agree.
        most: eigenfunctions to stop at.
        repeats: rounds at each size.
    """
    rotation = start
    ends = [group[-1] + 1 for group in groups if group[-1] + 1 > len(start) and group[-1] + 1 <= max(most, len(start))]
    for size in [len(start), *ends]:
        for _ in range(repeats):
            there, back, _ = _nearest_both_ways(first, second, rotation)
            a, b = first.functions[:, :size], second.functions[:, :size]
            moment = a.T @ (first.stationary[:, None] * b[there]) + a[back].T @ (second.stationary[:, None] * b)
            if anchors is not None and len(anchors):
                moment += _ANCHOR_WEIGHT / len(anchors) * a[anchors[:, 0]].T @ b[anchors[:, 1]]
            rotation = orthogonal(moment)
    there, _, _ = _nearest_both_ways(first, second, rotation)
    size = min(leading_size(groups, first.dimension), len(rotation))
    distance = _nearest_both_ways(first, second, rotation[:size, :size])[2]
    return SpectralAlignment(rotation, there, distance)


def leading_size(groups: tuple[tuple[int, ...], ...], dimension: int) -> int:
    """Number of eigenfunctions in the leading blocks that hold at least 2d + 1: generically enough to embed."""
    ends = [group[-1] + 1 for group in groups]
    return next((end for end in ends if end > 2 * dimension), ends[-1])


def _nearest_both_ways(
    first: Chart | Eigenfunctions, second: Chart | Eigenfunctions, rotation: Array
) -> tuple[Array, Array, float]:
    """Nearest samples in the aligned eigenfunctions, both ways, and the mean distance."""
    size = len(rotation)
    a = first.functions[:, :size] @ rotation
    b = second.functions[:, :size]
    workers = -1 if min(len(a), len(b)) > _FEW else 1  # threads take longer to start than few queries
    far, there = KDTree(b).query(a, workers=workers)
    near, back = KDTree(a).query(b, workers=workers)
    return np.asarray(there), np.asarray(back), float(np.mean(far) + np.mean(near))


def places(first: Chart, second: Chart, alignment: SpectralAlignment) -> tuple[Int[Array, " n"], Float[Array, "n d"]]:
    """The places on the second manifold whose eigenfunctions are those of the first's samples.

    Between samples the eigenfunctions of the second chart are continued by their gradients, so that neighbouring
    samples get neighbouring places, not the same nearest sample.
    """
    size = alignment.size
    wanted = first.functions[:, :size] @ alignment.rotation
    missing = wanted - second.functions[alignment.nearest, :size]
    slope = gradients(second, second.functions[:, :size])[alignment.nearest]
    return alignment.nearest, within(second, slope, missing, 1e-6)


def within(
    chart: Chart, slope: Float[Array, "p k d"], missing: Float[Array, "p k"], least: float
) -> Float[Array, "p d"]:
    """Steps that make up for what is missing in values of these slopes, no farther than slopes are measured in.

    Args:
        chart: of the manifold stepped on.
        slope: gradients of the values.
        missing: in the values.
        least: directions in which the sum of their squares is smaller, relative to all, hardly count.
    """
    normal = np.einsum("pek,pel->pkl", slope, slope)
    normal += least * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(chart.dimension)
    offset = np.linalg.solve(normal, np.einsum("pek,pe->pk", slope, missing)[:, :, None])[:, :, 0]
    reach = np.sqrt(np.median(chart.graph.squared[:, 0]) * 4)
    length = np.linalg.norm(offset, axis=1, keepdims=True)
    return offset * np.minimum(1, reach / np.maximum(length, np.finfo(float).tiny))


def gradients(chart: Chart, values: Float[Array, "n e"]) -> Float[Array, "n e d"]:
    """Gradients of values at the samples, in each one's frame, by weighted least squares over its neighbours."""
    graph = chart.graph
    weight = np.where(graph.present, np.exp(-np.where(graph.present, graph.squared, 0) / chart.operator.bandwidth), 0)
    moment = np.einsum("nk,nkd,nke->nde", weight, graph.steps, graph.steps)
    moment += 1e-9 * np.trace(moment, axis1=1, axis2=2)[:, None, None] * np.eye(chart.dimension)
    result = np.empty((graph.size, values.shape[1], chart.dimension))
    for e, column in enumerate(values.T):
        change = column[graph.index] - column[:, None]
        right = np.einsum("nk,nkd,nk->nd", weight, graph.steps, change)
        result[:, e] = np.linalg.solve(moment, right[:, :, None])[:, :, 0]
    return result
