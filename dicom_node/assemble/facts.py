"""What the rules may ask of a stack: its header as plain values, and the facts derived from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.multival import MultiValue

from dicom_node.assemble.agent import coded_agent, contrast_agent
from dicom_node.assemble.contrast import contrast
from dicom_node.assemble.elements import UNREADABLE, unquoted, value_of
from dicom_node.assemble.geometry import Plane, anatomical_plane, plane_of, slice_spacing_mm
from dicom_node.assemble.pulse_sequence import sequence_family
from dicom_node.assemble.sequences import nested
from dicom_node.assemble.vendors import vendor
from dicom_node.domain.facts import Facts, FactValue, Scalar
from dicom_node.domain.stack import Frame

_NOT_PLAIN = frozenset({"SQ", "UN", "OB", "OW", "OD", "OF", "OL", "OV", "OB or OW"})
_NUMBERS: dict[str, Callable[[Any], Scalar]] = {
    **dict.fromkeys(("DS", "FD", "FL"), float),
    **dict.fromkeys(("IS", "US", "SS", "UL", "SL", "UV", "SV", "US or SS"), int),
}

_WITHOUT_UNIT = re.compile(r"1|\{.*\}|")
"""UCUM codes of plain numbers."""


def facts_of(frames: Sequence[Frame]) -> Facts:
    """Return what is known about a stack.

    Parameters
    ----------
    frames
        In slice order; the header values are those of the first, and BodyPartExamined the anatomic region where it is
        missing.
    """
    with unquoted():
        header = {**plain(frames[0].header), **nested(frames[0].header, _plain_value)}
        if "BodyPartExamined" not in header and (body_part := _body_part(frames[0].header)):
            header["BodyPartExamined"] = body_part
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


def _body_part(header: Dataset) -> str | None:
    """Return the meaning of the first AnatomicRegionSequence (0008,2218) item: multi-frame images have it instead."""
    regions = value_of(header, "AnatomicRegionSequence") or ()
    return next((str(value_of(region, "CodeMeaning")).upper() for region in regions if "CodeMeaning" in region), None)


def _measures_a_quantity(header: Dataset) -> bool:
    """Tell whether a Real World Value Mapping gives the pixels a unit: T1 in ms is a map, whatever it is called."""
    units = (
        value_of(unit, "CodeValue")
        for mapping in value_of(header, "RealWorldValueMappingSequence") or ()
        for unit in value_of(mapping, "MeasurementUnitsCodeSequence") or ()
    )
    return any(_WITHOUT_UNIT.fullmatch(str(unit or "")) is None for unit in units)


def _contrast(frames: Sequence[Frame], header: Mapping[str, FactValue]) -> str | None:
    return None if _measures_a_quantity(frames[0].header) else contrast(header)


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
    "sequence_family": lambda frames, header: sequence_family(header),
    "contrast": _contrast,
    "contrast_agent": lambda frames, header: contrast_agent(header) or coded_agent(frames[0].header),
    "is_original": _equals("ImageType", "ORIGINAL"),
}
