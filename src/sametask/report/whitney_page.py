"""The page of a count of neurons: how many are enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sametask._version import __version__
from sametask.neurons.whitney import Whitney
from sametask.probes.units import units_in_words
from sametask.report import markup, skeleton, wording
from sametask.report.markup import Markup, element, paragraph, section


def write(result: Whitney, path: str | Path) -> None:
    """Write a count of neurons as one self-contained HTML page: the answer in words first, then the figure.

    Raises:
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    skeleton.check(path)
    title = f"{wording.short(result.network)}: how many neurons are enough"
    skeleton.save(title, [_head(result), _figure(result), _table(result), _footer(result)], path)


def _head(result: Whitney) -> Markup:
    heading = element(
        "h1", element("span", f"{wording.short(result.network)}: ", class_="names"), "how many neurons are enough"
    )
    about = (
        f"{len(result.names):,} neurons, seen at {result.samples[0]:,} samples of a manifold of "
        f"{result.dimension} dimension{'s' * (result.dimension > 1)}."
    )
    if (units := units_in_words(result.input_units)) is not None:
        about += f" {units}"
    nothing = paragraph("Nothing about the data gives cause for doubt.")
    findings = skeleton.findings(result.findings, {}) if result.findings else nothing
    return Markup(
        element("header", heading, paragraph(result.meaning, class_="meaning"), paragraph(about))
        + section("Findings", findings)
    )


def _figure(result: Whitney) -> Markup:
    from sametask.report import neuron_figures

    picture = neuron_figures.whitney(result)
    alt = (
        f"Error and share of folded samples against the number of neurons, from {result.counts[0]} to "
        f"{result.counts[-1]}: {result.meaning}"
    )
    caption = (
        f"Each dot is one of {len(result.error)} random draws (left of the number); the line joins their medians, the "
        "dashed line with squares is the greedy choice, which takes the neuron that helps most, one after another. "
        f"Above: the error of all other neurons, each of unit spread, predicted at samples that are left out; 1 is no "
        f"better than their means, and the dotted line is what all neurons reach ({wording.number(result.best)}), as "
        "far as the spacing of samples and noise allow. Below: the share of samples within reach of a place that these "
        "neurons do not tell from another one. The vertical line is 2d + 1, which is enough for generic neurons; "
        "dashed ones in the colours of both are the numbers found to be enough. Folded samples below the dotted line "
        "are no more than strays."
    )
    return section("Error and folds", markup.figure([("", markup.image(picture.uri, picture.size, alt))], caption))


def _table(result: Whitney) -> Markup:
    rows = []
    for k, count in enumerate(result.counts):
        clear = int(result.unfolded[:, k].sum())
        rows.append(
            (
                f"{count}" + (" (2d + 1)" if count == result.theory else ""),
                wording.number(float(np.median(result.error[:, k]))),
                f"{100 * np.median(result.folded[:, k]):.1f} %",
                f"{clear} of {len(result.error)}",
                wording.number(float(result.greedy_error[k])),
                f"{100 * result.greedy_folded[k]:.1f} %",
                result.names[result.order[count - 1]],
            )
        )
    columns = (
        "Neurons",
        "Error of draws",
        "Folded, draws",
        "Draws without folds",
        "Error of greedy choice",
        "Folded, greedy",
        "Neuron taken last",
    )
    caption = "Medians of random draws, and the greedy choice with the neuron that it takes last."
    return section("Figures", markup.table(columns, rows, caption=caption, class_="evidence"))


def _footer(result: Whitney) -> Markup:
    method = (
        "All neurons together are the reference: they tell which samples are far apart. Around each sample every "
        "neuron is a cubic, fitted to its values and derivatives at the samples around. A sample is folded where the "
        "cubics of the few neurons meet those around a far sample, within reach of both, as nearly as they meet "
        f"their own neighbours; or where the few stop and turn back. A crossing lies within reach of some 2d + 2 "
        f"samples on either side, so that shares up to {result.stray:.2%} are strays."
    )
    sources = (
        "T. Sauer, J. A. Yorke & M. Casdagli, Embedology, Journal of Statistical Physics 65 (1991): almost every "
        "smooth map to more than twice as many dimensions is an embedding (Whitney 1936)."
    )
    return element(
        "footer",
        element("h2", "How this was done"),
        paragraph(method),
        paragraph(sources),
        paragraph(
            "Draws come from the seed given; the same data and seed give the same page. ",
            f"Written by sametask {__version__}.",
        ),
        skeleton.source(),
    )
