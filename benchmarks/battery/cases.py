"""Pairs of networks whose truth is known, drawn from a seed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from perceptrons import Chosen, Noise, Perceptron, Recoded, waves

import sametask as st

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from responses import Behind, Differentiable
from worlds import EVERY, World, across, box, circle, cut_out, directions, sphere, torus

EQUIVALENT, INEQUIVALENT, UNDECIDED = st.Decision.EQUIVALENT, st.Decision.INEQUIVALENT, st.Decision.UNDECIDED
FIRST, SECOND = st.Decision.FIRST_DETERMINES_SECOND, st.Decision.SECOND_DETERMINES_FIRST

WORLDS = (
    "interval",
    "circle",
    "stretched interval",
    "rectangle",
    "L-shape",
    "blob",
    "sphere",
    "torus",
    "cylinder",
    "bumpy sphere",
    "box",
)
_ROUND = ("circle", "sphere", "torus", "cylinder")
_CURVED = (*_ROUND, "bumpy sphere", "ellipsoids", *("rectangle | cylinder", "sphere | torus", "sphere | disc"))
PROBES = ("jacobian", "difference", "burst", "neighbours", "covariance")
GIVEN = ("ids", "anchors", "none")
FEWEST = {"ids": (60, 150, 500), "anchors": (60, 300, 1500), "none": (100, 500, 2000)}
"""Samples of manifolds of one, two and three dimensions."""
MOST = {"ids": (10_000,) * 3, "anchors": (10_000,) * 3, "none": (10_000, 10_000, 3000)}
_SPREAD = {"burst": (32, 0.02), "neighbours": (0, 0.0)}
_WEAKEST, _WEAKEST_ROUND = 0.05, 0.3
"""Response to one direction of the input relative to another, at least: a closed manifold that is flattened more has
two sides nearer to each other than its samples are."""


@dataclass(frozen=True)
class Case:
    """Two probes and what is true of them.

    Attributes:
        seed: that it was drawn from.
        kind: what was done to the two.
        truth: the answer that is right.
        given: ``"ids"`` where all samples correspond, ``"anchors"`` where a few do, ``"none"`` where none is known to.
        world: name of the manifold.
        first, second: the two.
        anchors: to hand to ``compare``.
    """

    seed: int
    kind: str
    truth: st.Decision
    given: str
    world: str
    first: st.Probe
    second: st.Probe
    anchors: str | np.ndarray | None


@dataclass(frozen=True)
class Drawn:
    """What a case is made of, before its networks are.

    Attributes:
        rng: of everything that follows.
        name, world: of the manifold.
        x: the inputs of each network.
        given: what is known to correspond.
        how: kind of neighbourhood of each.
        uneven: of how unevenly networks respond; None where they do not.
    """

    rng: np.random.Generator
    name: str
    world: World
    x: tuple[np.ndarray, np.ndarray]
    given: str
    how: tuple[str, str]
    uneven: np.random.Generator | None

    @property
    def dimension(self) -> int:
        """Of the manifold."""
        return self.world.dimension

    def untrained(self) -> Perceptron:
        """A network as it is before training, which responds more weakly to some directions than to others."""
        width = int(self.rng.integers(max(12, 2 * self.dimension + 3), 49))
        kind = str(self.rng.choice(["tanh", "softplus", "sine"]))
        network = Perceptron.untrained(self.world.ambient, width, kind, self.rng)
        if self.uneven is None:
            return network
        weakest = _WEAKEST_ROUND if self.name in _CURVED else _WEAKEST
        factors = np.exp(np.log(self.uneven.uniform(weakest, 1)) * np.linspace(0, 1, self.world.ambient))
        turn = np.linalg.qr(self.uneven.normal(size=(self.world.ambient,) * 2))[0]
        return network.responding(turn * factors @ turn.T)

    def task(self) -> Callable[[np.ndarray], np.ndarray]:
        """Something to learn."""
        return waves(self.world.ambient, int(self.rng.integers(1, 5)), self.rng)

    def trained(self, task: Callable[[np.ndarray], np.ndarray]) -> Perceptron:
        """A network that has learned a task from samples of its own."""
        x = self.world.sample(self.rng, 1000)
        return self.untrained().trained(x, task(x), self.rng)


Networks = tuple[Differentiable | Noise, Differentiable | Noise]


# -- equivalent ------------------------------------------------------------------------------------------------------


def _same_task(drawn: Drawn) -> Networks:
    task = drawn.task()
    return drawn.trained(task), drawn.trained(task)


def _other_tasks(drawn: Drawn) -> Networks:
    return drawn.trained(drawn.task()), drawn.trained(drawn.task())


def _recoded(drawn: Drawn) -> Networks:
    network = drawn.trained(drawn.task())
    return network, Recoded.draw(network, drawn.x[0], drawn.rng)


def _permuted(drawn: Drawn) -> Networks:
    network = drawn.trained(drawn.task())
    width = network.weights[1].shape[1]
    units = np.exp(drawn.rng.uniform(-0.7, 0.7, width)) * drawn.rng.choice([-1, 1], width)
    return network, Chosen(network, drawn.rng.permutation(width), units)


def _pruned(drawn: Drawn) -> Networks:
    network = drawn.trained(drawn.task())
    width = network.weights[1].shape[1]
    kept = 2 * drawn.dimension + 1 + int(drawn.rng.integers(0, 3))
    return network, Chosen(network, drawn.rng.permutation(width)[:kept], np.ones(kept))


def _quantised(drawn: Drawn) -> Networks:
    network = drawn.trained(drawn.task())
    return network, network.quantised(drawn.world.sample(drawn.rng, 1000), activations=drawn.how[1] == "neighbours")


def _shuffled(drawn: Drawn) -> Networks:
    x = drawn.world.sample(drawn.rng, 200)
    labels = drawn.rng.permutation(drawn.task()(x))
    return drawn.trained(drawn.task()), drawn.untrained().trained(x, labels, drawn.rng)


def _untrained(drawn: Drawn) -> Networks:
    return drawn.trained(drawn.task()), drawn.untrained()


def _identical(drawn: Drawn) -> Networks:
    network = drawn.trained(drawn.task())
    return network, network


# -- one way ---------------------------------------------------------------------------------------------------------


def _folding(drawn: Drawn) -> Networks:
    """The second is given the square of how far a coordinate is from some place in the middle; on closed manifolds from
    zero, as elsewhere the other coordinates still tell the two sides apart."""
    task = drawn.task()
    k = int(drawn.rng.integers(drawn.world.ambient))
    many = drawn.world.sample(np.random.default_rng(0), 2000)[:, k]
    closed = drawn.name in _ROUND and not (drawn.name == "cylinder" and k == 2)
    crease = 0.0 if closed else float(np.quantile(many, drawn.rng.uniform(0.35, 0.65)))
    unit = float(np.ptp(many)) / 2

    def seen(x: np.ndarray) -> np.ndarray:
        y = x.copy()
        y[:, k] = np.square((x[:, k] - crease) / unit)
        return y

    def slope(x: np.ndarray) -> np.ndarray:
        d = np.broadcast_to(np.eye(x.shape[1]), (len(x), x.shape[1], x.shape[1])).copy()
        d[:, k, k] = 2 * (x[:, k] - crease) / unit**2
        return d

    return drawn.trained(task), Behind(drawn.trained(task), seen, slope)


def _blind(drawn: Drawn) -> Networks:
    """The second is given all inputs but one."""
    task, k = drawn.task(), int(drawn.rng.integers(drawn.world.ambient))
    keep = np.eye(drawn.world.ambient)
    keep[k, k] = 0
    shape = (1, *keep.shape)
    return drawn.trained(task), Behind(
        drawn.trained(task), lambda x: x @ keep, lambda x: np.broadcast_to(keep, (len(x), *shape[1:]))
    )


# -- inequivalent ----------------------------------------------------------------------------------------------------


def _noise(drawn: Drawn) -> Networks:
    return drawn.trained(drawn.task()), Noise(int(drawn.rng.integers(3, 25)), drawn.rng)


KINDS: dict[str, tuple[Callable[[Drawn], Networks], st.Decision, tuple[str, ...]]] = {
    "same function, other seed": (_same_task, EQUIVALENT, GIVEN),
    "other functions of the input": (_other_tasks, EQUIVALENT, GIVEN),
    "re-coordinatised": (_recoded, EQUIVALENT, GIVEN),
    "permuted": (_permuted, EQUIVALENT, GIVEN),
    "pruned": (_pruned, EQUIVALENT, GIVEN),
    "quantised to int8": (_quantised, EQUIVALENT, GIVEN),
    "one side folding": (_folding, FIRST, ("ids",)),
    "one side blind to an input": (_blind, FIRST, ("ids",)),
    "other aspect ratio": (_other_tasks, INEQUIVALENT, ("anchors", "none")),
    "other topology": (_other_tasks, INEQUIVALENT, ("none",)),
    "other inputs": (_other_tasks, INEQUIVALENT, ("ids",)),
    "shuffled labels": (_shuffled, EQUIVALENT, GIVEN),
    "untrained": (_untrained, EQUIVALENT, GIVEN),
    "noise": (_noise, INEQUIVALENT, ("ids", "none")),
    "identical": (_identical, EQUIVALENT, GIVEN),
}
"""How to make two networks, what is true of them, and which correspondences make sense."""

_SUITED = {
    "one side folding": tuple(name for name in WORLDS if name != "bumpy sphere"),
    "one side blind to an input": ("rectangle", "L-shape", "blob", "box"),
}
"""Manifolds on which a kind is what its name says."""


def _disc(radius: float) -> World:
    return cut_out(box(2 * radius, 2 * radius), lambda x: np.linalg.norm(x - radius, axis=1) < radius)


def _ellipsoid(ratio: float) -> World:
    """Of two axes 1, the third ``ratio``."""
    axes = np.array([1.0, 1.0, ratio])

    def tangents(x: np.ndarray) -> np.ndarray:
        normal = x / axes**2
        return across(normal / np.linalg.norm(normal, axis=1, keepdims=True))

    return World(2, 3, lambda rng, n: directions(rng, n) * axes, tangents)


_UNLIKE: dict[str, Callable[[np.random.Generator], tuple[World, World]]] = {
    "interval | circle": lambda rng: (box(2 * np.pi), circle()),
    "rectangle | cylinder": lambda rng: (box(2 * np.pi, 1.3), EVERY["cylinder"]),
    "sphere | torus": lambda rng: (sphere(), torus()),
    "disc | annulus": lambda rng: (_disc(np.sqrt(0.55)), EVERY["annulus"]),
    "sphere | disc": lambda rng: (sphere(), _disc(2.0)),
}
"""Of the same length or area, but for the torus: what fits into the other could be a part of it."""


def _stretched(rng: np.random.Generator) -> tuple[str, World, World]:
    """Boxes, or ellipsoids, of the same volume, one of which is longer in one direction and shorter in the others."""
    more = float(rng.uniform(1.2, 1.6))
    if rng.uniform() < 0.3:
        return "ellipsoids", _ellipsoid(1.0), _ellipsoid(more)
    d = int(rng.integers(2, 4))
    sides = rng.uniform(0.9, 1.6, d)
    longer = sides * np.where(np.arange(d) == rng.integers(d), more, more ** (-1 / (d - 1)))
    return f"boxes in {d} dimensions", box(*sides), box(*longer)


def draw(seed: int, most: int = 10_000, samples: int | None = None, *, even: bool = False) -> Case:
    """The case of a seed; kinds take turns. ``samples`` asks for that many of each network instead of those drawn;
    ``even`` networks respond alike to all directions, and all else is drawn as before."""
    rng = np.random.default_rng([seed, 2026])
    uneven = None if even else np.random.default_rng([seed, 2027])
    kind = list(KINDS)[seed % len(KINDS)]
    make, truth, possible = KINDS[kind]
    given = str(rng.choice(possible))
    worlds: tuple[World, World]
    if kind == "other topology":
        name = str(rng.choice(list(_UNLIKE)))
        worlds = _UNLIKE[name](rng)
    elif kind == "other aspect ratio":
        name, *both = _stretched(rng)
        worlds = (both[0], both[1])
    else:
        name = str(rng.choice(_SUITED.get(kind, WORLDS)))
        worlds = EVERY[name], EVERY[name]
    d = worlds[0].dimension
    sizes = [_size(rng, given, d, most) for _ in range(2)]
    if samples is not None:
        sizes = [max(size, samples) for size in sizes]
    x, anchors = _inputs(rng, worlds, sizes, given, kind)
    networks, how = [], []
    for k in (0, 1):
        how.append(_how(rng, name, kind, len(x[k]), k))
    for k in range(2 if worlds[0] is not worlds[1] else 1):
        drawn = Drawn(rng, name, worlds[k], x, given, (how[0], how[1]), uneven)
        networks.append(make(drawn))
    pair = (networks[0][0], networks[-1][1])
    probes = [_probe(worlds[k], pair[k], x[k], how[k], rng, f"{('first', 'second')[k]}: {kind}") for k in (0, 1)]
    if truth is FIRST and rng.uniform() < 0.5:
        probes, truth = probes[::-1], SECOND
    return Case(seed, kind, truth, given, name, probes[0], probes[1], anchors)


def _size(rng: np.random.Generator, given: str, d: int, most: int) -> int:
    low, high = FEWEST[given][d - 1], min(MOST[given][d - 1], most)
    return int(np.exp(rng.uniform(np.log(low), np.log(max(high, low + 1)))))


def _inputs(
    rng: np.random.Generator, worlds: tuple[World, World], sizes: list[int], given: str, kind: str
) -> tuple[tuple[np.ndarray, np.ndarray], str | np.ndarray | None]:
    """Inputs of each network, and what is told of which correspond."""
    one = worlds[0].sample(rng, sizes[0])
    if given == "ids":
        return (one, worlds[1].sample(rng, len(one)) if kind == "other inputs" else one), "ids"
    two = worlds[1].sample(rng, sizes[1])
    if given == "none":
        return (one, two), None
    few = worlds[0].dimension + 3
    if worlds[0] is worlds[1]:
        two[:few] = one[:few]
    else:
        # the same places as shares of each side
        spans = [np.ptp(world.sample(np.random.default_rng(0), 4000), axis=0) for world in worlds]
        two[:few] = one[:few] * spans[1] / spans[0]
    return (one, two), np.stack([np.arange(few)] * 2, axis=1)


def _how(rng: np.random.Generator, world: str, kind: str, n: int, k: int) -> str:
    """What neighbourhoods a network is given: recorded inputs must lie close together, and be lengths."""
    if kind == "noise" and k == 1:
        return "burst"
    possible = list(PROBES)
    if n < 400 or world in ("stretched interval", "box") or "boxes in 3" in world:
        possible.remove("neighbours")
    return str(rng.choice(possible))


def _probe(
    world: World, network: Differentiable | Noise, x: np.ndarray, how: str, rng: np.random.Generator, name: str
) -> st.Probe:
    """A network seen at some inputs in one of five ways."""
    ids = np.arange(len(x))
    if isinstance(network, Noise):
        y = network(x)
        bursts = network(np.zeros((32 * len(x), 1))).reshape(len(x), 32, -1)
        return st.Probe.from_bursts(y, bursts, 0.02, world.dimension, ids=ids, inputs=x, name=name)
    tangents = world.tangents(x)
    if how == "difference":
        along = np.moveaxis(tangents, 2, 1)
        return st.probe(st.from_callable(network), x, st.CentralDifference(1e-4, along), ids=ids)
    if how == "neighbours":
        k = 12 if world.dimension == 1 else 24
        return st.probe(st.from_callable(network), x, st.Neighbours(k, world.dimension), ids=ids)
    if how == "burst":
        size, scale = _SPREAD["burst"]
        moved = scale * np.einsum("nDd,nbd->nbD", tangents, rng.normal(size=(len(x), size, world.dimension)))
        y = network((x[:, None] + moved).reshape(-1, world.ambient)).reshape(len(x), size, -1)
        return st.Probe.from_bursts(network(x), y, scale, world.dimension, ids=ids, inputs=x, name=name)
    jacobians = np.einsum("nmk,nkd->nmd", network.jacobian(x), tangents)
    if how == "covariance":
        covariances = np.matmul(jacobians, np.swapaxes(jacobians, 1, 2))
        return st.Probe.from_covariances(network(x), covariances, world.dimension, ids=ids, inputs=x, name=name)
    return st.Probe.from_jacobians(network(x), jacobians, ids=ids, inputs=x, name=name)


def named(case: Case) -> str:
    """A case in a few words."""
    sizes = f"{len(case.first):,}" if case.given == "ids" else f"{len(case.first):,} | {len(case.second):,}"
    ways = f"{case.first.kind} | {case.second.kind}"
    return f"{case.kind}, {case.world}, {sizes} samples, {ways}, {case.given}"
