"""Matches of networks whose truth is known: anchored, unanchored, and refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import sametask as st
from assertions import raises_one_line
from matches import charted
from sametask.matching import isometric, spectral
from sametask.numerics.edges import Edges
from sametask.numerics.neighbours import NeighbourGraph
from worlds import NEURONS, WORLDS, RandomNetwork, box, circle, pair, relative_error

_SIZES = {
    "interval": 600,
    "rectangle": 700,
    "circle": 600,
    "sphere": 1500,
    "L-shape": 700,
    "annulus": 1000,
    "torus": 2000,
    "box": 2000,
}
_SEED = 21


@cache
def matched(name: str) -> st.Match:
    both = pair(name, _SIZES[name], _SEED)
    return st.match(st.chart(both.first), st.chart(both.second), anchors=both.anchors)


def truth(match: st.Match, seed: int = _SEED) -> np.ndarray:
    """What the second network would say at the first's samples."""
    inputs = match.first.probe.inputs
    m = match.second.probe.activations.shape[1]
    return RandomNetwork.draw(inputs.shape[1], m, 1000 * seed + 2)(inputs)


def said(match: st.Match, images: isometric.Images) -> np.ndarray:
    """What the second network says at the images."""
    return match.second.manifold.evaluate(images.sample, images.offset)


@pytest.mark.parametrize(
    "world", [pytest.param(each, marks=pytest.mark.slow) if each == "torus" else each for each in NEURONS]
)
def test_six_anchors_bring_every_sample_to_its_place(world):
    match = matched(world)
    assert match.kind == "anchored"
    assert match.ambiguity == 1
    assert relative_error(said(match, match.forward), truth(match)) < 0.10


@pytest.mark.parametrize("world", NEURONS)
def test_backward_places_invert_forward_places(world):
    match = matched(world)
    y = match.first.manifold.evaluate(match.backward.sample, match.backward.offset)
    inputs = match.second.probe.inputs
    true = RandomNetwork.draw(inputs.shape[1], y.shape[1], 1000 * _SEED + 1)(inputs)
    assert relative_error(y, true) < 0.10


@pytest.mark.parametrize("world", NEURONS)
def test_frames_turn_rigidly(world):
    turn = matched(world).forward.differential
    d = turn.shape[1]
    assert np.abs(np.swapaxes(turn, 1, 2) @ turn - np.eye(d)).max() < 1e-9


def missed(match: st.Match, pairs: np.ndarray) -> np.ndarray:
    """Distances between the images of samples and their partners."""
    at = match.forward.sample[pairs[:, 0]]
    step = match.second.manifold.displacement(at, pairs[:, 1])[0]
    return np.linalg.norm(step - match.forward.offset[pairs[:, 0]], axis=1)


@pytest.mark.parametrize("world", NEURONS)
def test_anchors_are_respected(world):
    match = matched(world)
    assert match.forward.anchor_residual.shape == (6,)
    assert missed(match, match.anchors).max() < 0.25 * match.second.graph.spacing()
    images, wanted = (
        said(match, match.forward)[match.anchors[:, 0]],
        match.second.probe.activations[match.anchors[:, 1]],
    )
    assert relative_error(images, wanted) < 0.02


def test_a_gap_wider_than_the_nearest_neighbours_reach_is_bridged():
    """Seed 602: in the first sample all eight nearest of both ends of a gap lie on their own side."""
    both = pair("interval", 500, 602)
    chart = st.chart(both.first)
    edges = Edges.of(chart.manifold, chart.graph, 8)
    nearest = Edges.of(chart.manifold, nearest_only(chart.graph, 8), 8)
    assert pieces(nearest) == 2
    assert pieces(edges) == 1
    match = st.match(chart, st.chart(both.second), anchors=both.anchors)
    assert relative_error(said(match, match.forward), truth(match, 602)) < 1e-3


def nearest_only(graph: NeighbourGraph, count: int) -> NeighbourGraph:
    """The graph without all but the ``count`` nearest neighbours."""
    squared = graph.squared.copy()
    squared[:, count:] = np.inf
    return replace(graph, squared=squared)


def pieces(edges: Edges) -> int:
    n = int(edges.i.max()) + 1
    return connected_components(coo_array((np.ones(len(edges.i)), (edges.i, edges.j)), shape=(n, n)))[0]


@pytest.mark.parametrize(("world", "seed"), [("rectangle", 600), ("annulus", 702), ("annulus", 704), ("L-shape", 704)])
def test_a_clump_that_the_first_guess_turned_over_is_put_right(world, seed):
    """Ten samples at one side hold one another the wrong way round; left so they make the error 0.5 to 1.7 %."""
    both = pair(world, 2000, seed)
    match = st.match(st.chart(both.first), st.chart(both.second), anchors=both.anchors)
    assert relative_error(said(match, match.forward), truth(match, seed)) < 1e-3
    assert match.forward.strain.max() < 0.2


@cache
def contradicted() -> st.Match:
    """Twelve anchors, of which the first two are swapped."""
    both = pair("rectangle", 700, _SEED, anchors=12)
    anchors = both.anchors.copy()
    anchors[[0, 1], 1] = anchors[[1, 0], 1]
    return st.match(st.chart(both.first), st.chart(both.second), anchors=anchors)


def test_anchors_that_contradict_the_others_are_left_out():
    match = contradicted()
    assert match.left_out[:, 0].tolist() == [0, 1]
    assert match.anchors[:, 0].tolist() == list(range(2, 12))
    assert match.anchor_noise == 0


def test_an_anchor_that_contradicts_the_others_does_not_tear_the_map_elsewhere():
    match = contradicted()
    assert relative_error(said(match, match.forward), truth(match)) < 0.002


def test_no_anchors_on_an_interval_leave_its_two_ways_round():
    both = pair("interval", 600, _SEED, anchors=0)
    match = st.match(st.chart(both.first), st.chart(both.second))
    assert match.kind == "unanchored"
    assert match.ambiguity == 2
    errors = sorted(relative_error(said(match, one.images), truth(match)) for one in match.candidates[:2])
    assert errors[0] < 0.05
    # the other is as good an isometry: it maps x to 1 − x
    mirrored = RandomNetwork.draw(1, 3, 1000 * _SEED + 2)(1 - match.first.probe.inputs)
    assert min(relative_error(said(match, one.images), mirrored) for one in match.candidates[:2]) < 0.05


@cache
def unanchored() -> tuple[st.Match, float]:
    """A rectangle matched without anchors, and the error against the nearest of its four symmetries."""
    both = pair("rectangle", 500, _SEED, anchors=0)
    match = st.match(st.chart(both.first), st.chart(both.second))
    net, x = RandomNetwork.draw(2, 5, 1000 * _SEED + 2), match.first.probe.inputs
    symmetric = [net(np.abs([a, b] - x)) for a in (0, 1.6) for b in (0, 1)]
    return match, min(relative_error(said(match, match.forward), y) for y in symmetric)


def test_no_anchors_on_a_rectangle_leave_its_four_symmetries():
    match, error = unanchored()
    assert match.ambiguity == match.symmetry.order == 4
    assert match.symmetry.name == "the reflections of a rectangle"
    assert error < 0.25  # the wrong candidates are off by more than the spread


def test_no_anchors_on_a_rectangle_leave_what_its_edges_tell():
    assert unanchored()[1] < 0.05


def test_anchors_choose_among_the_symmetries():
    both = pair("interval", 600, _SEED, anchors=2)
    match = st.match(st.chart(both.first), st.chart(both.second), anchors=both.anchors)
    assert match.ambiguity == 1
    assert relative_error(said(match, match.forward), truth(match)) < 0.05


def test_identical_manifolds_match_without_strain():
    world = WORLDS["rectangle"]
    x = world.sample(np.random.default_rng(0), 500)
    chart = st.chart(world.probe(RandomNetwork.draw(2, 5, 1), x))
    edges = Edges.of(chart.manifold, chart.graph, 12)
    n = len(chart.rows)
    images = isometric.refine(chart.manifold, chart.manifold, edges, (np.arange(n), np.zeros((n, 2))))
    # no edge is violated: each step is compared with itself
    assert images.strain.max() < 1e-6
    assert (images.sample == np.arange(n)).all()
    assert np.abs(images.offset).max() < 1e-6 * chart.graph.spacing()


def test_a_perturbed_start_is_drawn_back():
    world = WORLDS["rectangle"]
    x = world.sample(np.random.default_rng(0), 500)
    chart = st.chart(world.probe(RandomNetwork.draw(2, 5, 1), x))
    edges = Edges.of(chart.manifold, chart.graph, 12)
    n, spacing = len(chart.rows), chart.graph.spacing()
    start = np.random.default_rng(1).normal(size=(n, 2)) * spacing
    anchors = np.stack([np.arange(0, n, 50)] * 2, 1)
    images = isometric.refine(chart.manifold, chart.manifold, edges, (np.arange(n), start), anchors=anchors)
    reached = chart.manifold.evaluate(images.sample, images.offset)
    begun = chart.manifold.evaluate(np.arange(n), start)
    assert relative_error(reached, chart.probe.activations) < 0.1 * relative_error(begun, chart.probe.activations)


@pytest.mark.slow
def test_places_converge_at_third_order():
    """Few pairs of samples are far apart as the one end sees it, or where the metric changes fast; they do not rule."""
    errors, sizes = [], (500, 1000, 2000)
    for n in sizes:
        both = pair("rectangle", n, 100)
        match = st.match(st.chart(both.first), st.chart(both.second), anchors=both.anchors)
        errors.append(relative_error(said(match, match.forward), truth(match, 100)))
    assert np.polyfit(np.log(np.power(sizes, -0.5)), np.log(errors), 1)[0] > 2.8


def test_a_frame_that_the_first_guess_turned_far_is_turned_back():
    """Frames turn by half a radian at a time, and nothing stops before they are where they belong."""
    both = pair("rectangle", 1000, 100)
    match = st.match(st.chart(both.first), st.chart(both.second), anchors=both.anchors)
    assert match.forward.strain.max() < 0.05


def test_unrelated_shapes_cannot_be_matched_without_strain_or_overhang():
    long, square = box(1.6, 1.0), box(1.2, 1.0)
    rng = np.random.default_rng(0)
    charts = [
        st.chart(world.probe(RandomNetwork.draw(2, 5, k), world.sample(rng, 250)))
        for k, world in enumerate((long, square))
    ]
    match = st.match(*charts)
    spacing = charts[1].graph.spacing()
    overhang = np.linalg.norm(match.forward.offset, axis=1) > 2 * spacing
    assert overhang.mean() > 0.05 or match.strain > 0.1


@pytest.mark.parametrize("world", ["interval", "rectangle"])
def test_growing_improves_on_a_start_from_few_eigenfunctions(world):
    match = matched(world)
    first, second = match.first, match.second
    groups = spectral.shared_blocks(first, second)
    size = groups[first.dimension - 1][-1] + 1
    start = spectral.procrustes(first, second, match.anchors, 0, size)
    grown = spectral.grow(first, second, start, groups, anchors=match.anchors)
    assert grown.size > size
    assert np.abs(grown.rotation.T @ grown.rotation - np.eye(grown.size)).max() < 1e-9

    def error(rotation: np.ndarray) -> float:
        size = len(rotation)
        a, b = first.functions[:, :size] @ rotation, second.functions[:, :size]
        nearest = np.linalg.norm(a[:, None] - b[None], axis=2).argmin(axis=1)
        return relative_error(second.probe.activations[nearest], truth(match))

    assert error(grown.rotation) < error(start)


def test_the_same_call_gives_the_same_bits():
    both = pair("interval", 80, _SEED, anchors=0)
    charts = [st.chart(both.first), st.chart(both.second)]
    one, two = (st.match(*charts, seed=3) for _ in range(2))
    assert np.array_equal(one.forward.offset, two.forward.offset)
    assert np.array_equal(one.backward.sample, two.backward.sample)
    assert [c.score for c in one.candidates] == [c.score for c in two.candidates]


def test_dimensions_that_differ_are_refused():
    rng = np.random.default_rng(0)
    interval, rectangle = WORLDS["interval"], WORLDS["rectangle"]
    one = st.chart(interval.probe(RandomNetwork.draw(1, 3, 1), interval.sample(rng, 200)))
    two = st.chart(rectangle.probe(RandomNetwork.draw(2, 5, 1), rectangle.sample(rng, 200)))
    with raises_one_line("charts", "1 and 2 dimensions"):
        st.match(one, two)


@pytest.mark.parametrize(
    ("anchors", "words"),
    [
        (np.arange(4), ["(4,)"]),
        (np.zeros((3, 3), int), ["(3, 3)"]),
        (np.zeros((3, 2)), ["float64"]),
        ([[0, 1], [2]], []),
        (np.array([[-1, 0]]), ["row -1", "first"]),
        ([[0, 0], [1, 10_000]], ["row 10000", "second", "0 to"]),
        ([[3, 0], [3, 1]], ["first", "twice"]),
        ([[0, 3], [1, 3]], ["second", "twice"]),
    ],
)
def test_what_are_no_anchors_is_refused(anchors, words):
    match = matched("interval")
    with raises_one_line("anchors", *words):
        st.match(match.first, match.second, anchors=anchors)


def test_anchors_whose_sample_is_not_charted_are_none():
    """Rows are those of the probe, of which the chart keeps the largest piece."""
    rng = np.random.default_rng(4)
    x = np.concatenate([[[50.0]], rng.uniform(0, 1, (200, 1))])
    net = RandomNetwork.draw(1, 3, 8, strength=0.05)
    chart = st.chart(WORLDS["interval"].probe(net, x))
    assert chart.position[0] == -1
    assert np.array_equal(chart.position[chart.rows], np.arange(200))
    match = st.match(chart, chart, anchors=[[0, 0], [1, 1], [200, 200]])
    assert chart.rows[match.anchors[:, 0]].tolist() == [1, 200]


def test_an_empty_list_of_anchors_is_none():
    _, first, second = charted("interval", 60, _SEED, 0)
    wanted = st.match(first, second)
    for none in ([], np.empty((0, 2))):
        match = st.match(first, second, anchors=none)
        assert match.kind == "unanchored"
        assert np.array_equal(match.forward.offset, wanted.forward.offset)


def test_a_circle_without_anchors_is_a_match_up_to_rotation():
    rng = np.random.default_rng(2)
    world = circle()
    nets = [RandomNetwork.draw(2, 5, k) for k in (1, 2)]
    charts = [st.chart(world.probe(net, world.sample(rng, 500))) for net in nets]
    match = st.match(*charts)
    assert match.ambiguity > 1
    assert match.symmetry.name == "O(2)"
    assert match.symmetry.order == 0
    assert len(match.symmetry.anchors) == 2
    images = said(match, match.forward)
    x = match.first.probe.inputs
    angle = np.arctan2(x[:, 1], x[:, 0])
    turns = [sign * angle + shift for sign in (1, -1) for shift in np.linspace(0, 2 * np.pi, 120)]
    assert min(relative_error(images, nets[1](np.stack([np.cos(t), np.sin(t)], 1))) for t in turns) < 0.1


# -- curves with gaps, wide activations ------------------------------------------------------------------------------


def test_places_cross_a_gap_in_the_second_network_s_samples():
    rng = np.random.default_rng(3)
    x = [np.sort(rng.uniform(0, 1, (400, 1)), axis=0) for _ in range(2)]
    x[1] = x[1][(x[1][:, 0] < 0.45) | (x[1][:, 0] > 0.5)]
    x = [np.concatenate([np.linspace(0.05, 0.95, 6)[:, None], some]) for some in x]
    charts = [st.chart(WORLDS["interval"].probe(RandomNetwork.draw(1, 3, 30 + k), some)) for k, some in enumerate(x, 1)]
    match = st.match(*charts, anchors=np.repeat(np.arange(6)[:, None], 2, axis=1))
    # the nearest sample is at most half the gap away
    assert np.abs(match.forward.offset).max() < 0.035


def test_wide_activations_are_as_certain_as_narrow_ones():
    rng = np.random.default_rng(1)
    x = [rng.uniform(0, 1, (300, 1)) for _ in range(2)]
    x[1][:6] = x[0][:6]
    networks = [RandomNetwork.draw(1, 5, 10 + k) for k in range(2)]
    turn = np.linalg.qr(rng.normal(size=(200, 5)))[0].T
    deviations = []
    for mixed in (np.eye(5), turn):
        probes = [
            st.Probe.from_jacobians(network(some) @ mixed, np.einsum("nmd,mw->nwd", network.jacobian(some), mixed))
            for network, some in zip(networks, x, strict=True)
        ]
        match = st.match(*map(st.chart, probes), anchors=np.repeat(np.arange(6)[:, None], 2, axis=1))
        deviations.append(float(np.median(match.forward.deviation)))
    assert deviations[1] == pytest.approx(deviations[0], rel=0.01)
