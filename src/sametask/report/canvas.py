"""What all figures share: look, colours, and how they become data URIs. Import only where matplotlib is known.

Figures are vector drawings in which clouds of points are pixels. Everything goes through Figure objects of its own: no
pyplot, no global setting, no date, the same bytes each time. A figure is as wide as a telephone shows it, so that its
letters stay legible; the page sets figures side by side.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sametask.report import wording

# Okabe & Ito: told apart with any colour vision; every pair also differs in shape
FIRST, SECOND = "#0072B2", "#D55E00"
MARKS = {wording.FOR: ("o", "#00735C"), wording.AGAINST: ("s", "#B04A00"), wording.NEITHER: ("D", "#59606B")}
INK, SOFT, LINE, PALE, TINT = "#22262b", "#59606b", "#70767e", "#d5d9de", "#eef1f4"

_PIXELS = 160
"""Per inch, of clouds of points; a screen shows 96."""

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": "#70767e",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.color": "#4b5158",
    "ytick.color": "#4b5158",
    "grid.color": "#e6e8eb",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.handletextpad": 0.5,
    "path.simplify": True,
    "text.color": INK,
    "text.parse_math": False,  # a neuron may be called $x
    "svg.fonttype": "path",
    "svg.hashsalt": "sametask",
    "svg.image_inline": True,
}


@dataclass(frozen=True)
class Picture:
    """A drawing to put in a page.

    Attributes:
        uri: a data URI.
        size: natural width and height in CSS pixels.
    """

    uri: str
    size: tuple[int, int]


@contextmanager
def styled() -> Iterator[None]:
    """The look of all figures, whatever the user's own settings; those are as before afterwards."""
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        # a letter that the built-in font lacks is drawn as a box; the page's text has it right
        warnings.filterwarnings("ignore", message=".*Glyph.*")
        yield


def drawn(figure: Figure) -> Picture:
    """The figure as SVG in a data URI: in an image of its own, so that its identifiers are its own too."""
    file = io.StringIO()
    about = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", dpi=_PIXELS, facecolor="white", metadata=about)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*\n\s*", " ", svg)
    width, height = (round(96 * float(inches)) for inches in figure.get_size_inches())
    return Picture(f"data:image/svg+xml,{svg.translate(_ESCAPED)}", (width, height))


_ESCAPED = {ord(c): f"%{ord(c):02X}" for c in "%#<>&\"'`"}
"""What would end a URI, or an attribute that holds one."""


def round_ticks(most: int) -> MaxNLocator:
    """About ``most`` ticks at round numbers."""
    return MaxNLocator(most, steps=[1, 2, 5, 10])


def plain() -> FuncFormatter:
    """Numbers as the page writes them."""
    return FuncFormatter(lambda value, _: wording.number(value))


def twos_and_fives() -> FuncFormatter:
    """Of a decade's minor ticks, the twos and fives."""

    def label(value: float, _: object) -> str:
        return wording.number(value) if round(value / 10 ** np.floor(np.log10(value))) in (2, 5) else ""

    return FuncFormatter(label)
