"""Worlds are what they say: uniform samples, tangents that touch, isometries that keep lengths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial import KDTree
from scipy.stats import ortho_group

from shapes import bumpy_normals, bumpy_radius
from worlds import EVERY, RandomNetwork, pair, relative_error, up_to_isometry

FINITE = {"interval": 2, "stretched interval": 2, "rectangle": 4, "square": 8, "box": 8, "ellipsoid": 8}
UNSYMMETRIC = ("L-shape", "blob", "triangle", "bumpy sphere")
STEP = 1e-5


@pytest.mark.parametrize("name", EVERY)
def test_isometries_keep_lengths(name):
    world = EVERY[name]
    x = world.sample(np.random.default_rng(1), 200)
    along = world.tangents(x)
    for isometry in world.isometries:
        ahead, behind = (
            np.stack([isometry(x + s * along[:, :, k]) for k in range(world.dimension)], 2) for s in (STEP, -STEP)
        )
        turn = np.linalg.pinv(world.tangents(isometry(x))) @ (ahead - behind) / (2 * STEP)
        np.testing.assert_allclose(
            np.swapaxes(turn, 1, 2) @ turn, np.eye(world.dimension)[None].repeat(200, 0), atol=1e-6
        )


@pytest.mark.parametrize("name", [*FINITE, *UNSYMMETRIC])
def test_isometries_are_all_different(name):
    world = EVERY[name]
    x = world.sample(np.random.default_rng(2), 50)
    assert len({isometry(x).round(9).tobytes() for isometry in world.isometries}) == FINITE.get(name, 1)
    assert world.turned is None


@pytest.mark.parametrize("name", ["rectangle", "square", "stretched interval", "cylinder", "circle", "sphere", "torus"])
def test_errors_up_to_isometry(name):
    world = EVERY[name]
    network = RandomNetwork.draw(world.ambient, 2 * world.dimension + 1, 3)
    x = world.sample(np.random.default_rng(3), 300)
    image = world.isometries[-1](x)
    if name in ("circle", "sphere"):
        image = image @ ortho_group.rvs(world.ambient, random_state=np.random.default_rng(4))
    predicted = network(image)
    assert relative_error(predicted, network(x)) > 0.3
    assert up_to_isometry(world, network, x, predicted)[0] < 0.01
    wrong = network(np.random.default_rng(5).permutation(x))
    assert up_to_isometry(world, network, x, wrong)[0] > 0.3


def test_the_bumpy_sphere_is_sampled_uniformly_and_touched_by_its_tangents():
    world = EVERY["bumpy sphere"]
    x = world.sample(np.random.default_rng(4), 20_000)
    assert np.abs(bumpy_normals(x).mean(0)).max() < 4 * np.sqrt(1 / 3 / len(x))  # they sum to 0 over a closed surface
    moved = x + STEP * world.tangents(x)[:, :, 0]
    radius = np.linalg.norm(moved, axis=1)
    assert np.abs(radius - bumpy_radius(moved / radius[:, None])).max() < 100 * STEP**2


@pytest.mark.parametrize("name", UNSYMMETRIC)
def test_no_turn_nor_reflection_maps_it_onto_itself(name):
    world = EVERY[name]
    x, other = (world.sample(np.random.default_rng([5, k]), 3000) for k in (1, 2))
    middle = world.sample(np.random.default_rng(6), 100_000)
    lengths, axes = np.linalg.eigh(np.cov(middle.T))
    assert (lengths[1:] / lengths[:-1] > 1.1).all()  # so that a symmetry keeps the principal axes
    away, tree = (x - middle.mean(0)) @ axes, KDTree((other - middle.mean(0)) @ axes)
    usual = np.mean(tree.query(away)[0])
    for signs in list(itertools.product((1, -1), repeat=world.ambient))[1:]:
        assert np.mean(tree.query(away * signs)[0]) > 1.2 * usual


def test_parts_overlap_by_their_shares():
    both = pair("blob", 800, 1, shares=(0.8, 0.7), anchors=5)
    first, second = (np.asarray(probe.inputs)[:, 0] for probe in (both.first, both.second))
    assert len(first) == len(second) == 800
    assert abs(np.mean(first > second.min()) - 0.5 / 0.8) < 0.06
    assert abs(np.mean(second < first.max()) - 0.5 / 0.7) < 0.06
    for x in (both.unseen[:, 0], first[:5]):
        assert second.min() - 0.02 < x.min() < x.max() < first.max() + 0.02
    np.testing.assert_array_equal(np.asarray(both.first.inputs)[:5], np.asarray(both.second.inputs)[:5])


def test_density_numbers_and_neurons_differ_where_asked():
    both = pair("square", 1000, 2, n2=4000, neurons=(5, 9), skew=10, anchors=0)
    assert (both.first.activations.shape, both.second.activations.shape) == ((1000, 5), (4000, 9))
    assert len(both.anchors) == 0
    ends = [np.sum(np.abs(np.asarray(both.second.inputs) - corner).max(1) < 0.25) for corner in (0, 1)]
    assert 3 < ends[0] / ends[1] < 10  # 10 between the corners, 5.6 between the middles of these quarters


def test_recoded_neurons_are_the_same_in_another_order_and_unit():
    plain, recoded = (pair("square", 200, 3, recoded=is_so).second.activations for is_so in (False, True))
    alike = np.abs(np.corrcoef(plain.T, recoded.T)[:5, 5:])
    np.testing.assert_allclose(np.sort(alike.max(0)), 1)
    assert sorted(alike.argmax(0)) == list(range(5))
