"""The sampled manifold: orders of accuracy measured, places found again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial import KDTree

from assertions import rms, slope
from sametask.numerics import local_metric
from sametask.numerics.local_metric import LocalMetric
from sametask.numerics.manifold import Projection, SampledManifold, combine
from worlds import RandomNetwork, sphere

NEURONS = {1: 3, 2: 5, 3: 7}


def manifold_of(network: RandomNetwork, x: np.ndarray) -> SampledManifold:
    return SampledManifold(network(x), local_metric.from_jacobians(network.jacobian(x), common_basis=True))


def directions(manifold: SampledManifold) -> np.ndarray:
    assert manifold.metric.directions is not None
    return manifold.metric.directions


def grid(d: int, k: int) -> np.ndarray:
    """A jittered grid on [0, 1]^d of spacing 1/k."""
    line = np.linspace(0, 1, k + 1)
    x = np.stack(np.meshgrid(*[line] * d, indexing="ij"), -1).reshape(-1, d)
    return x + np.random.default_rng(0).uniform(-0.2, 0.2, x.shape) / k


def pairs(d: int, k: int) -> tuple[SampledManifold, np.ndarray, np.ndarray, np.ndarray]:
    """Neighbouring samples of flat R^d as a network shows them, and the true steps in the first one's frame."""
    x = grid(d, k)
    manifold = manifold_of(RandomNetwork.draw(d, NEURONS[d], 3), x)
    inner = np.flatnonzero((np.abs(x - 0.5) < 0.3).all(axis=1))
    # from all over: the first of them lie to one side, the more so the finer the grid
    inner = inner[:: max(1, len(inner) // 300)]
    a, b = np.repeat(inner, 3), KDTree(x).query(x[inner], 4)[1][:, 1:].ravel()
    return manifold, a, b, np.einsum("nij,nj->ni", directions(manifold)[a], x[b] - x[a])


def evenly_on_sphere(n: int) -> np.ndarray:
    """The Fibonacci lattice."""
    height, angle = 1 - (2 * np.arange(n) + 1) / n, np.pi * (3 - np.sqrt(5)) * np.arange(n)
    across = np.sqrt(1 - height**2)
    return np.stack([across * np.cos(angle), across * np.sin(angle), height], 1)


DIVISIONS = {1: [25, 50, 100, 200], 2: [10, 20, 40, 80], 3: [6, 9, 13, 18]}


def displacement_errors(d: int) -> dict[str, list[float]]:
    errors: dict[str, list[float]] = {"displacement": [], "one tangent plane": [], "transport": [], "polar factor": []}
    for k in DIVISIONS[d]:
        manifold, a, b, true = pairs(d, k)
        # in flat space the exact transport is a change of basis
        exact = np.einsum("nij,nkj->nik", directions(manifold)[a], directions(manifold)[b])
        step, theta = manifold.displacement(a, b)
        errors["displacement"].append(rms(step - true))
        errors["one tangent plane"].append(
            rms(manifold.step(a, manifold.activations[b] - manifold.activations[a]) - true)
        )
        errors["transport"].append(rms(theta - exact))
        errors["polar factor"].append(rms(manifold.transport(a, b) - exact))
    return errors


@pytest.mark.parametrize("d", [1, 2, 3])
def test_displacement_is_fourth_order_and_the_tangent_plane_second(d) -> None:
    errors = displacement_errors(d)
    spacings = [1 / k for k in DIVISIONS[d]]
    assert 1.7 < slope(spacings, errors["one tangent plane"]) < 2.3
    assert slope(spacings, errors["displacement"]) > 3.7
    assert errors["displacement"][-1] < 0.02 * errors["one tangent plane"][-1]


@pytest.mark.parametrize("d", [2, 3])
def test_transport_along_displacements_is_third_order_and_the_polar_factor_first(d) -> None:
    errors = displacement_errors(d)
    spacings = [1 / k for k in DIVISIONS[d]]
    assert 0.7 < slope(spacings, errors["polar factor"]) < 1.5
    assert slope(spacings, errors["transport"]) > 2.5


def test_a_noisy_metric_makes_steps_no_worse_than_tangent_planes() -> None:
    """What is left of the metric's changes is noise; following it would add to the noise of the gains."""
    x = grid(2, 40)
    network, rng = RandomNetwork.draw(2, 5, 3), np.random.default_rng(4)
    jacobians = network.jacobian(x)
    noisy = np.matmul(jacobians, np.eye(2) + 0.09 * rng.normal(size=(len(x), 2, 2)))
    manifold = SampledManifold(network(x), local_metric.from_jacobians(noisy, common_basis=True))
    a, b = np.repeat(np.arange(len(x)), 3), KDTree(x).query(x, 4)[1][:, 1:].ravel()
    flat = manifold.step(a, manifold.activations[b] - manifold.activations[a])
    lengths, true = np.linalg.norm(manifold.displacement(a, b)[0], axis=1), np.linalg.norm(x[b] - x[a], axis=1)
    assert rms(lengths - true) < rms(np.linalg.norm(flat, axis=1) - true)


def test_steps_beyond_the_nearest_neighbours_keep_their_order() -> None:
    """A pair is told from both ends, and one of them may lie where samples are denser: for it the other is far."""
    errors, spacings = [], []
    for n in (500, 2000, 8000):
        x = np.random.default_rng(1).uniform(0, 1, (n, 2))
        manifold = manifold_of(RandomNetwork.draw(2, 5, 3), x)
        near = KDTree(x).query(x, 25)[1]
        a, b = np.repeat(np.arange(n), 24), near[:, 1:].ravel()
        turn = np.einsum("ndm,nme->nde", manifold.metric.frames, RandomNetwork.draw(2, 5, 3).jacobian(x))
        true = np.einsum("nde,ne->nd", (turn / manifold.metric.gains[:, :, None])[a], x[b] - x[a])
        errors.append(rms(manifold.displacement(a, b)[0] - true))
        spacings.append(n**-0.5)
    assert slope(spacings, errors) > 3.5


def test_displacement_follows_great_circles() -> None:
    errors, spacings = [], []
    for n in (300, 1200, 4800, 19200):
        x = evenly_on_sphere(n)
        manifold = SampledManifold(x, local_metric.from_jacobians(sphere().tangents(x), common_basis=False))
        a = np.repeat(np.arange(0, n, n // 150), 4)
        b = KDTree(x).query(x[:: n // 150], 5)[1][:, 1:].ravel()
        across = x[b] - x[a]
        across -= np.einsum("nm,nm->n", across, x[a])[:, None] * x[a]
        angle = np.arcsin(np.linalg.norm(across, axis=1))
        true = manifold.step(a, across * (angle / np.linalg.norm(across, axis=1))[:, None])
        errors.append(rms(manifold.displacement(a, b)[0] - true))
        spacings.append(n**-0.5)
    assert slope(spacings, errors) > 2.9


def test_transport_is_orthogonal_and_its_own_inverse_the_other_way() -> None:
    manifold, a, b, _ = pairs(3, 10)
    theta, back = manifold.transport(a, b), manifold.transport(b, a)
    identity = np.broadcast_to(np.eye(3), theta.shape)
    np.testing.assert_allclose(theta @ theta.transpose(0, 2, 1), identity, atol=1e-12)
    assert np.abs(theta @ back - identity).max() < 0.1
    np.testing.assert_allclose(manifold.transport(a, a), identity, atol=1e-12)


def test_transport_is_exact_for_linear_networks() -> None:
    """Frames may be turned as they like: transport undoes it."""
    rng = np.random.default_rng(0)
    x, j = rng.uniform(0, 1, (50, 2)), rng.normal(size=(5, 2))
    turned = np.linalg.qr(rng.normal(size=(50, 2, 2)))[0]
    # singular frames of J Q are frames of J, so turn frames and gains by hand: equal gains leave them free
    j = np.linalg.qr(j)[0]
    frames = np.einsum("nde,me->ndm", turned, j)
    manifold = SampledManifold(x @ j.T, LocalMetric(frames, np.ones((50, 2))))
    a, b = np.arange(25), np.arange(25, 50)
    step, theta = manifold.displacement(a, b)
    np.testing.assert_allclose(theta, turned[a] @ turned[b].transpose(0, 2, 1), atol=1e-12)
    np.testing.assert_allclose(step, np.einsum("nij,nj->ni", turned[a], x[b] - x[a]), atol=1e-12)


def test_step_and_change_are_inverse_on_the_tangent_plane() -> None:
    manifold, a, _, true = pairs(2, 10)
    np.testing.assert_allclose(manifold.step(a, manifold.change(a, true)), true, atol=1e-12)


def test_seen_from_the_same_sample_nothing_changes() -> None:
    manifold, a, b, true = pairs(2, 20)
    seen, theta = manifold.seen_from(a, a, true)
    np.testing.assert_allclose(seen, true, atol=1e-12)
    np.testing.assert_allclose(theta, np.broadcast_to(np.eye(2), theta.shape), atol=1e-12)
    # from the other end of the step the place is the origin
    assert rms(manifold.seen_from(b, a, true)[0]) < 0.1 * 0.05


# -- evaluation and location ---------------------------------------------------------------------------------------


def places(manifold: SampledManifold, x: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True inputs p as (nearest sample, offset in its frame)."""
    a = KDTree(x).query(p)[1]
    return a, np.einsum("nij,nj->ni", directions(manifold)[a], p - x[a])


def inputs(manifold: SampledManifold, x: np.ndarray, a: np.ndarray, offset: np.ndarray) -> np.ndarray:
    return x[a] + np.einsum("nji,nj->ni", directions(manifold)[a], offset)


def accuracy(d: int, divisions: list[int]) -> tuple[list[float], list[float]]:
    """Errors of evaluate at known inputs, and of locate at known activations."""
    network = RandomNetwork.draw(d, NEURONS[d], 3)
    p = np.random.default_rng(1).uniform(0.2, 0.8, (500, d))
    evaluated, located = [], []
    for k in divisions:
        x = grid(d, k)
        manifold = manifold_of(network, x)
        a, offset = places(manifold, x, p)
        evaluated.append(rms(manifold.evaluate(a, offset) - network(p)))
        sample, found, residual = manifold.locate(network(p))
        located.append(rms(inputs(manifold, x, sample, found) - p))
        assert residual.max() < 0.5 / k
    return evaluated, located


@pytest.mark.parametrize("d", [1, 2])
def test_evaluate_and_locate_are_third_order_in_the_spacing(d) -> None:
    evaluated, located = accuracy(d, DIVISIONS[d])
    spacings = [1 / k for k in DIVISIONS[d]]
    assert slope(spacings, evaluated) > 2.8
    assert slope(spacings, located) > 2.8


@pytest.mark.parametrize("d", [1, 2])
def test_locate_inverts_evaluate(d) -> None:
    k = {1: 100, 2: 30}[d]
    x = grid(d, k)
    manifold = manifold_of(RandomNetwork.draw(d, NEURONS[d], 3), x)
    p = np.random.default_rng(2).uniform(0.1, 0.9, (300, d))
    a, offset = places(manifold, x, p)
    value = manifold.evaluate(a, offset)
    sample, found, residual = manifold.locate(value, iterations=8)
    assert rms(residual) < 1e-3 / k  # there is such a place, and it is found
    assert rms(inputs(manifold, x, sample, found) - p) < 1e-2 / k
    # what must not pass: values off the manifold
    _, _, away = manifold.locate(value + 0.3 * np.random.default_rng(3).normal(size=value.shape))
    assert np.median(away) > 0.1


def test_more_iterations_never_make_it_worse() -> None:
    x = grid(2, 20)
    manifold = manifold_of(RandomNetwork.draw(2, 5, 3), x)
    values = manifold.activations + 0.1 * np.random.default_rng(0).normal(size=manifold.activations.shape)
    residuals = [manifold.locate(values, iterations=k)[2] for k in (0, 1, 3, 8)]
    for worse, better in pairwise(residuals):
        assert (better <= worse + 1e-12).all()


@pytest.mark.parametrize("d", [1, 2])
def test_samples_map_to_themselves(d) -> None:
    x = grid(d, {1: 60, 2: 12}[d])
    manifold = manifold_of(RandomNetwork.draw(d, NEURONS[d], 3), x)
    everyone = np.arange(len(x))
    np.testing.assert_allclose(manifold.evaluate(everyone, np.zeros_like(x)), manifold.activations, atol=1e-8)
    sample, offset, residual = manifold.locate(manifold.activations)
    np.testing.assert_array_equal(sample, everyone)
    np.testing.assert_allclose(offset, 0, atol=1e-8)
    np.testing.assert_allclose(residual, 0, atol=1e-8)


def test_fewer_samples_than_neighbours_wanted() -> None:
    x = np.array([[0.0], [0.4], [1.0]])
    manifold = manifold_of(RandomNetwork.draw(1, 3, 3), x)
    sample, offset, residual = manifold.locate(manifold.activations)
    assert sample.tolist() == [0, 1, 2]
    assert offset.shape == (3, 1)
    np.testing.assert_allclose(residual, 0, atol=1e-8)
    assert manifold.evaluate(sample, offset).shape == (3, 3)


def test_no_places_no_values() -> None:
    manifold = manifold_of(RandomNetwork.draw(2, 5, 3), grid(2, 5))
    none = np.zeros(0, np.int64)
    assert manifold.evaluate(none, np.zeros((0, 2))).shape == (0, 5)
    assert manifold.locate(np.zeros((0, 5)))[0].shape == (0,)
    assert manifold.reanchor(none, np.zeros((0, 2)))[0].shape == (0,)


def test_reanchored_places_are_the_same_places_told_from_nearer() -> None:
    x, rng = grid(2, 30), np.random.default_rng(4)
    network = RandomNetwork.draw(2, 5, 3)
    manifold = manifold_of(network, x)
    p = rng.uniform(0.2, 0.8, (300, 2))
    # told from a sample three spacings away
    far = KDTree(x).query(p + 0.1 * np.array([0.6, -0.8]))[1]
    offset = np.einsum("nij,nj->ni", directions(manifold)[far], p - x[far])
    sample, near, rotation = manifold.reanchor(far, offset)
    assert rms(near) < 0.4 * rms(offset)
    assert rms(inputs(manifold, x, sample, near) - p) < 0.1 / 30 * 2
    np.testing.assert_allclose(
        rotation @ rotation.transpose(0, 2, 1), np.broadcast_to(np.eye(2), rotation.shape), atol=1e-10
    )
    exact = np.einsum("nij,nkj->nik", directions(manifold)[sample], directions(manifold)[far])
    assert np.abs(rotation - exact).max() < 0.3
    again, still, turn = manifold.reanchor(sample, near)
    np.testing.assert_array_equal(again, sample)
    np.testing.assert_array_equal(still, near)
    np.testing.assert_array_equal(turn, np.broadcast_to(np.eye(2), turn.shape))
    unmoved, same, _ = manifold.reanchor(far, offset, moves=0)
    np.testing.assert_array_equal(unmoved, far)
    np.testing.assert_array_equal(same, offset)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_steps_that_are_kept_change_nothing(d, monkeypatch) -> None:
    """Where the neighbours are given, steps to them are measured once; without a graph they are measured as asked."""
    manifold, a, _, _ = pairs(d, {1: 40, 2: 12, 3: 7}[d])
    near = KDTree(manifold.activations).query(manifold.activations, 11)[1]
    kept = SampledManifold(manifold.activations, manifold.metric, near)
    offset = np.random.default_rng(2).normal(size=(len(a), d)) * 0.5 * np.abs(kept.spokes[0]).mean()
    sample, place, rotation = kept.reanchor(a, offset, moves=1)
    step, seen, turn = offset.copy(), a.copy(), np.broadcast_to(np.eye(d), (len(a), d, d)).copy()
    for c in near[a, 1:].T:
        other, theta = kept.seen_from(c, a, offset)
        nearer = np.square(other).sum(axis=1) < np.square(step).sum(axis=1) * (1 - 1e-9)
        step[nearer], seen[nearer], turn[nearer] = other[nearer], c[nearer], theta[nearer]
    assert 0.05 < np.mean(seen != a) < 0.95
    np.testing.assert_array_equal(sample, seen)
    np.testing.assert_allclose(place, step, atol=1e-12)
    np.testing.assert_allclose(rotation, turn, atol=1e-12)
    values, slopes = kept.expand(a, offset)
    gains = manifold.metric.gains[:, :, None] * manifold.metric.frames
    steps, turns = kept.steps_to(near[a, :11], a, offset)
    expected = combine(near[a, :11], steps, turns, manifold.activations, gains, derivative=True)
    np.testing.assert_allclose(values, expected[0], atol=1e-10)
    np.testing.assert_allclose(slopes, expected[1], atol=1e-8)
    whole = kept.displacement(a, near[a, 1])
    monkeypatch.setattr("sametask.numerics.manifold._BLOCK", 2000)  # a few pairs at a time
    for part, one in zip(kept.displacement(a, near[a, 1]), whole, strict=True):
        np.testing.assert_allclose(part, one, atol=1e-12)


def test_places_move_across_a_hole_to_the_sample_nearest() -> None:
    """On the far side of the hole lie samples that are nearer, but not among the nearest few of the first."""
    x = grid(2, 30)
    x = x[np.abs(x - 0.5).max(axis=1) > 0.2]
    network = RandomNetwork.draw(2, 5, 3)
    plain = manifold_of(network, x)
    manifold = SampledManifold(plain.activations, plain.metric, KDTree(x).query(x, 25)[1])
    a = np.repeat(KDTree(x).query([[0.29, 0.5]])[1], 2)
    near = manifold.neighbours[a[0]]
    target = near[np.argmax(np.linalg.norm(x[near] - x[a[0]], axis=1))]
    step, _ = manifold.displacement(a, np.repeat(target, 2))
    sample, offset, _ = manifold.reanchor(a, step * np.array([[0.9], [1.0]]), moves=1)
    assert target not in near[:11]
    np.testing.assert_array_equal(sample, target)
    np.testing.assert_allclose(np.linalg.norm(offset, axis=1), [0.1 * np.linalg.norm(step[0]), 0], atol=1e-9)


def test_around_has_the_sample_itself_among_them() -> None:
    x = grid(2, 10)
    manifold = manifold_of(RandomNetwork.draw(2, 5, 3), x)
    a = np.arange(len(x))
    for offset in (0.0, 0.5):  # also for places far from it
        near = manifold.around(a, np.full((len(x), 2), offset), 8)
        assert near.shape == (len(x), 8)
        assert (near == a[:, None]).any(axis=1).all()
    graph = np.stack([a, (a + 1) % len(a), (a + 2) % len(a)], axis=1)
    given = SampledManifold(manifold.activations, manifold.metric, graph)
    np.testing.assert_array_equal(given.around(a, np.zeros((len(x), 2)), 1), graph[:, :2])


def test_nearest_does_not_take_another_sheet_for_near() -> None:
    """Two parallel planes 0.02 apart, sampled densely only along the weak direction."""
    x, y = np.meshgrid(np.arange(0, 1, 0.1), np.arange(0, 1, 0.1), indexing="ij")
    lower = np.stack([x.ravel(), 0.1 * y.ravel(), 0 * x.ravel()], 1)
    upper = lower + np.array([0.05, 0, 0.02])
    frames, gains = np.tile(np.eye(3)[:2], (200, 1, 1)), np.tile([1.0, 0.1], (200, 1))
    manifold = SampledManifold(np.concatenate([lower, upper]), LocalMetric(frames, gains))
    on_the_lower = lower[:-10] + np.array([0.05, 0, 0.001])
    assert (KDTree(manifold.activations).query(on_the_lower)[1] >= 100).all()
    assert (manifold.nearest(on_the_lower) < 100).all()
    assert (manifold.nearest(upper) >= 100).all()
    # what must not pass: gains that call the step along the sheet long
    blind = SampledManifold(manifold.activations, LocalMetric(frames, np.full((200, 2), 0.1)))
    assert (blind.nearest(on_the_lower) >= 100).all()


def test_locate_tells_crossing_sheets_by_what_is_left_over() -> None:
    """Two lines pass each other 0.02 apart; halfway between samples of the one, a sample of the other is nearest."""
    t = 0.1 * np.arange(-10, 11)
    one = np.stack([t, 0 * t, 0 * t], 1)
    other = np.stack([0 * t + 0.05, t, 0 * t + 0.02], 1)
    frames = np.repeat(np.eye(3)[:2, None], len(t), axis=0)
    k = np.arange(len(t))[:, None]
    along = np.clip(k + np.array([0, 1, -1]), 0, len(t) - 1)
    lines = SampledManifold(
        np.concatenate([one, other]),
        LocalMetric(frames, np.ones((2 * len(t), 1))),
        np.concatenate([along, along + len(t)]),
    )
    value = one[5:-5] + np.array([0.05, 0, 0])
    assert (lines.nearest(value) >= len(t)).any()
    sample, _, missing = lines.locate(value)
    assert (sample < len(t)).all()
    assert missing.max() < 1e-12
    # and the other way round: a value on the other line stays there
    sample, _, _ = lines.locate(other[5:-5] + np.array([0, 0.03, 0]))
    assert (sample >= len(t)).all()


def test_values_too_large_to_square_still_get_an_answer() -> None:
    manifold = manifold_of(RandomNetwork.draw(1, 3, 3), grid(1, 10))
    with np.errstate(over="ignore", invalid="ignore"):
        assert 0 <= manifold.nearest(np.full((1, 3), 1e200))[0] < 11


def test_results_do_not_depend_on_the_blocks(monkeypatch) -> None:
    import sametask.numerics.manifold as module

    x = grid(2, 12)
    manifold = manifold_of(RandomNetwork.draw(2, 5, 3), x)
    p = np.random.default_rng(2).uniform(0.1, 0.9, (60, 2))
    a, offset = places(manifold, x, p)
    whole = manifold.evaluate(a, offset), *manifold.locate(manifold.activations[:60])
    monkeypatch.setattr(module, "_BLOCK", 1000)
    parts = manifold.evaluate(a, offset), *manifold.locate(manifold.activations[:60])
    for one, two in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)


def test_single_precision_finds_the_same_places() -> None:
    x = grid(2, 10).astype(np.float32)
    network = RandomNetwork.draw(2, 5, 3)
    j = network.jacobian(x).astype(np.float32)
    manifold = SampledManifold(network(x).astype(np.float32), local_metric.from_jacobians(j, common_basis=True))
    double = manifold_of(network, x.astype(np.float64))
    everyone = np.arange(len(x))
    value = manifold.evaluate(everyone, np.zeros((len(x), 2), np.float32))
    np.testing.assert_allclose(value, network(x), atol=1e-4)
    sample, offset, residual = manifold.locate(value)
    np.testing.assert_array_equal(sample, everyone)
    assert np.abs(offset).max() < 1e-4
    assert residual.max() < 1e-4
    between = network(x + np.float32(0.02))
    one, two = manifold.locate(between), double.locate(between)
    assert (one[0] == two[0]).mean() > 0.95


# -- other functions, and wide activations ------------------------------------------------------------------------


def test_other_functions_can_be_evaluated_on_the_manifold() -> None:
    """The inputs themselves, whose derivatives along the frames are the directions."""
    x = grid(2, 20)
    manifold = manifold_of(RandomNetwork.draw(2, 5, 3), x)
    p = np.random.default_rng(2).uniform(0.1, 0.9, (200, 2))
    a, offset = places(manifold, x, p)
    assert rms(manifold.evaluate(a, offset, (x, directions(manifold))) - p) < 0.02 / 20
    own = manifold.activations, manifold.metric.gains[:, :, None] * manifold.metric.frames
    np.testing.assert_array_equal(manifold.evaluate(a, offset, own), manifold.evaluate(a, offset))


def test_projection_is_an_isometry_of_what_it_keeps() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(300, 7)))[0]
    y = rng.normal(size=(400, 7)) @ basis.T + 3.0
    projection = Projection.fit(y, 7)
    np.testing.assert_allclose(projection.basis.T @ projection.basis, np.eye(7), atol=1e-10)
    kept, left = projection.apply(y)
    np.testing.assert_allclose(kept[:50] @ kept[:50].T, (y - y.mean(0))[:50] @ (y - y.mean(0))[:50].T, atol=1e-8)
    assert left.max() < 1e-6
    # what is left out is told
    beside = rng.normal(size=300)
    beside -= basis @ (basis.T @ beside)
    assert projection.apply((y[0] + 2 * beside)[None])[1][0] == pytest.approx(2 * np.linalg.norm(beside))
    again = Projection.fit(y, 7)
    assert again.basis.tobytes() == projection.basis.tobytes()


def test_projection_keeps_the_leading_directions() -> None:
    rng = np.random.default_rng(0)
    scales = 0.5 ** np.arange(40)
    y = rng.normal(size=(500, 40)) * scales @ np.linalg.qr(rng.normal(size=(200, 40)))[0].T
    projection = Projection.fit(y, 10)
    best = np.square(np.linalg.svd(y - y.mean(0), compute_uv=False)[10:]).sum()
    assert np.square(projection.apply(y)[1]).sum() == pytest.approx(best, rel=0.05)


def test_manifolds_that_were_not_projected_project_nothing() -> None:
    manifold = manifold_of(RandomNetwork.draw(2, 5, 3), grid(2, 5))
    same, left = manifold.project(manifold.activations)
    assert same is manifold.activations
    assert not left.any()
