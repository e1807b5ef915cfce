"""Rows in, rows out: what every kind of network does around the call into its framework."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from sametask._check import InputError, first_line
from sametask._types import Array, Float, Shaped


def batches(arrays: tuple[Array, ...], size: int, *, exact: bool) -> Iterator[tuple[int, tuple[Array, ...]]]:
    """Cut arrays of equal length into consecutive batches of at most ``size`` rows.

    With ``exact``, for graphs compiled for one batch size, the last batch is filled up by repeating its last
    row. Yields the number of rows that count, and the batch.
    """
    for start in range(0, len(arrays[0]), size):
        batch = tuple(array[start : start + size] for array in arrays)
        rows = len(batch[0])
        if exact and rows < size:
            batch = tuple(np.concatenate([part, part[-1:].repeat(size - rows, axis=0)]) for part in batch)
        yield rows, batch


def as_inputs(name: str, inputs: Any) -> Shaped[Array, "n ..."]:
    """``inputs`` as an array of at least one row of numbers."""
    try:
        result = np.asarray(inputs)
    except ValueError as error:
        raise InputError(f"inputs: not an array ({first_line(error)}); give one row for each sample") from None
    if result.dtype.kind not in "fiub":
        raise InputError(f"inputs: dtype {result.dtype}; {name} takes arrays of real numbers")
    if result.ndim == 0 or len(result) == 0:
        raise InputError(f"inputs: shape {result.shape}; give at least one sample, one row for each")
    if result.dtype.kind == "f" and result.dtype.itemsize > 8:
        result = result.astype(np.float64)
    return np.ascontiguousarray(result, dtype=result.dtype.newbyteorder("="))  # all that frameworks can read


def as_tangents(inputs: Shaped[Array, "n ..."], tangents: Any) -> Shaped[Array, "n d ..."]:
    """``tangents`` as an array of d directions for each input, each of the input's shape."""
    if inputs.dtype.kind != "f":
        raise InputError(
            f"inputs: dtype {inputs.dtype}; whole numbers have no derivative: give floats, "
            "or use st.Burst(perturb=…) instead of st.Jacobian()"
        )
    result = np.asarray(tangents)
    wanted = (len(inputs), result.shape[1] if result.ndim > 1 else 1, *inputs.shape[1:])
    if result.dtype.kind not in "fiub" or result.shape != wanted or wanted[1] == 0:
        raise InputError(
            f"tangents: shape {result.shape} and dtype {result.dtype}; give d directions for each input, "
            f"real numbers of shape {(len(inputs), 'd', *inputs.shape[1:])}".replace("'", "")
        )
    return result


def as_columns(what: str, value: Any, rows: int) -> Float[Array, "n m"]:
    """What a network returned for ``rows`` samples, flattened to one row of floats for each.

    float32 and float64 are kept; every other kind of number becomes float64, halves become float32.
    """
    try:
        result = np.asarray(value)
    except Exception as error:  # arrays of other frameworks raise what they like
        raise InputError(f"{what}: not an array ({first_line(error)}); return an array of shape (n, m)") from error
    if result.dtype.kind not in "fiub":
        raise InputError(f"{what}: dtype {result.dtype}; return real numbers, one row for each sample")
    if result.ndim == 0 or len(result) != rows:
        raise InputError(
            f"{what}: shape {result.shape} for a batch of {rows}; the first axis must be the batch, "
            "one row for each sample"
        )
    if result.size == 0:
        raise InputError(f"{what}: shape {result.shape}, so no neurons at all")
    if result.dtype == np.float16:
        result = result.astype(np.float32)
    elif result.dtype not in (np.float32, np.float64):
        result = result.astype(np.float64)
    return result.reshape(rows, -1)


def column_names(name: str, layers: tuple[str, ...], widths: Mapping[str, int], m: int) -> tuple[str, ...]:
    """``"layer[index]"`` for each of ``m`` columns, from the width of each layer (empty: not yet known)."""
    if not widths and len(layers) == 1:
        widths = {layers[0]: m}
    if not widths:
        raise InputError(f"{name}: how many neurons each layer has is known after the first call; call it once")
    names = tuple(f"{layer}[{i}]" for layer in layers for i in range(widths[layer]))
    if len(names) != m:
        raise InputError(f"m: {m}; {name} returns {len(names)} columns")
    return names


def checked_layers(layers: Any) -> tuple[str, ...] | None:
    """The user's ``layers`` as a tuple of distinct names, or None."""
    if layers is None:
        return None
    if isinstance(layers, str):
        layers = [layers]
    names = tuple(layers) if isinstance(layers, Iterable) else ()
    if not names or not all(isinstance(layer, str) for layer in names):
        raise InputError(f"layers: {layers!r}; give a list of names, or None for the output")
    repeated = sorted({layer for layer in names if names.count(layer) > 1})
    if repeated:
        raise InputError(f"layers: {', '.join(map(repr, repeated))} named more than once; name each layer once")
    return names
