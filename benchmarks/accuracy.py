"""Accuracy of the transformation on worlds whose truth is known, beside a regression given all correspondences.

``python benchmarks/accuracy.py [--seeds 5] [--first-seed 100] [--rows interval,sphere] [--more-neurons 0]``

For each manifold: samples drawn independently for the two networks but for six anchors, 1,000 unseen points, relative
root mean square errors of ``forward`` and of the round trip (median and worst of the seeds). The oracle is a
local-linear regression of the second network's activations on the first's that is given *all* correspondences, with the
number of neighbours that suits each pair best. ``coverage`` is the share of unseen points within one and within two
uncertainties.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import KDTree

import sametask as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from worlds import NEURONS, Pair, pair, relative_error


@dataclass(frozen=True)
class Row:
    """A line of the table: a world, a sample size, options of the pair, and the error aimed at."""

    world: str
    samples: int
    target: float
    pleat: float = 1.0
    burst: tuple[int, float] | None = None

    @property
    def label(self) -> str:
        """Name of the line."""
        more = " bursts" if self.burst else f" pleat {self.pleat:g}" if self.pleat < 1 else ""
        return f"{self.world}{more} {self.samples}"


TABLE = (
    Row("interval", 500, 0.001),
    Row("rectangle", 2000, 0.003),
    Row("L-shape", 2000, 0.007),
    Row("annulus", 2000, 0.007),
    Row("circle", 500, 0.003),
    Row("sphere", 2000, 0.01),
    Row("sphere", 4000, 0.005),
    Row("torus", 4000, 0.015),
    Row("box", 8000, 0.007),
    Row("rectangle", 2000, float("nan"), burst=(64, 0.01)),
    Row("rectangle", 4000, 0.02, pleat=0.01),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--rows", help="only rows whose label contains one of these, separated by commas")
    parser.add_argument("--more-neurons", type=int, default=0, help="than the 2d + 1 of each network")
    parser.add_argument("--each", action="store_true", help="a line for every seed")
    options = parser.parse_args()
    print(
        f"{'manifold':22} {'target':>7} {'forward':>15} {'round trip':>15} {'oracle':>7} {'ratio':>5} "
        f"{'coverage':>9} {'cond':>5} {'charts':>7} {'refine':>7} {'memory':>8}"
    )
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for row in TABLE:
        if options.rows and not any(part in row.label for part in options.rows.split(",")):
            continue
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # a process of its own, for its peak memory
            results, memory = pool.apply(_measure, (row, seeds, options.more_neurons))
        if options.each:
            for seed, result in zip(seeds, results, strict=True):
                print(f"  {seed:20} {result['forward']:15.3%} {result['trip']:23.3%} {result['oracle']:15.3%}", end="")
                print(f"{result['within'][0]:9.0%}/{result['within'][1]:.0%} {result['condition']:5.0f}")
        print(_line(row, results, memory), flush=True)
        if row.pleat < 1:
            away = max(result["away"] for result in results)
            flagged = float(np.mean([result["flagged"] for result in results]))
            told = sum(result["told"] for result in results)
            print(
                f"  away from the pleat {away:.3%} at worst; of it {flagged:.0%} flagged; {told} of {len(seeds)} say so"
            )


def _line(row: Row, results: list[dict[str, Any]], memory: float) -> str:
    def of(name: str) -> np.ndarray:
        return np.array([result[name] for result in results])

    within = of("within").mean(axis=0)
    return (
        f"{row.label:22} {row.target:7.1%} {np.median(of('forward')):7.3%} {of('forward').max():7.3%} "
        f"{np.median(of('trip')):7.3%} {of('trip').max():7.3%} {np.median(of('oracle')):7.3%} "
        f"{np.median(of('forward') / of('oracle')):5.2f} {within[0]:4.0%} {within[1]:4.0%} "
        f"{of('condition').max():5.0f} {np.median(of('charts')):5.1f} s {np.median(of('refine')):5.1f} s "
        f"{memory:5.2f} GB"
    )


def _measure(row: Row, seeds: range, more: int) -> tuple[list[dict[str, Any]], float]:
    results = [
        _one(
            row, pair(row.world, row.samples, seed, neurons=NEURONS[row.world] + more, pleat=row.pleat, burst=row.burst)
        )
        for seed in seeds
    ]
    return results, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _one(row: Row, drawn: Pair) -> dict[str, Any]:
    start = time.perf_counter()
    charts = [st.chart(probe) for probe in (drawn.first, drawn.second)]
    charted = time.perf_counter()
    transformation = st.Transformation.from_match(st.match(charts[0], charts[1], anchors=drawn.anchors))
    done = time.perf_counter()
    estimate = transformation.forward(drawn.unseen_first)
    missed = np.linalg.norm(estimate.value - drawn.unseen_second, axis=1)
    result: dict[str, Any] = {
        "forward": relative_error(estimate.value, drawn.unseen_second),
        "trip": relative_error(transformation.round_trip(drawn.unseen_first), drawn.unseen_first),
        "oracle": oracle_error(drawn),
        "within": [np.mean(missed <= k * estimate.uncertainty) for k in (1, 2)],
        "condition": float(drawn.first.metric.condition.max()),
        "charts": charted - start,
        "refine": done - charted,
    }
    if row.pleat < 1:
        gains = np.linalg.svd(drawn.networks[0].jacobian(drawn.unseen), compute_uv=False)
        bad = gains[:, 0] / gains[:, -1] > 20
        spread = np.sqrt(np.square(drawn.unseen_second - drawn.unseen_second.mean(0)).sum(1).mean())
        result["away"] = float(np.sqrt(np.mean(np.square(missed[~bad]))) / spread)
        usual = np.median(estimate.uncertainty[~bad])
        result["flagged"] = float(np.mean(~estimate.inside[bad] | (estimate.uncertainty[bad] > 2 * usual)))
        verdict = st.compare(drawn.first, drawn.second, anchors=drawn.anchors)
        result["told"] = any("fold" in finding.name for finding in verdict.diagnosis)
    return result


def oracle_error(drawn: Pair) -> float:
    """Local-linear regression given all correspondences; the best of several numbers of neighbours."""
    values = drawn.networks[1](np.asarray(drawn.first.inputs))
    known, d = drawn.first.activations, drawn.first.dimension
    tree = KDTree(known)
    errors = []
    for count in (2 * d + 2, 3 * d + 3, 5 * d + 5):
        near = tree.query(drawn.unseen_first, count)[1]
        at = known[near]
        centre = at.mean(axis=1, keepdims=True)
        tangents = np.linalg.svd(at - centre, full_matrices=False)[2][:, :d]
        steps = np.matmul(at - centre, np.swapaxes(tangents, 1, 2))
        here = np.einsum("pm,pdm->pd", drawn.unseen_first - centre[:, 0], tangents)
        design = np.concatenate([np.ones((*near.shape, 1)), steps], axis=2)
        fitted = np.matmul(np.linalg.pinv(design), values[near])
        predicted = fitted[:, 0] + np.einsum("pd,pdm->pm", here, fitted[:, 1:])
        errors.append(relative_error(predicted, drawn.unseen_second))
    return min(errors)


if __name__ == "__main__":
    main()
