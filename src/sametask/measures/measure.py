"""What a measure of similarity is: a figure, and what it does not see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from sametask.measures.points import Pairwise, Points, Rows, checked


class Change(Enum):
    """What may be done to one network's activations."""

    SHIFT = "shift"
    SCALE = "one factor for all neurons"
    ORDER = "order of neurons"
    ROTATION = "rotation"
    LINEAR = "any invertible linear map"


@dataclass(frozen=True)
class Measure:
    """A usual measure of how alike two networks' activations at the same inputs are.

    Call it with two arrays, (n, m1) and (n, m2), whose rows correspond; the networks may have different widths.

    Attributes:
        name: as it is known.
        see: what it sees of one network.
        hold: the figure from what is seen of both.
        closer: whether ``"higher"`` or ``"lower"`` figures say more alike.
        identical: the figure of identical networks.
        unchanged: by which changes of either network.
        unchanged_second: by which changes of the second, where the two are not treated alike.
        blind: what it cannot see, in a sentence.
        source: paper, and equation where it is one.

    Examples:
        >>> import numpy as np, sametask as st
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> round(st.measures.linear_cka(x, 2 * x[:, ::-1]), 6)
        1.0
    """

    name: str
    see: Callable[[Points], Pairwise | Rows]
    hold: Callable[[Any, Any], float]
    closer: Literal["higher", "lower"]
    identical: float
    unchanged: tuple[Change, ...]
    blind: str
    source: str
    unchanged_second: tuple[Change, ...] | None = None

    def __call__(self, first: Any, second: Any) -> float:
        """The figure.

        Args:
            first: (n, m1) activations.
            second: (n, m2), row by row at the same inputs.

        Raises:
            InputError: not arrays of finite numbers with equally many rows, fewer than four, or all the same.
        """
        one, two = checked(first, second)
        return self.hold(self.see(Points.of("first", one)), self.see(Points.of("second", two)))

    @property
    def symmetric(self) -> bool:
        """Whether the two networks are treated alike."""
        return self.unchanged_second is None

    def __repr__(self) -> str:
        return f"Measure({self.name!r})"
