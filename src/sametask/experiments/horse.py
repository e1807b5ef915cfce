"""A horse that turns before cameras, and convolutional autoencoders of what they see.

The pose of the horse is one angle, its turn about the vertical axis, or two: the turn, and then a tilt about the
horizontal axis that points at azimuth 0. A camera renders pictures of 64 × 64 grey values, 0 … 1, with pyvista.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np

from sametask import _check
from sametask._types import Array, Float

PIXELS = 64
_FINER = 6
"""Rendered that much finer and averaged: a picture changes smoothly with the pose."""
_FACES = 0.25
"""Share of the mesh's faces that is kept: 64 × 64 pixels show no more, and rendering takes half as long."""


@dataclass(frozen=True)
class Camera:
    """A camera, and the light that it sees the horse in; angles in degrees.

    Attributes:
        azimuth, elevation: where it stands around the horse.
        distance: from the middle of the horse, which is 1 long.
        light: azimuth and elevation of a distant light.
        ambient: share of light that comes from everywhere, 0 … 1.
    """

    azimuth: float
    elevation: float
    distance: float
    light: tuple[float, float]
    ambient: float = 0.2

    def views(self, poses: Float[Array, "n d"]) -> Float[Array, "n 64 64"]:
        """Pictures of the horse, one for each pose: turn, or turn and tilt, in radians.

        Raises:
            MissingExtraError: pyvista is not installed.
        """
        pyvista = _check.require("pyvista", "reproduce")
        poses = np.asarray(poses, float)
        poses = np.hstack([poses, np.zeros((len(poses), 2 - poses.shape[1]))])
        frames = np.empty((len(poses), PIXELS, PIXELS), np.float32)
        with pyvista.vtk_verbosity("off"):  # it says so where there is no screen
            plotter = pyvista.Plotter(off_screen=True, window_size=[PIXELS * _FINER] * 2, lighting="none")
            try:
                plotter.set_background("black")
                mesh = pyvista.read(str(files("sametask.experiments").joinpath("horse.obj")))
                actor = plotter.add_mesh(
                    mesh.decimate(1 - _FACES),
                    color="white",
                    smooth_shading=True,
                    ambient=self.ambient,
                    diffuse=1 - self.ambient,
                )
                light = 10 * _direction(*self.light)
                plotter.add_light(pyvista.Light(position=tuple(light), light_type="scene light"))
                place = self.distance * _direction(self.azimuth, self.elevation)
                plotter.camera_position = [tuple(place), (0, 0, 0), (0, 0, 1)]
                plotter.show(auto_close=False)
                for k, (turn, tilt) in enumerate(poses):
                    actor.user_matrix = _rotation(turn, tilt)
                    plotter.render()
                    fine = plotter.screenshot(return_img=True)[..., 0].astype(np.float32) / 255
                    frames[k] = fine.reshape(PIXELS, _FINER, PIXELS, _FINER).mean(axis=(1, 3))
            finally:
                plotter.close()
        return frames


CAMERAS = (
    Camera(azimuth=-60.0, elevation=15.0, distance=2.6, light=(-100.0, 50.0)),
    Camera(azimuth=35.0, elevation=40.0, distance=2.8, light=(80.0, 30.0), ambient=0.35),
)
"""Two that have little in common."""


def autoencoder(widths: tuple[int, int, int, int], inner: int, bottleneck: int, activation: str, seed: int) -> Any:
    """A convolutional autoencoder of pictures (n, 64, 64), its weights drawn from the seed.

    A ``torch.nn.Sequential`` of ``encoder`` and ``decoder``. Layers of the encoder are ``conv1`` … ``conv4``, each
    halving the picture, ``inner`` and ``bottleneck``; what goes into the activations of the first five is ``sum1`` …
    ``sum5``.

    Args:
        widths: channels of the four convolutions.
        inner: neurons of the layer before the bottleneck, and of that after it.
        bottleneck: neurons in the middle.
        activation: of ``torch.nn``.
        seed: of the weights.
    """
    torch = _check.require("torch", "reproduce")
    nn = torch.nn
    torch.manual_seed(seed)
    smooth = getattr(nn, activation)
    small = PIXELS // 2 ** len(widths)
    flat = widths[-1] * small**2
    encoder, decoder = nn.Sequential(), nn.Sequential()
    encoder.add_module("picture", nn.Unflatten(1, (1, PIXELS)))
    for k, (before, after) in enumerate(zip((1, *widths), widths, strict=False), start=1):
        encoder.add_module(f"sum{k}", nn.Conv2d(before, after, 4, stride=2, padding=1))
        encoder.add_module(f"conv{k}", smooth())
    encoder.add_module("flat", nn.Flatten())
    encoder.add_module("sum5", nn.Linear(flat, inner))
    encoder.add_module("inner", smooth())
    encoder.add_module("bottleneck", nn.Linear(inner, bottleneck))
    decoder.add_module("sum1", nn.Linear(bottleneck, inner))
    decoder.add_module("inner", smooth())
    decoder.add_module("sum2", nn.Linear(inner, flat))
    decoder.add_module("wide", smooth())
    decoder.add_module("unflat", nn.Unflatten(1, (widths[-1], small, small)))
    backwards = (*widths[::-1], 1)
    for k, (before, after) in enumerate(pairwise(backwards), start=1):
        decoder.add_module(f"conv{k}", nn.ConvTranspose2d(before, after, 4, stride=2, padding=1))
        if after != 1:  # a last sigmoid learns black pictures, and stays there
            decoder.add_module(f"act{k}", smooth())
    decoder.add_module("drop", nn.Flatten(1, 2))
    net = nn.Sequential()
    net.add_module("encoder", encoder)
    net.add_module("decoder", decoder)
    return net


def learn(net: Any, pictures: Float[Array, "n 64 64"], steps: int, seed: int, batch: int = 64) -> float:
    """Train an autoencoder by least squares, in batches drawn from the seed.

    Returns:
        The root mean square error of a grey value.
    """
    torch = _check.require("torch", "reproduce")
    data = torch.as_tensor(pictures)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps, pct_start=0.1)
    rng = np.random.default_rng(seed)
    net.train()
    for _ in range(steps):
        picked = data[torch.as_tensor(rng.integers(0, len(data), batch))]
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(net(picked), picked).backward()
        optimiser.step()
        schedule.step()
    net.eval()
    return pixel_error(run(net, pictures), pictures)


def run(net: Any, inputs: Array, batch: int = 512) -> Array:
    """What a torch module makes of the inputs, as an array."""
    torch = _check.require("torch", "reproduce")
    with torch.no_grad():
        pieces = [
            net(torch.as_tensor(np.asarray(inputs[start : start + batch], np.float32))).numpy()
            for start in range(0, len(inputs), batch)
        ]
    return np.concatenate(pieces)


def pixel_error(pictures: Array, truth: Array) -> float:
    """Root mean square difference of grey values."""
    return float(np.sqrt(np.mean(np.square(pictures.astype(np.float64) - truth))))


def _direction(azimuth: float, elevation: float) -> Float[Array, " 3"]:
    a, e = np.radians([azimuth, elevation])
    return np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])


def _rotation(turn: float, tilt: float) -> Float[Array, "4 4"]:
    c, s = np.cos(turn), np.sin(turn)
    about_z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = np.cos(tilt), np.sin(tilt)
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    matrix = np.eye(4)
    matrix[:3, :3] = about_x @ about_z
    return matrix


def wobbled(poses: Float[Array, "n d"], angle: float, size: int, rng: np.random.Generator) -> Float[Array, "n b d"]:
    """``size`` small random wobbles about each pose, of ``angle`` radians in root mean square.

    A wobble swings: for each turn to one side there is one as far to the other, so that what changes with the square of
    the angle cancels. About every pose they are scaled and turned so that their covariance is angle² / d times the
    identity.

    Args:
        poses: turn, or turn and tilt, in radians.
        angle: how far a wobble goes.
        size: of them; even, at least 2 d.
        rng: that they are drawn from.
    """
    n, d = poses.shape
    drawn = rng.standard_normal((n, size // 2, d))
    left, _, right = np.linalg.svd(drawn, full_matrices=False)
    swings = angle * np.sqrt(size / (2 * d)) * (left @ right)
    return poses[:, None] + np.concatenate([swings, -swings], axis=1)


def spread(codes: Float[Array, "n m"], around: Float[Array, "n b m"]) -> Float[Array, "n m m"]:
    """Covariances about what a network says of each sample itself: of a few wobbles they tell the local metric better
    than those about their mean."""
    change = around.astype(np.float64) - codes[:, None]
    return np.einsum("nbi,nbj->nij", change, change) / change.shape[1]
