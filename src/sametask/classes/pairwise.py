"""All pairs of many networks, judged no more often than needed.

What belongs to one network is told once. Pairs with many correspondences are all judged directly. So is what needs no
match: folds, spectra that surely differ. Matches of the rest are long where there is nothing to be found; so one
network at a time is held against all that are left. Of those that turn out to be equivalent to it each two are matched
as well, where no anchors hold a match from the composition of the two; and what is surely not equivalent to it is not
equivalent to these either. Two are not tested that are each undecided with one that is equivalent to the other.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from sametask import _cluster
from sametask._check import InputError
from sametask._types import Array
from sametask.charts.diffusion import DiffusionChart
from sametask.classes.answers import Answer, How, Told, failed
from sametask.matching.candidate import Places
from sametask.matching.inverse import composed
from sametask.matching.isometric import Images
from sametask.probes.probe import Probe
from sametask.verdict.by_isometry import without_match
from sametask.verdict.evidence import SURE
from sametask.verdict.judge import judge
from sametask.verdict.judging import FEWEST, PAIRED, Case
from sametask.verdict.single import Single
from sametask.verdict.verdict import Decision

Pair = tuple[int, int]
_CHUNKS = 4
"""For each worker: what networks show of themselves goes to it with every one."""


@dataclass(frozen=True)
class Task:
    """A pair to be judged, from a composed map through a third network or by whatever leads to an answer."""

    pair: Pair
    rows: Array
    start: Places | None = None
    via: int | None = None


@dataclass
class Pairwise:
    """Networks of which each two are to be judged.

    Attributes:
        probes: of the networks.
        rows: for two of them, (k, 2) rows that saw the same input.
        method: how to chart.
        seed: of everything drawn.
        jobs: worker processes; answers do not depend on it.
        client: of a cluster whose workers take their place, or None.
        singles: what each shows by itself; None where that could not be told.
        problems: why a network could not be charted; None where it could, or need not be.
        answers: by pair (i, j), i < j.
    """

    probes: Sequence[Probe]
    rows: Callable[[int, int], Array]
    method: DiffusionChart
    seed: int
    jobs: int = 1
    client: Any = None
    singles: list[Single | None] = field(default_factory=list)
    problems: list[str | None] = field(default_factory=list)
    answers: dict[Pair, Answer] = field(default_factory=dict)
    images: dict[Pair, Images] = field(default_factory=dict)
    _sent: dict[int, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Judge all pairs."""
        n = len(self.probes)
        pairs = {(i, j): self.rows(i, j) for i in range(n) for j in range(i + 1, n)}
        matched = [pair for pair, rows in pairs.items() if len(rows) < PAIRED]
        charted = {k for pair in matched for k in pair if len(self.probes[k]) >= FEWEST}
        keep: list[list[Array]] = [[np.empty(0, np.int64)] for _ in self.probes]
        for pair in matched:
            for side, k in enumerate(pair):
                keep[k].append(pairs[pair][:, side])
        arguments = [
            (probe, self.method, self.seed, k in charted, np.unique(np.concatenate(keep[k])))
            for k, probe in enumerate(self.probes)
        ]
        told = dict(self._each(_single, arguments, "charting networks"))
        self.singles, self.problems = [told[k][0] for k in range(n)], [told[k][1] for k in range(n)]
        direct, free = [], []
        for pair, rows in pairs.items():
            one, two = (self.singles[k] for k in pair)
            why = next((f"{self.probes[k].name}: {self.problems[k]}" for k in pair if self.problems[k]), None)
            if one is None or two is None or (why and len(rows) < PAIRED):
                self.answers[pair] = failed(why or "not charted")
            elif charted.issuperset(pair) and _matched(one, two, rows):
                sure = without_match(self.case(pair, rows))
                if sure is None:
                    free.append(pair)
                else:
                    self.answers[pair] = Told.of(sure).answer
            else:
                direct.append(Task(pair, rows))
        self._judge(direct, "judging pairs")
        self._search({pair: pairs[pair] for pair in free})
        self._sent.clear()

    def case(self, pair: Pair, rows: Array, start: Places | None = None, *, brief: bool = True) -> Case:
        """What is to be judged of two networks."""
        one, two = self.singles[pair[0]], self.singles[pair[1]]
        assert one is not None and two is not None
        return _case(one, two, rows, self.seed, start, brief=brief)

    def _search(self, left: dict[Pair, Array]) -> None:
        """Pairs that only a match can decide: one network at a time against all others."""
        while left:
            counts = np.bincount(np.array(list(left)).ravel(), minlength=len(self.probes))
            centre = int(counts.argmax())
            self._judge([Task(pair, rows) for pair, rows in left.items() if centre in pair], "searching for matches")
            left = {pair: rows for pair, rows in left.items() if pair not in self.answers}
            self._judge(self._through(centre, left), "matching from composed maps")
            # what a composed map does not show to be equivalent is searched for
            again = [Task(p, left[p]) for p in left if self._composed(p) and not self._same(*p)]
            self._judge(again, "searching for matches")
            left = {pair: rows for pair, rows in left.items() if pair not in self.answers}
            for pair in list(left):
                follows = self._follows(centre, *pair) or self._as_undecided(*pair)
                if follows is not None:
                    self.answers[pair] = follows
                    del left[pair]

    def _through(self, centre: int, left: dict[Pair, Array]) -> list[Task]:
        """Pairs of which each is equivalent to one network, with the composition of the two matches where anchors do
        not hold one."""
        found = []
        for (a, b), rows in left.items():
            if self._same(a, centre) and self._same(centre, b):
                if (a, centre) not in self.images or (centre, b) not in self.images or self._held(a, b, rows):
                    found.append(Task((a, b), rows))
                    continue
                target = self.singles[b]
                assert target is not None
                start = composed(self.images[a, centre], self.images[centre, b], target.chart.manifold)
                found.append(Task((a, b), rows, start, centre))
        return found

    def _held(self, a: int, b: int, rows: Array) -> bool:
        one, two = self.singles[a], self.singles[b]
        assert one is not None and two is not None
        return len(rows) > min(one.rank.rank, two.rank.rank)

    def _same(self, a: int, b: int) -> bool:
        told = self.answers.get((min(a, b), max(a, b)))
        return told is not None and told.decision is Decision.EQUIVALENT

    def _composed(self, pair: Pair) -> bool:
        return pair in self.answers and self.answers[pair].how is How.COMPOSED

    def _follows(self, centre: int, a: int, b: int) -> Answer | None:
        """That two are not equivalent, as one of them is to a third, and the other surely not."""
        told = [self.answers.get((min(k, centre), max(k, centre))) for k in (a, b)]
        if told[0] is None or told[1] is None:
            return None
        decisions = {each.decision for each in told if each}
        confidence = told[0].confidence * told[1].confidence
        if decisions != {Decision.EQUIVALENT, Decision.INEQUIVALENT} or confidence < SURE:
            return None
        return Answer(Decision.INEQUIVALENT, confidence, How.INFERRED, via=centre)

    def _as_undecided(self, a: int, b: int) -> Answer | None:
        """That two are undecided, as either one is with a network that is equivalent to the other."""
        found = []
        for one, two in ((a, b), (b, a)):
            for k in range(len(self.probes)):
                told = self.answers.get((min(k, two), max(k, two)))
                if k not in (a, b) and self._same(one, k) and told and told.decision is Decision.UNDECIDED:
                    found.append((told, k))
                    break
        if len(found) < 2:
            return None
        told, via = found[0]
        return Answer(Decision.UNDECIDED, told.confidence, How.INFERRED, findings=told.findings, via=via)

    # -- workers -----------------------------------------------------------------------------------------------------

    def _judge(self, tasks: list[Task], what: str) -> None:
        """Judge pairs, and keep the answers."""
        if not tasks:
            return
        if self.client is None:
            size = 1 if self.jobs == 1 else max(1, -(-len(tasks) // (_CHUNKS * self.jobs)))
            chunks = [tasks[k : k + size] for k in range(0, len(tasks), size)]
            arguments = [([(self.case(t.pair, t.rows, t.start), t.via) for t in chunk],) for chunk in chunks]
            told = dict(self._each(_judged, arguments, what))
        else:
            chunks = [[task] for task in tasks]
            told = dict(self._each(_judged_there, [self._there(task) for task in tasks], what))
        for number, chunk in enumerate(chunks):
            for task, each in zip(chunk, told[number], strict=True):
                a, b = task.pair
                self.answers[a, b] = each.answer
                if each.forward is not None and each.backward is not None:
                    self.images[a, b], self.images[b, a] = each.forward, each.backward

    def _there(self, task: Task) -> tuple:
        """What a worker of the cluster judges a pair by: what networks show of themselves is sent once."""
        for k in task.pair:
            if k not in self._sent:
                self._sent[k] = _cluster.kept(self.client, self.singles[k], "network")
        one, two = (self._sent[k] for k in task.pair)
        return one, two, task.rows, self.seed, task.start, task.via

    def _each(self, function: Callable, arguments: list[tuple], what: str) -> Iterator[tuple[int, Any]]:
        """The function of each of the arguments, by their number; progress shows on a terminal."""
        bar = tqdm(total=len(arguments), desc=what, disable=not sys.stderr.isatty())
        with bar, ExitStack() as stack:
            if self.client is None:
                workers = stack.enter_context(Parallel(n_jobs=self.jobs, return_as="generator"))
                done = enumerate(workers(delayed(_by_one_thread)(function, *given) for given in arguments))
            else:
                done = _cluster.each(self.client, _by_one_thread, function, arguments, what.replace(" ", "-"))
            for each in done:
                bar.update()
                yield each


def _matched(one: Single, two: Single, rows: Array) -> bool:
    """Whether a match of their geometry would have to bring the two together."""
    return one.rank.rank == two.rank.rank and len(rows) < PAIRED and not (one.folds.any or two.folds.any)


def _by_one_thread(function: Callable, *given: object) -> object:
    """The same to the last bit, however many workers share the machine."""
    with threadpool_limits(1):
        return function(*given)


def _single(
    probe: Probe, method: DiffusionChart, seed: int, charted: bool, keep: Array
) -> tuple[Single | None, str | None]:
    """What a network shows by itself; and why it could not be charted, where it should have been."""
    single = None
    try:
        single = Single.of(probe, method, seed, keep)
        if charted:
            _ = single.chart.manifold.normal, single.own, single.supported.volume  # made here, and sent back
    except (ValueError, ArithmeticError, RuntimeError) as error:  # whatever it is, the others can be judged
        return single, " ".join(str(error).split()).removeprefix("probe: ")
    return single, None


def _case(one: Single, two: Single, rows: Array, seed: int, start: Places | None, *, brief: bool = True) -> Case:
    return Case((one, two), rows, np.random.default_rng(seed), brief=brief, start=start)


def _judged_there(
    one: Single, two: Single, rows: Array, seed: int, start: Places | None, via: int | None
) -> list[Told]:
    return _judged([(_case(one, two, rows, seed, start), via)])


def _judged(cases: list[tuple[Case, int | None]]) -> list[Told]:
    found = []
    for case, via in cases:
        try:
            told = Told.of(judge(case), How.TESTED if via is None else How.COMPOSED, via)
        except InputError as error:
            told = Told(failed(str(error)))
        keep = told.answer.decision is Decision.EQUIVALENT and len(case.pairs) <= case.ranks[0].rank
        found.append(told if keep else Told(told.answer))
    return found
