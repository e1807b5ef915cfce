"""Networks from what a user names on the command line."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

from sametask import _check
from sametask._check import InputError, MissingExtraError, first_line
from sametask.networks.callable import from_callable
from sametask.networks.exported_file import read_exported
from sametask.networks.network import Network
from sametask.networks.onnx_network import from_onnx
from sametask.networks.torch_network import from_torch

_KINDS = "an .onnx file, a TorchScript file (.pt, .pth, .ts), a torch.export file (.pt2) or python:module:factory"


def load_network(spec: str, layers: list[str] | tuple[str, ...] | None = None) -> Network:
    """The network that ``spec`` names.

    Nothing is ever unpickled from a file. ``python:module:factory`` runs the user's own code: the module is
    imported with the current directory on ``sys.path`` (where it stays, for what the network imports later),
    and the factory is called without arguments; a module-level network is taken as it is.

    Args:
        spec: a file name ending in ``.onnx``, ``.pt``, ``.pth`` or ``.ts`` (TorchScript), ``.pt2``
            (torch.export), or ``python:package.module:factory``, where the factory gives a network, a torch
            module or a function.
        layers: names of layers; None is the output.

    Raises:
        InputError: no such file, module or factory, a file that is not what its name says, or a factory that
            raises.
    """
    if spec.startswith("python:"):
        return _from_python(spec, layers)
    path = Path(spec)
    suffix = path.suffix.lower()
    if suffix not in (".onnx", ".pt", ".pth", ".ts", ".pt2"):
        raise InputError(f"network: {spec!r}; give {_KINDS}")
    if not path.is_file():
        raise InputError(f"network: {'not a file' if path.exists() else 'no file'} {spec!r}; {_neighbour(path)}")
    try:
        if suffix == ".onnx":
            return from_onnx(path, layers)
        module = read_exported(path) if suffix == ".pt2" else _torchscript(path)
    except OSError as error:
        raise InputError(f"network: cannot read {spec!r} ({error.strerror or first_line(error)})") from error
    return from_torch(module, layers, name=path.stem)


def _torchscript(path: Path) -> Any:
    """A TorchScript file. Its pickles are read by the interpreter of TorchScript, never by that of Python."""
    torch = _check.require("torch", "torch")
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            pickled = file.read(1) == b"\x80"
        raise InputError(_pickled(path) if pickled else f"{str(path)!r} is not what its name says: no TorchScript file")
    with zipfile.ZipFile(path) as archive:  # a file cut short is no zip file: its table of contents is at the end
        inner = {name.partition("/")[2] for name in archive.namelist()}
    if "models/model.json" in inner:
        raise InputError(f"{str(path)!r} is a torch.export file: name it .pt2")
    if "constants.pkl" not in inner or not any(name.startswith("code/") for name in inner):
        raise InputError(
            _pickled(path) if "data.pkl" in inner else f"{str(path)!r} is not what its name says: no TorchScript file"
        )
    with warnings.catch_warnings():  # TorchScript is deprecated; the file is what the user has
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return torch.jit.load(str(path), map_location="cpu")
        except Exception as error:
            raise InputError(
                f"{str(path)!r}: torch {torch.__version__} cannot load it ({first_line(error)})"
            ) from error


def _pickled(path: Path) -> str:
    return (
        f"{str(path)!r} holds a pickled module or state dict, and nothing is ever unpickled; "
        "export the module with torch.export.save (.pt2) or torch.jit.save, or give python:module:factory"
    )


def _neighbour(path: Path) -> str:
    """The files of the same kind nearby."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {str(folder)!r}"
    return _check.nearest(path.name, sorted(file.name for file in folder.iterdir() if file.suffix == path.suffix))


def _from_python(spec: str, layers: list[str] | tuple[str, ...] | None) -> Network:
    module_name, _, attribute = spec.removeprefix("python:").partition(":")
    if not attribute or not all(part.isidentifier() for part in (*module_name.split("."), *attribute.split("."))):
        raise InputError(f"network: {spec!r}; give python:package.module:factory")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    found = _import(spec, module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            known = [name for name in dir(found) if not name.startswith("_")]
            raise InputError(f"network: no {part!r} in {module_name}; {_check.nearest(part, known)}")
        found = getattr(found, part)
    if isinstance(found, Network) or _is_torch(found):
        made = found
    elif not callable(found):
        raise InputError(f"network: {attribute!r} in {module_name} is a {type(found).__name__}; give a function")
    else:
        try:
            made = found()
        except (Exception, SystemExit) as error:
            raise InputError(f"network: {spec!r} raised {type(error).__name__}: {first_line(error)}") from error
    if _is_torch(made):
        return from_torch(made, layers, name=attribute)
    if layers is not None:
        raise InputError(
            f"layers: {list(layers)!r}; the {type(made).__name__} that {spec!r} gives has no layers to choose"
        )
    if isinstance(made, Network):
        return made
    if not callable(made):
        raise InputError(
            f"network: {spec!r} gave a {type(made).__name__}; give a network, a torch module or a function"
        )
    return from_callable(made, name=attribute)


def _import(spec: str, module_name: str) -> Any:
    """The module, or the nearest names where a part of its path does not exist."""
    importlib.invalidate_caches()
    parent: Any = None
    for depth, part in enumerate(module_name.split("."), start=1):
        name = ".".join(module_name.split(".")[:depth])
        try:
            missing = importlib.util.find_spec(name) is None
        except ValueError:  # no spec on a module that is there already, __main__ for one
            missing = name not in sys.modules
        except ModuleNotFoundError:  # the parent is no package
            missing = True
        if missing:
            path = getattr(parent, "__path__", ()) if parent is not None else None
            known = sorted({module.name for module in pkgutil.iter_modules(path)})
            where = f"in {parent.__name__}" if parent is not None else "on the path"
            raise InputError(f"network: no module {part!r} {where}; {_check.nearest(part, known)}")
        try:
            parent = importlib.import_module(name)
        except MissingExtraError:
            raise
        except (Exception, SystemExit) as error:
            raise InputError(
                f"network: importing {name!r} for {spec!r} raised {type(error).__name__}: {first_line(error)}"
            ) from error
    return parent


def _is_torch(value: Any) -> bool:
    """Whether it is something for ``from_torch``; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module | torch.export.ExportedProgram)
