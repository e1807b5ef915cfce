"""Inputs and outputs from the fewest neurons, quickly."""

from __future__ import annotations

from sametask.experiments.reproduce import reproduce


def test_few_neurons_tell_inputs_and_outputs(tmp_path):
    ran = reproduce("partial", tmp_path, quick=True)
    assert ran.missed == []
    field, encoder = ({row[0]: row[1] for row in table.rows} for table in ran.tables)
    assert field["theory (2d + 1)"] == 5
    assert encoder["theory (2d + 1)"] == 3
    assert encoder["picture from 1 neuron"] > 60  # one neuron of a closed curve folds
    assert (tmp_path / "partial.md").read_text().count("![") == 3
