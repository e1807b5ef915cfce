"""Ways to see a small neighbourhood of each input through a network."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array
from sametask.networks.network import Network
from sametask.numerics import local_metric
from sametask.numerics.local_metric import LocalMetric
from sametask.probes.draws import RowDraws
from sametask.probes.inputs import Inputs, decades, digest_of
from sametask.probes.recorded import Recorded
from sametask.probes.tangents import check_tangents, digest_of_tangents, directions_of, tangents_for

RECORDED = "recorded"
"""Kind of a probe without neighbourhoods."""


class Neighbourhood(ABC):
    """How to see a small neighbourhood of each input; subclasses are final, their fields are the options.

    What is seen at an input depends on that input, its row and the seed alone: chunks of rows can be seen in any
    order, again, and elsewhere.
    """

    kind: str
    scale: float | None = None
    among_all = False
    """Whether the local metric is told by activations at other samples, and so only after all are there."""

    @abstractmethod
    def check(self, network: Network, inputs: Inputs) -> None:
        """Refuse a network or inputs that this way does not suit, before any work is done."""

    @abstractmethod
    def directions(self, shape: tuple[int, ...]) -> int:
        """How many directions inputs (n, …) of this shape can be moved in, once all is decided."""

    def resolve(self, network: Network, inputs: Inputs, neurons: Array | slice, seed: int) -> Neighbourhood:
        """The same way with everything decided that must be the same for all inputs."""
        return self

    def decided(self) -> dict[str, Any]:
        """The options that :meth:`resolve` decides, as plain numbers; ``dataclasses.replace`` restores them."""
        return {}

    def described(self, inputs: Inputs, seed: int) -> dict[str, Any]:
        """The options as JSON holds them, arrays and functions by what tells them from others."""
        told: dict[str, Any] = {"kind": self.kind}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # subclasses are data classes
            value = getattr(self, field.name)
            told[field.name] = value.item() if isinstance(value, np.generic) else value
        return told

    def part(self, rows: slice) -> Neighbourhood:
        """All that is needed of this way for some of its rows."""
        return self

    @abstractmethod
    def observe(
        self, network: Network, inputs: Array, start: int, neurons: Array | slice, seed: int
    ) -> tuple[Array, LocalMetric | None]:
        """Activations of a batch and the local metric there; None if that needs all the samples.

        Args:
            network: what is seen.
            inputs: (b, …) the batch alone; this way is the :meth:`part` for it.
            start: the row of its first input among all.
            neurons: which columns are kept.
            seed: of random perturbations.
        """

    def complete(self, activations: Array, inputs: Inputs) -> Recorded:
        """What tells the local metric from all samples, for ways that need them."""
        raise AssertionError("this neighbourhood sees its metric batch by batch")


@dataclass(frozen=True)
class NoNeighbourhood(Neighbourhood):
    """The activations alone, at inputs of any shape: what maps between rows that correspond need."""

    kind = RECORDED

    def check(self, network: Network, inputs: Inputs) -> None:
        """All networks and inputs suit."""

    def directions(self, shape: tuple[int, ...]) -> int:
        """None."""
        return 0

    def observe(
        self, network: Network, inputs: Array, start: int, neurons: Array | slice, seed: int
    ) -> tuple[Array, LocalMetric]:
        """One forward pass."""
        activations = _finite(network, network(inputs)[:, neurons], start)
        return activations, local_metric.nothing(activations)


@dataclass(frozen=True)
class Jacobian(Neighbourhood):
    """Exact derivatives in forward mode: the best there is, for networks that can be differentiated.

    Attributes:
        tangents: (n, d, *input shape), d orthonormal tangents of the input manifold at each input. None where the
            inputs are themselves the intrinsic coordinates.
    """

    tangents: Any = None
    kind = "jacobian"

    def check(self, network: Network, inputs: Inputs) -> None:
        """Refuse networks without derivatives and inputs that are not intrinsic coordinates."""
        if not network.differentiable:
            raise InputError(
                f"neighbourhood: {network.name} has no exact derivatives; "
                "use st.CentralDifference() or st.Burst(size, scale)"
            )
        check_tangents(self.tangents, inputs)

    def directions(self, shape: tuple[int, ...]) -> int:
        """As many as there are tangents, or numbers in an input."""
        return directions_of(self.tangents, shape)

    def described(self, inputs: Inputs, seed: int) -> dict[str, Any]:
        """With a digest in place of the tangents."""
        return {**super().described(inputs, seed), "tangents": digest_of_tangents(self.tangents)}

    def part(self, rows: slice) -> Neighbourhood:
        """With the tangents of these rows."""
        return self if self.tangents is None else dataclasses.replace(self, tangents=np.asarray(self.tangents)[rows])

    def observe(
        self, network: Network, inputs: Array, start: int, neurons: Array | slice, seed: int
    ) -> tuple[Array, LocalMetric]:
        """One forward pass and d tangent passes."""
        activations, jacobian = network.pushforward(inputs, tangents_for(self.tangents, inputs))
        activations = _finite(network, activations[:, neurons], start)
        return activations, _from_jacobian(network, jacobian[:, neurons], start, self.tangents is None)


@dataclass(frozen=True)
class CentralDifference(Neighbourhood):
    """Central differences along each intrinsic direction: deterministic, for black boxes; 2d evaluations a sample.

    Attributes:
        step: in intrinsic units, or one for each direction. None takes the cube root of the rounding error of single
            precision times the spread of the inputs, which balances rounding against curvature; where these are in
            unlike units, as pascals and kelvins, each coordinate has a step of its own.
        tangents: as for :class:`Jacobian`.
    """

    step: Any = None
    tangents: Any = None
    kind = "difference"

    def check(self, network: Network, inputs: Inputs) -> None:
        """Refuse steps that are not positive and inputs that are not intrinsic coordinates."""
        check_tangents(self.tangents, inputs)
        if self.step is not None and self._each(self.directions(inputs.shape)) is None:
            count = self.directions(inputs.shape)
            raise InputError(f"step: {_check.shown(self.step)}; give a number above zero, or one for each of {count}")

    def directions(self, shape: tuple[int, ...]) -> int:
        """As many as there are tangents, or numbers in an input."""
        return directions_of(self.tangents, shape)

    def described(self, inputs: Inputs, seed: int) -> dict[str, Any]:
        """With a digest in place of the tangents."""
        step = None if self.step is None else np.asarray(self.step).tolist()
        return {**super().described(inputs, seed), "step": step, "tangents": digest_of_tangents(self.tangents)}

    def part(self, rows: slice) -> Neighbourhood:
        """With the tangents of these rows."""
        return self if self.tangents is None else dataclasses.replace(self, tangents=np.asarray(self.tangents)[rows])

    def resolve(self, network: Network, inputs: Inputs, neurons: Array | slice, seed: int) -> Neighbourhood:
        """Fix the step by the spread of all inputs."""
        if self.step is not None:
            return self
        # networks mostly compute in single precision, whatever they are given
        small, spread = float(np.finfo(np.float32).eps ** (1 / 3)), inputs.spread()
        units = decades(spread) if self.tangents is None else np.ones(1)
        steps = units * small * max(float((spread / units).max()), 1e-12)
        return dataclasses.replace(self, step=float(steps[0]) if np.ptp(steps) == 0 else steps.tolist())

    def decided(self) -> dict[str, Any]:
        """The step."""
        assert self.step is not None  # resolved
        return {"step": np.asarray(self.step, float).tolist()}

    def _each(self, count: int) -> Array | None:
        """The step along each of ``count`` directions; None where it is no step."""
        try:
            steps = np.broadcast_to(np.asarray(self.step, float), count)
        except (TypeError, ValueError):
            return None
        return steps if np.isfinite(steps).all() and (steps > 0).all() else None

    def observe(
        self, network: Network, inputs: Array, start: int, neurons: Array | slice, seed: int
    ) -> tuple[Array, LocalMetric]:
        """One evaluation at each input and two along each tangent."""
        assert self.step is not None  # resolved
        base, tangents = inputs, tangents_for(self.tangents, inputs)
        steps = np.broadcast_to(np.asarray(self.step, float), tangents.shape[1])
        activations = _finite(network, network(base)[:, neurons], start)
        columns = []
        for k, step in enumerate(steps):
            shift = (step * tangents[:, k]).astype(base.dtype)
            ahead, behind = base + shift, base - shift
            # what was really added, after rounding
            width = np.linalg.norm((ahead - behind).reshape(len(base), -1).astype(np.float64), axis=1)
            if not width.all():
                raise InputError(
                    f"step: {step:g} vanishes in the rounding of {base.dtype} inputs of size {np.abs(base).max():.3g}; "
                    "give a larger step, or inputs in double precision"
                )
            length = np.linalg.norm(tangents[:, k].reshape(len(base), -1).astype(np.float64), axis=1)
            difference = network(ahead)[:, neurons].astype(np.float64) - network(behind)[:, neurons]
            columns.append(difference * (length / width)[:, None])
        return activations, _from_jacobian(network, np.stack(columns, axis=2), start, self.tangents is None)


@dataclass(frozen=True)
class Burst(Neighbourhood):
    """Random perturbations of each input, the paper's way: for black boxes and inputs that are not vectors.

    Attributes:
        size: perturbations of each input; more than d + 2, at best some dozens.
        scale: their standard deviation along each intrinsic direction, in intrinsic units.
        perturb: ``perturb(x, rng, size)`` returns ``size`` perturbed copies of one input. None adds independent normal
            noise of standard deviation ``scale`` to each number of inputs that are intrinsic coordinates.
        dimension: intrinsic dimension. None takes the number of input coordinates, or with ``perturb`` estimates it.
    """

    size: int = 64
    scale: float | None = 0.01
    perturb: Callable[[Array, np.random.Generator, int], Any] | None = None
    dimension: int | None = None
    kind = "burst"

    def check(self, network: Network, inputs: Inputs) -> None:
        """Refuse bursts too small for the dimension."""
        _check.positive("scale", self.scale)
        _check.count("size", self.size, least=4)
        if self.dimension is not None:
            _check.count("dimension", self.dimension)
        if self.perturb is None:
            check_tangents(None, inputs)
        d = self._dimension(inputs)
        if d is not None and self.size <= d + 2:
            raise InputError(f"size: bursts of {self.size}; {d} intrinsic dimensions need at least {d + 3}")

    def directions(self, shape: tuple[int, ...]) -> int:
        """The dimension."""
        assert self.dimension is not None  # resolved
        return self.dimension

    def resolve(self, network: Network, inputs: Inputs, neurons: Array | slice, seed: int) -> Neighbourhood:
        """Fix the dimension, from the bursts of a few inputs where nobody knows it."""
        d = self._dimension(inputs)
        if d is None:
            some = range(0, len(inputs), max(1, len(inputs) // 100))
            # one after another: a burst of inputs that are not vectors is large
            bursts = [self._bursts(network, inputs[slice(row, row + 1)], row, neurons, seed) for row in some]
            d = burst_dimension(np.concatenate(bursts))
            if self.size <= d + 2:
                raise InputError(f"size: bursts of {self.size}; {d} intrinsic dimensions need at least {d + 3}")
        return dataclasses.replace(self, dimension=d)

    def decided(self) -> dict[str, Any]:
        """The dimension."""
        assert self.dimension is not None  # resolved
        return {"dimension": int(self.dimension)}

    def described(self, inputs: Inputs, seed: int) -> dict[str, Any]:
        """With what ``perturb`` makes of the first input in place of the function, whose name tells little."""
        told = super().described(inputs, seed)
        if self.perturb is not None:
            told["perturb"] = digest_of(self._perturbed(inputs[slice(0, 1)][0], RowDraws(seed).at(0)))
        return told

    def observe(
        self, network: Network, inputs: Array, start: int, neurons: Array | slice, seed: int
    ) -> tuple[Array, LocalMetric]:
        """One evaluation at each input and ``size`` around it."""
        assert self.dimension is not None and self.scale is not None  # resolved, checked
        activations = _finite(network, network(inputs)[:, neurons], start)
        bursts = self._bursts(network, inputs, start, neurons, seed)
        _check.finite(f"bursts of {network.name}", bursts, start=start)
        d = min(self.dimension, bursts.shape[2])
        return activations, local_metric.from_bursts(bursts, self.scale, d)

    def _bursts(self, network: Network, base: Array, start: int, neurons: Array | slice, seed: int) -> Array:
        """(b, size, m): activations around each of the inputs ``base``, whose rows begin at ``start``."""
        draws = RowDraws(seed)
        if self.perturb is None:
            assert self.scale is not None  # checked
            noise = np.empty((len(base), self.size, *base.shape[1:]))
            for k, each in enumerate(noise):
                draws.at(start + k).standard_normal(out=each)
            around = (base[:, None] + self.scale * noise).astype(base.dtype)
        else:
            around = np.stack([self._perturbed(x, draws.at(start + k)) for k, x in enumerate(base)])
        flat = network(around.reshape(-1, *base.shape[1:]))[:, neurons]
        return flat.reshape(len(base), self.size, -1)

    def _perturbed(self, x: Array, rng: np.random.Generator) -> Array:
        assert self.perturb is not None
        try:
            result = np.asarray(self.perturb(x, rng, self.size))
        except Exception as error:  # the user's own function
            reason = next(iter(str(error).splitlines()), "")
            raise InputError(
                f"perturb: raised {type(error).__name__} ({reason}); give a function perturb(x, rng, size)"
            ) from error
        if result.shape != (self.size, *x.shape):
            raise InputError(
                f"perturb: returned shape {result.shape}; give {(self.size, *x.shape)}, "
                f"{self.size} perturbed copies of one input"
            )
        return result

    def _dimension(self, inputs: Inputs) -> int | None:
        if self.dimension is not None or self.perturb is not None:
            return self.dimension
        return inputs.width


@dataclass(frozen=True)
class Neighbours(Neighbourhood):
    """The nearest recorded inputs, where no perturbation is to be had.

    Around each input its k nearest are told in coordinates of their own principal directions, and the activations are
    smoothly interpolated in them (kriging); the derivative of that is the Jacobian. On curved manifolds of inputs
    lengths are those along the manifold, which is interpolated as well.

    Attributes:
        k: neighbours in input space.
        dimension: intrinsic dimension of the input manifold.
    """

    k: int = 16
    dimension: int = 1
    kind = "neighbours"
    among_all = True

    def check(self, network: Network, inputs: Inputs) -> None:
        """Refuse too few neighbours for the dimension."""
        d = _check.count("dimension", self.dimension)
        _check.count("k", self.k)
        if self.k <= d + 1:
            raise InputError(f"k: {self.k} neighbours; {d} intrinsic dimensions need at least {d + 2}")
        if self.k >= len(inputs):
            raise InputError(f"k: {self.k} neighbours of {len(inputs)} inputs; give fewer, or more inputs")
        if d > inputs.width:
            raise InputError(f"dimension: {d}, but inputs have only {inputs.width} numbers each")

    def directions(self, shape: tuple[int, ...]) -> int:
        """The dimension."""
        return self.dimension

    def observe(
        self, network: Network, inputs: Array, start: int, neurons: Array | slice, seed: int
    ) -> tuple[Array, None]:
        """Activations alone: the neighbourhood is among them."""
        return _finite(network, network(inputs)[:, neurons], start), None

    def complete(self, activations: Array, inputs: Inputs) -> Recorded:
        """Jacobians by kriging."""
        return Recorded.of(activations, inputs, self.k, self.dimension)


def burst_dimension(bursts: Array) -> int:
    """Intrinsic dimension from bursts (n, b, m): where the typical singular values fall most steeply.

    A direction below a thousandth of the first counts as absent.
    """
    sample = bursts[:: max(1, len(bursts) // 200)]
    singular = np.linalg.svd(local_metric.centred(sample), compute_uv=False)[
        :, : max(1, min(bursts.shape[1] - 3, bursts.shape[2], 12))
    ]
    profile = np.median(singular / np.maximum(singular[:, :1], np.finfo(float).tiny), axis=0)
    bounded = np.maximum(np.append(profile, 0.0), 1e-3)
    return int(np.argmax(bounded[:-1] / bounded[1:])) + 1


def _finite(network: Network, activations: Array, start: int) -> Array:
    _check.finite(f"activations of {network.name}", activations, start=start)
    return activations


def _from_jacobian(network: Network, jacobian: Array, start: int, common_basis: bool) -> LocalMetric:
    _check.finite(f"derivatives of {network.name}", jacobian, start=start)
    return local_metric.from_jacobians(jacobian, common_basis=common_basis)
