"""A map fitted to rows that correspond, with what is known of its errors and of where it holds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from sametask._check import InputError
from sametask._types import Array, Float, Int
from sametask.maps.estimate import Estimate
from sametask.maps.predictors import Predictor
from sametask.numerics.manifold import Projection

_MOST = 5000
"""Rows by which it is told how near a place is to what was seen."""
_AXES = 32
"""Principal directions in which that is told; what lies beside them counts as one more."""
_AROUND = 24
"""Rows around a place whose errors tell the one to expect there."""
_INSIDE = 0.99
"""Share of the rows themselves that are within the support by the distance to all others."""
_NEAR = 3
"""Rows around a sample that say how far apart rows lie there."""
_SAME_PLACE = 1e-12
"""Distances, as a share of the largest coordinate, that rounding explains."""
_LARGEST = 1e150
"""Squares of more overflow."""
_FARTHEST = 100.0
"""Distance beyond the support, in its own reach, from which on uncertainty grows no more."""


@dataclass(frozen=True)
class Support:
    """Where a map was fitted, and by how much it misses there.

    Attributes:
        projection: of the source to what distances are taken in.
        places: (p, r + 1) rows there, the last coordinate by how much they lie beside it.
        reach: (p,) distance up to which a place near one of them is within the support.
        error: (p,) lengths of held-out errors.
        slope: change of the target for each change of the source, root mean square over the spread.
        residuals: (k,) ascending, held-out errors as multiples of what is expected from those of other groups, one row
            for each group; None if they were not kept.
    """

    projection: Projection
    places: Float[Array, "p q"]
    reach: Float[Array, " p"]
    error: Float[Array, " p"]
    slope: float
    residuals: Float[Array, " k"] | None = None

    @staticmethod
    def of(
        source: Float[Array, "n m1"],
        target: Float[Array, "n m2"],
        errors: Float[Array, " n"],
        groups: Int[Array, " n"],
        seed: int = 0,
    ) -> Support:
        """The support of rows with known lengths of errors; rows of one group say nothing of how far others are."""
        rows = np.arange(len(source))
        if len(rows) > _MOST:
            rows = np.sort(np.random.default_rng(seed).choice(len(rows), _MOST, replace=False))
        kept = source[rows]
        projection = Projection.fit(kept, min(_AXES, *kept.shape))
        places = _places(projection, kept)
        near = min(_NEAR + int(np.bincount(groups[rows]).max()), len(rows) - 1)
        distance, index = KDTree(places).query(places, near + 1)
        # rows at one place say no more of how far apart others are than rows of one group
        size = float(np.abs(places).max(initial=0))
        alone = (groups[rows][index] == groups[rows][:, None]) | (distance <= _SAME_PLACE * size)
        distance = np.where(alone, np.inf, distance)
        distance = np.sort(distance, axis=1)
        apart = distance[:, min(_NEAR, near) - 1]
        finite = np.isfinite(apart)
        apart = np.where(finite, apart, apart[finite].max(initial=0))
        ratio = np.where(np.isfinite(distance[:, 0]), distance[:, 0], 0) / np.maximum(apart, np.finfo(float).tiny)
        reach = apart * max(float(np.quantile(ratio, _INSIDE)), 1.0)
        spread = [np.sqrt(each.var(axis=0).sum()) for each in (kept, target)]
        slope = float(spread[1] / max(spread[0], np.finfo(float).tiny))
        made = Support(projection, places, reach, errors[rows], slope)
        return dataclasses.replace(made, residuals=made._residuals(groups[rows], seed))

    def _residuals(self, groups: Int[Array, " p"], seed: int) -> Float[Array, " k"]:
        """Errors of one row of each group as multiples of what the rows of other groups lead to expect there."""
        order = np.random.default_rng(seed).permutation(len(groups))
        rows = order[np.unique(groups[order], return_index=True)[1]]
        count = min(_AROUND + int(np.bincount(groups).max()), len(groups))
        distance, index = KDTree(self.places).query(self.places[rows], count)
        distance = np.where(groups[index] == groups[rows][:, None], np.inf, distance)
        nearest = np.argsort(distance, axis=1, kind="stable")[:, :_AROUND]
        distance, index = (np.take_along_axis(each, nearest, axis=1) for each in (distance, index))
        others = np.isfinite(distance[:, 0])
        expected, _ = self._expected(distance[others], index[others])
        return np.sort(self.error[rows[others]] / np.maximum(expected, np.finfo(float).tiny))

    def __call__(self, x: Float[Array, "n m1"]) -> tuple[Float[Array, " n"], Array]:
        """(n,) uncertainty and (n,) whether inside."""
        places = _places(self.projection, x)
        distance, index = KDTree(self.places).query(places, min(_AROUND, len(self.places)))
        return self._expected(distance.reshape(len(x), -1), index.reshape(len(x), -1))

    def _expected(self, distance: Float[Array, "n k"], index: Int[Array, "n k"]) -> tuple[Float[Array, " n"], Array]:
        """The same from rows around, nearest first; infinitely far ones do not count."""
        reach = self.reach[index[:, 0]]
        # nearer errors say more; what is at one place counts in full
        size = max(float(np.abs(self.places).max(initial=0)), np.finfo(float).tiny)
        farthest = np.where(np.isfinite(distance), distance, 0).max(axis=1, keepdims=True)
        scale = np.maximum(np.maximum(reach[:, None], farthest), _SAME_PLACE * size)
        weight = 1 / (np.square(distance / scale) + np.square(reach[:, None] / scale) + _SAME_PLACE)
        local = np.sqrt((weight * np.square(self.error[index])).sum(axis=1) / weight.sum(axis=1))
        beyond = np.clip(distance[:, 0] - reach, 0, _FARTHEST * reach)
        # what smooth maps leave out grows with a high power of the distance, the target with the first
        away = np.clip(distance[:, 0] / np.maximum(reach, np.finfo(float).tiny), 1, _FARTHEST)
        most = np.maximum(beyond * self.slope, local)
        return np.hypot(np.minimum(local * away**4, most), beyond * self.slope), distance[:, 0] <= reach


@dataclass(frozen=True)
class FittedMap:
    """A map from one network's activations to another's, fitted to rows that correspond.

    Attributes:
        kind: ``"identity"``, ``"permutation"``, ``"rotation"``, ``"linear"`` or ``"smooth"``.
        predictor: the map.
        support: where it was fitted, and by how much it misses there.
        outputs: number of neurons mapped to.
    """

    kind: str
    predictor: Predictor
    support: Support
    outputs: int

    @property
    def neurons(self) -> int:
        """Number of neurons mapped from."""
        return self.predictor.width

    @property
    def dimension(self) -> None:
        """Intrinsic dimension of what it maps: it asks for none."""

    def __call__(self, activations: Float[Array, "p m"], metric: Any = None) -> Estimate:
        """Predict; a local metric, where there is one, is not used."""
        x = np.asarray(activations, np.float64)
        if np.abs(x).max(initial=0) > _LARGEST:
            raise InputError(f"activations: {np.abs(x).max():.3g}; give values whose squares can be told")
        uncertainty, inside = self.support(x)
        return Estimate(self.predictor(x), uncertainty, inside, self.support.residuals)


def _places(projection: Projection, x: Array) -> Array:
    along, beside = projection.apply(x)
    return np.concatenate([along, beside[:, None]], axis=1)
