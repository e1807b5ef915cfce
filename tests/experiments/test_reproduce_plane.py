"""Two inputs: what single outputs cannot tell, five neurons do; a vector field is carried over, without anchors too."""

from __future__ import annotations

import pytest

from sametask.experiments.reproduce import reproduce

pytest.importorskip("torch")
pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    directory = tmp_path_factory.mktemp("plane")
    return reproduce("plane", directory, quick=True), directory


def figures(ran) -> dict[str, float | str]:
    return {f"{table.title}: {row[0]}": row[1] for table in ran[0].tables for row in table.rows}


def test_every_figure_is_what_was_asked_for(ran):
    assert ran[0].missed == []


def test_single_outputs_do_not_tell_two_inputs_and_five_neurons_do(ran):
    found = figures(ran)
    scalars = "Different scalar functions of two inputs"
    assert found[f"{scalars}: outputs alone"] == "inequivalent"
    assert found[f"{scalars}: five neurons each"] == "equivalent"
    assert float(found[f"{scalars}: output, 1 → 2"]) < 3
    assert float(found[f"{scalars}: output, 2 → 1"]) < 3
    assert float(found["Different vector functions, outputs alone: 3 → 4"]) < 3


def test_a_field_is_carried_through_an_unknown_change_of_variables(ran):
    found = figures(ran)
    field = "A vector field in unknown coordinates"
    for what in ("outputs", "neurons"):
        assert found[f"{field}: {what}, anchored"] == "equivalent"
        assert float(found[f"{field}: {what}, anchored, 1 → 2"]) < 3
    assert float(found[f"{field}: neurons, unanchored, 1 → 2"]) < 10
    assert float(found["The change of variables, found: z from network 1, anchored"]) < 3
    assert float(found["Trajectories of network 1, carried to network 2: anchored"]) < 8


def test_the_page_and_its_pictures_are_written(ran):
    page = (ran[1] / "plane.md").read_text(encoding="utf-8")
    pictures = sorted(path.name for path in (ran[1] / "plane").glob("*.png"))
    assert len(pictures) == 7
    assert all(f"](plane/{name})" in page for name in pictures)
