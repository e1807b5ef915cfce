"""Names of groups, orders of isometries, the anchors that decide, on grids whose isometries are permutations."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from matches import charted
from sametask.matching import symmetry
from sametask.numerics.edges import Edges

GRID = np.stack(np.meshgrid(np.arange(7), np.arange(5), indexing="ij"), -1).reshape(-1, 2) - [3.0, 2.0]


def permutation(matrix) -> np.ndarray:
    """Where an isometry of the grid sends each point."""
    return cdist(GRID @ np.asarray(matrix, float).T, GRID).argmin(axis=1)


def test_orders_of_isometries():
    distances, all_ = cdist(GRID, GRID), np.arange(len(GRID))
    assert symmetry.order(permutation(np.eye(2)), distances, 0.5, all_) == 1
    assert symmetry.order(permutation(np.diag([-1, 1])), distances, 0.5, all_) == 2
    assert symmetry.order(permutation(-np.eye(2)), distances, 0.5, all_) == 2
    assert symmetry.order(np.random.default_rng(0).permutation(len(GRID)), distances, 0.5, all_) == 0


@pytest.mark.parametrize(
    ("hands", "orders", "dimension", "block", "continuous", "name"),
    [
        ([1, -1], [1, 2], 1, 1, False, "the reversal of a curve"),
        ([1, -1], [1, 2], 2, 1, False, "a reflection"),
        ([1, 1], [1, 2], 2, 1, False, "a half turn"),
        ([1, -1, 1, -1], [1, 2, 2, 2], 2, 1, False, "the reflections of a rectangle"),
        ([1, 1, 1, 1, -1, -1, -1, -1], [1, 4, 2, 4, 2, 2, 2, 2], 2, 2, False, "dihedral"),
        ([1, 1, 1], [1, 3, 3], 2, 2, False, "cyclic"),
        ([1, -1] * 4, [1] + [2] * 7, 3, 1, False, "the reflections of a box"),
        ([1, 1, 1, -1], [1, 2, 2, 2], 2, 1, False, "a group of 4 isometries"),
        ([1, -1] * 4, [1] + [2] * 7, 2, 1, False, "three reflections that commute"),
        ([1, -1] * 4, [1, 2, 2, 0, 2, 2, 2, 2], 2, 1, False, "three reflections that commute"),
        ([1, -1] * 4, [1, 2, 2, 2, 2, 2, 4, 2], 2, 1, False, "three reflections that commute"),
        ([1, -1] * 2, [1, 2, 2, 2], 3, 1, False, "two reflections that commute"),
        ([1] * 4, [1, 2, 2, 2], 2, 1, False, "two half turns that commute"),
        ([1] * 4, [1, 4, 2, 4], 2, 2, False, "4 turns (cyclic)"),
        ([1, 1, -1, -1], [1, 2, 4, 4], 2, 2, False, "a group of 4 isometries"),
        ([1, 1, 1, 1, -1, -1, -1, -1], [1, 0, 2, 0, 2, 2, 2, 2], 2, 2, False, "a group of 8 isometries"),
        ([1, -1, 1], [1, 2, 0], 1, 2, True, "O(2)"),
        ([1, -1, 1], [1, 2, 0], 1, 1, True, "O(2)"),
        ([1, -1, 1], [1, 2, 0], 2, 3, True, "O(3)"),
        ([1, -1, 1], [1, 2, 0], 2, 4, True, "a continuous group"),
    ],
)
def test_names(hands, orders, dimension, block, continuous, name):
    assert name in symmetry.name(hands, orders, dimension, block, continuous=continuous)


def test_a_group_of_which_some_were_not_tried_has_no_other_name():
    hands, orders = [1, -1] * 4, [1] + [2] * 7
    assert symmetry.name(hands, orders, 3, 1, continuous=False, complete=False) == "a group of 8 isometries or more"


def places(*matrices) -> np.ndarray:
    distances = cdist(GRID, GRID)
    return np.stack([distances[permutation(each)] for each in matrices])


def test_one_anchor_off_the_mirrors_decides_between_the_reflections_of_a_rectangle():
    four = places(np.eye(2), np.diag([-1, 1]), np.diag([1, -1]), -np.eye(2))
    (chosen,) = symmetry.deciding(four, 0.5, 3)
    assert np.abs(GRID[chosen]).tolist() == [3, 2]  # a corner is farthest from its mirror images


def test_no_more_anchors_than_decide():
    mirrored = places(np.eye(2), np.diag([1, -1]))
    (chosen,) = symmetry.deciding(mirrored, 0.5, 3)
    assert abs(GRID[chosen, 1]) == 2
    assert len(symmetry.deciding(places(np.eye(2), np.eye(2)), 0.5, 3)) <= 1


@pytest.mark.parametrize("world", ["rectangle", "sphere"])
def test_orientable_manifolds_are_oriented(world):
    first = charted(world, 1000, 9)[1]
    edges = Edges.of(first.manifold, first.graph, 12)
    sign = symmetry.orientation(edges)
    agree = sign[edges.i] * sign[edges.j] * np.sign(np.linalg.det(edges.transport))
    assert (agree > 0).mean() > 0.99
