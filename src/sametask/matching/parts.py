"""Some of the samples of a chart, and what is found of them carried over to all."""

from __future__ import annotations

import numpy as np

from sametask._types import Array, Float, Int
from sametask.charts.chart import Chart, chart
from sametask.matching.isometric import Images


def part(
    whole: Chart, wanted: Int[Array, " k"], count: int, rng: np.random.Generator
) -> tuple[Chart, Int[Array, " n"]]:
    """The chart of ``count`` of a chart's samples, those ``wanted`` among them, and which they are; of all where they
    are no more."""
    everyone = np.arange(len(whole.rows))
    if len(everyone) <= count:
        return whole, everyone
    others = rng.permutation(np.setdiff1d(everyone, wanted))[: max(count - len(wanted), 0)]
    rows = np.sort(np.concatenate([wanted, others]))
    some = chart(whole.measured.take(rows), whole.options)
    return some, rows[some.rows]


def carried(
    images: Images, parts: tuple[Chart, Chart], wholes: tuple[Chart, Chart]
) -> tuple[Int[Array, " n"], Float[Array, "n d"]]:
    """Places of all samples of one network on the manifold of all of the other's, by those of some."""
    if parts[0] is wholes[0] and parts[1] is wholes[1]:
        return images.sample, images.offset
    one, two = (each.manifold for each in parts)
    first, second = (each.manifold for each in wholes)
    near, step, _ = one.locate(one.project(first.lift(first.activations))[0])
    offset = images.offset[near] + np.einsum("pde,pe->pd", images.differential[near], step)
    sample, offset, _ = two.reanchor(images.sample[near], offset)
    at = two.lift(two.evaluate(sample, offset))
    sample, offset, _ = second.locate(second.project(at)[0])
    return sample, offset
