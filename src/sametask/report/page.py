"""The page: skeleton and sections, in words first."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from sametask import _check, _files
from sametask._outcome import Finding, Severity
from sametask._version import __version__
from sametask.report import markup, wording
from sametask.report.markup import Markup, element, join, paragraph, section
from sametask.verdict.verdict import Decision, Verdict

_PAPER = "https://arxiv.org/abs/2007.05646"
_DOI = "https://doi.org/10.1063/5.0206406"


def write(verdict: Verdict, path: str | Path) -> None:
    """Write a verdict as one self-contained HTML page: decision and reasons in words first, then pictures.

    The page loads nothing: its figures are inside it. The same verdict gives the same bytes. Of more than
    :data:`~sametask.report.views.MOST` samples that many are drawn.

    Args:
        verdict: what to tell.
        path: of the page; folders on the way are made, and the page appears only once it is whole.

    Raises:
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    _files.place("path", path)
    _check.require("matplotlib", "report")
    page = _page(verdict).encode("utf-8", errors="replace")
    with _files.whole("path", path) as file:
        file.write(page)


def _page(verdict: Verdict) -> str:
    first, second = wording.names(verdict)
    look = resources.files("sametask.report").joinpath("page.css").read_text(encoding="utf-8")
    title = f"{first} and {second}: {verdict.decision.value.upper()}"
    body = [_head(verdict), _networks(verdict), _evidence(verdict), *_pictures(verdict), _footer(verdict)]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"{element('title', title)}\n<style>\n{look}</style>\n</head>\n<body>\n<main>\n"
        + "".join(body)
        + "</main>\n</body>\n</html>\n"
    )


def _pictures(verdict: Verdict) -> list[Markup]:
    """The sections with figures; what draws them is imported here, as matplotlib is an extra."""
    from sametask.report import pictures

    return pictures.sections(verdict)


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
    findings = (
        element("ul", *(_finding(finding, (first, second)) for finding in verdict.diagnosis), class_="findings")
        if verdict.diagnosis
        else paragraph("Nothing about the data or the match gives cause for doubt.")
    )
    return Markup(
        element(
            "header",
            element("h1", element("span", f"{first} and {second}: ", class_="names"), badge),
            paragraph(verdict.meaning, class_="meaning"),
            paragraph(
                f"Here the first network is {first}, the second {second}. " if "first" in verdict.meaning else "",
                wording.confidence(verdict),
            ),
        )
        + section("Findings", findings)
    )


def _finding(finding: Finding, names: tuple[str, str]) -> Markup:
    weight = {Severity.DECISIVE: "decisive", Severity.WARNING: "warning", Severity.NOTE: "note"}[finding.severity]
    whose = {"first": names[0], "second": names[1]}.get(finding.subject)
    advice = (
        [element("span", element("b", "What to do: "), finding.advice, ".", class_="advice")] if finding.advice else []
    )
    return element(
        "li",
        element("span", weight, class_=f"weight {weight}"),
        element("div", element("b", f"{whose}: " if whose else ""), wording.capital(finding.message), ".", *advice),
    )


def _networks(verdict: Verdict) -> Markup:
    first, second = wording.names(verdict)
    rows: list[tuple[str, ...]] = [
        ("Samples", f"{verdict.samples[0]:,}", f"{verdict.samples[1]:,}"),
        ("Samples known to correspond", f"{verdict.samples[2]:,}", f"{verdict.samples[2]:,}"),
        ("Dimensions resolved", *(f"{rank.rank} of {len(rank.gains)}" for rank in verdict.ranks)),
    ]
    if verdict.charts is not None:
        rows += [
            ("Neurons", *(f"{chart.probe.activations.shape[1]:,}" for chart in verdict.charts)),
            ("Neighbourhoods", *(wording.neighbourhoods(chart) for chart in verdict.charts)),
            ("Samples charted", *(f"{len(chart.rows):,}" for chart in verdict.charts)),
        ]
    elif verdict.transformation is not None:
        rows.append(("Neurons", *(f"{len(each):,}" for each in verdict.transformation.neurons)))
    rows.append(("Samples folded", *(f"{folds.share:.1%}" if folds.any else "none" for folds in verdict.folds)))
    return section(
        "The two networks",
        markup.table(("", first, second), rows, caption="What each network was seen through.", class_="networks"),
    )


def _evidence(verdict: Verdict) -> Markup:
    title = "Evidence"
    if not verdict.evidence:
        return section(title, paragraph("No figure could be computed: the findings above say why."))
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
    return section(
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


def _footer(verdict: Verdict) -> Markup:
    return element(
        "footer",
        element("h2", "How this was done"),
        *(paragraph(each) for each in wording.method(verdict)),
        paragraph(
            "Resampling behind noise floors and nulls was drawn from the seed given to the comparison; the same data "
            "and seed give the same page. ",
            f"Written by sametask {__version__}.",
        ),
        paragraph(
            "T. Bertalan, F. Dietrich & I. G. Kevrekidis, ",
            element("cite", "Transformations between deep neural networks"),
            ", ",
            element("a", "arXiv:2007.05646", href=_PAPER),
            "; Chaos 34 (2024), ",
            element("a", "doi:10.1063/5.0206406", href=_DOI),
            ".",
        ),
    )
