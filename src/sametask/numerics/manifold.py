"""The activation manifold as samples and frames: where a point lies on it, and what lies at a place.

A *place* on the manifold is a pair (sample, offset): a sample's index and an intrinsic step from it in that sample's
frame. Steps between samples are measured from both ends and averaged: the errors of the two ends mostly cancel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.spatial import KDTree
from sklearn.utils.extmath import randomized_svd

from sametask._types import Array, Bool, Float, Int
from sametask.numerics import parallel
from sametask.numerics.hermite import hermite_weights
from sametask.numerics.local_metric import LocalMetric, from_slopes
from sametask.numerics.normal import NormalCoordinates
from sametask.numerics.procrustes import orthogonal

_BLOCK = parallel.CACHED
_TOGETHER = 4096
"""Places that have all their neighbours looked at in one go."""
_SETTLED = 0.05
"""Of what stays unexplained: steps of less towards a value are not taken."""
_MANY_SHEETS = 5
"""Where few neurons fold a manifold that all unfold, several sheets can lie on one another."""
AROUND = 10
"""Samples that a place is interpolated between."""


@dataclass(frozen=True)
class Projection:
    """The leading principal directions of wide activations.

    Linear combinations of neurons are neurons too: by Whitney's theorem some hundred generic ones show all that
    thousands do, and their local metric is that of the projected Jacobian, exactly.

    Attributes:
        centre: (m,).
        basis: (m, r), orthonormal columns.
    """

    centre: Float[Array, " m"]
    basis: Float[Array, "m r"]

    def apply(self, values: Float[Array, "p m"]) -> tuple[Float[Array, "p r"], Float[Array, " p"]]:
        """The coordinates of activations, and their distances from the span."""
        coordinates = np.empty((len(values), self.basis.shape[1]), np.result_type(values, self.basis))
        left = np.empty(len(values), coordinates.dtype)
        for rows in parallel.blocks(len(values), values.shape[1], 1 << 22):
            centred = values[rows] - self.centre
            coordinates[rows] = centred @ self.basis
            left[rows] = np.square(centred).sum(axis=1) - np.square(coordinates[rows]).sum(axis=1)
        return coordinates, np.sqrt(np.maximum(left, 0))

    def lift(self, coordinates: Float[Array, "p r"]) -> Float[Array, "p m"]:
        """The activations in the span that have these coordinates."""
        return coordinates @ self.basis.T + self.centre

    @staticmethod
    def fit(activations: Float[Array, "n m"], width: int) -> Projection:
        """The ``width`` leading principal directions (Halko, Martinsson & Tropp 2011)."""
        centre = activations.mean(axis=0)
        options: dict[str, Any] = {"n_iter": 2, "power_iteration_normalizer": "QR", "random_state": 0}
        right = randomized_svd(activations - centre, width, **options)[2]
        return Projection(centre, np.ascontiguousarray(right.T))


@dataclass(frozen=True)
class SampledManifold:
    """Activations with their local metric.

    Attributes:
        activations: (n, m).
        metric: the local metric at each of them, every gain positive.
        neighbours: (n, k) the samples around each, itself first: those of a graph without shortcuts, where there is
            one. Without, the nearest in activation space stand in, and sheets that pass close by are confused.
        projection: how activations were reduced before they came here, or None.
        noisy: whether the metric is known with noise only. The ends of a step then disagree by chance, and that is no
            measure of how wrong the step is.
        sheets: how many sheets that pass close by a value are looked at.
    """

    activations: Float[Array, "n m"]
    metric: LocalMetric
    neighbours: Int[Array, "n k"] | None = None
    projection: Projection | None = None
    noisy: bool = False
    sheets: int = 2

    def project(self, values: Float[Array, "p m"]) -> tuple[Float[Array, "p r"], Float[Array, " p"]]:
        """Activations as this manifold holds them, and the length of what that leaves out."""
        if self.projection is None:
            return values, np.zeros(len(values))
        return self.projection.apply(values)

    def lift(self, reduced: Float[Array, "p r"]) -> Float[Array, "p m"]:
        """Activations at full width, but for what :meth:`project` leaves out: parts have directions of their own."""
        return reduced if self.projection is None else self.projection.lift(reduced)

    def project_metric(self, metric: LocalMetric) -> LocalMetric:
        """A local metric in the coordinates of :meth:`project`."""
        if self.projection is None:
            return metric
        slopes = metric.gains[:, :, None] * np.matmul(metric.frames, self.projection.basis)
        return from_slopes(slopes)

    def rescale(self, factor: float) -> SampledManifold:
        """The manifold in intrinsic units ``factor`` times smaller."""
        return dataclasses.replace(self, metric=self.metric.rescale(factor))

    @property
    def dimension(self) -> int:
        """Intrinsic dimension d."""
        return self.metric.dimension

    def seen_through(
        self, activations: Float[Array, "n m"], metric: LocalMetric, turns: Float[Array, "n d d"]
    ) -> SampledManifold:
        """The same places as other activations show them, with the neighbours and the steps that are known here.

        Args:
            activations, metric: what is seen.
            turns: carry vectors in the frames of this manifold to those of ``metric``.
        """
        assert self.neighbours is not None
        seen = SampledManifold(activations, metric, self.neighbours, noisy=self.noisy, sheets=_MANY_SHEETS)
        steps, thetas = self.spokes
        near = self.neighbours[:, : steps.shape[1]]
        there = np.swapaxes(turns[near], 2, 3)
        seen.__dict__["spokes"] = (
            np.matmul(turns[:, None], steps[..., None])[..., 0],
            np.matmul(np.matmul(turns[:, None], thetas), there),
        )
        return seen

    @cached_property
    def tree(self) -> KDTree:
        """Nearest neighbours in activation space."""
        return KDTree(self.activations)

    @cached_property
    def _leaf(self) -> Int[Array, " n"]:
        """The place of each sample in an order in which those near each other are side by side."""
        place = np.empty(len(self.activations), np.int64)
        place[self.tree.indices] = np.arange(len(place))
        return place

    def step(self, i: Int[Array, " p"], change: Float[Array, "p m"]) -> Float[Array, "p d"]:
        """W_i Δy: an activation change as an intrinsic step in sample i's frame."""
        return np.einsum("pdm,pm->pd", self.metric.frames[i], change) / self.metric.gains[i]

    def change(self, i: Int[Array, " p"], step: Float[Array, "p d"]) -> Float[Array, "p m"]:
        """V_i u: an intrinsic step as an activation change, to first order."""
        return np.einsum("pdm,pd->pm", self.metric.frames[i], step * self.metric.gains[i])

    def transport(self, a: Int[Array, " p"], b: Int[Array, " p"]) -> Float[Array, "p d d"]:
        """Θ_ab ∈ O(d), which carries vectors in b's frame to a's frame: the polar factor of W_a V_b."""
        frames, gains = self.metric.frames, self.metric.gains
        overlap = np.matmul(frames[a], np.swapaxes(frames[b], 1, 2))
        return orthogonal(overlap * gains[b][:, None, :] / gains[a][:, :, None])

    @cached_property
    def normal(self) -> NormalCoordinates:
        """Normal coordinates around each sample."""
        near, count = self.neighbours, 4 + 4 * self.dimension
        if near is None:
            near = self.tree.query(self.activations, min(count + 1, len(self.activations)))[1]
        return NormalCoordinates.fit(self.activations, self.metric, near.reshape(len(self.activations), -1), count + 1)

    def displacement(
        self, a: Int[Array, " p"], b: Int[Array, " p"]
    ) -> tuple[Float[Array, "p d"], Float[Array, "p d d"]]:
        """The intrinsic step from sample a to sample b in a's frame, averaged over both ends, and Θ_ab."""
        return self.measure(a, b)[:2]

    def measure(
        self, a: Int[Array, " p"], b: Int[Array, " p"]
    ) -> tuple[Float[Array, "p d"], Float[Array, "p d d"], Float[Array, " p"]]:
        """As :meth:`displacement`, and how far apart the steps are that the two ends see (0 where that is chance)."""
        d, width = self.metric.frames.shape[1:]
        normal = self.normal
        step, theta, apart = np.empty((len(a), d)), np.empty((len(a), d, d)), np.zeros(len(a))

        def along(rows: slice) -> None:
            i, j = a[rows], b[rows]
            frames, gains = self.metric.frames, self.metric.gains
            change = self.activations[j] - self.activations[i]
            overlap = np.matmul(frames[i], np.swapaxes(frames[j], 1, 2))
            ratio = gains[j][:, None, :] / gains[i][:, :, None]
            out, slope_out = normal(i, self.step(i, change))
            home, slope_home = normal(j, -self.step(j, change))
            here = orthogonal(np.matmul(slope_out, overlap * ratio))
            back = orthogonal(np.matmul(slope_home, np.swapaxes(overlap / ratio, 1, 2)))
            theta[rows] = orthogonal(here + np.swapaxes(back, 1, 2))
            there = -np.matmul(theta[rows], home[:, :, None])[:, :, 0]
            step[rows] = 0.5 * (out + there)
            if not self.noisy:
                apart[rows] = np.linalg.norm(out - there, axis=1)

        parallel.each(along, parallel.blocks(len(a), d**4 + 2 * d * width, _BLOCK))
        return step, theta, apart

    @cached_property
    def spokes(self) -> tuple[Float[Array, "n q d"], Float[Array, "n q d d"]]:
        """Steps from every sample to ``AROUND`` of its neighbours, itself first, and transports: asked for often."""
        everyone = np.arange(len(self.activations))
        near = everyone[:, None] if self.neighbours is None else self.neighbours[:, : AROUND + 1]
        return self.steps_to(near, everyone, np.zeros((len(everyone), self.dimension)))

    def seen_from(
        self, c: Int[Array, " p"], a: Int[Array, " p"], offset: Float[Array, "p d"]
    ) -> tuple[Float[Array, "p d"], Float[Array, "p d d"]]:
        """The place (a, offset) as an offset from sample c, and the transport from a's frame to c's."""
        displacement, theta = self.displacement(c, a)
        return displacement + np.einsum("pde,pe->pd", theta, offset), theta

    def evaluate(
        self,
        a: Int[Array, " p"],
        offset: Float[Array, "p d"],
        pieces: tuple[Float[Array, "n w"], Float[Array, "n d w"]] | None = None,
    ) -> Float[Array, "p w"]:
        """Activations at places, by cubics through the samples around (third order in the spacing and better).

        Args:
            a, offset: the places.
            pieces: values at the samples and their derivatives along the frames; default the manifold's own.
        """
        return self.expand(a, offset, pieces, derivative=False)[0]

    def expand(
        self,
        a: Int[Array, " p"],
        offset: Float[Array, "p d"],
        pieces: tuple[Float[Array, "n w"], Float[Array, "n d w"]] | None = None,
        *,
        derivative: bool = True,
    ) -> tuple[Float[Array, "p w"], Float[Array, "p e w"]]:
        """As :meth:`evaluate`, and the derivative there along a's frame (empty unless asked for)."""
        values, slopes = pieces or self._own
        d, width = self.dimension, values.shape[1]
        result = np.empty((len(a), width))
        slope = np.empty((len(a), d if derivative else 0, width))

        def at(rows: slice) -> None:
            near, steps, turns = self._seen_around(a[rows], offset[rows])
            result[rows], slope[rows] = combine(near, steps, turns, values, slopes, derivative=derivative)

        self._prepare()
        parallel.each(at, self._blocks(len(a), width))
        return result, slope

    @property
    def _own(self) -> tuple[Float[Array, "n m"], Float[Array, "n d m"]]:
        """Activations at the samples, and their derivatives along the frames."""
        return self.activations, self.metric.gains[:, :, None] * self.metric.frames

    def _prepare(self) -> None:
        """What threads ask for, made once."""
        _ = (self.tree, self.normal) if self.neighbours is None else self.spokes

    def _blocks(self, n: int, width: int) -> list[slice]:
        return parallel.blocks(n, max(width, 8 * self.dimension) * (self.dimension + 1) * 2 * AROUND, _BLOCK)

    def _seen_around(self, a: Array, offset: Array) -> tuple[Array, Array, Array]:
        """Samples around places, the steps to them, and the transports from them."""
        near = self.around(a, offset, AROUND)
        if self.neighbours is None:
            return near, *self.steps_to(near, a, offset)
        steps, turns = self.spokes
        return near, steps[a] - offset[:, None], turns[a]

    def steps_to(self, near: Int[Array, "p q"], a: Array, offset: Array) -> tuple[Array, Array]:
        """Steps from places to the samples ``near`` them, in a's frame, and the transports from those samples to it."""
        steps, turns = self.displacement(np.repeat(a, near.shape[1]), near.ravel())
        shape = (*near.shape, self.dimension)
        return steps.reshape(shape) - offset[:, None], turns.reshape(*shape, self.dimension)

    def around(self, a: Int[Array, " p"], offset: Float[Array, "p d"], count: int) -> Int[Array, "p q"]:
        """About ``count`` samples around each place (a, offset), a itself among them."""
        if self.neighbours is not None:
            return self.neighbours[a, : count + 1]
        count = min(count, len(self.activations))
        guess = self.activations[a] + self.change(a, offset)
        near = self.tree.query(guess, count)[1].reshape(len(a), count)
        present = (near == a[:, None]).any(axis=1)
        near[:, -1] = np.where(present, near[:, -1], a)
        return near

    def locate(
        self,
        values: Float[Array, "p m"],
        metric: LocalMetric | None = None,
        *,
        around: int = 12,
        iterations: int = 3,
    ) -> tuple[Int[Array, " p"], Float[Array, "p d"], Float[Array, " p"]]:
        """The places whose activations are nearest to ``values``.

        Where sheets cross values alone do not tell on which of them a place lies; the local metric does.

        Args:
            values: activations.
            metric: the local metric there, where it is known.
            around: near samples that are considered.
            iterations: at most, towards each value.

        Returns:
            The nearest samples, the offsets from them, and the activation distance left unexplained.
        """
        return self.carry(values, metric, (), around=around, iterations=iterations)[:3]

    def carry(
        self,
        values: Float[Array, "p m"],
        metric: LocalMetric | None,
        pieces: tuple[Float[Array, "n w"], Float[Array, "n d w"]] | tuple[()],
        *,
        around: int = 12,
        iterations: int = 3,
    ) -> tuple[Int[Array, " p"], Float[Array, "p d"], Float[Array, " p"], Float[Array, "p w"]]:
        """As :meth:`locate`, and what :meth:`evaluate` makes of ``pieces`` at these places (empty for none)."""
        first, *others = self._nearest(values, around * (self.sheets // 2), self.sheets)
        sample = first.copy()
        offset, missing, carried = self._approach(values, sample, iterations, pieces)
        for rival in others:
            asked = np.flatnonzero(rival != first)
            if len(asked) == 0:
                break
            # two sheets pass close by: the one that the value lies on is told by what is left over, not by distance
            other, left, there_carried = self._approach(values[asked], rival[asked], iterations, pieces)
            here, there = missing[asked], left
            if metric is not None:
                known = metric.take(asked)
                here = here * self._turned(sample[asked], offset[asked], known)
                there = there * self._turned(rival[asked], other, known)
            # where it is beyond the samples around the rival, little left over is no evidence
            reach = np.linalg.norm(self.spokes[0][rival[asked]], axis=2).max(axis=1)
            closer = (there < here) & (np.linalg.norm(other, axis=1) <= reach)
            asked = asked[closer]
            sample[asked], offset[asked], missing[asked] = rival[asked], other[closer], left[closer]
            carried[asked] = there_carried[closer]
        return sample, offset, missing, carried

    def _approach(
        self,
        values: Float[Array, "p m"],
        sample: Int[Array, " p"],
        iterations: int,
        pieces: tuple[Float[Array, "n w"], Float[Array, "n d w"]] | tuple[()],
    ) -> tuple[Float[Array, "p d"], Float[Array, " p"], Float[Array, "p w"]]:
        """The offsets from given samples whose activations are nearest to ``values``, the distances left, and what
        ``pieces`` make there."""
        own = self._own
        offset, missing = np.empty((len(values), self.dimension)), np.empty(len(values))
        carried = np.empty((len(values), pieces[0].shape[1] if pieces else 0))
        order = np.argsort(self._leaf[sample], kind="stable")  # those side by side share the samples around them

        def toward(block: slice) -> None:
            rows = order[block]
            a, value = sample[rows], values[rows]
            at = self.step(a, value - self.activations[a])
            weights = Weights.of(*self._seen_around(a, at))
            left = value - weights.apply(*own)
            before, going = np.linalg.norm(at, axis=1), np.arange(len(a))
            for _ in range(iterations):
                trial = at[going] + self.step(a[going], left[going])
                there = Weights.of(*self._seen_around(a[going], trial))
                remains = value[going] - there.apply(*own)
                # A step is kept only where it brings the value nearer: off the manifold Newton would wander.
                better = np.square(remains).sum(axis=1) < np.square(left[going]).sum(axis=1)
                kept = going[better]
                step = np.linalg.norm(trial[better] - at[kept], axis=1)
                at[kept], left[kept] = trial[better], remains[better]
                weights.put(kept, there, better)
                # the next step will be shorter than this by as much as this is than the one before
                with np.errstate(divide="ignore", invalid="ignore"):
                    ahead = self.metric.gains[a[kept], 0] * step * (step / before[kept])
                before[kept] = step
                going = kept[ahead > _SETTLED * np.linalg.norm(left[kept], axis=1)]
                if not len(going):
                    break
            offset[rows], missing[rows] = at, np.linalg.norm(left, axis=1)
            if pieces:
                carried[rows] = weights.apply(*pieces)

        self._prepare()
        parallel.each(toward, self._blocks(len(values), values.shape[1]))
        return offset, missing, carried

    def nearest(self, values: Float[Array, "p m"], around: int = 12) -> Int[Array, " p"]:
        """The nearest sample to each value.

        Among near neighbours in activation space the shortest intrinsic step wins, where what a sample's tangent plane
        leaves unexplained counts as a step along its weakest direction: another sheet passing close by is not near.
        """
        return self._nearest(values, around, 1)[0]

    def _nearest(self, values: Float[Array, "p m"], around: int, sheets: int) -> list[Int[Array, " p"]]:
        """The nearest sample, the nearest that is no neighbour of it, of neither, …; the first where there is none."""
        found = np.empty((1 if self.neighbours is None else sheets, len(values)), np.int64)

        def look(rows: slice) -> None:
            found[:, rows] = self._nearest_of(values[rows], around, len(found))

        _ = self.tree  # made once, before threads ask for it
        parallel.each(look, parallel.blocks(len(values), around * (values.shape[1] + 4), _BLOCK))
        return list(found)

    def _nearest_of(self, values: Float[Array, "p m"], around: int, sheets: int) -> list[Int[Array, " p"]]:
        around = min(around, len(self.activations))
        near = self.tree.query(values, around)[1].reshape(len(values), around)
        near = np.minimum(near, len(self.activations) - 1)  # at distances that overflow the tree names no sample
        squared = np.stack([self._distance(values, c) for c in near.T], axis=1)
        own = np.arange(len(values))
        found, best = [], squared.argmin(axis=1)
        while True:
            none = ~np.isfinite(squared[own, best])  # all are neighbours of what was found
            sample, _ = self._descended(values, near[own, best], squared[own, best])
            found.append(np.where(none, found[0], sample) if found else sample)
            if len(found) == sheets:
                return found
            assert self.neighbours is not None  # else one sheet is looked for
            for seen in (self.neighbours[found[-1]], self.neighbours[near[own, best]]):
                for c in seen.T:
                    squared[near == c[:, None]] = np.inf
            best = squared.argmin(axis=1)

    def _distance(self, values: Float[Array, "p m"], c: Int[Array, " p"]) -> Float[Array, " p"]:
        """Squared intrinsic distances of values from samples, one each; what the tangent plane leaves over counts as a
        step along the weakest direction."""
        change = values - self.activations[c]
        tangential = np.einsum("pdm,pm->pd", self.metric.frames[c], change)
        normal = np.maximum(np.square(change).sum(axis=1) - np.square(tangential).sum(axis=1), 0)
        gains = self.metric.gains[c]
        return np.square(tangential / gains).sum(axis=1) + normal / gains[:, -1] ** 2

    def _descended(
        self, values: Float[Array, "p m"], sample: Int[Array, " p"], squared: Float[Array, " p"]
    ) -> tuple[Int[Array, " p"], Float[Array, " p"]]:
        """Samples from which no neighbour is nearer to the values, by way of neighbours: where a network responds
        weakly to one direction the nearest in activation space lie far away along it."""
        if self.neighbours is None:
            return sample, squared
        sample, squared = sample.copy(), squared.copy()
        moving = np.arange(len(values))
        while len(moving):
            here = sample[moving]
            for c in self.neighbours[here, 1 : AROUND + 1].T:
                there = self._distance(values[moving], c)
                nearer = there < squared[moving] * (1 - 1e-9)
                sample[moving[nearer]], squared[moving[nearer]] = c[nearer], there[nearer]
            moving = moving[sample[moving] != here]
        return sample, squared

    def _turned(self, a: Array, offset: Array, metric: LocalMetric) -> Float[Array, " p"]:
        """How far local metrics are from those at places: |S Sᵀ − 1| of S = W V, which is orthogonal if they agree."""
        slopes = self.expand(a, offset)[1]
        overlap = np.matmul(metric.frames, np.swapaxes(slopes, 1, 2)) / metric.gains[:, :, None]
        return np.linalg.norm(np.matmul(overlap, np.swapaxes(overlap, 1, 2)) - np.eye(self.dimension), axis=(1, 2))

    def reanchor(
        self, a: Int[Array, " p"], offset: Float[Array, "p d"], *, moves: int = 4
    ) -> tuple[Int[Array, " p"], Float[Array, "p d"], Float[Array, "p d d"]]:
        """The same places told from the samples nearest to them, and the rotations from the old frames to the new.

        Each place moves to the neighbour nearest to it, at most ``moves`` times.
        """
        sample, offset = a.copy(), offset.copy()
        rotation = np.broadcast_to(np.eye(self.dimension), (len(a), self.dimension, self.dimension)).copy()
        moving = np.arange(len(a))
        for _ in range(moves):
            here, step = sample[moving], offset[moving]
            best, best_sample, best_step = np.square(step).sum(axis=1), here.copy(), step.copy()
            turn = np.broadcast_to(np.eye(self.dimension), (len(here), self.dimension, self.dimension)).copy()
            for rows, c, to, theta in self._others(here, step):
                seen = step[rows] - to
                length = np.square(seen).sum(axis=1)
                nearer = length < best[rows] * (1 - 1e-9)  # ties keep the sample: the same data give the same bits
                rows, theta = rows[nearer], theta[nearer]
                best[rows], best_sample[rows] = length[nearer], c[nearer]
                turn[rows] = np.swapaxes(theta, 1, 2)
                best_step[rows] = np.matmul(turn[rows], seen[nearer, :, None])[:, :, 0]
            sample[moving], offset[moving] = best_sample, best_step
            rotation[moving] = turn @ rotation[moving]
            moving = moving[best_sample != here]
            if len(moving) == 0:
                break
        return sample, offset, rotation

    def _others(self, a: Array, offset: Array) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Samples that may be nearer to the places (a, offset) than a, one for each of some of the places at a time:
        which places, the samples, the steps to them from a, and the transports.

        Only samples less than two offsets away from a can be. Where samples leave a hole there may be more of them than
        the nearest few.
        """
        every = np.arange(len(a))
        if self.neighbours is None:
            for c in self.around(a, offset, AROUND).T:
                yield (every, c, *self.displacement(a, c))
            return
        steps, turns = self.spokes
        for column, c in enumerate(self.neighbours[a, : AROUND + 1].T):
            yield every, c, steps[a, column], turns[a, column]
        reach = np.linalg.norm(steps[a, -1], axis=1)
        far = np.flatnonzero(reach < 2 * np.linalg.norm(offset, axis=1))
        for start in range(0, len(far), _TOGETHER):
            rows = far[start : start + _TOGETHER]
            others = self.neighbours[a[rows], AROUND + 1 :]
            step, theta = self.displacement(np.repeat(a[rows], others.shape[1]), others.ravel())
            step, theta = (each.reshape(*others.shape, *each.shape[1:]) for each in (step, theta))
            for column, c in enumerate(others.T):
                yield rows, c, step[:, column], theta[:, column]


def combine(
    near: Int[Array, "p q"],
    steps: Float[Array, "p q d"],
    turns: Float[Array, "p q d d"],
    values: Float[Array, "n w"],
    slopes: Float[Array, "n d w"],
    *,
    derivative: bool = False,
) -> tuple[Float[Array, "p w"], Float[Array, "p e w"]]:
    """Value and derivative at places, from samples ``near`` at ``steps`` from them whose frames come with ``turns``."""
    weights = Weights.of(near, steps, turns)
    value = weights.apply(values, slopes)
    if not derivative:
        return value, np.empty((len(near), 0, value.shape[1]))
    return value, weights.derivative(values, slopes, turns)


@dataclass(frozen=True)
class Weights:
    """Weights by which values and derivatives of any function at samples make its value at places, and its derivative.

    Attributes:
        near: (p, q) the samples.
        of_values, of_slopes: (p, q) and (p, q d), in the value.
        d_values, d_slopes: (p, d, q) and (p, d, q, d), in the derivative; the latter in the frame of the place.
    """

    near: Int[Array, "p q"]
    of_values: Float[Array, "p q"]
    of_slopes: Float[Array, "p qd"]
    d_values: Float[Array, "p d q"]
    d_slopes: Float[Array, "p d q d"]

    @staticmethod
    def of(near: Int[Array, "p q"], steps: Float[Array, "p q d"], turns: Float[Array, "p q d d"]) -> Weights:
        """For samples at ``steps`` from places, whose frames come with ``turns``."""
        of_values, of_slopes, d_values, d_slopes = hermite_weights(steps)
        turned = np.matmul(of_slopes[:, :, None], turns)
        return Weights(near, of_values, turned.reshape(len(near), -1), d_values, d_slopes)

    def apply(self, values: Float[Array, "n w"], slopes: Float[Array, "n d w"]) -> Float[Array, "p w"]:
        """The value."""
        value = np.matmul(self.of_values[:, None], values[self.near])[:, 0]
        along = slopes[self.near].reshape(*self.of_slopes.shape, -1)
        value += np.matmul(self.of_slopes[:, None], along)[:, 0]
        return value

    def derivative(
        self, values: Float[Array, "n w"], slopes: Float[Array, "n d w"], turns: Float[Array, "p q d d"]
    ) -> Float[Array, "p d w"]:
        """The derivative."""
        p, d, q, _ = self.d_slopes.shape
        turned = np.matmul(self.d_slopes[:, :, :, None], turns[:, None]).reshape(p, d, q * d)
        along = slopes[self.near].reshape(p, q * d, -1)
        return np.matmul(self.d_values, values[self.near]) + np.matmul(turned, along)

    def put(self, rows: Int[Array, " k"], others: Weights, taken: Bool[Array, " l"]) -> None:
        """At some places, the weights in the value that others have."""
        self.near[rows], self.of_values[rows] = others.near[taken], others.of_values[taken]
        self.of_slopes[rows] = others.of_slopes[taken]
