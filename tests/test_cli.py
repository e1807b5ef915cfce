"""The command line: what it writes, its exit codes, and one line for every mistake."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sametask as st
from assertions import as_users_run_it
from sametask.cli import main
from sametask.experiments import demo
from worlds import RandomNetwork, box, circle, relative_error

_N = 300


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Inputs, saved probes and a transformation."""
    folder = tmp_path_factory.mktemp("cli")
    world = box(1.6, 1.0)
    x = world.sample(np.random.default_rng(0), _N)
    ids = np.arange(_N)
    for name, seed in (("a", 1), ("b", 2)):
        world.probe(RandomNetwork.draw(2, 5, seed), x, ids=ids, name=name).save(folder / f"{name}.zarr")
    y = circle().sample(np.random.default_rng(1), _N)
    wrong = np.random.default_rng(2).permutation(_N)
    circle().probe(RandomNetwork.draw(2, 5, 3), y, ids=ids, name="c").save(folder / "c.zarr")
    st.Probe.load(folder / "a.zarr").take(np.arange(30)).save(folder / "few.zarr")
    np.save(folder / "shuffled.npy", np.stack([ids, wrong], 1))
    np.save(folder / "angles.npy", demo.inputs(0, 120))
    np.save(folder / "activations.npy", RandomNetwork.draw(2, 5, 1)(x[:50]))
    np.save(folder / "activations_b.npy", RandomNetwork.draw(2, 5, 2)(x[:50]))
    (folder / "nets.py").write_text(
        "import numpy as np\n"
        "def rising():\n"
        "    return lambda x: np.hstack([np.tanh(x), x + x**2 / 9, np.sin(x)])\n"
        "def other():\n"
        "    return lambda x: np.hstack([np.exp(x), np.cos(x), x])\n"
        "def broken():\n"
        "    raise RuntimeError('first line\\nsecond line')\n"
    )
    np.save(folder / "plane.npy", np.random.default_rng(3).uniform(-1, 1, (200, 2)))
    assert (
        main(["compare", str(folder / "a.zarr"), str(folder / "b.zarr"), "--transformation", str(folder / "t.npz")])
        == 0
    )
    return folder


def run(*arguments: object) -> int:
    with as_users_run_it():
        try:
            return main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return int(stop.code or 0)


def mistake(capsys, *arguments: object) -> str:
    """The one line that a mistake in the call leaves on standard error."""
    capsys.readouterr()
    assert run(*arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert len(error.splitlines()) == 1, error
    assert error.startswith("sametask")
    assert "internal error" not in error
    assert "Traceback" not in error
    return error


# -- demo ------------------------------------------------------------------------------------------------------------


def test_demo_finds_two_networks_equivalent_and_writes_a_page(tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("matplotlib")
    assert run("demo", "--samples", 400, "--report", tmp_path / "page.html", "--json", tmp_path / "v.json") == 0
    out, error = capsys.readouterr()
    assert out.splitlines()[1].startswith("EQUIVALENT")
    assert error == ""
    assert (tmp_path / "page.html").read_text().lstrip().lower().startswith("<!doctype html")
    assert json.loads((tmp_path / "v.json").read_text())["decision"] == "equivalent"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "v.json"]


@pytest.mark.parametrize("samples", ["0", "-5", "many"])
def test_demo_with_samples_that_cannot_be(samples, tmp_path, capsys, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    mistake(capsys, "demo", "--samples", samples)
    assert list(tmp_path.iterdir()) == []


# -- compare ---------------------------------------------------------------------------------------------------------


def test_saved_probes_compare_equivalent(place, tmp_path, capsys):
    code = run("compare", place / "a.zarr", place / "b.zarr", "--json", tmp_path / "v.json")
    out, error = capsys.readouterr()
    assert code == 0
    assert error == ""
    assert out.splitlines()[1].startswith("EQUIVALENT")
    assert json.loads((tmp_path / "v.json").read_text())["decision"] == "equivalent"


def test_inequivalent_is_one_and_undecided_three(place, capsys):
    anchors = ("--anchors", place / "shuffled.npy")
    assert run("compare", place / "a.zarr", place / "b.zarr", *anchors) == 1
    assert capsys.readouterr().out.splitlines()[1].startswith("INEQUIVALENT")
    assert run("compare", place / "few.zarr", place / "b.zarr") == 3
    assert capsys.readouterr().out.splitlines()[1].startswith("UNDECIDED")


def test_one_way_is_one_and_the_json_says_which(place, capsys):
    probe = st.Probe.load(place / "a.zarr")
    x = probe.inputs
    jacobian = np.stack([np.ones(_N) + 0 * x[:, 0], np.zeros(_N)], 1)[:, None]
    blind = st.Probe.from_jacobians(
        np.hstack([x[:, :1], x[:, :1] ** 2 / 4, np.sin(x[:, :1])]),
        np.concatenate([jacobian, jacobian * x[:, :1, None] / 2, jacobian * np.cos(x[:, :1, None])], 1),
        ids=probe.ids,
    )
    blind.save(place / "blind.zarr")
    assert run("compare", place / "a.zarr", place / "blind.zarr", "--json", "-") == 1
    assert json.loads(capsys.readouterr().out)["decision"] == "first determines second"


def test_json_to_standard_output_is_nothing_but_json(place, capsys):
    assert run("compare", place / "a.zarr", place / "b.zarr", "--json", "-") == 0
    out, error = capsys.readouterr()
    assert json.loads(out)["networks"] == ["a", "b"]
    assert error == ""


def test_onnx_files_compare(place, capsys):
    pytest.importorskip("onnxruntime")
    layers = ("--layers-a", demo.LAYERS[0], "--layers-b", demo.LAYERS[1])
    code = run(
        "compare", demo.path("first"), demo.path("second"), "--inputs", place / "angles.npy", *layers, "--json", "-"
    )
    assert code == 0
    described = json.loads(capsys.readouterr().out)
    assert described["samples"] == {"first": 120, "second": 120, "corresponding": 120}


def test_a_saved_probe_and_a_network_compare_by_their_inputs(place, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    saved = tmp_path / "first.zarr"
    assert run("probe", demo.path("first"), "--inputs", place / "angles.npy", "--layers", "hidden2", "-o", saved) == 0
    assert "120 samples" in capsys.readouterr().out
    code = run("compare", saved, demo.path("second"), "--inputs", place / "angles.npy", "--layers-b", "hidden3")
    assert code == 0


def test_python_factories_compare(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [*sys.path])
    np.save("line.npy", np.random.default_rng(0).uniform(0, 1, (150, 1)))
    assert run("compare", "python:nets:rising", "python:nets:other", "--inputs", "line.npy") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("EQUIVALENT")


def test_no_anchors(capsys, tmp_path):
    rng = np.random.default_rng(0)
    for name, seed in (("one", 1), ("two", 2)):
        world = box(1.0)
        world.probe(RandomNetwork.draw(1, 3, seed), world.sample(rng, _N), name=name).save(tmp_path / f"{name}.zarr")
    assert run("compare", tmp_path / "one.zarr", tmp_path / "two.zarr", "--anchors", "none") == 0
    assert "matches agree equally well" in capsys.readouterr().out


# -- observables, sets and orders -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def line(tmp_path_factory) -> Path:
    """Two networks on an interval with no input in common, and what is known of both."""
    folder, inputs = tmp_path_factory.mktemp("line"), []
    for k, name in enumerate(("one", "two")):
        world = box(1.0)
        x = world.sample(np.random.default_rng([61, k]), _N)
        world.probe(RandomNetwork.draw(1, 3, 61 + k), x, name=name).save(folder / f"{name}.zarr")
        np.save(folder / f"{name}.npy", x[:, 0])
        np.save(folder / f"{name}_labels.npy", np.where(x[:, 0] < 0.4, "near", "far"))
        inputs.append(x[:, 0])
    low = [np.flatnonzero(x < 0.3).tolist() for x in inputs]
    (folder / "sets.json").write_text(json.dumps({"sets": [low]}))
    (folder / "orders.json").write_text(json.dumps({"orders": [[np.argsort(x[:30]).tolist() for x in inputs]]}))
    return folder


def test_observables_on_the_command_line(line, capsys):
    call = ("compare", line / "one.zarr", line / "two.zarr", "--anchors", "none", "--sampled-alike", "--observables")
    given = (line / "one.npy", line / "two.npy", "--observables", line / "one_labels.npy", line / "two_labels.npy")
    assert run(*call, *given) == 0
    assert "matches agree equally well" not in capsys.readouterr().out


@pytest.mark.parametrize("file", ["sets.json", "orders.json"])
def test_sets_and_orders_on_the_command_line(file, line, capsys):
    assert run("compare", line / "one.zarr", line / "two.zarr", "--anchors", line / file) == 0
    assert "matches agree equally well" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ("[[0, 1]]", "holds"),
        ('{"sets": [[1]]}', "among sets"),
        ('{"sets": 3}', "among sets"),
        ('{"order": []}', "holds"),
        ('{"sets": [[[0], [0, 0]]]}', "twice"),
        ('{"orders": [[[0, 1, 2], [0, 1, 300]]]}', "row 300"),
        ('{"pairs": [[0, 300]]}', "row 300"),
    ],
)
def test_files_of_sets_and_orders_that_are_none(text, words, line, tmp_path, capsys):
    (tmp_path / "known.json").write_text(text)
    told = mistake(capsys, "compare", line / "one.zarr", line / "two.zarr", "--anchors", tmp_path / "known.json")
    assert "--anchors: " in told
    assert words in told


def test_observables_that_are_none(line, capsys):
    call = ("compare", line / "one.zarr", line / "two.zarr", "--anchors", "none", "--observables")
    assert "--observables: labels" in mistake(capsys, *call, line / "one_labels.npy", line / "two.npy")
    assert "none.npy" in mistake(capsys, *call, line / "one.npy", "none.npy")
    assert "none.json" in mistake(capsys, *call[:3], "--anchors", "none.json")


def test_anchors_that_are_none_say_what_there_is_on_the_command_line(line, capsys):
    call = ("compare", line / "one.zarr", line / "two.zarr")
    told = mistake(capsys, *call, "--anchors", "nothing")
    assert all(word in told for word in ("no such file nothing", "ids", "none", ".npy", ".json"))
    told = mistake(capsys, *call)
    assert "--anchors none" in told
    assert "anchors=None" not in told


# -- noise of anchors, and units -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    """Two networks with six inputs in common; of the second once more in other units."""
    folder = tmp_path_factory.mktemp("few")
    world = box(1.0)
    x, y = (world.sample(np.random.default_rng([60, k]), _N) for k in (1, 2))
    y[:6] = x[:6]
    ids = np.arange(_N)
    world.probe(RandomNetwork.draw(1, 3, 60001), x, ids=ids, name="one").save(folder / "one.zarr")
    second = world.probe(RandomNetwork.draw(1, 3, 60002), y, ids=np.where(ids < 6, ids, ids + _N), name="two")
    second.save(folder / "two.zarr")
    second.rescale(1.7).save(folder / "scaled.zarr")
    return folder


@pytest.mark.parametrize("scale", ["unknown", "1.7", "17e-1"])
def test_networks_in_other_units_compare_where_the_unit_is_given_or_left_open(scale, few, capsys):
    call = ("compare", few / "one.zarr", few / "scaled.zarr", "--relative-scale", scale)
    assert run(*call, "--transformation", few / "t.npz") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].startswith("EQUIVALENT")
    assert ("as the match tells it" in out) == (scale == "unknown")
    x = np.linspace(0.05, 0.95, 50)[:, None]
    y, z = (RandomNetwork.draw(1, 3, seed)(x) for seed in (60001, 60002))
    assert relative_error(st.Transformation.load(few / "t.npz").forward(y).value, z) < 0.01


def test_the_opposite_units_that_differ_and_are_not_said_to(few, capsys):
    assert run("compare", few / "one.zarr", few / "scaled.zarr") != 0
    assert "the spectra agree up to one factor" in capsys.readouterr().out


def test_noise_of_anchors_is_taken(few, capsys):
    call = ("compare", few / "one.zarr", few / "two.zarr")
    assert run(*call, "--anchor-noise", "0.004") == 0
    assert "only to within 0.004" in capsys.readouterr().out
    assert run(*call, "--anchor-noise", "0") == 0
    assert "only to within" not in capsys.readouterr().out


@pytest.mark.parametrize("probes", [("a", "b"), ("few", "b")], ids=["by function", "too few"])
@pytest.mark.parametrize("scale", ["0", "-1.7", "nan", "inf", "known", "", "1,7"])
def test_relative_scales_that_are_none(scale, probes, place, capsys):
    both = (place / f"{name}.zarr" for name in probes)
    line = mistake(capsys, "compare", *both, f"--relative-scale={scale}")
    assert "--relative-scale: " in line
    assert "above zero" in line


def test_words_for_no_relative_scale_say_what_is_one(place, capsys):
    line = mistake(capsys, "compare", place / "a.zarr", place / "b.zarr", "--relative-scale", "unknwon")
    assert "--relative-scale: 'unknwon'" in line
    assert "'unknown'" in line


@pytest.mark.parametrize("probes", [("a", "b"), ("few", "b")], ids=["by function", "too few"])
@pytest.mark.parametrize("noise", ["-1", "nan", "inf", "much", ""])
def test_noise_of_anchors_that_is_none(noise, probes, place, capsys):
    both = (place / f"{name}.zarr" for name in probes)
    line = mistake(capsys, "compare", *both, f"--anchor-noise={noise}")
    assert "--anchor-noise: " in line


@pytest.mark.parametrize("command", ["compare", "classes"])
def test_units_of_inputs_are_taken_as_given(command, place, tmp_path, capsys):
    x = np.random.default_rng(4).uniform(0, 1, (200, 2)) * [1, 1000]
    for name, seed in (("one", 1), ("two", 2)):
        network = RandomNetwork.draw(2, 5, seed)
        jacobians = network.jacobian(x / [1, 1000]) / [1, 1000]
        st.Probe.from_jacobians(
            network(x / [1, 1000]), jacobians, np.arange(200), common_basis=True, inputs=x, name=name
        ).save(tmp_path / f"{name}.zarr")
    call = (command, tmp_path / "one.zarr", tmp_path / "two.zarr")
    assert run(*call, "--input-units", "1,1000") == 0
    assert run(*call) == 0
    if command == "compare":
        assert "in units of 1, 1000" in capsys.readouterr().out
        assert run("whitney", tmp_path / "one.zarr") == 0
        assert "in units of 1, 1000" in capsys.readouterr().out
        assert run("whitney", tmp_path / "one.zarr", "--input-units", "as-given") == 0
        assert "in units of" not in capsys.readouterr().out
    # and of probes whose neighbourhoods were not told along coordinates
    line = mistake(capsys, command, place / "a.zarr", place / "b.zarr", "--input-units", "1,1000")
    assert "--input-units: the inputs are not the coordinates" in line


@pytest.mark.parametrize("units", ["", "1,x", "spread", "1,,2", "0,1", "1,nan"])
def test_units_that_are_none(units, place, capsys):
    line = mistake(capsys, "compare", place / "a.zarr", place / "b.zarr", f"--input-units={units}")
    assert "--input-units: " in line


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        (["--tolerance", "0"], "--tolerance: "),
        (["--tolerance", "five"], "--tolerance: 'five'"),
        (["--level", "1"], "--level: "),
        (["--groups", "nowhere.npy"], "--groups: no such file"),
    ],
)
def test_terms_that_are_none(terms, names, place, capsys):
    assert names in mistake(capsys, "compare", place / "a.zarr", place / "b.zarr", *terms)


def test_terms_are_those_of_compare(place, tmp_path, capsys):
    groups = np.arange(len(st.Probe.load(place / "a.zarr"))) // 2
    np.save(tmp_path / "g.npy", groups)
    run("compare", place / "a.zarr", place / "b.zarr", "--tolerance", "none", "--json", tmp_path / "exact.json")
    told = json.loads((tmp_path / "exact.json").read_text())
    assert told["tolerance"] is told["within"] is told["loss"] is None
    options = ("--tolerance", "0.2", "--units", "neuron", "--level", "0.9", "--groups", tmp_path / "g.npy")
    run("compare", place / "a.zarr", place / "b.zarr", *options, "--json", tmp_path / "within.json")
    told = json.loads((tmp_path / "within.json").read_text())
    assert (told["tolerance"], told["units"], told["level"]) == (0.2, "neuron", 0.9)
    assert told["loss"][0]["groups"] <= groups.max() + 1
    capsys.readouterr()


# -- translate -------------------------------------------------------------------------------------------------------


def test_translate_there_and_back(place, tmp_path, capsys):
    a, b = np.load(place / "activations.npy"), np.load(place / "activations_b.npy")
    assert run("translate", place / "t.npz", place / "activations.npy", "-o", tmp_path / "b.npy") == 0
    assert relative_error(np.load(tmp_path / "b.npy"), b) < 1e-6
    assert run("translate", place / "t.npz", place / "activations_b.npy", "--backward", "-o", tmp_path / "a.npz") == 0
    with np.load(tmp_path / "a.npz") as stored:
        assert set(stored) == {"value", "uncertainty", "inside"}
        assert relative_error(stored["value"], a) < 1e-6
        assert stored["inside"].dtype == bool
    assert "50 rows" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npy"]


def test_rows_outside_the_support_are_counted(place, tmp_path, capsys):
    np.save(tmp_path / "far.npy", 100 + np.load(place / "activations.npy"))
    assert run("translate", place / "t.npz", tmp_path / "far.npy", "-o", tmp_path / "out.npy") == 0
    assert "50 of them outside" in capsys.readouterr().out


# -- mistakes --------------------------------------------------------------------------------------------------------


def test_files_that_are_not_there(place, capsys, tmp_path):
    out = tmp_path / "out.npy"
    assert "none.zarr" in mistake(capsys, "compare", "none.zarr", place / "b.zarr")
    assert "none.onnx" in mistake(capsys, "compare", "none.onnx", "none.onnx", "--inputs", place / "angles.npy")
    assert "none.npy" in mistake(capsys, "compare", demo.path("first"), place / "b.zarr", "--inputs", "none.npy")
    assert "none.npz" in mistake(capsys, "translate", "none.npz", place / "activations.npy", "-o", out)
    assert "none.npy" in mistake(capsys, "translate", place / "t.npz", "none.npy", "-o", out)
    assert "none.npy" in mistake(capsys, "compare", place / "a.zarr", place / "b.zarr", "--anchors", "none.npy")
    assert list(tmp_path.iterdir()) == []


class Bomb:
    """Makes a file when unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_files_that_are_not_what_they_should_be(place, capsys, tmp_path):
    trace, bad, out = tmp_path / "unpickled", tmp_path / "bad.npy", tmp_path / "out.npy"
    whole = (place / "activations.npy").read_bytes()
    np.save(bad, np.array([Bomb(trace)], dtype=object), allow_pickle=True)
    for content in (bad.read_bytes(), pickle.dumps(Bomb(trace)), b"", b"text", whole[:100], whole[:40]):
        bad.write_bytes(content)
        assert "bad.npy" in mistake(capsys, "translate", place / "t.npz", bad, "-o", out)
        assert "bad.npy" in mistake(capsys, "compare", demo.path("first"), place / "b.zarr", "--inputs", bad)
        assert "bad.npy" in mistake(capsys, "translate", bad, place / "activations.npy", "-o", out)
    assert not trace.exists()
    assert not out.exists()
    np.savez(tmp_path / "several.npz", a=np.arange(3))
    assert "several" in mistake(capsys, "translate", place / "t.npz", tmp_path / "several.npz", "-o", out)
    assert "probe" in mistake(capsys, "compare", tmp_path, place / "b.zarr")


def test_wrong_shapes(place, capsys, tmp_path):
    def saved(name: str, values: np.ndarray) -> Path:
        np.save(tmp_path / name, values)
        return tmp_path / name

    out = tmp_path / "out.npy"
    activations = np.load(place / "activations.npy")
    carry = ("translate", place / "t.npz")
    assert "4 neurons" in mistake(capsys, *carry, saved("four.npy", activations[:, :4]), "-o", out)
    assert "(5,)" in mistake(capsys, *carry, saved("row.npy", activations[0]), "-o", out)
    activations[3, 1] = np.nan
    assert "3" in mistake(capsys, *carry, saved("nan.npy", activations), "-o", out)
    mistake(capsys, *carry, saved("words.npy", np.array([["a"]])), "-o", out)
    assert not out.exists()
    both = ("compare", place / "a.zarr", place / "b.zarr", "--anchors")
    assert "(4,)" in mistake(capsys, *both, saved("line.npy", np.arange(4)))
    assert "999" in mistake(capsys, *both, saved("rows.npy", np.array([[0, 999]])))
    assert "float64" in mistake(capsys, *both, saved("floats.npy", np.array([[0.0, 1.0]])))


def test_inputs_a_network_cannot_take(place, capsys, tmp_path):
    pytest.importorskip("onnxruntime")
    for name, values in (
        ("three", np.zeros((50, 3))),
        ("nan", np.full((50, 2), np.nan)),
        ("same", np.zeros((50, 2))),
        ("none", np.zeros((0, 2))),
        ("number", np.float64(3)),
        ("one", np.zeros((1, 2))),
    ):
        np.save(tmp_path / f"{name}.npy", values)
        line = mistake(
            capsys, "probe", demo.path("first"), "--inputs", tmp_path / f"{name}.npy", "-o", tmp_path / "p.zarr"
        )
        assert "inputs" in line or "samples" in line
    assert not (tmp_path / "p.zarr").exists()


def test_unknown_layers_bring_the_nearest_names(place, capsys, tmp_path):
    pytest.importorskip("onnxruntime")
    inputs = ("--inputs", place / "angles.npy")
    line = mistake(capsys, "probe", demo.path("first"), *inputs, "--layers", "hiden2", "-o", tmp_path / "p.zarr")
    assert "hiden2" in line
    assert "hidden2" in line
    assert list(tmp_path.iterdir()) == []


def test_networks_without_inputs(place, capsys):
    pytest.importorskip("onnxruntime")
    assert "--inputs" in mistake(capsys, "compare", demo.path("first"), demo.path("second"))
    assert "--inputs" in mistake(capsys, "compare", place / "a.zarr", demo.path("second"))
    assert "--inputs" in mistake(capsys, "probe", demo.path("first"), "-o", "p.zarr")


def test_saved_probes_have_their_layers_already(place, capsys):
    assert "saved probe" in mistake(capsys, "compare", place / "a.zarr", place / "b.zarr", "--layers-a", "hidden")


def test_factories_that_fail(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [*sys.path])
    inputs = ("--inputs", "plane.npy")
    for spec, word in (
        ("python:nets:none", "none"),
        ("python:no_such_module:make", "no_such_module"),
        ("python:nets", "python:"),
        ("python:nets:broken", "first line"),
        ("nets.py", "nets.py"),
        ("nets.pkl", "nets.pkl"),
    ):
        assert word in mistake(capsys, "probe", spec, *inputs, "-o", "p.zarr")
    assert not Path("p.zarr").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["compere"],
        ["compare"],
        ["compare", "a"],
        ["compare", "a", "b", "--anchor-points", "x"],
        ["demo", "--seed", "x"],
        ["translate", "t.npz"],
        ["probe", "a.onnx", "--inputs", "x.npy"],
        ["probe", "a.onnx", "--inputs", "x.npy", "-o", "p.zarr", "--neighbourhood", "guess"],
        ["--unknown"],
    ],
)
def test_calls_that_make_no_sense(arguments, capsys):
    assert "--help" in mistake(capsys, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--neurons", "many"],
        ["--neurons", "3,900"],
        ["--neurons", "0"],
        ["--seed", "-1"],
        ["--neighbourhood", "difference", "--step", "-1"],
        ["--neighbourhood", "difference", "--step", "nan"],
        ["--neighbourhood", "burst", "--scale", "0"],
        ["--neighbourhood", "burst", "--burst-size", "0"],
        ["--neighbourhood", "neighbours", "-k", "0"],
        ["--neighbourhood", "neighbours", "--dimension", "0"],
        ["--neighbourhood", "jacobian"],
    ],
    ids=" ".join,
)
def test_options_out_of_range(arguments, place, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", [*sys.path])
    call = ("probe", "python:nets:rising", "--inputs", "plane.npy", "-o", tmp_path / "p.zarr")
    mistake(capsys, *call, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_one_way_transformations_say_so(place, capsys, tmp_path):
    first, second = st.Probe.load(place / "a.zarr"), st.Probe.load(place / "b.zarr")
    t = st.Transformation.from_pairs(st.chart(first), st.chart(second), backward=False)
    t.save(tmp_path / "t.npz")
    call = ("translate", tmp_path / "t.npz", place / "activations_b.npy", "--backward", "-o", tmp_path / "o.npy")
    assert "does not determine" in mistake(capsys, *call)
    assert not (tmp_path / "o.npy").exists()


def test_places_that_cannot_be_written(place, capsys, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    translate = ("translate", place / "t.npz", place / "activations.npy", "-o")
    mistake(capsys, *translate, file / "out.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    both = ("compare", place / "a.zarr", place / "b.zarr")
    capsys.readouterr()
    assert run(*both, "--json", file / "v.json") == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_failed_write_leaves_what_was_there(place, capsys, tmp_path, monkeypatch):
    out = tmp_path / "out.npy"
    out.write_bytes(b"before")

    def broken(file, *_, **__):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", broken)
    assert "No space left" in mistake(capsys, "translate", place / "t.npz", place / "activations.npy", "-o", out)
    assert out.read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


# -- as a program ----------------------------------------------------------------------------------------------------


def program(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "sametask", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_a_pipe_gets_no_progress_bars(place, tmp_path):
    call = ("probe", "python:nets:rising", "--inputs", "plane.npy", "-o", tmp_path / "p.zarr")
    done = program(*call, cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert "200 samples" in done.stdout


def test_a_mistake_is_one_line_for_the_program_too(place):
    done = program("compare", "a.zarr", "none.onnx", "--inputs", "plane.npy", cwd=place)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_version_and_help(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"sametask {st.__version__}\n"
    for arguments in (["--help"], ["compare", "--help"], ["probe", "--help"], ["translate", "--help"]):
        assert run(*arguments) == 0
        assert "usage" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--json", "--report", "--transformation"])
def test_places_are_refused_before_the_work_begins(option, place, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sametask.cli.compare", lambda *_, **__: pytest.fail("the work has begun"))
    (tmp_path / "file").write_text("")
    for where, words in ((tmp_path, "directory"), (tmp_path / "file" / "x", "is a file")):
        assert run("compare", place / "a.zarr", place / "a.zarr", option, where) == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert option in error
        assert words in error


def test_a_reader_who_leaves_does_not_change_the_answer(place):
    command = [sys.executable, "-m", "sametask.cli", "compare", "a.zarr", "a.zarr"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=place) as running:
        running.stdout.close()
        error = running.stderr.read()
    assert (running.returncode, error) == (0, b"")


def test_an_interrupt_is_one_whatever_a_framework_makes_of_it(place, capsys, monkeypatch):
    def swallowing(*_, **__):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("something else") from None

    monkeypatch.setattr("sametask.cli.compare", swallowing)
    assert run("compare", place / "a.zarr", place / "a.zarr") == 130
    assert capsys.readouterr().err == "sametask: interrupted\n"


def test_one_column_of_inputs_is_said_to_need_a_second_axis(place, capsys, tmp_path):
    np.save(tmp_path / "x.npy", np.linspace(0, 1, 50))
    assert run("compare", demo.path("first"), demo.path("second"), "--inputs", tmp_path / "x.npy") == 2
    error = capsys.readouterr().err
    assert "--inputs" in error
    assert "x[:, None]" in error


def test_translate_writes_arrays_only(place, capsys, tmp_path):
    assert run("translate", tmp_path / "t.npz", tmp_path / "x.npy", "-o", tmp_path / "q.csv") == 2
    assert "--output" in capsys.readouterr().err
