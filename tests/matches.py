"""Matches of pairs whose truth is known, made once for all tests that read them."""

from __future__ import annotations

from functools import cache

import numpy as np

import sametask as st
from worlds import Pair, Partly, pair, relative_error


@cache
def charted(world: str, n: int, seed: int, anchors: int = 6) -> tuple[Pair, st.Chart, st.Chart]:
    """A pair and its two charts."""
    both = pair(world, n, seed, anchors=anchors)
    return both, st.chart(both.first), st.chart(both.second)


@cache
def clean(world: str, n: int, seed: int) -> st.Match:
    """The match by six right anchors."""
    both, first, second = charted(world, n, seed)
    return st.match(first, second, anchors=both.anchors)


def truth(both: Pair | Partly, match: st.Match) -> np.ndarray:
    """What the second network says at the first's samples."""
    return both.networks[1](both.first.inputs[match.first.rows])


def carried_error(both: Pair, match: st.Match) -> float:
    """Of the second's activations at the places of the first's samples, relative to their spread."""
    at = match.second.manifold.evaluate(match.forward.sample, match.forward.offset)
    return relative_error(at, truth(both, match))


def astray(both: Pair, match: st.Match) -> np.ndarray:
    """(n,) how far the places of the first's samples are from where they belong, per direction, intrinsically."""
    second, places = match.second.manifold, match.forward
    missing = truth(both, match) - second.evaluate(places.sample, places.offset)
    return np.linalg.norm(second.step(places.sample, missing), axis=1) / np.sqrt(second.dimension)
