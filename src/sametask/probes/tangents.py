"""Directions in which inputs are moved: tangents of their manifold, or their own coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array
from sametask.probes.inputs import Inputs, blocks, check_finite, digest_of

_MOST_INTRINSIC = 16
"""Inputs with more numbers than this are no intrinsic coordinates: no sample fills so many dimensions."""


def check_tangents(tangents: Any, inputs: Inputs) -> None:
    """Refuse tangents that do not fit the inputs, and none where inputs are no intrinsic coordinates."""
    shape = inputs.shape[1:]
    if inputs.dtype.kind != "f":
        raise InputError(f"inputs: {inputs.dtype} cannot be moved by small steps; give floating-point inputs")
    if tangents is None:
        if inputs.width > _MOST_INTRINSIC:
            raise InputError(
                f"inputs: {inputs.width} numbers each are no intrinsic coordinates; give tangents (n, d, *input "
                "shape), probe the network composed with what renders its inputs, or use st.Neighbours(k, dimension)"
            )
        return
    expected = f"{(len(inputs), 'd', *shape)}, d tangents of each input's shape".replace("'d'", "d")
    t = _check.as_array("tangents", tangents, expected)
    if t.dtype.kind not in "fiub":
        raise InputError(f"tangents: dtype {t.dtype}; give real numbers of shape {expected}")
    if t.ndim != len(shape) + 2 or t.shape[0] != len(inputs) or t.shape[2:] != shape or t.shape[1] == 0:
        raise InputError(f"tangents: shape {t.shape}; give {expected}")
    check_finite("tangents", t)
    d = t.shape[1]
    for rows in blocks(len(t), d * inputs.width):
        none = ~t[rows].reshape(-1, inputs.width).any(axis=1)
        if none.any():
            row, k = divmod(int(np.flatnonzero(none)[0]), d)
            raise InputError(f"tangents: tangent {k} of sample {rows.start + row} is zero; give orthonormal tangents")


def tangents_for(tangents: Any, inputs: Array) -> Array:
    """(b, d, *input shape): the given tangents, or the coordinate directions."""
    if tangents is not None:
        return np.asarray(tangents).astype(inputs.dtype)
    shape = inputs.shape[1:]
    width = int(np.prod(shape))
    basis = np.eye(width, dtype=inputs.dtype).reshape(width, *shape)
    return np.broadcast_to(basis, (len(inputs), *basis.shape))


def directions_of(tangents: Any, shape: tuple[int, ...]) -> int:
    """How many directions inputs of ``shape`` (n, …) are moved in."""
    return int(np.prod(shape[1:])) if tangents is None else np.shape(tangents)[1]


def digest_of_tangents(tangents: Any) -> str | None:
    """A name for the tangents, None where there are none."""
    return None if tangents is None else digest_of(np.asarray(tangents))
