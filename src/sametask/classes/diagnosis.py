"""Findings about many networks, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sametask._outcome import Finding, Severity
from sametask.classes.answers import Answer
from sametask.classes.partition import Contradiction, Partition
from sametask.verdict.verdict import Decision

Answers = dict[tuple[int, int], Answer]
_WORDS = {
    Decision.EQUIVALENT: "{0} and {1} are equivalent",
    Decision.INEQUIVALENT: "{0} and {1} are not equivalent",
    Decision.FIRST_DETERMINES_SECOND: "{0} determines {1}, not the other way round",
    Decision.SECOND_DETERMINES_FIRST: "{1} determines {0}, not the other way round",
    Decision.UNDECIDED: "{0} and {1} are undecided",
}


def contradicted(each: Contradiction, names: Sequence[str], answers: Answers) -> Finding:
    """What contradicts what, and which of it was heard."""

    def said(i: int, j: int) -> str:
        answer = answers[i, j]
        return f"{_WORDS[answer.decision].format(names[i], names[j])} ({answer.confidence:.2f})"

    one, other = said(each.first, each.second), said(*each.against)
    done = {
        "apart": "and others tie these to those; their classes are left apart",
        "both ways": "and each speaks for all of its class; no order is told between the two",
        "around": "and with what others say both cannot be; the former was not heard",
    }[each.kind]
    return Finding(
        "contradiction",
        f"{one}, but {other}, {done}",
        f"look at verdict({each.first}, {each.second}) and verdict({each.against[0]}, {each.against[1]}); more samples",
        Severity.DECISIVE,
    )


def named(finding: Finding, first: str, second: str) -> tuple[str, str]:
    """Message and advice of a finding about two networks, with these called by their names."""
    names = {"first": first, "second": second}
    message, advice = (
        re.sub(r"\bthe (first|second)( network)?\b", lambda found: names[found[1]], text, flags=re.IGNORECASE)
        for text in (finding.message, finding.advice)
    )
    return message, advice


def alone(problems: Sequence[str | None], names: Sequence[str]) -> list[Finding]:
    """Of networks that could not be charted."""
    found = []
    for name, problem in zip(names, problems, strict=True):
        if problem is not None:
            what, _, advice = problem.partition("; ")
            what = f"could not be charted ({what}), and stands alone where it is not seen at the inputs of others"
            found.append(Finding("not charted", what, advice, Severity.DECISIVE, name))
    return found


def held_together(made: Partition, names: Sequence[str], answers: Answers) -> list[Finding]:
    """Of classes in which some pairs are undecided by themselves."""
    found = []
    for members in made.classes:
        loose = [
            (i, j)
            for k, i in enumerate(members)
            for j in members[k + 1 :]
            if answers[i, j].decision is Decision.UNDECIDED
        ]
        if loose:
            i, j = loose[0]
            more = f" (and {len(loose) - 1} more pairs of this class)" if len(loose) > 1 else ""
            found.append(
                Finding(
                    "held by others",
                    f"{names[i]} and {names[j]}{more} are undecided by themselves; they are of one class as others "
                    "are equivalent to both",
                    "",
                    Severity.NOTE,
                )
            )
    return found
