"""What the tests of encode share: a provenance, a scale, and stacks made of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from dicom_node.assemble.frames import read_frames
from dicom_node.domain.facts import Facts
from dicom_node.domain.provenance import Provenance, StoredScale
from dicom_node.domain.stack import Stack
from dicom_node.encode import derived_mr
from dicom_node.encode.series import to_bytes
from inference.volume import Float32Array

SLICES, ROWS, COLUMNS = 3, 4, 5


@pytest.fixture(scope="session")
def provenance() -> Provenance:
    return Provenance(
        model="harmonize-nyul",
        model_version="1.0.0",
        model_digest="ab" * 32,
        task="harmonization",
        target="siemens-3t",
        node_version="0.1.0",
        serial_number="node-1",
        series_uid="2.25.1234567890",
        series_number=1005,
        derived_at=datetime(2026, 11, 21, 23, 30, tzinfo=UTC),
        revision=1,
    )


@pytest.fixture(scope="session")
def scale() -> StoredScale:
    return StoredScale(values_per_unit=1000.0, window_center=700.0, window_width=1200.5)


def voxels_for(stack: Stack) -> Float32Array:
    first = stack.frames[0].header
    shape = (len(stack.frames), first.Rows, first.Columns)
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.fixture(scope="session")
def derive(provenance: Provenance, scale: StoredScale) -> Callable[..., list[bytes]]:
    """Return what derives a series from a stack, as files."""

    def run(stack: Stack, **changes: Any) -> list[bytes]:
        made = replace(provenance, **changes)
        series = derived_mr.encode(stack, voxels_for(stack), scale=scale, provenance=made)
        return [to_bytes(instance) for instance in series.instances]

    return run


@pytest.fixture(scope="session")
def derive_first(derive: Callable[..., list[bytes]]) -> Callable[..., Dataset]:
    """Return what derives a series and reads its first image."""
    return lambda stack, **changes: dcmread(BytesIO(derive(stack, **changes)[0]))


@pytest.fixture(scope="session")
def read_stack() -> Callable[[Sequence[Path]], Stack]:
    """Return what reads files as one stack, in the order given."""
    return lambda paths: Stack("", tuple(frame for path in paths for frame in read_frames(path).frames), Facts())


def slice_header(number: int) -> Dataset:
    """Return a small, plain MR image."""
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    header.SOPClassUID = MRImageStorage
    header.SOPInstanceUID = f"1.2.3.4.{number}"
    header.StudyInstanceUID, header.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    header.FrameOfReferenceUID = "1.2.3.9"
    header.StudyDate, header.StudyTime, header.StudyID, header.AccessionNumber = "20260102", "030405", "S1", "A1"
    header.PatientName, header.PatientID = "Muster^Anna", "P1"
    header.Modality, header.Manufacturer, header.ManufacturerModelName = "MR", "SIEMENS", "Skyra"
    header.SeriesDescription, header.BodyPartExamined, header.PatientPosition = "t1 mprage", "BRAIN", "HFS"
    header.SeriesNumber, header.InstanceNumber = 5, number
    header.AcquisitionDate, header.AcquisitionTime = "20260102", "031500"
    header.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    header.ScanningSequence, header.SequenceVariant, header.ScanOptions = ["GR", "IR"], "MP", ""
    header.MRAcquisitionType, header.RepetitionTime, header.EchoTime = "3D", "2000", "2.5"
    header.InversionTime, header.EchoTrainLength = "900", "1"
    header.Rows, header.Columns = ROWS, COLUMNS
    header.PixelSpacing, header.SliceThickness = ["0.9", "0.8"], "1.5"
    header.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    header.ImagePositionPatient = ["-10", "-20.5", f"{1.5 * number}"]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.add_new("PixelData", "OW", bytes(2 * ROWS * COLUMNS))
    return header


@pytest.fixture
def make_stack(tmp_path: Path, read_stack: Callable[[Sequence[Path]], Stack]) -> Callable[..., Stack]:
    """Return what writes three slices, each changed by the caller, and reads them as a stack."""

    def make(change: Callable[[Dataset], None] = lambda header: None, syntax: UID = ExplicitVRLittleEndian) -> Stack:
        paths = []
        for number in range(1, SLICES + 1):
            header = slice_header(number)
            change(header)
            header.file_meta = FileMetaDataset()
            header.file_meta.TransferSyntaxUID = syntax
            paths.append(tmp_path / f"{number}.dcm")
            header.save_as(paths[-1], enforce_file_format=True)
        return read_stack(paths)

    return make
