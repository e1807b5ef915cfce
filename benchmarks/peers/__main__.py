"""sametask beside its peers: the same data, one run, one table.

    pip install ".[peers]" -c constraints.txt
    python -m venv datafold && datafold/bin/pip install -r benchmarks/peers/datafold.txt
    python benchmarks/peers --datafold datafold/bin/python [--samples 2000] [--seed 0] [--only netrep]

datafold 2.0.2 asks for numpy < 1.27, scipy < 1.12, scikit-learn 1.2 and pandas < 3, none of which sametask is tested
with, and uses private names that scikit-learn has since removed; so it runs in an environment of its own, of Python
3.11, on the same files. netrep is on no package index (``pip install git+https://github.com/ahwillia/netrep@0186b8a``);
where it is missing its algorithm is done by hand, and the table says so. A contender that cannot be had or fails is
listed with the reason, and the others run.

Two parts, on pairs of random networks whose truth is known (``tests/worlds.py``):

*Charts.* Two networks at the same inputs; given are activations and covariances of small neighbourhoods, and as many
leading coordinates are asked for as true eigenfunctions are known (five, eight). Errors: of the five leading
eigenvalues, the worst of both networks; *functions*, the share of variance of the true eigenfunctions that no linear
combination of the coordinates has (mean of 1 − R²); *networks*, the same between the coordinates of the two networks.

*Maps.* Two networks at inputs of their own but for six anchors, and 1,000 inputs that neither saw: what does the second
say where the first says that? Errors are root mean squares relative to the spread. *Pairs* tells what was known to
correspond: for *all* the second network was asked at every sample of the first, so both need the same samples; the
others can do with samples of their *own*. Without any pair the error is the least that a symmetry of the manifold
leaves. *Metric* tells whether the covariances are used.

Each contender runs on each world in a process of its own. Seconds are without imports (maps: mean of the worlds); MB is
the peak of the process (``ru_maxrss``; maps: the most), nothing subtracted, and *imports* what of that it had once all
was imported. × is the ratio to the first line, sametask. One run each: seconds scatter with whatever else is going on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from contenders import CHART, CONTENDERS, DATAFOLD, MAP, Contender
from table import Line, table, versions, wins

WORLDS = {CHART: ("rectangle", "sphere"), MAP: ("rectangle", "sphere", "L-shape")}
LIMIT = 600
"""Seconds that a contender may take on one world."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], prog="peers")
    parser.add_argument("--samples", type=int, default=2000, help="of each network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--datafold", default=sys.executable, help="python of the environment that has datafold")
    parser.add_argument("--only", default="", help="peers whose name contains this; sametask is always there")
    options = parser.parse_args()
    chosen = [each for each in CONTENDERS if each.ours or options.only.lower() in each.name.lower()]
    with tempfile.TemporaryDirectory() as folder:
        # until all have run nothing heavy is imported here: processes count what their parent had as their own peak
        answers = _run(chosen, Path(folder), options)
    lines = [_line(contender, answers, options) for contender in chosen]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    print(f"{os.cpu_count()} cores, {memory:.0f} GB; {options.samples} samples of each network, seed {options.seed}\n")
    for text in (*(table(lines, part, WORLDS[part]) for part in (CHART, MAP)), versions(lines), wins(lines)):
        print(text, end="\n\n")


Answers = dict[tuple[str, str], tuple[dict[str, Any], dict[str, np.ndarray]]]


def _run(chosen: list[Contender], folder: Path, options: argparse.Namespace) -> Answers:
    """What each contender found on each world, and what is told about it."""
    answers: Answers = {}
    for part, worlds in WORLDS.items():
        for world in worlds:
            given = folder / f"{part}-{world}.npz"
            _python(sys.executable, "truth.py", part, world, options.samples, options.seed, given, check=True)
            for contender in chosen:
                if contender.part != part:
                    continue
                print(f"{part} {world}: {contender.name}, {contender.pairs}", file=sys.stderr, flush=True)
                found = folder / "found.npz"
                found.unlink(missing_ok=True)
                python = options.datafold if contender.module == DATAFOLD else sys.executable
                trouble = _python(python, "work.py", contender.key, given, found)
                if found.exists():
                    with np.load(found) as file:
                        arrays = dict(file)
                    answers[contender.key, world] = json.loads(str(arrays.pop("about"))), arrays
                else:
                    answers[contender.key, world] = {"reason": trouble or "its process ended early"}, {}
    return answers


def _python(python: str, script: str, *arguments: object, check: bool = False) -> str:
    """Run one of the scripts here in a process of its own; what went wrong, if anything did."""
    command = [python, str(Path(__file__).parent / script), *map(str, arguments)]
    try:
        done = subprocess.run(command, check=check, timeout=LIMIT, stderr=None if check else subprocess.PIPE, text=True)
    except subprocess.TimeoutExpired:
        return f"took longer than {LIMIT} s"
    except OSError as error:
        return f"{type(error).__name__}: {error.strerror}"
    return done.stderr.strip().splitlines()[-1] if done.returncode and done.stderr else ""


def _line(contender: Contender, answers: Answers, options: argparse.Namespace) -> Line:
    """What came of a contender, held against the truth."""
    from truth import chart_errors, map_errors

    line = Line(contender)
    for world in WORLDS[contender.part]:
        about, found = answers[contender.key, world]
        line.about[world] = about
        if "reason" in about:
            continue
        if contender.part == CHART:
            errors = chart_errors(world, options.samples, options.seed, found)
        else:
            errors = map_errors(world, options.samples, options.seed, found["value"], contender.pairs != "none")
        line.errors |= {(world, kind): error for kind, error in errors.items()}
    return line


if __name__ == "__main__":
    main()
