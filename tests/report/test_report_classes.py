"""The page of many networks."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from sametask.classes.answers import Answer, How
from sametask.classes.classes import Classes, Undecided
from sametask.report import classes_page
from sametask.verdict.verdict import Decision


def unjudged(i: int, j: int):
    raise AssertionError("no verdict is made for a page")


def example(size: int = 4) -> Classes:
    """Two are equivalent, the first determines the third, and the last is undecided with that."""
    answers = {}
    for i in range(size):
        for j in range(i + 1, size):
            answers[i, j] = Answer(Decision.INEQUIVALENT, 0.99, How.INFERRED if j == 3 else How.TESTED, via=0)
    answers[0, 1] = Answer(Decision.EQUIVALENT, 0.98)
    answers[0, 2] = answers[1, 2] = Answer(Decision.FIRST_DETERMINES_SECOND, 0.95)
    answers[2, 3] = Answer(Decision.UNDECIDED, 0.5)
    both = answers | {(j, i): answer.swapped for (i, j), answer in answers.items()}
    order = np.zeros((3, 3), bool)
    order[0, 1] = True
    return Classes(
        names=("<one>", "two", "three", "four"),
        labels=np.array([0, 0, 1, 2]),
        classes=((0, 1), (2,), (3,)),
        confidence=(0.95, 0.5, 0.5),
        answers=both,
        order=order,
        covers=((0, 1),),
        undecided=(Undecided(2, 3, "too close to call", "three lies between", "more samples"),),
        contradictions=(),
        diagnosis=(),
        dimensions=(2, 2, 1, 0),
        samples=(300, 300, 300, 200),
        judge=unjudged,
        renderer=classes_page.write,
    )


def test_the_page_says_it_in_words_and_shows_it(tmp_path):
    made = example()
    made.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "4 networks in 3 classes" in page
    assert "<one>" not in page, "names are text"
    assert "class 0 determines class 1" in page
    assert "three | four" in page
    assert "more samples" in page
    assert page.count("<img") == 2
    assert re.search(r"2 from the answers to other pairs", page)
    made.report(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == page


def test_one_class_has_no_order_to_draw(tmp_path):
    answer = Answer(Decision.EQUIVALENT, 0.98)
    made = dataclasses.replace(
        example(),
        names=("a", "b"),
        labels=np.array([0, 0]),
        classes=((0, 1),),
        confidence=(0.98,),
        answers={(0, 1): answer, (1, 0): answer},
        order=np.zeros((1, 1), bool),
        covers=(),
        undecided=(),
        dimensions=(2, 2),
        samples=(300, 300),
    )
    made.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "ONE CLASS" in page
    assert "All 2 networks are equivalent." in page
    assert "<h2>Undecided" not in page
    assert page.count("<img") == 1
