"""Networks that respond unevenly: more weakly to one direction than to another, or at one place than at another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Differentiable(Protocol):
    """Inputs to activations (n, m), with exact Jacobians (n, m, D)."""

    def __call__(self, x: np.ndarray) -> np.ndarray: ...

    def jacobian(self, x: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Behind:
    """A network that is given a function of the input instead of the input.

    Attributes:
        network: what sees ``seen(x)``.
        seen: inputs to what the network is given.
        slope: its derivative, (n, k, D).
    """

    network: Differentiable
    seen: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, m)."""
        return self.network(self.seen(x))

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """(n, m, D)."""
        return np.matmul(self.network.jacobian(self.seen(x)), self.slope(x))


@dataclass(frozen=True)
class Softmax:
    """The softmax of a network's activations, at an inverse temperature of 3."""

    network: Differentiable

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, m)."""
        y = 3 * self.network(x)
        y = np.exp(y - y.max(axis=1, keepdims=True))
        return y / y.sum(axis=1, keepdims=True)

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """(n, m, D)."""
        p, slope = self(x), 3 * self.network.jacobian(x)
        return p[:, :, None] * (slope - np.einsum("nm,nmd->nd", p, slope)[:, None])


def weakly(network: Differentiable, factors: np.ndarray) -> Behind:
    """Responds to each input by a factor of its own."""
    slope = np.diag(factors)
    return Behind(network, lambda x: x * factors, lambda x: np.broadcast_to(slope, (len(x), *slope.shape)))


def turning(network: Differentiable, ratio: float) -> Behind:
    """Responds ``ratio`` times as much along circles around (−0.6, −0.5) as across: a direction that turns by place."""
    centre = np.array([-0.6, -0.5])
    unit = ratio * np.linalg.norm(centre)

    def seen(x: np.ndarray) -> np.ndarray:
        v = x - centre
        return np.stack([np.linalg.norm(v, axis=1), unit * np.arctan2(v[:, 1], v[:, 0])], axis=1)

    def slope(x: np.ndarray) -> np.ndarray:
        v = x - centre
        r = np.linalg.norm(v, axis=1)[:, None]
        return np.stack([v / r, unit * np.stack([-v[:, 1], v[:, 0]], axis=1) / r**2], axis=1)

    return Behind(network, seen, slope)


def growing(network: Differentiable, middle: np.ndarray) -> Behind:
    """Responds 40 times as much at the middle of the sides as in the middle, and more in the corners."""

    def seen(x: np.ndarray) -> np.ndarray:
        v = x - middle
        return v * (1 / 40 + np.square(v / middle).mean(axis=1, keepdims=True))

    def slope(x: np.ndarray) -> np.ndarray:
        v = x - middle
        gain = 1 / 40 + np.square(v / middle).mean(axis=1)
        change = 2 * v / middle**2 / len(middle)
        return gain[:, None, None] * np.eye(len(middle)) + v[:, :, None] * change[:, None]

    return Behind(network, seen, slope)


def swirling(network: Differentiable, middle: np.ndarray, turns: float = 3.0) -> Behind:
    """Sees inputs turned about the middle by ``turns`` times their distance from it, which shears neighbourhoods."""

    def turned(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        v = x - middle
        r = np.linalg.norm(v, axis=1)
        c, s = np.cos(turns * r), np.sin(turns * r)
        return v, r, np.stack([np.stack([c, -s], axis=1), np.stack([s, c], axis=1)], axis=1)

    def seen(x: np.ndarray) -> np.ndarray:
        v, _, turn = turned(x)
        return np.einsum("nde,ne->nd", turn, v)

    def slope(x: np.ndarray) -> np.ndarray:
        v, r, turn = turned(x)
        across = np.einsum("nde,ne->nd", turn, np.stack([-v[:, 1], v[:, 0]], axis=1))
        return turn + turns * across[:, :, None] * (v / np.maximum(r, 1e-12)[:, None])[:, None]

    return Behind(network, seen, slope)
