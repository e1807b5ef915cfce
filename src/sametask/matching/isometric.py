"""Isometric refinement: the match must carry each local frame rigidly.

A first guess from eigenfunctions is refined as a least-squares problem over the edges of the first network's neighbour
graph. Unknown are, for every sample, the offset of its image on the second manifold and the rotation from its frame to
the frame there. Each edge asks that the step between two images be the rotated step between the samples. Gauss–Newton
in offsets and rotations together; each iteration is one sparse linear solve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import cg, splu

from sametask._types import Array, Float, Int
from sametask.numerics.manifold import SampledManifold
from sametask.numerics.neighbours import NeighbourGraph
from sametask.numerics.procrustes import orthogonal

_ANCHOR_STIFFNESS = 30.0
"""Weight of an anchor against that of a typical edge: about that of all the edges of its sample. The map yields to an
anchor that contradicts the rest, and the strain around it shows that."""

_LEAST_STRAIN = 0.05
"""An edge strained by less is not distrusted."""

_TORN = 0.2
"""An edge strained by more does not hold."""

_REPAIRS = 2
"""Times that regions gone astray are placed anew at most."""

_DRAWS = 8
"""Random draws behind the positional uncertainty."""


@dataclass(frozen=True)
class Images:
    """Where the samples of one network lie on the manifold of another.

    Attributes:
        sample: (n,) the nearest samples there.
        offset: (n, d2) the intrinsic steps from them.
        differential: (n, d2, d1) how steps in the sample's own frame become steps in the frame there; orthogonal in an
            isometric match.
        strain: (n,) root mean square relative violation of the edges around each sample.
        deviation: (n,) standard deviation of the places, per direction, in intrinsic units.
        anchor_residual: (k,) distance of each anchor's image from where the anchor wants it, in intrinsic units.
    """

    sample: Int[Array, " n"]
    offset: Float[Array, "n d2"]
    differential: Float[Array, "n d2 d1"]
    strain: Float[Array, " n"]
    deviation: Float[Array, " n"]
    anchor_residual: Float[Array, " anchors"]


@dataclass(frozen=True)
class Edges:
    """Directed edges: the intrinsic step from ``i`` to ``j`` in i's frame, and the transport from j's frame to i's."""

    i: Int[Array, " p"]
    j: Int[Array, " p"]
    step: Float[Array, "p d"]
    transport: Float[Array, "p d d"]
    weight: Float[Array, " p"]

    @property
    def length(self) -> Float[Array, " p"]:
        """Intrinsic lengths."""
        return np.linalg.norm(self.step, axis=1)


def graph_edges(manifold: SampledManifold, graph: NeighbourGraph, neighbours: int) -> Edges:
    """Edges to the nearest neighbours, each in both directions, weighted by the inverse square of their length.

    Where the nearest leave pieces apart that more distant neighbours join, those join them: on a curve all the nearest
    may lie on one side of a gap.
    """
    n = graph.size
    near = graph.present.copy()
    near[:, neighbours:] = False
    everyone = np.broadcast_to(np.arange(n)[:, None], near.shape)
    links = sp.coo_array((np.ones(int(near.sum())), (everyone[near], graph.index[near])), shape=(n, n))
    pieces, piece = connected_components(links, directed=False)
    if pieces > 1:
        near |= graph.present & (piece[:, None] != piece[graph.index])
    i, j = everyone[near], graph.index[near]
    pairs = np.unique(np.concatenate([i * n + j, j * n + i]))
    i, j = pairs // n, pairs % n
    step, transport = manifold.displacement(i, j)
    squared = np.square(step).sum(axis=1)
    floor = 1e-6 * np.median(squared) if len(squared) else 1.0
    return Edges(i, j, step, transport, 1 / np.maximum(squared, max(floor, np.finfo(float).tiny)))


def refine(
    first: SampledManifold,
    second: SampledManifold,
    edges: Edges,
    start: tuple[Int[Array, " n"], Float[Array, "n d"]],
    *,
    anchors: Int[Array, "k 2"] | None = None,
    iterations: int = 30,
    tolerance: float = 1e-3,
) -> Images:
    """Refine a sample map into an isometric match.

    Args:
        first, second: the two manifolds, of the same dimension.
        edges: of the first.
        start: a place on the second manifold for each sample of the first: the first guess.
        anchors: pairs of samples whose image is known.
        iterations: at most, at first and after each of the few times that regions are placed anew.
        tolerance: relative to the typical edge; stop when images move less.
    """
    n, d = len(first.activations), first.dimension
    anchors = np.empty((0, 2), np.int64) if anchors is None else anchors
    generators = _rotation_generators(d)
    sample, offset, _ = second.reanchor(*start)
    between, transport = _image_steps(second, edges, sample, offset)
    rotation = _fit_rotations(n, edges, between, transport)
    scale = float(np.median(edges.length))
    violations: list[float] = []
    repairs = 0
    while True:
        turned = np.einsum("pde,pe->pd", rotation[edges.i], edges.step)
        trust = _trust(edges, between - turned)
        system = _linearise(edges, np.sqrt(edges.weight * trust), transport, turned, generators, n)
        normal, pull = _with_anchors(system, second, sample, offset, anchors, float(np.median(edges.weight)))
        residual = (np.sqrt(edges.weight * trust)[:, None] * (between - turned)).ravel()
        solve = _solver(normal, direct=d <= 2)
        solution = solve(pull - system.T @ residual).reshape(n, -1)
        move, spin = solution[:, :d], np.clip(solution[:, d:], -0.5, 0.5)
        offset = offset + move
        if len(generators):
            rotation = orthogonal(np.eye(d) + np.einsum("nr,rde->nde", spin, generators)) @ rotation
        sample, offset, turn = second.reanchor(sample, offset)
        rotation = turn @ rotation
        between, transport = _image_steps(second, edges, sample, offset)
        turned = np.einsum("pde,pe->pd", rotation[edges.i], edges.step)
        relative = edges.weight * np.square(between - turned).sum(axis=1)
        violations.append(float(np.median(relative)))
        still = np.sqrt(np.mean(np.square(move).sum(axis=1))) < tolerance * scale
        idle = len(violations) > 6 and violations[-1] > 0.98 * violations[-5]
        if still or idle or len(violations) >= iterations:
            astray = _astray(edges, between - turned, transport, rotation)
            if repairs == _REPAIRS or not 0 < astray.sum() < n / 2:
                break
            repairs += 1
            violations.clear()
            _regrow(second, edges, astray, _strain(edges, between - turned, n), sample, offset, rotation)
            between, transport = _image_steps(second, edges, sample, offset)
    deviation = _deviation(system, np.sqrt(relative * trust), edges, solve, n)
    wanted = second.displacement(sample[anchors[:, 0]], anchors[:, 1])[0] - offset[anchors[:, 0]]
    missed = np.linalg.norm(wanted, axis=1)
    return Images(sample, offset, rotation, _strain(edges, between - turned, n), deviation, missed)


def strain(second: SampledManifold, edges: Edges, sample: Int[Array, " n"], offset: Float[Array, "n d"]) -> Array:
    """(n,) root mean square relative violation of the edges around each sample, for places given, not refined."""
    n = len(sample)
    between, transport = _image_steps(second, edges, sample, offset)
    rotation = _fit_rotations(n, edges, between, transport)
    turned = np.einsum("pde,pe->pd", rotation[edges.i], edges.step)
    return _strain(edges, between - turned, n)


def _strain(edges: Edges, violation: Array, n: int) -> Array:
    """Root mean square violation around each sample, relative to edges of at least a quarter of the typical length.

    Two samples that happen to lie side by side are carried to within the error of the map, whatever their distance.
    """
    squared = np.square(edges.length)
    relative = np.square(violation).sum(axis=1) / np.maximum(squared, np.median(squared) / 16)
    count = np.maximum(np.bincount(edges.i, minlength=n), 1)
    return np.sqrt(np.bincount(edges.i, relative, minlength=n) / count)


def mend(
    target: SampledManifold,
    edges: Edges,
    sample: Array,
    offset: Array,
    differential: Array,
    *,
    rounds: int = 10,
) -> tuple[Array, Array, Array, Array]:
    """Put right the few places that contradict their neighbours, and return the places with their strain.

    Where two sheets of activations pass close by each other, the nearest image can lie on the wrong one. Such a sample
    is torn from its neighbours, and is placed anew from the neighbour that is itself least torn.
    """
    n = len(sample)
    count = np.maximum(np.bincount(edges.i, minlength=n), 1)
    strain = np.zeros(n)
    for _ in range(rounds):
        between, _ = _image_steps(target, edges, sample, offset)
        turned = np.einsum("pde,pe->pd", differential[edges.i], edges.step)
        violation = edges.weight * np.square(between - turned).sum(axis=1)
        torn = np.bincount(edges.i, violation > 0.25, minlength=n) / count
        strain = _strain(edges, between - turned, n)
        bad = torn > 0.5
        if not len(_place_anew(target, edges, bad, torn, sample, offset, differential)):
            break
    return sample, offset, differential, strain


def _astray(edges: Edges, violation: Array, transport: Array, rotation: Array) -> Array:
    """(n,) whether each sample is cut off from most: no edges that hold, and agree in handedness, lead there.

    Inside a region that is turned over all edges hold, and at its rim some do; it is the handedness that tells.
    """
    n = len(rotation)
    hand = _hand(rotation)
    agree = hand[edges.i] * hand[edges.j] * _hand(transport) * _hand(edges.transport) > 0
    holds = agree & (edges.weight * np.square(violation).sum(axis=1) < _TORN**2)
    i, j = edges.i[holds], edges.j[holds]
    piece = connected_components(sp.coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)[1]
    return piece != np.bincount(piece).argmax()


def _hand(matrices: Array) -> Array:
    """Signs of determinants."""
    return np.sign(matrices[:, 0, 0] if matrices.shape[1] == 1 else np.linalg.det(matrices))


def _regrow(
    target: SampledManifold, edges: Edges, bad: Array, torn: Array, sample: Array, offset: Array, rotation: Array
) -> None:
    """Place regions that went astray anew, from their rims inwards.

    Samples that the first guess turned over hold one another: their edges to the rest have lost all trust.
    """
    left = bad.copy()
    while left.any():
        moved = _place_anew(target, edges, left, torn, sample, offset, rotation)
        if not len(moved):
            return
        left[moved] = False


def _place_anew(
    target: SampledManifold, edges: Edges, bad: Array, torn: Array, sample: Array, offset: Array, differential: Array
) -> Array:
    """Put ``bad`` places, in place, where the least ``torn`` of their good neighbours wants them; which were moved."""
    donors = np.flatnonzero(~bad[edges.j] & bad[edges.i])
    order = np.lexsort((torn[edges.j[donors]], edges.i[donors]))
    chosen = donors[order]
    chosen = chosen[np.unique(edges.i[chosen], return_index=True)[1]]
    if not len(chosen):
        return chosen
    i, j = edges.i[chosen], edges.j[chosen]
    # the step from j to i in j's frame
    back = -np.einsum("ped,pe->pd", edges.transport[chosen], edges.step[chosen])
    place = offset[j] + np.einsum("pde,pe->pd", differential[j], back)
    sample[i], offset[i], turn = target.reanchor(sample[j], place)
    differential[i] = turn @ differential[j] @ np.swapaxes(edges.transport[chosen], 1, 2)
    return i


def _image_steps(second: SampledManifold, edges: Edges, sample: Array, offset: Array) -> tuple[Array, Array]:
    """The step from the image of i to the image of j in the frame at i's image, and the transport between them."""
    displacement, transport = second.displacement(sample[edges.i], sample[edges.j])
    step = displacement - offset[edges.i] + np.einsum("pde,pe->pd", transport, offset[edges.j])
    return step, transport


def _fit_rotations(n: int, edges: Edges, between: Array, transport: Array) -> Array:
    """Each sample's rotation by Procrustes over its edges, with the handedness its neighbours agree on.

    A noisy first guess turns some neighbourhoods over. Frames are arbitrary, so handedness compares only through the
    transports on both manifolds; where a sample is outvoted its best fit of the other handedness is taken.
    """
    moment = _sum_by(edges.i, edges.weight[:, None, None] * between[:, :, None] * edges.step[:, None, :], n)
    rotation = orthogonal(moment)
    relative = _hand(transport) * _hand(edges.transport)
    hand = _hand(rotation)
    for _ in range(50):
        vote = np.bincount(edges.i, hand[edges.j] * relative, minlength=n)
        outvoted = vote * hand < 0
        if not outvoted.any():
            break
        hand = np.where(outvoted, -hand, hand)
    left, _, right = np.linalg.svd(moment)
    flip = np.sign(np.linalg.det(left @ right)) * hand
    left[:, :, -1] *= flip[:, None]
    return left @ right


def _trust(edges: Edges, residual: Array) -> Array:
    """Weights between 0 and 1 that keep edges far more strained than most from spoiling the rest (Cauchy).

    Strains that are small in themselves keep theirs: where most edges are all but exact, those across the widest gaps
    are not, and without them the pieces would drift apart.
    """
    relative = edges.weight * np.square(residual).sum(axis=1)
    return 1 / (1 + relative / np.square(max(3 * float(np.sqrt(np.median(relative))), _LEAST_STRAIN)))


def _sum_by(index: Array, values: Array, n: int) -> Array:
    """Sum the leading axis of ``values`` by ``index``."""
    flat = values.reshape(len(values), -1)
    summed = np.stack([np.bincount(index, column, minlength=n) for column in flat.T], axis=1)
    return summed.reshape(n, *values.shape[1:])


def _rotation_generators(d: int) -> Float[Array, "r d d"]:
    """A basis of the antisymmetric matrices."""
    generators = np.zeros((d * (d - 1) // 2, d, d))
    rows, columns = np.triu_indices(d, k=1)
    for r, (a, b) in enumerate(zip(rows, columns, strict=True)):
        generators[r, a, b], generators[r, b, a] = -1, 1
    return generators


def _linearise(edges: Edges, root: Array, transport: Array, turned: Array, generators: Array, n: int) -> sp.csr_array:
    """How the weighted residual of every edge answers to moves and spins of every sample.

    The residual of edge (i, j) is the step between the images less the turned step; it changes by
    ``Θ move_j − move_i − (spin_i · generators) turned``. ``root`` is the square root of each edge's weight.
    """
    d, r = turned.shape[1], len(generators)
    width = d + r
    equation = np.arange(len(root) * d).reshape(-1, d)
    rows, columns, data = [], [], []
    for p in range(d):
        rows.append(equation[:, p])
        columns.append(edges.i * width + p)
        data.append(-root)
        for q in range(d):
            rows.append(equation[:, p])
            columns.append(edges.j * width + q)
            data.append(root * transport[:, p, q])
        for g in range(r):
            rows.append(equation[:, p])
            columns.append(edges.i * width + d + g)
            data.append(-root * (turned @ generators[g].T)[:, p])
    shape = (equation.size, n * width)
    return sp.csr_array((np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def _with_anchors(
    system: sp.csr_array,
    second: SampledManifold,
    sample: Array,
    offset: Array,
    anchors: Array,
    typical: float,
) -> tuple[sp.csc_array, Array]:
    """Normal equations of edges and anchors, and the anchors' part of the right-hand side."""
    d = offset.shape[1]
    width = d + d * (d - 1) // 2
    normal = sp.csc_array(system.T @ system)
    diagonal = normal.diagonal()
    extra = np.full(len(diagonal), 1e-9 * diagonal.mean())
    if not len(anchors):
        # without anchors every isometry of the manifold costs nothing: a little damping keeps the map where it started
        extra += 1e-3 * typical
    pull = np.zeros(len(diagonal))
    at = anchors[:, 0]
    wanted = second.displacement(sample[at], anchors[:, 1])[0] - offset[at]
    for p in range(d):
        np.add.at(extra, at * width + p, _ANCHOR_STIFFNESS * typical)
        np.add.at(pull, at * width + p, _ANCHOR_STIFFNESS * typical * wanted[:, p])
    return sp.csc_array(normal + sp.diags_array(extra)), pull


def _solver(matrix: sp.csc_array, *, direct: bool) -> Callable[[Array], Array]:
    """Solve positive definite systems: by elimination where the fill is small, else by conjugate gradients."""
    if direct:
        options = {"SymmetricMode": True}
        return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve
    inverse_root = 1 / np.sqrt(matrix.diagonal())
    scale = sp.diags_array(inverse_root)
    scaled = sp.csr_array(scale @ matrix @ scale)

    def solve(right: Array) -> Array:
        # Gauss–Newton does not need exact steps: the next one takes up what is left
        return inverse_root * cg(scaled, inverse_root * right, rtol=1e-4, maxiter=1500)[0]

    return solve


def _deviation(system: sp.csr_array, noise: Array, edges: Edges, solve: Callable[[Array], Array], n: int) -> Array:
    """Standard deviation of the places if every sample's edges were off together by as much as is left of them.

    What is left is mostly curvature, which the edges of one sample share; taking edges for independent would promise
    too much.
    """
    rng = np.random.default_rng(0)
    d = edges.step.shape[1]
    squares = np.zeros(n)
    for _ in range(_DRAWS):
        drawn = noise[:, None] * rng.standard_normal((n, d))[edges.i] / np.sqrt(d)
        squares += np.square(solve(system.T @ drawn.ravel()).reshape(n, -1)[:, :d]).mean(axis=1)
    return np.sqrt(squares / _DRAWS)
