"""Reading a torch.export file without trusting it."""

from __future__ import annotations

import ast
import io
import json
import logging
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sametask import _check
from sametask._check import InputError, first_line

# torch.export.load is not safe by itself (as of torch 2.13): it reads the example inputs with pickle where
# the safe way fails, tensor subclasses and custom constants always with pickle, evaluates symbolic sizes with
# sympify and guards with exec, looks up the function of each node by any dotted path below torch, and writes
# names into generated code. So the archive is read here first, and torch gets a new one made of nothing but
# what was checked: raw weights, and a program whose nodes are tensor operators.

_AGAIN = "save it again with torch.export.save from a current torch, or give python:module:factory"
_WEIGHTS = ("data/weights", "data/constants")
_NAMESPACES = ("aten", "prims", "quantized_decomposed", "torchvision")
_HIGHER_ORDER = ("cond", "wrap_with_set_grad_enabled", "wrap_with_autocast")
_SCALAR = re.compile(
    r"_operator\.(eq|ne|le|ge|lt|gt|neg|pos|mul|add|sub|floordiv|truediv|mod|pow|and_|or_|getitem)"
    r"|math\.(trunc|ceil|floor)|torch\.sym_(not|int|float|ite|max|min|sqrt)"
)
_SYMBOLIC = re.compile(  # functions of sympy and of torch.utils._sympy.functions
    "Symbol|Integer|Float|Rational|Add|Mul|Pow|And|Or|Not|Max|Min|Abs|floor|ceiling|Identity|Where"
    "|Eq|Ne|Lt|Le|Gt|Ge|Equality|Unequality|StrictLessThan|LessThan|StrictGreaterThan|GreaterThan"
    "|FloorDiv|CleanDiv|CeilDiv|IntTrueDiv|FloatTrueDiv|ModularIndexing|PythonMod|Mod|PowByNatural|FloatPow"
    "|CeilToInt|FloorToInt|TruncToFloat|TruncToInt|RoundToInt|RoundDecimal|ToFloat"
)
_ARITHMETIC = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Load),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)
_TREES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
_HARMLESS = re.compile(r"""[^"'`\\{}\x00-\x1f\x7f]*""")


class _Refusal(Exception):
    """What in the file is not a plain program of tensor operators."""


def read_exported(path: Path) -> Any:
    """The ``ExportedProgram`` in a file of ``torch.export.save``, without unpickling anything.

    Raises:
        InputError: another kind of file, one saved by an older torch (with pickled weights), or one that
            holds anything but raw weights and a program of tensor operators.
    """
    torch = _check.require("torch", "torch")
    try:
        with zipfile.ZipFile(path) as archive:
            checked = _checked(_members(archive), archive)
    except zipfile.BadZipFile:
        raise InputError(f"{str(path)!r} is not what its name says: no torch.export file") from None
    except _Refusal as error:
        raise InputError(f"{str(path)!r} is refused: {first_line(error)}; {_AGAIN}") from None
    except OSError:
        raise
    except Exception as error:  # a damaged file can be wrong anywhere
        raise InputError(f"{str(path)!r} is damaged: {type(error).__name__} {first_line(error)}; {_AGAIN}") from error
    log = logging.getLogger("torch.export")
    level = log.level
    try:
        log.setLevel(logging.CRITICAL + 1)  # what goes wrong comes as an exception
        with warnings.catch_warnings():  # torch's own copying of tree specifications warns about itself
            warnings.simplefilter("ignore")
            return torch.export.load(checked)
    except Exception as error:
        raise InputError(f"{str(path)!r}: torch {torch.__version__} cannot load it ({first_line(error)})") from error
    finally:
        log.setLevel(level)


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    """Path below the archive's one root folder → full name."""
    members: dict[str, str] = {}
    for name in archive.namelist():
        _, _, inner = name.partition("/")
        members[inner] = name
    return members


def _checked(members: dict[str, str], archive: zipfile.ZipFile) -> io.BytesIO:
    if "models/model.json" not in members:
        if "serialized_exported_program.json" in archive.namelist():
            raise _Refusal("an older torch saved it, with pickled weights")
        if any(name.startswith("data/aotinductor/") for name in members):
            raise _Refusal("it holds compiled machine code, not a program")
        raise _Refusal("not what its name says, no torch.export file")
    program = json.loads(archive.read(members["models/model.json"]))
    contents: dict[str, bytes | str] = {"models/model.json": json.dumps(_checked_program(program))}
    for folder in _WEIGHTS:
        index = f"{folder}/model_{folder.removeprefix('data/')}_config.json"
        if index not in members:
            raise _Refusal("an older torch saved it, with pickled weights")
        config = json.loads(archive.read(members[index]))
        _to_cpu(config)
        contents[index] = json.dumps(config)
        for name, payload in config["config"].items():
            if payload["use_pickle"] is not False or payload.get("tensor_meta") is None:
                raise _Refusal(f"{name!r} in it is pickled, and nothing is ever unpickled")
            _harmless(name)
            file = f"{folder}/{payload['path_name']}"
            contents[file] = archive.read(members[file])
    contents["data/sample_inputs/model.pt"] = b""  # always pickled, and not needed
    for name in ("archive_format", "archive_version", "byteorder", ".data/version"):
        if name in members:
            contents[name] = archive.read(members[name])
    clean = io.BytesIO()
    with zipfile.ZipFile(clean, "w", zipfile.ZIP_STORED) as writer:
        for name, content in contents.items():
            writer.writestr(f"model/{name}", content)
    clean.seek(0)
    return clean


def _checked_program(program: dict[str, Any]) -> dict[str, Any]:
    """The program without guards and source positions, every string in it looked at."""
    program = {**program, "guards_code": []}
    _to_cpu(program)
    for item in _dictionaries(program):
        if "target" in item:
            _check_operator(item["target"])
            stack = item.get("metadata", {}).get("nn_module_stack")
            item["metadata"] = {} if stack is None else {"nn_module_stack": stack}  # layers are found by it
        if "module_call_graph" in item:
            item["metadata"] = {}
        for key, value in item.items():
            if key in ("in_spec", "out_spec"):
                _check_tree(json.loads(value)[1])
            elif key == "expr_str":
                _check_symbolic(value)
            elif key in ("name", "as_name") and value:
                _identifier(value)
            elif key == "forward_arg_names":
                for name in value or ():
                    _identifier(name)
            elif key not in ("as_string", "as_strings"):  # arguments of operators, never code
                _harmless(key)
                for text in value if isinstance(value, list) else [value]:
                    _harmless(text)
    return program


def _to_cpu(value: Any) -> None:
    """Whatever device it was saved from."""
    for item in _dictionaries(value):
        for key in ("device", "as_device"):
            if isinstance(item.get(key), dict):
                item[key] = {"type": "cpu", "index": None}


def _dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    """All dictionaries inside, outermost first."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _dictionaries(item)
    elif isinstance(value, list):
        for item in value:
            yield from _dictionaries(item)


def _check_operator(target: Any) -> None:
    torch = _check.require("torch", "torch")
    parts = str(target).split(".")
    if _SCALAR.fullmatch(str(target)):
        return
    if parts[:2] == ["torch", "ops"] and len(parts) >= 4 and parts[2:4] != ["aten", "from_file"]:
        allowed = parts[2] in _NAMESPACES or (parts[2] == "higher_order" and parts[3] in _HIGHER_ORDER)
        found = torch.ops if allowed else None
        for part in parts[2:]:
            found = getattr(found, part, None)
        if isinstance(found, torch._ops.OpOverload | torch._ops.HigherOrderOperator):
            return
    raise _Refusal(f"it calls {str(target)[:80]!r}, which is no tensor operator that this torch knows")


def _check_symbolic(expression: str) -> None:
    """Sizes computed from others, as torch writes them: ``Mul(Integer(2), Symbol('s0', positive=True))``."""
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError:
        raise _Refusal(f"{expression[:80]!r} is no size") from None
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if id(node) in functions:
                known = _SYMBOLIC.fullmatch(name) is not None
            case ast.Name(id=name):
                known = re.fullmatch(r"[a-z]+\d+|True|False|oo", name) is not None
            case ast.Constant(value=str(text)):  # a symbol's name or a number's digits
                known = re.fullmatch(r"[a-z]+\d+|[\d.]+", text) is not None
            case ast.Constant(value=number):
                known = isinstance(number, int | float)
            case ast.keyword(value=value):  # what is assumed of a symbol
                known = isinstance(value, ast.Constant)
            case ast.Call(func=function):
                known = isinstance(function, ast.Name)
            case _:
                known = isinstance(node, _ARITHMETIC)
        if not known:
            raise _Refusal(f"{expression[:80]!r} is no size")


def _check_tree(tree: dict[str, Any]) -> None:
    """How arguments and results are nested: tuples, lists and dictionaries."""
    if tree["type"] not in _TREES:
        raise _Refusal(f"arguments or results in it are of type {tree['type']!r}, not tuples and dictionaries")
    context = tree["context"]
    for key in (json.loads(context) if isinstance(context, str) else context) or ():
        _identifier(key)
    for child in tree["children_spec"]:
        _check_tree(child)


def _identifier(value: Any) -> None:
    if not (isinstance(value, int) or (isinstance(value, str) and value.isidentifier())):
        raise _Refusal(f"{str(value)[:80]!r} is no name")


def _harmless(value: Any) -> None:
    if isinstance(value, str) and not _HARMLESS.fullmatch(value):
        raise _Refusal(f"{value[:80]!r} is no name")
