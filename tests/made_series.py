"""A classic MR series of the phantom head, with the headers that a scanner would write; made in milliseconds."""

from __future__ import annotations

from typing import Any

import numpy as np
import phantom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from dicom_node.domain.instance import InstanceKey, Transport
from inference.volume import Float64Array


def made_series(
    *,
    description: str = "Ax T1 MPRAGE",
    patient_name: str = "PHANTOM^HEAD",
    study_uid: str | None = None,
    seed: int = 0,
    spacing_mm: float = 5.0,
    directions: Float64Array = phantom.AXIAL,
) -> list[Dataset]:
    """Return a whole-head T1, axial if nothing else is said, ready to be sent; every call makes another series."""
    volume = phantom.head((spacing_mm, spacing_mm, spacing_mm), directions, seed=seed)
    common = _common(description, patient_name, study_uid)
    return [_image(common, volume, number) for number in range(volume.voxels.shape[0])]


def a_few(**how: Any) -> list[Dataset]:
    """Return the 20 slices in the middle of the head, for tests that need no whole one."""
    return made_series(**how)[14:34]


def _common(description: str, patient_name: str, study_uid: str | None) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = MRImageStorage
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study_uid or generate_uid(), generate_uid()
    ds.FrameOfReferenceUID = generate_uid()
    ds.PatientName, ds.PatientID = patient_name, "PHANTOM-1"
    ds.PatientBirthDate, ds.PatientSex, ds.PositionReferenceIndicator = "", "O", ""
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20260102", "080910", "1"
    ds.AccessionNumber, ds.ReferringPhysicianName = "", ""
    ds.Modality, ds.BodyPartExamined, ds.PatientPosition = "MR", "HEAD", "HFS"
    ds.Manufacturer, ds.ManufacturerModelName = "SIEMENS", "Phantom"
    ds.MagneticFieldStrength = 3
    ds.SeriesNumber, ds.SeriesDescription, ds.AcquisitionNumber = 4, description, 1
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = ["GR", "IR"], ["SP", "MP"], "", "3D"
    ds.EchoTime, ds.RepetitionTime, ds.InversionTime, ds.FlipAngle, ds.EchoTrainLength = 2.9, 1900, 900, 9, 1
    return ds


def _image(common: Dataset, volume: phantom.Volume, number: int) -> Dataset:
    ds = Dataset()
    ds.update(common)
    ds.SOPInstanceUID, ds.InstanceNumber = generate_uid(), number + 1
    slices, rows, columns = volume.spacing_mm
    step = volume.affine[:3, :3] / np.array([slices, rows, columns])
    ds.ImagePositionPatient = [
        round(float(x), 4) for x in volume.affine[:3, :3] @ [number, 0, 0] + volume.affine[:3, 3]
    ]
    ds.ImageOrientationPatient = [round(float(x), 6) for x in (*step[:, 2], *step[:, 1])]
    ds.PixelSpacing, ds.SliceThickness, ds.SpacingBetweenSlices = [rows, columns], slices, slices
    plane = np.clip(np.round(volume.voxels[number]), 0, 4095).astype("<u2")
    ds.Rows, ds.Columns = plane.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.PixelData = plane.tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    return ds


def key_of(ds: Dataset) -> InstanceKey:
    return InstanceKey(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPClassUID, ds.SOPInstanceUID)


def encoded(ds: Dataset) -> bytes:
    """Return the data set as it travels in C-STORE: without preamble and file meta."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, ds)
    return buffer.getvalue()


TRANSPORT = Transport(calling_ae="SCANNER", called_ae="HARMONIZE", transfer_syntax_uid=str(ExplicitVRLittleEndian))
