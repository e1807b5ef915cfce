"""One contender on one world, in a process of its own: ``python work.py KEY given.npz found.npz``.

``KEY`` is of :mod:`contenders`. Written are what it found, how long that took, and the peak memory of the process as it
was once everything was imported and as it is in the end.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from contenders import CHART, CONTENDERS
from given import Seen, Task


def main() -> None:
    key, source, target = sys.argv[1:]
    warnings.simplefilter("ignore")  # peers warn of what newer releases of theirs will do
    contender = next(each for each in CONTENDERS if each.key == key)
    about: dict[str, Any] = {}
    found: dict[str, Any] = {}
    try:
        module = importlib.import_module(contender.module)
        about |= {"version": module.VERSION, "imports": _peak()}
        with np.load(source) as file:
            stored = dict(file)
        run = getattr(module, contender.function)
        if contender.part == CHART:
            networks = [_seen(stored, k) for k in (1, 2)]
            start = time.perf_counter()
            charts = [run(network) for network in networks]
            about["seconds"] = time.perf_counter() - start
            for k, chart in enumerate(charts, 1):
                found |= {f"coordinates{k}": chart.coordinates, f"rows{k}": chart.rows}
                found |= {} if chart.eigenvalues is None else {f"eigenvalues{k}": chart.eigenvalues}
        else:
            task = Task(_seen(stored, 1), _seen(stored, 2), stored["anchors"], stored["paired"], stored["unseen"])
            start = time.perf_counter()
            found["value"] = run(task, contender.pairs)
            about["seconds"] = time.perf_counter() - start
        about["peak"] = _peak()
    except Exception as error:  # whatever a peer raises is listed as the reason, and the others run
        where = traceback.extract_tb(error.__traceback__)[-1].name
        about["reason"] = f"{type(error).__name__} in {where}: {str(error).splitlines()[0] if str(error) else '–'}"
    np.savez(target, about=np.array(json.dumps(about)), **found)


def _seen(stored: dict[str, np.ndarray], k: int) -> Seen:
    dimension, coordinates = (int(stored[name]) for name in ("dimension", "coordinates"))
    return Seen(stored[f"activations{k}"], stored[f"covariances{k}"], dimension, coordinates)


def _peak() -> float:
    """Peak memory in MB. A process starts with what its parent had, so the parent has to be small."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    main()
