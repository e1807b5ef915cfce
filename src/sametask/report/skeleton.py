"""What all pages share: the skeleton, findings, the source of the method, and how a page gets into its file."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from sametask import _check, _files
from sametask._outcome import Finding, Severity
from sametask.report import wording
from sametask.report.markup import Markup, element, paragraph

_PAPER = "https://arxiv.org/abs/2007.05646"
_DOI = "https://doi.org/10.1063/5.0206406"


def check(path: str | Path) -> None:
    """Refuse a place that cannot be written to, and missing extras, before any work.

    Raises:
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    _files.place("path", path)
    _check.require("matplotlib", "report")


def save(title: str, body: Sequence[Markup], path: str | Path) -> None:
    """Write a page with its look inside; it loads nothing, and appears only once it is whole."""
    text = page(title, body).encode("utf-8", errors="replace")
    with _files.whole("path", path) as file:
        file.write(text)


def page(title: str, body: Sequence[Markup]) -> str:
    """A whole page."""
    look = resources.files("sametask.report").joinpath("page.css").read_text(encoding="utf-8")
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


def findings(found: Sequence[Finding], names: dict[str, str]) -> Markup:
    """Findings in words, as a list; ``names`` tells whose each is, by its subject."""
    if not found:
        return paragraph("Nothing about the data or the match gives cause for doubt.")
    return element("ul", *(_finding(each, names) for each in found), class_="findings")


def _finding(finding: Finding, names: dict[str, str]) -> Markup:
    weight = {Severity.DECISIVE: "decisive", Severity.WARNING: "warning", Severity.NOTE: "note"}[finding.severity]
    whose = names.get(finding.subject)
    advice = (
        [element("span", element("b", "What to do: "), finding.advice, ".", class_="advice")] if finding.advice else []
    )
    return element(
        "li",
        element("span", weight, class_=f"weight {weight}"),
        element("div", element("b", f"{whose}: " if whose else ""), wording.capital(finding.message), ".", *advice),
    )


def source() -> Markup:
    """Where the method comes from."""
    return paragraph(
        "T. Bertalan, F. Dietrich & I. G. Kevrekidis, ",
        element("cite", "Transformations between deep neural networks"),
        ", ",
        element("a", "arXiv:2007.05646", href=_PAPER),
        "; Chaos 34 (2024), ",
        element("a", "doi:10.1063/5.0206406", href=_DOI),
        ".",
    )
