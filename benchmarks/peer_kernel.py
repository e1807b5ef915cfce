"""Chart of the same points by datafold's Mahalanobis kernel and by sametask, in one run.

datafold 2.0.2 pins older releases of what it stands on, so it lives in an environment of its own:

    python -m venv peer && peer/bin/pip install datafold==2.0.2
    python benchmarks/peer_kernel.py --peer peer/bin/python

Its kernel takes *inverse* covariances under the name ``cov_matrices``. Printed are the times and, for the leading
eigenfunctions of the rectangle 1.6 × 1, the correlation with the truth.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import sametask as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from worlds import WORLDS, pair

PEER = """
import sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from datafold.pcfold.distance import BruteForceDist
from datafold.pcfold.kernels import MahalanobisKernel
data = np.load(sys.argv[1])
epsilon = float(data["bandwidth"])
start = time.perf_counter()
# a plain array: indexing its own PCManifold is ten times slower
# so wide that nothing underflows: the squared distances can be had back from the kernel
kernel = MahalanobisKernel(epsilon=1e4 * epsilon, distance=BruteForceDist(metric="euclidean"))
matrix = kernel(data["activations"], cov_matrices=data["inverse"])
seconds = time.perf_counter() - start
squared = -2e4 * epsilon * np.log(np.where(matrix.toarray() > 0, matrix.toarray(), 1))
truth = data["truth"]
best = None
for factor in (0.5, 1, 2, 4, 8):  # it is given the best of five bandwidths
    start = time.perf_counter()
    dense = np.exp(-squared / (factor * epsilon))
    density = dense.sum(1)
    dense = dense / np.outer(density, density)
    row = dense.sum(1)
    values, vectors = np.linalg.eigh(dense / np.sqrt(np.outer(row, row)))
    functions = (vectors / np.sqrt(row)[:, None])[:, ::-1][:, 1:8]
    eigen = time.perf_counter() - start
    score = np.abs(np.corrcoef(functions.T, truth.T)[:7, 7:]).max(0).mean()
    if best is None or score > best[0]:
        best = (score, functions, eigen)
np.savez(sys.argv[2], functions=best[1], seconds=seconds, total=seconds + best[2])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", required=True, help="python of an environment with datafold 2.0.2")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 104])
    parser.add_argument("--strengths", type=float, nargs="+", default=[1.0, 2.0], help="how far the networks bend")
    options = parser.parse_args()
    for strength in options.strengths:
        for seed in options.seeds:
            _compare(options.peer, options.samples, seed, strength)


def _compare(peer: str, samples: int, seed: int, strength: float) -> None:
    probe = pair("rectangle", samples, seed, strength=strength).first
    truth = WORLDS["rectangle"].functions(np.asarray(probe.inputs))
    charts, seconds = [], []
    for _ in range(3):
        fresh = dataclasses.replace(probe)  # nothing kept from the run before
        start = time.perf_counter()
        charts.append(st.chart(fresh))
        seconds.append(time.perf_counter() - start)
    chart, ours = charts[0], statistics.median(seconds)
    metric = probe.metric
    steps = metric.frames / metric.gains[:, :, None]
    inverse = np.einsum("ndk,ndl->nkl", steps, steps)
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        bandwidth = chart.operator.bandwidth
        np.savez(given, activations=probe.activations, inverse=inverse, bandwidth=bandwidth, truth=truth)
        subprocess.run([peer, "-c", PEER, str(given), str(found)], check=True)
        with np.load(found) as result:
            theirs, kernel_seconds, functions = float(result["total"]), float(result["seconds"]), result["functions"]
    print(f"strength {strength:g}, seed {seed}: condition number of the network {metric.condition.max():.1f}")
    print(f"  datafold: {theirs:.1f} s (kernel {kernel_seconds:.1f} s), correlations {_match(functions, truth)}")
    print(f"  sametask: {ours:.2f} s, correlations {_match(chart.functions, truth[chart.rows])}")
    print(f"  ratio: {theirs / ours:.0f}×", flush=True)


def _match(functions: np.ndarray, truth: np.ndarray) -> list[float]:
    """Largest correlation of each true eigenfunction with any of the leading ones found."""
    k = truth.shape[1]
    found = np.corrcoef(functions[:, : k + 2].T, truth.T)[: functions[:, : k + 2].shape[1], -k:]
    return [round(float(value), 3) for value in np.abs(found).max(axis=0)]


if __name__ == "__main__":
    main()
