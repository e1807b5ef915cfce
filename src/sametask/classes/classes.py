"""Many networks, and which of them are the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import squareform

from sametask import _check, _files
from sametask._check import InputError
from sametask._outcome import Finding, Severity
from sametask._types import Array, Bool, Float, Int
from sametask.classes.answers import Answer, How
from sametask.classes.partition import Contradiction
from sametask.probes.units import units_in_words
from sametask.transformation import Transformation
from sametask.verdict.evidence import Evidence
from sametask.verdict.verdict import Decision, Verdict

_SHOWN = 4
"""Undecided pairs that a short text names."""


@dataclass(frozen=True)
class Undecided:
    """A pair of networks that could not be decided, nor by what is known of others.

    Attributes:
        first, second: the two.
        reason: short and stable: the name of the finding that decides.
        message: why not.
        advice: what to do about it.
    """

    first: int
    second: int
    reason: str
    message: str
    advice: str


@dataclass(frozen=True, eq=False)
class Classes:
    """Many networks, in classes of those that are equivalent.

    Two classes are joined where two of their members are equivalent, the surest first; never where any two of their
    members are surely not. Undecided pairs neither join nor separate.

    Attributes:
        names: of the networks, each different.
        labels: (n,) number of the class of each.
        classes: members of each, in the order of their first.
        confidence: of each class, 0 … 1: that its members belong together, by the links that hold it (as if these were
            independent), and that no other network does.
        answers: to each pair, by (i, j), either way round.
        order: (c, c) whether class i determines class j; transitive.
        covers: arrows of the order that do not follow from others.
        undecided: pairs that nothing decides.
        contradictions: pairs whose answers cannot all be right; what was done about it is among the findings.
        diagnosis: findings of all together, the weightiest first; ``subject`` is the name of a network, or ``"both"``.
        dimensions: directions that each network still carries; 0 where that could not be told.
        samples: of each network.
        judge: the whole verdict on two of them.
        renderer: writes the report.
        input_units: (D,) what counted as one unit of length along each input coordinate; None where inputs are none.
    """

    names: tuple[str, ...]
    labels: Int[Array, " n"]
    classes: tuple[tuple[int, ...], ...]
    confidence: tuple[float, ...]
    answers: dict[tuple[int, int], Answer] = field(repr=False)
    order: Bool[Array, "c c"]
    covers: tuple[tuple[int, int], ...]
    undecided: tuple[Undecided, ...]
    contradictions: tuple[Contradiction, ...]
    diagnosis: tuple[Finding, ...]
    dimensions: tuple[int, ...]
    samples: tuple[int, ...]
    judge: Callable[[int, int], Verdict] = field(repr=False)
    renderer: Callable[[Classes, Path], None] = field(repr=False)
    input_units: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    # -- pairs -------------------------------------------------------------------------------------------------------

    @cached_property
    def decisions(self) -> tuple[tuple[Decision, ...], ...]:
        """(n, n) answers to row and column as first and second network; a network is equivalent to itself."""
        n = len(self)
        return tuple(
            tuple(Decision.EQUIVALENT if i == j else self.answers[i, j].decision for j in range(n)) for i in range(n)
        )

    @cached_property
    def confidences(self) -> Float[Array, "n n"]:
        """Confidences of these."""
        return self._matrix(lambda answer: answer.confidence)

    @cached_property
    def probability(self) -> Float[Array, "n n"]:
        """That each two are equivalent: the confidence where they are said to be, one less it where something else is
        said, one half where nothing could be decided (a tenth where they carry different numbers of directions)."""
        return self._matrix(lambda answer: answer.probability)

    @cached_property
    def tested(self) -> Bool[Array, "n n"]:
        """Whether each two were tested, rather than told from others."""
        return self._matrix(lambda answer: float(answer.how in (How.TESTED, How.COMPOSED))) > 0

    @property
    def distances(self) -> Float[Array, "n n"]:
        """One less the probability that two are equivalent: what heat map and dendrogram show."""
        return 1 - self.probability

    @cached_property
    def linkage(self) -> Float[Array, "links 4"]:
        """The dendrogram by mean distances (UPGMA), as scipy has it."""
        return linkage(squareform(self.distances, checks=False), "average", optimal_ordering=True)

    def _matrix(self, of: Callable[[Answer], float]) -> Array:
        result = np.eye(len(self))
        for (i, j), answer in self.answers.items():
            result[i, j] = of(answer)
        return result

    def evidence(self, i: int, j: int) -> tuple[Evidence, ...]:
        """The figures by which two were judged; none where the answer follows from others.

        Raises:
            InputError: there is no such network.
        """
        return self._answer(i, j).evidence

    def verdict(self, i: int, j: int) -> Verdict:
        """The whole verdict on two of the networks, as :func:`sametask.compare` gives it: with transformation, charts
        and a report of its own. It is made when it is asked for.

        Raises:
            InputError: there is no such network, or one of the two could not be charted.
        """
        self._answer(i, j)
        return self.judge(i, j)

    def transformation(self, i: int, j: int) -> Transformation:
        """The map between two networks of one class, or of two of which one determines the other; through others of
        the class where the two by themselves give none.

        Raises:
            InputError: there is no such network, or no map.
        """
        answer = self._answer(i, j)
        if answer.decision not in (Decision.UNDECIDED, Decision.INEQUIVALENT):
            found = self.verdict(i, j).transformation
            if found is not None:
                return found
        path = self._path(i, j)
        if path is None:
            raise InputError(
                f"transformation: {self.names[i]} and {self.names[j]} are not in one class, and neither determines the "
                "other by itself; see verdict(i, j) for what is known of the two"
            )
        found = None
        for a, b in itertools.pairwise(path):
            step = self.verdict(a, b).transformation
            if step is None:
                raise InputError(f"transformation: none between {self.names[a]} and {self.names[b]}; see verdict(i, j)")
            found = step if found is None else found.then(step)
        assert found is not None
        return found

    def _path(self, i: int, j: int) -> list[int] | None:
        """The surest way from one network to another through equivalent ones of their class."""
        if self.labels[i] != self.labels[j]:
            return None
        weight = np.full((len(self), len(self)), np.inf)
        for (a, b), answer in self.answers.items():
            if answer.decision is Decision.EQUIVALENT and self.labels[a] == self.labels[b]:
                weight[a, b] = 1e-6 - np.log(answer.confidence)
        before = shortest_path(weight, return_predecessors=True, indices=i)[1]
        path = [j]
        while path[-1] != i:
            path.append(int(before[path[-1]]))
        return path[::-1]

    def _answer(self, i: int, j: int) -> Answer:
        for argument, k in (("i", i), ("j", j)):
            if _check.count(argument, k, least=0) >= len(self):
                raise InputError(f"{argument}: {k}; there are networks 0 to {len(self) - 1}")
        if i == j:
            raise InputError(f"j: {j}, as i; give two different networks")
        return self.answers[i, j]

    # -- words -------------------------------------------------------------------------------------------------------

    @property
    def meaning(self) -> str:
        """The answer in a sentence."""
        n, c = len(self), len(self.classes)
        left = len(self.undecided)
        tail = f"; {left} pair{'s' * (left != 1)} undecided" if left else ""
        if c == 1:
            return f"All {n} networks are equivalent."
        if c == n:
            return f"{n} networks, no two of them found to be equivalent{tail}."
        return f"{n} networks in {c} classes{tail}."

    @property
    def alike(self) -> list[list[Undecided]]:
        """Undecided pairs, those between the same two classes and for the same reason together."""
        groups: dict[tuple[int, int, str], list[Undecided]] = {}
        for each in self.undecided:
            one, two = sorted((int(self.labels[each.first]), int(self.labels[each.second])))
            groups.setdefault((one, two, each.reason), []).append(each)
        return list(groups.values())

    def named(self, members: Sequence[int]) -> str:
        """Names of some networks."""
        return ", ".join(self.names[k] for k in members)

    def __str__(self) -> str:
        lines = [self.meaning]
        for k, members in enumerate(self.classes):
            lines.append(f"  class {k} (confidence {self.confidence[k]:.2f}): {self.named(members)}")
        if self.covers:
            lines.append("order")
            lines += [
                f"  class {i} → class {j}: {self.names[self.classes[i][0]]} determines "
                f"{self.names[self.classes[j][0]]}, not the other way round"
                for i, j in self.covers
            ]
        if self.undecided:
            lines.append("undecided")
            alike = self.alike
            for group in alike[:_SHOWN]:
                each = group[0]
                more = f" (and {len(group) - 1} more pairs of these classes)" if len(group) > 1 else ""
                advice = f" → {each.advice}" if each.advice else ""
                lines.append(f"  {self.names[each.first]} | {self.names[each.second]}{more}: {each.message}{advice}")
            left = sum(map(len, alike[_SHOWN:]))
            if left:
                lines.append(f"  and {left} more pairs")
        if (units := units_in_words(self.input_units)) is not None:
            lines.append(units)
        decisive = [finding for finding in self.diagnosis if finding.severity is Severity.DECISIVE]
        if decisive:
            lines.append("diagnosis")
            lines += [
                f"  {'' if finding.subject == 'both' else finding.subject + ': '}{finding.message}"
                + (f" → {finding.advice}" if finding.advice else "")
                for finding in decisive
            ]
        if len(self.diagnosis) > len(decisive):
            lines.append(f"  {len(self.diagnosis) - len(decisive)} minor findings: see diagnosis")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain numbers and strings, for JSON."""
        n = len(self)
        return {
            "meaning": self.meaning,
            "networks": list(self.names),
            "input_units": None if self.input_units is None else list(self.input_units),
            "labels": self.labels.tolist(),
            "classes": [
                {"members": [self.names[k] for k in members], "confidence": confidence}
                for members, confidence in zip(self.classes, self.confidence, strict=True)
            ],
            "order": [list(pair) for pair in np.argwhere(self.order).tolist()],
            "covers": [list(pair) for pair in self.covers],
            "probability": self.probability.tolist(),
            "pairs": [
                {
                    "first": self.names[i],
                    "second": self.names[j],
                    "decision": self.answers[i, j].decision.value,
                    "confidence": self.answers[i, j].confidence,
                    "how": self.answers[i, j].how.value,
                    "via": None if self.answers[i, j].via is None else self.names[self.answers[i, j].via or 0],
                    "evidence": [
                        {"name": figure.name, "claim": figure.claim, "value": figure.value, "noise_floor": figure.floor}
                        | {"null": figure.null, "probability": figure.probability, "unit": figure.unit}
                        for figure in self.answers[i, j].evidence
                    ],
                }
                for i in range(n)
                for j in range(i + 1, n)
            ],
            "undecided": [
                {
                    "first": self.names[each.first],
                    "second": self.names[each.second],
                    "reason": each.reason,
                    "message": each.message,
                    "advice": each.advice,
                }
                for each in self.undecided
            ],
            "diagnosis": [
                {
                    "name": finding.name,
                    "subject": finding.subject,
                    "severity": finding.severity.value,
                    "message": finding.message,
                    "advice": finding.advice,
                }
                for finding in self.diagnosis
            ],
        }

    def report(self, path: str | Path) -> None:
        """Write one self-contained HTML page: partition and reasons in words first, then pictures.

        Args:
            path: of the page; it appears only once it is whole.

        Raises:
            InputError: ``path`` cannot be written.
            MissingExtraError: matplotlib is not installed.
        """
        self.renderer(self, _files.place("path", path))
