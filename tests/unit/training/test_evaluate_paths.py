"""Water-equivalent paths: the truth is missed by nothing, and a known error by what it must."""

from __future__ import annotations

import numpy as np
import pytest

from inference.ct.hounsfield import HOUNSFIELD
from inference.volume import BoolArray, Float64Array, Volume
from training.evaluate.paths import gamma, path_errors, stopping_power

SIDE, SPACING_MM, RADIUS_MM = 50, 4.0, 80.0


@pytest.fixture(scope="module")
def affine() -> Float64Array:
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[[2, 1, 0], [0, 1, 2]] = SPACING_MM
    affine[:3, 3] = -SPACING_MM * (SIDE - 1) / 2
    return affine


@pytest.fixture(scope="module")
def radius_mm() -> Float64Array:
    line = (np.arange(SIDE) - (SIDE - 1) / 2) * SPACING_MM
    return np.sqrt(line[:, None, None] ** 2 + line[:, None] ** 2 + line**2)


@pytest.fixture(scope="module")
def brain(radius_mm: Float64Array) -> BoolArray:
    return radius_mm < 5


def ball(hounsfield: float, radius_mm: Float64Array, affine: Float64Array) -> Volume:
    return Volume(np.where(radius_mm < RADIUS_MM, hounsfield, -1000).astype(np.float32), affine, HOUNSFIELD)


def test_stopping_power_is_that_of_air_water_and_bone_and_always_rises() -> None:
    assert stopping_power(np.array([-1024.0])) < 0.01
    assert stopping_power(np.array([0.0])) == pytest.approx(1, abs=0.015)
    assert stopping_power(np.array([1410.21])) == pytest.approx(1.7041)
    assert (np.diff(stopping_power(np.arange(-1000.0, 3000.0))) > 0).all()


def test_the_truth_misses_nothing(radius_mm: Float64Array, affine: Float64Array, brain: BoolArray) -> None:
    truth = ball(40, radius_mm, affine)
    found = path_errors(truth, truth, brain)
    assert found == {
        "path_median_percent": 0, "path_p95_percent": 0, "path_bias_percent": 0, "path_gamma_2_percent": 100,
        "path_gamma_1_percent": 100,
    }  # fmt: skip


def test_denser_tissue_lengthens_every_path_by_as_much(
    radius_mm: Float64Array, affine: Float64Array, brain: BoolArray
) -> None:
    found = path_errors(ball(400, radius_mm, affine), ball(40, radius_mm, affine), brain)
    expected = 100 * float(stopping_power(np.array(400.0)) / stopping_power(np.array(40.0)) - 1)
    assert found["path_median_percent"] == pytest.approx(expected, rel=0.03)
    assert found["path_bias_percent"] == pytest.approx(expected, rel=0.03)
    assert found["path_gamma_2_percent"] == 0
    assert path_errors(ball(-60, radius_mm, affine), ball(40, radius_mm, affine), brain)["path_bias_percent"] < -5


def test_bone_on_one_side_is_met_by_beams_from_that_side_alone(
    radius_mm: Float64Array, affine: Float64Array, brain: BoolArray
) -> None:
    truth = ball(40, radius_mm, affine)
    voxels = truth.voxels.copy()
    voxels[:, :, -8:-6] = 1200
    found = path_errors(truth.with_voxels(voxels), truth, brain)
    beams_that_meet_it, beams = 3, 9
    assert found["path_gamma_2_percent"] == pytest.approx(100 * (1 - beams_that_meet_it / beams))
    assert found["path_median_percent"] == 0
    assert found["path_p95_percent"] > 3


def test_points_at_the_edge_of_an_oblique_image_have_paths_too(radius_mm: Float64Array, affine: Float64Array) -> None:
    tilt = np.radians(7)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]]
    whole = ball(40, radius_mm, affine)
    lower = Volume(whole.voxels[: SIDE // 2], turn @ affine, HOUNSFIELD)
    edge = np.zeros(lower.voxels.shape, bool)
    edge[-1, 15:35, 15:35] = True
    found = path_errors(lower.with_voxels(lower.voxels + np.float32(100)), lower, edge)
    assert all(np.isfinite(value) for value in found.values())


def test_gamma_is_1_where_both_tolerances_are_used_up() -> None:
    path_mm = np.array([100.0])
    assert gamma(path_mm + np.hypot(2, 2), path_mm, 0.02, 2.0) == pytest.approx(1)
    assert gamma(path_mm - 1, path_mm, 0.01, 1.0) == pytest.approx(1 / np.sqrt(2))
