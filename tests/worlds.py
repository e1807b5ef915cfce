"""Pairs of networks whose truth is known: manifolds, random smooth networks on them, and exact spectra."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import sametask as st


@dataclass(frozen=True)
class RandomNetwork:
    """A random smooth map R^D → R^m (one hidden tanh layer beside a linear one) with its exact Jacobian."""

    inner: np.ndarray
    shift: np.ndarray
    outer: np.ndarray
    linear: np.ndarray

    @staticmethod
    def draw(inputs: int, outputs: int, seed: int, width: int = 24, strength: float = 1.0) -> RandomNetwork:
        rng = np.random.default_rng(seed)
        return RandomNetwork(
            strength * rng.normal(size=(inputs, width)),
            rng.uniform(-1, 1, width),
            rng.normal(size=(width, outputs)) / np.sqrt(width),
            0.7 * rng.normal(size=(inputs, outputs)),
        )

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.tanh(x @ self.inner + self.shift) @ self.outer + x @ self.linear

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """(n, m, D)."""
        slope = 1 - np.tanh(x @ self.inner + self.shift) ** 2
        return np.einsum("dw,nw,wm->nmd", self.inner, slope, self.outer) + self.linear.T


@dataclass(frozen=True)
class World:
    """A manifold in R^D: how to sample it uniformly, orthonormal tangents, and what is known of its spectrum.

    Attributes:
        dimension: intrinsic dimension d.
        ambient: D.
        sample: ``sample(rng, n)`` → (n, D).
        tangents: ``tangents(x)`` → (n, D, d).
        eigenvalues: exact leading Laplace–Beltrami (Neumann) eigenvalues, without 0.
        functions: ``functions(x)`` → (n, e), exact eigenfunctions in the order of the blocks.
        blocks: columns of ``functions`` that belong together.
    """

    dimension: int
    ambient: int
    sample: Callable[[np.random.Generator, int], np.ndarray]
    tangents: Callable[[np.ndarray], np.ndarray]
    eigenvalues: np.ndarray
    functions: Callable[[np.ndarray], np.ndarray]
    blocks: tuple[tuple[int, ...], ...]

    def probe(self, network: RandomNetwork, x: np.ndarray, **options) -> st.Probe:
        """The network seen at x with exact Jacobians along the world's tangents."""
        jacobians = np.einsum("nmk,nkd->nmd", network.jacobian(x), self.tangents(x))
        return st.Probe.from_jacobians(network(x), jacobians, inputs=x, **options)


def box(*sides: float) -> World:
    """An interval, rectangle or cuboid."""
    lengths = np.array(sides, float)
    d = len(lengths)
    orders = np.stack(np.meshgrid(*[np.arange(6)] * d, indexing="ij"), -1).reshape(-1, d)[1:]
    values = np.square(np.pi * orders / lengths).sum(1)
    leading = np.argsort(values)[:5]

    def functions(x: np.ndarray) -> np.ndarray:
        return np.cos(np.pi * x[:, None] * orders[leading] / lengths).prod(2)

    return World(
        d,
        d,
        lambda rng, n: rng.uniform(0, 1, (n, d)) * lengths,
        lambda x: np.broadcast_to(np.eye(d), (len(x), d, d)),
        values[leading],
        functions,
        tuple((k,) for k in range(5)),
    )


def circle() -> World:
    """The unit circle."""

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        angle = rng.uniform(0, 2 * np.pi, n)
        return np.stack([np.cos(angle), np.sin(angle)], 1)

    def functions(x: np.ndarray) -> np.ndarray:
        angle = np.arctan2(x[:, 1], x[:, 0])
        return np.stack([f(k * angle) for k in (1, 2, 3) for f in (np.cos, np.sin)], 1)

    return World(
        1,
        2,
        sample,
        lambda x: np.stack([-x[:, 1], x[:, 0]], 1)[:, :, None],
        np.array([1.0, 1, 4, 4, 9]),
        functions,
        ((0, 1), (2, 3), (4, 5)),
    )


def sphere() -> World:
    """The unit sphere in R³."""

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        x = rng.normal(size=(n, 3))
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def tangents(x: np.ndarray) -> np.ndarray:
        helper = np.where(np.abs(x[:, :1]) < 0.6, [[1.0, 0, 0]], [[0, 1.0, 0]])
        first = np.cross(x, helper)
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        return np.stack([first, np.cross(x, first)], 2)

    def functions(x: np.ndarray) -> np.ndarray:
        a, b, c = x.T
        return np.stack([a, b, c, a * b, b * c, c * a, a * a - b * b, 3 * c * c - 1], 1)

    return World(2, 3, sample, tangents, np.array([2.0, 2, 2, 6, 6]), functions, ((0, 1, 2), (3, 4, 5, 6, 7)))


WORLDS = {"interval": box(1.0), "rectangle": box(1.6, 1.0), "circle": circle(), "sphere": sphere()}
NEURONS = {"interval": 3, "rectangle": 5, "circle": 3, "sphere": 5}


@dataclass(frozen=True)
class Pair:
    """Two networks on one world, each at its own samples but for a few anchors, and unseen test points."""

    first: st.Probe
    second: st.Probe
    anchors: np.ndarray
    unseen_first: np.ndarray
    unseen_second: np.ndarray


def pair(name: str, n: int, seed: int, *, anchors: int = 6, neurons: int | None = None, strength: float = 1.0) -> Pair:
    """Two random networks on a world; samples are independent except for the first ``anchors`` rows."""
    world = WORLDS[name]
    m = NEURONS[name] if neurons is None else neurons
    x1 = world.sample(np.random.default_rng([seed, 1]), n)
    x2 = world.sample(np.random.default_rng([seed, 2]), n)
    x2[:anchors] = x1[:anchors]
    f1, f2 = (RandomNetwork.draw(world.ambient, m, 1000 * seed + k, strength=strength) for k in (1, 2))
    unseen = world.sample(np.random.default_rng([seed, 3]), 1000)
    rows = np.arange(anchors)
    return Pair(
        world.probe(f1, x1, name="first"),
        world.probe(f2, x2, name="second"),
        np.stack([rows, rows], 1),
        f1(unseen),
        f2(unseen),
    )


def relative_error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Root mean square error over root mean square spread."""
    return float(np.sqrt(np.sum((predicted - true) ** 2) / np.sum((true - true.mean(0)) ** 2)))


def block_correlation(functions: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
    """Smallest canonical correlation between two blocks of functions in a weighted mean."""
    bases = []
    for block in (functions, truth):
        centred = block - weights @ block / weights.sum()
        bases.append(np.linalg.qr(np.sqrt(weights)[:, None] * centred)[0])
    return float(np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).min())
