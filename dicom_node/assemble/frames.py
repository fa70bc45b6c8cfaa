"""One DICOM file read as image planes: its header, never its pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

from dicom_node.assemble.elements import UNREADABLE, unquoted, value_of
from dicom_node.assemble.enhanced import flattened
from dicom_node.domain.stack import Frame
from dicom_node.errors import SeriesRefused

CLASSIC: dict[UID, UID] = {
    MRImageStorage: MRImageStorage,
    EnhancedMRImageStorage: MRImageStorage,
    LegacyConvertedEnhancedMRImageStorage: MRImageStorage,
    CTImageStorage: CTImageStorage,
    EnhancedCTImageStorage: CTImageStorage,
    LegacyConvertedEnhancedCTImageStorage: CTImageStorage,
    PositronEmissionTomographyImageStorage: PositronEmissionTomographyImageStorage,
    EnhancedPETImageStorage: PositronEmissionTomographyImageStorage,
    LegacyConvertedEnhancedPETImageStorage: PositronEmissionTomographyImageStorage,
}
"""SOP classes that volumes are made of, and the single-frame class of the same modality."""

_NEEDED = ("SOPInstanceUID", "SeriesInstanceUID", "Rows", "Columns", "SamplesPerPixel", "BitsAllocated")

_BULK = 1 << 20
"""Bytes above which a value stays in the file: no header element that anyone looks at is as long."""
_PRIVATE_BULK = 4096
"""The same for private elements, which hold raw data and protocols: 60 kB a slice in some vendors' series."""
_UNDEFINED_LENGTH = 0xFFFFFFFF
_FUNCTIONAL_GROUPS = (0x52009229, 0x52009230)


@dataclass(frozen=True, slots=True)
class FileContent:
    """What one file brings to its series.

    Attributes
    ----------
    frames
        Its image planes; empty when it holds none.
    set_aside
        Why it holds none (a Raw Data object, a presentation state), None when it does.
    """

    frames: tuple[Frame, ...]
    set_aside: str | None = None


def read_frames(path: Path) -> FileContent:
    """Read the header of a DICOM file.

    Raises
    ------
    SeriesRefused
        When the file is not DICOM, is cut short, or contradicts itself; the reason names no value of it.
    """
    with unquoted():
        try:
            with path.open("rb") as file:
                return _content(file, path)
        except InvalidDicomError:
            raise SeriesRefused("not a DICOM file: the DICM prefix is missing") from None
        except UNREADABLE as error:
            raise SeriesRefused(f"not readable as DICOM ({type(error).__name__})") from None


def _content(file: BinaryIO, path: Path) -> FileContent:
    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise SeriesRefused("the Deflated transfer syntax is not read: a small file could fill the memory")
    header = dcmread(file, stop_before_pixels=True, defer_size=_BULK)
    sop_class = UID(header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or "")
    if sop_class not in CLASSIC:
        return _set_aside(sop_class, header)
    missing = [keyword for keyword in _NEEDED if value_of(header, keyword) is None]
    if missing:
        raise SeriesRefused(f"its header lacks {', '.join(missing)}")
    _check_pixel_length(header, file)
    _without_bulk(header)

    planes: tuple[Dataset, ...]
    if "PerFrameFunctionalGroupsSequence" in header:
        planes = flattened(header)
        numbers: list[int | None] = list(range(1, len(planes) + 1))
    elif int(header.get("NumberOfFrames") or 1) > 1:
        return FileContent((), f"{sop_class.name} with many frames and no functional groups: they have no positions")
    else:
        planes, numbers = (header,), [None]
    return FileContent(
        tuple(
            Frame(
                header=plane,
                sop_class_uid=str(sop_class),
                sop_instance_uid=str(header.SOPInstanceUID),
                frame_number=number,
                path=path,
                calling_ae=_title(meta.get("SendingApplicationEntityTitle")),
                called_ae=_title(meta.get("ReceivingApplicationEntityTitle")),
            )
            for plane, number in zip(planes, numbers, strict=True)
        )
    )


def _set_aside(sop_class: UID, header: Dataset) -> FileContent:
    kind = sop_class.name.removesuffix(" Storage")
    if kind == sop_class:  # of no registered class: a private one, or a file cut short within its first elements
        if value_of(header, "SOPInstanceUID") is None:
            raise SeriesRefused("its header does not say what it is")
        kind = "an object of unknown kind"
    return FileContent((), f"{kind} is set aside: volumes are made of MR, CT and PET images")


def _title(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None


def _check_pixel_length(header: Dataset, file: BinaryIO) -> None:
    """Compare the pixel data's length with what Rows, Columns and the rest ask for (PS3.5 8.1.1)."""
    start = file.read(12)
    implicit, little = header.original_encoding
    order = "<" if little else ">"
    # dcmread stopped in front of the pixel data's tag
    group, element = struct.unpack_from(f"{order}HH", start) if len(start) == 12 else (0, 0)
    if (group, element) != (0x7FE0, 0x0010):
        raise SeriesRefused("the file ends before its pixel data")
    (length,) = struct.unpack_from(f"{order}L", start, 4 if implicit else 8)
    if length == _UNDEFINED_LENGTH:
        return  # encapsulated: only decoding tells
    if header.BitsAllocated not in (8, 16, 32) or min(header.Rows, header.Columns) < 1:
        raise SeriesRefused("Rows, Columns or BitsAllocated make no image")
    frames = int(header.get("NumberOfFrames") or 1)
    expected = header.Rows * header.Columns * header.SamplesPerPixel * frames * (header.BitsAllocated // 8)
    position = file.tell() - (4 if implicit else 0)
    present = min(length, file.seek(0, 2) - position)
    if present < expected or length > expected + expected % 2:
        raise SeriesRefused(f"the pixel data holds {present} of {length} bytes, the header asks for {expected}")


def _without_bulk(header: Dataset) -> None:
    """Drop what stayed in the file, and private blobs: a series must not fill the memory while it arrives."""
    for tag, element in list(header.items()):
        deferred = isinstance(element, RawDataElement) and element.value is None and element.length
        blob = tag.is_private and isinstance(element.value, bytes) and len(element.value) > _PRIVATE_BULK
        if (deferred or blob) and tag not in _FUNCTIONAL_GROUPS:
            del header[tag]
