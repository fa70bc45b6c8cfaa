"""Command sets: the elements of group 0000 that a DIMSE message begins with (PS3.7 6.3.1, 9.3, E)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from dicom_node.dimse.pdu import AbortReason
from dicom_node.domain.identifiers import is_uid
from dicom_node.errors import ProtocolBroken

MAXIMUM_BYTES = 1 << 16
"""Of a command set: the longest that PS3.7 knows are some hundred bytes."""

_ELEMENT = Struct("<HHL")  # implicit VR little endian, always (PS3.7 6.3.1)
_US = Struct("<H")

NO_DATA_SET = 0x0101  # CommandDataSetType (PS3.7 E.1)
RESPONSE = 0x8000  # the bit by which the command field of a response differs from its request's


class CommandField(IntEnum):
    """The requests that the own loop answers itself (PS3.7 E.1)."""

    C_STORE_RQ = 0x0001
    C_ECHO_RQ = 0x0030
    C_CANCEL_RQ = 0x0FFF


@dataclass(frozen=True, slots=True)
class Command:
    """What a request says (PS3.7 9.3); empty where it does not say it.

    Attributes
    ----------
    field
        CommandField (0000,0100).
    message_id
        MessageID (0000,0110).
    has_data_set
        Whether a data set follows, by CommandDataSetType (0000,0800).
    sop_class_uid, sop_instance_uid
        AffectedSOPClassUID (0000,0002), AffectedSOPInstanceUID (0000,1000), without padding.
    """

    field: int
    message_id: int
    has_data_set: bool
    sop_class_uid: str
    sop_instance_uid: str


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii", errors="replace")


def _us(value: bytes) -> int:
    if len(value) != _US.size:
        raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "a number in the command set has a wrong length")
    return int(_US.unpack(value)[0])


_GROUP_LENGTH, _SOP_CLASS, _FIELD, _ID, _RESPONDED_TO = 0x0000, 0x0002, 0x0100, 0x0110, 0x0120
_DATA_SET_TYPE, _STATUS, _COMMENT, _SOP_INSTANCE = 0x0800, 0x0900, 0x0902, 0x1000

_READ: Mapping[int, Callable[[bytes], int | str]] = {
    _SOP_CLASS: _uid, _FIELD: _us, _ID: _us, _DATA_SET_TYPE: _us, _SOP_INSTANCE: _uid,
}  # fmt: skip


def decode(encoded: bytes | bytearray) -> Command:
    """Read the command set of a request.

    Elements that no request of `CommandField` has are passed over.

    Raises
    ------
    ProtocolBroken
        When it cannot be followed, holds an element twice or out of order, or lacks what every request has.
    """
    values: dict[int, int | str] = {}
    at, previous = 0, -1
    while at < len(encoded):
        if len(encoded) - at < _ELEMENT.size:
            raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "the command set is cut off")
        group, element, length = _ELEMENT.unpack_from(encoded, at)
        start, at = at + _ELEMENT.size, at + _ELEMENT.size + length
        if group != 0 or element <= previous or at > len(encoded):
            raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "the command set cannot be followed")
        previous = element
        if element in _READ:
            values[element] = _READ[element](bytes(encoded[start:at]))
    return _command(values)


def _command(values: Mapping[int, int | str]) -> Command:
    for element, keyword in ((_FIELD, "CommandField"), (_DATA_SET_TYPE, "CommandDataSetType")):
        if element not in values:
            raise ProtocolBroken(AbortReason.INVALID_PARAMETER, f"the command set has no {keyword}")
    field = int(values[_FIELD])
    if _ID not in values and field != CommandField.C_CANCEL_RQ:  # which says which it cancels instead (9.3.2.3)
        raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "the command set has no MessageID")
    return Command(
        field=field,
        message_id=int(values.get(_ID, 0)),
        has_data_set=values[_DATA_SET_TYPE] != NO_DATA_SET,
        sop_class_uid=str(values.get(_SOP_CLASS, "")),
        sop_instance_uid=str(values.get(_SOP_INSTANCE, "")),
    )


def response(request: Command, status: int, *, comment: str = "") -> bytes:
    """Encode the response to a request (PS3.7 9.3.1.2, 9.3.5.2).

    Parameters
    ----------
    request
        What it answers. Its UIDs go back, where they are some.
    status
        Status (0000,0900).
    comment
        ErrorComment (0000,0902), at most 64 characters.
    """
    rest = b"".join(
        (
            _encoded_uid(_SOP_CLASS, request.sop_class_uid),
            _encoded_us(_FIELD, request.field | RESPONSE),
            _encoded_us(_RESPONDED_TO, request.message_id),
            _encoded_us(_DATA_SET_TYPE, NO_DATA_SET),
            _encoded_us(_STATUS, status),
            _encoded(_COMMENT, comment.encode("ascii", errors="replace"), pad=b" "),
            _encoded_uid(_SOP_INSTANCE, request.sop_instance_uid),
        )
    )
    return _ELEMENT.pack(0, _GROUP_LENGTH, 4) + len(rest).to_bytes(4, "little") + rest


def _encoded(element: int, value: bytes, *, pad: bytes) -> bytes:
    if not value:
        return b""
    padded = value + pad * (len(value) % 2)
    return _ELEMENT.pack(0, element, len(padded)) + padded


def _encoded_us(element: int, value: int) -> bytes:
    return _ELEMENT.pack(0, element, _US.size) + _US.pack(value)


def _encoded_uid(element: int, uid: str) -> bytes:
    return _encoded(element, uid.encode(), pad=b"\0") if is_uid(uid) else b""
