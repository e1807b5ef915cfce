"""Stored probes: the same bits as in memory, whatever is killed, damaged or called again in between."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import sametask as st
from assertions import assert_same, raises_one_line
from sametask import _files
from sametask.networks import from_callable
from sametask.networks.callable import CallableNetwork
from sametask.probes import storage
from sametask.probes.chunks import see
from sametask.probes.inputs import digest_of

X = np.random.default_rng(0).uniform(0, 1, (700, 2))
WAYS = {
    "jacobian": st.Jacobian(),
    "difference": st.CentralDifference(),
    "burst": st.Burst(12, 1e-3),
    "neighbours": st.Neighbours(8, 2),
}


def wave(x: np.ndarray, weight: float = 1.0) -> np.ndarray:
    """Number by number, so that what comes of a row does not depend on those beside it, as products of matrices do."""
    a, b = x[:, :1], x[:, 1:2]
    return np.tanh(np.concatenate([a + b / 2, a - b, weight * b + 0.1, a * b], axis=1))


def slopes(x: np.ndarray) -> np.ndarray:
    a, b = x[:, :1], x[:, 1:2]
    one = np.ones_like(a)
    inner = np.stack([np.concatenate(p, 1) for p in ((one, one / 2), (one, -one), (0 * one, one), (b, a))], 1)
    return (1 - wave(x) ** 2)[:, :, None] * inner


NET = from_callable(wave, "wave", jacobian=slopes)


@dataclass
class Watched:
    """A network that counts the rows it was asked for."""

    rows: int = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.rows += len(x)
        return wave(x)


class Stop(BaseException):
    """What a keyboard interrupt is: no Exception."""


def stopping(after: int) -> CallableNetwork:
    """The network, which is interrupted once it was asked so many times."""
    calls = 0

    def asked(x: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Stop
        return wave(x)

    return from_callable(asked, "wave", jacobian=slopes)


def store(path: Path, way: Any = WAYS["difference"], net: CallableNetwork = NET, **options: Any) -> st.StoredProbe:
    return st.probe(net, options.pop("inputs", X), way, store=path, **{"batch_size": 32, "chunk_rows": 96, **options})


def begun(path: Path, way: Any = WAYS["difference"], after: int = 25) -> Path:
    """An unfinished store, interrupted as the user would."""
    with pytest.raises(Stop):
        store(path, way, stopping(after))
    return path.with_name(path.name + ".part")


# -- the same bits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("options", [{}, {"batch_size": 7, "chunk_rows": 50}, {"batch_size": 10**6}, {"chunk_rows": 1}])
def test_what_is_stored_is_what_is_seen_in_memory(way, options, tmp_path) -> None:
    whole = st.probe(NET, X, WAYS[way], neurons=3, seed=4)
    stored = st.probe(NET, X, WAYS[way], neurons=3, seed=4, store=tmp_path / "p.zarr", **options)
    assert_same(whole, stored.load())
    assert_same(whole, st.Probe.load(tmp_path / "p.zarr"))
    assert_same(whole, st.probe(NET, X, WAYS[way], neurons=3, seed=4, **options))
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.zarr"]


def test_chunks_do_not_change_the_batches(tmp_path) -> None:
    """Products of matrices differ in the last bits with the number of rows: the network is given the same batches."""
    weights = np.random.default_rng(5).normal(size=(2, 5))
    net = from_callable(lambda x: np.tanh(x @ weights), "product")
    whole = st.probe(net, X, batch_size=48, neighbourhood=st.CentralDifference())
    for rows in (1, 48, 100, None):
        stored = store(tmp_path / f"{rows}.zarr", net=net, batch_size=48, chunk_rows=rows)
        assert_same(whole, stored.load())


def test_tangents_and_perturbations(tmp_path) -> None:
    tangents = np.random.default_rng(1).normal(size=(700, 1, 2))

    def perturb(x: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
        return x + 0.01 * rng.standard_normal((size, 2)) * rng.uniform()

    for k, way in enumerate((st.Jacobian(tangents), st.CentralDifference(1e-4, tangents), st.Burst(40, 1.0, perturb))):
        assert_same(st.probe(NET, X, way), store(tmp_path / f"{k}.zarr", way, batch_size=30).load())
    # others are another call
    begun(tmp_path / "q.zarr", st.CentralDifference(1e-4, tangents))
    with raises_one_line("store:", "other neighbourhood"):
        store(tmp_path / "q.zarr", st.CentralDifference(1e-4, tangents + 1))
    begun(tmp_path / "r.zarr", st.Burst(40, 1.0, perturb, 2), after=8)
    with raises_one_line("store:", "other neighbourhood"):
        store(tmp_path / "r.zarr", st.Burst(40, 1.0, lambda x, rng, size: perturb(x, rng, size) + 1, 2))


def test_a_burst_belongs_to_its_row() -> None:
    one = st.probe(NET, X, st.Burst(12, 1e-3), seed=2)
    two = st.probe(NET, X[:100], st.Burst(12, 1e-3), seed=2)
    assert one.metric.gains[:100].tobytes() == two.metric.gains.tobytes()
    other = st.probe(NET, X[:100], st.Burst(12, 1e-3), seed=3)
    assert not (one.metric.gains[:100] == other.metric.gains).any()
    shifted = st.probe(NET, X[1:101], st.Burst(12, 1e-3), seed=2)
    assert not (one.metric.gains[1:101] == shifted.metric.gains).any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f8", np.int32])
def test_memory_mapped_inputs_of_every_type(dtype, tmp_path) -> None:
    x = (np.arange(600).reshape(300, 2)[::-1] ** 1.1).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    way = st.Neighbours(8, 2)
    stored = store(tmp_path / "p.zarr", way, inputs=np.load(tmp_path / "x.npy", mmap_mode="r"), ids=None)
    assert_same(st.probe(NET, x, way), stored.load())


def test_ids_that_are_given(tmp_path) -> None:
    names = [f"é{k}" for k in range(700)]
    assert_same(st.probe(NET, X, WAYS["difference"], ids=names), store(tmp_path / "p.zarr", ids=names).load())
    assert store(tmp_path / "p.zarr", ids=names).found == 8


def test_a_chunk_is_a_function_of_what_can_be_sent_elsewhere() -> None:
    whole = st.probe(NET, X, WAYS["burst"], seed=3)
    way = st.Burst(12, 1e-3, dimension=2)
    arguments = (from_callable(wave), way.part(slice(64, 100)), X[64:100], 64, slice(None), 3, 32)
    function, arguments = pickle.loads(pickle.dumps((see, arguments)))
    activations, metric = function(*arguments)
    assert activations.tobytes() == whole.activations[64:100].tobytes()
    assert metric.gains.tobytes() == whole.metric.gains[64:100].tobytes()


# -- the stored probe ------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path: Path) -> st.StoredProbe:
    return store(tmp_path / "p.zarr")


def test_what_a_stored_probe_knows(stored) -> None:
    assert repr(stored) == "StoredProbe('wave': 700 samples, 4 neurons, 2 dimensions, by difference)"
    whole = stored.load()
    assert (len(stored), stored.dimension, stored.neurons) == (700, 2, whole.neurons)
    assert (stored.name, stored.scale, stored.kind) == ("wave", None, "difference")
    assert stored.ids.tobytes() == whole.ids.tobytes()
    assert (stored.found, stored.chunks) == (0, 8)
    assert_same(pickle.loads(pickle.dumps(stored)).load(), whole)


def test_rows_are_taken_from_the_chunks_they_are_in(stored) -> None:
    whole = stored.load()
    for rows in ([699, 0, 3, 3], np.arange(0, 700, 50), X[:, 0] < 0.1, slice(90, 100), [-1]):
        assert_same(stored.take(rows), whole.take(np.arange(700)[rows]))
    for name in ("activations", "gains"):
        (stored.path / name / ("c.5.0")).write_bytes(b"")
    assert_same(stored.take([1, 699]), whole.take(np.array([1, 699])))  # chunk 5 is not looked at
    with raises_one_line("path:", "damaged", "rows 480 to 575", "run what wrote it again to mend it"):
        stored.take([1, 500])


@pytest.mark.parametrize("rows", [[700], [-701], [0.5], "all", [[0, 1]], None, [True] * 3, 5])
def test_rows_that_do_not_exist(rows, stored) -> None:
    with raises_one_line("rows:", "from 0 to 699"):
        stored.take(rows)


def test_blocks_are_all_rows_in_order(stored) -> None:
    whole, seen = stored.load(), []
    for rows, block in stored.blocks():
        assert_same(block, whole.take(np.arange(700)[rows]))
        seen += range(rows.start, rows.stop)
    assert seen == list(range(700))


def test_a_saved_probe_is_a_stored_one(tmp_path, stored) -> None:
    whole = stored.load()
    whole.save(tmp_path / "q.zarr")
    again = st.StoredProbe.open(tmp_path / "q.zarr")
    assert_same(again.load(), whole)
    assert_same(again.take([5]), whole.take(np.array([5])))


def test_a_finished_store_is_nothing_but_zarr(stored) -> None:
    members = dict(zarr.open_group(stored.path, mode="r").members())
    assert sorted(members) == ["activations", "directions", "frames", "gains", "ids", "inputs"]
    assert all(array.chunks[0] == 96 for array in members.values())
    compressed = sum(file.stat().st_size for file in stored.path.rglob("c.*"))
    assert compressed < sum(array.nbytes for array in members.values())


# -- gone on with ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", list(WAYS))
def test_the_same_call_goes_on(way, tmp_path) -> None:
    after = {"jacobian": 12, "difference": 60, "burst": 25, "neighbours": 12}[way]
    part = begun(tmp_path / "p.zarr", WAYS[way], after)
    done, total = storage.progress(tmp_path / "p.zarr") or (0, 0)
    assert 0 < done < total
    assert [entry.name for entry in tmp_path.iterdir()] == [part.name]
    with raises_one_line("path:", f"not finished, {done} of {total} chunks", "again to go on"):
        st.Probe.load(tmp_path / "p.zarr")
    for place in (tmp_path / "p.zarr", part):
        with raises_one_line("path:", f"not finished, {done} of {total} chunks"):
            st.StoredProbe.open(place)
    found = store(tmp_path / "p.zarr", WAYS[way])
    assert found.found == (0 if way == "neighbours" else done)
    assert_same(found.load(), st.probe(NET, X, WAYS[way]))
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.zarr"]


def test_what_was_decided_is_not_decided_anew(tmp_path, monkeypatch) -> None:
    tangents = np.random.default_rng(1).normal(size=(700, 1, 2))

    def perturb(x: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
        return x + 0.01 * rng.standard_normal((size, 2))

    for after, way in ((30, st.CentralDifference(None, tangents)), (130, st.Burst(12, 1.0, perturb))):
        path, whole = tmp_path / f"{after}.zarr", st.probe(NET, X, way, neurons=3)
        with pytest.raises(Stop):
            store(path, way, stopping(after), neurons=3)
        with monkeypatch.context() as patched:
            patched.setattr(type(way), "resolve", lambda *_: pytest.fail("decided anew"))
            patched.setattr("sametask.probes.probing._choose", lambda *_: pytest.fail("drawn anew"))
            assert_same(store(path, way, neurons=3).load(), whole)


def test_a_finished_store_is_returned_and_only_a_few_inputs_are_asked_again(tmp_path) -> None:
    store(tmp_path / "p.zarr")
    watched = Watched()
    again = store(tmp_path / "p.zarr", net=from_callable(watched, "wave"))
    assert (again.found, again.chunks) == (8, 8)
    assert watched.rows == 16


def test_a_store_that_was_begun_keeps_its_chunks(tmp_path) -> None:
    begun(tmp_path / "p.zarr")
    assert store(tmp_path / "p.zarr", chunk_rows=10, batch_size=5).chunks == 8


def test_another_call_does_not_go_on(tmp_path) -> None:
    part = begun(tmp_path / "p.zarr", st.CentralDifference(1e-4))
    other = from_callable(lambda x: wave(x, 1.01), "wave")
    narrow = from_callable(lambda x: wave(x)[:, :3], "wave")
    for words, options in {
        "seed: 0 there, 1 here": {"seed": 1},
        "neurons: None there, 3 here": {"neurons": 3},
        "other neurons": {"neurons": [1, 2]},
        "other inputs": {"inputs": X + 1},
        "samples: 700 there, 699 here": {"inputs": X[1:]},
        "other ids": {"ids": range(700)},
        "other neighbourhood": {"way": st.CentralDifference(2e-4)},
        "name: 'wave' there, 'function' here": {"net": from_callable(lambda x: wave(x))},
        "another network (activations at inputs seen before differ by up to": {"net": other},
        "another network (3 neurons here, 4 there)": {"net": narrow},
    }.items():
        before = sorted((file, file.read_bytes()) for file in part.rglob("*") if file.is_file())
        with raises_one_line("store:", words, "of 8 chunks", "remove it"):
            store(tmp_path / "p.zarr", **{"way": st.CentralDifference(1e-4), **options})
        assert before == sorted((file, file.read_bytes()) for file in part.rglob("*") if file.is_file())
    rounded = from_callable(lambda x: wave(x) * (1 + 1e-7), "wave")  # what another order of additions does
    assert store(tmp_path / "p.zarr", st.CentralDifference(1e-4), rounded).found > 0


def test_another_call_takes_the_place_of_a_finished_probe_only_once_it_is_finished(tmp_path) -> None:
    path = tmp_path / "p.zarr"
    old = store(path).load()
    with pytest.raises(Stop):
        store(path, net=stopping(25), seed=1)
    assert_same(st.Probe.load(path), old)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["p.zarr", "p.zarr.part"]
    store(path, seed=1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.zarr"]
    other = from_callable(lambda x: wave(x, 2.0), "wave")  # a network that was trained on, under the same name
    new = store(path, net=other, seed=1)
    assert new.found == 0
    assert_same(new.load(), st.probe(other, X, WAYS["difference"], seed=1))


def test_what_has_no_chunk_yet_is_no_obstacle(tmp_path) -> None:
    with pytest.raises(Stop):
        store(tmp_path / "p.zarr", net=stopping(2))
    assert list(tmp_path.iterdir()) == []
    begun(tmp_path / "p.zarr")
    shutil.rmtree(tmp_path / "p.zarr.part" / "journal")  # as if killed before the first entry
    assert_same(store(tmp_path / "p.zarr", seed=1, chunk_rows=64).load(), st.probe(NET, X, WAYS["difference"], seed=1))


def test_where_no_chunk_holds_all_is_decided_anew(tmp_path) -> None:
    part = begun(tmp_path / "p.zarr")
    shutil.rmtree(part / "activations")
    narrow = from_callable(lambda x: wave(x)[:, :3], "wave")  # now another network, which nothing there can tell
    found = store(tmp_path / "p.zarr", net=narrow, chunk_rows=64)
    assert (found.found, found.chunks, len(found.neurons)) == (0, 11, 3)
    assert_same(found.load(), st.probe(narrow, X, WAYS["difference"]))


def test_nothing_else_is_overwritten(tmp_path) -> None:
    with raises_one_line("store:", "3", "the name of a Zarr directory"):
        store(3)  # type: ignore[arg-type]
    (tmp_path / "file").write_text("precious")
    (tmp_path / "q.zarr.part").mkdir()
    for name in ("file", "q.zarr"):
        with raises_one_line("store:", "exists and is not a probe"):
            store(tmp_path / name)
    with raises_one_line("store:", "cannot write"):
        store(tmp_path / "file" / "p.zarr")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "q.zarr.part"]


def test_two_writers_are_one_too_many(tmp_path) -> None:
    part = begun(tmp_path / "p.zarr")
    with _files.lock(part / "lock"), raises_one_line("store:", "another process is writing", "wait"):
        store(tmp_path / "p.zarr")
    assert store(tmp_path / "p.zarr").found > 0  # whoever had the lock has ended


def test_a_full_disk_is_no_traceback_and_what_is_there_stays(tmp_path, monkeypatch) -> None:
    begun(tmp_path / "p.zarr")
    before = storage.progress(tmp_path / "p.zarr")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(_files, "sync", full)
        with raises_one_line("store:", "cannot write", "No space left on device"):
            store(tmp_path / "p.zarr")
    assert storage.progress(tmp_path / "p.zarr") == before
    store(tmp_path / "p.zarr")


# -- checks of all samples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [32, 700])
def test_networks_that_say_nothing_leave_nothing(size, tmp_path) -> None:
    for function, words in (
        (lambda x: np.ones((len(x), 2)) * [0.0, 3.0], "every neuron is constant"),
        (lambda x: np.repeat(np.floor(x[:, :1] * 4), 2, axis=1), "no neuron responds"),
    ):
        way = st.CentralDifference(1e-12)
        for each in ({}, {"store": tmp_path / "p.zarr", "chunk_rows": size}):
            with raises_one_line("activations:", words):
                st.probe(from_callable(function), X, way, batch_size=size, **each)
        assert list(tmp_path.iterdir()) == []


def test_a_network_that_is_constant_in_each_chunk_but_not_over_all_is_not_constant(tmp_path) -> None:
    ordered = X[np.argsort(X[:, 0])]
    edge = ordered[95:97, 0].mean()
    step = from_callable(lambda x: np.repeat(np.where(x[:, :1] >= edge, 1.0, 0.0), 2, axis=1))
    for each in ({}, {"store": tmp_path / "p.zarr", "chunk_rows": 96}):
        with raises_one_line("activations:", "no neuron responds"):  # but it is not said to be constant
            st.probe(step, ordered, st.CentralDifference(1e-12), batch_size=32, **each)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (np.where(np.arange(1400).reshape(700, 2) == 1000, np.nan, X), "1 of 700 rows (500)"),
        (np.concatenate([X, X[3:4]]), "samples 3 and 700 are the same"),
        (X[:3], "3 samples; 2 intrinsic dimensions"),
    ],
)
def test_inputs_are_refused_before_anything_is_written(inputs, words, tmp_path) -> None:
    for each in ({}, {"store": tmp_path / "p.zarr"}):
        with raises_one_line("inputs:", words):
            st.probe(NET, inputs, **each)
    assert list(tmp_path.iterdir()) == []


def test_activations_that_are_not_finite_leave_what_was_seen_before(tmp_path) -> None:
    net = from_callable(lambda x: np.where(x[:, :1] == X[400, 0], np.nan, wave(x)), "wave")
    with raises_one_line("activations of wave:", "1 of rows 384 to 415 (400)"):
        store(tmp_path / "p.zarr", net=net)
    assert storage.progress(tmp_path / "p.zarr") == (4, 8)


# -- damage ----------------------------------------------------------------------------------------------------------

DAMAGE: dict[str, Callable[[Path], Any]] = {
    "lost": lambda file: file.unlink(),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "emptied": lambda file: file.write_bytes(b""),
    "flipped": lambda file: file.write_bytes(file.read_bytes()[:-9] + bytes([file.read_bytes()[-9] ^ 1]) * 9),
    "overwritten": lambda file: file.write_bytes(b"\xff\x00garbage" * 10),
}


@pytest.mark.parametrize("how", list(DAMAGE))
def test_damaged_chunks_are_refused_and_mended(how, tmp_path) -> None:
    path = tmp_path / "p.zarr"
    for way in ("difference", "neighbours"):
        whole = store(path, WAYS[way]).load()
        for file in ("activations/c.2.0", "gains/c.5.0", "frames/zarr.json"):
            DAMAGE[how](path / file)
            with raises_one_line("path:", "damaged", "again to mend it"):
                st.Probe.load(path)
            watched = Watched()
            mended = store(path, WAYS[way], from_callable(watched, "wave"))
            assert mended.found == (8 if (way, file[0]) == ("neighbours", "a") else 0 if "json" in file else 7)
            assert watched.rows < 600 or "json" in file
            assert_same(mended.load(), whole)
        assert [entry.name for entry in tmp_path.iterdir()] == ["p.zarr"]
        assert "journal" not in [entry.name for entry in path.iterdir()]


@pytest.mark.parametrize("way", ["difference", "neighbours"])
def test_damage_to_any_file_of_an_unfinished_store_is_mended(way, tmp_path) -> None:
    part = begun(tmp_path / "p.zarr", WAYS[way], after={"difference": 45, "neighbours": 12}[way])
    whole = st.probe(NET, X, WAYS[way])
    files = sorted(file.relative_to(part) for file in part.rglob("*") if file.is_file())
    files = [file for file in files if file.name != "lock" and str(file) != "zarr.json"]
    assert len(files) >= 12
    shutil.copytree(part, tmp_path / "copy")
    for k, file in enumerate(files):
        list(DAMAGE.values())[k % len(DAMAGE)](part / file)
        assert_same(store(tmp_path / "p.zarr", WAYS[way]).load(), whole)
        shutil.rmtree(tmp_path / "p.zarr")
        shutil.copytree(tmp_path / "copy", part)
    (part / "zarr.json").write_text("{")
    with raises_one_line("store:", "exists and is not a probe"):  # never taken for nothing, and overwritten
        store(tmp_path / "p.zarr", WAYS[way])


@pytest.mark.parametrize("way", ["difference", "neighbours"])
@pytest.mark.parametrize("place", ["os.fsync", "files.write_synced", "pathlib.Path.rename", "zarr.Array.__setitem__"])
def test_stopped_at_any_step_it_goes_on(place, way, tmp_path, monkeypatch) -> None:
    """Also between the steps of writing a chunk, its entry, and the store's name."""
    x, path = X[:120], tmp_path / "p.zarr"
    whole = st.probe(NET, x, WAYS[way])
    owner: Any = {"os": os, "files": _files, "pathlib": Path, "zarr": zarr.Array}[place.partition(".")[0]]
    name = place.rpartition(".")[2]
    original, steps = getattr(owner, name), 0
    for stop_at in range(1, 1000, 1 if way == "difference" else 3):
        calls = 0

        def stopping_there(*args: Any, stop_at: int = stop_at) -> Any:
            nonlocal calls
            calls += 1
            if calls == stop_at:
                raise Stop
            return original(*args)

        with monkeypatch.context() as patched:
            patched.setattr(owner, name, stopping_there)
            try:
                store(path, WAYS[way], inputs=x, chunk_rows=64)
            except Stop:
                steps += 1
        if calls < stop_at:
            break
        if path.exists():
            assert_same(st.Probe.load(path), whole)
        assert_same(store(path, WAYS[way], inputs=x, chunk_rows=64).load(), whole)
        assert [entry.name for entry in tmp_path.iterdir()] == ["p.zarr"]
        shutil.rmtree(path)
    assert steps >= 1


# -- version 1 -------------------------------------------------------------------------------------------------------


def test_files_of_version_1_are_read(tmp_path) -> None:
    """Written by hand as the first release wrote them: one digest for each whole array, of Zarr's own chunks."""
    whole = st.probe(NET, X, WAYS["jacobian"], ids=[f"é{k}" for k in range(700)])
    group = zarr.create_group(tmp_path / "old.zarr")
    encoded = np.array([list(name.encode().ljust(5, b"\0")) for name in whole.ids], np.uint8)
    digests = {}
    for name, values in {
        "activations": whole.activations,
        "frames": whole.metric.frames,
        "gains": whole.metric.gains,
        "directions": whole.metric.directions,
        "inputs": whole.inputs,
        "ids": encoded,
    }.items():
        group.create_array(name, data=values)
        digests[name] = digest_of(values)
    group.attrs.update(
        {
            "format": "sametask-probe",
            "version": 1,
            "scale": None,
            "neurons": list(whole.neurons),
            "name": "wave",
            "kind": "jacobian",
            "ids": "text",
            "digests": digests,
        }
    )
    assert_same(st.Probe.load(tmp_path / "old.zarr"), whole)
    opened = st.StoredProbe.open(tmp_path / "old.zarr")
    assert_same(opened.take([600, 2]), whole.take(np.array([600, 2])))
    assert [rows for rows, _ in opened.blocks()] == [slice(0, 700)]
    next((tmp_path / "old.zarr" / "gains").rglob("c/*/*")).write_bytes(b"")
    with raises_one_line("path:", "damaged probe", "gains of rows 0 to 699", "probe the network again"):
        st.Probe.load(tmp_path / "old.zarr")


# -- killed ----------------------------------------------------------------------------------------------------------

SLOW = """
import os, sys, time
import numpy as np
import sametask as st

def slow(x):
    with open("log", "a") as log:
        log.write(f"{os.getpid()} {' '.join(str(round(v)) for v in x[:, 0] * 1000)}\\n")
    time.sleep(0.004)
    return np.tanh(np.concatenate([x, x * x - 0.5], axis=1))

x = np.load("x.npy", mmap_mode="r")
way = st.Burst(5, 1e-6) if sys.argv[1] == "burst" else st.Neighbours(6, 1)
st.probe(st.from_callable(slow), x, way, batch_size=8, chunk_rows=8, store="p.zarr", seed=3)
"""


def finished_rows(part: Path, n: int, stage: str) -> set[int]:
    """Rows of all chunks that the journal names, every one of which is what it says."""
    rows: set[int] = set()
    group = zarr.open_group(part, mode="r")
    for file in (part / "journal").glob("*.json"):
        entry = json.loads(file.read_bytes().partition(b"\n")[2])
        chunk = int(file.name.split(".")[1])
        here = slice(8 * chunk, min(8 * chunk + 8, n))
        for name, digest in entry["digests"].items():
            assert digest_of(np.asarray(group[name][here])) == digest
        if file.name.startswith(stage):
            rows |= set(range(here.start, here.stop))
    return rows


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize(("way", "most"), [("burst", 10), pytest.param("neighbours", 20, marks=pytest.mark.slow)])
def test_killed_again_and_again_it_loses_nothing(way, most, tmp_path) -> None:
    n, rng = 800, np.random.default_rng(7)
    x = np.arange(n)[:, None] / 1000
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "log").touch()
    part, kills, stage = tmp_path / "p.zarr.part", 0, {"burst": "all", "neighbours": "seen"}[way]
    command = [sys.executable, "-W", "error", "-c", SLOW, way]

    def steps() -> int:
        """Calls of the network and entries of the journal: 300 in all, but for what is lost."""
        return (tmp_path / "log").read_bytes().count(b"\n") + len(list(part.glob("journal/*.json")))

    while True:
        done = finished_rows(part, n, stage) if part.exists() else set()
        read = (tmp_path / "log").stat().st_size
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as running:
            until = steps() + int(rng.integers(1, 25)) if kills < most else n
            while running.poll() is None and steps() < until:
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.004))
            if running.poll() is None and kills < most:
                running.kill()
                kills += 1
            error = running.communicate()[1]
        assert running.returncode in (0, -signal.SIGKILL), error
        asked = [int(row) for line in (tmp_path / "log").read_bytes()[read:].splitlines() for row in line.split()[1:]]
        # a burst of five is told by its rounded centre; the first chunk is looked at once more, to know the network
        again = set(asked) & done
        assert len(again) <= 16, again
        assert not part.exists() or finished_rows(part, n, stage) >= done
        if running.returncode == 0:
            break
    assert kills >= 10
    namespace: dict[str, Any] = {}
    exec(SLOW.partition("x = np.load")[0].replace("0.004", "0").replace('"log"', "os.devnull"), namespace)
    neighbourhood = st.Burst(5, 1e-6) if way == "burst" else st.Neighbours(6, 1)
    whole = st.probe(st.from_callable(namespace["slow"]), x, neighbourhood, batch_size=8, seed=3)
    assert_same(st.Probe.load(tmp_path / "p.zarr"), whole)
    assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith("p.zarr.")]
    left = {file.name for file in (tmp_path / "p.zarr").rglob("*") if file.is_file()}
    assert all(name == "zarr.json" or name.startswith("c.") for name in left), left


# -- memory ----------------------------------------------------------------------------------------------------------

LARGE = """
import resource, sys
import numpy as np
import sametask as st

weights = np.random.default_rng(0).normal(size=(2, 16))
x = np.load("x.npy", mmap_mode="r")
first = st.probe(st.from_callable(lambda x: np.tanh(x @ weights)), x[:1000], st.CentralDifference(1e-3))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
p = st.probe(
    st.from_callable(lambda x: np.tanh(x @ weights)), x, st.CentralDifference(1e-3), store="p.zarr", batch_size=4096
)
total = sum(block.gains.sum() for block in (b.metric for _, b in p.blocks()))
assert len(p.take([5, len(p) - 1])) == 2
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(p))
"""


def memory(n: int, folder: Path) -> float:
    """Megabytes that probing ``n`` inputs takes beyond what the libraries do."""
    np.save(folder / "x.npy", np.random.default_rng(1).uniform(0, 1, (n, 2)))
    done = subprocess.run([sys.executable, "-c", LARGE], cwd=folder, capture_output=True, text=True, check=True)
    before, after, rows = map(int, done.stdout.split())
    assert rows == n
    return (after - before) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes of ru_maxrss are Linux's")
def test_memory_is_bounded(tmp_path) -> None:
    assert memory(200_000, tmp_path) < 90  # the result: 92 MB, 200 bytes of it ids and inputs of a chunk at a time


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="kilobytes of ru_maxrss are Linux's")
def test_memory_is_bounded_for_millions(tmp_path) -> None:
    n = 2_000_000
    result = n * 8 * (16 + 32 + 2 + 4 + 2 + 1) / 2**20
    assert memory(n, tmp_path) < result / 4
