"""What else can be asked of probes and verdicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sametask import _check, networks
from sametask._check import InputError
from sametask._types import Array
from sametask.transformation import Transformation
from sametask.verdict.decision import CANNOT_TELL, NO, YES
from sametask.verdict.heads import HeadTransfer, carry_over
from sametask.verdict.verdict import Verdict
from sametask.verdict.words import in_percent


def transfer_head(
    between: Verdict | Transformation,
    head: Any,
    first: tuple[Any, Any],
    second: tuple[Any, Any],
    *,
    of: str = "first",
    metric: Callable[[Array, Array], float] | None = None,
    name: str = "head",
    seed: int = 0,
) -> HeadTransfer:
    """Run a head that was trained on one network's activations on the other's, without any training.

    Activations of the other network are carried to the head's own by the transformation. That the head does there as
    well as at home says that the transformation carries what the head needs.

    Args:
        between: a verdict with a transformation, or the transformation.
        head: what was trained: a function of (n, m) activations, a torch module, or anything with ``predict``.
        first: ``(activations, targets)`` of the first network, which the head was not trained on; activations (n1, m1)
            or a probe.
        second: the same of the second network: other samples, as a rule, and their own targets.
        of: ``"first"`` or ``"second"``: whose head it is.
        metric: function of (targets, outputs) to a score. None tells it from the targets: floats are numbers, scored
            by R² and root mean square error; strings, booleans and whole numbers are labels, scored by the share right
            (a head may return labels, or a score for each class 0, 1, …).
        name: how reports call the head.
        seed: of the shuffles that tell what chance is for a metric.

    Returns:
        Scores before (at home) and after (carried over), beside chance.

    Raises:
        InputError: there is no transformation, or it does not go that way; activations and targets do not fit each
            other, or the head.

    Examples:
        >>> import numpy as np, sametask as st
        >>> x = np.random.default_rng(0).uniform(0, 1, (300, 1))
        >>> a = st.from_callable(lambda x: np.hstack([x, x**2, np.sin(x)]))
        >>> b = st.from_callable(lambda x: np.hstack([np.exp(x), np.cos(x), x**3]))
        >>> step = st.CentralDifference(1e-4)
        >>> verdict = st.compare(st.probe(a, x, step), st.probe(b, x, step))
        >>> head = lambda activations: activations[:, 0] > 0.5  # trained on a
        >>> new = np.random.default_rng(1).uniform(0, 1, (200, 1))
        >>> carried = st.transfer_head(verdict, head, (a(x), x[:, 0] > 0.5), (b(new), new[:, 0] > 0.5))
        >>> carried.before, carried.after > 0.98
        (1.0, True)
    """
    _check.one_of("of", of, ("first", "second"))
    if metric is not None and not callable(metric):
        raise InputError(f"metric: {_check.shown(metric)}; give a function of (targets, outputs) to a number, or None")
    seed = _check.count("seed", seed, least=0)
    note = ""
    if isinstance(between, Verdict):
        if between.transformation is None:
            raise InputError(
                f"between: the verdict is {between.decision.value}, without a transformation, so that no head can be "
                "carried over; its diagnosis says why"
            )
        note = _doubt(between, of)
        between = between.transformation
    if not isinstance(between, Transformation):
        raise InputError(f"between: {type(between).__name__}; give a verdict of st.compare, or its transformation")
    run = _function(head)
    return carry_over(between, run, first, second, of=of, metric=metric, name=str(name), note=note, seed=seed)


def _doubt(verdict: Verdict, of: str) -> str:
    """What a verdict leaves open about its transformation, in the direction that a head of one network needs.

    Raises:
        InputError: that network is not determined by the other.
    """
    back = of == "first"
    answer = verdict.determines[back]
    if answer == NO:
        source, target = verdict.names[::-1] if back else verdict.names
        raise InputError(
            f"between: {source} does not determine {target}, so that no head of {target} can run on it"
            + ("; only the other way exists" if verdict.determines[not back] == YES else "")
        )
    if verdict.match is not None and verdict.match.ambiguity > 1:
        return f"carried by one of {verdict.match.ambiguity} matches or more that agree equally well with the data"
    if answer == CANNOT_TELL and verdict.loss is not None:
        return f"the map loses {in_percent(verdict.loss[back].value)}, and more than the tolerance is not ruled out"
    return "the verdict is undecided" if answer == CANNOT_TELL else ""


def _function(head: Any) -> Callable[[Array], Any]:
    """A head as a function on arrays."""
    if isinstance(head, networks.Network):
        return head
    if any(base.__module__.partition(".")[0] == "torch" for base in type(head).__mro__):
        return networks.from_torch(head)
    if not callable(head) and callable(getattr(head, "predict", None)):
        return head.predict
    if not callable(head):
        raise InputError(
            f"head: {_check.shown(head)}; give a function of (n, m) activations, a torch module, or an estimator"
        )
    return head
