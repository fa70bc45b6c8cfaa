"""What the rules may ask of a stack: its header as plain values, and the facts derived from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.multival import MultiValue

from dicom_node.assemble.contrast import contrast
from dicom_node.assemble.elements import UNREADABLE, unquoted
from dicom_node.assemble.geometry import Plane, anatomical_plane, plane_of, slice_spacing_mm
from dicom_node.assemble.vendors import vendor
from dicom_node.domain.facts import Facts, FactValue, Scalar
from dicom_node.domain.stack import Frame

_NOT_PLAIN = frozenset({"SQ", "UN", "OB", "OW", "OD", "OF", "OL", "OV", "OB or OW"})
_NUMBERS: dict[str, Callable[[Any], Scalar]] = {
    **dict.fromkeys(("DS", "FD", "FL"), float),
    **dict.fromkeys(("IS", "US", "SS", "UL", "SL", "UV", "SV", "US or SS"), int),
}

_AGENT = re.compile(
    r"(^|[^a-z])(gd|gad|gado\w*|dotarem|gadovist|clariscan|\+ ?[ck]|t1c|ce|post ?(gd|gad|con\w*|km)|nach km)($|[^a-z])"
)
_NO_AGENT = frozenset({"", "no", "none", "n", "without"})


def facts_of(frames: Sequence[Frame]) -> Facts:
    """Return what is known about a stack.

    Parameters
    ----------
    frames
        In slice order; the header values are those of the first.
    """
    with unquoted():
        header = plain(frames[0].header)
        derived = {name: derive(frames, header) for name, derive in _DERIVED.items()}
    return Facts(header, {name: value for name, value in derived.items() if value is not None})


def plain(header: Dataset) -> dict[str, FactValue]:
    """Return the elements of a data set that are text or numbers, by keyword, or by tag where there is none."""
    values: dict[str, FactValue] = {}
    for tag in header.keys():  # noqa: SIM118 - a Dataset iterates over elements
        try:
            element = header[tag]
            value = _plain_value(element)
        except UNREADABLE:
            continue  # an element that cannot be read is a missing one to the rules
        if value is not None:
            values[element.keyword or f"({tag.group:04x},{tag.element:04x})"] = value
    return values


def _plain_value(element: DataElement) -> FactValue | None:
    if element.VR in _NOT_PLAIN or element.value is None:
        return None
    convert = _NUMBERS.get(element.VR, _text)
    if isinstance(element.value, MultiValue | list | tuple):
        return tuple(convert(one) for one in element.value) or None
    value = convert(element.value)
    return None if value == "" else value


def _text(value: object) -> str:
    return str(value).strip(" \0")


def field_strength_t(header: Mapping[str, FactValue]) -> float | None:
    """Return MagneticFieldStrength in tesla; scanners that write gauss give numbers above 20."""
    value = header.get("MagneticFieldStrength")
    if not isinstance(value, int | float) or not value > 0:
        return None
    return value / 10_000 if value > 20 else float(value)


def contrast_agent(header: Mapping[str, FactValue]) -> bool:
    """Tell whether ContrastBolusAgent (0018,0010) or the series' name names a contrast agent."""
    agent = str(header.get("ContrastBolusAgent") or "").lower()
    name = str(header.get("SeriesDescription") or "").lower().replace("_", " ")
    return agent not in _NO_AGENT or _AGENT.search(name) is not None


def _plane(frames: Sequence[Frame]) -> Plane | None:
    plane = plane_of(frames[0].header)
    return plane if isinstance(plane, Plane) else None


def _in_plane_mm(frames: Sequence[Frame]) -> float | None:
    plane = _plane(frames)
    return float(plane.spacing.max()) if plane else None


def _orientation(frames: Sequence[Frame]) -> str | None:
    plane = _plane(frames)
    return anatomical_plane(plane) if plane else None


def _equals(keyword: str, value: str) -> Callable[[Sequence[Frame], Mapping[str, FactValue]], bool | None]:
    """Compare the first value of an element, None where it is missing."""

    def compare(_frames: Sequence[Frame], header: Mapping[str, FactValue]) -> bool | None:
        found = header.get(keyword)
        return None if found is None else (found[0] if isinstance(found, tuple) else found) == value

    return compare


_DERIVED: dict[str, Callable[[Sequence[Frame], Mapping[str, FactValue]], FactValue | None]] = {
    "manufacturer": lambda frames, header: vendor(str(header.get("Manufacturer", ""))),
    "field_strength_t": lambda frames, header: field_strength_t(header),
    "calling_ae": lambda frames, header: frames[0].calling_ae,
    "called_ae": lambda frames, header: frames[0].called_ae,
    "slices": lambda frames, header: len(frames),
    "spacing_mm": lambda frames, header: slice_spacing_mm(frames),
    "in_plane_mm": lambda frames, header: _in_plane_mm(frames),
    "orientation": lambda frames, header: _orientation(frames),
    "is_3d": _equals("MRAcquisitionType", "3D"),
    "contrast": lambda frames, header: contrast(header),
    "contrast_agent": lambda frames, header: contrast_agent(header),
    "is_original": _equals("ImageType", "ORIGINAL"),
}
