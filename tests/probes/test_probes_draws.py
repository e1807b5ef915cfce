"""Random numbers that belong to a row."""

from __future__ import annotations

import numpy as np
import pytest

from sametask.probes.draws import RowDraws, drawn


def table(seed: int, rows: range, size: int = 64) -> np.ndarray:
    draws = RowDraws(seed)
    return np.stack([draws.at(row).standard_normal(size) for row in rows])


def test_a_row_has_the_same_numbers_whatever_was_drawn_before() -> None:
    whole = table(3, range(100))
    np.testing.assert_array_equal(table(3, range(40, 60)), whole[40:60])
    np.testing.assert_array_equal(table(3, range(99, -1, -1)), whole[::-1])
    draws = RowDraws(3)
    draws.at(7).integers(0, 2, 3, dtype=np.int32)  # leaves half a word behind
    np.testing.assert_array_equal(draws.at(8).standard_normal(64), whole[8])


def test_other_seeds_and_rows_have_other_numbers() -> None:
    assert len(np.unique(np.concatenate([table(seed, range(50)).ravel() for seed in range(4)]))) == 4 * 50 * 64
    far = table(0, range(10**12, 10**12 + 3))
    assert not np.isin(far, table(0, range(50))).any()


def test_rows_are_independent() -> None:
    values = table(0, range(2000), 32)
    assert abs(values.mean()) < 4 / np.sqrt(values.size)
    assert abs(values.var() - 1) < 4 * np.sqrt(2 / values.size)
    for lag in (1, 2, 64, 1024):  # a row with one further on, and with itself shifted by one
        assert abs(np.mean(values[lag:] * values[:-lag])) < 4 / np.sqrt(values[lag:].size)
    assert abs(np.mean(values[1:, :-1] * values[:-1, 1:])) < 4 / np.sqrt(values.size)


@pytest.mark.parametrize("text", [False, True])
def test_tables_that_share_names_draw_the_same(text: bool) -> None:
    names = np.random.default_rng(0).permutation(10**6)[:8000] - 1000
    names = names.astype(str) if text else names
    one, two = names[:6000], np.random.default_rng(1).permutation(names[2000:])
    drawn_one, drawn_two = (names[drawn(names, 1500, 3)] for names in (one, two))
    assert len(drawn_one) == len(drawn_two) == len(np.unique(drawn_one)) == 1500
    # both draw a quarter of theirs, and of the 4,000 that they share nearly the same thousand
    assert len(np.intersect1d(drawn_one, drawn_two)) > 900
    assert len(np.intersect1d(drawn_one, one[drawn(one, 1500, 4)])) < 500


def test_all_names_are_drawn_alike() -> None:
    names = np.arange(1000)
    count = np.zeros(1000)
    for seed in range(400):
        count[drawn(names, 250, seed)] += 1
    assert abs(count.mean() - 100) < 1e-9
    assert count.std() == pytest.approx(np.sqrt(400 * 0.25 * 0.75), rel=0.1)
    np.testing.assert_array_equal(drawn(names, 1000, 0), names)
