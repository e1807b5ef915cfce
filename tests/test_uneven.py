"""Networks that respond unevenly, and inputs told in unlike units: charts, verdicts and maps are as with even ones."""

from __future__ import annotations

import numpy as np
import pytest

import sametask as st
from responses import Behind, Differentiable, Softmax, growing, swirling, weakly
from worlds import RandomNetwork, World, box, relative_error

SQUARE = box(1.0, 1.0)
EIGENVALUES = np.pi**2 * np.array([1.0, 1, 2, 4, 4])
MIDDLE = np.array([0.5, 0.5])
KINDS = {
    "0.3": lambda network: weakly(network, np.array([1, 0.3])),
    "0.1": lambda network: weakly(network, np.array([1, 0.1])),
    "0.03": lambda network: weakly(network, np.array([1, 0.03])),
    "growing": lambda network: growing(network, MIDDLE),
    "swirl": lambda network: swirling(network, MIDDLE),
    "softmax": Softmax,
}


def network(kind: str, seed: int) -> Differentiable:
    return KINDS[kind](RandomNetwork.draw(2, 8 if kind == "softmax" else 5, seed))


def seen(network: Differentiable, x: np.ndarray, world: World = SQUARE, unit: float = 1.0, **options) -> st.Probe:
    scale = np.array([1.0] * (x.shape[1] - 1) + [unit])
    return st.Probe.from_jacobians(
        network(x), network.jacobian(x) / scale, inputs=x * scale, common_basis=True, **options
    )


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_and_eigenvalues_are_those_of_the_inputs(kind) -> None:
    x = SQUARE.sample(np.random.default_rng(4), 1500)
    chart = st.chart(seen(network(kind, 31), x))
    np.testing.assert_allclose(chart.eigenvalues[:5], EIGENVALUES, rtol=0.1)
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    order = np.argsort(distance, axis=1)
    true, reach = order[:, 1:17], np.take_along_axis(distance, order[:, 64:65], axis=1)
    found = chart.graph.index[:, :16]
    assert np.mean([len(set(a) & set(b)) / 16 for a, b in zip(found, true, strict=True)]) > 0.95
    lengths = np.take_along_axis(distance, chart.graph.index, axis=1)
    assert (lengths > 2 * reach).mean() < 0.002


@pytest.mark.parametrize("kind", ["0.1", "growing", "swirl", "softmax"])
def test_pairs_that_respond_unevenly_are_equivalent_and_their_map_is_right(kind) -> None:
    one, two = RandomNetwork.draw(2, 5, 52), network(kind, 53)
    x = [SQUARE.sample(np.random.default_rng([5, k]), 1000) for k in (1, 2)]
    x[1][:6] = x[0][:6]
    rows = np.stack([np.arange(6)] * 2, axis=1)
    v = st.compare(seen(one, x[0]), seen(two, x[1]), anchors=rows)
    assert v.decision is st.Decision.EQUIVALENT, str(v)
    unseen = SQUARE.sample(np.random.default_rng(6), 500)
    assert v.transformation is not None
    error = relative_error(v.transformation.forward(one(unseen)).value, two(unseen))
    assert error < (0.06 if kind == "swirl" else 0.005)  # inputs turn by 3 radians for each side of the square


@pytest.mark.parametrize("unit", [1e3, 1e-3])
def test_inputs_in_unlike_units_have_the_answers_and_maps_of_like_ones(unit) -> None:
    one, two = RandomNetwork.draw(2, 5, 62), RandomNetwork.draw(2, 5, 63)
    x = [SQUARE.sample(np.random.default_rng([7, k]), 500) for k in (1, 2)]
    x[0], x[1] = x[0] * [0.8, 1], x[1] * [0.8, 1] + [0.2, 0]  # ranges overlap in part
    x[1][:8] = x[0][np.flatnonzero(x[0][:, 0] > 0.25)[:8]]
    rows = np.stack([np.flatnonzero(x[0][:, 0] > 0.25)[:8], np.arange(8)], axis=1)
    found = [st.compare(seen(one, x[0], unit=each), seen(two, x[1], unit=each), anchors=rows) for each in (1.0, unit)]
    even, uneven = found
    assert uneven.input_units == ((1.0, 1e3) if unit > 1 else (1e3, 1.0))
    assert even.input_units == (1.0, 1.0)
    assert uneven.decision is even.decision is st.Decision.EQUIVALENT, f"{even}\n{uneven}"
    assert "1000" in str(uneven)
    assert "units of" not in str(even)
    assert uneven.to_dict()["input_units"] == list(uneven.input_units)
    assert uneven.transformation is not None
    assert even.transformation is not None
    unseen = SQUARE.sample(np.random.default_rng(8), 300) * [0.5, 1] + [0.25, 0]
    values = [each.transformation.forward(one(unseen)).value for each in (even, uneven)]
    assert relative_error(values[1], values[0]) < 1e-6
    assert uneven.transformation.input_units == uneven.input_units
    # the local metric of a probe is taken in the same units
    probe = seen(one, unseen, unit=unit)
    np.testing.assert_allclose(uneven.transformation.forward(probe).value, values[1], rtol=1e-3, atol=1e-3)


def test_classes_take_one_unit_for_all() -> None:
    x = SQUARE.sample(np.random.default_rng(9), 200)
    probes = [
        seen(RandomNetwork.draw(2, 5, seed), x, unit=1e3, ids=np.arange(200), name=str(seed)) for seed in (71, 72, 73)
    ]
    made = st.classes(probes)
    assert made.classes == ((0, 1, 2),)
    assert made.input_units == made.verdict(0, 1).input_units == (1.0, 1e3)
    assert made.to_dict()["input_units"] == [1.0, 1e3]
    assert "in units of 1, 1000" in str(made)


@pytest.mark.parametrize("way", [st.CentralDifference(), st.Neighbours(16, 2)], ids=["difference", "neighbours"])
def test_probes_by_differences_and_by_neighbours_are_the_same_in_unlike_units(way) -> None:
    x, one = SQUARE.sample(np.random.default_rng(12), 400), RandomNetwork.draw(2, 5, 76)
    unit = np.array([1, 1e3])
    even = st.probe(st.from_callable(one), x, way)
    uneven = st.probe(st.from_callable(lambda z: one(z / unit)), x * unit, way)
    rescaled = st.in_units(uneven)
    np.testing.assert_allclose(rescaled.metric.gains, even.metric.gains, rtol=1e-4)
    slopes = [np.einsum("ndm,nd,ndk->nmk", m.frames, m.gains, m.directions) for m in (rescaled.metric, even.metric)]
    np.testing.assert_allclose(*slopes, atol=1e-3 * np.abs(slopes[1]).max())
    assert st.local_rank(uneven).rank == 1  # lengths as they are
    assert st.local_rank(rescaled).rank == 2


def test_steps_of_differences_may_be_given_for_each_direction() -> None:
    x, one = SQUARE.sample(np.random.default_rng(13), 50), st.from_callable(RandomNetwork.draw(2, 5, 77))
    both = [st.probe(one, x, st.CentralDifference(step)) for step in (1e-4, [1e-4, 1e-4])]
    np.testing.assert_array_equal(both[0].metric.gains, both[1].metric.gains)
    for wrong in ([1e-4, 0.0], [1e-4, np.nan], "much", [[1e-4, 1e-4]]):
        with pytest.raises(st.InputError, match=r"^step: "):
            st.probe(one, x, st.CentralDifference(wrong))


def test_bursts_in_unlike_units_are_named() -> None:
    x = SQUARE.sample(np.random.default_rng(14), 150) * [1, 1e3]
    networks = [RandomNetwork.draw(2, 5, seed) for seed in (78, 79)]
    seen_by = [st.probe(st.from_callable(lambda z, f=f: f(z / [1, 1e3])), x, st.Burst(16, 0.01)) for f in networks]
    v = st.compare(*seen_by)
    assert v.input_units is None
    (finding, _) = [each for each in v.diagnosis if each.name == "unlike inputs"]
    assert "1,000 times more widely" in finding.message
    even = [st.probe(st.from_callable(f), x / [1, 1e3], st.Burst(16, 0.01)) for f in networks]
    assert not any(each.name == "unlike inputs" for each in st.compare(*even).diagnosis)


def test_what_few_neurons_say_is_the_same_in_unlike_units() -> None:
    x = SQUARE.sample(np.random.default_rng(10), 400)
    even, uneven = (seen(RandomNetwork.draw(2, 7, 75), x, unit=unit) for unit in (1.0, 1e3))
    counted = [st.whitney(each) for each in (even, uneven)]
    np.testing.assert_allclose(counted[1].greedy_folded, counted[0].greedy_folded, atol=1e-9)
    assert counted[1].to_dict()["input_units"] == [1.0, 1e3]
    made = [st.reconstruct(each, 5) for each in (even, uneven)]
    assert made[1].error == pytest.approx(made[0].error, rel=1e-3)
    assert made[1].input_r2 == pytest.approx(made[0].input_r2, rel=1e-6)
    assert "in units of 1, 1000" in str(made[1])
    assert st.whitney(uneven, input_units="as given").input_units == (1.0, 1.0)


def test_a_saved_map_keeps_the_units(tmp_path) -> None:
    one, two = RandomNetwork.draw(1, 3, 81), RandomNetwork.draw(1, 3, 82)
    x = np.random.default_rng(0).uniform(0, 1, (150, 1))
    v = st.compare(seen(one, x), seen(two, x), anchors=np.stack([np.arange(8)] * 2, axis=1), input_units=[2.0])
    assert v.transformation is not None
    v.transformation.save(tmp_path / "t.npz")
    assert st.Transformation.load(tmp_path / "t.npz").input_units == (2.0,)


def test_slopes_are_exact() -> None:
    """Of the networks drawn here, against differences."""
    x = np.random.default_rng(0).uniform(0, 1, (50, 2))
    for kind in KINDS:
        uneven = network(kind, 3)
        assert isinstance(uneven, Behind | Softmax)
        steps = 1e-6 * np.eye(2)
        by_difference = np.stack([(uneven(x + h) - uneven(x - h)) / 2e-6 for h in steps], axis=2)
        np.testing.assert_allclose(uneven.jacobian(x), by_difference, atol=1e-7)
