"""Pairs whose activations are recorded at the same rows, of any dimension, noise and precision, with fresh rows kept
aside by which claims are checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor

import sametask as st

Rows = Callable[[np.ndarray], np.ndarray]

FRESH = 2000
"""Rows kept aside, where they can be drawn; of natural data those that are left, 500 at least."""


@dataclass(frozen=True)
class Recorded:
    """Two probes, and what is needed to check what is said of them.

    Attributes:
        kind: what the two are.
        words: in a line.
        first, second: the probes.
        fresh: what both say at fresh rows, as it is recorded; answers that are random are averaged as in the probes.
        meant: means of their answers there.
        groups: of the rows, or None.
        units: of losses.
        lost: whether something that the first has (forward) and the second has (backward) is lost for good: a private
            input or a dropped direction; only then may "no" be said of the way from the one that lacks it.
    """

    kind: str
    words: str
    first: st.Probe
    second: st.Probe
    fresh: tuple[np.ndarray, np.ndarray]
    meant: tuple[np.ndarray, np.ndarray]
    groups: np.ndarray | None
    units: str
    lost: tuple[bool, bool]


@dataclass(frozen=True)
class _World:
    """Where inputs come from: a draw of n of them, and how they are probed."""

    rng: np.random.Generator
    name: str
    draw: Callable[[int], np.ndarray]
    dimension: int
    smooth: bool
    limit: int


def _world(rng: np.random.Generator) -> _World:
    """Uniform, heavy-tailed or clustered inputs in 2 to 60 dimensions; pictures and tables that packages ship."""
    kind = str(rng.choice(["uniform", "normal", "heavy", "clusters", "digits", "tables"]))
    if kind in ("digits", "tables"):
        if kind == "digits":
            data = np.asarray(load_digits(return_X_y=True)[0]) / 16
        else:
            data = np.asarray((load_breast_cancer if rng.choice([0, 1]) else load_wine)(return_X_y=True)[0])
            data = (data - data.mean(0)) / data.std(0)
            # smooth mixtures of real rows, of which there are enough
            real = data

            def mixed(n: int) -> np.ndarray:
                weights = rng.dirichlet([0.5] * 3, n)
                return (weights[:, :, None] * real[rng.integers(0, len(real), (n, 3))]).sum(axis=1)

            return _World(rng, kind, mixed, data.shape[1], False, 3000)
        order = rng.permutation(len(data))
        place = [0]

        def next_rows(n: int) -> np.ndarray:
            rows = order[place[0] : place[0] + n]
            place[0] += n
            return data[rows]

        return _World(rng, kind, next_rows, 64, False, len(data) - 700)
    d = int(rng.choice([2, 2, 3, 5, 10, 20, 60]))
    centres = rng.normal(size=(5, d)) * 2
    draws: dict[str, Callable[[int], np.ndarray]] = {
        "uniform": lambda n: rng.uniform(-1, 1, (n, d)),
        "normal": lambda n: rng.normal(size=(n, d)),
        "heavy": lambda n: rng.standard_t(3, (n, d)),
        "clusters": lambda n: centres[rng.integers(0, 5, n)] + 0.3 * rng.normal(size=(n, d)),
    }
    return _World(rng, f"{kind} {d}", draws[kind], d, True, 3000)


def _layer(world: _World, width: int) -> Rows:
    """A random layer."""
    kind = str(world.rng.choice(["tanh", "relu"]))
    scale = world.rng.uniform(0.5, 2) / np.sqrt(world.dimension)
    weights, shift = world.rng.normal(size=(world.dimension, width)) * scale, world.rng.normal(size=width) * 0.5
    act = np.tanh if kind == "tanh" else (lambda z: np.maximum(z, 0))
    return lambda x: act(x @ weights + shift)


def _trained(world: _World, targets: Rows, width: int, seed: int) -> Rows:
    """The hidden layer of a network trained on its own rows."""
    x = world.draw(400) if world.name != "digits" else np.asarray(load_digits(return_X_y=True)[0])[:400] / 16
    net = MLPRegressor(hidden_layer_sizes=(width,), activation="tanh", max_iter=80, random_state=seed).fit(
        x, targets(x)
    )
    return lambda z: np.tanh(z @ net.coefs_[0] + net.intercepts_[0])


def _int8(f: Rows, x: np.ndarray, *, dynamic: bool) -> Rows:
    """Activations in 256 steps: of the range seen, or of each batch of 64."""
    low, high = f(x).min(), f(x).max()  # of rows of its own, as it is calibrated before anybody compares

    def rounded(z: np.ndarray) -> np.ndarray:
        y = f(z)
        if not dynamic:
            step = (high - low) / 255
            return np.clip(np.round((y - low) / step), 0, 255) * step + low
        step = np.ptp(y, axis=1, keepdims=True) / 255 + 1e-12
        return np.round(y / step) * step

    return rounded


def _bits(kept: int) -> Callable[[np.ndarray], np.ndarray]:
    def rounded(y: np.ndarray) -> np.ndarray:
        mantissa, exponent = np.frexp(y)
        return np.ldexp(np.round(mantissa * 2**kept) / 2**kept, exponent)

    return rounded


Made = tuple[Rows, Rows, tuple[bool, bool], str]


def _rounded(world: _World, base: Rows, x: np.ndarray) -> Made:
    share = world.rng.uniform(0.005, 0.05)
    step = base(x).std(axis=0) * share * 12**0.5 + 1e-12
    return base, lambda z: np.round(base(z) / step) * step, (False, False), f"{share:.1%}"


def _static(world: _World, base: Rows, x: np.ndarray) -> Made:
    return base, _int8(base, world.draw(200), dynamic=False), (False, False), ""


def _dynamic(world: _World, base: Rows, x: np.ndarray) -> Made:
    return base, _int8(base, x, dynamic=True), (False, False), ""


def _half(world: _World, base: Rows, x: np.ndarray) -> Made:
    kept = int(world.rng.choice([8, 11]))
    return base, lambda z: _bits(kept)(base(z)), (False, False), f"{kept} bits"


def _outputs(world: _World) -> Rows:
    weights = world.rng.normal(size=(world.dimension, 3)) / np.sqrt(world.dimension)
    return lambda z: np.sin(2 * z @ weights) + z @ weights


def _forest(world: _World, base: Rows, x: np.ndarray) -> Made:
    f = _outputs(world)
    boosted = bool(world.rng.integers(2))
    inner = world.draw(800) if world.name != "digits" else np.asarray(load_digits(return_X_y=True)[0])[:800] / 16
    model = (
        MultiOutputRegressor(GradientBoostingRegressor(n_estimators=80, random_state=0))
        if boosted
        else RandomForestRegressor(60, random_state=0)
    )
    model.fit(inner, f(inner))
    return f, model.predict, (False, False), "boosted" if boosted else "forest"


def _lost(world: _World, base: Rows, x: np.ndarray) -> Made:
    """One neuron more, that reads an input of its own: the last."""
    share = float(np.exp(world.rng.uniform(np.log(0.02), np.log(3))))
    size = share * np.sqrt(base(x[:, :-1]).var(axis=0).sum()) / x[:, -1].std()
    whole = share / np.hypot(1, share)
    return (
        lambda z: np.hstack([base(z[:, :-1]), size * z[:, -1:]]),
        lambda z: base(z[:, :-1]),
        (False, whole > 0.05),
        f"{share:.0%}",
    )


def _one_unit(world: _World, base: Rows, x: np.ndarray) -> Made:
    other = _layer(world, 12)
    factor = 10 ** world.rng.uniform(-3, 3)

    def scaled(f: Rows) -> Rows:
        return lambda z: f(z) * np.r_[factor, np.ones(f(z[:1]).shape[1] - 1)]

    return scaled(base), scaled(other), (False, False), f"× {factor:.2g}"


def _two_seeds(world: _World, base: Rows, x: np.ndarray) -> Made:
    f = _outputs(world)
    nets = [_trained(world, f, 24, seed) for seed in (1, 2)]
    return nets[0], nets[1], (False, False), ""


def _untrained(world: _World, base: Rows, x: np.ndarray) -> Made:
    return _trained(world, _outputs(world), 24, 1), _layer(world, 24), (False, False), ""


def _shuffled(world: _World, base: Rows, x: np.ndarray) -> Made:
    f = _outputs(world)
    return (
        _trained(world, f, 24, 1),
        _trained(world, lambda z: world.rng.permutation(f(z)), 24, 2),
        (False, False),
        "",
    )


def _shared(world: _World, base: Rows, x: np.ndarray) -> Made:
    """Each reads all but one input, not the same one."""
    one, two = _layer(world, 16), _layer(world, 16)

    def without(f: Rows, k: int) -> Rows:
        keep = np.ones(world.dimension)
        keep[k] = 0
        return lambda z: f(z * keep)

    return without(one, 0), without(two, 1), (True, True), ""


def _random(world: _World, base: Rows, x: np.ndarray) -> Made:
    return base, base, (False, False), ""


KINDS: dict[str, Callable[[_World, Rows, np.ndarray], Made]] = {
    "rounded": _rounded,
    "int8, static": _static,
    "int8, dynamic": _dynamic,
    "half precision": _half,
    "trees": _forest,
    "a neuron lost": _lost,
    "one neuron in another unit": _one_unit,
    "two seeds": _two_seeds,
    "untrained": _untrained,
    "labels shuffled": _shuffled,
    "inputs shared in part": _shared,
    "random": _random,
    "random, repeated": _random,
    "clips": _two_seeds,
}


def draw(seed: int, most: int = 3000) -> Recorded:
    """The case of a seed; its kind is the seed's place in :data:`KINDS`."""
    rng = np.random.default_rng([seed, 77])
    kind = list(KINDS)[seed % len(KINDS)]
    world = _world(rng)
    private = kind == "a neuron lost"
    n = int(np.exp(rng.uniform(np.log(60), np.log(min(most, world.limit)))))
    x, groups = world.draw(n), None
    if kind == "clips":
        n = max(n // 10, 25)
        x = np.repeat(world.draw(n), 10, axis=0)
        x = x + 0.02 * x.std(axis=0) * rng.normal(size=x.shape)
        groups = np.repeat(np.arange(n), 10) if rng.integers(3) else None
    fresh = world.draw(FRESH if world.name != "digits" else 500)
    if private:
        x, fresh = (np.hstack([each, rng.uniform(-1, 1, (len(each), 1))]) for each in (x, fresh))
    base = _layer(world, int(rng.integers(6, 40)))
    first, second, lost, words = KINDS[kind](world, base, x)
    way = _way(rng, world, kind)
    probes, heard = [], []
    for k, f in enumerate((first, second)):
        network, repeats = f, 1
        if kind.startswith("random"):
            noise = float(np.exp(rng.uniform(np.log(0.03), np.log(0.5)))) * f(x).std()
            network = _noisy(f, noise, np.random.default_rng([seed, k]))
            repeats = 8 if kind.endswith("repeated") else 1
        heard.append(np.mean([network(fresh) for _ in range(repeats)], axis=0))
        probes.append(st.probe(st.from_callable(network), x, way, ids=np.arange(len(x)), repeats=repeats))
    units = "neuron" if rng.integers(4) == 0 else "layer"
    described = f"{kind} {words}, {world.name}, {len(x)} rows, {way.kind}, {units}" + (
        ", groups" if groups is not None else ""
    )
    meant = first(fresh), second(fresh)
    return Recorded(kind, described, probes[0], probes[1], (heard[0], heard[1]), meant, groups, units, lost)


def _noisy(f: Rows, size: float, rng: np.random.Generator) -> Rows:
    return lambda z: (lambda y: y + size * rng.normal(size=y.shape))(f(z))


def _way(rng: np.random.Generator, world: _World, kind: str) -> st.CentralDifference | st.Neighbours:
    d = world.dimension + (kind == "a neuron lost")
    if world.smooth and d <= 3 and rng.integers(2):
        return st.CentralDifference(1e-3 if kind not in ("trees", "rounded") else 0.1)
    return st.Neighbours(dimension=int(rng.integers(1, min(d, 3) + 1)))


def loss(predicted: np.ndarray, true: np.ndarray, units: str) -> float:
    """As the product defines it, on rows that nobody has seen."""
    each, spread = np.square(predicted - true).mean(axis=0), true.var(axis=0)
    if units == "layer":
        return float(np.sqrt(each.sum() / spread.sum()))
    counts = (spread > 1e-12 * spread.max()) & ((true != np.round(true.mean(axis=0), 300)).sum(axis=0) >= 20)
    return float(np.sqrt((each[counts] / spread[counts]).max()))
