"""Findings in words: what was noticed about each network and their match, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sametask._outcome import Finding, Severity
from sametask._types import Array
from sametask.charts.chart import Chart
from sametask.matching.match import COMPARED, Match
from sametask.matching.match import match as match_charts
from sametask.matching.observables import Agreement
from sametask.matching.search import Part
from sametask.probes.probe import Probe
from sametask.probes.rank import LocalRank
from sametask.probes.units import by_spread, coordinate_count
from sametask.transformation import TORN
from sametask.verdict.evidence import Evidence
from sametask.verdict.floors import log_eigenvalues
from sametask.verdict.folds import Folds

_ILL = 30.0
"""Condition number from which a direction is hardly seen."""
_FEW = 5
PARTIAL = "partial overlap"
_SOME = 0.02
"""A smaller share outside is not worth a word on where."""
_OTHER_UNIT = 0.05
"""Lengths that differ by less are of no account."""
_ONE_FACTOR = 0.15
"""Spectra whose logarithms differ by the same to within this differ by a factor."""

_ALONG = 4
_UNLIKE = 100.0
"""Ratio of spreads, a power of ten, from which on inputs are in unlike units: beyond 30. Shapes so long are rare, and
this only warns."""
"""Samples along each dimension, below which all lie at the edge."""
_FITS = 0.05
"""The least noise floor of strain: a match with less of it is a right one."""
_FAR_BETTER, _MISSED = 2.0, 3.0
"""Anchors spoil a match that fits so many times better without them, and then misses them by so many spacings."""
_VARIES = "does not vary over the manifold by more than its noise"
_AGREED = "an observable that neighbouring samples agree in"
_SILENT = {
    "numbers": (_VARIES, _AGREED),
    "labels": (_VARIES, _AGREED),
    "set": (
        "does not tell where it lies: it has too few rows, or they are spread as all samples are",
        "more rows of a set that lies in one part of the manifold",
    ),
    "order": (
        "does not tell where it begins and ends: it has too few rows, or neighbours are far apart in it",
        "more rows, in the order of a quantity that neighbouring samples agree in",
    ),
    "density": (
        "does not vary over the manifold by more than chance: that both were sampled alike decides nothing",
        "an observable, a set or anchors",
    ),
}
"""Why a quantity of each kind can tell nothing, and what could."""


def of_probe(probe: Probe, rank: LocalRank, folds: Folds, subject: str) -> list[Finding]:
    """What one network's probe shows by itself."""
    return [
        *_sparse(probe, rank, subject),
        *_neurons(probe, subject),
        *_collapse(probe, rank, subject),
        *_folds(probe, rank, folds, subject),
        *_conditioning(probe, rank, subject),
    ]


def of_recorded(probe: Probe, subject: str) -> list[Finding]:
    """What activations without neighbourhoods show by themselves."""
    return _neurons(probe, subject)


def noise(subject: str) -> Finding:
    """That nothing can be told of a network's activations."""
    return Finding(
        "noise",
        "its activations follow neither the input nor one another: they look like noise",
        "if they are not, what they follow changes faster than samples tell: more samples, or an earlier layer",
        Severity.DECISIVE,
        subject,
    )


def random_answers(probe: Probe, subject: str) -> list[Finding]:
    """That a network answers one and the same input differently from call to call."""
    if probe.noise is None:
        return []
    left = probe.noise.averaged > 1
    return [
        Finding(
            "random answers",
            f"given the same input twice it does not answer the same: answers vary by {probe.noise.share:.1%} of their "
            "spread (standard deviation)" + (", and were averaged" if left else ""),
            "switch the randomness off (dropout, sampling); or repeat and average (st.probe(…, repeats=8))"
            if not left
            else "",
            Severity.WARNING,
            subject,
        )
    ]


def unlike_inputs(probe: Probe, subject: str) -> list[Finding]:
    """That neighbourhoods in input space are isotropic in units that are unlike, and cannot be put in others."""
    inputs = probe.inputs
    if inputs is None or inputs.ndim != 2 or inputs.shape[1] != probe.dimension or coordinate_count(probe):
        return []
    units = by_spread([probe])
    if max(units) < _UNLIKE:
        return []
    return [
        Finding(
            "unlike inputs",
            f"inputs are spread {max(units):,.0f} times more widely along one coordinate than along another, and "
            f"neighbourhoods ({probe.kind}) are taken in the units of the inputs as they are",
            "inputs in units of about one size; or st.Jacobian() or st.CentralDifference(), whose units can be changed",
            Severity.WARNING,
            subject,
        )
    ]


def read_in_part(
    rows: Sequence[Array | None], of: Sequence[int], subjects: Sequence[str] = ("first", "second")
) -> list[Finding]:
    """That probes are larger than what was read of them."""
    return [
        Finding(
            "read in part",
            f"{len(chosen):,} of its {size:,} samples were read",
            "the verdict is of these; the transformation takes any",
            Severity.NOTE,
            subject,
        )
        for chosen, size, subject in zip(rows, of, subjects, strict=True)
        if chosen is not None
    ]


def of_chart(chart: Chart, subject: str) -> list[Finding]:
    """What one network's chart shows."""
    found = []
    if len(chart.pieces) > 1:
        lost = 1 - chart.pieces[0]
        found.append(
            Finding(
                "disconnected",
                f"the sample falls into {len(chart.pieces)} pieces; {lost:.1%} of the samples lie outside the largest "
                "and were left out",
                "more samples, so that they join; or compare the pieces one by one" if lost > 0.02 else "",
                Severity.WARNING if lost > 0.02 else Severity.NOTE,
                subject,
            )
        )
    alike = int((chart.position >= 0).sum()) - len(chart.rows)
    if alike:
        found.append(
            Finding(
                "repeated activations",
                f"{alike} samples ({alike / len(chart.position):.1%}) have exactly the activations of others, for want "
                "of digits, and were left out",
                "record in single precision",
                Severity.NOTE,
                subject,
            )
        )
    d, grown = chart.dimension, chart.kernel_dimension
    if grown and abs(grown - d) > 0.6:
        found.append(
            Finding(
                "dimension",
                f"neighbourhoods have {d} dimensions, but the samples spread over about {grown:.1f}",
                "inputs that fill the manifold the neighbourhoods belong to, or more of them"
                if grown < d
                else "neighbourhoods along all directions in which the inputs vary",
                Severity.WARNING,
                subject,
            )
        )
    big = [block for block in chart.blocks if len(block) > 1 and block[0] < COMPARED]
    if big:
        shown = ", ".join(
            "{" + ", ".join(str(k + 1) for k in block[:6]) + ("…" if len(block) > 6 else "") + "}" for block in big
        )
        found.append(
            Finding(
                "blocks",
                f"eigenfunctions {shown} have nearly equal eigenvalues and are fixed only together",
                "",
                Severity.NOTE,
                subject,
            )
        )
    return found


def ambiguity(match: Match) -> list[Finding]:
    """Whether the transformation is one of several that the data cannot tell apart."""
    if match.ambiguity == 1:
        return []
    what = f"{match.ambiguity} matches agree equally well with the data"
    if match.symmetry is not None and not match.symmetry.complete:
        what = f"at least {what}"
    advice = f"give {match.first.dimension + 1} or more anchors in general position: inputs seen by both networks"
    group = match.symmetry
    if group is not None:
        if not group.order:
            what = "a continuum of matches agree equally well with the data"
        what += f" (they differ by {group.name})"
        rows = match.first.rows[group.anchors].tolist()
        few = f"{len(rows)} anchor" + "s" * (len(rows) != 1)
        where = f"row{'s' * (len(rows) != 1)} {', '.join(map(str, rows))} of the first network"
        advice = (
            f"{few}, best at {where}: inputs that the second network sees as well; or a quantity known on both sides "
            "(observables) that differs between them"
        )
    why = "the manifold has symmetries" if match.part is None else "the smaller manifold fits in as many places"
    return [
        Finding(
            "ambiguous",
            f"{what}: {why} that no unlabelled sample can break; the transformation given is one of them",
            advice,
            Severity.DECISIVE,
        )
    ]


def of_anchors(figures: list[Evidence]) -> list[Finding]:
    """Anchors that contradict one another."""
    if min((figure.probability for figure in figures), default=1.0) >= 0.5:
        return []
    return [
        Finding(
            "anchors disagree",
            "the anchors contradict one another: no match brings them all to their partners",
            "check whether these pairs saw the same input; if they did, the networks differ",
            Severity.DECISIVE,
        )
    ]


def of_match(match: Match) -> list[Finding]:
    """What the match shows."""
    scale = _told_scale(match) if match.relative_scale_deviation else scale_of(match.first, match.second)
    return [*scale, *_left_out(match), *_few_anchors(match), *_torn(match)]


def of_observables(match: Match) -> list[Finding]:
    """Whether what is known on both sides agrees under the match, what it chose, and whether it can tell anything."""
    told = match.agreement
    if told is None:
        return []
    found = _silent(told)
    if not told.telling:
        return found
    if told.agrees:
        return [*_chosen(match, told), *found]
    return [
        *found,
        Finding(
            "observable disagrees",
            f"{told.worst} differs at corresponding places by {np.sqrt(told.misfit):.2g} of what random places show, "
            f"where its noise explains {np.sqrt(told.floor):.2g}: the geometry may agree, but what the two networks "
            "tell there does not",
            "check that both sides tell the same quantity, in the same unit; without it (observables=None) the "
            "geometry alone is judged",
            Severity.DECISIVE,
        ),
    ]


def unused(known: bool) -> list[Finding]:
    """What was given besides correspondences, where these decide by themselves."""
    if not known:
        return []
    return [
        Finding(
            "observables not used",
            "with so many correspondences functions are tested directly; observables, sets, orders and densities were "
            "not used",
            "",
            Severity.NOTE,
        )
    ]


def _silent(told: Agreement) -> list[Finding]:
    """What can tell nothing, by its kind."""
    found = []
    for kind, (what, advice) in _SILENT.items():
        names = [
            name
            for name, own, tells in zip(told.names, told.kinds, told.tell, strict=True)
            if own == kind and not tells
        ]
        if names:
            message = f"{_listed(names)} {what}"
            found.append(Finding("observables tell nothing", message, advice, Severity.NOTE))
    return found


def _chosen(match: Match, told: Agreement) -> list[Finding]:
    """What observables decided."""
    choice = match.choice
    if choice is None:
        return []
    names = [name for name, tells in zip(told.names, told.tell, strict=True) if tells]
    among = f"{choice.among}" if choice.among else "a continuum of"
    instead = f", and by {np.sqrt(choice.next):.2g} under the best of those set aside" if choice.among else ""
    off, noise = np.sqrt(told.misfit), np.sqrt(told.floor)
    return [
        Finding(
            "observables chose",
            f"{_listed(names)} chose {match.ambiguity} of {among} matches that are equally good without: at "
            f"corresponding places they differ by {off:.2g} of what random places show, where noise explains "
            f"{noise:.2g}{instead}",
            "",
            Severity.NOTE,
        )
    ]


def _listed(names: list[str]) -> str:
    """Names in a sentence; of many only some."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _told_scale(match: Match) -> list[Finding]:
    factor, deviation = match.relative_scale, match.relative_scale_deviation
    return [
        Finding(
            "relative scale",
            f"lengths in the second network's neighbourhoods are {factor:.5g} ± {factor * deviation:.1g} times those "
            "of the first, as the match tells it; all that follows is in the units of the first",
            "",
            Severity.NOTE,
        )
    ]


def _left_out(match: Match) -> list[Finding]:
    """Anchors that the others or the match show to be wrong, or noisy."""
    found = []
    if len(match.left_out):
        rows = ", ".join(str((a, b)) for a, b in match.left_out_rows[:5].tolist())
        found.append(
            Finding(
                "anchors disagree",
                f"{len(match.left_out)} of {len(match.left_out) + len(match.anchors)} anchors are far from where the "
                f"others and the geometry put them, and were left out (rows {rows})",
                "check whether these pairs saw the same input",
                Severity.WARNING,
            )
        )
    if match.better_scale:
        told, deviation = match.better_scale
        found.append(
            Finding(
                "unit seems off",
                f"anchors agree with the match only to within {match.anchor_noise:.2g} intrinsic units a direction, "
                f"but far better where lengths in the second network's neighbourhoods are {told:.5g} ± "
                f"{told * deviation:.1g} times those of the first, instead of {match.relative_scale:.5g}",
                "check the units of the neighbourhoods; compare with relative_scale=None to leave them open",
                Severity.DECISIVE if in_another_unit(match) else Severity.WARNING,
            )
        )
    elif match.anchor_noise:
        spacing = match.second.graph.spacing()
        found.append(
            Finding(
                "noisy anchors",
                f"anchors agree with the match only to within {match.anchor_noise:.2g} intrinsic units a direction, "
                f"{match.anchor_noise / spacing:.2g} times the spacing of samples, and hold it as loosely as that",
                "pairs that saw exactly the same input",
                Severity.WARNING,
            )
        )
    return found


def in_another_unit(match: Match) -> bool:
    """Whether anchors agree, and far better, only where lengths differ by more than is of no account."""
    better = match.better_scale
    return better is not None and bool(abs(np.log(better[0] / match.relative_scale)) > _OTHER_UNIT)


def _few_anchors(match: Match) -> list[Finding]:
    """Whether anchors too few to hold a match by themselves spoil those that geometry alone allows.

    Only asked where the match does not fit, as it takes another search.
    """
    if not 0 < len(match.anchors) <= match.first.dimension or _unfit(match) < _FITS:
        return []
    free = match_charts(match.first, match.second)
    if _unfit(free) * _FAR_BETTER > _unfit(match):
        return []
    good = free.candidates[: free.ambiguity]
    one, two = match.anchors.T
    from_partners = match.second.edges.distances(two)
    missed = [from_partners[each.images.sample[one], np.arange(len(two))] for each in good]
    nearest = min(float(np.sqrt(np.mean(np.square(each)))) for each in missed)
    spacing = match.second.graph.spacing()
    if nearest < _MISSED * np.hypot(spacing, match.anchor_noise):
        return []
    one_alone = len(match.anchors) == 1
    rows = np.stack([match.first.rows[one], match.second.rows[two]], axis=1).tolist()
    what = f"{'anchor' if one_alone else 'anchors'} (rows {', '.join(str(tuple(row)) for row in rows)})"
    spoiled = (
        f"the {what} {'contradicts' if one_alone else 'contradict'} all that geometry allows: matches without fit far "
        f"better, and are off by {nearest:.2g} there at least, {nearest / spacing:.2g} times the spacing of samples"
    )
    if not one_alone:
        there, here = match.anchor_distances
        a, b = np.unravel_index(int(np.argmax(np.abs(there - here))), there.shape)
        spoiled += (
            f"; {tuple(rows[a])} and {tuple(rows[b])} are {there[a, b]:.2g} apart along the first network's manifold "
            f"and {here[a, b]:.2g} along the second's"
        )
    which = "this pair" if one_alone else "each of these pairs"
    advice = f"check whether {which} saw the same input, or compare without"
    return [Finding("anchors disagree", spoiled, advice, Severity.DECISIVE)]


def _unfit(match: Match) -> float:
    """How badly a match fits: its strain, or the share of either network that lies beyond the other, where neither
    needs to be all of the other."""
    return max(match.candidates[0].torn, 1 - max(match.overlap.share))


def _torn(match: Match) -> list[Finding]:
    """Regions that the match does not carry rigidly."""
    torn = match.forward.strain > TORN
    if match.overlap.partial:
        torn = torn & match.overlap.inside[0]
    if not torn.any() or torn.mean() > 0.5:
        return []
    return [
        Finding(
            "torn region",
            f"at {torn.mean():.1%} of the first network's samples neighbours are not carried to neighbours (mostly "
            f"{_where(match.first.probe, torn)}); answers there are marked as outside",
            "more samples there, or more neurons where activations nearly fold",
            Severity.WARNING if torn.mean() > 0.01 else Severity.NOTE,
        )
    ]


def partial_overlap(match: Match) -> list[Finding]:
    """What lies outside of what both were probed on."""
    one, two = match.overlap.share
    outside = [
        f"the {name} alone was probed mostly {_where(chart.probe, ~inside, inside)}"
        for name, chart, inside, share in zip(
            ("first", "second"), (match.first, match.second), match.overlap.inside, match.overlap.share, strict=True
        )
        if share < 1 - _SOME
    ]
    return [
        Finding(
            PARTIAL,
            f"what both were probed on is {one:.0%} of the first's and {two:.0%} of the second's "
            f"({'; '.join(outside)}); the decision holds there, and of the rest nothing is known",
            "use answers marked as inside; to decide on the rest, probe both on the same range of inputs",
            Severity.DECISIVE,
        )
    ]


def perhaps_a_part(match: Match, part: Part) -> Finding:
    """One manifold fits into the other, which could be chance."""
    one, two = match.overlap.share
    small, large = ("second", "first") if one < two else ("first", "second")
    how = "and would be strained elsewhere" if part.curved else f"with {1 - part.cut:.0%} of its edge on that one's"
    how = "which has no edge" if part.closed else how
    return Finding(
        "perhaps a part",
        f"the {small} network's manifold fits into {min(one, two):.0%} of the {large}'s, {how}: it was probed on a "
        "part of the same inputs, or it is another manifold; geometry alone cannot tell, nor surely where it belongs",
        f"give {match.first.dimension + 1} or more anchors in general position, or probe both on the same range of "
        "inputs",
        Severity.DECISIVE,
    )


def _where(probe: Probe, rows: Array, others: Array | None = None) -> str:
    """The range of one neuron where samples are: the one of the widest range, or that tells them best from others."""
    y = probe.activations
    if others is None:
        k = int(np.ptp(y, axis=0).argmax())
    else:
        apart = np.abs(y[rows].mean(axis=0) - y[others].mean(axis=0))
        k = int(np.argmax(apart / np.maximum(y.std(axis=0), np.finfo(float).tiny)))
    low, high = np.quantile(y[rows, k], [0.05, 0.95])
    return f"where {probe.neurons[k]} is between {low:.3g} and {high:.3g}"


def scale_of(first: Chart, second: Chart) -> list[Finding]:
    """A constant factor between two spectra means that the neighbourhoods are told in different units."""
    e = min(COMPARED, len(first.eigenvalues), len(second.eigenvalues))
    ratio = log_eigenvalues(first)[:e] - log_eigenvalues(second)[:e]
    constant, wobble = float(np.median(ratio)), float(np.std(ratio))
    if e < 3 or wobble > _ONE_FACTOR or abs(constant) < max(5 * wobble, _ONE_FACTOR):
        return []
    factor = float(np.exp(constant / 2))
    return [
        Finding(
            "scale mismatch",
            f"the spectra agree up to one factor: lengths in the second network's neighbourhoods are {factor:.3g} "
            "times those of the first",
            "if the neighbourhoods were measured in different units or with another spread, correct `scale`; if nobody "
            "knows the units, compare with relative_scale=None",
            Severity.WARNING,
        )
    ]


def nearly_folds(probe: Probe) -> bool:
    """Whether a region of the probe, and not all of it, sees one direction far less than another."""
    condition = probe.manifold.metric.condition
    return bool(_many(condition > _ILL) and not _ill_everywhere(condition))


def _many(bad: Array) -> bool:
    return bool(bad.sum() >= max(_FEW, 2e-3 * len(bad)))


def _ill_everywhere(condition: Array) -> bool:
    return bool(np.median(condition) > 0.3 * _ILL)


def _conditioning(probe: Probe, rank: LocalRank, subject: str) -> list[Finding]:
    """Samples that see one direction far less than another: all over, or in a region that nearly folds."""
    condition = probe.truncate(rank.rank).manifold.metric.condition
    bad = condition > _ILL
    if not _many(bad):
        return []
    what = (
        f"at {bad.mean():.1%} of the samples one direction is seen more than {_ILL:g} times less than another "
        f"(condition number up to {condition.max():.3g})"
    )
    if _ill_everywhere(condition):
        advice = "more neurons, or neurons of an earlier layer; expect larger errors there"
        return [Finding("ill-conditioned", what, advice, Severity.WARNING, subject)]
    k = int(np.ptp(probe.activations, axis=0).argmax())
    low, high = np.quantile(probe.activations[bad, k], [0.05, 0.95])
    return [
        Finding(
            "nearly folds",
            f"{what}: activations all but fold there (mostly where {probe.neurons[k]} is between {low:.3g} and "
            f"{high:.3g}), and answers are less certain",
            "more samples there, more neurons, or neurons of an earlier layer",
            Severity.WARNING,
            subject,
        )
    ]


def _sparse(probe: Probe, rank: LocalRank, subject: str) -> list[Finding]:
    """Dimensions too many for the number of samples."""
    n, d = len(probe), rank.rank
    along = n ** (1 / d)
    if along >= _ALONG:
        return []
    return [
        Finding(
            "many dimensions",
            f"{n:,} samples of {d} dimensions are about {along:.1f} along each: no sample has others around it in all "
            "directions",
            f"{_ALONG**d:,} samples or more, or inputs that vary in fewer directions",
            Severity.WARNING,
            subject,
        )
    ]


def _neurons(probe: Probe, subject: str) -> list[Finding]:
    found = []
    m = probe.activations.shape[1]
    constant = np.ptp(probe.activations, axis=0) == 0
    if constant.any():
        found.append(
            Finding(
                "constant neurons",
                f"{int(constant.sum())} of {m} neurons are constant over the sample and say nothing",
                "",
                Severity.NOTE,
                subject,
            )
        )
    alive = np.ascontiguousarray(probe.activations[:, ~constant].T)
    distinct = len(np.unique(alive, axis=0)) if alive.size <= 50_000_000 else len(alive)
    if distinct < len(alive):
        found.append(
            Finding(
                "duplicate neurons",
                f"{len(alive) - distinct} neurons repeat others exactly and add nothing",
                "",
                Severity.NOTE,
                subject,
            )
        )
    enough = 2 * probe.dimension + 1
    if probe.dimension and distinct < enough:
        found.append(
            Finding(
                "few neurons",
                f"{distinct} neuron{'s' * (distinct != 1)} for {probe.dimension} "
                f"dimension{'s' * (probe.dimension != 1)}; only {enough} generic ones "
                "are sure to tell all inputs apart (Whitney)",
                f"use {enough} neurons or more, from an inner layer if need be",
                Severity.NOTE,
                subject,
            )
        )
    return found


def _collapse(probe: Probe, rank: LocalRank, subject: str) -> list[Finding]:
    d = probe.dimension
    if rank.rank == d:
        return []
    where = ""
    if rank.lost is not None and d - rank.rank == 1:
        k = int(np.abs(rank.lost).argmax())
        weight = float(rank.lost[k] ** 2)
        where = f", nearest to input coordinate {k} ({weight:.0%} of its square)"
    gain = float(rank.gains[rank.rank])
    return [
        Finding(
            "collapse",
            f"only {rank.rank} of {d} input directions can still be told from its activations at this sample size: "
            f"the next one moves them {gain:.2g} times as much as the strongest, less than curvature does{where}",
            "an earlier layer keeps more; or the task does not need what was discarded",
            Severity.DECISIVE,
            subject,
        )
    ]


def _folds(probe: Probe, rank: LocalRank, folds: Folds, subject: str) -> list[Finding]:
    if not folds.any:
        return []
    m, enough = probe.activations.shape[1], 2 * rank.rank + 1
    here = probe.activations[folds.folded | folds.turning]
    k = int(np.ptp(probe.activations, axis=0).argmax())
    low, high = np.quantile(here[:, k], [0.05, 0.95])
    advice = (
        f"add neurons: {m} of them fold, {enough} generic ones do not (Whitney)"
        if m < enough
        else "choose other neurons, or an earlier layer"
    )
    return [
        Finding(
            "folds",
            f"activations turn back on themselves: {folds.share:.1%} of the samples share their activations with other "
            f"inputs (mostly where {probe.neurons[k]} is between {low:.3g} and {high:.3g})",
            advice,
            Severity.DECISIVE,
            subject,
        )
    ]
