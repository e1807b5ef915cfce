"""The rotating horse, quickly; the parts that it is made of."""

from __future__ import annotations

import numpy as np
import pytest

from sametask.experiments import horse
from sametask.experiments.reproduce import reproduce


@pytest.mark.slow  # three minutes, half of them training
def test_what_camera_2_would_see_is_foreseen(tmp_path):
    ran = reproduce("horse", tmp_path, quick=True)
    tables = {table.title: {row[0]: row[1] for row in table.rows} for table in ran.tables}
    one = tables["A horse that turns about one axis"]
    assert one["foreseen / own reconstruction"] < 1.5
    assert one["angle error, median"] < 5
    assert tables["Without anchors"]["angle error up to O(2), median"] < 5
    assert (tmp_path / "horse.md").read_text().count("![") == 7


def test_pictures_change_with_the_pose_and_the_camera():
    still, turned = horse.CAMERAS[0].views(np.array([[0.0], [1.0]]))
    other = horse.CAMERAS[1].views(np.array([[0.0]]))[0]
    assert still.shape == (64, 64)
    assert 0 <= still.min() < still.max() <= 1
    assert min(np.abs(still - turned).mean(), np.abs(still - other).mean()) > 0.02
    again = horse.CAMERAS[0].views(np.array([[2 * np.pi, 0.0]]))[0]
    assert np.abs(again - still).max() < 0.05


@pytest.mark.parametrize("d", [1, 2])
def test_wobbles_have_the_covariance_that_they_are_told_to_have(d):
    rng = np.random.default_rng(0)
    poses = rng.uniform(0, 1, (5, d))
    around = horse.wobbled(poses, 0.1, 4 * d, rng)
    change = around - poses[:, None]
    np.testing.assert_allclose(np.sqrt(np.square(change).sum(axis=2).mean(axis=1)), 0.1)
    np.testing.assert_allclose(change.sum(axis=1), 0, atol=1e-12)
    expected = np.broadcast_to(0.01 / d * np.eye(d), (5, d, d))
    np.testing.assert_allclose(horse.spread(poses, around), expected, atol=1e-12)
