"""Derived MR: one classic MR image a slice, on the grid of its source (PS3.3 A.4, derived-series.md)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from dicom_node.domain.provenance import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    Provenance,
    StoredScale,
)
from dicom_node.domain.stack import Frame, Stack
from dicom_node.encode.acquisition import add_acquisition
from dicom_node.encode.dates import add_dates
from dicom_node.encode.derivation import add_derivation
from dicom_node.encode.description import describe_series
from dicom_node.encode.equipment import add_equipment
from dicom_node.encode.modules import COMMON_MODULES
from dicom_node.encode.pixels import describe_pixels, to_stored
from dicom_node.encode.uids import instance_uid
from dicom_node.encode.verbatim import copy_modules, declare_little_endian, read_common, text
from inference.volume import Float32Array

LARGEST_IS = 2**31 - 1  # PS3.5 6.2
PREAMBLE = b"\0" * 128 + b"DICM"


@dataclass(frozen=True, slots=True)
class EncodedSeries:
    """A derived series, ready for `to_bytes`.

    Attributes
    ----------
    instances
        One a slice, in slice order.
    clipped_voxels
        How many did not fit the stored scale.
    """

    instances: tuple[Dataset, ...]
    clipped_voxels: int


def encode(stack: Stack, voxels: Float32Array, *, scale: StoredScale, provenance: Provenance) -> EncodedSeries:
    """Make a classic MR series of what a model made of `stack`.

    Parameters
    ----------
    stack
        The source; the file of its first frame is read again, since only there is text still bytes.
    voxels
        Shape (slices, rows, columns), in the model's unit; slice k lies where frame k lies.

    Raises
    ------
    ValueError
        When there is not one slice a frame, the slices have another size than the source's, or a voxel is not finite.
    OSError
        When the first frame's file is gone.
    """
    for frame, plane in zip(stack.frames, voxels, strict=True):
        if plane.shape != (frame.header.Rows, frame.header.Columns):
            raise ValueError(f"a slice of {plane.shape} does not fit an image of its source")
    stored, clipped = to_stored(voxels, scale)
    source = read_common(stack.frames[0].path)
    images = []
    for frame, number, plane in zip(stack.frames, _instance_numbers(stack), stored, strict=True):
        image = _image(source, frame, provenance)
        image.InstanceNumber = number
        add_derivation(image, frame, provenance, scale)
        describe_pixels(image, plane, scale)
        images.append(image)
    return EncodedSeries(tuple(images), clipped)


def to_bytes(instance: Dataset) -> bytes:
    """Return the DICOM file (PS3.10 7) of an encoded instance: the same instance, the same bytes.

    Text copied from the source is written as it stands. pydicom's own writer does so too, but looks the character
    set up for every element, and complains each time when it is unknown.
    """
    buffer = DicomBytesIO(PREAMBLE)
    buffer.seek(0, 2)
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_file_meta_info(buffer, instance.file_meta, enforce_standard=True)
    codecs = instance.original_character_set
    encodings = codecs if isinstance(codecs, str) else list(codecs)
    for tag in sorted(instance.keys()):
        write_data_element(buffer, instance.get_item(tag), encodings)
    return buffer.getvalue()


def _image(source: Dataset, frame: Frame, provenance: Provenance) -> Dataset:
    image = Dataset()
    copy_modules(source, image, COMMON_MODULES)
    declare_little_endian(image, source)
    add_acquisition(image, frame)
    add_dates(image, source, provenance.derived_at)
    add_equipment(image, source, provenance)
    image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = instance_uid(provenance.series_uid, frame)
    image.file_meta = _file_meta(image)
    image.Modality = "MR"
    image.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    image.SeriesInstanceUID = provenance.series_uid
    image.SeriesNumber = provenance.series_number if provenance.series_number <= LARGEST_IS else None
    image.SeriesDescription = describe_series(source, provenance)
    image.SyntheticData = "YES"
    image.ContentQualification = "RESEARCH"
    image.BurnedInAnnotation = "NO"  # a source that has any is refused before
    return image


def _file_meta(image: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = image.SOPClassUID
    meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _instance_numbers(stack: Stack) -> list[int]:
    """Return the numbers by which a viewer sorts both series alike.

    They are the source's (frame numbers of a multi-frame source); where these are missing or repeat, the slices are
    counted by their place.
    """
    numbers = [_source_number(frame) for frame in stack.frames]
    known = [number for number in numbers if number is not None]
    in_order = list(range(1, len(numbers) + 1))
    return known if len(set(known)) == len(numbers) else in_order


def _source_number(frame: Frame) -> int | None:
    if frame.frame_number is not None:
        return frame.frame_number
    value = text(frame.header, "InstanceNumber")
    return int(value) if value.lstrip(b"+-").isdigit() else None
