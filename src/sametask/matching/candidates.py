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
    found: list[SpectralAlignment] = []
    for start in _starts(groups, rng):
        grown = spectral.grow(first, second, start, groups)
        if not any(_same(grown, other, first) for other in found):
            found.append(grown)
    return tuple(sorted(found, key=lambda alignment: alignment.distance))


def _starts(groups: tuple[tuple[int, ...], ...], rng: np.random.Generator) -> list[Array]:
    taken: list[int] = []
    for group in groups:
        taken.append(len(group))
        if sum(taken) >= _MOST_SIGNED or len(group) > 3:
            break
    choices: list[list[Array]] = []
    for size in taken:
        if size == 1:
            choices.append([np.eye(1), -np.eye(1)])
        else:
            count = max(2, _DRAWN // 2 ** (len(taken) - 1))
            choices.append(list(ortho_group.rvs(size, size=count, random_state=rng)))
    return [np.asarray(scipy.linalg.block_diag(*parts)) for parts in itertools.product(*choices)]


def _same(a: SpectralAlignment, b: SpectralAlignment, first: Chart) -> bool:
    """Whether two alignments send the samples to nearly the same places."""
    size = min(a.size, b.size)
    x, y = (first.functions[:, :size] @ alignment.rotation[:size, :size] for alignment in (a, b))
    return float(np.sum(x * y) / np.sqrt(np.sum(x * x) * np.sum(y * y))) > _SAME
