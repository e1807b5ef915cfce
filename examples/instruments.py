"""Networks on different instruments, matched without a single input in common.

Run it with ``python examples/instruments.py`` (about a minute, no extras). Two networks see the same kind of states,
each through an instrument of its own: one is given positions and the other the readings of twelve sensors; two cameras
look at one object from different sides; two recorders take tones at 16 and at 8 kHz. Each network is probed at states
of its own. No pair of samples is told to belong together, none does; the match is then checked against the truth, at
states that neither has seen.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import sametask as st
from sametask.experiments.instruments import camera, learned, position, recording, sensors, states, through

PAIRS = {
    "position and sensors": (position, sensors()),
    "two cameras": (camera(0.0), camera(1.2)),
    "16 kHz and 8 kHz": (recording(16_000), recording(8_000)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=600, help="states for each network (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print the verdicts whole")
    options = parser.parse_args()
    for name, instruments in PAIRS.items():
        networks = [
            through(instrument, learned(instrument, seed=options.seed + k)) for k, instrument in enumerate(instruments)
        ]
        verdict = compared(networks, options.samples, options.seed)
        print(f"{name}: {verdict.decision.value} ({verdict.confidence:.2f}), {errors(verdict, networks, options.seed)}")
        if options.verbose:
            print(verdict)
    return 0


def compared(networks: list[st.Network], n: int, seed: int) -> st.Verdict:
    """The verdict on two networks of states, each probed at states of its own."""
    step = st.CentralDifference(1e-4)
    probes = [st.probe(network, states(seed=100 + 2 * seed + k, n=n), step) for k, network in enumerate(networks)]
    return st.compare(probes[0], probes[1], anchors=None)


def errors(verdict: st.Verdict, networks: list[st.Network], seed: int) -> str:
    """How far the transformation is from the truth, at states that neither network has seen, in words."""
    if verdict.transformation is None:
        return "no transformation"
    unseen = states(seed=1000 + seed, n=1000)
    truth = networks[1](unseen)
    estimate = verdict.transformation.forward(networks[0](unseen))
    missed = np.sqrt(np.sum((estimate.value - truth) ** 2) / np.sum((truth - truth.mean(0)) ** 2))
    assert verdict.match is not None
    return f"off by {missed:.2%} of the spread, {verdict.match.ambiguity} candidate(s)"


if __name__ == "__main__":
    sys.exit(main())
