"""A derived series: what all of its images have in common, whatever is derived, and the bytes of their files."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicom_node.domain.provenance import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Provenance
from dicom_node.encode.dates import add_dates
from dicom_node.encode.description import describe_series
from dicom_node.encode.equipment import add_equipment
from dicom_node.encode.modules import COMMON_MODULES
from dicom_node.encode.verbatim import copy_modules, declare_little_endian

LARGEST_IS = 2**31 - 1  # PS3.5 6.2
PREAMBLE = b"\0" * 128 + b"DICM"


@dataclass(frozen=True, slots=True)
class EncodedSeries:
    """A derived series, ready for `to_bytes`.

    Attributes
    ----------
    instances
        One a slice, in slice order; or a multi-frame one.
    clipped_voxels
        How many did not fit the stored scale.
    """

    instances: tuple[Dataset, ...]
    clipped_voxels: int


def new_image(source: Dataset) -> Dataset:
    """Begin an image with the patient and study of its source, as `read_common` gives them: bytes as they stand."""
    image = Dataset()
    copy_modules(source, image, COMMON_MODULES)
    declare_little_endian(image, source)
    return image


def finish(image: Dataset, source: Dataset, provenance: Provenance, *, sop_class_uid: UID, uid: str) -> None:
    """Add what the image is and who made it: identity, dates, equipment, and that it is synthetic and for research.

    Parameters
    ----------
    image
        Already holds the acquisition's date and time.
    source
        As `read_common` gives it.
    uid
        SOPInstanceUID.
    """
    add_dates(image, source, provenance.derived_at)
    add_equipment(image, source, provenance)
    image.SOPClassUID = sop_class_uid
    image.SOPInstanceUID = uid
    image.file_meta = file_meta_of(image)
    image.SeriesInstanceUID = provenance.series_uid
    image.SeriesNumber = provenance.series_number if provenance.series_number <= LARGEST_IS else None
    image.SeriesDescription = describe_series(source, provenance)
    image.SyntheticData = "YES"
    image.ContentQualification = "RESEARCH"
    image.BurnedInAnnotation = "NO"  # a source that has any is refused before


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


def file_meta_of(image: Dataset) -> FileMetaDataset:
    """Return the file meta information (PS3.10 7.1) of an instance of ours."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = image.SOPClassUID
    meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta
