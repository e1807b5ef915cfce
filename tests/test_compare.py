"""The whole question in one call: known pairs and their known answers."""

from __future__ import annotations

import json
import math
from functools import cache

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask import Decision
from worlds import RandomNetwork, World, box, circle, relative_error

_SIX = np.stack([np.arange(6)] * 2, axis=1)
_RECTANGLE = box(1.6, 1.0)


def probes(
    one: World, n: int, seed: int, *, two: World | None = None, neurons: int = 5, shared: int | None = None
) -> tuple[st.Probe, st.Probe]:
    """Two random networks; the first ``shared`` samples (default all) are the same and have equal ids."""
    two = one if two is None else two
    shared = n if shared is None else shared
    x, y = (world.sample(np.random.default_rng([seed, k]), n) for k, world in enumerate((one, two), 1))
    if one is two:
        y[:shared] = x[:shared]
    ids = np.arange(n)
    nets = [RandomNetwork.draw(world.ambient, neurons, 1000 * seed + k) for k, world in enumerate((one, two), 1)]
    return (
        one.probe(nets[0], x, ids=ids, name="first net"),
        two.probe(nets[1], y, ids=np.where(ids < shared, ids, 10_000 + ids), name="second net"),
    )


def names(verdict: st.Verdict, subject: str | None = None) -> set[str]:
    return {finding.name for finding in verdict.diagnosis if subject in (None, finding.subject)}


def formula(function, jacobian, name: str) -> st.Network:
    return st.from_callable(function, name, jacobian=jacobian)


def _inner(x: np.ndarray) -> np.ndarray:
    return np.hstack([np.tanh(x), np.tanh(2 * x - 0.5), np.tanh(x + 0.4) ** 2])


def _inner_jacobian(x: np.ndarray) -> np.ndarray:
    t = np.tanh(x + 0.4)
    return np.stack([1 - np.tanh(x) ** 2, 2 * (1 - np.tanh(2 * x - 0.5) ** 2), 2 * t * (1 - t**2)], axis=1)


INNER = formula(_inner, _inner_jacobian, "inner")
OUTPUTS = {
    "wave": formula(lambda x: np.sin(4 * x) + 0.3 * x, lambda x: (4 * np.cos(4 * x) + 0.3)[:, None], "wave"),
    "square": formula(lambda x: x**2, lambda x: (2 * x)[:, None], "square"),
}


@cache
def line(which: str, n: int = 400) -> st.Probe:
    x = np.random.default_rng(0).uniform(-1, 1, (n, 1))
    return st.probe(INNER if which == "inner" else OUTPUTS[which], x, st.Jacobian())


@cache
def square(which: str) -> st.Probe:
    """Networks on the unit square: of both coordinates, or blind to one of them."""
    x = np.random.default_rng(1).uniform(0, 1, (400, 2))
    if which == "both":
        net = RandomNetwork.draw(2, 5, 7)
        return st.probe(st.from_callable(net, "both", jacobian=net.jacobian), x, st.Jacobian())
    seen = {"blind to 1": 0, "blind to 0": 1}[which]
    inner = RandomNetwork.draw(1, 5, 8 + seen)

    def jacobian(x: np.ndarray) -> np.ndarray:
        result = np.zeros((len(x), 5, 2))
        result[:, :, seen] = inner.jacobian(x[:, [seen]])[:, :, 0]
        return result

    return st.probe(st.from_callable(lambda x: inner(x[:, [seen]]), which, jacobian=jacobian), x, st.Jacobian())


# -- equivalent ------------------------------------------------------------------------------------------------------


def test_a_smooth_change_of_coordinates_is_equivalent_by_ids():
    first, second = probes(_RECTANGLE, 300, 3)
    v = st.compare(first, second)
    assert v.decision is Decision.EQUIVALENT
    assert v.confidence >= 0.9
    assert v.samples == (300, 300, 300)
    assert v.trial is not None
    assert v.trial.error < 0.05
    assert relative_error(v.transformation.forward(first.activations).value, second.activations) < 1e-6


@cache
def six_anchors() -> tuple[st.Probe, st.Probe, st.Verdict]:
    first, second = probes(_RECTANGLE, 600, 3, shared=6)
    return first, second, st.compare(first, second)


def test_a_smooth_change_of_coordinates_is_equivalent_by_six_anchors():
    first, _, v = six_anchors()
    assert v.decision is Decision.EQUIVALENT
    assert v.confidence >= 0.9
    assert v.samples == (600, 600, 6)
    assert v.match.kind == "anchored"
    true = RandomNetwork.draw(2, 5, 3002)(first.inputs)
    assert relative_error(v.transformation.forward(first.activations).value, true) < 0.05


def test_anchors_as_an_array_do_what_ids_do():
    first, second, by_ids = six_anchors()
    assert st.compare(first, second, anchors=_SIX).to_dict() == by_ids.to_dict()


def test_order_of_rows_does_not_matter_to_ids():
    first, second = probes(_RECTANGLE, 300, 3)
    order = np.random.default_rng(0).permutation(300)
    shuffled = second.take(order)
    v = st.compare(first, shuffled)
    assert v.decision is Decision.EQUIVALENT
    true = shuffled.activations[np.argsort(order)]
    assert relative_error(v.transformation.forward(first.activations).value, true) < 1e-6


def test_without_ids_that_fit_nothing_is_equivalent():
    """The opposite: ids that belong to other samples."""
    first, second = probes(_RECTANGLE, 300, 3)
    wrong = np.random.default_rng(0).permutation(300)
    v = st.compare(first, second, anchors=np.stack([np.arange(300), wrong], 1))
    assert v.decision is Decision.INEQUIVALENT
    assert v.transformation is None


def test_anchors_to_spare_check_the_match():
    first, second = probes(_RECTANGLE, 1200, 4, shared=40)
    v = st.compare(first, second)
    assert v.decision is Decision.EQUIVALENT
    assert v.trial is not None
    assert v.trial.error < 0.05
    assert "error at spare anchors" in {figure.name for figure in v.evidence}
    # what was held back was not used
    assert not set(v.trial.rows) & set(v.match.first.rows[v.match.anchors[:, 0]])


def test_wrong_anchors_are_not_equivalent():
    first, second = probes(_RECTANGLE, 500, 4, shared=8)
    v = st.compare(first, second, anchors=np.stack([np.arange(8), np.roll(np.arange(8), 3)], 1))
    assert v.decision is not Decision.EQUIVALENT


def test_no_anchors_leave_the_symmetries_of_the_interval():
    v = st.compare(*probes(box(1.0), 300, 3, neurons=3, shared=0), anchors=None)
    assert v.decision is Decision.EQUIVALENT
    assert v.match.ambiguity >= 2
    assert "ambiguous" in names(v)


# -- not equivalent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("anchors", [_SIX, None], ids=["six anchors", "no anchors"])
def test_rectangles_of_other_shape_are_not_equivalent(anchors):
    v = st.compare(*probes(_RECTANGLE, 500, 3, two=box(1.2, 1.0)), anchors=anchors)
    assert v.decision is Decision.INEQUIVALENT
    assert v.transformation is None
    assert names(v) & {"not isometric", "partial overlap"}


@pytest.mark.parametrize("length", [1.0, 2 * math.pi])
@pytest.mark.parametrize("anchors", [_SIX, None], ids=["six anchors", "no anchors"])
def test_circle_and_interval_are_not_equivalent(anchors, length):
    v = st.compare(*probes(circle(), 400, 5, two=box(length)), anchors=anchors)
    assert v.decision is Decision.INEQUIVALENT
    assert v.transformation is None


def test_unrelated_functions_are_not_equivalent():
    v = st.compare(square("blind to 1"), square("blind to 0"))
    assert v.decision is Decision.INEQUIVALENT
    assert "no function" in names(v)
    assert v.transformation is None


# -- undecided -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("anchors", ["ids", _SIX, None], ids=["ids", "six anchors", "no anchors"])
def test_thirty_samples_decide_nothing(anchors):
    v = st.compare(*probes(_RECTANGLE, 30, 3), anchors=anchors)
    assert v.decision is Decision.UNDECIDED
    assert v.transformation is None
    assert "few samples" in names(v)


# -- one way ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_that_folds_is_reported_and_inner_neurons_are_not(output):
    v = st.compare(line("inner"), line(output))
    assert "folds" in names(v, "second")
    assert "folds" not in names(v, "first")
    assert v.folds[1].any
    assert not v.folds[0].any
    (finding,) = (finding for finding in v.diagnosis if finding.name == "folds")
    assert "3 generic" in finding.advice


@pytest.mark.parametrize("output", OUTPUTS)
def test_inner_neurons_determine_a_folding_output_and_not_back(output):
    v = st.compare(line("inner"), line(output))
    assert v.decision is Decision.FIRST_DETERMINES_SECOND
    x = np.linspace(-0.98, 0.98, 200)[:, None]
    assert relative_error(v.transformation.forward(_inner(x)).value, OUTPUTS[output](x)) < 0.02
    with raises_one_line("backward"):
        v.transformation.backward(OUTPUTS[output](x))


@pytest.mark.parametrize("output", OUTPUTS)
def test_swapped_the_second_determines_the_first(output):
    v = st.compare(line(output), line("inner"))
    assert v.decision is Decision.SECOND_DETERMINES_FIRST
    x = np.linspace(-0.98, 0.98, 200)[:, None]
    assert relative_error(v.transformation.backward(_inner(x)).value, OUTPUTS[output](x)) < 0.02
    assert v.trial is not None
    assert not v.trial.forward


def test_a_monotonic_output_does_not_fold_and_is_equivalent():
    x = np.random.default_rng(0).uniform(-1, 1, (400, 1))
    rising = formula(lambda x: x + 0.3 * np.sin(2 * x), lambda x: (1 + 0.6 * np.cos(2 * x))[:, None], "rising")
    v = st.compare(line("inner"), st.probe(rising, x, st.Jacobian()))
    assert v.decision is Decision.EQUIVALENT
    assert "folds" not in names(v)


def test_a_folded_network_is_not_matched_by_six_anchors():
    v = st.compare(line("inner"), line("square"), anchors=_SIX)
    assert v.decision is Decision.UNDECIDED
    assert "folded" in names(v)


@pytest.mark.parametrize("coordinate", [0, 1])
def test_a_network_blind_to_one_input_names_it_and_is_determined(coordinate):
    v = st.compare(square("both"), square(f"blind to {coordinate}"))
    assert v.decision is Decision.FIRST_DETERMINES_SECOND
    assert [rank.rank for rank in v.ranks] == [2, 1]
    (finding,) = (finding for finding in v.diagnosis if finding.name == "collapse")
    assert finding.subject == "second"
    assert f"input coordinate {coordinate}" in finding.message
    back = st.compare(square(f"blind to {coordinate}"), square("both"))
    assert back.decision is Decision.SECOND_DETERMINES_FIRST
    assert "collapse" in names(back, "first")


def test_six_anchors_cannot_tell_one_way_and_say_what_could():
    v = st.compare(square("both"), square("blind to 1"), anchors=_SIX)
    assert v.decision is Decision.UNDECIDED
    (finding,) = (finding for finding in v.diagnosis if finding.name == "dimensions differ")
    assert "ids" in finding.advice


# -- what a verdict holds --------------------------------------------------------------------------------------------


def every_verdict() -> list[st.Verdict]:
    return [
        six_anchors()[2],
        st.compare(line("inner"), line("square")),
        st.compare(square("both"), square("blind to 1")),
        st.compare(square("both"), square("blind to 1"), anchors=None),
        st.compare(*probes(_RECTANGLE, 30, 3)),
    ]


def test_verdicts_are_json_without_nan_and_can_be_read():
    for v in every_verdict():
        again = json.loads(json.dumps(v.to_dict(), allow_nan=False))
        assert again["decision"] == v.decision.value
        assert again["networks"] == list(v.names)
        assert 0 <= v.confidence <= 1
        text = str(v)
        assert text.splitlines()[0] == f"{v.decision.value.upper()} (confidence {v.confidence:.2f})"
        assert v.meaning in text
        for word in ("nan", "np.", "array(", "Finding("):
            assert word not in text
        for finding in v.diagnosis:
            assert finding.message in text
            assert len(finding.message.splitlines()) == 1
            assert finding.advice or finding.severity.value == "note", finding


def test_evidence_has_floors_and_nulls():
    v = six_anchors()[2]
    assert len(v.evidence) >= 3
    for figure in v.evidence:
        assert 0 < figure.floor < figure.null, figure
        assert figure.value >= 0
        assert 0 <= figure.probability <= 1
        assert figure.separable
    described = v.to_dict()["evidence"]
    assert [entry["noise_floor"] for entry in described] == [figure.floor for figure in v.evidence]


def test_the_weightiest_findings_come_first():
    order = ["decisive", "warning", "note"]
    for v in every_verdict():
        weights = [order.index(finding.severity.value) for finding in v.diagnosis]
        assert weights == sorted(weights)


def test_the_same_call_gives_the_same_verdict():
    first, second, v = six_anchors()
    again = st.compare(first, second)
    assert again.to_dict() == v.to_dict()
    y = first.activations[:50]
    assert np.array_equal(again.transformation.forward(y).value, v.transformation.forward(y).value)
    assert st.compare(line("inner"), line("wave")).to_dict() == st.compare(line("inner"), line("wave")).to_dict()


def test_another_seed_gives_the_same_decision():
    first, second = probes(_RECTANGLE, 300, 3)
    assert {st.compare(first, second, seed=seed).decision for seed in (1, 2)} == {Decision.EQUIVALENT}


def test_probes_are_left_as_they_were():
    first, second = probes(_RECTANGLE, 300, 3)
    kept = first.activations.copy(), first.metric.gains.copy()
    st.compare(first, second)
    assert np.array_equal(first.activations, kept[0])
    assert np.array_equal(first.metric.gains, kept[1])


# -- mistakes --------------------------------------------------------------------------------------------------------


def test_what_is_no_probe_is_refused():
    first, second = probes(_RECTANGLE, 100, 3)
    with raises_one_line("second", "ndarray"):
        st.compare(first, second.activations)
    with raises_one_line("first", "CallableNetwork"):
        st.compare(INNER, second)


def test_ids_that_are_missing_or_do_not_meet_are_refused():
    first, second = probes(_RECTANGLE, 100, 3, shared=0)
    bare = _RECTANGLE.probe(RandomNetwork.draw(2, 5, 1), first.inputs)
    with raises_one_line("anchors", "first", "no ids"):
        st.compare(bare, second)
    with raises_one_line("anchors", "second", "no ids"):
        st.compare(first, bare)
    with raises_one_line("anchors", "no id in common"):
        st.compare(first.take(np.arange(50, 100)), second.take(np.arange(50)))
    words = _RECTANGLE.probe(RandomNetwork.draw(2, 5, 1), first.inputs, ids=[f"{k}" for k in range(100)])
    with raises_one_line("anchors", "numbers", "strings"):
        st.compare(first, words)


@pytest.mark.parametrize(
    ("anchors", "words"),
    [
        (np.array([[0, 0], [1, 100]]), ["row 100", "second"]),
        (np.array([[0, 0], [-1, 1]]), ["row -1", "first"]),
        (np.array([[0, 0], [0, 1]]), ["first", "twice"]),
        (np.array([[0, 1], [2, 1]]), ["second", "twice"]),
        (np.array([[0.0, 1.0]]), ["float64"]),
        (np.arange(6), ["(6,)"]),
        (np.zeros((4, 3), int), ["(4, 3)"]),
        ("names", ["'names'"]),
        ({"a": 1}, []),
        (7, []),
        ([[0, 1], [2]], []),
    ],
)
def test_anchors_that_are_no_pairs_of_rows_are_refused(anchors, words):
    first, second = probes(_RECTANGLE, 100, 3)
    with raises_one_line("anchors", *words):
        st.compare(first, second, anchors=anchors)


@pytest.mark.parametrize("seed", [-1, 0.5, "zero", None])
def test_seeds_that_are_none_are_refused(seed):
    first, second = probes(_RECTANGLE, 100, 3)
    with raises_one_line("seed"):
        st.compare(first, second, seed=seed)
