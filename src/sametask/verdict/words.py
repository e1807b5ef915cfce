"""What a verdict says first: one line with how nearly the two are the same, and a line for the loss each way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametask.verdict.decision import Decision

if TYPE_CHECKING:
    from sametask.verdict.verdict import Verdict

NOT_LEARNED = "Equivalent does not mean learned: untrained networks carry their input, too."
"""What a verdict does not say."""


def headline(verdict: Verdict) -> str:
    """The answer in one line, with how nearly."""
    within, tolerance = verdict.within, verdict.tolerance
    if tolerance is None:
        return f"{_EXACTLY[verdict.decision]} (exact question: no tolerance)"
    if verdict.loss is None or within is None:
        return f"{_EXACTLY[verdict.decision]} (by geometry)"
    reached = f"{in_percent(within.value)} (bound {in_percent(within.high)})"
    if verdict.decision is Decision.EQUIVALENT:
        return f"The same, to within {reached}"
    if verdict.decision is Decision.UNDECIDED:
        what = f"equal up to {reached}" if within.value < 1 else "not shown to be equal at all"
        return f"Undecided at {in_percent(tolerance)}: {what}"
    if verdict.decision is Decision.INEQUIVALENT:
        least = min(each.low for each in verdict.loss)
        return f"Different at {in_percent(tolerance)}: each loses {in_percent(least)} or more"
    forward = verdict.decision is Decision.FIRST_DETERMINES_SECOND
    way = verdict.loss[0 if forward else 1]
    who = ("first", "second") if forward else ("second", "first")
    reached = f"{in_percent(way.value)} (bound {in_percent(way.high)})"
    return f"The {who[0]} determines the {who[1]} to within {reached}, not the other way round"


_EXACTLY = {
    Decision.EQUIVALENT: "The same, as far as these samples can show",
    Decision.FIRST_DETERMINES_SECOND: "The first determines the second, not the other way round",
    Decision.SECOND_DETERMINES_FIRST: "The second determines the first, not the other way round",
    Decision.INEQUIVALENT: "Different",
    Decision.UNDECIDED: "Undecided",
}


def losses_in_words(verdict: Verdict) -> list[str]:
    """A line for each direction: the best map, and what the others leave."""
    assert verdict.loss is not None
    lines = []
    for arrow, loss, answer in zip(("first → second", "second → first"), verdict.loss, verdict.determines, strict=True):
        tried = ", ".join(f"{name} {in_percent(each.value)}" for name, each in loss.candidates.items())
        enough = None if verdict.tolerance is None else loss.sufficient(verdict.tolerance)
        note = f"; {enough} suffices" if enough is not None and enough != loss.map else ""
        lines.append(
            f"{arrow}: {in_percent(loss.value)} (bound {in_percent(loss.high)}) by {loss.map}: {answer} ({tried}{note})"
        )
    return lines


def in_percent(share: float) -> str:
    """A share with two digits, and as 0 what is rounding."""
    if share < _ROUNDING or share >= 0.1:
        return f"{100 * share:.0f} %"
    return f"{100 * share:.2g} %"


_ROUNDING = 1e-12
