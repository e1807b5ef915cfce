"""Errors that say something is lost, and errors that say samples are too few."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from sametask.verdict import function
from worlds import RandomNetwork


def _sides(turns: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three neurons on an interval, and the interval on a spiral staircase 0.4 high."""
    x = np.random.default_rng([seed, 9]).uniform(0, 1, (n, 1))
    angle = 2 * np.pi * turns * x
    return RandomNetwork.draw(1, 3, seed)(x), np.hstack([np.cos(angle), np.sin(angle), 0.4 * x])


def _missed(source: np.ndarray, target: np.ndarray, dimension: int, seed: int) -> function.Missed:
    return function.missed(source, target, dimension, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_functions_are_told_to_a_small_part_of_their_spread(dimension: int, seed: int) -> None:
    x = np.random.default_rng(seed).uniform(-1, 1, (300, dimension))
    one, two = (RandomNetwork.draw(dimension, 2 * dimension + 1, 10 * seed + k) for k in (1, 2))
    assert _missed(one(x), two(x), dimension, seed).level < 0.05


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_what_is_lost_stays_lost_in_any_number_of_samples(dimension: int, seed: int) -> None:
    """The opposite: a fold in the middle of the first input, and networks that have nothing to do with each other."""
    x = np.random.default_rng(seed).uniform(-1, 1, (300, dimension))
    one, two = (RandomNetwork.draw(dimension, 2 * dimension + 1, 10 * seed + k) for k in (1, 2))
    folded = one(np.hstack([np.abs(x[:, :1]), x[:, 1:]]))
    unrelated = one(np.random.default_rng(seed).permutation(x))
    for source in (folded, unrelated):
        shown = _missed(source, two(x), dimension, seed)
        assert shown.level > 0.2
        assert shown.fall > 0.9


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_errors_of_turns_nearer_than_samples_fall(seed: int) -> None:
    """Ten turns are lost on some dozens of samples, and found by some hundreds."""
    few, many = (_missed(*_sides(10, n, seed), 1, seed) for n in (60, 400))
    assert few.level > 0.1
    assert many.level < 0.01


def test_the_nearest_neighbours_are_those_of_a_plain_search() -> None:
    """Left-out errors against a slow reference: each row solved by itself."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (60, 1))
    source, target = np.hstack([x, x**2]), np.sin(3 * x)
    got = function.left_out_errors(source, target, 1, np.arange(60))
    spread = np.sqrt(np.mean((target - target.mean()) ** 2))
    nearest = [np.argsort(np.linalg.norm(source - row, axis=1))[1:33] for row in source]
    # a cubic through 32 neighbours is a worse predictor, but of the same order where the function is smooth
    slow = [
        abs(np.polynomial.Polynomial.fit(x[near, 0], target[near, 0], 5)(x[k, 0]) - target[k, 0])
        for k, near in enumerate(nearest)
    ]
    assert np.sqrt(np.mean(np.square(got))) < np.sqrt(np.mean(np.square(slow))) / spread


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_functions_known_to_hold_show_the_noise_of_the_network(noise: float) -> None:
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (500, 1))
    values = RandomNetwork.draw(1, 12, 3)(x)
    values = values + noise * values.std() * rng.normal(size=values.shape)
    level = function.known_to_hold(values, 1, rng).level
    assert level < 1e-3 if not noise else 0.5 * noise < level < 3 * noise


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_too_few_samples_to_follow_give_no_one_way_answer(seed: int) -> None:
    """Forty turns in 150 samples are noise to any prediction, in the one direction."""
    x = np.random.default_rng([seed, 9]).uniform(0, 1, (150, 1))
    plain, wound = st.from_callable(lambda x: np.hstack([x, x**2]), "plain"), st.from_callable(_wound, "wound")
    step = st.CentralDifference(1e-4)
    verdict = st.compare(*(st.probe(net, x, step, ids=np.arange(len(x))) for net in (plain, wound)))
    assert verdict.decision is st.Decision.UNDECIDED
    (finding,) = (each for each in verdict.diagnosis if each.name == "too few to follow")
    assert finding.subject == "second"


def _wound(x: np.ndarray) -> np.ndarray:
    return np.hstack([np.cos(252 * x), np.sin(252 * x), 0.4 * x])


def _double_cover(small: float, seed: int, units: float = 0.0) -> st.Verdict:
    """Twice around a circle, and the same with a small part that goes around once; neurons in units of their own."""
    rng = np.random.default_rng(seed)
    t, ids = rng.uniform(0, 2 * np.pi, (400, 1)), np.arange(400)
    units_of = 10 ** rng.uniform(-units, units, 4)

    def twice(t: np.ndarray) -> np.ndarray:
        return np.hstack([np.cos(2 * t), np.sin(2 * t)]) * units_of[:2]

    def once(t: np.ndarray) -> np.ndarray:
        return np.hstack([np.cos(2 * t), np.sin(2 * t), small * np.cos(t), small * np.sin(t)]) * units_of

    probes = [st.probe(st.from_callable(each), t, st.CentralDifference(1e-5), ids=ids) for each in (once, twice)]
    return st.compare(*probes, anchors="ids", tolerance=None)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("small", "units"), [(0.002, 0.0), (0.01, 0.0), (1.0, 0.5)])
def test_units_of_neurons_hide_nothing(small: float, units: float, seed: int) -> None:
    said = _double_cover(small, seed, units).decision
    assert said in (st.Decision.FIRST_DETERMINES_SECOND, st.Decision.UNDECIDED)


def test_what_is_lost_from_all_rows_alike_is_told_however_little() -> None:
    verdict = _double_cover(0.0001, 1)
    assert verdict.decision is st.Decision.UNDECIDED
    (finding,) = [finding for finding in verdict.diagnosis if finding.name == "little lost"]
    assert "predicting the first network from the second" in finding.message


def test_what_noise_may_hide_is_said() -> None:
    x = np.random.default_rng(3).uniform(0, 1, (300, 1))
    nets = [RandomNetwork.draw(1, 8, seed) for seed in (1, 2)]
    noisy = [
        st.Probe.from_jacobians(
            net(x) + np.random.default_rng(k).normal(0, 0.05, (300, 8)), net.jacobian(x), ids=range(300)
        )
        for k, net in enumerate(nets)
    ]
    verdict = st.compare(*noisy, anchors="ids", tolerance=None)
    assert [finding.name for finding in verdict.diagnosis].count("within noise") == 1
    assert "high noise floor" in [finding.name for finding in verdict.diagnosis]
