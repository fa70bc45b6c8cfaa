"""Derived series of real scanners, judged by parts that others wrote: dicom3tools, dcmtk, highdicom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from dicom3tools import SYNTHETIC_DATA, errors, output
from highdicom.image import get_volume_from_series
from pydicom import dcmread

from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.stacks import split
from dicom_node.assemble.volume import read_volume
from dicom_node.domain.stack import Frame, Stack

pytestmark = pytest.mark.real_data

CLASSIC = (
    "siemens_skyra3t_t1mprage_child", "philips_ingenia3t_t1mprage_classic", "ge_signa15t_fse_pd",
    "philips_ingenia3t_phantom_t1ffe_classic", "converted_nifti2dicom_t1_hanke",
)  # fmt: skip
ENHANCED = (
    "siemens_prisma3t_xa30_t1tfl_enhanced", "siemens_prisma3t_xa30_t1tfl_enhanced_norm",
    "philips_ingenia3t_phantom_t1ffe_enhanced",
)  # fmt: skip
NEIGHBOURS = 12
"""Slices of each series, side by side: the tests stay quick, and a volume can be made of them."""

"""dicom3tools of 2022 does not know it yet (CP-2214)."""


@dataclass(frozen=True)
class Derived:
    """A part of a real series and what was derived from it, as files; `judged` of them go to slow checks."""

    stack: Stack
    files: tuple[Path, ...]

    @property
    def judged(self) -> tuple[int, ...]:
        return 0, len(self.files) // 2, len(self.files) - 1

    @property
    def sources(self) -> list[Path]:
        return sorted({self.stack.frames[k].path for k in self.judged})


@pytest.fixture(scope="module", params=CLASSIC + ENHANCED)
def derived(
    request: pytest.FixtureRequest,
    real_series: Path,
    derive: Callable[[Stack], list[bytes]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Derived:
    frames = [
        frame for path in sorted((real_series / request.param).glob("*.dcm")) for frame in read_frames(path).frames
    ]
    (whole,) = split(frames)
    stack = Stack(whole.label, whole.frames[:NEIGHBOURS], whole.facts)
    folder = tmp_path_factory.mktemp("derived")
    files = []
    for k, file in enumerate(derive(stack)):
        files.append(folder / f"{k:03}.dcm")
        files[-1].write_bytes(file)
    return Derived(stack, tuple(files))


def inherited(frame: Frame) -> set[str]:
    """A multi-frame source is of another SOP class: it excuses nothing."""
    return errors(frame.path) if frame.frame_number is None else set()


def test_dciodvfy_finds_nothing_that_the_source_did_not_have(derived: Derived) -> None:
    for k in derived.judged:
        new = errors(derived.files[k]) - inherited(derived.stack.frames[k])
        assert {line for line in new if SYNTHETIC_DATA not in line} == set()


def test_dciodvfy_would_have_found_a_broken_image(derived: Derived, tmp_path: Path) -> None:
    broken = dcmread(derived.files[0])
    del broken.Modality
    broken.save_as(tmp_path / "broken.dcm")
    new = errors(tmp_path / "broken.dcm") - inherited(derived.stack.frames[0])
    assert any("Element=<Modality>" in line for line in new)


def test_dcentvfy_finds_source_and_derived_to_be_of_one_study(derived: Derived) -> None:
    assert output("dcentvfy", *derived.sources, *(derived.files[k] for k in derived.judged)) == ""


def test_dcentvfy_would_have_found_another_patient_name(derived: Derived, tmp_path: Path) -> None:
    other = dcmread(derived.files[0])
    other.PatientName = "Someone^Else"
    other.save_as(tmp_path / "other.dcm")
    assert "PatientName" in output("dcentvfy", *derived.sources, tmp_path / "other.dcm")


def test_dcmtk_reads_the_files(derived: Derived) -> None:
    for k in derived.judged:
        assert output("dcmftest", derived.files[k]).startswith("yes: ")
        assert "DERIVED\\SECONDARY\\OTHER" in output("dcmdump", derived.files[k])


def test_derived_volume_lies_where_the_source_does(derived: Derived) -> None:
    source = read_volume(derived.stack)
    volume = get_volume_from_series([dcmread(path) for path in derived.files], rtol=0.02)
    assert volume.array.shape == source.voxels.shape
    corner = np.array([*source.voxels.shape, 1.0])
    for index in (np.array([0, 0, 0, 1.0]), corner):
        assert np.abs(volume.affine @ index - source.affine @ index).max() < 1e-3


def test_each_slice_lies_where_its_frame_does(derived: Derived) -> None:
    for frame, path in zip(derived.stack.frames, derived.files, strict=True):
        image = dcmread(path)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            assert np.allclose(image[keyword].value, [float(v) for v in frame.header[keyword].value], rtol=0, atol=1e-6)
        assert image.FrameOfReferenceUID == frame.header.FrameOfReferenceUID
        assert image.InstanceNumber == (frame.frame_number or frame.header.InstanceNumber)
        reference = image.SourceImageSequence[0]
        assert reference.ReferencedSOPInstanceUID == frame.sop_instance_uid
        assert reference.get("ReferencedFrameNumber") == frame.frame_number
