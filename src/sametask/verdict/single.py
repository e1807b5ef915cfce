"""One network by itself: what is known of it before it is held against any other, and told once for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sametask._outcome import Finding
from sametask._types import Array, Float, Int
from sametask.charts.chart import Chart, chart
from sametask.charts.diffusion import DiffusionChart
from sametask.matching.support import Supported
from sametask.probes.probe import Probe
from sametask.probes.rank import LocalRank, local_rank
from sametask.verdict import diagnosis, floors, function
from sametask.verdict.floors import OwnFigures, OwnSpectrum
from sametask.verdict.folds import Folds, find_folds
from sametask.verdict.function import Missed

_UNRELATED = 0.9
"""Error, as a share of the spread, from which neurons tell nothing of each other."""


@dataclass(frozen=True)
class Single:
    """A network as it shows itself, whatever it is compared with.

    Its chart and what it shows against itself are made when they are first asked for, and kept.

    Attributes:
        given: its probe.
        probe: the same in the directions that the network still carries.
        rank: how many these are, and how many it was probed along.
        folds: where its activations turn back on themselves.
        method: how it is charted.
        seed: of the resampling behind its own figures, which are the same whatever it is compared with.
        keep: rows that are charted in any case, however many samples there are.
    """

    given: Probe
    probe: Probe
    rank: LocalRank
    folds: Folds
    method: DiffusionChart
    seed: int = 0
    keep: Int[Array, " k"] | None = None

    @staticmethod
    def of(probe: Probe, method: DiffusionChart, seed: int, keep: Int[Array, " k"] | None = None) -> Single:
        """What a probe shows by itself."""
        if not probe.dimension:
            none = np.zeros(len(probe), bool)
            return Single(probe, probe, LocalRank(0, np.empty(0), np.empty(0)), Folds(none, none), method, seed, keep)
        rank = local_rank(probe)
        used = probe.truncate(rank.rank)
        return Single(probe, used, rank, find_folds(used), method, seed, keep)

    def findings(self, subject: str) -> list[Finding]:
        """What is noticed about its probe; ``subject`` is whose it is."""
        if self.recorded:
            return [*diagnosis.random_answers(self.given, subject), *diagnosis.of_recorded(self.given, subject)]
        if self.noise:
            return [*diagnosis.random_answers(self.given, subject), diagnosis.noise(subject)]
        return diagnosis.random_answers(self.given, subject) + diagnosis.of_probe(
            self.given, self.rank, self.folds, subject
        )

    @property
    def recorded(self) -> bool:
        """Whether there are activations alone, without neighbourhoods."""
        return not self.given.dimension

    @cached_property
    def noise(self) -> bool:
        """Whether its activations neither follow the input, as far as samples tell, nor one another."""
        if self.recorded or self.rank.resolved:
            return False
        return self.holds.level > _UNRELATED

    @cached_property
    def values(self) -> Float[Array, "n m"]:
        """Its activations as functions of them are tested."""
        return self.probe.manifold.activations.astype(np.float64)  # kriging has no digits to lose

    @cached_property
    def even_values(self) -> Float[Array, "n m"]:
        """The same with every neuron in units of its own, unless they are too many to be told apart."""
        return self.values if self.values.shape[1] < self.probe.activations.shape[1] else function.even(self.values)

    @cached_property
    def holds(self) -> Missed:
        """What functions that are known to hold leave: some of its neurons and the others."""
        return function.known_to_hold(self.values, self.rank.rank, np.random.default_rng(self.seed))

    @cached_property
    def even_holds(self) -> Missed:
        """The same with every neuron in units of its own."""
        return function.known_to_hold(self.even_values, self.rank.rank, np.random.default_rng(self.seed))

    @cached_property
    def chart(self) -> Chart:
        """The chart of its samples."""
        return chart(self.probe, self.method, keep=self.keep)

    @cached_property
    def supported(self) -> Supported:
        """Where its chart ends, and how large it is."""
        return Supported.of(self.chart.manifold, self.chart.graph)

    @cached_property
    def own(self) -> OwnFigures:
        """What it shows against itself."""
        return floors.own_figures(self.probe, self.chart, self.method, np.random.default_rng(self.seed))

    @cached_property
    def spectrum(self) -> OwnSpectrum:
        """What chance does to its leading eigenvalues, where nothing else of :attr:`own` is asked for."""
        probe = self.chart.measured if self.chart.thinned else self.probe
        return floors.own_spectrum(probe, self.method, np.random.default_rng(self.seed))

    def take(self, rows: Int[Array, " p"]) -> Single:
        """The network at some of its samples; itself where these are all of them, as they come."""
        if np.array_equal(rows, np.arange(len(self.probe))):
            return self
        return Single(self.given.take(rows), self.probe.take(rows), self.rank, self.folds, self.method, self.seed)
