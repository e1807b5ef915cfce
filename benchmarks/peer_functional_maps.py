"""Matching without correspondences by pyfmaps' ZoomOut and by sametask, on the same eigenfunctions, in one run.

    pip install ".[bench]" -c constraints.txt
    python benchmarks/peer_functional_maps.py [--seeds 5] [--first-seed 100] [--samples 2000] [--worlds blob,rectangle]

Both are given the charts of two random networks that saw independent samples: eigenfunctions (with the constant, as
pyfmaps has them on meshes) and the measure in which they are orthonormal. ZoomOut (Melzi et al. 2019) is started from
all signs of the four leading eigenfunctions and grown one by one; it picks the start itself by how near samples come in
the final eigenfunctions. Its answer is a sample of the second network for each of the first, and errors are those at
the first's samples: of the nearest sample (``chosen``), of the nearest by the start that truth would pick (``best``),
and by that start of the mean of the eight nearest (``smoothed``). sametask's errors are at 1,000 unseen points. All are
relative root mean squares, the least that an isometry of the world leaves; median and worst of the seeds. Times are
without the charts, and for all starts.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import KDTree

import sametask as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from worlds import EVERY, Activations, World, pair, up_to_isometry

try:
    from pyFM.refine import zoomout_refine  # pyright: ignore[reportMissingImports]
except ImportError:
    sys.exit("pyfmaps is not installed; pip install '.[bench]' -c constraints.txt")

WORLDS = ("L-shape", "rectangle", "blob", "triangle", "bumpy sphere")
SIGNED = 4
SIZES = (20, 25)
"""Eigenfunctions ZoomOut stops at; truth picks the better."""
AVERAGED = 8
RIGHT = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--worlds", default=",".join(WORLDS))
    options = parser.parse_args()
    print(
        f"{'manifold':20} │ {'chosen':>15} {'right':>5} {'best':>15} {'smoothed':>15} {'time':>7} │ "
        f"{'sametask':>15} {'right':>5} {'time':>7}"
    )
    for name in options.worlds.split(","):
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        results = [_one(name, options.samples, seed) for seed in seeds]
        print(_line(name, results), flush=True)


def _one(name: str, samples: int, seed: int) -> dict[str, float]:
    world, drawn = EVERY[name], pair(name, samples, seed, anchors=0)
    first, second = st.chart(drawn.first), st.chart(drawn.second)
    start = time.perf_counter()
    match = st.match(first, second)
    transformation = st.Transformation.from_match(match)
    ours = time.perf_counter() - start
    value = transformation.forward(drawn.unseen_first).value
    return {
        "sametask": up_to_isometry(world, drawn.networks[1], drawn.unseen, value)[0],
        "seconds": ours,
        **_zoomout(world, drawn.networks[1], first, second),
    }


def _zoomout(world: World, network: Activations, first: st.Chart, second: st.Chart) -> dict[str, float]:
    """Errors of ZoomOut from all starts, and its time."""
    bases = [np.hstack([np.ones((len(chart.rows), 1)), chart.functions]) for chart in (first, second)]
    x, values = np.asarray(first.probe.inputs), second.probe.activations
    results, seconds = [], 0.0
    for size in SIZES:
        found = []
        for signs in itertools.product((1.0, -1.0), repeat=SIGNED):
            begin = np.diag([1.0, *signs])
            start = time.perf_counter()
            # from the second's functions to the first's, so that each sample of the first gets one of the second
            grown, there = zoomout_refine(
                begin, bases[1], bases[0], nit=size - SIGNED - 1, A2=first.stationary, return_p2p=True, n_jobs=1
            )
            seconds += time.perf_counter() - start
            wanted, has = bases[0][:, :size], bases[1][:, :size] @ grown.T
            off = float(np.mean(np.linalg.norm(wanted - has[there], axis=1)))
            near = np.asarray(KDTree(has).query(wanted, AVERAGED)[1])
            error = up_to_isometry(world, network, x, values[there])[0]
            smooth = up_to_isometry(world, network, x, values[near].mean(axis=1))[0]
            found.append({"off": off, "chosen": error, "smoothed": smooth})
        chosen = min(found, key=lambda each: each["off"])
        results.append(
            {
                "chosen": chosen["chosen"],
                "best": min(each["chosen"] for each in found),
                "smoothed": min(each["smoothed"] for each in found),
            }
        )
    better = {kind: min(result[kind] for result in results) for kind in results[0]}
    return {**better, "peer_seconds": seconds / len(SIZES)}


def _line(name: str, results: list[dict[str, Any]]) -> str:
    def of(kind: str) -> np.ndarray:
        return np.array([result[kind] for result in results])

    def both(kind: str) -> str:
        return f"{_percent(np.median(of(kind))):>7} {_percent(of(kind).max()):>7}"

    def right(kind: str) -> str:
        return f"{np.sum(of(kind) < RIGHT)}/{len(results)}"

    return (
        f"{name:20} │ {both('chosen')} {right('chosen'):>5} {both('best')} {both('smoothed')} "
        f"{np.median(of('peer_seconds')):5.1f} s │ {both('sametask')} {right('sametask'):>5} "
        f"{np.median(of('seconds')):5.1f} s"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"


if __name__ == "__main__":
    main()
