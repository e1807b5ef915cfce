"""scikit-learn: spectral embedding, CCA, nearest neighbours and kernel ridge.

``SpectralEmbedding`` of the graph of nearest neighbours, of the activations and in Mahalanobis distances. It is given
as many neighbours as datafold's tutorial takes, 30, as its default (n / 10) did worse. It returns no eigenvalues. The
regressions, and CCA the number of its components, choose by folds of their own pairs. Of CCA ``predict`` is taken;
least squares on all its variates would be the affine map again.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import sklearn
from given import Charted, Seen, Task
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import CCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.manifold import SpectralEmbedding
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

VERSION = f"scikit-learn {sklearn.__version__}"

SEED = 0
NEIGHBOURS = 30
FOLDS = 3
SCORE = "neg_mean_squared_error"


def chart(seen: Seen) -> Charted:
    """Of the activations as they are."""
    made = SpectralEmbedding(seen.coordinates, n_neighbors=NEIGHBOURS, random_state=SEED).fit_transform(
        seen.activations
    )
    return Charted(made, np.arange(len(made)))


def chart_metric(seen: Seen) -> Charted:
    """In Mahalanobis distances."""
    n = len(seen.activations)
    everyone = np.arange(n)
    distances = np.stack([seen.distances(np.full(n, k), everyone) for k in range(n)])
    near = np.argsort(distances, axis=1)[:, : NEIGHBOURS + 1]
    far = np.take_along_axis(distances, near, axis=1)
    graph = sp.csr_matrix((far.ravel(), (np.repeat(everyone, NEIGHBOURS + 1), near.ravel())), shape=(n, n))
    made = SpectralEmbedding(
        seen.coordinates, affinity="precomputed_nearest_neighbors", n_neighbors=NEIGHBOURS, random_state=SEED
    )
    return Charted(made.fit_transform(graph), everyone)


def cca(task: Task, pairs: str) -> np.ndarray:
    """With the number of components that predicts best."""
    most = min(task.first.activations.shape[1], task.paired.shape[1], 4 if pairs == "six" else np.inf)
    grid = {"n_components": np.arange(1, int(most) + 1)}
    return _predicted(GridSearchCV(CCA(max_iter=5000), grid, scoring=SCORE, cv=FOLDS), task, pairs)


def nearest(task: Task, pairs: str) -> np.ndarray:
    """The mean of some nearest neighbours, weighted by distance or not."""
    grid = {"n_neighbors": [1, 2, 3, 4, 6, 8, 12, 16], "weights": ["uniform", "distance"]}
    return _predicted(GridSearchCV(KNeighborsRegressor(), grid, scoring=SCORE, cv=FOLDS), task, pairs)


def kernel_ridge(task: Task, pairs: str) -> np.ndarray:
    """Of Gaussians, on standardised activations."""
    ridge = make_pipeline(StandardScaler(), KernelRidge(kernel="rbf"))
    grid = {"kernelridge__gamma": [0.03, 0.1, 0.3, 1, 3], "kernelridge__alpha": [1e-12, 1e-9, 1e-6, 1e-3]}
    search = GridSearchCV(ridge, grid, scoring=SCORE, cv=FOLDS)
    return _predicted(TransformedTargetRegressor(search, transformer=StandardScaler()), task, pairs)


def _predicted(model: GridSearchCV | TransformedTargetRegressor, task: Task, pairs: str) -> np.ndarray:
    x, y = task.pairs(pairs)
    model.fit(x, y)
    return np.asarray(model.predict(task.unseen))
