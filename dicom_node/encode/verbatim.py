"""Elements as the source holds them: bytes that are carried over, whatever their character set was meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydicom import Dataset
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR, format_number_as_ds

from dicom_node.encode.modules import Module

LAST_COMMON_GROUP = 0x0040
STRING_VRS = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)
DS_LENGTH, LO_LENGTH = 16, 64  # characters, PS3.5 6.2


def read_common(path: Path) -> Dataset:
    """Read what the images of a series have in common, from one file, undecoded.

    A header that other stages have looked at holds characters; where the character set is unknown or wrong, only the
    file still holds the bytes.

    Returns
    -------
    The elements up to group 0040.
    """
    with path.open("rb") as file:
        return read_partial(file, stop_when=lambda tag, *_: tag.group > LAST_COMMON_GROUP)


def copy_modules(source: Dataset, target: Dataset, modules: Iterable[Module]) -> None:
    """Copy the attributes of `modules`; those of type 2 are there even where the source has none."""
    for module in modules:
        copy(source, target, module.required + module.kept)
        for keyword in module.required:
            if keyword not in target:
                setattr(target, keyword, None)


def copy(source: Dataset, target: Dataset, keywords: Iterable[str]) -> None:
    """Copy attributes, bytes as they stand; dcentvfy wants even the empty ones of patient and study to agree."""
    for keyword in keywords:
        tag = Tag(keyword)
        if tag in source:
            target[tag] = _copied(source, tag)


def text(source: Dataset, keyword: str) -> bytes:
    """Return the bytes of a text value, without padding, several joined by backslashes; empty when it is missing."""
    if keyword not in source:
        return b""
    element = source.get_item(keyword)
    if element.is_raw:
        return (element.value or b"").strip(b" \0")
    return _joined(source[keyword]).strip(b" ")


def declare_little_endian(target: Dataset, source: Dataset) -> None:
    """Tell pydicom that the bytes copied from `source` are as the target's file will hold them: none is decoded."""
    target.set_original_encoding(False, True, source.original_character_set)


def copy_item(item: Dataset) -> Dataset:
    """Return a copy of a sequence item without its private elements."""
    target = Dataset(parent_encoding=item.original_character_set)
    declare_little_endian(target, item)
    for tag in list(item.keys()):
        if dictionary_has_tag(tag) and tag.element != 0:  # neither private elements nor group lengths
            target[tag] = _copied(item, tag)
    return target


def _copied(source: Dataset, tag: BaseTag) -> DataElement | RawDataElement:
    element = source.get_item(tag)
    vr = dictionary_VR(tag)
    if vr in STRING_VRS and (element.is_raw or vr not in CUSTOMIZABLE_CHARSET_VR):
        value = (element.value or b"") if element.is_raw else _joined(element)
        value = _even(_short_decimals(value) if vr == "DS" else value, vr)
        return RawDataElement(tag, vr, len(value), value, 0, False, True)
    decoded = source[tag]
    if vr == "SQ":
        return DataElement(tag, "SQ", [copy_item(item) for item in decoded.value or ()])
    # pydicom's complaints quote the value, and what the source says is not judged here
    return DataElement(tag, decoded.VR, decoded.value, validation_mode=IGNORE)


def _joined(element: DataElement) -> bytes:
    values = [] if element.is_empty else element.value if element.VM > 1 else [element.value]
    return b"\\".join(str(value).encode() for value in values)


def _short_decimals(value: bytes) -> bytes:
    return b"\\".join(part if len(part) <= DS_LENGTH else _short_decimal(part) for part in value.split(b"\\"))


def _short_decimal(value: bytes) -> bytes:
    """Rewrite a decimal string that is too long; what is no number stays as it stands."""
    try:
        return format_number_as_ds(float(value)).encode()
    except ValueError:
        return value


def _even(value: bytes, vr: str) -> bytes:
    return value + (b"\0" if vr == "UI" else b" ") if len(value) % 2 else value
