"""Claims within a tolerance, checked on fresh rows: python benchmarks/battery/within.py --pairs 300 --first-seed 8000.

For each pair (see :mod:`recorded`) and direction: *yes* is false if the map that is shipped loses more than the
tolerance on fresh rows; *no* is false unless something is lost for good (a private input) that makes the loss exceed
it. Where the loss on fresh rows is between 0.8 and 1.25 tolerances, false claims are counted apart. A direction is
decidable where the shipped map loses less than 0.8 tolerances: then *yes* is right.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from recorded import KINDS, draw, loss

import sametask as st


@dataclass(frozen=True)
class Way:
    """What was said of one direction.

    Attributes:
        kind, words: of the pair.
        said: ``"yes"``, ``"no"`` or ``"cannot tell"``.
        value, high, low: loss, bound and lower bound as they were said.
        fresh: loss of the shipped map on fresh rows.
        lost: whether something is lost for good.
        map: that was shipped.
        seconds: for the pair.
    """

    seed: int
    kind: str
    words: str
    said: str
    value: float
    high: float
    low: float
    fresh: float
    lost: bool
    map: str
    seconds: float

    def wrong(self, tolerance: float) -> bool:
        """Whether what was said is false."""
        if self.said == "yes":
            return self.fresh > tolerance
        return self.said == "no" and not self.lost

    def near(self, tolerance: float) -> bool:
        """Whether the truth is too near to the tolerance for claims to be surely right."""
        return 0.8 * tolerance <= self.fresh <= 1.25 * tolerance


def judged(seed: int, tolerance: float, most: int) -> list[Way]:
    """Both directions of a pair."""
    warnings.simplefilter("ignore")
    case = draw(seed, most)
    start = time.perf_counter()
    verdict = st.compare(case.first, case.second, tolerance=tolerance, units=case.units, groups=case.groups, seed=seed)
    seconds = time.perf_counter() - start
    assert verdict.loss is not None and verdict.transformation is not None
    carry = verdict.transformation.forward, verdict.transformation.backward
    ways = []
    for k in (0, 1):
        fresh = loss(carry[k](case.fresh[k]).value, case.meant[1 - k], case.units)
        found = verdict.loss[k]
        words = f"{case.words} {'→' if k == 0 else '←'}"
        ways.append(
            Way(
                seed,
                case.kind,
                words,
                verdict.determines[k],
                found.value,
                found.high,
                found.low,
                fresh,
                case.lost[k],
                found.map,
                seconds,
            )
        )
    return ways


def main() -> None:
    """Judge the pairs and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--first-seed", type=int, default=8000)
    parser.add_argument("--tolerance", type=float, default=0.05)
    parser.add_argument("--most", type=int, default=3000, help="rows at most")
    parser.add_argument("--kind", default="", help="only kinds whose name contains this")
    parser.add_argument("--each", action="store_true", help="print every direction")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    names, tolerance = list(KINDS), options.tolerance
    seeds = range(options.first_seed, options.first_seed + options.pairs)
    seeds = [seed for seed in seeds if options.kind in names[seed % len(names)]]
    ways: list[Way] = []
    with ProcessPoolExecutor(options.workers) as pool:
        for both in pool.map(judged, seeds, repeat(tolerance), repeat(options.most)):
            ways += both
            for way in both:
                wrong = way.wrong(tolerance)
                missed = way.said != "yes" and way.fresh < 0.8 * tolerance
                beyond = way.fresh > way.high
                if options.each or wrong or missed or beyond:
                    mark = "WRONG" if wrong else "missed" if missed else "beyond" if beyond else ""
                    print(
                        f"{way.seed:6d} {mark:7}{way.said:12} loss {way.value:.3g} ≤ {way.high:.3g} (≥ {way.low:.2g}), "
                        f"fresh {way.fresh:.3g} by {way.map}; {way.seconds:.1f} s  {way.words}",
                        flush=True,
                    )
    print(f"\n{'kind':28}{'ways':>6}{'yes':>6}{'no':>5}{'cannot':>8}{'false':>7}{'decidable':>11}{'of these yes':>14}")
    for name in [*names, "all"]:
        some = [way for way in ways if name in ("all", way.kind)]
        said = Counter(way.said for way in some)
        able = [way for way in some if way.fresh < 0.8 * tolerance]
        false = sum(way.wrong(tolerance) and not way.near(tolerance) for way in some)
        print(
            f"{name:28}{len(some):6d}{said['yes']:6d}{said['no']:5d}{said['cannot tell']:8d}{false:7d}{len(able):11d}"
            f"{sum(way.said == 'yes' for way in able):14d}"
        )
    near = [way for way in ways if way.near(tolerance)]
    beyond = {way.seed for way in ways if way.fresh > way.high}
    pairs = len({way.seed for way in ways})
    false = len({way.seed for way in ways if way.wrong(tolerance) and not way.near(tolerance)})
    print(f"\nnear the tolerance: {sum(way.wrong(tolerance) for way in near)} of {len(near)} claims or silences false")
    print(f"pairs with a bound exceeded on fresh rows: {len(beyond)} of {pairs} (5 % asked)")
    rate = 3 / pairs if false == 0 else float("nan")
    print(
        f"pairs with a false claim elsewhere: {false} of {pairs}" + (f" (95 %: below {rate:.1%})" if not false else "")
    )


if __name__ == "__main__":
    main()
