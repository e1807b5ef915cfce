"""Networks that respond unevenly: are the neighbours, the spectra and the verdicts right?

``python benchmarks/uneven.py charts [--samples 500,2000] [--seeds 5] [--first-seed 7000] [--only sphere]`` prints for
each kind of network on each world, medians over the seeds with the worst behind:

* *edges*: of the 4 + 4 d truly nearest inputs of each sample, the share that are joined to it by an edge of the chart;
* *graph*: of the neighbours kept (64 mostly), the share that are among as many truly nearest inputs;
* *long*: the share of neighbours kept that are farther than twice the farthest of as many truly nearest inputs;
* *λ*: the largest relative error of the first five eigenvalues.

``python benchmarks/uneven.py bias [--seeds 5] [--first-seed 7600]`` holds the error that unresolved steps cause in
ln λ (root mean square over eight, beside the chart of the inputs themselves) against the share of them.

``python benchmarks/uneven.py pairs [--pairs 120] [--first-seed 7100] [--workers 2]`` compares pairs of these networks,
of samples of their own, with six anchors and with none, and prints what was said, the error of the map at 1,000 unseen
points and its ratio to that of the same pair at a ratio of 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise, repeat
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh
from scipy.spatial import KDTree

import sametask as st

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from responses import Differentiable, Softmax, growing, swirling, turning, weakly
from worlds import EVERY, RandomNetwork, World, relative_error, up_to_isometry

SIDES = {"square": (1.0, 1.0), "rectangle": (1.6, 1.0), "L-shape": (1.6, 1.0), "box": (1.5, 1.2, 1.0)}
RATIOS = (0.3, 0.1, 0.03)


@dataclass(frozen=True)
class Kind:
    """A way of responding unevenly on a world.

    Attributes:
        world: its name.
        how: in words.
        ratio: of the weakest response to the strongest; 1 for even ones, 0 where it is not one number.
        behind: puts it before a network.
    """

    world: str
    how: str
    ratio: float
    behind: Callable[[RandomNetwork], Differentiable]

    def network(self, seed: int, which: int) -> Differentiable:
        """The first or second network of a seed."""
        world = EVERY[self.world]
        neurons = 8 if self.how == "softmax" else 2 * world.dimension + 1
        return self.behind(RandomNetwork.draw(world.ambient, neurons, 1000 * seed + which))


def _as_it_is(network: RandomNetwork) -> RandomNetwork:
    return network


def kinds() -> list[Kind]:
    """All of them."""
    result = []
    for world in ("square", "rectangle", "L-shape", "sphere", "torus", "box"):
        d = EVERY[world].ambient
        result.append(Kind(world, "even", 1.0, _as_it_is))
        for ratio in RATIOS:
            weak = {"one direction": np.r_[np.ones(d - 1), ratio]}
            if world == "torus":  # (cos a, cos b, sin a, sin b): one of the two circles, or one axis of R⁴
                weak = {"one circle": np.array([1, ratio, 1, ratio]), "one axis": weak["one direction"]}
            if world == "sphere":
                weak = {"one axis": weak["one direction"]}
            if world == "box":
                weak["two directions"] = np.array([1.0, ratio, ratio])
            for how, factors in weak.items():
                result.append(Kind(world, how, ratio, partial(weakly, factors=factors)))
    for world in ("square", "rectangle", "L-shape"):
        middle = np.array(SIDES[world]) / 2
        for ratio in RATIOS:
            result.append(Kind(world, "turning", ratio, partial(turning, ratio=ratio)))
        result += [
            Kind(world, "growing 40-fold", 0.0, partial(growing, middle=middle)),
            Kind(world, "swirl", 0.0, partial(swirling, middle=middle)),
            Kind(world, "softmax", 0.0, Softmax),
        ]
    return result


@cache
def spectrum(name: str) -> np.ndarray:
    """The first five eigenvalues of a world."""
    if name == "torus":
        return np.array([1.0, 1, 1, 1, 2])
    if name == "L-shape":
        return _l_shape(0.005)
    if name == "square":
        return np.pi**2 * np.array([1.0, 1, 2, 4, 4])
    return EVERY[name].eigenvalues[:5]


def _l_shape(step: float) -> np.ndarray:
    """By finite differences; halving the step changes them by 5·10⁻⁴ at most."""
    x, y = np.meshgrid(np.arange(step / 2, 1.6, step), np.arange(step / 2, 1, step), indexing="ij")
    inside = (x < 0.8) | (y < 0.5)
    place = np.full(inside.shape, -1)
    place[inside] = np.arange(inside.sum())
    pairs = [(place[:-1].ravel(), place[1:].ravel()), (place[:, :-1].ravel(), place[:, 1:].ravel())]
    i = np.concatenate([pair[0] for pair in pairs])
    j = np.concatenate([pair[1] for pair in pairs])
    i, j = i[(i >= 0) & (j >= 0)], j[(i >= 0) & (j >= 0)]
    joined = sp.csr_array((np.ones(len(i)), (i, j)), shape=(inside.sum(),) * 2)
    joined = joined + joined.T
    laplacian = (sp.diags_array(np.asarray(joined.sum(axis=1)).ravel()) - joined) / step**2
    return np.sort(eigsh(sp.csc_array(laplacian), 6, sigma=-0.1)[0])[1:]


def seen(kind: Kind, network: Differentiable, x: np.ndarray, **options) -> st.Probe:
    """A network seen with exact Jacobians."""
    jacobians = np.einsum("nmk,nkd->nmd", network.jacobian(x), EVERY[kind.world].tangents(x))
    return st.Probe.from_jacobians(network(x), jacobians, inputs=x, **options)


def charted(kind: Kind, n: int, seed: int) -> tuple[float, float, float, float, float]:
    """(edges, graph, long, λ, seconds) of one draw."""
    world = EVERY[kind.world]
    x = world.sample(np.random.default_rng([seed, 1]), n)
    probe = seen(kind, kind.network(seed, 1), x)
    start = time.perf_counter()
    chart = st.chart(probe)
    seconds = time.perf_counter() - start
    x, graph = x[chart.rows], chart.graph
    kept, few = graph.index.shape[1], 4 + 4 * world.dimension
    distance, near = map(np.asarray, KDTree(x).query(x, kept + 1))
    own = np.arange(len(x))[:, None]
    found = np.linalg.norm(x[graph.index] - x[own], axis=2)
    reach = distance[:, kept, None]
    joined = sp.csr_array((np.ones(len(chart.edges.i), bool), (chart.edges.i, chart.edges.j)), shape=(len(x),) * 2)
    i, j = np.repeat(np.arange(len(x)), few), near[:, 1 : few + 1].ravel()
    nearest = sp.csr_array((np.ones(len(i), bool), (i, j)), shape=joined.shape)
    edges = float(joined.multiply(nearest).nnz / len(i))
    within = (found <= reach * (1 + 1e-12)) & graph.present
    off = np.abs(chart.eigenvalues[:5] / spectrum(kind.world) - 1).max()
    long = ((found > 2 * reach) & graph.present).sum() / graph.present.sum()
    return edges, float(within.sum(axis=1).mean() / kept), float(long), float(off), seconds


def charts(options: argparse.Namespace) -> None:
    """Print the table of charts."""
    print(f"{'world':10}{'response':18}{'ratio':>6}{'n':>7}{'edges':>13}{'graph':>13}{'long':>17}{'λ':>15}{'s':>7}")
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    with ProcessPoolExecutor(options.workers) as pool:
        for n in (int(each) for each in options.samples.split(",")):
            for kind in kinds():
                if options.only not in f"{kind.world} {kind.how}":
                    continue
                drawn = pool.map(charted, repeat(kind), repeat(n), seeds)
                edges, graph, long, off, seconds = np.array(list(drawn)).T
                print(
                    f"{kind.world:10}{kind.how:18}{kind.ratio or '':>6}{n:7,}"
                    f"{np.median(edges):7.3f}{edges.min():6.2f}{np.median(graph):7.3f}{graph.min():6.2f}"
                    f"{np.median(long):9.2%}{long.max():8.2%}{np.median(off):8.1%}{off.max():7.0%}"
                    f"{np.median(seconds):7.1f}",
                    flush=True,
                )


def biased(kind: Kind, seed: int) -> tuple[float, float]:
    """(share of unresolved steps, error of ln λ) of one draw."""
    world = EVERY[kind.world]
    rng = np.random.default_rng([seed, 1])
    x = world.sample(rng, int(np.exp(rng.uniform(np.log(500), np.log(3000)))))
    even = st.chart(st.Probe.from_jacobians(x, world.tangents(x)))
    chart = st.chart(seen(kind, kind.network(seed, 1), x))
    off = np.log(chart.eigenvalues[:8] / even.eigenvalues[:8])
    return chart.graph.unresolved, float(np.sqrt(np.mean(np.square(off))))


def bias(options: argparse.Namespace) -> None:
    """Print how far spectra are off for each unresolved step."""
    every = [(kind, seed) for kind in kinds() for seed in range(options.first_seed, options.first_seed + options.seeds)]
    with ProcessPoolExecutor(options.workers) as pool:
        share, off = np.array(list(pool.map(biased, *zip(*every, strict=True)))).T
    print(f"{'unresolved':>14}{'draws':>7}{'off, median':>13}{'95 %':>8}{'largest':>9}{'over share: median, 95 %':>27}")
    for low, high in pairwise((0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.01)):
        some = (share >= low) & (share < high)
        if some.any():
            ratio = off[some] / np.maximum(share[some], 1e-3)
            print(
                f"{f'{low:.1%} – {high:.1%}':>14}{some.sum():7d}{np.median(off[some]):13.3f}"
                f"{np.quantile(off[some], 0.95):8.3f}{off[some].max():9.3f}"
                f"{np.median(ratio):19.2f}{np.quantile(ratio, 0.95):8.2f}"
            )
    big = off > 0.03
    print(
        f"off by more than 0.03: {big.sum()}, of them within twice the share: {(off[big] <= 2 * share[big]).mean():.0%}"
    )


@dataclass(frozen=True)
class Said:
    """What was said of a pair, and how far off its map is; infinite where there is none."""

    name: str
    given: str
    decision: str
    confidence: float
    error: float
    even: float
    seconds: float


def judged(seed: int) -> Said:
    """One pair. Its networks, where they are not of the same kind, are one even and one uneven; anchors in turn."""
    rng = np.random.default_rng([seed, 5])
    possible = [kind for kind in kinds() if kind.ratio not in (1.0, 0.03) and kind.how != "one axis"]
    kind = possible[seed % len(possible)]
    even = next(each for each in kinds() if each.world == kind.world and each.ratio == 1)
    both = bool(rng.uniform() < 0.5)
    given = "anchors" if (seed // len(possible)) % 2 == 0 else "none"
    n = 2000 if EVERY[kind.world].dimension == 3 else int(rng.integers(1000, 2001))
    start = time.perf_counter()
    verdict, error = _compared((kind if both else even, kind), n, seed, given)
    seconds = time.perf_counter() - start
    _, at_one = _compared((even, even), n, seed, given)
    name = f"{kind.world}, {kind.how}, {kind.ratio or 'by place'}, {'both' if both else 'second'}, {n:,}"
    return Said(name, given, verdict.decision.value, verdict.confidence, error, at_one, seconds)


def _compared(pair: tuple[Kind, Kind], n: int, seed: int, given: str) -> tuple[st.Verdict, float]:
    world: World = EVERY[pair[0].world]
    x = [world.sample(np.random.default_rng([seed, k]), n) for k in (1, 2)]
    if given == "anchors":
        x[1][:6] = x[0][:6]
    networks = [kind.network(seed, 1 + k) for k, kind in enumerate(pair)]
    probes = [seen(kind, network, inputs) for kind, network, inputs in zip(pair, networks, x, strict=True)]
    rows = np.stack([np.arange(6)] * 2, axis=1) if given == "anchors" else None
    verdict = st.compare(probes[0], probes[1], anchors=rows, seed=seed)
    if verdict.transformation is None:
        return verdict, np.inf
    unseen = world.sample(np.random.default_rng([seed, 3]), 1000)
    predicted = verdict.transformation.forward(networks[0](unseen)).value
    if given == "anchors":
        return verdict, relative_error(predicted, networks[1](unseen))
    return verdict, up_to_isometry(world, networks[1], unseen, predicted)[0]  # type: ignore[arg-type]  # any callable does


def pairs(options: argparse.Namespace) -> None:
    """Judge pairs and print what was said."""
    answers: list[Said] = []
    with ProcessPoolExecutor(options.workers) as pool:
        for each in pool.map(judged, range(options.first_seed, options.first_seed + options.pairs)):
            answers.append(each)
            print(
                f"{each.given:8}{each.decision:13}{each.confidence:6.2f}  {each.error:9.2e} "
                f"{each.error / each.even:7.2f} times  {each.seconds:5.1f} s  {each.name}",
                flush=True,
            )
    for given in ("anchors", "none"):
        some = [each for each in answers if each.given == given]
        counts = Counter(each.decision for each in some)
        ratios = np.array([each.error / each.even for each in some if np.isfinite(each.error) and each.even > 0])
        print(f"\n{given}: {len(some)} pairs: " + ", ".join(f"{many} {name}" for name, many in counts.most_common()))
        if len(ratios):
            print(
                f"error over that at a ratio of 1: median {np.median(ratios):.2f}, "
                f"{(ratios <= 3).mean():.0%} at most 3, largest {ratios.max():.3g}"
            )


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("charts", "bias", "pairs"))
    parser.add_argument("--samples", default="500,1000,2000,5000,10000")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--first-seed", type=int, default=7000)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    {"charts": charts, "bias": bias, "pairs": pairs}[options.what](options)


if __name__ == "__main__":
    main()
