"""What a map says of a row: value, uncertainty, and whether it is within the support."""

from __future__ import annotations

from dataclasses import dataclass

from sametask._types import Array, Bool, Float


@dataclass(frozen=True)
class Estimate:
    """What the other network is predicted to say, or what neurons and inputs are reconstructed.

    Attributes:
        value: (n, m) activations, or (n, …) inputs.
        uncertainty: (n,) expected root mean square error of each row (over its neurons together: the length of the
            error vector), in activation units.
        inside: (n,) whether the row is within the support: near a sample, on the manifold, and its image near a sample
            of the other network. Outside, ``value`` is an extrapolation.
    """

    value: Float[Array, "n ..."]
    uncertainty: Float[Array, " n"]
    inside: Bool[Array, " n"]
