"""Isometric refinement: the match must carry each local frame rigidly.

A first guess from eigenfunctions is refined as a least-squares problem over the edges of the first network's neighbour
graph. Unknown are, for every sample, the offset of its image on the second manifold and the rotation from its frame to
the frame there. Each edge asks that the step between two images be the rotated step between the samples. Gauss–Newton
in offsets and rotations together; each iteration is one sparse linear solve.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from sametask._types import Array, Float, Int
from sametask.matching.least_squares import (
    STEP_TOLERANCE,
    Anchors,
    Pulls,
    Unit,
    linearise,
    places_deviation,
    rotation_generators,
    solver,
)
from sametask.numerics.edges import Edges, displacements
from sametask.numerics.manifold import SampledManifold
from sametask.numerics.procrustes import orthogonal

_ANCHOR_STIFFNESS = 30.0
"""Weight of an anchor against that of a typical edge: about that of all the edges of its sample. The map yields to an
anchor that contradicts the rest, and the strain around it shows that."""

_LEAST_STRAIN = 0.05
"""An edge strained by less is not distrusted."""

_LEAST_CERTAIN = 1e-3
"""The least that an edge counts, whatever its ends say: less would leave it to the damping."""

_LEAST_APART = 1e-6
"""Ends that disagree by less, relative to the length, agree: the rest is rounding."""

_TORN = 0.2
"""An edge strained by more does not hold."""

_SETTLED = 1e-3
"""Images that move by less, relative to what is left of the typical edge, are where they belong."""

_TURNING = 0.1
"""A frame that still turns by more, in radians, is not where it belongs."""

_OWN_VOICE = 1e-2
"""What a sample's own handedness counts on curves, against that of one neighbour: some hundred samples decide."""


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
        anchor_residual: (k,) distance of each anchor from where all the rest would put it, in intrinsic units.
        anchor_influence: (n,) how far each place moves, per direction, where anchors move by one unit each at random.
        stretch: lengths on the second manifold for each on the first; 1 unless it was free.
        stretch_deviation: its relative standard deviation.
    """

    sample: Int[Array, " n"]
    offset: Float[Array, "n d2"]
    differential: Float[Array, "n d2 d1"]
    strain: Float[Array, " n"]
    deviation: Float[Array, " n"]
    anchor_residual: Float[Array, " anchors"]
    anchor_influence: Float[Array, " n"]
    stretch: float = 1.0
    stretch_deviation: float = 0.0

    def rescale(self, factor: float) -> Images:
        """The images with lengths on the second manifold told in units ``factor`` times smaller."""
        return dataclasses.replace(
            self,
            offset=self.offset * factor,
            deviation=self.deviation * factor,
            anchor_residual=self.anchor_residual * factor,
        )


def refine(
    first: SampledManifold,
    second: SampledManifold,
    edges: Edges,
    start: tuple[Int[Array, " n"], Float[Array, "n d"]],
    *,
    anchors: Int[Array, "k 2"] | None = None,
    weights: Float[Array, " k"] | None = None,
    pulls: Callable[[Array, Array, Array], Pulls] | None = None,
    stretch: tuple[float, float] | None = None,
    iterations: int = 30,
    tolerance: float = 1e-6,
    repairs: int = 2,
    draws: int = 8,
) -> Images:
    """Refine a sample map into an isometric match.

    Args:
        first, second: the two manifolds, of the same dimension.
        edges: of the first.
        start: a place on the second manifold for each sample of the first: the first guess.
        anchors: pairs of samples whose image is known.
        weights: of the anchors, from 1 (exact) down to 0.
        pulls: what else moves places, told anew in each iteration from their samples, offsets and rotations.
        stretch: where lengths on the second manifold are told in unknown units: those of one on the first, by what else
            is known, and its relative standard deviation. None where units agree.
        iterations: at most, at first and after each of the few times that regions are placed anew.
        tolerance: relative to the typical edge; stop when images move less, or by next to nothing of what edges are
            strained.
        repairs: times that regions gone astray are placed anew at most.
        draws: random draws behind the deviation of places, which is zero without any.
    """
    n, d = len(first.activations), first.dimension
    pairs = np.empty((0, 2), np.int64) if anchors is None else anchors
    held = Anchors(pairs, _ANCHOR_STIFFNESS * (np.ones(len(pairs)) if weights is None else weights))
    generators = rotation_generators(d)
    unit = Unit.free(*stretch) if stretch else Unit()
    sample, offset, _ = second.reanchor(*start)
    steps = _image_steps(second, edges, sample, offset)
    between, transport = steps.between, steps.transport
    rotation = _fit_rotations(n, edges, between, transport)
    scale = float(np.median(edges.length)) * unit.stretch
    typical = float(np.median(edges.weight))
    violations: list[float] = []
    solve = None
    while True:
        turned = unit.stretch * np.einsum("pde,pe->pd", rotation[edges.i], edges.step)
        root = np.sqrt(edges.weight * _certainty(edges, steps) * _trust(edges, between - turned))
        system = linearise(edges, root, transport, turned, generators, n)
        back = sp.bsr_array(system.T)
        pulled = None if pulls is None else pulls(sample, offset, rotation)
        normal, pull = held.add(sp.bsr_array(back @ system), second, sample, offset, typical, pulled)
        residual = (root[:, None] * (between - turned)).ravel()
        solve = solver(normal, edges, root, transport, turned, generators, solve)
        solution = solve(pull - back @ residual, STEP_TOLERANCE)
        if unit.precision:
            solution, unit = unit.solve(solution, solve, back, (root[:, None] * turned).ravel(), residual)
        solution = solution.reshape(n, -1)
        move, spin = solution[:, :d], np.clip(solution[:, d:], -0.5, 0.5)
        offset = offset + move
        if len(generators):
            rotation = orthogonal(np.eye(d) + np.einsum("nr,rde->nde", spin, generators)) @ rotation
        sample, offset, turn = second.reanchor(sample, offset)
        rotation = turn @ rotation
        steps = _image_steps(second, edges, sample, offset, steps)
        between, transport = steps.between, steps.transport
        turned = unit.stretch * np.einsum("pde,pe->pd", rotation[edges.i], edges.step)
        relative = edges.weight * np.square(between - turned).sum(axis=1)
        violations.append(float(np.median(relative)))
        enough = max(tolerance, _SETTLED * float(np.sqrt(violations[-1])))
        still = np.sqrt(np.mean(np.square(move).sum(axis=1))) < enough * scale
        still &= np.abs(spin).max(initial=0) < _TURNING
        idle = pulls is None and len(violations) > 6 and violations[-1] > 0.98 * violations[-5]
        if still or idle or len(violations) >= iterations:
            astray = _astray(edges, between - turned, transport, rotation)
            if not repairs or not 0 < astray.sum() < n / 2:
                break
            repairs -= 1
            violations.clear()
            _regrow(second, edges, astray, _strain(edges, between - turned, n), sample, offset, rotation)
            steps = _image_steps(second, edges, sample, offset, steps)
            between, transport = steps.between, steps.transport
    kept = edges.weight * _certainty(edges, steps) * _trust(edges, between - turned)
    noise = np.sqrt(kept) * np.linalg.norm(between - turned, axis=1)
    deviation = places_deviation(back, noise, edges, solve, n, draws)
    missed, influence = held.left_out(second, sample, offset, solve, typical)
    strains = _strain(edges, between - turned, n)
    return Images(sample, offset, rotation, strains, deviation, missed, influence, unit.stretch, unit.deviation(noise))


def strain(second: SampledManifold, edges: Edges, sample: Int[Array, " n"], offset: Float[Array, "n d"]) -> Array:
    """(n,) root mean square relative violation of the edges around each sample, for places given, not refined."""
    n = len(sample)
    steps = _image_steps(second, edges, sample, offset)
    rotation = _fit_rotations(n, edges, steps.between, steps.transport)
    turned = np.einsum("pde,pe->pd", rotation[edges.i], edges.step)
    return _strain(edges, steps.between - turned, n)


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
    steps = None
    for _ in range(rounds):
        steps = _image_steps(target, edges, sample, offset, steps)
        turned = np.einsum("pde,pe->pd", differential[edges.i], edges.step)
        violation = edges.weight * np.square(steps.between - turned).sum(axis=1)
        torn = np.bincount(edges.i, violation > 0.25, minlength=n) / count
        strain = _strain(edges, steps.between - turned, n)
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


@dataclass(frozen=True)
class _ImageSteps:
    """Steps between images of samples, for every edge.

    Attributes:
        ends: (2, p) the nearest samples of the images of i and j.
        displacement: (p, d) the step from the one to the other.
        transport: (p, d, d) from the frame at j's image to that at i's.
        apart: (p,) how far the displacements differ that its two ends see.
        between: (p, d) the step from the image of i to the image of j in the frame at i's image.
    """

    ends: Array
    displacement: Array
    transport: Array
    apart: Array
    between: Array


def _image_steps(
    second: SampledManifold, edges: Edges, sample: Array, offset: Array, known: _ImageSteps | None = None
) -> _ImageSteps:
    """Measure steps between images; where the nearest samples are as before, what is ``known`` is taken over."""
    ends = np.stack([sample[edges.i], sample[edges.j]])
    if known is None:
        displacement, transport, apart = displacements(second, *ends)
    else:
        displacement, transport, apart = known.displacement.copy(), known.transport.copy(), known.apart.copy()
        changed = np.flatnonzero((ends != known.ends).any(axis=0))
        displacement[changed], transport[changed], apart[changed] = displacements(second, *ends[:, changed])
    between = displacement - offset[edges.i] + np.einsum("pde,pe->pd", transport, offset[edges.j])
    return _ImageSteps(ends, displacement, transport, apart, between)


def _fit_rotations(n: int, edges: Edges, between: Array, transport: Array) -> Array:
    """Each sample's rotation by Procrustes over its edges, with the handedness its neighbours agree on.

    A noisy first guess turns some neighbourhoods over. Frames are arbitrary, so handedness compares only through the
    transports on both manifolds; where a sample is outvoted its best fit of the other handedness is taken.
    """
    moment = _sum_by(edges.i, edges.weight[:, None, None] * between[:, :, None] * edges.step[:, None, :], n)
    rotation = orthogonal(moment)
    relative = _hand(transport) * _hand(edges.transport)
    hand = _hand(rotation)
    if rotation.shape[1] == 1:
        return _ordered(edges, relative, hand)[:, None, None]
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


def _ordered(edges: Edges, relative: Array, hand: Array) -> Array:
    """Signs on a curve that most samples far and wide agree on, where those of an edge's ends should have the product
    ``relative``.

    The turn of a sample on a curve is a sign, and no step of the refinement changes it. Where the first guess puts the
    dense samples of a stretch in reverse order neighbours vote for each other, and stay folded.
    """
    n = len(hand)
    own = np.arange(n)
    voices = np.concatenate([np.bincount(edges.i, minlength=n) + _OWN_VOICE, -relative])
    system = sp.csc_array((voices, (np.concatenate([own, edges.i]), np.concatenate([own, edges.j]))), shape=(n, n))
    return np.where(spsolve(system, _OWN_VOICE * hand) < 0, -1.0, 1.0)


def _trust(edges: Edges, residual: Array) -> Array:
    """Weights between 0 and 1 that keep edges far more strained than most from spoiling the rest (Cauchy).

    Strains that are small in themselves keep theirs: where most edges are all but exact, those across the widest gaps
    are not, and without them the pieces would drift apart.
    """
    relative = edges.weight * np.square(residual).sum(axis=1)
    return 1 / (1 + relative / np.square(max(3 * float(np.sqrt(np.median(relative))), _LEAST_STRAIN)))


def _certainty(edges: Edges, steps: _ImageSteps) -> Array:
    """Weights between 0 and 1 by how well each edge and its image are measured.

    Where the metric changes faster than samples resolve the two ends of a step disagree, and by about as much as it is
    wrong. An edge that most others better by far leaves them the say; across a gap in a curve, where there is no other,
    it must hold still.
    """
    relative = edges.weight * (np.square(edges.apart) + np.square(steps.apart))
    return np.maximum(1 / (1 + relative / max(float(np.median(relative)), _LEAST_APART**2)), _LEAST_CERTAIN)


def _sum_by(index: Array, values: Array, n: int) -> Array:
    """Sum the leading axis of ``values`` by ``index``."""
    flat = values.reshape(len(values), -1)
    summed = np.stack([np.bincount(index, column, minlength=n) for column in flat.T], axis=1)
    return summed.reshape(n, *values.shape[1:])
