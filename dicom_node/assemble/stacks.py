"""A series divided into the stacks that can each be one volume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from dicom_node.assemble.acquired import covers, elements_in, may_be_shown, values_at
from dicom_node.assemble.elements import unquoted, value_of
from dicom_node.assemble.facts import facts_of
from dicom_node.assemble.geometry import Plane, distances_mm, lines, places, plane_of
from dicom_node.domain.stack import Frame, Stack

Value: TypeAlias = tuple[Any, ...]
"""The value of a key, sortable: its values with their rank by type, empty when missing."""

ALWAYS = ("Rows", "Columns", "PixelSpacing", "FrameOfReferenceUID", "StackID")
"""Frames that differ in these cannot be one volume, wherever they lie. (StackID: PS3.3 C.7.6.16.2.2.4.)"""

WHERE_POSITIONS_REPEAT = (
    "EchoTime", "EchoNumbers", "InversionTime", "ImageType", "ComplexImageComponent", "TemporalPositionIdentifier",
    "TriggerTime", "DiffusionBValue", "DiffusionDirectionality", "DiffusionGradientOrientation", "SequenceName",
    "AcquisitionNumber",
)  # fmt: skip
"""Keys that are asked, in this order, only while several frames share a position."""

_FILLED = 0.5
"""A key divides a stack when its values fill, on average, at least this part of the positions.

An echo time, a b-value or a dynamic fills them all; a number that is counted up from slice to slice (AcquisitionNumber
of some GE series, TriggerTime) fills one position a value, and would shatter the volume. Half leaves room for a
volume that is not all there yet."""

_ORIENTATION_STEP = 1e-3
"""Orientations whose cosines differ by less are one: 0.06 degrees."""


@dataclass(frozen=True, slots=True)
class _Member:
    frame: Frame
    plane: Plane | None

    @property
    def identity(self) -> tuple[str, int]:
        return self.frame.sop_instance_uid, self.frame.frame_number or 0


@dataclass(frozen=True, slots=True)
class _Group:
    label: tuple[str, ...]
    members: tuple[_Member, ...]


def split(frames: Sequence[Frame]) -> tuple[Stack, ...]:
    """Divide the frames of a series into stacks; the order of the frames does not change the result.

    Each stack's frames are in slice order, which is that of highdicom's volume. Stacks that are no volume (gaps,
    repeated positions) are returned too: `gate.refusal` says what is wrong with them.
    """
    with unquoted():
        planes = [(frame, plane_of(frame.header)) for frame in frames]
        members = [_Member(frame, plane if isinstance(plane, Plane) else None) for frame, plane in planes]
        groups = [_Group((), tuple(sorted(members, key=lambda member: member.identity)))] if members else []
        for keyword in ALWAYS:
            groups = [part for group in groups for part in _divided(group, keyword, _values(group, keyword))]
        groups = [part for group in groups for part in _divided(group, "orientation", _orientations(group))]
        groups = [part for group in groups for part in _side_by_side(group)]
        groups = [part for group in groups for part in _without_repeats(group, WHERE_POSITIONS_REPEAT)]
    return tuple(_stack(group) for group in groups)


def _divided(group: _Group, keyword: str, values: Sequence[Value], *, is_shown: bool = True) -> list[_Group]:
    """Part a group by a key, in the order of its values."""
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return [group]
    shown = _shown(distinct) if is_shown and not keyword.endswith("UID") else _numbered(distinct)
    return [
        _Group(
            (*group.label, f"{keyword}={shown[one]}"),
            tuple(member for member, value in zip(group.members, values, strict=True) if value == one),
        )
        for one in distinct
    ]


def _without_repeats(group: _Group, keywords: Sequence[str]) -> list[_Group]:
    """Part a group by the first key that tells apart the frames at one position, and its parts by those after it."""
    where = _places(group)
    if where is None or len(set(where.tolist())) == len(where):
        return [group]
    for k, keyword in enumerate(keywords):
        values = _values(group, keyword)
        if _divides(values, where):
            parts = _divided(group, keyword, values)
            return [whole for part in parts for whole in _without_repeats(part, keywords[k + 1 :])]
    return _by_any_element(group, where)


def _by_any_element(group: _Group, where: NDArray[np.int64]) -> list[_Group]:
    """Part a group by whatever else a scan varied (flip angle, kV, coil, a vendor's own number).

    Unlike a key that is known to make volumes, such an element counts only where its volumes are complete.
    """
    headers = [member.frame.header for member in group.members]
    for tag in elements_in(headers):
        for name, values in _readings(headers, tag):
            if covers(values, where.tolist()):
                parts = _divided(group, name, values, is_shown=may_be_shown(headers, tag))
                return [whole for part in parts for whole in _without_repeats(part, ())]
    return [group]


def _readings(headers: Sequence[Dataset], tag: BaseTag) -> Iterator[tuple[str, list[Value]]]:
    """Give the values of an element, whole and one by one: of DimensionIndexValues one index counts the slices."""
    found = values_at(headers, tag)
    if found is None:
        return
    name, values = found[0], [_several(value) for value in found[1]]
    yield name, values
    width = len(values[0])
    if width > 1 and all(len(value) == width for value in values):
        yield from ((f"{name}[{k + 1}]", [value[k : k + 1] for value in values]) for k in range(width))


def _side_by_side(group: _Group) -> list[_Group]:
    """Part a group whose positions repeat along the normal only: stacks that lie beside each other."""
    where = _places(group)
    if where is None or not 1 < len(set(where.tolist())) < len(where):
        return [group]
    beside: list[Value] = [((0, float(line), ""),) for line in lines(_planes(group))]
    return _divided(group, "beside", beside) if _divides(beside, where) else [group]


def _divides(values: Sequence[Value], where: NDArray[np.int64]) -> bool:
    kinds = set(values)
    filled = len(set(zip(values, where.tolist(), strict=True)))
    return len(kinds) > 1 and filled >= _FILLED * len(kinds) * len(set(where.tolist()))


def _places(group: _Group) -> NDArray[np.int64] | None:
    planes = _planes(group)
    return places(distances_mm(planes)) if len(planes) == len(group.members) else None


def _planes(group: _Group) -> list[Plane]:
    return [member.plane for member in group.members if member.plane is not None]


def _stack(group: _Group) -> Stack:
    planes = _planes(group)
    ordered = group.members
    if len(planes) == len(ordered):
        along = zip(distances_mm(planes).tolist(), ordered, strict=True)
        ordered = tuple(member for _, member in sorted(along, key=lambda pair: (pair[0], pair[1].identity)))
    frames = tuple(member.frame for member in ordered)
    return Stack(", ".join(group.label), frames, facts_of(frames))


def _values(group: _Group, keyword: str) -> list[Value]:
    return [_value(member.frame.header, keyword) for member in group.members]


def _value(header: Dataset, keyword: str) -> Value:
    return _several(value_of(header, keyword))


def _several(value: Any) -> Value:
    several = value if isinstance(value, MultiValue | list | tuple) else (value,)
    return tuple(_sortable(one) for one in several if one not in (None, ""))


def _sortable(value: object) -> tuple[int, float, str]:
    """Numbers before texts; -0.0 and 0.0, and what rounding made of one number, are the same."""
    if isinstance(value, int | float):
        return 0, round(float(value), 4) + 0.0, ""
    text = str(value).strip()
    return 1, 0.0, text


def _orientations(group: _Group) -> list[Value]:
    """Give each member the first, in sorted order, of the orientations that its own is next to.

    An image that does not say where it lies may be the slice that another stack lacks: it stays with images of its
    kind, and they are refused together.
    """
    planes = [member.plane for member in group.members]
    kinds = [_value(member.frame.header, "ImageType") for member in group.members]
    known = {kind: _cosines(plane) for kind, plane in zip(kinds, planes, strict=True) if plane}
    own = [_cosines(plane) if plane else known.get(kind, ()) for kind, plane in zip(kinds, planes, strict=True)]
    firsts: dict[tuple[float, ...], tuple[float, ...]] = {}
    for one in sorted(set(own)):
        near = (first for first in firsts.values() if len(first) == len(one) and _close(first, one))
        firsts[one] = next(near, one)
    return [tuple((0, round(number, 3) + 0.0, "") for number in firsts[one]) for one in own]


def _cosines(plane: Plane) -> tuple[float, ...]:
    return tuple(plane.orientation.tolist())


def _close(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return max((abs(a - b) for a, b in zip(first, second, strict=True)), default=0.0) < _ORIENTATION_STEP


def _shown(values: Sequence[Value]) -> dict[Value, str]:
    """Write values for people; texts of several parts, as ImageType, show only the parts that set them apart."""
    common = set.intersection(*(set(value) for value in values))
    shown = {}
    for value in values:
        parts = [part for part in value if part not in common] if all(part[0] for part in value) else value
        shown[value] = "\\".join(text if kind else f"{number:g}" for kind, number, text in parts or value) or "none"
    return shown if len(set(shown.values())) == len(values) else _numbered(values)


def _numbered(values: Sequence[Value]) -> dict[Value, str]:
    """Count values that are not for showing: labels are logged, UIDs never."""
    return {value: f"({k})" for k, value in enumerate(values, start=1)}
