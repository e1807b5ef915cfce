"""More rows that correspond never make the map worse: pairs, samples without a partner and derivatives are all used."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import sametask as st
from assertions import as_users_run_it
from worlds import EVERY, RandomNetwork, relative_error

N = 600


def shared(name: str, count: int, seed: int, *, common: bool = True, kind: str = "exact") -> tuple:
    """Probes of two networks that share ``count`` of their samples, and the networks."""
    world, rng = EVERY[name], np.random.default_rng(seed)
    width = world.sample(rng, 2).shape[1]
    networks = [RandomNetwork.draw(width, 7, 10 * seed + k) for k in (0, 1)]
    same, own = world.sample(rng, N), [world.sample(rng, N) for _ in networks]
    unseen, probes = world.sample(rng, 500), []
    for k, network in enumerate(networks):
        x = np.concatenate([same[:count], own[k][count:]])
        ids = np.concatenate([np.arange(count), np.arange(count, N) + k * N])
        probe = world.probe(network, x, ids=ids)
        if kind == "burst":
            around = x[:, None] + 0.01 * rng.normal(size=(N, 30, width))
            probe = st.Probe.from_bursts(
                network(x), network(around.reshape(-1, width)).reshape(N, 30, -1), 0.01, 2, ids
            )
        elif not common:
            probe = st.Probe.from_jacobians(network(x), network.jacobian(x), ids)
        probes.append(probe)
    return probes, networks, unseen


def error_of(verdict: st.Verdict, networks: list, unseen: np.ndarray) -> float:
    assert verdict.transformation is not None
    return relative_error(verdict.transformation.forward(networks[0](unseen)).value, networks[1](unseen))


@pytest.mark.parametrize("common", [pytest.param(True, marks=pytest.mark.slow), False])
def test_the_map_of_a_rectangle_by_number_of_pairs(common) -> None:
    errors = []
    for count in (20, 60, 200, 600):
        probes, networks, unseen = shared("rectangle", count, 1, common=common)
        with as_users_run_it():
            verdict = st.compare(*probes)
        assert verdict.decision is st.Decision.EQUIVALENT
        errors.append(error_of(verdict, networks, unseen))
    assert errors[0] < 5e-4
    for before, after in itertools.pairwise(errors):
        assert after <= max(1.5 * before, 1e-7), errors
    assert errors[-1] < 1e-6


def test_sixty_pairs_of_a_sphere_use_the_other_samples() -> None:
    probes, networks, unseen = shared("sphere", 60, 2)
    verdict = st.compare(*probes)
    pairs_alone = st.compare(*(probe.take(np.arange(60)) for probe in probes))
    assert verdict.loss is not None
    assert pairs_alone.loss is not None
    assert error_of(verdict, networks, unseen) < 0.02
    assert error_of(verdict, networks, unseen) < error_of(pairs_alone, networks, unseen)


def test_pairs_that_do_not_belong_together_do_not_spoil_the_map_of_a_match() -> None:
    """Three of 60 ids are exchanged: the match leaves them out."""
    probes, networks, unseen = shared("rectangle", 60, 3)
    wrong = np.arange(N)
    wrong[:3] = [1, 2, 0]
    second = probes[1].take(wrong)
    second = st.Probe(second.activations, second.metric, probes[1].ids, second.scale, second.neurons, name=second.name)
    verdict = st.compare(probes[0], second)
    assert verdict.transformation is not None
    assert error_of(verdict, networks, unseen) < 0.05


def test_derivatives_along_other_tangents_are_not_believed() -> None:
    """The second's tangents are turned at each sample: what the two say of derivatives does not agree."""
    _, networks, unseen = shared("rectangle", 600, 4, common=False)
    rng = np.random.default_rng(0)
    x = EVERY["rectangle"].sample(np.random.default_rng(5), N)
    angle = rng.uniform(0, 2 * np.pi, N)
    turns = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(N, 2, 2)
    first = st.Probe.from_jacobians(networks[0](x), networks[0].jacobian(x), np.arange(N))
    second = st.Probe.from_jacobians(networks[1](x), networks[1].jacobian(x) @ turns, np.arange(N))
    verdict = st.compare(first, second)
    plain = st.compare(networks[0](x), networks[1](x))
    assert verdict.decision is st.Decision.EQUIVALENT
    assert error_of(verdict, networks, unseen) <= 1.5 * error_of(plain, networks, unseen)


def test_bursts_have_no_derivatives_and_a_map_all_the_same() -> None:
    probes, networks, unseen = shared("rectangle", 200, 6, kind="burst")
    verdict = st.compare(*probes)
    assert verdict.decision is st.Decision.EQUIVALENT
    assert error_of(verdict, networks, unseen) < 1e-3


def test_a_map_by_derivatives_is_saved_and_read(tmp_path) -> None:
    probes, networks, unseen = shared("rectangle", 600, 7)
    made = st.compare(*probes).transformation
    assert made is not None
    made.save(tmp_path / "t.npz")
    read = st.Transformation.load(tmp_path / "t.npz")
    for one, two in ((made.forward, read.forward), (made.backward, read.backward)):
        activations = networks[0 if one == made.forward else 1](unseen)
        np.testing.assert_array_equal(one(activations).value, two(activations).value)
        np.testing.assert_array_equal(one(activations).uncertainty, two(activations).uncertainty)


def test_samples_that_a_network_does_not_respond_to_have_no_derivatives() -> None:
    """All rectifiers of the first are shut in a corner."""
    x = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    weights = np.abs(np.random.default_rng(1).normal(size=(2, 8)))
    shut = st.from_callable(lambda x: np.maximum(x @ weights - 0.1, 0))
    other = st.from_callable(lambda x: np.hstack([np.maximum(x.sum(axis=1, keepdims=True), 0), np.maximum(x, 0) ** 2]))
    probes = [st.probe(each, x, st.CentralDifference()) for each in (shut, other)]
    verdict = st.compare(*probes)
    assert verdict.transformation is not None
    assert np.isfinite(verdict.transformation.forward(shut(x)).value).all()
    assert np.isfinite(verdict.transformation.backward(other(x)).value).all()
