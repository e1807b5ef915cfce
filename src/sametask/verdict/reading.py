"""Probes that memory need not hold: which of their rows are read, and what is known of those."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Int
from sametask.matching.known import Known
from sametask.probes.probe import Probe
from sametask.probes.stored import StoredProbe
from sametask.verdict.judging import PAIRED

_FEW = ("set", "order")
"""Kinds of what is known of some rows only."""


@dataclass(frozen=True)
class Read:
    """What is compared of two probes.

    Attributes:
        probes: in memory.
        rows: of those given; None where these are all.
        pairs: (k, 2) rows of ``probes`` that saw the same input.
        known: of both sides, at the rows of ``probes``.
    """

    probes: tuple[Probe, Probe]
    rows: tuple[Int[Array, " n1"] | None, Int[Array, " n2"] | None]
    pairs: Int[Array, "k 2"]
    known: tuple[Known, ...]


def read(
    given: tuple[Probe | StoredProbe, Probe | StoredProbe],
    pairs: Int[Array, "k 2"],
    known: tuple[Known, ...],
    most: int,
    seed: int,
) -> Read:
    """As much of two probes as memory should hold: rows that correspond first, then rows drawn at random.

    Args:
        given: the two.
        pairs: rows of them that saw the same input.
        known: of both sides, at all their rows.
        most: rows of a stored probe.
        seed: of the draw.
    """
    stored = [probe for probe in given if isinstance(probe, StoredProbe)]
    room = min((probe.most(most, len(stored)) for probe in stored), default=len(pairs))
    if len(pairs) > room:
        pairs = pairs[np.sort(np.random.default_rng(seed).choice(len(pairs), room, replace=False))]
    probes, rows = [], []
    for k, probe in enumerate(given):
        if isinstance(probe, Probe):
            probes.append(probe)
            rows.append(None)
            continue
        told = [np.flatnonzero(~np.isnan((each.first, each.second)[k][:, 0])) for each in known if each.kind in _FEW]
        most_of_it = probe.most(most, len(stored))
        beside = len(probe) if most_of_it == len(probe) else max(most_of_it - len(pairs), 0)
        told = [_some(each, max(beside // (2 * len(told)), 3), seed) for each in told]
        if beside < len(probe):
            beside = max(beside - sum(map(len, told)), 0)
        some, chosen = probe.sample(beside, np.concatenate([pairs[:, k], *told]), seed, among=len(stored))
        probes.append(some)
        rows.append(chosen if len(chosen) < len(probe) else None)
    return Read(
        (probes[0], probes[1]),
        (rows[0], rows[1]),
        places(pairs, (rows[0], rows[1])),
        tuple(
            dataclasses.replace(
                each,
                first=each.first if rows[0] is None else each.first[rows[0]],
                second=each.second if rows[1] is None else each.second[rows[1]],
            )
            for each in known
        ),
    )


def _some(rows: Int[Array, " k"], most: int, seed: int) -> Int[Array, " l"]:
    """So many of some rows at most, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def read_all(
    given: Sequence[Probe | StoredProbe], pairs: Callable[[int, int], Array], most: int, seed: int
) -> tuple[list[Probe], list[Array | None]]:
    """As much of many probes as memory should hold, and which rows these are; None where they are all.

    Few rows that correspond are read in any case; of many, those whose ids are drawn are the same in all probes.

    Args:
        given: the probes.
        pairs: for two of them, (k, 2) rows that saw the same input.
        most: rows of each.
        seed: of the draw.
    """
    stored = {k: probe for k, probe in enumerate(given) if isinstance(probe, StoredProbe)}
    large = {k for k, probe in stored.items() if probe.most(most, len(stored)) < len(probe)}
    wanted: list[list[Array]] = [[np.empty(0, np.int64)] for _ in given]
    for i, j in itertools.combinations(range(len(given)), 2):
        if large & {i, j} and len(few := pairs(i, j)) < PAIRED:
            for k, column in zip((i, j), few.T, strict=True):
                wanted[k].append(column)
    probes, rows = [], []
    for k, probe in enumerate(given):
        if isinstance(probe, Probe):
            some, chosen = probe, None
        else:
            some, chosen = probe.sample(most, np.concatenate(wanted[k]), seed, among=len(stored))
        probes.append(some)
        rows.append(chosen if k in large else None)
    return probes, rows


def places(pairs: Int[Array, "k 2"], rows: tuple[Array | None, Array | None]) -> Int[Array, "p 2"]:
    """Pairs of rows as pairs of places among ascending rows, as far as both are among them; None stands for all."""
    for k, chosen in enumerate(rows):
        if chosen is not None:
            at = np.minimum(np.searchsorted(chosen, pairs[:, k]), len(chosen) - 1)
            there = chosen[at] == pairs[:, k]
            pairs = pairs[there].copy()
            pairs[:, k] = at[there]
    return pairs
