"""The chart: spectrum, eigenfunctions, and their extension to new activations."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from sametask import _check, _cluster
from sametask._check import InputError
from sametask._types import Array, Float, Int
from sametask.charts.coordinates import independent_coordinates
from sametask.charts.diffusion import DiffusionChart
from sametask.charts.extension import KERNEL_MOST, Extension
from sametask.numerics import diffusion
from sametask.numerics.diffusion import DiffusionOperator
from sametask.numerics.edges import Edges, displacements, geodesic
from sametask.numerics.manifold import AROUND, SampledManifold
from sametask.numerics.neighbours import NeighbourGraph, neighbour_graph
from sametask.numerics.thinning import well_spread
from sametask.probes.probe import Probe, check_neighbourhoods
from sametask.probes.stored import StoredProbe

_AROUND = 24
_BEYOND = 2
"""Neighbours from either side of a sample on a curve."""
_SPARE = 1.5
"""Times as many neighbours by tangential distances as are kept by geodesic ones, which put them in another order."""
_KERNEL_LEAST = 8.0
"""A kernel that falls to e⁻⁸ before the nearest neighbour joins no samples."""


@dataclass(frozen=True)
class Chart:
    """An intrinsic picture of the manifold a network was probed on.

    Attributes:
        probe: the samples charted: the largest connected piece of the probe's, their local metric rid of noise.
        measured: the same samples with the metric as it was measured.
        rows: (n,) their rows in the probe given.
        position: (s,) for each of the s samples of the probe given, its row here; −1 where it was left out. Samples
            that coarse recording gives the same activations have one row in common.
        thinned: whether landmarks stand for all samples.
        eigenvalues: (e,) Laplace–Beltrami eigenvalues in inverse squared intrinsic units, ascending, without the
            trivial 0: the manifold's fingerprint.
        functions: (n, e) eigenfunctions, of unit mean square in the stationary measure.
        decay: (e,) eigenvalues μ of the diffusion operator.
        blocks: runs of eigenvalues that are equal within their noise; eigenfunctions are fixed up to O(block size).
        manifold: the activation manifold with the neighbours of the graph, so that no shortcut is ever taken on it.
        graph: the neighbour graph, with steps and distances along geodesics.
        operator: the diffusion operator.
        options: how it was made.
        pieces: (p,) shares of the probe's samples in each connected piece, largest first.
    """

    probe: Probe
    measured: Probe
    rows: Int[Array, " n"]
    position: Int[Array, " s"]
    eigenvalues: Float[Array, " e"]
    functions: Float[Array, "n e"]
    decay: Float[Array, " e"]
    blocks: tuple[tuple[int, ...], ...]
    manifold: SampledManifold
    graph: NeighbourGraph
    operator: DiffusionOperator
    options: DiffusionChart
    pieces: Float[Array, " pieces"]
    thinned: bool = False

    def __repr__(self) -> str:
        shown = ", ".join(f"{value:.4g}" for value in self.eigenvalues[:5])
        return f"Chart({self.probe.name!r}: {len(self.rows)} samples, {self.dimension} dimensions, λ = {shown}, …)"

    @property
    def dimension(self) -> int:
        """Intrinsic dimension of the local metric charted."""
        return self.probe.dimension

    @property
    def noisy(self) -> bool:
        """Whether the local metric had noise to be rid of."""
        return self.measured is not self.probe

    @cached_property
    def kernel_dimension(self) -> float:
        """Intrinsic dimension by the growth of the kernel sum with its bandwidth."""
        return diffusion.kernel_dimension(self.graph)

    @cached_property
    def edges(self) -> Edges:
        """Edges between neighbours: those that take part in the refinement, and along which distances are measured."""
        return Edges.of(self.manifold, self.graph)

    def part(self, rows: Int[Array, " p"]) -> tuple[SampledManifold, NeighbourGraph]:
        """The manifold and its neighbour graph as some of the samples alone would show them."""
        probe = self.measured.take(rows)
        manifold, graph = _graph(probe, self.options)
        return _rid_of_noise(probe, manifold, graph, self.options)[1:] if self.noisy else (manifold, graph)

    def among(self, rows: Int[Array, " p"]) -> Among | None:
        """The largest connected piece of some of the samples, with the neighbours that they have among one another in
        the graph of all; None where too few of these are left: for a manifold, or to smooth noise away over them."""
        if self.noisy or len(rows) * self.graph.index.shape[1] < _AROUND * len(self.rows):
            return None
        graph = self.graph.take(rows)
        label = _pieces(graph, self.options)[1]
        largest = np.flatnonzero(label == np.bincount(label).argmax())
        graph = graph.take(largest)
        return Among(rows[largest], _on_graph(self.probe.take(rows[largest]), graph, False), graph)

    def rescale(self, factor: float) -> Chart:
        """The chart in intrinsic units ``factor`` times smaller: lengths are ``factor`` times as many."""
        square, probe = factor**2, self.probe.rescale(factor)
        bandwidth = self.options.bandwidth
        options = dataclasses.replace(self.options, bandwidth=None if bandwidth is None else bandwidth * square)
        operator = dataclasses.replace(
            self.operator,
            bandwidth=self.operator.bandwidth * square,
            time=self.operator.time * square,
            extent=self.operator.extent * factor**self.dimension,
        )
        return dataclasses.replace(
            self,
            probe=probe,
            measured=self.measured.rescale(factor) if self.noisy else probe,
            eigenvalues=self.eigenvalues / square,
            manifold=self.manifold.rescale(factor),
            graph=self.graph.rescale(factor),
            operator=operator,
            options=options,
        )

    @cached_property
    def coordinates_index(self) -> tuple[int, ...]:
        """Which eigenfunctions are new directions rather than functions of earlier ones."""
        return independent_coordinates(self.functions, self.stationary, self.dimension)

    @property
    def coordinates(self) -> Float[Array, "n c"]:
        """The independent eigenfunctions: coordinates to draw the manifold in."""
        return self.functions[:, list(self.coordinates_index)]

    @property
    def stationary(self) -> Float[Array, " n"]:
        """The measure in which the eigenfunctions are orthonormal."""
        return self.operator.stationary

    def embed(self, activations: Any, *, client: Any = None) -> Float[Array, "p e"]:
        """The eigenfunctions at new activations (Nyström extension with the same kernel and the 1/μ factor).

        A new activation comes without a local metric of its own; that of the sample nearest to it stands in.
        Extending at a sample returns the sample's own values.

        Args:
            activations: (p, m), or a probe; of a stored one all rows are embedded, one chunk of it in memory.
            client: a ``dask.distributed.Client`` whose workers embed some rows each. None takes the current one where
                there is one, False none.

        Returns:
            (p, e); NaN where no sample is within the kernel's reach.

        Raises:
            InputError: the number of neurons is not the probe's, or values are not finite.
            ClusterError: workers were lost again and again, or the scheduler.
        """
        m = self.probe.activations.shape[1]
        if isinstance(activations, Probe):
            activations = activations.activations
        if isinstance(activations, StoredProbe):
            n, width, count = len(activations), len(activations.neurons), activations.chunks
            pieces = ((rows, (y,)) for rows, y in activations.activations())
        else:
            y = _check.array("activations", activations, ndim=2, expected="(p samples, m neurons)")
            (n, width), cuts = y.shape, _cluster.cuts(len(y), max(m, len(self.eigenvalues)))
            pieces, count = ((rows, (y[rows],)) for rows in cuts), len(cuts)
        if width != m:
            raise InputError(f"activations: {width} neurons, but the chart has {m}")
        client, result = _cluster.found(client, count), np.empty((n, len(self.eigenvalues)))
        for rows, values in _cluster.by_rows(client, Extension.__call__, self.extension, pieces, "embed"):
            result[rows] = values
        return result

    @cached_property
    def extension(self) -> Extension:
        """What :meth:`embed` needs of the chart."""
        kernel = self.operator.kernel
        n, tiny = len(self.rows), np.finfo(float).tiny
        steps = displacements(self.manifold, np.repeat(np.arange(n), np.diff(kernel.indptr)), kernel.indices)[0]
        # as long as the kernel has them, which takes some tangential
        joined = sp.csr_array(self.graph.symmetric() + tiny * sp.eye_array(n))
        steps *= np.sqrt(joined.data / np.maximum(np.square(steps).sum(axis=1), tiny))[:, None]
        return Extension(
            self.manifold,
            kernel.indptr,
            kernel.indices,
            steps,
            self.operator.density,
            self.operator.alpha,
            self.operator.bandwidth,
            self.functions,
            self.decay,
        )


@dataclass(frozen=True)
class Among:
    """Some samples of a network with their neighbour graph: a chart without its spectrum.

    Attributes:
        rows: (p,) which they are.
        manifold: of these alone.
        graph: of their neighbours.
    """

    rows: Int[Array, " p"]
    manifold: SampledManifold
    graph: NeighbourGraph

    @cached_property
    def edges(self) -> Edges:
        """As those of a chart."""
        return Edges.of(self.manifold, self.graph)


def chart(probe: Probe | StoredProbe, method: DiffusionChart | None = None, *, keep: Any = None) -> Chart:
    """Chart the input manifold as one network shows it.

    Lengths are as the probe has them: of inputs in unlike units, as pascals and kelvins, give ``st.in_units(probe)``.

    Args:
        probe: the network seen at some inputs. Of a stored probe that is too large landmarks are taken from among
            samples drawn at random, ten times as many, or 2 GiB of them where that is less.
        method: how to chart; default :class:`DiffusionChart`.
        keep: rows that are charted in any case where samples are more than ``method.landmarks``: anchors of a match.

    Returns:
        The chart of the largest connected piece of the sample. Of samples that coarse recording gives the same
        activations one is charted, and of very many samples landmarks.

    Raises:
        InputError: ``probe`` is not a probe, or has too few samples; ``keep`` are not rows of it.

    Examples:
        >>> import numpy as np, sametask as st
        >>> x = np.random.default_rng(0).uniform(0, 1, (500, 1))
        >>> p = st.probe(st.from_callable(lambda x: np.hstack([np.exp(x), x**2])), x, st.CentralDifference(1e-4))
        >>> first = st.chart(p).eigenvalues[0]  # an interval of length 1: π² = 9.87
        >>> bool(abs(first / np.pi**2 - 1) < 0.1)
        True
    """
    if not isinstance(probe, Probe | StoredProbe):
        raise InputError(f"probe: {type(probe).__name__}; give an st.Probe, from st.probe or Probe.from_…")
    check_neighbourhoods(probe, "a chart")
    method = DiffusionChart() if method is None else method
    if not isinstance(method, DiffusionChart):
        raise InputError(f"method: {_check.shown(method)}; give st.DiffusionChart(…)")
    kept = np.empty(0, np.int64) if keep is None or not len(keep) else _check.rows("keep", keep)
    if len(kept) and kept.max() >= len(probe):
        raise InputError(f"keep: row {kept.max()} of {len(probe)} samples; rows count from 0")
    if isinstance(probe, StoredProbe):
        return _of_stored(probe, method, kept)
    alike = probe.first_alike
    charted = np.flatnonzero(alike == np.arange(len(probe)))
    thinned = len(charted) > method.landmarks
    if thinned:
        charted = charted[_landmarks(probe, charted, method, np.searchsorted(charted, alike[kept]))]
    probe_charted = probe if len(charted) == len(probe) else probe.take(charted)
    manifold, graph, measured, rows, pieces = _connected(probe_charted, method)
    rows = charted[rows]
    position = np.full(len(probe), -1)
    position[rows] = np.arange(len(rows))
    position = position[alike]
    probe_used, manifold, graph = _rid_of_noise(measured, manifold, graph, method)
    bandwidth = _bandwidth(graph, method)
    operator = diffusion.diffusion_operator(graph, probe_used.dimension, bandwidth=bandwidth, alpha=method.alpha)
    decay, functions = operator.leading(method.eigenpairs)
    positive = decay > 1e-3  # the extension divides by μ, and its logarithm is the eigenvalue
    decay, functions = decay[positive], functions[:, positive]
    if len(decay) == 0:
        raise InputError(
            f"probe: the network hardly tells {len(rows)} connected samples apart, they carry no diffusion coordinate; "
            "choose another layer, or give more samples"
        )
    eigenvalues = diffusion.intrinsic_eigenvalues(operator, decay, functions)
    ascending = np.argsort(eigenvalues, kind="stable")  # the corrections may swap neighbours
    eigenvalues, decay, functions = eigenvalues[ascending], decay[ascending], functions[:, ascending]
    return Chart(
        probe=probe_used,
        measured=measured,
        rows=rows,
        position=position,
        eigenvalues=eigenvalues,
        functions=functions,
        decay=decay,
        blocks=blocks(eigenvalues, method.block_gap),
        manifold=manifold,
        graph=graph,
        operator=operator,
        options=method,
        pieces=pieces,
        thinned=thinned,
    )


def blocks(eigenvalues: Float[Array, " e"], gap: float) -> tuple[tuple[int, ...], ...]:
    """Runs of eigenvalues each within a relative ``gap`` of the one before.

    Examples:
        >>> import numpy as np
        >>> blocks(np.array([1.0, 1.02, 4.0, 4.1, 9.0]), gap=0.1)
        ((0, 1), (2, 3), (4,))
    """
    runs: list[list[int]] = [[0]]
    for k in range(1, len(eigenvalues)):
        if eigenvalues[k] - eigenvalues[k - 1] < gap * eigenvalues[k]:
            runs[-1].append(k)
        else:
            runs.append([k])
    return tuple(tuple(run) for run in runs)


def _of_stored(probe: StoredProbe, method: DiffusionChart, keep: Array) -> Chart:
    some, rows = probe.sample(method.looked_at, keep)
    made = chart(some, method, keep=np.searchsorted(rows, keep))
    position = np.full(len(probe), -1)
    position[rows] = made.position
    return dataclasses.replace(
        made, rows=rows[made.rows], position=position, thinned=made.thinned or len(rows) < len(probe)
    )


def _landmarks(probe: Probe, among: Array, method: DiffusionChart, keep: Array) -> Array:
    """Which of some samples stand for all of them."""
    manifold = probe.manifold
    everyone = len(among) == len(probe)
    activations = manifold.activations if everyone else manifold.activations[among]
    metric = manifold.metric if everyone else manifold.metric.take(among)
    return well_spread(activations, metric, method.landmarks, keep=keep)


def _connected(probe: Probe, method: DiffusionChart) -> tuple[SampledManifold, NeighbourGraph, Probe, Array, Array]:
    """The largest connected piece with its neighbour graph, its rows, and the shares of all pieces."""
    whole, rows = probe, np.arange(len(probe))
    manifold, graph = _graph(probe, method)
    count, label = _pieces(graph, method)
    pieces = np.sort(np.bincount(label))[::-1] / len(probe)
    while count > 1:
        largest = np.flatnonzero(label == np.bincount(label).argmax())
        rows = rows[largest]
        if len(rows) < probe.dimension + 2:
            raise InputError(
                f"probe: the {len(whole)} samples fall apart into {len(pieces)} pieces, the largest of {len(rows)}; "
                "give more samples, or wider neighbourhoods"
            )
        probe = whole.take(rows)
        before = graph.take(largest)
        manifold, graph = _graph(probe, method)
        # fewer samples keep fewer neighbours, and may fall apart again; the neighbours they had hold together
        if _pieces(graph, method)[0] > 1:
            manifold, graph = _on_graph(probe, before, False), before
        count, label = _pieces(graph, method)
    return manifold, graph, probe, rows, pieces


def _rid_of_noise(
    probe: Probe, manifold: SampledManifold, graph: NeighbourGraph, method: DiffusionChart
) -> tuple[Probe, SampledManifold, NeighbourGraph]:
    """The probe with its local metric smoothed, where that is noisy, and the graph of what comes of it."""
    smooth = probe.smoothed(graph.index)
    if smooth is probe:
        return probe, manifold, graph
    again = _graph(smooth, method, noisy=True)
    if _pieces(again[1], method)[0] <= _pieces(graph, method)[0]:
        return smooth, *again
    return smooth, _on_graph(smooth, graph, True), graph


def _on_graph(probe: Probe, graph: NeighbourGraph, noisy: bool) -> SampledManifold:
    """The manifold of a probe with the neighbours of its graph."""
    near = np.concatenate([np.arange(len(probe))[:, None], _both_sides(graph)[:, :_AROUND]], axis=1)
    plain = probe.manifold
    manifold = SampledManifold(plain.activations, plain.metric, near, plain.projection, noisy)
    manifold.__dict__["tree"] = plain.tree  # the same points
    return manifold


def _both_sides(graph: NeighbourGraph) -> Array:
    """The neighbours, on curves with some from beyond a gap among the first ``AROUND``, where the nearest all lie on
    one side: without them no place crosses the gap, and cubics are continued far across it."""
    if graph.steps.shape[2] > 1 or graph.index.shape[1] <= AROUND:
        return graph.index
    above = np.where(graph.present, np.sign(graph.steps[:, :, 0]), 0)
    first = AROUND - _BEYOND
    side = -np.sign(above[:, :first].sum(axis=1, keepdims=True))
    lacking = np.count_nonzero(above[:, :first] == side, axis=1) < _BEYOND
    wanted = lacking[:, None] & (above == side) & (side != 0)
    wanted[:, :first] = False
    wanted &= np.cumsum(wanted, axis=1) <= _BEYOND
    place = np.where(wanted, 1, 2)
    place[:, :first] = 0
    return np.take_along_axis(graph.index, np.argsort(place, axis=1, kind="stable"), axis=1)


def _pieces(graph: NeighbourGraph, method: DiffusionChart) -> tuple[int, Array]:
    """Number of connected pieces, and the piece of each sample."""
    return graph.components(KERNEL_MOST * _bandwidth(graph, method))


def _bandwidth(graph: NeighbourGraph, method: DiffusionChart) -> float:
    if method.bandwidth is None:
        return diffusion.default_bandwidth(graph)
    nearest = graph.spacing() ** 2
    if method.bandwidth < nearest / _KERNEL_LEAST:
        raise InputError(
            f"bandwidth: {method.bandwidth:.3g}, but nearest neighbours are {nearest:.3g} apart (squared); "
            "give more, or None to take it from the data"
        )
    return float(method.bandwidth)


def _graph(probe: Probe, method: DiffusionChart, *, noisy: bool = False) -> tuple[SampledManifold, NeighbourGraph]:
    """The neighbour graph of a probe, with distances along geodesics, and the manifold that they are measured on."""
    plain = probe.manifold
    kept = method.neighbours_for(len(probe), probe.dimension)
    graph = neighbour_graph(
        plain.activations, plain.metric, int(_SPARE * kept), guarded=method.guarded, tree=plain.tree
    )
    manifold = _on_graph(probe, graph, noisy)
    return manifold, geodesic(manifold, graph, kept)
