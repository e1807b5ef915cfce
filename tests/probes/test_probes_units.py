"""Units of input coordinates: what they do to the local metric, and which are taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

import sametask as st
from assertions import raises_one_line
from sametask.probes.units import input_units, metric_in_units, rescaled
from worlds import RandomNetwork


def seen(scale: np.ndarray, n: int = 40, seed: int = 0, **options) -> st.Probe:
    """A network of two inputs that are told in units of ``scale``."""
    x = np.random.default_rng(seed).uniform(0, 1, (n, 2))
    network = RandomNetwork.draw(2, 5, 3)
    options = {"inputs": x * scale, "common_basis": True, **options}
    return st.Probe.from_jacobians(network(x), network.jacobian(x) / scale, **options)


@settings(deadline=None, max_examples=20)
@given(some.floats(-6, 6), some.floats(-6, 6))
def test_a_metric_in_other_units_is_that_of_inputs_told_in_them(one, two) -> None:
    scale = 10.0 ** np.array([one, two])
    changed, even = rescaled(seen(scale), (scale[0], scale[1])), seen(np.ones(2))
    for name in ("gains",):
        np.testing.assert_allclose(getattr(changed.metric, name), getattr(even.metric, name), rtol=1e-6)
    planes = [np.swapaxes(each.metric.frames, 1, 2) @ each.metric.frames for each in (changed, even)]
    np.testing.assert_allclose(planes[0], planes[1], atol=1e-6)
    responses = [
        np.einsum("ndm,nd,ndk->nmk", each.metric.frames, each.metric.gains, each.metric.directions)
        for each in (changed, even)
    ]
    np.testing.assert_allclose(responses[0], responses[1], rtol=1e-6, atol=1e-7)
    assert changed.inputs is not None
    np.testing.assert_array_equal(changed.inputs, even.inputs * scale)  # inputs stay as they are


def test_units_are_powers_of_ten_beside_the_least_spread_coordinate() -> None:
    assert input_units([seen(np.array([1.0, 1000.0]))]) == (1.0, 1000.0)
    assert input_units([seen(np.array([0.001, 1.0]))]) == (1.0, 1000.0)
    assert input_units([seen(np.array([1.6, 1.0]))]) == (1.0, 1.0)  # a rectangle stays one


def test_one_unit_for_all_probes_by_what_they_were_all_probed_on() -> None:
    narrow, wide = seen(np.array([1.0, 1.0])), seen(np.array([1.0, 200.0]), seed=1)
    assert input_units([narrow]) == (1.0, 1.0)
    assert input_units([narrow, wide]) == input_units([wide, narrow]) == (1.0, 100.0)


def test_a_coordinate_that_never_changes_has_the_unit_one() -> None:
    probe = seen(np.array([1.0, 1000.0]))
    assert probe.inputs is not None
    inputs = np.array(probe.inputs)
    inputs[:, 0] = 3
    assert input_units([seen(np.array([1.0, 1000.0]), inputs=inputs)]) == (1.0, 1.0)


def test_where_neighbourhoods_were_not_told_along_coordinates_they_stay_as_they_are() -> None:
    scale = np.array([1.0, 1000.0])
    tangents = seen(scale, common_basis=False)
    unseen = seen(scale, inputs=None)
    for probe in (tangents, unseen):
        assert input_units([probe]) is None
        assert input_units([probe, seen(scale)]) is None
        assert rescaled(probe, None) is probe
        assert metric_in_units(probe, (1.0, 1000.0)) is None
        with raises_one_line("input_units:", "not the coordinates"):
            input_units([probe], (1.0, 2.0))
    assert rescaled(seen(scale), (1.0, 1.0)).metric.gains.max() > 0
    assert input_units([seen(scale)], "as given") == (1.0, 1.0)
    assert input_units([seen(scale)], [2, 3]) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((1.0,), "2 coordinates"),
        ((1.0, 0.0), "above zero"),
        ((1.0, -1.0), "above zero"),
        ((1.0, np.inf), ""),
        ("spread", "as given"),
        (3.0, ""),
        ("", "as given"),
    ],
)
def test_units_refused(given, words) -> None:
    with raises_one_line("input_units:", words):
        input_units([seen(np.ones(2))], given)


@pytest.mark.parametrize("constant", [0.0, 0.1, 300.3, 101325.7])
def test_coordinates_that_do_not_vary_have_no_unit_of_their_own(constant) -> None:
    x = np.random.default_rng(1).uniform(0, 1, (400, 3)) * [1, 50, 1]
    x[:, 2] = constant
    network = RandomNetwork.draw(3, 7, 5)
    probe = st.Probe.from_jacobians(network(x), network.jacobian(x), common_basis=True, inputs=x)
    assert input_units([probe, probe]) == (1.0, 100.0, 1.0)


@pytest.mark.parametrize("units", [[1e300, 1], [1e200, 1e200], [np.nan, 1], [1e-300, 1]])
def test_units_whose_powers_are_not_finite_are_refused(units) -> None:
    with raises_one_line("input_units: "):
        input_units([seen(np.ones(2))], units)
