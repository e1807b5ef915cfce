"""What users know of both sides, as it is read."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask.matching import known

_SIZES = (4, 3)


def kinds(given) -> list[str]:
    return [each.kind for each in known.observables(given, _SIZES)]


def test_floats_are_numbers_and_columns_are_quantities():
    a, b = np.arange(4.0), np.arange(3.0)
    assert kinds((a, b)) == ["numbers"]
    assert kinds((a[:, None], b[:, None])) == ["numbers"]
    assert kinds((np.stack([a, a], 1), np.stack([b, b], 1))) == ["numbers", "numbers"]
    assert kinds([(a, b), (list(a), list(b))]) == ["numbers", "numbers"]
    assert kinds([a, b]) == ["numbers"]
    assert kinds(None) == []


def test_pairs_of_plain_lists():
    assert kinds(([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0])) == ["numbers"]
    assert kinds(([1.5, None, 3.0, 4.0], [1.0, 2.0, float("nan")])) == ["numbers"]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (["x", "y", "x", ""], ["y", "x", "x"]),
        (["x", None, "x", "y"], np.array(["y", "x", "x"])),
        ([True, False, True, True], [False, False, True]),
        ([True, False, None, True], [0, 0, 1]),
        (np.array([3, 1, 3, 1]), np.array([1, 3, 3])),
    ],
)
def test_strings_booleans_and_few_whole_numbers_are_labels(a, b):
    (found,) = known.observables((a, b), _SIZES)
    assert found.kind == "labels"
    told = ~np.isnan(found.first).any(axis=1)
    np.testing.assert_allclose(found.first[told].sum(axis=1), 1)
    assert told.sum() == sum(x not in (None, "") for x in a)


def test_many_whole_numbers_are_numbers():
    a = np.arange(100)
    assert [each.kind for each in known.observables((a, a), (100, 100))] == ["numbers"]
    assert kinds((np.arange(4), np.arange(3.0))) == ["numbers"]


def test_rare_labels_beyond_many_are_not_known():
    a = np.array(["often"] * 50 + [f"rare {k}" for k in range(100)])
    (found,) = known.observables((a, a), (150, 150))
    assert found.first.shape == (150, 64)
    assert not np.isnan(found.first[:50]).any()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.arange(3.0), ["pairs"]),
        ("output", ["pairs"]),
        (([1.0, 2.0], [1.0, 2.0, 3.0]), ["first", "4 samples"]),
        (([1.0, 2.0, 3.0, 4.0], [[1.0, 2.0]] * 3), ["1 and 2 columns"]),
        (([1.0, 2.0, np.inf, 4.0], [1.0, 2.0, 3.0]), ["infinite", "row 2"]),
        (([np.nan] * 4, [1.0, 2.0, 3.0]), ["not known", "first"]),
        ((["a", "b", "a", "b"], [None, "", None]), ["not known", "second"]),
        ((["a", "b", "a", "b"], [1.0, 2.0, 3.0]), ["labels", "numbers"]),
        ((["a", "b", "a", "b"], ["c", "d", "c"]), ["no label in common"]),
        ((["a", None, 3.0, "b"], ["a", "b", "a"]), ["one kind"]),
        (([1j] * 4, [1j] * 3), ["complex"]),
        (([object()] * 4, [1.0, 2.0, 3.0]), ["numbers or labels"]),
    ],
)
def test_observables_that_are_none(given, words):
    with raises_one_line("observables", *words):
        known.observables(given, _SIZES)


def test_sets_and_orders_among_pairs():
    anchors = [(0, 1), st.SameSet([1, 2], [0]), (2, 2), st.SameOrder([3, 0, 1], [2, 0, 1])]
    pairs, (same, order) = known.anchors_of_sets(anchors, _SIZES)
    assert pairs == [(0, 1), (2, 2)]
    np.testing.assert_array_equal(same.first[:, 0], [np.nan, 1, 1, np.nan])
    np.testing.assert_array_equal(same.second[:, 0], [1, np.nan, np.nan])
    np.testing.assert_allclose(order.first[:, 0], [1 / 2, 5 / 6, np.nan, 1 / 6])
    pairs, (alone,) = known.anchors_of_sets(st.SameSet([0], [0]), _SIZES)
    assert pairs == []
    assert alone.kind == "set"
    for plain in ("ids", None, np.zeros((1, 2), int), [(0, 0)]):
        assert known.anchors_of_sets(plain, _SIZES) == (plain, ())


@pytest.mark.parametrize(
    ("rows", "words"),
    [([], ["shape"]), ([0.5], ["float"]), ([-1], ["-1"]), ([1, 1], ["twice"]), ([[1]], ["shape"]), ("rows", ["<U4"])],
)
def test_rows_of_sets_that_are_none(rows, words):
    with raises_one_line("rows_second", *words):
        st.SameSet([0], rows)


def test_two_rows_are_no_order():
    with raises_one_line("rows_first", "at least 3"):
        st.SameOrder([0, 1], [0, 1, 2])


def test_rows_that_do_not_exist():
    with raises_one_line("anchors", "row 3", "SameSet", "second"):
        known.anchors_of_sets([st.SameSet([3], [3])], _SIZES)


def test_values_of_samples_that_share_a_place_are_averaged():
    values = np.array([[1.0], [3.0], [np.nan], [5.0]])
    position = np.array([0, 0, 1, -1])
    np.testing.assert_array_equal(known.on_chart(values, position, 2), [[2.0], [np.nan]])
