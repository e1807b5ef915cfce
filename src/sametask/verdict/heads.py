"""A head trained on one network's activations, run on another's through the transformation, without training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array, Bool, Shaped
from sametask.probes.probe import Probe
from sametask.transformation import Transformation

LABELS, NUMBERS, METRIC = "labels", "numbers", "metric"
_SHUFFLES = 20


@dataclass(frozen=True)
class Answers:
    """What a head said, beside what it should say.

    Attributes:
        targets: (n, …).
        outputs: (n, …): labels, numbers (n, k) as the targets are, or as they came where the user scores them.
    """

    targets: Shaped[Array, "n ..."]
    outputs: Shaped[Array, "n ..."]


@dataclass(frozen=True)
class HeadTransfer:
    """How well a head does on the other network, carried over by the transformation.

    Attributes:
        name: of the head.
        of: ``"first"`` or ``"second"``: on whose activations it was trained.
        names: of the two networks.
        score: what scores are: ``"share right"``, ``"R²"``, or the name of the metric that was given.
        before: score on its own network's activations.
        after: score on the other's, carried over.
        after_inside: the same of rows within the support; not a number without any.
        chance: the score of the best constant answer; of a metric, that of shuffled targets.
        errors: root mean square errors before, after, and of the best constant answer, in units of the targets;
            None but for numbers.
        own: what the head says of its own network.
        carried: what it says of the other.
        inside: (n,) which rows of ``carried`` are within the support of the transformation.
        note: what else to know, a sentence, or nothing.
    """

    name: str
    of: str
    names: tuple[str, str]
    score: str
    before: float
    after: float
    after_inside: float
    chance: float
    errors: tuple[float, float, float] | None
    own: Answers
    carried: Answers
    inside: Bool[Array, " n"]
    note: str = ""

    @property
    def trained_on(self) -> str:
        """The network whose head it is."""
        return self.names[self.of == "second"]

    @property
    def carried_to(self) -> str:
        """The network that it was carried to."""
        return self.names[self.of == "first"]

    def __str__(self) -> str:
        errors = "" if self.errors is None else " (error {:.3g}, {:.3g} carried over, {:.3g})".format(*self.errors)
        return (
            f"{self.name}: {self.score} {self.before:.3f} on {self.trained_on}, {self.after:.3f} carried over to "
            f"{self.carried_to}, chance {self.chance:.3f}{errors}; {self.inside.mean():.0%} of rows inside the support"
            + (f"; {self.note}" if self.note else "")
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, for JSON."""
        figures = {
            "before": self.before,
            "after": self.after,
            "after_inside": self.after_inside,
            "chance": self.chance,
        }
        return {
            "name": self.name,
            "trained_on": self.trained_on,
            "carried_to": self.carried_to,
            "score": self.score,
            **{name: value if np.isfinite(value) else None for name, value in figures.items()},
            "errors": None if self.errors is None else list(self.errors),
            "inside": float(self.inside.mean()),
            "note": self.note,
        }


def carry_over(
    transformation: Transformation,
    head: Callable[[Array], Any],
    first: tuple[Any, Any],
    second: tuple[Any, Any],
    *,
    of: str,
    metric: Callable[[Array, Array], float] | None,
    name: str,
    note: str,
    seed: int,
) -> HeadTransfer:
    """Score a head on its own network and, through the transformation, on the other; see ``st.transfer_head``.

    Raises:
        InputError: the transformation does not go that way, targets are of no known kind or do not fit the
            activations, or the head fails or returns what cannot be held against them.
    """
    own_name, other_name = transformation.names if of == "first" else transformation.names[::-1]
    own_argument, other_argument = ("first", "second") if of == "first" else ("second", "first")
    own_side, other_side = (first, second) if of == "first" else (second, first)
    if (transformation.back if of == "first" else transformation.there) is None:
        raise InputError(
            f"between: {other_name} does not determine {own_name}, so that no head of {own_name} can run on it; only "
            f"the other way exists"
        )
    own, own_targets = _side(own_argument, own_side)
    others, other_targets = _side(other_argument, other_side)
    kind = METRIC if metric is not None else _kind(own_argument, own_targets)
    if metric is None and (other_kind := _kind(other_argument, other_targets)) != kind:
        raise InputError(
            f"{other_argument}: targets are {other_kind} ({other_targets.dtype}), but {kind} ({own_targets.dtype}) in "
            f"{own_argument}; give floats in both for numbers, or labels in both"
        )
    estimate = (transformation.backward if of == "first" else transformation.forward)(others)
    activations = own.activations if isinstance(own, Probe) else own
    at_home = _answers(head, activations, own_targets, kind, own_argument)
    abroad = _answers(head, estimate.value, other_targets, kind, other_argument)
    score = _SCORES[kind] if metric is None else _scored_by(metric)
    before, after = score(at_home), score(abroad)
    if metric is not None and np.isnan([before, after]).any():
        raise InputError("metric: returns NaN; give a function of (targets, outputs) to a number")
    inside = estimate.inside
    return HeadTransfer(
        name=name,
        of=of,
        names=transformation.names,
        score=_NAMES.get(kind) or getattr(metric, "__name__", "metric"),
        before=before,
        after=after,
        after_inside=score(_some(abroad, inside)) if inside.sum() > 1 else float("nan"),
        chance=_chance(kind, abroad, score, seed),
        errors=(_error(at_home), _error(abroad), _error(_constant(abroad))) if kind == NUMBERS else None,
        own=at_home,
        carried=abroad,
        inside=inside,
        note=note,
    )


def _side(argument: str, given: Any) -> tuple[Probe | Array, Array]:
    expected = "(activations, targets) of that network"
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise InputError(f"{argument}: {_check.shown(given)}; give {expected}")
    activations = given[0]
    if not isinstance(activations, Probe):
        activations = _check.array(argument, activations, ndim=2, expected=f"activations (n, m) in {expected}")
    targets = _check.as_array(argument, given[1], f"targets with a row for each sample in {expected}")
    if targets.ndim == 0 or len(targets) != len(activations):
        shape = f"shape {targets.shape}" if targets.ndim == 0 else f"{len(targets)} rows"
        raise InputError(f"{argument}: targets of {shape} for {len(activations)} activations; give one for each")
    if len(targets) < 2:
        raise InputError(f"{argument}: {len(targets)} rows; give some hundreds that the head was not trained on")
    return activations, targets


def _kind(argument: str, targets: Array) -> str:
    """Floats are numbers; strings, booleans and whole numbers are labels."""
    if targets.dtype.kind == "f":
        _check.finite(argument, targets)
        if targets.ndim > 2:
            raise InputError(f"{argument}: targets of shape {targets.shape}; give (n,) or (n, k), or a metric")
        if np.ptp(targets, axis=0).max() == 0:
            raise InputError(f"{argument}: targets are all the same; give some that a head can miss")
        return NUMBERS
    strings = targets.dtype.kind == "O" and all(isinstance(each, str) for each in targets.flat)
    if targets.dtype.kind in "iubUS" or strings:
        if targets.ndim != 1:
            raise InputError(f"{argument}: labels of shape {targets.shape}; give (n,) labels, or floats for numbers")
        return LABELS
    raise InputError(f"{argument}: targets of dtype {targets.dtype}; give labels or numbers, or a metric")


def _answers(head: Callable[[Array], Any], activations: Array, targets: Array, kind: str, argument: str) -> Answers:
    """What the head says, in the form of the targets."""
    try:
        outputs = np.asarray(head(np.array(activations)))  # its own copy, which it may write to
    except Exception as error:  # heads raise what they like
        reason = error if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        reason = next(iter(str(reason).splitlines()), "")
        raise InputError(
            f"head: fails at activations of shape {activations.shape} ({reason}); give a function of (n, m) activations"
        ) from None
    n = len(activations)
    if outputs.ndim == 0 or len(outputs) != n:
        raise InputError(f"head: returns shape {outputs.shape} for {n} activations; give one row for each")
    if kind == METRIC:
        return Answers(targets, outputs)
    if kind == LABELS:
        return Answers(*_labelled(outputs, targets, argument))
    targets = targets.reshape(n, -1).astype(np.float64)
    outputs = outputs.reshape(n, -1)
    if outputs.shape[1] != targets.shape[1] or outputs.dtype.kind not in "fiub":
        raise InputError(
            f"head: returns {outputs.shape[1]} columns of {outputs.dtype}, but targets are {targets.shape[1]} numbers; "
            "give a head and targets of the same quantities, or a metric"
        )
    _check.finite("head", outputs.astype(np.float64))
    return Answers(targets, outputs.astype(np.float64))


def _labelled(outputs: Array, targets: Array, argument: str) -> tuple[Array, Array]:
    """Targets and outputs as labels that can be held against each other; scores become the best class."""
    outputs = outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs
    numbered = targets.dtype.kind in "iub"
    if numbered and outputs.ndim == 1 and outputs.dtype.kind == "f" and (outputs == np.round(outputs)).all():
        outputs = outputs.astype(np.int64)  # labels that came through a framework that knows floats only
    if outputs.ndim == 1 and outputs.dtype.kind in ("iub" if numbered else "USO"):
        # bools and numbers of one meaning: True is 1
        return (targets.astype(np.int64), outputs.astype(np.int64)) if numbered else (targets, outputs)
    if outputs.ndim != 2 or outputs.dtype.kind != "f":
        raise InputError(
            f"head: returns {outputs.dtype} of shape {outputs.shape}, but targets are labels ({targets.dtype}); give a "
            "head that returns labels or a score for each class, or floats as targets for numbers"
        )
    classes = outputs.shape[1]
    if not numbered or targets.min() < 0 or targets.max() >= classes:
        raise InputError(
            f"{argument}: targets {_check.shown(np.unique(targets)[:4].tolist())} …, but the head returns a score for "
            f"each of {classes} classes; give class numbers 0 to {classes - 1}, or a head that returns labels"
        )
    _check.finite("head", outputs)
    return targets.astype(np.int64), outputs.argmax(axis=1)


# -- scores ------------------------------------------------------------------------------------------------------------


def _right(answers: Answers) -> float:
    return float(np.mean(answers.targets == answers.outputs))


def _determined(answers: Answers) -> float:
    """R² of all quantities together."""
    spread = np.square(answers.targets - answers.targets.mean(axis=0)).sum()
    if spread == 0:
        return float("nan")
    return float(1 - np.square(answers.targets - answers.outputs).sum() / spread)


def _error(answers: Answers) -> float:
    return float(np.sqrt(np.mean(np.square(answers.targets - answers.outputs))))


_SCORES = {LABELS: _right, NUMBERS: _determined}
_NAMES = {LABELS: "share right", NUMBERS: "R²"}


def _scored_by(metric: Callable[[Array, Array], float]) -> Callable[[Answers], float]:
    def score(answers: Answers) -> float:
        try:
            return float(metric(answers.targets.copy(), answers.outputs.copy()))
        except Exception as error:  # metrics raise what they like
            reason = next(iter(str(error).splitlines()), "")
            raise InputError(
                f"metric: fails ({type(error).__name__}: {reason}); give a function of (targets, outputs) to a number"
            ) from None

    return score


def _constant(answers: Answers) -> Answers:
    """The best constant answer."""
    return Answers(answers.targets, np.broadcast_to(answers.targets.mean(axis=0), answers.targets.shape))


def _chance(kind: str, answers: Answers, score: Callable[[Answers], float], seed: int) -> float:
    if kind == LABELS:
        return float(np.unique(answers.targets, return_counts=True)[1].max() / len(answers.targets))
    if kind == NUMBERS:
        return 0.0
    rng = np.random.default_rng(seed)
    shuffled = (rng.permutation(len(answers.targets)) for _ in range(_SHUFFLES))
    return float(np.mean([score(Answers(answers.targets[order], answers.outputs)) for order in shuffled]))


def _some(answers: Answers, rows: Array) -> Answers:
    return Answers(answers.targets[rows], answers.outputs[rows])
