"""Probes that memory does not hold are compared by some of their rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask.cli import main
from sametask.matching.known import known_of
from sametask.probes import stored
from sametask.verdict.reading import places, read
from worlds import EVERY, RandomNetwork, pair, relative_error

N = 4000
FEW = 250 * 1000
"""Bytes of about a thousand samples of two probes of five neurons and two dimensions, with their inputs."""


def saved(folder: Path, *probes: st.Probe) -> list[st.StoredProbe]:
    for probe in probes:
        probe.save(folder / f"{probe.name}.zarr")
    return [st.StoredProbe.open(folder / f"{probe.name}.zarr") for probe in probes]


def test_what_memory_holds_is_judged_as_a_probe_in_memory(tmp_path):
    drawn = pair("rectangle", 500, 1)
    here = st.compare(drawn.first, drawn.second, anchors=drawn.anchors)
    first, second = saved(tmp_path, drawn.first, drawn.second)
    for given in ((first, second), (drawn.first, second)):
        verdict = st.compare(*given, anchors=drawn.anchors)
        assert verdict.rows == (None, None)
        assert verdict.to_dict() == here.to_dict()


def test_larger_ones_are_judged_by_some_rows_anchors_among_them(tmp_path, monkeypatch):
    drawn = pair("rectangle", N, 2)
    first, second = saved(tmp_path, drawn.first, drawn.second)
    anchors = np.stack([drawn.anchors[::-1, 0], drawn.anchors[::-1, 1]], 1)
    monkeypatch.setattr(stored, "_HELD", FEW)
    verdict = st.compare(first, second, anchors=anchors)
    assert verdict.decision is st.Decision.EQUIVALENT
    assert verdict.samples[2] == len(anchors)
    for rows, column, read_of in zip(verdict.rows, anchors.T, verdict.samples, strict=False):
        assert rows is not None and 500 < len(rows) == read_of < 2000
        assert np.isin(column, rows).all() and (np.diff(rows) > 0).all()
    told = [finding for finding in verdict.diagnosis if finding.name == "read in part"]
    assert [each.subject for each in told] == ["first", "second"]
    assert f"{verdict.samples[0]:,} of its 4,000" in told[0].message
    # all others are carried as well as those that were read
    assert verdict.transformation is not None
    error = relative_error(verdict.transformation.forward(drawn.unseen_first).value, drawn.unseen_second)
    assert error < 0.003


def test_rows_that_correspond_are_read_together(tmp_path, monkeypatch):
    world = EVERY["rectangle"]
    x = world.sample(np.random.default_rng(0), N)
    order = np.random.default_rng(1).permutation(N)
    ids = np.random.default_rng(2).permutation(10**6)[:N]
    one = world.probe(RandomNetwork.draw(2, 5, 1), x, ids=ids, name="one")
    two = world.probe(RandomNetwork.draw(2, 5, 2), x[order], ids=ids[order], name="two")
    first, second = saved(tmp_path, one, two)
    monkeypatch.setattr(stored, "_HELD", FEW)
    for given in ((first, second), (one, second)):
        verdict = st.compare(*given)
        assert verdict.decision is st.Decision.EQUIVALENT
        assert verdict.samples[2] == verdict.samples[1] < 2000
    rows = verdict.rows[1]
    assert rows is not None and verdict.rows[0] is None


def test_what_is_known_of_some_rows_goes_with_them(tmp_path, monkeypatch):
    drawn = pair("rectangle", N, 3)
    first, second = saved(tmp_path, drawn.first, drawn.second)
    monkeypatch.setattr(stored, "_HELD", FEW)
    xs = [np.asarray(each.inputs) for each in (drawn.first, drawn.second)]
    corner = [np.flatnonzero((x < [0.3, 0.2]).all(axis=1)) for x in xs]
    verdict = st.compare(
        first, second, anchors=[st.SameSet(*corner)], observables=(xs[0][:, 0], xs[1][:, 0]), sampled_alike=True
    )
    for rows, wanted in zip(verdict.rows, corner, strict=True):
        assert rows is not None and np.isin(wanted, rows).all()
    assert verdict.match is not None and verdict.transformation is not None
    assert relative_error(verdict.transformation.forward(drawn.unseen_first).value, drawn.unseen_second) < 0.05


def test_large_sets_are_read_in_part(tmp_path, monkeypatch):
    drawn = pair("rectangle", N, 3)
    first, second = saved(tmp_path, drawn.first, drawn.second)
    monkeypatch.setattr(stored, "_HELD", FEW // 3)
    half = [np.flatnonzero(np.asarray(each.inputs)[:, 0] < 0.8) for each in (drawn.first, drawn.second)]
    _, known = known_of((N, N), [st.SameSet(*half)], None, False)
    seen = read((first, second), np.empty((0, 2), np.int64), known, 10**6, 0)
    for probe, rows, of_it in zip(seen.probes, seen.rows, half, strict=True):
        assert rows is not None and len(rows) == len(probe) < 600
        # the others were drawn from everywhere
        assert 0.2 < 1 - np.isin(rows, of_it).mean() < 0.4


def test_a_stored_probe_is_translated_with_its_metric(tmp_path):
    drawn = pair("rectangle", 300, 4)
    found = st.compare(drawn.first, drawn.second, anchors=drawn.anchors).transformation
    (first,) = saved(tmp_path, drawn.first)
    assert found is not None
    np.testing.assert_array_equal(found.forward(first).value, found.forward(drawn.first).value)
    found.save(tmp_path / "t.npz")
    here = [str(tmp_path / name) for name in ("t.npz", "first.zarr", "out.npy")]
    assert main(["translate", here[0], here[1], "-o", here[2]]) == 0
    np.testing.assert_array_equal(np.load(here[2]), found.forward(drawn.first).value)
    with raises_one_line("activations", "dimensions"):
        saved(tmp_path, line := pair("interval", 100, 1).first)
        found.forward(st.StoredProbe.open(tmp_path / f"{line.name}.zarr"))


def test_classes_of_larger_ones_share_the_ids_that_are_read(tmp_path, monkeypatch):
    world, other = EVERY["rectangle"], EVERY["interval"]
    x = world.sample(np.random.default_rng(0), N)
    y = other.sample(np.random.default_rng(3), N)
    probes = [
        world.probe(RandomNetwork.draw(2, 5, k), x[order], ids=order, name=name)
        for k, name in ((1, "a"), (2, "b"))
        for order in [np.random.default_rng(k).permutation(N)]
    ]
    probes.append(other.probe(RandomNetwork.draw(1, 5, 3), y, ids=np.r_[0:12, 10**5 : 10**5 + N - 12], name="c"))
    monkeypatch.setattr(stored, "_HELD", FEW // 2)
    made = st.classes(saved(tmp_path, *probes), client=False)
    assert made.classes == ((0, 1), (2,))
    shared = made.verdict(0, 1).samples
    assert shared[2] == shared[0] == shared[1] < N / 2
    assert {f.subject for f in made.diagnosis if f.name == "read in part"} == {"a", "b", "c"}
    assert made.verdict(0, 2).samples[2] == 12


def test_neurons_of_a_larger_one(tmp_path, monkeypatch):
    (only,) = saved(tmp_path, pair("rectangle", N, 2).first)
    monkeypatch.setattr(stored, "_HELD", FEW)
    assert st.whitney(only, [3, 4], 2).enough_greedy is not None
    assert st.reconstruct(only, [0, 1, 2, 3]).neurons


def test_the_command_line_reads_no_more_than_memory_holds(tmp_path, monkeypatch, capsys):
    drawn = pair("rectangle", N, 2)
    saved(tmp_path, drawn.first, drawn.second)
    np.save(tmp_path / "anchors.npy", drawn.anchors)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stored, "_HELD", FEW)
    assert main(["compare", "first.zarr", "second.zarr", "--anchors", "anchors.npy"]) == 0
    assert "of its 4,000 samples were read" in capsys.readouterr().out


def test_pairs_that_were_not_both_read_are_left_out():
    pairs = np.array([[0, 5], [3, 1], [9, 0], [4, 4]])
    rows = np.array([0, 3, 9]), np.array([0, 4, 5])
    np.testing.assert_array_equal(places(pairs, rows), [[0, 2], [2, 0]])
    np.testing.assert_array_equal(places(pairs, (None, rows[1])), [[0, 2], [9, 0], [4, 1]])
    np.testing.assert_array_equal(places(pairs, (None, None)), pairs)


def test_more_pairs_than_memory_holds(tmp_path, monkeypatch):
    drawn = pair("rectangle", N, 2)
    (first,) = saved(tmp_path, drawn.first)
    monkeypatch.setattr(stored, "_HELD", FEW)
    pairs = np.stack([np.arange(N)] * 2, 1)
    seen = read((first, drawn.second), pairs, (), 10**6, 0)
    assert len(seen.pairs) < N
    np.testing.assert_array_equal(seen.rows[0][seen.pairs[:, 0]], seen.pairs[:, 1])


@pytest.mark.parametrize("given", [3, "a.zarr", None])
def test_something_else_is_refused(given):
    with raises_one_line("second"):
        st.compare(pair("rectangle", 100, 0).first, given)
    with raises_one_line("method"):
        st.compare(pair("rectangle", 100, 0).first, pair("rectangle", 100, 0).second, method=3)
