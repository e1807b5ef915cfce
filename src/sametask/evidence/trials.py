"""Maps tried on rows that they have not seen, both ways, with bounds that hold for all of them at once."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Bool, Float
from sametask.evidence.bounds import DRAWS, Deviations, level_within, simultaneous
from sametask.evidence.loss import UNITS, Loss, Tried, Yardstick, lost, root
from sametask.maps import candidates
from sametask.maps.candidates import SIMPLEST_FIRST, Candidate, Derivatives, Scales
from sametask.maps.selection import Split, held_out
from sametask.probes.noise import Noise

_TUNED = 500
"""Rows by which scales of smooth maps are chosen where there are more."""
_COARSE = 250
"""Rows by which the units of neurons and the order of widths are chosen."""
_AROUND = (1 / 1.7, 1.0, 1.7)
"""Widths around the one chosen by these that are tried on more."""
_NEARLY = 1.25
"""Errors of maps, as multiples of the least, that might have been the least in another draw of rows."""
_SMOOTH = 3000
"""Rows that smooth maps are fitted to: their time grows with the cube."""
_EXACT = 1e-12
"""Losses of less are rounding; nothing is tried beyond a map that has no more."""
_WORST = 20
"""Neurons whose bounds are looked at, the worst by their loss: those of others are below."""
_MANY = 100
"""Rows on which a map must have been tried to be preferred to maps tried on all."""
_FEW, _FAR_BETTER = 20, 2.0
"""Rows that are enough where it misses by half as much: so many errors in root mean square scatter by a sixth."""
_HERMITE, _HERMITE_MANY = 3300, 1800
"""Values and derivatives, at most, that smooth maps are fitted to all of: half a second for each fit, on one core; and
how many of more, a fifth of a second."""
_HERMITE_TUNED = 150
"""Rows by which scales of these are chosen where there are more."""
_HERMITE_WIDTHS, _HERMITE_PENALTIES = (0.03, 0.1, 0.3, 1.0), (1e-13, 1e-10, 1e-7, 1e-4)
_HERMITE_NEURONS = 512
"""Neurons of the source, at most, whose derivatives are used: memory grows with these."""
_TINY = 1e-10
"""Losses of less are not lessened by derivatives: double precision leaves as much."""
_AS_GOOD = 1.01
"""Of maps whose errors differ by less than 1 % the simplest is taken."""


@dataclass(frozen=True)
class Trial:
    """One map in one direction.

    Attributes:
        candidate: the map; None for geometry, which is made of charts and not fitted here.
        name: of :data:`~sametask.maps.candidates.SIMPLEST_FIRST`.
        errors: (n, m2) what it misses on rows it has not seen; None of a map that others are better than.
        known: (n,) rows at which that is known.
        squared: squared loss.
        deviations: of its parts, the worst ones.
    """

    candidate: Candidate | None
    name: str
    errors: Float[Array, "n m2"] | None
    known: Bool[Array, " n"]
    squared: float
    deviations: Deviations


@dataclass(frozen=True)
class Best:
    """The loss in one direction, and the map that has it."""

    loss: Loss
    trial: Trial
    yardstick: Yardstick


@dataclass(frozen=True)
class Besides:
    """What else is known of one direction than rows that correspond.

    Attributes:
        geometry: gives errors (n, m2) of the map by charts on rows it has not seen, and at which rows they are known,
            or None; asked for only if other maps leave something to be desired.
        desired: loss up to which they do not.
        derivatives: of the map at all rows, or None.
        elsewhere: gives rows (u, m1) of the source that have no partner, and what the map by charts (u, m2) says there,
            or None.
    """

    geometry: Callable[[], tuple[Array, Array] | None] | None = None
    desired: float = 1e-3
    derivatives: Derivatives | None = None
    elsewhere: Callable[[], tuple[Array, Array] | None] = lambda: None


NOTHING = Besides()


def both_ways(
    activations: tuple[Float[Array, "n m1"], Float[Array, "n m2"]],
    split: Split,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    *,
    units: str,
    level: float,
    noise: tuple[Noise | None, Noise | None] = (None, None),
    besides: tuple[Besides, Besides] = (NOTHING, NOTHING),
    seed: int = 0,
) -> tuple[tuple[Best, Best], Callable[..., float]]:
    """Loss of the best map each way.

    The bounds are one-sided, by a bootstrap-t over groups, balanced over all maps and both directions: with probability
    ``level`` they hold for all of these at once.

    Args:
        activations: of the two networks, row by row at the same inputs.
        split: rows in folds, by group.
        names: of the neurons of each.
        units: ``"layer"`` or ``"neuron"``.
        level: of the bounds.
        noise: of each network's answers.
        besides: what else is known, forward and backward.
        seed: of the bootstrap and of rows that scales are chosen by.

    Returns:
        Forward and backward; and a function of a tolerance to the level at which both bounds, or that of one direction,
        are still within it.
    """
    values = [each.astype(np.float64) for each in activations]
    draws = split.draws(DRAWS, seed)
    found: list[list[Trial]] = []
    yardsticks = []
    for source, target in ((0, 1), (1, 0)):
        yardstick = Yardstick.of(activations[target], noise[target])
        yardsticks.append(yardstick)
        found.append(_trials(values[source], values[target], split, yardstick, units, draws, besides[source], seed))
    every = [each.deviations for way in found for each in way]
    bounds = iter(simultaneous(every, level))
    # a loss that no neuron counts for has no bound below that of a map that says nothing
    highs = [[root(float(bound.max())) if len(bound := next(bounds)) else 1.0 for _ in way] for way in found]
    ways = []
    for k, (way, high, yardstick) in enumerate(zip(found, highs, yardsticks, strict=True)):

        def apart(candidate: Candidate, k: int = k, yardstick: Yardstick = yardstick) -> float:
            if (elsewhere := besides[k].elsewhere()) is None:
                return 0.0
            rows, said = elsewhere
            fitted = candidate.fitted(values[k], values[1 - k], split.some(candidate.most or len(values[k]), seed))
            return yardstick.squared(fitted(rows) - said, units)

        best = _chosen(way, high, yardstick, units, apart)
        ways.append(_best_of(way, high, best, yardstick, units, names[1 - k], values[1 - k], split))

    def confidence(tolerance: float, asked: Sequence[int] = (0, 1)) -> float:
        """The largest level, as far as draws tell, at which the bounds of some directions are within a tolerance."""
        return level_within(every, [(ways[k].trial.deviations, tolerance**2) for k in asked])

    return (ways[0], ways[1]), confidence


def _trials(
    source: Array,
    target: Array,
    split: Split,
    yardstick: Yardstick,
    units: str,
    draws: Array,
    besides: Besides,
    seed: int,
) -> list[Trial]:
    """All maps of one direction, simplest first."""

    def tried(candidate: Candidate) -> Trial:
        errors, known = held_out(candidate, source, target, split)
        return _trial(candidate, candidate.name, errors, known, split, yardstick, units, draws)

    found: list[Trial] = []

    def add(each: Trial) -> None:
        # errors of all maps at once would be large: only those of the best so far are kept
        leader = next((k for k, one in enumerate(found) if one.errors is not None), None)
        if leader is not None and root(each.squared) * _AS_GOOD + _EXACT >= root(found[leader].squared):
            each = dataclasses.replace(each, errors=None)
        elif leader is not None:
            found[leader] = dataclasses.replace(found[leader], errors=None)
        found.append(each)

    for each in candidates.simple(source, target):
        add(tried(each))
        if root(found[-1].squared) <= _EXACT:
            return found
    most = None if len(source) <= _SMOOTH else _SMOOTH
    for each in _choices(source, target, split, yardstick, units, seed):
        add(tried(candidates.smooth(source, each, most=most)))
    if besides.derivatives is not None and min(root(each.squared) for each in found) > _TINY:
        for each in _hermite_choices(source, target, split, yardstick, units, besides.derivatives, seed):
            add(tried(each))
    if besides.geometry is None or min(root(each.squared) for each in found) <= besides.desired:
        return found
    if (charted := besides.geometry()) is not None:
        found.append(_trial(None, SIMPLEST_FIRST[-1], *charted, split, yardstick, units, draws))
    return found


def _trial(
    candidate: Candidate | None,
    name: str,
    errors: Array,
    known: Array,
    split: Split,
    yardstick: Yardstick,
    units: str,
    draws: Array,
) -> Trial:
    parts = yardstick.parts(errors[known], units)
    groups, numbered = np.unique(split.groups[known], return_inverse=True)
    deviations = Deviations.of(parts.worst(_WORST), numbered, draws[:, groups])
    return Trial(candidate, name, errors, known, parts.squared, deviations)


def _choices(source: Array, target: Array, split: Split, yardstick: Yardstick, units: str, seed: int) -> list[Scales]:
    """Scales of smooth maps worth trying: all that are nearly as good as the best if rows are few, so that the bound
    knows what was chosen among; the best on some rows if not, and less of a penalty, which more rows stand."""

    def figures(rows: Array, ways: Iterable[tuple[bool, float]]) -> dict[Scales, float]:
        few, found = split.take(rows), {}
        a, b = source[rows], target[rows]
        for even, width in ways:
            errors: Array = np.zeros((len(candidates.PENALTIES), *b.shape))
            for fold in range(few.count):
                seen, held = np.flatnonzero(few.folds != fold), np.flatnonzero(few.folds == fold)
                said = candidates.smooth_path(a, b, width, seen, held, even=even)
                errors[:, held] = b[held] - np.stack(said)
            for k, penalty in enumerate(candidates.PENALTIES):
                found[Scales(even, width, penalty)] = root(yardstick.squared(errors[k], units))
        return found

    rows = split.some(_TUNED, seed)
    coarse = figures(split.some(_COARSE, seed), itertools.product((True, False), candidates.WIDTHS))
    best = min(coarse, key=lambda scales: coarse[scales])
    fine = figures(rows, [(best.even, best.width * factor) for factor in _AROUND])
    least = min(fine.values())
    if len(rows) == len(source):
        return [scales for scales, figure in fine.items() if figure <= _NEARLY * least + _EXACT]
    best = min(fine, key=lambda scales: fine[scales])
    lower = [each for each in candidates.PENALTIES if each < best.penalty]
    return [best, *(dataclasses.replace(best, penalty=each) for each in lower[-1:])]


def _hermite_choices(
    source: Array, target: Array, split: Split, yardstick: Yardstick, units: str, derivatives: Derivatives, seed: int
) -> list[Candidate]:
    """Smooth maps by values and derivatives worth trying: as :func:`_choices`; of many rows by some, for derivatives
    say more than as many rows. None if there are so many neurons that derivatives would fill the memory."""
    n, d, m1 = derivatives.steps.shape
    if m1 > _HERMITE_NEURONS:
        return []
    most = None if n * (d + 1) <= _HERMITE else _HERMITE_MANY // (d + 1)
    rows = split.some(_HERMITE_TUNED, seed)
    few, known = split.take(rows), derivatives.take(rows)
    choices = [(width, penalty) for width in _HERMITE_WIDTHS for penalty in _HERMITE_PENALTIES]

    def figure(choice: tuple[float, float]) -> float:
        candidate = candidates.hermite(source[rows], *choice, known)
        errors, _ = held_out(candidate, source[rows], target[rows], few)
        return yardstick.squared(errors, units)

    figures = {choice: root(figure(choice)) for choice in choices}
    chosen = [min(choices, key=lambda choice: figures[choice])]
    if len(rows) == n:
        chosen = [choice for choice in choices if figures[choice] <= _NEARLY * figures[chosen[0]] + _EXACT]
    return [candidates.hermite(source, *choice, derivatives, most) for choice in chosen]


def _chosen(
    way: Sequence[Trial],
    highs: Sequence[float],
    yardstick: Yardstick,
    units: str,
    apart: Callable[[Candidate], float],
) -> Trial:
    """The map with the least error, the simplest of those that are as good; geometry, which is tried on some of the
    rows, only if these are many, or it is far better than the others on them, and its bound is lower.

    Of samples without a partner geometry has seen where they lie, and other maps have not. If the two are farther apart
    there than geometry misses, it is the others that miss: ``apart`` gives the square of that.
    """
    place = next(k for k, each in enumerate(way) if each.candidate is not None and each.errors is not None)
    best = way[place]
    assert best.errors is not None
    for each, high in zip(way, highs, strict=True):
        if each.candidate is None and each.known.sum() >= _FEW:
            assert best.candidate is not None
            elsewhere = apart(best.candidate) - each.squared
            there = root(max(yardstick.squared(best.errors[each.known], units), elsewhere))
            better = _AS_GOOD if each.known.sum() >= _MANY else _FAR_BETTER
            if high < max(highs[place], root(elsewhere)) and root(each.squared) * better < there:
                return each
    return best


def _best_of(
    way: Sequence[Trial],
    highs: Sequence[float],
    best: Trial,
    yardstick: Yardstick,
    units: str,
    names: tuple[str, ...],
    target: Array,
    split: Split,
) -> Best:
    """The loss of one direction."""
    by_name: dict[str, Tried] = {}
    for each, high in zip(way, highs, strict=True):
        tried = Tried(root(each.squared), high)
        if (
            each is best
            or each.name not in by_name
            or (each.name != best.name and tried.value < by_name[each.name].value)
        ):
            by_name[each.name] = tried
    assert best.errors is not None
    errors = best.errors[best.known]
    raw = Yardstick(yardstick.spread, yardstick.counts, None)
    other = next(each for each in UNITS if each != units)
    loss = Loss(
        value=root(best.squared),
        high=by_name[best.name].high,
        low=0.0,
        raw=root(raw.squared(errors, units)),
        map=best.name,
        candidates={name: by_name[name] for name in SIMPLEST_FIRST if name in by_name},
        other=root(yardstick.squared(errors, other)),
        lost=lost(errors, target[best.known], yardstick, names),
        rows=int(best.known.sum()),
        groups=len(np.unique(split.groups[best.known])),
        unjudged=yardstick.unjudged,
    )
    return Best(loss, best, yardstick)
