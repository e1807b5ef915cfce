"""Maps of outlines by distances alone, against permutations that are known."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from matches import charted
from sametask.matching.outlines import Outline, coarse_maps, part_maps
from sametask.numerics.edges import Edges


def shuffled(points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances among points, among the same in another order, and the order."""
    order = np.random.default_rng(seed).permutation(len(points))
    return cdist(points, points), cdist(points[order], points[order]), np.argsort(order)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_points_without_symmetry_are_found_again(d):
    points = np.random.default_rng(d).uniform(0, 1, (40, d)) ** 2
    one, two, place = shuffled(points, d + 10)
    maps = coarse_maps(one, two, d)
    assert maps[0].distortion < 1e-6
    assert (maps[0].there == place).all()
    assert (maps[0].back == np.argsort(place)).all()
    assert all(each.distortion > 0.01 for each in maps[1:])


@pytest.mark.parametrize(("sides", "isometries"), [((9, 6), 4), ((7, 7), 8)])
def test_grids_have_their_symmetries(sides, isometries):
    grid = np.stack(np.meshgrid(*(np.arange(side) for side in sides), indexing="ij"), -1).reshape(-1, 2).astype(float)
    one, two, _ = shuffled(grid, 4)
    maps = coarse_maps(one, two, 2)
    assert [each.distortion < 1e-6 for each in maps].count(True) == isometries
    assert all(np.unique(each.there).size == len(grid) for each in maps[:isometries])


def test_starts_are_tried_besides():
    points = np.random.default_rng(5).uniform(0, 1, (30, 2))
    one, two, place = shuffled(points, 6)
    maps = coarse_maps(one, two, 2, (place,))
    assert (maps[0].there == place).all()


@pytest.mark.parametrize("held", [1, 2, 3])
def test_points_that_are_known_hold_maps_of_a_sphere(held):
    """Two points leave a map and its mirror image, three one map, and one leaves any turn about it."""
    one, two = (np.random.default_rng([9, k]).normal(size=(150, 3)) for k in (0, 1))
    one, two = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (one, two))
    two[:held] = np.eye(3)[:held]
    one[:held] = two[:held]
    among = (np.arccos(np.clip(each @ each.T, -1, 1)) for each in (one, two))
    maps = coarse_maps(*among, 2, held=held)
    assert all((each.there[:held] == np.arange(held)).all() for each in maps)
    best = [each for each in maps if each.distortion < 1.5 * maps[0].distortion]
    right, mirrored = (
        [np.linalg.norm(two[each.there] - one * [1, 1, sign], axis=1).mean() < 0.3 for each in best] for sign in (1, -1)
    )
    assert any(right)
    assert any(mirrored) == (held < 3)
    assert all(np.logical_or(right, mirrored)) == (held > 1)


def test_an_outline_that_is_begun_goes_on_from_there():
    first = charted("rectangle", 600, 7)[1]
    edges = Edges.of(first.manifold, first.graph, 12)
    outline = Outline.of(edges, 2, np.array([5, 17]))
    assert outline.rows[:2].tolist() == [5, 17]
    assert np.unique(outline.rows).size == outline.distances.shape[1]
    assert np.allclose(outline.among, outline.among.T)


def test_an_outline_is_spread_evenly_and_begins_at_the_rim():
    both, first, _ = charted("rectangle", 600, 7)
    edges = Edges.of(first.manifold, first.graph, 12)
    outline = Outline.of(edges, 2)
    x = both.first.inputs[first.rows]
    assert outline.distances.shape == (len(first.rows), len(outline.rows))
    assert np.allclose(outline.among, outline.among.T)
    assert np.minimum(x[outline.rows[0]], [1.6, 1] - x[outline.rows[0]]).min() < 0.05
    among = outline.among + np.diag(np.full(len(outline.rows), np.inf))
    assert among.min() > 0.5 * outline.spacing
    straight = cdist(x, x[outline.rows])
    assert (outline.distances >= 0.99 * straight).all()
    assert np.median(outline.distances / np.maximum(straight, 1e-9)) < 1.1


def test_few_samples_are_their_own_outline():
    first = charted("interval", 40, 8)[1]
    edges = Edges.of(first.manifold, first.graph, 8)
    assert len(Outline.of(edges, 1).rows) == len(first.rows)


def spread(points: np.ndarray) -> np.ndarray:
    """The order in which each is as far as can be from those before it."""
    away = cdist(points, points)
    order = [int(away[0].argmax())]
    while len(order) < len(points):
        order.append(int(away[:, order].min(axis=1).argmax()))
    return np.array(order)


def test_a_part_is_found_where_it_was_cut_out():
    """Of a disc with a bite, the points left of a line: all of its edge but the cut is the disc's own."""
    rng = np.random.default_rng(8)

    def drawn(count: int, most: float) -> tuple[np.ndarray, np.ndarray]:
        points = rng.uniform(-1, 1, (3 * count, 2))
        deep = 1 - np.linalg.norm(points, axis=1), np.linalg.norm(points - [-0.8, 0.5], axis=1) - 0.6
        deep = np.minimum(np.minimum(*deep), most - points[:, 0])
        points, deep = points[deep > 0][:count], deep[deep > 0][:count]
        order = spread(points)
        return points[order], deep[order]

    part, part_deep = drawn(100, 0.1)
    whole, whole_deep = drawn(600, 2.0)
    among = [cdist(each, each) for each in (part, whole)]
    maps = part_maps(among[0], among[1], (part_deep, whole_deep), 2, among=200)
    assert np.median(np.linalg.norm(whole[maps[0].there] - part, axis=1)) < 0.1
