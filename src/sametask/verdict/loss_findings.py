"""Why a loss is too large, or cannot be told, in words, with what to do about it."""

from __future__ import annotations

import numpy as np

from sametask._outcome import Finding, Severity
from sametask._types import Array
from sametask.evidence.loss import Loss
from sametask.verdict.by_function import few_rows_disagree, too_few_to_follow
from sametask.verdict.decision import NO, YES
from sametask.verdict.direction import Direction
from sametask.verdict.terms import Terms
from sametask.verdict.thresholds import AGAINST, FEWEST_GROUPS
from sametask.verdict.words import in_percent

_NAMES = ("first", "second")
_CHANCE_R2 = 0.05
"""R² of neurons that a map predicts hardly better than their mean."""


_REMEDY = {
    False: "more rows; or repeated evaluations if the network's answers are random",
    True: "more rows; that two networks differ only neighbourhoods can show: probe both (st.probe)",
}


def alike_rows(given: Array, alike: Array, groups: Array) -> list[Finding]:
    """That rows are near-duplicates of rows of other groups."""
    if len(np.unique(groups)) == len(np.unique(given)):
        return []
    counts = np.bincount(alike)
    return [
        Finding(
            "near duplicates",
            f"{int(counts[counts > 1].sum()):,} of {len(alike):,} rows are near-duplicates of others, in "
            f"{int((counts > 1).sum()):,} groups; rows of one group are kept together when maps are tried",
            "say what belongs together (groups=), such as frames of one clip",
            Severity.WARNING,
        )
    ]


def uncharted(why: str) -> Finding:
    """That there are no charts to show."""
    return Finding("no chart", f"samples that correspond have no chart ({why})", "", Severity.NOTE)


def of_answers(
    answers: tuple[str, ...],
    losses: tuple[Loss, ...],
    exact: tuple[Direction, Direction] | None,
    independent: int,
    rows: Array,
    terms: Terms,
    *,
    recorded: bool = False,
) -> list[Finding]:
    """Why a direction is no, or cannot be told, and what to do."""
    found, tolerance = [], terms.tolerance
    assert tolerance is not None
    if independent < FEWEST_GROUPS.value:
        found.append(
            Finding(
                "few groups",
                f"rows that correspond are {independent} independent groups only: too few to say what others lose",
                f"rows of {int(FEWEST_GROUPS.value)} independent groups, or more",
                Severity.DECISIVE,
            )
        )
    for k, (answer, loss) in enumerate(zip(answers, losses, strict=True)):
        if loss.unjudged and terms.units == "neuron":
            found.append(
                Finding(
                    "neurons not judged",
                    f"{loss.unjudged} of its neurons vary in fewer than 20 rows, or no more than their noise: in "
                    "neuron units they do not count",
                    "rows at which they are active",
                    Severity.WARNING,
                    _NAMES[1 - k],
                )
            )
        if answer == YES or (loss.high <= tolerance and independent < FEWEST_GROUPS.value):
            continue
        source, target = _NAMES[k], _NAMES[1 - k]
        if answer == NO:
            found.append(
                Finding(
                    "no function",
                    f"rows side by side in the {source} network are far apart in the {target}: no map from the "
                    f"{source} whose slope stays near that of the networks loses less than {in_percent(loss.low)}",
                    f"more neurons of the {source} network, or an earlier layer",
                    Severity.DECISIVE,
                )
            )
            continue
        way = None if exact is None else exact[k]
        if way is not None and way.far:
            found.append(too_few_to_follow(way))
            continue
        if way is not None and way.but_for_few and way.holds < AGAINST.value:
            found.append(few_rows_disagree(rows, [way]))
            continue
        blind = [name for name, r2, _ in loss.lost.neurons if r2 < _CHANCE_R2]
        worst = f"; {_listed(blind)} no better than by chance" if blind else ""
        found.append(
            Finding(
                "cannot tell",
                f"no map from the {source} network to the {target} that these {loss.rows:,} rows support loses less "
                f"than {in_percent(loss.value)} (bound {in_percent(loss.high)}, by {loss.map}){worst}: what is left "
                "may be lost, noise, or more than so few rows can show",
                _REMEDY[recorded],
                Severity.DECISIVE,
            )
        )
    return found


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
