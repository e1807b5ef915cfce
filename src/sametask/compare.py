"""The whole pipeline on one screen: two probes in, a verdict out."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sametask import _check, report
from sametask._check import InputError
from sametask._types import Array
from sametask.charts import DiffusionChart
from sametask.evidence.grouping import joined
from sametask.given import as_probe, ids_of
from sametask.matching.known import known_of
from sametask.measures import FEWEST, Similarity, similarity
from sametask.probes import Probe, StoredProbe
from sametask.probes.probe import check_groups
from sametask.probes.units import input_units as taken_units
from sametask.probes.units import rescaled
from sametask.verdict import diagnosis
from sametask.verdict.judge import judge
from sametask.verdict.judging import PAIRED, Case
from sametask.verdict.reading import Read, read
from sametask.verdict.single import Single
from sametask.verdict.terms import Terms
from sametask.verdict.verdict import Verdict, by_weight

_MEASURED = 10_000
"""Rows that the usual measures are taken at, at most: they tell nothing apart that more would."""


def compare(
    first: Any,
    second: Any,
    inputs: Any = None,
    *,
    layers: Any = None,
    ids: Any = None,
    anchors: Any = "ids",
    anchor_noise: float | None = None,
    relative_scale: float | None = 1.0,
    observables: Any = None,
    sampled_alike: bool = False,
    input_units: Any = None,
    tolerance: float | None = 0.05,
    units: str = "layer",
    groups: Any = None,
    level: float = 0.95,
    seed: int = 0,
    method: DiffusionChart | None = None,
) -> Verdict:
    """Have two networks learned the same thing, and if so, what turns one into the other?

    With correspondences for many samples maps are fitted in each direction, from the identity to a smooth one, and the
    error of the best on rows that it has not seen is bounded. Yes is said only if the bound is within the tolerance;
    no only if rows that lie side by side in one network are so far apart in the other that no map of moderate slope
    could be, and the test of functions agrees; otherwise the answer is that these samples cannot tell, and how equal
    they show the two to be. With a few (anchors) or none the two are matched by geometry: neighbourhoods must be
    carried rigidly; the tolerance has no part in that yet.

    Args:
        first, second: the two networks, as probes, each seen at samples of the same manifold of inputs; or what is at
            hand: activations (n, m) or (n, …) as an array, a tensor, a data frame or the name of a .npy file; the name
            of a saved probe; networks, torch modules or functions, with ``inputs``. Activations alone are compared by
            maps between rows that correspond, and need a tolerance. Of stored probes that are larger than ten times
            ``method.landmarks`` or 2 GiB together as many rows are read: those that correspond, some that sets and
            orders name, and others; :attr:`Verdict.rows` says which.
        inputs: (n, …) what networks are given that are not probed yet. If each holds up to three numbers, these are
            taken for coordinates, and neighbourhoods are seen as well.
        layers: of torch modules; the output if None.
        ids: (n,) whole numbers or strings that name the rows of recorded activations, or a pair of such arrays; None
            takes row by row what has no ids, if lengths agree.
        anchors: which samples saw the same input: ``"ids"`` for rows whose ids agree, an (k, 2) array of pairs of
            rows, or None (or an empty list) when nobody knows. A list of pairs may also hold ``st.SameSet(rows_first,
            rows_second)`` (these and those belong to one set) and ``st.SameOrder(rows_first, rows_second)`` (rows in
            ascending order of one and the same quantity).
        anchor_noise: how far apart, per direction and in intrinsic units, inputs were that are taken for the same; None
            tells it from how well anchors agree.
        relative_scale: lengths in the second network's neighbourhoods for each in the first's, where they were told in
            different units; None where nobody knows: then any factor is allowed for.
        observables: what is known on both sides without pairs of rows, to choose between matches that geometry cannot
            tell apart: ``(a, b)`` with a value, or a row of values, for every sample of the first and of the second
            probe, or a list of such pairs. Floats are numbers in the same unit on both sides, strings and booleans
            labels; whole numbers are labels where there are at most 32 different ones. NaN, None and ``""`` say that
            it is not known.
        sampled_alike: whether inputs were drawn from the same distribution, so that densities of samples must agree.
        input_units: (D,) what counts as one unit of length along each input coordinate, where inputs are the intrinsic
            coordinates; ``"as given"`` for ones. None takes for each the power of ten nearest to how many times as
            widely it is spread, over both probes' inputs together, as the coordinate spread least: pascals beside
            kelvins count in hundreds, and coordinates of one size stay as they are. :attr:`Verdict.input_units` says
            which were taken; intrinsic lengths are in these.
        tolerance: loss up to which one network determines the other: root mean square error of the best map, as a share
            of the target's spread. None asks the exact question, as far as these samples can show.
        units: of losses: ``"layer"`` takes all neurons together, and is the same for any rotation; ``"neuron"`` takes
            the neuron that is predicted worst, each in its own spread.
        groups: (n,) what belongs together, such as frames of one clip: whole numbers or strings, one for each sample
            of the first probe, or a pair of such arrays for both. Rows of one group are never on both sides of a split.
            Near-duplicates are grouped besides.
        level: probability with which all bounds hold.
        seed: of the resampling behind noise floors and nulls.
        method: how to chart.

    Returns:
        The verdict.

    Raises:
        InputError: probes are not probes; ids are missing or do not overlap; anchors are not pairs of rows, name rows
            that do not exist or a sample twice; noise is negative or scale not positive; observables have no value for
            each sample, or are not of one kind; units are not positive, one for each input coordinate; the tolerance is
            not between 0 and 1; groups are not one for each sample.

    Examples:
        >>> import numpy as np, sametask as st
        >>> x = np.random.default_rng(0).uniform(0, 1, (300, 1))
        >>> a = st.from_callable(lambda x: np.hstack([x, x**2, np.sin(x)]))
        >>> b = st.from_callable(lambda x: np.hstack([np.exp(x), np.cos(x)]))
        >>> step = st.CentralDifference(1e-4)
        >>> st.compare(st.probe(a, x, step), st.probe(b, x, step)).decision
        <Decision.EQUIVALENT: 'equivalent'>
    """
    seed = _check.count("seed", seed, least=0)
    first, second = _probes(first, second, inputs, layers, ids, seed)
    recorded = not (first.dimension and second.dimension)
    method = DiffusionChart() if method is None else method
    if not isinstance(method, DiffusionChart):
        raise InputError(f"method: {_check.shown(method)}; give st.DiffusionChart(…)")
    anchors, known = known_of((len(first), len(second)), anchors, observables, sampled_alike)
    pairs = _pairs(first, second, anchors, in_order=recorded)
    if anchor_noise is not None:
        anchor_noise = _check.not_negative("anchor_noise", anchor_noise)
    if relative_scale is not None:
        relative_scale = _check.length_ratio("relative_scale", relative_scale)
    terms = Terms.of(tolerance, units, level)
    labels = _labels(groups, first, second)
    if recorded:
        _check_recorded(pairs, terms)
    seen = read((first, second), pairs, known, method.looked_at, seed)
    kept = seen.pairs[: None if len(seen.pairs) < PAIRED else 0]
    lengths = taken_units(seen.probes, input_units)
    probes = [rescaled(probe, lengths) for probe in seen.probes]
    one, two = (Single.of(probe, method, seed, kept[:, k]) for k, probe in enumerate(probes))
    case = Case(
        (one, two),
        seen.pairs,
        np.random.default_rng(seed),
        anchor_noise,
        relative_scale,
        seen.known,
        terms=terms,
        groups=_of_pairs(labels, seen),
    )
    return told(case, lengths, seen.rows, (len(first), len(second)))


def told(
    case: Case,
    units: tuple[float, ...] | None,
    rows: tuple[Array | None, Array | None] = (None, None),
    of: tuple[int, int] = (0, 0),
) -> Verdict:
    """The verdict on two networks, from what each shows by itself in some units of inputs; and which rows of how many
    were read, if not all."""
    first, second = (single.given for single in case.singles)
    judgement = judge(case)
    transformation = judgement.transformation
    if transformation is not None:
        transformation = dataclasses.replace(transformation, input_units=units)
    findings = [*case.singles[0].findings("first"), *case.singles[1].findings("second"), *judgement.findings]
    findings += diagnosis.read_in_part(rows, of)
    if units is None:
        findings += diagnosis.unlike_inputs(first, "first") + diagnosis.unlike_inputs(second, "second")
    return Verdict(
        decision=judgement.decision,
        confidence=judgement.confidence,
        evidence=judgement.evidence,
        diagnosis=by_weight(findings),
        transformation=transformation,
        names=(first.name, second.name),
        charts=judgement.charts,
        ranks=case.ranks,
        folds=case.folds,
        match=judgement.match,
        samples=(len(first), len(second), len(case.pairs)),
        trial=judgement.trial,
        samples_needed=judgement.needed,
        renderer=report.write,
        measures=_usual(first, second, case.pairs),
        input_units=units,
        terms=case.terms,
        loss=judgement.loss,
        answers=judgement.determines,
        rows=rows,
    )


def _probes(
    first: Any, second: Any, inputs: Any, layers: Any, ids: Any, seed: int
) -> tuple[Probe | StoredProbe, Probe | StoredProbe]:
    """Both as probes, under names of their own."""
    for whose, each in (("first", first), ("second", second)):
        if each is None:
            raise InputError(f"{whose}: None; give activations (n, m), a network and inputs=, or an st.Probe")
    names, found = ids_of(ids, first, second), []
    for k, (whose, each) in enumerate((("first", first), ("second", second))):
        given = None if isinstance(each, Probe | StoredProbe) else names[k]
        found.append(as_probe(whose, each, inputs=inputs, layers=layers, ids=given, seed=seed))
    if ids is not None and isinstance(first, Probe | StoredProbe) and isinstance(second, Probe | StoredProbe):
        raise InputError("ids: those of probes are fixed; give them to st.probe or Probe.from_…")
    return found[0], found[1]


def _check_recorded(pairs: Array, terms: Terms) -> None:
    """Refuse what activations alone cannot answer."""
    remedy = "probe both networks with neighbourhoods (st.probe)"
    if terms.tolerance is None:
        raise InputError(
            f"tolerance: None asks the exact question, which recorded activations cannot answer; give one, or {remedy}"
        )
    if len(pairs) < 3:
        raise InputError(
            f"anchors: {len(pairs)} rows that correspond; recorded activations are compared by maps between 3 or more "
            f"(many more for a bound), or {remedy}"
        )


def _labels(groups: Any, first: Probe | StoredProbe, second: Probe | StoredProbe) -> tuple[Array | None, Array | None]:
    """Groups of the samples of either probe, numbered; None where nothing is known."""
    lengths = (len(first), len(second))
    if groups is None:
        return first.groups, second.groups
    both = isinstance(groups, tuple | list) and len(groups) == 2 and lengths[0] != 2
    found = (
        [None if each is None else check_groups(each, n) for each, n in zip(groups, lengths, strict=True)]
        if both
        else [check_groups(groups, lengths[0]), None]
    )
    return found[0], found[1]


def _of_pairs(labels: tuple[Array | None, Array | None], seen: Read) -> Array | None:
    """Groups of the pairs that were read, by what is known on either side."""
    found = []
    for k, each in enumerate(labels):
        if each is not None:
            rows = seen.rows[k]
            found.append((each if rows is None else each[rows])[seen.pairs[:, k]])
    return joined(*found) if found and len(seen.pairs) else None


def _usual(first: Probe, second: Probe, pairs: Array) -> Similarity | None:
    """What the usual measures say where enough samples correspond; they do not decide."""
    if len(pairs) < FEWEST:
        return None
    if len(pairs) > _MEASURED:
        pairs = pairs[np.linspace(0, len(pairs) - 1, _MEASURED).astype(np.int64)]
    try:
        return similarity(first.activations[pairs[:, 0]], second.activations[pairs[:, 1]])
    except InputError:  # at these samples a network says always the same
        return None


def _pairs(first: Probe | StoredProbe, second: Probe | StoredProbe, anchors: Any, *, in_order: bool) -> Array:
    """(k, 2) rows that saw the same input; ``in_order`` takes row by row what has no ids."""
    if isinstance(anchors, str):
        if anchors != "ids":
            raise InputError(f"anchors: {anchors!r}; give 'ids', an (k, 2) array of pairs of rows, or None")
        if in_order and (first.ids is None or second.ids is None):
            return _row_by_row(first, second)
        return _shared_ids(first, second)
    return _check.row_pairs("anchors", anchors, (len(first), len(second)))


def _row_by_row(first: Probe | StoredProbe, second: Probe | StoredProbe) -> Array:
    if len(first) != len(second):
        raise InputError(
            f"second: {len(second)} rows, but first has {len(first)}; give rows that correspond one to one, or ids= "
            "that say which do"
        )
    return np.repeat(np.arange(len(first))[:, None], 2, axis=1)


def _shared_ids(first: Probe | StoredProbe, second: Probe | StoredProbe) -> Array:
    for probe, whose in ((first, "first"), (second, "second")):
        if probe.ids is None:
            raise InputError(f"anchors: the {whose} probe has no ids; give it ids, or anchors=None to match without")
    assert first.ids is not None and second.ids is not None
    if (first.ids.dtype.kind == "U") != (second.ids.dtype.kind == "U"):
        raise InputError("anchors: ids of one probe are numbers, of the other strings; give both the same kind")
    pairs = shared_rows(first, second)
    if len(pairs) == 0:
        raise InputError(
            "anchors: the two probes have no id in common; give samples that saw the same input the same id, "
            "or anchors=None to match without correspondences"
        )
    return pairs


def shared_rows(first: Probe | StoredProbe, second: Probe | StoredProbe) -> Array:
    """(k, 2) rows of equal ids, in the order of the first's; both have some."""
    assert first.ids is not None and second.ids is not None
    _, a, b = np.intersect1d(first.ids, second.ids, assume_unique=True, return_indices=True)
    order = np.argsort(a)
    return np.stack([a[order], b[order]], axis=1).astype(np.int64)
