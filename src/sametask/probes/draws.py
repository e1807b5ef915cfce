"""Random numbers that belong to a row: the same whichever rows were seen before it, together with it, or elsewhere."""

from __future__ import annotations

import hashlib

import numpy as np

from sametask._types import Array


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


def drawn(names: Array, count: int, seed: int) -> Array:
    """Rows of ``count`` names drawn at random, ascending. Whether a name is drawn depends on little but itself and the
    seed, so that of tables that share names those that are drawn are shared as well.

    Args:
        names: (n,) different whole numbers or strings.
        count: how many, at most n.
        seed: of the draw.

    Source: SplitMix64, by which numbers are put in an order that looks random: G. Steele, D. Lea & C. Flood, Fast
    splittable pseudorandom number generators (2014).
    """
    if count >= len(names):
        return np.arange(len(names))
    if names.dtype.kind == "U":
        digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names.tolist())
        names = np.frombuffer(digests, "<u8")
    mixed = names.astype(np.uint64) + np.random.SeedSequence(seed).generate_state(1, np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return np.sort(np.argpartition(mixed, count)[:count])
