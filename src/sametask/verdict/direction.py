"""The evidence that one network's activations are a function of another's, in one direction."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from sametask._types import Array
from sametask.numerics.manifold import SampledManifold
from sametask.verdict import function
from sametask.verdict.evidence import REACH, SURE, Evidence, log_spread, rms
from sametask.verdict.function import ARITHMETIC, FALLS, LEAST_ERROR, Missed
from sametask.verdict.single import Single

_BY_CHANCE = 0.9
"""Predictions that miss by as much of what random ones do tell nothing, whatever the noise floor."""
_SURELY = 0.99
_FAR = 0.5
"""Steps between neighbouring samples, as a share of the spread, that are too far to follow."""
_STAYS = 0.8
"""Errors that fall by less are noise."""
_NOISE_REACH = 2.0
"""Where noise is the floor, errors of functions are hardly more than it."""
_NOISE_UNSURE = 0.3
"""Standard error of the logarithm of what noise leaves: how that of neurons adds up is told no better."""
_AS_WELL = 1.5
"""Errors of so many times as much are as good."""
_FEW = 0.1
"""A share of rows that is left out of account to see whether the others agree: wrong correspondences, or samples apart
from the rest."""


@dataclass(frozen=True)
class Direction:
    """Whether the target is a function of the source.

    Attributes:
        source, target: 0 and 1, or 1 and 0.
        level: the evidence of the error that is left.
        fall: the evidence of how it falls with more samples.
        usual: the typical error that functions known to hold show in these networks, however small that is.
        seen: the errors themselves.
        contradicted: whether the source lacks what the target has, however little the error shows it.
        noise: the floor, where it is noise; 0 where it is not.
        far: whether the target changes so much from one sample to the next that no error could tell it.
    """

    source: int
    target: int
    level: Evidence
    fall: Evidence
    usual: float
    seen: Missed
    contradicted: bool
    noise: float
    far: bool

    @property
    def falling(self) -> bool:
        """Whether an error of some account falls with more samples as errors of functions do."""
        told = self.fall.separable and self.fall.probability <= 1 - SURE
        return self.level.value > LEAST_ERROR and self.fall.value < _STAYS and not told

    @property
    def staying(self) -> bool:
        """Whether an error of most rows, beyond that of functions known to hold, surely does not fall: something small
        is lost."""
        if self.seen.typical <= REACH * max(self.usual, ARITHMETIC):
            return False
        unsure = [log_spread(each, np.random.default_rng(0)) for each in (self.seen.errors, self.seen.sparse)]
        return bool(np.log(self.fall.value / np.sqrt(FALLS)) >= norm.ppf(SURE) * np.linalg.norm(unsure))

    @property
    def by_chance(self) -> bool:
        """Whether predictions are no better than random ones."""
        return self.level.value >= _BY_CHANCE * self.level.null

    @property
    def but_for_few(self) -> bool:
        """Whether the target would be a function of the source but for a few rows."""
        errors = np.sort(self.seen.errors)
        kept = errors[: len(errors) - max(3, int(_FEW * len(errors)))]
        return self.level.probability < 0.5 and dataclasses.replace(self.level, value=rms(kept)).probability >= 0.5

    @property
    def holds(self) -> float:
        """Probability that the target is a function of the source.

        Small errors say that it is, large ones that it is not. Large ones that fall with more samples as errors of
        functions do leave it open, and so do small ones that should fall and do not.
        """
        if self.by_chance:
            return 1 - _SURELY
        probability = self.level.probability if self.level.separable else 0.5
        if self.falling:
            # a far null excuses nothing but what more samples surely would mend
            if self.fall.separable and self.fall.probability >= SURE:
                probability = dataclasses.replace(self.level, reach=float("inf")).probability
            probability = max(probability, 0.5)
        elif self.staying:
            probability = min(probability, 0.5)
        if not self.contradicted:
            return probability
        # the local metric by itself is right in nine of ten cases; against small errors it leaves the matter open
        against = probability * (1 - SURE), (1 - probability) * SURE
        return 0.5 if probability >= 0.5 else against[0] / sum(against)


def directions(
    networks: tuple[Single, Single], contradicted: tuple[bool, bool], seed: int
) -> tuple[Direction, Direction]:
    """The evidence in each direction, between functions known to hold and shuffled rows.

    Args:
        networks: the two, row by row at the same inputs.
        contradicted: whether each, as a source, lacks what the other has.
        seed: of the rows predicted; the same for both directions, so that answers mirror when networks are swapped.

    Units of neurons are nobody's choice, so each is taken in its own, unless functions known to hold are told worse by
    it: noise that is as large in all neurons drowns those that vary little.
    """
    manifolds, own = [each.probe.manifold for each in networks], [each.holds for each in networks]
    y = [each.values for each in networks]
    even = [each.even_holds for each in networks]
    if max(each.level for each in even) <= max(_AS_WELL * max(each.level for each in own), LEAST_ERROR):
        own, y = even, [each.even_values for each in networks]
    d = max(each.rank.rank for each in networks)
    shuffled = np.random.default_rng(seed).permutation(len(y[0]))
    falls = max((each for each in own if each.level > ARITHMETIC), key=lambda each: each.fall, default=None)
    found = []
    for a, b, claim in ((0, 1, "first determines second"), (1, 0, "second determines first")):
        seen = function.missed(y[a], y[b], d, np.random.default_rng(seed))
        rows = function.some(len(shuffled), np.random.default_rng(seed))
        null = rms(function.left_out_errors(y[a], y[b][shuffled], d, rows))
        smooth, noise = _floors(manifolds[a], manifolds[b], own[a], own[b], d)
        noisy = noise > max(smooth, LEAST_ERROR)
        unsure = float(np.hypot(_unsure(seen, seed), max(_unsure(each, seed) for each in own)))
        level = Evidence(
            f"left-out error, {claim}",
            claim,
            seen.level,
            max(smooth, noise, LEAST_ERROR),
            null,
            max(unsure, _NOISE_UNSURE) if noisy else unsure,
            "of spread",
            _NOISE_REACH if noisy else REACH,
        )
        heard = (seen.errors, seen.sparse, *((falls.errors, falls.sparse) if falls else ()))
        fall = Evidence(
            f"fall of the left-out error, {claim}",
            claim,
            seen.fall,
            min(falls.fall, 1.0) if falls else FALLS,
            1.0,
            float(np.linalg.norm([log_spread(each, np.random.default_rng(seed)) for each in heard])),
            "of that with half of the samples",
        )
        far = function.step(manifolds[a], manifolds[b]) > _FAR
        found.append(
            Direction(
                a,
                b,
                level,
                fall,
                max(each.typical for each in own),
                seen,
                contradicted[a],
                level.floor if noisy else 0.0,
                far,
            )
        )
    return found[0], found[1]


def _floors(
    source: SampledManifold, target: SampledManifold, own_source: Missed, own_target: Missed, dimension: int
) -> tuple[float, float]:
    """What smoothness leaves of functions known to hold, and what noise does: the target's own, and what the source's
    moves the target by. Noise of many neurons puts a place astray by less than each of them shows."""
    both = (own_source, own_target)
    smooth = max((each.level for each in both if each.fall <= _STAYS), default=0.0)
    noise = [min(each.level, each.typical) if each.fall > _STAYS else 0.0 for each in both]
    spreads = [_spread(each.activations) for each in (source, target)]
    gains = np.median(np.sqrt(np.square(target.metric.gains).mean(axis=1)))
    weakest = np.median(np.sqrt(np.square(1 / source.metric.gains).mean(axis=1)))
    steeper = float(gains * weakest * spreads[0] / max(spreads[1], np.finfo(float).tiny))
    carried = noise[0] * steeper * float(np.sqrt(dimension / source.activations.shape[1]))
    return smooth, float(np.hypot(noise[1], carried))


def _unsure(shown: Missed, seed: int) -> float:
    """Standard error of the logarithm of a level, in which errors of no account have no part."""
    return log_spread(np.hypot(shown.errors, LEAST_ERROR), np.random.default_rng(seed))


def _spread(values: Array) -> float:
    return float(np.sqrt(np.square(values - values.mean(axis=0)).sum(axis=1).mean()))
