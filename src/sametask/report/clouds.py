"""Figures of samples in chart coordinates, coloured by a quantity, by error, or by where they fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from sametask._types import Array, Bool, Float
from sametask.report.canvas import FIRST, PALE, SECOND, Picture, drawn, plain, round_ticks, styled, twos_and_fives
from sametask.report.views import ErrorMap, View

_ERRORS = ListedColormap(matplotlib.colormaps["magma_r"](np.linspace(0.12, 1, 256)), "errors")
_PANEL = (4.6, 4.95)


def limits(shown: Sequence[View]) -> list[tuple[float, float]]:
    """One range for each axis, over all the views given, so that pictures compare."""
    found = []
    for axis in range(max(view.coordinates.shape[1] for view in shown)):
        columns = [view.coordinates[:, axis] for view in shown if view.coordinates.shape[1] > axis]
        low, high = min(float(each.min()) for each in columns), max(float(each.max()) for each in columns)
        margin = 0.05 * max(high - low, 1e-9)
        found.append((low - margin, high + margin))
    return found


def chart(
    view: View, values: Float[Array, " n"], label: str, bounds: tuple[float, float], extent: list[tuple[float, float]]
) -> Picture:
    """A chart's samples, coloured by a quantity."""
    with styled():
        figure = Figure(_PANEL)
        axes = _chart_axes(figure, view, extent)
        shown = axes.scatter(
            *view.coordinates[view.rows].T, c=values[view.rows], cmap="viridis", norm=Normalize(*bounds), **_cloud(view)
        )
        _colour_bar(figure, shown, label)
        return drawn(figure)


def error_map(view: View, errors: ErrorMap, bounds: tuple[float, float], extent: list[tuple[float, float]]) -> Picture:
    """A chart's samples, coloured by error; those outside the support are marked."""
    with styled():
        figure = Figure(_PANEL)
        axes = _chart_axes(figure, view, extent)
        points = view.coordinates[errors.rows]
        few = len(points) < 400
        if errors.measured:
            axes.scatter(*view.coordinates[view.rows].T, c=PALE, **_cloud(view))
        look = {**_cloud(view), "s": 34 if few else _cloud(view)["s"]}
        # paler must mean a smaller error here, and not a greater depth
        solid = {"depthshade": False} if points.shape[1] == 3 else {}
        norm = LogNorm(*bounds, clip=True)
        shown = axes.scatter(*points.T, c=errors.errors, cmap=_ERRORS, norm=norm, **look, **solid)
        outside = ~errors.inside
        if outside.any():
            cross = {"marker": "x", "s": 34, "c": FIRST, "linewidths": 1.1, "zorder": 3, **solid}
            axes.scatter(*points[outside].T, label="outside the support", **cross)
            _legend(figure, axes)
        _colour_bar(
            figure, shown, f"{errors.name} (share of the spread)", decades=float(np.log10(bounds[1] / bounds[0]))
        )
        return drawn(figure)


def fold_map(view: View, flags: Bool[Array, " n"], extent: list[tuple[float, float]]) -> Picture:
    """A chart's samples, those folded marked."""
    with styled():
        figure = Figure((_PANEL[0], 4.35))
        axes = _chart_axes(figure, view, extent, bar=False)
        bad = view.rows[flags[view.rows]]
        good = view.rows[~flags[view.rows]]
        axes.scatter(*view.coordinates[good].T, c=PALE, marker="o", label="one of a kind", **_cloud(view))
        axes.scatter(*view.coordinates[bad].T, c=SECOND, marker="^", label="folded", **_cloud(view))
        _legend(figure, axes)
        return drawn(figure)


def _chart_axes(figure: Figure, view: View, extent: list[tuple[float, float]], *, bar: bool = True) -> Any:
    """Square axes for two coordinates, a cube for three."""
    width, height = figure.get_size_inches()
    side, low = 3.7, (1.12 if bar else 0.52)
    axes: Any
    if view.coordinates.shape[1] == 2:
        axes = figure.add_axes((0.72 / width, low / height, side / width, side / height))
        axes.grid()
    else:
        box = (-0.12 / width, (low - 0.37) / height, 4.6 / width, 4.55 / height)
        axes = figure.add_axes(box, projection="3d", computed_zorder=False)
        axes.patch.set_visible(False)
        axes.view_init(elev=22, azim=-58)
        axes.set_box_aspect((1, 1, 1), zoom=1.0)
        axes.set_zlim(*extent[2])
        axes.set_zlabel(_brief(view.labels[2]), labelpad=1)
        axes.zaxis.set_major_locator(round_ticks(5))
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_pane_color((1, 1, 1, 1))
        axes.tick_params(pad=0, labelsize=8.5)
    spatial = view.coordinates.shape[1] == 3
    axes.set_xlim(*extent[0])
    axes.set_ylim(*extent[1])
    axes.set_xlabel(_brief(view.labels[0]) if spatial else view.labels[0])
    axes.set_ylabel(_brief(view.labels[1]) if spatial else view.labels[1])
    axes.xaxis.set_major_locator(round_ticks(5))
    axes.yaxis.set_major_locator(round_ticks(5))
    return axes


def _brief(label: str) -> str:
    """Without its unit: along the edge of a cube there is no room, and the caption tells it."""
    return label.split(" (")[0]


def _cloud(view: View) -> dict[str, Any]:
    size = float(np.clip(2.2e4 / max(len(view.rows), 1), 5, 30))
    return {"s": size, "linewidths": 0, "rasterized": True}


def _colour_bar(figure: Figure, shown: Any, label: str, *, decades: float | None = None) -> None:
    """Below the axes; logarithmic where told over how many decades."""
    width, height = figure.get_size_inches()
    bar = figure.colorbar(
        shown, cax=figure.add_axes((0.72 / width, 0.44 / height, 3.7 / width, 0.13 / height)), orientation="horizontal"
    )
    bar.set_label(label)
    if decades is None:
        bar.ax.xaxis.set_major_locator(round_ticks(6))
    else:
        bar.ax.xaxis.set_major_locator(LogLocator(numticks=6))
        bar.ax.xaxis.set_minor_locator(LogLocator(subs=(2, 5), numticks=6))
        bar.ax.xaxis.set_major_formatter(plain())
        bar.ax.tick_params(which="both", length=3, pad=2)
        bar.ax.xaxis.set_minor_formatter(twos_and_fives() if decades < 2.2 else NullFormatter())
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    if bar.solids is not None:
        bar.solids.set_rasterized(True)


def _legend(figure: Figure, axes: Any) -> None:
    legend = figure.legend(*axes.get_legend_handles_labels(), loc="upper right", ncols=2, bbox_to_anchor=(0.98, 1.01))
    for handle in legend.legend_handles:
        if handle is not None and hasattr(handle, "set_sizes"):
            handle.set_sizes([34])  # pyright: ignore[reportAttributeAccessIssue]
