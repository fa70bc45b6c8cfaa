"""Local histograms: what they count, and that a small change of brightness moves them."""

from __future__ import annotations

import numpy as np

from inference.bounded.frame import SHAPE
from inference.bounded.histograms import BINS, CELLS, local_histograms

EVERYWHERE = np.ones(SHAPE, bool)


def _mean_bin(level: float, *, scale: float = 1.0) -> float:
    counts = local_histograms(np.full(SHAPE, level, np.float32), EVERYWHERE, scale=scale)
    return float(counts[:, 5, 5, 5] @ np.arange(BINS))


def test_each_voxel_counts_once_in_the_cube_that_it_lies_in() -> None:
    voxels, inside = np.full(SHAPE, 0.5, np.float32), np.zeros(SHAPE, bool)
    inside[8:12, 20:24, 40:44] = True
    counts = local_histograms(voxels, inside, scale=1.0)
    assert counts.shape == (BINS, *CELLS)
    np.testing.assert_allclose(counts[:, 2, 5, 10].sum(), 1, rtol=1e-5)
    assert counts.sum() == counts[:, 2, 5, 10].sum()


def test_a_change_of_three_percent_shows_and_the_unit_does_not() -> None:
    assert 0.1 < _mean_bin(0.515) - _mean_bin(0.5) < 0.2
    np.testing.assert_allclose(_mean_bin(500.0, scale=1e-3), _mean_bin(0.5), rtol=1e-4)


def test_black_and_what_is_outside_count_nowhere_and_the_brightest_in_the_last_bin() -> None:
    assert local_histograms(np.zeros(SHAPE, np.float32), EVERYWHERE, scale=1.0).max() == 0
    assert local_histograms(np.ones(SHAPE, np.float32), ~EVERYWHERE, scale=1.0).max() == 0
    assert _mean_bin(50.0) > BINS - 1.01
