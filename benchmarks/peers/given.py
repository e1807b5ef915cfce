"""What contenders are given, as read from a file; nothing of it is truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Seen:
    """One network at its samples.

    Attributes:
        activations: (n, m).
        covariances: (n, m, m) of the activations in a small neighbourhood of each input: J Jᵀ.
        dimension: of the manifold of inputs.
        coordinates: how many are asked for.
    """

    activations: np.ndarray
    covariances: np.ndarray
    dimension: int
    coordinates: int

    @cached_property
    def inverse(self) -> np.ndarray:
        """Pseudo-inverses of the covariances, of the rank that is known."""
        values, vectors = np.linalg.eigh(self.covariances)
        kept = vectors[:, :, -self.dimension :]
        return np.einsum("nid,nd,njd->nij", kept, 1 / values[:, -self.dimension :], kept)

    def distances(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Mahalanobis distances between samples given by their rows."""
        inverse = self.inverse
        steps = self.activations[first] - self.activations[second]
        squared = (np.einsum("pi,pij,pj->p", steps, inverse[k], steps) for k in (first, second))
        return np.sqrt(np.maximum(sum(squared), 0) / 2)


@dataclass(frozen=True)
class Charted:
    """What is told of one network.

    Attributes:
        coordinates: (r, k), the leading non-trivial ones.
        rows: (r,) the samples that they are of.
        eigenvalues: (k,) of the Laplacian in units of the input, or None where they cannot be had.
    """

    coordinates: np.ndarray
    rows: np.ndarray
    eigenvalues: np.ndarray | None = None


@dataclass(frozen=True)
class Task:
    """Two networks, and where the first's activations are to be carried to the second's.

    Attributes:
        first: at its samples.
        second: at others.
        anchors: (6, 2) rows of the two that correspond.
        paired: (n, m2) what the second says at the first's samples, for those who are given all correspondences.
        unseen: (u, m1) what the first says at inputs that neither saw.
    """

    first: Seen
    second: Seen
    anchors: np.ndarray
    paired: np.ndarray
    unseen: np.ndarray

    def pairs(self, how_many: str) -> tuple[np.ndarray, np.ndarray]:
        """Activations of the two that correspond: all or those of the six anchors."""
        if how_many == "all":
            return self.first.activations, self.paired
        return self.first.activations[self.anchors[:, 0]], self.second.activations[self.anchors[:, 1]]
