"""Work on blocks of rows, as many at a time as there are cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from typing import TypeVar

import joblib
from threadpoolctl import ThreadpoolController

_T = TypeVar("_T")
_R = TypeVar("_R")

CACHED = 1 << 18
"""Numbers that stay near the processor: work on more at a time waits for memory."""

_LEAST = 16
"""Rows: the calls that work on fewer cost more than the work."""


def blocks(n: int, size: int, most: int = CACHED) -> list[slice]:
    """Slices of ``n`` rows that hold about ``most`` numbers each, ``size`` numbers a row; but of some rows at least."""
    step = max(_LEAST, most // max(size, 1))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def each(work: Callable[[_T], _R], parts: Iterable[_T]) -> list[_R]:
    """What ``work`` makes of each part, in order. NumPy lets threads run side by side; results do not depend on it."""
    parts = list(parts)
    threads = min(_threads(), len(parts))
    if threads < 2:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def alone() -> AbstractContextManager[object]:
    """While it lasts linear algebra keeps to one thread: where cores are shared, threads that wait for each other in
    every small product make it up to a hundred times slower."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@cache
def _threads() -> int:
    """The cores, or as many as OMP_NUM_THREADS allows: worker processes are told by it to keep to themselves."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    cores = joblib.cpu_count()
    return min(cores, int(allowed)) if allowed.isdigit() and int(allowed) else cores
