"""Which eigenfunctions are new directions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import sametask as st
from sametask.charts.coordinates import independent_coordinates
from worlds import WORLDS, RandomNetwork, World, box


def exact(world: World, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact eigenfunctions at a uniform sample, and the uniform measure."""
    x = world.sample(np.random.default_rng(seed), n)
    return world.functions(x), np.full(n, 1 / n)


@pytest.mark.parametrize("seed", [6, 7])
@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (WORLDS["interval"], (0,)),
        (WORLDS["rectangle"], (0, 1)),
        (WORLDS["circle"], (0, 1)),
        (WORLDS["sphere"], (0, 1, 2)),
    ],
    ids=list(WORLDS),
)
def test_exact_eigenfunctions(world, expected, seed) -> None:
    functions, measure = exact(world, 800, seed)
    assert independent_coordinates(functions, measure, world.dimension) == expected


def long_rectangle(n: int, seed: int) -> tuple[np.ndarray, World]:
    """4 : 1 and a little: cos 2πx/4, cos 3πx/4 and cos 4πx/4 come before or with the first across."""
    world = box(4.0, 1.05)
    return world.sample(np.random.default_rng(seed), n), world


@pytest.mark.parametrize("seed", [6, 7])
def test_harmonics_of_the_first_direction_are_no_new_direction(seed) -> None:
    x, world = long_rectangle(800, seed)
    functions = world.functions(x)
    across = next(k for k in range(5) if np.ptp(functions[:, k][np.abs(x[:, 0] - 0.1) < 0.1]) > 1)
    assert across >= 3  # the harmonics come first
    assert independent_coordinates(functions, np.full(800, 1 / 800), 2) == (0, across)


@pytest.mark.parametrize("seed", [6, 7])
def test_harmonics_in_a_chart(seed) -> None:
    x, world = long_rectangle(1500, seed)
    chart = st.chart(world.probe(RandomNetwork.draw(2, 5, 1000 * seed + 1, strength=0.3), x))
    assert len(chart.coordinates_index) == 2
    assert chart.coordinates_index[0] == 0
    assert chart.coordinates_index[1] > 1
    # both sides of the rectangle can be read off the two chosen, not off the first two
    squares = {}
    for name, columns in {"chosen": list(chart.coordinates_index), "first": [0, 1]}.items():
        f = chart.functions[:, columns]
        design = np.stack([f[:, 0] ** a * f[:, 1] ** b for a in range(6) for b in range(6 - a)], 1)
        side = x[chart.rows, 1]
        left = side - design @ np.linalg.lstsq(design, side, rcond=None)[0]
        squares[name] = 1 - left.var() / side.var()
    assert squares["chosen"] > 0.95
    assert squares["first"] < 0.8


@pytest.mark.parametrize(
    ("name", "count", "seed"),
    [("interval", 1, 6), ("rectangle", 2, 6), ("rectangle", 2, 7), ("circle", 2, 6), ("sphere", 3, 7)],
)
def test_charts_of_the_worlds(name, count, seed) -> None:
    world = WORLDS[name]
    x = world.sample(np.random.default_rng([seed, 1]), 800)
    m = {1: 3, 2: 5}[world.dimension]
    chart = st.chart(world.probe(RandomNetwork.draw(world.ambient, m, 1000 * seed + 1, strength=0.5), x))
    assert chart.coordinates_index == tuple(range(count))


@settings(deadline=None, max_examples=20)
@given(some.integers(0, 10**6), some.integers(1, 3), some.integers(3, 60), some.integers(1, 14))
def test_never_none_never_more_than_whitney_needs(seed, dimension, n, e) -> None:
    """Noise is all new directions; the first is always taken."""
    functions = np.random.default_rng(seed).normal(size=(n, e))
    chosen = independent_coordinates(functions, np.full(n, 1 / n), dimension)
    assert chosen[0] == 0
    assert len(chosen) <= min(2 * dimension + 1, e)
    assert list(chosen) == sorted(set(chosen))


def test_functions_of_few_values_raise_no_warnings() -> None:
    """Indicators of pieces, and constants: most distances are exactly zero."""
    functions = np.repeat(np.array([[1.0, 0], [0, 1], [0, 0]]), [500, 300, 30], axis=0)
    functions = np.concatenate([functions, np.zeros((830, 1))], axis=1)
    chosen = independent_coordinates(functions, np.full(830, 1 / 830), 2)
    assert chosen[0] == 0
    assert 2 not in chosen or len(chosen) <= 3


def test_units_and_order_of_samples_do_not_matter() -> None:
    functions, measure = exact(WORLDS["rectangle"], 700, 6)
    order = np.random.default_rng(0).permutation(700)
    assert independent_coordinates(1e-7 * functions[order], measure, 2) == (0, 1)
    assert independent_coordinates(1e7 * functions, 700 * measure, 2) == (0, 1)
