"""The map of uncertainty as a Parametric Map: its values, its slices, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from dicom3tools import SYNTHETIC_DATA, errors
from highdicom.pm.sop import pmread
from pydicom import Dataset, dcmread
from pydicom.uid import ParametricMapStorage
from test_encode_derived_ct import feet_first, lies, sagittal

from dicom_node.domain.provenance import Provenance
from dicom_node.domain.stack import Stack
from dicom_node.encode import derived_ct, derived_map
from dicom_node.encode.axial import axial_of
from dicom_node.encode.series import to_bytes
from inference.volume import Volume

MakeStack = Callable[..., Stack]
GRIDS = [lambda header: None, feet_first, sagittal]


@pytest.fixture
def of_map(provenance: Provenance) -> Provenance:
    return replace(provenance, model="synth-ct-unet", task="uncertainty of synthetic ct", target=None)


def spread(stack: Stack) -> Volume:
    voxels = np.random.default_rng(0).uniform(0, 300, (3, 4, 5)).astype(np.float32)
    return Volume(voxels, lies(stack), "[hnsf'U]")


def made_of(stack: Stack, of_map: Provenance) -> bytes:
    (image,) = derived_map.encode(stack, spread(stack), provenance=of_map).instances
    return to_bytes(image)


def read(stack: Stack, of_map: Provenance) -> Dataset:
    return dcmread(BytesIO(made_of(stack, of_map)))


@pytest.mark.parametrize("change", GRIDS)
def test_highdicom_reads_the_same_values_at_the_same_places(
    make_stack: MakeStack, of_map: Provenance, change: Callable[[Dataset], None]
) -> None:
    stack = make_stack(change)
    axial, _ = axial_of(spread(stack), outside=0.0)
    found = pmread(BytesIO(made_of(stack, of_map))).get_volume(apply_real_world_transform=True)
    index = np.indices(axial.voxels.shape).reshape(3, -1)
    places = axial.affine[:3, :3] @ index + axial.affine[:3, 3:]
    where = np.linalg.solve(found.affine[:3, :3], places - found.affine[:3, 3:])
    np.testing.assert_allclose(where, np.rint(where), atol=1e-4)
    np.testing.assert_array_equal(found.array[tuple(np.rint(where).astype(int))], axial.voxels[tuple(index)])


@pytest.mark.parametrize("change", GRIDS)
def test_its_slices_are_those_of_the_ct(
    make_stack: MakeStack, of_map: Provenance, change: Callable[[Dataset], None]
) -> None:
    stack = make_stack(change)
    ct = derived_ct.encode(stack, spread(stack), provenance=of_map).instances
    found = read(stack, of_map)
    assert found.NumberOfFrames == len(found.PerFrameFunctionalGroupsSequence) == len(ct)
    (shared,) = found.SharedFunctionalGroupsSequence
    for image, frame in zip(ct, found.PerFrameFunctionalGroupsSequence, strict=True):
        assert frame.PlanePositionSequence[0].ImagePositionPatient == image.ImagePositionPatient
        assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == image.ImageOrientationPatient
        assert shared.PixelMeasuresSequence[0].PixelSpacing == image.PixelSpacing
        assert shared.PixelMeasuresSequence[0].SliceThickness == image.SliceThickness
        assert frame.FrameContentSequence[0].DimensionIndexValues == image.InstanceNumber
        derivation = frame if "DerivationImageSequence" in frame else shared
        (item,) = derivation.DerivationImageSequence
        assert item.SourceImageSequence == image.SourceImageSequence
    assert found.FrameOfReferenceUID == ct[0].FrameOfReferenceUID


def test_unit_and_quantity_stand_in_codes(make_stack: MakeStack, of_map: Provenance) -> None:
    (shared,) = read(make_stack(), of_map).SharedFunctionalGroupsSequence
    (mapping,) = shared.RealWorldValueMappingSequence
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[hnsf'U]"
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    coded = [
        (item.ConceptNameCodeSequence[0].CodeMeaning, item.ConceptCodeSequence[0].CodeValue)
        for item in mapping.QuantityDefinitionSequence
    ]
    assert coded == [("Quantity", "112031"), ("Derivation", "386136009")]
    assert "no calibrated error" in mapping.LUTExplanation


def test_it_says_what_it_is_and_what_it_is_not(make_stack: MakeStack, of_map: Provenance) -> None:
    image = read(make_stack(sagittal), of_map)
    assert image.SOPClassUID == image.file_meta.MediaStorageSOPClassUID == ParametricMapStorage
    assert image.SeriesDescription == "RESEARCH sCT uncertainty synth-ct-unet | t1 mprage"
    assert (image.SyntheticData, image.ContentQualification, image.BurnedInAnnotation) == ("YES", "RESEARCH", "NO")
    assert list(image.ImageType) == ["DERIVED", "PRIMARY", "VOLUME", "STD_DEVIATION"]
    assert [code.CodeValue for code in image.DerivationCodeSequence] == ["UNCERTAINTY-CT", "113085"]
    for words in ("standard deviation in HU of 8 answers", "not a calibrated error", "resampled to axial slices"):
        assert words in image.DerivationDescription
    assert len(image.DerivationDescription) < 1024
    named = image.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert [item.ReferencedSOPInstanceUID for item in named] == ["1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"]
    assert (image.PatientName, image.StudyInstanceUID, image.SeriesNumber) == ("Muster^Anna", "1.2.3", 1005)
    assert "EchoTime" not in image


def test_text_of_the_patient_stays_as_its_bytes(make_stack: MakeStack, of_map: Provenance) -> None:
    def wrong(header: Dataset) -> None:
        header.SpecificCharacterSet, header.PatientName = "ISO_IR 100", "Müster^Änna"

    stack = make_stack(wrong)
    for frame in stack.frames:  # what is written as Latin-1 calls itself UTF-8
        frame.path.write_bytes(frame.path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 192"))
    assert "Müster^Änna".encode("latin-1") in made_of(stack, of_map)


def test_sources_that_all_slices_share_stand_once(make_stack: MakeStack, of_map: Provenance) -> None:
    crossed, own = read(make_stack(sagittal), of_map), read(make_stack(), of_map)
    assert len(crossed.SharedFunctionalGroupsSequence[0].DerivationImageSequence) == 1
    assert "DerivationImageSequence" not in own.SharedFunctionalGroupsSequence[0]


def test_the_same_work_gives_the_same_bytes(make_stack: MakeStack, of_map: Provenance) -> None:
    stack = make_stack(sagittal)
    assert made_of(stack, of_map) == made_of(stack, of_map)


def test_volumes_that_are_not_of_the_stack_or_not_finite_are_refused(make_stack: MakeStack, of_map: Provenance) -> None:
    stack = make_stack()
    volume = spread(stack)
    with pytest.raises(ValueError, match="2 slices are not those of 3 images"):
        derived_map.encode(stack, volume.with_voxels(volume.voxels[:2]), provenance=of_map)
    with pytest.raises(ValueError, match="finite"):
        derived_map.encode(stack, volume.with_voxels(volume.voxels * np.float32(np.nan)), provenance=of_map)


@pytest.mark.parametrize("change", GRIDS)
def test_dciodvfy_finds_no_error_but_the_attribute_that_it_does_not_know(
    make_stack: MakeStack, of_map: Provenance, tmp_path: Path, change: Callable[[Dataset], None]
) -> None:
    path = tmp_path / "map.dcm"
    path.write_bytes(made_of(make_stack(change), of_map))
    assert {line for line in errors(path) if SYNTHETIC_DATA not in line} == set()
    broken = dcmread(path)
    del broken.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    broken.save_as(path)
    assert any("RealWorldValueMapping" in line for line in errors(path))
