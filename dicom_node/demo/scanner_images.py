"""Classic DICOM images of a simulated volume, one a slice."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from dicom_node.demo.scanner_headers import SIMULATED, Habits, PixelFormat, PrivateBlock, add_private, philips_scale
from dicom_node.domain.identifiers import uid_of
from inference.volume import Float64Array, Volume

StoredArray: TypeAlias = NDArray[np.uint16] | NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Examination:
    """The patient and the study that series belong to.

    Attributes
    ----------
    identity
        What all UIDs are made from: the same identity, the same study.
    patient_id
        PatientID.
    date
        StudyDate and all others, YYYYMMDD.
    """

    identity: tuple[str, ...]
    patient_id: str
    date: str = "20260105"

    def uid(self, kind: str, *parts: object) -> str:
        """Return a UID of this study."""
        return uid_of(f"demo {kind}", (*self.identity, *map(str, parts)))


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """A series before it is written.

    Attributes
    ----------
    number, description
        SeriesNumber, SeriesDescription.
    habits
        Of the scanner.
    frame
        Name of the frame of reference: series of one scanner share it.
    attributes
        What this series has beyond the scanner's habits: keyword -> value.
    private
        And its private elements.
    """

    number: int
    description: str
    habits: Habits
    frame: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    private: tuple[PrivateBlock, ...] = ()


def images(volume: Volume, plan: SeriesPlan, examination: Examination, *, first: int = 1) -> list[Dataset]:
    """Write a volume as the scanner would.

    Parameters
    ----------
    volume
        What the scanner measured; slice k becomes image `first` + k.
    plan
        The series.
    examination
        Its patient and study.
    first
        InstanceNumber of the first slice.
    """
    slope, stored = stored_values(volume, plan.habits.pixels)
    header = _patient_study_series(plan, examination)
    _add_plane(header, volume)
    for keyword, value in {**plan.habits.attributes, **plan.attributes}.items():
        setattr(header, keyword, value)
    add_private(header, plan.habits.private + plan.private)
    if plan.habits.pixels.fills_bits:
        add_private(header, philips_scale(slope))
    datasets = []
    for k, pixels in enumerate(stored):
        # a shared element would change in all images when one is edited
        ds = Dataset({element.tag: copy(element) for element in header})
        ds.InstanceNumber = first + k
        _add_identity(ds, examination.uid("instance", plan.number, first + k))
        _add_position(ds, volume.affine, k)
        _add_pixels(ds, pixels, slope, plan.habits.pixels)
        datasets.append(ds)
    return datasets


def stored_values(volume: Volume, pixels: PixelFormat) -> tuple[float, StoredArray]:
    """Return the rescale slope and the stored values, shape (slices, rows, columns)."""
    slope = float(_decimal(float(volume.voxels.max()) / pixels.largest)) if pixels.fills_bits else 1.0
    scaled = np.rint((volume.voxels - np.float32(pixels.intercept)) / np.float32(slope))
    clipped = np.clip(scaled, -pixels.largest if pixels.signed else 0, pixels.largest)
    return slope, clipped.astype("<i2" if pixels.signed else "<u2")


def _decimal(value: float) -> DSfloat:
    return DSfloat(value, auto_format=True)


def _patient_study_series(plan: SeriesPlan, examination: Examination) -> Dataset:
    began = f"08{plan.number % 60:02d}00"
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.SOPClassUID = plan.habits.sop_class_uid
    for what in ("Study", "Series", "Acquisition", "Content"):
        setattr(ds, f"{what}Date", examination.date)
        setattr(ds, f"{what}Time", "080000" if what == "Study" else began)
    ds.InstanceCreationDate, ds.InstanceCreationTime = examination.date, began
    ds.AccessionNumber = ""
    ds.InstitutionName = "VIRTUAL HOSPITAL"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "DEMO HEAD"
    ds.SeriesDescription = ds.ProtocolName = plan.description
    ds.PatientName, ds.PatientID = "DEMO^HEAD", examination.patient_id
    ds.PatientBirthDate, ds.PatientSex = "19700101", "O"
    ds.BodyPartExamined, ds.PatientPosition = "HEAD", "HFS"
    ds.StudyInstanceUID = examination.uid("study")
    ds.SeriesInstanceUID = examination.uid("series", plan.number)
    ds.StudyID = "1"
    ds.SeriesNumber, ds.AcquisitionNumber = plan.number, 1
    ds.FrameOfReferenceUID = examination.uid("frame of reference", plan.frame)
    ds.PositionReferenceIndicator = ""
    ds.ImageComments = SIMULATED
    return ds


def _add_plane(ds: Dataset, volume: Volume) -> None:
    """Add what is the same in all slices of the Image Plane Module (PS3.3 C.7.6.2)."""
    slices_mm, rows_mm, columns_mm = volume.spacing_mm
    _, rows, columns = (volume.affine[:3, axis] / mm for axis, mm in enumerate(volume.spacing_mm))
    ds.ImageOrientationPatient = [_decimal(float(cosine)) for cosine in (*columns, *rows)]
    ds.PixelSpacing = [_decimal(rows_mm), _decimal(columns_mm)]
    ds.SliceThickness = _decimal(slices_mm)
    if volume.unit == "1":  # the CT IOD has no SpacingBetweenSlices
        ds.SpacingBetweenSlices = _decimal(slices_mm)
        ds.AcquisitionMatrix = [0, volume.voxels.shape[1], volume.voxels.shape[2], 0]
        ds.InPlanePhaseEncodingDirection = "ROW"
    ds.ReconstructionDiameter = _decimal(max(volume.extent_mm[1:]))


def _add_identity(ds: Dataset, uid: str) -> None:
    ds.SOPInstanceUID = uid
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def _add_position(ds: Dataset, affine: Float64Array, k: int) -> None:
    position = affine[:3, 3] + k * affine[:3, 0]
    normal = np.cross(affine[:3, 2], affine[:3, 1])
    ds.ImagePositionPatient = [_decimal(float(mm)) for mm in position]
    ds.SliceLocation = _decimal(float(position @ normal / np.linalg.norm(normal)))


def _add_pixels(ds: Dataset, pixels: StoredArray, slope: float, how: PixelFormat) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, how.bits_stored, how.bits_stored - 1
    ds.PixelRepresentation = int(how.signed)
    if how.rescale_type is not None:
        ds.RescaleIntercept, ds.RescaleSlope = _decimal(how.intercept), _decimal(slope)
        ds.RescaleType = how.rescale_type
    low, high = (float(value) * slope + how.intercept for value in (pixels.min(), pixels.max()))
    centre, width = how.window or (round((low + high) / 2), max(round(high - low), 1))
    ds.WindowCenter, ds.WindowWidth = _decimal(centre), _decimal(width)
    ds.add_new("PixelData", "OW", pixels.tobytes())
