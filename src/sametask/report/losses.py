"""What is lost each way, on the page: the maps that were tried, their bounds, and what the best of them misses."""

from __future__ import annotations

from sametask.report import markup, wording
from sametask.report.markup import Markup, element, join, paragraph, section
from sametask.verdict.verdict import Verdict
from sametask.verdict.words import in_percent

_UNITS = {
    "layer": "root mean square over all neurons together",
    "neuron": "of the neuron that is predicted worst, each in units of its own spread",
}
_OTHER = {"layer": "worst neuron", "neuron": "all neurons"}


def sections(verdict: Verdict) -> list[Markup]:
    """The section on losses; none where there are none."""
    if verdict.loss is None:
        return []
    first, second = wording.names(verdict)
    ways = list(zip((f"{first} → {second}", f"{second} → {first}"), verdict.loss, verdict.determines, strict=True))
    asked = "" if verdict.tolerance is None else f" The tolerance is {in_percent(verdict.tolerance)}."
    rows = []
    for way, loss, answer in ways:
        enough = None if verdict.tolerance is None else loss.sufficient(verdict.tolerance)
        rows.append(
            (
                join([way, element("small", f"{loss.rows:,} rows, {loss.groups:,} independent")]),
                join([element("b", in_percent(loss.value)), element("small", f"bound {in_percent(loss.high)}")]),
                in_percent(loss.low) if loss.low > 0 else "not known",
                in_percent(loss.other),
                join([loss.map, *([element("small", f"{enough} suffices")] if enough else [])]),
                element("b", answer),
            )
        )
    columns = ("Direction", "Loss", "At least", wording.capital(_OTHER[verdict.units]), "Best map", "Determined")
    tried = [
        (way, name, in_percent(each.value), in_percent(each.high))
        for way, loss, _ in ways
        for name, each in loss.candidates.items()
    ]
    lost = [
        (way, wording.printable(name), wording.determined(max(r2, 0.0)), in_percent(share))
        for way, loss, _ in ways
        for name, r2, share in loss.lost.neurons
    ]
    return [
        section(
            "What is lost",
            paragraph(
                f"The loss of a map is its error on rows that it has not seen, {_UNITS[verdict.units]}, as a share of "
                f"the spread of what it predicts.{asked} The bounds hold for all maps and both directions at once, "
                f"with probability {verdict.level:.0%}. “At least” is what no map loses less than whose slope stays "
                "within twice what the networks' local metrics show."
            ),
            markup.table(columns, rows, caption="The best map each way.", class_="evidence"),
            markup.table(("Direction", "Map", "Loss", "Bound"), tried, caption="Every map tried.", class_="evidence"),
            markup.table(
                ("Direction", "Neuron", "R²", "Share of the spread"),
                lost,
                caption="The neurons that the best map predicts worst.",
                class_="evidence",
            ),
        )
    ]
