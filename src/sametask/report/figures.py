"""Figures of lines and marks: spectra, predictions against the truth, the ladder of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from sametask._types import Array, Bool, Float
from sametask.charts.chart import Chart
from sametask.report import wording
from sametask.report.canvas import (
    FIRST,
    INK,
    LINE,
    MARKS,
    PALE,
    SECOND,
    SOFT,
    TINT,
    Picture,
    drawn,
    plain,
    round_ticks,
    styled,
    twos_and_fives,
)
from sametask.verdict.evidence import Evidence
from sametask.verdict.floors import COMPARED

LEAST = 1e-5
"""Of the largest eigenvalue: smaller ones are off the scale."""


def spectra(charts: tuple[Chart, Chart], names: tuple[str, str]) -> Picture:
    """Eigenvalues of both networks against their index, their blocks, and their ratio."""
    with styled():
        figure = Figure((4.8, 5.4))
        top = figure.add_axes((0.17, 0.47, 0.81, 0.46))
        strip = figure.add_axes((0.17, 0.36, 0.81, 0.085), sharex=top)
        ratio = figure.add_axes((0.17, 0.09, 0.81, 0.24), sharex=top)
        values = [chart.eigenvalues for chart in charts]
        count = max(len(each) for each in values)
        least = LEAST * max(float(each.max()) for each in values)
        shared = min(COMPARED, *(len(each) for each in values))
        for axes in (top, strip, ratio):
            axes.axvspan(0.4, shared + 0.5, color=TINT, linewidth=0, zorder=0)
        low = min(float(each[each > least].min(initial=np.inf)) for each in values) / 1.6
        marks = (("o", FIRST, FIRST, 4.5), ("s", SECOND, "none", 7))
        for each, name, (marker, colour, face, size) in zip(values, names, marks, strict=True):
            index = np.arange(1, len(each) + 1)
            seen = each > least
            look: dict[str, Any] = {"color": colour, "markerfacecolor": face, "markeredgewidth": 1.2, "linestyle": ""}
            top.plot(index[seen], each[seen], marker=marker, markersize=size, label=wording.short(name), **look)
            if not seen.all():
                top.plot(index[~seen], np.full((~seen).sum(), low * 1.1), marker="v", markersize=size, **look)
        top.set_yscale("log")
        top.set_ylim(low, max(float(each.max()) for each in values) * 1.5)
        top.yaxis.set_major_formatter(plain())
        top.yaxis.set_minor_formatter(twos_and_fives())
        top.tick_params(axis="y", which="minor", labelsize=8)
        top.set_ylabel("eigenvalue λ\n(inverse squared intrinsic units)")
        top.grid(axis="y")
        figure.legend(*top.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(0.15, 1.005), ncols=2)
        middle = (0.45 + shared / 2, 0.98)
        top.annotate("compared", middle, xycoords=top.get_xaxis_transform(), ha="center", va="top", color=SOFT)
        _blocks(strip, charts)
        _ratio(ratio, values[0], values[1], least)
        ratio.set_xlim(0.4, count + 0.6)
        ratio.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
        ratio.set_xlabel("index of the eigenvalue")
        for axes in (top, strip):
            axes.tick_params(labelbottom=False, bottom=False)
        return drawn(figure)


def _blocks(axes: Axes, charts: tuple[Chart, Chart]) -> None:
    for height, chart, colour in zip((1, 0), charts, (FIRST, SECOND), strict=True):
        for block in chart.blocks:
            wide = len(block) > 1
            width, left = block[-1] - block[0] + 0.7, block[0] + 0.65
            axes.barh(height, width, 0.62, left=left, color=colour if wide else PALE, alpha=0.75 if wide else 1.0)
    axes.set_ylim(-0.6, 1.6)
    axes.set_yticks([0.5], ["blocks"])
    axes.tick_params(left=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _ratio(axes: Axes, first: Array, second: Array, least: float) -> None:
    e = min(len(first), len(second))
    known = (first[:e] > least) & (second[:e] > least)
    index = np.arange(1, e + 1)[known]
    quotient = first[:e][known] / second[:e][known]
    axes.axhline(1, color=LINE, linewidth=1)
    axes.vlines(index, 1, quotient, color="#9aa1a9", linewidth=1)
    axes.plot(index, quotient, "D", color=INK, markersize=3.8)
    axes.set_yscale("log")
    reach = max(float(np.abs(np.log(quotient)).max(initial=0)) * 1.25, 0.12)
    axes.set_ylim(np.exp(-reach), np.exp(reach))
    ticks = _round_ticks(reach)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("ratio of λ\n(1st to 2nd)")
    axes.grid(axis="y")


def _round_ticks(reach: float) -> list[float]:
    """Three ratios, the middle one 1, within exp(± reach)."""
    for low, high in ((0.001, 1000.0), (0.01, 100.0), (0.1, 10.0), (0.2, 5.0), (0.5, 2.0), (0.8, 1.2)):
        if max(-np.log(low), np.log(high)) <= reach:
            return [low, 1.0, high]
    return [0.9, 1.0, 1.1]


def agreement(
    true: Float[Array, " k"],
    predicted: Float[Array, " k"],
    inside: Bool[Array, " k"],
    verb: str,
    what: tuple[str, str] = ("activation", "true activation"),
) -> Picture:
    """One neuron, or ``what``, predicted against true, and below the difference."""
    with styled():
        figure = Figure((2.85, 3.5))
        axes = figure.add_axes((0.222, 0.375, 0.757, 0.616))
        below = figure.add_axes((0.222, 0.139, 0.757, 0.18), sharex=axes)
        low, high = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
        margin = 0.04 * max(high - low, 1e-9)
        extent = (low - margin, high + margin)
        axes.plot(extent, extent, color=LINE, linewidth=1, zorder=1)
        below.axhline(0, color=LINE, linewidth=1, zorder=1)
        size = float(np.clip(6e3 / len(true), 5, 26))
        for panel, height in ((axes, predicted), (below, predicted - true)):
            panel.scatter(true[inside], height[inside], s=size, c=FIRST, linewidths=0, rasterized=True, zorder=2)
            panel.scatter(true[~inside], height[~inside], s=28, marker="x", c=SECOND, linewidths=1.1, zorder=3)
            panel.grid()
        axes.set_xlim(*extent)
        axes.set_ylim(*extent)
        axes.set_ylabel(f"{verb} {what[0]}")
        axes.tick_params(labelbottom=False, bottom=False)
        reach = 1.15 * max(float(np.abs(predicted - true).max()), 1e-9 * margin)
        below.set_ylim(-reach, reach)
        tick = _round_below(reach)
        below.set_yticks([-tick, 0, tick], [wording.number(value) for value in (-tick, 0.0, tick)], fontsize=8)
        below.set_xlabel(what[1])
        axes.xaxis.set_major_locator(round_ticks(4))
        axes.yaxis.set_major_locator(round_ticks(4))
        return drawn(figure)


def _round_below(value: float) -> float:
    """The largest of 1, 2, 5 × 10ᵏ that is no larger."""
    decade = 10.0 ** np.floor(np.log10(value))
    return float(max(factor for factor in (1, 2, 5) if factor * decade <= value * (1 + 1e-9)) * decade)


def ladder(evidence: Sequence[Evidence]) -> Picture:
    """Each figure between its noise floor and its null, with its spread."""
    with styled():
        rows = len(evidence)
        rung, low, top = 0.86, 0.56, 0.22
        height = low + rung * rows + top
        figure = Figure((4.8, height))
        axes = figure.add_axes((0.02, low / height, 0.96, rung * rows / height))
        axes.vlines([0, 1], 0, rows, color="#9aa1a9", linewidth=1, linestyle=":", zorder=0)
        for row, shown in enumerate(evidence):
            _rung(axes, float(rows - 1 - row), shown)
        for place, name in ((0, "noise floor"), (1, "null")):
            axes.text(place, rows - 0.2, name, ha="center", va="bottom", fontsize=9.5, color=SOFT)
        axes.set_xlim(*_LADDER)
        axes.set_ylim(-0.42, rows - 0.3)
        axes.set_yticks([])
        axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        axes.set_xlabel("position from noise floor to null (logarithmic, no unit)")
        axes.spines["left"].set_visible(False)
        return drawn(figure)


_LADDER = (-0.66, 1.36)
_BOX: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}


def _rung(axes: Axes, height: float, shown: Evidence) -> None:
    words: dict[str, Any] = {"va": "center", "bbox": _BOX, "zorder": 4}
    name = axes.text(_LADDER[0] + 0.02, height + 0.48, shown.name, fontweight="bold", **words)
    unit = f"  ({shown.unit})" if shown.unit else ""
    axes.annotate(unit, (1, 0.5), xycoords=name, fontsize=8.5, color=SOFT, **words)
    axes.plot([0, 1], [height, height], color=LINE, linewidth=1, zorder=1)
    axes.vlines([0, 1], height - 0.12, height + 0.12, color=INK, linewidth=1.4, zorder=2)
    for place, value in ((0, shown.floor), (1, shown.null)):
        axes.text(place, height - 0.25, wording.number(value), fontsize=8.5, ha="center", color=SOFT, **words)
    if not shown.separable or not np.isfinite(shown.position):
        axes.text(0.5, height, "too close to tell apart", ha="center", fontsize=9, style="italic", **words)
        return
    low, high = wording.undecided(shown)
    axes.barh(height, high - low, 0.2, left=low, color="#dfe3e7", zorder=0)
    marker, colour = MARKS[wording.leaning(shown)]
    place = float(np.clip(shown.position, _LADDER[0] + 0.08, _LADDER[1] - 0.08))
    if place == shown.position:
        spread = 2 * shown.spread / np.log(shown.null / max(shown.floor, 1e-12))
        axes.errorbar(place, height, xerr=spread, color=colour, elinewidth=1.6, capsize=3.5, zorder=5)
    else:
        marker = "<" if shown.position < 0 else ">"
    axes.plot(place, height, marker, color=colour, markersize=8, zorder=6)
    bold: dict[str, Any] = {**words, "fontweight": "bold", "zorder": 6}
    axes.text(place, height + 0.2, wording.number(shown.value), fontsize=9, ha="center", color=colour, **bold)
