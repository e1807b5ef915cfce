"""datafold's diffusion maps with its Mahalanobis kernel, and the paper's pipeline built of its parts.

As in its tutorial on that kernel: neighbours within the distance that ``PCManifold.optimize_parameters`` finds for 30
of them, and *inverse* covariances under the name ``cov_matrices``. The bandwidth is its own (with ``epsilon=None``: the
largest distance to a 25th neighbour, beyond which kernels are below 10⁻⁸), or where the sum of all kernels grows
fastest with it on a double logarithmic scale, the usual rule for diffusion maps. Neither uses any truth.
"""

from __future__ import annotations

# the peer is not installed where types are checked: hence what is ignored of its imports
from importlib.metadata import version

import numpy as np
import scipy.sparse as sp
from datafold.dynfold import DiffusionMaps, GeometricHarmonicsInterpolator  # pyright: ignore[reportMissingImports]
from datafold.pcfold import GaussianKernel, PCManifold  # pyright: ignore[reportMissingImports]
from datafold.pcfold.distance import init_distance_algorithm  # pyright: ignore[reportMissingImports]
from datafold.pcfold.estimators import estimate_cutoff, estimate_scale  # pyright: ignore[reportMissingImports]
from datafold.pcfold.kernels import MahalanobisKernel  # pyright: ignore[reportMissingImports]
from given import Charted, Seen, Task
from scipy.linalg import orthogonal_procrustes

VERSION = f"datafold {version('datafold')}"

NEIGHBOURS = 30
"""As in the tutorial."""
WIDTHS = (1, 4, 16, 64, 256)
"""Times datafold's own bandwidth, tried for the geometric harmonics."""
HARMONICS = (25, 50, 100, 200)
MOST = 6
"""Coordinates tried."""


def chart_own(seen: Seen) -> Charted:
    """With the bandwidth that it chooses itself."""
    return _chart(seen, seen.coordinates, slope=False)


def chart_slope(seen: Seen) -> Charted:
    """With the bandwidth at which the sum of kernels grows fastest."""
    return _chart(seen, seen.coordinates, slope=True)


def pipeline(task: Task, pairs: str) -> np.ndarray:
    """From activations of the first to its coordinates, turned by the anchors, and on to activations of the second.

    Geometric harmonics lead there and back. Their width and number are those that do best at a fifth of the network's
    own samples left out; on the way back these are moved by as much as anchors miss where the other five turn them, or
    harmonics are chosen that go astray just beside the manifold (errors of 200 and 800 %). The number of coordinates is
    the one with which anchors are predicted best by the others.
    """
    charts = [_chart(seen, MOST, slope=True).coordinates for seen in (task.first, task.second)]
    here = _harmonics(task.first.activations, charts[0]).predict(task.unseen)
    first, second = (coordinates[rows] for coordinates, rows in zip(charts, task.anchors.T, strict=True))
    wanted = task.pairs(pairs)[1]
    best = None
    for k in range(task.first.dimension, MOST + 1):
        one, two = first[:, :k], second[:, :k]
        turned = np.empty_like(one)
        for out in range(len(one)):
            rest = np.arange(len(one)) != out
            turned[out] = one[out] @ orthogonal_procrustes(one[rest], two[rest])[0]
        off = float(np.sqrt(np.mean(np.square(turned - two))))
        back = _harmonics(charts[1][:, :k], task.second.activations, off)
        missed = np.square(back.predict(turned) - wanted).sum()
        if best is None or missed < best[0]:
            best = missed, back.predict(here[:, :k] @ orthogonal_procrustes(one, two)[0])
    assert best is not None
    return best[1]


def _chart(seen: Seen, count: int, slope: bool) -> Charted:
    y = np.asarray(seen.activations)  # a plain array: indexing its own PCManifold is ten times slower
    points = PCManifold(y)
    points.optimize_parameters(k=NEIGHBOURS, n_subsample=len(y), random_state=0)
    reach = {"cut_off": points.cut_off, "k": NEIGHBOURS}
    epsilon = _bandwidth(seen, reach, slope)
    maps = DiffusionMaps(MahalanobisKernel(epsilon=epsilon, distance=reach), n_eigenpairs=count + 1, alpha=1.0)
    maps.fit(y, kernel_kwargs={"cov_matrices": seen.inverse})
    # its kernel is exp(−d² / 2ε), that of heat for a time ε / 2
    eigenvalues = -2 / epsilon * np.log(maps.eigenvalues_[1:])
    return Charted(np.sqrt(len(y)) * maps.eigenvectors_[:, 1:], np.arange(len(y)), eigenvalues)


def _bandwidth(seen: Seen, reach: dict[str, float], slope: bool) -> float:
    """From Mahalanobis distances between the neighbours that its kernel is given."""
    graph = sp.coo_matrix(init_distance_algorithm(**reach)(seen.activations))
    distances = seen.distances(graph.row, graph.col)
    if not slope:  # as MahalanobisKernel does it, which does not tell what it chose
        known = sp.csr_matrix((distances, (graph.row, graph.col)), shape=graph.shape)
        return estimate_scale(seen.activations, cut_off=estimate_cutoff(seen.activations, k=25, distance_matrix=known))
    tried = 2.0 ** np.arange(-30, 10, 0.5) * np.median(distances) ** 2
    sums = [np.log(np.exp(-np.square(distances) / (2 * epsilon)).sum()) for epsilon in tried]
    return float(tried[np.argmax(np.diff(sums))])


def _harmonics(x: np.ndarray, y: np.ndarray, off: float = 0.0) -> GeometricHarmonicsInterpolator:
    """Of y over x, tuned at samples left out that are moved by ``off``."""
    points = PCManifold(x)
    _, own = points.optimize_parameters(random_state=0)
    rng = np.random.default_rng(0)
    held = rng.permutation(len(x)) < len(x) // 5
    moved = x[held] + off * rng.normal(size=x[held].shape)
    best = None
    for width in WIDTHS:
        for count in HARMONICS:
            made = GeometricHarmonicsInterpolator(GaussianKernel(width * own), n_eigenpairs=count)
            missed = np.square(made.fit(x[~held], y[~held]).predict(moved) - y[held]).sum()
            if best is None or missed < best[0]:
                best = missed, width, count
    assert best is not None
    return GeometricHarmonicsInterpolator(GaussianKernel(best[1] * own), n_eigenpairs=best[2]).fit(x, y)
