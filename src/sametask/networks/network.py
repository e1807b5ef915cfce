"""What a network is to sametask: inputs in, the values of chosen neurons out."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sametask._check import InputError
from sametask._types import Array, Float, Shaped


class Network(ABC):
    """A measurement map φ from inputs to the values of neurons, whatever framework computes it.

    Subclasses are final. Activations of all chosen layers are flattened per sample and laid side by side.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """How reports call this network."""

    @property
    def differentiable(self) -> bool:
        """Whether :meth:`pushforward` is available."""
        return False

    @abstractmethod
    def __call__(self, inputs: Shaped[Array, "n ..."]) -> Float[Array, "n m"]:
        """The activations at a batch of inputs."""

    @abstractmethod
    def neuron_names(self, m: int) -> tuple[str, ...]:
        """A name for each of the ``m`` columns that a call returns: ``"layer[index]"``."""

    def pushforward(
        self, inputs: Shaped[Array, "n ..."], tangents: Shaped[Array, "n d ..."]
    ) -> tuple[Float[Array, "n m"], Float[Array, "n m d"]]:
        """Activations, and their derivatives along ``d`` tangents of each input (forward mode).

        Args:
            inputs: a batch.
            tangents: for each input, ``d`` directions of the input's shape.

        Returns:
            The activations (n, m) and the Jacobian times each tangent (n, m, d).
        """
        raise InputError(
            f"{self.name}: no exact derivatives through this kind of network; "
            "use st.CentralDifference() or st.Burst() instead of st.Jacobian()"
        )
