"""Derivation: what was done to which images, in words and in codes (PS3.3 C.7.6.1.1.3, C.12.4)."""

from __future__ import annotations

from dataclasses import dataclass

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom import Dataset
from pydicom.sr.codedict import codes

from dicom_node.domain.provenance import MANUFACTURER, Provenance, StoredScale
from dicom_node.domain.stack import Frame
from dicom_node.encode.pixels import LARGEST

SCHEME = "99DICOMNODE"
ST_LENGTH = 1024  # PS3.5 6.2


@dataclass(frozen=True, slots=True)
class Task:
    """What a kind of model does: a code of the private scheme (CID 7203 has none) and its meaning."""

    code: str
    meaning: str


TASKS: dict[str, Task] = {
    "harmonization": Task("HARMONIZATION", "Harmonization of image contrast to a target scanner"),
}


def add_derivation(image: Dataset, frame: Frame, provenance: Provenance, scale: StoredScale) -> None:
    """Add the General Image and General Reference attributes that tell where the image comes from.

    Raises
    ------
    KeyError
        When `TASKS` does not hold the provenance's task.
    """
    task = TASKS[provenance.task]
    image.DerivationDescription = describe(provenance, scale)
    image.DerivationCodeSequence = [CodedConcept(task.code, SCHEME, task.meaning)]
    image.CodingSchemeIdentificationSequence = [
        CodingSchemeIdentificationItem(SCHEME, name="dicom-node private codes", responsible_organization=MANUFACTURER)
    ]
    image.SourceImageSequence = [_reference(frame)]


def describe(provenance: Provenance, scale: StoredScale) -> str:
    """Return DerivationDescription (0008,2111): model, weights, target, the scale of the pixels and all warnings."""
    sentences = [
        f"{provenance.task} by {provenance.model} {provenance.model_version}",
        f"sha256 {provenance.model_digest}",
        f"target {provenance.target or 'none'}",
        *((f"target sha256 {provenance.target_digest}",) if provenance.target_digest else ()),
        "model input: source values after the source's own rescale",
        f"stored value = model value * {scale.values_per_unit:.10g}, clipped to 0...{LARGEST}",
        *(f"CHECK: {warning}" for warning in provenance.warnings),
    ]
    words = "; ".join(sentences).encode("ascii", "replace").decode()  # safe in every character set
    return words if len(words) <= ST_LENGTH else words[: ST_LENGTH - 3] + "..."


def _reference(frame: Frame) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = frame.sop_class_uid
    item.ReferencedSOPInstanceUID = frame.sop_instance_uid
    if frame.frame_number is not None:
        item.ReferencedFrameNumber = frame.frame_number
    item.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)]
    item.SpatialLocationsPreserved = "YES"
    return item
