"""Two small networks of the same task, inside the package.

A two-joint robot arm with links of length 1.0 and 0.8: joint angles in, the position of the hand out. The
first network has two hidden layers of 48 tanh units, the second three of 32 softplus units; they were trained
from different seeds on different samples, by ``examples/train_demo_networks.py``. Their layers are the
tensors ``hidden1``, ``hidden2`` (``hidden3``) and ``output``.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from sametask import _check
from sametask._types import Array, Float

LINKS = (1.0, 0.8)
"""Lengths of upper and lower arm."""

ANGLES = ((0.0, 1.6), (0.4, 1.4))
"""Least and largest angle of shoulder and elbow, in radians."""

LAYERS = ("hidden2", "hidden2")
"""The second hidden layer of each network."""

SHARED = 60
"""Inputs that both networks see in the demonstration: two thirds serve as anchors, the rest to check the result."""


def inputs(seed: int, n: int) -> Float[Array, "n 2"]:
    """``n`` pairs of joint angles (shoulder, elbow) in radians, uniform in their rectangle.

    Example:
        >>> inputs(seed=0, n=3).shape
        (3, 2)
    """
    low, high = np.transpose(ANGLES)
    return np.random.default_rng(seed).uniform(low, high, size=(_check.count("n", n), 2))


def path(which: str) -> Path:
    """The ONNX file of the ``"first"`` or the ``"second"`` network.

    Raises:
        InputError: any other name.
    """
    _check.one_of("which", which, ["first", "second"])
    return Path(str(files(__name__).joinpath(f"{which}.onnx")))


def hand(angles: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
    """Where the hand is, exactly: what the networks have learned."""
    shoulder, elbow = angles.T
    first, second = LINKS
    return np.stack(
        [
            first * np.cos(shoulder) + second * np.cos(shoulder + elbow),
            first * np.sin(shoulder) + second * np.sin(shoulder + elbow),
        ],
        axis=1,
    )
