"""All measures at once: what chance and halves show, and how many rows were used."""

from __future__ import annotations

import json

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask.measures import USUAL


def _alike(n: int, seed: int = 0, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) * [1, 2, 3]
    return x, x @ rng.normal(size=(3, 4)) + noise * rng.normal(size=(n, 4))


def test_every_measure_reads_what_it_says_by_itself() -> None:
    x, y = _alike(60)
    shown = st.similarity(x, y)
    assert [reading.measure for reading in shown.readings] == list(USUAL)
    assert (shown.rows, shown.given) == (60, 60)
    for reading in shown.readings:
        assert reading.value == pytest.approx(reading.measure(x, y), abs=1e-9)
        assert reading.tells
        assert shown[reading.measure.name] is reading


def test_unrelated_networks_are_told_from_chance_by_none() -> None:
    x, y = _alike(60)
    shown = st.similarity(x, np.random.default_rng(1).permutation(y))
    assert sum(reading.tells for reading in shown.readings) <= 1  # eleven that share their chance
    for name in ("linear CKA, debiased", "RBF CKA, debiased", "RSA, Pearson"):
        assert abs(shown[name].chance) < 4 * shown[name].chance_spread


def test_halves_tell_the_spread() -> None:
    """Known answer: how much figures of fresh samples differ."""
    drawn = [st.similarity(*_alike(100, seed, 2.0), draws=2) for seed in range(12)]
    for measure in (st.measures.linear_cka, st.measures.rsa_pearson, st.measures.mutual_neighbours):
        readings = [each[measure.name] for each in drawn]
        rng = np.random.default_rng(99)
        x = rng.normal(size=(12, 100, 3)) * [1, 2, 3]
        turn = np.random.default_rng(0).normal(size=(3, 4))
        fresh = [measure(each, each @ turn + 2.0 * rng.normal(size=(100, 4))) for each in x]
        told = np.sqrt(np.mean([reading.spread**2 for reading in readings]))
        assert 0.4 < told / np.std(fresh, ddof=1) < 2.5, measure


def test_of_many_rows_some_are_drawn_and_it_is_said() -> None:
    x, y = _alike(3000)
    shown = st.similarity(x, y, most=100)
    assert (shown.rows, shown.given) == (100, 3000)
    assert "100 of 3,000 corresponding rows" in str(shown)
    assert shown["linear CKA"].value == pytest.approx(st.measures.linear_cka(x, y), abs=0.1)
    wide = st.similarity(np.repeat(x, 100, axis=1)[:500], y[:500], draws=2, halvings=1)
    assert wide.rows == 400


def test_the_same_seed_gives_the_same_figures() -> None:
    x, y = _alike(200)
    assert st.similarity(x, y, most=50, seed=3) == st.similarity(x, y, most=50, seed=3)
    assert st.similarity(x, y, most=50, seed=3) != st.similarity(x, y, most=50, seed=4)


def test_figures_are_json_where_some_say_nothing() -> None:
    x = np.eye(20)
    shown = st.similarity(x, _alike(20)[1])
    assert np.isnan(shown["RSA, Pearson"].value)
    assert not shown["RSA, Pearson"].tells
    told = json.loads(json.dumps(shown.to_dict(), allow_nan=False))
    assert told["rows"] == 20
    assert {each["name"]: each["value"] for each in told["readings"]}["RSA, Pearson"] is None
    assert next(each for each in told["readings"] if each["name"] == "Procrustes angle")["closer"] == "lower"


def test_halves_in_which_a_network_is_silent_are_left_out() -> None:
    x, y = _alike(16)
    shown = st.similarity(np.where(np.arange(16)[:, None] == 0, x, 0.0), y)
    assert all(np.isnan(reading.spread) and not reading.tells for reading in shown.readings)


def test_mistakes_are_told_in_one_line() -> None:
    x, y = _alike(40)
    with raises_one_line("first", "12 rows", "16"):
        st.similarity(x[:12], y[:12])
    with raises_one_line("second", "NaN"):
        st.similarity(x, np.full((40, 3), np.nan))
    with raises_one_line("most", "3", "16"):
        st.similarity(x, y, most=3)
    with raises_one_line("name", "linear CKA"):
        st.similarity(x, y)["linear cka"]
