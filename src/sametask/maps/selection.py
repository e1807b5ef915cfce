"""Held-out errors: rows that are split so that what belongs together stays together, and maps tried on rows they have
not seen."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import GroupKFold

from sametask._check import InputError
from sametask._types import Array, Bool, Float, Int
from sametask.maps.candidates import Candidate

FOLDS = 5


@dataclass(frozen=True)
class Split:
    """Rows in folds; rows of one group are never in two.

    Attributes:
        groups: (n,) 0 … of each row.
        folds: (n,) 0 … of each row.
    """

    groups: Int[Array, " n"]
    folds: Int[Array, " n"]

    @staticmethod
    def of(groups: Int[Array, " n"], seed: int) -> Split:
        """Five folds of about one size, drawn by group; ``groups`` are numbered from 0 without gaps.

        Raises:
            InputError: there is one group only.
        """
        if groups.max() < 1:
            raise InputError("groups: all rows that correspond are of one group; give two or more, twenty for a bound")
        drawn = np.random.default_rng(seed).permutation(groups.max() + 1)[groups]
        folds = np.empty(len(groups), np.int64)
        count = min(FOLDS, int(groups.max()) + 1)
        for k, (_, held) in enumerate(GroupKFold(count).split(groups, groups=drawn)):
            folds[held] = k
        return Split(groups, folds)

    @property
    def count(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    @property
    def size(self) -> int:
        """Number of groups."""
        return int(self.groups.max()) + 1

    def some(self, most: int, seed: int) -> Int[Array, " p"]:
        """Rows of groups drawn until ``most`` rows are reached; all of them where they are fewer."""
        n = len(self.groups)
        if n <= most:
            return np.arange(n)
        order = np.random.default_rng(seed).permutation(self.size)
        place = np.empty(self.size, np.int64)
        place[order] = np.arange(self.size)
        by_draw = np.argsort(place[self.groups], kind="stable")
        return np.sort(by_draw[:most])

    def take(self, rows: Int[Array, " p"]) -> Split:
        """The same folds of some rows."""
        groups = np.unique(self.groups[rows], return_inverse=True)[1]
        return dataclasses.replace(self, groups=groups, folds=np.unique(self.folds[rows], return_inverse=True)[1])

    def draws(self, count: int, seed: int) -> Float[Array, "draws g"]:
        """How often each group is in each draw of the bootstrap, with replacement."""
        rng = np.random.default_rng(seed)
        return rng.multinomial(self.size, np.full(self.size, 1 / self.size), size=count).astype(float)


def held_out(
    candidate: Candidate, source: Float[Array, "n m1"], target: Float[Array, "n m2"], split: Split
) -> tuple[Float[Array, "n m2"], Bool[Array, " n"]]:
    """Errors ``target − map(source)`` on rows that the map has not seen, and at which rows they are known.

    A candidate that takes fewer rows than there are is fitted to some and tried on those of the other folds.
    """
    errors = np.zeros(target.shape, float)
    known = np.zeros(len(source), bool)
    for k in range(split.count):
        seen, held = np.flatnonzero(split.folds != k), np.flatnonzero(split.folds == k)
        if candidate.most is not None and len(seen) > candidate.most:
            # spread over the rows, which are in no order of the folds'
            seen = seen[split.take(seen).some(candidate.most, k)]
        errors[held] = target[held] - candidate.fitted(source, target, seen)(source[held])
        known[held] = True
    return errors, known
