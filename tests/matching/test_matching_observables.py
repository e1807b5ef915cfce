"""Observables: the right match of a symmetric manifold is told from its mirror images, and noise tells nothing."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import sametask as st
from sametask.matching import known
from sametask.matching.isometric import Images
from sametask.matching.known import Known, SameOrder, SameSet
from sametask.matching.observables import Observables
from sametask.verdict import diagnosis
from worlds import NEURONS, WORLDS, RandomNetwork

_N = (500, 400)
_SIDES = np.array([1.6, 1.0])
_MIRRORS = {
    "right": lambda x: x,
    "mirrored": lambda x: np.stack([_SIDES[0] - x[:, 0], x[:, 1]], 1),
    "upside down": lambda x: np.stack([x[:, 0], _SIDES[1] - x[:, 1]], 1),
    "turned": lambda x: _SIDES - x,
}
_WRONG = tuple(_MIRRORS)[1:]
_SEEDS = (70, 71)


def _turn(angle: float):
    c, s = np.cos(angle), np.sin(angle)
    return lambda x: x @ np.array([[c, s], [-s, c]])


def _about(axis: np.ndarray):
    """Rotation by |axis| about it."""
    angle = np.linalg.norm(axis)
    a, b, c = axis / angle
    cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return lambda x: x @ rotation.T


def _network(world: str, seed: int, k: int) -> RandomNetwork:
    return RandomNetwork.draw(WORLDS[world].ambient, NEURONS[world], 1000 * seed + k)


@cache
def charts(world: str, seed: int, skewed: bool = False) -> tuple[np.ndarray, np.ndarray, st.Chart, st.Chart]:
    """Inputs and charts of two networks, each at its own samples; skewed to a corner if asked for."""
    w, found = WORLDS[world], []
    for k, n in enumerate(_N):
        rng = np.random.default_rng([seed, k])
        x = w.sample(rng, 8 * n if skewed else n)
        if skewed:
            x = x[rng.uniform(size=len(x)) < np.exp(-1.5 * (x / _SIDES).sum(1))][:n]
        found.append((x, st.chart(w.probe(_network(world, seed, k), x))))
    (x1, one), (x2, two) = found
    return x1, x2, one, two


@cache
def images(world: str, seed: int, isometry, skewed: bool = False) -> Images:
    """The match that an isometry of the world turns the right one into."""
    x1, _, one, two = charts(world, seed, skewed)
    n, d = len(one.rows), one.dimension
    there = _network(world, seed, 1)(isometry(x1[one.rows]))
    sample, offset, _ = two.manifold.locate(two.manifold.project(there)[0])
    turns = np.broadcast_to(np.eye(d), (n, d, d))
    return Images(sample, offset, turns, np.zeros(n), np.zeros(n), np.zeros(0), np.zeros(n))


def observed(seed: int, *what: Known, skewed: bool = False) -> Observables:
    _, _, one, two = charts("rectangle", seed, skewed)
    return Observables.of(one, two, what)


def told_apart(seed: int, observables: Observables, wrong=_WRONG, skewed: bool = False) -> None:
    """The right match meets the observables, and each of the wrong ones is told from it; but never it from them."""
    found = {name: observables.agreement(images("rectangle", seed, _MIRRORS[name], skewed)) for name in _MIRRORS}
    right = found["right"]
    assert observables.telling
    assert right.agrees
    assert min(found, key=lambda name: found[name].misfit) == "right"
    for name in wrong:
        assert observables.decisive(right, found[name]), name
    assert not any(observables.decisive(found[name], right) for name in _WRONG)


def nothing_told(seed: int, observables: Observables) -> None:
    found = [observables.agreement(images("rectangle", seed, mirror)) for mirror in _MIRRORS.values()]
    assert not any(observables.decisive(a, b) for a in found for b in found)


def slanted(x: np.ndarray) -> np.ndarray:
    return x[:, 0] + 0.3 * x[:, 1]


def thirds(x: np.ndarray) -> np.ndarray:
    return np.array(["low", "middle", "high"])[np.digitize(slanted(x), [0.7, 1.2])]


# -- what tells matches apart ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("seed", _SEEDS)
def test_a_smooth_observable_with_and_without_noise(seed, noise):
    x1, x2, *_ = charts("rectangle", seed)
    rng = np.random.default_rng(seed)
    a, b = (slanted(x) + noise * slanted(x).std() * rng.normal(size=len(x)) for x in (x1, x2))
    observables = observed(seed, *known.observables((a, b), _N))
    told_apart(seed, observables)
    right = observables.agreement(images("rectangle", seed, _MIRRORS["right"]))
    # differences are noise of the values given over twice the variance, and noise: 0.04 / 2.04
    assert right.misfit == pytest.approx(noise**2 / (2 + noise**2), rel=0.3, abs=2e-3)
    assert right.floor == pytest.approx(noise**2 / (2 + noise**2), rel=0.3, abs=2e-3)


@pytest.mark.parametrize("seed", _SEEDS)
def test_class_labels(seed):
    x1, x2, *_ = charts("rectangle", seed)
    told_apart(seed, observed(seed, *known.observables((thirds(x1), thirds(x2)), _N)))


@pytest.mark.parametrize("side", [0, 1])
def test_labels_known_for_few_samples_of_one_side(side):
    x1, x2, *_ = charts("rectangle", 70)
    labels = [thirds(x1), thirds(x2)]
    labels[side][np.arange(_N[side]) % 10 != 0] = ""
    told_apart(70, observed(70, *known.observables(tuple(labels), _N)))


@pytest.mark.parametrize("seed", _SEEDS)
def test_a_set_of_fifty_rows(seed):
    x1, x2, *_ = charts("rectangle", seed)
    rows = (np.flatnonzero((x[:, 0] < 0.6) & (x[:, 1] < 0.6))[:50] for x in (x1, x2))
    told_apart(seed, observed(seed, *known.anchors_of_sets([SameSet(*rows)], _N)[1]))


@pytest.mark.parametrize("seed", _SEEDS)
def test_an_order_of_thirty_rows(seed):
    x1, x2, *_ = charts("rectangle", seed)
    rows = (np.arange(30)[np.argsort(np.exp(x[:30, 0] + 0.8 * x[:30, 1]))] for x in (x1, x2))
    told_apart(seed, observed(seed, *known.anchors_of_sets([SameOrder(*rows)], _N)[1]))


@pytest.mark.parametrize("seed", _SEEDS)
def test_density_skewed_to_a_corner(seed):
    told_apart(seed, observed(seed, known.sampling(_N), skewed=True), skewed=True)


def test_several_observables_tell_what_none_of_them_tells_alone():
    x1, x2, *_ = charts("rectangle", 70)
    across, up = known.observables([(x1[:, 0], x2[:, 0]), (x1[:, 1], x2[:, 1])], _N)
    assert not observed(70, across).decisive(
        *(observed(70, across).agreement(images("rectangle", 70, _MIRRORS[name])) for name in ("right", "upside down"))
    )
    told_apart(70, observed(70, across, up))


# -- what must not ---------------------------------------------------------------------------------------------------


def _noise(x, rng):
    return rng.normal(size=len(x))


@pytest.mark.parametrize(
    "quantity",
    [
        _noise,
        lambda x, rng: rng.choice(["a", "b"], len(x)),
        lambda x, rng: np.ones(len(x)),
        lambda x, rng: np.square(x - _SIDES / 2).sum(1),
        lambda x, rng: np.square(x - _SIDES / 2).sum(1) + 0.05 * rng.normal(size=len(x)),
    ],
    ids=["noise", "labels at random", "constant", "symmetric", "symmetric and noisy"],
)
@pytest.mark.parametrize("seed", _SEEDS)
def test_what_is_the_same_everywhere_or_symmetric_tells_nothing(seed, quantity):
    x1, x2, *_ = charts("rectangle", seed)
    rng = np.random.default_rng(seed)
    nothing_told(seed, observed(seed, *known.observables((quantity(x1, rng), quantity(x2, rng)), _N)))


@pytest.mark.parametrize("seed", _SEEDS)
def test_uniform_density_tells_nothing(seed):
    nothing_told(seed, observed(seed, known.sampling(_N)))


def test_noise_on_either_side_is_known_for_what_it_is():
    x1, x2, *_ = charts("rectangle", 70)
    rng = np.random.default_rng(0)
    for a, b in ((slanted(x1), _noise(x2, rng)), (_noise(x1, rng), slanted(x2))):
        assert not observed(70, *known.observables((a, b), _N)).telling


def test_noise_does_not_drown_an_observable_beside_it():
    x1, x2, *_ = charts("rectangle", 70)
    rng = np.random.default_rng(0)
    given = [(slanted(x1), slanted(x2)), *((_noise(x1, rng), _noise(x2, rng)) for _ in range(5))]
    told_apart(70, observed(70, *known.observables(given, _N)))


def test_an_observable_that_agrees_under_no_match_is_not_believed():
    x1, x2, *_ = charts("rectangle", 70)
    observables = observed(70, *known.observables((slanted(x1), np.sin(9 * x2[:, 0] + 4 * x2[:, 1])), _N))
    assert observables.telling
    found = [images("rectangle", 70, mirror) for mirror in _MIRRORS.values()]
    assert not any(observables.agreement(each).agrees for each in found)
    assert observables.left_open([(each.sample, each.offset) for each in found]) == [0, 1, 2, 3]
    value, floor, null = observables.agreement(found[0]).figures
    assert floor < 0.3 < 0.7 < value
    assert null == 1


def test_nothing_known_at_charted_samples_is_nothing():
    x1, x2, one, two = charts("rectangle", 70)
    given = known.observables((slanted(x1), slanted(x2)), _N)[0]
    lost = Known(given.name, given.kind, np.full_like(given.first, np.nan), given.second)
    assert not Observables.of(one, two, (lost,))
    assert not Observables.of(one, two, ())


# -- a continuum of matches ------------------------------------------------------------------------------------------


def _moved_by_pulls(world: str, seed: int, isometry, motions) -> np.ndarray:
    """The rigid motion of the images, as coefficients of fields of velocity, that the pulls ask for."""
    x1, x2, one, two = charts(world, seed)
    observables = Observables.of(one, two, known.observables((_uneven(x1), _uneven(x2)), _N))
    at = images(world, seed, isometry)
    pulls = observables.pulls(at.sample, at.offset, at.differential)
    assert len(pulls.rows) > 0.5 * len(one.rows)
    assert (pulls.weight <= 1e-3 * 9).all()
    np.testing.assert_allclose(np.linalg.norm(pulls.direction, axis=1), 1)
    network = _network(world, seed, 1)
    near = at.sample[pulls.rows]
    x = x2[two.rows[near]]
    columns = []
    for velocity in motions:
        change = two.probe.manifold.project((network(x + 1e-5 * velocity(x)) - network(x)) / 1e-5)[0]
        zero = two.probe.manifold.project(np.zeros_like(change))[0]
        columns.append((two.manifold.step(near, change - zero) * pulls.direction).sum(axis=1))
    root = np.sqrt(pulls.weight)
    return np.linalg.lstsq(root[:, None] * np.stack(columns, 1), root * pulls.wanted, rcond=None)[0]


def _uneven(x: np.ndarray) -> np.ndarray:
    return x[:, 0] + 0.6 * x[:, 1] * x[:, -1] + 0.3 * x[:, -1]


@pytest.mark.parametrize("angle", [0.15, -0.1])
def test_pulls_turn_a_circle_back(angle):
    moved = _moved_by_pulls("circle", 72, _turn(angle), [lambda x: np.stack([-x[:, 1], x[:, 0]], 1)])
    assert moved[0] == pytest.approx(-angle, rel=0.3)


def test_pulls_turn_a_sphere_back():
    axis = np.array([0.08, -0.05, 0.1])
    motions = [lambda x, e=e: np.cross(e, x) for e in np.eye(3)]
    moved = _moved_by_pulls("sphere", 72, _about(axis), motions)
    assert np.linalg.norm(moved + axis) < 0.3 * np.linalg.norm(axis)


def test_useless_observables_do_not_pull():
    x1, x2, one, two = charts("circle", 72)
    rng = np.random.default_rng(0)
    observables = Observables.of(one, two, known.observables((_noise(x1, rng), _noise(x2, rng)), _N))
    at = images("circle", 72, _turn(0.15))
    assert len(observables.pulls(at.sample, at.offset, at.differential).rows) == 0


# -- in a match ------------------------------------------------------------------------------------------------------


@cache
def line() -> tuple[np.ndarray, np.ndarray, st.Chart, st.Chart]:
    """Fewer samples of an interval."""
    world, found = WORLDS["interval"], []
    for k, n in enumerate((150, 120)):
        x = world.sample(np.random.default_rng([73, k]), n)
        found.append((x, st.chart(world.probe(_network("interval", 73, k), x))))
    return found[0][0], found[1][0], found[0][1], found[1][1]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", ["numbers", "set", "order"])
def test_a_match_without_pairs_follows_what_is_known(kind, backwards):
    """An interval, whichever way round: told the opposite, the match is the opposite."""
    x1, x2, one, two = line()
    a, b = x1[:, 0], 1 - x2[:, 0] if backwards else x2[:, 0]
    given = {
        "numbers": {"observables": (a, b)},
        "set": {"anchors": [SameSet(np.flatnonzero(a < 0.3)[:30], np.flatnonzero(b < 0.3)[:30])]},
        "order": {"anchors": [SameOrder(np.argsort(a[:30]), np.argsort(b[:30]))]},
    }[kind]
    found = st.match(one, two, **given)
    assert found.agreement is not None
    assert found.agreement.agrees
    assert found.ambiguity == 1
    assert np.corrcoef(a[one.rows], b[two.rows[found.forward.sample]])[0, 1] > 0.99


def test_what_observables_chose_among_is_told():
    x1, x2, one, two = line()
    found = st.match(one, two, observables=(x1[:, 0], x2[:, 0]))
    assert found.choice is not None
    assert found.choice.among == st.match(one, two).ambiguity == 2
    assert found.choice.next > 0.5 > 100 * found.agreement.misfit
    (said,) = diagnosis.of_observables(found)
    assert said.name == "observables chose"
    assert said.message.startswith("observable 1 chose 1 of 2 matches")
    assert diagnosis.of_observables(found.choose(1)) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"anchors": [SameSet([0], [0])]}, "set 1 does not tell where it lies"),
        ({"anchors": [SameSet(np.arange(150), np.arange(120))]}, "set 1 does not tell where it lies"),
        ({"anchors": [SameOrder([0, 1, 2], [0, 1, 2])]}, "order 1 does not tell where it begins"),
        ({"sampled_alike": True}, "sampling density does not vary"),
        ({"observables": (np.arange(150.0) % 7, np.arange(120.0) % 7)}, "observable 1 does not vary"),
    ],
)
def test_what_tells_nothing_is_called_what_it_is(given, words):
    _, _, one, two = line()
    found = st.match(one, two, **given)
    (said,) = diagnosis.of_observables(found)
    assert said.name == "observables tell nothing"
    assert said.message.startswith(words)
    assert ("observable that" in said.advice) == ("observables" in given)
    assert found.choice is None


def test_noise_leaves_a_match_as_ambiguous_as_it_is():
    x1, x2, one, two = line()
    rng = np.random.default_rng(0)
    found = st.match(one, two, observables=(_noise(x1, rng), _noise(x2, rng)), sampled_alike=True)
    assert found.ambiguity == st.match(one, two).ambiguity > 1
    assert found.agreement is not None
    assert not found.agreement.telling


def test_observables_are_checked_where_anchors_decide():
    x1, x2, one, two = line()
    pairs = [(k, int(np.argmin(np.abs(x2 - x1[k])))) for k in range(6)]
    options = {"anchors": pairs, "anchor_noise": 0.01}
    right = st.match(one, two, observables=(x1[:, 0], x2[:, 0]), **options).agreement
    wrong = st.match(one, two, observables=(x1[:, 0], 1 - x2[:, 0]), **options).agreement
    assert right is not None and right.agrees
    assert wrong is not None and not wrong.agrees
    assert wrong.worst == "observable 1"
