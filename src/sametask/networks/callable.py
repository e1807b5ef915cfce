"""Any function from a batch of inputs to a batch of numbers as a network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from sametask._check import InputError, first_line
from sametask._types import Array, Float, Shaped
from sametask.networks._rows import as_columns, as_inputs, as_tangents, column_names
from sametask.networks.network import Network


@final
@dataclass(frozen=True, eq=False)
class CallableNetwork(Network):
    """A function as a network; made by :func:`from_callable`."""

    function: Callable[[Any], Any]
    label: str
    jacobian: Callable[[Any], Any] | None = None

    @property
    def name(self) -> str:
        """How reports call this network."""
        return self.label

    @property
    def differentiable(self) -> bool:
        """Whether a Jacobian was given along with the function."""
        return self.jacobian is not None

    def __call__(self, inputs: Shaped[Array, "n ..."]) -> Float[Array, "n m"]:
        """What the function returns for the batch, flattened to one row for each sample.

        Raises:
            InputError: the function raised something, or returned anything but one row of real numbers per
                input.
        """
        batch = as_inputs(self.name, inputs)
        return as_columns(f"{self.name}: what the function returned", self._value(self.function, batch), len(batch))

    def neuron_names(self, m: int) -> tuple[str, ...]:
        """``"output[0]"``, ``"output[1]"``, …"""
        return column_names(self.name, ("output",), {}, m)

    def pushforward(
        self, inputs: Shaped[Array, "n ..."], tangents: Shaped[Array, "n d ..."]
    ) -> tuple[Float[Array, "n m"], Float[Array, "n m d"]]:
        """The function's values and its Jacobian times each tangent.

        Raises:
            InputError: no Jacobian was given, or it returned anything but finite numbers of shape (n, m,
                d_in).
        """
        if self.jacobian is None:
            raise InputError(
                f"{self.name}: no exact derivatives of a function; give st.from_callable(…, jacobian=…) "
                "or use st.CentralDifference() instead of st.Jacobian()"
            )
        batch = as_inputs(self.name, inputs)
        directions = as_tangents(batch, tangents)
        values = self(batch)
        n, d = directions.shape[:2]
        wanted = (n, values.shape[1], int(np.prod(batch.shape[1:])))
        what = f"{self.name}: what jacobian returned"
        given = _to_numpy(what, self._value(self.jacobian, batch))
        if given.shape != wanted or given.dtype.kind not in "fiub":
            raise InputError(
                f"{what}: shape {given.shape}, dtype {given.dtype}; give real numbers of shape {wanted}: "
                "samples, neurons, flattened inputs"
            )
        return values, np.einsum("nmi,ndi->nmd", given, directions.reshape(n, d, -1)).astype(values.dtype)

    def _value(self, function: Callable[[Any], Any], batch: Array) -> Any:
        try:
            return _detached(function(batch.copy()))  # a copy: a function may work in place
        except Exception as error:
            raise InputError(
                f"{self.name}: raised {type(error).__name__} at inputs of shape {batch.shape} "
                f"and dtype {batch.dtype}: {first_line(error)}"
            ) from error


def from_callable(
    function: Any,
    name: str | None = None,
    *,
    jacobian: Any = None,
) -> CallableNetwork:
    """Make a network of any function: JAX, Keras, scikit-learn, a simulator, a network after a renderer.

    Args:
        function: takes a batch of inputs (n, …) and returns one row of numbers for each: (n,), (n, m) or (n,
            …), as anything that NumPy can convert. It always gets the whole batch, and a copy of it.
        name: how reports call it; the function's own name by default.
        jacobian: takes the same batch and returns the exact derivatives (n, m, d_in) of the m outputs with
            respect to the d_in numbers of each flattened input. With it, ``st.Jacobian()`` can be used.

    Raises:
        InputError: ``function`` cannot be called, or is something that has a better way in.

    Example:
        >>> import numpy as np
        >>> net = from_callable(np.sin, jacobian=lambda x: np.cos(x)[:, None, :])
        >>> net(np.zeros((2, 1))).shape
        (2, 1)
    """
    if not callable(function):
        kind = type(function).__name__
        if callable(getattr(function, "predict", None)):
            offer = next((m for m in ("decision_function", "predict_proba", "predict") if hasattr(function, m)), "")
            raise InputError(
                f"function: a {kind} cannot be called; give one of its methods: st.from_callable(x.{offer})"
            )
        raise InputError(f"function: {kind}; give something that can be called with a batch of inputs")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(function, torch.nn.Module):
        raise InputError("function: a torch module takes tensors, not arrays; use st.from_torch(module)")
    if jacobian is not None and not callable(jacobian):
        raise InputError(f"jacobian: {type(jacobian).__name__}; give a function inputs → (n, m, d_in)")
    label = name or getattr(function, "__name__", None) or type(function).__name__
    return CallableNetwork(function, "function" if label == "<lambda>" else label, jacobian)


def _detached(value: Any) -> Any:
    """A torch tensor outside its graph and on the CPU; everything else as it is."""
    for method in ("detach", "cpu"):
        if callable(getattr(value, method, None)):
            value = getattr(value, method)()
    return value


def _to_numpy(what: str, value: Any) -> Array:
    try:
        return np.asarray(value)
    except Exception as error:  # arrays of other frameworks raise what they like
        raise InputError(f"{what}: not an array ({first_line(error)})") from error
