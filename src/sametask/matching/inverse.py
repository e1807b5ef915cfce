"""The way back of a match, and the way on from one match to the next."""

from __future__ import annotations

import dataclasses

import numpy as np

from sametask._types import Array
from sametask.charts.chart import Chart
from sametask.matching import isometric
from sametask.matching.isometric import Images
from sametask.numerics.manifold import SampledManifold


def composed(there: Images, on: Images, target: SampledManifold) -> tuple[Array, Array]:
    """Places of one network's samples on a third one's manifold: ``there`` on a second, and ``on`` from that.

    Args:
        there: places of the first's samples on the second's manifold.
        on: places of the second's samples on the third's.
        target: the third.
    """
    offset = on.offset[there.sample] + np.einsum("pde,pe->pd", on.differential[there.sample], there.offset)
    sample, offset, _ = target.reanchor(on.sample[there.sample], offset)
    return sample, offset


def invert(images: Images, first: Chart, second: Chart) -> Images:
    """Places of the second network's samples on the first's manifold, from places of the first's on the second's."""
    one, two = first.manifold, second.manifold
    kept = np.flatnonzero(images.strain < 1)
    kept = kept if len(kept) else np.arange(len(images.strain))
    at, metric = two.evaluate(images.sample[kept], images.offset[kept]), two.metric.take(images.sample[kept])
    near = kept[SampledManifold(at, metric).nearest(two.activations)]
    # the step from the image of sample `near` to each sample of the second manifold, in the frame at the image
    j = np.arange(len(two.activations))
    step, transport = two.displacement(images.sample[near], j)
    inverse = np.linalg.pinv(images.differential[near])
    offset = np.einsum("pde,pe->pd", inverse, step - images.offset[near])
    sample, offset, turn = one.reanchor(near, offset)
    differential = turn @ inverse @ transport
    sample, offset, differential, strain = isometric.mend(one, second.edges, sample, offset, differential)
    return dataclasses.replace(
        images,
        sample=sample,
        offset=offset,
        differential=differential,
        strain=strain,
        deviation=images.deviation[near],
        anchor_influence=images.anchor_influence[near],
    )
