"""What work on a cluster takes: a model of it, checked against measurements, and what it says of 10⁹ samples.

``python benchmarks/cluster.py [--sizes 10000 100000 1000000] [--workers 1 2] [--slow 50]``

Two networks on the rectangle, one of microseconds a sample, one as slow as ``--slow`` says (microseconds). Rates are
measured first, with 30,000 samples and without a cluster where that is possible; the model is

    T = s + max(w R ⌈N / R W⌉, D, (N w + D) / cores),    D = N (r + b (p + q)) + t N / R

with N samples, R of them in a part, w seconds of a worker for each, W workers, p and q bytes sent and returned for
each, b seconds for each byte in this process and the scheduler, r seconds in this process for each sample (inputs read,
results written), t seconds for each part, and s seconds before the first (what is shared is sent, chunks are laid out).
The last term of the maximum is there as long as all share the cores of one machine.
"""

from __future__ import annotations

import argparse
import math
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as workers have it
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import dask.config
import distributed
import numpy as np

import sametask as st
from sametask import _cluster
from sametask.charts.extension import Extension
from sametask.probes.chunks import Sight, see
from sametask.probes.inputs import Inputs
from sametask.transformation import OneWay
from worlds import EVERY, RandomNetwork, pair

CALIBRATED = 30_000
"""Samples by which rates are measured."""
LANDMARKS = 20_000
"""Samples of the chart and the map that others are embedded and translated by."""
BATCH = 4096


@dataclass(frozen=True)
class Stage:
    """What one sample takes.

    Attributes:
        name: what is done.
        run: does it for some inputs on a cluster.
        work: seconds of a worker.
        sent, returned: bytes.
        here: seconds of this process, but for sending.
        rows: in a part.
        start: seconds before the first part.
    """

    name: str
    run: Callable[[Any, Any], Any]
    work: float
    sent: float
    returned: float
    here: float
    rows: int
    start: float = 0.0

    def driver(self, n: int, rates: Rates) -> float:
        """Seconds of this process and the scheduler."""
        return n * (self.here + (self.sent + self.returned) * rates.byte) + math.ceil(n / self.rows) * rates.task

    def predicted(self, n: int, workers: int, rates: Rates, cores: float) -> float:
        """Seconds for so many samples."""
        rows = min(n, self.rows)
        longest, driver = self.work * rows * math.ceil(n / (rows * workers)), self.driver(n, rates)
        return self.start + max(longest, driver, (n * self.work + driver) / cores)


@dataclass(frozen=True)
class Rates:
    """Seconds for each task and for each byte, in this process and the scheduler."""

    task: float
    byte: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--slow", type=float, default=50, help="microseconds that the slow network takes for a sample")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores")
    with tempfile.TemporaryDirectory() as folder:
        at = stages(Path(folder), options.slow * 1e-6)
        with cluster(1) as client:
            rates = measured_rates(client)
            few = EVERY["rectangle"].sample(np.random.default_rng(9), 100)
            for k, each in enumerate(at):
                each.run(client, few)  # modules are loaded
                at[k] = replace(each, start=timed(lambda each=each: each.run(client, few))[0])
        print(f"a task {1e3 * rates.task:.2f} ms, a byte {1e9 * rates.byte:.1f} ns ({1e-6 / rates.byte:.0f} MB/s)\n")
        print("for each sample           worker    sent  returned  this process   rows in a part       start")
        for each in at:
            print(
                f"{each.name:22} {1e6 * each.work:8.1f} µs {each.sent:5.0f} B {each.returned:7.0f} B "
                f"{1e6 * each.here:10.2f} µs {each.rows:14,} {each.start:10.2f} s"
            )
        check(at, rates, cores, options, Path(folder))
    plan(at, rates)


def check(at: list[Stage], rates: Rates, cores: int, options: argparse.Namespace, folder: Path) -> None:
    """Measured beside predicted seconds."""
    print("\nstage                  workers     samples    measured   predicted   ratio")
    x = EVERY["rectangle"].sample(np.random.default_rng(7), max(options.sizes))
    np.save(folder / "x.npy", x)
    inputs = np.load(folder / "x.npy", mmap_mode="r")
    for workers in options.workers:
        with cluster(workers) as client:
            for each in at:
                each.run(client, inputs[:2000])  # modules are loaded
                for n in options.sizes:
                    seconds = time.perf_counter()
                    each.run(client, inputs[:n])
                    seconds = time.perf_counter() - seconds
                    said = each.predicted(n, workers, rates, cores)
                    print(
                        f"{each.name:22} {workers:7} {n:11,} {seconds:9.2f} s {said:9.2f} s {seconds / said:7.2f}",
                        flush=True,
                    )


def plan(at: list[Stage], rates: Rates) -> None:
    """10⁹ samples on clusters whose workers share nothing with this process."""
    n, slow = 10**9, at[1]
    wide = 1000 / 10  # neurons: sent and written bytes grow by as much
    rows = [
        *at[:1],
        *(replace(slow, name=f"probe, {1e3 * w:g} ms a sample", work=w) for w in (1e-4, 1e-3, 1e-2)),
        replace(
            slow, name="probe, 1 ms, 1,000 neurons", work=1e-3, returned=slow.returned * wide, here=slow.here * wide
        ),
        *at[2:],
    ]
    print(f"\n{n:,} samples              traffic  this process" + "".join(f"{w:>9,} w." for w in (1, 10, 100, 1000)))
    for each in rows:
        traffic, driver = n * (each.sent + each.returned), each.driver(n, rates)
        times = "".join(f"{each.predicted(n, w, rates, math.inf) / 3600:10.1f} h" for w in (1, 10, 100, 1000))
        print(f"{each.name:27} {traffic / 1e9:7.0f} GB {driver / 3600:10.1f} h {times}")


def stages(folder: Path, slow: float) -> list[Stage]:
    """All of them, with what they take by measurement."""
    world = EVERY["rectangle"]
    net = RandomNetwork.draw(2, 10, 0)
    x = world.sample(np.random.default_rng(1), CALIBRATED)
    found = []
    for name, network in (("probe, fast network", net), ("probe, slow network", Slow(net, slow / 5))):
        seen = st.from_callable(network, "net")
        sight = Sight(seen, st.CentralDifference(1e-4), Inputs.of(x), None, 0, BATCH)
        part = (sight.way, x, 0)
        seconds, result = timed(lambda seen=seen, sight=sight: see(seen, sight.way, x, 0, slice(None), 0, BATCH))
        work = seconds / CALIBRATED
        whole, stored = timed(lambda seen=seen: probed(False, x, seen, folder))
        found.append(
            Stage(
                name,
                lambda client, inputs, seen=seen: probed(client, inputs, seen, folder),
                work,
                len(pickle.dumps(part)) / CALIBRATED,
                len(pickle.dumps(result)) / CALIBRATED,
                max(whole / CALIBRATED - work, 0.0) if network is net else found[0].here,
                stored._store.rows,
            )
        )
    drawn = pair("rectangle", LANDMARKS, 3, neurons=10)
    charts = st.chart(drawn.first), st.chart(drawn.second)
    carry = st.Transformation.from_match(st.match(*charts, anchors=drawn.anchors))
    chart, y = charts[0], drawn.networks[0](x)
    both: list[tuple[str, Any, Any, Any, int]] = [
        ("embed", Extension.__call__, chart.extension, chart.embed, len(chart.eigenvalues)),
        ("translate", OneWay.__call__, carry.there, carry.forward, 10),
    ]
    for name, function, shared, call, width in both:
        function(shared, y[:100])
        seconds, result = timed(lambda function=function, shared=shared: function(shared, y))
        rows = _cluster.cuts(10**9, max(10, width))[0].stop
        found.append(
            Stage(
                name,
                lambda client, inputs, call=call: call(np.resize(y, (len(inputs), 10)), client=client),
                seconds / len(y),
                80.0,
                len(pickle.dumps(result)) / len(y),
                0.0,
                rows,
            )
        )
    return found


@dataclass(frozen=True)
class Slow:
    """A network that computes for so many seconds more for each sample."""

    network: RandomNetwork
    seconds: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """What the network says, later."""
        until = time.thread_time() + self.seconds * len(x)
        while time.thread_time() < until:
            pass
        return self.network(x)


def probed(client: Any, x: np.ndarray, network: st.Network, folder: Path) -> st.StoredProbe:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = Path(place) / "a.zarr"
        return st.probe(network, x, st.CentralDifference(1e-4), batch_size=BATCH, store=store, client=client)


def measured_rates(client: Any) -> Rates:
    """By tasks that do nothing, without data and with."""
    list(_cluster.each(client, _same, None, ((k,) for k in range(50)), "warm"))
    tasks = 1000
    seconds, _ = timed(lambda: list(_cluster.each(client, _same, None, ((k,) for k in range(tasks)), "task")))
    task = seconds / tasks
    some, parts = np.random.default_rng(0).normal(size=1 << 19), 60
    seconds, _ = timed(lambda: sum(1 for _ in _cluster.each(client, _same, None, ((some,) for _ in range(parts)), "b")))
    return Rates(task, max(seconds - parts * task, 0) / (parts * 2 * some.nbytes))


def _same(_: None, value: Any) -> Any:
    return value


WORKERS = {"MALLOC_TOP_PAD_": 1 << 25, "MALLOC_MMAP_THRESHOLD_": 1 << 25, "MALLOC_TRIM_THRESHOLD_": 1 << 28}
"""Memory stays with workers that will need it again; see docs/cluster.md."""


@contextmanager
def cluster(workers: int) -> Iterator[distributed.Client]:
    own = {**dask.config.get("distributed.nanny.pre-spawn-environ"), **WORKERS}
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": own}),
        distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as made,
        distributed.Client(made) as client,
    ):
        yield client


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
