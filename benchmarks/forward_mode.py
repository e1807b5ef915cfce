"""What d exact tangents cost in plain forward passes: the bound is 3 (d + 1).

``python benchmarks/forward_mode.py`` prints medians over runs in one process.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import sametask as st
from sametask.experiments import crepe


def main() -> None:
    rng = np.random.default_rng(0)
    for name, module, shape, n in cases():
        network = st.from_torch(module)
        x = rng.standard_normal((n, *shape)).astype(np.float32)
        plain = median(lambda network=network, x=x: network(x))
        costs = []
        for d in (1, 2, 3):
            tangents = rng.standard_normal((n, d, *shape)).astype(np.float32)
            cost = median(lambda network=network, x=x, t=tangents: network.pushforward(x, t)) / plain
            costs.append(f"d = {d}: {cost:.1f} of at most {3 * (d + 1)}")
        print(f"{name:28} {', '.join(costs)}")


def cases() -> list[tuple[str, Any, tuple[int, ...], int]]:
    nn = torch.nn
    convolutional = nn.Sequential(
        nn.Conv2d(1, 16, 3),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2704, 10),
    )
    return [
        ("MLP 512 × 3", mlp(3, 512, 3), (3,), 2000),
        ("MLP 64 × 2", mlp(3, 64, 2), (3,), 4000),
        ("conv, batch norm, max-pool", convolutional, (1, 28, 28), 256),
        ("CREPE tiny", crepe.crepe("tiny"), (1024,), 64),
    ]


def mlp(inputs: int, width: int, depth: int) -> Any:
    layers: list[Any] = []
    for k in range(depth):
        layers += [torch.nn.Linear(inputs if k == 0 else width, width), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(width, 5))


def median(run: Callable[[], object], runs: int = 9) -> float:
    run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
