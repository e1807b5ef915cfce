import io
import json
import os
import pickle
import sys
import types
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sametask._check import InputError
from sametask.networks import load_network

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(5, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).eval()


@pytest.fixture(scope="module")
def folder(module, tmp_path_factory):
    """A folder of networks saved in every way, good and bad."""
    folder = tmp_path_factory.mktemp("networks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("net.pt", "net.pth", "net.ts"):
            torch.jit.save(torch.jit.script(module), folder / name)
        shapes = ({0: torch.export.Dim("n")},)
        program = torch.export.export(module, (torch.ones(2, 3),), dynamic_shapes=shapes)
        torch.export.save(program, folder / "net.pt2")
        torch.export.save(torch.export.export(module, (torch.ones(2, 3),)), folder / "two.pt2")
        torch.jit.save(torch.jit.script(module), folder / "script.pt2")
        torch.export.save(program, folder / "renamed.pt2")
    (folder / "renamed.pt2").rename(folder / "exported.pt")
    torch.save(module.state_dict(), folder / "state.pt")
    torch.save(module, folder / "whole.pth")
    torch.save(module.state_dict(), folder / "state.pt2")
    torch.save(module.state_dict(), folder / "old.pt", _use_new_zipfile_serialization=False)
    (folder / "text.pt").write_text("hello")
    (folder / "text.pt2").write_text("hello")
    (folder / "text.onnx").write_text("hello")
    (folder / "short.pt").write_bytes((folder / "net.pt").read_bytes()[:1000])
    (folder / "folder.onnx").mkdir()
    node = onnx.helper.make_node("Tanh", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 3]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:])
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
        folder / "net.onnx",
    )
    return folder


def expected(module):
    with torch.no_grad():
        return module(torch.tensor(INPUTS)).numpy()


# ---- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.ts", "net.pt2", "two.pt2"])
def test_loads_torch_files(folder, module, name):
    network = load_network(str(folder / name))
    assert network.name == Path(name).stem
    assert np.allclose(network(INPUTS), expected(module), rtol=0, atol=1e-6)
    assert network.differentiable


def test_loads_layers_of_an_exported_program(folder, module):
    values = load_network(str(folder / "net.pt2"), ["1"])(INPUTS)
    with torch.no_grad():
        assert np.allclose(values, module[:2](torch.tensor(INPUTS)).numpy(), rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="layers: no '7'"):
        load_network(str(folder / "net.pt2"), ["7"])


def test_loads_onnx(folder):
    network = load_network(str(folder / "net.onnx"))
    assert network.name == "net"
    assert np.allclose(network(INPUTS), np.tanh(INPUTS), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nett.pt2", r"no file .*did you mean 'net.pt2'"),
        ("nowhere/net.pt2", "there is no folder"),
        ("folder.onnx", "not a file"),
        ("net.h5", r"give an .onnx file, a TorchScript file .*python:module:factory"),
        ("text.onnx", "not an ONNX model"),
        ("text.pt", "not what its name says"),
        ("text.pt2", "not what its name says"),
        ("short.pt", "not what its name says"),
        ("script.pt2", "not what its name says"),
        ("exported.pt", "name it .pt2"),
        ("state.pt", r"pickled .* torch.export.save"),
        ("whole.pth", r"pickled .* torch.export.save"),
        ("old.pt", r"pickled .* torch.export.save"),
        ("state.pt2", "not what its name says"),
    ],
)
def test_says_in_one_line_what_is_wrong_with_a_file(folder, name, message):
    with pytest.raises(InputError, match=message) as caught:
        load_network(str(folder / name))
    assert "\n" not in str(caught.value)


def test_says_that_a_file_may_not_be_read(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    with pytest.raises(InputError, match=r"cannot read .*net.pt2' \(Permission denied\)"):
        load_network(str(folder / "net.pt2"))


# ---- nothing is unpickled, nothing but operators is called -----------------------------------------------


class Bomb:
    """Unpickling it, or calling what it names, sets it off."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def altered(source, target, change):
    """A copy of a torch.export file with some of its members changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        members = {name: old.read(name) for name in old.namelist()}
        change(members)
        for name, content in members.items():
            new.writestr(name, content)
    return str(target)


def edit_program(members, change):
    name = next(name for name in members if name.endswith("models/model.json"))
    program = json.loads(members[name])
    change(program)
    members[name] = json.dumps(program).encode()


def edit_index(members, folder, change):
    name = next(name for name in members if name.endswith(f"model_{folder}_config.json"))
    config = json.loads(members[name])
    change(config["config"])
    members[name] = json.dumps(config).encode()


def test_pickled_bombs_do_not_go_off(folder, tmp_path):
    mark = tmp_path / "mark"
    torch.save(Bomb(mark), tmp_path / "bomb.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Bomb(mark)))
    for name in ("bomb.pt", "bare.pt"):
        with pytest.raises(InputError, match="nothing is ever unpickled"):
            load_network(str(tmp_path / name))
    assert not mark.exists()


def test_pickled_parts_of_an_exported_program_are_refused_or_left_out(folder, module, tmp_path):
    mark = tmp_path / "mark"
    saved = io.BytesIO()
    torch.save(Bomb(mark), saved)

    def example_inputs(members):
        members["net/data/sample_inputs/model.pt"] = saved.getvalue()

    network = load_network(altered(folder / "net.pt2", tmp_path / "a.pt2", example_inputs))
    assert np.allclose(network(INPUTS), expected(module), rtol=0, atol=1e-6)

    def weight(members):
        edit_index(members, "weights", lambda config: config["0.bias"].update(use_pickle=True))
        members["net/data/weights/weight_1"] = saved.getvalue()

    def constant(members):
        entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
        edit_index(members, "constants", lambda config: config.update(c=entry))
        members["net/data/constants/opaque_obj_0"] = pickle.dumps(Bomb(mark))

    def legacy(members):
        members["net/data/weights/model.pt"] = saved.getvalue()
        del members["net/data/weights/model_weights_config.json"]

    for i, change in enumerate((weight, constant, legacy)):
        with pytest.raises(InputError, match="pickled") as caught:
            load_network(altered(folder / "net.pt2", tmp_path / f"{i}.pt2", change))
        assert "\n" not in str(caught.value)
    assert not mark.exists()


def graph(program):
    return program["graph_module"]["graph"]


def set_size(program, expression):
    (symbol,) = {
        json.dumps(size["as_expr"]): size["as_expr"]
        for tensor in graph(program)["tensor_values"].values()
        for size in tensor["sizes"]
        if "as_expr" in size
    }.values()
    symbol["expr_str"] = expression


@pytest.mark.parametrize(
    "change",
    [
        lambda p: graph(p)["nodes"][0].update(target="torch.os.mkdir"),
        lambda p: graph(p)["nodes"][0].update(target="torch.ops.load_library.__call__"),
        lambda p: graph(p)["nodes"][0].update(target="_operator.methodcaller"),
        lambda p: graph(p)["nodes"][0].update(target="torch.ops.aten.from_file.default"),
        lambda p: graph(p)["nodes"][0].update(name="x):\n    import os; os.mkdir('MARK')\n#"),
        lambda p: p["graph_module"]["module_call_graph"][0]["signature"].update(
            forward_arg_names=["x=__import__('os').mkdir('MARK')"]
        ),
        lambda p: set_size(p, "__import__('os').mkdir('MARK')"),
        lambda p: set_size(p, "Symbol('__import__(chr(111))')"),
        lambda p: set_size(p, "sympify('s0')"),
        lambda p: p["graph_module"]["module_call_graph"][0]["signature"].update(
            out_spec='[1, {"type": "enum.Enum", "context": "null", "children_spec": []}]'
        ),
        lambda p: p["graph_module"]["signature"]["input_specs"][0]["parameter"].update(
            parameter_name='0.weight", __import__("os").mkdir("MARK"))#'
        ),
    ],
)
def test_programs_that_hold_more_than_operators_are_refused(folder, tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    path = altered(
        folder / "net.pt2",
        tmp_path / "bad.pt2",
        lambda members: edit_program(members, change),
    )
    with pytest.raises(InputError, match="is refused") as caught:
        load_network(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "MARK").exists()


def test_a_program_saved_from_another_device_is_loaded_on_the_cpu(folder, module, tmp_path):
    def elsewhere(members):
        for name, content in members.items():
            if name.endswith(".json"):
                members[name] = content.replace(b'{"type": "cpu", "index": null}', b'{"type": "cuda", "index": 0}')

    path = altered(folder / "net.pt2", tmp_path / "cuda.pt2", elsewhere)
    assert b"cuda" in zipfile.ZipFile(path).read("net/models/model.json")
    assert np.allclose(load_network(path)(INPUTS), expected(module), rtol=0, atol=1e-6)


def test_guards_are_not_run(folder, module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = altered(
        folder / "net.pt2",
        tmp_path / "guarded.pt2",
        lambda members: edit_program(
            members, lambda program: program.update(guards_code=["__import__('os').mkdir('MARK')"])
        ),
    )
    assert np.allclose(load_network(path)(INPUTS), expected(module), rtol=0, atol=1e-6)
    assert not (tmp_path / "MARK").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda members: members.update({"net/models/model.json": b"{}"}),
        lambda members: members.update({"net/models/model.json": b"[1"}),
        lambda members: members.update({"net/data/weights/model_weights_config.json": b"[]"}),
        lambda members: members.pop("net/data/weights/weight_0"),
        lambda members: members.update({"net/data/weights/weight_0": b"123"}),
        lambda members: members.update({"net/archive_version": b"99"}),
    ],
)
def test_damaged_programs_are_refused_in_one_line(folder, tmp_path, change, caplog):
    path = altered(folder / "net.pt2", tmp_path / "damaged.pt2", change)
    with pytest.raises(InputError, match="damaged") as caught:
        load_network(path)
    assert "\n" not in str(caught.value)
    assert not [record for record in caplog.records if record.levelname not in ("DEBUG", "INFO")]


def test_programs_of_older_kinds_are_named(tmp_path):
    for name, message in (
        ("serialized_exported_program.json", "older torch"),
        ("m/data/aotinductor/model/a.so", "machine code"),
    ):
        with zipfile.ZipFile(tmp_path / "a.pt2", "w") as archive:
            archive.writestr(name, "{}")
        with pytest.raises(InputError, match=message):
            load_network(str(tmp_path / "a.pt2"))


def test_programs_with_control_flow_and_nested_results_are_loaded(tmp_path):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = torch.nn.ModuleDict({"a-b": torch.nn.Conv1d(1, 2, 3, padding="same")})
            self.scale = torch.ones(2, 1)

        def forward(self, x):
            h = torch.nn.functional.gelu(self.parts["a-b"](x[:, None]) * self.scale, approximate="tanh")
            with torch.no_grad():
                shift = h.mean(-1, keepdim=True)
            return {"out": torch.cat([h, h - shift], 2)[:, :, 1:], "rest": [h]}

    net = Net().eval()
    shapes = ({0: torch.export.Dim("n"), 1: torch.export.Dim("t")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(net, (torch.ones(2, 8),), dynamic_shapes=shapes), tmp_path / "n.pt2")
    with torch.no_grad():
        wanted = net(torch.tensor(INPUTS))["out"].flatten(1).numpy()
    assert np.allclose(load_network(str(tmp_path / "n.pt2"))(INPUTS), wanted, rtol=0, atol=1e-6)
    assert load_network(str(tmp_path / "n.pt2"), ["parts.a-b"])(INPUTS).shape == (5, 6)


# ---- python:module:factory -------------------------------------------------------------------------------

SOURCE = """
import numpy as np
import torch
import sametask.networks as networks

class Both:
    @staticmethod
    def make():
        return lambda x: 3 * x

def module():
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh())

def function():
    return lambda x: 2 * x

def network():
    return networks.from_callable(np.sin, "sine")

def number():
    return 3

def failing():
    raise RuntimeError("no weights\\nanywhere")

def quitting():
    raise SystemExit("usage: none")

def needs(argument):
    return argument

ready = torch.nn.Linear(3, 2)
ready_network = network()
text = "text"
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current directory, with a package of factories in it."""
    name = f"package_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / name / "factories.py").write_text(SOURCE)
    (tmp_path / name / "broken.py").write_text("import nothing_of_this_name")
    (tmp_path / name / "syntax.py").write_text("def :")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == name]:
        del sys.modules[loaded]


@pytest.mark.parametrize(
    ("factory", "name", "columns"),
    [
        ("module", "module", 4),
        ("function", "function", 3),
        ("network", "sine", 3),
        ("ready", "ready", 2),
        ("ready_network", "sine", 3),
        ("Both.make", "Both.make", 3),
    ],
)
def test_calls_a_factory_in_the_current_directory(here, factory, name, columns):
    network = load_network(f"python:{here}.factories:{factory}")
    assert network.name == name
    assert network(INPUTS).shape == (5, columns)


def test_layers_of_the_module_that_a_factory_gives(here):
    values = load_network(f"python:{here}.factories:module", ["0"])(INPUTS)
    assert np.abs(values).max() > 1
    for factory in ("function", "network"):
        with pytest.raises(InputError, match="has no layers to choose"):
            load_network(f"python:{here}.factories:{factory}", ["0"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("python:", "give python:package.module:factory"),
        ("python:HERE", "give python:package.module:factory"),
        ("python:HERE.factories:", "give python:package.module:factory"),
        ("python:../x:y", "give python:package.module:factory"),
        ("python:jsn:loads", "no module 'jsn' on the path; did you mean 'json'"),
        ("python:HERE.factoris:module", "no module 'factoris' in HERE; did you mean 'factories'"),
        ("python:HERE.factories.deeper:module", "no module 'deeper' in HERE.factories"),
        ("python:HERE.factories:modul", "no 'modul' in HERE.factories; did you mean 'module'"),
        ("python:HERE.factories:Both.mak", "did you mean 'make'"),
        ("python:HERE.broken:module", "importing 'HERE.broken' .* raised ModuleNotFoundError"),
        ("python:HERE.syntax:module", "raised SyntaxError"),
        ("python:HERE.factories:failing", "raised RuntimeError: no weights"),
        ("python:HERE.factories:quitting", "raised SystemExit: usage"),
        ("python:HERE.factories:needs", "raised TypeError"),
        ("python:HERE.factories:number", "gave a int; give a network"),
        ("python:HERE.factories:text", "'text' in HERE.factories is a str"),
    ],
)
def test_says_in_one_line_what_is_wrong_with_a_factory(here, spec, message):
    with pytest.raises(InputError, match=message.replace("HERE", here)) as caught:
        load_network(spec.replace("HERE", here))
    assert "\n" not in str(caught.value)


def test_modules_without_a_spec_are_found(monkeypatch):
    made = types.ModuleType("made_up")
    made.__dict__["factory"] = lambda: lambda x: x
    made.__spec__ = None
    monkeypatch.setitem(sys.modules, "made_up", made)
    assert load_network("python:made_up:factory")(INPUTS).shape == (5, 3)
