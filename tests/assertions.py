"""Assertions used by many tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from jaxtyping import config

import sametask as st


@contextmanager
def as_users_run_it() -> Iterator[None]:
    """Without the enforcement of annotations, which users do not have and which would refuse their mistakes first."""
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", False)


@contextmanager
def raises_one_line(argument: str, *words: str) -> Iterator[None]:
    """An InputError of one line that begins with the argument's name, contains the words, and says what to do."""
    with pytest.raises(st.InputError) as caught, as_users_run_it():
        yield
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    assert message.startswith(argument), message
    assert ":" in message, message
    for word in words:
        assert word in message, message


def slope(sizes: list[float], errors: list[float]) -> float:
    """The order at which errors fall with size: the slope of a straight line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


def rms(values: np.ndarray) -> float:
    """Root mean square length of the rows."""
    return float(np.sqrt(np.square(values).reshape(len(values), -1).sum(axis=1).mean()))


def assert_same(one: st.Probe, two: st.Probe) -> None:
    """Two probes agree to the bit in all that they hold."""
    for a, b in [
        (one.activations, two.activations),
        (one.metric.frames, two.metric.frames),
        (one.metric.gains, two.metric.gains),
        (one.metric.directions, two.metric.directions),
        (one.ids, two.ids),
        (one.inputs, two.inputs),
    ]:
        if a is None or b is None:
            assert a is None
            assert b is None
        else:
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            assert a.tobytes() == b.tobytes()
    for name in ("scale", "neurons", "name", "kind"):
        assert getattr(one, name) == getattr(two, name)
    assert one.metric.inflation == two.metric.inflation
