"""End to end at N samples for each network: two charts, match, transformation, noise floor, verdict.

``python benchmarks/large.py [--samples 20000]`` prints time and peak memory.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import sametask as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from worlds import pair, relative_error


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--world", default="rectangle", choices=["interval", "rectangle", "circle", "sphere"])
    options = parser.parse_args()
    drawn = pair(options.world, options.samples, 100)
    start = time.perf_counter()
    st.chart(drawn.first)
    print(f"one chart: {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    verdict = st.compare(drawn.first, drawn.second, anchors=drawn.anchors)
    seconds = time.perf_counter() - start
    print(f"compare {options.world} {options.samples} + {options.samples}: {verdict.decision.value}, {seconds:.1f} s")
    if verdict.transformation is not None:
        start = time.perf_counter()
        estimate = verdict.transformation.forward(drawn.unseen_first)
        seconds = time.perf_counter() - start
        print(
            f"forward: error {relative_error(estimate.value, drawn.unseen_second):.3%}, 1,000 points in {seconds:.2f} s"
        )
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
