"""The command line: ``sametask demo``, ``compare``, ``probe``, ``translate``, ``whitney``, ``classes``, ``reproduce``.

Exit codes make ``compare`` a gate: 0 what is required holds (equivalent, if nothing else is), 1 it does not (the JSON
says which way), 3 it cannot be told, 2 a mistake in the call.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from sametask import _check, _cluster, _files
from sametask._check import InputError
from sametask._cluster import ClusterError
from sametask._types import Array
from sametask._version import __version__
from sametask.charts import DiffusionChart
from sametask.compare import compare
from sametask.experiments import demo
from sametask.experiments.reproduce import EXPERIMENTS, check, reproduce
from sametask.given import as_probe
from sametask.matching import SameOrder, SameSet
from sametask.networks import Network, from_onnx, load_network
from sametask.probes import Burst, CentralDifference, Jacobian, Neighbourhood, Neighbours, Probe, StoredProbe, probe
from sametask.probes.neighbourhoods import NoNeighbourhood
from sametask.probes.storage import progress
from sametask.studies import classes, whitney
from sametask.transformation import Transformation
from sametask.verdict import Verdict
from sametask.verdict.decision import NO, YES

HOLDS, DOES_NOT, CANNOT_BE_TOLD = 0, 1, 3
REQUIRED = {
    "equivalent": (0, 1),
    "first-determines-second": (0,),
    "second-determines-first": (1,),
}
"""What can be required, by the directions that must be *yes*."""
MISTAKE = 2
_INTERRUPTED = 130
_WIDEST = 16
_SECOND = "--inputs-b or --inputs"
_MAPPED = 1 << 20
"""Files of inputs that are smaller are read as a whole."""


class _Parser(argparse.ArgumentParser):
    """One-line errors, like everything else that goes wrong."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(MISTAKE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    with _interrupts() as interrupted:
        try:
            return options.run(options)
        except (InputError, ClusterError) as error:
            message = str(error)
        except KeyboardInterrupt:
            interrupted.append(signal.SIGINT)
            message = ""
        except MemoryError:
            message = "not enough memory; give fewer samples or fewer neurons"
        except OSError as error:
            message = f"{error.filename or 'standard output'}: {error.strerror or error}"
        except Exception as error:  # whatever it is, a command-line user gets one line, and the way to the rest
            if options.debug:
                raise
            message = f"internal error: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}; "
            message += "run again with --debug, and please report it"
        if interrupted:
            _say(f"sametask: interrupted{_kept(options)}", sys.stderr)
            return _INTERRUPTED
        _say(f"sametask: {message}", sys.stderr)
        return MISTAKE


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Whether Ctrl-C was pressed: frameworks turn the exception that it raises into others of their own."""
    seen: list[int] = []

    def note(number: int, frame: Any) -> None:
        seen.append(number)
        signal.default_int_handler(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


# -- commands --------------------------------------------------------------------------------------------------------


def _demo(options: argparse.Namespace) -> int:
    """Two small networks inside the package, at different samples but for some shared inputs."""
    _check_places(options)
    inputs = [demo.inputs(seed, options.samples) for seed in (options.seed + 1, options.seed + 2)]
    inputs[1][: demo.SHARED] = inputs[0][: demo.SHARED]
    probes = [
        probe(from_onnx(demo.path(which), layers=[layer]), x, CentralDifference(), seed=options.seed)
        for which, layer, x in zip(("first", "second"), demo.LAYERS, inputs, strict=True)
    ]
    verdict = compare(probes[0], probes[1], seed=options.seed)
    return _conclude(verdict, options)


def _relative_scale(given: str) -> float | None:
    if given == "unknown":
        return None
    try:
        return float(given)
    except ValueError:
        raise InputError(f"--relative-scale: {given!r}; give a number above zero, or 'unknown'") from None


def _tolerance(given: str) -> float | None:
    if given == "none":
        return None
    try:
        return float(given)
    except ValueError:
        raise InputError(f"--tolerance: {given!r}; give a share of the spread, such as 0.05, or 'none'") from None


def _input_units(given: str | None) -> str | list[float] | None:
    if given is None:
        return None
    if given == "as-given":
        return "as given"
    try:
        return [float(unit) for unit in given.split(",")]
    except ValueError:
        raise InputError(
            f"--input-units: {given!r}; give a number for each coordinate, as 1,1000, or 'as-given'"
        ) from None


def _compare(options: argparse.Namespace) -> int:
    _check_places(options)
    _check_used(options, options.first, options.second)
    second_inputs = options.inputs if options.inputs_b is None else options.inputs_b
    first = _probe_of(options.first, options.inputs, options.layers_a, options, "A", "--inputs", maps=True)
    second = _probe_of(
        options.second, second_inputs, options.layers_b, options, "B", "--inputs-b or --inputs", maps=True
    )
    method = DiffusionChart(eigenpairs=options.eigenpairs, neighbours=options.neighbours)
    named = ("anchors", "anchor_noise", "relative_scale", "observables", "input_units", "seed")
    with _naming_options(*named, "tolerance", "units", "level", "groups"):
        verdict = compare(
            first,
            second,
            anchors=_anchors(options.anchors),
            observables=[tuple(_load("--observables", path) for path in pair) for pair in options.observables] or None,
            sampled_alike=options.sampled_alike,
            anchor_noise=options.anchor_noise,
            relative_scale=_relative_scale(options.relative_scale),
            input_units=_input_units(options.input_units),
            tolerance=_tolerance(options.tolerance),
            units=options.units,
            groups=None if options.groups is None else _load("--groups", options.groups),
            level=options.level,
            seed=options.seed,
            method=method,
        )
    if options.transformation is not None:
        if verdict.transformation is None:
            _say(f"sametask: no transformation to write to {options.transformation}", sys.stderr)
        else:
            verdict.transformation.save(options.transformation)
    return _conclude(verdict, options)


def _classes(options: argparse.Namespace) -> int:
    """Exit code 3 where a pair is left undecided, else 0 where all networks are in one class, 1 where not."""
    _check_places(options)
    probes = [_saved(path) for path in options.probes]
    if len({each.name for each in probes}) < len(probes):
        probes = [
            dataclasses.replace(each, label=Path(path).stem) for each, path in zip(probes, options.probes, strict=True)
        ]
    anchors = {"ids": "ids", "none": None}.get(options.anchors, options.anchors)
    if isinstance(anchors, str) and anchors != "ids":
        if not anchors.endswith(".npy") and not Path(anchors).is_file():
            raise InputError(f"--anchors: no such file {anchors}; give ids, none or ROWS.npy")
        anchors = _load("--anchors", Path(anchors))
    units = _input_units(options.input_units)
    with _naming_options("anchors", "input_units", "seed", n_jobs="jobs"), _client(options) as client:
        made = classes(
            probes, anchors=anchors, input_units=units, seed=options.seed, n_jobs=options.jobs, client=client
        )
    _write_json(made.to_dict(), options)
    _write_report(made, options)
    if options.json != "-":
        _say(str(made))
        if options.report is not None:
            _say(f"report: {options.report}")
    return 3 if made.undecided else 0 if len(made.classes) == 1 else 1


def _saved(path: str) -> StoredProbe:
    if not _is_saved(path):
        raise InputError(f"probes: {path} is no saved probe; save one with  sametask probe NETWORK -o {path}")
    return StoredProbe.open(path)


def _probe(options: argparse.Namespace) -> int:
    """The network is seen chunk by chunk, and gone on with where it was left; a saved probe is copied."""
    if _is_saved(options.network):
        probed = _probe_of(options.network, options.inputs, options.layers, options, "network", "--inputs")
        assert isinstance(probed, StoredProbe)
        probed = probed.load()
        with _naming_options(path="output"):
            probed.save(options.output)
        _say(f"{options.output}: {probed}")
        return 0
    network = load_network(options.network, options.layers)
    x = _load("--inputs", options.inputs, mapped=True)
    with _naming_options("chunk_rows", store="output", client="scheduler"), _client(options) as client:
        if client:
            _lend(client, options.network)
        stored = probe(
            network,
            x,
            _neighbourhood(network, x, options),
            neurons=_neurons(options.neurons),
            seed=options.seed,
            store=options.output,
            chunk_rows=options.chunk_rows,
            client=client,
        )
    _say(f"{options.output}: {stored}; {stored.found} of {stored.chunks} chunks were found finished")
    return 0


def _kept(options: argparse.Namespace) -> str:
    """What an interrupted ``sametask probe`` leaves to go on with."""
    begun = progress(options.output) if options.run is _probe else None
    if not begun:
        return ""
    return f"; {begun[0]} of {begun[1]} chunks of {options.output} are there: run the same command again to go on"


def _is_saved(spec: str) -> bool:
    """Whether a saved probe is named, be it an unfinished one, which then is refused as such."""
    return Path(spec).is_dir() or progress(Path(spec)) is not None


def _translate(options: argparse.Namespace) -> int:
    if options.output.suffix not in (".npy", ".npz"):
        raise InputError(f"--output: {options.output}; give a name that ends in .npy or .npz")
    _files.place("--output", options.output)
    transformation = Transformation.load(options.transformation)
    saved = _is_saved(str(options.activations))
    activations = StoredProbe.open(options.activations) if saved else _load("activations", options.activations)
    with _client(options) as client:
        carry = transformation.backward if options.backward else transformation.forward
        estimate = carry(activations, client=client)
    if options.output.suffix == ".npz":
        fields = {"value": estimate.value, "uncertainty": estimate.uncertainty, "inside": estimate.inside}
        with _files.whole("--output", options.output) as file:
            np.savez(file, allow_pickle=False, **fields)
    else:
        with _files.whole("--output", options.output) as file:
            np.save(file, estimate.value, allow_pickle=False)
    outside = int((~estimate.inside).sum())
    note = f", {outside} of them outside the support" if outside else ""
    _say(f"{options.output}: {len(estimate.value)} rows{note}")
    return 0


def _whitney(options: argparse.Namespace) -> int:
    _check_places(options)
    _check_used(options, options.network)
    seen = _probe_of(options.network, options.inputs, options.layers, options, "network", "--inputs")
    units = _input_units(options.input_units)
    with _naming_options("counts", "draws", "input_units", "seed"):
        found = whitney(seen, _counts(options.counts), options.draws, input_units=units, seed=options.seed)
    if options.json is not None:
        text = json.dumps(found.to_dict(), indent=2, allow_nan=False)
        if options.json == "-":
            _say(text)
        else:
            with _files.whole("--json", options.json) as file:
                file.write(text.encode() + b"\n")
    _write_report(found, options)
    if options.json != "-":
        _say(str(found))
        if options.report is not None:
            _say(f"report: {options.report}")
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    """Exit code 1 where a figure is not what was asked for, or an experiment broke down; the others are run."""
    names = list(EXPERIMENTS) if options.experiment == "all" else [options.experiment]
    _check_places(options)
    with _naming_options("output", "seed", directory="output"):
        for name in names:
            check(name, options.output, options.seed)
    ran = []
    for name in names:
        ran.append(
            reproduce(
                name,
                options.output,
                quick=options.quick,
                seed=options.seed,
                echo=None if options.json == "-" else sys.stdout,
            )
        )
        if options.json != "-":
            _say(f"page: {options.output / name}.md ({ran[-1].seconds:.0f} s)")
    told = {
        each.name: {
            "seconds": each.seconds,
            "tables": [t.to_dict() for t in each.tables],
            **({"error": each.error} if each.error else {}),
        }
        for each in ran
    }
    _write_json(told, options)
    return 1 if any(each.missed or each.error for each in ran) else 0


# -- parts -----------------------------------------------------------------------------------------------------------


@contextmanager
def _naming_options(*arguments: str, **named: str) -> Iterator[None]:
    """Where a function refuses its argument, name the option that it was given by: the same, or as ``named`` says."""
    try:
        yield
    except InputError as error:
        argument, colon, rest = str(error).partition(":")
        if argument not in (*arguments, *named):
            raise
        argument = named.get(argument, argument)
        rest = rest.replace("anchors=None", "--anchors none")
        raise InputError(f"--{argument.replace('_', '-')}{colon}{rest}") from None


@contextmanager
def _client(options: argparse.Namespace) -> Iterator[Any]:
    """The client of the cluster that was named, if one was."""
    if options.scheduler is None:
        yield False
        return
    with _naming_options("scheduler"):
        client = _cluster.connected(options.scheduler)
    with client:
        yield client


def _lend(client: Any, spec: str) -> None:
    """Send workers the module of ``python:module:factory`` where that is a file of the current directory, from which
    they do not import."""
    name = spec.removeprefix("python:").partition(":")[0].partition(".")[0]
    file = getattr(sys.modules.get(name), "__file__", None)
    if spec.startswith("python:") and file is not None and Path(file).parent == Path.cwd():
        client.upload_file(file)


def _check_places(options: argparse.Namespace) -> None:
    """Refuse places that cannot be written to before the work begins, not after."""
    for name in ("report", "json", "transformation"):
        path = getattr(options, name, None)
        if path is not None and path != "-":
            _files.place(f"--{name}", path)


def _check_used(options: argparse.Namespace, *specs: str) -> None:
    """Refuse what only serves to probe, where all are probes already."""
    if not all(Path(spec).is_dir() or Path(spec).suffix == ".npy" for spec in specs):
        return
    for name in ("inputs", "inputs_b", "neurons", "step", "dimension"):
        if getattr(options, name, None) is not None:
            raise InputError(
                f"--{name.replace('_', '-')}: {' and '.join(specs)} {'is' if len(specs) == 1 else 'are'} probed "
                "already; leave it out, or give it to  sametask probe"
            )


def _write_report(record: Any, options: argparse.Namespace) -> None:
    if options.report is not None:
        with _naming_options(path="report"):
            record.report(options.report)


def _conclude(verdict: Verdict, options: argparse.Namespace) -> int:
    """Write what was asked for, then say the answer; a reader who has gone does not change the answer."""
    _write_json(verdict.to_dict(), options)
    _write_report(verdict, options)
    if options.json != "-":
        _say(str(verdict))
        if options.report is not None:
            _say(f"report: {options.report}")
    return _exit_code(verdict, options)


def _exit_code(verdict: Verdict, options: argparse.Namespace) -> int:
    """Whether what is required holds."""
    answers = [verdict.determines[way] for way in REQUIRED[options.require]]
    if NO in answers:
        return DOES_NOT
    if all(answer == YES for answer in answers) or options.allow_undecided:
        return HOLDS
    return CANNOT_BE_TOLD


def _write_json(told: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json is None:
        return
    text = json.dumps(told, indent=2, allow_nan=False)
    if options.json == "-":
        _say(text)
    else:
        with _files.whole("--json", options.json) as file:
            file.write(text.encode() + b"\n")


def _say(text: str, stream: Any = None) -> None:
    """One line or more for the user, whose reader may have gone."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        # the reader has gone; keep the interpreter from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _probe_of(
    spec: str,
    inputs: Path | None,
    layers: list[str] | None,
    options: argparse.Namespace,
    argument: str,
    wanted: str,
    *,
    maps: bool = False,
) -> Probe | StoredProbe:
    """A saved probe as it is, recorded activations, or a network probed at the inputs; by its activations alone if
    ``maps`` can do with them, and nobody said how inputs can be moved."""
    if _is_saved(spec):
        if layers:
            raise InputError(f"{argument}: {spec} is a saved probe; layers are chosen when a network is probed")
        return StoredProbe.open(spec)
    if Path(spec).suffix == ".npy":
        if layers:
            raise InputError(f"{argument}: {spec} holds activations; layers are chosen when they are recorded")
        _load(argument, Path(spec), mapped=True)  # says what is wrong with the file in the words of the command line
        return as_probe(argument, spec)
    network = load_network(spec, layers)
    if inputs is None:
        raise InputError(f"{argument}: {spec} is a network; give {wanted} X.npy to probe it at")
    x = _load(wanted.split()[0], inputs)
    if maps and _activations_only(x, options):
        return probe(network, x, NoNeighbourhood(), neurons=_neurons(options.neurons), ids=np.arange(len(x)))
    neighbourhood = _neighbourhood(network, x, options)
    return probe(network, x, neighbourhood, neurons=_neurons(options.neurons), seed=options.seed)


def _activations_only(inputs: Array, options: argparse.Namespace) -> bool:
    """Whether inputs are no coordinates that so many samples could fill, and nothing is said of their manifold."""
    if options.neighbourhood != "auto" or options.dimension is not None or inputs.ndim < 2:
        return False
    return inputs.ndim > 2 or inputs.shape[1] > _WIDEST or len(inputs) < 3 ** inputs.shape[1]


def _neighbourhood(network: Network, inputs: Array, options: argparse.Namespace) -> Neighbourhood:
    if inputs.ndim == 1:
        raise InputError(
            f"--inputs: shape {inputs.shape}; give (n samples, …); reshape a single column with x[:, None]"
        )
    kind = options.neighbourhood
    narrow = inputs.ndim == 2 and inputs.shape[1] <= _WIDEST
    if kind == "auto":
        kind = "neighbours" if not narrow else "jacobian" if network.differentiable else "difference"
    if kind == "jacobian":
        return Jacobian()
    if kind == "difference":
        return CentralDifference(options.step)
    if kind == "burst":
        return Burst(options.burst_size, options.scale, dimension=options.dimension)
    dimension = options.dimension
    if dimension is None:
        if not narrow:
            raise InputError(
                f"--dimension: inputs of shape {inputs.shape[1:]} are no intrinsic coordinates; say with --dimension "
                "how many their manifold has"
            )
        dimension = inputs.shape[1]
    return Neighbours(options.k, dimension)


def _neurons(value: str | None) -> Any:
    if value is None:
        return None
    try:
        numbers = [int(part) for part in value.split(",")]
    except ValueError:
        raise InputError(f"--neurons: {value!r}; give a number, or indices as 3,8,21") from None
    return numbers[0] if len(numbers) == 1 and "," not in value else numbers


def _counts(value: str | None) -> list[int] | None:
    if value is None:
        return None
    try:
        return [int(part) for part in value.split(",")]
    except ValueError:
        raise InputError(f"--counts: {value!r}; give numbers of neurons, as 1,2,3") from None


def _anchors(value: str) -> Any:
    if value == "ids":
        return "ids"
    if value == "none":
        return None
    if value.endswith(".json"):
        return _known(Path(value))
    if not value.endswith(".npy") and not Path(value).is_file():
        raise InputError(f"--anchors: no such file {value}; give ids, none, PAIRS.npy or KNOWN.json")
    return _load("--anchors", Path(value))


def _known(path: Path) -> list[Any]:
    """Pairs, sets and orders from a JSON file."""
    expected = 'give {"pairs": [[row, row], …], "sets": [[rows, rows], …], "orders": [[rows, rows], …]}, or some of it'
    if not path.is_file():
        raise InputError(f"--anchors: no such file {path}; {expected}")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"--anchors: {path} is no JSON; {expected}") from None
    makers: dict[str, Callable[..., Any]] = {"pairs": lambda *pair: pair, "sets": SameSet, "orders": SameOrder}
    if not isinstance(told, dict) or not set(told) <= set(makers):
        raise InputError(f"--anchors: {path} holds {_check.shown(told)}; {expected}")
    found = []
    for kind, given in told.items():
        for k, both in enumerate(given if isinstance(given, list) else [given]):
            if not isinstance(both, list) or len(both) != 2:
                raise InputError(f"--anchors: {_check.shown(both)} among {kind} in {path}; {expected}")
            try:
                found.append(makers[kind](*both))
            except InputError as error:
                raise InputError(f"--anchors: {kind}[{k}] in {path}: {error}") from None
    return found


def _load(argument: str, path: Path, *, mapped: bool = False) -> Array:
    """An array from a ``.npy`` file; never unpickled. Where ``mapped`` it stays on disk, and is read as it is used."""
    if not path.is_file():
        raise InputError(f"{argument}: no such file {path}; give a .npy file written by numpy.save")
    try:
        if mapped and path.stat().st_size > _MAPPED:
            values = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            with path.open("rb") as file:
                values = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError):
        raise InputError(f"{argument}: {path} is not a .npy file of numbers; write one with numpy.save") from None
    if not isinstance(values, np.ndarray):
        raise InputError(f"{argument}: {path} holds several arrays; give a .npy file with one")
    return values


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="sametask",
        description="Have two neural networks learned the same thing, and if so, what turns one into the other?",
        epilog="Exit codes of compare and demo: 0 what is required holds (equivalent, unless --require says so), "
        "1 it doesn't, 3 it cannot be told, 2 a mistake in the call.",
    )
    parser.add_argument("--version", action="version", version=f"sametask {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks of internal errors")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)

    one = commands.add_parser("demo", help="compare two small networks that come with the package")
    one.add_argument("--samples", type=int, default=1500, help="inputs for each network (default %(default)s)")
    _output(one, report=Path("sametask-report.html"))
    _gate(one)
    one.set_defaults(run=_demo)

    two = commands.add_parser("compare", help="compare two networks, saved probes, or recorded activations")
    kinds = "a network (.onnx, TorchScript .pt, torch.export .pt2, python:module:factory) or a saved probe"
    two.add_argument(
        "first", metavar="A", help=f"{kinds}, or recorded activations (.npy, one row a sample, rows of A and B alike)"
    )
    two.add_argument("second", metavar="B", help="the same")
    two.add_argument("--inputs", type=Path, metavar="X.npy", help="inputs to probe at, one row a sample")
    two.add_argument("--inputs-b", type=Path, metavar="X.npy", help="inputs for B, where they are others")
    two.add_argument("--layers-a", nargs="+", metavar="LAYER", help="layers of A (default: its output)")
    two.add_argument("--layers-b", nargs="+", metavar="LAYER", help="layers of B")
    two.add_argument(
        "--anchors",
        default="ids",
        metavar="ids|none|PAIRS.npy|KNOWN.json",
        help="which samples saw the same input: equal ids (equal inputs have equal ids), none, or (k, 2) pairs of "
        'rows; or {"pairs": [[row, row], …], "sets": [[rows, rows], …], "orders": [[rows, rows], …]} in JSON: rows '
        "that belong to one set, and rows in ascending order of one quantity",
    )
    two.add_argument(
        "--observables",
        type=Path,
        nargs=2,
        action="append",
        default=[],
        metavar=("A.npy", "B.npy"),
        help="a number or label for every sample of A, and of B, that tells which samples could correspond; repeatable",
    )
    two.add_argument(
        "--sampled-alike", action="store_true", help="both were sampled from one distribution: densities must agree"
    )
    two.add_argument(
        "--anchor-noise", type=float, metavar="S", help="how far apart inputs were that are taken for the same"
    )
    two.add_argument(
        "--relative-scale",
        default="1",
        metavar="X|unknown",
        help="lengths in B's neighbourhoods for each in A's, where they were told in other units",
    )
    _units(two)
    two.add_argument(
        "--tolerance",
        default="0.05",
        metavar="T|none",
        help="loss up to which one network determines the other, as a share of the spread (default %(default)s); none "
        "asks whether it does exactly, as far as samples show",
    )
    two.add_argument(
        "--units",
        choices=("layer", "neuron"),
        default="layer",
        help="of losses: all neurons together, or the worst neuron in its own spread (default %(default)s)",
    )
    two.add_argument(
        "--groups", type=Path, metavar="G.npy", help="what belongs together, one number or string for each sample of A"
    )
    two.add_argument(
        "--level", type=float, default=0.95, help="probability with which all bounds hold (default %(default)s)"
    )
    _gate(two)
    two.add_argument("--transformation", type=Path, metavar="T.npz", help="write the map between the two here")
    two.add_argument("--eigenpairs", type=int, default=DiffusionChart.eigenpairs, help=argparse.SUPPRESS)
    two.add_argument("--neighbours", type=int, default=DiffusionChart.neighbours, help=argparse.SUPPRESS)
    _probing(two)
    _output(two)
    two.set_defaults(run=_compare)

    three = commands.add_parser("probe", help="probe a network and save what was seen; goes on where it was left")
    three.add_argument("network", metavar="NETWORK", help=kinds.removesuffix(" or a saved probe"))
    three.add_argument("--inputs", type=Path, metavar="X.npy", required=True, help="inputs to probe at")
    three.add_argument("--layers", nargs="+", metavar="LAYER", help="layers (default: the output)")
    three.add_argument("-o", "--output", type=Path, metavar="PROBE.zarr", required=True, help="where to save")
    three.add_argument(
        "--chunk-rows",
        type=int,
        metavar="N",
        help="inputs that are written at once, and lost at worst when it is killed (default: some megabytes' worth)",
    )
    three.add_argument("--seed", type=int, default=0, help="of every random choice (default %(default)s)")
    _scheduler(three)
    _probing(three)
    three.set_defaults(run=_probe)

    four = commands.add_parser("translate", help="carry activations of one network over to the other")
    four.add_argument("transformation", type=Path, metavar="T.npz", help="written by compare --transformation")
    four.add_argument("activations", type=Path, metavar="ACTIVATIONS.npy", help="(n, neurons), or a saved probe")
    four.add_argument("--backward", action="store_true", help="from the second network to the first")
    four.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.npy",
        required=True,
        help=".npy for the values; .npz for values, uncertainty and inside",
    )
    _scheduler(four)
    four.set_defaults(run=_translate)

    five = commands.add_parser("whitney", help="how many neurons are enough to determine all others")
    five.add_argument("network", metavar="NETWORK", help=kinds)
    five.add_argument("--inputs", type=Path, metavar="X.npy", help="inputs to probe at")
    five.add_argument("--layers", nargs="+", metavar="LAYER", help="layers (default: the output)")
    five.add_argument("--counts", metavar="N,N,…", help="numbers of neurons to try (default: 1 to 2d + 3)")
    five.add_argument("--draws", type=int, default=8, help="random draws of each number (default %(default)s)")
    _units(five)
    _probing(five)
    _output(five)
    five.set_defaults(run=_whitney)
    _classes_parser(commands)
    _reproduce_parser(commands)
    return parser


def _gate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--require",
        choices=tuple(REQUIRED),
        default="equivalent",
        help="what must hold for exit code 0 (default %(default)s)",
    )
    parser.add_argument(
        "--allow-undecided", action="store_true", help="exit with 0 also if it cannot be told whether that holds"
    )


def _units(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input-units",
        metavar="U,U,…|as-given",
        help="what counts as one unit of length along each input coordinate, where inputs are the intrinsic "
        "coordinates (default: powers of ten by their spread)",
    )


def _classes_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "classes",
        help="which of many saved probes are the same",
        epilog="Exit codes: 3 where a pair is undecided, else 0 all in one class, 1 in more than one; 2 a mistake.",
    )
    parser.add_argument("probes", nargs="+", metavar="PROBE.zarr", help="saved probes, two or more")
    parser.add_argument(
        "--anchors",
        default="ids",
        metavar="ids|none|ROWS.npy",
        help="which samples saw the same input: equal ids, none, or (k, n) row numbers of the n networks, -1 where a "
        "network did not see it",
    )
    _units(parser)
    parser.add_argument("--jobs", type=int, default=-1, help="worker processes (default: one for each core)")
    _scheduler(parser)
    _output(parser)
    parser.set_defaults(run=_classes)


def _reproduce_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "reproduce",
        help="the paper's experiments",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="The paper's experiments, each a script whose page shows code, figures and a table:\n"
        + "\n".join(f"  {name:8} {about}" for name, about in EXPERIMENTS.items()),
        epilog="Exit codes: 0 every figure is what was asked for, 1 not, or an error in an experiment; 2 a mistake in "
        "the call.",
    )
    parser.add_argument("experiment", choices=[*EXPERIMENTS, "all"])
    parser.add_argument("--quick", action="store_true", help="fewer samples and shorter training")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default %(default)s)")
    parser.add_argument(
        "--output",
        "-o",
        type=Path,
        default=Path("sametask-reproduce"),
        metavar="DIR",
        help="where pages and figures go (default %(default)s)",
    )
    parser.add_argument("--json", metavar="OUT.json", help="write the tables as JSON; - for standard output")
    parser.set_defaults(run=_reproduce)


def _probing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how to see the neighbourhood of each input")
    group.add_argument(
        "--neighbourhood",
        choices=["auto", "jacobian", "difference", "burst", "neighbours"],
        default="auto",
        help="auto: exact derivatives where the network has them, else differences; neighbours for wide inputs",
    )
    group.add_argument("--neurons", metavar="N|I,J,…", help="so many drawn at random, or these (default: all)")
    group.add_argument("--step", type=float, help="of differences, in input units (default: from the data)")
    group.add_argument("--scale", type=float, default=0.01, help="standard deviation of bursts (default %(default)s)")
    group.add_argument("--burst-size", type=int, default=64, help="perturbations of each input (default %(default)s)")
    group.add_argument("-k", type=int, default=16, help="recorded neighbours of each input (default %(default)s)")
    group.add_argument("--dimension", type=int, help="of the manifold of inputs, where their width does not tell it")


def _scheduler(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS|FILE.json",
        help="have the workers of a Dask cluster do it: the address of its scheduler, or its scheduler file "
        "(a module of python:module:factory in the current directory is sent along)",
    )


def _output(parser: argparse.ArgumentParser, report: Path | None = None) -> None:
    parser.add_argument("--report", type=Path, metavar="OUT.html", default=report, help="write a page with pictures")
    parser.add_argument("--json", metavar="OUT.json", help="write the answer as JSON; - for standard output")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice (default %(default)s)")


if __name__ == "__main__":
    sys.exit(main())
