"""Synthetic series for the assemble tests, as files and as frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from dicom_node.domain.stack import Frame

ROWS, COLUMNS = 4, 6


def mr_slice(k: int, **attributes: Any) -> Dataset:
    """Return the k-th axial slice of a T1 series, 3 mm apart, with its number in its pixels."""
    image = Dataset()
    image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = generate_uid(entropy_srcs=["slice", str(k), repr(sorted(attributes.items()))])
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = "1.2.1", "1.2.2", "1.2.3"
    image.Modality, image.PatientID, image.SeriesDescription = "MR", "CANARY", "t1_se"
    image.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    image.ScanningSequence, image.EchoTime, image.RepetitionTime = "SE", "12", "500"
    image.Rows, image.Columns, image.SamplesPerPixel = ROWS, COLUMNS, 1
    image.PhotometricInterpretation, image.PixelRepresentation = "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelSpacing, image.ImageOrientationPatient = [1, 2], [1, 0, 0, 0, 1, 0]
    image.ImagePositionPatient, image.InstanceNumber = [-10, -20, 3 * k], k + 1
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    image.PixelData = (np.arange(ROWS * COLUMNS, dtype=np.uint16) + 100 * k).tobytes()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return image


def mr_series(count: int, **attributes: Any) -> list[Dataset]:
    return [mr_slice(k, **attributes) for k in range(count)]


def enhanced_of(images: Sequence[Dataset]) -> Dataset:
    """Return the enhanced multi-frame object that holds the same images."""
    whole = Dataset()
    for keyword in (
        "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality", "PatientID", "SeriesDescription",
        "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation", "BitsAllocated",
        "BitsStored", "HighBit",
    ):  # fmt: skip
        whole[keyword] = images[0][keyword]
    whole.SOPClassUID, whole.SOPInstanceUID = EnhancedMRImageStorage, generate_uid(entropy_srcs=["enhanced"])
    whole.ImageType, whole.EchoPulseSequence = ["ORIGINAL", "PRIMARY", "T1", "NONE"], "SPIN"
    whole.NumberOfFrames = len(images)
    timing = Dataset()
    timing.RepetitionTime = images[0].RepetitionTime
    shared = Dataset()
    shared.MRTimingAndRelatedParametersSequence = [timing]
    whole.SharedFunctionalGroupsSequence = [shared]
    whole.PerFrameFunctionalGroupsSequence = [_functional_groups(image) for image in images]
    whole.PixelData = b"".join(image.PixelData for image in images)
    whole.file_meta = FileMetaDataset()
    whole.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return whole


def _functional_groups(image: Dataset) -> Dataset:
    position, orientation, measures, echo, kind, values = (Dataset() for _ in range(6))
    position.ImagePositionPatient = image.ImagePositionPatient
    orientation.ImageOrientationPatient = image.ImageOrientationPatient
    measures.PixelSpacing = image.PixelSpacing
    echo.EffectiveEchoTime = float(image.EchoTime)
    kind.FrameType = ["ORIGINAL", "PRIMARY", "T1", "NONE"]
    values.RescaleSlope, values.RescaleIntercept = image.get("RescaleSlope", 1), image.get("RescaleIntercept", 0)
    groups = Dataset()
    groups.PlanePositionSequence, groups.PlaneOrientationSequence = [position], [orientation]
    groups.PixelMeasuresSequence, groups.MREchoSequence = [measures], [echo]
    groups.MRImageFrameTypeSequence, groups.PixelValueTransformationSequence = [kind], [values]
    return groups


@pytest.fixture
def slices() -> Callable[..., list[Dataset]]:
    """Return the maker of a series: a count, and attributes that all its images have."""
    return mr_series


@pytest.fixture
def one_slice() -> Callable[..., Dataset]:
    return mr_slice


@pytest.fixture
def enhanced() -> Callable[[Sequence[Dataset]], Dataset]:
    return enhanced_of


@pytest.fixture
def frames_of() -> Callable[[Sequence[Dataset]], list[Frame]]:
    """Return the maker of frames without files."""

    def frames(images: Sequence[Dataset]) -> list[Frame]:
        return [Frame(image, image.SOPClassUID, image.SOPInstanceUID, None, Path("nowhere")) for image in images]

    return frames


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Sequence[Dataset]], list[Path]]:
    """Return the writer of files: one a data set, named in order."""

    def write(images: Sequence[Dataset]) -> list[Path]:
        paths = []
        for image in images:
            paths.append(tmp_path / f"{len(list(tmp_path.iterdir())):04d}.dcm")
            image.save_as(paths[-1], enforce_file_format=True)
        return paths

    return write
