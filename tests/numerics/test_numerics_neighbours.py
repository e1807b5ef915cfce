"""The neighbour graph against all pairs in a loop, and curves that pass close to themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.spatial import KDTree

from assertions import slope
from sametask.numerics import local_metric, neighbours
from sametask.numerics.local_metric import LocalMetric
from sametask.numerics.neighbours import NeighbourGraph, neighbour_graph
from worlds import RandomNetwork, sphere


def gentle(n: int, d: int = 2, seed: int = 0, m: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, activations and Jacobians of a network that bends little."""
    x = np.random.default_rng(seed).uniform(0, 1, (n, d))
    network = RandomNetwork.draw(d, m, seed + 3, strength=0.4)
    return x, network(x), network.jacobian(x)


def graph_of(y: np.ndarray, j: np.ndarray, k: int, **options) -> NeighbourGraph:
    return neighbour_graph(y, local_metric.from_jacobians(j, common_basis=True), k, **options)


def all_pairs(y: np.ndarray, j: np.ndarray) -> np.ndarray:
    """½ Δyᵀ ((J_i J_iᵀ)⁺ + (J_j J_jᵀ)⁺) Δy, never less than |Δy|² / s_max²: one pair after another."""
    n = len(y)
    inverse = [np.linalg.pinv(a @ a.T, rcond=1e-9, hermitian=True) for a in j]
    largest = [np.linalg.norm(a, 2) for a in j]
    squared = np.full((n, n), np.inf)
    for i in range(n):
        for k in range(n):
            if i != k:
                change = y[k] - y[i]
                squared[i, k] = max(
                    0.5 * change @ (inverse[i] + inverse[k]) @ change,
                    change @ change / max(largest[i], largest[k]) ** 2,
                )
    return squared


@pytest.mark.parametrize(("d", "m"), [(1, 3), (2, 5), (2, 2), (3, 7)])
def test_agrees_with_all_pairs_in_a_loop(d, m) -> None:
    _, y, j = gentle(60, d, m=m)
    reference = all_pairs(y, j)
    order = np.argsort(reference, axis=1)[:, :8]
    for guarded in (True, False):
        graph = graph_of(y, j, 8, guarded=guarded)
        assert graph.present.all()
        np.testing.assert_allclose(graph.squared, np.take_along_axis(reference, order, axis=1), rtol=1e-8)
        np.testing.assert_array_equal(graph.index, order)


@pytest.mark.parametrize("ratio", [1.0, 0.3, 0.1, 0.03])
@pytest.mark.parametrize("d", [2, 3])
def test_descent_finds_the_nearest_of_all_however_unevenly_the_network_responds(ratio, d) -> None:
    """1,500 samples: the nearest 48 in activation space hold a few of the nearest 16 where response is 1 : 30."""
    x = np.random.default_rng(d).uniform(0, 1, (1500, d))
    weak = np.array([1.0] * (d - 1) + [ratio])
    network = RandomNetwork.draw(d, 2 * d + 1, 3, strength=0.7)
    y, j = network(x * weak), network.jacobian(x * weak) * weak
    graph = graph_of(y, j, 16)
    metric = local_metric.from_jacobians(j, common_basis=True)
    places = np.arange(0, 1500, 15)
    seen = neighbours.Samples(y, metric.frames, metric.gains, np.arange(1500), np.arange(1500), KDTree(y))
    squared = seen.pairs(places, np.broadcast_to(np.arange(1500), (100, 1500))).squared
    squared[np.arange(100), places] = np.inf
    order = np.argsort(squared, axis=1)[:, :16]
    assert np.mean([len(set(a) & set(b)) / 16 for a, b in zip(graph.index[places], order, strict=True)]) > 0.99
    if ratio < 0.1:  # what must not pass: the nearest in activation space, as many as the descent begins with
        near = KDTree(y).query(y[places], 49)[1]
        assert np.mean([len(set(a) & set(b)) / 16 for a, b in zip(near, order, strict=True)]) < 0.7


def test_steps_are_what_they_say() -> None:
    _, y, j = gentle(50)
    metric = local_metric.from_jacobians(j, common_basis=True)
    graph = neighbour_graph(y, metric, 6)
    for i in range(50):
        w = metric.frames[i] / metric.gains[i, :, None]
        for slot, k in enumerate(graph.index[i]):
            np.testing.assert_allclose(graph.steps[i, slot], w @ (y[k] - y[i]), atol=1e-12)


def test_squared_distances_are_right_to_fourth_order() -> None:
    """|d² − h²| ~ h⁴, where one end alone errs by h³."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.2, 0.8, (60, 2))
    u = rng.normal(size=(60, 2))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    network, spacings, both, one = RandomNetwork.draw(2, 5, 3), [0.1, 0.05, 0.025, 0.0125], [], []
    for h in spacings:
        errors = []
        for base, step in zip(x, u, strict=True):
            pair = np.stack([base, base + h * step])
            graph = graph_of(network(pair), network.jacobian(pair), 1, guarded=False)
            errors.append((graph.squared[0, 0] - h**2, np.square(graph.steps[0, 0]).sum() - h**2))
        errors = np.abs(errors)
        both.append(np.median(errors[:, 0]))
        one.append(np.median(errors[:, 1]))
    assert slope(spacings, both) > 3.8
    assert 2.8 < slope(spacings, one) < 3.2


def test_distances_do_not_depend_on_the_network() -> None:
    x = np.random.default_rng(0).uniform(0, 1, (300, 2))
    graphs = []
    for seed in (3, 4):
        network = RandomNetwork.draw(2, 5, seed, strength=0.4)
        graphs.append(graph_of(network(x), network.jacobian(x), 8))
    true = np.sort(np.square(x[:, None] - x[None]).sum(axis=2), axis=1)[:, 1:9]
    for graph in graphs:
        assert np.median(np.abs(graph.squared / true - 1)) < 0.01
    # what must not pass: distances between activations themselves
    ambient = np.square(network(x)[graphs[1].index] - network(x)[:, None]).sum(axis=2)
    assert np.median(np.abs(ambient / true - 1)) > 0.1


# -- shortcuts -----------------------------------------------------------------------------------------------------


def spiral(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two turns of r = θ/2π in the plane by arc length: windings 1 apart, seen exactly normal to each other.

    Neighbourhoods reach somewhat farther than the next winding; twice as far, and oblique pairs slip through.
    """
    fine = np.linspace(4 * np.pi, 9 * np.pi, 200_001)
    radius = fine / (2 * np.pi)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(radius * np.cos(fine)), np.diff(radius * np.sin(fine))))])
    s = np.sort(np.random.default_rng(0).uniform(0, length[-1], n))
    angle = np.interp(s, length, fine)
    r, speed = angle / (2 * np.pi), 1 / (2 * np.pi)
    y = np.stack([r * np.cos(angle), r * np.sin(angle)], 1)
    tangent = np.stack([speed * np.cos(angle) - y[:, 1], speed * np.sin(angle) + y[:, 0]], 1)
    return s, y, (tangent / np.linalg.norm(tangent, axis=1, keepdims=True))[:, :, None]


def figure_eight(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A figure eight in space whose branches cross at right angles, 0.15 apart where they pass."""
    t = np.sort(np.random.default_rng(0).uniform(0, 2 * np.pi, n))
    y = np.stack([np.sin(t), np.sin(t) * np.cos(t), 0.075 * np.cos(t)], 1)
    velocity = np.stack([np.cos(t), np.cos(2 * t), -0.075 * np.sin(t)], 1)
    return t, y, velocity[:, :, None]


def sheets(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A rolled-up strip in space (Swiss roll): windings 0.5 apart."""
    rng = np.random.default_rng(0)
    x = np.stack([rng.uniform(1.5 * np.pi, 4.5 * np.pi, n), rng.uniform(0, 5, n)], 1)
    a = 0.5 / (2 * np.pi)
    c, s = np.cos(x[:, 0]), np.sin(x[:, 0])
    y = np.stack([a * x[:, 0] * c, a * x[:, 0] * s, 0.3 * x[:, 1]], 1)
    j = np.zeros((n, 3, 2))
    j[:, 0, 0], j[:, 1, 0], j[:, 2, 1] = a * (c - x[:, 0] * s), a * (s + x[:, 0] * c), 0.3
    return x, y, j


@pytest.mark.parametrize(
    ("curve", "n", "far"),
    [(spiral, 800, 3.0), (figure_eight, 300, 1.0), (sheets, 800, 3.0), (sheets, 1500, 3.0)],
)
def test_no_shortcuts_where_a_manifold_passes_close_to_itself(curve, n, far) -> None:
    x, y, j = curve(n)
    x = x.reshape(n, -1)

    def longest(**options) -> tuple[float, float]:
        """Longest true distance among pairs joined, and the share of pairs farther apart than ``far``."""
        graph = graph_of(y, j, 32, **options)
        rows = np.repeat(np.arange(n), 32)[graph.present.ravel()]
        change = x[graph.index[graph.present]] - x[rows]
        if curve is figure_eight:
            change = np.minimum(np.abs(change), 2 * np.pi - np.abs(change))
        true = np.linalg.norm(change, axis=1)
        return true.max(), (true > far).mean()

    assert longest()[1] == 0, longest()
    without, share = longest(guarded=False)
    assert without > far
    assert share > 0.002


@pytest.mark.parametrize("d", [1, 2])
def test_along_one_sheet_the_ends_see_the_curvature_on_opposite_sides(d) -> None:
    """What the tangent planes leave over of Δy: second order at either end, third order in the sum."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.2, 0.8, (200, d))
    u = rng.normal(size=(200, d))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    network, spacings, sums, ends = RandomNetwork.draw(d, 5, 3), [0.1, 0.05, 0.025, 0.0125], [], []
    for h in spacings:
        change = network(x + h * u) - network(x)
        left = []
        for where in (x, x + h * u):
            frames = np.linalg.qr(network.jacobian(where))[0]
            left.append(change - np.einsum("nmd,nkd,nk->nm", frames, frames, change))
        assert (np.einsum("nm,nm->n", *left) < 0).mean() > 0.98
        sums.append(np.linalg.norm(left[0] + left[1], axis=1).mean())
        ends.append(np.linalg.norm(left[0], axis=1).mean())
    assert slope(spacings, sums) > 2.9
    assert slope(spacings, ends) == pytest.approx(2, abs=0.1)


def by_the_rules(y: np.ndarray, metric: LocalMetric, kept: int) -> list[list[int]]:
    """Each sample's neighbours by the rules of the module, one pair after another, every row anew in every round."""
    n, d, m = metric.frames.shape
    pairs: dict[tuple[int, int], tuple[float, float, float, float, bool]] = {}

    def seen(i: int, k: int) -> tuple[float, float, float, float, bool]:
        """Squared distance, |Δy|, the normal component, that of the mean, and whether it is on the same side."""
        if (i, k) not in pairs:
            change = y[k] - y[i]
            one, two = (metric.frames[each] @ change for each in (i, k))
            lengths = np.square(one / metric.gains[i]).sum(), np.square(two / metric.gains[k]).sum()
            guard = change @ change / max(metric.gains[i, 0], metric.gains[k, 0]) ** 2
            left = change - one @ metric.frames[i], change - two @ metric.frames[k]
            pairs[i, k] = (
                max(0.5 * sum(lengths), guard),
                float(np.linalg.norm(change)),
                max(map(np.linalg.norm, left)),
                0.5 * np.linalg.norm(left[0] + left[1]),
                left[0] @ left[1] > 0,
            )
        return pairs[i, k]

    near = [[k for k in np.argsort(np.square(y - y[i]).sum(axis=1), kind="stable") if k != i][:48] for i in range(n)]
    first, rounding = max(8, 4 * d + 2), 8 * np.finfo(float).eps * np.sqrt(m) * np.abs(y).max()
    normal, mean = (
        [sorted(seen(i, k)[which] for k in near[i][:first])[first // 4] for i in range(n)] for which in (2, 3)
    )

    def shortcut(i: int, k: int) -> bool:
        _, ambient, left, together, same_side = seen(i, k)
        apart = together > max(0.02 * ambient, 8 * min(mean[i], mean[k])) + rounding
        return left > max(0.7 * ambient, 8 * min(normal[i], normal[k])) + rounding or (same_side and apart)

    def bent(i: int, k: int) -> bool:
        _, ambient, _, together, _ = seen(i, k)
        return together > max(0.1 * ambient, 8 * min(mean[i], mean[k])) + rounding

    def on_the_sheet(i: int, candidates: list[int]) -> list[int]:
        ordered = sorted((k for k in candidates if not shortcut(i, k)), key=lambda k: seen(i, k)[0])
        straight = [k for k in ordered if not bent(i, k)]
        if len(straight) < 2 * d + 2:
            straight = [k for k in ordered if k in straight or k in ordered[: 2 * d + 2]]
        return straight[:24]

    def joined(lists: list[list[int]]) -> list[set[int]]:
        result = [{i, *row} for i, row in enumerate(lists)]
        for i, row in enumerate(lists):
            for k in row:
                result[k].add(i)
        return result

    def hop(i: int, sets: list[set[int]]) -> set[int]:
        return set().union(*(sets[k] for k in sets[i]))

    lists = [on_the_sheet(i, near[i]) for i in range(n)]
    while True:
        sets = joined([row[:16] for row in lists])
        again = [on_the_sheet(i, [*(hop(i, sets) - {i})]) for i in range(n)]
        if joined([row[:16] for row in again]) == sets:
            break
        lists = again
    sets, result = joined(again), []
    across: dict[int, set[int]] = {i: set() for i in range(n)}
    if d == 1:  # across gaps: all that are straight, and around ends that face one another
        facing = [set() for _ in range(n)]

        def side(i: int, k: int) -> bool:
            return bool(metric.frames[i, 0] @ (y[k] - y[i]) > 0)

        taken = [{side(i, k) for k in sets[i] - {i}} for i in range(n)]
        for i in range(n):
            for k in near[i]:
                if shortcut(i, k):
                    continue
                if not bent(i, k):
                    across[i].add(k)
                    across[k].add(i)
                elif side(i, k) not in taken[i] and side(k, i) not in taken[k]:
                    facing[i].add(k)
        for i in range(n):
            for end in sets[i]:
                for other in facing[end]:
                    for k in sets[other]:
                        across[i].add(k)
                        across[k].add(i)
    for i in range(n):
        candidates = hop(i, sets)
        if len(candidates) < kept:
            candidates = set().union(*(sets[k] for k in candidates))
        ordered = sorted((k for k in (candidates | across[i]) - {i} if not shortcut(i, k)), key=lambda k: seen(i, k)[0])
        result.append(ordered[:kept])
    return result


@pytest.mark.parametrize(("strength", "seed"), [(1.0, 3), (2.5, 3), (2.5, 5)])
def test_agrees_with_the_rules_one_pair_after_another(strength, seed) -> None:
    """Random networks on a sphere whose gains differ with direction: many shortcuts."""
    world = sphere()
    x = world.sample(np.random.default_rng(seed), 260)
    probe = world.probe(RandomNetwork.draw(3, 5, seed, strength=strength), x)
    y, metric, kept = probe.activations, probe.metric, 20
    graph = neighbour_graph(y, metric, kept)
    reference = by_the_rules(y, metric, kept)
    for i, row in enumerate(reference):
        np.testing.assert_array_equal(graph.index[i, graph.present[i]], row)


def closed_curve(n: int, seed: int, gap: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random closed curve in five dimensions that turns fast, with a gap in its samples of ``gap`` spacings."""
    rng = np.random.default_rng(seed)
    waves = rng.standard_normal((2, 5, 6)) / np.arange(1, 7)
    t = np.sort(rng.uniform(gap * 2 * np.pi / n, 2 * np.pi, n))
    phase = np.outer(t, np.arange(1, 7))
    y = np.cos(phase) @ waves[0].T + np.sin(phase) @ waves[1].T
    tangent = (np.cos(phase) * np.arange(1, 7)) @ waves[1].T - (np.sin(phase) * np.arange(1, 7)) @ waves[0].T
    return t, y, tangent[:, :, None]


@pytest.mark.parametrize("seed", [0, 1, 2, 4])
def test_agrees_with_the_rules_on_curves_with_gaps(seed) -> None:
    _, y, j = closed_curve(150, seed, 4)
    metric = local_metric.from_jacobians(j, common_basis=True)
    graph = neighbour_graph(y, metric, 20)
    for i, row in enumerate(by_the_rules(y, metric, 20)):
        np.testing.assert_array_equal(graph.index[i, graph.present[i]], row)


def test_a_closed_curve_is_not_cut_at_a_gap_that_hides_a_turn() -> None:
    """400 samples, a gap of seven spacings: of 40 curves all but the most bent are closed."""
    open_ = 0
    for seed in range(40):
        _, y, j = closed_curve(400, seed, 7)
        graph = graph_of(y, j, 32)
        i, k = np.repeat(np.arange(400), 32)[graph.present.ravel()], graph.index[graph.present]
        open_ += not (np.abs(i - k) > 200).any()  # in order along the curve
    assert open_ <= 4, open_


def test_ends_of_an_open_curve_are_not_joined() -> None:
    """40 random open curves: a seventh to two fifths of a closed one is missing."""
    for seed in range(40):
        n = 300
        _, y, j = closed_curve(n, seed, n * np.random.default_rng(seed).uniform(1 / 7, 2 / 5))
        graph = graph_of(y, j, 24)
        i, k = np.repeat(np.arange(n), 24)[graph.present.ravel()], graph.index[graph.present]
        assert (np.abs(i - k) < n // 2).all(), seed


def test_no_pruning_where_there_is_nothing_to_prune() -> None:
    _, y, j = gentle(400)
    np.testing.assert_array_equal(graph_of(y, j, 16).index, graph_of(y, j, 16, guarded=False).index)
    world = sphere()  # constant curvature, isometric
    x = world.sample(np.random.default_rng(0), 600)
    true = np.argsort(-x @ x.T, axis=1)[:, 1:17]
    found = graph_of(x, world.tangents(x), 16).index
    assert np.mean([len(set(a) & set(b)) / 16 for a, b in zip(found, true, strict=True)]) > 0.99


def test_no_tangents_no_shortcuts_to_prune() -> None:
    """With as many neurons as dimensions there is no normal direction."""
    _, y, j = gentle(100, 2, m=2)
    assert graph_of(y, j, 8).present.all()


def test_length_guard_of_pairs_normal_to_both_tangents() -> None:
    """Two opposite points of a circle: both tangents see no distance at all; the chord is a lower bound."""
    y = np.array([[1.0, 0], [-1, 0]])
    j = np.array([[[0.0], [1]], [[0], [-1]]])
    graph = graph_of(y, j, 1, guarded=False)
    assert graph.squared.tolist() == [[4], [4]]


# -- degenerate samples --------------------------------------------------------------------------------------------


def test_duplicates_are_neighbours_at_no_distance_and_never_the_sample_itself() -> None:
    _, y, j = gentle(40)
    y, j = np.repeat(y, 3, axis=0), np.repeat(j, 3, axis=0)
    graph = graph_of(y, j, 6)
    own = np.arange(120)[:, None]
    assert not (graph.index == own)[graph.present].any()
    assert (graph.squared[:, :2] == 0).all()
    assert (graph.index[:, :2] // 3 == own // 3).all()
    joined = graph.symmetric()
    assert (joined.data > 0).all()  # a pair at no distance is still a pair
    assert joined[0, 1] > 0
    for row in graph.index:
        assert len(set(row)) == 6


def test_more_duplicates_than_neighbours_kept() -> None:
    _, y, j = gentle(10)
    y, j = np.repeat(y, 20, axis=0), np.repeat(j, 20, axis=0)
    graph = graph_of(y, j, 4)
    assert not (graph.index == np.arange(200)[:, None])[graph.present].any()
    assert (graph.squared[graph.present] == 0).all()
    assert graph.spacing() == 0


def test_a_few_duplicates_do_not_make_their_neighbours_shortcuts() -> None:
    t = np.linspace(0, 2, 200)
    y = np.stack([t, t**2, np.sin(2 * t)], 1)
    j = np.stack([np.ones_like(t), 2 * t, 2 * np.cos(2 * t)], 1)[:, :, None]
    plain = graph_of(y, j, 16)
    once_more = graph_of(np.concatenate([y, y[::10]]), np.concatenate([j, j[::10]]), 16)
    assert plain.present.all()
    assert once_more.present.all()
    assert once_more.squared.max() <= plain.squared.max() * (1 + 1e-9)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_very_few_samples(n) -> None:
    _, y, j = gentle(n, 1, m=3)
    graph = graph_of(y, j, 64)
    assert graph.index.shape == (n, n - 1)
    assert graph.present.all()
    assert graph.components()[0] == 1


def test_what_is_missing_is_marked() -> None:
    _, y, j = spiral(120)
    graph = graph_of(y, j, 64)
    missing = ~graph.present
    assert missing.any()
    own = np.broadcast_to(np.arange(120)[:, None], graph.index.shape)
    np.testing.assert_array_equal(graph.index[missing], own[missing])
    assert np.isinf(graph.squared[missing]).all()
    assert not graph.steps[missing].any()
    assert (np.diff(np.where(graph.present, graph.squared, 1e300), axis=1) >= 0).all()  # nearest first
    assert graph.symmetric().diagonal().max() == 0


def lost(n: int, gain: float) -> tuple[np.ndarray, LocalMetric]:
    """A plane seen by a network that is blind to its second direction, which the metric says responds by ``gain``."""
    y = np.random.default_rng(0).uniform(0, 1, (n, 3)) * [1, 0, 0]
    return y, LocalMetric(np.tile(np.eye(3)[:2], (n, 1, 1)), np.tile([1.0, gain], (n, 1)))


def test_tiny_gains_raise_no_warnings() -> None:
    for dtype in (np.float32, np.float64):
        y, metric = lost(40, 1e-9)
        single = LocalMetric(metric.frames.astype(dtype), metric.gains.astype(dtype))
        graph = neighbour_graph((y + 1e-9 * np.arange(40)[:, None]).astype(dtype), single, 8)
        assert np.isfinite(graph.squared[graph.present]).all()


# -- the graph as an object ----------------------------------------------------------------------------------------


def two_clusters() -> NeighbourGraph:
    _, y, j = gentle(60)
    y[20:] += 100  # far away
    return graph_of(y, j, 6)


def test_components() -> None:
    count, label = two_clusters().components()
    assert count == 2
    assert np.unique(label[:20]).size == 1
    assert np.unique(label[20:]).size == 1
    _, y, j = gentle(60)
    graph = graph_of(y, j, 6)
    assert graph.components()[0] == 1
    assert graph.components(reach=0.0)[0] == 60
    assert graph.components(reach=np.inf)[0] == 1
    middle = float(np.median(graph.squared[:, 0]))
    assert 1 < graph.components(reach=middle)[0] < 60


def test_a_pair_is_kept_when_either_end_names_the_other() -> None:
    _, y, j = gentle(80)
    graph = graph_of(y, j, 5)
    joined = graph.symmetric().toarray()
    np.testing.assert_array_equal(joined, joined.T)
    for i in range(80):
        for k in range(80):
            named = k in graph.index[i] or i in graph.index[k]
            assert (joined[i, k] > 0) == (named and i != k)


def test_take_keeps_the_neighbours_that_stay() -> None:
    graph = two_clusters()
    rows = np.arange(20, 60)
    part = graph.take(rows)
    assert part.size == 40
    assert part.components()[0] == 1
    np.testing.assert_array_equal(part.index, graph.index[20:] - 20)
    np.testing.assert_array_equal(part.squared, graph.squared[20:])
    few = graph.take(np.array([50, 20, 35]))
    assert few.index.shape == (3, 6)
    assert (few.index[~few.present] == np.repeat(np.arange(3), 6).reshape(3, 6)[~few.present]).all()
    whole, part = graph.symmetric()[[50, 20, 35]][:, [50, 20, 35]].toarray(), few.symmetric().toarray()
    np.testing.assert_array_equal(whole, part)


def test_spacing_is_the_typical_distance_to_the_nearest() -> None:
    x = np.linspace(0, 1, 101)[:, None]
    graph = graph_of(x, np.ones((101, 1, 1)), 4)
    assert graph.spacing() == pytest.approx(0.01)
    alone = NeighbourGraph(np.zeros((2, 1), np.int64), np.full((2, 1), np.inf), np.zeros((2, 1, 1)))
    assert alone.spacing() == np.inf


def test_same_bits_twice_and_the_same_within_rounding_in_blocks(monkeypatch) -> None:
    _, y, j = gentle(300)
    one, two = graph_of(y, j, 8), graph_of(y, j, 8)
    for name in ("index", "squared", "steps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    monkeypatch.setattr(neighbours, "_BLOCK", 500)
    parts = graph_of(y, j, 8)
    np.testing.assert_array_equal(parts.index, one.index)
    np.testing.assert_allclose(parts.squared, one.squared, rtol=1e-10)


@settings(deadline=None, max_examples=15)
@given(some.integers(0, 10**6))
def test_order_of_samples_rotation_and_scale_do_not_matter(seed) -> None:
    rng = np.random.default_rng(seed)
    _, y, j = gentle(50)
    graph = graph_of(y, j, 6)
    order = rng.permutation(50)
    place = np.argsort(order)
    shuffled = graph_of(y[order], j[order], 6)
    np.testing.assert_allclose(shuffled.squared, graph.squared[order], rtol=1e-8)
    np.testing.assert_array_equal(shuffled.index, place[graph.index[order]])
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0] * 10 ** rng.uniform(-6, 6)
    turned = graph_of(y @ turn.T + rng.normal(size=5), turn @ j, 6)
    np.testing.assert_allclose(turned.squared, graph.squared, rtol=1e-5)
    np.testing.assert_array_equal(turned.index, graph.index)
    # and a rotation of the input basis leaves lengths alone
    basis = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    np.testing.assert_allclose(graph_of(y, j @ basis, 6).squared, graph.squared, rtol=1e-8)


def test_single_precision_finds_the_same_neighbours() -> None:
    _, y, j = gentle(200)
    double = graph_of(y, j, 8)
    single = graph_of(y.astype(np.float32), j.astype(np.float32), 8)
    np.testing.assert_allclose(single.squared, double.squared, rtol=1e-3)
    assert (single.index == double.index).mean() > 0.98
