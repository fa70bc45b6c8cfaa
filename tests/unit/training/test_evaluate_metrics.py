"""Metrics: they say what their definitions say, in the head only."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluate.metrics import background_rise, data_range, distance

SHAPE = (24, 24, 24)
MASK = np.zeros(SHAPE, bool)
MASK[6:18, 6:18, 6:18] = True
TRUTH = np.where(MASK, np.random.default_rng(0).uniform(50, 150, SHAPE), 2).astype(np.float32)


def test_the_truth_itself_is_at_no_distance() -> None:
    with np.errstate(divide="ignore"):
        found = distance(TRUTH, TRUTH, MASK)
    assert found["psnr"] == np.inf
    assert found["ssim"] == pytest.approx(1)
    assert found["mae_percent"] == 0


def test_a_known_difference_gives_the_known_ratio() -> None:
    span = data_range(TRUTH, MASK)
    found = distance(TRUTH + np.float32(span / 10), TRUTH, MASK)
    assert found["psnr"] == pytest.approx(20, abs=0.01)  # 20 log10(10)
    assert found["mae_percent"] == pytest.approx(10, abs=0.01)


def test_scale_and_offset_are_forgiven_after_the_fit_only() -> None:
    noisy = TRUTH + np.random.default_rng(1).normal(0, 3, SHAPE).astype(np.float32)
    plain, scaled = distance(noisy, TRUTH, MASK), distance(noisy * 2 + 30, TRUTH, MASK)
    assert scaled["psnr"] < plain["psnr"] - 10
    assert scaled["psnr_fitted"] == pytest.approx(plain["psnr_fitted"], abs=0.01)
    assert plain["psnr_fitted"] >= plain["psnr"]


def test_what_lies_outside_of_the_head_does_not_count() -> None:
    noisy = TRUTH + np.where(MASK, 1, 0).astype(np.float32)
    far = noisy.copy()
    far[0, 0, 0] += 1000
    for metric in ("psnr", "psnr_fitted", "mae_percent"):
        assert distance(far, TRUTH, MASK)[metric] == pytest.approx(distance(noisy, TRUTH, MASK)[metric])


def test_air_that_became_brighter_shows_and_a_scale_does_not() -> None:
    assert background_rise(TRUTH * 3, TRUTH, MASK)["background_rise_percent"] == pytest.approx(0, abs=1e-4)
    lifted = np.where(MASK, TRUTH, TRUTH + 10).astype(np.float32)
    median = np.median(TRUTH[MASK])
    assert background_rise(lifted, TRUTH, MASK)["background_rise_percent"] == pytest.approx(1000 / median, rel=1e-3)


def test_an_image_without_air_has_no_rise() -> None:
    assert background_rise(TRUTH, TRUTH, np.ones(SHAPE, bool)) == {}
