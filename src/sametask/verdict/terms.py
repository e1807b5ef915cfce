"""In which terms it is asked whether two networks are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sametask import _check
from sametask._check import InputError
from sametask.evidence.loss import UNITS


@dataclass(frozen=True)
class Terms:
    """What counts as the same.

    Attributes:
        tolerance: loss up to which one network determines the other; None asks whether it does exactly, as far as
            samples show.
        units: ``"layer"``, in which neurons count by their spread, or ``"neuron"``, in which the worst one counts.
        level: of bounds, for all maps and both directions at once.
    """

    tolerance: float | None = 0.05
    units: str = "layer"
    level: float = 0.95

    @staticmethod
    def of(tolerance: Any, units: Any, level: Any) -> Terms:
        """Checked terms.

        Raises:
            InputError: a tolerance that is not between 0 and 1, units that do not exist, a level that is not between
                one half and 1.
        """
        if tolerance is not None:
            tolerance = _check.positive("tolerance", tolerance)
            if tolerance >= 1:
                raise InputError(f"tolerance: {tolerance:g}; give a share of the spread between 0 and 1, or None")
        level = _check.positive("level", level)
        if not 0.5 <= level < 1:
            raise InputError(f"level: {level:g}; give a probability from 0.5 to below 1, such as 0.95")
        return Terms(tolerance, _check.one_of("units", units, UNITS), level)


EXACT = Terms(tolerance=None)
"""The exact question."""
