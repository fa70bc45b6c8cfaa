"""Elements of any kind that tell apart images at one position: what a scan varied, whatever its maker calls it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from typing import Any, TypeVar

from pydicom import Dataset
from pydicom.tag import BaseTag, Tag

from dicom_node.assemble.elements import UNREADABLE

Value = TypeVar("Value", bound=Hashable)

_GROUPS = frozenset({0x0018, 0x0020, 0x0054})
"""Of the Standard's elements those that tell how an image was acquired; a copy of a scan has the same."""
_TIMES = (Tag("AcquisitionTime"), Tag("AcquisitionDateTime"), Tag("FrameAcquisitionDateTime"))
_WHERE = frozenset(map(Tag, ("InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "SliceLocation")))
"""What tells images apart because they are images, and not because a scan varied it."""
NUMBERS_AND_CODES = frozenset({"CS", "DS", "IS", "FD", "FL", "US", "SS", "UL", "SL"})
"""Value representations whose values may stand in a label: none of them is free text."""
_COMPARED = NUMBERS_AND_CODES | {"SH", "LO", "TM", "DT"}


def elements_in(headers: Sequence[Dataset]) -> list[BaseTag]:
    """Return the tags of what may tell images apart, most telling first: public, private, times."""
    tags = {tag for header in headers for tag in header.keys()}  # noqa: SIM118 - a Dataset iterates over elements
    asked = [tag for tag in tags if tag in _TIMES or tag.is_private or (tag.group in _GROUPS and tag not in _WHERE)]
    return sorted(asked, key=lambda tag: (tag in _TIMES, tag.is_private, tag))


def values_at(headers: Sequence[Dataset], tag: BaseTag) -> tuple[str, list[Any]] | None:
    """Return name and values of an element, None where it cannot be compared; a missing one has the value None."""
    values: list[Any] = []
    name = f"({tag.group:04x},{tag.element:04x})"
    for header in headers:
        try:
            element = header.get(tag)
            if element is not None and element.VR not in _COMPARED:
                return None
        except UNREADABLE:
            return None
        values.append(None if element is None else element.value)
        name = name if element is None or tag.is_private else element.keyword or name
    return name, values


def may_be_shown(headers: Sequence[Dataset], tag: BaseTag) -> bool:
    """Tell whether the values of an element are numbers or codes, which a label may hold."""
    return not tag.is_private and all(header[tag].VR in NUMBERS_AND_CODES for header in headers if tag in header)


def covers(values: Sequence[Value], where: Sequence[int]) -> bool:
    """Tell whether images differ in a value, and those of each value lie evenly at all positions.

    Then each is a volume of its own, or several, and none of them is without a slice that the others have.

    Parameters
    ----------
    values, where
        The value and the number of the position of each image.
    """
    counts: dict[Value, Counter[int]] = defaultdict(Counter)
    for value, place in zip(values, where, strict=True):
        counts[value][place] += 1
    positions = len(set(where))
    return len(counts) > 1 and all(len(each) == positions and len(set(each.values())) == 1 for each in counts.values())
