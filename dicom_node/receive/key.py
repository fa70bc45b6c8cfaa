"""Reads the key of an instance out of its encoded data set, and nothing else (PS3.5 7.1, 7.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

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
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})


def key_of(dataset: bytes, transfer_syntax_uid: str) -> InstanceKey:
    """Return the four UIDs of an encoded data set.

    Walks over the top level up to group 0020 by a loop without recursion, so that neither giant lengths nor deep
    sequences cost anything; values other than the four are skipped unread.

    Raises
    ------
    InstanceRejected
        With 0xC000 when one of the four is missing, double or no UID, or the encoding cannot be followed.
    """
    values: dict[tuple[int, int], bytes] = {}
    for tag, value in _top_level(dataset, UID(transfer_syntax_uid)):
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


def _top_level(dataset: bytes, syntax: UID) -> Iterator[tuple[tuple[int, int], memoryview]]:
    """Yield tag and value of each element outside sequences; the value of a sequence is empty."""
    data, position, depth, implicit_from = memoryview(dataset), 0, 0, 0
    for _ in range(MAXIMUM_ELEMENTS):
        if position >= len(data):
            return
        # a sequence that passed through a system which did not know it is implicit VR little endian (PS3.5 6.2.2)
        unknown = 0 < implicit_from <= depth
        implicit = unknown or syntax.is_implicit_VR
        order = "<" if unknown or syntax.is_little_endian else ">"
        tag, vr, length, start = _header(data, position, order, implicit=implicit)
        position = start if length == _UNDEFINED else start + length
        if position > len(data) and tag <= _LAST:
            raise InstanceRejected(CANNOT_UNDERSTAND, "an element is longer than the data set")
        if depth == 0 and tag[0] != 0xFFFE:
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


def _header(data: memoryview, at: int, order: str, *, implicit: bool) -> tuple[tuple[int, int], bytes, int, int]:
    """Return tag, VR (empty when implicit), length and the position of the value (PS3.5 7.1.2, 7.1.3)."""
    try:
        group, element = struct.unpack_from(order + "HH", data, at)
        if implicit or group == 0xFFFE:
            return (group, element), b"", struct.unpack_from(order + "L", data, at + 4)[0], at + 8
        vr = bytes(data[at + 4 : at + 6])
        if not (vr.isalpha() and vr.isupper()):
            raise InstanceRejected(CANNOT_UNDERSTAND, "an element has no value representation")
        if vr in _LONG_VRS:
            return (group, element), vr, struct.unpack_from(order + "L", data, at + 8)[0], at + 12
        return (group, element), vr, struct.unpack_from(order + "H", data, at + 6)[0], at + 8
    except struct.error:
        raise InstanceRejected(CANNOT_UNDERSTAND, "the data set ends within an element") from None
