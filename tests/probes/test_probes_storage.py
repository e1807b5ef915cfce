"""Probes on disk: everything comes back, nothing is half-written, damage is found."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

import sametask as st
from assertions import as_users_run_it, assert_same, raises_one_line
from sametask.probes.inputs import digest_of
from worlds import RandomNetwork

NETWORK = RandomNetwork.draw(2, 4, 3)
X = np.random.default_rng(0).uniform(0, 1, (20, 2))
Y, J = NETWORK(X), NETWORK.jacobian(X)


def probe(**options) -> st.Probe:
    return st.Probe.from_jacobians(Y, J, **{"common_basis": True, **options})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "p.zarr"
    probe(ids=range(20), inputs=X, name="net").save(path)
    return path


# -- there and back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ids": range(20), "inputs": X, "name": "naïve"},
        {"ids": [f"img {k}.png" for k in range(20)]},
        {"ids": [f"é{k}\n日本" for k in range(20)]},
        {"ids": ["", *"abcdefghijklmnopqrs"]},
        {"ids": np.arange(20, dtype=np.uint64) + 2**63},
        {"inputs": np.zeros((20, 3, 4, 1), np.uint8)},
        {"inputs": X.astype(np.float16)},
        {"inputs": X > 0.5},
        {"common_basis": False},
    ],
)
def test_everything_comes_back(options, tmp_path) -> None:
    one = probe(**options)
    one.save(tmp_path / "p.zarr")
    assert_same(one, st.Probe.load(tmp_path / "p.zarr"))
    one.save(str(tmp_path / "text.zarr"))
    assert_same(one, st.Probe.load(str(tmp_path / "text.zarr")))


def test_single_precision_comes_back(tmp_path) -> None:
    one = st.Probe.from_jacobians(Y.astype(np.float32), J.astype(np.float32))
    one.save(tmp_path / "p.zarr")
    two = st.Probe.load(tmp_path / "p.zarr")
    assert_same(one, two)
    assert two.metric.gains.dtype == np.float32


def test_probes_of_every_kind_come_back(tmp_path) -> None:
    bursts = Y[:, None] + 0.1 * np.random.default_rng(0).normal(size=(20, 9, 2)) @ J.transpose(0, 2, 1)
    for name, one in {
        "burst": st.Probe.from_bursts(Y, bursts, 0.1, 2),
        "covariance": st.Probe.from_covariances(Y, J @ J.transpose(0, 2, 1), 2),
    }.items():
        one.save(tmp_path / name)
        two = st.Probe.load(tmp_path / name)
        assert_same(one, two)
        assert two.kind == name
        assert two.metric.directions is None


def test_a_probe_that_came_back_charts_to_the_same_bits(saved) -> None:
    one, two = st.chart(probe(ids=range(20), inputs=X, name="net")), st.chart(st.Probe.load(saved))
    assert one.eigenvalues.tobytes() == two.eigenvalues.tobytes()


def test_a_new_probe_replaces_an_old_one(saved) -> None:
    other = st.Probe.from_jacobians(Y + 1, J, name="other")
    other.save(saved)
    assert_same(other, st.Probe.load(saved))
    assert [entry.name for entry in saved.parent.iterdir()] == ["p.zarr"]


def test_folders_are_made(tmp_path) -> None:
    probe().save(tmp_path / "a" / "b" / "p.zarr")
    assert len(st.Probe.load(tmp_path / "a" / "b" / "p.zarr")) == 20


def test_links_are_followed(saved) -> None:
    link = saved.parent / "link.zarr"
    link.symlink_to(saved)
    other = st.Probe.from_jacobians(Y + 1, J, name="other")
    other.save(link)
    assert link.is_symlink()
    assert_same(other, st.Probe.load(saved))


def test_nothing_is_pickled(saved) -> None:
    for file in saved.rglob("zarr.json"):
        assert "pickle" not in file.read_text()


# -- crashes -------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """What a keyboard interrupt is: no Exception."""


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("error", [Crash, RuntimeError])
@pytest.mark.parametrize("when", [1, 3, 6])
def test_a_crash_while_writing_leaves_nothing_behind_and_the_old_probe_whole(
    old, error, when, tmp_path, monkeypatch
) -> None:
    path = tmp_path / "p.zarr"
    first = probe(ids=range(20), inputs=X, name="first")
    if old:
        first.save(path)
    written = 0
    write = zarr.Group.create_array

    def failing(*args, **options):
        nonlocal written
        written += 1
        if written == when:
            raise error
        return write(*args, **options)

    monkeypatch.setattr(zarr.Group, "create_array", failing)
    with pytest.raises(error), as_users_run_it():
        probe(ids=range(20), inputs=X, name="second").save(path)
    assert written == when
    monkeypatch.undo()
    assert [entry.name for entry in tmp_path.iterdir()] == (["p.zarr"] if old else [])
    if old:
        assert_same(first, st.Probe.load(path))


@pytest.mark.parametrize("failing", ["probe", "p.zarr"])
def test_a_crash_while_renaming_leaves_the_old_probe_whole(failing, saved, monkeypatch) -> None:
    rename = Path.rename

    def crash(self, target):
        if self.name == failing:
            raise Crash
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(Crash):
        st.Probe.from_jacobians(Y + 1, J).save(saved)
    monkeypatch.undo()
    assert [entry.name for entry in saved.parent.iterdir()] == ["p.zarr"]
    assert st.Probe.load(saved).name == "net"


def test_a_full_disk_is_no_traceback(saved, monkeypatch) -> None:
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zarr.Group, "create_array", full)
    with raises_one_line("path:", "cannot write", "No space left on device"):
        probe().save(saved)
    monkeypatch.undo()
    assert st.Probe.load(saved).name == "net"


# -- what is refused -----------------------------------------------------------------------------------------------


def test_nothing_else_is_overwritten(tmp_path) -> None:
    (tmp_path / "file.txt").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.txt").write_text("precious")
    zarr.create_group(tmp_path / "other.zarr", attributes={"format": "other"})
    for name in ("file.txt", "folder", "other.zarr"):
        with raises_one_line("path:", name, "exists and is not a probe", "another name"):
            probe().save(tmp_path / name)
    with raises_one_line("path:", "cannot write", "choose another place"):
        probe().save(tmp_path / "file.txt" / "p.zarr")
    assert (tmp_path / "file.txt").read_text() == "precious"
    assert (tmp_path / "folder" / "file.txt").read_text() == "precious"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file.txt", "folder", "other.zarr"]


def test_things_that_are_no_probes(tmp_path) -> None:
    with raises_one_line("path:", "no such probe", "nowhere"):
        st.Probe.load(tmp_path / "nowhere")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "false.zip").write_bytes(b"PK\x03\x04 and no more")
    with zipfile.ZipFile(tmp_path / "real.zip", "w") as archive:
        archive.writestr("a", "b")
    np.save(tmp_path / "y.npy", Y)
    zarr.create_group(tmp_path / "group.zarr")
    zarr.create_array(tmp_path / "array.zarr", data=Y)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "zarr.json").write_text('{"node_type": "group", "zarr_format": 3, "no_such_field": 1}')
    for entry in sorted(tmp_path.iterdir()):
        with raises_one_line("path:", entry.name, "is not a saved probe", "Probe.save"):
            st.Probe.load(entry)


DAMAGE = {
    "lost": lambda file: file.unlink(),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "emptied": lambda file: file.write_bytes(b""),
    "overwritten": lambda file: file.write_bytes(b"\xff\x00garbage" * 10),
    "flipped": lambda file: file.write_bytes(file.read_bytes()[:-20] + bytes([file.read_bytes()[-20] ^ 1]) * 20),
}


@pytest.mark.parametrize("how", list(DAMAGE))
def test_damage_to_any_file_is_found(how, saved) -> None:
    """Zarr itself reads a lost chunk as zeros, and does not notice a changed bit."""
    files = [file.relative_to(saved) for file in saved.rglob("*") if file.is_file()]
    assert len(files) == 13
    for file in files:
        shutil.copytree(saved, saved.parent / "copy")
        DAMAGE[how](saved.parent / "copy" / file)
        with raises_one_line("path:", "copy"):
            st.Probe.load(saved.parent / "copy")
        shutil.rmtree(saved.parent / "copy")


def edit(path: Path, **attributes) -> None:
    """Change attributes; None removes them."""
    document = json.loads((path / "zarr.json").read_text())
    document["attributes"].update(attributes)
    document["attributes"] = {key: value for key, value in document["attributes"].items() if value != "removed"}
    (path / "zarr.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"version": 99}, "format version 99"),
        ({"version": "removed"}, "format version None"),
        ({"format": "removed"}, "is not a saved probe"),
        ({"neurons": ["a"]}, "damaged probe"),
        ({"neurons": 3}, "damaged probe"),
        ({"neurons": "removed"}, "damaged probe ('neurons')"),
        ({"scale": "wide"}, "damaged probe"),
        ({"scale": "removed"}, "damaged probe"),
        ({"digests": "removed"}, "damaged probe"),
        ({"digests": {}}, "damaged probe"),
        ({"name": "removed"}, "damaged probe"),
        ({"kind": "removed"}, "damaged probe"),
    ],
)
def test_attributes_that_are_not_what_was_written(changed, words, saved) -> None:
    edit(saved, **changed)
    with raises_one_line("path:", words):
        st.Probe.load(saved)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("activations", Y[:10]),
        ("activations", Y[:, :2]),
        ("activations", Y * np.nan),
        ("activations", Y.astype(np.float32)),
        ("gains", np.ones((20, 3))),
        ("frames", np.ones((20, 2, 3))),
        ("ids", np.zeros(20, np.int64)),
        ("inputs", X[:3]),
        ("frames", None),
        ("ids", None),
    ],
)
def test_arrays_that_are_not_what_was_written(name, values, saved) -> None:
    group = zarr.open_group(saved)
    del group[name]
    if values is not None:
        group.create_array(name, data=values)
    with raises_one_line("path:", "damaged probe", name):
        st.Probe.load(saved)


def test_the_order_of_bytes_is_no_damage() -> None:
    assert digest_of(Y) == digest_of(Y.astype(">f8"))
    assert digest_of(Y) != digest_of(Y.astype(np.float32))
    assert digest_of(Y) != digest_of(Y.reshape(40, 2))
    assert digest_of(Y) == digest_of(np.asfortranarray(Y))
