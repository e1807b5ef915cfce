"""Work on a cluster. Dask does it; here is how a call hands its parts over, and what is made of failures.

Workers are sent a function of the package, what all parts share, and the parts, of which so many are under way as keep
the workers busy: neither this process nor the scheduler ever holds more. What is shared is a task of its own, so that
Dask hands it on from worker to worker, and makes it again where the last worker that had it was lost. A part is a
function of its arguments alone, so that it may be computed again, and anywhere. Results come as they are finished.
"""

from __future__ import annotations

import itertools
import pickle
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import Any

from sametask import _check
from sametask._check import InputError, first_line
from sametask._version import __version__

_AHEAD = 2
"""Parts under way for each thread of the workers: the next arrives while one is computed."""
_LEAST_AHEAD = 16
"""Parts under way where there are fewer threads, or none yet."""
_SHARES = 4
"""Parts for each thread, where rows are few: the last to be finished is waited for by all others."""
_NUMBERS = 1 << 19
"""In a part of a table."""
_FEWEST = 256
"""Rows in a part of a table, however wide."""
_LOOK = 1.0
"""Seconds after which it is asked whether there still is a cluster."""
_PATIENCE = 300.0
"""Seconds without any worker after which nothing is waited for."""
_AFTER_LOSSES = 60.0
"""The same once parts have lost workers, which may be what ended them all."""
_MOST_GIVEN_UP = 2
"""Parts that no worker survives, after which others are not tried: it is the rule then, and costs workers."""


class ClusterError(RuntimeError):
    """A cluster could not do its work: workers are lost again and again, or the scheduler; one line."""


def found(client: Any, parts: int) -> Any | None:
    """The client to be used: the one given, else the current one if there is one and there is something to share.

    Args:
        client: a ``dask.distributed.Client``; None for the current one, if there is any; False for none.
        parts: into how many the work is cut. One alone is only sent to a client that was given.

    Raises:
        InputError: something else, or a client that is asynchronous or not connected.
    """
    if client is False:
        return None
    distributed = sys.modules.get("distributed")  # who has a client has loaded it
    if client is not None:
        if distributed is None or not isinstance(client, distributed.Client):
            raise InputError(
                f"client: {type(client).__name__}; give a dask.distributed.Client (of a cluster, "
                "cluster.get_client()), False to compute here, or None for the current one"
            )
        if client.asynchronous:
            raise InputError("client: an asynchronous one; give dask.distributed.Client(…, asynchronous=False)")
        if client.status != "running":
            raise InputError(f"client: {client.status}; give one that is connected")
        return client
    if distributed is None or parts < 2 or _in_a_task(distributed):
        return None
    try:
        current = distributed.Client.current()
    except ValueError:
        return None
    return current if current.status == "running" and not current.asynchronous else None


def connected(address: str) -> Any:
    """A client of the scheduler at an address, or of the one that a file names.

    Raises:
        InputError: there is none.
        MissingExtraError: Dask is not installed.
    """
    distributed = _check.require("distributed", "dask")
    if address.endswith(".json") and not Path(address).is_file():  # Dask would wait for it
        raise InputError(f"scheduler: no such file {address}; give the address of a scheduler, or its scheduler file")
    try:
        if address.endswith(".json"):
            return distributed.Client(scheduler_file=address)
        return distributed.Client(address)
    except (OSError, ValueError) as error:
        raise InputError(f"scheduler: cannot reach {address} ({first_line(error)})") from None


def threads(client: Any) -> int:
    """Parts that its workers compute at once, at least one."""
    return max(1, sum(_workers(client).values()))


def rows_for_all(client: Any, n: int) -> int:
    """Rows in a part, if each thread of the workers is to have its share of ``n`` in several parts."""
    return max(1, -(-n // (_SHARES * threads(client))))


def kept(client: Any, value: Any, what: str) -> Any:
    """A value that several parts of :func:`each` need, to be put into them in its place: workers have it from one
    another, for as long as what is returned here is held."""
    return _submit(client, _unpacked, __version__, _packed(value), key=f"sametask-{what}-{uuid.uuid4().hex[:12]}")


def each(
    client: Any, function: Callable[..., Any], shared: Any, parts: Iterable[Sequence[Any]], what: str
) -> Iterator[tuple[int, Any]]:
    """``function(shared, *part)`` of each part, with its number, as they are finished.

    Where one fails those under way are waited for, and handed out, before the error is raised: of several that of the
    first part, as without a cluster. Dask gives up what was on several workers as they were lost, be it to blame or
    not; so each such part is tried once more with nothing beside it.

    Args:
        client: of the cluster.
        function: one of the package's own.
        shared: what all parts have in common; sent once.
        parts: arguments, values that are :func:`kept` among them; taken one after another as workers get free.
        what: a word by which the dashboard calls the tasks.

    Raises:
        InputError: what is shared cannot be sent.
        ClusterError: workers or scheduler were lost.
    """
    distributed = sys.modules["distributed"]
    run = f"sametask-{what}-{uuid.uuid4().hex[:12]}"
    left = ((number, *_apart(distributed, function, part)) for number, part in enumerate(parts))
    common = kept(client, shared, f"{what}-shared")
    under_way: dict[Any, tuple[int, bytes, list[Any]]] = {}
    suspects: list[tuple[int, bytes, list[Any]]] = []
    failures: dict[int, Exception] = {}
    lost: set[int] = set()
    given_up = 0

    def send(number: int, packed: bytes, needed: list[Any], again: str = "") -> None:
        future = _submit(client, _computed, common, packed, *needed, key=f"{run}-{number}{again}")
        under_way[future] = (number, packed, needed)

    try:
        while True:
            tried = None
            if not failures and not suspects:
                room = max(_AHEAD * threads(client), _LEAST_AHEAD) - len(under_way)
                for part in itertools.islice(left, max(room, 0)):
                    send(*part)
            elif suspects and not under_way and given_up < _MOST_GIVEN_UP:
                tried = suspects.pop()
                send(*tried, again="-alone")
            if not under_way:
                break
            for future in _finished(distributed, client, list(under_way), sorted(lost)):
                part = under_way.pop(future)
                number = part[0]
                try:
                    result = future.result()
                except distributed.KilledWorker as error:
                    lost.add(number)
                    if tried is None:
                        suspects.append(part)
                    else:
                        failures[number] = _given_up(number, error)
                        given_up += 1
                except CancelledError:
                    failures[number] = ClusterError(
                        "cluster: the work was cancelled: the client was closed, or the scheduler restarted; make the "
                        "call again, with a client that is connected"
                    )
                except Exception as error:  # whatever a task raises
                    failures[number] = error
                else:
                    lost.discard(number)  # it was not to blame
                    yield number, result
                    del result
                future.release()
    finally:
        for future in (*under_way, common):
            future.release()  # what nobody waits for is not computed
    if failures:
        raise failures[min(failures)]


def cuts(n: int, width: int) -> list[slice]:
    """Slices of ``n`` rows, each of some megabytes where a row has ``width`` numbers in and as many out."""
    step = max(_FEWEST, _NUMBERS // max(width, 1))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def by_rows(
    client: Any, function: Callable[..., Any], shared: Any, pieces: Iterable[tuple[slice, Sequence[Any]]], what: str
) -> Iterator[tuple[slice, Any]]:
    """``function(shared, *part)`` of pieces of a table, each (rows, part), here or on a cluster.

    Pieces are cut by who calls, so that they are the same wherever they are computed.
    """
    if client is None:
        for rows, part in pieces:
            yield rows, function(shared, *part)
        return
    places: dict[int, slice] = {}

    def parts() -> Iterator[Sequence[Any]]:
        for number, (rows, part) in enumerate(pieces):
            places[number] = rows
            yield part

    for number, result in each(client, function, shared, parts(), what):
        yield places.pop(number), result


def _submit(client: Any, function: Callable[..., Any], *arguments: Any, key: str) -> Any:
    from dask import config

    # parts are data, and meant to be sent with their task: there it is found again when its worker is lost
    with config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        return client.submit(function, *arguments, key=key, pure=False)


def _packed(shared: Any) -> bytes:
    from distributed.protocol.pickle import dumps

    try:
        return dumps(shared)
    except Exception as error:  # pickling runs code of whoever made the object
        raise InputError(
            f"client: cannot send what the work needs to workers ({first_line(error)}); give networks and functions "
            "that can be pickled, or client=False to compute here"
        ) from error


def _unpacked(version: str, packed: bytes) -> Any:
    """On a worker: what all parts share."""
    if version != __version__:
        raise ClusterError(f"cluster: a worker has sametask {__version__}, not {version}; install the same everywhere")
    return _read(packed)


def _read(packed: bytes) -> Any:
    try:
        return pickle.loads(packed)
    except Exception as error:  # a module that is not there, a file, a device
        raise ClusterError(
            f"cluster: a worker cannot read what it was sent ({type(error).__name__}: {first_line(error)}); "
            "install the same packages everywhere; modules of your own go there with client.upload_file(…), or into "
            "the PYTHONPATH of the workers"
        ) from None


def _computed(shared: Any, packed: bytes, *needed: Any) -> Any:
    """On a worker: one part."""
    function, part, places = _read(packed)
    for place, value in zip(places, needed, strict=True):
        part[place] = value
    return function(shared, *part)


def _apart(distributed: Any, function: Callable[..., Any], part: Sequence[Any]) -> tuple[bytes, list[Any]]:
    """A part as it is sent, in bytes that the scheduler need not understand, and the kept values that it needs."""
    places = [k for k, value in enumerate(part) if isinstance(value, distributed.Future)]
    rest = [None if k in places else value for k, value in enumerate(part)]
    return _packed((function, rest, places)), [part[k] for k in places]


def _finished(distributed: Any, client: Any, under_way: list[Any], lost: list[int]) -> list[Any]:
    """Those that are done, or failed; waits for the first. Parts that were ``lost`` with their workers are named where
    there is none any more.

    Raises:
        ClusterError: there is no scheduler any more, or no worker for a long time.
    """
    alone_since, patience = None, _AFTER_LOSSES if lost else _PATIENCE
    while True:
        # what is cancelled is done as well, and says so when it is asked for its result
        with suppress(TimeoutError, CancelledError):
            distributed.wait(under_way, timeout=_LOOK, return_when="FIRST_COMPLETED")
        done = [future for future in under_way if future.done()]
        if done:
            return done
        if _workers(client):
            alone_since = None
        elif alone_since is None:
            alone_since = time.monotonic()
        elif time.monotonic() - alone_since > patience:
            with_them = f", after some were lost that computed parts {', '.join(map(str, lost))}" if lost else ""
            cause = "; a network that ends its process or takes all memory ends workers" if lost else ""
            raise ClusterError(
                f"cluster: no worker for {patience:g} seconds{with_them}{cause}; start some, and make the call again"
            )


def _workers(client: Any) -> dict[str, int]:
    """The addresses of workers, and how many threads each has; while the client connects again, it is waited for.

    Raises:
        ClusterError: the scheduler is gone.
    """
    while True:
        while client.status == "connecting":  # it gives up by itself
            time.sleep(_LOOK / 10)
        if client.status != "running":
            raise ClusterError(f"cluster: the scheduler is gone ({client.status}); start it, and make the call again")
        try:
            return client.nthreads()
        except (OSError, AttributeError):  # closed between these lines
            time.sleep(_LOOK / 10)


def _given_up(number: int, error: Any) -> ClusterError:
    lost = error.allowed_failures + 1
    return ClusterError(
        f"cluster: part {number} was given up after {lost} workers were lost with nothing but it on them, as they are "
        "that run out of memory; give workers more memory, or smaller parts"
    )


def _in_a_task(distributed: Any) -> bool:
    """Whether this is a task of Dask itself, which must not wait for others."""
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True
