"""Candidate alignments when no correspondence is known."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.stats import ortho_group

from sametask._types import Array
from sametask.charts.chart import Chart
from sametask.matching import spectral
from sametask.matching.isometric import Images
from sametask.matching.spectral import SpectralAlignment

_MOST_SIGNED = 4
_DRAWN = 24
_SAME = 0.9


@dataclass(frozen=True)
class Candidate:
    """One way in which two charts could belong together.

    Attributes:
        alignment: of the eigenfunctions.
        images: refined places.
        score: lower is better; comparable between candidates of one pair only.
    """

    alignment: SpectralAlignment
    images: Images
    score: float


def candidates(
    first: Chart, second: Chart, groups: tuple[tuple[int, ...], ...], rng: np.random.Generator
) -> tuple[SpectralAlignment, ...]:
    """Grown alignments, best first, one for each different map found.

    Simple eigenvalues leave a sign each: all combinations are tried. Blocks leave a rotation: rotations are drawn.
    """
    grown = [spectral.grow(first, second, start, groups) for start in _starts(groups, rng)]
    grown.sort(key=lambda alignment: alignment.distance)
    size = spectral.leading_size(groups, first.dimension)
    found: list[SpectralAlignment] = []
    for alignment in grown:
        if not any(_same(alignment, other, first, size) for other in found):
            found.append(alignment)
    return tuple(found)


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


def _same(a: SpectralAlignment, b: SpectralAlignment, first: Chart, most: int) -> bool:
    """Whether two alignments send the samples to nearly the same places, by ``most`` leading eigenfunctions."""
    size = min(a.size, b.size, most)
    x, y = (first.functions[:, :size] @ alignment.rotation[:size, :size] for alignment in (a, b))
    return float(np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y))) > _SAME
