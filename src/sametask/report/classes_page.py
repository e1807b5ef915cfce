"""The page of many networks, in words first."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from sametask._outcome import Severity
from sametask._version import __version__
from sametask.classes.answers import How
from sametask.classes.classes import Classes
from sametask.probes.units import units_in_words
from sametask.report import markup, skeleton, wording
from sametask.report.markup import Markup, element, figure, image, join, paragraph, section
from sametask.verdict.verdict import Decision

_HOW = {
    How.TESTED: "by a test of their own",
    How.COMPOSED: "by a match refined from the composition of two others",
    How.INFERRED: "from the answers to other pairs: one is equivalent to a third network, and the other is not",
    How.FAILED: "not at all, as one of the two could not be charted",
}
_MANY = 8
"""Undecided pairs of the same two classes that are named."""


def write(made: Classes, path: str | Path) -> None:
    """Write classes as one self-contained HTML page: partition and reasons in words first, then pictures.

    Args:
        made: what to tell.
        path: of the page; folders on the way are made, and the page appears only once it is whole.

    Raises:
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    skeleton.check(path)
    n, c = len(made), len(made.classes)
    title = f"{n} networks in {c} class{'es' * (c != 1)}"
    body = [
        _head(made),
        _classes(made),
        _order(made),
        _pairs(made),
        *_undecided(made),
        _findings(made),
        _footer(made),
    ]
    skeleton.save(title, body, path)


def _head(made: Classes) -> Markup:
    units = units_in_words(made.input_units)
    kind, sign = ("equivalent", "⇄") if len(made.classes) == 1 else ("inequivalent", "≠")
    word = "ONE CLASS" if len(made.classes) == 1 else f"{len(made.classes)} CLASSES"
    badges = [_badge(kind, sign, word)]
    if made.undecided:
        badges.append(_badge("undecided", "?", f"{len(made.undecided)} UNDECIDED"))
    return element(
        "header",
        element("h1", element("span", f"{len(made)} networks: ", class_="names"), join(badges, " ")),
        paragraph(made.meaning, class_="meaning"),
        paragraph(units) if units else "",
    )


def _findings(made: Classes) -> Markup:
    """What is more than a note; of many networks those would drown the rest."""
    told = [finding for finding in made.diagnosis if finding.severity is not Severity.NOTE]
    notes = len(made.diagnosis) - len(told)
    more = [paragraph(f"Besides, {notes} note{'s' * (notes > 1)}: see the attribute diagnosis.")] if notes else []
    return section("Findings", skeleton.findings(told, {name: name for name in made.names}), *more)


def _badge(kind: str, sign: str, word: str) -> Markup:
    return element("span", element("span", sign, class_="sign", aria_hidden="true"), word, class_=f"badge {kind}")


def _classes(made: Classes) -> Markup:
    rows = []
    for k, members in enumerate(made.classes):
        carried = sorted({made.dimensions[i] for i in members if made.dimensions[i]})
        rows.append(
            (
                f"Class {k}",
                made.named(members),
                " or ".join(map(str, carried)) or "not told",
                wording.chance(made.confidence[k]),
            )
        )
    return section(
        "Classes",
        markup.table(
            ("", "Networks", "Directions carried", "Confidence"),
            rows,
            caption="Each two networks of a class can be computed from one another. Two classes are joined where two "
            "of their members are equivalent, the surest first; never where any two of their members are surely not. "
            "Undecided pairs neither join nor separate. The confidence is that members belong together, by the links "
            "that hold the class, and that no other network does.",
            class_="classes",
        ),
    )


def _order(made: Classes) -> Markup:
    title = "Which determines which"
    if not made.covers:
        return section(
            title,
            paragraph(
                "No class was found to determine another. Only networks that were seen at many of the same inputs are "
                "tested for that."
            ),
        )
    from sametask.report import classes_figures

    words = [f"class {i} determines class {j}" for i, j in made.covers]
    free = [k for k in range(len(made.classes)) if not made.order[k].any() and not made.order[:, k].any()]
    caption = (
        "An arrow leads from a class to one whose activations can be computed from it, but not the other way round. "
        "Arrows that follow from others are left out."
    )
    if free:
        caption += f" Not drawn, as nothing was found to tie them to others: {_numbered(free)}."
    picture = classes_figures.hasse(made)
    alt = f"Classes as boxes, joined by arrows: {'; '.join(words)}."
    return section(title, figure([("", image(picture.uri, picture.size, alt))], caption))


def _numbered(classes: list[int]) -> str:
    return f"class{'es' * (len(classes) > 1)} {', '.join(map(str, classes))}"


def _pairs(made: Classes) -> Markup:
    from sametask.report import classes_figures

    n = len(made)
    how = Counter(made.answers[i, j].how for i in range(n) for j in range(i + 1, n))
    picture = classes_figures.pairs(made)
    decided = Counter(made.answers[i, j].decision for i in range(n) for j in range(i + 1, n))
    told = ", ".join(f"{count} {decision.value}" for decision, count in decided.items())
    alt = f"Each two of the {n} networks as a cell, shaded by the probability that they are equivalent; {told}."
    signs = [
        f"{wording.SIGNS[Decision.EQUIVALENT]} equivalent",
        f"{wording.SIGNS[Decision.INEQUIVALENT]} not equivalent",
        f"{wording.SIGNS[Decision.FIRST_DETERMINES_SECOND]} the row determines the column",
        f"{wording.SIGNS[Decision.SECOND_DETERMINES_FIRST]} the column determines the row",
        f"{wording.SIGNS[Decision.UNDECIDED]} undecided",
    ]
    if how[How.INFERRED]:
        signs.append("in brackets where it follows from other pairs")
    if how[How.FAILED]:
        signs.append("× not tested")
    caption = (
        f"Right: each two networks, darker where they are more probably equivalent. {'; '.join(signs)}. Frames are "
        "classes. Left: the dendrogram of the same probabilities, by mean distances (UPGMA); it orders rows and "
        "columns, and is no part of how classes are made."
    )
    known = [f"{count} {_HOW[each]}" for each in How if (count := how[each])]
    return section(
        "All pairs",
        figure([("", image(picture.uri, picture.size, alt))], caption),
        paragraph(f"Of {n * (n - 1) // 2} pairs the answer is known: {'; '.join(known)}."),
    )


def _undecided(made: Classes) -> list[Markup]:
    """Pairs that nothing decides, those of the same two classes and for the same reason together."""
    if not made.undecided:
        return []
    items = []
    for group in made.alike:
        each = group[0]
        one, two = sorted((int(made.labels[each.first]), int(made.labels[each.second])))
        pairs = [f"{made.names[pair.first]} | {made.names[pair.second]}" for pair in group]
        more = f" and {len(pairs) - _MANY} more" if len(pairs) > _MANY else ""
        advice = (
            [element("span", element("b", "What to do: "), each.advice, ".", class_="advice")] if each.advice else []
        )
        message = f"{'Of the first of these: ' if len(pairs) > 1 else ''}{each.message}."
        items.append(
            element(
                "li",
                element("span", f"classes {one}, {two}", class_="weight note"),
                element("div", element("b", f"{'; '.join(pairs[:_MANY])}{more}. "), message, *advice),
            )
        )
    return [section("Undecided", element("ul", *items, class_="findings"))]


def _footer(made: Classes) -> Markup:
    n = np.array(made.samples)
    size = f"{n.min():,}" if n.min() == n.max() else f"{n.min():,} to {n.max():,}"
    return element(
        "footer",
        element("h2", "How this was done"),
        paragraph(
            f"Each network was seen at {size} samples. Its chart, and what halves of its samples show against one "
            "another, were made once; each two were then held against each other: where both saw many of the same "
            "inputs, by predicting each one's activations from the other's, else by a match of their geometry. Where "
            "neither correspondences nor anchors hold a match, spectra that surely differ, and folds, are answers by "
            "themselves."
        ),
        paragraph(
            "The same data and seed give the same page, whatever the number of workers. ",
            f"Written by sametask {__version__}.",
        ),
        skeleton.source(),
    )
