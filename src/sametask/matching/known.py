"""What the user knows of both sides without pairs of rows: observables, sets, orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array, Float, Int

_FEW_VALUES = 32
"""Whole numbers of no more different values are labels."""
_MOST_LABELS = 64
"""Of more labels the most frequent are told apart; the others count as not known."""
_PAIR = "(a, b), one row of a for every sample of the first probe and one of b for every sample of the second"


@dataclass(frozen=True, eq=False)
class SameSet:
    """An anchor of many samples: these of the first network and those of the second belong to one set.

    "These 50 are all of class 3, and so are those." Nothing is said of other rows: they may belong or not.

    Attributes:
        rows_first: (k,) rows of the first probe.
        rows_second: (l,) rows of the second probe; other inputs, and another number of them.

    Raises:
        InputError: rows are no whole numbers, repeat, or are none.
    """

    rows_first: Any
    rows_second: Any

    def __post_init__(self) -> None:
        for field in ("rows_first", "rows_second"):
            object.__setattr__(self, field, _check.rows(field, getattr(self, field)))


@dataclass(frozen=True, eq=False)
class SameOrder(SameSet):
    """An anchor of many samples: rows of either side in ascending order of one and the same quantity.

    Nothing is known of its values, and the two sides saw other inputs.

    Attributes:
        rows_first: (k,) rows of the first probe, at least 3.
        rows_second: (l,) rows of the second probe, at least 3.

    Raises:
        InputError: rows are no whole numbers, repeat, or are fewer than three.
    """

    def __post_init__(self) -> None:
        for field in ("rows_first", "rows_second"):
            object.__setattr__(self, field, _check.rows(field, getattr(self, field), least=3))


@dataclass(frozen=True)
class Known:
    """One quantity as it is known on either side.

    Attributes:
        name: what it is to the user: ``"observable 2"``.
        kind: ``"numbers"``, ``"labels"`` (columns are 1 where a sample has the label and 0 where it has another),
            ``"order"`` (places in the order, from 0 to 1), ``"set"`` (1 on the rows of the set), or ``"density"``
            (1 everywhere).
        first: (s1, c) for each sample of the first probe; rows of NaN where it is not known.
        second: (s2, c) likewise.
    """

    name: str
    kind: str
    first: Float[Array, "s1 c"]
    second: Float[Array, "s2 c"]


def known_of(sizes: tuple[int, int], anchors: Any, given: Any, sampled_alike: Any) -> tuple[Any, tuple[Known, ...]]:
    """Anchors that are pairs, and everything else that is known of both sides.

    Args:
        sizes: numbers of samples of the probes.
        anchors: as the user gave them, sets and orders among them.
        given: observables.
        sampled_alike: whether densities must agree.

    Raises:
        InputError: any of them is not what it should be.
    """
    if not isinstance(sampled_alike, bool | np.bool_):
        raise InputError(f"sampled_alike: {_check.shown(sampled_alike)}; give True or False")
    pairs, sets = anchors_of_sets(anchors, sizes)
    return pairs, (*sets, *observables(given, sizes), *([sampling(sizes)] if sampled_alike else []))


def anchors_of_sets(anchors: Any, sizes: tuple[int, int]) -> tuple[Any, tuple[Known, ...]]:
    """Anchors rid of sets and orders, and these as quantities; ``sizes`` are the numbers of samples.

    Raises:
        InputError: rows of a set or an order do not exist.
    """
    if isinstance(anchors, SameSet):
        anchors = [anchors]
    if isinstance(anchors, str | np.ndarray) or not isinstance(anchors, Sequence):
        return anchors, ()
    pairs: list[Any] = []
    found = []
    for given in anchors:
        if isinstance(given, SameSet):
            found.append(_of_rows(given, sizes, len(found)))
        else:
            pairs.append(given)
    return (pairs if found else anchors), tuple(found)


def sampling(sizes: tuple[int, int]) -> Known:
    """That both were sampled alike."""
    return Known("sampling density", "density", np.ones((sizes[0], 1)), np.ones((sizes[1], 1)))


def observables(given: Any, sizes: tuple[int, int]) -> tuple[Known, ...]:
    """The quantities that the user knows on both sides; every column of numbers or labels is one.

    Args:
        given: a pair (a, b), or a list of pairs; None for none. Quantities already told stay as they are.
        sizes: numbers of samples of the probes.

    Raises:
        InputError: not pairs, lengths or columns differ, values are infinite or of mixed kinds, or nothing is known.
    """
    if given is None:
        return ()
    if isinstance(given, tuple) and all(isinstance(each, Known) for each in given):
        return given
    pairs = _pairs(given)
    found = []
    for k, pair in enumerate(pairs):
        called = "observables" if len(pairs) == 1 else f"observables[{k}]"
        columns = []
        for value, size, whose in zip(pair, sizes, ("first", "second"), strict=True):
            array = _check.as_array(called, value, _PAIR)
            if array.ndim not in (1, 2) or len(array) != size or array.size == 0:
                raise InputError(
                    f"{called}: shape {array.shape} for the {whose} probe, which has {size} samples; give {_PAIR}"
                )
            columns.append(array.reshape(size, -1))
        counts = [each.shape[1] for each in columns]
        if counts[0] != counts[1]:
            raise InputError(f"{called}: {counts[0]} and {counts[1]} columns; give as many of both, in the same order")
        for c in range(counts[0]):
            name = f"observable {len(found) + 1}"
            found.append(_quantity(called, name, columns[0][:, c], columns[1][:, c]))
    return tuple(found)


def _pairs(given: Any) -> list[Any]:
    """One pair, or a list of them: arrays and lists of plain values are sides, pairs of such are pairs."""

    def is_pair(value: Any) -> bool:
        return isinstance(value, tuple | list) and len(value) == 2 and all(map(_is_side, value))

    if is_pair(given) and not (isinstance(given, list) and all(map(is_pair, given))):
        return [given]
    if isinstance(given, tuple | list) and all(map(is_pair, given)):
        return list(given)
    raise InputError(f"observables: {_check.shown(type(given).__name__)}; give {_PAIR}, or a list of such pairs")


def _is_side(value: Any) -> bool:
    return not isinstance(value, str) and hasattr(value, "__len__")


def _of_rows(given: SameSet, sizes: tuple[int, int], before: int) -> Known:
    order = isinstance(given, SameOrder)
    kind = "order" if order else "set"
    sides = []
    for rows, size, whose in zip((given.rows_first, given.rows_second), sizes, ("first", "second"), strict=True):
        if rows.max() >= size:
            raise InputError(
                f"anchors: row {rows.max()} in a {type(given).__name__} for the {whose} probe, which has rows 0 to "
                f"{size - 1}; give rows of the probes, first those of the first"
            )
        side = np.full((size, 1), np.nan)
        side[rows, 0] = (np.arange(len(rows)) + 0.5) / len(rows) if order else 1.0
        sides.append(side)
    return Known(f"{kind} {before + 1}", kind, *sides)


def _quantity(called: str, name: str, a: Array, b: Array) -> Known:
    """One column of each side, as numbers or labels."""
    (kind, first), (other, second) = (_told(called, side) for side in (a, b))
    for side, whose in ((first, "first"), (second, "second")):
        if _unknown(side).all():
            raise InputError(f"{called}: not known at any sample of the {whose} probe; leave it out")
    whole = "whole numbers"
    if {kind, other} == {whole}:
        values = np.unique(np.concatenate([first, second])[~np.isnan(np.concatenate([first, second]))])
        kind = other = "labels" if len(values) <= _FEW_VALUES else "numbers"
    kind, other = ("numbers" if each == whole else each for each in (kind, other))
    if kind != other:
        raise InputError(f"{called}: {kind} on one side and {other} on the other; give the same kind of both")
    if kind == "numbers":
        return Known(name, kind, first[:, None], second[:, None])
    labels, counts = np.unique(np.concatenate([each[~_unknown(each)] for each in (first, second)]), return_counts=True)
    here, there = (set(np.unique(each[~_unknown(each)]).tolist()) for each in (first, second))
    if not here & there:
        raise InputError(
            f"{called}: the two sides have no label in common ({_check.shown(next(iter(sorted(here))))}, …, and "
            f"{_check.shown(next(iter(sorted(there))))}, …); give the same thing the same label"
        )
    labels = labels[np.argsort(-counts, kind="stable")[:_MOST_LABELS]]
    return Known(name, "labels", *(_indicators(each, labels) for each in (first, second)))


def _told(called: str, side: Array) -> tuple[str, Array]:
    """The kind of a column: ``"numbers"``, ``"whole numbers"`` or ``"labels"``; and numbers with NaN, or strings with
    '', where it is not known."""
    if side.dtype == object:
        return _told_one_by_one(called, side)
    kind = side.dtype.kind
    if kind in "US":
        return "labels", side.astype(str)
    if kind not in "fiub":
        raise InputError(f"{called}: dtype {side.dtype}; give numbers or labels")
    numbers = side.astype(float)
    if np.isinf(numbers).any():
        raise InputError(f"{called}: infinite at row {np.flatnonzero(np.isinf(numbers))[0]}; NaN is for not known")
    return ("whole numbers" if kind in "iub" else "numbers"), numbers


def _told_one_by_one(called: str, side: Array) -> tuple[str, Array]:
    known = np.array([not (x is None or x == "" or (isinstance(x, float) and x != x)) for x in side], bool)
    values = side[known].tolist()
    strings = [isinstance(x, str) for x in values]
    if values and all(strings):
        result = np.full(len(side), "", dtype=object)
        result[known] = values
        return "labels", result.astype(str)
    if any(strings):
        raise InputError(f"{called}: numbers and labels in one column; give one kind")
    numbers = np.full(len(side), np.nan)
    try:
        numbers[known] = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{called}: {_check.shown(values[0])}; give numbers or labels") from None
    if np.isinf(numbers).any():
        raise InputError(f"{called}: infinite at row {np.flatnonzero(np.isinf(numbers))[0]}; NaN is for not known")
    whole = bool(values) and all(isinstance(x, int | np.integer | np.bool_) for x in values)
    return ("whole numbers" if whole else "numbers"), numbers


def _unknown(side: Array) -> Array:
    return np.isnan(side) if side.dtype.kind == "f" else side == ""


def _indicators(side: Array, labels: Array) -> Float[Array, "s c"]:
    result = (side[:, None] == labels).astype(float)
    result[result.sum(axis=1) == 0] = np.nan
    return result


def on_chart(values: Float[Array, "s c"], position: Int[Array, " s"], size: int) -> Float[Array, "n c"]:
    """Values at the samples of a probe as values at the samples charted: means of those that share a place."""
    known = (position >= 0) & ~np.isnan(values).any(axis=1)
    at = position[known]
    count = np.bincount(at, minlength=size)
    total = np.stack([np.bincount(at, column, minlength=size) for column in values[known].T], axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan)
