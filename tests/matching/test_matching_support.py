"""Where manifolds end: nearest points of hulls against a slow reference, places beyond edges, walls."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import nnls

import sametask as st
from matches import carried_error, charted, clean
from sametask.matching import isometric
from sametask.matching.support import Supported, Walls, _nearest_to_origin
from sametask.numerics.edges import Edges
from worlds import RandomNetwork, box, circle, pair, relative_error, sphere


def slow_nearest(points: np.ndarray) -> np.ndarray:
    """The point of a convex hull nearest to the origin, as a non-negative least squares problem with a heavy sum."""
    heavy = 1e4
    weight = nnls(np.vstack([points.T, np.full(len(points), heavy)]), np.array([*np.zeros(points.shape[1]), heavy]))[0]
    return weight @ points / weight.sum()


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_nearest_points_of_hulls_are_those_of_least_squares(d):
    rng = np.random.default_rng(d)
    points = rng.normal(size=(40, 12, d)) + rng.normal(size=(40, 1, d)) * 1.5
    found = _nearest_to_origin(points, np.full(40, 1e-4))
    wanted = np.stack([slow_nearest(each) for each in points])
    assert np.abs(found - wanted).max() < 5e-3
    inside = np.linalg.norm(wanted, axis=1) < 1e-6
    assert 0 < inside.sum() < 40
    assert not found[inside].any()


def supported(world, n: int, seed: int) -> tuple[Supported, np.ndarray]:
    x = world.sample(np.random.default_rng(seed), n)
    chart = st.chart(world.probe(RandomNetwork.draw(world.ambient, 5, seed), x))
    return Supported.of(chart.manifold, chart.graph), x[chart.rows]


def test_places_beyond_an_edge_are_beyond_by_as_much():
    one, x = supported(box(1.6, 1.0), 600, 3)
    at = one.edge[x[one.edge, 0] > 1.58]  # they reach nearly to the edge
    # a step of 0.1 to the right, in the frames there
    net = RandomNetwork.draw(2, 5, 3)
    right = np.stack([net.jacobian(x[[row]])[0, :, 0] for row in at])
    beyond = one.beyond(at, one.manifold.step(at, 0.1 * right))
    assert np.abs(np.linalg.norm(beyond, axis=1) - 0.1).max() < 0.03


def test_samples_are_not_beyond_themselves_and_a_closed_surface_has_no_edge():
    one, x = supported(box(1.6, 1.0), 600, 3)
    everyone = np.arange(len(x))
    assert not one.beyond(everyone, np.zeros((len(x), 2))).any()
    at_edge = np.minimum(x, [1.6, 1.0] - x).min(axis=1) < 2.5 * np.sqrt(1.6 / 600)
    assert at_edge[one.edge].mean() > 0.95
    assert len(supported(sphere(), 600, 4)[0].edge) == 0


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_a_curve_ends_where_no_one_is_beyond(seed):
    arc, x = supported(box(1.0), 200, seed)
    assert sorted(x[arc.edge, 0]) == [x.min(), x.max()]
    ring, _ = supported(circle(), 200, seed)
    assert len(ring.edge) == 0
    # one sample whose metric is off does not see the half of those around; they see one another across it
    present = ring.graph.present & ~((np.arange(200) == 20)[:, None] & (ring.graph.steps[:, :, 0] > 0))
    squared = np.where(present, ring.graph.squared, np.inf)
    index = np.where(present, ring.graph.index, np.arange(200)[:, None])
    graph = dataclasses.replace(ring.graph, squared=squared, index=index)
    assert len(Supported.of(ring.manifold, graph).edge) == 0


def test_walls_push_a_match_that_slid_back():
    both, first, second = charted("rectangle", 900, 31, anchors=0)
    net = both.networks[1]
    x = both.first.inputs[first.rows]
    slid = net(x + np.array([0.05, -0.03]))
    start = second.manifold.locate(second.manifold.project(slid)[0])[:2]
    edges = Edges.of(first.manifold, first.graph)
    walls = Walls.between((first.manifold, first.graph), (second.manifold, second.graph))

    def error(**options) -> float:
        images = isometric.refine(first.manifold, second.manifold, edges, start, draws=0, **options)
        return relative_error(second.manifold.evaluate(images.sample, images.offset), net(x))

    assert error() > 0.1
    assert error(pulls=walls) < 0.02


def test_walls_of_a_right_match_hardly_strain_it():
    both, match = charted("rectangle", 900, 32)[0], clean("rectangle", 900, 32)
    first, second = match.first, match.second
    walls = Walls.between((first.manifold, first.graph), (second.manifold, second.graph))
    places = match.forward
    assert carried_error(both, match) < 1e-3
    assert walls.overshoot(places.sample, places.offset, places.differential) < 0.3
    pulls = walls(places.sample, places.offset, places.differential)
    assert np.allclose(np.linalg.norm(pulls.direction, axis=1), 1)
    assert (pulls.wanted > 0).all()


def test_walls_of_a_whole_let_a_part_lie_inside():
    both = pair("rectangle", 600, 33, anchors=6, shares=(0.5, 1.0))
    first, second = st.chart(both.first), st.chart(both.second)
    places = st.match(first, second, anchors=both.anchors).forward
    walls = Walls.between((first.manifold, first.graph), (second.manifold, second.graph), 0.1)
    alike = Walls(walls.first, walls.second)
    at = places.sample, places.offset, places.differential
    assert walls.overshoot(*at) < 0.5 < alike.overshoot(*at)
    deep = walls.second.from_rim(second.edges)
    assert 0.1 < walls.cut(places.sample, deep) < 0.5  # one side of four
    cut = both.first.inputs[first.rows][:, 0] > 0.7
    pulls, all_ = (each(*at) for each in (walls, alike))
    assert (pulls.weight[cut[pulls.rows]] > 0).sum() < 0.2 * cut[all_.rows].sum()
    assert (pulls.weight[~cut[pulls.rows]] > 0).sum() == (~cut[all_.rows]).sum() > 0


def test_volumes_are_in_proportion():
    shares = (1.0, 0.6)
    both = pair("blob", 700, 34, anchors=0, shares=shares)
    volumes = [Supported.of(each.manifold, each.graph).volume for each in map(st.chart, (both.first, both.second))]
    assert volumes[1] / volumes[0] == pytest.approx(0.6, abs=0.05)
