"""Where a few neurons fold a manifold that all neurons together unfold.

All neurons together are the reference: they tell which samples are neighbours and which are far apart. Around every
sample each neuron is a cubic in normal coordinates, fitted to what it and its derivatives are at the neighbours. Two
samples that are far apart are on two *sheets* that meet where the cubics of the few neurons around them agree at places
within reach of both, to within what the cubics miss of their own neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import KDTree

from sametask._types import Array, Bool, Float, Int
from sametask.charts.chart import Chart

_APART = 1.5
"""Patches are of two sheets where samples are this many times as far apart as both reach: then so are the places."""
_DISPLACED, _EXTENT = 6.0, 0.25
"""And so many times as far as noise puts a place elsewhere along one sheet, but no farther than this share of the
manifold's extent."""
_DEVIATIONS = 2.0
"""Sheets meet within so many times what the cubics miss."""
_ROUNDS = 6
_STEEP, _OUTSIDE, _HELD = 3.0, 2.0, 1.2
"""Pairs are given up whose first step, and any later one, goes so many reaches; steps are held to the last."""
_RIDGE = 1e-14
_NEAREST = 16
_TOGETHER = 256
_EXACT = 1e3
"""Weight of derivatives at a sample where the local metric is exact: so are they."""
_NUMBERS = 1 << 22
_PAIRS = 1 << 18
"""Pairs of samples looked at together."""
_INSTANTS = np.linspace(0, 1, 33)
_BETWEEN = 0.75 / 32
"""Share of the change of a derivative that lies between an instant and the nearest."""


@dataclass(frozen=True)
class Sheets:
    """A chart of all neurons, and what fits cubics to any of them around its samples.

    Attributes:
        chart: of all neurons.
        near: (n, k) neighbours of each sample.
        reach: (n,) intrinsic distance to about the (2d + 2)nd of these, the unit of normal coordinates.
        steps: (n, k, d) normal coordinates of neighbours, in the unit.
        turns: (n, k, d, d) carry their frames to the sample's.
        monomials: (n, k, terms) of the steps.
        solver: (n, terms, equations) from values and derivatives at neighbours, and derivatives at the sample, to
            coefficients.
    """

    chart: Chart
    near: Int[Array, "n k"]
    reach: Float[Array, " n"]
    steps: Float[Array, "n k d"]
    turns: Float[Array, "n k d d"]
    monomials: Float[Array, "n k terms"]
    solver: Float[Array, "n terms equations"]

    @staticmethod
    def of(chart: Chart) -> Sheets:
        """The sheets of a chart of all neurons."""
        manifold, n, d = chart.manifold, len(chart.rows), chart.dimension
        steps, turns = (each[:, 1:] for each in manifold.spokes)
        assert manifold.neighbours is not None
        near = manifold.neighbours[:, 1 : steps.shape[1] + 1]
        present = near != np.arange(n)[:, None]
        length = np.where(present, np.linalg.norm(steps, axis=2), np.inf)
        reach = np.sort(length, axis=1)[:, min(2 * d + 2, length.shape[1]) - 1]
        reach = np.where(np.isfinite(reach), reach, np.median(reach[np.isfinite(reach)]))
        steps = steps / reach[:, None, None]
        weight = np.where(present, 1 / (1 + np.square(length / reach[:, None])), 0)
        monomials, solver = _solver(steps, weight, 1.0 if chart.noisy else _EXACT)
        return Sheets(chart, near, reach, steps, turns, monomials, solver)

    @property
    def dimension(self) -> int:
        """Intrinsic dimension d."""
        return self.chart.dimension

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.near)

    @cached_property
    def extent(self) -> float:
        """Typical distance between samples, at least."""
        n = self.size
        return float(np.median(self._distance(np.arange(n), (np.arange(n) + n // 2) % n)))

    @property
    def stray(self) -> int:
        """So many folded samples are no more than strays.

        A crossing lies within reach of some 2d + 2 samples on either of its two sheets, and of half as many where it
        lies at an edge. Fewer than that in all are none.
        """
        return 2 * self.dimension + 1

    def resolution(self, neurons: Int[Array, " m"]) -> float:
        """Typical distance, in spreads of a neuron, within which sheets are taken to meet."""
        return float(np.median(np.sqrt(2) * _DEVIATIONS * self._fitted(neurons).missed))

    def folded(self, neurons: Int[Array, " c"]) -> Bool[Array, " n"]:
        """Samples within reach of a place that these neurons do not tell from another far from it."""
        n, d = self.size, self.dimension
        if len(neurons) < d:
            return np.ones(n, bool)
        few = self._fitted(neurons)
        told = np.linalg.svd(few.linear / few.missed[:, None], compute_uv=False)[:, -1]
        folded = self._turning(few) | (told == 0)
        # what cubics miss, of each neuron, puts a place elsewhere along one sheet
        displaced = self.reach * np.sqrt(len(neurons)) / np.maximum(told, np.finfo(float).tiny)
        apart = np.maximum(_APART * 2 * self.reach, np.minimum(_DISPLACED * displaced, _EXTENT * self.extent))
        tree = KDTree(few.values)
        size = np.linalg.norm(few.linear, axis=(1, 2), ord=2)
        # the nearest first: where many samples fold they show most of it
        near = np.asarray(tree.query(few.values, min(_NEAREST, n - 1) + 1)[1])
        self._mark(folded, few, apart, size, np.repeat(np.arange(n), near.shape[1]), near.ravel())
        for start in range(0, n, _TOGETHER):
            own = np.arange(start, min(start + _TOGETHER, n))
            around = tree.query_ball_point(few.values[own], 2 * size[own])
            i = np.repeat(own, [len(each) for each in around])
            j = np.concatenate([np.asarray(each, int) for each in around])
            # told from the end that reaches farther
            kept = (size[i] > size[j]) | ((size[i] == size[j]) & (i < j))
            self._mark(folded, few, apart, size, i[kept], j[kept])
        return folded

    def _mark(self, folded: Array, few: _Few, apart: Array, size: Array, i: Array, j: Array) -> None:
        """Mark in ``folded`` which of these pairs of samples are far apart, and yet meet for the few neurons."""
        for wanted in (
            lambda i, j: ~(folded[i] & folded[j]),
            lambda i, j: np.linalg.norm(few.values[j] - few.values[i], axis=1) <= size[i] + size[j],
            lambda i, j: self._distance(i, j) > 0.5 * (apart[i] + apart[j]),
            few.meet,
        ):
            kept = wanted(i, j)
            i, j = i[kept], j[kept]
        folded[i] = folded[j] = True

    def _distance(self, i: Array, j: Array) -> Float[Array, " p"]:
        """How far samples are apart along the manifold of all neurons, at least."""
        manifold = self.chart.manifold
        y, gains = manifold.activations, manifold.metric.gains
        squared = np.empty(len(i))
        for start in range(0, len(i), _PAIRS // 8):
            rows = slice(start, start + _PAIRS // 8)
            a, b = i[rows], j[rows]
            change = y[b] - y[a]
            seen = [np.square(manifold.step(end, change)).sum(axis=1) for end in (a, b)]
            least = np.square(change).sum(axis=1) / np.square(np.maximum(gains[a, 0], gains[b, 0]))
            squared[rows] = np.maximum(np.minimum(*seen), least)
        return np.sqrt(squared)

    def _turning(self, few: _Few) -> Bool[Array, " n"]:
        """Samples next to a place between neighbours at which the few neurons stop and turn back."""
        turning = np.zeros(self.size, bool)
        here = np.matmul(self.steps, few.linear)  # (n, k, c): the change that the sample expects
        units = self.reach[:, None, None] / self.reach[self.near][:, :, None]
        there = np.matmul(np.swapaxes(self.turns, 2, 3), self.steps[..., None])[..., 0] * units
        there = np.matmul(there[:, :, None], few.linear[self.near])[:, :, 0]
        # each neuron by how well its derivatives are known, and both ends surely different from nothing
        ends = [here / few.missed[:, None], there / few.missed[self.near]]
        known = [np.square(each).mean(axis=2) > _DEVIATIONS**2 for each in ends]
        opposed = ((ends[0] * ends[1]).sum(axis=2) < 0) & known[0] & known[1]
        opposed &= np.linalg.norm(self.steps, axis=2) <= 1
        i, column = np.nonzero(opposed)
        if len(i) == 0:
            return turning
        j = self.near[i, column]
        change = few.values[j] - few.values[i]
        a, b = here[i, column], there[i, column]
        t = _INSTANTS[:, None, None]
        # the derivative of the cubic between the two
        speed = a + 2 * t * (3 * change - 2 * a - b) + 3 * t**2 * (a + b - 2 * change)
        # the cubic between is off by a hundredth of what those at the reach miss; noise by about as much as these
        allowed = np.maximum(few.missed[i] + few.missed[j], _BETWEEN * np.abs(a - b))
        stops = (np.abs(speed) <= allowed).all(axis=2).any(axis=0)
        turning[i[stops]] = turning[j[stops]] = True
        return turning

    def _fitted(self, neurons: Array) -> _Few:
        """Cubics through some neurons around every sample, and how much they miss of the samples within reach."""
        n, k, d = self.steps.shape
        given, derivatives = self.chart.probe.pieces
        values, slopes = given[:, neurons].astype(np.float64), derivatives[:, :, neurons]
        digits = np.finfo(given.dtype).eps * np.abs(values).max(axis=0)
        spread = np.maximum(values.std(axis=0), np.finfo(float).tiny)
        values, slopes, digits = values / spread, slopes / spread, digits / spread
        m, terms = len(neurons), self.monomials.shape[2]
        present = self.near != np.arange(n)[:, None]
        inner = (present & (np.linalg.norm(self.steps, axis=2) <= 1 + 1e-9)).astype(float)
        inner /= np.maximum(inner.sum(axis=1, keepdims=True), 1)
        equations = np.maximum(present.sum(axis=1) * (d + 1), 1)
        spare = np.sqrt(equations / np.maximum(equations - (terms - d), 1))
        jets, missed = np.empty((n, terms, m)), np.empty((n, m))
        block = max(1, _NUMBERS // (k * (d + 1) * m))
        for start in range(0, n, block):
            rows = slice(start, start + block)
            change = values[self.near[rows]] - values[rows, None]
            there = np.matmul(self.turns[rows], slopes[self.near[rows]]).reshape(len(change), k * d, m)
            scale = self.reach[rows, None, None]
            known = np.concatenate([change, scale * there, scale * slopes[rows]], axis=1)
            jets[rows] = np.matmul(self.solver[rows], known)
            left = change - np.matmul(self.monomials[rows], jets[rows])
            missed[rows] = spare[rows, None] * np.sqrt(np.einsum("nk,nkm->nm", inner[rows], np.square(left)))
        return _Few(values, jets, np.maximum(missed, np.maximum(8 * digits, np.finfo(float).eps)), d)


@dataclass(frozen=True)
class _Few:
    """Some neurons, of unit spread: values (n, c), jets (n, terms, c) around samples of ``dimension``, and the standard
    errors of these (n, c)."""

    values: Array
    jets: Array
    missed: Array
    dimension: int

    @cached_property
    def linear(self) -> Array:
        """(n, d, c)."""
        return self.jets[:, : self.dimension]

    def at(self, i: Array, offset: Array) -> tuple[Array, Array]:
        """Values (p, c) and derivatives (p, d, c) at offsets from samples."""
        if not offset.any():
            return self.values[i], self.linear[i]
        monomials, slopes = _monomials(offset)
        jets = self.jets[i]
        value = self.values[i] + np.matmul(monomials[:, None], jets)[:, 0]
        return value, np.matmul(slopes, jets)

    def meet(self, i: Array, j: Array) -> Bool[Array, " p"]:
        """Whether the patches around samples meet within the reach of both, to within what they miss of each neuron.

        A neuron that cubics follow badly then tells little, and others tell as much as they do without it.
        """
        d, c = self.dimension, self.values.shape[1]
        meets = np.zeros(len(i), bool)
        block = max(1, _PAIRS // (2 * d * c))
        for start in range(0, len(i), block):
            rows = np.arange(start, min(start + block, len(i)))
            tolerance = np.hypot(self.missed[i[rows]], self.missed[j[rows]])
            places = np.zeros((len(rows), 2 * d))
            for attempt in range(_ROUNDS):
                places = self._closer(i[rows], j[rows], places, tolerance)
                size = _farther(places)
                within = size <= (_STEEP if attempt == 0 else _OUTSIDE)
                rows, tolerance = rows[within], tolerance[within]
                # cubics are no guide beyond the samples they were fitted to
                places = places[within] / np.maximum(1, size[within] / _HELD)[:, None]
            gap = self.at(i[rows], places[:, :d])[0] - self.at(j[rows], places[:, d:])[0]
            meets[rows] = (np.abs(gap) <= _DEVIATIONS * tolerance).all(axis=1) & (_farther(places) <= 1)
        return meets

    def _closer(self, i: Array, j: Array, places: Array, tolerance: Array) -> Array:
        """A Gauss–Newton step towards the two places nearest to both samples where the patches meet."""
        d, c = self.dimension, self.values.shape[1]
        here, along = self.at(i, places[:, :d])
        there, back = self.at(j, places[:, d:])
        slope = np.concatenate([along, -back], axis=1) / tolerance[:, None]  # (p, 2d, c)
        wanted = (there - here) / tolerance + np.matmul(places[:, None], slope)[:, 0]
        few = c < 2 * d
        gram = np.matmul(np.swapaxes(slope, 1, 2), slope) if few else np.matmul(slope, np.swapaxes(slope, 1, 2))
        ridge = 1 + _RIDGE * gram.max(axis=(1, 2), initial=0)
        gram += ridge[:, None, None] * np.eye(gram.shape[1])
        if few:
            return np.matmul(slope, np.linalg.solve(gram, wanted[:, :, None]))[:, :, 0]
        return np.linalg.solve(gram, np.matmul(slope, wanted[:, :, None]))[:, :, 0]


def _farther(places: Array) -> Array:
    """The longer of the two offsets of each pair."""
    p, twice = places.shape
    return np.linalg.norm(places.reshape(p, 2, twice // 2), axis=2).max(axis=1, initial=0)


def _solver(steps: Array, weight: Array, own_weight: float) -> tuple[Array, Array]:
    """Monomials of ``steps`` (n, k, terms), and the least squares for their coefficients from values and derivatives
    there, and from the derivatives at the sample."""
    n, k, d = steps.shape
    monomials, slopes = (each.reshape(n, k, *each.shape[1:]) for each in _monomials(steps.reshape(-1, d)))
    terms = monomials.shape[2]
    own = np.zeros((n, d, terms))
    own[:, :, :d] = np.eye(d)
    design = np.concatenate([monomials, slopes.reshape(n, k * d, terms), own], axis=1)
    weights = np.concatenate([weight, np.repeat(weight, d, axis=1), np.full((n, d), own_weight)], axis=1)
    weighted = np.swapaxes(design * np.square(weights)[:, :, None], 1, 2)
    moment = np.matmul(weighted, design)
    # a share of the least of terms that count, not of the derivative at the sample, which is weighted most
    size = np.trace(moment[:, d:, d:], axis1=1, axis2=2)
    moment += 1e-9 * size[:, None, None] * np.eye(terms)
    return monomials, np.linalg.solve(moment, weighted)


def _monomials(z: Array) -> tuple[Array, Array]:
    """(p, terms) linear, quadratic and cubic monomials, and (p, d, terms) their derivatives."""
    p, d = z.shape
    eye = np.eye(d)
    one = [z]
    slopes = [np.broadcast_to(eye, (p, d, d))]
    a, b = np.triu_indices(d)
    one.append(z[:, a] * z[:, b])
    slopes.append(eye[:, a] * z[:, None, b] + eye[:, b] * z[:, None, a])
    a, b, c = (np.array(each) for each in zip(*_triples(d), strict=True))
    one.append(z[:, a] * z[:, b] * z[:, c])
    slopes.append(
        eye[:, a] * (z[:, b] * z[:, c])[:, None]
        + eye[:, b] * (z[:, a] * z[:, c])[:, None]
        + eye[:, c] * (z[:, a] * z[:, b])[:, None]
    )
    return np.concatenate(one, axis=1), np.concatenate(slopes, axis=2)


def _triples(d: int) -> list[tuple[int, int, int]]:
    return [(a, b, c) for a in range(d) for b in range(a, d) for c in range(b, d)]
