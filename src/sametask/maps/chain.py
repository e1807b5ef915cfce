"""Two maps, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sametask._types import Array, Float
from sametask.maps.estimate import Estimate


@dataclass(frozen=True)
class Chain:
    """A map and another one after it.

    Attributes:
        first, second: the two.
    """

    first: Any
    second: Any

    @property
    def parts(self) -> tuple[Any, Any]:
        """The two, in order."""
        return self.first, self.second

    @property
    def kind(self) -> str:
        """What both are made of, if it is the same."""
        kinds = list(dict.fromkeys((self.first.kind, self.second.kind)))
        return kinds[0] if len(kinds) == 1 else " then ".join(kinds)

    @property
    def neurons(self) -> int:
        """Number of neurons mapped from."""
        return self.first.neurons

    @property
    def outputs(self) -> int:
        """Number of neurons mapped to."""
        return self.second.outputs

    @property
    def dimension(self) -> int | None:
        """Intrinsic dimension of what is mapped, or None."""
        return self.first.dimension

    def __call__(self, activations: Float[Array, "p m"], metric: Any = None) -> Estimate:
        """Predict. The first map's uncertainty goes through the second as it stretches a step along the expected error
        in a random direction."""
        way = self.first(activations, metric)
        out = self.second(way.value)
        step = np.random.default_rng(0).normal(size=way.value.shape)
        step *= (way.uncertainty / np.maximum(np.linalg.norm(step, axis=1), np.finfo(float).tiny))[:, None]
        moved = np.linalg.norm(self.second(way.value + step).value - out.value, axis=1)
        return Estimate(out.value, np.hypot(out.uncertainty, moved), way.inside & out.inside)
