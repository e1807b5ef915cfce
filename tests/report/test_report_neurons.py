"""Pages of few neurons: whole, self-contained, the same each time, and true to the record."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest

import sametask as st
from assertions import raises_one_line
from worlds import RandomNetwork, circle


def probe_of(inputs: str) -> st.Probe:
    x = circle().sample(np.random.default_rng(0), 120)
    network = RandomNetwork.draw(2, 7, 1)
    grid = np.linspace(-1.5, 1.5, 8)
    spots = np.exp(-np.square(grid[:, None] - x[:, None, :1]) - np.square(grid - x[:, None, 1:]))
    given = {
        "none": None,
        "coordinates": x,
        "images": spots,
        "channels": np.stack([spots, spots**2, 1 - spots], axis=1),
        "colours": np.stack([spots, spots**2, 1 - spots], axis=3),
        "long": spots.reshape(120, -1),
    }[inputs]
    jacobians = np.matmul(network.jacobian(x), circle().tangents(x))
    return st.Probe.from_jacobians(network(x), jacobians, inputs=given, name="<net> & co")


def read(record: st.Whitney | st.Reconstruction, folder) -> str:
    record.report(folder / "page.html")
    text = (folder / "page.html").read_text(encoding="utf-8")
    record.report(folder / "again.html")
    assert (folder / "again.html").read_text(encoding="utf-8") == text
    assert text.startswith("<!DOCTYPE html>")
    assert "<script" not in text
    assert all(uri.startswith("data:image/") for uri in re.findall(r'src="([^"]*)', text))
    assert all(re.findall(r'<img[^>]* alt="([^"]+)"', text))
    assert "<net>" not in text
    return html.unescape(text)


def test_the_page_of_a_count_says_what_the_record_says(tmp_path):
    found = st.whitney(probe_of("none"), draws=2)
    text = read(found, tmp_path)
    assert found.meaning in text
    assert text.count("<img") == 1
    assert "(2d + 1)" in text
    for finding in found.findings:
        assert finding.advice in text


@pytest.mark.parametrize(
    ("inputs", "pictures"),
    [("none", 3), ("coordinates", 5), ("images", 4), ("channels", 4), ("colours", 4), ("long", 9)],
)
def test_the_page_of_a_reconstruction_shows_inputs_as_they_are(inputs, pictures, tmp_path):
    found = st.reconstruct(probe_of(inputs), [0, 1, 2])
    text = read(found, tmp_path)
    assert found.meaning in text
    assert text.count("<img") == pictures
    assert ("no inputs" in [finding.name for finding in found.findings]) == (inputs == "none")


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path):
    for record in (st.whitney(probe_of("none"), [2], draws=1), st.reconstruct(probe_of("none"), [0, 1])):
        with pytest.raises(st.InputError, match="is a directory"):
            record.report(tmp_path)


@pytest.mark.parametrize("path", [None, 5, b"x"])
def test_what_is_no_place_is_refused_in_one_line(path):
    found = st.whitney(probe_of("none"), [1, 2], draws=1)
    rebuilt = st.reconstruct(probe_of("none"), [0, 1, 2])
    for record in (found, rebuilt):
        with raises_one_line(f"path: {path!r}; give"):
            record.report(path)
