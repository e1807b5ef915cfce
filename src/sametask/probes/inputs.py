"""The inputs of a probe, which may be far more than memory holds: nothing here copies them whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array, Float

_BLOCK = 1 << 18
"""Numbers looked at at once. Sums go by these blocks, so that they are the same however inputs are held."""
_ROUNDING = 1e-9
"""Spread relative to size up to which a coordinate is constant: sums of 10⁶ double numbers are exact to
2·10⁻¹⁰ at worst."""


@dataclass(frozen=True)
class Inputs:
    """Inputs (n, …) in memory or memory-mapped, handed out in types that networks compute in.

    Attributes:
        values: as the user gave them.
        dtype: what networks are given: single precision for half, double for more than double, else their own, in the
            machine's order of bytes.
    """

    values: Array
    dtype: np.dtype[Any]

    @staticmethod
    def of(inputs: Any) -> Inputs:
        """The user's inputs.

        Raises:
            InputError: not numbers, or not one row a sample.
        """
        x = _check.as_array("inputs", inputs, "(n samples, …)")
        if x.dtype == object or x.dtype.kind not in "fiub":
            raise InputError(f"inputs: dtype {x.dtype}; give an array of numbers, one row a sample")
        if x.ndim == 0 or x.size == 0:
            raise InputError(f"inputs: shape {x.shape}; give (n samples, …), at least one number for each")
        if x.ndim == 1:
            raise InputError(f"inputs: shape {x.shape}; give (n samples, …); reshape a single column with x[:, None]")
        if x.dtype == np.float16:
            return Inputs(x, np.dtype(np.float32))
        if x.dtype.kind == "f" and x.dtype.itemsize > 8:
            return Inputs(x, np.dtype(np.float64))
        return Inputs(x, x.dtype.newbyteorder("="))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all of them: (n, …)."""
        return self.values.shape

    @property
    def width(self) -> int:
        """Numbers in one input."""
        return int(np.prod(self.shape[1:]))

    def __getitem__(self, rows: slice | Array) -> Array:
        """Some of them, as networks are given them."""
        return self.values[rows].astype(self.dtype, copy=False)

    def blocks(self) -> Iterator[slice]:
        """Rows that are looked at at once: by their width alone, so the same wherever the inputs are."""
        return blocks(len(self), self.width)

    def spread(self) -> Float[Array, " w"]:
        """Standard deviation of each number of an input, in double precision and two passes; 0 where it is rounding."""
        total = np.zeros(self.width)
        for rows in self.blocks():
            total += self._flat(rows).sum(axis=0)
        mean, total = total / len(self), np.zeros(self.width)
        for rows in self.blocks():
            total += np.square(self._flat(rows) - mean).sum(axis=0)
        deviation = np.sqrt(total / len(self))
        return np.where(deviation > _ROUNDING * np.abs(mean), deviation, 0)

    def survey(self, *, names: bool) -> tuple[Array | None, str]:
        """One pass over all inputs: their content ids, where ``names`` are wanted, and a digest of all of them.

        Raises:
            InputError: values that are not finite, or (with ``names``) inputs that repeat.
        """
        if self.dtype.kind == "f":
            check_finite("inputs", self.values)
        whole = hashlib.blake2b(repr((self.dtype.newbyteorder("<").str, self.shape)).encode(), digest_size=16)
        ids = np.empty(len(self) if names else 0, np.int64)
        for rows in self.blocks():
            block = self[rows]
            whole.update(np.ascontiguousarray(block, self.dtype.newbyteorder("<")).data)
            if names:
                # as doubles, so that the type does not matter; plus zero, as −0.0 and 0.0 are the same input
                flat = np.ascontiguousarray(self._flat(rows) + 0.0, "<f8")
                digests = b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in flat)
                # 63 bits, as whole numbers with a sign are what everything takes
                ids[rows] = np.frombuffer(digests, "<u8") >> np.uint64(1)
        if names:
            _check_distinct(ids)
        return ids if names else None, whole.hexdigest()

    def _flat(self, rows: slice) -> Array:
        return self.values[rows].reshape(-1, self.width).astype(self.dtype, copy=False).astype(np.float64, copy=False)


def blocks(n: int, width: int) -> Iterator[slice]:
    """Slices of ``n`` rows of so many numbers that are looked at at once."""
    step = max(1, _BLOCK // max(width, 1))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def check_finite(argument: str, values: Array) -> None:
    """Refuse NaN and infinity, naming the rows; block by block, so that no copy of all is made."""
    width = int(np.prod(values.shape[1:]))
    bad = [
        rows.start + np.flatnonzero(~np.isfinite(values[rows].reshape(-1, width)).all(axis=1))
        for rows in blocks(len(values), width)
    ]
    _check.finite_rows(argument, np.concatenate(bad), f"{len(values)} rows")


def digest_of(values: Array) -> str:
    """A name for an array made of its type, shape and numbers, block by block."""
    little = values.dtype.newbyteorder("<")
    whole = hashlib.blake2b(repr((little.str, values.shape)).encode(), digest_size=16)
    for rows in blocks(len(values), int(np.prod(values.shape[1:]))):
        whole.update(np.ascontiguousarray(values[rows], little).data)
    return whole.hexdigest()


def _check_distinct(ids: Array) -> None:
    """Refuse inputs that repeat, which have the same ids."""
    ordered = np.sort(ids)
    repeats = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeats):
        rows = np.flatnonzero(ids == repeats[0])
        raise InputError(
            f"inputs: samples {rows[0]} and {rows[1]} are the same ({len(repeats)} duplicates); "
            "drop the repeats with np.unique(inputs, axis=0)"
        )


def decades(spread: Float[Array, " w"]) -> Float[Array, " w"]:
    """How many times as widely each coordinate is spread as the one that is spread least, as powers of ten; 1 for
    coordinates that do not vary."""
    varies = spread > 0
    if not varies.any():
        return np.ones(len(spread))
    relative = np.where(varies, spread, 1) / spread[varies].min()
    return np.where(varies, 10.0 ** np.round(np.log10(relative)), 1.0)
