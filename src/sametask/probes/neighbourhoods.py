"""Ways to see a small neighbourhood of each input through a network."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from sametask import _check
from sametask._check import InputError
from sametask._types import Array
from sametask.networks.network import Network
from sametask.numerics import kriging, local_metric
from sametask.numerics.local_metric import LocalMetric

_TUNED = 200
"""Inputs by which smoothness and noise of a network are told."""
_BLOCK = 1 << 22
_MOST_INTRINSIC = 16
"""Inputs with more numbers than this are no intrinsic coordinates: no sample fills so many dimensions."""


class Neighbourhood(ABC):
    """How to see a small neighbourhood of each input; subclasses are final, their fields are the options."""

    kind: str
    scale: float | None = None

    @abstractmethod
    def check(self, network: Network, inputs: Array) -> None:
        """Refuse a network or inputs that this way does not suit, before any work is done."""

    def resolve(
        self, network: Network, inputs: Array, neurons: Array | slice, rng: np.random.Generator
    ) -> Neighbourhood:
        """The same way with everything decided that must be the same for all batches."""
        return self

    @abstractmethod
    def observe(
        self, network: Network, inputs: Array, rows: slice, neurons: Array | slice, rng: np.random.Generator
    ) -> tuple[Array, LocalMetric | None]:
        """Activations of the batch ``inputs[rows]`` and the local metric there; None if that needs all the samples."""

    def complete(self, activations: Array, inputs: Array) -> LocalMetric:
        """The local metric of all samples, for ways that need them all."""
        raise AssertionError("this neighbourhood sees its metric batch by batch")


@dataclass(frozen=True)
class Jacobian(Neighbourhood):
    """Exact derivatives in forward mode: the best there is, for networks that can be differentiated.

    Attributes:
        tangents: (n, d, *input shape), d orthonormal tangents of the input manifold at each input. None where the
            inputs are themselves the intrinsic coordinates.
    """

    tangents: Any = None
    kind = "jacobian"

    def check(self, network: Network, inputs: Array) -> None:
        """Refuse networks without derivatives and inputs that are not intrinsic coordinates."""
        if not network.differentiable:
            raise InputError(
                f"neighbourhood: {network.name} has no exact derivatives; "
                "use st.CentralDifference() or st.Burst(size, scale)"
            )
        _check_tangents(self.tangents, inputs)

    def observe(
        self, network: Network, inputs: Array, rows: slice, neurons: Array | slice, rng: np.random.Generator
    ) -> tuple[Array, LocalMetric]:
        """One forward pass and d tangent passes."""
        activations, jacobian = network.pushforward(inputs[rows], _tangents(self.tangents, inputs, rows))
        activations = _finite(network, activations[:, neurons], rows)
        return activations, _from_jacobian(network, jacobian[:, neurons], rows, self.tangents is None)


@dataclass(frozen=True)
class CentralDifference(Neighbourhood):
    """Central differences along each intrinsic direction: deterministic, for black boxes; 2d evaluations a sample.

    Attributes:
        step: in intrinsic units. None takes the cube root of the rounding error of the inputs' type times their
            typical spread, which balances rounding against curvature.
        tangents: as for :class:`Jacobian`.
    """

    step: float | None = None
    tangents: Any = None
    kind = "difference"

    def check(self, network: Network, inputs: Array) -> None:
        """Refuse steps that are not positive and inputs that are not intrinsic coordinates."""
        if self.step is not None:
            _check.positive("step", self.step)
        _check_tangents(self.tangents, inputs)

    def observe(
        self, network: Network, inputs: Array, rows: slice, neurons: Array | slice, rng: np.random.Generator
    ) -> tuple[Array, LocalMetric]:
        """One evaluation at each input and two along each tangent."""
        base = inputs[rows]
        tangents = _tangents(self.tangents, inputs, rows)
        step = self._step(inputs)
        activations = _finite(network, network(base)[:, neurons], rows)
        columns = []
        for k in range(tangents.shape[1]):
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
        return activations, _from_jacobian(network, np.stack(columns, axis=2), rows, self.tangents is None)

    def _step(self, inputs: Array) -> float:
        if self.step is not None:
            return float(self.step)
        spread = float(np.std(inputs.reshape(len(inputs), -1), axis=0).max())
        # networks mostly compute in single precision, whatever they are given
        return float(np.finfo(np.float32).eps ** (1 / 3)) * max(spread, 1e-12)


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

    def check(self, network: Network, inputs: Array) -> None:
        """Refuse bursts too small for the dimension."""
        _check.positive("scale", self.scale)
        _check.count("size", self.size, least=4)
        if self.dimension is not None:
            _check.count("dimension", self.dimension)
        if self.perturb is None:
            _check_tangents(None, inputs)
        d = self._dimension(inputs)
        if d is not None and self.size <= d + 2:
            raise InputError(f"size: bursts of {self.size}; {d} intrinsic dimensions need at least {d + 3}")

    def resolve(
        self, network: Network, inputs: Array, neurons: Array | slice, rng: np.random.Generator
    ) -> Neighbourhood:
        """Fix the dimension, from the bursts of a few inputs where nobody knows it."""
        d = self._dimension(inputs)
        if d is None:
            d = burst_dimension(self._bursts(network, inputs[:: max(1, len(inputs) // 100)], neurons, rng))
            if self.size <= d + 2:
                raise InputError(f"size: bursts of {self.size}; {d} intrinsic dimensions need at least {d + 3}")
        return dataclasses.replace(self, dimension=d)

    def observe(
        self, network: Network, inputs: Array, rows: slice, neurons: Array | slice, rng: np.random.Generator
    ) -> tuple[Array, LocalMetric]:
        """One evaluation at each input and ``size`` around it."""
        assert self.dimension is not None and self.scale is not None  # resolved, checked
        activations = _finite(network, network(inputs[rows])[:, neurons], rows)
        bursts = self._bursts(network, inputs[rows], neurons, rng)
        _check.finite(f"bursts of {network.name}", bursts, start=rows.start)
        d = min(self.dimension, bursts.shape[2])
        return activations, local_metric.from_bursts(bursts, self.scale, d)

    def _bursts(self, network: Network, base: Array, neurons: Array | slice, rng: np.random.Generator) -> Array:
        """(n, size, m): activations around each of the inputs ``base``."""
        if self.perturb is None:
            assert self.scale is not None  # checked
            noise = rng.standard_normal((len(base), self.size, *base.shape[1:]))
            around = (base[:, None] + self.scale * noise).astype(base.dtype)
        else:
            around = np.stack([self._perturbed(x, rng) for x in base])
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

    def _dimension(self, inputs: Array) -> int | None:
        if self.dimension is not None or self.perturb is not None:
            return self.dimension
        return int(np.prod(inputs.shape[1:]))


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

    def check(self, network: Network, inputs: Array) -> None:
        """Refuse too few neighbours for the dimension."""
        d = _check.count("dimension", self.dimension)
        _check.count("k", self.k)
        if self.k <= d + 1:
            raise InputError(f"k: {self.k} neighbours; {d} intrinsic dimensions need at least {d + 2}")
        if self.k >= len(inputs):
            raise InputError(f"k: {self.k} neighbours of {len(inputs)} inputs; give fewer, or more inputs")
        width = int(np.prod(inputs.shape[1:]))
        if d > width:
            raise InputError(f"dimension: {d}, but inputs have only {width} numbers each")

    def observe(
        self, network: Network, inputs: Array, rows: slice, neurons: Array | slice, rng: np.random.Generator
    ) -> tuple[Array, None]:
        """Activations alone: the neighbourhood is among them."""
        return _finite(network, network(inputs[rows])[:, neurons], rows), None

    def complete(self, activations: Array, inputs: Array) -> LocalMetric:
        """Jacobians by kriging."""
        flat, activations = inputs.reshape(len(inputs), -1).astype(np.float64), activations.astype(np.float64)
        intrinsic = flat.shape[1] == self.dimension
        near = np.asarray(KDTree(flat).query(flat, self.k + 1)[1])
        some = np.linspace(0, len(flat) - 1, min(len(flat), _TUNED)).astype(np.int64)
        steps, _ = self._steps(flat, near[some])
        kernel = kriging.tuned(np.zeros_like(steps[:, 0]), steps[:, 1:], activations[some], activations[near[some, 1:]])
        jacobians = np.empty((len(flat), activations.shape[1], self.dimension))
        block = max(1, _BLOCK // (self.k * (self.k + flat.shape[1] + activations.shape[1])))
        for start in range(0, len(flat), block):
            rows = slice(start, start + block)
            steps, products = self._steps(flat, near[rows])
            weights = kriging.gradient_weights(steps, kernel)
            slopes = np.matmul(weights, activations[near[rows]] - activations[rows, None])
            if not intrinsic:
                # lengths along the manifold itself, of which the principal directions are only secants
                metric = np.matmul(np.matmul(weights, products), np.swapaxes(weights, 1, 2))
                slopes = np.linalg.solve(np.linalg.cholesky(metric), slopes)
            jacobians[rows] = np.swapaxes(slopes, 1, 2)
        return local_metric.from_jacobians(jacobians, common_basis=intrinsic)

    def _steps(self, flat: Array, near: Array) -> tuple[Array, Array]:
        """Steps (p, k + 1, d) from samples to those near them, themselves first, along principal directions of these;
        and products of the changes of the inputs."""
        change = flat[near] - flat[near[:, :1]]
        products = np.matmul(change, np.swapaxes(change, 1, 2))
        if flat.shape[1] == self.dimension:
            return change, products
        # principal directions by products alone: inputs may be wide
        across = products - products.mean(axis=1, keepdims=True)
        values, vectors = np.linalg.eigh(across - across.mean(axis=2, keepdims=True))
        values, vectors = values[:, -self.dimension :], vectors[:, :, -self.dimension :]
        scale = np.sqrt(np.maximum(values, np.finfo(float).tiny))[:, None]
        centred = products - products.mean(axis=2, keepdims=True)
        return np.matmul(centred, vectors) / scale, products


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


def _finite(network: Network, activations: Array, rows: slice) -> Array:
    _check.finite(f"activations of {network.name}", activations, start=rows.start)
    return activations


def _from_jacobian(network: Network, jacobian: Array, rows: slice, common_basis: bool) -> LocalMetric:
    _check.finite(f"derivatives of {network.name}", jacobian, start=rows.start)
    return local_metric.from_jacobians(jacobian, common_basis=common_basis)


def _check_tangents(tangents: Any, inputs: Array) -> None:
    shape = inputs.shape[1:]
    if inputs.dtype.kind != "f":
        raise InputError(f"inputs: {inputs.dtype} cannot be moved by small steps; give floating-point inputs")
    if tangents is None:
        width = int(np.prod(shape))
        if width > _MOST_INTRINSIC:
            raise InputError(
                f"inputs: {width} numbers each are no intrinsic coordinates; give tangents (n, d, *input shape), "
                "probe the network composed with what renders its inputs, or use st.Neighbours(k, dimension)"
            )
        return
    expected = f"{(len(inputs), 'd', *shape)}, d tangents of each input's shape".replace("'d'", "d")
    t = _check.array("tangents", tangents, ndim=len(shape) + 2, expected=expected)
    if t.shape[0] != len(inputs) or t.shape[2:] != shape or t.shape[1] == 0:
        raise InputError(f"tangents: shape {t.shape}; give {expected}")
    none = ~t.reshape(len(t) * t.shape[1], -1).any(axis=1)
    if none.any():
        row, k = divmod(int(np.flatnonzero(none)[0]), t.shape[1])
        raise InputError(f"tangents: tangent {k} of sample {row} is zero; give orthonormal tangents")


def _tangents(tangents: Any, inputs: Array, rows: slice) -> Array:
    """(batch, d, *input shape): the given tangents, or the coordinate directions."""
    if tangents is not None:
        return np.asarray(tangents)[rows].astype(inputs.dtype)
    shape = inputs.shape[1:]
    width = int(np.prod(shape))
    basis = np.eye(width, dtype=inputs.dtype).reshape(width, *shape)
    return np.broadcast_to(basis, (len(inputs[rows]), *basis.shape))
