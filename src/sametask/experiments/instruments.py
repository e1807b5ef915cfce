"""Instruments that show the same states in different ways: sensors, cameras, recordings at two sampling rates.

A state is two numbers, drawn from a triangle without symmetry. An instrument turns states into what a network takes;
a network learns, from what its own instrument shows, to tell the state. Two such networks have no input in common, not
even the kind of it. What they share is what a small step of the state means, and that is all that is needed::

    network = learned(camera(0.3), seed=1)  # of pictures
    probe = st.probe(through(camera(0.3), network), states(seed=2, n=800), st.CentralDifference(1e-4))
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from sametask import Network, from_callable
from sametask._types import Array, Float

Instrument = Callable[[Float[Array, "n 2"]], Float[Array, "n k"]]
"""States to readings."""

CORNERS = np.array([[-0.8, -0.3], [0.8, -0.3], [0.275, 0.431]])
"""Of the triangle of states: its sides are 1.6, 1.3 and 0.9."""

WIDTH = 24
"""Neurons of the hidden layer."""

_LANDMARKS = np.array([[0.5, 0.2, -0.3], [-0.4, 0.5, 0.2], [0.1, -0.5, 0.5], [-0.3, -0.2, -0.6], [0.6, -0.3, 0.3]])
_BRIGHTNESS = np.array([1.0, 0.7, 0.9, 0.5, 0.8])
_BLUR = 0.3
_HARMONICS = np.arange(1, 9)
_LOWEST = 220.0
_FRAME = 0.064


def states(seed: int, n: int) -> Float[Array, "n 2"]:
    """States, uniform in the triangle."""
    along, across = np.random.default_rng(seed).uniform(0, 1, (2, n, 1))
    a, b, c = CORNERS
    return a + np.sqrt(along) * ((1 - across) * (b - a) + across * (c - a))


def position(state: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
    """The state itself."""
    return state


def sensors(count: int = 12, reach: float = 0.8) -> Instrument:
    """Sensors on a circle around the states; what they read falls with the square of the distance.

    Args:
        count: sensors.
        reach: distance at which a reading has fallen to half.
    """
    angle = 2 * np.pi * np.arange(count) / count
    at = 1.2 * np.stack([np.cos(angle), np.sin(angle)], 1)

    def read(state: Array) -> Array:
        return 1 / (1 + np.sum((state[:, None] - at) ** 2, axis=2) / reach**2)

    return read


def camera(direction: float, pixels: int = 12) -> Instrument:
    """Pictures of five glowing spots that turn with the state, about two axes, in radians.

    Args:
        direction: that the camera looks from, in radians around the vertical.
        pixels: of each side of a picture.
    """
    grid = np.linspace(-1, 1, pixels)

    def picture(state: Array) -> Array:
        # about the vertical by the first number, and the camera's direction; before that by the second, about x
        (sine, cosine), (dive, level) = ((np.sin(a), np.cos(a)) for a in (state[:, :1] + direction, state[:, 1:]))
        x, y, z = _LANDMARKS.T
        height, depth = level * y - dive * z, dive * y + level * z
        side = cosine * x + sine * depth
        columns, rows = (np.exp(-((at[:, :, None] - grid) ** 2) / (2 * _BLUR**2)) for at in (side, height))
        return np.einsum("s,nsr,nsc->nrc", _BRIGHTNESS, rows, columns).reshape(len(state), -1)

    return picture


def recording(rate: int, bands: int = 24) -> Instrument:
    """Band levels of a tone: the state is its pitch, in octaves, and how fast its harmonics fall off.

    Args:
        rate: samples a second; what lies above half of it is not heard.
        bands: equal in octaves.
    """
    time = np.arange(round(_FRAME * rate)) / rate
    frequency = np.fft.rfftfreq(len(time), 1 / rate)
    centres = np.geomspace(150.0, 0.45 * rate, bands)
    width = np.log(centres[1] / centres[0])
    distance = np.log(np.maximum(frequency, 1.0)[:, None] / centres) / (1.5 * width)
    filters = np.exp(-(distance**2) / 2) * (frequency > 0)[:, None]
    window = np.hanning(len(time))

    def levels(state: Array) -> Array:
        pitch = _LOWEST * np.exp2(state[:, :1] * 0.5) * _HARMONICS
        amplitude = _HARMONICS ** -(1.5 + state[:, 1:]) * (pitch < rate / 2)
        sound = np.einsum("nh,nht->nt", amplitude, np.sin(2 * np.pi * pitch[:, :, None] * time))
        power = np.abs(np.fft.rfft(window * sound)) ** 2 / len(time)
        return np.log(power @ filters + 1e-3)

    return levels


def learned(instrument: Instrument, seed: int, name: str | None = None, n: int = 1500) -> Network:
    """The hidden layer of a network that has learned to tell the state from the instrument's readings.

    Args:
        instrument: what it sees states with.
        seed: of its initial weights and of the states it learns from.
        name: how reports call it.
        n: states it learns from.

    Returns:
        A network of readings, with exact derivatives.
    """
    wanted = states(10_000 + seed, n)
    readings = instrument(wanted)
    middle, spread = readings.mean(0), readings.std()
    model = MLPRegressor(
        hidden_layer_sizes=(WIDTH,), activation="tanh", solver="lbfgs", alpha=1e-3, max_iter=200, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it has learned enough by then
        model.fit((readings - middle) / spread, wanted)
    weights, shift = model.coefs_[0], model.intercepts_[0]

    def hidden(seen: Array) -> Array:
        return np.tanh((seen - middle) / spread @ weights + shift)

    def slope(seen: Array) -> Array:
        return (1 - hidden(seen) ** 2)[:, :, None] * weights.T / spread

    return from_callable(hidden, name, jacobian=slope)


def through(instrument: Instrument, network: Network) -> Network:
    """A network of readings as one of states."""
    return from_callable(lambda state: network(instrument(state)), network.name)
