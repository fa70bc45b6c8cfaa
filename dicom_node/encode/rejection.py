"""A rejection note: the Key Object that asks an archive to hide a derived series (IHE RAD TF-3 4.66.4.1.3, IOCM)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import CodeContentItem, CodedConcept, RelationshipTypeValues
from pydicom import Dataset
from pydicom.sr.codedict import codes

from dicom_node import __version__
from dicom_node.domain.identifiers import uid_of
from dicom_node.domain.job import Fault, Job
from dicom_node.domain.provenance import MANUFACTURER, MODEL_NAME
from dicom_node.encode.dates import add_dates
from dicom_node.encode.modules import COMMON_MODULES
from dicom_node.encode.series import LARGEST_IS, file_meta_of
from dicom_node.encode.verbatim import copy_modules, declare_little_endian, read_common, text

_KEPT = ("SOP Common", "Patient", "Clinical Trial Subject", "General Study", "Patient Study", "Clinical Trial Study")
"""Modules that a document shares with the images of its study."""
_BLANK = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
          "StudyTime")  # fmt: skip
_MODIFIERS: dict[str | None, Any] = {Fault.SOFTWARE: codes.DCM.SoftwareFailure}
"""The reason of a job -> Document Title Modifier (CID 7011); any other is Inappropriate image processing."""


def encode_rejection(derived: Sequence[Path], job: Job, *, at: datetime, serial_number: str) -> Dataset:
    """Return a Key Object Selection (TID 2010) titled Rejected for Quality Reasons for every instance of a series.

    Parameters
    ----------
    derived
        The files of the series.
    job
        That made it; its reason becomes the description, and chooses the modifier.
    at
        When it was rejected, UTC: the same note again is the same bytes.
    serial_number
        Of this node.

    Raises
    ------
    OSError
        When a file is gone.
    """
    headers = [read_common(path) for path in derived]
    evidence = [_reference(header) for header in headers]
    document = KeyObjectSelectionDocument(
        evidence=evidence,
        content=_content(evidence, job),
        series_instance_uid=uid_of("series", ("rejection", job.derived_series_uid)),
        series_number=min(job.derived_series_number, LARGEST_IS),  # that of what it rejects, to stand beside it
        sop_instance_uid=uid_of("instance", ("rejection", job.derived_series_uid)),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=[f"{MODEL_NAME} {__version__}"],
        device_serial_number=serial_number,
    )
    return _with_patient_and_study(document, headers[0], at)


def _content(evidence: Sequence[Dataset], job: Job) -> KeyObjectSelection:
    content = KeyObjectSelection(
        document_title=codes.DCM.RejectedForQualityReasons,
        referenced_objects=evidence,
        description=f"RESEARCH {job.model}: {job.reason or 'retracted'}",
    )
    # highdicom has no argument for the modifier, which TID 2010 puts before all else (CID 7011)
    modifier = CodeContentItem(
        name=CodedConcept("113011", "DCM", "Document Title Modifier"),
        value=_MODIFIERS.get(job.reason, codes.DCM.InappropriateImageProcessing),
        relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
    )
    content[0].ContentSequence.insert(0, modifier)
    return content


def _reference(header: Dataset) -> Dataset:
    """Return what highdicom asks of an instance that it refers to; patient and study are put in as bytes later."""
    reference = Dataset()
    for keyword in _BLANK:
        setattr(reference, keyword, "")
    for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(reference, keyword, text(header, keyword).decode("ascii"))
    reference.Rows = reference.Columns = 1  # so that it is referred to as an image
    return reference


def _with_patient_and_study(document: Dataset, source: Dataset, at: datetime) -> Dataset:
    """Return the document with patient and study as the derived images have them, byte for byte, and our dates."""
    note = Dataset()
    del document.ContributingEquipmentSequence  # highdicom puts itself there, with the time of day
    note.update({tag: document[tag] for tag in document.keys()})  # noqa: SIM118 - a Dataset iterates over elements
    copy_modules(source, note, [module for module in COMMON_MODULES if module.name in _KEPT])
    declare_little_endian(note, source)
    add_dates(note, source, at)
    note.SeriesDescription = "RESEARCH rejection note"
    note.file_meta = file_meta_of(note)
    return note
