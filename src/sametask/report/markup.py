"""Pieces of HTML. Whatever is not :class:`Markup` is text, and is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from sametask.report import wording
from sametask.verdict.evidence import Evidence


class Markup(str):
    """HTML that is ready as it is."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Anything as HTML: markup as it is, the rest escaped."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def join(pieces: Iterable[object], between: str = "") -> Markup:
    """Pieces one after the other."""
    return Markup(between.join(text(piece) for piece in pieces))


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """``<tag …>children</tag>``; attributes that end in an underscore lose it, others write ``_`` as ``-``.

    Examples:
        >>> element("p", "a < b", class_="note")
        '<p class="note">a &lt; b</p>'
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for name, value in attributes.items()
    )
    return Markup(f"<{tag}{given}>{join(children)}</{tag}>")


def paragraph(*children: object, **attributes: object) -> Markup:
    """A paragraph."""
    return element("p", *children, **attributes)


def section(title: str, *children: object) -> Markup:
    """A section with its heading."""
    return Markup(element("section", element("h2", title), "\n", join(children, "\n")) + "\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str, class_: str) -> Markup:
    """A table with the name of each row first; narrow screens show each row as a card, labelled by the columns."""
    head = element("tr", *(element("th", column, scope="col") for column in columns))
    body = [
        element(
            "tr",
            element("th", first, scope="row"),
            *(element("td", cell, data_label=column) for column, cell in zip(columns[1:], rest, strict=True)),
        )
        for first, *rest in rows
    ]
    return element(
        "table", element("caption", caption), element("thead", head), element("tbody", join(body, "\n")), class_=class_
    )


def image(uri: str, size: tuple[int, int], alt: str) -> Markup:
    """A picture at its natural size."""
    return Markup(f'<img src="{uri}" width="{size[0]}" height="{size[1]}" alt="{escape(alt)}">')


def figure(panels: Sequence[tuple[str, Markup]], caption: str) -> Markup:
    """Named panels side by side, as far as there is room, over their caption; a single one stands beside it."""
    cells = [
        element("div", *([element("p", name, class_="panel-name")] if name else []), panel, class_="panel")
        for name, panel in panels
    ]
    return element(
        "figure",
        element("div", *cells, class_="panels"),
        element("figcaption", caption),
        class_="wide" if len(panels) > 1 else "beside",
    )


def bar(evidence: Evidence) -> Markup:
    """Where a value lies between noise floor and null, as a small drawing in the page's own colours."""
    place = evidence.position
    leaning = wording.leaning(evidence)
    if not evidence.separable or place != place:
        return element("span", "floor and null are too close to tell apart", class_="apart")
    low, high = wording.undecided(evidence)
    x = 50 + 100 * min(max(place, -0.4), 1.4)
    clipped = place < -0.4 or place > 1.4
    shapes = {
        wording.FOR: f'<circle cx="{x:.1f}" cy="12" r="5.5" class="for"/>',
        wording.AGAINST: f'<rect x="{x - 5:.1f}" y="7" width="10" height="10" class="against"/>',
        wording.NEITHER: f'<path d="M{x:.1f} 5.5l6.5 6.5l-6.5 6.5l-6.5-6.5z" class="neither"/>',
    }
    if clipped:
        tip = -9 if place < 0 else 9
        shapes[leaning] = f'<path d="M{x:.1f} 5.5v13l{tip}-6.5z" class="{leaning}"/>'
    words = (
        f"position {place:.2f} on the way from the noise floor (0) to the null (1), logarithmic: {leaning} the claim"
    )
    return Markup(
        f'<svg class="bar" viewBox="0 0 200 24" width="200" height="24" role="img" aria-label="{escape(words)}">'
        f'<rect x="{50 + 100 * low:.1f}" y="7" width="{100 * (high - low):.1f}" height="10" class="open"/>'
        f'<path d="M50 12H150M50 4V20M150 4V20" class="track"/>{shapes[leaning]}</svg>'
    )
