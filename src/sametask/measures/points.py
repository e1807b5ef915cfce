"""Activations as the measures see them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

from sametask import _check
from sametask._check import InputError
from sametask._types import Array, Float, Int, Shaped

LEAST = 4
"""Rows that a debiased measure needs."""


@dataclass(frozen=True)
class Pairwise:
    """What a measure sees of pairs of samples.

    Attributes:
        values: (n, n).
    """

    values: Shaped[Array, "n n"]

    def take(self, order: Int[Array, " n"]) -> Pairwise:
        """The same with its samples in another order."""
        return Pairwise(self.values[order].take(order, axis=1))


@dataclass(frozen=True)
class Rows:
    """What a measure sees of samples one by one.

    Attributes:
        values: (n, r).
        neurons: (r, m) activations of each neuron along the columns of ``values``.
    """

    values: Float[Array, "n r"]
    neurons: Float[Array, "r m"]

    def take(self, order: Int[Array, " n"]) -> Rows:
        """The same with its samples in another order."""
        return Rows(self.values[order], self.neurons)


@dataclass(frozen=True)
class Points:
    """Activations of one network, centred, of unit mean square: no measure here sees shifts or units.

    Attributes:
        values: (n, m).
        rounding: relative rounding error of the activations as they were given.
    """

    values: Float[Array, "n m"]
    rounding: float

    @staticmethod
    def of(argument: str, activations: Float[Array, "n m"]) -> Points:
        """Points from activations of at least some rows that are not all the same.

        Raises:
            InputError: all rows are the same, or there are fewer than four.
        """
        if len(activations) < LEAST:
            raise InputError(f"{argument}: {len(activations)} rows; give at least {LEAST}")
        return Points._told(argument, activations.astype(np.float64), float(np.finfo(activations.dtype).eps))

    @staticmethod
    def _told(argument: str, values: Float[Array, "n m"], rounding: float) -> Points:
        largest = np.abs(values).max(initial=0)
        values = values / (largest if largest > 0 else 1)  # squares would overflow
        centred = values - values.mean(axis=0)
        size = np.sqrt(np.square(centred).sum() / len(centred))
        if size <= rounding:
            raise InputError(f"{argument}: all rows are the same; give neurons that respond to the inputs")
        return Points(centred / size, rounding)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Int[Array, " p"]) -> Points:
        """Some of the samples, centred anew.

        Raises:
            InputError: they are all the same.
        """
        return Points._told("rows", self.values[rows], self.rounding)

    @cached_property
    def principal(self) -> tuple[Float[Array, "n r"], Float[Array, " r"], Float[Array, "r m"]]:
        """Orthonormal functions of the samples that span the neurons, their weights, and the neurons' directions.

        Directions that are there by rounding only are left out.
        """
        left, weights, right = linalg.svd(self.values, full_matrices=False)
        kept = weights > max(self.values.shape) * self.rounding * weights[0]
        return left[:, kept], weights[kept], right[kept]

    @cached_property
    def coordinates(self) -> Float[Array, "n r"]:
        """The samples turned to their principal directions: never more than there are samples."""
        n, m = self.values.shape
        if m <= n:
            return self.values
        left, weights, _ = self.principal
        return left * weights

    @cached_property
    def gram(self) -> Float[Array, "n n"]:
        """Inner products."""
        return self.coordinates @ self.coordinates.T

    @cached_property
    def squared(self) -> Float[Array, "n n"]:
        """Squared Euclidean distances."""
        length = np.diagonal(self.gram)
        squared = np.maximum(length[:, None] + length - 2 * self.gram, 0)
        np.fill_diagonal(squared, 0)
        return squared

    @cached_property
    def middle(self) -> float:
        """The median distance between different samples; the mean of those that are not zero where most are."""
        apart = np.sqrt(self.squared[np.triu_indices(len(self), 1)])
        median = float(np.median(apart))
        return median if median > 0 else float(apart[apart > 0].mean())


def checked(first: object, second: object) -> tuple[Array, Array]:
    """Two arrays of activations with corresponding rows.

    Raises:
        InputError: not arrays of numbers, not finite, or of different lengths.
    """
    expected = "(n samples, m neurons)"
    one = _check.array("first", first, ndim=2, expected=expected)
    two = _check.array("second", second, ndim=2, expected=expected)
    _check.same_length("first", one, "second", two)
    return one, two
