"""Claims within a tolerance: yes by a map and its bound, no by what no map can mend, and else what is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from sametask import Decision
from sametask.evidence.grouping import near_duplicates
from worlds import RandomNetwork

_STEP = st.CentralDifference(1e-4)


def _probe(f, x, name="network", way=_STEP, **options) -> st.Probe:
    return st.probe(st.from_callable(f, name), x, way, **options)


def _smooth(x):
    return np.hstack([np.exp(x[:, :1]) - x[:, 1:], np.sin(x[:, 1:]) + x[:, :1]])


def _square(n: int = 300, seed: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, 2))


def _names(verdict: st.Verdict) -> set[str]:
    return {finding.name for finding in verdict.diagnosis}


# -- yes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.005, 0.02, 0.03])
@pytest.mark.parametrize("way", [_STEP, st.Neighbours(16, 2), st.Burst(12, 0.05)], ids=lambda way: way.kind)
def test_a_rounded_copy_is_the_same_to_within_what_rounding_leaves(share, way):
    x = _square()
    step = _smooth(x).std(axis=0) * share * 12**0.5
    v = st.compare(_probe(_smooth, x, way=way), _probe(lambda x: np.round(_smooth(x) / step) * step, x, way=way))
    assert v.decision is Decision.EQUIVALENT
    assert v.determines == ("yes", "yes")
    assert v.within.value == pytest.approx(share, rel=0.15)
    assert v.within.value < v.within.high <= 0.05
    # the exact question is another one
    assert str(v).splitlines()[0].startswith("The same, to within")
    assert {"identity", "linear"} <= set(v.loss[0].candidates)
    assert v.loss[0].sufficient(0.05) == "identity"


def test_a_forest_that_is_nearly_right_is_the_same():
    ensemble = pytest.importorskip("sklearn.ensemble")

    def f(x):
        return np.stack([np.sin(x[:, 0]) + x[:, 1], x[:, 0] + 0.3 * np.cos(2 * x[:, 1]), x[:, 0] * x[:, 1]], 1)

    trained = _square(1500, 0)
    forest = ensemble.RandomForestRegressor(100, random_state=0).fit(trained, f(trained))
    x = _square(800, 1)
    v = st.compare(_probe(f, x), _probe(forest.predict, x, way=st.CentralDifference(0.15)))
    assert v.decision is Decision.EQUIVALENT
    assert 0.01 < v.within.value < 0.05


def test_the_shipped_map_keeps_its_bound_on_rows_that_nobody_has_seen():
    beyond = 0
    for seed in range(5):
        one, two = (RandomNetwork.draw(3, 7, 10 * seed + k) for k in (1, 2))
        x, fresh = (np.random.default_rng([seed, k]).uniform(-1, 1, (n, 3)) for k, n in enumerate((150, 2000)))
        v = st.compare(_probe(one, x), _probe(two, x))
        ways = (v.transformation.forward, one, two), (v.transformation.backward, two, one)
        for k, (carry, source, target) in enumerate(ways):
            missed = np.square(carry(source(fresh)).value - target(fresh)).sum(axis=1).mean()
            loss = np.sqrt(missed / target(fresh).var(axis=0).sum())
            assert v.determines[k] != "yes" or loss <= 0.05
            beyond += loss > v.loss[k].high
    assert beyond <= 2


# -- cannot tell -----------------------------------------------------------------------------------------------------


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Recorded pictures, and a layer that reads them."""
    from sklearn.datasets import load_digits

    pictures = load_digits().data / 16
    rows = np.random.default_rng(2).permutation(len(pictures))[:600]
    return pictures[rows], np.random.default_rng(3).normal(size=(64, 20)) / 4


@pytest.mark.parametrize("share", [0.15, 0.6, 3.0])
def test_a_neuron_that_the_other_lacks_is_not_said_to_be_there(share):
    pictures, weights = _digits()
    rng = np.random.default_rng(1)
    x = np.hstack([pictures, rng.uniform(-1, 1, (len(pictures), 1))])

    def hidden(x):
        return np.tanh(x[:, :64] @ weights)

    size = share * np.sqrt(hidden(x).var(axis=0).sum()) / x[:, 64].std()
    way = st.Neighbours(dimension=1)
    more = _probe(lambda x: np.hstack([hidden(x), size * x[:, 64:]]), x, way=way)
    v = st.compare(more, _probe(hidden, x, way=way))
    assert v.determines == ("yes", "cannot tell")
    assert v.decision is Decision.UNDECIDED
    assert v.within.value == pytest.approx(share / np.hypot(1, share), rel=0.1)
    (worst, r2, part), *_ = v.loss[1].lost.neurons
    assert worst == more.neurons[-1]
    assert r2 < 0.1
    assert part == pytest.approx(v.within.value**2, rel=0.2)
    (finding,) = (finding for finding in v.diagnosis if finding.name == "cannot tell")
    assert f"{worst} no better than by chance" in finding.message
    assert str(v).startswith(f"Undecided at 5 %: equal up to {100 * v.within.value:.0f} % (bound")
    # in units of neurons nothing of it is left
    assert st.compare(more, _probe(hidden, x, way=way), units="neuron").within.value > 0.9


def test_rows_that_belong_together_are_not_split():
    """Ten frames of each of sixty clips, in ten dimensions: frames tell one another, and not the next clip."""
    rng = np.random.default_rng(0)
    clips = np.repeat(rng.uniform(-1, 1, (60, 10)), 10, 0)
    x = clips + 0.1 * rng.normal(size=clips.shape)
    one, two = (np.tanh(x @ rng.normal(size=(10, 12))) for _ in range(2))
    groups = np.repeat(np.arange(60), 10)
    probes = [
        st.Probe.from_jacobians(each, rng.normal(size=(600, 12, 1)), ids=np.arange(600), inputs=x)
        for each in (one, two)
    ]
    alone, kept = st.compare(*probes), st.compare(*probes, groups=groups)
    assert 55 <= kept.loss[0].groups <= 60  # near-duplicates may join two
    assert min(one.value - two.value for one, two in zip(kept.loss, alone.loss, strict=True)) > 0.02
    names = np.array([f"clip {k}" for k in groups])
    assert st.compare(*probes, groups=(names, None)).loss[0] == kept.loss[0]


def test_near_duplicates_are_kept_together_and_named():
    x = np.repeat(_square(100), 3, axis=0)
    x = x + 1e-6 * np.random.default_rng(0).normal(size=x.shape)
    one, two = (RandomNetwork.draw(2, 6, seed) for seed in (1, 2))
    v = st.compare(_probe(one, x), _probe(two, x))
    assert "near duplicates" in _names(v)
    assert 100 <= v.loss[0].groups <= 110
    assert "near duplicates" not in _names(st.compare(_probe(one, x[::3]), _probe(two, x[::3])))


def test_too_few_groups_claim_nothing():
    x = _square(120)
    v = st.compare(_probe(_smooth, x), _probe(_smooth, x), groups=np.arange(120) % 12)
    assert v.decision is Decision.UNDECIDED
    assert "few groups" in _names(v)


def test_one_group_and_hardly_more_are_no_trouble():
    x = _square(120)
    one, two = (RandomNetwork.draw(2, 5, seed) for seed in (1, 2))
    probes = _probe(one, x), _probe(two, x)
    with raises_one_line("groups", "one group"):
        st.compare(*probes, groups=np.zeros(120, int))
    for size in (40, 8, 6, 4):
        v = st.compare(*probes, groups=np.arange(120) // size)
        assert v.determines == ("cannot tell",) * 2 or 120 // size >= 20
        assert np.isfinite([loss.high for loss in v.loss]).all()


def test_long_clips_are_kept_together():
    """Nobody said what belongs together: sixty clips of 45 frames."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.uniform(-1, 1, (60, 4)), 45, 0) + 1e-3 * rng.normal(size=(2700, 4))
    assert near_duplicates((x, np.sin(x))).max() < 70


def test_neurons_that_are_hardly_ever_active_are_not_judged_and_that_is_said():
    """Each cell of a code for an input of its own is active in few rows: nothing is known of any."""
    x = _square(300)
    centres = np.linspace(-1, 1, 60)
    line = _probe(lambda x: np.hstack([x[:, :1], x[:, :1] ** 2]), x)
    code = _probe(lambda x: np.maximum(0, 0.03 - np.abs(x[:, 1:] - centres)) * 30, x, way=st.CentralDifference(1e-6))
    v = st.compare(line, code, units="neuron")
    assert v.determines[0] != "yes"
    assert v.loss[0].value == 1
    assert v.loss[0].unjudged == 60
    assert "neurons not judged" in _names(v)
    json.dumps(v.to_dict(), allow_nan=False)


def test_the_order_of_rows_is_nobody_s_choice():
    x = _square(150)
    one, two = (RandomNetwork.draw(2, 5, seed) for seed in (1, 2))
    first, second = _probe(one, x, ids=np.arange(150)), _probe(two, x, ids=np.arange(150))
    mixed = second.take(np.random.default_rng(0).permutation(150))
    one_way, other_way = st.compare(first, second), st.compare(mixed, first)
    for a, b in zip(one_way.loss, other_way.loss[::-1], strict=True):
        assert a.value == pytest.approx(b.value, rel=1e-6)
        assert a.high == pytest.approx(b.high, rel=1e-6)


# -- no --------------------------------------------------------------------------------------------------------------


def test_a_direction_that_the_other_cannot_see_is_lost():
    x = _square(500)
    v = st.compare(_probe(_smooth, x), _probe(lambda x: np.hstack([x[:, :1], np.sin(x[:, :1])]), x))
    assert v.decision is Decision.FIRST_DETERMINES_SECOND
    assert v.determines == ("yes", "no")
    assert 0.05 < v.loss[1].low <= v.loss[1].value
    assert str(v).startswith("The first determines the second to within")
    # the lower bound is no higher than what the best map there is loses: the mean over what is lost
    best = np.sqrt(((_smooth(x)[:, 0] - np.exp(x[:, 0])) ** 2).mean() + np.sin(x[:, 1]).var())
    assert v.loss[1].low <= best / np.sqrt(_smooth(x).var(axis=0).sum())


def test_steps_and_noise_are_no_reason_to_say_no():
    """At a tolerance below what they leave, it cannot be told."""
    x = _square(600)
    step = _smooth(x).std(axis=0) * 0.1
    noise = 0.03 * np.random.default_rng(1).normal(size=(600, 2))
    exact = _probe(_smooth, x)
    for other in (lambda x: np.round(_smooth(x) / step) * step, lambda x: _smooth(x) + noise[: len(x)]):
        v = st.compare(exact, _probe(other, x, way=st.Neighbours(16, 2)), tolerance=0.005)
        assert "no" not in v.determines
        assert v.decision is Decision.UNDECIDED


# -- random networks -------------------------------------------------------------------------------------------------


class _Random:
    """Answers with noise of its own at each call."""

    def __init__(self, size: float, seed: int = 0) -> None:
        self.size, self.rng = size, np.random.default_rng(seed)

    def __call__(self, x):
        y = _smooth(x)
        return y + self.size * y.std() * self.rng.normal(size=y.shape)


@pytest.mark.parametrize("anchors", ["ids", None])
def test_a_random_network_is_named_and_never_inequivalent(anchors):
    x = _square(250)
    probes = [_probe(_Random(0.3, seed), x) for seed in range(2)]
    assert probes[0].noise.share == pytest.approx(0.3, rel=0.3)
    v = st.compare(*probes, anchors=anchors)
    assert v.decision is Decision.UNDECIDED
    (finding, _) = (finding for finding in v.diagnosis if finding.name == "random answers")
    assert "given the same input twice" in finding.message
    assert "repeats=8" in finding.advice


def test_repeats_are_averaged_and_their_variance_taken_off(tmp_path):
    x = _square(400)
    exact = _probe(_smooth, x)
    noisy = _probe(_Random(0.2), x, repeats=16)
    v = st.compare(exact, noisy)
    assert v.loss[0].raw == pytest.approx(0.05, rel=0.3)  # a quarter of 0.2 is left of each mean
    assert v.loss[0].value < 0.5 * v.loss[0].raw
    assert v.determines[0] == "yes"
    noisy.save(tmp_path / "noisy.zarr")
    again = st.Probe.load(tmp_path / "noisy.zarr")
    assert np.array_equal(again.noise.variance, noisy.noise.variance)
    assert again.noise.freedom == 400 * 15
    assert again.select([1]).noise.variance == noisy.noise.variance[1]
    assert st.compare(exact, again).loss[0].value == v.loss[0].value
    assert exact.noise is None
    assert exact.with_repeats(np.repeat(_smooth(x)[:, None], 3, axis=1)).noise is None


def test_repeats_that_are_none():
    x = _square(50)
    with raises_one_line("repeats", "at least 2"):
        _probe(_smooth, x).with_repeats(_smooth(x)[:, None])
    with raises_one_line("repeats", "store"):
        _probe(_smooth, x, repeats=2, store="nowhere.zarr")
    with raises_one_line("repeats"):
        _probe(_smooth, x, repeats=0)


# -- terms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        ({"tolerance": 0}, ["tolerance"]),
        ({"tolerance": -0.1}, ["tolerance"]),
        ({"tolerance": 1.0}, ["tolerance", "between 0 and 1"]),
        ({"tolerance": float("nan")}, ["tolerance"]),
        ({"tolerance": "5 %"}, ["tolerance"]),
        ({"units": "neurons"}, ["units"]),
        ({"level": 1.0}, ["level"]),
        ({"level": 0.3}, ["level"]),
        ({"groups": [1, 2]}, ["groups", "300 samples"]),
        ({"groups": np.ones(300)}, ["groups", "float64"]),
    ],
)
def test_terms_that_are_none(terms, names):
    x = _square()
    with raises_one_line(*names):
        st.compare(_probe(_smooth, x), _probe(_smooth, x), **terms)


def test_what_was_asked_is_in_the_answer():
    x = _square()
    v = st.compare(_probe(_smooth, x), _probe(_smooth, x), tolerance=0.01, units="neuron", level=0.9)
    assert (v.tolerance, v.units, v.level) == (0.01, "neuron", 0.9)
    told = v.to_dict()
    assert (told["tolerance"], told["units"], told["level"]) == (0.01, "neuron", 0.9)
    assert told["determines"] == ["yes", "yes"]
    assert told["within"] == {"value": 0.0, "high": 0.0}
    assert told["loss"][0]["map"] == "identity"
    exact = st.compare(_probe(_smooth, x), _probe(_smooth, x), tolerance=None)
    assert exact.within is None
    assert "exact question" in str(exact).splitlines()[0]


def test_the_exact_question_is_not_answered_with_yes_above_its_noise_floor():
    pictures, weights = _digits()
    way = st.Neighbours(dimension=1)
    v = st.compare(*(_probe(lambda x: np.tanh(x @ weights), pictures, way=way) for _ in range(2)), tolerance=None)
    assert v.decision is not Decision.EQUIVALENT


def test_neither_order_of_rows_nor_of_networks_changes_the_answer():
    x = _square(200)
    one, two = _probe(_smooth, x), _probe(lambda x: np.hstack([x[:, :1], np.sin(x[:, :1])]), x)
    first, second = st.compare(one, two), st.compare(two, one)
    assert first.determines == second.determines[::-1]
    order = np.random.default_rng(0).permutation(200)
    mixed = st.compare(one.take(order), two)
    assert mixed.determines == first.determines
    for a, b in zip(first.loss, mixed.loss, strict=True):
        assert a.value == pytest.approx(b.value, abs=0.03)


def test_no_is_less_than_cannot_tell_is_less_than_yes_as_the_tolerance_grows():
    rank = {"no": 0, "cannot tell": 1, "yes": 2}
    x = _square(200)
    rng = np.random.default_rng(0)
    others = (
        lambda x: np.hstack([x[:, :1], 0.2 * np.sin(x[:, 1:])]),
        lambda x: np.hstack([x[:, :1], x[:, :1] ** 2]),
        lambda x: _smooth(x) + 0.05 * rng.normal(size=(len(x), 2)),
    )
    for other in others:
        probes = _probe(_smooth, x), _probe(other, x, way=st.Neighbours(16, 2))
        answers = [st.compare(*probes, tolerance=t).determines for t in (0.01, 0.05, 0.3, 0.9)]
        for direction in (0, 1):
            ranks = [rank[each[direction]] for each in answers]
            assert ranks == sorted(ranks)
