"""Random numbers that belong to a row."""

from __future__ import annotations

import numpy as np

from sametask.probes.draws import RowDraws


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
