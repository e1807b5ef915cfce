"""A probe on disk, of which only the rows that are asked for come into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sametask import _check
from sametask._check import InputError
from sametask._types import Array, Int, Shaped
from sametask.numerics.local_metric import LocalMetric
from sametask.probes import storage
from sametask.probes.draws import drawn
from sametask.probes.noise import Noise
from sametask.probes.probe import Probe, described
from sametask.probes.storage import Store

_HELD = 2 << 30
"""Bytes of a probe that come into memory at once."""


@dataclass(frozen=True)
class StoredProbe:
    """A finished probe in a Zarr directory, from ``st.probe(…, store=path)`` or :meth:`open`.

    No part of it is handed out before it was compared with its digest: what is damaged raises an
    :class:`~sametask.InputError` that names the rows, whichever way they are read.

    Attributes:
        path: where it is.
        found: chunks that the call of :func:`~sametask.probe` which returned it found finished, and did not compute.
        label: how reports call the network, in place of its own name; None for that.
    """

    path: Path
    found: int = 0
    label: str | None = None

    @staticmethod
    def open(path: str | Path) -> StoredProbe:
        """The finished probe at ``path``, written by ``st.probe(…, store=path)``, ``sametask probe`` or
        :meth:`Probe.save`.

        Raises:
            InputError: there is none, it is unfinished (how many of how many chunks are there), or damaged.
        """
        return StoredProbe._of(Store.open(Path(path)))

    @staticmethod
    def _of(store: Store, found: int = 0) -> StoredProbe:
        probe = StoredProbe(store.path, found)
        probe.__dict__["_store"] = store
        return probe

    @cached_property
    def _store(self) -> Store:
        return Store.open(self.path)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "found": self.found, "label": self.label}  # whoever gets it opens it anew

    def __len__(self) -> int:
        return self._store.n

    def __repr__(self) -> str:
        return f"StoredProbe({self.name!r}: {described(self)})"

    @property
    def dimension(self) -> int:
        """Number of intrinsic directions the local metric holds."""
        return self._store.shape("gains")[1]

    @property
    def neurons(self) -> tuple[str, ...]:
        """m names."""
        return tuple(map(str, self._store.attributes["neurons"]))

    @property
    def name(self) -> str:
        """How reports call the network."""
        return str(self._store.attributes["name"]) if self.label is None else self.label

    @property
    def scale(self) -> float | None:
        """Standard deviation of the neighbourhoods in intrinsic units; None where they are infinitesimal."""
        return self._store.attributes["scale"]

    @property
    def kind(self) -> str:
        """How the neighbourhoods were made, as in :class:`Probe`."""
        return str(self._store.attributes["kind"])

    @cached_property
    def noise(self) -> Noise | None:
        """How much the network's answers to one and the same input vary, as in :class:`Probe`."""
        told = self._store.attributes.get("noise")
        if told is None:
            return None
        return Noise(
            np.array(told["variance"], float), int(told["freedom"]), float(told["share"]), int(told["averaged"])
        )

    @cached_property
    def ids(self) -> Shaped[Array, " n"] | None:
        """(n,) names of the samples, or None; read on first use, and kept."""
        if "ids" not in self._store.digests:
            return None
        return storage.named_ids(self._together(["ids"])["ids"], self._store.attributes["ids"])

    @cached_property
    def groups(self) -> Int[Array, " n"] | None:
        """(n,) which samples belong together, or None; read on first use, and kept."""
        return self._together(["groups"])["groups"] if "groups" in self._store.digests else None

    @property
    def chunks(self) -> int:
        """Into how many pieces its rows are cut."""
        return self._store.chunks

    def take(self, rows: Any) -> Probe:
        """The probe at some of its samples, in that order; only the chunks they are in are read.

        Args:
            rows: (p,) row numbers, a mask of n, or a slice.

        Raises:
            InputError: rows that do not exist, or parts of the store that are damaged.
        """
        try:
            wanted = np.arange(len(self))[rows if isinstance(rows, slice) else np.asarray(rows)]
        except (IndexError, ValueError, TypeError):
            wanted = np.empty((0, 0))
        if wanted.ndim != 1:
            raise InputError(f"rows: {_check.shown(rows)}; give row numbers from 0 to {len(self) - 1}, or a slice")
        store = self._store
        arrays = {name: np.empty((len(wanted), *store.shape(name)[1:]), store.dtype(name)) for name in store.digests}
        chunk_of = wanted // store.rows
        for chunk in np.unique(chunk_of).tolist():
            here = np.flatnonzero(chunk_of == chunk)
            for name, part in store.read(chunk).items():
                arrays[name][here] = part[wanted[here] - chunk * store.rows]
        return self._probe(arrays)

    def sample(
        self, most: int, wanted: Array | None = None, seed: int = 0, *, among: int = 1
    ) -> tuple[Probe, Int[Array, " p"]]:
        """As much of it as memory should hold: all, or rows drawn at random, and which they are.

        Whether a row is drawn is told by its id, so that of probes that share ids the same are drawn.

        Args:
            most: rows at most, but for those ``wanted``.
            wanted: (k,) rows that are among them in any case.
            seed: of the draw.
            among: how many probes share the memory, 2 GiB.
        """
        n, rows = len(self), np.arange(len(self))
        most = self.most(most, among)
        if most < n:
            chosen = drawn(rows if self.ids is None else self.ids, most, seed)
            rows = chosen if wanted is None else np.union1d(chosen, wanted)
        return self.take(rows), rows

    def most(self, rows: int, among: int = 1) -> int:
        """How many of so many rows memory should hold, 2 GiB for so many probes together."""
        store = self._store
        width = sum(int(np.prod(store.shape(name)[1:])) * store.dtype(name).itemsize for name in store.digests)
        return min(len(self), rows, max(_HELD // (width * among), 1))

    def blocks(self) -> Iterator[tuple[slice, Probe]]:
        """All rows, one chunk in memory at a time: the slice of rows, and the probe at them."""
        for chunk in range(self.chunks):
            yield self._store.slice(chunk), self._probe(self._store.read(chunk))

    def activations(self) -> Iterator[tuple[slice, Array]]:
        """The activations alone, one chunk in memory at a time: the slice of rows, and (rows, m)."""
        for chunk in range(self.chunks):
            yield self._store.slice(chunk), self._store.read(chunk, ["activations"])["activations"]

    def load(self) -> Probe:
        """All of it in memory."""
        return self._probe(self._together(self._store.digests))

    def _together(self, names: Iterable[str]) -> dict[str, Array]:
        store = self._store
        arrays = {name: np.empty(store.shape(name), store.dtype(name)) for name in names}
        for chunk in range(store.chunks):
            for name, part in store.read(chunk, names).items():
                arrays[name][store.slice(chunk)] = part
        return arrays

    def _probe(self, arrays: dict[str, Array]) -> Probe:
        attributes = self._store.attributes
        try:
            inflation = float(attributes.get("inflation", 1.0))
            ids = arrays.get("ids")
            return Probe(
                arrays["activations"],
                LocalMetric(
                    arrays["frames"], arrays["gains"], arrays.get("directions"), inflation, arrays.get("tangents")
                ),
                None if ids is None else storage.named_ids(ids, attributes["ids"]),
                self.scale,
                self.neurons,
                arrays.get("inputs"),
                self.name,
                self.kind,
                self.noise,
                arrays.get("groups"),
            )
        except Exception as error:  # what a damaged file makes its reader raise is anyone's guess
            raise storage.damaged(self.path, attributes, error) from None
