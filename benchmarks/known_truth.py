"""Figures on worlds whose truth is known: spectra, eigenfunctions, and the error of the transformation.

``python benchmarks/known_truth.py [--seeds 5] [--first-seed 100] [--more-neurons 0]`` prints a table.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import sametask as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from worlds import NEURONS, WORLDS, World, block_correlation, pair, relative_error


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--more-neurons", type=int, default=0, help="than the 2d + 1 of each network")
    options = parser.parse_args()
    print(f"{'world':10} {'eigenvalues':>13} {'functions':>9} {'forward':>15} {'backward':>15} {'cond':>5} {'s':>5}")
    print(f"{'':10} {'worst error':>13} {'worst':>9} {'median worst':>15} {'median worst':>15} {'worst':>5}")
    for name, world in WORLDS.items():
        spectral, correlation, forward, backward, condition, seconds = [], [], [], [], [], []
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            drawn = pair(name, options.samples, seed, neurons=NEURONS[name] + options.more_neurons)
            start = time.perf_counter()
            charts = [st.chart(probe) for probe in (drawn.first, drawn.second)]
            matched = st.match(charts[0], charts[1], anchors=drawn.anchors)
            transformation = st.Transformation.from_match(matched)
            seconds.append(time.perf_counter() - start)
            for chart in charts:
                spectral.append(np.abs(chart.eigenvalues[:5] / world.eigenvalues - 1).max())
                truth = world.functions(np.asarray(chart.probe.inputs))
                for columns in _resolved(world):
                    correlation.append(
                        block_correlation(chart.functions[:, columns], truth[:, columns], chart.stationary)
                    )
                condition.append(float(chart.probe.metric.condition.max()))
            forward.append(relative_error(transformation.forward(drawn.unseen_first).value, drawn.unseen_second))
            backward.append(relative_error(transformation.backward(drawn.unseen_second).value, drawn.unseen_first))
        print(
            f"{name:10} {max(spectral):13.1%} {min(correlation):9.4f} {np.median(forward):8.2%} {max(forward):6.2%} "
            f"{np.median(backward):8.2%} {max(backward):6.2%} {max(condition):5.0f} {np.median(seconds):5.1f}"
        )


def _resolved(world: World) -> list[list[int]]:
    """Blocks of eigenfunctions, those together that a chart does not tell apart."""
    found: list[list[int]] = []
    for block in world.blocks:
        low, high = (world.eigenvalues[min(k, 4)] for k in (found[-1][-1] if found else 0, block[0]))
        if found and len(block) == 1 and high - low < st.DiffusionChart.block_gap * high:
            found[-1] += block
        else:
            found.append(list(block))
    return found


if __name__ == "__main__":
    main()
