"""Figures of few neurons: errors and folds against their number, reconstructions beside the truth."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from sametask.neurons.whitney import Whitney
from sametask.report.canvas import FIRST, LINE, SECOND, SOFT, Picture, drawn, plain, styled

_ASIDE = 0.16
"""Dots stand so far to the left of their number, and spread by as much."""


def whitney(result: Whitney) -> Picture:
    """Error (logarithmic) and share of folded samples against the number of neurons."""
    with styled():
        figure = Figure((4.8, 5.6))
        top = figure.add_axes((0.16, 0.5, 0.82, 0.42))
        below = figure.add_axes((0.16, 0.09, 0.82, 0.36), sharex=top)
        counts = result.counts.astype(float)
        draws = len(result.error)
        shift = -_ASIDE * (1 + np.linspace(-0.5, 0.5, draws) if draws > 1 else np.ones(1))
        for axes, drawn_, greedy in (
            (top, result.error, result.greedy_error),
            (below, 100 * result.folded, 100 * result.greedy_folded),
        ):
            axes.axvline(result.theory, color=LINE, linewidth=1)
            for each, aside in zip(drawn_, shift, strict=True):
                axes.plot(counts + aside, each, "o", color=FIRST, markersize=3.6, alpha=0.65, linewidth=0)
            axes.plot(counts, np.median(drawn_, axis=0), color=FIRST, linewidth=1.6, label="random draws, their median")
            axes.plot(
                counts, greedy, "s--", color=SECOND, markersize=5, markerfacecolor="none", linewidth=1.4,
                label="greedy choice",
            )  # fmt: skip
            axes.grid(axis="y")
        top.axhline(result.best, color=SOFT, linewidth=1, linestyle=":")
        top.set_yscale("log")
        top.yaxis.set_major_formatter(plain())
        top.yaxis.set_minor_formatter(NullFormatter())
        top.set_ylabel("error of all other neurons\n(share of their spread)")
        top.tick_params(labelbottom=False, bottom=False)
        top.annotate(
            "2d + 1", (result.theory, 0.98), xycoords=top.get_xaxis_transform(), xytext=(4, 0),
            textcoords="offset points", va="top", color=SOFT,
        )  # fmt: skip
        below.set_ylim(-4, 104)
        below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
        below.set_ylabel("folded samples")
        below.set_xlabel("number of neurons")
        below.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
        low, high = min(counts[0], result.theory), max(counts[-1], result.theory)
        below.set_xlim(low - 0.5, high + 0.5)
        figure.legend(*top.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(0.14, 1.005), ncols=2)
        return drawn(figure)
