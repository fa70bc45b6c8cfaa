"""Disagreement: a head is changed and changed back to its place, and the spread is that of all answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.ct.disagreement import CHANGES, Change, spread
from inference.ct.frame import ABOVE_CROWN_MM, BRIGHTEST, FINE_MM, FramedMr
from inference.volume import Float32Array

SHAPE = (10, 12, 14)
PLACES = [each for each in CHANGES if (each.gain, each.gamma) == (1, 1)]


@pytest.fixture
def seen() -> FramedMr:
    voxels = np.random.default_rng(0).uniform(0, BRIGHTEST, SHAPE).astype(np.float32)
    return FramedMr(voxels, np.eye(4), (-4.0, -5.5, -7.25))


def as_they_are(values: Float32Array) -> Float32Array:
    return values


@pytest.mark.parametrize("change", PLACES)
def test_an_answer_comes_back_to_its_place(change: Change, seen: FramedMr) -> None:
    made = change.made(seen)
    np.testing.assert_array_equal(change.undone(made.voxels), seen.voxels)
    assert change == Change() or not np.array_equal(made.voxels, seen.voxels)


@pytest.mark.parametrize("change", PLACES)
def test_the_crown_moves_with_the_head(change: Change, seen: FramedMr) -> None:
    marked = np.zeros(SHAPE, np.float32)
    marked[5, 6, 4] = 1
    made = change.made(replace(seen, voxels=marked))
    (where,) = np.argwhere(made.voxels)
    z, y, x = np.array(seen.corner_mm) + np.array([5, 6, 4]) * FINE_MM
    np.testing.assert_allclose(made.corner_mm + where * FINE_MM, (z, y, -x if change.mirrored else x))


def test_shifts_stay_within_the_air_that_the_frame_leaves() -> None:
    for change in CHANGES:
        up, *sideways = change.shift
        assert 0 <= up * FINE_MM < ABOVE_CROWN_MM
        assert max(map(abs, sideways)) <= 3


@pytest.mark.parametrize("change", [each for each in CHANGES if each not in PLACES])
def test_a_change_of_intensities_is_small_and_keeps_their_order(change: Change, seen: FramedMr) -> None:
    voxels = change.undone(change.made(seen).voxels)
    assert voxels.dtype == np.float32
    assert 0 < np.abs(voxels - seen.voxels).max() < 0.15 * BRIGHTEST
    order = np.argsort(seen.voxels, axis=None)
    assert (np.diff(voxels.ravel()[order]) >= 0).all()


def test_the_spread_is_the_standard_deviation_of_all_answers_on_the_grid_that_is_wanted(seen: FramedMr) -> None:
    def answer(head: FramedMr) -> Float32Array:
        return 500 * np.cumsum(head.voxels, axis=2) - 1000

    def placed(values: Float32Array) -> Float32Array:
        return values[::2, ::2, ::2]

    all_of_them = [placed(change.undone(answer(change.made(seen)))) for change in CHANGES]
    found = spread(seen, answer, placed)
    assert found.passes == len(CHANGES) == 8
    np.testing.assert_allclose(found.voxels, np.std(all_of_them, axis=0, dtype=np.float64), rtol=1e-4, atol=0.01)


def test_a_network_that_looks_at_nothing_never_disagrees(seen: FramedMr) -> None:
    found = spread(seen, lambda head: np.full_like(head.voxels, 40.1), as_they_are)
    assert not found.voxels.any()


def test_a_network_that_sees_each_voxel_by_itself_disagrees_by_intensity_alone(seen: FramedMr) -> None:
    binary = replace(seen, voxels=(seen.voxels > 1.5).astype(np.float32))
    found = spread(binary, lambda head: np.where(head.voxels > 0.5, 1000, 0).astype(np.float32), as_they_are)
    assert not found.voxels.any()
