"""The overlap: which samples of each network lie where the other was probed too, and how much of each that is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from sametask._types import Array, Bool, Float, Int
from sametask.charts.chart import Chart
from sametask.matching import isometric
from sametask.matching.isometric import Images
from sametask.numerics import parallel
from sametask.numerics.edges import Edges
from sametask.numerics.manifold import SampledManifold

_ROUNDS = 64
"""Steps of the search for a plane that has all neighbours on one side; what it leaves open is surrounded."""
_SURELY = 4.0
_LEAST = 0.05
"""A share outside is there if it is this many standard deviations, and no less than this."""
_HOLDS = 0.5
"""Samples whose edges are violated by less, relative to their length, are not torn."""
_ACROSS = 3.0
"""A match of curves holds together where its places are no farther from samples than so many times what is near."""
_PIECE = 0.05
"""Share of a curve's samples from which a piece that holds together is more than a few strays."""
_SPREAD = 10
"""Edges as far as which samples follow the majority of those around them."""


@dataclass(frozen=True)
class Overlap:
    """What two networks were both probed on, by their match.

    A sample is inside the other's support where that has samples on all sides of it. At the rim of a support some lie
    beyond the last sample though they belong to it; how many, each support's own samples tell.

    Attributes:
        inside: for the samples of either chart, whether the other network has samples on all sides.
        share: of each network's support, by volume, how much lies in the overlap.
        deviation: standard deviation of either share.
        rim: share of each network's support, by volume, at whose samples its others lie to one side.
    """

    inside: tuple[Bool[Array, " n"], Bool[Array, " m"]]
    share: tuple[float, float]
    deviation: tuple[float, float]
    rim: tuple[float, float]

    @property
    def partial(self) -> bool:
        """Whether either network was surely probed on something that the other was not."""
        return any(
            1 - share > max(_LEAST, _SURELY * deviation)
            for share, deviation in zip(self.share, self.deviation, strict=True)
        )


def overlap(
    charts: tuple[Chart, Chart], places: tuple[Images, Images], inside: tuple[Bool[Array, " n"], Bool[Array, " m"]]
) -> Overlap:
    """How much two networks were both probed on.

    Args:
        charts: of the two.
        places: of the samples of either on the other's manifold.
        inside: which of them are inside the other's support, from :func:`believed`.
    """
    others = charts[::-1]
    rims = [_rim(charts[k], near(others[k], places[k])) for k in (0, 1)]
    told = [_share(charts[k], inside[k], rims[1 - k], len(others[k].rows)) for k in (0, 1)]
    shares, deviations = (told[0][0], told[1][0]), (told[0][1], told[1][1])
    surely = [1 - share > max(_LEAST, _SURELY * each) for share, each in zip(shares, deviations, strict=True)]
    if charts[0].dimension > 1 and all(surely):
        shares = _of_one_size(charts, shares, deviations)
    return Overlap(inside, shares, deviations, (rims[0], rims[1]))


def _of_one_size(
    charts: tuple[Chart, Chart], shares: tuple[float, float], deviations: tuple[float, float]
) -> tuple[float, float]:
    """The shares, where they are surely not of one and the same overlap those of the smaller: a region that is torn may
    seem to lie inside the other's support, and hardly any that lies there seems to be outside."""
    extents = [chart.operator.extent for chart in charts]
    sizes = [share * extent for share, extent in zip(shares, extents, strict=True)]
    off = float(np.hypot(deviations[0] * extents[0], deviations[1] * extents[1]))
    if abs(sizes[0] - sizes[1]) <= _SURELY * off:
        return shares
    return min(sizes) / extents[0], min(sizes) / extents[1]


def _share(chart: Chart, inside: Array, rim: float, others: int) -> tuple[float, float]:
    """Share of a support that lies in the other's, of which a rim is missed, and its standard deviation."""
    volume = chart.operator.volume
    found, number = float(volume @ inside), 1 / float(np.square(volume).sum())
    seen = max(1 - rim, 0.5)
    deviation = np.sqrt(max(found * (1 - found), 1 / number) / number + rim / others) / seen
    return min(found / seen, 1.0), float(deviation)


def _rim(chart: Chart, rows: Bool[Array, " n"]) -> float:
    """Share of the volume of some samples at which the others of their own network lie to one side."""
    if not rows.any():
        return 0.0
    volume, graph = chart.operator.volume[rows], chart.graph
    return float(volume @ ~on_all_sides(graph.steps[rows], graph.present[rows]) / volume.sum())


def near(target: Chart, places: Images, slack: float = 1.0) -> Bool[Array, " n"]:
    """Whether places are as near to a sample of the chart as about the (2d + 2)nd neighbour is, or ``slack`` times."""
    count = min(2 * target.dimension + 2, target.graph.index.shape[1])
    squared = np.where(target.graph.present, target.graph.squared, 0)[:, :count].max(axis=1)
    return np.square(places.offset).sum(axis=1) <= slack**2 * squared[places.sample]


def surrounded(target: Chart, sample: Int[Array, " p"], offset: Float[Array, "p d"]) -> Bool[Array, " p"]:
    """Whether places have samples of the chart on all sides; on curves, where gaps lead nowhere else, however far."""
    graph = target.graph
    steps = np.concatenate([-offset[:, None], graph.steps[sample] - offset[:, None]], axis=1)
    present = np.concatenate([np.ones((len(sample), 1), bool), graph.present[sample]], axis=1)
    return on_all_sides(steps, present, steps.shape[1] if target.dimension == 1 else None)


def on_all_sides(
    steps: Float[Array, "p q d"], present: Bool[Array, "p q"], count: int | None = None
) -> Bool[Array, " p"]:
    """Whether the nearest of the points at ``steps`` lie on all sides: no plane through the place leaves them on one.

    Of 3 d + 5 points drawn at random one place in a hundred has them all on one side (Wendel 1962). The plane is looked
    for by the shortest vector in their convex hull (Gilbert 1966). ``count`` asks for other than 3 d + 5.

    Examples:
        >>> import numpy as np
        >>> steps = np.array([[[1.0], [2.0], [-3.0]], [[1.0], [2.0], [3.0]]])
        >>> on_all_sides(steps, np.ones((2, 3), bool))
        array([ True, False])
    """
    d = steps.shape[2]
    nearest = min(3 * d + 5 if count is None else count, steps.shape[1])
    result = np.empty(len(steps), bool)

    def judge(rows: slice) -> None:
        result[rows] = _on_all_sides(steps[rows], present[rows], nearest)

    parallel.each(judge, parallel.blocks(len(steps), steps.shape[1] * d))
    return result


def _on_all_sides(steps: Array, present: Array, count: int) -> Array:
    length = np.where(present, np.linalg.norm(steps, axis=2), np.inf)
    order = np.argsort(length, axis=1, kind="stable")[:, :count]
    length = np.take_along_axis(length, order, axis=1)
    steps = np.take_along_axis(steps, order[:, :, None], axis=1)
    there = np.isfinite(length)
    unit = np.where(there[:, :, None], steps / np.maximum(length, np.finfo(float).tiny)[:, :, None], 0.0)
    result = there[:, 0].copy()
    at_one = length[:, 0] <= 1e-9 * np.where(there, length, 0).max(axis=1)
    asked = np.flatnonzero(result & ~at_one)
    shortest = unit[asked].sum(axis=1) / there[asked].sum(axis=1)[:, None]
    for _ in range(_ROUNDS):
        along = np.where(there[asked], np.einsum("pqd,pd->pq", unit[asked], shortest), np.inf)
        lowest = along.argmin(axis=1)
        apart = along.min(axis=1, initial=np.inf) > 0
        result[asked[apart]] = False
        change = unit[asked, lowest] - shortest
        squared = np.maximum(np.square(change).sum(axis=1), np.finfo(float).tiny)
        share = np.clip(-np.einsum("pd,pd->p", shortest, change) / squared, 0, 1)
        shortest, asked = (shortest + share[:, None] * change)[~apart], asked[~apart]
    return result


def believed(
    chart: Chart, target: Chart, edges: Edges, places: Images, anchors: Int[Array, " k"]
) -> tuple[Bool[Array, " n"], Images]:
    """Which samples are inside the target's support; and the places, those torn that only seem to be there.

    What holds together with the anchors is where it seems to be (on a curve, which comes apart at single places, all
    pieces but small ones). The rest is torn: either there, or beyond the target's samples, where its manifold is not
    known and places can be anywhere, among its samples too. That is told by where the part that holds leads at its
    edge, and by the majority farther in.

    Args:
        chart, target: whose samples have places, and where.
        edges: of the chart.
        places: of its samples.
        anchors: rows of the chart.
    """
    n = len(places.sample)
    around = surrounded(target, places.sample, places.offset)
    reached = near(target, places)
    if chart.dimension == 1:
        # a gap between samples of the target that its chart joins leads nowhere else; and some way beyond its ends
        reached = around | near(target, places, _ACROSS)
    holds = (places.strain < _HOLDS) & reached
    joined = holds[edges.i] & holds[edges.j]
    links = sp.coo_array((np.ones(int(joined.sum())), (edges.i[joined], edges.j[joined])), shape=(n, n))
    piece = connected_components(links, directed=False)[1]
    seeds = anchors[holds[anchors]]
    main = piece[seeds]
    if not len(seeds) or chart.dimension == 1:
        main = np.union1d(main, _largest(np.bincount(piece[holds], minlength=1), chart.dimension))
    solid = holds & np.isin(piece, main)
    out = np.flatnonzero(~solid[edges.i] & solid[edges.j])
    i, j = edges.i[out], edges.j[out]
    back = -np.einsum("ped,pe->pd", edges.transport[out], edges.step[out])
    led = target.manifold.reanchor(
        places.sample[j], places.offset[j] + np.einsum("pde,pe->pd", places.differential[j], back)
    )
    leads_in = np.bincount(i, 2.0 * surrounded(target, led[0], led[1]) - 1, minlength=n)
    loose = ~solid[edges.i] & ~solid[edges.j]
    i, j = edges.i[loose], edges.j[loose]
    told = np.sign(leads_in)
    for _ in range(_SPREAD):
        told = np.where(solid, 0.0, np.sign(np.sign(leads_in) + told + np.bincount(i, told[j], minlength=n)))
    torn = ~solid & (told > 0)
    stray = ~solid & ~torn & near(target, places)
    strain = np.where(stray, np.maximum(places.strain, 1.0), places.strain)
    return torn | (solid & around), dataclasses.replace(places, strain=strain)


def _largest(sizes: Int[Array, " p"], dimension: int) -> Array:
    """The largest piece; on curves, which come apart at single places, all that are not small."""
    most = int(sizes.argmax())
    return np.flatnonzero(sizes >= _PIECE * sizes.sum()) if dimension == 1 and sizes[most] else np.array([most])


def confined(
    first: Chart,
    second: Chart,
    edges: Edges,
    images: Images,
    inside: Bool[Array, " n"],
    anchors: Int[Array, "k 2"],
) -> Images:
    """The match refined once more without the samples that have no place on the other's manifold: these pull at the
    rest by edges that no map could carry.

    Args:
        first, second, edges, images: as in :func:`believed`.
        inside: which samples are inside the support.
        anchors: pairs that the match is held by, exactly.
    """
    # the rim beside them as well: most of it is inside
    kept = inside | ((np.bincount(edges.i, inside[edges.j], minlength=len(inside)) > 0) & near(second, images))
    kept[anchors[:, 0]] = True
    if np.mean(~kept) <= _LEAST:
        return images
    between = kept[edges.i] & kept[edges.j]
    held_by_edges = np.zeros(len(kept), bool)
    held_by_edges[edges.i[between]] = held_by_edges[edges.j[between]] = True
    kept &= held_by_edges
    among = kept[anchors[:, 0]]
    if not among.any():
        return images
    rows = np.flatnonzero(kept)
    place = np.cumsum(kept) - 1
    manifold = first.manifold
    of = {each.name: getattr(edges, each.name)[between] for each in dataclasses.fields(Edges) if each.name != "size"}
    alone = isometric.refine(
        SampledManifold(manifold.activations[rows], manifold.metric.take(rows)),
        second.manifold,
        Edges(len(rows), **{**of, "i": place[of["i"]], "j": place[of["j"]]}),
        (images.sample[rows], images.offset[rows]),
        anchors=np.stack([place[anchors[among, 0]], anchors[among, 1]], axis=1),
        draws=0,
    )
    if np.mean(np.minimum(alone.strain, 1)) > np.mean(np.minimum(images.strain[rows], 1)):
        return images
    result = {name: getattr(images, name).copy() for name in ("sample", "offset", "differential", "strain")}
    for name, values in result.items():
        values[rows] = getattr(alone, name)
    residual = images.anchor_residual.copy()
    residual[among] = alone.anchor_residual
    return dataclasses.replace(images, anchor_residual=residual, **result)
