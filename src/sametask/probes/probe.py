"""The probe: activations, factored local metric, ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array, Float, Int, Shaped
from sametask.numerics import local_metric
from sametask.numerics.local_metric import LocalMetric
from sametask.numerics.manifold import Projection, SampledManifold
from sametask.numerics.smoothing import smoothed_inverse
from sametask.probes.neighbourhoods import RECORDED, burst_dimension
from sametask.probes.noise import Noise, noise_of

_ACTIVATIONS = "(n samples, m neurons)"
_SMALLEST = 1e-100
_WIDE = 128
"""Wider activations are reduced to this many principal directions for all geometry."""
_FEW = 64
_HALF = 11
"""Significant binary digits of numbers in half precision."""
_MOST_ALIKE = 1 / 3
"""Share of the samples that may repeat others for want of digits."""


@dataclass(frozen=True)
class Probe:
    """A network seen at ``n`` inputs: what ``m`` neurons say there, and how they respond to small intrinsic steps.

    Attributes:
        activations: (n, m).
        metric: the local metric at each sample, in units of the intrinsic coordinates.
        ids: (n,) whole numbers or strings that name the samples, or None. Rows of two probes with equal ids saw the
            same input.
        scale: standard deviation of the neighbourhoods in intrinsic units; None where they are infinitesimal.
        neurons: m names.
        inputs: (n, …) what the network was given, or None.
        name: how reports call the network.
        kind: how the neighbourhoods were made: ``"jacobian"``, ``"difference"``, ``"burst"``, ``"neighbours"`` or
            ``"covariance"``; ``"recorded"`` if there are none.
        noise: how much the network's answers to one and the same input vary; None where they do not, or nobody tried.
        groups: (n,) which samples belong together, such as frames of one clip; None if nobody said.
    """

    activations: Float[Array, "n m"]
    metric: LocalMetric
    ids: Shaped[Array, " n"] | None = None
    scale: float | None = None
    neurons: tuple[str, ...] = ()
    inputs: Shaped[Array, "n ..."] | None = None
    name: str = "network"
    kind: str = "jacobian"
    noise: Noise | None = None
    groups: Int[Array, " n"] | None = None

    def __post_init__(self) -> None:
        if not self.neurons:
            object.__setattr__(self, "neurons", tuple(f"neuron[{k}]" for k in range(self.activations.shape[1])))

    # -- constructors from recorded arrays ---------------------------------------------------------------------------

    @staticmethod
    def from_jacobians(
        activations: Any,
        jacobians: Any,
        ids: Any = None,
        *,
        common_basis: bool = False,
        inputs: Any = None,
        name: str = "network",
    ) -> Probe:
        """A probe from recorded activations and Jacobians.

        Args:
            activations: (n, m).
            jacobians: (n, m, d), derivatives of the activations along d orthonormal intrinsic directions.
            ids: (n,) sample ids, or None.
            common_basis: whether direction k is the same input coordinate at every sample, not just some tangent.
                Then a lost direction can be named, and a symmetric fold is seen.
            inputs: (n, …) the inputs, or None.
            name: how reports call the network.

        Raises:
            InputError: shapes disagree, values are not finite, samples repeat (in half precision: more than a third),
                or there are too few.
        """
        y = _check.array("activations", activations, ndim=2, expected=_ACTIVATIONS)
        j = _check.array("jacobians", jacobians, ndim=3, expected="(n samples, m neurons, d directions)")
        _check.same_length("activations", y, "jacobians", j)
        if j.shape[1] != y.shape[1]:
            raise InputError(
                f"jacobians: shape {j.shape}, but activations have {y.shape[1]} neurons; "
                f"give (n samples, m neurons, d directions)"
            )
        check_enough("activations", len(y), j.shape[2])
        _no_duplicates("activations", y, j)
        metric = local_metric.from_jacobians(j, common_basis=common_basis)
        return assemble(y, metric, ids=ids, inputs=inputs, name=name, kind="jacobian")

    @staticmethod
    def from_bursts(
        activations: Any,
        bursts: Any,
        scale: float,
        dimension: int | None = None,
        ids: Any = None,
        *,
        inputs: Any = None,
        name: str = "network",
    ) -> Probe:
        """A probe from recorded bursts: activations at small random perturbations of each input.

        Args:
            activations: (n, m), at the unperturbed inputs.
            bursts: (n, b, m), at b perturbations of each; b > dimension + 2.
            scale: standard deviation of the perturbations along each intrinsic direction, in intrinsic units.
            dimension: intrinsic dimension; None estimates it from the bursts.
            ids: (n,) sample ids, or None.
            inputs: (n, …) the inputs, or None.
            name: how reports call the network.

        Raises:
            InputError: shapes disagree, values are not finite, bursts are too small, or samples are too few.
        """
        y = _check.array("activations", activations, ndim=2, expected=_ACTIVATIONS)
        b = _check.array("bursts", bursts, ndim=3, expected="(n samples, b in each burst, m neurons)")
        _check.same_length("activations", y, "bursts", b)
        if b.shape[2] != y.shape[1]:
            raise InputError(
                f"bursts: shape {b.shape}, but activations have {y.shape[1]} neurons; "
                "give (n samples, b in each burst, m neurons)"
            )
        scale = _check.positive("scale", scale)
        if b.size == 0 or b.shape[1] < 4:
            raise InputError(f"bursts: shape {b.shape}; give (n samples, b in each burst, m neurons), b at least 4")
        d = burst_dimension(b) if dimension is None else _check.count("dimension", dimension)
        _fits("dimension", d, y.shape[1])
        if b.shape[1] <= d + 2:
            raise InputError(f"bursts: {b.shape[1]} in each burst; {d} dimensions need at least {d + 3}")
        check_enough("activations", len(y), d)
        metric = local_metric.from_bursts(b, scale, d)
        return assemble(y, metric, ids=ids, scale=scale, inputs=inputs, name=name, kind="burst")

    @staticmethod
    def from_covariances(
        activations: Any,
        covariances: Any,
        dimension: int,
        ids: Any = None,
        *,
        scale: float = 1.0,
        inputs: Any = None,
        name: str = "network",
    ) -> Probe:
        """A probe from recorded covariances of the activations around each input.

        Args:
            activations: (n, m).
            covariances: (n, m, m), symmetric: scale² times J Jᵀ. Covariances, not their inverses.
            dimension: intrinsic dimension: how many directions to keep.
            ids: (n,) sample ids, or None.
            scale: standard deviation of the neighbourhoods in intrinsic units.
            inputs: (n, …) the inputs, or None.
            name: how reports call the network.

        Raises:
            InputError: shapes disagree, values are not finite, covariances are not symmetric, or samples are too few.
        """
        y = _check.array("activations", activations, ndim=2, expected=_ACTIVATIONS)
        c = _check.array("covariances", covariances, ndim=3, expected="(n samples, m neurons, m neurons)")
        _check.same_length("activations", y, "covariances", c)
        m = y.shape[1]
        if c.shape[1:] != (m, m):
            raise InputError(f"covariances: shape {c.shape}; give {(len(y), m, m)}, one m × m matrix for each sample")
        asymmetry = np.abs(c - np.swapaxes(c, 1, 2)).max(initial=0)
        if asymmetry > 1e-3 * np.abs(c).max(initial=0):
            raise InputError("covariances: not symmetric; give the covariance of the activations around each sample")
        if np.diagonal(c, axis1=1, axis2=2).min(initial=0) < 0:
            raise InputError(
                "covariances: negative variances; give the covariance of the activations around each sample"
            )
        d = _check.count("dimension", dimension)
        _fits("dimension", d, m)
        scale = _check.positive("scale", scale)
        check_enough("activations", len(y), d)
        metric = local_metric.from_covariances(c, scale, d)
        return assemble(y, metric, ids=ids, scale=scale, inputs=inputs, name=name, kind="covariance")

    @staticmethod
    def from_activations(
        activations: Any, inputs: Any = None, ids: Any = None, groups: Any = None, *, name: str = "network"
    ) -> Probe:
        """A probe from recorded activations alone, without neighbourhoods.

        It can be compared by maps with another one whose rows correspond. What needs a chart, as matching without
        correspondences does, needs neighbourhoods as well.

        Args:
            activations: (n, m), or (n, …), which is flattened.
            inputs: (n, …) the inputs, or None.
            ids: (n,) sample ids, or None.
            groups: (n,) whole numbers or strings: samples of one group belong together, or None.
            name: how reports call the network.

        Raises:
            InputError: values are not finite, all neurons are constant, or ids or groups are not one for each sample.

        Examples:
            >>> import numpy as np, sametask as st
            >>> st.Probe.from_activations(np.random.default_rng(0).normal(size=(100, 8)))
            Probe('network': 100 samples, 8 neurons, recorded)
        """
        y = _check.array("activations", activations, ndim=range(2, 33), expected=_ACTIVATIONS)
        if len(y) < 2 or not y.size:
            raise InputError(f"activations: shape {y.shape}; give {_ACTIVATIONS}, two samples at least")
        y = y.reshape(len(y), -1)
        largest = float(np.abs(y).max())
        if largest and not _SMALLEST <= largest <= 1 / _SMALLEST:
            raise InputError(
                f"activations: values of {largest:.3g}, whose squares double precision cannot hold; give them in other "
                "units"
            )
        made = assemble(y, local_metric.nothing(y), ids=ids, inputs=inputs, name=name, kind=RECORDED)
        return dataclasses.replace(made, groups=None if groups is None else check_groups(groups, len(y)))

    # -- what a probe knows ------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.activations)

    def __repr__(self) -> str:
        return f"Probe({self.name!r}: {described(self)})"

    @property
    def dimension(self) -> int:
        """Number of intrinsic directions the local metric holds; 0 if there are no neighbourhoods."""
        return self.metric.dimension

    @cached_property
    def manifold(self) -> SampledManifold:
        """The activation manifold, wide activations by their leading principal directions.

        Directions that are lost entirely are given a tiny gain in place of zero.
        """
        return self._reduced[0]

    @property
    def pieces(self) -> tuple[Float[Array, "n m"], Float[Array, "n d m"]]:
        """All activations, and their derivatives along the frames of :attr:`manifold`. Made anew, as they are large."""
        slopes = self.metric.frames * self.metric.gains[:, :, None]
        turn = self._reduced[1]
        return self.activations, slopes if turn is None else np.matmul(turn, slopes, out=slopes)

    @cached_property
    def first_alike(self) -> Int[Array, " n"]:
        """For each sample the first with the same activations, where they were recorded in half precision or less:
        that puts neighbours on the same values. Told more precisely, or where more than a third of the samples repeat
        others, it is not for want of digits, and each stands for itself."""
        everyone = np.arange(len(self))
        if not _coarse(self.activations):
            return everyone
        alike = _first_alike(self.activations)
        return alike if np.mean(alike != everyone) <= _MOST_ALIKE else everyone

    @cached_property
    def _projection(self) -> Projection | None:
        n, m = self.activations.shape
        return None if m <= _WIDE or n <= _WIDE else Projection.fit(self.activations, _WIDE)

    @cached_property
    def _reduced(self) -> tuple[SampledManifold, Array | None]:
        """The manifold, and how its frames are turned from those of the metric; None where they are the same."""
        projection = self._projection
        if projection is None:
            return SampledManifold(self.activations, _positive(self.metric)), None
        if not self.dimension:
            activations = projection.apply(self.activations)[0]
            return SampledManifold(activations, local_metric.nothing(activations), projection=projection), None
        # the projected Jacobian in terms of the old frames: its right factor carries those to the new frames
        slopes = np.matmul(self.metric.frames, projection.basis) * self.metric.gains[:, :, None]
        projected = local_metric.from_jacobians(np.swapaxes(slopes, 1, 2), common_basis=True)
        turn = projected.directions
        assert turn is not None
        metric = _positive(dataclasses.replace(projected.turned(turn, self.metric), inflation=self.metric.inflation))
        return SampledManifold(projection.apply(self.activations)[0], metric, projection=projection), turn

    def smoothed(self, neighbours: Int[Array, "n k"]) -> Probe:
        """The probe with the noise of its local metric smoothed away over neighbours; itself where they show none."""
        manifold = self.manifold
        inverse = smoothed_inverse(manifold.activations, manifold.metric, neighbours)
        if inverse is None:
            return self
        metric = local_metric.from_slopes(np.linalg.cholesky(inverse).swapaxes(1, 2) @ self.pieces[1], manifold.metric)
        return self._with(metric=metric)

    def rescale(self, factor: float) -> Probe:
        """The probe in intrinsic units ``factor`` times smaller: its intrinsic lengths are ``factor`` times as many."""
        scale = None if self.scale is None else self.scale * factor
        return self._with(metric=self.metric.rescale(factor), scale=scale)

    def with_metric(self, metric: LocalMetric) -> Probe:
        """The probe with another local metric."""
        return self._with(metric=metric)

    def _with(self, **changes: Any) -> Probe:
        """The probe with some of its fields changed; wide activations are reduced as they were."""
        result = dataclasses.replace(self, **changes)
        if "_projection" in vars(self):
            vars(result)["_projection"] = self._projection
        return result

    def take(self, rows: Int[Array, " p"]) -> Probe:
        """The probe at some of its samples."""
        rows = np.asarray(rows)
        result = self._with(
            activations=self.activations[rows],
            metric=self.metric.take(rows),
            ids=None if self.ids is None else self.ids[rows],
            inputs=None if self.inputs is None else self.inputs[rows],
            groups=None if self.groups is None else self.groups[rows],
        )
        if "_reduced" in vars(self) and self._projection is not None:
            whole, turn = self._reduced
            manifold = SampledManifold(whole.activations[rows], whole.metric.take(rows), projection=whole.projection)
            vars(result)["_reduced"] = manifold, None if turn is None else turn[rows]
        return result

    def select(self, neurons: Sequence[int] | Int[Array, " k"], *, name: str | None = None) -> Probe:
        """The probe with only some of its neurons: their activations and their own local metric.

        Raises:
            InputError: an index is out of range, or none of these neurons responds to the inputs.
        """
        m = self.activations.shape[1]
        expected = f"a list of indices from 0 to {m - 1}"
        columns = _check.as_array("neurons", neurons, expected)
        listed = columns.ndim == 1 and columns.dtype.kind in "iu" and len(columns) > 0
        if not listed or columns.max() >= m or columns.min() < 0:
            raise InputError(f"neurons: {_check.shown(neurons)}; give {expected}")
        metric = dataclasses.replace(self.metric, frames=self.metric.frames[:, :, columns])
        if self.dimension:
            responses = np.swapaxes(self.metric.gains[:, :, None] * metric.frames, 1, 2)
            metric = local_metric.from_jacobians(np.ascontiguousarray(responses), common_basis=True)
            assert metric.directions is not None
            metric = metric.turned(metric.directions, self.metric)
        return assemble(
            self.activations[:, columns],
            metric,
            ids=self.ids,
            scale=self.scale,
            neurons=tuple(self.neurons[k] for k in columns),
            inputs=self.inputs,
            name=self.name if name is None else name,
            kind=self.kind,
            noise=None if self.noise is None else self.noise.select(columns.astype(np.int64)),
            groups=self.groups,
        )

    def with_repeats(self, repeats: Any) -> Probe:
        """The probe of a network whose answers are random: with the means of repeated answers as activations.

        Their variance is taken off errors when maps are held against each other.

        Args:
            repeats: (n, r, m) answers to each input, r of them, two or more, given independently of one another.

        Raises:
            InputError: shapes disagree, or values are not finite.
        """
        expected = "(n samples, r answers, m neurons), r at least 2"
        y = _check.array("repeats", repeats, ndim=3, expected=expected)
        n, m = self.activations.shape
        if y.shape[0] != n or y.shape[2] != m or y.shape[1] < 2:
            raise InputError(f"repeats: shape {y.shape} for {n} samples of {m} neurons; give {expected}")
        mean = y.mean(axis=1).astype(self.activations.dtype)
        noise = noise_of(y, mean.astype(np.float64).var(axis=0), y.shape[1])
        return dataclasses.replace(self, activations=mean, noise=noise)

    def truncate(self, dimension: int) -> Probe:
        """The probe with only the intrinsic directions of largest gain."""
        return self if dimension >= self.dimension else self._with(metric=self.metric.truncate(dimension))

    # -- files -------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the probe to a Zarr directory, in chunks that are compressed and have digests.

        The directory appears only once it is whole; a probe that was there before is replaced.

        Raises:
            InputError: ``path`` exists and is not a probe.
        """
        from sametask.probes import storage

        storage.save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Probe:
        """Read a probe written by :meth:`save`, or by ``st.probe(…, store=path)``; this and older versions.

        Raises:
            InputError: there is no such directory, it does not hold a finished probe, or it is damaged.
        """
        from sametask.probes.stored import StoredProbe

        return StoredProbe.open(path).load()


def _positive(metric: LocalMetric) -> LocalMetric:
    """The metric with tiny gains in place of none."""
    if not metric.dimension:
        return metric
    # the network may be dead at most samples: then the median is zero, and the largest must do
    typical = max(float(np.median(metric.gains[:, 0])), 1e-6 * float(metric.gains.max(initial=0)))
    floor = 1e-9 * (typical or 1.0)
    return dataclasses.replace(metric, gains=np.maximum(metric.gains, metric.gains.dtype.type(floor)))


def assemble(
    activations: Array,
    metric: LocalMetric,
    *,
    ids: Any = None,
    scale: float | None = None,
    neurons: tuple[str, ...] = (),
    inputs: Any = None,
    name: str = "network",
    kind: str,
    noise: Noise | None = None,
    groups: Int[Array, " n"] | None = None,
) -> Probe:
    """A probe from checked arrays, with its ids and neurons checked."""
    check_tells(np.ptp(activations, axis=0).max(initial=0) > 0, kind == RECORDED or metric.gains.any())
    if inputs is not None:
        inputs = _check.as_array("inputs", inputs, "(n samples, …)")
        if inputs.dtype.kind not in "fiub" or inputs.dtype.itemsize > 8 or inputs.ndim == 0:
            raise InputError(f"inputs: {inputs.dtype} of shape {inputs.shape}; give (n samples, …), real numbers")
        _check.same_length("activations", activations, "inputs", inputs)
    return Probe(
        activations, metric, check_ids(ids, len(activations)), scale, neurons, inputs, name, kind, noise, groups
    )


def check_tells(varies: Any, responds: Any) -> None:
    """Refuse networks that say the same at all samples, or do not respond to small steps."""
    if not varies:
        raise InputError(
            "activations: every neuron is constant over the sample; choose another layer, or inputs that differ"
        )
    if not responds:
        raise InputError("activations: no neuron responds to small steps of the input; choose another layer")


def check_ids(ids: Any, n: int) -> Array | None:
    """Sample ids as an (n,) array of whole numbers or strings without repeats."""
    if ids is None:
        return None
    result = _check.as_array("ids", ids, "one whole number or string a sample")
    if result.ndim != 1 or result.dtype.kind not in "iuU":
        raise InputError(f"ids: {result.dtype} of shape {result.shape}; give one whole number or string a sample")
    if len(result) != n:
        raise InputError(f"ids: {len(result)} of them for {n} samples; give one a sample")
    values, counts = np.unique(result, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"ids: {_check.shown(values[counts > 1][0].item())} names {counts[counts > 1][0]} samples "
            f"({int((counts > 1).sum())} ids repeat); every sample needs an id of its own"
        )
    return result


def check_groups(groups: Any, n: int) -> Int[Array, " n"]:
    """Groups of samples, numbered from 0 in the order of their labels."""
    expected = "one whole number or string for each sample"
    given = _check.as_array("groups", groups, expected)
    if given.dtype.kind == "O" and all(isinstance(label, str) for label in given.flat):
        given = given.astype(str)
    if given.ndim != 1 or given.dtype.kind not in "iuU" or len(given) != n:
        raise InputError(f"groups: {given.dtype} of shape {given.shape} for {n} samples; give {expected}")
    return np.unique(given, return_inverse=True)[1].astype(np.int64)


def described(probe: Any) -> str:
    """What a probe is, in a line."""
    how = f"{probe.dimension} dimensions, by {probe.kind}" if probe.dimension else probe.kind
    return f"{len(probe)} samples, {len(probe.neurons)} neurons, {how}"


def check_neighbourhoods(probe: Any, what: str) -> None:
    """Refuse recorded activations for what needs a local metric."""
    if not probe.dimension:
        raise InputError(
            f"probe: {probe.name} holds activations alone; {what} needs neighbourhoods: probe the network with "
            "st.probe, or give derivatives or bursts (Probe.from_jacobians, Probe.from_bursts)"
        )


def check_enough(argument: str, n: int, d: int) -> None:
    """Refuse samples too few for the dimension."""
    if n < d + 2:
        raise InputError(
            f"{argument}: {n} samples; {d} intrinsic dimensions need at least {d + 2}, and many more to decide"
        )
    if n < 3**d:
        raise InputError(
            f"{argument}: {n} samples cannot fill {d} intrinsic dimensions; give at least 3^{d} samples, "
            "or tangents of fewer directions"
        )


def _fits(argument: str, d: int, m: int) -> None:
    if d > m:
        raise InputError(f"{argument}: {d}, but there are only {m} neurons; give at most {m}, or more neurons")


def _no_duplicates(argument: str, activations: Array, jacobians: Array) -> None:
    """Refuse samples that were recorded twice: equal activations and equal Jacobians. With few digits neighbours can
    agree by chance; then only so many are refused that hardly any sample stands alone."""
    alike = _first_alike(np.concatenate([activations, jacobians.reshape(len(jacobians), -1)], axis=1))
    repeats = np.flatnonzero(alike != np.arange(len(alike)))
    if not len(repeats):
        return
    remedy = "drop the repeats"
    if _coarse(activations):
        if len(repeats) <= _MOST_ALIKE * len(alike):
            return
        remedy += ", or record in single precision"
    b = repeats[np.argmin(alike[repeats])]
    raise InputError(f"{argument}: samples {alike[b]} and {b} are the same ({len(repeats)} duplicates); {remedy}")


def _first_alike(rows: Array) -> Array:
    """(n,) for each row the first that is equal to it."""
    if rows.shape[1] == 0:
        return np.arange(len(rows))
    # compared as bytes; −0.0 and 0.0 are the same number
    keys = np.ascontiguousarray(rows + 0.0).view(f"V{rows.itemsize * rows.shape[1]}")[:, 0]
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    return first[group]


def _coarse(values: Array) -> bool:
    """Whether no value has more digits than half precision holds."""
    for some in (values[:_FEW], values):  # what is precise shows at once
        mantissa = np.frexp(some)[0] * 2**_HALF
        if (mantissa != np.rint(mantissa)).any():
            return False
    return True
