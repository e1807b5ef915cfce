"""The whole question in one call: known pairs and their known answers."""

from __future__ import annotations

import dataclasses
import json
import math
from functools import cache

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask import Decision
from sametask._outcome import Severity
from worlds import RandomNetwork, World, box, circle, cut_out, pair, relative_error

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


def new_error(v: st.Verdict) -> float:
    """Error of the map between the two networks of ``probes(_RECTANGLE, …, 3)`` at points that neither has seen."""
    x = _RECTANGLE.sample(np.random.default_rng(77), 500)
    a, b = (RandomNetwork.draw(2, 5, seed)(x) for seed in (3001, 3002))
    return relative_error(v.transformation.forward(a).value, b)


def test_a_smooth_change_of_coordinates_is_equivalent_by_ids():
    first, second = probes(_RECTANGLE, 300, 3)
    v = st.compare(first, second)
    assert v.decision is Decision.EQUIVALENT
    assert v.confidence >= 0.9
    assert v.samples == (300, 300, 300)
    assert v.trial is not None
    assert v.trial.error < 0.05
    assert new_error(v) < 1e-5  # values alone leave 2.6e-5


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
    assert new_error(v) < 1e-5


def test_without_ids_that_fit_nothing_is_equivalent():
    """The opposite: ids that belong to other samples."""
    first, second = probes(_RECTANGLE, 300, 3)
    wrong = np.random.default_rng(0).permutation(300)
    v = st.compare(first, second, anchors=np.stack([np.arange(300), wrong], 1))
    assert v.decision is Decision.INEQUIVALENT
    assert v.determines == ("no", "no")
    # the best map there is says itself that it is no good
    assert v.loss[0].value > 0.9
    estimate = v.transformation.forward(first.activations)
    assert np.median(estimate.uncertainty) > 0.5 * np.sqrt(second.activations.var(axis=0).sum())


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
    first, second = probes(_RECTANGLE, 300, 4, shared=8)
    v = st.compare(first, second, anchors=np.stack([np.arange(8), np.roll(np.arange(8), 3)], 1))
    assert v.decision is not Decision.EQUIVALENT


def test_no_anchors_leave_the_symmetries_of_the_interval():
    v = st.compare(*probes(box(1.0), 300, 3, neurons=3, shared=0), anchors=None)
    assert v.decision is Decision.EQUIVALENT
    assert v.match.ambiguity >= 2
    assert "ambiguous" in names(v)
    told = v.to_dict()
    assert told["ambiguity"] == told["symmetry"]["order"] == 2
    assert told["symmetry"]["name"] == "the reversal of a curve"
    assert told["symmetry"]["complete"] is True
    assert told["symmetry"]["anchors"] == v.match.first.rows[v.match.symmetry.anchors].tolist()


_OBSERVED = "observable at images"


@cache
def _along(v: str):
    """Two networks on an interval, none of whose inputs they share, and a quantity known on both sides."""
    first, second = probes(box(1.0), 200, 3, neurons=3, shared=0)
    a, b, rng = first.inputs[:, 0], second.inputs[:, 0], np.random.default_rng(0)
    given = {"right": (a, b), "noise": (rng.normal(size=200), rng.normal(size=200)), "other": (a, np.sin(9 * b))}
    return st.compare(first, second, anchors=None, observables=given[v])


def test_an_observable_breaks_the_symmetry_of_the_interval():
    v = _along("right")
    assert v.decision is Decision.EQUIVALENT
    assert v.match.ambiguity == 1
    assert "ambiguous" not in names(v)
    assert "observables chose" in names(v)
    assert v.to_dict()["symmetry"] is None


def test_observables_that_tell_nothing_are_named_and_change_nothing():
    v = _along("noise")
    assert v.decision is Decision.EQUIVALENT
    assert v.match.ambiguity == 2
    assert {"observables tell nothing", "ambiguous"} <= names(v)
    assert _OBSERVED not in {figure.name for figure in v.evidence}


def test_an_observable_that_disagrees_under_every_match_contradicts():
    v = _along("other")
    assert v.decision is Decision.UNDECIDED
    assert v.transformation is None
    assert v.match.ambiguity == 2
    (finding,) = (finding for finding in v.diagnosis if finding.name == "observable disagrees")
    assert finding.severity is Severity.DECISIVE
    (figure,) = (figure for figure in v.evidence if figure.name == _OBSERVED)
    assert figure.probability < 0.1
    (figure,) = (figure for figure in _along("right").evidence if figure.name == _OBSERVED)
    assert figure.probability > 0.9


def test_many_correspondences_leave_observables_unused_and_say_so():
    first, second = probes(box(1.0), 100, 3, neurons=3)
    v = st.compare(first, second, observables=(first.inputs[:, 0], second.inputs[:, 0]))
    assert "observables not used" in names(v)
    assert "observables not used" not in names(st.compare(first, second))


# -- not equivalent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("anchors", "sides"), [(_SIX, (1.2, 1.0)), (None, (1.3, 1.3))], ids=["six anchors", "no anchors"]
)
def test_rectangles_of_other_shape_are_not_equivalent(anchors, sides):
    v = st.compare(*probes(_RECTANGLE, 300, 3, two=box(*sides)), anchors=anchors)
    assert v.decision is Decision.INEQUIVALENT
    assert v.transformation is None
    assert names(v) & {"not isometric", "partial overlap"}


def test_a_hole_makes_another_manifold():
    holed = cut_out(_RECTANGLE, lambda x: np.linalg.norm(x - [0.6, 0.55], axis=1) > 0.22)
    v = st.compare(*probes(_RECTANGLE, 500, 3, two=holed), anchors=None)
    assert v.decision is not Decision.EQUIVALENT
    assert v.transformation is None
    (figure,) = (figure for figure in v.evidence if figure.name.startswith("largest gap"))
    assert figure.probability < 0.1


@pytest.mark.parametrize("length", [1.0, 2 * math.pi])
@pytest.mark.parametrize("anchors", [_SIX, None], ids=["six anchors", "no anchors"])
def test_circle_and_interval_are_not_equivalent(anchors, length):
    v = st.compare(*probes(circle(), 200, 5, two=box(length)), anchors=anchors)
    assert v.decision is Decision.INEQUIVALENT
    assert v.transformation is None


def test_unrelated_functions_are_not_equivalent():
    v = st.compare(square("blind to 1"), square("blind to 0"))
    assert v.decision is Decision.INEQUIVALENT
    assert "no function" in names(v)
    assert min(loss.low for loss in v.loss) > 0.05


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
    assert v.determines == ("yes", "no")
    back = v.transformation.backward(OUTPUTS[output](x))
    missed = np.sqrt(np.square(back.value - _inner(x)).sum(axis=1).mean())
    assert np.sqrt(np.square(back.uncertainty).mean()) == pytest.approx(missed, rel=0.3)


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
        assert text.splitlines()[1] == f"{v.decision.value.upper()} (confidence {v.confidence:.2f})"
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
    with raises_one_line("second", "3 rows", "first has 100"):
        st.compare(first, second.activations[:3])
    with raises_one_line("first", "a network", "inputs="):
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


def test_an_empty_list_of_anchors_is_none():
    first, second = probes(box(1.0), 100, 3, neurons=3, shared=0)
    assert st.compare(first, second, anchors=[]).to_dict() == st.compare(first, second, anchors=None).to_dict()


def test_observables_and_sampling_that_are_none_are_refused():
    first, second = probes(_RECTANGLE, 100, 3)
    with raises_one_line("observables", "first", "100 samples"):
        st.compare(first, second, observables=(np.ones(7), np.ones(100)))
    with raises_one_line("anchors", "row 100", "SameSet"):
        st.compare(first, second, anchors=[st.SameSet([100], [0])])
    with raises_one_line("sampled_alike", "'yes'"):
        st.compare(first, second, sampled_alike="yes")


@pytest.mark.parametrize("seed", [-1, 0.5, "zero", None])
def test_seeds_that_are_none_are_refused(seed):
    first, second = probes(_RECTANGLE, 100, 3)
    with raises_one_line("seed"):
        st.compare(first, second, seed=seed)


# -- what must not pass ----------------------------------------------------------------------------------------------


def compared(first, second, n: int, seed: int, tolerance: float | None = 0.05) -> st.Verdict:
    """Two functions on the unit square, seen at the same inputs."""
    x = np.random.default_rng([seed, 5]).uniform(0, 1, (n, 2))
    step = st.CentralDifference(1e-4)
    return st.compare(*(st.probe(st.from_callable(f), x, step) for f in (first, second)), tolerance=tolerance)


@pytest.mark.parametrize("n", [300, 1500])
def test_as_many_neurons_as_dimensions_are_no_reason_to_differ(n):
    """They predict themselves exactly, and a noise floor of nothing would refuse every other network."""
    v = compared(
        lambda x: x, lambda x: np.stack([np.sin(1.5 * x[:, 0]) + 0.5 * x[:, 1], x[:, 1] * np.cos(x[:, 0])], 1), n, 0
    )
    assert v.decision is Decision.EQUIVALENT


@pytest.mark.parametrize("amplitude", [0.3, 0.1, 0.03, 0.01])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_direction_that_hardly_moves_the_activations_is_not_overlooked(amplitude, seed):
    def curve(x):
        return np.stack([x[:, 0], np.sin(3 * x[:, 0]), np.cos(2 * x[:, 0])], 1)

    def surface(x):
        a, b = x.T
        return np.stack([np.exp(a), np.cos(3 * a), a**2, amplitude * b, amplitude * np.sin(3 * b)], 1)

    within = compared(curve, surface, 600, seed)
    spread = surface(np.random.default_rng(0).uniform(0, 1, (100_000, 2))).var(axis=0)
    lost = np.sqrt(spread[3:].sum() / spread.sum())  # the curve knows nothing of it
    assert within.loss[0].value == pytest.approx(lost, rel=0.1)
    assert within.decision is (Decision.EQUIVALENT if lost < 0.05 else Decision.SECOND_DETERMINES_FIRST)
    v = compared(curve, surface, 600, seed, tolerance=None)
    assert v.decision in (Decision.SECOND_DETERMINES_FIRST, Decision.UNDECIDED)
    if v.decision is Decision.UNDECIDED:
        assert "little lost" in names(v)
        assert v.transformation is None


def test_a_fold_along_one_edge_is_not_overlooked():
    def folded(x):
        return np.stack([(x[:, 0] - 0.05) ** 2, x[:, 1], np.sin(x[:, 1])], 1)

    def whole(x):
        return np.stack([x[:, 0], x[:, 1], np.sin(x[:, 0]), np.cos(x[:, 1]), x[:, 0] * x[:, 1]], 1)

    for seed in (0, 1):
        v = compared(folded, whole, 600, seed, tolerance=None)
        assert v.decision in (Decision.SECOND_DETERMINES_FIRST, Decision.UNDECIDED)


def band(n: int, seed: int, *, twisted: bool) -> st.Probe:
    """A cylinder or a flat Möbius band of one length and width, seen by a random network."""
    rng = np.random.default_rng([seed, 11])
    angle, height = rng.uniform(0, 2 * np.pi, n), rng.uniform(-0.4, 0.4, n)
    half = angle / 2 if twisted else 0 * angle
    zero = 0 * angle
    x = np.stack([np.cos(angle), np.sin(angle), height * np.cos(half), height * np.sin(half)], 1)
    across = np.stack([zero, zero, np.cos(half), np.sin(half)], 1)
    turn = 0.5 * height * twisted
    along = np.stack([-np.sin(angle), np.cos(angle), -turn * np.sin(half), turn * np.cos(half)], 1)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    net = RandomNetwork.draw(4, 6, 100 * seed + twisted)
    jacobians = np.einsum("nmk,nkd->nmd", net.jacobian(x), np.stack([along, across], 2))
    return st.Probe.from_jacobians(net(x), jacobians)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_moebius_band_is_no_cylinder(seed):
    """Their spectra agree; a map between them tears along a seam only, which a median would not see.

    Halves of the second cylinder are torn in one place, elsewhere than the match.
    """
    v = st.compare(band(600, seed, twisted=False), band(600, seed + 50, twisted=True), anchors=None)
    assert v.decision is not Decision.EQUIVALENT


@pytest.mark.parametrize("world", [circle(), box(1.0), _RECTANGLE], ids=["circle", "interval", "rectangle"])
def test_shuffled_anchors_are_never_equivalent(world):
    first, second = probes(world, 400, 6, neurons=2 * world.dimension + 1, shared=12)
    pairs = np.stack([np.arange(12), np.random.default_rng(1).permutation(12)], 1)
    v = st.compare(first, second, anchors=pairs)
    assert v.decision is Decision.UNDECIDED
    assert "anchors disagree" in names(v)


@pytest.mark.slow  # two minutes a draw
@pytest.mark.parametrize("seed", [31, 32])
def test_three_anchors_with_each_others_partners_are_no_equivalence(seed):
    """Any three places of a sphere are met by some map; their distances tell that they are the wrong ones."""
    both = pair("sphere", 300, seed, anchors=3)
    v = st.compare(both.first, both.second, anchors=np.stack([np.arange(3), [1, 2, 0]], axis=1))
    assert v.decision is Decision.UNDECIDED
    assert "anchors disagree" in names(v)
    right = st.compare(both.first, both.second, anchors=both.anchors)
    assert "anchors disagree" not in names(right)
    (figure,) = (figure for figure in right.evidence if figure.name == "distances among anchors")
    assert figure.probability > 0.5


@pytest.mark.parametrize("seed", [7, 8])
@pytest.mark.parametrize("world", [box(1.0), _RECTANGLE], ids=["interval", "rectangle"])
def test_one_wrong_anchor_of_six_is_left_out_and_named(world, seed):
    first, second = probes(world, 800, seed, neurons=2 * world.dimension + 1, shared=6)
    pairs = _SIX.copy()
    pairs[2, 1] = int(np.argmax(np.linalg.norm(second.inputs - second.inputs[2], axis=1)))
    v = st.compare(first, second, anchors=pairs)
    (finding,) = (finding for finding in v.diagnosis if finding.name == "anchors disagree")
    assert f"(2, {pairs[2, 1]})" in finding.message
    assert v.match.left_out_rows.tolist() == [[2, pairs[2, 1]]]
    assert v.to_dict()["match"]["left_out"] == [[2, pairs[2, 1]]]
    assert v.to_dict()["match"]["anchors"] == 5
    assert v.decision in (Decision.EQUIVALENT, Decision.UNDECIDED)
    said = st.Transformation.from_match(v.match).forward(first.activations).value
    net = RandomNetwork.draw(world.ambient, 2 * world.dimension + 1, 1000 * seed + 2)
    assert relative_error(said, net(first.inputs)) < 0.05


@pytest.mark.parametrize("size", [5, 8, 16])
def test_small_bursts_are_no_folds(size):
    net = RandomNetwork.draw(1, 3, 3)
    x = np.random.default_rng(4).uniform(0, 1, (400, 1))
    probe = st.probe(st.from_callable(net), x, st.Burst(size, 0.001), seed=1)
    v = st.compare(probe, st.probe(st.from_callable(net), x, st.Burst(size, 0.001), seed=2))
    assert "folds" not in names(v)


@pytest.mark.parametrize("factor", [pytest.param(2.0, marks=pytest.mark.slow), 10.0])
def test_other_units_are_named_and_nothing_is_said_of_ranges(factor):
    first, second = probes(_RECTANGLE, 500, 4, shared=6)
    metric = second.metric.rescale(1 / factor)
    v = st.compare(first, dataclasses.replace(second, metric=metric))
    assert v.decision is Decision.INEQUIVALENT
    assert {"scale mismatch", "not isometric"} <= names(v)
    assert "partial overlap" not in names(v)


# -- the usual measures ----------------------------------------------------------------------------------------------


def test_the_usual_measures_stand_beside_the_decision_and_have_no_part_in_it() -> None:
    first, second = probes(_RECTANGLE, 90, 3)
    verdict = st.compare(first, second)
    shown = verdict.measures
    assert shown is not None
    assert (shown.rows, shown.given) == (90, 90)
    assert shown["linear CKA"].value == pytest.approx(
        st.measures.linear_cka(first.activations, second.activations), abs=1e-6
    )
    assert "usual measures (not part of the decision), 90 corresponding rows" in str(verdict)
    told = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    assert [each["name"] for each in told["measures"]["readings"]] == [each.name for each in st.measures.USUAL]


def test_few_correspondences_have_no_usual_measures() -> None:
    first, second = (probe.take(np.arange(40)) for probe in probes(_RECTANGLE, 90, 3))
    fifteen = np.stack([np.arange(15)] * 2, axis=1)
    verdict = st.compare(first, second, anchors=fifteen)
    assert verdict.measures is None
    assert "usual measures" not in str(verdict)
    assert verdict.to_dict()["measures"] is None
    sixteen = np.stack([np.arange(16), np.arange(16)[::-1]], axis=1)  # wrong partners are held against each other
    shown = st.compare(first, second, anchors=sixteen).measures
    assert shown is not None
    assert shown["mean CCA"].value == pytest.approx(
        st.measures.cca(first.activations[:16], second.activations[15::-1]), abs=1e-6
    )
