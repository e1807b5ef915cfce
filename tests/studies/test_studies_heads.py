"""What is asked of probes and verdicts beyond the comparison: heads carried over."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import sametask as st
from assertions import raises_one_line
from matches import clean
from sametask.report import clouds, figures
from sametask.report import heads as section
from sametask.report.canvas import Picture
from worlds import RandomNetwork, box, pair

_WORLD = "rectangle"
_SEED = 5


@cache
def _matched() -> tuple[st.Transformation, tuple[RandomNetwork, RandomNetwork]]:
    """The transformation between two equivalent networks by six anchors, and the networks."""
    return st.Transformation.from_match(clean(_WORLD, 400, _SEED)), pair(_WORLD, 400, _SEED).networks


def _inputs(seed: int, n: int = 500) -> np.ndarray:
    return box(1.6, 1.0).sample(np.random.default_rng([seed, 77]), n)


def _side(which: int, seed: int, target: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    x = _inputs(seed)
    return _matched()[1][which](x), target(x)


def _position(x: np.ndarray) -> np.ndarray:
    return np.stack([x[:, 0], np.sin(3 * x[:, 1])], axis=1)


def _quarter(x: np.ndarray) -> np.ndarray:
    return 2 * (x[:, 0] > 0.8).astype(int) + (x[:, 1] > 0.5)


def _features(y: np.ndarray) -> np.ndarray:
    return np.hstack([np.ones((len(y), 1)), y, (y[:, :, None] * y[:, None, :]).reshape(len(y), -1)])


def _regression(which: int) -> Callable[[np.ndarray], np.ndarray]:
    """A head that tells the position, trained on one network alone."""
    y, target = _side(which, 1, _position)
    weights = np.linalg.lstsq(_features(y), target, rcond=1e-10)[0]
    return lambda activations: _features(activations) @ weights


@cache
def _classifier(which: int) -> LogisticRegression:
    y, target = _side(which, 1, _quarter)
    return LogisticRegression(C=1e4, max_iter=5000).fit(y, target)


@pytest.mark.parametrize("of", ["first", "second"])
def test_a_head_for_numbers_runs_on_the_other_network_as_well_as_at_home(of: str) -> None:
    which = int(of == "second")
    sides = [_side(k, 2 + k, _position) for k in (0, 1)]
    carried = st.transfer_head(_matched()[0], _regression(which), sides[0], sides[1], of=of, name="position")
    assert carried.score == "R²"
    assert carried.before > 0.97
    assert carried.after == pytest.approx(carried.before, abs=0.02)
    assert carried.chance == 0.0
    assert carried.errors is not None
    home, away, constant = carried.errors
    assert away < home + 0.01 < 0.2 * constant
    assert carried.inside.mean() > 0.8
    assert (carried.trained_on, carried.carried_to) == (("first", "second") if of == "first" else ("second", "first"))


def test_a_head_for_labels_runs_on_the_other_network_as_well_as_at_home() -> None:
    sides = [_side(k, 2 + k, _quarter) for k in (0, 1)]
    carried = st.transfer_head(_matched()[0], _classifier(0), sides[0], sides[1])
    assert carried.score == "share right"
    assert carried.before > 0.95
    assert carried.after == pytest.approx(carried.before, abs=0.03)
    assert carried.chance == pytest.approx(np.bincount(sides[1][1]).max() / 500)
    assert "share right" in str(carried)
    assert json.loads(json.dumps(carried.to_dict(), allow_nan=False))["after"] == carried.after


def test_between_networks_that_share_nothing_it_does_no_better_than_chance() -> None:
    """The opposite: the second network's samples shuffled, so that the map means nothing."""
    networks = _matched()[1]
    x = _inputs(9, 300)
    world = box(1.6, 1.0)
    charts = [st.chart(world.probe(net, x)) for net in networks]
    wrong = charts[1].probe.take(np.random.default_rng(0).permutation(300))
    nonsense = st.Transformation.from_pairs(charts[0], st.chart(wrong))
    numbers = st.transfer_head(nonsense, _regression(0), _side(0, 2, _position), _side(1, 3, _position))
    assert numbers.before > 0.97
    assert numbers.after < 0.1
    labels = st.transfer_head(nonsense, _classifier(0), _side(0, 2, _quarter), _side(1, 3, _quarter))
    assert labels.before > 0.95
    assert labels.after < labels.chance + 4 / np.sqrt(500) / 2


def test_where_no_transformation_goes_the_head_is_refused() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (200, 1))
    whole = st.from_callable(
        lambda x: np.hstack([x, x**2]), "whole", jacobian=lambda x: np.stack([0 * x + 1, 2 * x], 1)
    )
    folded = st.from_callable(lambda x: x**2, "folded", jacobian=lambda x: 2 * x[:, None])
    verdict = st.compare(*(st.probe(net, x, ids=np.arange(200)) for net in (whole, folded)))
    assert verdict.decision is st.Decision.FIRST_DETERMINES_SECOND
    with raises_one_line("between", "folded does not determine whole", "other way"):
        st.transfer_head(verdict, lambda y: y[:, 0], (whole(x), x[:, 0]), (folded(x), x[:, 0]))
    # a head of the folded one runs on the whole one
    carried = st.transfer_head(
        verdict, lambda y: y[:, 0], (whole(x), x[:, 0] ** 2), (folded(x), x[:, 0] ** 2), of="second"
    )
    assert carried.after > 0.99
    few = st.compare(*(st.probe(net, x[:40], ids=np.arange(40)) for net in (whole, folded)))
    with raises_one_line("between", "undecided", "without a transformation"):
        st.transfer_head(few, lambda y: y[:, 0], (whole(x), x[:, 0]), (folded(x), x[:, 0]))


def test_heads_of_every_make() -> None:
    sides = [_side(k, 2 + k, _quarter) for k in (0, 1)]
    model = _classifier(0)
    module = torch.nn.Linear(5, 4)
    with torch.no_grad():
        module.weight.copy_(torch.tensor(model.coef_))
        module.bias.copy_(torch.tensor(model.intercept_))
    module.train()
    expected = st.transfer_head(_matched()[0], model, *sides)
    for head in (
        module,
        st.from_torch(module),
        model.predict,
        model.predict_proba,
        lambda y: model.predict(y)[:, None],
    ):
        carried = st.transfer_head(_matched()[0], head, *sides)
        assert carried.before == pytest.approx(expected.before, abs=0.005)
        assert carried.after == pytest.approx(expected.after, abs=0.005)
    assert module.training
    names = np.array(["a", "b", "c", "d"])
    named = [(y, names[labels]) for y, labels in sides]
    carried = st.transfer_head(_matched()[0], lambda y: names[model.predict(y)], *named)
    assert carried.after == expected.after
    yes = [(y, labels > 1) for y, labels in sides]
    assert st.transfer_head(_matched()[0], lambda y: model.predict(y) > 1, *yes).after > 0.95


def test_probes_and_a_metric_of_ones_own() -> None:
    both = pair(_WORLD, 400, _SEED)

    def within(targets: np.ndarray, outputs: np.ndarray) -> float:
        return float(np.mean(np.abs(targets - outputs).max(axis=1) < 0.2))

    sides = [(probe, _position(probe.inputs)) for probe in (both.first, both.second)]
    carried = st.transfer_head(_matched()[0], _regression(0), *sides, metric=within)
    assert carried.score == "within"
    assert carried.errors is None
    assert carried.after > 0.9 > carried.chance + 0.5


def test_a_head_that_writes_to_what_it_is_given_leaves_activations_alone() -> None:
    sides = [_side(k, 2 + k, _position) for k in (0, 1)]
    given = [side[0].copy() for side in sides]

    def head(y: np.ndarray) -> np.ndarray:
        y *= 0
        return y[:, :2]

    st.transfer_head(_matched()[0], head, *sides)
    for side, before in zip(sides, given, strict=True):
        np.testing.assert_array_equal(side[0], before)


def test_what_the_verdict_leaves_open_is_said() -> None:
    both = pair("interval", 150, 6, anchors=0)
    verdict = st.compare(both.first, both.second, anchors=None)
    assert verdict.match is not None
    assert verdict.match.ambiguity == 2
    sides = [(probe, probe.inputs[:, 0]) for probe in (both.first, both.second)]
    carried = st.transfer_head(verdict, lambda y: y[:, 0], *sides)
    assert "2 matches" in carried.note
    assert carried.note in str(carried)


def test_the_report_shows_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for drawing in (figures, clouds):
        monkeypatch.setattr(drawing, "drawn", lambda _: Picture("data:image/svg+xml,", (1, 1)))
    both = pair(_WORLD, 400, _SEED)
    verdict = st.compare(both.first.take(np.arange(100)), both.second.take(np.arange(100)), anchors=both.anchors)
    sides = [_side(k, 2 + k, _position) for k in (0, 1)]
    numbers = st.transfer_head(_matched()[0], _regression(0), *sides, name="position <b>")
    labels = st.transfer_head(
        _matched()[0], _classifier(0), *(_side(k, 2 + k, _quarter) for k in (0, 1)), name="quarter"
    )
    verdict.report(tmp_path / "page.html", heads=[numbers, labels])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Heads carried over" in page
    assert "“position &lt;b&gt;” reaches R² " in page
    assert f"{labels.after:.1%} right" in page
    shown = "".join(section.sections([numbers, labels]))
    assert shown.count("<img") == 4  # two quantities, at home and carried over; none for labels
    assert section.sections([]) == []
    verdict.report(tmp_path / "without.html")
    assert "Heads carried over" not in (tmp_path / "without.html").read_text(encoding="utf-8")
    with raises_one_line("heads", "st.transfer_head"):
        verdict.report(tmp_path / "page.html", heads=[numbers, "x"])
    other = st.transfer_head(
        st.Transformation.from_match(clean(_WORLD, 400, _SEED)),
        _classifier(0),
        *(_side(k, 2, _quarter) for k in (0, 1)),
    )
    object.__setattr__(other, "names", ("a", "b"))
    with raises_one_line("heads", "a and b", "first and second"):
        verdict.report(tmp_path / "page.html", heads=[other])


def test_mistakes_are_told_in_one_line() -> None:
    t = _matched()[0]
    numbers = [_side(k, 2 + k, _position) for k in (0, 1)]
    labels = [_side(k, 2 + k, _quarter) for k in (0, 1)]
    head = _regression(0)
    with raises_one_line("between", "str"):
        st.transfer_head("v", head, *numbers)
    with raises_one_line("of", "'third'"):
        st.transfer_head(t, head, *numbers, of="third")
    with raises_one_line("head", "3"):
        st.transfer_head(t, 3, *numbers)
    with raises_one_line("metric", "'f1'"):
        st.transfer_head(t, head, *numbers, metric="f1")
    with raises_one_line("first", "(activations, targets)"):
        st.transfer_head(t, head, numbers[0][0], numbers[1])
    with raises_one_line("second", "499 rows", "500"):
        st.transfer_head(t, head, numbers[0], (numbers[1][0], numbers[1][1][1:]))
    with raises_one_line("second", "labels (int64)", "numbers (float64) in first"):
        st.transfer_head(t, head, numbers[0], labels[1])
    with raises_one_line("first", "all the same"):
        st.transfer_head(t, head, (numbers[0][0], np.zeros(500)), numbers[1])
    with raises_one_line("first", "NaN"):
        st.transfer_head(t, head, (numbers[0][0], np.full(500, np.nan)), numbers[1])
    with raises_one_line("first", "labels of shape (500, 1)"):
        st.transfer_head(t, head, (labels[0][0], labels[0][1][:, None]), labels[1])
    with raises_one_line("head", "fails", "ValueError"):
        st.transfer_head(t, lambda y: y @ np.eye(3), *numbers)
    with raises_one_line("head", "returns shape (3,)"):
        st.transfer_head(t, lambda y: y[:3, 0], *numbers)
    with raises_one_line("head", "1 columns", "2 numbers"):
        st.transfer_head(t, lambda y: y[:, 0], *numbers)
    with raises_one_line("head", "float64", "labels"):
        st.transfer_head(t, lambda y: y[:, 0], *labels)
    with raises_one_line("first", "2 classes", "0 to 1"):
        st.transfer_head(t, lambda y: y[:, :2], *labels)
    with raises_one_line("activations", "4 neurons", "5"):
        st.transfer_head(t, head, numbers[0], (numbers[1][0][:, :4], numbers[1][1]))
    with raises_one_line("metric", "NaN"):
        st.transfer_head(t, head, *numbers, metric=lambda a, b: np.nan)
    with raises_one_line("metric", "fails", "TypeError"):
        st.transfer_head(t, head, *numbers, metric=lambda a: 1.0)
