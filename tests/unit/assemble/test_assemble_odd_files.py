"""Odd and broken files that others collected: each is stacks or a reason."""

from __future__ import annotations

import lzma

import numpy as np
import pytest

from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.gate import refusal
from dicom_node.assemble.stacks import split
from dicom_node.assemble.volume import read_volume
from dicom_node.errors import SeriesRefused

pytestmark = pytest.mark.real_data


@pytest.fixture
def odd(real_data):
    return real_data / "odd"


def verdict(paths):
    """Return what became of a series: why its files or stacks were refused, or that a volume was read."""
    frames, reasons = [], []
    for path in paths:
        try:
            content = read_frames(path)
        except SeriesRefused as refused:
            reasons.append(str(refused))
        else:
            frames += content.frames
            reasons += [content.set_aside] if content.set_aside else []
    for stack in split(frames):
        reason = refusal(stack)
        reasons.append(reason or f"volume of {read_volume(stack).voxels.shape}")
    return reasons


def test_every_odd_file_and_folder_gives_stacks_or_a_reason(odd):
    folders = [folder for folder in (odd, *odd.rglob("*")) if folder.is_dir()]
    series = [sorted(path for path in folder.iterdir() if path.is_file()) for folder in folders]
    for paths in [*filter(None, series), *([path] for path in odd.rglob("*") if path.is_file())]:
        assert verdict(paths), paths


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("siemens_mosaic_skyra/epi_pe_ap-00001.dcm", "mosaic"),
        ("nibabel/slicethickness_empty_string.dcm", "reformat or projection"),
        ("nibabel/decimal_rescale.dcm", "its header lacks SOPInstanceUID"),
        ("pydicom_files/MR_truncated.dcm", "holds 8130 of 8192 bytes"),
        ("pydicom_files/MR_small_padded.dcm", "the header asks for 8192"),
        ("pydicom_files/image_dfl.dcm", "Deflated"),
        ("pydicom_files/DICOMDIR", "Media Storage Directory is set aside"),
        ("pydicom_files/reportsi.dcm", "Basic Text SR is set aside"),
        ("pydicom_files/rtdose.dcm", "RT Dose is set aside"),
        ("pydicom_files/6935", "localizer by its name"),
        ("pydicom_files/zipMR.gz", "not a DICOM file"),
    ],
)
def test_an_odd_file_is_refused_for(odd, path, reason):
    assert reason in verdict([odd / path])[0]


@pytest.mark.parametrize("codec", ["compressed_j2k", "compressed_jpeg", "compressed_jpegls"])
def test_every_lossless_codec_gives_the_same_voxels(odd, codec):
    def voxels(name):
        frames = [read_frames(path).frames[0] for path in (odd / "d2n/generic" / name / "001").iterdir()]
        for frame in frames:
            frame.header.FrameOfReferenceUID = "1.2.3"  # was taken out of these files with the patient
        (stack,) = split(frames)
        return read_volume(stack).voxels

    assert np.array_equal(voxels(codec), voxels("compressed_rle"))


def test_an_enhanced_image_of_176_frames_is_one_stack(odd, tmp_path):
    path = tmp_path / "enhanced.dcm"
    path.write_bytes(lzma.decompress((odd / "nibabel/philips_mprage_enhanced176_allzero_pixels.dcm.xz").read_bytes()))
    (stack,) = split(read_frames(path).frames)
    assert len(stack.frames) == 176
    assert refusal(stack) is None
    assert stack.facts.derived["contrast"] == "T1"
