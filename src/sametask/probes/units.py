"""Units of input coordinates: pascals beside kelvins have no common length until somebody says how they compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask.numerics.local_metric import LocalMetric
from sametask.probes.inputs import Inputs, decades
from sametask.probes.probe import Probe

_AS_GIVEN = "as given"


def input_units(probes: Sequence[Probe], given: Any = None) -> tuple[float, ...] | None:
    """What counts as one unit of length along each input coordinate, the same for all probes; None where inputs are no
    coordinates, and lengths are those of the neighbourhoods as they were given.

    By default the unit of a coordinate is the power of ten nearest to how many times as widely it is spread over all
    probes' inputs together as the coordinate that is spread least. So coordinates in units of one size keep it
    (a rectangle stays one), and pascals beside kelvins count in hundreds or thousands.

    Args:
        probes: that are compared.
        given: a number for each coordinate; ``"as given"`` for ones; None for the default.

    Raises:
        InputError: units are not positive numbers, one for each coordinate, or inputs are no coordinates.
    """
    widths = {coordinate_count(probe) for probe in probes}
    count = widths.pop() if len(widths) == 1 else 0
    if isinstance(given, str):
        if given != _AS_GIVEN:
            raise InputError(f"input_units: {_check.shown(given)}; give a number for each coordinate, or 'as given'")
        return (1.0,) * count if count else None
    if given is None:
        return by_spread(probes) if count else None
    units = _check.length_ratios("input_units", given, "input coordinate")
    if not count:
        raise InputError(
            "input_units: the inputs are not the coordinates that neighbourhoods were seen along, so units cannot be "
            "changed; probe both with st.Jacobian() or st.CentralDifference() without tangents, or leave this out"
        )
    if len(units) != count:
        raise InputError(f"input_units: {len(units)} of them, but inputs have {count} coordinates; give one for each")
    return units


def in_units(probe: Probe, units: Any = None) -> Probe:
    """A probe with lengths in units of its inputs, for :func:`chart` and :func:`local_rank`, which take lengths as they
    are; :func:`compare`, :func:`classes`, :func:`whitney` and :func:`reconstruct` do this by themselves.

    Args:
        probe: seen along the coordinates of its inputs, by exact derivatives or differences.
        units: (D,) what counts as one unit of length along each input coordinate. None takes powers of ten: how many
            times as widely a coordinate is spread as the one that is spread least.

    Raises:
        InputError: units are not positive numbers, one for each coordinate, or inputs are no coordinates.

    Examples:
        >>> import numpy as np, sametask as st
        >>> x = np.random.default_rng(0).uniform(0, 1, (300, 2)) * [1, 1000]  # kelvins, pascals
        >>> net = st.from_callable(lambda x: np.hstack([x, x**2]) @ np.diag([1, 1e-3, 1, 1e-6]))
        >>> st.local_rank(st.in_units(st.probe(net, x, st.CentralDifference()))).gains.round(1)
        array([1. , 0.8])
    """
    return rescaled(probe, input_units([probe], units))


def rescaled(probe: Probe, units: tuple[float, ...] | None) -> Probe:
    """The probe with lengths in these units; itself where they are as given."""
    if units is None or all(unit == 1 for unit in units):
        return probe
    return probe.with_metric(probe.metric.in_units(np.array(units)))


def metric_in_units(probe: Probe, units: tuple[float, ...] | None) -> LocalMetric | None:
    """The local metric of a probe with lengths in these units; None where it was not told along coordinates."""
    if units is None or all(unit == 1 for unit in units):
        return probe.metric
    return rescaled(probe, units).metric if coordinate_count(probe) == len(units) else None


def units_in_words(units: tuple[float, ...] | None) -> str | None:
    """Units of input coordinates in words; None where they are as given."""
    if units is None or all(unit == 1 for unit in units):
        return None
    return f"Lengths of input steps are in units of {', '.join(f'{unit:g}' for unit in units)} along the coordinates."


def coordinate_count(probe: Probe) -> int:
    """How many input coordinates the local metric is told along; 0 where it was not told along these."""
    directions, inputs = probe.metric.directions, probe.inputs
    if directions is None or inputs is None or inputs.shape[1:] != directions.shape[2:]:
        return 0
    return directions.shape[2]


def by_spread(probes: Sequence[Probe]) -> tuple[float, ...]:
    """Powers of ten by the spread of all probes' inputs together."""
    together = np.concatenate([np.asarray(probe.inputs, np.float64) for probe in probes])
    return tuple(map(float, decades(Inputs.of(together).spread())))
