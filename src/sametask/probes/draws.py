"""Random numbers that belong to a row: the same whichever rows were seen before it, together with it, or elsewhere."""

from __future__ import annotations

import numpy as np


class RowDraws:
    """A stream of random numbers for each row, from one seed.

    Philox is a function of a key and a counter. The seed makes the key and the row a word of the counter that no
    stream reaches by counting (each would have to draw 2¹³⁰ numbers), so streams neither overlap nor depend on one
    another. Moving on to another row takes a microsecond, where a new generator takes seven.
    """

    def __init__(self, seed: int) -> None:
        """Streams of this seed."""
        key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
        self._bits = np.random.Philox(key=key)
        self._generator = np.random.Generator(self._bits)
        self._start = self._bits.state

    def at(self, row: int) -> np.random.Generator:
        """The generator at the beginning of a row's stream; it is the same object for all rows."""
        self._start["state"]["counter"][:] = (0, 0, row, 0)
        self._bits.state = self._start
        return self._generator
