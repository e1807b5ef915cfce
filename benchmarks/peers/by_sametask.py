"""sametask."""

from __future__ import annotations

from given import Charted, Seen, Task

import sametask as st

VERSION = f"sametask {st.__version__}"


def chart(seen: Seen) -> Charted:
    """With its defaults."""
    made = _chart(seen)
    return Charted(made.functions[:, : seen.coordinates], made.rows, made.eigenvalues[: seen.coordinates])


def anchored(task: Task, pairs: str):
    """The map that six anchors hold."""
    return _mapped(task, task.anchors)


def unanchored(task: Task, pairs: str):
    """The map by geometry alone."""
    return _mapped(task, None)


def _chart(seen: Seen) -> st.Chart:
    return st.chart(st.Probe.from_covariances(seen.activations, seen.covariances, seen.dimension))


def _mapped(task: Task, anchors):
    match = st.match(_chart(task.first), _chart(task.second), anchors=anchors)
    return st.Transformation.from_match(match).forward(task.unseen).value
