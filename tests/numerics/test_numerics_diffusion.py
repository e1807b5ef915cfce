"""The diffusion operator and its eigenpairs where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from sametask.numerics import diffusion, eigen, local_metric
from sametask.numerics.diffusion import DiffusionOperator, diffusion_operator
from sametask.numerics.neighbours import NeighbourGraph, neighbour_graph
from worlds import WORLDS, box


def graph_of(x: np.ndarray, tangents: np.ndarray, k: int) -> NeighbourGraph:
    return neighbour_graph(x, local_metric.from_jacobians(np.ascontiguousarray(tangents), common_basis=False), k)


def world_graph(name: str, n: int, k: int, seed: int = 0) -> tuple[np.ndarray, NeighbourGraph]:
    """A world seen by the identity."""
    world = WORLDS[name]
    x = world.sample(np.random.default_rng(seed), n)
    return x, graph_of(x, world.tangents(x), k)


def ring(n: int, k: int) -> tuple[np.ndarray, NeighbourGraph]:
    """Evenly spaced points on the unit circle."""
    angle = 2 * np.pi * np.arange(n) / n
    x = np.stack([np.cos(angle), np.sin(angle)], 1)
    return angle, graph_of(x, WORLDS["circle"].tangents(x), k)


def operator_of(
    graph: NeighbourGraph, d: int, *, alpha: float = 1.0, bandwidth: float | None = None
) -> DiffusionOperator:
    bandwidth = diffusion.default_bandwidth(graph) if bandwidth is None else bandwidth
    return diffusion_operator(graph, d, bandwidth=bandwidth, alpha=alpha)


def spectrum(operator: DiffusionOperator, count: int) -> tuple[np.ndarray, np.ndarray]:
    decay, vectors = eigen.leading(operator.conjugate(), count + 1)
    functions = vectors[:, 1:] / np.sqrt(operator.stationary)[:, None]
    return diffusion.intrinsic_eigenvalues(operator, decay[1:], functions), functions


def test_the_operator_is_a_markov_chain_with_its_stationary_distribution() -> None:
    _, graph = world_graph("rectangle", 300, 16)
    operator = operator_of(graph, 2)
    kernel = operator.kernel.toarray()
    np.testing.assert_allclose(kernel, kernel.T, rtol=1e-14)
    chain = kernel / operator.row_sums[:, None]
    np.testing.assert_allclose(chain.sum(axis=1), 1)
    assert operator.stationary.sum() == pytest.approx(1)
    np.testing.assert_allclose(operator.stationary @ chain, operator.stationary, atol=1e-14)
    ours = np.sort(np.linalg.eigvalsh(operator.conjugate().toarray()))
    np.testing.assert_allclose(ours, np.sort(np.linalg.eigvals(chain).real), atol=1e-10)
    assert ours[-1] == pytest.approx(1)
    assert ours[-2] < 1


def test_the_kernel_is_the_gaussian_it_claims_to_be() -> None:
    _, graph = world_graph("circle", 100, 12)
    operator = operator_of(graph, 1, alpha=0.0, bandwidth=0.05)
    squared = graph.symmetric().toarray()
    expected = np.where(squared > 0, np.exp(-squared / 0.05), 0) + np.eye(100)
    np.testing.assert_allclose(operator.kernel.toarray(), expected, atol=1e-15)
    np.testing.assert_allclose(operator.density, expected.sum(axis=1))
    once = operator_of(graph, 1, alpha=1.0, bandwidth=0.05)
    np.testing.assert_allclose(
        once.kernel.toarray(), expected / np.outer(expected.sum(axis=1), expected.sum(axis=1)), atol=1e-15
    )


def test_time_of_one_step_is_a_quarter_of_the_bandwidth_when_neighbours_reach_far() -> None:
    _, graph = ring(400, 40)
    bandwidth = diffusion.default_bandwidth(graph) / 4  # the kernel has died out at the farthest neighbour
    assert operator_of(graph, 1, bandwidth=bandwidth).time == pytest.approx(bandwidth / 4, rel=0.01)
    # cut short by the neighbours, a step is shorter than that, and eigenvalues are right only by the measured time
    cut = operator_of(graph, 1, bandwidth=20 * bandwidth)
    assert cut.time < 0.6 * 20 * bandwidth / 4
    assert spectrum(cut, 1)[0][0] == pytest.approx(1, rel=0.02)


def test_exact_spectrum_of_a_ring() -> None:
    angle, graph = ring(500, 32)
    operator = operator_of(graph, 1)
    eigenvalues, functions = spectrum(operator, 8)
    np.testing.assert_allclose(eigenvalues, [1, 1, 4, 4, 9, 9, 16, 16], rtol=0.02)
    np.testing.assert_allclose(functions[:, :2] @ functions[:, :2].T, 2 * np.cos(angle[:, None] - angle), atol=1e-6)
    np.testing.assert_allclose(functions.T @ (operator.stationary[:, None] * functions), np.eye(8), atol=1e-8)


def test_eigenvalues_are_in_inverse_squared_units_of_length() -> None:
    x, _ = world_graph("rectangle", 500, 24)
    for factor in (0.01, 100.0):
        scaled = graph_of(factor * x, WORLDS["rectangle"].tangents(x), 24)
        plain = graph_of(x, WORLDS["rectangle"].tangents(x), 24)
        np.testing.assert_allclose(
            spectrum(operator_of(scaled, 2), 5)[0] * factor**2, spectrum(operator_of(plain, 2), 5)[0], rtol=1e-6
        )


@pytest.mark.parametrize("seed", [6, 7])
def test_volume_is_one_over_density(seed) -> None:
    """Skewed sampling of an interval: sample i stands for 1/(n p(x_i)) of it, also at the ends."""
    u = np.sort(np.random.default_rng(seed).uniform(0, 1, 2000))
    x = (np.sqrt(1 + 8 * u) - 1) / 2  # density (1 + 2x)/2
    graph = graph_of(x[:, None], np.ones((2000, 1, 1)), 64)
    operator = operator_of(graph, 1)
    expected = 1 / (1 + 2 * x)
    ratio = operator.volume / expected * expected.sum()
    assert operator.volume.sum() == pytest.approx(1)
    assert np.abs(ratio / np.median(ratio) - 1)[50:-50].mean() < 0.15
    assert np.abs(ratio / np.median(ratio) - 1)[[*range(50), *range(-50, 0)]].mean() < 0.3
    # without the correction a sample at an end would stand for twice its share
    uncorrected = 1 / operator.density * expected**-1
    assert np.mean(uncorrected[:5]) / np.median(uncorrected) > 1.5


def test_share_inside_is_half_at_the_end_of_an_interval_and_a_quarter_at_no_place_of_a_circle() -> None:
    x = np.linspace(0, 1, 401)[:, None]
    graph = graph_of(x, np.ones((401, 1, 1)), 32)
    share = diffusion._inside_share(graph, diffusion.default_bandwidth(graph))
    assert share[[0, -1]] == pytest.approx(0.5, abs=0.06)
    assert share[100:-100].min() > 0.95
    _, graph = ring(400, 32)
    assert diffusion._inside_share(graph, diffusion.default_bandwidth(graph)).min() > 0.95


@pytest.mark.parametrize(("name", "d"), [("interval", 1), ("circle", 1), ("rectangle", 2), ("sphere", 2)])
def test_kernel_sum_grows_with_the_dimension(name, d) -> None:
    _, graph = world_graph(name, 1500, 64, seed=6)
    assert diffusion.kernel_dimension(graph) == pytest.approx(d, abs=0.25)


def test_kernel_sum_grows_with_the_dimension_of_a_cuboid() -> None:
    x = box(1, 1, 1).sample(np.random.default_rng(6), 3000)
    graph = graph_of(x, np.tile(np.eye(3), (3000, 1, 1)), 64)
    assert diffusion.kernel_dimension(graph) == pytest.approx(3, abs=0.4)


def test_bandwidth_and_dimension_of_samples_that_all_agree() -> None:
    graph = NeighbourGraph(np.array([[1], [0]]), np.zeros((2, 1)), np.zeros((2, 1, 1)))
    assert diffusion.default_bandwidth(graph) == 1.0
    assert diffusion.kernel_dimension(graph) == 0.0


def test_bandwidth_is_the_farthest_neighbours_over_four() -> None:
    x = np.linspace(0, 1, 101)[:, None]
    graph = graph_of(x, np.ones((101, 1, 1)), 10)  # five to either side
    assert diffusion.default_bandwidth(graph) == pytest.approx(0.05**2 / 4)


# -- eigenpairs ----------------------------------------------------------------------------------------------------


def symmetric(n: int, seed: int = 0) -> np.ndarray:
    a = np.random.default_rng(seed).normal(size=(n, n))
    return (a + a.T) / np.sqrt(n)


@pytest.mark.parametrize("n", [3, 50, 400, 401, 450])
def test_leading_eigenpairs_dense_and_sparse(n) -> None:
    matrix = symmetric(n)
    count = min(6, n)
    values, vectors = eigen.leading(sp.csr_array(matrix), count)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[::-1][:count], atol=1e-9)
    assert vectors.shape == (n, count)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=1e-9)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-8)


def test_more_eigenpairs_wanted_than_there_are() -> None:
    values, vectors = eigen.leading(sp.csr_array(symmetric(5)), 30)
    assert values.shape == (5,)
    assert vectors.shape == (5, 5)


@pytest.mark.parametrize("n", [50, 500])
def test_signs_are_fixed_and_bits_repeat(n) -> None:
    matrix = sp.csr_array(symmetric(n, 1))
    values, vectors = eigen.leading(matrix, 5)
    assert (vectors[np.abs(vectors).argmax(axis=0), np.arange(5)] > 0).all()
    again = eigen.leading(matrix, 5)
    assert values.tobytes() == again[0].tobytes()
    assert vectors.tobytes() == again[1].tobytes()
