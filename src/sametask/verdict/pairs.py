"""Rows that correspond, with all that maps between them can be fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sametask._outcome import Finding
from sametask._types import Array
from sametask.evidence.grouping import joined, near_duplicates
from sametask.maps.candidates import Derivatives
from sametask.maps.selection import Split
from sametask.verdict.judging import Case
from sametask.verdict.loss_findings import alike_rows
from sametask.verdict.single import Single
from sametask.verdict.thresholds import FEWEST_GROUPS

_MOST = 10_000
"""Rows that maps are tried on: bounds do not gain by more."""
_EXACT_KINDS = ("jacobian", "difference")
"""Kinds of neighbourhoods whose derivatives have no noise."""
_WEAKEST = 1e-4
"""Gain of a direction of the source, as a share of the usual strongest one, from which on derivatives along it count:
they are divided by it, and those by differences are right to some 1e-6."""


@dataclass(frozen=True)
class Pairs:
    """Rows that correspond, as they are split.

    Attributes:
        singles: the two networks at these rows.
        rows: (k, 2) which rows of the probes they are.
        split: in folds, by group.
        seed: of draws.
        findings: on what belongs together.
        independent: number of groups, near-duplicates kept together.
    """

    singles: tuple[Single, Single]
    rows: Array
    split: Split
    seed: int
    findings: tuple[Finding, ...]
    independent: int

    @staticmethod
    def of(case: Case) -> Pairs:
        """Those of a case; of very many some."""
        rng = np.random.default_rng(int(case.rng.integers(2**31)))
        rows, groups = _in_order(case)
        kept = np.arange(len(rows))
        if len(rows) > _MOST:
            labels = np.arange(len(rows)) if groups is None else joined(groups)
            kept = Split(labels, np.zeros(len(rows), np.int64)).some(_MOST, int(rng.integers(2**31)))
        rows = rows[kept]
        singles = (case.singles[0].take(rows[:, 0]), case.singles[1].take(rows[:, 1]))
        alike = near_duplicates((singles[0].probe.manifold.activations, singles[1].probe.manifold.activations))
        given = np.arange(len(rows)) if groups is None else groups[kept]
        groups = joined(given, alike)
        findings, independent = tuple(alike_rows(given, alike, groups)), int(groups.max()) + 1
        if independent < FEWEST_GROUPS.value <= len(np.unique(given)):
            # some clusters, of which none is held out: rows like these can be mapped, and nothing is claimed of others
            groups = joined(given)
        seed = int(rng.integers(2**31))
        return Pairs(singles, rows, Split.of(groups, seed), seed, findings, independent)

    @cached_property
    def along(self) -> float:
        """The usual share of the step to the nearest sample that lies along the local metric's directions; of the
        network of which it is less."""
        return min(_along(single) for single in self.singles)

    @property
    def activations(self) -> tuple[Array, Array]:
        """Of the two networks, row by row."""
        return self.singles[0].probe.activations, self.singles[1].probe.activations

    def derivatives(self, source: int) -> Derivatives | None:
        """What a map from one of the networks must do to small steps of it, if both were seen along the same tangents
        at each input; None if that is not known."""
        one, two = self.singles[source], self.singles[1 - source]
        if any(each.given.kind not in _EXACT_KINDS or each.given.noise is not None for each in (one, two)):
            return None
        metric, other = one.probe.metric, two.given.metric
        here, there = metric.answers, other.answers
        if here is None or there is None or here.shape[2] != there.shape[2]:
            return None
        # directions that the source does not respond to, as at samples where all its rectifiers are shut, say nothing
        strong = metric.gains > _WEAKEST * max(float(np.median(metric.gains[:, 0])), np.finfo(float).tiny)
        if strong.mean() < 0.5:
            return None
        # a unit step along a frame of the source is this step of the input, and it does that to the target
        turns = np.einsum("nkD,nlD->nkl", here, there) / np.where(strong, metric.gains, 1)[:, :, None]
        changes = np.einsum("nkl,nl,nlm->nkm", turns, other.gains, other.frames)
        steps, changes = (np.where(strong[:, :, None], each, 0).astype(np.float64) for each in (metric.frames, changes))
        return Derivatives(steps, changes) if np.isfinite(changes).all() else None


def _in_order(case: Case) -> tuple[Array, Array | None]:
    """Pairs, and their groups, in an order of their own if both probes name them alike: whose rows come first, and how
    they are ordered, is nobody's choice."""
    pairs, groups = case.pairs, case.groups
    one, two = (single.given.ids for single in case.singles)
    if one is None or two is None or not np.array_equal(one[pairs[:, 0]], two[pairs[:, 1]]):
        return pairs, groups
    order = np.argsort(one[pairs[:, 0]], kind="stable")
    return pairs[order], None if groups is None else groups[order]


def _along(single: Single) -> float:
    """The usual share of the step to the nearest sample that lies along the local metric's directions."""
    manifold = single.probe.manifold
    rows = np.arange(len(manifold.activations))
    near = np.asarray(manifold.tree.query(manifold.activations, 2)[1])
    other = np.where(near[:, 0] == rows, near[:, 1], near[:, 0])
    change = manifold.activations[other] - manifold.activations
    along = np.linalg.norm(np.matmul(manifold.metric.frames, change[:, :, None])[:, :, 0], axis=1)
    length = np.linalg.norm(change, axis=1)
    return float(np.median(along / np.maximum(length, np.finfo(float).tiny)))
