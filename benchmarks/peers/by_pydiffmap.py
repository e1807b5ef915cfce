"""pydiffmap: 64 neighbours and the bandwidth by Berry, Giannakis and Harlim, its defaults, and α = 1.

It has no Mahalanobis distance but takes any function for a metric, which is handed two rows; so each row is the
activations followed by their inverse covariance. Neighbours are then searched for one by one, since trees need a
triangle inequality. Without that metric its eigenvalues are in units of the activations, and are not comparable.
"""

from __future__ import annotations

# the peer is not installed where types are checked: hence what is ignored of its imports
from importlib.metadata import version
from typing import Any

import numpy as np
from given import Charted, Seen
from pydiffmap.diffusion_map import DiffusionMap  # pyright: ignore[reportMissingImports]

VERSION = f"pydiffmap {version('pydiffmap')}"


def chart(seen: Seen) -> Charted:
    """Of the activations as they are."""
    made = DiffusionMap.from_sklearn(alpha=1.0, n_evecs=seen.coordinates).fit(seen.activations)
    return Charted(made.evecs, np.arange(len(seen.activations)))


def chart_metric(seen: Seen) -> Charted:
    """In the Mahalanobis distance."""
    n, m = seen.activations.shape

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        step = a[:m] - b[:m]
        return float(np.sqrt(max(step @ (a[m:] + b[m:]).reshape(m, m) @ step, 0) / 2))

    rows = np.hstack([seen.activations, seen.inverse.reshape(n, -1)])
    options: dict[str, Any] = {"metric": distance, "neighbor_params": {"algorithm": "brute"}}
    made = DiffusionMap.from_sklearn(alpha=1.0, n_evecs=seen.coordinates, **options).fit(rows)
    # its generator is (P − 1) / ε with the kernel exp(−d² / 4ε): the Laplacian itself
    return Charted(made.evecs, np.arange(n), -made.evals)
