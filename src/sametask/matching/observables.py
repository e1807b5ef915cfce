"""Evidence for a match that needs no pairs: quantities known on both sides must agree at corresponding places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import KDTree
from scipy.stats import f, rankdata, t

from sametask._types import Array, Bool, Float, Int
from sametask.charts.chart import Chart
from sametask.matching import fields
from sametask.matching.fields import Field
from sametask.matching.isometric import Images
from sametask.matching.known import Known, on_chart
from sametask.matching.least_squares import Pulls

_LEAST_NOISE = 0.02
"""No observable agrees better than this share of what unrelated ones differ by, in squares: two networks that learned
the same quantity did not learn it exactly."""
_USELESS = 0.9
"""An observable that its own neighbours predict no better than this tells nothing."""
_REGIONS = 40
"""Regions of the manifold that are heard as one voice each: misfits of neighbours are not independent."""
_CHANCE = 5e-4
"""Chance that a difference of misfits is believed where there is none."""
_SPARE = 2.0
"""Misfits on few rows scatter: so many standard deviations are not held against a match."""
_LEAST_DIFFERENCE = 2e-3
_MODES = (4, 8, 16)
"""Densities are told in so many eigenfunctions: as many as leave least noise, and rows can tell."""
_ROWS_EACH = 3
_UNSURE = 2.0
"""Floors of misfits in so few are unsure by this factor."""
_SHARED = 0.7
"""Noise of the difference of two misfits of densities, in units of the floor: regions share it."""
_OUTSIDE = 1.5
"""Places farther from their nearest sample than so many times the distance of neighbours lie beside the other's
samples, and nothing is asked of them."""
_FAR = 4.0
_AS_MANY = 0.5
"""The second side is continued where values are known there at this share of the samples of the first, or more."""
_PULL = 1e-3
"""Weight of a pull against a typical edge, at most: matches turn and slide as a whole, edges stay as they are."""


@dataclass(frozen=True)
class Agreement:
    """How well observables agree under one match.

    Attributes:
        misfit: mean square by which they differ at corresponding places, as a share of what it is at random ones: 0
            where all agree, 1 where they are as unrelated as a random map would leave them.
        floor: the misfit that their own noise leaves to a right match.
        each: (q,) misfits of the observables one by one; NaN where nothing could be compared.
        weight: (q,) what each counts; sums to 1.
        by_region: (q, r) misfits summed over regions of a manifold.
        counts: (q, r) how many samples were compared there.
        shared: (q,) standard deviation of each misfit by noise that all regions share.
        names: q of them, to the user.
        kinds: as the names, see :class:`~sametask.matching.known.Known`.
        floors: (q,) as ``floor``, of each.
    """

    misfit: float
    floor: float
    each: Float[Array, " q"]
    weight: Float[Array, " q"]
    by_region: Float[Array, "q r"]
    counts: Int[Array, "q r"]
    shared: Float[Array, " q"]
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    floors: Float[Array, " q"]

    @property
    def telling(self) -> bool:
        """Whether any observable varies by more than its noise."""
        return bool(self.tell.any())

    @property
    def tell(self) -> Bool[Array, " q"]:
        """Which observables do."""
        return self.floors < _USELESS

    @property
    def worst(self) -> str:
        """The observable that adds most to the misfit."""
        return self.names[int(np.argmax(self.weight * np.nan_to_num(self.each)))]

    @property
    def limit(self) -> float:
        """Above this misfit observables disagree: halfway, on a logarithmic scale, from their floor to a random map."""
        return float(np.sqrt(max(self.floor, _LEAST_NOISE)))

    @property
    def agrees(self) -> bool:
        """Whether the observables agree as those of a right match do, as far as they can tell."""
        return self.misfit < self.limit + _SPARE * self.deviation

    @property
    def deviation(self) -> float:
        """Standard deviation of the misfit by the regions it comes from."""
        return float(self.weight @ np.hypot(_deviation(self.shares), self.shared))

    @property
    def figures(self) -> tuple[float, float, float]:
        """The figure "observable at images", its floor and its null: root mean square differences, as shares of what
        random places show."""
        return float(np.sqrt(self.misfit)), float(np.sqrt(max(self.floor, _LEAST_NOISE))), 1.0

    @property
    def shares(self) -> Array:
        """(q, r) how each region moves the mean of each observable."""
        mean = np.nan_to_num(self.each)[:, None]
        return (self.by_region - mean * self.counts) / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)


@dataclass(frozen=True)
class Observables:
    """What is known on both sides, made ready to be held against any match of two charts.

    Attributes:
        quantities: one for each column that the user gave.
    """

    quantities: tuple[_Quantity, ...]

    @staticmethod
    def of(first: Chart, second: Chart, known: tuple[Known, ...]) -> Observables:
        """Observables of two charts, whose units must be those of the matches asked about."""
        sides = _Side(first), _Side(second)
        found = (_prepare(sides, each) for each in known)
        return Observables(tuple(each for each in found if each is not None))

    def __bool__(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.quantities)

    @property
    def telling(self) -> bool:
        """Whether any of them varies by more than its noise."""
        return any(each.floor < _USELESS for each in self.quantities)

    def misfit(self, images: Images) -> float:
        """0 where all agree at the images of samples, 1 where they are as unrelated as a random map would leave
        them."""
        return self.agreement(images).misfit

    def agreement(self, images: Images) -> Agreement:
        """How well all agree under a match, with what is needed to compare it to another."""
        return self._agreement(images.sample, images.offset)

    def decisive(self, better: Agreement, worse: Agreement) -> bool:
        """Whether one match is surely preferred to another: it meets the observables, and the other does so less, by
        more than chance and more than what is left unexplained under the better one."""
        if not self.telling or not better.agrees:
            return False
        weight = better.weight
        difference = float(weight @ np.nan_to_num(worse.each - better.each))
        regions = int(np.count_nonzero(better.counts, axis=1)[weight > 0].max(initial=0))
        voices = int(max((each.voices for each in self.quantities if each.floor < _USELESS), default=0))
        unexplained = max(better.misfit - better.floor, _LEAST_DIFFERENCE)
        if difference <= unexplained or regions <= 2:
            return False
        change = worse.shares - better.shares
        chance = float(weight @ np.hypot(_deviation(change), better.shared))
        if difference > float(t.isf(_CHANCE, regions - 1)) * chance:
            return True
        # on few rows differences scatter too much for that, yet the worse match may miss far more than noise explains
        noise = max(better.misfit, better.floor, _LEAST_NOISE)
        return better.misfit + difference > float(f.isf(_CHANCE, voices, voices)) * noise

    def misfit_at(self, sample: Int[Array, " n"], offset: Float[Array, "n d"]) -> float:
        """As :meth:`misfit`, at places."""
        return self._agreement(sample, offset).misfit

    def left_open(self, candidates: Sequence[tuple[Array, Array]]) -> list[int]:
        """Which matches, by their places, the observables cannot tell from the one they like best, that one first; all
        of them as they come where no observable tells anything, or none of the matches meets them."""
        found = [self._agreement(*places) for places in candidates]
        order = sorted(range(len(found)), key=lambda k: found[k].misfit)
        if not order or not self.telling or not found[order[0]].agrees:
            return list(range(len(found)))
        return [k for k in order if not self.decisive(found[order[0]], found[k])]

    def pulls(self, sample: Int[Array, " n"], offset: Float[Array, "n d"], rotation: Float[Array, "n d d"]) -> Pulls:
        """Weak forces that turn and slide a match until the observables agree.

        A circle or a sphere leaves a continuum of matches which only an observable fixes.

        Args:
            sample, offset: places of the first network's samples.
            rotation: from their frames to those at the places.
        """
        weights = self._weights
        parts = [
            each.pulls(sample, offset, rotation, float(weight / weights.max()))
            for each, weight in zip(self.quantities, weights, strict=True)
            if each.floor < _USELESS
        ]
        d = offset.shape[1]
        empty = (np.empty(0, np.int64), np.empty((0, d)), np.empty(0), np.empty(0))
        rows, direction, wanted, weight = (np.concatenate(each) for each in zip(empty, *parts, strict=True))
        return Pulls(rows, direction, wanted, weight)

    @cached_property
    def _weights(self) -> Array:
        """(q,) what each counts: as much as its signal exceeds its noise, and as many regions as it is known in."""
        worth = np.array([each.worth for each in self.quantities])
        return worth / worth.sum() if worth.sum() > 0 else np.full(len(worth), 1 / max(len(worth), 1))

    def _agreement(self, sample: Array, offset: Array) -> Agreement:
        weight = self._weights
        sums = [each.compared(sample, offset) for each in self.quantities]
        by_region, counts = np.stack([each[0] for each in sums]), np.stack([each[1] for each in sums])
        with np.errstate(invalid="ignore"):
            each = by_region.sum(axis=1) / counts.sum(axis=1)
        floors = np.array([quantity.floor for quantity in self.quantities])
        there = np.isfinite(each)
        total = weight[there].sum()
        misfit = float(weight[there] @ each[there] / total) if total > 0 else 1.0
        names = tuple(quantity.name for quantity in self.quantities)
        shared = np.array([quantity.shared for quantity in self.quantities])
        kinds = tuple(quantity.kind for quantity in self.quantities)
        floor = float(weight @ floors)
        return Agreement(misfit, floor, each, weight, by_region, counts, shared, names, kinds, floors)


@dataclass(frozen=True)
class _Side:
    """What is needed of a chart, whatever the quantity."""

    chart: Chart

    @property
    def functions(self) -> Float[Array, "n q"]:
        """Those that embed."""
        return self.chart.functions[:, : 2 * self.chart.dimension + 1]

    @cached_property
    def slope(self) -> Float[Array, "n q d"]:
        return fields.gradients(self.chart, self.functions)

    @cached_property
    def reach(self) -> Float[Array, " n"]:
        """Distance of the neighbours around each sample."""
        near = min(2 * self.chart.dimension + 2, self.chart.graph.index.shape[1])
        squared = np.where(self.chart.graph.present, self.chart.graph.squared, -np.inf)[:, :near].max(axis=1)
        return np.sqrt(np.maximum(squared, 0))

    @cached_property
    def spacing(self) -> float:
        """Typical distance of neighbours in the eigenfunctions that embed."""
        near = min(2, self.chart.graph.index.shape[1]) - 1
        change = self.functions - self.functions[self.chart.graph.index[:, near]]
        return float(np.median(np.linalg.norm(change, axis=1)))

    @cached_property
    def region(self) -> Int[Array, " n"]:
        """The region of each sample: that of the nearest of some that lie far apart."""
        points = self.functions
        far = np.full(len(points), np.inf)
        at, centres = int(np.argmax(np.square(points).sum(axis=1))), []
        for _ in range(min(_REGIONS, len(points))):
            centres.append(at)
            far = np.minimum(far, np.square(points - points[at]).sum(axis=1))
            at = int(np.argmax(far))
        return np.asarray(KDTree(points[centres]).query(points)[1])


@dataclass(frozen=True)
class _Quantity:
    """One quantity, told from one side to the other: the side that tells it better is continued to all places.

    Attributes:
        name: what it is to the user.
        kind: what it is, see :class:`~sametask.matching.known.Known`.
        sides: of both charts.
        given: (n, c) values on the side that is not continued, NaN where not known.
        field: the continued one, on the other side.
        forward: whether that is the second network's, so that values are compared at the images of the first's samples.
        ranked: whether only the order of values means anything.
        null: mean square difference at random places.
        floor: the same at right ones, by noise alone, as a share of the null.
        shared: standard deviation of a misfit by noise that all samples share, likewise.
        voices: how many independent facts it is: samples on the side where it is known at fewer, regions at most.
    """

    name: str
    kind: str
    sides: tuple[_Side, _Side]
    given: Float[Array, "n c"]
    field: Field
    forward: bool
    ranked: bool
    null: float
    floor: float
    shared: float
    voices: int

    @cached_property
    def told(self) -> Bool[Array, " n"]:
        """Where values are given."""
        return np.asarray(~np.isnan(self.given).any(axis=1))

    @property
    def worth(self) -> float:
        """What it counts beside others."""
        if self.floor >= _USELESS:
            return 0.0
        return self.voices * (1 - self.floor) / max(self.floor, _LEAST_NOISE)

    def compared(self, sample: Array, offset: Array) -> tuple[Array, Array]:
        """Squared differences summed over the regions of the side given, as shares of the null, and their counts."""
        rows, predicted, _ = self._predicted(sample, offset)
        wanted = self.given[rows]
        region = self.sides[0 if self.forward else 1].region[rows]
        if self.ranked and len(rows):
            wanted, predicted = _ranks(wanted), _ranks(predicted)
        squared = np.square(wanted - predicted).sum(axis=1) / self.null
        return np.bincount(region, squared, minlength=_REGIONS), np.bincount(region, minlength=_REGIONS)

    def pulls(self, sample: Array, offset: Array, rotation: Array, weight: float) -> tuple[Array, Array, Array, Array]:
        """Rows, unit directions, lengths wanted and weights."""
        rows, predicted, source = self._predicted(sample, offset)
        wanted = self.given[rows]
        if self.ranked and len(rows):
            wanted = np.sort(predicted, axis=0)[rankdata(wanted, "ordinal") - 1]
        missing = wanted - predicted
        if self.forward:
            slope = self.field.slope[sample[rows]]
            pulled = rows
        else:
            # a move of the image shifts what is seen from there the other way
            slope = -np.einsum("pde,pce->pcd", rotation[source], self.field.slope[source])
            pulled = source
        steep = np.linalg.norm(slope, axis=2)
        usual = max(float(np.sqrt(np.mean(np.square(steep)))) if steep.size else 0.0, np.finfo(float).tiny)
        # where it hardly changes nothing can be told, and lengths would be beyond the manifold
        clear = steep > 0.05 * usual
        p, c = np.nonzero(clear)
        length = steep[p, c]
        strength = _PULL * weight * np.square(np.minimum(length / usual, 3.0))
        return pulled[p], slope[p, c] / length[:, None], missing[p, c] / length, strength

    def _predicted(self, sample: Array, offset: Array) -> tuple[Array, Array, Array]:
        """Rows of the side given whose place on the other is among its samples, what the field says there, and the
        sample there that it was told from."""
        first, second = self.sides
        if self.forward:
            rows = np.flatnonzero(self.told)
            inside = np.linalg.norm(offset[rows], axis=1) <= _OUTSIDE * second.reach[sample[rows]]
            rows = rows[inside]
            return rows, self.field.at(sample[rows], offset[rows]), sample[rows]
        places = second.functions[sample] + np.einsum("nqd,nd->nq", second.slope[sample], offset)
        rows = np.flatnonzero(self.told)
        count = min(first.chart.dimension + 2, len(sample))
        far, near = KDTree(places).query(second.functions[rows], count)
        far, near = far.reshape(len(rows), count), near.reshape(len(rows), count)
        inside = far[:, 0] <= _FAR * max(first.spacing, second.spacing)
        rows, far, near = rows[inside], far[inside], near[inside]
        share = 1 / (np.square(far) + np.square(1e-3 * second.spacing) + np.finfo(float).tiny)
        share /= share.sum(axis=1, keepdims=True)
        return rows, np.einsum("pk,pkc->pc", share, self.field.values[near]), near[:, 0]


def _prepare(sides: tuple[_Side, _Side], known: Known) -> _Quantity | None:
    """A quantity ready to be compared; None where nothing is known at the samples charted."""
    charts = sides[0].chart, sides[1].chart
    given = tuple(
        on_chart(values, chart.position, len(chart.rows))
        for values, chart in zip((known.first, known.second), charts, strict=True)
    )
    told = [~np.isnan(each).any(axis=1) for each in given]
    if not all(each.any() for each in told):
        return None
    if known.kind in ("set", "density"):
        rows = np.flatnonzero(told[0]), np.flatnonzero(told[1])
        few = max(min(map(len, rows)) // _ROWS_EACH, _MODES[0])
        told_in = (_concentration(known, sides, rows, modes) for modes in _MODES if modes <= few)
        return min(told_in, key=lambda each: each.floor)
    ranked = known.kind == "order"
    continued = [fields.fit(chart, each) for chart, each in zip(charts, given, strict=True)]
    counts = [int(each.sum()) for each in told]
    # the other way is a little coarser, as places of the second's samples on the first are not at hand
    forward = counts[1] >= _AS_MANY * counts[0]
    here, there = (0, 1) if forward else (1, 0)
    field = continued[there]
    heard = [there, here] if counts[here] >= counts[there] else [there]  # else its error is for want of rows
    errors = [_error(continued[side], given[side], ranked) for side in heard]
    useless = [not ranked and _is_noise(continued[side]) for side in heard]
    null = 1 / 6 if ranked else _null(given[here][told[here]], field, charts[there])
    floor = float(np.clip(max(errors) / null, 0, 1)) if null > 0 and not any(useless) else 1.0
    return _Quantity(
        known.name,
        known.kind,
        sides,
        given[here],
        field,
        forward,
        ranked,
        null or 1.0,
        floor,
        0.0,
        min(*counts, _REGIONS),
    )


def _concentration(known: Known, sides: tuple[_Side, _Side], rows: tuple[Array, Array], modes: int) -> _Quantity:
    """How densely rows lie, told in so many modes."""
    charts = sides[0].chart, sides[1].chart
    one, two = fields.concentrations(charts, rows, modes)
    null = _null(one.values, two, charts[1])
    floor = min(_UNSURE * (one.error + two.error) / null, 1.0) if null > 0 else 1.0
    common = _SHARED * max(floor, _LEAST_NOISE)
    return _Quantity(known.name, known.kind, sides, one.values, two, True, False, null or 1.0, floor, common, modes)


def _is_noise(field: Field) -> bool:
    """Whether a field varies by next to nothing beside what it misses."""
    signal = float(field.values.var(axis=0).sum())
    return field.error > _USELESS * (field.error + signal)


def _null(wanted: Array, field: Field, chart: Chart) -> float:
    """Mean square difference of values from those of a field at random places, all parts of the manifold alike."""
    volume = chart.stationary / chart.stationary.sum()
    mean = volume @ field.values
    variance = volume @ np.square(field.values - mean)
    return float((wanted.var(axis=0) + variance + np.square(wanted.mean(axis=0) - mean)).sum())


def _error(field: Field, given: Array, ranked: bool) -> float:
    """Mean square by which a field misses what it was not given."""
    if not ranked or not np.isfinite(field.error):
        return field.error
    told = ~np.isnan(given[:, 0])
    return float(np.mean(np.square(_ranks(field.left_out[told]) - _ranks(given[told]))))


def _ranks(values: Float[Array, "p c"]) -> Float[Array, "p c"]:
    """Places in the order of each column, from 0 to 1."""
    return (rankdata(values, axis=0) - 0.5) / len(values)


def _deviation(shares: Float[Array, "q r"]) -> Float[Array, " q"]:
    """Standard deviation of sums over regions."""
    regions = shares.shape[1]
    return np.sqrt(np.square(shares).sum(axis=1) * regions / max(regions - 1, 1))
