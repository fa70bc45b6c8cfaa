"""Derivation: what was done to which images, in words and in codes (PS3.3 C.7.6.1.1.3, C.12.4)."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom import DataElement, Dataset
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.sr.codedict import codes

from dicom_node.domain.provenance import MANUFACTURER, Provenance
from dicom_node.domain.stack import Frame
from dicom_node.encode.tasks import TASKS

SCHEME = "99DICOMNODE"
ST_LENGTH = 1024  # PS3.5 6.2
LONG_HEADER = 12  # bytes of tag, VR and length before the value of a sequence, PS3.5 7.1.2


def add_derivation(
    image: Dataset, provenance: Provenance, sources: RawDataElement, *, pixels: str, resampled: bool = False
) -> None:
    """Add the General Image and General Reference attributes that tell where the image comes from.

    Parameters
    ----------
    sources
        SourceImageSequence, as `references` makes it.
    pixels
        What stored values mean, as a clause of DerivationDescription.
    resampled
        Whether the image lies on another grid than its sources.

    Raises
    ------
    KeyError
        When `TASKS` does not hold the provenance's task.
    """
    task = TASKS[provenance.task]
    image.DerivationDescription = describe(provenance, pixels)
    image.DerivationCodeSequence = [CodedConcept(task.code, SCHEME, task.meaning)]
    if resampled:
        image.DerivationCodeSequence.append(CodedConcept.from_code(codes.DCM.SpatialResampling))
    image.CodingSchemeIdentificationSequence = [
        CodingSchemeIdentificationItem(SCHEME, name="dicom-node private codes", responsible_organization=MANUFACTURER)
    ]
    image[sources.tag] = sources


def describe(provenance: Provenance, pixels: str) -> str:
    """Return DerivationDescription (0008,2111): model, weights, target, the meaning of the pixels and all warnings."""
    sentences = [
        f"{provenance.task} by {provenance.model} {provenance.model_version}",
        f"sha256 {provenance.model_digest}",
        f"target {provenance.target or 'none'}",
        *((f"target sha256 {provenance.target_digest}",) if provenance.target_digest else ()),
        "model input: source values after the source's own rescale",
        pixels,
        *(f"CHECK: {warning}" for warning in provenance.warnings),
    ]
    words = "; ".join(sentences).encode("ascii", "replace").decode()  # safe in every character set
    return words if len(words) <= ST_LENGTH else words[: ST_LENGTH - 3] + "..."


def references(frames: Sequence[Frame], *, preserved: bool) -> RawDataElement:
    """Return SourceImageSequence (0008,2112), with an item for each file that holds some of the frames.

    It is encoded once: an axial plane of a sagittal volume has hundreds of sources, all the planes the same ones.

    Parameters
    ----------
    preserved
        Whether the derived image shows what lies where its sources lie, SpatialLocationsPreserved (0028,135A).
    """
    files: dict[str, list[Frame]] = {}
    for frame in frames:
        files.setdefault(frame.sop_instance_uid, []).append(frame)
    items = [_reference(of_file, "YES" if preserved else "NO") for of_file in files.values()]
    element = DataElement("SourceImageSequence", "SQ", items)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_data_element(buffer, element)
    value = buffer.getvalue()[LONG_HEADER:]
    return RawDataElement(element.tag, "SQ", len(value), value, 0, False, True)


def _reference(frames: Sequence[Frame], preserved: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = frames[0].sop_class_uid
    item.ReferencedSOPInstanceUID = frames[0].sop_instance_uid
    numbers = [frame.frame_number for frame in frames if frame.frame_number is not None]
    if numbers:
        item.ReferencedFrameNumber = numbers if len(numbers) > 1 else numbers[0]
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)]
    item.SpatialLocationsPreserved = preserved
    return item
