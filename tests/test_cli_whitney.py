"""``sametask whitney``: what it writes, and one line for every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from assertions import as_users_run_it
from sametask.cli import main
from worlds import RandomNetwork, circle


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("whitney") / "a.zarr"
    x = circle().sample(np.random.default_rng(0), 120)
    circle().probe(RandomNetwork.draw(2, 8, 1), x, name="a").save(path)
    return path


def run(*arguments: object) -> int:
    with as_users_run_it():
        try:
            return main([str(argument) for argument in arguments])
        except SystemExit as stop:
            return int(stop.code or 0)


def test_it_prints_a_table_and_writes_page_and_numbers(saved, tmp_path, capsys):
    page, numbers = tmp_path / "out.html", tmp_path / "out.json"
    assert run("whitney", saved, "--counts", "1,2,3", "--draws", 2, "--report", page, "--json", numbers) == 0
    assert "2d + 1" in capsys.readouterr().out
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [each["neurons"] for each in json.loads(numbers.read_text())["counts"]] == [1, 2, 3]


def test_json_alone_on_standard_output(saved, capsys):
    assert run("whitney", saved, "--counts", "2", "--draws", 1, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["theory"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--counts", "a"), "--counts: 'a'; give"),
        (("--neurons", "3"), "--neurons: "),
        (("--inputs", "x.npy"), "--inputs: "),
        (("--counts", "0"), "--counts: [0]; give"),
        (("--counts", "9"), "--counts: 9, but 8 neurons vary"),
        (("--draws", "0"), "--draws: 0; give"),
        (("--report", "."), "--report: . is a directory"),
    ],
)
def test_mistakes_get_one_line(saved, arguments, message, capsys):
    assert run("whitney", saved, *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"sametask: {message}")
    assert said.count("\n") == 1
