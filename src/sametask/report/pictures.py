"""The sections with figures: what is drawn, its caption, and its description for those who do not see it."""

from __future__ import annotations

import numpy as np

from sametask._types import Array
from sametask.charts.chart import Chart
from sametask.report import clouds, figures, views, wording
from sametask.report.canvas import Picture
from sametask.report.markup import Markup, element, figure, image, paragraph, section
from sametask.report.views import ErrorMap, Partners, View
from sametask.verdict.evidence import Evidence
from sametask.verdict.floors import COMPARED
from sametask.verdict.verdict import Verdict


def sections(verdict: Verdict) -> list[Markup]:
    """Spectra, charts, predictions, errors, noise floors; what cannot be shown is said in a sentence."""
    if verdict.charts is None:
        nothing = paragraph(
            "No chart could be made of these samples, so that there is nothing to draw: see the findings."
        )
        return [section("Charts and predictions", nothing), _floors(verdict)]
    shown = views.views(verdict)
    return [
        _spectra(verdict.charts, wording.names(verdict)),
        _charts(verdict, shown),
        *_matches(verdict, shown),
        _predictions(verdict),
        _errors(verdict, shown),
        _floors(verdict),
    ]


def _image(picture: Picture, alt: str) -> Markup:
    return image(picture.uri, picture.size, alt)


# -- spectra and charts ----------------------------------------------------------------------------------------------


def _spectra(charts: tuple[Chart, Chart], names: tuple[str, str]) -> Markup:
    one, two = (chart.eigenvalues for chart in charts)
    compared = min(COMPARED, len(one), len(two))
    leading = [", ".join(wording.number(float(value)) for value in each[:3]) for each in (one, two)]
    alt = (
        f"Eigenvalues of {names[0]} (filled circles) and {names[1]} (open squares) against their index, with their "
        f"blocks and their ratio. The first three are {leading[0]} and {leading[1]}."
    )
    caption = (
        f"Laplace–Beltrami eigenvalues λ of {names[0]} (filled circles) and {names[1]} (open squares), in inverse "
        "squared intrinsic units. They belong to the manifold of inputs, not to the network: two networks that carry "
        "the same manifold have the same. Middle: coloured bars join eigenvalues that are equal within their noise "
        "into blocks; in a block eigenfunctions are fixed only together. Bottom: the ratio of the two. The figure "
        f"“difference of spectra” compares the shaded first {compared}."
    )
    if min(one.min(), two.min()) < figures.LEAST * max(one.max(), two.max()):
        caption += " Triangles mark eigenvalues too small to draw."
    return section("Spectra", figure([("", _image(figures.spectra(charts, names), alt))], caption))


def _charts(verdict: Verdict, shown: tuple[View, View]) -> Markup:
    names = wording.names(verdict)
    coloured = views.colours(verdict)
    panels = []
    for colour in coloured:
        joint = np.concatenate(colour.values)
        bounds = (float(joint.min()), float(joint.max()))
        for which in (0, 1):
            view = shown[which]
            picture = clouds.chart(view, colour.values[which], colour.label, bounds, _extent(shown, which))
            alt = (
                f"The chart of {names[which]}: {len(view.rows)} samples in {len(view.labels)} diffusion coordinates, "
                f"coloured by {colour.words}, from {wording.number(bounds[0])} to {wording.number(bounds[1])}."
            )
            panels.append((names[which], _image(picture, alt)))
    by = " (above) and by ".join(colour.words for colour in coloured) + " (below)" * (len(coloured) > 1)
    caption = [
        "Each network's own picture of the inputs: samples in diffusion coordinates, which are eigenfunctions of "
        f"unit mean square, coloured by {'the ' * (by == 'input')}{by}.",
        coloured[0].note,
        _orientation(shown, views.partners(verdict)),
        *(_passed_over(view, name) for view, name in zip(shown, names, strict=True) if view.passed_over),
    ]
    if any(len(view.labels) > 2 for view in shown):
        caption.append("Paler points lie farther back.")
    if any(len(view.rows) < len(view.coordinates) for view in shown):
        caption.append(f"No more than {views.MOST:,} samples of each are drawn.")
    return section("Charts", figure(panels, " ".join(caption)))


def _matches(verdict: Verdict, shown: tuple[View, View]) -> list[Markup]:
    """What equally good matches differ by, in a picture each."""
    carried = views.equally_good(verdict)
    if not carried:
        return []
    first, second = wording.names(verdict)
    colour = views.colours(verdict)[0]
    bounds = (float(colour.values[0].min()), float(colour.values[0].max()))
    panels = []
    for k, values in enumerate(carried):
        title = "The match taken" if k == 0 else f"Another, as good ({k + 1})"
        picture = clouds.chart(shown[1], values, colour.label, bounds, _extent(shown, 1))
        alt = f"The chart of {second} coloured by {colour.words} as this match carries it over from {first}."
        panels.append((title, _image(picture, alt)))
    caption = (
        f"{wording.capital(wording.matches_left(verdict))}. Each picture is the chart of {second}, coloured by "
        f"{colour.words} as one of them carries it over from {first}."
    )
    return [section("Matches that agree equally well", figure(panels, caption))]


def _extent(shown: tuple[View, View], which: int) -> list[tuple[float, float]]:
    """Of the axes: the same for both networks where their pictures compare."""
    return clouds.limits(shown if shown[1].aligned else shown[which : which + 1])


def _orientation(shown: tuple[View, View], known: Partners | None) -> str:
    if known is None:
        return "No correspondence is known: each chart is shown as it came, and may be mirrored or rotated."
    if not shown[1].aligned:
        return (
            "The second's eigenfunctions do not resemble the first's: its coordinates are its own, and only their "
            "signs were chosen to look alike."
        )
    how = "samples that saw the same input" if known.exact else "the match"
    return (
        "Eigenfunctions are fixed only up to sign, and within a block up to rotation: those of the second network "
        f"were turned to the first's by {how}."
    )


def _passed_over(view: View, name: str) -> str:
    count = view.passed_over
    return (
        f"{count} eigenfunction{'s' * (count != 1)} of {name} that live{'s' * (count == 1)} on a few stray samples "
        + ("were passed over." if count != 1 else "was passed over.")
    )


# -- predictions and errors ------------------------------------------------------------------------------------------


def _predictions(verdict: Verdict) -> Markup:
    title = "Predicted against true activations"
    trial, names = verdict.trial, wording.names(verdict)
    if trial is not None:
        target, source = names[::-1] if trial.forward else names
        words = (
            f"Activations of {target}, predicted from those of {source}, at {len(trial.rows):,} samples that the "
            "prediction was not fitted to, and (below) predicted less true. The line is where the two agree; crosses "
            "lie outside the support. The root mean square error over all "
            f"{_neurons(trial.true)}{', within the support,' if trial.inside.any() else ''} is "
            f"{wording.number(trial.error)} of their spread. Shown are those that vary most."
        )
        return section(
            title,
            _compared(
                trial.true, trial.predicted, trial.inside, _labels(verdict, int(trial.forward)), words, "predicted"
            ),
        )
    if verdict.transformation is None:
        return section(title, paragraph("There is no transformation, and so nothing to predict with."))
    nothing = "No samples were to spare for a trial, so that no prediction could be held against the truth."
    back = views.round_trip(verdict)
    if back is None:
        return section(title, paragraph(nothing))
    true, returned = back
    error = float(np.sqrt(np.square(true - returned).sum(axis=1).mean()) / views.spread(true))
    words = (
        f"Activations of {names[0]}, the same carried to {names[1]} and back, at {len(true):,} samples, and (below) "
        "their difference. A round trip shows that the two directions undo each other; it does not show that either "
        f"is right. The root mean square difference over all {_neurons(true)} is {wording.number(error)} of their "
        "spread. Shown are those that vary most."
    )
    inside = np.ones(len(true), bool)
    return section(
        title,
        paragraph(f"{nothing} Shown instead is the round trip."),
        _compared(true, returned, inside, _labels(verdict, 0), words, "returned"),
    )


def _compared(true: Array, predicted: Array, inside: Array, labels: tuple[str, ...], words: str, verb: str) -> Markup:
    rows = views.sample(len(true))
    panels = []
    for k in views.leading_neurons(true):
        residual = np.square(true[:, k] - predicted[:, k]).sum()
        share = 1 - float(residual / np.square(true[:, k] - true[:, k].mean()).sum())
        determined = f"R² {wording.determined(share)}"
        picture = figures.agreement(
            true[rows, k].astype(np.float64), predicted[rows, k].astype(np.float64), inside[rows], verb
        )
        alt = f"{verb.capitalize()} against true activation of {labels[k]}: {determined}."
        panels.append((f"{wording.short(labels[k], 40)}: {determined}", _image(picture, alt)))
    return figure(panels, words)


def _neurons(activations: Array) -> str:
    count = activations.shape[1]
    return f"{count:,} neurons" if count > 1 else "one neuron"


def _labels(verdict: Verdict, which: int) -> tuple[str, ...]:
    assert verdict.charts is not None
    return tuple(wording.printable(name) for name in verdict.charts[which].probe.neurons)


def _errors(verdict: Verdict, shown: tuple[View, View]) -> Markup:
    names = wording.names(verdict)
    maps = views.error_maps(verdict)
    bounds = _bounds(maps)
    panels = []
    for each in maps:
        picture = clouds.error_map(shown[each.which], each, bounds, _extent(shown, each.which))
        median, largest = (wording.number(float(value)) for value in (np.median(each.errors), each.errors.max()))
        alt = (
            f"The chart of {names[each.which]}, {len(each.rows)} samples coloured by {each.name}: median {median}, "
            f"largest {largest} of the spread; {int((~each.inside).sum())} outside the support."
        )
        panels.append((f"{each.name} (chart of {names[each.which]})", _image(picture, alt)))
    pieces = (
        [figure(panels, _error_words(maps))]
        if panels
        else [paragraph("There is no transformation whose errors could be shown.")]
    )
    for whose, where, flags in views.fold_views(verdict, shown):
        picture = clouds.fold_map(shown[where], flags, _extent(shown, where))
        share = f"{verdict.folds[whose].share:.1%}"
        alt = f"The chart of {names[where]} with the samples marked at which {names[whose]} folds, {share} of all."
        how = ", which saw the same inputs." if where != whose else "; a folded chart is itself not to be trusted."
        caption = (
            f"Where {names[whose]} folds (triangles): samples whose activations also belong to other inputs, {share} "
            f"of all. Drawn on the chart of {names[where]}{how}"
        )
        pieces.append(figure([("", _image(picture, alt))], caption))
    return section("Where the errors are", *pieces)


def _bounds(maps: list[ErrorMap]) -> tuple[float, float]:
    """Of the colours: all but the smallest and largest few."""
    errors = np.concatenate([np.empty(0), *(each.errors for each in maps)])
    positive = errors[(errors > 0) & np.isfinite(errors)]
    if len(positive) == 0:
        return 1e-6, 1.0
    low, high = np.quantile(positive, [0.02, 0.995])
    return float(min(low, high / 3)), float(high)


def _error_words(maps: list[ErrorMap]) -> str:
    words = []
    if any(each.measured for each in maps):
        words.append("Error in the trial: the length of the error at each sample of the trial; the others are grey.")
    if any(not each.measured for each in maps):
        words.append(
            "Error expected: what the transformation itself expects, from how well each sample's neighbours predict "
            "it, and from the uncertainty of the match."
        )
    return " ".join(
        [
            *words,
            f"{'Both are' if len(maps) > 1 else 'It is'} relative to the root mean square spread of what is "
            "predicted, on a logarithmic scale. Crosses lie outside the transformation's support, where it "
            "extrapolates.",
        ]
    )


# -- noise floors ----------------------------------------------------------------------------------------------------


def _floors(verdict: Verdict) -> Markup:
    title = "Noise floors and nulls"
    if not verdict.evidence:
        return section(title, paragraph("Without figures there are no noise floors."))
    alt = "Each figure between its noise floor (0) and its null (1): " + "; ".join(
        f"{shown.name} {_place(shown)}" for shown in verdict.evidence
    )
    caption = (
        "No threshold was set beforehand: each figure (in colour, with two standard errors of its own and of its "
        "floor to either side) is read between what this very data shows where the claim is known to hold, the noise "
        "floor, and where it is known not to, the null. Circles speak for the claim, squares against it, diamonds "
        "for neither; in the shaded middle the probability is between 0.1 and 0.9. Triangles point to values off the "
        "scale."
    )
    definitions = []
    for shown in verdict.evidence:
        floor, null = wording.ends(shown)
        definitions += [
            element("dt", wording.capital(shown.name)),
            element("dd", f"Noise floor: {floor}. Null: {null}."),
        ]
    return section(
        title,
        figure([("", _image(figures.ladder(verdict.evidence), f"{alt}."))], caption),
        element("dl", *definitions),
    )


def _place(shown: Evidence) -> str:
    return f"at {shown.position:.2f}" if shown.separable else "with its ends too close to tell apart"
