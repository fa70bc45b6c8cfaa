"""The series that the demo is about to send: what their headers call them, and where their files lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicom_node.demo.pacs_index import keys_of

_KEYWORDS = (
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SeriesDescription", "SeriesNumber", "Modality",
    "Manufacturer", "NumberOfFrames", "PhotometricInterpretation",
)  # fmt: skip


@dataclass(slots=True)
class SourceSeries:
    """A series in a folder.

    Attributes
    ----------
    series_uid, study_uid
        SeriesInstanceUID, StudyInstanceUID.
    description, vendor, modality
        As the header spells them; empty where it does not say.
    files
        SOPInstanceUID -> file.
    frames
        Number of image planes: the instances, or the frames of multi-frame ones; what is no image counts nothing.
    """

    series_uid: str
    study_uid: str
    description: str
    vendor: str
    modality: str
    files: dict[str, Path] = field(default_factory=dict)
    frames: int = 0

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.description or "(no description)"


def read_sources(folder: Path) -> dict[str, SourceSeries]:
    """Read the headers of all files below a folder; return SeriesInstanceUID -> series, in the order of the files."""
    sources: dict[str, SourceSeries] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            keys = keys_of(dcmread(path, stop_before_pixels=True, specific_tags=list(_KEYWORDS)), _KEYWORDS)
        except (InvalidDicomError, EOFError):
            continue
        if not keys.get("SeriesInstanceUID") or not keys.get("SOPInstanceUID"):  # a DICOMDIR has neither
            continue
        series = sources.setdefault(keys["SeriesInstanceUID"], _series(keys))
        if keys["SOPInstanceUID"] not in series.files:
            series.files[keys["SOPInstanceUID"]] = path
            series.frames += _frames(keys)
    return sources


def _series(keys: dict[str, str]) -> SourceSeries:
    return SourceSeries(
        series_uid=keys["SeriesInstanceUID"],
        study_uid=keys.get("StudyInstanceUID", ""),
        description=keys.get("SeriesDescription", ""),
        vendor=keys.get("Manufacturer", ""),
        modality=keys.get("Modality", ""),
    )


def _frames(keys: dict[str, str]) -> int:
    if not keys.get("PhotometricInterpretation"):
        return 0
    number = keys.get("NumberOfFrames", "")
    return int(number) if number.isdecimal() else 1
