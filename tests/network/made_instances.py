"""Small data sets and files made for tests."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

CANARY = "Canary^Patient"


def made_instance(*, series_uid: str | None = None, number: int = 1, side: int = 8) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = series_uid or generate_uid()
    dataset.PatientName = CANARY
    dataset.PatientID = "canary-id"
    dataset.Modality = "MR"
    dataset.InstanceNumber = number
    dataset.Rows = dataset.Columns = side
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.SamplesPerPixel = 1
    dataset.PixelRepresentation = 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = bytes(range(256)) * (side * side * 2 // 256 + 1)
    dataset.PixelData = dataset.PixelData[: side * side * 2]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def written(dataset: Dataset, folder: Path) -> Path:
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dcmwrite(path, dataset, enforce_file_format=True)
    return path
