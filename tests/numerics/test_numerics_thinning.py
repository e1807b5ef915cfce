"""Landmarks: as many as wanted, none close to another, no holes, whatever the density; sheets are kept apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import KDTree

from sametask.numerics import local_metric, thinning
from sametask.numerics.local_metric import LocalMetric
from sametask.numerics.thinning import well_spread
from worlds import RandomNetwork


def plane(n: int, seed: int = 0, skew: float = 0.0) -> tuple[np.ndarray, np.ndarray, LocalMetric]:
    """Inputs in the unit square, the denser to the left by e^skew, and a network of five neurons there."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (n, 2))
    if skew:
        x[:, 0] = -np.log1p(-x[:, 0] * (1 - np.exp(-skew))) / skew
    network = RandomNetwork.draw(2, 5, seed + 3)
    return x, network(x), local_metric.from_jacobians(network.jacobian(x), common_basis=True)


def test_stages_are_a_poisson_disk_sample_in_the_loop_of_its_definition() -> None:
    """With the radius that was found: samples in random order, each unless one nearer was taken before."""
    _, y, _ = plane(300)
    rng = np.random.default_rng(0)
    order = rng.permutation(300).astype(np.int32)
    near = np.argsort(np.square(y[:, None] - y[None]).sum(axis=2), axis=1)[:, 1:17].astype(np.int32)
    squared = np.square(y[near] - y[:, None]).sum(axis=2)
    radius, first = float(np.median(squared[:, 8])), np.zeros(300, bool)
    first[[5, 17]] = True
    order[first] += 300
    links = np.zeros((300, 300), bool)
    for i in range(300):
        links[i, near[i, squared[i] <= radius]] = True
    links |= links.T
    taken = first.copy()
    for i in np.argsort(-order):
        if not first[i]:
            taken[i] = not links[i, taken].any()
    np.testing.assert_array_equal(thinning._apart(near, squared, radius, order, first), taken)


@pytest.mark.parametrize("skew", [0.0, 4.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_landmarks_are_even_whatever_the_density(seed, skew) -> None:
    x, y, metric = plane(20_000, seed, skew)
    rows = well_spread(y, metric, 1000, seed=seed)
    assert abs(len(rows) - 1000) <= 20
    assert (np.diff(rows) > 0).all()
    # a square of which each has a disk: the densest packing puts samples 0.034 apart
    apart = KDTree(x[rows]).query(x[rows], 2)[0][:, 1]
    assert apart.min() > 0.018
    holes = KDTree(x[rows]).query(np.random.default_rng(1).uniform(0, 1, (5000, 2)))[0]
    assert holes.max() < 0.045
    # what must not pass: as many drawn at random
    drawn = x[np.random.default_rng(2).choice(len(x), 1000, replace=False)]
    assert KDTree(drawn).query(drawn, 2)[0][:, 1].min() < 0.005
    np.testing.assert_array_equal(well_spread(y, metric, 1000, seed=seed), rows)


def test_what_is_kept_is_kept() -> None:
    _, y, metric = plane(5000)
    keep = np.array([7, 8, 4999, 0])
    rows = well_spread(y, metric, 400, keep=keep)
    assert set(keep) <= set(rows.tolist())
    assert abs(len(rows) - 400) <= 12


def test_neighbouring_sheets_do_not_thin_each_other() -> None:
    """Windings of a roll closer than landmarks are to one another: none has holes where another has landmarks."""
    rng = np.random.default_rng(0)
    x = np.stack([rng.uniform(1.5 * np.pi, 5.5 * np.pi, 12_000), rng.uniform(0, 2, 12_000)], 1)
    a, c, s = 0.1 / (2 * np.pi), np.cos(x[:, 0]), np.sin(x[:, 0])
    y = np.stack([a * x[:, 0] * c, a * x[:, 0] * s, x[:, 1]], 1)
    j = np.zeros((len(x), 3, 2))
    j[:, 0, 0], j[:, 1, 0], j[:, 2, 1] = a * (c - x[:, 0] * s), a * (s + x[:, 0] * c), 1
    rows = well_spread(y, local_metric.from_jacobians(j, common_basis=True), 150)
    # told by arc length, s = a θ²/2, landmarks are at least as far apart as sheets are
    flat = np.stack([a * np.square(x[:, 0]) / 2, x[:, 1]], 1)
    holes = KDTree(flat[rows]).query(flat)[0]
    apart = KDTree(flat[rows]).query(flat[rows], 2)[0][:, 1]
    assert np.median(apart) > 0.1
    assert holes.max() < 2.2 * np.median(apart)


def test_few_samples_are_all_kept_and_duplicates_cost_no_more_than_themselves() -> None:
    x, y, metric = plane(300)
    np.testing.assert_array_equal(well_spread(y, metric, 300), np.arange(300))
    np.testing.assert_array_equal(well_spread(y, metric, 400), np.arange(300))
    y2, metric2 = np.repeat(y, 30, axis=0), metric.take(np.repeat(np.arange(300), 30))
    rows = well_spread(y2, metric2, 200)
    assert len(np.unique(rows // 30)) == len(rows)
    holes = KDTree(x[rows // 30]).query(x)[0]
    assert holes.max() < 0.15


def test_far_more_samples_than_are_looked_at() -> None:
    x, y, metric = plane(30_000)
    rows = well_spread(y, metric, 150)
    assert abs(len(rows) - 150) <= 6
    assert KDTree(x[rows]).query(x)[0].max() < 0.13
