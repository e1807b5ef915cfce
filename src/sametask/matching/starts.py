"""Starts of a match without correspondences, from eigenfunctions: signs of simple ones, turns of blocks."""

from __future__ import annotations

import itertools

import numpy as np
import scipy.linalg
from scipy.stats import ortho_group

from sametask._types import Array, Int
from sametask.charts.chart import Chart
from sametask.matching import spectral
from sametask.matching.outlines import Outline
from sametask.matching.spectral import Eigenfunctions

_MOST_SIGNED = 4
_DRAWN = 24


def spectral_starts(
    first: Chart, second: Chart, one: Outline, two: Outline, rng: np.random.Generator
) -> tuple[Int[Array, " l"], ...]:
    """Points of the second outline for those of the first, from alignments of the leading eigenfunctions.

    Simple eigenvalues leave a sign each: all combinations are tried. Blocks leave a rotation: rotations are drawn. Each
    is grown as a functional map.
    """
    groups = spectral.shared_blocks(first, second)
    there, here = (
        Eigenfunctions(each.functions[of.rows], each.stationary[of.rows], each.dimension)
        for each, of in ((first, one), (second, two))
    )
    return tuple(spectral.grow(there, here, start, groups).nearest for start in _starts(groups, rng))


def _starts(groups: tuple[tuple[int, ...], ...], rng: np.random.Generator) -> list[Array]:
    """Orthogonal maps between the leading eigenfunctions: signs, and turns of the first block that can turn.

    What later blocks are turned by follows when the map grows.
    """
    choices: list[list[Array]] = []
    for group in groups:
        size = len(group)
        if size == 1:
            choices.append([np.eye(1), -np.eye(1)])
        else:
            count = max(2, _DRAWN // 2 ** len(choices))
            # simple eigenvalues too close to tell apart keep or swap their functions
            turns = _signed_permutations(2) if size == 2 else []
            choices.append([*turns, *ortho_group.rvs(size, size=count, random_state=rng)])
            break
        if len(choices) >= _MOST_SIGNED:
            break
    return [np.asarray(scipy.linalg.block_diag(*parts)) for parts in itertools.product(*choices)]


def _signed_permutations(size: int) -> list[Array]:
    signs = itertools.product((1.0, -1.0), repeat=size)
    return [np.diag(sign)[list(order)] for sign in signs for order in itertools.permutations(range(size))]
