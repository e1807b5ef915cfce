"""Networks on different instruments are matched by what a small step of the state means, and by nothing else."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import sametask as st
from sametask.experiments.instruments import CORNERS, camera, learned, position, recording, sensors, states, through
from worlds import relative_error

INSTRUMENTS = {
    "position": position,
    "sensors": sensors(),
    "front": camera(0.0),
    "side": camera(1.2),
    "16 kHz": recording(16_000),
    "8 kHz": recording(8_000),
}
PAIRS = (("position", "sensors"), ("front", "side"), ("16 kHz", "8 kHz"))
SAMPLES = 250


@cache
def network(name: str) -> st.Network:
    """Of states."""
    return through(INSTRUMENTS[name], learned(INSTRUMENTS[name], seed=list(INSTRUMENTS).index(name), name=name))


@cache
def probed(name: str) -> st.Probe:
    """Each network at states of its own, but for the six that come first."""
    x = states(seed=50 + list(INSTRUMENTS).index(name), n=SAMPLES)
    x[:6] = states(seed=49, n=6)
    return st.probe(network(name), x, st.CentralDifference(1e-4))


@cache
def charted(name: str) -> st.Chart:
    return st.chart(probed(name))


def missed(match: st.Match, pair: tuple[str, str]) -> float:
    """Error at states that neither has seen."""
    unseen = states(seed=48, n=1000)
    first, second = (network(name)(unseen) for name in pair)
    return relative_error(st.Transformation.from_match(match).forward(first).value, second)


def test_states_fill_the_triangle():
    x = states(seed=0, n=20_000)
    np.testing.assert_allclose(x.mean(0), CORNERS.mean(0), atol=0.01)
    shares = np.linalg.solve(np.vstack([CORNERS.T, np.ones(3)]), np.vstack([x.T, np.ones(len(x))]))
    assert shares.min() > 0
    np.testing.assert_allclose(np.mean(shares**2, axis=1), 1 / 6, atol=0.01)


def test_a_sensor_reads_half_at_its_reach():
    state = np.array([[1.2 - 0.8, 0.0]])
    assert sensors(reach=0.8)(state)[0, 0] == pytest.approx(0.5)


def test_a_camera_moved_around_the_object_sees_it_turned():
    x = states(seed=1, n=5)
    np.testing.assert_allclose(camera(0.7)(x), camera(0.0)(x + np.array([0.7, 0])))
    assert relative_error(camera(0.7)(x), camera(0.0)(x)) > 0.3


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_a_recording_is_loudest_around_its_lowest_harmonic(rate):
    bands = 24
    levels = recording(rate, bands)(np.array([[-0.8, 0.4], [0.8, 0.4]]))
    centres = np.geomspace(150.0, 0.45 * rate, bands)
    loudest = centres[levels.argmax(1)]
    np.testing.assert_allclose(loudest, 220 * 2 ** np.array([-0.4, 0.4]), rtol=0.2)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_every_instrument_shows_the_whole_state(name):
    chart = charted(name)
    assert chart.dimension == st.local_rank(chart.probe).rank == 2
    assert chart.probe.metric.condition.max() < 10


@pytest.mark.parametrize("name", ["sensors", "front", "8 kHz"])
def test_readings_with_the_instruments_tangents_are_the_same_probe(name):
    instrument, x, step = INSTRUMENTS[name], states(seed=3, n=60), 1e-5
    moves = step * np.eye(2)
    tangents = np.stack([(instrument(x + move) - instrument(x - move)) / (2 * step) for move in moves], axis=1)
    network = learned(instrument, seed=1)
    exact = st.probe(network, instrument(x), st.Jacobian(tangents=tangents))
    through_states = st.probe(through(instrument, network), x, st.CentralDifference(1e-4))
    np.testing.assert_allclose(exact.activations, through_states.activations)
    np.testing.assert_allclose(exact.metric.gains, through_states.metric.gains, rtol=1e-5)


@pytest.mark.parametrize("pair", PAIRS)
def test_six_common_states_are_enough(pair):
    first, second = (charted(name) for name in pair)
    anchors = np.repeat(np.arange(6)[:, None], 2, axis=1)
    assert missed(st.match(first, second, anchors=anchors), pair) < 0.02


@pytest.mark.parametrize("pair", PAIRS)
def test_no_common_state_is_needed(pair):
    first, second = (charted(name) for name in pair)
    match = st.match(first, second)
    assert match.ambiguity == 1
    assert missed(match, pair) < 0.05


def test_steps_of_another_length_are_no_equivalence():
    verdict = st.compare(probed("front"), probed("side").rescale(1.3), anchors=None)
    assert verdict.decision is not st.Decision.EQUIVALENT
