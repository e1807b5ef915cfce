"""Figures of many networks: pairs as a heat map beside their dendrogram, and the order of classes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.cluster.hierarchy import dendrogram

from sametask._types import Array
from sametask.classes.answers import How
from sametask.classes.classes import Classes
from sametask.report import wording
from sametask.report.canvas import FIRST, INK, LINE, SOFT, TINT, Picture, drawn, styled

_CELL = 0.3
"""Inches."""
_LETTER = 0.085
_LONGEST = 22
_DARK = 0.6
"""Cells of more than this are written on in white."""


def pairs(made: Classes) -> Picture:
    """Probabilities that each two are equivalent, with a sign for each answer, in the order of the dendrogram."""
    with styled():
        tree = dendrogram(made.linkage, no_plot=True)
        order = [int(k) for k in tree["leaves"]]
        n = len(order)
        shown = wording.told_apart(made.names, _LONGEST)
        names = [shown[k] for k in order]
        letters = _LETTER * max(map(len, names)) + 0.15
        side = _CELL * max(n, 6)
        left, branch, gap, bottom, top = 0.15, 1.25, 0.12, 1.1, letters
        width = left + branch + gap + letters + side + 0.15
        height = bottom + side + top
        figure = Figure((width, height))

        def axes(x: float, y: float, w: float, h: float) -> Axes:
            return figure.add_axes((x / width, y / height, w / width, h / height))

        cells = axes(left + branch + gap + letters, bottom, side, side)
        _cells(cells, made, order)
        cells.set_yticks(range(n), names)
        cells.set_xticks(range(n), names, rotation=90)
        cells.tick_params(length=0, labelsize=8.5, labelcolor=INK, labeltop=True, labelbottom=False)
        twigs = axes(left, bottom, branch, side)
        for y, x in zip(tree["icoord"], tree["dcoord"], strict=True):
            twigs.plot(x, (np.array(y) - 5) / 10, color=INK, linewidth=1.2, solid_capstyle="round")
        twigs.set_xlim(1.02, -0.02)
        twigs.set_ylim(n - 0.5, -0.5)
        twigs.set_xticks([1, 0.5, 0], ["1", "0.5", "0"])
        twigs.set_yticks([])
        twigs.spines["left"].set_visible(False)
        twigs.set_xlabel("distance:\n1 − probability")
        scale = axes(left + branch + gap + letters, 0.62, side, 0.13)
        scale.imshow(np.linspace(0, 1, 256)[None], cmap=_colours(), aspect="auto", extent=(0, 1, 0, 1))
        scale.set_yticks([])
        scale.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        scale.spines[["top", "right"]].set_visible(True)
        scale.set_xlabel("probability that\nthe two are equivalent")
        return drawn(figure)


def _colours() -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("equivalent", ["#ffffff", "#9cc5e3", FIRST, "#00385c"])


def _cells(axes: Axes, made: Classes, order: list[int]) -> None:
    n = len(order)
    shown = made.probability[np.ix_(order, order)]
    axes.imshow(shown, cmap=_colours(), vmin=0, vmax=1)
    for row, i in enumerate(order):
        for column, j in enumerate(order):
            if i == j:
                continue
            answer = made.answers[i, j]
            sign = wording.SIGNS[answer.decision]
            told = f"({sign})" if answer.how is How.INFERRED else "×" if answer.how is How.FAILED else sign
            colour = "white" if shown[row, column] > _DARK else INK
            axes.text(column, row, told, ha="center", va="center", color=colour, fontsize=8.5)
    starts = [0, *(k + 1 for k, (i, j) in enumerate(pairwise(order)) if made.labels[i] != made.labels[j]), n]
    for start, stop in pairwise(starts):
        size = stop - start
        axes.add_patch(Rectangle((start - 0.5, start - 0.5), size, size, fill=False, edgecolor=INK, linewidth=1.8))
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e6e8eb", linewidth=0.6)
    axes.tick_params(which="minor", length=0)
    axes.spines[["top", "right"]].set_visible(True)


def hasse(made: Classes) -> Picture:
    """Classes that determine one another, those that determine more above, with the arrows that do not follow."""
    with styled():
        related = [k for k in range(len(made.classes)) if made.order[k].any() or made.order[:, k].any()]
        level = _levels(made.order)
        rows = [[k for k in related if level[k] == each] for each in range(max(level[k] for k in related) + 1)]
        rows = _untangled(rows, made.covers)
        labels = {k: f"class {k}\n{_members(made, k)}" for k in related}
        wide = max(_LETTER * max(map(len, label.split("\n"))) for label in labels.values()) + 0.35
        width, height = max(3.2, wide * max(map(len, rows))), 0.35 + 1.05 * len(rows)
        figure = Figure((width, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.axis("off")
        place = {
            k: (width * (column + 0.5) / len(row), 0.55 + 1.05 * depth)
            for depth, row in enumerate(rows)
            for column, k in enumerate(row)
        }
        box = {"boxstyle": "round,pad=0.45", "facecolor": TINT, "edgecolor": LINE, "linewidth": 1.0}
        drawn_boxes = {
            k: axes.text(*place[k], label, ha="center", va="center", fontsize=9, linespacing=1.35, bbox=box)
            for k, label in labels.items()
        }
        for source, target in made.covers:
            axes.annotate(
                "",
                place[target],
                place[source],
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": SOFT,
                    "linewidth": 1.4,
                    "mutation_scale": 13,
                    "patchA": drawn_boxes[source].get_bbox_patch(),
                    "patchB": drawn_boxes[target].get_bbox_patch(),
                    "shrinkA": 2,
                    "shrinkB": 2,
                },
            )
        return drawn(figure)


def _members(made: Classes, k: int) -> str:
    shown = wording.told_apart(made.names, _LONGEST)
    names = [shown[i] for i in made.classes[k]]
    more = f" and {len(names) - 2} more" if len(names) > 3 else ""
    return ", ".join(names[: 2 if more else 3]) + more


def _levels(order: Array) -> list[int]:
    """For each class the length of the longest chain of classes that lead to it."""
    level = [0] * len(order)
    # what determines more comes first
    for k in sorted(range(len(order)), key=lambda k: int(order[:, k].sum())):
        level[k] = max((level[int(i)] + 1 for i in np.flatnonzero(order[:, k])), default=0)
    return level


def _untangled(rows: list[list[int]], arrows: tuple[tuple[int, int], ...]) -> list[list[int]]:
    """Each row in the order of the means of what leads to its classes."""
    place: dict[int, float] = {}
    result = []
    for row in rows:
        above = {k: [place[i] for i, j in arrows if j == k and i in place] for k in row}
        row = sorted(row, key=lambda k: (float(np.mean(above[k])) if above[k] else 0.5, k))
        place |= {k: (column + 0.5) / len(row) for column, k in enumerate(row)}
        result.append(row)
    return result
