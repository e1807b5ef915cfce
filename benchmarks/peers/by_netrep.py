"""netrep's linear alignments, taken from one network to the other.

Both networks are brought into a common space by a matrix each, which is invertible; the way to the second is the
first's matrix and the inverse of the second's. Its metric is an angle, which sees no scale; that is one more number,
fitted to the pairs. α = 1 allows rotations only, α = 0 any invertible linear map. netrep is on no package index; where
it is not installed its documented algorithm is done here by hand, with the same figures, and the name says so.
"""

from __future__ import annotations

import numpy as np
from given import Task
from scipy.linalg import orthogonal_procrustes

try:  # it is not installed where types are checked
    from netrep.metrics import LinearMetric  # pyright: ignore[reportMissingImports]
except ImportError:
    LinearMetric = None

VERSION = "netrep 0.0.2" if LinearMetric else "as in netrep: done by hand, since netrep is not installed"


def rotation(task: Task, pairs: str) -> np.ndarray:
    """Only rotations and reflections."""
    return _aligned(task, pairs, alpha=1.0)


def linear(task: Task, pairs: str) -> np.ndarray:
    """Any invertible linear map."""
    return _aligned(task, pairs, alpha=0.0)


def _aligned(task: Task, pairs: str, alpha: float) -> np.ndarray:
    x, y = task.pairs(pairs)
    if LinearMetric is None:
        centres = x.mean(0), y.mean(0)
        whitening = [_whitening(each) if alpha == 0 else np.eye(each.shape[1]) for each in (x, y)]
        whitened = [(each - centre) @ w for each, centre, w in zip((x, y), centres, whitening, strict=True)]
        first, second = whitening[0] @ orthogonal_procrustes(*whitened)[0], whitening[1]
    else:
        metric = LinearMetric(alpha=alpha).fit(x, y)
        centres, first, second = (metric.mx_, metric.my_), metric.Wx_, metric.Wy_
    across = first @ np.linalg.inv(second)
    carried = (x - centres[0]) @ across
    scale = np.sum(carried * (y - centres[1])) / np.sum(np.square(carried))
    return scale * (task.unseen - centres[0]) @ across + centres[1]


def _whitening(x: np.ndarray) -> np.ndarray:
    """The symmetric matrix that makes the covariance the identity."""
    values, vectors = np.linalg.eigh(np.cov(x.T))
    return vectors / np.sqrt(np.maximum(values, 1e-12 * values[-1])) @ vectors.T
