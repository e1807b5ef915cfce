"""Classes of 20 networks of 2,000 samples: how long they take, and which pairs are right.

Run with::

    python benchmarks/classes.py [--samples 2000] [--networks 20] [--seed 0] [--jobs 2] [--settings ids anchors none]

The networks see three manifolds (rectangles of two shapes, and an L), one network is blind to an input and one folds.
Shared ids, six anchors, or nothing ties them together; without shared ids each has samples of its own. Time is by the
clock of the machine, with whatever else runs on it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from joblib.externals.loky import get_reusable_executor

import sametask as st

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from worlds import RandomNetwork, World, box, l_shape

WORLDS = {"rectangle": box(1.6, 1.0), "L": l_shape(), "strip": box(2.6, 0.7)}
SHARED = {"ids": None, "anchors": 6, "none": 0}


def networks(n: int, samples: int, seed: int, shared: int | None) -> list[tuple[str, st.Probe]]:
    """What each network sees, and its probe; the last two are blind to an input, and folded.

    Args:
        n: number of networks.
        samples: of each.
        seed: of everything drawn.
        shared: inputs that all saw; None for all of them.
    """
    kinds = [*("rectangle" for _ in range(n - 2 - 2 * ((n - 2) // 3))), *(["L", "strip"] * ((n - 2) // 3))]
    kinds = [*sorted(kinds, key=list(WORLDS).index), "blind", "folds"]
    shared = samples if shared is None else shared
    found = []
    for k, kind in enumerate(kinds):
        which = kind if kind in WORLDS else "rectangle"
        world = WORLDS[which]
        x = world.sample(np.random.default_rng([seed, 1, k]), samples)
        x[:shared] = world.sample(np.random.default_rng([seed, 0, list(WORLDS).index(which)]), samples)[:shared]
        ids = np.concatenate([np.arange(shared), (k + 1) * 10**6 + np.arange(samples - shared)])
        name = f"{kind} {k}"
        found.append((kind, _probe(kind, world, x, 100 * seed + k, ids=ids, name=name)))
    return found


def _probe(kind: str, world: World, x: np.ndarray, seed: int, **about) -> st.Probe:
    if kind == "blind":
        network = RandomNetwork.draw(1, 3, seed)
        slopes = network.jacobian(x[:, :1])
        return st.Probe.from_jacobians(network(x[:, :1]), np.concatenate([slopes, 0 * slopes], axis=2), **about)
    if kind == "folds":
        middle = x[:, :1] - 0.8
        network = RandomNetwork.draw(2, 5, seed)
        folded = np.concatenate([middle**2, x[:, 1:]], axis=1)
        slopes = network.jacobian(folded)
        slopes[:, :, 0] *= 2 * middle
        return st.Probe.from_jacobians(network(folded), slopes, **about)
    return world.probe(RandomNetwork.draw(2, 5, seed), x, **about)


def truth(one: str, two: str) -> st.Decision:
    """What the first and the second are to each other."""
    if one == two:
        return st.Decision.EQUIVALENT
    if "rectangle" in (one, two) and {one, two} & {"blind", "folds"}:
        return st.Decision.FIRST_DETERMINES_SECOND if one == "rectangle" else st.Decision.SECOND_DETERMINES_FIRST
    return st.Decision.INEQUIVALENT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--settings", nargs="+", choices=list(SHARED), default=list(SHARED))
    options = parser.parse_args()
    before = 0.0
    for setting in options.settings:
        made = networks(options.networks, options.samples, options.seed, SHARED[setting])
        begin = time.perf_counter()
        found = st.classes(
            [probe for _, probe in made],
            anchors=None if setting == "none" else "ids",
            seed=options.seed,
            n_jobs=options.jobs,
        )
        seconds = time.perf_counter() - begin
        get_reusable_executor().shutdown(wait=True)
        used = sum(resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        used, before = used - before, used
        told, how = Counter(), Counter()
        for (i, j), answer in found.answers.items():
            if i < j:
                right = truth(made[i][0], made[j][0])
                how[answer.how.value] += 1
                if answer.decision is right:
                    told["right"] += 1
                elif answer.decision is st.Decision.UNDECIDED:
                    told["undecided"] += 1
                else:
                    told["wrong"] += 1
                    print(f"  wrong: {found.names[i]} | {found.names[j]}: {answer.decision.value}")
        print(
            f"{setting}: {seconds:.0f} s ({used:.0f} s of processors) for {options.networks} networks of "
            f"{options.samples} samples; pairs {dict(told)}"
        )
        print(f"  {len(found.classes)} classes, {dict(how)}")
        for members in found.classes:
            print(f"    {found.named(members)}")


if __name__ == "__main__":
    main()
