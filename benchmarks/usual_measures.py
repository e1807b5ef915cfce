"""Where the usual measures of similarity mislead, and where they are enough: pairs whose truth is known.

python benchmarks/usual_measures.py --seeds 5 --first-seed 0 [--only "folded"]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import sametask as st
from sametask.experiments import demo

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from worlds import RandomNetwork, box

_N = 1000
_CHANCE = 0.2
_STEP = st.CentralDifference(1e-4)
Map = Callable[[np.ndarray], np.ndarray]
Probes = tuple[st.Probe, st.Probe]


@dataclass(frozen=True)
class Case:
    """A pair of networks on the same samples.

    Attributes:
        draw: the two probes, from a seed.
        truth: whether each is a function of the other.
    """

    draw: Callable[[int], Probes]
    truth: str


def _seen(first: Map, second: Map, x: np.ndarray, step: st.CentralDifference = _STEP) -> Probes:
    ids = np.arange(len(x))
    return st.probe(st.from_callable(first), x, step, ids=ids), st.probe(st.from_callable(second), x, step, ids=ids)


def _inputs(seed: int, *sides: float, n: int = _N) -> np.ndarray:
    return box(*sides).sample(np.random.default_rng([seed, 5]), n)


def _mixed(values: Map, seed: int, width: int) -> Map:
    """Neurons that are a rotation of some quantities, so that none is by itself in one neuron."""
    turn = np.linalg.qr(np.random.default_rng([seed, width]).normal(size=(width, width)))[0]

    def network(x: np.ndarray) -> np.ndarray:
        said = values(x)
        return np.pad(said, ((0, 0), (0, width - said.shape[1]))) @ turn

    return network


def _mlp(seed: int, inputs: int, width: int) -> Map:
    """Two layers of tanh as they are before training, with weights of the usual size."""
    rng = np.random.default_rng([seed, 3])
    first, shift = rng.normal(size=(inputs, width)) / np.sqrt(inputs), rng.uniform(-1, 1, width)
    second = rng.normal(size=(width, width)) / np.sqrt(width)
    return lambda x: np.tanh(np.tanh((x - x.mean(axis=0)) @ first + shift) @ second)


def _rotated(seed: int) -> Probes:
    net = RandomNetwork.draw(2, 5, seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    return _seen(net, lambda x: net(x) @ turn, _inputs(seed, 1.6, 1.0))


def _trained(seed: int) -> Probes:
    nets = [st.from_onnx(demo.path(which), layers=["hidden2"]) for which in ("first", "second")]
    x = demo.inputs(seed, _N)
    one, two = (st.probe(net, x, st.CentralDifference(1e-3), ids=np.arange(_N)) for net in nets)
    return one, two


def _untrained(seed: int) -> Probes:
    return _seen(_mlp(2 * seed, 2, 64), _mlp(2 * seed + 1, 2, 64), _inputs(seed, 2.0, 2.0))


def _large_and_small(second: Map) -> Callable[[int], Probes]:
    """The first carries a large quantity and a small one; the second something of them."""

    def draw(seed: int) -> Probes:
        x = _inputs(seed, 2.0, 1.0) - [1.0, 0.5]
        return _seen(_mixed(lambda x: x * [1.0, 0.4], seed, 5), _mixed(second, seed + 100, 5), x)

    return draw


def _wound(turns: float, height: float, n: int) -> Callable[[int], Probes]:
    """An interval as it is, and wound up on a spiral staircase."""

    def draw(seed: int) -> Probes:
        x = _inputs(seed, 1.0, n=n)
        angle = 2 * np.pi * turns
        return _seen(
            _mixed(lambda x: x, seed, 3),
            _mixed(lambda x: np.hstack([np.cos(angle * x), np.sin(angle * x), height * x]), seed + 100, 4),
            x,
        )

    return draw


def _stretched(seed: int) -> Probes:
    x = _inputs(seed, 1.0, 1.0)
    return _seen(_mixed(lambda x: x, seed, 5), _mixed(lambda x: x * [1.0, 30.0], seed + 100, 5), x)


def _unrelated(width: int, fastest: float, noise: float = 0.05) -> Callable[[int], Probes]:
    """Waves of two inputs that have nothing to do with each other, 200 samples, with a little noise."""

    def draw(seed: int) -> Probes:
        probes = []
        for k in (1, 2):
            rng = np.random.default_rng([seed, k])
            x = rng.uniform(0, 1, (200, 1))
            rate, phase = rng.uniform(0, fastest, width), rng.uniform(0, 2 * np.pi, width)
            values = np.sin(x * rate + phase) + noise * rng.normal(size=(200, width))
            slopes = rate * np.cos(x * rate + phase)
            probes.append(st.Probe.from_jacobians(values, slopes[:, :, None], np.arange(200)))
        return probes[0], probes[1]

    return draw


def _few(seed: int) -> Probes:
    one, two = _rotated(seed)
    return one.take(np.arange(50)), two.take(np.arange(50))


EQUIVALENT, ONE_WAY, INEQUIVALENT = "equivalent", "first determines second", "inequivalent"

CASES = {
    "one rotated into the other": Case(_rotated, EQUIVALENT),
    "the same, 50 samples": Case(_few, EQUIVALENT),
    "two trained for one task": Case(_trained, EQUIVALENT),
    "two untrained": Case(_untrained, EQUIVALENT),
    "small direction lost": Case(_large_and_small(lambda x: np.hstack([x[:, :1], 0.1 * x[:, :1] ** 2])), ONE_WAY),
    "small direction folded": Case(_large_and_small(lambda x: x ** [1, 2] * [1.0, 0.6]), ONE_WAY),
    "one direction stretched": Case(_stretched, EQUIVALENT),
    "wound up, 3 turns": Case(_wound(3, 0.6, 1000), EQUIVALENT),
    "wound up, 10 turns, sparse": Case(_wound(10, 0.4, 1000), EQUIVALENT),
    "unrelated, 10 neurons": Case(_unrelated(10, 100.0), INEQUIVALENT),
    "unrelated, 300 neurons": Case(_unrelated(300, 100.0), INEQUIVALENT),
    "unrelated, 300 rough neurons": Case(_unrelated(300, 600.0), INEQUIVALENT),
}


COLUMNS = {
    "linear CKA / debiased": ("linear CKA", "linear CKA, debiased"),
    "RBF CKA / debiased": ("RBF CKA", "RBF CKA, debiased"),
    "mean CCA": ("mean CCA",),
    "SVCCA": ("SVCCA",),
    "PWCCA": ("PWCCA",),
    "Procrustes": ("Procrustes angle",),
    "RSA, Pearson / Spearman": ("RSA, Pearson", "RSA, Spearman"),
    "k-NN": ("mutual k-NN",),
}


def _cell(figures: list[tuple[float, float]]) -> str:
    """The median of a measure; and of what chance shows where that is not next to nothing."""
    value, chance = np.median(figures, axis=0)
    shown = f"{value:.2f}".replace("-0.00", "0.00")
    return shown + (f" ({chance:.2f})" if _CHANCE < abs(chance) < 1.2 else "")


def main() -> None:
    """Print what each measure and sametask say of each pair: medians over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", help="pairs whose name holds this")
    options = parser.parse_args()
    start = time.perf_counter()
    print("| pair | " + " | ".join(COLUMNS) + " | sametask | truth |")
    print("|---" * (len(COLUMNS) + 3) + "|")
    for name, case in CASES.items():
        if options.only and options.only not in name:
            continue
        said: Counter[str] = Counter()
        figures: dict[str, list[tuple[float, float]]] = {}
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            verdict = st.compare(*case.draw(seed), seed=seed)
            said[verdict.decision.value] += 1
            assert verdict.measures is not None
            for reading in verdict.measures.readings:
                figures.setdefault(reading.measure.name, []).append((reading.value, reading.chance))
        cells = [" / ".join(_cell(figures[measure]) for measure in column) for column in COLUMNS.values()]
        decisions = ", ".join(f"{answer} {count}/{options.seeds}" for answer, count in said.most_common())
        print(f"| {name} | " + " | ".join(cells) + f" | {decisions} | {case.truth} |", flush=True)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
