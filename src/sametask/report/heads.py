"""The section on heads carried over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sametask.report import figures, views, wording
from sametask.report.markup import Markup, element, figure, image, join, paragraph, section, table
from sametask.verdict.heads import Answers, HeadTransfer

_QUANTITIES = 2
"""Of a head, that are drawn."""


def sections(heads: Sequence[HeadTransfer]) -> list[Markup]:
    """Scores before and after as a table; of numbers, what was said against what is right."""
    if not heads:
        return []
    rows = [_row(each) for each in heads]
    return [
        section(
            "Heads carried over",
            paragraph(
                "A head is what was trained on top of one network's activations. Here each runs, without any "
                "training, on the other network's activations, which the transformation carries over. Where it does "
                "as well there as at home, the transformation carries all that the head needs."
            ),
            *(paragraph(_words(each)) for each in heads),
            table(
                ("Head", "At home", "Carried over", "Chance", "Inside the support"),
                rows,
                caption="At home: on activations of the network that the head was trained on. Carried over: on the "
                "other's. Chance is the score of the best constant answer, or of shuffled targets where the score was "
                "given by the user. Outside the support the transformation extrapolates.",
                class_="evidence heads",
            ),
            *(_scatter(each, k) for each in heads if each.errors is not None for k in _leading(each)),
        )
    ]


def _row(head: HeadTransfer) -> tuple[object, ...]:
    home, other = (wording.printable(name) for name in (head.trained_on, head.carried_to))
    errors = ["", "", ""] if head.errors is None else [f"error {wording.number(each)}" for each in head.errors]
    scores = [_score(head, value) for value in (head.before, head.after, head.chance)]
    cells = [
        join([score, *([element("small", error)] if error else [])])
        for score, error in zip(scores, errors, strict=True)
    ]
    inside = join(
        [
            f"{head.inside.mean():.0%} of {len(head.inside):,} rows",
            element("small", f"there {_score(head, head.after_inside)}"),
        ]
    )
    name = join([wording.capital(wording.printable(head.name)), element("small", f"of {home}, run on {other}")])
    return (name, *cells, inside)


def _score(head: HeadTransfer, value: float) -> str:
    if head.score == "share right":
        return "none" if np.isnan(value) else f"{value:.1%} right"
    return f"{wording.printable(head.score)} {value:.3f}".replace("-", "−")


def _words(head: HeadTransfer) -> str:
    home, other = (wording.printable(name) for name in (head.trained_on, head.carried_to))
    name = wording.printable(head.name)
    said = (
        f"“{name}” reaches {_score(head, head.before)} on {len(head.own.targets):,} samples of {home}, and "
        f"{_score(head, head.after)} on {len(head.carried.targets):,} samples of {other}"
    )
    return f"{said}; {head.note}." if head.note else f"{said}."


def _leading(head: HeadTransfer) -> list[int]:
    """The quantities that vary most."""
    return views.leading_neurons(head.carried.targets, _QUANTITIES)


def _scatter(head: HeadTransfer, k: int) -> Markup:
    """One quantity, at home and carried over."""
    home, other = (wording.short(name) for name in (head.trained_on, head.carried_to))
    which = f", output {k}" if head.carried.targets.shape[1] > 1 else ""
    name = f"“{wording.printable(head.name)}”{which}"
    everyone = np.ones(len(head.own.targets), bool)
    panels = [
        (title, _panel(answers, k, inside, f"{name}: {title}"))
        for answers, inside, title in (
            (head.own, everyone, f"At home, on {home}"),
            (head.carried, head.inside, f"Carried over, on {other}"),
        )
    ]
    caption = (
        f"What {name}{',' * bool(which)} says against the targets, at home and carried over, and (below) the "
        "difference. The line is where the two agree; crosses lie outside the support of the transformation."
    )
    return figure(panels, caption)


def _panel(answers: Answers, k: int, inside: np.ndarray, words: str) -> Markup:
    rows = views.sample(len(answers.targets))
    picture = figures.agreement(
        answers.targets[rows, k], answers.outputs[rows, k], inside[rows], "head's", ("output", "target")
    )
    return image(picture.uri, picture.size, f"{words}: the head's output against the target at {len(rows)} samples.")
