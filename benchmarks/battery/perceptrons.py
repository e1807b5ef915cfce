"""Small networks that have been trained on something, as layers with exact derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

_STEPS = 400
_LEVELS = 127
"""Of eight bits with a sign, on either side of zero."""


def _tanh(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.tanh(x)
    return y, 1 - y * y


def _softplus(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.logaddexp(0, x), 0.5 * (1 + np.tanh(0.5 * x))


def _sine(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.sin(x), np.cos(x)


def _relu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.maximum(x, 0), (x > 0).astype(float)


ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {
    "tanh": (_tanh, torch.tanh),
    "softplus": (_softplus, torch.nn.functional.softplus),
    "sine": (_sine, torch.sin),
    "relu": (_relu, torch.relu),
}


@dataclass(frozen=True)
class Perceptron:
    """Two hidden layers; the activations looked at are those of the second.

    Attributes:
        weights: (D, h) and (h, h).
        shifts: (h,) each.
        kind: of the nonlinearity.
        steps: (2,) of the integers that activations of each layer are rounded to; zero for none.
    """

    weights: tuple[np.ndarray, np.ndarray]
    shifts: tuple[np.ndarray, np.ndarray]
    kind: str
    steps: tuple[float, float] = (0.0, 0.0)

    @staticmethod
    def untrained(inputs: int, width: int, kind: str, rng: np.random.Generator) -> Perceptron:
        """As frameworks draw it, but somewhat stronger, as inputs are about one unit across."""
        weights = 2 * rng.normal(size=(inputs, width)) / np.sqrt(inputs), rng.normal(size=(width, width))
        return Perceptron(
            (weights[0], 1.5 * weights[1] / np.sqrt(width)),
            (rng.uniform(-1, 1, width), 0.3 * rng.normal(size=width)),
            kind,
        )

    def responding(self, turned: np.ndarray) -> Perceptron:
        """The same behind a linear map of the input, (D, D)."""
        return replace(self, weights=(turned @ self.weights[0], self.weights[1]))

    def trained(self, x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> Perceptron:
        """The same after training on targets, through a linear head that is thrown away."""
        targets = (targets - targets.mean(0)) / targets.std(0)
        width = self.weights[1].shape[1]
        head = rng.normal(size=(width, targets.shape[1])) / np.sqrt(width)
        free = [torch.tensor(each, requires_grad=True) for each in (*self.weights, *self.shifts, head)]
        act = ACTIVATIONS[self.kind][1]
        seen, wanted = torch.tensor(x), torch.tensor(targets)
        optimiser = torch.optim.Adam(free, lr=5e-3)
        for _ in range(_STEPS):
            rows = torch.tensor(rng.integers(len(x), size=min(len(x), 256)))
            hidden = act(act(seen[rows] @ free[0] + free[2]) @ free[1] + free[3])
            loss = torch.square(hidden @ free[4] - wanted[rows]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        one, two, three, four, _ = (each.detach().numpy().copy() for each in free)
        return replace(self, weights=(one, two), shifts=(three, four))

    def quantised(self, x: np.ndarray, *, activations: bool) -> Perceptron:
        """Weights rounded to eight bits for each layer, and activations too if asked for, by their range at x."""
        weights = [_rounded(each, float(np.abs(each).max()) / _LEVELS) for each in self.weights]
        whole = replace(self, weights=(weights[0], weights[1]))
        if not activations:
            return whole
        one, two = whole._layers(x)
        return replace(whole, steps=(float(np.abs(one).max()) / _LEVELS, float(np.abs(two).max()) / _LEVELS))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, m)."""
        return self._layers(x)[1]

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """(n, m, D), without the rounding of activations."""
        act = ACTIVATIONS[self.kind][0]
        one, slope_one = act(x @ self.weights[0] + self.shifts[0])
        _, slope_two = act(one @ self.weights[1] + self.shifts[1])
        inner = slope_one[:, :, None] * self.weights[0].T
        return slope_two[:, :, None] * np.matmul(self.weights[1].T, inner)

    def _layers(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        act = ACTIVATIONS[self.kind][0]
        one = _rounded(act(x @ self.weights[0] + self.shifts[0])[0], self.steps[0])
        return one, _rounded(act(one @ self.weights[1] + self.shifts[1])[0], self.steps[1])


def _rounded(values: np.ndarray, step: float) -> np.ndarray:
    return np.round(values / step) * step if step else values


@dataclass(frozen=True)
class Recoded:
    """Activations of a network in other coordinates: y ↦ A (y + strength · tanh(B y)), which can be undone."""

    network: Perceptron
    inner: np.ndarray
    outer: np.ndarray
    centre: np.ndarray

    @staticmethod
    def draw(network: Perceptron, x: np.ndarray, rng: np.random.Generator) -> Recoded:
        """With a symmetric B of norm 0.6, so that the map has a derivative between 0.4 and 1.6 before A."""
        y = network(x)
        m = y.shape[1]
        turn = np.linalg.qr(rng.normal(size=(m, m)))[0]
        inner = turn * rng.uniform(-0.6, 0.6, m) @ turn.T
        outer = np.linalg.qr(rng.normal(size=(m, m)))[0] * np.exp(rng.uniform(-0.7, 0.7, m))
        return Recoded(network, inner, outer, y.mean(0))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, m)."""
        y = self.network(x) - self.centre
        return (y + 2 * np.tanh(0.5 * y @ self.inner)) @ self.outer

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """(n, m, D)."""
        y = self.network(x) - self.centre
        slope = 1 - np.tanh(0.5 * y @ self.inner) ** 2
        inner = self.network.jacobian(x)
        moved = inner + slope[:, :, None] * np.matmul(self.inner.T, inner)
        return np.matmul(self.outer.T, moved)


@dataclass(frozen=True)
class Chosen:
    """Some neurons of a network, in some order, each in units of its own."""

    network: Perceptron | Recoded
    neurons: np.ndarray
    units: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, m)."""
        return self.network(x)[:, self.neurons] * self.units

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """(n, m, D)."""
        return self.network.jacobian(x)[:, self.neurons] * self.units[:, None]


@dataclass(frozen=True)
class Noise:
    """Neurons that do not respond to the input: normal numbers, drawn anew at every call."""

    width: int
    rng: np.random.Generator

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, m)."""
        return self.rng.normal(size=(len(x), self.width))


def waves(inputs: int, outputs: int, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Random smooth functions of the input, to be learned."""
    inner = 2 * rng.normal(size=(inputs, 6)) / np.sqrt(inputs)
    shift, outer = rng.uniform(0, 2 * np.pi, 6), rng.normal(size=(6, outputs))
    return lambda x: np.sin(x @ inner + shift) @ outer + 0.3 * x @ rng_free(inputs, outputs)


def rng_free(inputs: int, outputs: int) -> np.ndarray:
    """A fixed linear part, so that no direction of the input is left out of all of the functions."""
    return np.resize(np.array([1.0, -0.5, 0.7, 0.4, -0.9]), (inputs, outputs))
