"""From answers to pairs to classes and their order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sametask.classes.answers import UNLIKE, Answer, How
from sametask.classes.partition import mirrored, partition
from sametask.verdict.verdict import Decision, Finding

_WORDS = {
    "=": Decision.EQUIVALENT,
    "#": Decision.INEQUIVALENT,
    ">": Decision.FIRST_DETERMINES_SECOND,
    "<": Decision.SECOND_DETERMINES_FIRST,
    "?": Decision.UNDECIDED,
}


def answers(size: int, told: dict[str, tuple[str, float]], rest: str = "#") -> dict[tuple[int, int], Answer]:
    """By pairs such as ``"01"``; the rest as one sign says, with a confidence of 0.95."""
    found = {pair: Answer(_WORDS[rest], 0.95) for pair in itertools.combinations(range(size), 2)}
    for pair, (sign, confidence) in told.items():
        found[int(pair[0]), int(pair[1])] = Answer(_WORDS[sign], confidence)
    return found


def test_equivalent_networks_are_one_class_and_others_are_not():
    made = partition(4, answers(4, {"02": ("=", 0.97), "13": ("=", 0.92)}))
    assert made.classes == ((0, 2), (1, 3))
    assert made.confidence == pytest.approx((0.95, 0.92))
    assert not made.order.any()
    assert made.contradictions == () == made.open


def test_undecided_pairs_neither_join_nor_separate():
    made = partition(4, answers(4, {"01": ("=", 0.97), "12": ("=", 0.95), "02": ("?", 0.5), "03": ("?", 0.5)}))
    assert made.classes == ((0, 1, 2), (3,))
    assert made.open == (), "that 0 and 3 differ follows from 1 and 3"
    assert made.confidence[0] == pytest.approx(0.97 * 0.95)
    alone = partition(2, answers(2, {}, rest="?"))
    assert alone.classes == ((0,), (1,))
    assert alone.open == ((0, 1),)
    assert alone.confidence == (0.5, 0.5)


def test_what_contradicts_is_told_and_nothing_merges_that_must_not():
    made = partition(3, answers(3, {"01": ("=", 0.97), "12": ("=", 0.95), "02": ("#", 0.99)}))
    assert made.classes == ((0, 1), (2,)), "the surest pair is heard first"
    (found,) = made.contradictions
    assert (found.kind, found.first, found.second, found.against) == ("apart", 1, 2, (0, 2))
    assert made.confidence[1] == pytest.approx(0.99 * 0.05), "one that its own test ties to another class is not sure"


def test_classes_that_determine_others_are_in_order_and_what_follows_is_not_drawn():
    told = {"01": ("=", 0.95), "02": (">", 0.95), "12": ("?", 0.5), "23": (">", 0.95), "03": (">", 0.95)}
    made = partition(4, answers(4, told | {"13": (">", 0.95)}))
    assert made.classes == ((0, 1), (2,), (3,))
    assert np.argwhere(made.order).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert made.covers == ((0, 1), (1, 2))
    back = partition(3, answers(3, {"01": ("<", 0.95), "12": ("<", 0.95), "02": ("?", 0.5)}))
    assert back.covers == ((1, 0), (2, 1))
    assert back.order[2, 0], "what determines what determines something determines that"
    assert back.open == (), "it follows"


@pytest.mark.parametrize(
    ("told", "kind", "arrows"),
    [
        ({"01": (">", 0.99), "12": (">", 0.98), "02": ("<", 0.95)}, "around", [[0, 1], [0, 2], [1, 2]]),
        ({"01": (">", 0.99), "12": (">", 0.98), "02": ("#", 0.95)}, "around", [[0, 1], [0, 2], [1, 2]]),
        ({"01": ("=", 0.99), "02": (">", 0.98), "12": ("<", 0.95)}, "both ways", []),
        ({"01": ("=", 0.99), "02": (">", 0.98), "12": ("#", 0.95)}, "both ways", []),
    ],
)
def test_arrows_that_cannot_all_be_right_are_told(told, kind, arrows):
    made = partition(3, answers(3, told))
    assert [each.kind for each in made.contradictions] == [kind]
    assert np.argwhere(made.order).tolist() == arrows


def test_what_is_not_known_of_a_pair_is_one_half_unless_dimensions_differ():
    assert Answer(Decision.EQUIVALENT, 0.9).probability == 0.9
    assert Answer(Decision.INEQUIVALENT, 0.9).probability == pytest.approx(0.1)
    assert Answer(Decision.UNDECIDED, 0.7).probability == 0.5
    unlike = Answer(Decision.UNDECIDED, 0.5, How.TESTED, (), (Finding(UNLIKE, "they are not equivalent"),))
    assert unlike.probability == pytest.approx(0.1)
    both = mirrored({(0, 1): Answer(Decision.FIRST_DETERMINES_SECOND, 0.9)})
    assert both[1, 0].decision is Decision.SECOND_DETERMINES_FIRST


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_right_answers_give_the_right_classes_however_many_are_missing(labels, random):
    """As long as those that are left hold each class together."""
    found = {}
    for i, j in itertools.combinations(range(len(labels)), 2):
        same = labels[i] == labels[j]
        neighbours = same and labels[i] not in labels[i + 1 : j]
        known = neighbours or random.random() < 0.5
        found[i, j] = Answer(_WORDS["=" if same else "#"] if known else Decision.UNDECIDED, random.uniform(0.9, 1))
    made = partition(len(labels), found)
    assert sorted(map(list, made.classes)) == sorted(
        [k for k, each in enumerate(labels) if each == label] for label in set(labels)
    )
    assert made.contradictions == ()


@given(st.integers(2, 7), st.randoms(use_true_random=False))
def test_whatever_the_answers_no_class_holds_two_that_differ_and_the_order_is_one(size, random):
    pairs = itertools.combinations(range(size), 2)
    found = {pair: Answer(random.choice(list(Decision)), random.uniform(0.9, 1)) for pair in pairs}
    made = partition(size, found)
    assert sorted(itertools.chain(*made.classes)) == list(range(size))
    for members in made.classes:
        assert not any(found[pair].apart for pair in itertools.combinations(members, 2))
    order = made.order
    assert not (order & order.T).any()
    assert not ((order.astype(int) @ order.astype(int) > 0) & ~order).any()
    assert all(0 <= each <= 1 for each in made.confidence)
