"""Reads the key of an instance out of its encoded data set, and nothing else (PS3.5 7.1, 7.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct

from pydicom.uid import UID

from dicom_node.dimse.statuses import CANNOT_UNDERSTAND
from dicom_node.domain.identifiers import is_uid
from dicom_node.domain.instance import InstanceKey
from dicom_node.errors import InstanceRejected

MAXIMUM_ELEMENTS = 100_000
"""How many elements are walked over, those in sequences included: far more than any image has before group 0020."""

_KEY = {
    (0x0020, 0x000D): "StudyInstanceUID (0020,000D)",
    (0x0020, 0x000E): "SeriesInstanceUID (0020,000E)",
    (0x0008, 0x0016): "SOPClassUID (0008,0016)",
    (0x0008, 0x0018): "SOPInstanceUID (0008,0018)",
}  # in the order of InstanceKey
_LAST = max(_KEY)

_UNDEFINED = 0xFFFFFFFF
_ITEM_GROUP = 0xFFFE
_ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the header of an element is encoded (PS3.5 7.1.2, 7.1.3)."""

    is_implicit: bool
    short: Struct  # tag, VR, length
    implicit: Struct  # tag, length
    length: Struct  # of the long VRs

    @classmethod
    def of(cls, order: str, *, is_implicit: bool) -> _Layout:
        return cls(is_implicit, Struct(order + "HH2sH"), Struct(order + "HHL"), Struct(order + "L"))


_IMPLICIT = _Layout.of("<", is_implicit=True)


@lru_cache(maxsize=64)
def _layout(transfer_syntax_uid: str) -> _Layout:
    syntax = UID(transfer_syntax_uid)
    return _Layout.of("<" if syntax.is_little_endian else ">", is_implicit=syntax.is_implicit_VR)


class _MoreToCome(Exception):
    """The piece ends before the key does."""


def key_of(dataset: bytes, transfer_syntax_uid: str) -> InstanceKey:
    """Return the four UIDs of an encoded data set.

    Walks over the top level up to group 0020 by a loop without recursion, so that neither giant lengths nor deep
    sequences cost anything; values other than the four are skipped unread.

    Raises
    ------
    InstanceRejected
        With 0xC000 when one of the four is missing, double or no UID, or the encoding cannot be followed.
    """
    return _key(memoryview(dataset), _layout(transfer_syntax_uid), is_whole=True)


def find_key(head: bytes | bytearray | memoryview, transfer_syntax_uid: str) -> InstanceKey | None:
    """Return what `key_of` would of the whole, from its first bytes; None when they are too few to tell.

    Raises
    ------
    InstanceRejected
        As `key_of`, as soon as it is certain.
    """
    try:
        return _key(memoryview(head), _layout(transfer_syntax_uid), is_whole=False)
    except _MoreToCome:
        return None


def _key(data: memoryview, layout: _Layout, *, is_whole: bool) -> InstanceKey:
    values: dict[tuple[int, int], bytes] = {}
    for tag, value in _top_level(data, layout, is_whole=is_whole):
        if tag > _LAST:
            break
        if tag in _KEY:
            if tag in values:
                raise InstanceRejected(CANNOT_UNDERSTAND, f"{_KEY[tag]} stands twice")
            values[tag] = bytes(value)
    return InstanceKey(*(_uid(values.get(tag), name) for tag, name in _KEY.items()))


def _uid(value: bytes | None, name: str) -> str:
    # padded to even length with NUL (PS3.5 9.1); some writers pad with a space
    text = (value or b"").rstrip(b"\0 ").decode("ascii", errors="replace")
    if not is_uid(text):
        raise InstanceRejected(CANNOT_UNDERSTAND, f"{name} is missing or no UID")
    return text


def _top_level(data: memoryview, layout: _Layout, *, is_whole: bool) -> Iterator[tuple[tuple[int, int], memoryview]]:
    """Yield tag and value of each element outside sequences; the value of a sequence is empty."""
    position = depth = implicit_from = 0
    for _ in range(MAXIMUM_ELEMENTS):
        if position >= len(data):
            if is_whole:
                return
            raise _MoreToCome
        # a sequence that passed through a system which did not know it is implicit VR little endian (PS3.5 6.2.2)
        here = _IMPLICIT if 0 < implicit_from <= depth else layout
        tag, vr, length, start = _header(data, position, here, is_whole=is_whole)
        position = start if length == _UNDEFINED else start + length
        if position > len(data) and tag <= _LAST:
            if is_whole:
                raise InstanceRejected(CANNOT_UNDERSTAND, "an element is longer than the data set")
            raise _MoreToCome
        if depth == 0 and tag[0] != _ITEM_GROUP:
            yield tag, data[start : start if length == _UNDEFINED else position]
        if tag in (_ITEM_END, _SEQUENCE_END):
            depth -= 1
            implicit_from = implicit_from if depth >= implicit_from else 0
        elif length == _UNDEFINED:
            depth += 1
            implicit_from = depth if vr == b"UN" and not implicit_from else implicit_from
        if depth < 0:
            raise InstanceRejected(CANNOT_UNDERSTAND, "a sequence ends that did not begin")
    raise InstanceRejected(CANNOT_UNDERSTAND, "too many elements before group 0020")


def _header(data: memoryview, at: int, layout: _Layout, *, is_whole: bool) -> tuple[tuple[int, int], bytes, int, int]:
    """Return tag, VR (empty when implicit), length and the position of the value."""
    try:
        group, element, vr, length = layout.short.unpack_from(data, at)
        if layout.is_implicit or group == _ITEM_GROUP:
            return (group, element), b"", layout.implicit.unpack_from(data, at)[2], at + 8
        if vr in _LONG_VRS:
            return (group, element), vr, layout.length.unpack_from(data, at + 8)[0], at + 12
    except struct.error:
        if is_whole:
            raise InstanceRejected(CANNOT_UNDERSTAND, "the data set ends within an element") from None
        raise _MoreToCome from None
    if not (vr.isalpha() and vr.isupper()):
        raise InstanceRejected(CANNOT_UNDERSTAND, "an element has no value representation")
    return (group, element), vr, length, at + 8
