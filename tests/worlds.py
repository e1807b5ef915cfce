"""Pairs of networks whose truth is known: manifolds, random smooth networks on them, and exact spectra."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial import KDTree
from scipy.special import erf

import sametask as st
from shapes import across, bumpy_normals, bumpy_points, directions, ellipsoid_points, in_blob, in_triangle

_PLEAT_WIDTH = 0.3
_PLACES = 20_000
"""Points by which quantiles are told and places found."""


@dataclass(frozen=True)
class RandomNetwork:
    """A random smooth map R^D → R^m (one hidden tanh layer beside a linear one) with its exact Jacobian.

    With a ``pleat`` below 1 the first input is first replaced by one whose derivative falls from 1 to ``pleat`` at 0:
    there the network nearly folds.
    """

    inner: np.ndarray
    shift: np.ndarray
    outer: np.ndarray
    linear: np.ndarray
    pleat: float = 1.0

    @staticmethod
    def draw(inputs: int, outputs: int, seed: int, width: int = 24, strength: float = 1.0) -> RandomNetwork:
        rng = np.random.default_rng(seed)
        return RandomNetwork(
            strength * rng.normal(size=(inputs, width)),
            rng.uniform(-1, 1, width),
            rng.normal(size=(width, outputs)) / np.sqrt(width),
            0.7 * rng.normal(size=(inputs, outputs)),
        )

    def __call__(self, x: np.ndarray) -> np.ndarray:
        x = self._pleated(x)
        return np.tanh(x @ self.inner + self.shift) @ self.outer + x @ self.linear

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """(n, m, D)."""
        slope = 1 - np.tanh(self._pleated(x) @ self.inner + self.shift) ** 2
        jacobian = np.einsum("dw,nw,wm->nmd", self.inner, slope, self.outer) + self.linear.T
        jacobian[:, :, 0] *= (1 - (1 - self.pleat) * np.exp(-np.square(x[:, 0] / _PLEAT_WIDTH)))[:, None]
        return jacobian

    def recoded(self, rng: np.random.Generator) -> RandomNetwork:
        """The same with its neurons in another order, each in units of its own."""
        order = rng.permutation(self.outer.shape[1])
        gains = np.exp(rng.uniform(-1, 1, len(order))) * rng.choice([-1.0, 1.0], len(order))
        return replace(self, outer=self.outer[:, order] * gains, linear=self.linear[:, order] * gains)

    def _pleated(self, x: np.ndarray) -> np.ndarray:
        lost = (1 - self.pleat) * _PLEAT_WIDTH * np.sqrt(np.pi) / 2 * erf(x[:, 0] / _PLEAT_WIDTH)
        return np.concatenate([x[:, :1] - lost[:, None], x[:, 1:]], 1)


@dataclass(frozen=True)
class Recorded:
    """A network as it is recorded: with noise on its activations, or all of it in half precision.

    Attributes:
        network: the clean one.
        noise: standard deviation of the noise on every activation, drawn anew at every call; Jacobians are exact.
        rng: where the noise comes from.
        half: whether activations and Jacobians are rounded to half precision.
    """

    network: RandomNetwork
    noise: float
    rng: np.random.Generator
    half: bool = False

    def __call__(self, x: np.ndarray) -> np.ndarray:
        values = self.network(x)
        return self._rounded(values + self.noise * self.rng.normal(size=values.shape))

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """(n, m, D)."""
        return self._rounded(self.network.jacobian(x))

    def _rounded(self, values: np.ndarray) -> np.ndarray:
        return values.astype(np.float16) if self.half else values


@dataclass(frozen=True)
class World:
    """A manifold in R^D: how to sample it uniformly, orthonormal tangents, and what is known of its spectrum.

    Attributes:
        dimension: intrinsic dimension d.
        ambient: D.
        sample: ``sample(rng, n)`` → (n, D).
        tangents: ``tangents(x)`` → (n, D, d).
        eigenvalues: exact leading Laplace–Beltrami (Neumann) eigenvalues, without 0; empty where not known.
        functions: ``functions(x)`` → (n, e), exact eigenfunctions in the order of the blocks.
        blocks: columns of ``functions`` that belong together.
        isometries: of the world, as maps of inputs to inputs, but for turns.
        turned: ``turned(x, like)``, the turn of x that comes nearest to ``like``, where every turn is an isometry.
        inside: whether points belong to it, for flat worlds whose inputs are intrinsic coordinates.
    """

    dimension: int
    ambient: int
    sample: Callable[[np.random.Generator, int], np.ndarray]
    tangents: Callable[[np.ndarray], np.ndarray]
    eigenvalues: np.ndarray = field(default_factory=lambda: np.empty(0))
    functions: Callable[[np.ndarray], np.ndarray] = lambda x: np.empty((len(x), 0))
    blocks: tuple[tuple[int, ...], ...] = ()
    isometries: tuple[Callable[[np.ndarray], np.ndarray], ...] = (np.array,)
    turned: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    inside: Callable[[np.ndarray], np.ndarray] | None = None

    def probe(self, network: RandomNetwork | Recorded, x: np.ndarray, **options) -> st.Probe:
        """The network seen at x with exact Jacobians along the world's tangents."""
        jacobians = np.einsum("nmk,nkd->nmd", network.jacobian(x), self.tangents(x))
        return st.Probe.from_jacobians(network(x), jacobians, inputs=x, **options)

    def bursts(
        self,
        network: RandomNetwork | Recorded,
        x: np.ndarray,
        rng: np.random.Generator,
        size: int,
        scale: float,
        **options,
    ) -> st.Probe:
        """The network seen at x with ``size`` perturbed inputs around each."""
        moved = scale * np.einsum("nDd,nbd->nbD", self.tangents(x), rng.normal(size=(len(x), size, self.dimension)))
        values = network((x[:, None] + moved).reshape(-1, self.ambient)).reshape(len(x), size, -1)
        return st.Probe.from_bursts(network(x), values, scale, self.dimension, inputs=x, **options)


def box(*sides: float) -> World:
    """An interval, rectangle or cuboid."""
    lengths = np.array(sides, float)
    d = len(lengths)
    orders = np.stack(np.meshgrid(*[np.arange(6)] * d, indexing="ij"), -1).reshape(-1, d)[1:]
    values = np.square(np.pi * orders / lengths).sum(1)
    leading = np.argsort(values)[:5]

    def functions(x: np.ndarray) -> np.ndarray:
        return np.cos(np.pi * x[:, None] * orders[leading] / lengths).prod(2)

    return World(
        d,
        d,
        lambda rng, n: rng.uniform(0, 1, (n, d)) * lengths,
        lambda x: np.broadcast_to(np.eye(d), (len(x), d, d)),
        values[leading],
        functions,
        tuple((k,) for k in range(5)),
        _box_isometries(lengths),
        inside=lambda x: np.all((x > 0) & (x < lengths), axis=1),
    )


def _box_isometries(lengths: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], ...]:
    """Reflections, and exchanges of equal sides."""
    d = len(lengths)
    orders = [list(order) for order in itertools.permutations(range(d)) if (lengths[list(order)] == lengths).all()]

    def along(order: list[int], flipped: tuple[bool, ...]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda x: np.where(flipped, lengths - x[:, order], x[:, order])

    return tuple(along(order, flipped) for order in orders for flipped in itertools.product((False, True), repeat=d))


def stretched_interval() -> World:
    """An interval whose inputs are no lengths: an input t is 1.2 (exp(1.5 t) − 1) / 1.5 from its end.

    Like any interval it is isometric to its mirror image.
    """
    rate, gain = 1.5, 1.2

    def mirrored(x: np.ndarray) -> np.ndarray:
        return np.log(1 + np.exp(rate) - np.exp(rate * x)) / rate

    return World(
        1,
        1,
        lambda rng, n: rng.uniform(0, 1, (n, 1)),
        lambda x: np.exp(-rate * x)[:, :, None] / gain,
        isometries=(np.array, mirrored),
    )


def _turn(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The orthogonal image of x nearest to ``like``."""
    left, _, right = np.linalg.svd(x.T @ like)
    return x @ left @ right


def circle() -> World:
    """The unit circle."""

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        angle = rng.uniform(0, 2 * np.pi, n)
        return np.stack([np.cos(angle), np.sin(angle)], 1)

    def functions(x: np.ndarray) -> np.ndarray:
        angle = np.arctan2(x[:, 1], x[:, 0])
        return np.stack([f(k * angle) for k in (1, 2, 3) for f in (np.cos, np.sin)], 1)

    return World(
        1,
        2,
        sample,
        lambda x: np.stack([-x[:, 1], x[:, 0]], 1)[:, :, None],
        np.array([1.0, 1, 4, 4, 9]),
        functions,
        ((0, 1), (2, 3), (4, 5)),
        turned=_turn,
    )


def sphere() -> World:
    """The unit sphere in R³."""

    def functions(x: np.ndarray) -> np.ndarray:
        a, b, c = x.T
        return np.stack([a, b, c, a * b, b * c, c * a, a * a - b * b, 3 * c * c - 1], 1)

    return World(
        2, 3, directions, across, np.array([2.0, 2, 2, 6, 6]), functions, ((0, 1, 2), (3, 4, 5, 6, 7)), turned=_turn
    )


def cut_out(whole: World, inside: Callable[[np.ndarray], np.ndarray]) -> World:
    """The part of a world that is inside, with the isometries of the whole."""

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        x = whole.sample(rng, 8 * n)
        return x[inside(x)][:n]

    within = whole.inside
    return World(
        whole.dimension,
        whole.ambient,
        sample,
        whole.tangents,
        inside=None if within is None else lambda x: within(x) & inside(x),
    )


def l_shape() -> World:
    """A rectangle 1.6 × 1 without its upper right quarter; its arms are unequal, so nothing maps it to itself."""
    return cut_out(box(1.6, 1.0), lambda x: (x[:, 0] < 0.8) | (x[:, 1] < 0.5))


def annulus() -> World:
    """A ring of radii 0.3 and 0.8 around (0.8, 0.8)."""
    ring = cut_out(box(1.6, 1.6), lambda x: np.abs(np.linalg.norm(x - 0.8, axis=1) - 0.55) < 0.25)
    return replace(ring, turned=lambda x, like: 0.8 + _turn(x - 0.8, like - 0.8))


def blob() -> World:
    """A smooth outline without symmetry."""
    return cut_out(box(1.6, 1.6), in_blob)


def triangle() -> World:
    """With sides 1.6, 1.3 and 0.9."""
    return cut_out(box(1.6, 0.8), in_triangle)


def bumpy_sphere() -> World:
    """A sphere with bumps, of radii 0.7 to 1.4, without symmetry."""
    return World(2, 3, bumpy_points, lambda x: across(bumpy_normals(x)))


def ellipsoid() -> World:
    """With the half axes 1, 0.7 and 1.6."""
    axes = np.array([1.0, 0.7, 1.6])

    def tangents(x: np.ndarray) -> np.ndarray:
        normals = x / axes**2
        return across(normals / np.linalg.norm(normals, axis=1, keepdims=True))

    def flipped(signs: tuple[float, ...]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda x: x * signs

    isometries = tuple(flipped(signs) for signs in itertools.product((1.0, -1.0), repeat=3))
    return World(2, 3, lambda rng, n: ellipsoid_points(rng, n, axes), tangents, isometries=isometries)


def cylinder() -> World:
    """Of radius 1 and height 1.3."""
    around = circle()
    height = 1.3

    def tangents(x: np.ndarray) -> np.ndarray:
        along = np.zeros((len(x), 3, 2))
        along[:, :2, :1], along[:, 2, 1] = around.tangents(x), 1
        return along

    return World(
        2,
        3,
        lambda rng, n: np.concatenate([around.sample(rng, n), rng.uniform(0, height, (n, 1))], 1),
        tangents,
        isometries=(np.array, lambda x: np.array([0, 0, height]) + x * [1, 1, -1]),
        turned=lambda x, like: np.concatenate([_turn(x[:, :2], like[:, :2]), x[:, 2:]], 1),
    )


def torus() -> World:
    """The flat torus: two angles, in R⁴."""

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        angle = rng.uniform(0, 2 * np.pi, (n, 2))
        return np.concatenate([np.cos(angle), np.sin(angle)], 1)

    def tangents(x: np.ndarray) -> np.ndarray:
        along = np.zeros((len(x), 4, 2))
        along[:, 0, 0], along[:, 2, 0] = -x[:, 2], x[:, 0]
        along[:, 1, 1], along[:, 3, 1] = -x[:, 3], x[:, 1]
        return along

    return World(
        2,
        4,
        sample,
        tangents,
        isometries=(np.array, lambda x: x[:, [2, 3, 0, 1]]),
        turned=lambda x, like: np.concatenate([_turn(x[:, :2], like[:, :2]), _turn(x[:, 2:], like[:, 2:])], 1),
    )


def slice_of(world: World, start: float, stop: float) -> World:
    """The part whose first input lies between these quantiles."""
    if (start, stop) == (0, 1):
        return world
    first = world.sample(np.random.default_rng(0), _PLACES)[:, 0]
    least, most = np.quantile(first, [start, stop])
    return cut_out(world, lambda x: (least <= x[:, 0]) & (x[:, 0] <= most))


def skewed(world: World, factor: float) -> World:
    """The same world sampled ``factor`` times more densely where inputs are small than where they are large."""
    if factor == 1:
        return world
    heights = np.sort(world.sample(np.random.default_rng(0), _PLACES).sum(1))
    least, most = heights[0], heights[-1]

    def sample(rng: np.random.Generator, n: int) -> np.ndarray:
        x = world.sample(rng, round(2 * factor * n))
        return x[rng.uniform(size=len(x)) < factor ** -((x.sum(1) - least) / (most - least))][:n]

    return replace(world, sample=sample)


WORLDS = {"interval": box(1.0), "rectangle": box(1.6, 1.0), "circle": circle(), "sphere": sphere()}
SHAPES = {"L-shape": l_shape(), "annulus": annulus(), "torus": torus(), "box": box(1.5, 1.2, 1.0)}
"""Worlds whose spectra are not written down."""

UNLABELLED = {
    "square": box(1.0, 1.0),
    "stretched interval": stretched_interval(),
    "blob": blob(),
    "triangle": triangle(),
    "bumpy sphere": bumpy_sphere(),
    "cylinder": cylinder(),
    "ellipsoid": ellipsoid(),
}
"""Worlds to match without anchors."""

EVERY = WORLDS | SHAPES | UNLABELLED

NEURONS = {name: 2 * world.dimension + 1 for name, world in (WORLDS | SHAPES).items()}


Activations = Callable[[np.ndarray], np.ndarray]
"""Inputs to activations."""


@dataclass(frozen=True)
class Pair:
    """Two networks on one world, each at its own samples but for a few anchors, and unseen test points.

    Attributes:
        networks: the two.
        unseen: test inputs.
        recorded: the two as the probes saw them: noisy or rounded, where that is asked for.
    """

    first: st.Probe
    second: st.Probe
    anchors: np.ndarray
    networks: tuple[Activations, Activations]
    unseen: np.ndarray
    recorded: tuple[Activations, Activations]

    @property
    def unseen_first(self) -> np.ndarray:
        return self.networks[0](self.unseen)

    @property
    def unseen_second(self) -> np.ndarray:
        return self.networks[1](self.unseen)


def pair(
    name: str,
    n: int,
    seed: int,
    *,
    n2: int | None = None,
    anchors: int = 6,
    neurons: int | tuple[int, int] | None = None,
    strength: float = 1.0,
    pleat: float = 1.0,
    burst: tuple[int, float] | None = None,
    noise: float = 0.0,
    half: bool = False,
    skew: float = 1.0,
    shares: tuple[float, float] = (1.0, 1.0),
    recoded: bool = False,
) -> Pair:
    """Two random networks on a world; samples are independent except for the first ``anchors`` rows.

    Args:
        name: of the world.
        n: samples of each network.
        n2: of the second, where it has another number.
        seed: of everything drawn.
        anchors: samples that both networks saw.
        neurons: of each network, or of the two; default 2d + 1.
        strength: of the networks' nonlinear part.
        pleat: least derivative of the first input, see :class:`RandomNetwork`.
        burst: (size, scale) of bursts in place of exact Jacobians.
        noise: on every activation recorded, as a share of the network's root mean square spread.
        half: whether activations and Jacobians are recorded in half precision.
        skew: how much more densely the second is sampled at one end of the world than at the other.
        shares: of the world, that the two were probed on: the first at its lower, the second at its upper end. Anchors
            and unseen points are of what both were probed on.
        recoded: whether the second's neurons are taken in another order and other units.
    """
    world = EVERY[name]
    m = (2 * world.dimension + 1,) * 2 if neurons is None else (neurons,) * 2 if isinstance(neurons, int) else neurons
    begin, end = 1 - shares[1], shares[0]
    parts = slice_of(world, 0, end), skewed(slice_of(world, begin, 1), skew)
    overlap = slice_of(world, begin, end)
    x1 = parts[0].sample(np.random.default_rng([seed, 1]), n)
    x2 = parts[1].sample(np.random.default_rng([seed, 2]), n2 or n)
    if overlap is not world:
        x1[:anchors] = overlap.sample(np.random.default_rng([seed, 9]), anchors)
    x2[:anchors] = x1[:anchors]
    first, second = (
        replace(RandomNetwork.draw(world.ambient, m[k - 1], 1000 * seed + k, strength=strength), pleat=pleat)
        for k in (1, 2)
    )
    if recoded:
        second = second.recoded(np.random.default_rng([seed, 8]))
    recorded = (
        _recorded(first, x1, noise, half, np.random.default_rng([seed, 6])),
        _recorded(second, x2, noise, half, np.random.default_rng([seed, 7])),
    )
    probes = [
        world.probe(network, x, name=label)
        if burst is None
        else world.bursts(network, x, np.random.default_rng([seed, 4 + k]), *burst, name=label)
        for k, (network, x, label) in enumerate(zip(recorded, (x1, x2), ("first", "second"), strict=True))
    ]
    unseen = overlap.sample(np.random.default_rng([seed, 3]), 1000)
    rows = np.arange(anchors)
    return Pair(probes[0], probes[1], np.stack([rows, rows], 1), (first, second), unseen, recorded)


@dataclass(frozen=True)
class Partly:
    """Two networks, each probed on its own part of a world; they have some anchors in common.

    Attributes:
        networks: the two.
        inside: of the samples of each, which lie on the other's part too.
        share: of each one's part, by volume, how much that is.
        unseen: test inputs on both parts.
    """

    first: st.Probe
    second: st.Probe
    anchors: np.ndarray
    networks: tuple[Activations, Activations]
    inside: tuple[np.ndarray, np.ndarray]
    share: tuple[float, float]
    unseen: np.ndarray


def _everywhere(x: np.ndarray) -> np.ndarray:
    return np.ones(len(x), bool)


def _round(x: np.ndarray) -> np.ndarray:
    return np.arctan2(x[:, 1] - 0.8, x[:, 0] - 0.8) / (2 * np.pi) % 1


PARTS = {
    "interval": (box(1.0), _everywhere, lambda x: x[:, 0] < 0.6),
    "rectangle": (box(1.6, 1.0), _everywhere, lambda x: x[:, 0] < 0.96),
    "larger": (box(1.6, 1.0), lambda x: x[:, 0] < 0.96, _everywhere),
    "strips": (box(1.6, 1.0), lambda x: x[:, 0] < 1.28, lambda x: x[:, 0] > 0.32),
    "small": (box(1.9, 1.7), lambda x: (x < 1.1).all(1), lambda x: (x > 0.6).all(1)),
    "sphere": (sphere(), _everywhere, lambda x: x[:, 2] > -0.2),
    "ring": (annulus(), _everywhere, lambda x: _round(x) < 0.6),
}
"""Worlds, and what of them each network is probed on."""


def partly(which: str, n: int, seed: int, *, anchors: int = 6) -> Partly:
    """Two random networks, each probed on its own part of a world with n samples to the larger part."""
    world, *parts = PARTS[which]
    rngs = [np.random.default_rng([seed, k]) for k in range(5)]
    many = world.sample(rngs[0], 20_000)
    one, two = (part(many) for part in parts)
    common = many[one & two]
    sizes = [int(n * seen.sum() / max(one.sum(), two.sum())) for seen in (one, two)]
    x = [
        np.concatenate([common[:anchors], cut_out(world, part).sample(rngs[1 + k], sizes[k] - anchors)])
        for k, part in enumerate(parts)
    ]
    m = 2 * world.dimension + 1
    networks = [RandomNetwork.draw(world.ambient, m, 1000 * seed + k) for k in (1, 2)]
    probes = [world.probe(networks[k], x[k], name=("first", "second")[k]) for k in (0, 1)]
    both = float((one & two).sum())
    return Partly(
        probes[0],
        probes[1],
        np.stack([np.arange(anchors)] * 2, 1),
        (networks[0], networks[1]),
        (parts[1](x[0]), parts[0](x[1])),
        (both / one.sum(), both / two.sum()),
        common[-1000:],
    )


def _recorded(
    network: RandomNetwork, x: np.ndarray, noise: float, half: bool, rng: np.random.Generator
) -> RandomNetwork | Recorded:
    """The network as recorded; itself where nothing is lost."""
    if not noise and not half:
        return network
    values = network(x)
    return Recorded(network, noise * float(np.sqrt(np.square(values - values.mean(0)).mean())), rng, half)


def relative_error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Root mean square error over root mean square spread."""
    return float(np.sqrt(np.sum((predicted - true) ** 2) / np.sum((true - true.mean(0)) ** 2)))


def block_correlation(functions: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> float:
    """Smallest canonical correlation between two blocks of functions in a weighted mean."""
    bases = []
    for block in (functions, truth):
        centred = block - weights @ block / weights.sum()
        bases.append(np.linalg.qr(np.sqrt(weights)[:, None] * centred)[0])
    return float(np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).min())


def up_to_isometry(world: World, network: Activations, x: np.ndarray, predicted: np.ndarray) -> tuple[float, int]:
    """The least relative error of activations predicted at x, that an isometry of the world leaves; and which it is."""
    like = x
    if world.turned is not None:
        places = world.sample(np.random.default_rng(0), _PLACES)
        like = places[np.asarray(KDTree(network(places)).query(predicted)[1])]
    errors = []
    for isometry in world.isometries:
        moved = isometry(x) if world.turned is None else world.turned(isometry(x), like)
        errors.append(relative_error(predicted, network(moved)))
    return min(errors), int(np.argmin(errors))
