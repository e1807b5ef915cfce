"""Smoothing of noisy metrics: nearer to the truth, the same as fits one by one, and none where there is no noise."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from scipy.spatial import KDTree

import sametask as st
from sametask.numerics.local_metric import LocalMetric
from sametask.numerics.smoothing import smoothed_inverse
from worlds import NEURONS, SHAPES, WORLDS, RandomNetwork

_ALL = WORLDS | SHAPES
_RESOLVED = ["interval", "circle", "rectangle", "box"]
"""Worlds whose networks bend little from sample to sample at the sizes used here; in one, two and three dimensions."""


@cache
def probed(name: str, n: int, seed: int, size: int) -> tuple[st.Probe, st.Probe]:
    """A network with its exact metric, and with that of bursts."""
    world = _ALL[name]
    x = world.sample(np.random.default_rng([seed, 1]), n)
    net = RandomNetwork.draw(world.ambient, NEURONS[name], seed)
    return world.probe(net, x), world.bursts(net, x, np.random.default_rng([seed, 2]), size, 1e-3)


def nearest(probe: st.Probe, count: int) -> np.ndarray:
    """(n, count) nearest first, without the sample itself."""
    return KDTree(probe.activations).query(probe.activations, count + 1)[1][:, 1:]


def covariances(metric: LocalMetric) -> np.ndarray:
    """J Jᵀ, (n, m, m)."""
    return np.einsum("ndm,nd,ndl->nml", metric.frames, metric.gains**2, metric.frames)


def errors(metric: LocalMetric, exact: LocalMetric) -> np.ndarray:
    """(n,) relative error of the covariance along the true tangents."""
    w = exact.frames / exact.gains[:, :, None]
    off = w @ covariances(metric) @ w.transpose(0, 2, 1) - np.eye(exact.dimension)
    return np.sqrt(np.square(off).mean(axis=(1, 2)))


def deflated(metric: LocalMetric) -> LocalMetric:
    """Bursts' covariances are inflated on purpose; without that they are right on average."""
    return dataclasses.replace(metric, gains=metric.gains / np.sqrt(metric.inflation))


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def by_lists(activations: np.ndarray, metric: LocalMetric, near: np.ndarray) -> np.ndarray:
    """The slow reference: explicit covariances, and a weighted least-squares fit for each sample and candidate."""
    n, d = metric.gains.shape
    c = covariances(metric)
    counts = [int(2.5 * (d + 1) * (d + 2) / 2)]
    while 2 * counts[-1] < near.shape[1]:
        counts.append(2 * counts[-1])
    counts.append(near.shape[1])

    def fit(i: int, count: int, degree: int, own: bool) -> np.ndarray:
        rows = [j for j in near[i, :count] if j != i]
        w = metric.frames[i] / metric.gains[i][:, None]
        z = np.array([w @ (activations[j] - activations[i]) for j in rows])
        target = np.array([(w @ c[j] @ w.T).ravel() for j in rows])
        radius = np.linalg.norm(z, axis=1).max() * (1 + 1e-6)
        weight = 1 - np.square(np.linalg.norm(z, axis=1) / radius)
        if own:
            z, weight = np.vstack([z, np.zeros(d)]), np.append(weight, 1.0)
            target = np.vstack([target, np.eye(d).ravel()])
        columns = [np.ones(len(z)), *z.T]
        if degree == 2:
            columns += [z[:, a] * z[:, b] for a in range(d) for b in range(a, d)]
        root = np.sqrt(weight)[:, None]
        return np.linalg.lstsq(root * np.stack(columns, 1), root * target, rcond=None)[0][0].reshape(d, d)

    def missed(degree: int, count: int) -> float:
        return float(np.median([np.mean((fit(i, count, degree, False) - np.eye(d)) ** 2) for i in range(n)]))

    degree, count = min([(degree, count) for degree in (2, 1) for count in counts], key=lambda one: missed(*one))
    typical = np.median([np.trace(fit(i, count, degree, False)) / d for i in range(n)])
    freedom = (d + 1) * metric.inflation / (metric.inflation - 1)
    ratio = metric.inflation * (1 - 4 / (3 * freedom * d)) / typical
    return ratio * np.array([fit(i, count, degree, True) for i in range(n)]) / metric.inflation


@pytest.mark.parametrize("world", _ALL)
def test_exact_metrics_have_nothing_to_smooth(world):
    exact, _ = probed(world, 400, 3, 16)
    assert smoothed_inverse(exact.activations, exact.metric, nearest(exact, 50)) is None
    assert exact.smoothed(nearest(exact, 50)) is exact


@pytest.mark.parametrize("size", [12, 48])
@pytest.mark.parametrize("world", _RESOLVED)
def test_smoothed_metrics_are_several_times_nearer_to_the_truth(world, size):
    measured, fair, smoothed = [], [], []
    for seed in (3, 4):
        exact, noisy = probed(world, 800, seed, size)
        measured.append(rms(errors(noisy.metric, exact.metric)))
        fair.append(rms(errors(deflated(noisy.metric), exact.metric)))
        smoothed.append(rms(errors(noisy.smoothed(nearest(noisy, 64)).metric, exact.metric)))
    assert rms(np.array(measured)) > 3 * rms(np.array(smoothed))
    assert rms(np.array(fair)) > 2 * rms(np.array(smoothed))


@pytest.mark.parametrize("world", ["sphere", "torus"])
def test_where_networks_bend_within_the_neighbourhood_smoothing_does_no_harm(world):
    exact, noisy = probed(world, 800, 3, 48)
    before = np.median(errors(deflated(noisy.metric), exact.metric))
    after = np.median(errors(noisy.smoothed(nearest(noisy, 64)).metric, exact.metric))
    assert after < before


@pytest.mark.parametrize("world", _RESOLVED)
def test_smoothed_metrics_are_right_on_average(world):
    """What the inflation of bursts makes too large is taken out again."""
    exact, noisy = probed(world, 800, 3, 12)
    metric = noisy.smoothed(nearest(noisy, 64)).metric
    w = exact.metric.frames / exact.metric.gains[:, :, None]
    trace = np.trace(w @ covariances(metric) @ w.transpose(0, 2, 1), axis1=1, axis2=2) / exact.dimension
    assert abs(trace.mean() - 1) < 0.05
    assert noisy.metric.inflation > 1.2  # so that it would show


@pytest.mark.parametrize(("world", "n"), [("interval", 80), ("circle", 120), ("rectangle", 120), ("box", 160)])
def test_fits_one_by_one_say_the_same(world, n):
    _, noisy = probed(world, n, 5, 12)
    near = nearest(noisy, 40)
    near[::3, -4:] = np.arange(n)[::3, None]  # some have fewer neighbours: what repeats the sample is none
    found = smoothed_inverse(noisy.activations, noisy.metric, near)
    assert found is not None
    reference = by_lists(noisy.activations, noisy.metric, near)
    # a ridge of one part in a million shows where neighbours lie to one side, and nowhere else
    np.testing.assert_allclose(found, reference, rtol=2e-3, atol=2e-3)
    assert np.median(np.abs(found - reference)) < 1e-5


@pytest.mark.parametrize("world", ["interval", "rectangle", "box"])
def test_what_comes_out_is_symmetric_and_positive(world):
    _, noisy = probed(world, 400, 6, 8)
    found = smoothed_inverse(noisy.activations, noisy.metric, nearest(noisy, 50))
    assert found is not None
    assert np.abs(found - found.transpose(0, 2, 1)).max() < 1e-12
    assert np.linalg.eigvalsh(found).min() > 0


@pytest.mark.parametrize("world", ["interval", "rectangle", "box"])
def test_units_of_activations_and_of_inputs_change_nothing(world):
    _, noisy = probed(world, 400, 6, 12)
    near = nearest(noisy, 50)
    found = smoothed_inverse(noisy.activations, noisy.metric, near)
    assert found is not None
    larger = dataclasses.replace(noisy.metric, gains=1e3 * noisy.metric.gains)
    other = smoothed_inverse(1e3 * noisy.activations - 7, larger, near)
    np.testing.assert_allclose(other, found, rtol=1e-6, atol=1e-9)
    finer = smoothed_inverse(noisy.activations, noisy.metric.rescale(100.0), near)
    np.testing.assert_allclose(finer, found, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("world", ["rectangle", "box"])
def test_turned_activations_change_nothing(world):
    _, noisy = probed(world, 400, 6, 12)
    near = nearest(noisy, 50)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(NEURONS[world],) * 2))[0]
    turned = dataclasses.replace(noisy.metric, frames=noisy.metric.frames @ turn)
    found, other = (
        smoothed_inverse(y, metric, near)
        for y, metric in ((noisy.activations, noisy.metric), (noisy.activations @ turn, turned))
    )
    np.testing.assert_allclose(other, found, atol=1e-8)


@pytest.mark.parametrize(("world", "fewest"), [("interval", 7), ("rectangle", 15), ("box", 25)])
def test_too_few_neighbours_smooth_nothing(world, fewest):
    """Two and a half for each term of a quadratic are asked for, and more to compare with."""
    _, noisy = probed(world, 120, 7, 8)
    for count in (1, 3, fewest):
        assert smoothed_inverse(noisy.activations, noisy.metric, nearest(noisy, count)) is None


@pytest.mark.parametrize("n", [5, 8, 9, 10, 16, 30])
def test_tiny_samples_of_bursts_are_charted(n):
    _, noisy = probed("interval", n, 8, 12)
    near = nearest(noisy, n - 1)
    found = smoothed_inverse(noisy.activations, noisy.metric, near)
    assert found is None or np.isfinite(found).all()
    assert np.isfinite(st.chart(noisy).probe.metric.gains).all()


@pytest.mark.parametrize("world", _RESOLVED)
def test_charts_take_bursts_for_noisy_and_jacobians_for_exact(world):
    exact, noisy = probed(world, 800, 3, 12)
    assert not st.chart(exact).noisy
    chart = st.chart(noisy)
    assert chart.noisy
    kept = exact.metric.take(chart.rows)
    assert rms(errors(chart.probe.metric, kept)) < rms(errors(chart.measured.metric, kept)) / 2
