"""Derivatives that are silently wrong: exact ones against differences, on a few rows of every probe.

Frameworks lose a derivative on one path of a network while another path carries one, and say nothing: operators without
a rule for forward mode (in torch 2.13 twelve functions of ``torch.special``, see ``findings/``), ``detach``, ``.data``
and ``inference_mode`` inside the network, a detour through another library.
"""

from __future__ import annotations

import numpy as np

from sametask._check import InputError
from sametask._types import Array
from sametask.networks.network import Network
from sametask.probes.inputs import Inputs
from sametask.probes.neighbourhoods import CentralDifference, Jacobian
from sametask.probes.tangents import tangents_for

_ROWS = 8
"""Inputs that are looked at."""
_STEPS = (1.0, 8.0, 0.125)
"""Multiples of the usual step of differences: one of them must be neither too long for the network nor drown."""
_APART = 0.1
"""Relative difference, in the median over rows, from which on derivatives are refused."""
_BITS = (8, 11, 24)
"""Significant binary digits of bfloat16, half and single precision."""


def check_derivatives(network: Network, inputs: Inputs, way: Jacobian, columns: Array | slice, seed: int) -> None:
    """Refuse a network whose exact derivatives along a random direction are not what differences show.

    Args:
        network: it answers the same input the same way.
        inputs: all of them; the first are looked at.
        way: tangents of the inputs.
        columns: of the neurons that are kept.
        seed: of the direction.

    Raises:
        InputError: derivatives and differences differ by more than a tenth at most rows, at every step.
    """
    rows = slice(0, min(_ROWS, len(inputs)))
    x = inputs[rows]
    tangents = tangents_for(None if way.tangents is None else np.asarray(way.tangents)[rows], x).astype(np.float64)
    usual = CentralDifference(tangents=way.tangents).resolve(network, inputs, columns, seed)
    assert isinstance(usual, CentralDifference)
    steps = np.broadcast_to(np.asarray(usual.step, float), tangents.shape[1])
    along = np.random.default_rng(seed).standard_normal(tangents.shape[1]) * steps
    direction = np.tensordot(tangents, along, axes=(1, 0))
    y, derivative = network.pushforward(x, direction[:, None].astype(x.dtype))
    exact = derivative[:, columns, 0].astype(np.float64)
    if not np.isfinite(exact).all():
        return  # said by name and row where all are looked at
    rounding = _rounding(y[:, columns]) * np.linalg.norm(y[:, columns].astype(np.float64), axis=1)
    apart = []
    for factor in _STEPS:
        shift = (factor * direction).astype(x.dtype)
        change = (network(x + shift)[:, columns].astype(np.float64) - network(x - shift)[:, columns]) / (2 * factor)
        size = np.maximum(np.linalg.norm(change, axis=1), np.linalg.norm(exact, axis=1))
        gap = np.linalg.norm(change - exact, axis=1) - rounding / factor
        apart.append(float(np.median(np.where(size > 0, gap / np.maximum(size, np.finfo(float).tiny), 0))))
    if min(apart) > _APART:
        raise InputError(
            f"neighbourhood: exact derivatives of {network.name} are {min(apart):.0%} off what differences show; a "
            "part of it passes none on (custom operators, some special functions, detach, .data, inference_mode, "
            "rounding): use st.CentralDifference()"
        )


def _rounding(values: Array) -> float:
    """Relative rounding of what a network says, by the digits that its values have."""
    mantissa = np.frexp(values.astype(np.float64))[0]
    for bits in _BITS:
        scaled = mantissa * 2.0**bits
        if (scaled == np.rint(scaled)).all():
            return 2.0**-bits
    return float(np.finfo(np.float64).eps)
