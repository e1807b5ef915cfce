"""Two published pitch trackers, CREPE tiny and CREPE small: what do they share, and where does it stop?

Run it with ``python examples/crepe.py``; it needs the ``crepe`` extra. Tones are synthesised; both networks hear the
same or different ones, and are compared layer by layer.

1. Over pitch alone, one octave, from *different* tones: only six are heard by both.
2. Over a patch of pitch × spectral tilt: the response to tilt falls on the way to the output, to a twentieth of that to
   pitch. It is not lost: the local rank is 2 at every layer, and the verdicts say what is equivalent to what.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import sametask as st
from sametask.experiments import crepe

OCTAVE_LAYERS = ("pool5", "sigmoid")
PATCH_LAYERS = ("pool2", "pool5", "classifier", "sigmoid")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000, help="tones for each network (default %(default)s)")
    parser.add_argument("--report", type=Path, help="write the report of the last comparison over pitch here")
    options = parser.parse_args()
    verdicts = over_pitch(options.samples)
    for layer, verdict in verdicts.items():
        print(f"pitch, {layer}: tiny and small are {describe(verdict)}")
    if options.report is not None:
        verdicts[OCTAVE_LAYERS[-1]].report(options.report)
    for line in over_pitch_and_tilt(options.samples):
        print(line)
    return 0


def over_pitch(n: int, seed: int = 0) -> dict[str, st.Verdict]:
    """Verdicts by layer, from tones drawn independently for the two networks but for six."""
    tones = [crepe.tones(seed=seed + k, n=n) for k in (1, 2)]
    tones[1][:6] = tones[0][:6]
    probes = [
        by_layer(crepe.crepe_on_tones(size), OCTAVE_LAYERS, x, size)
        for size, x in zip(("tiny", "small"), tones, strict=True)
    ]
    return {layer: st.compare(probes[0][layer], probes[1][layer]) for layer in OCTAVE_LAYERS}


def over_pitch_and_tilt(n: int, seed: int = 0) -> list[str]:
    """A table in words: how many input directions each layer carries, and which layers determine which."""
    places = np.random.default_rng(seed).uniform(0, 1, (n, 2))
    probes = {size: by_layer(crepe.crepe_on_patch(size), PATCH_LAYERS, places, size) for size in ("tiny", "small")}
    lines = []
    for size, layers in probes.items():
        for layer, probe in layers.items():
            rank = st.local_rank(probe)
            weakest = f"the weaker at {rank.gains[-1]:.3f} of the stronger"
            lines.append(f"pitch × tilt, {size} {layer}: {rank.rank} of 2 directions, {weakest}")
    tiny, small = probes["tiny"], probes["small"]
    pairs = [(tiny[layer], small[layer]) for layer in PATCH_LAYERS]
    pairs += [(tiny["pool5"], small["sigmoid"]), (tiny["sigmoid"], small["classifier"])]
    for first, second in pairs:
        lines.append(f"pitch × tilt, {first.name} and {second.name}: {describe(st.compare(first, second))}")
    return lines


def by_layer(module: object, layers: tuple[str, ...], inputs: np.ndarray, size: str) -> dict[str, st.Probe]:
    """One pass through the network, then a probe for each layer."""
    whole = st.probe(st.from_torch(module, layers=list(layers), name=size), inputs)
    return {
        layer: whole.select(
            [k for k, neuron in enumerate(whole.neurons) if neuron.startswith(f"{layer}[")], name=f"{size} {layer}"
        )
        for layer in layers
    }


def describe(verdict: st.Verdict) -> str:
    """A verdict in one line."""
    findings = ", ".join(
        sorted({finding.name for finding in verdict.diagnosis if finding.severity.value == "decisive"})
    )
    return f"{verdict.decision.value} ({verdict.confidence:.2f})" + (f" [{findings}]" if findings else "")


if __name__ == "__main__":
    sys.exit(main())
