"""Classes of networks whose truth is known."""

from __future__ import annotations

import dataclasses
import json
from functools import cache

import numpy as np
import pytest

import sametask as st
from assertions import as_users_run_it, raises_one_line
from sametask import Decision
from sametask.classes import pairwise
from sametask.classes.answers import How
from sametask.cli import main
from sametask.studies.classes import _rows
from worlds import RandomNetwork, World, box, relative_error

_N = 200
_MANY = 200
"""Samples of each, where all saw the same."""
_PLACES = box(1.6, 1.0)
_OTHERS = box(2.6, 0.7)
_NAMES = ("a", "b", "c", "d", "e", "blind", "folds", "noise")


def seen(world: World, k: int, shared: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, the first of which all networks of the world saw, and their ids."""
    n = max(_N, shared)
    x = world.sample(np.random.default_rng([5, 1, k]), n)
    x[:shared] = world.sample(np.random.default_rng([5, 0, int(world is _OTHERS)]), n)[:shared]
    return x, np.concatenate([np.arange(shared), 1000 * (k + 1) + np.arange(n - shared)])


@cache
def network(name: str, shared: int) -> st.Probe:
    """Three see a rectangle, two another one; one is blind to an input of the first, one folds it, one is noise."""
    k = _NAMES.index(name)
    x, ids = seen(_OTHERS if name in "de" else _PLACES, k, shared)
    if name == "blind":
        net = RandomNetwork.draw(1, 3, 70)
        slopes = net.jacobian(x[:, :1])
        return st.Probe.from_jacobians(net(x[:, :1]), np.concatenate([slopes, 0 * slopes], axis=2), ids=ids, name=name)
    if name == "folds":
        middle, along = x[:, 0] - 0.8, x[:, 1]
        slopes = np.zeros((len(x), 3, 2))
        slopes[:, 0, 0], slopes[:, 1, 1], slopes[:, 2, 1] = 2 * middle, 1, 2 * along
        return st.Probe.from_jacobians(np.stack([middle**2, along, along**2], axis=1), slopes, ids=ids, name=name)
    if name == "noise":
        rng = np.random.default_rng(6)
        return st.Probe.from_jacobians(
            rng.normal(size=(len(x), 5)), rng.normal(size=(len(x), 5, 2)), ids=ids, name=name
        )
    world = _OTHERS if name in "de" else _PLACES
    return world.probe(RandomNetwork.draw(2, 5, 80 + k), x, ids=ids, name=name)


@cache
def mixture(shared: int = _MANY, names: tuple[str, ...] = _NAMES) -> st.Classes:
    return st.classes([network(name, shared) for name in names])


def test_a_mixture_falls_into_its_classes_and_what_determines_what_is_told():
    made = mixture()
    assert [made.named(members) for members in made.classes] == ["a, b, c", "d, e", "blind", "folds", "noise"]
    assert made.labels.tolist() == [0, 0, 0, 1, 1, 2, 3, 4]
    assert made.covers == ((0, 2), (0, 3))
    assert made.contradictions == ()
    assert min(made.confidence) > 0.8
    assert made.undecided == ()
    assert made.tested.all()


@pytest.mark.parametrize(
    "others", [("blind", "folds"), pytest.param(("d", "e", "blind", "folds", "noise"), marks=pytest.mark.slow)]
)
def test_with_six_anchors_nothing_merges_that_must_not(others):
    made = mixture(6, ("a", "b", *others))
    assert made.classes[0] == (0, 1)
    expected = {"d": "d, e", "e": "d, e"}
    for members in made.classes[1:]:
        assert made.named(members) == expected.get(made.names[members[0]], made.names[members[0]])
    # whether one determines another is not tested by geometry
    assert not made.order.any()
    open_ones = {(made.names[each.first], made.names[each.second]) for each in made.undecided}
    assert {("a", "blind"), ("a", "folds")} <= open_ones
    assert all(each.advice for each in made.undecided)
    assert made.probability[0, made.names.index("blind")] == pytest.approx(0.1), "of another dimension"


@pytest.mark.parametrize(("shared", "names"), [(_N, ("a", "c", "blind")), (6, ("a", "b"))])
def test_answers_are_those_of_compare(shared, names):
    made = mixture(shared, names)
    for i, one in enumerate(names):
        for j, two in enumerate(names):
            if i == j:
                continue
            verdict = st.compare(network(one, shared), network(two, shared), tolerance=None)
            assert made.decisions[i][j] is verdict.decision
            if i < j:
                assert made.confidences[i, j] == pytest.approx(verdict.confidence, abs=1e-9)
                figures = {figure.name: figure.value for figure in verdict.evidence}
                for figure in made.evidence(i, j):
                    assert figures[figure.name] == pytest.approx(figure.value, rel=1e-6)


def test_a_verdict_is_made_of_what_is_known_already():
    made = mixture()
    verdict = made.verdict(0, 1)
    assert verdict.decision is Decision.EQUIVALENT
    assert verdict is made.verdict(0, 1)
    assert verdict.names == ("a", "b")
    assert made.transformation(0, 1) is verdict.transformation
    one_way = made.transformation(0, 5)
    assert one_way.there is not None
    assert one_way.back is None
    with raises_one_line("transformation", "a and d", "not in one class"):
        made.transformation(0, 3)
    with raises_one_line("j", "8"):
        made.verdict(0, 8)
    with raises_one_line("j", "two different"):
        made.verdict(2, 2)


def test_maps_are_composed_through_others_of_the_class():
    """Of three networks the outer two share no id, and are too unlike in nothing else."""
    x, _ = seen(_PLACES, 0, _N)
    half = _N // 2
    probes = []
    for k, (rows, name) in enumerate([(slice(0, 140), "left"), (slice(None), "both"), (slice(60, None), "right")]):
        ids = np.arange(_N)[rows]
        if name == "left":
            ids = np.where(ids < half, ids, 10_000 + ids)
        if name == "right":
            ids = np.where(ids >= half, ids, 20_000 + ids)
        probes.append(_PLACES.probe(RandomNetwork.draw(2, 5, 90 + k), x[rows], ids=ids, name=name))
    there = st.compare(probes[0], probes[1]).transformation
    on = st.compare(probes[1], probes[2]).transformation
    assert there is not None
    assert on is not None
    composed = there.then(on)
    assert composed.names == ("left", "right")
    unseen = _PLACES.sample(np.random.default_rng(9), 3000)
    start, end = (RandomNetwork.draw(2, 5, 90 + k)(unseen) for k in (0, 2))
    estimate = composed.forward(start)
    inside = estimate.inside
    assert inside.mean() > 0.5
    error = relative_error(estimate.value[inside], end[inside])
    steps = on.forward(there.forward(start).value).value
    assert error < 2 * relative_error(steps[inside], end[inside]) + 0.01
    missed = np.linalg.norm(estimate.value - end, axis=1)[inside]
    assert np.mean(missed <= 3 * estimate.uncertainty[inside]) > 0.85  # 0.89 to 0.95 of four draws
    with raises_one_line("on", "begins at both"):
        there.then(dataclasses.replace(on, neurons=(("x",), on.neurons[1])))


def test_answers_do_not_depend_on_the_number_of_workers():
    probes = [network(name, _N) for name in ("a", "b", "blind")]
    one, two = (st.classes(probes, n_jobs=jobs) for jobs in (1, 2))
    assert one.answers == two.answers
    assert np.array_equal(one.order, two.order)


def test_a_network_that_cannot_be_charted_stands_alone(monkeypatch):
    """Of samples that all fall apart there is no chart; the others are judged all the same."""
    a, b = network("a", 6), network("b", 6)
    real = pairwise._single

    def single(probe, *rest):
        return (None, "the samples fall apart; give more samples") if probe.name == "noise" else real(probe, *rest)

    monkeypatch.setattr(pairwise, "_single", single)
    made = st.classes([a, network("noise", 6), b])
    assert made.classes == ((0, 2), (1,))
    assert made.answers[0, 1].how is How.FAILED
    found = [finding for finding in made.diagnosis if finding.name == "not charted"]
    assert [finding.subject for finding in found] == ["noise"]
    assert "give more samples" in found[0].advice
    with raises_one_line("verdict", "noise", "fall apart"):
        made.verdict(0, 1)


def test_a_short_text_and_plain_numbers():
    made = mixture()
    text = str(made)
    assert "8 networks in 5 classes." in text
    assert "class 0 → class 2: a determines blind" in text
    assert len(text.splitlines()) < 20
    told = made.to_dict()
    assert told["labels"] == [0, 0, 0, 1, 1, 2, 3, 4]
    assert len(told["pairs"]) == 28
    assert told["covers"] == [[0, 2], [0, 3]]
    assert told["classes"][0]["members"] == ["a", "b", "c"]


def test_mistakes_get_one_line():
    a, b = network("a", _N), network("b", _N)
    plain = _PLACES.probe(RandomNetwork.draw(2, 5, 1), seen(_PLACES, 0, _N)[0], name="plain")
    words = _PLACES.probe(
        RandomNetwork.draw(2, 5, 1), seen(_PLACES, 0, _N)[0], ids=[f"s{k}" for k in range(_N)], name="words"
    )
    with raises_one_line("probes", "1; give two or more"):
        st.classes([a])
    with raises_one_line("probes", "give a list"):
        st.classes(a)  # pyright: ignore[reportArgumentType]
    with raises_one_line("probes", "number 1 is int"):
        st.classes([a, 3])  # pyright: ignore[reportArgumentType]
    with raises_one_line("anchors", "plain has no ids", "anchors=None"):
        st.classes([a, plain])
    with raises_one_line("anchors", "words", "strings"):
        st.classes([a, b, words])
    with raises_one_line("anchors", "id in common"):
        st.classes([network("a", 0), network("b", 0)])
    with raises_one_line("anchors", "(k, 2) row numbers"):
        st.classes([a, b], anchors=np.zeros((3, 3), int))
    with raises_one_line("anchors", "row 200 of b"):
        st.classes([a, b], anchors=np.array([[0, 200]]))
    with raises_one_line("anchors", "twice"):
        st.classes([a, b], anchors=np.array([[0, 1], [0, 2]]))
    with raises_one_line("n_jobs", "0"):
        st.classes([a, b], n_jobs=0)
    with raises_one_line("seed"):
        st.classes([a, b], seed=-1)
    with raises_one_line("method"):
        st.classes([a, b], method=3)  # pyright: ignore[reportArgumentType]


def test_rows_may_be_given_and_names_are_made_unique():
    a, b = network("a", 0), network("a", _N)
    table = np.stack([np.arange(_N)] * 2, axis=1)
    table[5:, 1] = -1
    made = st.classes([b, b], anchors=np.stack([np.arange(_N)] * 2, axis=1))
    assert made.names == ("a", "a (2)")
    assert len(made.classes) == 1
    rows = _rows([a, b], ("a", "b"), table)
    assert rows(0, 1).tolist() == [[k, k] for k in range(5)]
    assert rows(1, 0).tolist() == [[k, k] for k in range(5)]


@pytest.mark.slow
def test_without_anchors_maps_are_composed_and_differences_follow():
    probes = [network(name, 0) for name in ("a", "b", "c", "d")]
    made = st.classes(probes, anchors=None)
    for members in made.classes:
        assert len({made.names[k] in "de" for k in members}) == 1
    assert made.classes[0] == (0, 1, 2)
    assert made.answers[1, 2].how is How.COMPOSED
    assert made.answers[1, 2].via == 0


def test_the_command_line_says_how_many_classes(tmp_path, capsys):
    for name in ("a", "b", "blind"):
        network(name, _MANY).save(tmp_path / f"{name}.zarr")
    a, b, blind = (str(tmp_path / f"{name}.zarr") for name in ("a", "b", "blind"))
    with as_users_run_it():
        assert main(["classes", a, b, "--jobs", "1"]) == 0
        assert "All 2 networks are equivalent." in capsys.readouterr().out
        assert main(["classes", a, b, blind, "--jobs", "1", "--json", str(tmp_path / "out.json")]) == 1
        assert json.loads((tmp_path / "out.json").read_text())["labels"] == [0, 0, 1]
        assert main(["classes", a, "--jobs", "1"]) == 2
        assert main(["classes", a, str(tmp_path / "none.zarr")]) == 2
        assert main(["classes", a, b, "--anchors", "rows.npy"]) == 2
        lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("sametask: ") for line in lines)


def test_the_command_line_tells_what_is_undecided(tmp_path):
    few = network("a", 6).take(np.arange(40))
    for name in ("one", "two"):
        dataclasses.replace(few, name="same").save(tmp_path / f"{name}.zarr")
    with as_users_run_it():
        assert main(["classes", str(tmp_path / "one.zarr"), str(tmp_path / "two.zarr"), "--jobs", "1"]) == 3
