"""How well the outline of the samples of a flat world tells where the world lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.transform import Rotation

from worlds import World

_WALKERS = 64
_ROUNDS = 200
_MARGIN = 0.08
"""Samples farther than this from the outline do not count; moves are much smaller."""


@dataclass(frozen=True)
class Pose:
    """A small rigid motion.

    Attributes:
        middle: (d,) that turns leave where it is.
        numbers: (d (d + 1) / 2,) the shift and the turn, as a rotation vector.
    """

    middle: np.ndarray
    numbers: np.ndarray

    @property
    def shift(self) -> np.ndarray:
        """(d,)."""
        return self.numbers[: len(self.middle)]

    @cached_property
    def turn(self) -> np.ndarray:
        """(d, d)."""
        d = len(self.middle)
        spin = np.zeros(3)
        spin[3 - (len(self.numbers) - d) :] = self.numbers[d:]
        return Rotation.from_rotvec(spin).as_matrix()[:d, :d]

    def there(self, x: np.ndarray) -> np.ndarray:
        """Where it takes points."""
        return (x - self.middle) @ self.turn.T + self.middle + self.shift

    def back(self, x: np.ndarray) -> np.ndarray:
        """The inverse."""
        return (x - self.middle - self.shift) @ self.turn + self.middle


def best_pose(world: World, x: np.ndarray, rng: np.random.Generator) -> Pose:
    """Where samples lie on a flat world, as well as can be told by somebody who knows its shape exactly.

    All rigid motions that keep every sample inside are equally likely where the density is uniform. Their mean is
    Pitman's estimator: none whose answer moves along with the samples has a smaller mean square error. The motions are
    drawn by walkers that stretch along one another (Goodman & Weare 2010), starting from the truth.
    """
    assert world.inside is not None
    inside, d, middle = world.inside, x.shape[1], x.mean(0)
    corners = np.stack(np.meshgrid(*[(-_MARGIN, 0, _MARGIN)] * d, indexing="ij"), -1).reshape(-1, d)
    outer = x[~np.all([inside(x + corner) for corner in corners], axis=0)]
    size = d + d * (d - 1) // 2

    def fits(numbers: np.ndarray) -> bool:
        return bool(inside(Pose(middle, numbers).there(outer)).all())

    walkers = np.zeros((_WALKERS, size))
    for k in range(_WALKERS):
        direction = rng.normal(size=size)
        length = _MARGIN
        while not fits(length * direction):
            length /= 2
        walkers[k] = length * direction
    drawn = []
    for _ in range(_ROUNDS):
        for k in range(_WALKERS):
            partner = walkers[rng.choice(np.delete(np.arange(_WALKERS), k))]
            stretch = (1 + rng.uniform()) ** 2 / 2
            moved = partner + stretch * (walkers[k] - partner)
            if rng.uniform() < stretch ** (size - 1) and fits(moved):
                walkers[k] = moved
        drawn.append(walkers.copy())
    return Pose(middle, np.mean(drawn[_ROUNDS // 4 :], axis=(0, 1)))
