"""The one gate for user input.

Every check raises :class:`InputError` in one line: which argument, what it was, what it should be, what to do.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import itertools
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from sametask._types import Array

_LARGEST_RATIO = 1e30


class InputError(ValueError):
    """A mistake in what the user gave; the message is one line and says how to mend it."""


class MissingExtraError(InputError, ImportError):
    """An optional dependency is not installed; the message names the ``pip install`` line."""


def require(package: str, extra: str) -> ModuleType:
    """Import ``package``, or say which extra brings it."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != package.split(".")[0]:
            raise
        raise MissingExtraError(f'{package} is not installed: run  pip install "sametask[{extra}]"') from None


def as_array(argument: str, value: Any, expected: str) -> Array:
    """``value`` as an array of whatever kind; ragged lists, and tensors that will not convert, are refused."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            value = value.float() if "bfloat16" in str(value.dtype) else value
        if isinstance(value, np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
            mask = np.atleast_1d(np.ma.getmaskarray(value))
            masked_rows(argument, np.flatnonzero(mask.reshape(len(mask), -1).any(axis=1)), len(mask))
        result = np.asarray(value)
        return result.astype(np.float32) if result.dtype.name == "bfloat16" else result
    except InputError:
        raise
    except Exception as error:  # arrays of other frameworks raise what they like
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{argument}: not an array ({reason}); give {expected}") from None


def array(argument: str, value: Any, *, ndim: int | Sequence[int], expected: str) -> Array:
    """``value`` as a real floating array of one of the given numbers of dimensions, every entry finite.

    float32 and float64 are kept, everything else becomes float64. ``expected`` is the shape in words, for the
    message: ``"(n samples, m neurons)"``.
    """
    result = as_array(argument, value, expected)
    if result.dtype == object or result.dtype.kind not in "fiub":
        raise InputError(f"{argument}: dtype {result.dtype}; give real numbers of shape {expected}")
    if result.dtype not in (np.float32, np.float64):
        result = result.astype(np.float64)
    dims = (ndim,) if isinstance(ndim, int) else tuple(ndim)
    if result.ndim not in dims:
        hint = "; reshape a single column with x[:, None]" if result.ndim == 1 and 2 in dims else ""
        raise InputError(f"{argument}: shape {result.shape}; give {expected}{hint}")
    finite(argument, result)
    return result


def finite(argument: str, value: Array, *, start: int | None = None) -> None:
    """Refuse NaN and infinity, naming the rows; ``start`` is the row at which a batch of a larger array begins."""
    if value.size == 0 or np.isfinite(value).all():
        return
    bad = np.atleast_1d(~np.isfinite(value.reshape(len(value), -1)).all(axis=1) if value.ndim else True)
    among = f"{len(bad)} rows" if start is None else f"rows {start} to {start + len(bad) - 1}"
    finite_rows(argument, np.flatnonzero(bad) + (start or 0), among)


def finite_rows(argument: str, bad: Array, among: str) -> None:
    """Refuse the ``bad`` rows, which are not finite, if there are any; ``among`` says of which."""
    if not len(bad):
        return
    named = ", ".join(map(str, bad[:5])) + (", …" if len(bad) > 5 else "")
    raise InputError(
        f"{argument}: NaN or infinite values in {len(bad)} of {among} ({named}); drop or repair those rows"
    )


def masked_rows(argument: str, bad: Array, among: int) -> None:
    """Refuse rows with masked values."""
    named = ", ".join(map(str, bad[:5])) + (", …" if len(bad) > 5 else "")
    raise InputError(f"{argument}: masked values in {len(bad)} of {among} rows ({named}); drop or fill those rows")


def row_pairs(argument: str, value: Any, sizes: tuple[int, int]) -> Array:
    """``value`` as (k, 2) rows of the first and the second probe, of so many samples; None and an empty list are none.

    Rows that do not exist, and samples with more than one partner, are refused.
    """
    expected = "(k, 2) pairs of row numbers, integers in a list or an array"
    pairs = np.empty((0, 2), np.int64) if value is None else as_array(argument, value, expected)
    if pairs.shape in ((0,), (0, 2)):
        return np.empty((0, 2), np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise InputError(f"{argument}: {pairs.dtype} of shape {pairs.shape}; give {expected}")
    for rows, size, whose in zip(pairs.T, sizes, ("first", "second"), strict=True):
        if rows.min() < 0 or rows.max() >= size:
            worst = rows.min() if rows.min() < 0 else rows.max()
            raise InputError(
                f"{argument}: row {worst} of the {whose} probe, which has rows 0 to {size - 1}; give {expected}"
            )
        if len(np.unique(rows)) != len(rows):
            raise InputError(f"{argument}: a row of the {whose} probe appears twice; give each sample one partner")
    return pairs.astype(np.int64)


def rows(argument: str, value: Any, *, least: int = 1) -> Array:
    """``value`` as (k,) different row numbers, ``least`` of them or more."""
    expected = f"at least {least} different row numbers" if least > 1 else "row numbers, integers in a list or an array"
    result = as_array(argument, value, expected)
    if result.ndim != 1 or len(result) < least or result.dtype.kind not in "iu":
        raise InputError(f"{argument}: {result.dtype} of shape {result.shape}; give {expected}")
    if result.min() < 0:
        raise InputError(f"{argument}: row {result.min()}; rows count from 0")
    if len(np.unique(result)) != len(result):
        raise InputError(f"{argument}: a row appears twice; give each once")
    return result.astype(np.int64)


def same_length(first: str, a: Sequence[Any] | Array, second: str, b: Sequence[Any] | Array) -> None:
    """Refuse two arguments whose first axes differ."""
    if len(a) != len(b):
        raise InputError(f"{second}: {len(b)} rows, but {first} has {len(a)}; give one row of each for every sample")


def positive(argument: str, value: Any) -> float:
    """Refuse anything that is not a finite number above zero."""
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # whole numbers have no bound
            number = float(value)
            if 0 < number < np.inf:
                return number
    raise InputError(f"{argument}: {shown(value)}; give a number above zero")


def length_ratio(argument: str, value: Any) -> float:
    """Refuse anything that is not a number above zero; and ratios whose powers would not be finite."""
    ratio = positive(argument, value)
    if not 1 / _LARGEST_RATIO <= ratio <= _LARGEST_RATIO:
        largest = _LARGEST_RATIO
        raise InputError(f"{argument}: {shown(value)}; give a number above zero, from {1 / largest:g} to {largest:g}")
    return ratio


def length_ratios(argument: str, values: Any, of: str) -> tuple[float, ...]:
    """As :func:`length_ratio`, one for each of some things."""
    expected = f"(D,) numbers above zero, one for each {of}"
    given = as_array(argument, values, expected)
    if given.ndim != 1 or given.dtype.kind not in "fiu":
        raise InputError(f"{argument}: {shown(values)}; give {expected}")
    return tuple(length_ratio(argument, value) for value in given.tolist())


def not_negative(argument: str, value: Any) -> float:
    """Refuse anything that is neither zero nor a finite number above."""
    zero = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool) and value == 0
    with contextlib.suppress(InputError):
        return 0.0 if zero else positive(argument, value)
    raise InputError(f"{argument}: {shown(value)}; give zero, or a number above zero")


def count(argument: str, value: Any, *, least: int = 1) -> int:
    """Refuse anything that is not a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{argument}: {shown(value)}; give a whole number of at least {least}")
    return int(value)


def one_of(argument: str, value: Any, known: Iterable[str]) -> str:
    """Refuse a name that is not among ``known``, offering the nearest ones."""
    known = list(known)
    if value in known:
        return value
    raise InputError(f"{argument}: no {shown(value)}; {nearest(str(value), known)}")


def shown(value: Any) -> str:
    """How a message shows a value: on one line, of reasonable length."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:79] + "…"


def nearest(name: str, known: Sequence[str]) -> str:
    """The sentence that offers the nearest names: ``did you mean 'conv1' or 'conv2'?``."""
    if not known:
        return "there are none to choose from"
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    if close:
        return "did you mean " + " or ".join(map(repr, close)) + "?"
    return "there are " + ", ".join(map(repr, known[:8])) + (", …" if len(known) > 8 else "")


def first_line(error: BaseException) -> str:
    """What an exception says, on one line of reasonable length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    text = lines[-1] if "TorchScript interpreter" in lines[0] else lines[0]  # that one says what failed last
    return text if len(text) <= 200 else text[:199] + "…"


def different(names: Sequence[str]) -> tuple[str, ...]:
    """Names, those that repeat numbered.

    Examples:
        >>> different(["a", "b", "a", "a (2)"])
        ('a', 'b', 'a (3)', 'a (2)')
    """
    taken, seen, result = set(names), set(), []
    for name in names:
        new = name
        if name in seen:
            new = next(each for n in itertools.count(2) if (each := f"{name} ({n})") not in taken)
            taken.add(new)
        seen.add(name)
        result.append(new)
    return tuple(result)
