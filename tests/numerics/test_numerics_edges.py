"""Steps put together of shorter ones, against a loop over all ways."""

from __future__ import annotations

import numpy as np
import pytest

from responses import swirling
from sametask.numerics import edges, local_metric
from sametask.numerics.edges import displacements, geodesic, put_together
from sametask.numerics.manifold import SampledManifold
from sametask.numerics.neighbours import NeighbourGraph, neighbour_graph
from worlds import RandomNetwork, box


def swirl(n: int) -> tuple[np.ndarray, SampledManifold, NeighbourGraph]:
    x = box(1.0, 1.0).sample(np.random.default_rng(0), n)
    network = swirling(RandomNetwork.draw(2, 5, 53), np.array([0.5, 0.5]))
    y, metric = network(x), local_metric.from_jacobians(network.jacobian(x), common_basis=True)
    graph = neighbour_graph(y, metric, 24)
    return x, SampledManifold(y, metric, np.concatenate([np.arange(n)[:, None], graph.index], axis=1)), graph


def test_steps_are_put_together_by_the_way_on_which_ends_agree_best(monkeypatch) -> None:
    monkeypatch.setattr(edges, "_ROUNDS", 1)
    _, manifold, graph = swirl(150)
    i, j = np.repeat(np.arange(150), 24)[graph.present.ravel()], graph.index[graph.present]
    step, transport, apart = displacements(manifold, i, j)
    wanted = step.copy(), transport.copy(), apart.copy()
    place = {(a, b): row for row, (a, b) in enumerate(zip(i.tolist(), j.tolist(), strict=True))}
    for row, (a, b) in enumerate(zip(i, j, strict=True)):
        if apart[row] <= 0.05 * np.linalg.norm(step[row]):
            continue
        own = sorted(np.flatnonzero(i == a), key=lambda each: np.linalg.norm(step[each]))[:12]
        for one in own:
            two = place.get((int(j[one]), int(b)))
            if two is not None and apart[one] + apart[two] < wanted[2][row]:
                wanted[0][row] = step[one] + transport[one] @ step[two]
                wanted[1][row] = transport[one] @ transport[two]
                wanted[2][row] = apart[one] + apart[two]
    assert (wanted[2] < apart).sum() > 300
    put_together(i, j, step, transport, apart, 12)
    for found, reference in zip((step, transport, apart), wanted, strict=True):
        np.testing.assert_allclose(found, reference, atol=1e-12)


@pytest.mark.parametrize("n", [500, 1500])
def test_distances_are_those_of_the_inputs(n) -> None:
    """Inputs are turned by three radians for each side: tangential distances are too long by up to three times."""
    x, manifold, graph = swirl(n)
    off = []
    for each in (graph, geodesic(manifold, graph, graph.index.shape[1])):
        true = np.linalg.norm(x[each.index] - x[:, None], axis=2)[each.present]
        off.append(np.quantile(np.abs(np.log(np.sqrt(each.squared[each.present]) / true)), 0.95))
    assert off[1] < 0.5 * off[0]


def test_no_steps() -> None:
    none = np.empty(0, np.int64)
    put_together(none, none, np.empty((0, 2)), np.empty((0, 2, 2)), np.empty(0), 12)
