"""The page of a reconstruction: what a few neurons say about inputs and all other neurons."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sametask._types import Array
from sametask._version import __version__
from sametask.neurons.reconstruction import Reconstruction, covered, explained
from sametask.probes.units import units_in_words
from sametask.report import markup, skeleton, wording
from sametask.report.markup import Markup, element, paragraph, section
from sametask.verdict.verdict import Trial

_SHOWN = 6
"""Samples, and coordinates, that are drawn."""
_NAMED = 5
"""Neurons named that are reconstructed worst, and best."""


def write(result: Reconstruction, path: str | Path) -> None:
    """Write a reconstruction as one self-contained HTML page: the answer in words first, then tables and pictures.

    Raises:
        InputError: ``path`` cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    skeleton.check(path)
    title = f"{wording.short(result.network)}: reconstructed from {len(result.neurons)} neurons"
    body = [_head(result), _errors(result), *_inputs(result), *_neurons(result), _footer(result)]
    skeleton.save(title, body, path)


def _head(result: Reconstruction) -> Markup:
    count = len(result.neurons)
    heading = element(
        "h1",
        element("span", f"{wording.short(result.network)}: ", class_="names"),
        f"reconstructed from {count} neuron{'s' * (count > 1)}",
    )
    nothing = paragraph("Nothing about the data gives cause for doubt.")
    findings = skeleton.findings(result.findings, {}) if result.findings else nothing
    units = units_in_words(result.input_units)
    return Markup(
        element("header", heading, paragraph(result.meaning, class_="meaning"), paragraph(units) if units else "")
        + section("Findings", findings)
    )


def _errors(result: Reconstruction) -> Markup:
    rows = []
    every = ("Inputs", result.held_out_inputs, result.input_error), ("Other neurons", result.held_out, result.error)
    for name, trial, error in every:
        if trial is None or not trial.true.shape[1]:
            continue
        one, two = covered(trial)
        share = result.input_r2 if name == "Inputs" else result.r2
        assert share is not None and error is not None
        share = share[np.isfinite(share)]
        rows.append(
            (
                name,
                _percent(error),
                _share(float(np.median(share))),
                _share(float(share.min())),
                f"{one:.0%} / {two:.0%}",
                f"{trial.inside.mean():.0%}",
            )
        )
    columns = ("What", "Error", "Median R²", "Worst R²", "Within 1 / 2 uncertainties", "Inside the support")
    caption = (
        f"At {len(result.held_out.rows):,} samples that were left out. The error is a root mean square, relative to "
        "the spread; R² is the share of the variance of one coordinate, or neuron, that is explained. Uncertainties "
        "are held against errors within the support."
    )
    return section("How well it works", markup.table(columns, rows, caption=caption, class_="evidence"))


def _inputs(result: Reconstruction) -> list[Markup]:
    trial, shape = result.held_out_inputs, result.input_shape
    if trial is None or shape is None:
        return []
    from sametask.report import neuron_figures

    if len(shape) in (2, 3):
        chosen = _spread_out(trial)
        images = [each[chosen].reshape(len(chosen), *shape) for each in (trial.true, trial.predicted)]
        picture, reach = neuron_figures.strip(images[0], images[1])
        caption = (
            "Inputs of samples that were left out, from the best reconstructed to the worst, at equal steps between. "
            "The difference is drawn from purple (too dark) over white to orange (too bright), full colour for "
            f"{_percent(reach)} of the range of the images."
        )
        alt = f"{len(chosen)} images, each with its reconstruction and the difference. {result.meaning}"
        panels = [("", markup.image(picture.uri, picture.size, alt))]
        return [section("Inputs", markup.figure(panels, caption))]
    width = trial.true.shape[1]
    spread = trial.true.std(axis=0)
    shown = np.sort(np.argsort(-spread, kind="stable")[:_SHOWN])
    panels = _panels(trial, shown, [f"input {k}" if width > 1 else "input" for k in range(width)])
    caption = "Reconstructed against true inputs, at samples that were left out; crosses lie outside the support."
    if width > _SHOWN:
        caption += f" Of {width} coordinates those that vary most are shown."
    return [section("Inputs", markup.figure(panels, caption))]


def _neurons(result: Reconstruction) -> list[Markup]:
    trial, share = result.held_out, result.r2
    order = np.argsort(np.where(np.isfinite(share), share, np.inf), kind="stable")
    order = order[: np.count_nonzero(np.isfinite(share))]
    if not len(order):
        return []
    names = [result.names[k] for k in result.others]
    few = len(order) <= 2 * _NAMED
    groups = [("", order)] if few else [("worst", order[:_NAMED]), ("best", order[-_NAMED:])]
    rows = []
    for place, group in groups:
        for k in group:
            error = float(np.sqrt(np.square(trial.predicted[:, k] - trial.true[:, k]).mean()))
            figures = _share(float(share[k])), wording.number(error), wording.number(float(trial.true[:, k].std()))
            rows.append((names[k], *([] if few else [place]), *figures))
    columns = ("Neuron", *([] if few else ["Among the"]), "R²", "Error (activation units)", "Spread (activation units)")
    caption = "All other neurons, the worst first." if few else "The neurons reconstructed worst and best."
    table = markup.table(columns, rows, caption=caption, class_="evidence")
    shown = np.array(list(dict.fromkeys(order[[0, len(order) // 2, -1]].tolist())))
    panels = _panels(trial, shown, names)
    caption = (
        "Reconstructed against true activations of the neuron reconstructed worst, one in the middle, and the best, at "
        "samples that were left out; crosses lie outside the support."
    )
    return [section("Other neurons", table, markup.figure(panels, caption))]


def _panels(trial: Trial, shown: Array, names: list[str]) -> list[tuple[str, Markup]]:
    from sametask.report import neuron_figures

    panels = []
    for k in shown:
        picture = neuron_figures.against(trial.true[:, k], trial.predicted[:, k], trial.inside)
        share = _share(float(explained(trial)[k]))
        alt = f"{names[k]}: reconstructed against true values, R² {share}."
        panels.append((f"{names[k]}: R² {share}", markup.image(picture.uri, picture.size, alt)))
    return panels


def _spread_out(trial: Trial) -> Array:
    """Rows from the least error to the greatest."""
    order = np.argsort(np.square(trial.predicted - trial.true).sum(axis=1), kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, _SHOWN).astype(int))]


def _footer(result: Reconstruction) -> Markup:
    method = (
        "All neurons together tell which samples are neighbours, and how far apart. A sample is placed on that "
        "manifold by what the few neurons say, and there cubics through the ten samples around, fitted to values and "
        "derivatives, say what everything else is. Derivatives of neurons are known from the probe; those of inputs "
        "are fitted to the samples around, unless inputs are the intrinsic coordinates."
    )
    certainty = (
        "The uncertainty of a sample is what neighbours alone miss of the values around it, what places are off by, "
        "and, where the few neurons fold, how far apart values of the two sheets are."
    )
    return element(
        "footer",
        element("h2", "How this was done"),
        paragraph(method),
        paragraph(certainty),
        paragraph(f"{len(result.held_out.rows):,} samples were left out in turns. Written by sametask {__version__}."),
        skeleton.source(),
    )


def _share(share: float) -> str:
    """R², which may be as good as 1."""
    return wording.number(share, 4) if share < 0.999 else f"1 − {wording.number(1 - share, 2)}"


def _percent(share: float) -> str:
    return f"{wording.number(100 * share)} %"
