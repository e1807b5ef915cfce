"""Errors that say something is lost, and errors that say samples are too few."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from sametask.verdict.function import still_falls
from worlds import RandomNetwork


def _sides(turns: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An interval, three neurons on it, and the interval on a spiral staircase 0.4 high."""
    x = np.random.default_rng([seed, 9]).uniform(0, 1, (n, 1))
    angle = 2 * np.pi * turns * x
    return x, RandomNetwork.draw(1, 3, seed)(x), np.hstack([np.cos(angle), np.sin(angle), 0.4 * x])


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("n", [500, 2000])
def test_turns_nearer_than_samples_are_not_lost(n: int, seed: int) -> None:
    _, values, wound = _sides(10, n, seed)
    assert still_falls(wound, values, 1, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_what_is_lost_stays_lost_in_any_number_of_samples(dimension: int, seed: int) -> None:
    """The opposite: a fold in the middle of the first input, and networks that have nothing to do with each other."""
    x = np.random.default_rng(seed).uniform(-1, 1, (300, dimension))
    one, two = (RandomNetwork.draw(dimension, 2 * dimension + 1, 10 * seed + k) for k in (1, 2))
    folded = one(np.hstack([np.abs(x[:, :1]), x[:, 1:]]))
    assert not still_falls(folded, two(x), dimension, np.random.default_rng(seed))
    unrelated = one(np.random.default_rng(seed).permutation(x))
    assert not still_falls(unrelated, two(x), dimension, np.random.default_rng(seed))


def test_too_few_samples_to_follow_give_no_one_way_answer() -> None:
    x, _, _ = _sides(10, 600, 1)
    nets = (
        st.from_callable(lambda x: np.hstack([x, x**2]), "plain"),
        st.from_callable(_wound, "wound"),
    )
    step = st.CentralDifference(1e-4)
    verdict = st.compare(*(st.probe(net, x, step, ids=np.arange(600)) for net in nets))
    assert verdict.decision is st.Decision.UNDECIDED
    (finding,) = (each for each in verdict.diagnosis if each.name == "too few to follow")
    assert finding.subject == "second"


def _wound(x: np.ndarray) -> np.ndarray:
    return np.hstack([np.cos(63 * x), np.sin(63 * x), 0.4 * x])
