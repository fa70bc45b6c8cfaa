"""What the embedded PACS holds, found as C-FIND and C-GET ask for it (PS3.4 C.2.2.2 and C.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from pydicom import Dataset, dcmread
from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.multival import MultiValue
from pydicom.valuerep import TEXT_VR_DELIMS


class Level(StrEnum):
    """Query/Retrieve levels of the Study Root model, from the widest to the narrowest (PS3.4 C.6.2.1)."""

    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


Keys: TypeAlias = dict[str, str]
"""DICOM keyword -> value as text, several values joined by a backslash; empty: present without a value."""

UNIQUE_KEY = {
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}
STORED_KEYS: dict[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription",
        "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "ReferringPhysicianName",
    ),
    Level.SERIES: (
        "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined", "Manufacturer",
    ),
    Level.IMAGE: ("SOPInstanceUID", "SOPClassUID", "InstanceNumber", "NumberOfFrames"),
}  # fmt: skip
COUNTED_KEYS: dict[Level, tuple[str, ...]] = {
    Level.STUDY: ("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
    Level.SERIES: ("NumberOfSeriesRelatedInstances",),
    Level.IMAGE: (),
}
ESC = b"\x1b"  # begins an escape sequence of ISO 2022 (PS3.5 6.1.2.5)
_ALL_STORED = tuple(keyword for keywords in STORED_KEYS.values() for keyword in keywords)


class InvalidQuery(Exception):
    """An identifier that the Study Root model does not allow: answered with A900 (PS3.4 C.4.1.1.4)."""


@dataclass(frozen=True, slots=True)
class Holding:
    """An instance that the PACS holds."""

    path: Path
    keys: Keys


class PacsIndex:
    """The instances of a PACS, in memory; safe to use from several associations at once."""

    def __init__(self) -> None:
        self._holdings: dict[str, Holding] = {}
        self._lock = Lock()

    def add(self, path: Path) -> None:
        """Read the header of a DICOM file and hold it; an instance held already stays as it is.

        Raises
        ------
        pydicom.errors.InvalidDicomError
            When it is not DICOM.
        InvalidQuery
            When one of its three UIDs is missing.
        """
        tags = ["SpecificCharacterSet", *_ALL_STORED]
        keys = keys_of(dcmread(path, stop_before_pixels=True, specific_tags=tags), _ALL_STORED)
        if not all(keys.get(keyword) for keyword in UNIQUE_KEY.values()):
            raise InvalidQuery("the instance lacks one of its UIDs")
        with self._lock:
            self._holdings.setdefault(keys["SOPInstanceUID"], Holding(path, keys))

    def __len__(self) -> int:
        return len(self._holdings)

    def __contains__(self, sop_instance_uid: object) -> bool:
        return sop_instance_uid in self._holdings

    def find(self, level: Level, query: Mapping[str, str]) -> list[Keys]:
        """Return all keys of each entity at `level` that matches (C-FIND).

        Raises
        ------
        InvalidQuery
            When the unique key of a level above is not a single value (PS3.4 C.4.1.2.1).
        """
        check_hierarchy(level, query)
        entities = (_entity(level, group) for group in self._grouped(level))
        return [entity for entity in entities if _matches(entity, query)]

    def retrieve(self, level: Level, query: Mapping[str, str]) -> list[Holding]:
        """Return the instances below the entities that the unique keys name (C-GET).

        Raises
        ------
        InvalidQuery
            When a unique key down to `level` is missing (PS3.4 C.4.3.1.3.1).
        """
        check_hierarchy(level, query)
        if not query.get(UNIQUE_KEY[level]):
            raise InvalidQuery(f"{UNIQUE_KEY[level]} is missing")
        unique = {keyword: query[keyword] for keyword in UNIQUE_KEY.values() if query.get(keyword)}
        with self._lock:
            holdings = list(self._holdings.values())
        return [holding for holding in holdings if _matches(holding.keys, unique)]

    def _grouped(self, level: Level) -> Iterable[list[Holding]]:
        with self._lock:
            holdings = list(self._holdings.values())
        unique = [UNIQUE_KEY[each] for each in _down_to(level)]
        groups: dict[tuple[str, ...], list[Holding]] = {}
        for holding in holdings:
            groups.setdefault(tuple(holding.keys[keyword] for keyword in unique), []).append(holding)
        return groups.values()


def keys_of(dataset: Dataset, keywords: Iterable[str]) -> Keys:
    """Return those of `keywords` that a data set holds, as text.

    The bytes are decoded here, without pydicom's checks of the value: an archive takes headers as they come, and a
    query may hold wild cards where the VR allows none.
    """
    charset = dataset.get_item("SpecificCharacterSet")
    terms = _text(charset, ["ascii"]).split("\\") if charset is not None else [""]
    encodings = [python_encoding.get(term.strip(), "iso8859") for term in terms]
    elements = ((keyword, dataset.get_item(keyword)) for keyword in keywords)
    return {keyword: _text(element, encodings) for keyword, element in elements if element is not None}


def check_hierarchy(level: Level, query: Mapping[str, str]) -> None:
    """Check that the unique keys above `level` are single values.

    Raises
    ------
    InvalidQuery
        With the keyword that is missing or is not a single value.
    """
    for above in _down_to(level)[:-1]:
        value = query.get(UNIQUE_KEY[above], "")
        if not value or any(sign in value for sign in "\\*?"):
            raise InvalidQuery(f"{UNIQUE_KEY[above]} must be a single value")


def keywords_down_to(level: Level) -> tuple[str, ...]:
    """Return the keywords that a query at `level` can match and be answered with."""
    return tuple(keyword for each in _down_to(level) for keyword in (*STORED_KEYS[each], *COUNTED_KEYS[each]))


def _down_to(level: Level) -> list[Level]:
    levels = list(Level)
    return levels[: levels.index(level) + 1]


def _entity(level: Level, group: list[Holding]) -> Keys:
    first = group[0].keys
    entity = {keyword: first.get(keyword, "") for each in _down_to(level) for keyword in STORED_KEYS[each]}
    if level is Level.STUDY:
        entity["ModalitiesInStudy"] = "\\".join(sorted({holding.keys.get("Modality", "") for holding in group}))
        entity["NumberOfStudyRelatedSeries"] = str(len({holding.keys["SeriesInstanceUID"] for holding in group}))
        entity["NumberOfStudyRelatedInstances"] = str(len(group))
    if level is Level.SERIES:
        entity["NumberOfSeriesRelatedInstances"] = str(len(group))
    return entity


def _matches(entity: Keys, query: Mapping[str, str]) -> bool:
    return all(_matches_key(keyword, wanted, entity.get(keyword, "")) for keyword, wanted in query.items() if wanted)


def _matches_key(keyword: str, wanted: str, held: str) -> bool:
    matches = _MATCHING.get(dictionary_VR(keyword), _matches_text)
    return any(matches(wanted, value) for value in held.split("\\"))


def _matches_uid(wanted: str, held: str) -> bool:
    return held in wanted.split("\\")  # PS3.4 C.2.2.2.2: list of UID matching


def _matches_date(wanted: str, held: str) -> bool:
    first, dash, last = wanted.partition("-")  # PS3.4 C.2.2.2.5: range matching, either end may be open
    return bool(held) and first <= held <= (last or "99999999") if dash else wanted == held


def _matches_text(wanted: str, held: str) -> bool:
    pattern = re.escape(wanted).replace(r"\*", ".*").replace(r"\?", ".")  # PS3.4 C.2.2.2.4: wild card matching
    return re.fullmatch(pattern, held, re.DOTALL) is not None


def _matches_name(wanted: str, held: str) -> bool:
    return _matches_text(wanted.casefold(), held.casefold())  # PS3.4 C.2.2.2.1 lets names match without case


_MATCHING: dict[str, Callable[[str, str], bool]] = {"UI": _matches_uid, "DA": _matches_date, "PN": _matches_name}


def _text(element: DataElement | RawDataElement, encodings: list[str]) -> str:
    value = element.value
    if isinstance(value, bytes):
        if ESC in value:
            text = decode_bytes(value, encodings, TEXT_VR_DELIMS)
        else:
            text = value.decode(encodings[0], errors="replace")
    else:
        text = "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value or "")
    return text.strip(" \0")
