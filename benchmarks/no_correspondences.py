"""Matches of networks that never saw the same input, on worlds whose truth is known.

``python benchmarks/no_correspondences.py [--seeds 5] [--first-seed 100] [--rows blob,square] [--each] [--verdicts]``

For each row: samples drawn independently for two random networks, no anchors, 1,000 unseen points. ``forward`` is the
relative root mean square error of the match returned (median and worst of the seeds), ``best`` that of the candidate
that comes nearest, ``anchors`` that of the match by six anchors, and ``ratio`` the first in proportion to the last.
Where the world has isometries an error is the least that one of them leaves. ``right`` counts the seeds in which the
match returned is off by less than 10 %; ``told`` is what the match says about how many there are, and how many there
are; ``met`` how many of these the candidates hit, to 10 %. ``pose`` is the error that the outline of flat worlds leaves
to somebody who knows its shape exactly: without anchors none is smaller on average. ``coverage`` is the share of unseen
points within one and two uncertainties.

Rows with a percentage were probed on parts of the world; unseen points are of the overlap, and ``anchors`` is the error
of six anchors there, or where those are given, of six anchors with both probed on all of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import sametask as st
from sametask.matching.inverse import invert

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from pose import best_pose
from worlds import EVERY, Pair, World, pair, relative_error, up_to_isometry

ANCHORS = 6
RIGHT = 0.1
GROUPS = {"circle": "O(2)", "sphere": "O(3)", "annulus": "O(2)", "cylinder": "2·O(2)", "torus": "2·O(2)²"}


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        world: what the networks see.
        samples: of each network.
        note: what sets the row apart from others of its world.
        options: of :func:`worlds.pair`.
        anchors: whether the match is given six anchors as well.
    """

    world: str
    samples: int
    note: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    anchors: bool = False

    @property
    def label(self) -> str:
        """Name of the line."""
        return " ".join(filter(None, (self.world, self.note, str(self.samples))))

    @property
    def shares(self) -> tuple[float, float]:
        """Of the world, that the two networks were probed on."""
        return self.options.get("shares", (1.0, 1.0))

    @property
    def overlap(self) -> tuple[float, float]:
        """Its share of what each of the two was probed on."""
        both = sum(self.shares) - 1
        return both / self.shares[0], both / self.shares[1]

    @property
    def partial(self) -> bool:
        """Whether one was probed on less than the other."""
        return self.shares != (1.0, 1.0)


TABLE = (
    Row("L-shape", 2000),
    Row("blob", 2000),
    Row("triangle", 2000),
    Row("bumpy sphere", 2000),
    Row("interval", 500),
    Row("stretched interval", 500),
    Row("rectangle", 2000),
    Row("square", 2000),
    Row("box", 4000),
    Row("ellipsoid", 2000),
    Row("circle", 500),
    Row("sphere", 2000),
    Row("cylinder", 2000),
    Row("blob", 2000, "density 10 : 1", {"skew": 10.0}),
    Row("bumpy sphere", 2000, "density 10 : 1", {"skew": 10.0}),
    Row("blob", 1000, "against 8000", {"n2": 8000}),
    Row("bumpy sphere", 1000, "against 8000", {"n2": 8000}),
    Row("blob", 2000, "5 and 12 neurons, recoded", {"neurons": (5, 12), "recoded": True}),
    Row("L-shape", 2000, "60% of it", {"shares": (1.0, 0.6)}),
    Row("triangle", 2000, "60% of it", {"shares": (1.0, 0.6)}),
    Row("blob", 2000, "60% of it", {"shares": (1.0, 0.6)}),
    Row("blob", 2000, "60% of it, anchors", {"shares": (1.0, 0.6)}, anchors=True),
    Row("blob", 2000, "80% and 80%, anchors", {"shares": (0.8, 0.8)}, anchors=True),
    Row("bumpy sphere", 2000, "60% of it", {"shares": (1.0, 0.6)}),
    Row("bumpy sphere", 2000, "60% of it, anchors", {"shares": (1.0, 0.6)}, anchors=True),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--rows", help="only rows whose label contains one of these, separated by commas")
    parser.add_argument("--samples", type=float, default=1, help="times as many samples as the table has")
    parser.add_argument("--each", action="store_true", help="a line for every seed")
    parser.add_argument("--verdicts", action="store_true", help="the verdict of whole rows as well")
    options = parser.parse_args()
    print(
        f"{'manifold':40} {'right':>5} {'told':>14} {'met':>5} {'forward':>8} {'worst':>8} {'best':>8} {'anchors':>8} "
        f"{'ratio':>7} {'pose':>7} {'coverage':>9} {'time':>7}"
    )
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for row in TABLE:
        if options.rows and not any(part in row.label for part in options.rows.split(",")):
            continue
        used = dataclasses.replace(row, samples=round(options.samples * row.samples))
        results = []
        for seed in seeds:
            results.append(_one(used, seed, options.verdicts or row.partial))
            if options.each:
                print(_line(f"  {seed}", used, results[-1:]), flush=True)
        print(_line(used.label, used, results), flush=True)


def _one(row: Row, seed: int, judged: bool) -> dict[str, Any]:
    world = EVERY[row.world]
    drawn = pair(row.world, row.samples, seed, anchors=ANCHORS if row.anchors else 0, **row.options)
    anchors = drawn.anchors if row.anchors else None
    start = time.perf_counter()
    match = st.match(st.chart(drawn.first), st.chart(drawn.second), anchors=anchors)
    transformation = st.Transformation.from_match(match)
    estimate = transformation.forward(drawn.unseen_first)
    result: dict[str, Any] = {"seconds": time.perf_counter() - start, "told": _told(match)}
    result["forward"], which = up_to_isometry(world, drawn.networks[1], drawn.unseen, estimate.value)
    place = world.isometries[which](drawn.unseen)
    if world.turned is None:
        missed = np.linalg.norm(estimate.value - drawn.networks[1](place), axis=1)
        result["within"] = [float(np.mean(missed <= k * estimate.uncertainty)) for k in (1, 2)]
    if anchors is None:
        result["candidates"] = _candidates(world, drawn, match)
    if not row.anchors:
        result["anchored"] = _anchored_error(row, seed)
    elif row.partial:
        result["anchored"] = _whole_error(row, seed)
    if world.inside is not None and not row.partial and not row.anchors:
        result["pose"] = _pose_error(world, drawn, seed)
    if judged:
        verdict = st.compare(drawn.first, drawn.second, anchors=anchors)
        result["decision"], result["overlap"] = verdict.decision.value, getattr(verdict, "overlap", None)
    return result


def _told(match: st.Match) -> str:
    """How many matches are equally good, or which continuum of them there is."""
    group = match.symmetry
    return group.name if group is not None and not group.order else str(match.ambiguity)


def _candidates(world: World, drawn: Pair, match: st.Match) -> list[tuple[float, int]]:
    """For each candidate how far off it is, up to an isometry, and up to which."""
    found = []
    for candidate in match.candidates:
        images = candidate.images
        own = dataclasses.replace(match, forward=images, backward=invert(images, match.first, match.second))
        value = st.Transformation.from_match(own).forward(drawn.unseen_first).value
        found.append(up_to_isometry(world, drawn.networks[1], drawn.unseen, value))
    return found


def _anchored_error(row: Row, seed: int) -> float:
    """Error of the match that is given six anchors."""
    return _error(pair(row.world, row.samples, seed, anchors=ANCHORS, **row.options))


def _whole_error(row: Row, seed: int) -> float:
    """Error, with six anchors, where both were probed on all that they share."""
    options = {name: value for name, value in row.options.items() if name != "shares"}
    return _error(pair(row.world, row.samples, seed, anchors=ANCHORS, **options))


def _error(drawn: Pair) -> float:
    match = st.match(st.chart(drawn.first), st.chart(drawn.second), anchors=drawn.anchors)
    value = st.Transformation.from_match(match).forward(drawn.unseen_first).value
    return relative_error(value, drawn.unseen_second)


def _pose_error(world: World, drawn: Pair, seed: int) -> float:
    """What the outlines of the samples leave open."""
    poses = [
        best_pose(world, np.asarray(probe.inputs), np.random.default_rng([seed, k]))
        for k, probe in enumerate((drawn.first, drawn.second))
    ]
    return relative_error(drawn.networks[1](poses[1].back(poses[0].there(drawn.unseen))), drawn.unseen_second)


def _line(label: str, row: Row, results: list[dict[str, Any]]) -> str:
    def of(name: str) -> np.ndarray:
        return np.array([result[name] for result in results if name in result])

    errors, right = of("forward"), int(np.sum(of("forward") < RIGHT))
    true = GROUPS.get(row.world, str(1 if row.partial else len(EVERY[row.world].isometries)))
    told = ",".join(sorted({str(value) for value in of("told")}))
    candidates = [result["candidates"] for result in results if "candidates" in result]
    met = {len({which for error, which in found if error < RIGHT}) for found in candidates}
    best = np.array([min(found)[0] for found in candidates])
    within = of("within").mean(axis=0) if len(of("within")) else None
    line = (
        f"{label:40} {right:>2}/{len(results):<2} {f'{told} of {true}':>14} "
        f"{'–'.join(str(count) for count in sorted({min(met), max(met)})) if met else '':>5} "
        f"{_percent(np.median(errors)):>8} {_percent(errors.max()):>8} {_median(best):>8} {_median(of('anchored')):>8} "
        f"{np.median(errors / of('anchored')):7.2g} {_median(of('pose')):>7} "
        f"{'–' if within is None else f'{within[0]:4.0%} {within[1]:4.0%}':>9} {np.median(of('seconds')):5.1f} s "
    )
    decisions = [result["decision"] for result in results if "decision" in result]
    line += ", ".join(f"{decisions.count(name)} {name}" for name in dict.fromkeys(decisions))
    if not row.partial:
        return line
    shares = [result["overlap"] for result in results]
    told_shares = "–" if None in shares else "/".join(f"{share:.0%}" for share in np.median(shares, axis=0))
    return f"{line}; overlap {told_shares} of {'/'.join(f'{share:.0%}' for share in row.overlap)}"


def _median(values: np.ndarray) -> str:
    return _percent(float(np.median(values))) if len(values) else "–"


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"


if __name__ == "__main__":
    main()
