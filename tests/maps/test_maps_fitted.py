"""Fitted maps: right on functions of their own kind, honest about their errors, the same after they were saved."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask.maps import candidates
from sametask.maps.chain import Chain
from sametask.maps.fitted import FittedMap, Support
from sametask.maps.predictors import kernel_and_derivatives
from sametask.maps.selection import Split, held_out
from sametask.transformation import Transformation


def _source(n: int = 200, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(n, 2)) @ np.random.default_rng(9).normal(size=(2, 5)))


def _fitted(name: str, target, n: int = 300) -> FittedMap:
    a = _source(n)
    b = target(a)
    candidate = {"smooth": candidates.smooth(a, candidates.Scales(True, 0.3, 1e-6))}.get(name)
    candidate = candidate or next(each for each in candidates.simple(a, b) if each.name == name)
    errors, known = held_out(candidate, a, b, Split.of(np.arange(n), 0))
    assert known.all()
    support = Support.of(a, b, np.linalg.norm(errors, axis=1), np.arange(n))
    return FittedMap(name, candidate.fit(a, b), support, b.shape[1])


_TURN = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
_TARGETS = {
    "identity": lambda a: a,
    "permutation": lambda a: a[:, [3, 1, 4, 0, 2]] * [1, -2, 1e3, 1e-3, 5] + 7,
    "rotation": lambda a: 3 * a @ _TURN - 1,
    "linear": lambda a: a @ np.random.default_rng(2).normal(size=(5, 3)),
    "smooth": lambda a: np.sin(3 * a[:, :2]) + a[:, 2:4] ** 2,
}


@pytest.mark.parametrize("name", _TARGETS)
def test_a_map_of_the_right_kind_is_exact_on_new_rows(name):
    way = _fitted(name, _TARGETS[name])
    fresh = _source(500, 1)
    said = way(fresh)
    spread = np.sqrt(_TARGETS[name](fresh).var(axis=0).sum())
    missed = np.sqrt(np.square(said.value - _TARGETS[name](fresh)).sum(axis=1).mean())
    assert missed < (0.05 if name == "smooth" else 1e-6) * spread
    assert said.inside.mean() > 0.9


@pytest.mark.parametrize("widths", [(40, 3), (3, 40), (40, 50)])
def test_wider_than_long_is_no_trouble(widths):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(30, 2))
    a, b = (np.tanh(x @ rng.normal(size=(2, m))) for m in widths)
    for candidate in [*candidates.simple(a, b), candidates.smooth(a, candidates.Scales(True, 0.3, 1e-6))]:
        errors, _ = held_out(candidate, a, b, Split.of(np.arange(30), 0))
        assert np.isfinite(errors).all()
    # all of the rows in few directions: nothing is lost
    linear = candidates.linear(a, b)
    assert np.sqrt(np.square(linear(a) - b).mean()) < 0.3 * b.std()


def test_expected_errors_are_those_of_new_rows_and_grow_outside():
    noise = np.random.default_rng(4)
    way = _fitted("linear", lambda a: _TARGETS["linear"](a) + 0.1 * noise.normal(size=(len(a), 3)), 600)
    fresh = _source(2000, 5)
    said = way(fresh)
    missed = np.linalg.norm(said.value - _TARGETS["linear"](fresh) - 0.1 * noise.normal(size=(2000, 3)), axis=1)
    assert np.sqrt(np.square(said.uncertainty).mean()) == pytest.approx(np.sqrt(np.square(missed).mean()), rel=0.15)
    far = way(fresh + 10)
    assert not far.inside.any()
    assert far.uncertainty.min() > 10 * np.median(said.uncertainty)


@pytest.mark.parametrize("name", _TARGETS)
def test_the_same_after_it_was_saved(name, tmp_path):
    way = _fitted(name, _TARGETS[name])
    names = tuple(f"n{k}" for k in range(5)), tuple(f"m{k}" for k in range(way.outputs))
    whole = Transformation(way, None, ("a", "b"), names)
    whole.save(tmp_path / "t.npz")
    again = st.Transformation.load(tmp_path / "t.npz")
    fresh = _source(50, 6)
    for field in ("value", "uncertainty", "inside", "residuals"):
        one, two = (getattr(each.forward(fresh), field) for each in (whole, again))
        assert np.array_equal(one, two)
    with raises_one_line("backward", "does not determine"):
        again.backward(fresh)


def test_maps_of_any_kind_follow_one_another(tmp_path):
    first, second = _fitted("rotation", _TARGETS["rotation"]), _fitted("identity", _TARGETS["identity"])
    names = tuple(f"n{k}" for k in range(5))
    one = Transformation(first, None, ("a", "b"), (names, names))
    both = one.then(Transformation(second, None, ("b", "c"), (names, names)))
    assert isinstance(both.there, Chain)
    assert both.there.kind == "rotation then identity"
    fresh = _source(20, 7)
    assert both.forward(fresh).value == pytest.approx(_TARGETS["rotation"](fresh), abs=1e-6)
    both.save(tmp_path / "t.npz")
    again = st.Transformation.load(tmp_path / "t.npz")
    assert np.array_equal(again.forward(fresh).value, both.forward(fresh).value)


@pytest.mark.parametrize("damage", ["map_columns", "support_reach", "kind", "map_width", "support_basis"])
def test_files_that_do_not_fit_are_refused(damage, tmp_path):
    way = _fitted("permutation", _TARGETS["permutation"])
    names = tuple(f"n{k}" for k in range(5))
    Transformation(way, None, ("a", "b"), (names, names)).save(tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as stored:
        arrays = dict(stored)
    name = f"there_{damage}"
    arrays[name] = {"map_columns": arrays[name] + 9 if damage == "map_columns" else None}.get(damage, -arrays[name] - 1)
    if damage == "support_basis":
        arrays[name] = np.ones((2, 1))
    np.savez(tmp_path / "t.npz", **arrays)
    with raises_one_line("path", "not a saved transformation"):
        st.Transformation.load(tmp_path / "t.npz")


@pytest.mark.parametrize("even", [True, False])
def test_one_decomposition_predicts_as_a_fit_for_each_penalty(even):
    a = _source(120)
    b = np.sin(3 * a[:, :3])
    seen, held = np.arange(90), np.arange(90, 120)
    for penalty, said in zip(
        candidates.PENALTIES, candidates.smooth_path(a, b, 0.3, seen, held, even=even), strict=True
    ):
        fitted = candidates.smooth(a, candidates.Scales(even, 0.3, penalty)).fitted(a, b, seen)
        apart = np.abs(said - fitted(a[held]))
        # of less than rounding is left of the kernel's smallest values what either way makes of it
        assert apart.max() < 1e-5 if penalty >= 1e-9 else np.median(apart) < 1e-3


def test_derivatives_of_kernels_are_those_of_differences():
    rng = np.random.default_rng(0)
    z, points, tangents, step = rng.normal(size=(7, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 2, 4)), 1e-6
    kernel, along = kernel_and_derivatives(z, points, tangents, 0.3)
    for k in range(2):
        moved = [kernel_and_derivatives(z, points + s * step * tangents[:, k], tangents, 0.3)[0] for s in (1, -1)]
        np.testing.assert_allclose(along[:, :, k] * np.sqrt(0.6), (moved[0] - moved[1]) / (2 * step), atol=1e-8)
    assert kernel.shape == (7, 5)


def test_values_and_derivatives_say_more_than_values():
    """A plane's worth of rows in five neurons; the map interpolates both, and misses far less in between."""
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 5)), rng.normal(size=(2, 3))
    x = rng.uniform(-1, 1, (560, 2))
    a, b = np.sin(x @ first), np.cos(x @ second + 1)
    j1 = np.cos(x @ first)[:, :, None] * first.T
    j2 = -np.sin(x @ second + 1)[:, :, None] * second.T
    left, gains, right = np.linalg.svd(j1, full_matrices=False)
    known = candidates.Derivatives(np.swapaxes(left, 1, 2), np.einsum("nmD,nkD->nkm", j2, right) / gains[:, :, None])
    rows, new = np.arange(60), np.arange(60, 560)
    for width, penalty in ((0.1, 1e-10), (0.3, 1e-12)):
        by_both = candidates.hermite(a, width, penalty, known).fitted(a, b, rows)
        by_values = candidates.smooth(a, candidates.Scales(True, width, penalty)).fitted(a, b, rows)
        np.testing.assert_allclose(by_both(a[rows]), b[rows], atol=1e-5)
        missed = [np.sqrt(np.square(way(a[new]) - b[new]).mean()) for way in (by_both, by_values)]
        assert missed[0] < 0.2 * missed[1]
        # its own derivative, by differences
        step = 1e-5 * known.steps[rows, 1]
        slope = (by_both(a[rows] + step) - by_both(a[rows] - step)) / 2e-5
        np.testing.assert_allclose(slope, known.changes[rows, 1], atol=1e-4)


def test_errors_of_new_rows_are_within_the_radius_as_often_as_asked(tmp_path):
    """Smooth functions with noise, 20 draws of 100 rows: coverage, its mean, and its scatter as a Beta variable."""
    rows, levels, covered = 100, (0.5, 0.9), []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        a, new = (np.tanh(rng.normal(size=(n, 3)) @ np.random.default_rng(1).normal(size=(3, 6))) for n in (rows, 1000))
        b, true = (np.sin(each[:, :4]) + 0.1 * rng.normal(size=(len(each), 4)) for each in (a, new))
        candidate = candidates.smooth(a, candidates.Scales(True, 0.1, 1e-3))
        errors, _ = held_out(candidate, a, b, Split.of(np.arange(rows), seed))
        support = Support.of(a, b, np.linalg.norm(errors, axis=1), np.arange(rows))
        said = FittedMap("smooth", candidate.fit(a, b), support, 4)(new)
        missed = np.linalg.norm(said.value - true, axis=1)
        covered.append([np.mean(missed <= said.radius(level)) for level in levels])
    for level, share in zip(levels, np.array(covered).T, strict=True):
        deviation = np.sqrt(level * (1 - level) / rows)
        assert level - deviation < share.mean() < level + 3 * deviation  # maps of all rows miss less than held-out ones
        assert share.std() < 1.5 * deviation


def test_too_few_residuals_have_no_radius_at_a_high_level():
    way = _fitted("linear", _TARGETS["linear"], 12)
    said = way(_source(5, 3))
    assert said.radius(0.9).shape == (5,)
    with raises_one_line("level", "0.95", "12 independent residuals", "0.923"):
        said.radius(0.95)
    for level in (0, 1, 2, np.nan, "high"):
        with raises_one_line("level"):
            said.radius(level)


def test_maps_by_geometry_have_no_residuals():
    x = np.random.default_rng(0).uniform(0, 1, (300, 2))
    one, two = (np.random.default_rng(seed).normal(size=(2, 5)) for seed in (1, 2))
    step = st.CentralDifference()
    p, q = (st.probe(st.from_callable(lambda x, w=w: np.tanh(x @ w)), x, step) for w in (one, two))
    v = st.compare(p, q, anchors=[[k, k] for k in range(6)])
    with raises_one_line("level", "no held-out errors"):
        v.transformation.forward(p).radius(0.9)
