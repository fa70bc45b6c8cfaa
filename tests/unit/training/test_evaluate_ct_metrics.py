"""The measures of synthetic CT: what is right scores as right, and a known error scores what it must."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inference.volume import BoolArray, Float32Array
from training.evaluate.ct_metrics import (
    dice,
    errors_by_tissue,
    mean_absolute_hu,
    multi_scale_similarity,
    overlap,
    similarity,
    wider,
)
from training.simulate.tissues import Tissue

SHAPE = (30, 34, 32)


@pytest.fixture(scope="module")
def mask() -> BoolArray:
    mask = np.zeros(SHAPE, bool)
    mask[4:26, 5:29, 4:28] = True
    return mask


@pytest.fixture(scope="module")
def truth(mask: BoolArray) -> Float32Array:
    voxels = np.full(SHAPE, -1000, np.float32)
    voxels[mask] = 40 + 10 * np.random.default_rng(3).standard_normal(int(mask.sum())).astype(np.float32)
    voxels[6:10, 8:20, 8:20] = 1200
    voxels[14:18, 8:20, 8:20] = -950
    return voxels


def test_the_truth_scores_as_right(truth: Float32Array, mask: BoolArray) -> None:
    found = similarity(truth, truth, mask)
    assert found["mae_hu"] == 0
    assert found["psnr"] == math.inf
    assert found["ms_ssim"] == pytest.approx(1)
    assert overlap(truth, truth, mask) == {"bone_dice": 1, "air_dice": 1}


def test_a_known_shift_scores_what_it_must(truth: Float32Array, mask: BoolArray) -> None:
    found = similarity(truth + np.float32(100), truth, mask)
    assert found["mae_hu"] == pytest.approx(100, rel=1e-5)
    assert found["psnr"] == pytest.approx(20 * math.log10(4024 / 100), abs=1e-4)
    assert 0.9 < found["ms_ssim"] < 1


def test_only_psnr_is_clipped(truth: Float32Array, mask: BoolArray) -> None:
    wanted, ours = (np.where(mask, np.float32(value), truth) for value in (3000, 5000))
    found = similarity(ours, wanted, mask)
    assert found["mae_hu"] == 2000
    assert found["psnr"] == math.inf


def test_what_lies_outside_of_the_mask_does_not_count(truth: Float32Array, mask: BoolArray) -> None:
    spoiled = np.where(mask, truth, np.float32(700))
    assert similarity(spoiled, truth, mask) == similarity(truth, truth, mask)


def test_uniform_images_have_the_similarity_of_their_means() -> None:
    everywhere = np.ones((20, 20, 20), bool)
    ours, wanted = (np.full(everywhere.shape, hounsfield, np.float32) for hounsfield in (0, 1000))
    x, y, c = 1024.0, 2024.0, (0.01 * 4024) ** 2
    expected = ((2 * x * y + c) / (x * x + y * y + c)) ** sum((0.0448, 0.2856, 0.3001, 0.2363, 0.1333))
    assert multi_scale_similarity(ours, wanted, everywhere) == pytest.approx(expected, rel=1e-6)


def test_structure_that_is_lost_costs_similarity(truth: Float32Array, mask: BoolArray) -> None:
    flat = np.where(mask, np.float32(40), truth)
    assert multi_scale_similarity(flat, truth, mask) < multi_scale_similarity(truth + np.float32(100), truth, mask)


def test_dice_of_halves_that_share_half() -> None:
    a, b = np.zeros(8, bool), np.zeros(8, bool)
    a[:4], b[2:6] = True, True
    assert dice(a, b) == 0.5
    assert dice(a, ~a) == 0
    assert dice(np.zeros(3, bool), np.zeros(3, bool)) == 1


def test_bone_and_air_are_told_by_their_thresholds(truth: Float32Array, mask: BoolArray) -> None:
    water = np.zeros_like(truth)
    assert overlap(water, truth, mask) == {"bone_dice": 0, "air_dice": 0}
    without_air = np.maximum(truth, np.float32(-300))
    assert overlap(without_air, truth, mask) == {"bone_dice": 1, "air_dice": 0}


def test_errors_are_told_by_tissue_with_their_sign(truth: Float32Array, mask: BoolArray) -> None:
    labels = np.full(SHAPE, Tissue.AIR, np.uint8)
    labels[mask] = Tissue.WHITE_MATTER
    bone = truth > 1000
    labels[bone] = Tissue.CORTICAL_BONE
    found = errors_by_tissue(truth - np.float32(300) * bone, truth, labels, mask)
    assert found == {"mae_brain_hu": 0, "bias_brain_hu": 0, "mae_cortical_hu": 300, "bias_cortical_hu": -300}


def test_the_wider_mask_reaches_ten_millimetres_further(mask: BoolArray, truth: Float32Array) -> None:
    around = wider(mask, (5.0, 2.0, 1.0))
    assert around[2, 10, 10]
    assert not around[1, 10, 10]
    assert mean_absolute_hu(truth + np.float32(7), truth, around) == pytest.approx(7, rel=1e-4)
