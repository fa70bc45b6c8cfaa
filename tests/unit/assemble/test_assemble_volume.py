from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import CTImageStorage

from dicom_node.assemble import volume as volume_module
from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.stacks import split
from dicom_node.assemble.volume import read_volume
from dicom_node.errors import SeriesRefused

PIXELS = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.fixture
def stack_of(written):
    """Return the maker of the only stack of some images, by way of files."""

    def make(images):
        (stack,) = split([frame for path in written(images) for frame in read_frames(path).frames])
        return stack

    return make


def test_slice_k_of_the_volume_is_frame_k(slices, stack_of):
    stack = stack_of(slices(5))
    volume = read_volume(stack)
    assert volume.voxels.dtype == np.float32
    assert volume.unit == "1"
    for k, frame in enumerate(stack.frames):
        assert (volume.voxels[k] == PIXELS + 100 * (frame.header.InstanceNumber - 1)).all()


def test_the_affine_takes_slice_row_column_to_the_patient(slices, stack_of):
    stack = stack_of(slices(5))
    affine = read_volume(stack).affine
    for k, frame in enumerate(stack.frames):
        x, y, z = frame.header.ImagePositionPatient
        assert affine @ [k, 0, 0, 1] == pytest.approx([x, y, z, 1])
        assert affine @ [k, 2, 3, 1] == pytest.approx([x + 3 * 2, y + 2 * 1, z, 1])  # columns 2 mm, rows 1 mm apart


def test_each_slice_is_scaled_by_its_own_slope(slices, stack_of):
    images = slices(4)
    for k, image in enumerate(images):
        image.RescaleSlope, image.RescaleIntercept = 0.5 + k, 10 * k
    voxels = read_volume(stack_of(images)).voxels[::-1]
    for k in range(4):
        assert voxels[k] == pytest.approx((PIXELS + 100 * k) * (0.5 + k) + 10 * k)


def test_a_real_world_map_is_not_applied(slices, stack_of):
    mapping = Dataset()
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 1000.0, 0.0
    mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, 4095
    images = slices(4, RealWorldValueMappingSequence=[mapping], RescaleSlope="2", RescaleIntercept="0")
    assert read_volume(stack_of(images)).voxels.max() == 2 * (23 + 300)


def test_ct_is_in_hounsfield_units(slices, stack_of):
    images = slices(4, SOPClassUID=CTImageStorage, Modality="CT", RescaleSlope="1", RescaleIntercept="-1024")
    volume = read_volume(stack_of(images))
    assert volume.unit == "[hnsf'U]"
    assert volume.voxels.min() == -1024


def test_signed_and_eight_bit_pixels_are_read_as_such(slices, stack_of):
    signed = slices(3, PixelRepresentation=1, BitsStored=16, HighBit=15)
    for image in signed:
        image.PixelData = (PIXELS.astype(np.int16) - 12).tobytes()
    assert read_volume(stack_of(signed)).voxels.min() == -12
    short = slices(3, BitsAllocated=8, BitsStored=8, HighBit=7)
    for image in short:
        image.PixelData = PIXELS.astype(np.uint8).tobytes()
    assert read_volume(stack_of(short)).voxels.max() == 23


@pytest.mark.parametrize(
    ("signed", "padding", "filled"), [(False, 60000, 7), (True, -2000, 0), (False, 5, 5), (False, 0, 0)]
)
def test_padding_is_never_brighter_than_what_was_imaged_nor_far_below_zero(slices, stack_of, signed, padding, filled):
    images = slices(3, BitsStored=16, HighBit=15, PixelRepresentation=int(signed))
    for image in images:
        image.add_new("PixelPaddingValue", "SS" if signed else "US", padding)
        pixels = PIXELS.astype(np.int32) + 5
        pixels[0, :2] = padding
        image.PixelData = pixels.astype("<i2" if signed else "<u2").tobytes()
    voxels = read_volume(stack_of(images)).voxels
    assert (voxels[:, 0, :2] == filled).all()
    assert (voxels[:, 0, 2] == 7).all()


def test_a_range_of_padding_is_padding(slices, stack_of):
    images = slices(3, BitsStored=16, HighBit=15)
    for image in images:
        image.add_new("PixelPaddingValue", "SS", -1)  # GE writes either sign
        image.add_new("PixelPaddingRangeLimit", "US", 65000)
        pixels = PIXELS + 5
        pixels[0, :2] = 65535, 65100
        image.PixelData = pixels.astype("<u2").tobytes()
    assert (read_volume(stack_of(images)).voxels[:, 0, :2] == 7).all()


def test_a_bitmap_in_the_unused_bits_is_not_read(slices, stack_of):
    images = slices(3)
    for image in images:
        image.PixelData = (PIXELS.astype("<u2") | 0x8000).tobytes()
    assert read_volume(stack_of(images)).voxels.max() == 23


def test_values_that_the_header_has_no_bits_for_are_refused(slices, stack_of, monkeypatch):
    monkeypatch.setattr(volume_module, "pixel_array", lambda path: np.full((4, 6), 4096, np.uint16))
    with pytest.raises(SeriesRefused, match="beyond its 12 bits"):
        read_volume(stack_of(slices(3)))


def test_cosines_at_the_edge_of_what_the_gate_lets_through_are_read(slices, stack_of):
    images = slices(4, ImageOrientationPatient=[1.0008, 0, 0, 0.00009, 0.9993, 0])
    assert read_volume(stack_of(images)).voxels.shape == (4, 4, 6)


def test_a_refused_stack_is_not_decoded(slices, stack_of):
    images = slices(5)
    del images[2]
    with pytest.raises(SeriesRefused, match="4 of 5 present"):
        read_volume(stack_of(images))


def test_a_file_that_went_away_is_a_refusal(slices, stack_of):
    stack = stack_of(slices(3))
    stack.frames[1].path.unlink()
    with pytest.raises(SeriesRefused, match="cannot be decoded"):
        read_volume(stack)
