"""Fitted maps as arrays by name, and back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sametask._types import Array
from sametask.maps.candidates import SIMPLEST_FIRST
from sametask.maps.fitted import FittedMap, Support
from sametask.maps.predictors import Affine, Expansion, HermiteExpansion, Selected
from sametask.numerics.manifold import Projection

_KINDS = {"selected": Selected, "affine": Affine, "expansion": Expansion, "hermite": HermiteExpansion}
_NUMBERS = {"gamma": float, "width": int}


def arrays(way: FittedMap) -> dict[str, Any]:
    """All that a map is made of; what is None is left out."""
    form = next(name for name, kind in _KINDS.items() if isinstance(way.predictor, kind))
    parts = {field.name: getattr(way.predictor, field.name) for field in dataclasses.fields(way.predictor)}
    support = way.support
    return {
        "kind": np.array([SIMPLEST_FIRST.index(way.kind), list(_KINDS).index(form), way.outputs]),
        **{f"map_{name}": np.asarray(value) for name, value in parts.items() if value is not None},
        "support_centre": support.projection.centre,
        "support_basis": support.projection.basis,
        "support_places": support.places,
        "support_reach": support.reach,
        "support_error": support.error,
        "support_slope": np.asarray(support.slope),
        **({} if support.residuals is None else {"support_residuals": support.residuals}),
    }


def read(stored: dict[str, Array]) -> FittedMap:
    """A map from its arrays.

    Raises:
        KeyError: one is missing.
        ValueError: they do not fit one another.
    """
    kind, form, outputs = (int(each) for each in stored["kind"])
    if not 0 <= kind < len(SIMPLEST_FIRST) or not 0 <= form < len(_KINDS):
        raise ValueError("kind")
    for name, array in stored.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(name)
    found = list(_KINDS.values())[form]
    values: dict[str, Any] = {}
    for field in dataclasses.fields(found):
        name = f"map_{field.name}"
        if field.name in _NUMBERS:
            values[field.name] = _NUMBERS[field.name](stored[name])
        else:
            values[field.name] = stored[name] if field.name != "right" else stored.get(name)
    predictor = found(**values)
    support = Support(
        Projection(stored["support_centre"], stored["support_basis"]),
        stored["support_places"],
        stored["support_reach"],
        stored["support_error"],
        float(stored["support_slope"]),
        stored.get("support_residuals"),
    )
    if isinstance(predictor, Selected) and predictor.columns.dtype.kind not in "iu":
        raise ValueError("columns")
    if (
        isinstance(predictor, Selected)
        and not 0 <= predictor.columns.min() <= predictor.columns.max() < predictor.width
    ):
        raise ValueError("columns")
    if min(support.reach.min(initial=0), support.error.min(initial=0)) < 0:
        raise ValueError("support")
    way = FittedMap(SIMPLEST_FIRST[kind], predictor, support, outputs)
    # one row through all of it: shapes that do not fit one another fail here, not at the user's
    if way(np.zeros((1, way.neurons))).value.shape != (1, outputs):
        raise ValueError("outputs")
    return way
