"""The page of a verdict, in words first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sametask._version import __version__
from sametask.report import losses, markup, skeleton, wording
from sametask.report.markup import Markup, element, join, paragraph, section
from sametask.verdict.heads import HeadTransfer
from sametask.verdict.verdict import Decision, Verdict
from sametask.verdict.words import NOT_LEARNED, headline


def write(verdict: Verdict, path: str | Path, heads: Sequence[HeadTransfer] = ()) -> None:
    """Write a verdict as one self-contained HTML page: decision and reasons in words first, then pictures.

    The page loads nothing: its figures are inside it. The same verdict gives the same bytes. Of more than
    :data:`~sametask.report.views.MOST` samples that many are drawn.

    Args:
        verdict: what to tell.
        path: of the page; folders on the way are made, and the page appears only once it is whole.
        heads: carried over between the two networks, to show as well.

    Raises:
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    skeleton.check(path)
    first, second = wording.names(verdict)
    title = f"{first} and {second}: {verdict.decision.value.upper()}"
    body = [_head(verdict), *losses.sections(verdict), _networks(verdict), *_evidence(verdict), *_measures(verdict)]
    body += [*_heads(heads), *_pictures(verdict), _footer(verdict)]
    skeleton.save(title, body, path)


def _pictures(verdict: Verdict) -> list[Markup]:
    """The sections with figures; what draws them is imported here, as matplotlib is an extra."""
    from sametask.report import pictures

    return pictures.sections(verdict)


def _heads(heads: Sequence[HeadTransfer]) -> list[Markup]:
    """The section on heads; what draws it is imported here, as matplotlib is an extra."""
    from sametask.report import heads as carried

    return carried.sections(heads)


# -- words -----------------------------------------------------------------------------------------------------------


def _head(verdict: Verdict) -> Markup:
    first, second = wording.names(verdict)
    kind = {
        Decision.EQUIVALENT: "equivalent",
        Decision.INEQUIVALENT: "inequivalent",
        Decision.UNDECIDED: "undecided",
    }.get(verdict.decision, "one-way")
    badge = element(
        "span",
        element("span", wording.SIGNS[verdict.decision], class_="sign", aria_hidden="true"),
        verdict.decision.value.upper(),
        class_=f"badge {kind}",
    )
    findings = skeleton.findings(verdict.diagnosis, {"first": first, "second": second})
    return Markup(
        element(
            "header",
            element("h1", element("span", f"{first} and {second}: ", class_="names"), badge),
            paragraph(f"{headline(verdict)}. ", verdict.meaning, class_="meaning"),
            paragraph(
                f"Here the first network is {first}, the second {second}. " if "first" in verdict.meaning else "",
                wording.confidence(verdict),
                f" {NOT_LEARNED}",
            ),
        )
        + section("Findings", findings)
    )


def _networks(verdict: Verdict) -> Markup:
    first, second = wording.names(verdict)
    rows: list[tuple[str, ...]] = [
        ("Samples", f"{verdict.samples[0]:,}", f"{verdict.samples[1]:,}"),
        ("Samples known to correspond", f"{verdict.samples[2]:,}", f"{verdict.samples[2]:,}"),
        (
            "Dimensions resolved",
            *(f"{rank.rank} of {len(rank.gains)}" if rank.rank else "not probed" for rank in verdict.ranks),
        ),
    ]
    if verdict.charts is not None:
        rows += [
            ("Neurons", *(f"{chart.probe.activations.shape[1]:,}" for chart in verdict.charts)),
            ("Neighbourhoods", *(wording.neighbourhoods(chart) for chart in verdict.charts)),
            ("Samples charted", *(f"{len(chart.rows):,}" for chart in verdict.charts)),
        ]
    elif verdict.transformation is not None:
        rows.append(("Neurons", *(f"{len(each):,}" for each in verdict.transformation.neurons)))
    folded = [f"{folds.share:.1%}" if folds.any else "none" for folds in verdict.folds]
    probed = [bool(rank.rank) for rank in verdict.ranks]
    rows.append(
        ("Samples folded", *(each if seen else "not probed" for each, seen in zip(folded, probed, strict=True)))
    )
    return section(
        "The two networks",
        markup.table(("", first, second), rows, caption="What each network was seen through.", class_="networks"),
    )


def _evidence(verdict: Verdict) -> list[Markup]:
    title = "Evidence"
    if not verdict.evidence and verdict.loss is not None:
        return []
    if not verdict.evidence:
        return [section(title, paragraph("No figure could be computed: the findings above say why."))]
    rows = []
    for shown in verdict.evidence:
        claim = wording.claim(verdict, shown)
        rows.append(
            (
                join([wording.capital(shown.name), element("small", shown.unit)]),
                wording.number(shown.value),
                wording.number(shown.floor),
                wording.number(shown.null),
                markup.bar(shown),
                join([element("b", wording.chance(shown.probability)), element("small", f"that {claim}")]),
            )
        )
    columns = ("Figure", "Value", "Noise floor", "Null", "Between floor and null", "Probability")
    shown = section(
        title,
        markup.table(
            columns,
            rows,
            caption="Every figure is an error or a discrepancy: low speaks for the claim, high against it. The noise "
            "floor is the same figure where the claim is known to hold, from this very data; the null, where it is "
            "known not to.",
            class_="evidence",
        ),
        paragraph(
            join(
                [
                    "Marks: ",
                    element("span", "●", class_="for"),
                    " for the claim, ",
                    element("span", "■", class_="against"),
                    " against it, ",
                    element("span", "◆", class_="neither"),
                    " neither. The left tick is the noise floor, the right one the null, on a logarithmic scale; in "
                    "the shaded middle the figure decides nothing.",
                ]
            ),
            class_="key",
        ),
    )
    return [shown]


def _measures(verdict: Verdict) -> list[Markup]:
    """The usual measures, beside the evidence."""
    shown = verdict.measures
    if shown is None:
        return []
    rows = []
    for each in shown.readings:
        measure = each.measure
        lower = [] if measure.closer == "higher" else [element("small", f"{measure.identical:g} is identical")]
        rows.append(
            (
                join([wording.capital(measure.name), element("small", measure.source)]),
                join([wording.give_or_take(each.value, each.spread), *lower]),
                join(
                    [
                        wording.give_or_take(each.chance, each.chance_spread),
                        *([] if each.tells else [element("small", "no different")]),
                    ]
                ),
                measure.blind,
            )
        )
    return [
        section(
            "The usual measures",
            paragraph(
                "For comparison only: they have no part in the decision. Each says how alike activations look by a "
                "standard of its own, where 1 is identical; none says whether one network's are a function of the "
                "other's."
            ),
            markup.table(
                ("Measure", "Value", "Chance", "What it cannot see"),
                rows,
                caption=f"Of {shown.sample} corresponding samples. Values stand with their standard error, from how "
                "much random halves of the samples differ; chance is the same measure with samples shuffled, where "
                "nothing corresponds, with its standard deviation.",
                class_="evidence measures",
            ),
        )
    ]


def _footer(verdict: Verdict) -> Markup:
    return element(
        "footer",
        element("h2", "How this was done"),
        *(paragraph(each) for each in wording.method(verdict)),
        paragraph(
            "What is compared is what activations tell of the input, not whether a task is solved: a network trained "
            "on shuffled labels, or not at all, may tell as much of it as one that was trained well."
        ),
        paragraph(
            "Resampling behind noise floors and nulls was drawn from the seed given to the comparison; the same data "
            "and seed give the same page. ",
            f"Written by sametask {__version__}.",
        ),
        skeleton.source(),
    )
