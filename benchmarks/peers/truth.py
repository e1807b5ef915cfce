"""The worlds: what contenders are given of them, and how far off their answers are.

``python truth.py PART WORLD SAMPLES SEED FILE`` writes what is given, in a process of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import numpy as np
from contenders import CHART

from worlds import EVERY, Pair, RandomNetwork, World, pair, relative_error, up_to_isometry


def give(part: str, name: str, samples: int, seed: int) -> dict[str, Any]:
    """Activations and covariances of two networks: at the same inputs to be charted, at their own to be matched."""
    world, drawn = EVERY[name], pair(name, samples, seed)
    x = [np.asarray(probe.inputs) for probe in (drawn.first, drawn.second)]
    if part == CHART:
        x[1] = x[0]
    given: dict[str, Any] = {
        "dimension": np.array(world.dimension),
        "coordinates": np.array(world.functions(x[0]).shape[1]),
        "anchors": drawn.anchors,
        "paired": drawn.networks[1](x[0]),
        "unseen": drawn.unseen_first,
    }
    for k in (0, 1):
        network = drawn.networks[k]
        given |= {f"activations{k + 1}": network(x[k]), f"covariances{k + 1}": _covariances(world, network, x[k])}
    return given


def _covariances(world: World, network: object, x: np.ndarray) -> np.ndarray:
    assert isinstance(network, RandomNetwork)
    jacobians = np.einsum("nmk,nkd->nmd", network.jacobian(x), world.tangents(x))
    return jacobians @ np.swapaxes(jacobians, 1, 2)


def chart_errors(name: str, samples: int, seed: int, found: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Of eigenvalues (worst of five, of both networks), of eigenfunctions, and between the two networks (shares of
    variance that are left over)."""
    world = EVERY[name]
    truth = world.functions(np.asarray(pair(name, samples, seed).first.inputs))
    charts = [(found[f"coordinates{k}"], found[f"rows{k}"]) for k in (1, 2)]
    _, *places = np.intersect1d(charts[0][1], charts[1][1], return_indices=True)
    aligned = [coordinates[place] for (coordinates, _), place in zip(charts, places, strict=True)]
    errors = {
        "functions": float(np.mean([left_over(truth[rows], coordinates) for coordinates, rows in charts])),
        "networks": float(np.mean([left_over(aligned[k], aligned[1 - k]) for k in (0, 1)])),
    }
    if "eigenvalues1" in found:
        known = world.eigenvalues
        off = [np.abs(found[f"eigenvalues{k}"][: len(known)] / known - 1).max() for k in (1, 2)]
        errors["eigenvalues"] = float(max(off))
    return errors


def map_errors(name: str, samples: int, seed: int, value: np.ndarray, anchored: bool) -> dict[str, float]:
    """Relative error at the unseen inputs; without anchors the least that a symmetry of the world leaves."""
    drawn: Pair = pair(name, samples, seed)
    if anchored:
        return {"error": relative_error(value, drawn.unseen_second)}
    return {"error": up_to_isometry(EVERY[name], drawn.networks[1], drawn.unseen, value)[0]}


def left_over(functions: np.ndarray, coordinates: np.ndarray) -> float:
    """Share of the variance of functions that no linear combination of the coordinates has: the mean of 1 − R²."""
    design = np.hstack([np.ones((len(coordinates), 1)), coordinates])
    residual = functions - design @ np.linalg.lstsq(design, functions, rcond=None)[0]
    return float(np.mean(np.square(residual).sum(0) / np.square(functions - functions.mean(0)).sum(0)))


if __name__ == "__main__":
    np.savez(sys.argv[5], **give(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
