"""Each measure against a slow obvious reference, its known values, and what it claims not to see."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import linalg, stats
from scipy.spatial.distance import pdist, squareform
from sklearn.neighbors import NearestNeighbors

import sametask as st
from assertions import raises_one_line
from sametask.measures import USUAL, Change, Measure
from sametask.measures.usual import BANDWIDTH, NEIGHBOURS
from sametask.verdict.function import left_out_errors

_EXACT = 1e-9
_M = st.measures


def _pair(n: int = 40, one: int = 3, two: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Activations that have something in common, off the origin, of unequal spreads."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, one)) * np.arange(1, one + 1) + 5
    y = np.tanh(x @ rng.normal(size=(one, two)) / 4) + 0.1 * rng.normal(size=(n, two)) - 2
    return x, y


# -- references ------------------------------------------------------------------------------------------------------


def _centring(n: int) -> np.ndarray:
    return np.eye(n) - 1 / n


def _hsic(k: np.ndarray, other: np.ndarray) -> float:
    h = _centring(len(k))
    return float(np.trace(k @ h @ other @ h))


def _hsic_unbiased(k: np.ndarray, other: np.ndarray) -> float:
    """Song et al. 2012."""
    n = len(k)
    k, other = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
    ones = np.ones(n)
    told = np.trace(k @ other) + (ones @ k @ ones) * (ones @ other @ ones) / ((n - 1) * (n - 2))
    return float((told - 2 / (n - 2) * ones @ k @ other @ ones) / (n * (n - 3)))


def _alignment(hsic, k: np.ndarray, other: np.ndarray) -> float:
    return hsic(k, other) / np.sqrt(hsic(k, k) * hsic(other, other))


def _rbf(x: np.ndarray) -> np.ndarray:
    return squareform(np.exp(-(pdist(x) ** 2) / (2 * (BANDWIDTH * np.median(pdist(x))) ** 2))) + np.eye(len(x))


def _canonical(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Canonical correlations, and the first's variates, of unit length."""
    x, y = x - x.mean(0), y - y.mean(0)
    across = x.T @ y @ np.linalg.inv(y.T @ y) @ y.T @ x
    squared, vectors = linalg.eigh(across, x.T @ x)
    kept = np.argsort(-squared)[: min(x.shape[1], y.shape[1])]
    variates = x @ vectors[:, kept]
    return np.sqrt(np.clip(squared[kept], 0, 1)), variates / np.linalg.norm(variates, axis=0)


def _svcca(x: np.ndarray, y: np.ndarray) -> float:
    kept = []
    for each in (x - x.mean(0), y - y.mean(0)):
        variance, directions = np.linalg.eigh(each.T @ each)
        variance, directions = variance[::-1], directions[:, ::-1]
        count = next(c for c in range(1, len(variance) + 1) if variance[:c].sum() >= 0.99 * variance.sum())
        kept.append(each @ directions[:, :count])
    return float(_canonical(*kept)[0].mean())


def _pwcca(x: np.ndarray, y: np.ndarray) -> float:
    correlations, variates = _canonical(x, y)
    weights = [sum(abs(variate @ neuron) for neuron in (x - x.mean(0)).T) for variate in variates.T]
    return float(np.average(correlations, weights=weights))


def _procrustes(x: np.ndarray, y: np.ndarray) -> float:
    width = max(x.shape[1], y.shape[1])
    one, two = (np.pad(each - each.mean(0), ((0, 0), (0, width - each.shape[1]))) for each in (x, y))
    one, two = one / np.linalg.norm(one), two / np.linalg.norm(two)
    turn = linalg.orthogonal_procrustes(one, two)[0]
    return float(np.arccos(np.sum((one @ turn) * two)))


def _mutual(x: np.ndarray, y: np.ndarray) -> float:
    k = min(NEIGHBOURS, len(x) // 4)
    near = [NearestNeighbors(n_neighbors=k).fit(each).kneighbors(return_distance=False) for each in (x, y)]
    return float(np.mean([len({*a} & {*b}) / k for a, b in zip(*near, strict=True)]))


REFERENCES = {
    "linear CKA": lambda x, y: _alignment(_hsic, x @ x.T, y @ y.T),
    "linear CKA, debiased": lambda x, y: _alignment(_hsic_unbiased, x @ x.T, y @ y.T),
    "RBF CKA": lambda x, y: _alignment(_hsic, _rbf(x), _rbf(y)),
    "RBF CKA, debiased": lambda x, y: _alignment(_hsic_unbiased, _rbf(x), _rbf(y)),
    "mean CCA": lambda x, y: _canonical(x, y)[0].mean(),
    "SVCCA": _svcca,
    "PWCCA": _pwcca,
    "Procrustes angle": _procrustes,
    "RSA, Pearson": lambda x, y: stats.pearsonr(pdist(x), pdist(y)).statistic,
    "RSA, Spearman": lambda x, y: stats.spearmanr(pdist(x), pdist(y)).statistic,
    "mutual k-NN": _mutual,
}
each_measure = pytest.mark.parametrize("measure", USUAL, ids=lambda measure: measure.name)


@each_measure
@pytest.mark.parametrize("widths", [(3, 4), (6, 2)])
def test_as_its_definition_says(measure: Measure, widths: tuple[int, int]) -> None:
    x, y = _pair(one=widths[0], two=widths[1])
    assert measure(x, y) == pytest.approx(REFERENCES[measure.name](x, y), abs=_EXACT)


def test_debiased_products_are_the_u_statistic() -> None:
    """The mean over quadruples of different samples, of which the estimator is a closed form."""
    x, y = _pair(n=7)
    n, (k, other) = len(x), (x @ x.T, y @ y.T)
    total = sum(
        k[i, j] * (other[i, j] + other[q, r] - 2 * other[i, q]) for i, j, q, r in itertools.permutations(range(n), 4)
    )
    assert total / (n * (n - 1) * (n - 2) * (n - 3)) == pytest.approx(_hsic_unbiased(k, other))


def test_linear_cka_is_what_features_say() -> None:
    """The cheaper form of Kornblith et al.: no kernels."""
    x, y = (each - each.mean(0) for each in _pair())
    features = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert _M.linear_cka(x, y) == pytest.approx(features)


# -- known values ----------------------------------------------------------------------------------------------------


@each_measure
def test_a_network_is_identical_to_itself(measure: Measure) -> None:
    x, _ = _pair()
    assert measure(x, x) == pytest.approx(measure.identical, abs=1e-6)  # an angle is known to the root of rounding


@each_measure
def test_unlike_networks_are_farther_than_like_ones(measure: Measure) -> None:
    x, y = _pair()
    like, unlike = measure(x, y), measure(x, np.random.default_rng(1).permutation(y))
    assert (like > unlike) == (measure.closer == "higher")
    assert abs(like - measure.identical) < abs(unlike - measure.identical)


@pytest.mark.parametrize("debiased", [_M.linear_cka_debiased, _M.rbf_cka_debiased], ids=lambda each: each.name)
def test_independent_networks_have_none_in_common_however_wide(debiased: Measure) -> None:
    rngs = [np.random.default_rng([7, k]) for k in range(40)]
    draws = [debiased(rng.normal(size=(30, 60)), rng.normal(size=(30, 60))) for rng in rngs]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / np.sqrt(len(draws))
    biased = _M.linear_cka(rngs[0].normal(size=(30, 60)), rngs[1].normal(size=(30, 60)))
    assert biased > 0.5  # the opposite: what the bias of few samples makes of the same


@pytest.mark.parametrize("measure", [_M.cca, _M.pwcca], ids=lambda each: each.name)
def test_noise_is_the_same_as_noise_where_neurons_outnumber_samples(measure: Measure) -> None:
    rng = np.random.default_rng(0)
    assert measure(rng.normal(size=(20, 30)), rng.normal(size=(20, 25))) == pytest.approx(1.0)
    assert measure(rng.normal(size=(2000, 5)), rng.normal(size=(2000, 5))) < 0.1
    shown = st.similarity(rng.normal(size=(20, 30)), rng.normal(size=(20, 25)))[measure.name]
    assert not shown.tells
    assert shown.chance == pytest.approx(1.0)


def test_leading_directions_are_all_that_svcca_sees() -> None:
    """A direction of a thousandth of the variance has nothing in common: mean CCA says so, SVCCA does not see it."""
    rng = np.random.default_rng(0)
    large = rng.normal(size=(500, 2))
    x, y = (np.hstack([large, 0.03 * rng.normal(size=(500, 1))]) for _ in range(2))
    assert _M.svcca(x, y) == pytest.approx(1.0, abs=1e-2)
    assert _M.cca(x, y) < 0.75


def _missed(source: np.ndarray, target: np.ndarray, dimension: int) -> float:
    """The error of the target as a function of the source, of its spread."""
    return float(np.sqrt(np.mean(np.square(left_out_errors(source, target, dimension, np.arange(len(source)))))))


def test_a_fold_that_cka_does_not_see_is_no_function() -> None:
    """The large input stays, the small one is folded: CKA is near 1, and one direction is lost for good."""
    x = np.random.default_rng(4).uniform(-1, 1, (1000, 2)) * [1.0, 0.2]
    folded = x ** [1, 2]
    assert _M.linear_cka_debiased(x, folded) > 0.99
    assert _missed(x, folded, 2) < 0.03
    assert _missed(folded, x[:, 1:], 2) > 0.9
    assert _M.mutual_neighbours(x, folded) < 0.7  # neighbours notice


def test_coordinates_that_cka_does_not_see_through_lose_nothing() -> None:
    """An interval, and the same wound up: CKA is near 0, and each is a function of the other."""
    x = np.random.default_rng(4).uniform(0, 1, (1000, 1))
    wound = np.hstack([np.cos(19 * x), np.sin(19 * x), 0.6 * x])
    assert _M.linear_cka_debiased(x, wound) < 0.15
    assert _missed(x, wound, 1) < 0.03
    assert _missed(wound, x, 1) < 0.03


# -- what does not change them, and what does ------------------------------------------------------------------------


def _changed(x: np.ndarray, change: Change) -> np.ndarray:
    rng = np.random.default_rng(3)
    m = x.shape[1]
    if change is Change.SHIFT:
        return x + rng.normal(size=m)
    if change is Change.SCALE:
        return 7 * x
    if change is Change.ORDER:
        return x[:, rng.permutation(m)]
    turn = np.linalg.qr(rng.normal(size=(m, m)))[0]
    return x @ turn if change is Change.ROTATION else x @ turn @ np.diag(np.geomspace(1, 30, m)) @ turn


@each_measure
@pytest.mark.parametrize("change", Change, ids=lambda change: change.value)
@pytest.mark.parametrize("which", ["first", "second"])
def test_what_it_does_not_see_and_what_it_does(measure: Measure, change: Change, which: str) -> None:
    x, y = _pair()
    changed = measure(_changed(x, change), y) if which == "first" else measure(x, _changed(y, change))
    claimed = measure.unchanged if which == "first" or measure.symmetric else measure.unchanged_second
    moved = abs(changed - measure(x, y))
    assert moved < 1e-7 if change in claimed else moved > 1e-3


@each_measure
def test_networks_are_treated_alike_or_it_is_said(measure: Measure) -> None:
    x, y = _pair()
    assert (abs(measure(x, y) - measure(y, x)) < _EXACT) == measure.symmetric


# -- odd shapes ------------------------------------------------------------------------------------------------------


@each_measure
def test_constant_neurons_say_nothing(measure: Measure) -> None:
    x, y = _pair()
    dead = np.hstack([np.full((len(x), 1), 3.0), x, np.zeros((len(x), 1))])
    assert measure(dead, y) == pytest.approx(measure(x, y), abs=1e-7)


@each_measure
def test_wide_activations_are_those_of_their_principal_directions(measure: Measure) -> None:
    """200 neurons that are linear functions of 3: the same up to a rotation, of which PWCCA sees the first's."""
    x, y = _pair()
    isometry = np.linalg.qr(np.random.default_rng(5).normal(size=(200, 4)))[0].T
    assert measure(x, y @ isometry) == pytest.approx(measure(x, y), abs=1e-7)


@each_measure
def test_single_precision_is_enough(measure: Measure) -> None:
    x, y = _pair()
    assert measure(x.astype(np.float32), y.astype(np.float32)) == pytest.approx(measure(x, y), abs=1e-4)


@each_measure
def test_a_single_neuron_and_repeated_samples_are_no_trouble(measure: Measure) -> None:
    x, y = _pair()
    assert np.isfinite(measure(x[:, :1], y))
    many = np.repeat(np.arange(10), 4)  # most pairs far apart, some at the same place
    assert np.isfinite(measure(x[many], y))
    mostly = np.where(np.arange(40) < 33, 0, np.arange(40))  # most pairs at the same place
    assert np.isfinite(measure(x[mostly], y))


def test_corners_of_a_simplex_are_all_as_far_apart() -> None:
    _, y = _pair(n=6)
    for measure in (_M.rsa_pearson, _M.rsa_spearman, _M.linear_cka_debiased, _M.rbf_cka_debiased):
        assert np.isnan(measure(np.eye(6), y)), measure


@pytest.mark.parametrize("size", [1e-200, 1e200], ids=["tiny", "huge"])
def test_units_do_not_matter_however_odd(size: float) -> None:
    x, y = _pair()
    for measure in USUAL:
        assert measure(size * x, y) == pytest.approx(measure(x, y), abs=1e-7), measure


def test_mistakes_are_told_in_one_line() -> None:
    x, y = _pair()
    with raises_one_line("first", "NaN", "(7)"):
        _M.linear_cka(np.where(np.arange(40)[:, None] == 7, np.nan, x), y)
    with raises_one_line("second", "39 rows", "40"):
        _M.cca(x, y[1:])
    with raises_one_line("first", "x[:, None]"):
        _M.cca(x[:, 0], y)
    with raises_one_line("second", "all rows are the same"):
        _M.procrustes(x, np.full((40, 2), 0.1))
    with raises_one_line("first", "3 rows", "at least 4"):
        _M.procrustes(x[:3], y[:3])
