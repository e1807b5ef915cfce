"""Maps tried on rows that they have not seen, both ways, with bounds that hold for all of them at once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Bool, Float
from sametask.evidence.bounds import DRAWS, Deviations, level_within, simultaneous
from sametask.evidence.loss import UNITS, Loss, Tried, Yardstick, lost, root
from sametask.maps import candidates
from sametask.maps.candidates import SIMPLEST_FIRST, Candidate
from sametask.maps.selection import Split, held_out
from sametask.probes.noise import Noise

_TUNED = 500
"""Rows by which scales of smooth maps are chosen where there are more."""
_SMOOTH = 3000
"""Rows that smooth maps are fitted to: their time grows with the cube."""
_EXACT = 1e-12
"""Losses of less are rounding; nothing is tried beyond a map that has no more."""
_WORST = 20
"""Neurons whose bounds are looked at, the worst by their loss: those of others are below."""
_GOOD = 1e-3
"""Losses of less are not held against the map by charts, which takes as long as all others together."""
_MANY = 100
"""Rows on which a map must have been tried to be preferred to maps tried on all."""
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


Geometry = Callable[[], tuple[Array, Array] | None]
"""Errors (n, m2) of the map by charts on rows it has not seen, and at which rows they are known; None without one."""


def both_ways(
    activations: tuple[Float[Array, "n m1"], Float[Array, "n m2"]],
    split: Split,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    *,
    units: str,
    level: float,
    noise: tuple[Noise | None, Noise | None] = (None, None),
    geometry: tuple[Geometry | None, Geometry | None] = (None, None),
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
        geometry: the map by charts, forward and backward, tried where others leave something to be desired.
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
        found.append(_trials(values[source], values[target], split, yardstick, units, draws, geometry[source], seed))
    every = [each.deviations for way in found for each in way]
    bounds = iter(simultaneous(every, level))
    # a loss that no neuron counts for has no bound below that of a map that says nothing
    highs = [[root(float(bound.max())) if len(bound := next(bounds)) else 1.0 for _ in way] for way in found]
    ways = []
    for k, (way, high, yardstick) in enumerate(zip(found, highs, yardsticks, strict=True)):
        best = _chosen(way, high, yardstick, units)
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
    geometry: Geometry | None,
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
        add(tried(candidates.smooth(source, *each, most=most)))
    if min(root(each.squared) for each in found) <= _GOOD:
        return found
    if geometry is not None and (charted := geometry()) is not None:
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


def _choices(
    source: Array, target: Array, split: Split, yardstick: Yardstick, units: str, seed: int
) -> list[tuple[float, float]]:
    """Widths and penalties of smooth maps worth trying: all if rows are few, those that do best on some if not."""
    every = [(width, penalty) for width in candidates.WIDTHS for penalty in candidates.PENALTIES]
    rows = split.some(_TUNED, seed)
    few = split.take(rows)

    @functools.cache
    def figure(choice: tuple[float, float]) -> float:
        errors, _ = held_out(candidates.smooth(source, *choice), source[rows], target[rows], few)
        return yardstick.squared(errors, units)

    best = min(every, key=figure)
    more = candidates.finer(best)
    if len(rows) == len(source):
        return [*every, *more]
    best = min([best, *more], key=figure)
    # more rows stand less of a penalty
    lower = [each for each in candidates.PENALTIES if each < best[1]]
    return [best, *((best[0], each) for each in lower[-1:])]


def _chosen(way: Sequence[Trial], highs: Sequence[float], yardstick: Yardstick, units: str) -> Trial:
    """The map with the least error, the simplest of those that are as good; geometry, which is tried on a fifth of the
    rows, only if these are many, it is better than the others on them, and its bound is lower."""
    place = next(k for k, each in enumerate(way) if each.candidate is not None and each.errors is not None)
    best = way[place]
    assert best.errors is not None
    for each, high in zip(way, highs, strict=True):
        if each.candidate is None and each.known.sum() >= _MANY and high < highs[place]:
            there = yardstick.squared(best.errors[each.known], units)
            if root(each.squared) * _AS_GOOD < root(there):
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
