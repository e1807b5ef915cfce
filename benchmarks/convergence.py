"""How the error of the transformation falls with the number of samples.

``python benchmarks/convergence.py [--seeds 3] [--first-seed 100] [--output convergence.png]``

Three curves for each world: relative root mean square errors at 1,000 unseen points, median of the seeds.

- *sametask*: ``forward`` of the transformation.
- *diffusion only*: the spectral alignment of the same charts by the same anchors, which the refinement starts from, is
  taken as the match. Each sample of the first network gets the second's activations at its place on the second manifold
  (eigenfunctions continued between samples by their gradients, activations by the library's cubics). Unseen points get
  the local-linear regression of these on the first network's activations, as the oracle's. Embedding unseen points
  themselves by Nyström extension was a little worse wherever it was tried: regression also averages noise away.
- *oracle*: the same regression, given all correspondences.

Regressions have the number of neighbours that suits each pair best. The order is the slope against the sample spacing
h = N^(-1/d), by least squares in logarithms.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

import sametask as st
from sametask.matching import Match, spectral

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from accuracy import oracle_error, regression_error
from worlds import WORLDS, Pair, pair, relative_error

SIZES = {"rectangle": (250, 500, 1000, 2000, 4000, 8000), "sphere": (500, 1000, 2000, 4000, 8000)}
METHODS: tuple[str, ...] = ("sametask", "diffusion only", "oracle")
MARKERS: dict[str, str] = dict(zip(METHODS, "os^", strict=True))


@dataclass(frozen=True)
class Curve:
    """Errors of one method on one world.

    Attributes:
        sizes: (k,) numbers of samples.
        errors: (k, seeds).
        dimension: of the world.
    """

    sizes: np.ndarray
    errors: np.ndarray
    dimension: int

    @property
    def median(self) -> np.ndarray:
        """Over the seeds, for each size."""
        return np.median(self.errors, axis=1)

    @property
    def order(self) -> float:
        """Slope of the median against the spacing, in logarithms."""
        return float(np.polyfit(-np.log(self.sizes) / self.dimension, np.log(self.median), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--output", type=Path, default=Path("convergence.png"), help="picture (default %(default)s)")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(f"{'world':10} {'N':>5} " + " ".join(f"{f'{method}, worst':>22}" for method in METHODS))
    found = {world: measure(world, seeds) for world in SIZES}
    for world, curves in found.items():
        print(f"{world:10} order " + " ".join(f"{curves[method].order:14.2f}{'':8}" for method in METHODS))
    draw(found).savefig(options.output, dpi=150)


def measure(world: str, seeds: range) -> dict[str, Curve]:
    """The curve of each method; prints a line for each size."""
    table = np.empty((len(SIZES[world]), len(seeds), len(METHODS)))
    for k, samples in enumerate(SIZES[world]):
        table[k] = [errors(pair(world, samples, seed)) for seed in seeds]
        columns = zip(np.median(table[k], axis=0), table[k].max(axis=0), strict=True)
        shown = " ".join(f"{100 * middle:13.2g}% {100 * worst:6.2g}%" for middle, worst in columns)
        print(f"{world:10} {samples:5} {shown}", flush=True)
    sizes, dimension = np.array(SIZES[world]), WORLDS[world].dimension
    return {method: Curve(sizes, table[:, :, k], dimension) for k, method in enumerate(METHODS)}


def errors(drawn: Pair) -> tuple[float, float, float]:
    """In the order of the methods."""
    charts = [st.chart(probe) for probe in (drawn.first, drawn.second)]
    match = st.match(charts[0], charts[1], anchors=drawn.anchors)
    value = st.Transformation.from_match(match).forward(drawn.unseen_first).value
    return (
        relative_error(value, drawn.unseen_second),
        diffusion_only(drawn, match),
        oracle_error(drawn, drawn.unseen_first),
    )


def diffusion_only(drawn: Pair, match: Match) -> float:
    """Error of the spectral alignment by the same anchors."""
    first, second = match.first, match.second
    alignment = spectral.anchored(first, second, match.anchors, spectral.shared_blocks(first, second))
    at = spectral.places(first, second, alignment)
    values = match.second.manifold.evaluate(*at)
    return regression_error(match.first.probe, values, drawn.unseen_first, drawn.unseen_second)


def draw(found: dict[str, dict[str, Curve]]) -> Figure:
    """A panel for each world."""
    figure = Figure(figsize=(5.5 * len(found), 6), layout="constrained")
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (world, curves) in zip(panels, found.items(), strict=True):
        _panel(axes, world, curves)
    panels[0].set_ylabel("relative error at unseen points", fontsize=12)
    return figure


def _panel(axes: Axes, world: str, curves: dict[str, Curve]) -> None:
    for method, curve in curves.items():
        label = f"{method}: order {curve.order:.1f}"
        line = axes.loglog(curve.sizes, curve.median, marker=MARKERS[method], label=label)[0]
        seeds = curve.errors.shape[1]
        axes.loglog(np.repeat(curve.sizes, seeds), curve.errors.ravel(), ".", color=line.get_color(), alpha=0.4)
    sizes = next(iter(curves.values())).sizes
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{100 * error:g}%"))
    axes.tick_params(labelsize=11)
    axes.set_xlabel("samples N of each network", fontsize=12)
    axes.set_title(world, fontsize=13)
    axes.grid(alpha=0.3)
    dimension = WORLDS[world].dimension
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.15),
        fontsize=11,
        title_fontsize=11,
        title=f"lines: medians, dots: seeds; order in $h = N^{{-1/{dimension}}}$",
    )


if __name__ == "__main__":
    main()
