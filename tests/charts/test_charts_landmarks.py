"""Charts on landmarks: the same spectrum, the others embedded, anchors among them; verdicts on them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask.probes import storage, stored
from worlds import WORLDS, Pair, block_correlation, pair, relative_error

METHOD = st.DiffusionChart(landmarks=1000)
N = 6000


@cache
def drawn(name: str = "rectangle", skew: float = 1.0) -> Pair:
    return pair(name, N, 17, skew=skew)


def test_landmarks_stand_for_all() -> None:
    probe = drawn().first
    chart = st.chart(probe, METHOD)
    assert chart.thinned
    assert abs(len(chart.rows) - 1000) < 20
    assert len(chart.position) == N
    np.testing.assert_array_equal(chart.position[chart.rows], np.arange(len(chart.rows)))
    assert (chart.position >= 0).sum() == len(chart.rows)
    np.testing.assert_array_equal(chart.probe.activations, probe.activations[chart.rows])
    assert not st.chart(probe.take(np.arange(900)), METHOD).thinned


def test_spectrum_and_embedding_are_those_of_the_manifold() -> None:
    world, probe = WORLDS["rectangle"], drawn().first
    chart = st.chart(probe, METHOD)
    np.testing.assert_allclose(chart.eigenvalues[:4], world.eigenvalues[:4], rtol=0.1)
    everyone = chart.embed(probe.activations)
    np.testing.assert_allclose(everyone[chart.rows], chart.functions, atol=1e-9)
    assert np.isfinite(everyone).all()
    truth = world.functions(np.asarray(probe.inputs))
    for block, least in (((0,), 0.99), ((1,), 0.99), ((2, 3), 0.97)):
        assert block_correlation(everyone[:, list(block)], truth[:, list(block)], np.ones(N)) > least


@pytest.mark.parametrize("name", ["rectangle", "circle", "L-shape"])
def test_anchors_are_charted_and_the_verdict_is_the_same(name) -> None:
    two = drawn(name)
    verdict = st.compare(two.first, two.second, anchors=two.anchors, method=METHOD)
    assert verdict.decision is st.Decision.EQUIVALENT
    assert verdict.charts is not None and verdict.transformation is not None and verdict.match is not None
    assert all(chart.thinned for chart in verdict.charts)
    first, second = verdict.charts
    at = np.stack([first.rows[verdict.match.anchors[:, 0]], second.rows[verdict.match.anchors[:, 1]]], axis=1)
    np.testing.assert_array_equal(at, two.anchors)
    estimate = verdict.transformation.forward(two.unseen_first)
    assert relative_error(estimate.value, two.unseen_second) < 0.02
    assert estimate.inside.mean() > 0.9


def test_uneven_samples_are_charted_where_as_many_at_random_are_not() -> None:
    probe = drawn(skew=300.0).second
    truth = WORLDS["rectangle"].eigenvalues[:4]
    few = st.chart(probe.take(np.random.default_rng(0).choice(N, 1000, replace=False)))
    errors = [np.abs(chart.eigenvalues[:4] / truth - 1).max() for chart in (st.chart(probe, METHOD), few)]
    assert errors[0] < 0.1
    assert errors[1] > 3 * errors[0]


def test_many_correspondences_are_tested_on_all_and_mapped_by_landmarks() -> None:
    two = drawn()
    world, networks = WORLDS["rectangle"], two.networks
    x = np.asarray(two.first.inputs)
    one, other = (world.probe(network, x, ids=np.arange(N)) for network in networks)
    verdict = st.compare(one, other, method=METHOD)
    assert verdict.decision is st.Decision.EQUIVALENT
    assert verdict.samples == (N, N, N)
    assert verdict.charts is not None and verdict.transformation is not None
    assert len(verdict.charts[0].rows) == len(verdict.charts[1].rows) < 1100
    estimate = verdict.transformation.forward(two.unseen_first)
    assert relative_error(estimate.value, two.unseen_second) < 0.01


def test_without_anchors() -> None:
    two = drawn("L-shape")
    verdict = st.compare(two.first, two.second, anchors=None, method=METHOD)
    assert verdict.decision is st.Decision.EQUIVALENT
    assert verdict.transformation is not None
    assert relative_error(verdict.transformation.forward(two.unseen_first).value, two.unseen_second) < 0.05


def test_classes_keep_the_anchors() -> None:
    two = drawn()
    made = st.classes([two.first, two.second], anchors=two.anchors, method=METHOD)
    assert made.classes == ((0, 1),)


def test_anchors_that_are_no_landmarks_are_asked_for() -> None:
    two = drawn()
    charts = [st.chart(probe, METHOD) for probe in (two.first, two.second)]
    with raises_one_line("anchors", "keep"):
        st.match(*charts, anchors=two.anchors)
    charts = [st.chart(probe, METHOD, keep=two.anchors[:, k]) for k, probe in enumerate((two.first, two.second))]
    assert len(st.match(*charts, anchors=two.anchors).anchors) == len(two.anchors)


@pytest.mark.parametrize("keep", [[-1], [N], [3, 3], ["a"], [[1]]])
def test_rows_to_keep_are_rows(keep) -> None:
    with raises_one_line("keep"):
        st.chart(drawn().first, METHOD, keep=keep)


@pytest.mark.parametrize("landmarks", [0, 99, 2.5, None, True])
def test_landmarks_are_a_number(landmarks) -> None:
    with raises_one_line("landmarks"):
        st.DiffusionChart(landmarks=landmarks)


# -- stored probes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [2 << 30, 300_000])
def test_a_stored_probe_is_charted_and_embedded_as_one_in_memory(held, tmp_path, monkeypatch) -> None:
    """All of it, and where only some 1,500 of its 6,000 samples may come into memory."""
    monkeypatch.setattr(stored, "_HELD", held)
    monkeypatch.setattr(storage, "_CHUNK", 100_000)
    probe = drawn().first
    probe.save(tmp_path / "a.zarr")
    on_disk = st.StoredProbe.open(tmp_path / "a.zarr")
    assert on_disk.chunks > 5
    keep = np.array([5999, 0, 17])
    chart = st.chart(on_disk, METHOD, keep=keep)
    assert chart.thinned
    assert abs(len(chart.rows) - 1000) < 20
    assert (chart.position[keep] >= 0).all()
    np.testing.assert_array_equal(chart.position[chart.rows], np.arange(len(chart.rows)))
    np.testing.assert_array_equal(chart.probe.activations, probe.activations[chart.rows])
    if held > 10**6:
        np.testing.assert_array_equal(chart.rows, st.chart(probe, METHOD, keep=keep).rows)
    everyone = chart.embed(on_disk)
    np.testing.assert_array_equal(everyone, chart.embed(probe.activations))
    truth = WORLDS["rectangle"].functions(np.asarray(probe.inputs))
    assert block_correlation(everyone[:, :1], truth[:, :1], np.ones(N)) > 0.99
