"""The report's words: decisions, evidence, methods."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sametask.charts.chart import Chart
from sametask.probes.units import units_in_words
from sametask.verdict.evidence import SURE, Evidence
from sametask.verdict.verdict import Decision, Verdict

FOR, AGAINST, NEITHER = "for", "against", "neither"

SIGNS = {
    Decision.EQUIVALENT: "⇄",
    Decision.FIRST_DETERMINES_SECOND: "→",
    Decision.SECOND_DETERMINES_FIRST: "←",
    Decision.INEQUIVALENT: "≠",
    Decision.UNDECIDED: "?",
}
"""Beside the colour of a decision, for those who do not see it."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

_ENDS = {
    "left-out error": (
        "the same error where it is known to hold: half of each network's neurons predicted from the others "
        "(functions of them where there are few), and no less than 0.3 %",
        "shuffled rows, predicted in the same way",
    ),
    "fall of the left-out error": (
        "how the error falls for functions that are known to hold",
        "shuffled rows, which more samples tell no better",
    ),
    "difference of spectra at the same places": (
        "one half of each network's samples, and the same places as the other half shows them, and no less than 0.05",
        "the typical distance between neighbouring levels, by which unrelated spectra differ",
    ),
    "difference of spectra": (
        "five draws of four fifths of each network's samples, charted separately",
        "the typical distance between neighbouring levels, by which unrelated spectra differ",
    ),
    "strain of the match": (
        "one half of each network's samples placed on the other half by their activations, at the same places, and no "
        "less than 5 %",
        "what is left of matches between manifolds that are not isometric, at most",
    ),
    "strain beyond that of halves": (
        "halves of each network held against other halves of it, and no less than 5 %",
        "every step between neighbours torn apart",
    ),
    "samples outside the other's support": (
        "one half of each network's samples placed on the other half, and no less than one sample",
        "no sample within the other's support",
    ),
    "largest gap of one among the other's samples": (
        "what chance leaves: the logarithm of the number of samples are expected in the largest empty ball",
        "all samples in it",
    ),
    "distance of anchors from their places": (
        "the spacing of samples, and the noise of anchors where it is given",
        "the distance between unrelated samples",
    ),
    "distances among anchors": (
        "distances in half of each network's samples, held against those in all, and no less than 5 %; and the spacing",
        "distances of unrelated samples",
    ),
    "observable at images": (
        "what the observables themselves leave unexplained among neighbouring samples",
        "the same values at random places",
    ),
    "error at spare anchors": (
        "the error the transformation itself expects there",
        "the same predictions held against another anchor's activations (deranged)",
    ),
}

_KINDS = {
    "jacobian": "exact Jacobians",
    "difference": "central differences",
    "burst": "bursts of perturbed inputs",
    "neighbours": "nearest recorded inputs",
    "covariance": "recorded covariances",
}


def printable(text: str) -> str:
    """A name without control characters or halves of characters, which neither page nor figure can hold."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text) or "(no name)"


def short(name: str, most: int = 22) -> str:
    """A name as a figure has room for it."""
    name = printable(name)
    return name if len(name) <= most else f"{name[: most - 1]}…"


def told_apart(names: Sequence[str], most: int = 22) -> list[str]:
    """Names as a figure has room for them; of those whose beginnings are alike the end that differs is kept.

    Examples:
        >>> told_apart(["net/layer/one", "net/layer/two", "other"], 8)
        ['ne…r/one', 'ne…r/two', 'other']
    """
    shown = [short(name, most) for name in names]
    ends = max(most - most // 3 - 1, 1)
    result = []
    for name, each in zip(map(printable, names), shown, strict=True):
        cut = len(name) > most and shown.count(each) > 1
        result.append(f"{name[: most - 1 - ends]}…{name[-ends:]}" if cut else each)
    return result


def names(verdict: Verdict) -> tuple[str, str]:
    """What to call the two networks; told apart where they have the same name."""
    first, second = (printable(name) for name in verdict.names)
    return (f"{first} (first)", f"{second} (second)") if first == second else (first, second)


def number(value: float, digits: int = 3) -> str:
    """Three significant digits, powers of ten where there would be many zeros.

    Examples:
        >>> number(0.0115), number(290.4), number(12345.0), number(1.05e-8), number(1e-5)
        ('0.0115', '290', '12,300', '1.05×10⁻⁸', '10⁻⁵')
    """
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "∞" if value > 0 else "−∞"
    shown = f"{value:.{digits}g}"
    if "e" in shown and 1 <= abs(value) < 1e6:
        shown = f"{float(shown):,.0f}"
    elif "e" in shown:
        mantissa, exponent = shown.split("e")
        factor = {"1": "", "-1": "-"}.get(mantissa, f"{mantissa}×")
        shown = f"{factor}10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return shown.replace("-", "−")


def chance(probability: float) -> str:
    """A probability, never told as certain.

    Examples:
        >>> chance(0.9999), chance(0.5), chance(0.0)
        ('> 0.99', '0.50', '< 0.01')
    """
    if probability > 0.99:
        return "> 0.99"
    return "< 0.01" if probability < 0.01 else f"{probability:.2f}"


def give_or_take(value: float, spread: float) -> str:
    """A figure of the order of one, with its spread.

    Examples:
        >>> give_or_take(0.98765, 0.0012), give_or_take(-0.0004, 0.1), give_or_take(float("nan"), 0.1)
        ('0.988 ± 0.001', '0.000 ± 0.100', 'none')
    """
    if math.isnan(value):
        return "none"
    shown = f"{value + 0.0:.3f}".replace("-", "−")
    shown = shown.removeprefix("−") if float(f"{value:.3f}") == 0 else shown
    return shown if math.isnan(spread) else f"{shown} ± {spread:.3f}"


def determined(share: float) -> str:
    """R², never told as certain.

    Examples:
        >>> determined(0.99998), determined(0.51234)
        ('> 0.9999', '0.5123')
    """
    return "> 0.9999" if share > 0.9999 else f"{share:.4f}".replace("-", "−")


def capital(text: str) -> str:
    """A text as a sentence begins."""
    return text[:1].upper() + text[1:]


def leaning(evidence: Evidence) -> str:
    """Whether a figure speaks for its claim, against it, or neither."""
    if SURE > evidence.probability > 1 - SURE:
        return NEITHER
    return FOR if evidence.probability >= SURE else AGAINST


def undecided(evidence: Evidence) -> tuple[float, float]:
    """Between which positions a value leaves its claim undecided."""
    low, high = evidence.undecided
    return evidence.place(low), evidence.place(high)


def ends(evidence: Evidence) -> tuple[str, str]:
    """How the noise floor and the null of a figure were obtained."""
    for name, words in _ENDS.items():
        if evidence.name.startswith(name):
            return words
    return "the same figure where the claim is known to hold", "the same figure where it is known not to hold"


def claim(verdict: Verdict, evidence: Evidence) -> str:
    """What a low value supports, with the networks' names."""
    first, second = names(verdict)
    return {
        "first determines second": f"{first} determines {second}",
        "second determines first": f"{second} determines {first}",
        "isometric": "the two are isometric",
    }.get(evidence.claim, evidence.claim)


def neighbourhoods(chart: Chart) -> str:
    """How the local metric of a probe was seen."""
    kind = _KINDS.get(chart.probe.kind, chart.probe.kind)
    scale = chart.probe.scale
    return kind if scale is None else f"{kind}, standard deviation {number(scale)}"


def confidence(verdict: Verdict) -> str:
    """The confidence, and in what."""
    if verdict.loss is not None and verdict.decision is Decision.UNDECIDED:
        return "Nothing is claimed, so that no confidence goes with it."
    what = "the likeliest answer" if verdict.decision is Decision.UNDECIDED else "this answer"
    return f"Confidence {chance(verdict.confidence)}: the probability of {what}, given the evidence."


def matches_left(verdict: Verdict) -> str:
    """How many matches are equally good, and what they differ by."""
    assert verdict.match is not None
    group = verdict.match.symmetry
    count = f"{verdict.match.ambiguity} matches"
    if group is None:
        return f"{count} agree equally well with the data"
    if not group.order:
        count = "a continuum of matches"
    return (
        f"{'' if group.complete else 'at least '}{count} agree equally well with the data: they differ by {group.name}"
    )


def method(verdict: Verdict) -> list[str]:
    """What was done, a paragraph each."""
    told = [
        "Each network was seen through its activations and through how they respond to small steps of the input: the "
        "local metric. Distances between samples are measured in it (Mahalanobis-like distances: Singer & Coifman "
        "2008), so that they are lengths of input steps, whatever the network. Directions that a network does not "
        "resolve at this sample size are left out."
    ]
    if (units := units_in_words(verdict.input_units)) is not None:
        told.append(units)
    if verdict.charts is None:
        return [*told, "No chart was made."]
    told.append(_charted(verdict))
    if verdict.match is not None:
        anchors = len(verdict.match.anchors)
        held = f"{anchors} anchor{'s' * (anchors != 1)}" if anchors else "nothing but their geometry"
        if verdict.match.choice:
            held = f"{held if anchors else 'their geometry'} and what is known on both sides"
        told.append(
            f"The charts were matched by {held}: coarse maps, from distances along the manifolds and from "
            "eigenfunctions (functional maps grown block by block, ZoomOut: Melzi et al. 2019), were refined so that "
            "neighbourhoods are carried as rigidly as they can be. The transformation interpolates the values and "
            "derivatives that the match gives at each sample."
        )
    elif verdict.loss is not None:
        told.append(
            f"{verdict.samples[2]} samples are known to correspond. Maps were fitted to four fifths of them and tried "
            "on the others, five times over: the identity, a permutation with scales, a rotation with one scale, ridge "
            "regression, kernel ridge regression, and cubics through the charts. Bounds are of a bootstrap-t over "
            "independent groups of rows, balanced over all maps and both directions (Beran 1988)."
        )
    elif any(figure.name.startswith("left-out error") for figure in verdict.evidence):
        told.append(
            f"{verdict.samples[2]} samples are known to correspond. Whether one network's activations are a function "
            "of the other's was tested in each direction by predicting each sample from its neighbours (kriging), "
            "itself left out; no isometry was assumed."
        )
    return told


def _charted(verdict: Verdict) -> str:
    assert verdict.charts is not None
    one, two = verdict.charts
    options = one.options
    density = {1.0: "the sampling density removed (α = 1)", 0.0: "the sampling density kept (α = 0)"}
    widths = " and ".join(number(chart.operator.bandwidth) for chart in (one, two))
    source = "taken from the data" if options.bandwidth is None else "as given"
    return (
        f"Diffusion charts (Coifman & Lafon 2006): kernel exp(−d²/ε) with bandwidths ε = {widths} squared intrinsic "
        f"units ({source}), {one.graph.index.shape[1]} and {two.graph.index.shape[1]} neighbours of each sample, "
        f"{density.get(float(options.alpha), f'α = {options.alpha:g}')}, {len(one.eigenvalues)} and "
        f"{len(two.eigenvalues)} eigenpairs. Eigenvalues within {options.block_gap:.0%} of each other form a block."
    )
