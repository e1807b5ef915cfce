"""The gate for user input: what passes, what is refused, and in which words."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from assertions import as_users_run_it, raises_one_line
from sametask import _check
from sametask._outcome import Finding, Severity

PAIR = "(n samples, m neurons)"


class Stubborn:
    """An array of another framework that will not convert."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.\nUse tensor.detach().numpy() instead.")


def test_arrays_keep_single_and_double_precision_and_convert_the_rest() -> None:
    for given, kept in [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.float16, np.float64),
        (np.int8, np.float64),
        (bool, np.float64),
        (">f4", np.float64),
        (">f8", np.float64),
    ]:
        assert _check.array("x", np.ones((2, 3), given), ndim=2, expected=PAIR).dtype == kept
    assert _check.array("x", [[1, 2], [3, 4]], ndim=2, expected=PAIR).tolist() == [[1, 2], [3, 4]]
    assert _check.array("x", np.ones(3), ndim=(1, 2), expected=PAIR).shape == (3,)


def test_arrays_are_not_copied_when_they_are_right_already() -> None:
    x = np.ones((2, 3))
    assert _check.array("x", x, ndim=2, expected=PAIR) is x


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[1, 2], [3]], ("not an array", PAIR)),
        (Stubborn(), ("not an array", "requires grad", PAIR)),
        ([["a", "b"]], ("dtype <U1", "real numbers", PAIR)),
        (np.ones((2, 2), complex), ("complex128", "real numbers")),
        (np.array([[None, 1]], object), ("object", "real numbers")),
        (np.ones((2, 2), "datetime64[s]"), ("datetime64", "real numbers")),
        (np.ones(4), ("(4,)", PAIR, "x[:, None]")),
        (np.ones((2, 2, 2)), ("(2, 2, 2)", PAIR)),
        (3.0, ("()", PAIR)),
        ([[1, 2], [np.nan, 1], [1, np.inf]], ("2 of 3 rows", "(1, 2)", "drop or repair")),
    ],
)
def test_arrays_refused(value, words) -> None:
    with raises_one_line("x:", *words):
        _check.array("x", value, ndim=2, expected=PAIR)


def test_finite_names_at_most_five_rows_and_counts_them_all() -> None:
    values = np.zeros((10, 2))
    values[3:, 1] = np.nan
    with raises_one_line("x:", "7 of 10 rows", "(3, 4, 5, 6, 7, …)"):
        _check.finite("x", values)
    with raises_one_line("x:", "7 of rows 100 to 109", "(103, 104, 105, 106, 107, …)"):
        _check.finite("x", values, start=100)
    with raises_one_line("x:", "1 of 1 rows"):
        _check.finite("x", np.array(np.nan))
    _check.finite("x", np.zeros((0, 3)))
    _check.finite("x", np.arange(4))


def test_same_length() -> None:
    _check.same_length("a", [1, 2], "b", np.ones((2, 5)))
    with raises_one_line("b:", "3 rows", "a has 2"):
        _check.same_length("a", [1, 2], "b", [1, 2, 3])


def test_positive_takes_any_real_number_above_zero() -> None:
    for value in (1, 0.5, 1e-300, np.float32(2), np.int16(3)):
        assert _check.positive("x", value) == float(value)
        assert isinstance(_check.positive("x", value), float)


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, -np.inf, "1", None, True, [1.0], 1j, 10**400, np.ones(50)])
def test_positive_refuses(value) -> None:
    with raises_one_line("x:", "number above zero"):
        _check.positive("x", value)


def test_count_takes_whole_numbers() -> None:
    assert _check.count("x", 3) == 3
    assert _check.count("x", np.uint8(3), least=3) == 3
    assert _check.count("x", 0, least=0) == 0


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", None, True, [1], np.array([1]), np.float64(1), np.ones((40, 3))])
def test_count_refuses(value) -> None:
    with raises_one_line("x:", "whole number of at least 1"):
        _check.count("x", value)
    with raises_one_line("x:", "at least 5"):
        _check.count("x", 4, least=5)


def test_a_value_is_shown_on_one_line_of_reasonable_length() -> None:
    assert _check.shown(3) == "3"
    assert _check.shown("a\nb") == "'a\\nb'"
    long = _check.shown(np.ones((30, 30)))
    assert len(long) <= 80
    assert "\n" not in long
    assert long.endswith("…")


def test_one_of_offers_the_nearest_names() -> None:
    known = ["conv1", "conv2", "head"]
    assert _check.one_of("layer", "conv2", known) == "conv2"
    assert _check.one_of("layer", "conv2", iter(known)) == "conv2"
    with raises_one_line("layer:", "no 'conv3'", "did you mean", " or ", "'conv1'", "'conv2'"):
        _check.one_of("layer", "conv3", known)
    with raises_one_line("layer:", "no 'xyz'", "there are 'conv1', 'conv2', 'head'"):
        _check.one_of("layer", "xyz", known)
    with raises_one_line("layer:", "none to choose from"):
        _check.one_of("layer", "xyz", [])
    for value in (None, 3, ["conv1"], np.float64(2)):
        with raises_one_line("layer:", "no "):
            _check.one_of("layer", value, known)


def test_nearest_shows_at_most_eight_names() -> None:
    sentence = _check.nearest("#", [f"layer{k}" for k in range(20)])
    assert "'layer7', …" in sentence
    assert "layer8" not in sentence


def test_require_imports_or_names_the_extra() -> None:
    assert _check.require("numpy", "none") is np
    with raises_one_line("no_such_package", 'pip install "sametask[torch]"'):
        _check.require("no_such_package", "torch")
    with pytest.raises(ImportError):  # for those who catch what Python itself would raise
        _check.require("no_such_package.sub", "torch")


def test_require_does_not_blame_the_extra_for_a_package_broken_inside(tmp_path, monkeypatch) -> None:
    (tmp_path / "broken_inside.py").write_text("import missing_dependency_of_it")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="missing_dependency_of_it") as caught:
        _check.require("broken_inside", "torch")
    assert not isinstance(caught.value, st.InputError)


def test_input_errors_are_value_errors() -> None:
    assert issubclass(st.InputError, ValueError)
    assert issubclass(st.MissingExtraError, st.InputError)
    with pytest.raises(ValueError, match="count"), as_users_run_it():
        _check.count("count", None)


def test_findings_read_as_a_sentence() -> None:
    plain = Finding("folds", "12 % of the sample is folded")
    assert str(plain) == "12 % of the sample is folded"
    assert plain.severity is Severity.NOTE
    full = Finding("folds", "folded", "add neurons", Severity.DECISIVE, "first")
    assert str(full) == "first network: folded → add neurons"


def test_rows_are_different_whole_numbers() -> None:
    np.testing.assert_array_equal(_check.rows("rows", [2, 0]), [2, 0])
    for value, words in (([0, 0], "twice"), ([-1], "-1"), ([0.5], "float64"), ([], "shape (0,)"), (3, "shape ()")):
        with raises_one_line("rows", words):
            _check.rows("rows", value)
    with raises_one_line("rows", "at least 3"):
        _check.rows("rows", [0, 1], least=3)
