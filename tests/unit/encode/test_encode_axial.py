"""Axial slices: what is axial stays as it is, anything else is brought there in its place."""

import numpy as np
import phantom
import pytest

from dicom_node.encode.axial import head_up, is_axial, resampled
from inference.volume import Volume

OUTSIDE = -1024.0


def ramp(spacing_mm, directions):
    """Return a volume whose value at each place is x + 2 y - z, which linear interpolation gives back exactly."""
    shape, affine = phantom.grid(spacing_mm, directions)
    points = affine[:3, :3] @ np.indices(shape).reshape(3, -1) + affine[:3, 3:]
    return Volume((np.array([1, 2, -1]) @ points).reshape(shape).astype(np.float32), affine, "[hnsf'U]")


def turned(degrees, axis=0):
    """Return axial directions turned about a patient axis."""
    angle = np.radians(degrees)
    turn = np.eye(3)
    first, second = (each for each in range(3) if each != axis)
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
    return turn @ phantom.AXIAL


OTHERS = [phantom.SAGITTAL, phantom.CORONAL, -phantom.SAGITTAL, turned(20), turned(-35, axis=2), turned(12, axis=1)]


@pytest.mark.parametrize("directions", OTHERS)
def test_what_is_resampled_shows_at_each_place_what_was_there(directions):
    source = ramp((3.0, 4.0, 5.0), directions)
    axial = resampled(source, outside=OUTSIDE)
    assert is_axial(axial)
    points = axial.affine[:3, :3] @ np.indices(axial.voxels.shape).reshape(3, -1) + axial.affine[:3, 3:]
    expected = (np.array([1, 2, -1]) @ points).reshape(axial.voxels.shape)
    index = np.linalg.inv(source.affine[:3, :3]) @ (points - source.affine[:3, 3:])
    last = np.array(source.voxels.shape)[:, None] - 1
    within = ((index >= 0) & (index <= last)).all(axis=0).reshape(axial.voxels.shape)
    assert within.any()
    np.testing.assert_allclose(axial.voxels[within], expected[within], atol=0.01)
    beyond = ((index < -0.51) | (index > last + 0.51)).any(axis=0).reshape(axial.voxels.shape)
    assert (axial.voxels[beyond] == OUTSIDE).all()


@pytest.mark.parametrize("directions", OTHERS)
def test_pixels_are_square_and_the_grid_spans_the_volume(directions):
    source = ramp((3.0, 4.0, 5.0), directions)
    axial = resampled(source, outside=OUTSIDE)
    slice_mm, row_mm, column_mm = axial.spacing_mm
    assert row_mm == column_mm
    assert {round(slice_mm, 6), round(row_mm, 6)} <= {3.0, 4.0, 5.0}
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in source.voxels.shape])).reshape(3, -1)
    places = source.affine[:3, :3] @ corners + source.affine[:3, 3:]
    first, last = axial.affine[:3, 3], (axial.affine @ [*(np.array(axial.voxels.shape) - 1), 1])[:3]
    np.testing.assert_allclose(first, places.min(axis=1), atol=1e-6)
    assert (places.max(axis=1) - last < [row_mm, column_mm, slice_mm]).all()


def test_a_sagittal_volume_of_one_spacing_is_only_turned():
    source = ramp((2.0, 2.0, 2.0), phantom.SAGITTAL)
    axial = resampled(source, outside=OUTSIDE)
    slices, rows, columns = source.voxels.shape  # slices go left, rows down, columns back
    assert axial.voxels.shape == (rows, columns, slices)
    np.testing.assert_array_equal(axial.voxels, source.voxels.transpose(1, 2, 0)[::-1])


@pytest.mark.parametrize(("degrees", "axial"), [(0, True), (0.05, True), (0.06, False), (180, False)])
def test_a_thousandth_of_a_direction_cosine_is_what_counts_as_axial(degrees, axial):
    assert is_axial(ramp((3.0, 4.0, 5.0), turned(degrees))) is axial


def test_slices_that_run_to_the_feet_are_put_in_the_other_order():
    down = ramp((3.0, 4.0, 5.0), phantom.AXIAL * [-1, 1, 1])
    up = head_up(down)
    assert is_axial(up)
    np.testing.assert_array_equal(up.voxels, down.voxels[::-1])
    np.testing.assert_allclose(up.affine[:3, 3], (down.affine @ [len(down.voxels) - 1, 0, 0, 1])[:3])
    assert head_up(up) is up
