"""The first experiment, quickly: its answers, its page, its command."""

from __future__ import annotations

import json

from sametask.cli import main


def test_outputs_that_rise_agree_and_those_that_turn_back_do_not(tmp_path, capsys):
    assert main(["reproduce", "scalar", "--quick", "-o", str(tmp_path), "--json", str(tmp_path / "told.json")]) == 0
    out = capsys.readouterr().out
    assert "verdict on the outputs that rise: equivalent" in out
    assert "verdict on the outputs that turn back: inequivalent" in out
    assert "verdict on three neurons of each: equivalent" in out
    page = (tmp_path / "scalar.md").read_text()
    assert page.count("![") == 3
    assert all((tmp_path / "scalar" / f"{k}.png").stat().st_size > 10_000 for k in (1, 2, 3))
    tables = json.loads((tmp_path / "told.json").read_text())["scalar"]["tables"]
    assert [table["title"] for table in tables] == [
        "Monotonic functions, one output each, independent samples",
        "Functions that turn back",
    ]


def test_what_is_no_experiment_and_what_is_no_directory(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["reproduce", "scalar", "-o", str(tmp_path / "file")]) == 2
    assert "is a file" in capsys.readouterr().err


def test_places_and_seeds_are_looked_at_before_the_work(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "plane").write_text("")
    for arguments in (
        ("scalar", "-o", tmp_path / "file" / "below"),
        ("plane", "-o", tmp_path),
        ("scalar", "-o", tmp_path, "--json", tmp_path / "file" / "told.json"),
        ("scalar", "-o", tmp_path, "--seed", -1),
        ("scalar", "-o", tmp_path, "--seed", 10**20),
    ):
        assert main(["reproduce", *map(str, arguments)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(("sametask: --output", "sametask: --json", "sametask: --seed"))
        assert error.count("\n") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "plane"]
