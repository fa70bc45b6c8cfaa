"""Derived CT images: HU, axial geometry, sources by place, and what a planning system asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage

from dicom_node.assemble.geometry import plane_of
from dicom_node.domain.provenance import CtScale, Provenance
from dicom_node.domain.stack import Stack
from dicom_node.encode import derived_ct
from dicom_node.encode.series import to_bytes
from inference.volume import Volume

MakeStack = Callable[..., Stack]
SAGITTAL = ["0", "1", "0", "0", "0", "-1"]


@pytest.fixture
def of_ct(provenance: Provenance) -> Provenance:
    return replace(provenance, model="synth-ct-bulk", task="synthetic ct", target=None)


def lies(stack: Stack) -> np.ndarray:
    """Return the affine of a stack from its headers."""
    first, second = (plane_of(frame.header) for frame in stack.frames[:2])
    affine = np.eye(4)
    affine[:3, 0] = second.position - first.position
    affine[:3, 1] = first.orientation[3:] * first.spacing[0]
    affine[:3, 2] = first.orientation[:3] * first.spacing[1]
    affine[:3, 3] = first.position
    return affine


def hounsfield(stack: Stack) -> Volume:
    voxels = np.random.default_rng(0).uniform(-1024, 3000, (3, 4, 5)).astype(np.float32)
    return Volume(voxels, lies(stack), "[hnsf'U]")


def sagittal(header: Dataset) -> None:
    header.ImageOrientationPatient = SAGITTAL
    header.ImagePositionPatient = [f"{0.9 * header.InstanceNumber}", "-20.5", "7"]
    header.PixelSpacing = ["0.9", "0.9"]


def feet_first(header: Dataset) -> None:
    header.ImagePositionPatient = ["-10", "-20.5", f"{-1.5 * header.InstanceNumber}"]


def files(stack: Stack, of_ct: Provenance, volume: Volume | None = None) -> list[bytes]:
    made = derived_ct.encode(stack, volume or hounsfield(stack), provenance=of_ct)
    return [to_bytes(image) for image in made.instances]


def images(stack: Stack, of_ct: Provenance, volume: Volume | None = None) -> list[Dataset]:
    return [dcmread(BytesIO(file)) for file in files(stack, of_ct, volume)]


def in_hu(image: Dataset) -> np.ndarray:
    return image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)


def test_a_site_chooses_the_intercept_and_may_name_a_voltage(make_stack: MakeStack, of_ct: Provenance) -> None:
    stack = make_stack()
    volume = hounsfield(stack)
    scale = CtScale(intercept_hu=-8192, kvp=120.0)
    made = derived_ct.encode(stack, volume, provenance=of_ct, scale=scale).instances
    for image, plane in zip(made, volume.voxels, strict=True):
        stored = np.frombuffer(image.PixelData, "<u2").reshape(plane.shape)
        assert np.abs(stored.astype(float) - 8192 - plane).max() <= 0.5
        assert (image.RescaleIntercept, str(image.KVP)) == (-8192, "120.0")
        assert "HU - (-8192)" in image.DerivationDescription


def test_an_axial_source_keeps_its_grid_and_its_voxels(make_stack: MakeStack, of_ct: Provenance) -> None:
    stack = make_stack()
    volume = hounsfield(stack)
    made = images(stack, of_ct, volume)
    assert len(made) == 3
    for frame, image, plane in zip(stack.frames, made, volume.voxels, strict=True):
        assert np.abs(in_hu(image) - plane).max() <= 0.5
        assert list(image.ImagePositionPatient) == [float(v) for v in frame.header.ImagePositionPatient]
        assert list(image.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
        assert list(image.PixelSpacing) == [0.9, 0.8]
        (reference,) = image.SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == frame.sop_instance_uid
        assert reference.SpatialLocationsPreserved == "YES"
        assert [code.CodeValue for code in image.DerivationCodeSequence] == ["SYNTHETIC-CT"]


def test_slices_are_numbered_from_the_feet_to_the_head(make_stack: MakeStack, of_ct: Provenance) -> None:
    stack = make_stack(feet_first)
    made = images(stack, of_ct)
    assert [image.InstanceNumber for image in made] == [1, 2, 3]
    assert [float(image.ImagePositionPatient[2]) for image in made] == [-4.5, -3.0, -1.5]
    assert [image.SourceImageSequence[0].ReferencedSOPInstanceUID for image in made] == [
        frame.sop_instance_uid for frame in stack.frames[::-1]
    ]


def test_another_plane_is_resampled_and_says_so(make_stack: MakeStack, of_ct: Provenance) -> None:
    stack = make_stack(sagittal)
    volume = hounsfield(stack)
    made = images(stack, of_ct, volume)
    assert [image.pixel_array.shape for image in made] == [(5, 3)] * 4
    turned = np.stack([in_hu(image) for image in made])
    assert np.abs(turned - volume.voxels.transpose(1, 2, 0)[::-1]).max() <= 0.5
    for image in made:
        assert list(image.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
        assert [code.CodeValue for code in image.DerivationCodeSequence] == ["SYNTHETIC-CT", "113085"]
        assert "resampled to axial slices of 0.9 mm" in image.DerivationDescription
        assert {item.SpatialLocationsPreserved for item in image.SourceImageSequence} == {"NO"}
    steps = np.diff([image.ImagePositionPatient[2] for image in made])
    np.testing.assert_allclose(steps, 0.9, atol=1e-6)
    assert {image.SliceThickness for image in made} == {0.9}


def test_each_resampled_slice_names_the_sources_that_it_crosses(make_stack: MakeStack, of_ct: Provenance) -> None:
    def tilted(header: Dataset) -> None:
        cosine, sine = np.cos(0.4), np.sin(0.4)
        header.ImageOrientationPatient = ["1", "0", "0", "0", f"{cosine:.10f}", f"{sine:.10f}"]
        header.ImagePositionPatient = [
            "0", f"{-1.5 * header.InstanceNumber * sine:.8f}", f"{1.5 * header.InstanceNumber * cosine:.8f}",
        ]  # fmt: skip

    stack = make_stack(tilted)
    empty = hounsfield(stack).with_voxels(np.full((3, 4, 5), -1024, np.float32))
    named = [
        {item.ReferencedSOPInstanceUID for item in image.SourceImageSequence} for image in images(stack, of_ct, empty)
    ]
    assert min(map(len, named)) < 3
    for k, frame in enumerate(stack.frames):
        bright = empty.voxels.copy()
        bright[k] = 2000
        for image, of_image in zip(images(stack, of_ct, empty.with_voxels(bright)), named, strict=True):
            assert frame.sop_instance_uid in of_image or not image.pixel_array.any()


def test_a_slice_across_the_whole_source_names_all_of_it(make_stack: MakeStack, of_ct: Provenance) -> None:
    stack = make_stack(sagittal)
    for image in images(stack, of_ct):
        named = [item.ReferencedSOPInstanceUID for item in image.SourceImageSequence]
        assert named == [frame.sop_instance_uid for frame in stack.frames]


def test_frames_of_one_file_are_named_together(make_stack: MakeStack, of_ct: Provenance) -> None:
    stack = make_stack(sagittal)
    first = stack.frames[0]
    frames = tuple(
        replace(frame, frame_number=k, sop_instance_uid=first.sop_instance_uid, path=first.path)
        for k, frame in zip((9, 5, 2), stack.frames, strict=True)
    )
    (reference,) = images(replace(stack, frames=frames), of_ct)[0].SourceImageSequence
    assert list(reference.ReferencedFrameNumber) == [9, 5, 2]


def test_what_a_planning_system_asks_for_is_there(make_stack: MakeStack, of_ct: Provenance) -> None:
    image = images(make_stack(), of_ct)[0]
    assert image.SOPClassUID == image.file_meta.MediaStorageSOPClassUID == CTImageStorage
    assert (image.Modality, list(image.ImageType)) == ("CT", ["DERIVED", "SECONDARY", "AXIAL"])
    assert (image.FrameOfReferenceUID, image.PatientPosition, image.AcquisitionNumber) == ("1.2.3.9", "HFS", 1)
    assert (image.RescaleIntercept, image.RescaleSlope, image.RescaleType) == (-1024, 1, "HU")
    assert (image.BitsAllocated, image.BitsStored, image.PixelRepresentation) == (16, 16, 0)
    assert (image.WindowCenter, image.WindowWidth) == (40, 400)
    assert "KVP" in image
    assert image.KVP is None
    assert image.SliceThickness == 1.5


def test_it_says_that_it_is_synthetic_research_and_from_which_model(make_stack: MakeStack, of_ct: Provenance) -> None:
    image = images(make_stack(), of_ct)[0]
    assert image.SeriesDescription == "RESEARCH sCT synth-ct-bulk | t1 mprage"
    assert (image.SyntheticData, image.ContentQualification, image.BurnedInAnnotation) == ("YES", "RESEARCH", "NO")
    assert "synth-ct-bulk" in image.DerivationDescription
    assert (image.StudyInstanceUID, image.SeriesInstanceUID, image.SeriesNumber) == ("1.2.3", "2.25.1234567890", 1005)


def test_nothing_of_the_mr_sequence_survives(make_stack: MakeStack, of_ct: Provenance) -> None:
    image = images(make_stack(), of_ct)[0]
    for keyword in ("EchoTime", "RepetitionTime", "InversionTime", "ScanningSequence", "SequenceVariant", "FlipAngle",
                    "MagneticFieldStrength", "MRAcquisitionType", "EchoTrainLength", "ContrastBolusAgent"):  # fmt: skip
        assert keyword not in image


@pytest.mark.parametrize("change", [lambda header: None, sagittal])
def test_the_same_work_gives_the_same_uids_and_bytes(
    make_stack: MakeStack, of_ct: Provenance, change: Callable[[Dataset], None]
) -> None:
    stack = make_stack(change)
    first = derived_ct.encode(stack, hounsfield(stack), provenance=of_ct).instances
    str(first[0])  # to look at an image changes nothing
    assert [to_bytes(image) for image in first] == files(stack, of_ct)
    assert len({image.SOPInstanceUID for image in first}) == len(first)


def test_values_that_do_not_fit_are_clipped_and_counted(make_stack: MakeStack, of_ct: Provenance) -> None:
    stack = make_stack()
    volume = hounsfield(stack)
    volume.voxels[0, 0, :2] = [-2000, 70000]
    made = derived_ct.encode(stack, volume, provenance=of_ct)
    assert made.clipped_voxels == 2
    assert made.instances[0].pixel_array[0, :2].tolist() == [0, 65535]


def test_volumes_that_are_not_of_the_stack_or_not_finite_are_refused(make_stack: MakeStack, of_ct: Provenance) -> None:
    stack = make_stack()
    volume = hounsfield(stack)
    with pytest.raises(ValueError, match="2 slices are not those of 3 images"):
        derived_ct.encode(stack, volume.with_voxels(volume.voxels[:2]), provenance=of_ct)
    with pytest.raises(ValueError, match="finite"):
        derived_ct.encode(stack, volume.with_voxels(np.full((3, 4, 5), np.nan, np.float32)), provenance=of_ct)
