"""``sametask probe``: what is interrupted or killed is gone on with, whatever the network's framework."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import sametask as st
from assertions import as_users_run_it
from sametask.cli import main
from sametask.experiments import demo

SLOW = """
import os, time
import numpy as np

def factory():
    def slow(x):
        time.sleep(float(os.environ.get("SLOW", "0")))
        return np.hstack([np.tanh(x), np.sin(x), x * x / 3])
    return slow
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    (tmp_path / "slow_nets.py").write_text(SLOW)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).uniform(-1, 1, (3000, 2)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


CALL = ("probe", "python:slow_nets:factory", "--inputs", "x.npy", "-o", "p.zarr", "--chunk-rows", "256")


def run(*arguments: object) -> int:
    with as_users_run_it():
        return main([str(argument) for argument in arguments])


def program(*arguments: object, slow: str = "0") -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "sametask", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "SLOW": slow}
    )


def until_some_are_there(running: subprocess.Popen[str], count: int) -> None:
    while len(list(Path("p.zarr.part/journal").glob("*.json"))) < count:
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)


def test_interrupted_and_killed_it_goes_on(place):
    with program(*CALL, slow="0.02") as running:
        until_some_are_there(running, 2)
        running.send_signal(signal.SIGINT)
        out, error = running.communicate()
    assert (running.returncode, out) == (130, "")
    assert len(error.splitlines()) == 1
    assert error.startswith("sametask: interrupted; ")
    assert "of 12 chunks of p.zarr are there: run the same command again" in error
    with program(*CALL, slow="0.02") as running:
        until_some_are_there(running, 5)
        running.kill()
    with program(*CALL) as running:
        out, error = running.communicate()
    assert (running.returncode, error) == (0, "")
    found = int(out.partition("; ")[2].split()[0])
    assert found >= 5
    assert out == (
        f"p.zarr: StoredProbe('factory': 3000 samples, 6 neurons, 2 dimensions, by difference); {found} of 12 "
        "chunks were found finished\n"
    )
    with program(*CALL) as running:
        assert "12 of 12 chunks were found finished" in running.communicate()[0]
    assert sorted(entry.name for entry in place.iterdir() if entry.name != "__pycache__") == [
        "p.zarr",
        "slow_nets.py",
        "x.npy",
    ]


def test_two_at_once_do_no_harm(place):
    with program(*CALL, slow="0.01") as one, program(*CALL, slow="0.01") as two:
        ended = [(each.communicate(), each.returncode) for each in (one, two)]
    assert sorted(code for _, code in ended) in ([0, 0], [0, 2])  # the second came after the first, or while it wrote
    for (_, error), code in ended:
        assert ("another process is writing" in error) == (code == 2)
        assert len(error.splitlines()) == (code == 2)
    with program(*CALL) as running:
        assert "12 of 12 chunks were found finished" in running.communicate()[0]


def test_an_unfinished_store_is_refused_by_all_who_read_it(place, capsys):
    with program(*CALL, slow="0.02") as running:
        until_some_are_there(running, 1)
        running.kill()
    for call in (
        ("compare", "p.zarr", "p.zarr"),
        ("compare", "p.zarr.part", "p.zarr.part"),
        ("whitney", "p.zarr"),
        ("classes", "p.zarr", "p.zarr"),
        ("probe", "p.zarr", "--inputs", "x.npy", "-o", "q.zarr"),
    ):
        assert run(*call) == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert "not finished" in error
        assert "of 12 chunks are there" in error
    assert run(*CALL[:-2], "--neurons", "3", "--seed", "1") == 2
    assert capsys.readouterr().err.startswith("sametask: --output: ")


def test_a_finished_probe_of_another_call_is_replaced(place, capsys):
    assert run(*CALL) == 0
    assert run(*CALL, "--neurons", "4") == 0
    assert "0 of 12 chunks were found finished" in capsys.readouterr().out
    assert len(st.Probe.load("p.zarr").neurons) == 4


def test_the_bar_begins_at_what_is_there(place, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with program(*CALL, slow="0.02") as running:
        until_some_are_there(running, 4)
        running.kill()
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    assert run(*CALL) == 0
    percents = [int(part.rpartition("%")[0].split()[-1]) for part in shown.getvalue().split("|") if "%" in part]
    assert percents[0] >= 4 * 256 * 100 // 3000
    assert percents[-1] == 100


@pytest.mark.parametrize("kind", ["onnx", "torchscript", "export", "python"])
def test_networks_of_every_framework_are_streamed(kind, place, capsys):
    x = np.random.default_rng(1).uniform(-1, 1, (70_000, 2)).astype(np.float32)
    np.save("x.npy", x)  # large enough to be mapped
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
        spec = demo.path("first")
    elif kind == "python":
        spec = "python:slow_nets:factory"
    else:
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Tanh()).eval()
        if kind == "torchscript":
            spec = "net.pt"
            with pytest.warns(DeprecationWarning):
                torch.jit.save(torch.jit.trace(module, torch.zeros(3, 2)), spec)
        else:
            spec = "net.pt2"
            batch = torch.export.Dim("batch")
            torch.export.save(torch.export.export(module, (torch.zeros(3, 2),), dynamic_shapes=({0: batch},)), spec)
    call = ("probe", spec, "--inputs", "x.npy", "-o", "p.zarr", "--neighbourhood", "difference", "--step", "1e-2")
    assert run(*call) == 0
    assert "70000 samples" in capsys.readouterr().out
    network = st.networks.load_network(str(spec))
    assert_rows = np.array([0, 69_999, 1234])
    np.testing.assert_allclose(
        st.StoredProbe.open("p.zarr").take(assert_rows).activations, network(x[assert_rows]), rtol=1e-5, atol=1e-6
    )
    assert run(*call) == 0
    assert "0 of" not in capsys.readouterr().out.partition("; ")[2]


def test_saved_probes_are_compared_without_a_framework(place):
    for name, seed in (("a", 0), ("b", 1)):
        weights = np.random.default_rng(seed).normal(size=(2, 5))
        net = st.from_callable(lambda x, weights=weights: np.tanh(x @ weights), name)
        st.probe(net, np.load("x.npy")[:200], st.CentralDifference(), store=f"{name}.zarr")
    script = (
        "import sys; from sametask.cli import main; main(sys.argv[1:]); "
        "print([name for name in ('torch', 'onnx', 'onnxruntime') if name in sys.modules])"
    )
    for call in (
        ("compare", "a.zarr", "b.zarr"),
        ("whitney", "a.zarr"),
        ("classes", "a.zarr", "b.zarr", "--jobs", "1"),
    ):
        done = subprocess.run([sys.executable, "-c", script, *call], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert done.stdout.splitlines()[-1] == "[]"
