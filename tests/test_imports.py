"""Imports go one way only, and heavy frameworks are not loaded before they are needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sametask

_ROOT = Path(sametask.__file__).parent
_BASE = ("_types", "_outcome", "_check", "_files", "_cluster", "_version")
_ORDER = (
    "numerics",
    "measures",
    "probes",
    "charts",
    "matching",
    "maps",
    "transformation",
    "evidence",
    "verdict",
    "neurons",
    "classes",
    "report",
    "given",
    "compare",
    "studies",
)
_HEAVY = ("torch", "onnx", "onnxruntime", "plotly", "matplotlib", "h5py", "dask", "distributed")
_FILES = sorted(path.relative_to(_ROOT).as_posix() for path in _ROOT.rglob("*.py"))


def _imports(source: str, path: str) -> list[tuple[int, str]]:
    """(line, module) of every import, wherever it stands; ``from a import b`` counts as ``a`` and as ``a.b``."""
    package = ["sametask", *Path(path).parent.parts]
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [(node.lineno, module)]
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


def _part(module: str) -> str | None:
    """The part of sametask that a module belongs to: ``"sametask.charts.chart"`` → ``"charts"``."""
    names = module.split(".")
    if names[0] != "sametask":
        return None
    return names[1] if len(names) > 1 else ""


def _allowed(part: str) -> set[str]:
    if part == "_types":
        return {"_types"}
    if part == "_outcome":
        return {"_types", "_outcome"}
    if part == "_check":
        return {"_types", "_outcome", "_check"}
    if part in ("_files", "_cluster"):
        return set(_BASE)
    if part == "networks":
        return {*_BASE, "networks"}
    # heads are what frameworks make, too, and so is what users have at hand
    networks = ["networks"] if part in ("probes", "given", "studies") else []
    return {*_BASE, *_ORDER[: _ORDER.index(part) + 1], *networks}


def _parts() -> set[str]:
    return {path.stem if path.is_file() else path.name for path in _ROOT.iterdir() if path.name != "__pycache__"}


def violations(source: str, path: str) -> list[str]:
    """Imports of a file of the package that go the wrong way."""
    part = Path(path).parts[0].removesuffix(".py")
    if part in ("__init__", "__main__", "cli"):
        return []
    wrong = []
    for line, module in _imports(source, path):
        other = _part(module)
        if other is None or (other == "" and "." not in module and part != "experiments"):
            if other == "" and module == "sametask":
                names = [name for at, name in _imports(source, path) if at == line and name != "sametask"]
                # `from sametask import _check` names parts; `import sametask` would name all of them
                if not names or any(_part(name) not in _parts() for name in names):
                    wrong.append(f"{path}:{line} imports the whole package")
            continue
        if part == "experiments":
            deep = other not in (*_BASE, "experiments") and other in _parts()
            if deep:
                wrong.append(f"{path}:{line} imports {module}, which is not the public face")
        elif part == "probes" and other == "networks":
            if not module.startswith("sametask.networks.network") and module != "sametask.networks":
                wrong.append(f"{path}:{line} imports {module}, not the abstract network")
            if module == "sametask.networks" and not any(
                at == line and name == "sametask.networks.network" for at, name in _imports(source, path)
            ):
                wrong.append(f"{path}:{line} imports {module}, not the abstract network")
        elif other not in _allowed(part):
            wrong.append(f"{path}:{line} imports {module}")
    return wrong


@pytest.mark.parametrize("path", _FILES)
def test_imports_go_one_way(path):
    assert violations((_ROOT / path).read_text(), path) == []


def test_every_part_has_its_place():
    known = {*_BASE, *_ORDER, "networks", "experiments", "cli", "__init__", "__main__", "py"}
    assert _parts() - known == set()


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("numerics/eigen.py", "from sametask.probes import Probe"),
        ("charts/chart.py", "def late():\n    from sametask.matching.match import match"),
        ("charts/chart.py", "import sametask.networks"),
        ("charts/chart.py", "from sametask import networks"),
        ("charts/chart.py", "from ..verdict import Verdict"),
        ("charts/chart.py", "import sametask as st"),
        ("charts/chart.py", "from sametask import Probe"),
        ("probes/probe.py", "from sametask.networks import from_torch"),
        ("probes/probe.py", "from sametask.networks.torch_network import TorchNetwork"),
        ("networks/load.py", "from sametask.numerics import eigen"),
        ("verdict/verdict.py", "from sametask import report"),
        ("report/page.py", "from sametask.compare import compare"),
        ("transformation.py", "from sametask.verdict import Verdict"),
        ("experiments/scalar.py", "from sametask.charts.chart import Chart"),
        ("_check.py", "from sametask.numerics import eigen"),
        ("_types.py", "from sametask import _check"),
    ],
)
def test_an_import_the_wrong_way_is_found(path, source):
    assert violations(source, path)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("charts/chart.py", "from sametask import _check\nfrom sametask.numerics import eigen"),
        ("charts/chart.py", "from .diffusion import DiffusionChart\nimport numpy as np"),
        ("probes/probe.py", "def late():\n    from sametask.probes import storage"),
        ("probes/probing.py", "from sametask.networks.network import Network"),
        ("experiments/scalar.py", "import sametask as st\nfrom sametask import _check, probe"),
        ("compare.py", "from sametask import _check, report"),
        ("studies/heads.py", "from sametask import _check, networks"),
    ],
)
def test_an_import_the_right_way_passes(path, source):
    assert violations(source, path) == []


def _loaded_after(statement: str) -> set[str]:
    report = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_the_package_loads_no_framework():
    loaded = _loaded_after("import sametask")
    assert "sametask" in loaded
    assert loaded.isdisjoint(_HEAVY)


def test_importing_the_command_line_loads_no_framework():
    assert _loaded_after("import sametask.cli").isdisjoint(_HEAVY)
