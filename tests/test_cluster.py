"""Work on a cluster of worker processes: the same results, whatever is killed, full or raised in between."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import distributed
import numpy as np
import pytest

import sametask as st
from assertions import assert_same, raises_one_line
from sametask import _cluster
from sametask.cli import main
from sametask.probes import storage
from worlds import EVERY, RandomNetwork, pair

_QUIET = {"distributed.logging.distributed": "critical", "distributed.worker.daemon": True}
X = np.random.default_rng(0).uniform(0, 1, (900, 2))


@contextmanager
def cluster(workers: int = 2, memory: str = "2GB", **settings: object) -> Iterator[distributed.Client]:
    """Processes with a memory limit, each watched by another that starts it again."""
    with (
        dask.config.set(_QUIET | settings),
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, memory_limit=memory, dashboard_address=":0", silence_logs=60
        ) as made,
        distributed.Client(made) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client() -> Iterator[distributed.Client]:
    with cluster() as made:
        yield made


def wave(x: np.ndarray) -> np.ndarray:
    """Number by number, so that what comes of a row does not depend on those beside it."""
    a, b = x[:, :1], x[:, 1:2]
    return np.tanh(np.concatenate([a + b / 2, a - b, b + 0.1, a * b], axis=1))


def at_place(place: Callable[[np.ndarray], np.ndarray], happens: Callable[[], object]) -> st.Network:
    """The network, to which something happens on workers where it sees such inputs."""
    home = os.getpid()

    def network(x: np.ndarray) -> np.ndarray:
        if os.getpid() != home and place(x).any():
            happens()
        return wave(x)

    return st.from_callable(network, "wave")


def once(marker: Path, happens: Callable[[], object]) -> Callable[[], object]:
    def first() -> None:
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return
        happens()

    return first


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill() -> None:
    """Take memory until the worker is stopped for it."""
    taken = []
    for _ in range(40):
        taken.append(np.ones(1 << 23))  # 64 MiB
        time.sleep(0.02)


def upper(x: np.ndarray) -> np.ndarray:
    """Inputs of about the middle of the table."""
    return (x == X[450]).all(axis=1)


# -- the same results ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way",
    [
        st.CentralDifference(),
        st.Burst(12, 1e-3, perturb=lambda x, rng, size: x + 1e-3 * rng.standard_normal((size, 2))),
        st.Neighbours(8, 2),
    ],
    ids=lambda way: way.kind,
)
def test_probes_are_the_same_to_the_bit(client, way, tmp_path):
    network = st.from_callable(lambda x: wave(x), "wave")
    here = st.probe(network, X, way, batch_size=50, client=False)
    assert_same(st.probe(network, X, way, batch_size=50, chunk_rows=100, client=client), here)
    stored = st.probe(network, X, way, batch_size=50, chunk_rows=100, store=tmp_path / "a.zarr", client=client)
    assert stored.chunks == 9 and stored.found == 0
    assert_same(stored.load(), here)


def test_torch_layers_with_exact_derivatives(client):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 40), torch.nn.Tanh(), torch.nn.Linear(40, 3)).double()
    network = st.from_torch(module, ["1", "2"])
    here, there = (st.probe(network, X, chunk_rows=256, client=c) for c in (False, client))
    # products of matrices may be added up in another order by other numbers of threads
    np.testing.assert_allclose(there.activations, here.activations, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(there.metric.gains, here.metric.gains, rtol=1e-9)


@pytest.mark.parametrize("part", [1 << 9, 1 << 19])
def test_embedding_and_translating(client, part, monkeypatch):
    monkeypatch.setattr(_cluster, "_NUMBERS", part)
    monkeypatch.setattr(_cluster, "_FEWEST", 100)
    drawn = pair("rectangle", 600, 3)
    chart = st.chart(drawn.first)
    seen = drawn.first.activations
    np.testing.assert_array_equal(chart.embed(seen, client=client), chart.embed(seen, client=False))
    carry = st.Transformation.from_match(st.match(chart, st.chart(drawn.second), anchors=drawn.anchors))
    np.testing.assert_array_equal(chart.embed(drawn.first, client=False), chart.embed(seen, client=False))
    for way, given in (("forward", seen), ("forward", drawn.first), ("backward", drawn.second.activations)):
        there, here = (getattr(carry, way)(given, client=c) for c in (client, False))
        for field in ("value", "uncertainty", "inside"):
            np.testing.assert_array_equal(getattr(there, field), getattr(here, field))
    assert carry.forward(seen[:0], client=client).value.shape == (0, 5)
    assert chart.embed(seen[:0], client=client).shape == (0, len(chart.eigenvalues))


def test_a_stored_probe_is_embedded_by_its_chunks(client, tmp_path):
    network = st.from_callable(wave, "wave")
    stored = st.probe(network, X, st.CentralDifference(), batch_size=50, chunk_rows=100, store=tmp_path / "a.zarr")
    chart = st.chart(stored.take(slice(0, 400)))
    np.testing.assert_array_equal(chart.embed(stored, client=client), chart.embed(stored, client=False))


def test_classes_are_the_same(client):
    worlds = [EVERY[name] for name in ("interval", "interval", "interval", "rectangle")]
    x = [world.sample(np.random.default_rng(k), 120) for k, world in enumerate(worlds)]
    for each in x[1:3]:
        each[:12] = x[0][:12]
    probes = [
        world.probe(
            RandomNetwork.draw(world.dimension, 5, 40 + k),
            each,
            ids=np.r_[:12, 1000 * k + 12 : 1000 * k + 120],
            name=str(k),
        )
        for k, (world, each) in enumerate(zip(worlds, x, strict=True))
    ]
    here, there = (st.classes(probes, client=c) for c in (False, client))
    assert here.classes == ((0, 1, 2), (3,))
    assert here.to_dict() == there.to_dict()


# -- which cluster ---------------------------------------------------------------------------------------------------


def test_the_current_client_is_found_where_there_is_something_to_share(client):
    assert _cluster.found(None, 2) is client
    assert _cluster.found(None, 1) is None
    assert _cluster.found(client, 1) is client
    assert _cluster.found(False, 9) is None


def test_a_task_of_dask_does_not_wait_for_others(client):
    def task() -> bool:
        import distributed

        distributed.get_client()  # now the worker has a current client
        return _cluster.found(None, 9) is None

    assert client.submit(task).result()


def test_what_is_no_client_is_refused(client):
    network = st.from_callable(wave)
    with raises_one_line("client", "int"):
        st.probe(network, X, st.CentralDifference(), client=3)
    gone = distributed.Client(client.scheduler.address, set_as_default=False)
    gone.close()
    with raises_one_line("client", "closed"):
        st.probe(network, X, st.CentralDifference(), client=gone)


def test_networks_that_cannot_be_sent_are_refused(client):
    lock = threading.Lock()
    with raises_one_line("client", "client=False"):
        st.probe(st.from_callable(lambda x: (lock, wave(x))[1]), X, st.CentralDifference(), chunk_rows=256)


# -- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_worker_is_killed_in_the_middle(client, tmp_path):
    network = at_place(upper, once(tmp_path / "killed", die))
    here = st.probe(st.from_callable(wave, "wave"), X, st.CentralDifference(), batch_size=50, client=False)
    store = tmp_path / "a.zarr"
    stored = st.probe(network, X, st.CentralDifference(), batch_size=50, chunk_rows=50, store=store, client=client)
    assert (tmp_path / "killed").exists()
    assert_same(stored.load(), here)


def test_the_last_worker_that_has_what_is_shared_is_killed(tmp_path):
    with cluster(workers=1) as client:
        network = at_place(upper, once(tmp_path / "killed", die))
        there = st.probe(network, X, st.CentralDifference(), batch_size=50, chunk_rows=50, client=client)
    assert (tmp_path / "killed").exists()
    assert_same(there, st.probe(st.from_callable(wave, "wave"), X, st.CentralDifference(), batch_size=50))


@pytest.mark.parametrize("happens", [die, fill], ids=["killed", "out of memory"])
def test_inputs_that_no_worker_survives(happens, tmp_path):
    store, options = tmp_path / "a.zarr", {"batch_size": 50, "chunk_rows": 50}
    way = st.CentralDifference(1e-4)
    with cluster(memory="600MB", **{"distributed.scheduler.allowed-failures": 1}) as client:
        with pytest.raises(st.ClusterError, match="memory") as caught:
            st.probe(at_place(upper, happens), X, way, store=store, client=client, **options)
        assert "\n" not in str(caught.value)
        done, parts = storage.progress(store) or (0, 0)
        # all that were under way beside it are kept
        assert parts == 18 and 15 <= done < 18
        assert f"{done} of 18 chunks" in str(caught.value)
        # nothing that was finished is computed again, and the workers are there for the rest
        stored = st.probe(at_place(lambda x: x[:, 0] > 2, die), X, way, store=store, client=client, **options)
    assert stored.found == done
    assert_same(stored.load(), st.probe(st.from_callable(wave, "wave"), X, way, batch_size=50))


def test_a_worker_runs_out_of_memory_once(tmp_path):
    with cluster(memory="600MB") as client:
        network = at_place(upper, once(tmp_path / "full", fill))
        there = st.probe(network, X, st.CentralDifference(), batch_size=50, chunk_rows=50, client=client)
    assert (tmp_path / "full").exists()
    assert_same(there, st.probe(st.from_callable(wave, "wave"), X, st.CentralDifference(), batch_size=50))


def test_a_task_that_raises_says_what_it_says_here(client, tmp_path):
    def network(x: np.ndarray) -> np.ndarray:
        if upper(x).any():
            raise ZeroDivisionError("in the middle")
        return wave(x)

    messages = []
    for k, where in enumerate((client, False)):
        store = tmp_path / f"{k}.zarr"
        with pytest.raises(st.InputError, match="ZeroDivisionError") as caught:
            st.probe(
                st.from_callable(network, "wave"),
                X,
                st.CentralDifference(1e-4),
                batch_size=50,
                chunk_rows=50,
                store=store,
                client=where,
            )
        messages.append(str(caught.value))
        done, _ = storage.progress(store) or (0, 0)
        assert 9 <= done < 18
    assert messages[0] == messages[1]


def test_an_error_that_is_not_finite_names_the_rows_of_all(client):
    network = st.from_callable(lambda x: np.where(upper(x)[:, None], np.nan, wave(x)), "wave")
    with raises_one_line("activations of wave", "450"):
        st.probe(network, X, st.CentralDifference(1e-4), batch_size=50, chunk_rows=50, client=client)


def test_the_scheduler_goes_away_in_the_middle():
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}), cluster(workers=1) as client:
        results = _cluster.each(client, _slowly, None, [(k,) for k in range(200)], "test")
        next(results)
        client.cluster.close()
        with pytest.raises(st.ClusterError, match="make the call again"):
            _ = list(results)


def _slowly(_: None, k: int) -> int:
    time.sleep(0.05)
    return k


def test_no_worker_is_waited_for_forever(monkeypatch):
    monkeypatch.setattr(_cluster, "_PATIENCE", 1.0)
    with cluster(workers=0) as client, pytest.raises(st.ClusterError, match="no worker"):
        st.probe(st.from_callable(wave), X, st.CentralDifference(), client=client)


def test_other_releases_on_workers_are_refused(client, monkeypatch):
    monkeypatch.setattr(_cluster, "__version__", "0.0.0")
    with pytest.raises(st.ClusterError, match=r"not 0\.0\.0"):
        st.probe(st.from_callable(wave), X, st.CentralDifference(), client=client)


class Unreadable:
    """What the workers do not have the module of."""

    def __reduce__(self) -> tuple[object, ...]:
        return __import__, ("a_module_of_ones_own",)


@pytest.mark.parametrize("shared", [True, False])
def test_what_workers_cannot_read_is_said_in_one_line(client, shared):
    given = (Unreadable(), [(1,)]) if shared else (None, [(Unreadable(),)])
    with pytest.raises(st.ClusterError, match=r"a_module_of_ones_own.*PYTHONPATH") as caught:
        list(_cluster.each(client, _late, *given, "test"))
    assert "\n" not in str(caught.value)


def test_only_as_many_parts_as_keep_workers_busy_are_under_way(client):
    taken = []

    def parts() -> Iterator[tuple[int]]:
        for k in range(200):
            taken.append(k)
            yield (k,)

    for done, _ in enumerate(_cluster.each(client, _late, None, parts(), "test"), 1):
        assert len(taken) - done <= _cluster._LEAST_AHEAD
    assert done == 200


def _late(_: None, k: int) -> int:
    return k


def test_a_network_that_ends_every_worker_does_not_end_many(tmp_path):
    with cluster(**{"distributed.scheduler.allowed-failures": 1}) as client:
        ended = tmp_path / "ended"

        def last() -> None:
            with ended.open("a") as file:
                file.write("1")
            die()

        with pytest.raises(st.ClusterError, match=r"part \d+ was given up"):
            st.probe(
                at_place(lambda x: np.ones(len(x), bool), last),
                X,
                st.CentralDifference(),
                chunk_rows=256,
                client=client,
            )
    # four parts, given up after two workers each at most together, and two of them once more after two alone
    assert len(ended.read_text()) <= 4 * 2 + 2 * 2


def test_where_all_workers_are_gone_it_is_said_what_went_with_them(monkeypatch):
    monkeypatch.setattr(_cluster, "_AFTER_LOSSES", 0.5)
    with cluster(workers=0) as client:
        waiting = client.submit(_late, None, 1)
        with pytest.raises(
            st.ClusterError, match=r"after some were lost that computed parts 3, 5; a network that ends"
        ):
            _cluster._finished(distributed, client, [waiting], [3, 5])


# -- the command line ------------------------------------------------------------------------------------------------


def test_the_command_line_takes_a_scheduler(client, tmp_path, capsys, monkeypatch):
    (tmp_path / "maps.py").write_text("import numpy as np\ndef net(): return lambda x: np.hstack([np.exp(x), x**2])\n")
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    address = client.scheduler.address
    call = ["probe", "python:maps:net", "--inputs", "x.npy", "--neighbourhood", "difference", "--chunk-rows", "256"]
    assert main([*call, "-o", "there.zarr", "--scheduler", address]) == 0
    assert main([*call, "-o", "here.zarr"]) == 0
    assert_same(st.Probe.load("there.zarr"), st.Probe.load("here.zarr"))
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        assert main([*call, "-o", "no.zarr", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "--scheduler: cannot reach tcp://127.0.0.1:1" in capsys.readouterr().err
    assert main([*call, "-o", "no.zarr", "--scheduler", "no.json"]) == 2
    assert "--scheduler: no such file no.json" in capsys.readouterr().err


def test_workers_are_lent_a_module_of_the_current_directory(client, tmp_path, monkeypatch):
    (tmp_path / "lent.py").write_text(
        "import numpy as np\nclass Net:\n    def __call__(self, x): return np.hstack([np.exp(x), x**2])\n"
        "def make(): return Net()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    np.save("x.npy", X)
    call = ["probe", "python:lent:make", "--inputs", "x.npy", "--neighbourhood", "difference", "-o", "a.zarr"]
    assert main([*call, "--scheduler", client.scheduler.address]) == 0
    assert len(st.StoredProbe.open("a.zarr")) == len(X)


def test_all_workers_have_something_to_do(client, tmp_path):
    network = st.from_callable(wave, "wave")
    stored = st.probe(network, X, st.CentralDifference(), batch_size=10, store=tmp_path / "a.zarr", client=client)
    assert stored.chunks >= 4 * 2
    assert_same(stored.load(), st.probe(network, X, st.CentralDifference(), batch_size=10, client=False))
