"""Held-out error of the map that ``compare`` ships, beside what a user would fit by hand to the same rows.

python benchmarks/maps worlds [--seeds 5] [--first-seed 8100] [--counts 6,20,40,60,200,1000] [--world rectangle]
python benchmarks/maps digits [--seeds 20] [--first-seed 8200] [--counts 50,100,500,1000]

``worlds``: two networks at 1,000 samples each, nested numbers of which are shared; error at 1,000 unseen points.
``digits``: layers of two networks trained on digits, of other widths, activations and seeds; error at new pictures.
Peers are fitted to the shared rows alone: ridge, and kernel ridge with a fixed 5 × 5 grid, both by 5 folds.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import numpy as np
from sklearn.datasets import load_digits
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import sametask as st
from worlds import EVERY, RandomNetwork

_GRID = {"gamma": np.logspace(-3, 0, 5), "alpha": np.logspace(-12, 0, 5)}
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def ridge(source: np.ndarray, target: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Ridge regression, its penalty by leave-one-out error."""
    return RidgeCV(np.logspace(-8, 3, 23)).fit(source, target).predict(queries)


def kernel_ridge(source: np.ndarray, target: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Kernel ridge regression with a fixed grid, on neurons in units of their spread."""
    scale, centre = StandardScaler().fit(source), target.mean(axis=0)
    folds = min(5, len(source))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # matrices that are nearly singular
        fitted = GridSearchCV(KernelRidge(kernel="rbf"), _GRID, cv=folds, scoring="neg_mean_squared_error")
        fitted.fit(scale.transform(source), target - centre)
        return fitted.predict(scale.transform(queries)) + centre


PEERS: dict[str, Fit] = {"ridge": ridge, "kernel ridge": kernel_ridge}


def relative(predicted: np.ndarray, true: np.ndarray) -> float:
    """Root mean square error as a share of the spread."""
    return float(np.sqrt(np.square(predicted - true).sum() / np.square(true - true.mean(axis=0)).sum()))


def worlds(options: argparse.Namespace) -> None:
    """Errors by number of pairs, on known worlds."""
    names = [options.world] if options.world else ["interval", "rectangle", "sphere", "torus"]
    for name in names:
        world, table = EVERY[name], {}
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            rng = np.random.default_rng(seed)
            n, m = 1000, 2 * world.dimension + 1
            m = max(m, 7)
            width = world.sample(rng, 2).shape[1]
            networks = [RandomNetwork.draw(width, m, 2 * seed + k) for k in (0, 1)]
            shared, own, unseen = (
                world.sample(rng, n),
                [world.sample(rng, n) for _ in networks],
                world.sample(rng, 1000),
            )
            for count in options.counts:
                x = [np.concatenate([shared[:count], each[count:]]) for each in own]
                ids = [np.concatenate([np.arange(count), np.arange(count, n) + k * n]) for k in (0, 1)]
                probes = [world.probe(networks[k], x[k], ids=ids[k]) for k in (0, 1)]
                start = time.perf_counter()
                verdict = st.compare(*probes, seed=seed)
                seconds = time.perf_counter() - start
                true = networks[1](unseen)
                error = np.nan
                if verdict.transformation is not None and verdict.transformation.there is not None:
                    error = relative(verdict.transformation.forward(networks[0](unseen)).value, true)
                a, b = (networks[k](shared[:count]) for k in (0, 1))
                start = time.perf_counter()
                peer = relative(kernel_ridge(a, b, networks[0](unseen)), true)
                way = verdict.loss[0].map if verdict.loss else "match"
                table.setdefault(count, []).append((error, peer, seconds, time.perf_counter() - start, way))
        print(f"\n{name}, {options.seeds} seeds: median (worst)")
        print(f"{'pairs':>6} {'sametask':>22} {'kernel ridge':>22} {'ratio':>16} {'s':>6} {'s':>6}  maps")
        for count, rows in table.items():
            errors, peers, took, peer_took = np.array([row[:4] for row in rows]).T
            ratio = errors / peers
            shown = f"{np.median(ratio):.3f} ({ratio.max():.2f})"
            print(
                f"{count:6d} {_spread(errors):>22} {_spread(peers):>22} {shown:>16} "
                f"{np.median(took):6.1f} {np.median(peer_took):6.1f}  {', '.join(sorted({row[4] for row in rows}))}",
                flush=True,
            )


def digits(options: argparse.Namespace) -> None:
    """Errors by number of pairs, between layers of networks trained on digits."""
    pictures, labels = load_digits(return_X_y=True)
    pictures = np.asarray(pictures) / 16
    table: dict[int, list[tuple[float, float]]] = {}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(pictures))
        train, pool, held = order[:500], order[500:1500], order[1500:]
        layers = []
        for _ in range(2):
            width, kind = int(rng.choice([24, 32, 48, 64])), str(rng.choice(["tanh", "relu"]))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                net = MLPClassifier((width,), activation=kind, random_state=int(rng.integers(1 << 30)), max_iter=150)
                net.fit(pictures[train], np.asarray(labels)[train])
            made = pictures @ net.coefs_[0] + net.intercepts_[0]
            layers.append(np.tanh(made) if kind == "tanh" else np.maximum(made, 0))
        for count in options.counts:
            a, b = (each[pool[:count]] for each in layers)
            queries, true = layers[0][held], layers[1][held]
            verdict = st.compare(a, b, seed=seed)
            assert verdict.transformation is not None
            error = relative(verdict.transformation.forward(queries).value, true)
            best = min(relative(fit(a, b, queries), true) for fit in PEERS.values())
            table.setdefault(count, []).append((error, best))
    print(f"digits, {options.seeds} draws: median (worst)")
    print(f"{'pairs':>6} {'sametask':>22} {'best peer':>22} {'ratio':>16}")
    for count, rows in table.items():
        errors, peers = np.array(rows).T
        ratio = errors / peers
        shown = f"{np.median(ratio):.3f} ({ratio.max():.2f})"
        print(f"{count:6d} {_spread(errors):>22} {_spread(peers):>22} {shown:>16}", flush=True)


def _spread(values: np.ndarray) -> str:
    return f"{np.median(values):.2g} ({values.max():.2g})"


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, prog="maps", formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", choices=("worlds", "digits"))
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--first-seed", type=int)
    parser.add_argument("--counts")
    parser.add_argument("--world", choices=sorted(EVERY))
    options = parser.parse_args()
    known = options.table == "worlds"
    options.seeds = options.seeds or (5 if known else 20)
    options.first_seed = options.first_seed if options.first_seed is not None else (8100 if known else 8200)
    counts = options.counts or ("6,20,40,60,200,1000" if known else "50,100,500,1000")
    options.counts = [int(each) for each in counts.split(",")]
    worlds(options) if known else digits(options)


if __name__ == "__main__":
    main()
