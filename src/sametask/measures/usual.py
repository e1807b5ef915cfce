"""The usual measures.

None is maintained as a small library of arrays; what they are made of is (singular values and ranks of SciPy). Each
stands in a few lines with its source.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg
from scipy.stats import rankdata

from sametask._types import Array, Float
from sametask.measures.measure import Change, Measure
from sametask.measures.points import Pairwise, Points, Rows

BANDWIDTH = 0.4
"""Of the RBF kernel, in medians of the distances: the middle one of Kornblith et al."""
VARIANCE = 0.99
"""Share of the variance that SVCCA keeps."""
NEIGHBOURS = 10
"""Of mutual k-NN, as of Huh et al.; no more than a quarter of the samples."""

_ROUNDING = float(np.finfo(float).eps)
_ROTATED = (Change.SHIFT, Change.SCALE, Change.ORDER, Change.ROTATION)

# -- pairs of samples: CKA, RSA, neighbours ---------------------------------------------------------------------------


def _inner(first: Pairwise, second: Pairwise) -> float:
    return float(np.vdot(first.values, second.values))


def _unit(centred: Float[Array, "n n"], before: Float[Array, "n n"]) -> Pairwise:
    """Of unit size; not a number where all pairs are alike but for rounding, and nothing is left."""
    size = linalg.norm(centred)
    alike = size <= len(before) * _ROUNDING * linalg.norm(before)
    return Pairwise(np.full(before.shape, np.nan) if alike else centred / size)


def _centred(kernel: Float[Array, "n n"]) -> Pairwise:
    """H K H of unit size: products of two are CKA (Kornblith et al. 2019, eq. 3 and 4)."""
    rows = kernel.mean(axis=1)
    return _unit(kernel - rows[:, None] - rows + rows.mean(), kernel)


def _debiased(kernel: Float[Array, "n n"]) -> Pairwise:
    """The kernel without its diagonal, centred so that products are unbiased: the estimator of HSIC of Song et al.
    2012 in the form of Székely & Rizzo 2014 (U-centred matrices), used for CKA by Nguyen et al. 2021, eq. 3."""
    n = len(kernel)
    kernel = kernel.copy()
    np.fill_diagonal(kernel, 0)
    rows = kernel.sum(axis=1) / (n - 2)
    centred = kernel - rows[:, None] - rows + rows.sum() / (n - 1)
    np.fill_diagonal(centred, 0)
    return _unit(centred, kernel)


def _rbf(points: Points) -> Float[Array, "n n"]:
    return np.exp(-points.squared / (2 * (BANDWIDTH * points.middle) ** 2))


def _standardised(dissimilarities: Float[Array, "n n"]) -> Pairwise:
    """Products of two are the correlation over all pairs of different samples."""
    n = len(dissimilarities)
    centred = dissimilarities - dissimilarities.sum() / (n * (n - 1))
    np.fill_diagonal(centred, 0)
    return _unit(centred, dissimilarities)


def _linear(points: Points) -> Pairwise:
    return _centred(points.gram)


def _linear_debiased(points: Points) -> Pairwise:
    return _debiased(points.gram)


def _gaussian(points: Points) -> Pairwise:
    return _centred(_rbf(points))


def _gaussian_debiased(points: Points) -> Pairwise:
    return _debiased(_rbf(points))


def _distances(points: Points) -> Pairwise:
    return _standardised(np.sqrt(points.squared))


def _ranks(points: Points) -> Pairwise:
    above = np.triu_indices(len(points), 1)
    ranks = np.zeros(points.squared.shape)
    ranks[above] = rankdata(points.squared[above])
    return _standardised(ranks + ranks.T)


def _near(points: Points) -> Pairwise:
    n = len(points)
    k = max(min(NEIGHBOURS, n // 4), 1)
    squared = points.squared.copy()
    np.fill_diagonal(squared, np.inf)
    near = np.zeros((n, n), bool)
    np.put_along_axis(near, np.argpartition(squared, k - 1, axis=1)[:, :k], True, axis=1)
    return Pairwise(near)


def _shared(first: Pairwise, second: Pairwise) -> float:
    return float(np.count_nonzero(first.values & second.values) / np.count_nonzero(first.values))


# -- subspaces and shapes ----------------------------------------------------------------------------------------------


def _basis(points: Points) -> Rows:
    left, weights, right = points.principal
    return Rows(left, weights[:, None] * right)


def _leading_basis(points: Points) -> Rows:
    left, weights, right = points.principal
    share = np.cumsum(np.square(weights)) / np.square(weights).sum()
    kept = int(np.searchsorted(share, VARIANCE * (1 - points.rounding))) + 1
    return Rows(left[:, :kept], weights[:kept, None] * right[:kept])


def _correlations(first: Rows, second: Rows) -> float:
    """The mean over as many canonical correlations as the narrower has directions."""
    return float(np.mean(np.minimum(linalg.svdvals(first.values.T @ second.values), 1)))


def _weighted(first: Rows, second: Rows) -> float:
    """Canonical correlations weighted by how much of the first's neurons their variates hold."""
    directions, correlations, _ = linalg.svd(first.values.T @ second.values, full_matrices=False)
    weights = np.abs(directions.T @ first.neurons).sum(axis=1)
    return float(weights @ np.minimum(correlations, 1) / weights.sum())


def _shape(points: Points) -> Rows:
    values = points.coordinates / linalg.norm(points.coordinates)
    return Rows(values, np.eye(values.shape[1]))


def _angle(first: Rows, second: Rows) -> float:
    return float(np.arccos(min(np.sum(linalg.svdvals(first.values.T @ second.values)), 1.0)))


# -- what they are called ----------------------------------------------------------------------------------------------

_ANY = (*_ROTATED, Change.LINEAR)

_CKA = "a small one may be lost or folded and it stays near 1; bending coordinates lowers it though nothing is lost"
_RBF = (
    f"Distances in activations rule it (a kernel of {BANDWIDTH:g} medians): stretching lowers it though nothing is "
    "lost, and losing a small direction hardly does"
)
_BIAS = "few samples for many neurons raise it"
_FEWER = "with no more samples than neurons it is 1 whatever they say"

linear_cka = Measure(
    "linear CKA", _linear, _inner, "higher", 1.0, _ROTATED, f"Directions of large variance rule it: {_CKA}; {_BIAS}.",
    "Kornblith et al. 2019, eq. 3 and 4",
)  # fmt: skip
linear_cka_debiased = Measure(
    "linear CKA, debiased", _linear_debiased, _inner, "higher", 1.0, _ROTATED,
    f"Directions of large variance rule it: {_CKA}.",
    "Nguyen et al. 2021, eq. 3; Song et al. 2012",
)  # fmt: skip
rbf_cka = Measure(
    "RBF CKA", _gaussian, _inner, "higher", 1.0, _ROTATED, f"{_RBF}; {_BIAS}.",
    "Kornblith et al. 2019, eq. 3 and 4",
)  # fmt: skip
rbf_cka_debiased = Measure(
    "RBF CKA, debiased", _gaussian_debiased, _inner, "higher", 1.0, _ROTATED, f"{_RBF}.",
    "Nguyen et al. 2021, eq. 3; Song et al. 2012",
)  # fmt: skip
cca = Measure(
    "mean CCA", _basis, _correlations, "higher", 1.0, _ANY,
    f"Linear relations only; the smallest direction counts as much as the largest, noise included; {_FEWER}.",
    "Hotelling 1936; Kornblith et al. 2019, table 1",
)  # fmt: skip
svcca = Measure(
    "SVCCA", _leading_basis, _correlations, "higher", 1.0, _ROTATED,
    f"Linear relations only, and nothing of the last {1 - VARIANCE:.0%} of the variance; {_BIAS}.",
    "Raghu et al. 2017",
)  # fmt: skip
pwcca = Measure(
    "PWCCA", _basis, _weighted, "higher", 1.0, (Change.SHIFT, Change.SCALE, Change.ORDER),
    f"Linear relations only; directions that hold little of the first network's activations hardly count; {_FEWER}.",
    "Morcos et al. 2018", unchanged_second=_ANY,
)  # fmt: skip
procrustes = Measure(
    "Procrustes angle", _shape, _angle, "lower", 0.0, _ROTATED,
    "Only rotations are undone: stretching sets networks apart though nothing is lost, and losing a small direction "
    "hardly does.",
    "Williams et al. 2021, angular distance; Ding et al. 2021",
)  # fmt: skip
rsa_pearson = Measure(
    "RSA, Pearson", _distances, _inner, "higher", 1.0, _ROTATED,
    "Large distances rule it: where a small direction folds or is lost most stay as they are.",
    "Kriegeskorte et al. 2008; Euclidean distances",
)  # fmt: skip
rsa_spearman = Measure(
    "RSA, Spearman", _ranks, _inner, "higher", 1.0, _ROTATED,
    "Most distances are large: where a small direction folds or is lost most keep their order.",
    "Kriegeskorte et al. 2008; Euclidean distances",
)  # fmt: skip
mutual_neighbours = Measure(
    "mutual k-NN", _near, _shared, "higher", 1.0, _ROTATED,
    f"Stretching changes who the {NEIGHBOURS} nearest are though nothing is lost; and how far it falls does not say "
    "which network lost what.",
    "Huh et al. 2024; Euclidean distances",
)  # fmt: skip

USUAL: tuple[Measure, ...] = (
    linear_cka,
    linear_cka_debiased,
    rbf_cka,
    rbf_cka_debiased,
    cca,
    svcca,
    pwcca,
    procrustes,
    rsa_pearson,
    rsa_spearman,
    mutual_neighbours,
)
"""In the order in which they are shown."""
