"""Anchors held against one another."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import sametask as st
from sametask.matching.anchors import check_anchors, enough_to_check
from worlds import pair

_LIMIT = 0.4


@cache
def charts(world: str, seed: int = 6, n: int = 600) -> tuple[st.Chart, st.Chart]:
    both = pair(world, n, seed, anchors=40)
    return st.chart(both.first), st.chart(both.second)


def anchors(count: int) -> np.ndarray:
    return np.stack([np.arange(count)] * 2, axis=1)


@pytest.mark.parametrize("world", ["interval", "rectangle", "circle", "sphere"])
@pytest.mark.parametrize("count", [6, 30])
def test_right_anchors_are_all_kept(world, count):
    check = check_anchors(*charts(world), anchors(count), _LIMIT)
    assert check.kept.all()
    assert check.apart.max() <= _LIMIT


@pytest.mark.parametrize("world", ["interval", "rectangle", "circle", "sphere"])
def test_one_wrong_anchor_of_six_is_found(world):
    first, second = charts(world)
    far = int(np.argmax(np.linalg.norm(second.functions[:, :2] - second.functions[2, :2], axis=1)))
    pairs = anchors(6)
    pairs[2, 1] = far
    check = check_anchors(first, second, pairs, _LIMIT)
    assert check.kept.tolist() == [True, True, False, True, True, True]
    assert check.apart[2] > _LIMIT


@pytest.mark.parametrize("world", ["rectangle", "sphere"])
def test_a_few_wrong_anchors_of_thirty_are_found(world):
    pairs = anchors(30)
    pairs[[4, 11, 20], 1] = pairs[[11, 20, 4], 1]
    kept = check_anchors(*charts(world), pairs, _LIMIT).kept
    assert kept[[k for k in range(30) if k not in (4, 11, 20)]].all()
    assert not kept[[4, 11, 20]].all()


@pytest.mark.parametrize("world", ["interval", "rectangle", "circle"])
def test_shuffled_anchors_contradict_one_another(world):
    pairs = anchors(12)
    pairs[:, 1] = pairs[np.random.default_rng(3).permutation(12), 1]
    check = check_anchors(*charts(world), pairs, _LIMIT)
    assert check.apart[check.kept].max() > _LIMIT


def test_how_many_anchors_can_be_checked():
    assert [enough_to_check(count, 1) for count in (3, 4)] == [False, True]
    assert [enough_to_check(count, 2) for count in (4, 5)] == [False, True]
