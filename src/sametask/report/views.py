"""What the figures show, as plain arrays: samples, coordinates, colours, errors. Nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sametask._types import Array, Bool, Float, Int
from sametask.charts.chart import Chart
from sametask.matching import spectral
from sametask.matching.inverse import invert
from sametask.transformation import AnyMap
from sametask.verdict.folds import find_folds
from sametask.verdict.verdict import Trial, Verdict

MOST = 3000
"""Points drawn in one panel."""

_MATCHES = 4
"""Equally good matches shown."""
_MOST_INPUTS = 8
_AGREE = 0.6
_ROUND_TRIPS = 1000
_EXTENDED = 0.05


@dataclass(frozen=True)
class Partners:
    """Which row of the other chart stands at the same input, as far as anybody knows.

    Attributes:
        forward: (n1,) rows of the second chart.
        backward: (n2,) rows of the first chart.
        exact: whether both saw the same input; otherwise the match says so.
    """

    forward: Int[Array, " n1"]
    backward: Int[Array, " n2"]
    exact: bool


@dataclass(frozen=True)
class View:
    """A chart as it is drawn.

    Attributes:
        coordinates: (n, c) eigenfunctions, c = 2 or 3.
        labels: of the c axes.
        rows: the rows drawn.
        aligned: whether turned to look like the other network's.
        passed_over: how many leading eigenfunctions were not drawn, as they live on a few samples.
    """

    coordinates: Float[Array, "n c"]
    labels: tuple[str, ...]
    rows: Int[Array, " p"]
    aligned: bool = False
    passed_over: int = 0


@dataclass(frozen=True)
class Colour:
    """One quantity at the samples of both networks.

    Attributes:
        label: of the colour bar.
        words: what it is.
        note: what to know about it, a sentence.
        values: (n1,) and (n2,).
    """

    label: str
    words: str
    note: str
    values: tuple[Float[Array, " n1"], Float[Array, " n2"]]


@dataclass(frozen=True)
class ErrorMap:
    """Errors at some samples of one network.

    Attributes:
        name: of the panel.
        which: whose chart it is drawn on: 0 or 1.
        rows: (p,) chart rows.
        errors: (p,) relative to the root mean square spread of what is predicted.
        inside: (p,) whether within the support.
        measured: whether the errors were seen; otherwise they are those the transformation expects.
    """

    name: str
    which: int
    rows: Int[Array, " p"]
    errors: Float[Array, " p"]
    inside: Bool[Array, " p"]
    measured: bool


def sample(n: int, most: int = MOST) -> Int[Array, " p"]:
    """At most ``most`` of ``n`` rows, in an order without a pattern: the same rows for the same ``n``.

    Rows may have been recorded on a grid, where every tenth row would draw stripes; and what is drawn last lies on top.
    """
    return np.random.default_rng(0).permutation(n)[:most]


def partners(verdict: Verdict) -> Partners | None:
    """Who stands where whom, or None when nobody knows."""
    if verdict.charts is None:
        return None
    if verdict.match is not None:
        return Partners(verdict.match.forward.sample, verdict.match.backward.sample, False)
    n = [len(chart.rows) for chart in verdict.charts]
    if verdict.samples[2] >= n[0] == n[1]:  # charts of the very same inputs, in the same order
        return Partners(np.arange(n[0]), np.arange(n[0]), True)
    return None


def views(verdict: Verdict) -> tuple[View, View]:
    """Both charts, the second turned to look like the first where somebody knows how."""
    assert verdict.charts is not None
    first, second = verdict.charts
    known = partners(verdict)
    rows = sample(len(first.rows)), sample(len(second.rows))
    columns = _columns(first)
    one = View(_taken(first, columns), _labels(columns), rows[0], passed_over=_passed_over(first, columns))
    if known is not None:
        turned = _turned(first, second, columns, known)
        if turned is not None:
            return one, View(turned, _labels(columns), rows[1], aligned=True)
    own = _columns(second)
    coordinates = _taken(second, own)
    if known is not None:
        shared = min(coordinates.shape[1], one.coordinates.shape[1])
        overlap = np.einsum("nc,nc->c", coordinates[:, :shared], one.coordinates[known.backward, :shared])
        coordinates[:, :shared] *= np.where(overlap < 0, -1.0, 1.0)
    return one, View(coordinates, _labels(own), rows[1], passed_over=_passed_over(second, own))


def colours(verdict: Verdict) -> tuple[Colour, ...]:
    """What to colour both charts by: inputs where they are few numbers, otherwise the first's leading eigenfunction."""
    assert verdict.charts is not None
    first, second = verdict.charts
    inputs = _inputs(verdict)
    if inputs is not None:
        count = min(inputs[0].shape[1], max(chart.dimension for chart in verdict.charts), 2)
        name = "input" if inputs[0].shape[1] == 1 else "input coordinate {}"
        return tuple(
            Colour(
                f"{name.format(k + 1)} (in its own units)",
                name.format(k + 1),
                "Neither chart was told the inputs.",
                (inputs[0][:, k], inputs[1][:, k]),
            )
            for k in range(count)
        )
    known = partners(verdict)
    leading = first.functions[:, 0]
    label = "the first's eigenfunction 1 (unit mean square)"
    if known is None:
        own = second.functions[:, 0]
        return (
            Colour(
                "each one's own eigenfunction 1 (unit mean square)",
                "each network's own leading eigenfunction",
                "No correspondence is known, so that equal colours need not mean equal inputs.",
                (leading, own),
            ),
        )
    how = "its partner, which saw the same input," if known.exact else "the sample nearest to its image under the match"
    return (
        Colour(
            label,
            "the first network's leading eigenfunction",
            f"Each sample of the second takes the value that {how} has in the first.",
            (leading, leading[known.backward]),
        ),
    )


def equally_good(verdict: Verdict) -> list[Float[Array, " n2"]]:
    """The first network's colour at the second's samples, under the match taken and some that are as good; none where
    there is only one."""
    match = verdict.match
    if match is None or verdict.transformation is None or min(match.ambiguity, len(match.candidates)) == 1:
        return []
    others = match.candidates[1 : min(match.ambiguity, _MATCHES)]
    backward = [match.backward, *(invert(each.images, match.first, match.second) for each in others)]
    values = colours(verdict)[0].values[0]
    return [values[each.sample] for each in backward]


def folded(verdict: Verdict, which: int) -> Bool[Array, " n"] | None:
    """Which charted samples of a network are folded, or None where folds are no more than stray samples."""
    if verdict.charts is None or not verdict.folds[which].any:
        return None
    found, chart = verdict.folds[which], verdict.charts[which]
    if verdict.match is None:
        # a chart of paired samples does not know their rows in the probe, which those of the verdict's folds are
        found = find_folds(chart.probe)
        return found.folded | found.turning
    return (found.folded | found.turning)[chart.rows]


def fold_views(verdict: Verdict, shown: tuple[View, View]) -> list[tuple[int, int, Bool[Array, " n"]]]:
    """(whose folds, on whose chart, which samples there): on the other's chart, if that is whole and known."""
    known = partners(verdict)
    found = []
    for which in (0, 1):
        flags = folded(verdict, which)
        if flags is None:
            continue
        other = 1 - which
        if known is not None and known.exact and not verdict.folds[other].any:
            found.append((which, other, flags))
        else:
            found.append((which, which, flags))
    return found


def trial_places(verdict: Verdict, trial: Trial) -> Int[Array, " k"]:
    """Rows of the first's chart that the rows of a trial are, −1 for those not charted."""
    assert verdict.charts is not None
    first, second = verdict.charts
    if verdict.match is not None:
        position = {int(row): k for k, row in enumerate(first.rows)}
        return np.array([position.get(int(row), -1) for row in trial.rows], np.int64)
    # Rows of the two charts belong together, and what was to be predicted is one of the target's own rows.
    target = (second if trial.forward else first).probe.activations.astype(np.float64)
    position = {row.tobytes(): k for k, row in enumerate(target)}
    return np.array([position.get(row.tobytes(), -1) for row in trial.true.astype(np.float64)], np.int64)


def error_maps(verdict: Verdict) -> list[ErrorMap]:
    """Errors seen in the trial, and errors the transformation expects at every sample."""
    if verdict.charts is None:
        return []
    maps = []
    trial = verdict.trial
    if trial is not None:
        target = int(trial.forward)
        rows = trial_places(verdict, trial)
        kept = np.flatnonzero(rows >= 0)
        kept = kept[sample(len(kept))]
        errors = np.linalg.norm(trial.predicted[kept] - trial.true[kept], axis=1)
        relative = errors / spread(verdict.charts[target].probe.activations)
        if len(kept):
            maps.append(ErrorMap("error in the trial", 0, rows[kept], relative, trial.inside[kept], True))
    transformation = verdict.transformation
    if transformation is not None:
        source = 0 if transformation.there is not None else 1
        way = transformation.there if source == 0 else transformation.back
        if way is not None:
            maps.append(_expected(verdict.charts[source], source, way))
    return maps


def round_trip(verdict: Verdict) -> tuple[Float[Array, "k m"], Float[Array, "k m"]] | None:
    """Activations of the first network, and the same carried to the second and back; None if only one way exists."""
    transformation = verdict.transformation
    if verdict.charts is None or transformation is None or not (transformation.there and transformation.back):
        return None
    activations = verdict.charts[0].probe.activations
    true = activations[sample(len(activations), _ROUND_TRIPS)].astype(np.float64)
    return true, transformation.round_trip(true)


def leading_neurons(true: Float[Array, "k m"], count: int = 3) -> list[int]:
    """The neurons that vary most, in their order."""
    variance = true.var(axis=0)
    chosen = np.argsort(-variance, kind="stable")[:count]
    return sorted(int(k) for k in chosen if variance[k] > 0)


def spread(activations: Float[Array, "n m"]) -> float:
    """Root mean square distance from the mean."""
    centred = activations - activations.mean(axis=0, dtype=np.float64)
    return float(max(np.sqrt(np.square(centred).sum(axis=1).mean()), np.finfo(float).tiny))


def _expected(chart: Chart, source: int, way: AnyMap) -> ErrorMap:
    rows = sample(len(chart.rows))
    estimate = way(chart.probe.activations[rows].astype(np.float64))
    relative = estimate.uncertainty / spread(estimate.value)
    return ErrorMap("error expected", source, rows, relative, estimate.inside, False)


def _columns(chart: Chart) -> tuple[int, ...]:
    """Two or three eigenfunctions to draw: independent ones where there are two, otherwise the first two.

    Eigenfunctions that live on a few stray samples, as folded activations have, would draw those and nothing else:
    they are passed over where others are left.
    """
    extended = np.flatnonzero(participation(chart) >= _EXTENDED)
    independent = [k for k in chart.coordinates_index if k in extended]
    for columns in (independent, extended, range(len(chart.eigenvalues))):
        if len(columns) >= 2:
            return tuple(int(k) for k in columns[: 3 if columns is independent else 2])
    return (0,)


def _passed_over(chart: Chart, columns: tuple[int, ...]) -> int:
    return int(np.sum(participation(chart)[: columns[-1]] < _EXTENDED))


def participation(chart: Chart) -> Float[Array, " e"]:
    """Share of the manifold that each eigenfunction lives on: ⟨f²⟩² / ⟨f⁴⟩, two thirds for a cosine."""
    squares = np.square(chart.functions)
    fourth = chart.stationary @ np.square(squares)
    return np.square(chart.stationary @ squares) / np.maximum(fourth, np.finfo(float).tiny)


def _taken(chart: Chart, columns: tuple[int, ...]) -> Float[Array, "n c"]:
    taken = chart.functions[:, list(columns)]
    if taken.shape[1] == 1:
        taken = np.concatenate([taken, np.zeros_like(taken)], axis=1)
    return taken


def _labels(columns: tuple[int, ...]) -> tuple[str, ...]:
    labels = tuple(f"eigenfunction {k + 1} (unit mean square)" for k in columns)
    return labels if len(labels) > 1 else (*labels, "(no second eigenfunction)")


def _turned(first: Chart, second: Chart, columns: tuple[int, ...], known: Partners) -> Float[Array, "n c"] | None:
    """The second's eigenfunctions turned to the first's ``columns``: Procrustes in each block, as nothing else is free.

    None where the result does not resemble the first's: then turning would only pretend.
    """
    e = min(len(first.eigenvalues), len(second.eigenvalues))
    if first.dimension != second.dimension or max(columns) >= e or len(columns) < 2:
        return None
    groups = spectral.shared_blocks(first, second)
    taken = {k for group in groups for k in group}
    groups = (*groups, *((k,) for k in columns if k not in taken))
    weight = second.stationary[:, None]
    wanted = first.functions[known.backward][:, list(columns)]
    result = np.empty_like(wanted)
    for group in groups:
        here = [j for j, k in enumerate(columns) if k in group]
        if not here:
            continue
        part = second.functions[:, list(group)]
        left, _, right = np.linalg.svd(part.T @ (weight * wanted[:, here]), full_matrices=False)
        result[:, here] = part @ (left @ right)
    sizes = np.sqrt((weight * np.square(wanted)).sum(axis=0) * (weight * np.square(result)).sum(axis=0))
    agreement = (weight * wanted * result).sum(axis=0) / np.maximum(sizes, np.finfo(float).tiny)
    return result if agreement.min() >= _AGREE else None


def _inputs(verdict: Verdict) -> tuple[Array, Array] | None:
    """(n1, c) and (n2, c) inputs, where both were given the same few numbers."""
    assert verdict.charts is not None
    found = []
    for chart in verdict.charts:
        inputs = chart.probe.inputs
        if inputs is None or inputs.dtype.kind not in "fiu":
            return None
        inputs = inputs.reshape(len(inputs), -1).astype(np.float64)
        if not 1 <= inputs.shape[1] <= _MOST_INPUTS or not np.isfinite(inputs).all():
            return None
        found.append(inputs)
    one, two = found
    if one.shape[1] != two.shape[1]:
        return None
    # Where samples are known to have seen the same input, the numbers must agree, or they mean different things.
    known = partners(verdict)
    if known is not None and known.exact:
        pairs = np.stack([np.arange(len(one)), known.forward], axis=1)
    else:
        pairs = np.empty((0, 2), np.int64) if verdict.match is None else verdict.match.anchors
    scale = np.maximum(np.ptp(one, axis=0), np.finfo(float).tiny)
    apart = np.abs(one[pairs[:, 0]] - two[pairs[:, 1]]) / scale
    return (one, two) if len(pairs) == 0 or np.median(apart, axis=0).max() < 1e-3 else None
