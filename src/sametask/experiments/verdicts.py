"""What experiments ask of a verdict, whatever it says."""

from __future__ import annotations

import sametask as st


def transformation_of(verdict: st.Verdict) -> st.Transformation:
    """The transformation of a verdict; of one that is undecided, that of the match which it could not vouch for.

    Raises:
        InputError: there is no match either.
    """
    if verdict.transformation is not None:
        return verdict.transformation
    if verdict.match is not None:
        return st.Transformation.from_match(verdict.match)
    raise st.InputError(f"verdict: {verdict.decision.value}, without a match; give more samples, or another seed")


def ambiguity(verdict: st.Verdict) -> str:
    """How many matches are as good, and what they differ by, in words."""
    if verdict.match is None:
        return "no match"
    if verdict.match.ambiguity == 1 or verdict.match.symmetry is None:
        return f"{verdict.match.ambiguity} match" + "es" * (verdict.match.ambiguity > 1)
    return f"matches up to {verdict.match.symmetry.name}"
