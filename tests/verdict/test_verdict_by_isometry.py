"""What single figures decide together."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from sametask import Decision
from sametask.verdict.by_isometry import decided
from sametask.verdict.evidence import Evidence
from worlds import RandomNetwork, box, pair, relative_error

_SPECTRA = Evidence("difference of spectra", "isometric", 0.05, 0.1, 0.7, 0.3)
_DOUBTFUL = Evidence("difference of spectra", "isometric", 0.25, 0.1, 0.7, 0.3)
_UNLIKE = Evidence("difference of spectra", "isometric", 1.5, 0.1, 0.7, 0.3)
_RIGID = Evidence("strain of the match", "isometric", 0.02, 0.05, 1.0, 0.02, reach=2.5)
_TORN = Evidence("strain of the match", "isometric", 0.6, 0.05, 1.0, 0.02, reach=2.5)
_NEAR = Evidence("distance of anchors", "isometric", 0.05, 0.06, 1.0, 0.3)
_APART = Evidence("distance of anchors", "isometric", 0.4, 0.15, 1.0, 0.3)


@pytest.mark.parametrize(
    ("spectrum", "shape", "anchored", "decision"),
    [
        (_SPECTRA, _RIGID, [_NEAR], Decision.EQUIVALENT),
        (_SPECTRA, _TORN, [_NEAR], Decision.UNDECIDED),
        (_SPECTRA, _TORN, [_APART], Decision.UNDECIDED),
        (_UNLIKE, _RIGID, [_NEAR], Decision.INEQUIVALENT),
        (_DOUBTFUL, _TORN, [_APART], Decision.INEQUIVALENT),
        (_DOUBTFUL, _TORN, [], Decision.INEQUIVALENT),
        # spectra are not sure, but eigenfunctions agree at the anchors: the match was not found
        (_DOUBTFUL, _TORN, [_NEAR], Decision.UNDECIDED),
    ],
)
def test_a_torn_match_is_no_difference_by_itself(spectrum, shape, anchored, decision):
    assert 0.1 < _DOUBTFUL.probability < 0.9
    assert 0.1 < _APART.probability < 0.9
    assert decided(spectrum, [shape], anchored)[0] is decision


def stretched(seed: int, n: int, sides: tuple[float, float]) -> st.Verdict:
    """A rectangle 1.6 × 1 and one of other sides, with six anchors: the same place in proportion."""
    worlds = box(1.6, 1.0), box(*sides)
    x = [world.sample(np.random.default_rng([seed, k]), n) for k, world in enumerate(worlds)]
    x[1][:6] = x[0][:6] * np.divide(sides, (1.6, 1.0))
    first, second = (world.probe(RandomNetwork.draw(2, 5, 10 * seed + k), x[k]) for k, world in enumerate(worlds))
    return st.compare(first, second, anchors=np.stack([np.arange(6)] * 2, axis=1))


@pytest.mark.parametrize(("seed", "sides"), [(1, (1.84, 1.0)), (2, (1.84, 1.15))])
def test_a_rectangle_somewhat_larger_is_not_the_same(seed, sides):
    """It holds the smaller one, and anchors are off by no more than the spacing of samples: noisy ones would be."""
    v = stretched(seed, 250, sides)
    assert v.decision is not Decision.EQUIVALENT
    assert v.transformation is None


@pytest.mark.parametrize(("pleat", "decision"), [(0.01, Decision.EQUIVALENT), (0.003, Decision.UNDECIDED)])
def test_a_pleat_costs_only_its_own_region(pleat, decision):
    """Where it disturbs the spectra too much to decide, the transformation is given all the same."""
    both = pair("rectangle", 400, 592, pleat=pleat)
    v = st.compare(both.first, both.second, anchors=both.anchors)
    assert v.decision is decision
    found = {finding.name for finding in v.diagnosis}
    assert "nearly folds" in found
    assert "folds" not in found
    assert ("blurred spectra" in found) == (decision is Decision.UNDECIDED)
    assert v.transformation is not None
    estimate = v.transformation.forward(both.unseen_first)
    away = both.unseen[:, 0] > 0.15
    good = away & estimate.inside
    assert relative_error(estimate.value[good], both.unseen_second[good]) < 0.01
    assert estimate.inside[away].mean() > 0.9
    assert estimate.inside[~away].mean() < estimate.inside[away].mean()
