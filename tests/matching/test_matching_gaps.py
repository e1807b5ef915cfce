"""Gaps of one network's samples among the other's: chance where both fill the manifold, far more at a hole."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from sametask.matching import gaps
from sametask.matching.support import Supported
from worlds import EVERY, RandomNetwork, World, box, cut_out, skewed


def gap(world: str, second: World | None, n: tuple[int, int], seed: int) -> float:
    """The largest of either at its true place: both are the same network, so their activations are comparable."""
    worlds, net = (EVERY[world], second or EVERY[world]), RandomNetwork.draw(EVERY[world].ambient, 5, seed)
    charts = [
        st.chart(each.probe(net, each.sample(np.random.default_rng([seed, k]), count)))
        for k, (each, count) in enumerate(zip(worlds, n, strict=True))
    ]
    sides = [Supported.of(each.manifold, each.graph) for each in charts]
    found = []
    for k in (0, 1):
        two = charts[1 - k].manifold
        sample, offset, _ = two.reanchor(*two.locate(charts[k].manifold.activations)[:2])
        found.append(gaps.largest(sides[k], np.linalg.norm(offset, axis=1), sides[1 - k].spread[sample]))
    return max(found)


@pytest.mark.parametrize(
    ("world", "n"), [("rectangle", (500, 500)), ("sphere", (700, 700)), ("interval", (200, 200)), ("blob", (300, 1500))]
)
def test_chance_leaves_no_more_than_it_is_said_to(world, n):
    assert max(gap(world, None, n, seed) for seed in (51, 52, 53)) < 2.2


def test_densities_may_differ():
    assert max(gap("blob", skewed(EVERY["blob"], 10.0), (500, 500), seed) for seed in (51, 52, 53)) < 2.2


def test_a_hole_is_told():
    holed = cut_out(box(1.6, 1.0), lambda x: np.linalg.norm(x - [0.6, 0.55], axis=1) > 0.2)
    found, chance = ([gap("rectangle", second, (600, 600), seed) for seed in range(51, 57)] for second in (holed, None))
    assert min(found) > 2.5 * max(chance)
    assert np.median(found) > 4
