"""The head is told from the air, whatever the grid."""

import numpy as np
import phantom
import pytest

from inference.classical.head import deep_part, find_head
from inference.volume import Volume


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize("directions", [phantom.AXIAL, phantom.SAGITTAL, phantom.CORONAL, -phantom.AXIAL])
@pytest.mark.parametrize("spacing_mm", [(2.0, 2.0, 2.0), (1.0, 3.0, 3.0), (6.0, 2.0, 2.0)])
def test_the_head_is_found_in_any_orientation_and_spacing(spacing_mm, directions):
    volume = phantom.head(spacing_mm, directions)
    assert dice(find_head(volume).inside, phantom.inside(volume)) > 0.97


@pytest.mark.parametrize(("gain", "noise"), [(1e-3, 12.0), (1e4, 12.0), (1.0, 0.0), (1.0, 60.0)])
def test_scale_and_noise_do_not_matter(gain, noise):
    volume = phantom.head((3.0, 3.0, 3.0), gain=gain, noise=noise)
    assert dice(find_head(volume).inside, phantom.inside(volume)) > 0.97


def test_a_cavity_that_opens_at_the_edge_of_the_image_is_inside():
    volume = phantom.head((3.0, 3.0, 3.0))
    slices, rows, columns = volume.voxels.shape
    cut = volume.voxels[: slices // 2].copy()  # through the middle of the head
    airway = np.s_[slices // 2 - 12 :, rows // 2 - 3 : rows // 2 + 3, columns // 2 - 3 : columns // 2 + 3]
    cut[airway] = 5
    inside = find_head(Volume(cut, volume.affine)).inside
    assert inside[airway].all()


def test_a_ghost_beside_the_head_is_not_head():
    volume = phantom.head((3.0, 3.0, 3.0))
    ghost = volume.voxels.copy()
    ghost[:10, :10, :10] = 400
    assert not find_head(volume.with_voxels(ghost)).inside[:10, :10, :10].any()


def test_a_blank_volume_holds_no_head():
    blank = phantom.head().with_voxels(np.full((48, 46, 38), 7, np.float32))
    head = find_head(blank)
    assert not head.inside.any()
    assert not deep_part(blank, head, depth_mm=15, crown_mm=130).any()


def test_a_single_slice_is_enough():
    volume = phantom.head((2.0, 2.0, 2.0))
    middle = volume.voxels.shape[0] // 2
    one = Volume(volume.voxels[middle : middle + 1], volume.affine)
    assert dice(find_head(one).inside, phantom.inside(volume)[middle : middle + 1]) > 0.95


@pytest.mark.parametrize("directions", [phantom.AXIAL, phantom.SAGITTAL, -phantom.CORONAL])
def test_the_deep_part_leaves_out_the_scalp_and_what_is_far_below_the_crown(directions):
    volume = phantom.head((3.0, 3.0, 3.0), directions)
    deep = deep_part(volume, find_head(volume), depth_mm=15, crown_mm=130)
    points = np.stack(np.nonzero(deep)).T @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    assert phantom.radius(volume.voxels.shape, volume.affine)[deep].max() < 0.93
    assert points[:, 2].max() == pytest.approx(105 - 15, abs=6)
    assert points[:, 2].min() == pytest.approx(105 - 130, abs=6)
