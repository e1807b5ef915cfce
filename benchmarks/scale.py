"""How time and memory grow with the number of samples, stage by stage.

``python benchmarks/scale.py [--sizes 10000 30000 100000 1000000] [--world rectangle] [--neurons 10] [--whole]``

Two random networks on a world of ``tests/worlds.py``, samples drawn independently, six anchors. Each size runs in a
process of its own; seconds and the highest resident memory in each stage (with what is held from the stages before;
*probes* is what the process holds before anything is done). Exponents are least squares on logarithms. Above the number
of landmarks (100,000; ``--whole`` charts every sample) charts are of these, so what follows no longer grows.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

CALLS = 100_000
"""Activations carried over."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000, 1_000_000])
    parser.add_argument("--world", default="rectangle")
    parser.add_argument("--neurons", type=int, default=10)
    parser.add_argument("--whole", action="store_true", help="chart every sample; compares nothing beyond 100,000")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, options)))
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{os.cpu_count()} cores, {memory:.0f} GiB; {options.world}, {options.neurons} neurons", flush=True)
    found: dict[int, dict[str, Any]] = {}
    arguments = sys.argv[1:]
    for size in options.sizes:
        command = [sys.executable, __file__, *arguments, "--one", str(size)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"{size:,} samples: failed with code {done.returncode}")
            continue
        found[size] = json.loads(done.stdout.splitlines()[-1])
        print(f"{size:,} samples: {found[size]['says']}", flush=True)
    report(found)


def report(found: dict[int, dict[str, Any]]) -> None:
    """Seconds and gigabytes of each stage, and how they grow."""
    import numpy as np

    stages = list(dict.fromkeys(stage for each in found.values() for stage in each["stages"]))
    sizes = list(found)
    for k, unit in enumerate(("seconds", "GB")):
        print(f"\n{unit:30}" + "".join(f"{size:>12,}" for size in sizes) + "      grows as")
        for stage in stages:
            values = [found[size]["stages"].get(stage, [np.nan] * 2)[k] for size in sizes]
            known = np.isfinite(values)
            exponent = ""
            if known.sum() > 1:
                slope = np.polyfit(np.log(np.array(sizes)[known]), np.log(np.maximum(np.array(values)[known], 1e-3)), 1)
                exponent = f"N^{slope[0]:.2f}"
            print(f"{stage:30}" + "".join(f"{value:12.2f}" for value in values) + f"{exponent:>14}")


def measured(size: int, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and peak memory of each stage with so many samples of each network."""
    import numpy as np

    import sametask as st
    from sametask.verdict.single import Single
    from worlds import pair, relative_error

    drawn = pair(options.world, size, 100, neurons=options.neurons)
    stages: dict[str, list[float]] = {"probes": [float("nan"), _resident()]}
    method = st.DiffusionChart(landmarks=size) if options.whole else st.DiffusionChart()

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        _reset_peak()
        start = time.perf_counter()
        yield
        stages[name] = [time.perf_counter() - start, _peak()]

    with stage("chart of one"):
        chart = st.chart(drawn.first, method, keep=drawn.anchors[:, 0])
    if chart.thinned:
        with stage("embedding of all"):
            chart.embed(drawn.first.activations)
    says = f"λ = {', '.join(f'{value:.4g}' for value in chart.eigenvalues[:4])}"
    if options.whole and size > 100_000:
        return {"stages": stages, "says": says}
    with stage("chart of the other"):
        other = st.chart(drawn.second, method, keep=drawn.anchors[:, 1])
    with stage("match, refined"):
        match = st.match(chart, other, anchors=drawn.anchors)
    with stage("transformation"):
        transformation = st.Transformation.from_match(match)
    single = Single.of(drawn.first, method, 0)
    single.__dict__["chart"] = chart
    with stage("noise floor of one"):
        _ = single.own
    some = np.resize(drawn.first.activations, (CALLS, drawn.first.activations.shape[1]))
    with stage(f"forward of {CALLS:,}"):
        transformation.forward(some)
    rate = CALLS / stages[f"forward of {CALLS:,}"][0]
    del chart, other, match, transformation, single
    with stage("compare, all of it"):
        verdict = st.compare(drawn.first, drawn.second, anchors=drawn.anchors, method=method)
    says += f"; {verdict.decision.value}; forward {rate:,.0f} activations a second"
    if verdict.transformation is not None:
        estimate = verdict.transformation.forward(drawn.unseen_first)
        says += f", error {relative_error(estimate.value, drawn.unseen_second):.1e}"
    return {"stages": stages, "says": says}


def _status(field: str) -> float:
    """In GB, from the kernel's account of this process."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1e6 if found else float("nan")


def _resident() -> float:
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
