"""Leading eigenpairs by two levels and by Lanczos iterations, against all of them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from sametask.numerics import diffusion, eigen, neighbours
from sametask.numerics.diffusion import DiffusionOperator
from worlds import RandomNetwork, World, box, sphere


def operator_of(world: World, n: int, seed: int = 0) -> DiffusionOperator:
    network = RandomNetwork.draw(world.ambient, 2 * world.dimension + 1, seed + 1)
    probe = world.probe(network, world.sample(np.random.default_rng(seed), n))
    graph = neighbours.neighbour_graph(probe.manifold.activations, probe.manifold.metric, 32)
    return diffusion.diffusion_operator(graph, world.dimension, bandwidth=diffusion.default_bandwidth(graph), alpha=1.0)


@pytest.mark.parametrize(
    "world",
    [box(1.0), box(1.6, 1.0), sphere(), box(1.0, 1.1, 0.8)],
    ids=["interval", "rectangle", "sphere", "box"],
)
@pytest.mark.parametrize("count", [2, 9])
def test_two_levels_agree_with_all_eigenpairs(world, count, monkeypatch) -> None:
    monkeypatch.setattr(eigen, "_LANCZOS_BELOW", 0)
    operator = operator_of(world, 900)
    matrix, root = operator.conjugate(), np.sqrt(operator.stationary)
    every, functions = np.linalg.eigh(matrix.toarray())
    every, functions = every[::-1], functions[:, ::-1]
    values, vectors = eigen.leading(matrix, count, first=root)
    gap = 1 - every[1]
    # residuals of 0.3 % of the first gap
    np.testing.assert_allclose(values, every[:count], atol=1e-4 * gap)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1, rtol=1e-10)
    assert np.linalg.norm(matrix @ vectors - vectors * values, axis=0).max() < 0.01 * gap
    span = functions[:, : count + 6]  # the last may belong to a cluster that is cut
    assert np.linalg.norm(vectors - span @ (span.T @ vectors), axis=0).max() < 0.01
    again = eigen.leading(matrix, count, first=root)[1]
    np.testing.assert_array_equal(again, vectors)
    guessed = eigen.leading(matrix, count, first=root, guess=vectors[:, 1:] + 0.01 * functions[:, 3 : count + 2])
    np.testing.assert_allclose(guessed[0], every[:count], atol=1e-4 * gap)


def test_two_levels_find_what_all_but_falls_apart(monkeypatch) -> None:
    """Two pieces joined by one weak link: the second eigenvalue is next to 1."""
    monkeypatch.setattr(eigen, "_LANCZOS_BELOW", 0)
    kernel = operator_of(box(1.0, 1.0), 500).kernel
    both = sp.lil_array(sp.block_diag([kernel, kernel]))
    both[10, 510] = both[510, 10] = 1e-7 * kernel.max()
    sums = np.asarray(both.sum(axis=1)).ravel()
    matrix = sp.csr_array(sp.diags_array(sums**-0.5) @ both @ sp.diags_array(sums**-0.5))
    values, _ = eigen.leading(matrix, 5, first=np.sqrt(sums / sums.sum()))
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix.toarray())[::-1][:5], atol=1e-5)


def test_where_two_levels_stall_lanczos_answers(monkeypatch) -> None:
    monkeypatch.setattr(eigen, "_LANCZOS_BELOW", 0)
    monkeypatch.setattr(eigen, "_MOST_STEPS", 1)
    monkeypatch.setattr(eigen, "_STALLED", 1e-9)
    operator = operator_of(box(1.6, 1.0), 600)
    values, _ = eigen.leading(operator.conjugate(), 6, first=np.sqrt(operator.stationary))
    np.testing.assert_allclose(values, np.linalg.eigvalsh(operator.conjugate().toarray())[::-1][:6], atol=1e-12)
