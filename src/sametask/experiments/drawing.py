"""How the experiments' figures look. Import only where matplotlib is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sametask import Decision
from sametask._types import Array, Bool, Float
from sametask.experiments.notebook import show

# Okabe & Ito: told apart with any colour vision
FIRST, SECOND, THIRD, INK, SOFT, PALE = "#0072B2", "#D55E00", "#009E73", "#22262b", "#70767e", "#d5d9de"
ALONG = "viridis"
"""Colours of a quantity that has two ends."""
AROUND = "twilight_shifted"
"""Colours of an angle."""

_LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": "#4b5158",
    "ytick.color": "#4b5158",
    "grid.color": "#e6e8eb",
    "text.color": INK,
    "lines.linewidth": 1.6,
}


def axes(
    columns: int, rows: int = 1, *, height: float | int = 3.0, width: float | int = 9.0, **options: Any
) -> tuple[Figure, Any]:
    """A figure as wide as a page, and its axes as an array (of one row or column: flat).

    Args:
        columns, rows: of panels.
        height: of each row, in inches.
        width: of the figure, in inches.
        options: of ``Figure.subplots``.
    """
    with rc_context(_LOOK):
        figure = Figure(figsize=(width, height * rows), layout="constrained")
        made = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, made.ravel() if 1 in (rows, columns) else made


def label(ax: Axes, title: str, x: str, y: str, *, legend: bool = False) -> None:
    """Title, labels of the axes with their units, and a legend where there is room."""
    ax.set_title(title, loc="left", color=INK)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if legend:
        ax.legend(loc="best", frameon=False, handlelength=1.6, fontsize=8.5)


def plain(value: float, _: object = None) -> str:
    """A tick of a logarithmic axis as a plain number, where it begins with 1, 2 or 5.

    Example:
        >>> plain(0.05), plain(0.04)
        ('0.05', '')
    """
    return f"{value:g}" if value > 0 and f"{value:.0e}"[0] in "125" else ""


def agreement(ax: Axes, true: Float[Array, " n"], predicted: Float[Array, " n"], inside: Bool[Array, " n"]) -> None:
    """Predicted against true values, over the line where they agree; crosses lie outside the support."""
    ends = [float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))]
    ax.plot(ends, ends, color=PALE, zorder=0)
    ax.plot(true[inside], predicted[inside], "o", ms=2.5, mew=0, color=FIRST)
    ax.plot(true[~inside], predicted[~inside], "x", ms=4, color=SECOND)


ANSWERS = {
    Decision.EQUIVALENT: ("=", "#009E73", "equivalent"),
    Decision.FIRST_DETERMINES_SECOND: ("↑", "#56B4E9", "row determines column, not the other way round"),
    Decision.SECOND_DETERMINES_FIRST: ("←", "#E69F00", "column determines row, not the other way round"),
    Decision.INEQUIVALENT: ("≠", "#D55E00", "neither determines the other"),
    Decision.UNDECIDED: ("?", "#D5D9DE", "undecided"),
}
"""The five answers on a row (first) and a column (second): symbol, pointing to what is determined; colour; words."""


def answers(
    ax: Axes,
    decisions: Sequence[Sequence[Decision]],
    confidences: Float[Array, "r c"],
    rows: Sequence[str],
    columns: Sequence[str],
) -> None:
    """A matrix of answers: a symbol and a colour for each, and below it the confidence, of all but *undecided*."""
    for i, line in enumerate(decisions):
        for j, decision in enumerate(line):
            symbol, colour, _ = ANSWERS[decision]
            ax.fill(
                [j - 0.5, j + 0.5, j + 0.5, j - 0.5], [i - 0.5, i - 0.5, i + 0.5, i + 0.5], fc=colour, ec="w", lw=1.5
            )
            ax.text(j, i - 0.14, symbol, ha="center", va="center", fontsize=12, color=INK)
            if decision is not Decision.UNDECIDED:
                # never more than it is: 0.996 is not 1.00
                shown = np.floor(100 * confidences[i, j]) / 100
                ax.text(j, i + 0.27, f"{shown:.2f}", ha="center", va="center", fontsize=7, color=INK)
    ax.set_xticks(range(len(columns)), columns, rotation=40, ha="left", rotation_mode="anchor")
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)
    ax.xaxis.set_label_position("top")
    ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5), aspect="equal")
    for side in ax.spines.values():
        side.set_visible(False)


def answers_legend(figure: Figure, columns: int = 2) -> None:
    """What symbols and colours of :func:`answers` mean, below the figure."""
    boxes = [Patch(fc=colour, label=f"{symbol}  {words}") for symbol, colour, words in ANSWERS.values()]
    figure.legend(handles=boxes, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5)


def relative_error(predicted: Float[Array, "n m"], true: Float[Array, "n m"]) -> float:
    """Root mean square error over root mean square spread.

    Example:
        >>> relative_error(np.array([[1.0], [3.0]]), np.array([[1.0], [3.0]]))
        0.0
    """
    missed = np.square(predicted - true).sum(axis=1).mean()
    return float(np.sqrt(missed / np.square(true - true.mean(axis=0)).sum(axis=1).mean()))


def strip(rows: Sequence[tuple[str, Float[Array, "k h w"]]], heads: Sequence[str], caption: str) -> None:
    """Show rows of grey pictures, 0 … 1: a name on the left of each row, a head over each column."""
    figure, panels = axes(len(heads), len(rows), height=1.1, width=1.1 * len(heads) + 1.2)
    panels = np.reshape(panels, (len(rows), len(heads)))
    for (name, pictures), line in zip(rows, panels, strict=True):
        for ax, picture in zip(line, pictures, strict=True):
            ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", color=INK)
    for ax, head in zip(panels[0], heads, strict=True):
        ax.set_title(head, color=INK)
    show(figure, caption)
