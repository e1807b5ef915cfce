"""With correspondences: is one network's activation a function of the other's?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from sametask._types import Array, Float, Int
from sametask.numerics import kriging
from sametask.numerics.manifold import SampledManifold

_MOST = 500
"""Rows that are predicted; all others may serve to predict them."""
_SPLITS = 2
"""Ways in which neurons are divided into those predicted from and those predicted."""
_QUIET = 0.03
"""Neurons of less spread, as a share of what is usual, are not taken for as much as others."""
LEAST_ERROR = 3e-3
"""Of no account, even where data without noise would show less."""
ARITHMETIC = 1e-4
"""Errors of less are those of arithmetic and of interpolation; how they fall tells nothing."""
FALLS = 0.5
"""Errors of smooth functions at least halve where samples double, in up to three dimensions."""


@dataclass(frozen=True)
class Missed:
    """What is missed where a target is predicted from a source, each row left out in turn.

    Attributes:
        errors: (p,) lengths of the errors, relative to the root mean square spread of the target.
        sparse: (q,) the same where half of the samples are there to predict from; the very same where errors are those
            of arithmetic.
        rows: (p,) the rows predicted.
    """

    errors: Float[Array, " p"]
    sparse: Float[Array, " q"]
    rows: Int[Array, " p"]

    def scaled(self, factor: float) -> Missed:
        """The same relative to a spread that is larger."""
        return Missed(self.errors * factor, self.sparse * factor, self.rows)

    @property
    def level(self) -> float:
        """Root mean square error."""
        return float(np.sqrt(np.mean(np.square(self.errors))))

    @property
    def typical(self) -> float:
        """Twice the median error: about the level where all rows miss alike, as by noise, and far less where a few
        miss by much."""
        return float(2 * np.median(self.errors))

    @property
    def fall(self) -> float:
        """Error over that with half of the samples: below 1 where more samples tell more, about 1 where they do not."""
        sparse = float(np.sqrt(np.mean(np.square(self.sparse))))
        return self.level / max(sparse, np.finfo(float).tiny)


def even(values: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """Activations in units of how much each neuron varies: units of neurons are nobody's choice.

    Neurons that vary far less than most count as little as noise of theirs could.
    """
    spread = values.std(axis=0)
    least = _QUIET * np.sqrt(np.mean(np.square(spread)))
    return (values - values.mean(axis=0)) / np.maximum(np.hypot(spread, least), np.finfo(float).tiny)


def missed(
    source: Float[Array, "n m1"], target: Float[Array, "n m2"], dimension: int, rng: np.random.Generator
) -> Missed:
    """How far the target is from being a function of the source, tested on rows that are left out.

    Each row is predicted by kriging from its neighbours in the source. Where the source folds or has lost a direction,
    neighbours in the source are not neighbours in the target: the error is of the size of what was lost, and more
    samples do not lessen it. Functions are told to within 10⁻⁵ to 10⁻² of their spread, and better with more.

    Args:
        source: activations predicted from.
        target: activations predicted.
        dimension: the larger intrinsic dimension of the two.
        rng: of the rows that are predicted, and of the half.
    """
    n = len(source)
    half = np.sort(rng.permutation(n)[: n // 2])
    rows = some(n, rng)
    errors = left_out_errors(source, target, dimension, rows)
    if np.mean(np.square(errors)) < ARITHMETIC**2:
        return Missed(errors, errors, rows)
    return Missed(errors, left_out_errors(source[half], target[half], dimension, some(len(half), rng)), rows)


def left_out_errors(
    source: Float[Array, "n m1"], target: Float[Array, "n m2"], dimension: int, rows: Int[Array, " p"]
) -> Float[Array, " p"]:
    """Errors of the target's ``rows`` predicted from their neighbours in the source, themselves left out.

    Returns:
        (p,) lengths of the errors, relative to the root mean square spread of the target.
    """
    k = min(kriging.neighbours_for(dimension), len(source) - 1)
    near = _others(np.asarray(KDTree(source).query(source[rows], k + 1)[1]), rows)
    wrong = kriging.left_out(source, target, near, rows)
    spread = np.sqrt(np.mean(np.square(target - target.mean(axis=0)).sum(axis=1)))
    return np.linalg.norm(wrong, axis=1) / max(spread, np.finfo(float).tiny)


def determines(
    source: Float[Array, "n m1"],
    target: Float[Array, "n m2"],
    dimension: int,
    known: Missed,
    rng: np.random.Generator,
) -> bool:
    """Whether the error is nearer to that of functions known to hold than to that of shuffled rows, or falls with more
    samples as theirs does."""
    seen = missed(source, target, dimension, rng)
    shuffled = left_out_errors(source, target[rng.permutation(len(target))], dimension, some(len(target), rng))
    null = np.sqrt(np.mean(np.square(shuffled)))
    if seen.level <= np.sqrt(max(LEAST_ERROR, known.level) * null):
        return True
    # next to nothing errors are those of arithmetic, and fall no more
    falls = known.fall if known.level > ARITHMETIC else FALLS
    return bool(seen.fall < np.sqrt(min(falls, 1.0)))


def known_to_hold(
    values: Float[Array, "n m"], dimension: int, rng: np.random.Generator, *, fewest: bool = False
) -> Missed:
    """The same for functions that are known to hold: some of a network's neurons, as many as embed, and the others.

    Noise is in both, as it is between networks. Where neurons are hardly more than dimensions, functions of them are
    taken that bend as much as sines over one standard deviation of each.

    Args:
        values: activations.
        dimension: intrinsic dimension d.
        rng: of the neurons, and of the rows.
        fewest: no more neurons than the 2d + 1 that embed, rather than half of them.
    """
    m = values.shape[1]
    embedding = min(2 * dimension + 1, m - 1)
    enough = embedding if fewest else max(m // 2, embedding)
    if enough < dimension + 1:
        spread = values.std(axis=0)
        scaled = (values - values.mean(axis=0)) / np.maximum(spread, np.finfo(float).tiny)
        # what hardly moves the network counts as little here
        bent = np.concatenate([spread * np.sin(scaled), spread * np.cos(scaled)], axis=1)
        return missed(values, bent, dimension, rng)
    orders = [rng.permutation(m) for _ in range(_SPLITS)]
    shown = []
    for order in orders:
        told, asked = order[:enough], order[enough:]
        # what is missed of neurons that vary little is little of the whole
        share = np.sqrt(np.mean(values[:, asked].var(axis=0)) / max(np.mean(values.var(axis=0)), np.finfo(float).tiny))
        shown.append(missed(values[:, told], values[:, asked], dimension, rng).scaled(min(float(share), 1.0)))
    # neurons may be drawn that fold by themselves; the better draw embeds
    return min(shown, key=lambda each: each.typical)


def step(source: SampledManifold, target: SampledManifold) -> float:
    """How far the target moves between neighbouring samples, by its local metric, relative to its spread.

    How far samples are apart is told by the source.
    """
    rows = np.arange(len(source.activations))
    near = _others(np.asarray(source.tree.query(source.activations, 2)[1]), rows)[:, 0]
    apart = np.linalg.norm(source.step(rows, source.activations[near] - source.activations), axis=1)
    gain = np.sqrt(np.mean(np.square(target.metric.gains), axis=1))
    spread = np.sqrt(np.mean(np.square(target.activations - target.activations.mean(axis=0)).sum(axis=1)))
    return float(np.median(gain) * np.median(apart) / max(spread, np.finfo(float).tiny))


def some(n: int, rng: np.random.Generator) -> Int[Array, " p"]:
    """Rows to predict, all of them where they are few."""
    return np.sort(rng.permutation(n)[:_MOST])


def _others(near: Int[Array, "p k"], rows: Int[Array, " p"]) -> Array:
    """Neighbours without the row itself, which duplicates may have pushed from first place."""
    own = near == rows[:, None]
    own[~own.any(axis=1), -1] = True
    return near[~own].reshape(len(near), -1)
