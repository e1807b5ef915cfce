"""Questions beyond that of two networks: many at once."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sametask import _check, _cluster
from sametask._check import InputError
from sametask._types import Array
from sametask.charts import DiffusionChart
from sametask.classes import diagnosis
from sametask.classes.classes import Classes, Undecided
from sametask.classes.pairwise import Pairwise
from sametask.classes.partition import mirrored, partition
from sametask.compare import shared_rows, told
from sametask.probes import Probe, StoredProbe
from sametask.probes.probe import check_neighbourhoods
from sametask.probes.units import input_units as taken_units
from sametask.probes.units import rescaled
from sametask.report import classes_page
from sametask.verdict.diagnosis import read_in_part
from sametask.verdict.reading import places, read_all
from sametask.verdict.verdict import Verdict, by_weight


def classes(
    probes: Sequence[Probe | StoredProbe],
    *,
    anchors: Any = "ids",
    input_units: Any = None,
    seed: int = 0,
    method: DiffusionChart | None = None,
    n_jobs: int = 1,
    client: Any = None,
) -> Classes:
    """Which of many networks are the same, and which determine others?

    Each two are judged as :func:`compare` judges them. What belongs to one network, its chart and what it shows against
    itself, is told once. Pairs that geometry alone would have to bring together are matched, where that is possible,
    from the composition of matches to a third network, and are told to be inequivalent where one is equivalent to a
    third and the other surely is not: :attr:`Classes.answers` says of each how it is known. Two classes are joined
    where two of their members are equivalent, the surest first; never where any two of their members are surely not.

    Args:
        probes: of the networks, two or more, each seen at samples of the same manifold of inputs. Names that repeat are
            numbered. Of stored probes that are together larger than 2 GiB as many rows are read, drawn by their ids.
        anchors: which samples saw the same input: ``"ids"`` for rows whose ids agree, a (k, n) array with a row of each
            of the n networks for every input (−1 where a network did not see it), or None when nobody knows.
        input_units: of lengths along each input coordinate, the same for all networks; as for :func:`compare`.
        seed: of the resampling behind noise floors and nulls.
        method: how to chart.
        n_jobs: worker processes; −1 takes one for each core. Answers do not depend on it.
        client: a ``dask.distributed.Client`` whose workers chart the networks and judge the pairs instead. None takes
            the current one where there is one, False none. Answers do not depend on it either.

    Returns:
        The classes, an order among them, and what is undecided.

    Raises:
        InputError: fewer than two probes, or something else; ids are missing, of different kinds, or no two networks
            have any in common; anchors are not rows of the probes; units are not positive, one for each input
            coordinate.
        ClusterError: workers were lost again and again, or the scheduler.

    Examples:
        >>> import numpy as np, sametask as st
        >>> x = np.random.default_rng(0).uniform(0, 1, (200, 1))
        >>> maps = [lambda x: np.hstack([x, x**2]), lambda x: np.hstack([np.exp(x), x]), lambda x: np.cos(6 * x)]
        >>> probes = [st.probe(st.from_callable(f), x, st.CentralDifference(1e-4)) for f in maps]
        >>> made = st.classes(probes)
        >>> made.classes  # the third folds: each of the others determines it
        ((0, 1), (2,))
        >>> made.covers
        ((0, 1),)
    """
    given = _probes(probes)
    names = _check.different([probe.name for probe in given])
    method = DiffusionChart() if method is None else method
    if not isinstance(method, DiffusionChart):
        raise InputError(f"method: {_check.shown(method)}; give st.DiffusionChart(…)")
    seed = _check.count("seed", seed, least=0)
    all_rows = _rows(given, names, anchors)
    probes, read = read_all(given, all_rows, method.looked_at, seed)
    rows = _among(all_rows, read)
    units = taken_units(probes, input_units)
    probes = [rescaled(probe, units) for probe in probes]
    if n_jobs != -1:
        _check.count("n_jobs", n_jobs)
    pairwise = Pairwise(probes, rows, method, seed, n_jobs, _cluster.found(client, len(probes)))
    pairwise.run()
    made = partition(len(probes), pairwise.answers)
    answers = mirrored(pairwise.answers)
    findings = [
        *(diagnosis.contradicted(each, names, answers) for each in made.contradictions),
        *diagnosis.alone(pairwise.problems, names),
        *diagnosis.held_together(made, names, answers),
    ]
    sizes = tuple(map(len, given))
    findings += read_in_part(read, sizes, names)
    for name, single in zip(names, pairwise.singles, strict=True):
        findings += single.findings(name) if single else []
    labels = np.empty(len(probes), np.int64)
    for k, members in enumerate(made.classes):
        labels[list(members)] = k

    @functools.cache
    def judge(i: int, j: int) -> Verdict:
        for k in (i, j):
            if pairwise.singles[k] is None:
                raise InputError(f"verdict: {names[k]}: {pairwise.problems[k]}")
        return told(pairwise.case((i, j), rows(i, j), brief=False), units, (read[i], read[j]), (sizes[i], sizes[j]))

    undecided = []
    for i, j in made.open:
        why = answers[i, j].why
        told_of = (why.name, *diagnosis.named(why, names[i], names[j])) if why else ("", "", "")
        undecided.append(Undecided(i, j, *told_of))
    return Classes(
        names=names,
        labels=labels,
        classes=made.classes,
        confidence=made.confidence,
        answers=answers,
        order=made.order,
        covers=made.covers,
        undecided=tuple(undecided),
        contradictions=made.contradictions,
        diagnosis=by_weight(findings),
        dimensions=tuple(single.rank.rank if single else 0 for single in pairwise.singles),
        samples=tuple(map(len, probes)),
        judge=judge,
        renderer=classes_page.write,
        input_units=units,
    )


def _probes(given: Any) -> list[Probe | StoredProbe]:
    if isinstance(given, Probe | StoredProbe) or not isinstance(given, Sequence):
        raise InputError(f"probes: {type(given).__name__}; give a list of two or more st.Probe")
    for k, probe in enumerate(given):
        if not isinstance(probe, Probe | StoredProbe):
            raise InputError(
                f"probes: number {k} is {type(probe).__name__}; give an st.Probe, from st.probe or Probe.from_…"
            )
        check_neighbourhoods(probe, "a comparison of many")
    if len(given) < 2:
        raise InputError(f"probes: {len(given)}; give two or more")
    return list(given)


def _among(rows: Callable[[int, int], Array], read: Sequence[Array | None]) -> Callable[[int, int], Array]:
    """The same pairs by their places among the rows that were read, as far as both were."""
    if all(each is None for each in read):
        return rows

    @functools.cache
    def among(i: int, j: int) -> Array:
        return places(rows(i, j), (read[i], read[j]))

    return among


def _rows(probes: Sequence[Probe | StoredProbe], names: Sequence[str], anchors: Any) -> Callable[[int, int], Array]:
    """For two of the networks, the pairs of rows that saw the same input."""
    if isinstance(anchors, str):
        if anchors != "ids":
            raise InputError(f"anchors: {anchors!r}; give 'ids', a (k, {len(probes)}) array of rows, or None")
        return _by_ids(probes, names)
    if anchors is None or (isinstance(anchors, Sequence | np.ndarray) and len(anchors) == 0):
        return lambda i, j: np.empty((0, 2), np.int64)
    table = _table(anchors, probes, names)

    def rows(i: int, j: int) -> Array:
        pairs = table[:, [i, j]]
        return pairs[(pairs >= 0).all(axis=1)]

    return rows


def _by_ids(probes: Sequence[Probe | StoredProbe], names: Sequence[str]) -> Callable[[int, int], Array]:
    kinds = {}
    for name, probe in zip(names, probes, strict=True):
        if probe.ids is None:
            raise InputError(f"anchors: {name} has no ids; give every probe ids, or anchors=None to match without")
        kinds.setdefault("strings" if probe.ids.dtype.kind == "U" else "numbers", name)
    if len(kinds) > 1:
        raise InputError(
            f"anchors: ids of {kinds['numbers']} are numbers, of {kinds['strings']} strings; give all the same kind"
        )
    rows = functools.cache(lambda i, j: shared_rows(probes[i], probes[j]))
    if not any(len(rows(i, j)) for i, j in itertools.combinations(range(len(probes)), 2)):
        raise InputError(
            "anchors: no two of the probes have an id in common; give samples that saw the same input the same id, "
            "or anchors=None to match without correspondences"
        )
    return lambda i, j: rows(i, j) if i < j else rows(j, i)[:, ::-1]


def _table(anchors: Any, probes: Sequence[Probe | StoredProbe], names: Sequence[str]) -> Array:
    expected = f"(k, {len(probes)}) row numbers, one of each network for every input, -1 where it did not see that"
    table = _check.as_array("anchors", anchors, expected)
    if table.ndim != 2 or table.shape[1] != len(probes) or table.dtype.kind not in "iu":
        raise InputError(f"anchors: {table.dtype} of shape {table.shape}; give {expected}")
    for rows, probe, name in zip(table.T, probes, names, strict=True):
        seen = rows[rows != -1]
        if len(seen) and (seen.min() < 0 or seen.max() >= len(probe)):
            worst = seen.min() if seen.min() < 0 else seen.max()
            raise InputError(f"anchors: row {worst} of {name}, which has rows 0 to {len(probe) - 1}; give {expected}")
        if len(np.unique(seen)) != len(seen):
            raise InputError(f"anchors: a row of {name} appears twice; give each sample once")
    return table.astype(np.int64)
