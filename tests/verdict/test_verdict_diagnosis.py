"""What is said in words: each finding where it should arise, and none of them on a clean pair."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import sametask as st
from matches import charted
from sametask._outcome import Finding, Severity
from sametask.probes import local_rank
from sametask.verdict import diagnosis
from sametask.verdict.folds import find_folds
from worlds import NEURONS, WORLDS, RandomNetwork, pair

_N = 400
_TROUBLES = {
    "nearly folds",
    "ill-conditioned",
    "torn region",
    "noisy anchors",
    "relative scale",
    "scale mismatch",
    "anchors disagree",
    "folds",
    "collapse",
}


@cache
def compared(seed: int = 70, **options) -> st.Verdict:
    both = pair("rectangle", _N, seed, **options)
    return st.compare(both.first, both.second, anchors=both.anchors)


def of_probe(probe: st.Probe) -> list[Finding]:
    rank = local_rank(probe)
    return diagnosis.of_probe(probe, rank, find_folds(probe.truncate(rank.rank)), "first")


def named(findings, name: str) -> list[Finding]:
    return [finding for finding in findings if finding.name == name]


def test_samples_that_share_their_activations_are_told_and_do_no_harm():
    precise, both = (pair("interval", 300, 72, half=half) for half in (False, True))
    v = st.compare(both.first, both.second, anchors=both.anchors)
    assert v.decision is st.compare(precise.first, precise.second, anchors=precise.anchors).decision
    told = named(v.diagnosis, "repeated activations")
    assert {finding.subject for finding in told} == {"first", "second"}
    many = pair("interval", 300, 72, half=True, anchors=300)
    v = st.compare(many.first, many.second, anchors=many.anchors)
    assert v.decision is st.Decision.EQUIVALENT
    # what was predicted is compared with the samples that it names
    assert np.array_equal(v.trial.true, many.second.activations[v.trial.rows])


# -- clean -----------------------------------------------------------------------------------------------------------


def test_a_clean_pair_has_no_trouble():
    v = compared()
    assert v.decision is st.Decision.EQUIVALENT
    assert not _TROUBLES & {finding.name for finding in v.diagnosis}


@pytest.mark.parametrize(
    ("world", "seed"), [(world, seed) for world in ("interval", "rectangle", "sphere", "circle") for seed in (1, 2, 3)]
)
def test_clean_networks_have_no_trouble_of_their_own(world, seed):
    both = pair(world, 600, seed)
    for probe in (both.first, both.second):
        assert not _TROUBLES & {finding.name for finding in of_probe(probe)}


def test_bursts_are_no_trouble():
    assert not _TROUBLES & {finding.name for finding in compared(burst=(16, 1e-3)).diagnosis}


# -- of one network --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [70, 71])
def test_a_pleat_nearly_folds(seed):
    both = pair("rectangle", _N, seed, pleat=0.01)
    for probe in (both.first, both.second):
        (finding,) = named(of_probe(probe), "nearly folds")
        assert finding.severity is Severity.WARNING
        assert finding.advice
        # where it is said to be is where it is
        bad = probe.metric.condition > 30
        assert np.abs(probe.inputs[bad, 0]).max() < 0.3
        assert f"{bad.mean():.1%}" in finding.message
        assert f"{probe.metric.condition.max():.3g}" in finding.message
        assert not named(of_probe(probe), "ill-conditioned")


@pytest.mark.parametrize("pleat", [1.0, 0.5, 0.2])
def test_a_shallow_pleat_does_not(pleat):
    both = pair("rectangle", _N, 70, pleat=pleat)
    for probe in (both.first, both.second):
        assert not named(of_probe(probe), "nearly folds")
        assert not named(of_probe(probe), "folds")


@pytest.mark.parametrize("seed", [70, 71])
def test_a_steep_pleat_is_no_fold(seed):
    """Its derivative is positive everywhere."""
    both = pair("rectangle", _N, seed, pleat=0.1)
    for probe in (both.first, both.second):
        assert not named(of_probe(probe), "folds")


@pytest.mark.parametrize("seed", [70, 71])
def test_the_steepest_pleat_is_no_fold(seed):
    both = pair("rectangle", _N, seed, pleat=0.01)
    assert not any(named(of_probe(probe), "folds") for probe in (both.first, both.second))


def weak(seed: int, strength: float) -> st.Probe:
    """A nearly linear network that hardly answers to one of two inputs, all over."""
    world = WORLDS["rectangle"]
    net = RandomNetwork.draw(2, NEURONS["rectangle"], seed)
    answer = np.array([[1.0], [strength]])
    net = replace(net, inner=0.2 * answer * net.inner, linear=answer * net.linear)
    return world.probe(net, world.sample(np.random.default_rng([seed, 1]), _N))


@pytest.mark.parametrize("seed", [70001, 71002])
def test_a_direction_hardly_seen_anywhere_is_ill_conditioned(seed):
    probe = weak(seed, 0.02)
    condition = probe.metric.condition
    assert np.median(condition) > 30  # so the world is what it is meant to be
    found = of_probe(probe)
    (finding,) = named(found, "ill-conditioned")
    assert f"{(condition > 30).mean():.1%}" in finding.message
    assert finding.severity is Severity.WARNING
    assert finding.advice
    assert not named(found, "nearly folds")


@pytest.mark.parametrize("seed", [70001, 71002])
def test_a_direction_seen_half_as_much_is_not(seed):
    assert not named(of_probe(weak(seed, 0.5)), "ill-conditioned")


# -- of the match ----------------------------------------------------------------------------------------------------


def test_a_torn_region_is_named_where_it_is():
    v = compared(pleat=0.02)
    (finding,) = named(v.diagnosis, "torn region")
    torn = v.match.forward.strain > 0.5
    assert torn.any()
    assert f"{torn.mean():.1%}" in finding.message
    x = v.match.first.probe.inputs[:, 0]
    assert np.median(x[torn]) < 0.3 < np.median(x)
    assert (finding.severity is Severity.WARNING) == bool(torn.mean() > 0.01)


def test_noise_of_activations_makes_anchors_noisy():
    v = compared(noise=0.03)
    (finding,) = named(v.diagnosis, "noisy anchors")
    assert finding.severity is Severity.WARNING
    assert f"{v.match.anchor_noise:.2g}" in finding.message
    assert not named(v.diagnosis, "anchors disagree")
    # a rectangle is bent to another by anchors that nobody said are noisy
    assert v.decision is st.Decision.UNDECIDED
    assert named(v.diagnosis, "loose anchors")
    both = pair("rectangle", _N, 70, noise=0.03)
    told = st.compare(both.first, both.second, anchors=both.anchors, anchor_noise=v.match.anchor_noise)
    assert told.decision is st.Decision.EQUIVALENT


def test_a_wrong_anchor_is_named_by_its_rows():
    both = pair("rectangle", _N, 70)
    away = np.linalg.norm(both.second.inputs - both.second.inputs[2], axis=1)
    score = -np.abs(away - 6 * st.chart(both.second).graph.spacing())
    pairs = both.anchors.copy()
    pairs[2, 1] = 6 + int(np.argmax(score[6:]))
    v = st.compare(both.first, both.second, anchors=pairs)
    (finding,) = named(v.diagnosis, "anchors disagree")
    assert f"(2, {pairs[2, 1]})" in finding.message
    assert "1 of 6" in finding.message
    assert finding.severity is Severity.WARNING
    assert not named(v.diagnosis, "noisy anchors")


def test_a_unit_that_the_match_tells_is_noted():
    both = pair("rectangle", _N, 70)
    v = st.compare(both.first, both.second.rescale(1.7), anchors=both.anchors, relative_scale=None)
    (finding,) = named(v.diagnosis, "relative scale")
    assert finding.severity is Severity.NOTE
    assert f"{v.match.relative_scale:.5g}" in finding.message
    assert not (_TROUBLES - {"relative scale"}) & {finding.name for finding in v.diagnosis}


def test_findings_of_a_match_are_one_line_each_and_give_advice():
    for v in (compared(pleat=0.02), compared(noise=0.03)):
        for finding in v.diagnosis:
            assert len(finding.message.splitlines()) == 1
            assert finding.advice or finding.severity is Severity.NOTE


# -- few anchors -----------------------------------------------------------------------------------------------------


@cache
def anchored_at(here: float, there: float) -> list[Finding]:
    """What is said of one anchor of an interval 1 long: the samples nearest to these inputs."""
    both, first, second = charted("interval", 150, 81, anchors=0)
    row = [int(np.argmin(np.abs(probe.inputs[:, 0] - at))) for probe, at in ((both.first, here), (both.second, there))]
    return named(diagnosis.of_match(st.match(first, second, anchors=[row])), "anchors disagree")


def test_an_anchor_that_contradicts_geometry_is_named():
    (said,) = anchored_at(0.0, 0.5)
    assert "contradicts all that geometry allows" in said.message
    assert said.severity is Severity.DECISIVE


@pytest.mark.parametrize("place", [0.0, 0.3, 0.5])
def test_an_anchor_that_geometry_allows_is_not(place):
    assert anchored_at(place, place) == []
    assert anchored_at(place, 1 - place) == []  # its mirror image is right as well


def test_two_anchors_that_contradict_each_other_are_named_with_their_distances(monkeypatch):
    _, first, second = charted("rectangle", 200, 82, anchors=3)
    free = st.match(first, second)
    monkeypatch.setattr(diagnosis, "match_charts", lambda *_: free)
    strained = replace(free.forward, strain=free.forward.strain + 0.3)
    said = {}
    for pairs in ([(0, 0), (1, 1)], [(0, 0), (1, 2)]):
        apart = [of.edges.distances(rows)[rows] for of, rows in zip((first, second), np.array(pairs).T, strict=True)]
        match = replace(
            free,
            candidates=(replace(free.candidates[0], images=strained),),
            anchors=np.array(pairs),
            anchor_distances=np.stack(apart),
        )
        said[pairs[1]] = named(diagnosis.of_match(match), "anchors disagree")
    assert said[1, 1] == []
    (wrong,) = said[1, 2]
    assert "(1, 2) are" in wrong.message
    assert "apart along the first network's manifold" in wrong.message
