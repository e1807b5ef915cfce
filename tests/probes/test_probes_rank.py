"""How many directions a network carries, where it is known how many it was built to carry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import sametask as st
from worlds import WORLDS, RandomNetwork

SEEDS = (6, 7)


def squeezed(
    gain: float, seed: int, n: int = 2000, m: int = 5, *, common_basis: bool = True
) -> tuple[st.Probe, np.ndarray]:
    """A network that sees the square's direction ``lost`` through a factor ``gain``."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi)
    kept, lost = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    squeeze = np.outer(kept, kept) + gain * np.outer(lost, lost)
    x = rng.uniform(0, 1, (n, 2))
    network = RandomNetwork.draw(2, m, 1000 * seed + 1)
    j = network.jacobian(x @ squeeze) @ squeeze
    return st.Probe.from_jacobians(network(x @ squeeze), j, common_basis=common_basis), lost


@pytest.mark.parametrize("name", list(WORLDS))
@pytest.mark.parametrize("seed", SEEDS)
def test_good_networks_carry_everything(name, seed) -> None:
    world = WORLDS[name]
    x = world.sample(np.random.default_rng([seed, 1]), 1000)
    network = RandomNetwork.draw(world.ambient, {1: 3, 2: 5}[world.dimension], 1000 * seed + 1)
    found = st.local_rank(world.probe(network, x))
    assert found.rank == world.dimension
    assert found.gains.shape == found.agreement.shape == (world.dimension,)
    assert found.gains[0] == 1
    assert (found.agreement > 0.5).all()
    assert found.lost is None


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("gain", [0.0, 1e-9, 1e-4, 1e-3])
def test_a_discarded_direction_is_seen_and_named(gain, seed) -> None:
    probe, lost = squeezed(gain, seed)
    found = st.local_rank(probe)
    assert found.rank == 1
    assert found.gains[1] < 10 * max(gain, 1e-8)
    assert found.lost is not None
    assert found.lost.shape == (2,)
    assert np.linalg.norm(found.lost) == pytest.approx(1)
    assert abs(found.lost @ lost) > 0.999


@pytest.mark.parametrize("seed", SEEDS)
def test_a_weak_direction_is_not_lost(seed) -> None:
    """Condition number about 10, 2,000 samples."""
    probe, _ = squeezed(0.07, seed)
    assert 9 < np.median(probe.metric.condition) < 13
    found = st.local_rank(probe)
    assert found.rank == 2
    assert found.lost is None


def test_agreement_falls_with_the_gain() -> None:
    agreement = [st.local_rank(squeezed(gain, 6)[0]).agreement[1] for gain in (1.0, 0.1, 0.01, 0.001)]
    assert (np.diff(agreement) < 0.01).all()
    assert agreement[0] > 0.9
    assert agreement[-1] < 0.5


def test_more_samples_resolve_weaker_directions() -> None:
    few, many = (st.local_rank(squeezed(0.02, 6, n=n)[0]).agreement[1] for n in (200, 8000))
    assert many > few


def test_no_name_for_a_direction_where_samples_share_no_basis() -> None:
    probe, _ = squeezed(0.0, 6, n=500, common_basis=False)
    found = st.local_rank(probe)
    assert found.rank == 1
    assert found.lost is None


def test_one_neuron_carries_one_direction() -> None:
    x = np.random.default_rng(0).uniform(0, 1, (500, 2))
    network = RandomNetwork.draw(2, 1, 3)
    assert st.local_rank(st.Probe.from_jacobians(network(x), network.jacobian(x))).rank == 1


@pytest.mark.parametrize("n", [3, 4, 9, 20, 50])
def test_small_samples(n) -> None:
    x = np.linspace(0, 1, n)[:, None]
    network = RandomNetwork.draw(1, 3, 3)
    assert st.local_rank(st.Probe.from_jacobians(network(x), network.jacobian(x))).rank == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types(dtype) -> None:
    for gain, rank in [(0.0, 1), (1.0, 2)]:
        probe, _ = squeezed(gain, 6)
        other = st.Probe(
            probe.activations.astype(dtype),
            type(probe.metric)(*(part.astype(dtype) for part in (probe.metric.frames, probe.metric.gains))),
        )
        assert st.local_rank(other).rank == rank


@settings(deadline=None, max_examples=10)
@given(some.integers(0, 10**6), some.floats(-6, 6))
def test_units_of_inputs_and_activations_do_not_matter(seed, exponent) -> None:
    probe, _ = squeezed(0.05, 6, n=300)
    unit = 10**exponent
    metric = probe.metric
    bigger = st.Probe(unit * probe.activations, type(metric)(metric.frames, unit * metric.gains, metric.directions))
    np.testing.assert_allclose(st.local_rank(bigger).agreement, st.local_rank(probe).agreement, rtol=1e-6, atol=1e-9)
    longer = st.Probe(probe.activations, metric.rescale(unit))
    np.testing.assert_allclose(st.local_rank(longer).agreement, st.local_rank(probe).agreement, rtol=1e-6, atol=1e-9)


def test_same_bits_twice() -> None:
    probe, _ = squeezed(0.05, 6, n=300)
    one, two = st.local_rank(probe), st.local_rank(probe.take(np.arange(300)))
    assert one.agreement.tobytes() == two.agreement.tobytes()
