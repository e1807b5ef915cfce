"""Two-level conjugate gradients against elimination, clusters against their definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from sametask.numerics.sparse_solve import Clusters, diagonal_blocks, two_level_solver


def chain(n: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, sp.bsr_array]:
    """Nodes along a line, each edge a turn of its own: (i, j, turns, matrix), held at the first node alone."""
    rng = np.random.default_rng(seed)
    pairs = [(a, b) for a, b in itertools.product(range(n), repeat=2) if 0 < abs(a - b) <= 2]
    i, j = np.array(pairs).T
    frames = np.linalg.qr(rng.normal(size=(n, width, width)))[0]
    turns = np.swapaxes(frames[i], 1, 2) @ frames[j]
    dense = np.zeros((n, width, n, width))
    for a, b, turn in zip(i, j, turns, strict=True):
        # |turn x_b − x_a|²
        dense[a, :, a] += np.eye(width)
        dense[b, :, b] += np.eye(width)
        dense[a, :, b] -= turn
        dense[b, :, a] -= turn.T
    dense[0, :, 0] += np.eye(width)
    return i, j, turns, sp.bsr_array(dense.reshape(n * width, -1), blocksize=(width, width))


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("n", [5, 300])
def test_solution_is_that_of_elimination(n, width) -> None:
    i, j, turns, matrix = chain(n, width)
    clusters = Clusters.grow(i, j, np.ones(len(i)), n, width)
    motions = clusters.motions(i, lambda edge: np.swapaxes(turns[edge], 1, 2), width)
    solve = two_level_solver(matrix, clusters.cluster, motions)
    right = np.random.default_rng(1).normal(size=n * width)
    truth = np.linalg.solve(matrix.toarray(), right)
    found = [np.linalg.norm(solve(right, tolerance) - truth) / np.linalg.norm(truth) for tolerance in (1e-2, 1e-10)]
    assert found[1] < 1e-7
    assert found[0] < 0.1


def test_clusters_that_move_as_one_save_most_of_the_steps(monkeypatch) -> None:
    i, j, turns, matrix = chain(600, 3)
    clusters = Clusters.grow(i, j, np.ones(len(i)), 600, 3)
    right = np.random.default_rng(1).normal(size=1800)
    truth = np.linalg.solve(matrix.toarray(), right)
    motions = clusters.motions(i, lambda edge: np.swapaxes(turns[edge], 1, 2), 3)
    still = np.zeros_like(motions)
    still[:, range(3), range(3)] = 1e-6  # clusters that say next to nothing
    monkeypatch.setattr("sametask.numerics.sparse_solve._MOST_STEPS", 100)
    error = [
        np.linalg.norm(two_level_solver(matrix, clusters.cluster, given)(right, 1e-9) - truth) / np.linalg.norm(truth)
        for given in (motions, still)
    ]
    assert error[0] < 1e-3
    assert error[1] > 0.1


def test_clusters_are_the_parts_nearest_to_their_seeds_and_motions_follow_the_path_from_them() -> None:
    n, width = 200, 2
    rng = np.random.default_rng(0)
    points = rng.random((n, 2))
    gap = np.linalg.norm(points[:, None] - points, axis=2)
    i, j = np.nonzero((gap < 0.15) & (gap > 0))
    length = gap[i, j]
    maps = rng.normal(size=(len(i), width, width))
    clusters = Clusters.grow(i, j, length, n, width)
    reached = clusters.cluster >= 0
    seeds = np.flatnonzero(reached & (clusters.edge < 0))
    assert len(seeds) == n // 16
    np.testing.assert_array_equal(clusters.cluster[seeds], np.arange(len(seeds)))
    distance = np.where((gap < 0.15) & (gap > 0), gap, np.inf)
    np.fill_diagonal(distance, 0)
    for k in range(n):  # Floyd and Warshall
        distance = np.minimum(distance, distance[:, k, None] + distance[k])
    np.testing.assert_array_equal(np.isfinite(distance[seeds].min(axis=0)), reached)
    found = distance[seeds[clusters.cluster[reached]], np.flatnonzero(reached)]
    np.testing.assert_allclose(found, distance[seeds][:, reached].min(axis=0))
    motions = clusters.motions(i, lambda edge: maps[edge], width)
    for node in range(n):
        path, expected = node, np.eye(width) * reached[node]
        while clusters.edge[path] >= 0:
            edge = clusters.edge[path]
            assert j[edge] == path
            expected, path = expected @ maps[edge], i[edge]
        np.testing.assert_allclose(motions[node], expected)


def test_pieces_without_a_seed_are_solved_too() -> None:
    n = 40
    i, j = np.array([[a, a + 1] for a in range(30)] + [[a + 1, a] for a in range(30)]).T
    clusters = Clusters.grow(i, j, np.ones(len(i)), n, 1)
    assert (clusters.cluster < 0).any()
    dense = np.eye(n)
    np.add.at(dense, (i, j), -0.3)
    matrix = sp.bsr_array(sp.csr_array(dense), blocksize=(1, 1))
    solve = two_level_solver(matrix, clusters.cluster, clusters.motions(i, lambda edge: np.ones((len(edge), 1, 1)), 1))
    np.testing.assert_allclose(matrix @ solve(np.ones(n), 1e-12), np.ones(n), atol=1e-9)


def test_diagonal_blocks_come_in_order() -> None:
    matrix = chain(12, 2)[3]
    blocks = matrix.data[diagonal_blocks(matrix)]
    dense = matrix.toarray().reshape(12, 2, 12, 2)
    np.testing.assert_array_equal(blocks, [dense[k, :, k] for k in range(12)])
