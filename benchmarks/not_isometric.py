"""Pairs of manifolds that no isometry joins, matched without anchors: how many are called what.

python benchmarks/not_isometric.py --pairs 100 --first-seed 0 [--most 1500]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

import numpy as np

import sametask as st

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from worlds import RandomNetwork, World, annulus, box, circle, l_shape, sphere, torus

_FEWEST = 300


@dataclass(frozen=True)
class Surface:
    """A manifold by its parametrisation: how to draw parameters, and where they lie; seen as a world is."""

    draw: Callable[[np.random.Generator, int], np.ndarray]
    place: Callable[[np.ndarray], np.ndarray]

    @property
    def world(self) -> World:
        """Samples carry their parameters along, in front; networks do not see them."""
        at = self.draw(np.random.default_rng(0), 1)
        d, ambient = at.shape[1], self.place(at).shape[1]

        def sample(rng: np.random.Generator, n: int) -> np.ndarray:
            u = self.draw(rng, n)
            return np.concatenate([u, self.place(u)], axis=1)

        def tangents(x: np.ndarray) -> np.ndarray:
            u, step = x[:, :d], 1e-5
            slopes = [(self.place(u + step * e) - self.place(u - step * e)) / (2 * step) for e in np.eye(d)]
            along = np.linalg.qr(np.stack(slopes, axis=2))[0]
            return np.concatenate([np.zeros((len(u), d, d)), along], axis=1)

        return World(d, d + ambient, sample, tangents)


def _on_sphere(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.stack([np.arccos(rng.uniform(-0.999, 0.999, n)), rng.uniform(0, 2 * np.pi, n)], axis=1)


def ellipsoid(ratio: float) -> World:
    """Of two axes 1, the third ``ratio``."""

    def place(u: np.ndarray) -> np.ndarray:
        a, b = u.T
        return np.stack([np.sin(a) * np.cos(b), np.sin(a) * np.sin(b), ratio * np.cos(a)], axis=1)

    return Surface(_on_sphere, place).world


def disc(radius: float) -> World:
    """A flat disc."""

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        x = rng.normal(size=(n, 2))
        return radius * x / np.linalg.norm(x, axis=1, keepdims=True) * np.sqrt(rng.uniform(0, 1, (n, 1)))

    return Surface(draw, lambda u: u).world


def strip(width: float, *, twisted: bool) -> World:
    """A cylinder of radius 1, or a Möbius band."""

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return np.stack([rng.uniform(0, 2 * np.pi, n), rng.uniform(-width / 2, width / 2, n)], axis=1)

    def place(u: np.ndarray) -> np.ndarray:
        a, v = u.T
        turn = a / 2 if twisted else np.full_like(a, np.pi / 2)
        away = 1 + v * np.cos(turn)
        return np.stack([away * np.cos(a), away * np.sin(a), v * np.sin(turn)], axis=1)

    return Surface(draw, place).world


def trefoil(size: float) -> World:
    """A closed knotted curve of length 16 times ``size``, about."""

    def place(u: np.ndarray) -> np.ndarray:
        t = u[:, 0]
        curve = [np.sin(t) + 2 * np.sin(2 * t), np.cos(t) - 2 * np.cos(2 * t), -np.sin(3 * t)]
        return size * np.stack(curve, axis=1) / 2

    return Surface(lambda rng, n: rng.uniform(0, 2 * np.pi, (n, 1)), place).world


def _rectangles(rng: np.random.Generator) -> tuple[World, World]:
    side, more = rng.uniform(1, 2), rng.uniform(1.15, 1.6)
    return box(side, 1.0), box(side * more, 1.0)


KINDS: dict[str, Callable[[np.random.Generator], tuple[World, World]]] = {
    "rectangles of other aspect": _rectangles,
    "L-shape and rectangle": lambda rng: (l_shape(), box(1.2, 1.0)),
    "disc and square": lambda rng: (disc(1 / np.sqrt(np.pi)), box(1.0, 1.0)),
    "circle and interval": lambda rng: (circle(), box(rng.choice([np.pi, 2 * np.pi]))),
    "sphere and ellipsoid": lambda rng: (sphere(), ellipsoid(rng.choice([1 / 1.3, 1.3]))),
    "annulus and disc": lambda rng: (annulus(), disc(rng.choice([0.74, 0.8]))),
    "cylinder and Möbius band": lambda rng: (strip(0.8, twisted=False), strip(0.8, twisted=True)),
    "torus and sphere": lambda rng: (torus(), ellipsoid(1.0)),
    "trefoil and circle": lambda rng: (trefoil(rng.uniform(0.6, 1.2)), circle()),
}


def pair(seed: int, most: int) -> tuple[str, st.Probe, st.Probe]:
    """Two networks on two manifolds; kinds take turns."""
    rng = np.random.default_rng([seed, 99])
    name = list(KINDS)[seed % len(KINDS)]
    worlds = KINDS[name](rng)
    probes = []
    for k, world in enumerate(worlds):
        n = int(np.exp(rng.uniform(np.log(_FEWEST), np.log(most))))
        network = RandomNetwork.draw(world.ambient, 2 * world.dimension + 1, 1000 * seed + k)
        x = world.sample(rng, n)
        seen = np.any(world.tangents(x) != 0, axis=(0, 2))[:, None]
        network = replace(network, inner=network.inner * seen, linear=network.linear * seen)
        probes.append(world.probe(network, x, name=name))
    return name, probes[0], probes[1]


def judged(seed: int, most: int) -> tuple[int, str, str, float]:
    """Seed, kind, decision and confidence."""
    name, first, second = pair(seed, most)
    verdict = st.compare(first, second, anchors=None, seed=seed)
    return seed, name, verdict.decision.value, verdict.confidence


def main() -> None:
    """Judge the pairs and print how many of each kind were called what."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=1500, help="samples of a network, at most")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    start = time.perf_counter()
    seeds = range(options.first_seed, options.first_seed + options.pairs)
    called: dict[str, Counter[str]] = {name: Counter() for name in KINDS}
    with ProcessPoolExecutor(options.workers) as pool:
        for seed, name, decision, confidence in pool.map(judged, seeds, repeat(options.most)):
            called[name][decision] += 1
            if decision not in ("inequivalent", "undecided"):
                print(f"seed {seed}: {name} called {decision} (confidence {confidence:.2f})", flush=True)
    answers = ("inequivalent", "undecided", "equivalent")
    print(f"{'':30}" + "".join(f"{answer:>14}" for answer in answers))
    for name, counts in called.items():
        print(f"{name:30}" + "".join(f"{counts[answer]:14d}" for answer in answers))
    total = sum(called.values(), Counter())
    print(f"{'all':30}" + "".join(f"{total[answer]:14d}" for answer in answers))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
