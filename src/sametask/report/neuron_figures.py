"""Figures of few neurons: errors and folds against their number, reconstructions beside the truth."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from sametask._types import Array, Bool, Float
from sametask.neurons.whitney import Whitney
from sametask.report.canvas import FIRST, LINE, SECOND, SOFT, Picture, drawn, plain, round_ticks, styled

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
        for enough, colour, aside in (
            (result.enough_drawn, FIRST, 0.06), (result.enough_greedy, SECOND, -0.06),
        ):  # fmt: skip
            if enough is not None:
                for axes in (top, below):
                    axes.axvline(enough + aside, color=colour, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        below.axhline(100 * result.stray, color=SOFT, linewidth=1, linestyle=":")
        below.annotate(
            "strays", (1, 100 * result.stray), xycoords=below.get_yaxis_transform(), xytext=(-2, 2),
            textcoords="offset points", ha="right", va="bottom", color=SOFT,
        )  # fmt: skip
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


def against(true: Float[Array, " k"], predicted: Float[Array, " k"], inside: Bool[Array, " k"]) -> Picture:
    """Reconstructed against true values of one input coordinate or neuron."""
    with styled():
        figure = Figure((2.3, 2.2))
        axes = figure.add_axes((0.25, 0.22, 0.72, 0.75))
        low, high = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
        margin = 0.05 * max(high - low, 1e-9)
        extent = (low - margin, high + margin)
        axes.plot(extent, extent, color=LINE, linewidth=1, zorder=1)
        size = float(np.clip(2e3 / len(true), 4, 18))
        axes.scatter(true[inside], predicted[inside], s=size, c=FIRST, linewidths=0, rasterized=True, zorder=2)
        axes.scatter(true[~inside], predicted[~inside], s=24, marker="x", c=SECOND, linewidths=1.1, zorder=3)
        axes.set_xlim(*extent)
        axes.set_ylim(*extent)
        axes.set_xlabel("true")
        axes.set_ylabel("reconstructed")
        axes.xaxis.set_major_locator(round_ticks(3))
        axes.yaxis.set_major_locator(round_ticks(3))
        axes.grid()
        return drawn(figure)


def strip(true: Float[Array, "k ..."], predicted: Float[Array, "k ..."]) -> tuple[Picture, float]:
    """Images, their reconstructions, and the differences, one column a sample; and what share of the range of the
    images is drawn as the greatest difference."""
    rows = [_as_picture(true), _as_picture(predicted), _difference(true, predicted)]
    low, high = float(true.min()), float(true.max())
    reach = max(high - low, 1e-12)
    most = max(float(np.abs(rows[2]).max()), 1e-9 * reach)
    count = len(true)
    height, width = rows[0].shape[1:3]
    cell = 0.95
    tall = cell * float(np.clip(height / width, 0.2, 2))
    with styled():
        figure = Figure((0.35 + cell * count, 0.1 + 3 * (tall + 0.06)))
        grid = figure.subplots(3, count, squeeze=False)
        figure.subplots_adjust(0.35 / (0.35 + cell * count), 0.01, 0.995, 0.99, 0.05, 0.05)
        names = ("input", "reconstructed", "difference")
        for line, (images, name) in enumerate(zip(rows, names, strict=True)):
            for axes, image in zip(grid[line], images, strict=True):
                if line == 2:
                    axes.imshow(image, cmap="PuOr_r", vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
                elif image.ndim == 3:
                    axes.imshow(np.clip((image - low) / reach, 0, 1), aspect="auto", interpolation="nearest")
                else:
                    axes.imshow(image, cmap="gray", vmin=low, vmax=high, aspect="auto", interpolation="nearest")
                axes.set_xticks([])
                axes.set_yticks([])
                for spine in axes.spines.values():
                    spine.set_visible(False)
            grid[line, 0].set_ylabel(name, fontsize=8)
        return drawn(figure), most / reach


def _as_picture(images: Array) -> Array:
    """(k, h, w), or (k, h, w, 3) where there are three channels, which may come first or last."""
    if images.ndim == 3:
        return images
    if images.shape[-1] in (1, 3) and images.shape[1] not in (1, 3):
        images = np.moveaxis(images, -1, 1)
    return np.moveaxis(images, 1, -1) if images.shape[1] == 3 else images.mean(axis=1)


def _difference(true: Array, predicted: Array) -> Array:
    """(k, h, w): by how much reconstructions are too bright."""
    difference = _as_picture(predicted - true)
    return difference.mean(axis=-1) if difference.ndim == 4 else difference
