"""The refinement on curves, where one sample is much denser than the other."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from matches import carried_error
from sametask.matching import isometric
from sametask.numerics.edges import Edges
from worlds import NEURONS, WORLDS, Pair, RandomNetwork


def uneven(world: str, counts: tuple[int, int], seed: int) -> Pair:
    """Two networks on a curve, each with its own number of samples; six anchors."""
    of = WORLDS[world]
    networks = network(world, seed, 1), network(world, seed, 2)
    inputs = [of.sample(np.random.default_rng([seed, 1 + k]), n) for k, n in enumerate(counts)]
    inputs[1][:6] = inputs[0][:6]
    first, second = (of.probe(each, x) for each, x in zip(networks, inputs, strict=True))
    anchors = np.repeat(np.arange(6)[:, None], 2, axis=1)
    return Pair(first, second, anchors, networks, inputs[0], networks)


def network(world: str, seed: int, which: int) -> RandomNetwork:
    return RandomNetwork.draw(WORLDS[world].ambient, NEURONS[world], 1000 * seed + which)


def matched(both: Pair) -> st.Match:
    return st.match(st.chart(both.first), st.chart(both.second), anchors=both.anchors)


@pytest.mark.parametrize(("world", "few"), [("interval", 100), ("circle", 150)])
def test_places_are_no_worse_for_more_samples_of_the_first(world, few):
    """Tears that the first guess leaves at the gaps of the sparse sample close, and folds of the dense one open."""
    dense, sparse = uneven(world, (8 * few, few), 301), uneven(world, (few, few), 301)
    assert carried_error(dense, matched(dense)) < 3 * carried_error(sparse, matched(sparse))


def test_a_stretch_in_reverse_order_is_put_right():
    both = uneven("interval", (800, 100), 310)
    first, second = st.chart(both.first), st.chart(both.second)
    assert first.probe.inputs is not None and second.probe.inputs is not None
    at, there = first.probe.inputs[:, 0], second.probe.inputs[:, 0]
    slopes = network("interval", 310, 2).jacobian(there[:, None])[:, :, 0]
    sign = np.sign((slopes * second.manifold.metric.frames[:, 0]).sum(axis=1))
    edges = Edges.of(first.manifold, first.graph)

    def refined(start: np.ndarray) -> np.ndarray:
        near = np.abs(start[:, None] - there).argmin(axis=1)
        offset = ((start - there[near]) * sign[near])[:, None]
        images = isometric.refine(first.manifold, second.manifold, edges, (near, offset), anchors=both.anchors)
        return there[images.sample] + images.offset[:, 0] * sign[images.sample]

    straight, folded = refined(at), refined(np.where(np.abs(at - 0.5) < 0.03, 1 - at, at))
    assert np.abs(folded - straight).max() < 1e-3 * second.graph.spacing()
