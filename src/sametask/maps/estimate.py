"""What a map says of a row: value, uncertainty, and whether it is within the support."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array, Bool, Float

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Estimate:
    """What the other network is predicted to say, or what neurons and inputs are reconstructed.

    Attributes:
        value: (n, m) activations, or (n, …) inputs.
        uncertainty: (n,) expected root mean square error of each row (over its neurons together: the length of the
            error vector), in activation units.
        inside: (n,) whether the row is within the support: near a sample, on the manifold, and its image near a sample
            of the other network. Outside, ``value`` is an extrapolation.
        residuals: (k,) ascending, held-out errors of the map as multiples of the uncertainty at these rows, one for
            each independent group of them; None if none are known.
    """

    value: Float[Array, "n ..."]
    uncertainty: Float[Array, " n"]
    inside: Bool[Array, " n"]
    residuals: Float[Array, " k"] | None = None

    def radius(self, level: float = 0.95) -> Float[Array, " n"]:
        """(n,) lengths, in activation units, that errors of rows stay within with probability ``level``.

        By conformal prediction from held-out errors: of new rows like those that the map was fitted to, a share of
        ``level`` or more have errors no longer than this, whatever the map (Vovk et al. 2005). Nothing is said of rows
        that are not inside.

        Args:
            level: a probability; with k independent residuals at most k / (k + 1).

        Raises:
            InputError: a level that is no probability, or that so few residuals cannot show; no residuals are known.

        Examples:
            >>> import numpy as np, sametask as st
            >>> x = np.random.default_rng(0).normal(size=(300, 5))
            >>> estimate = st.compare(x, np.tanh(x)).transformation.forward(x)
            >>> estimate.radius(0.9).shape
            (300,)
        """
        level = _check.positive("level", level)
        if level >= 1:
            raise InputError(f"level: {level:g}; give a probability below 1, such as 0.95")
        if self.residuals is None:
            raise InputError("level: no held-out errors are known of this map; .uncertainty is what it expects")
        k = len(self.residuals)
        rank = int(np.ceil((k + 1) * level * (1 - _ROUNDING)))
        if rank > k:
            raise InputError(
                f"level: {level:g}; the {k} independent residuals of this map show {k / (k + 1):.3g} at most"
            )
        return self.uncertainty * self.residuals[rank - 1]
