"""How much of B the best of a few maps from A loses: the definition, slowly, on NumPy and scikit-learn alone."""

from __future__ import annotations

import numpy as np
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import RidgeCV

Maps = dict[str, object]


def identity(a, b, x):
    return x


def rotation(a, b, x):
    width = max(a.shape[1], b.shape[1])

    def padded(y):
        return np.hstack([y, np.zeros((len(y), width - y.shape[1]))])

    left, sizes, right = np.linalg.svd(padded(a - a.mean(0)).T @ padded(b - b.mean(0)))
    turned = padded(x - a.mean(0)) @ left @ right * sizes.sum() / np.square(a - a.mean(0)).sum()
    return turned[:, : b.shape[1]] + b.mean(0)


def linear(a, b, x):
    spread = np.where(a.std(0) > 0, a.std(0), 1)
    return RidgeCV(np.logspace(-8, 3, 23)).fit(a / spread, b).predict(x / spread).reshape(len(x), -1)


def smooth(a, b, x, gamma, penalty):
    spread = np.where(a.std(0) > 0, a.std(0), 1)
    model = KernelRidge(alpha=penalty, kernel="rbf", gamma=gamma).fit(a / spread, b - b.mean(0))
    return model.predict(x / spread) + b.mean(0)


def loss(a, b, folds, units, noise=None):
    """The least loss of these maps, and which has it; ``folds`` (n,) says on which rows each is tried together."""
    spread = np.where(a.std(0) > 0, a.std(0), 1)
    few = a[:300] / spread
    usual = np.median([np.square(one - two).sum() for one in few for two in few]) or 1.0
    maps = {"rotation": (rotation, ()), "linear": (linear, ())}
    if a.shape[1] == b.shape[1]:
        maps["identity"] = (identity, ())
    for width in (0.1, 0.3, 1, 3):
        for penalty in (1e-10, 1e-6, 1e-3, 1e-2):
            maps[f"smooth {width} {penalty}"] = (smooth, (width / usual, penalty))
    found = {}
    for name, (fit, options) in maps.items():
        error = np.empty_like(b)
        for fold in np.unique(folds):
            held = folds == fold
            error[held] = b[held] - fit(a[~held], b[~held], a[held], *options)
        found[name] = figure(error, b, units, noise)
    best = min(found, key=found.get)
    return found[best], best.split()[0]


def figure(error, b, units, noise=None):
    """Layer units: all neurons together; neuron units: the worst; less what the target's own answers vary by."""
    noise = np.zeros(b.shape[1]) if noise is None else noise
    each = [np.mean(error[:, j] ** 2) - noise[j] for j in range(b.shape[1])]
    spread = [np.var(b[:, j]) - noise[j] for j in range(b.shape[1])]
    if units == "layer":
        return np.sqrt(max(sum(each) / sum(spread), 0))
    counts = [j for j in range(b.shape[1]) if spread[j] > 1e-12 * max(spread)]
    return np.sqrt(max(max(each[j] / spread[j] for j in counts), 0))
