"""Command sets: the elements of group 0000 that a DIMSE message begins with (PS3.7 6.3.1, 9.3, E)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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

NO_DATA_SET, _DATA_SET = 0x0101, 0x0001  # CommandDataSetType (PS3.7 E.1): any other than the first tells of one
RESPONSE = 0x8000  # the bit by which the command field of a response differs from its request's


class CommandField(IntEnum):
    """The requests that the own loop knows (PS3.7 E.1)."""

    C_STORE_RQ = 0x0001
    C_ECHO_RQ = 0x0030
    N_EVENT_REPORT_RQ = 0x0100
    N_SET_RQ = 0x0120
    N_ACTION_RQ = 0x0130
    N_CREATE_RQ = 0x0140
    C_CANCEL_RQ = 0x0FFF


@dataclass(frozen=True, slots=True)
class Command:
    """What a request or a response says (PS3.7 9.3, 10.3); empty where it does not say it.

    Attributes
    ----------
    field
        CommandField (0000,0100).
    message_id
        MessageID (0000,0110); of a response MessageIDBeingRespondedTo (0000,0120).
    has_data_set
        Whether a data set follows, by CommandDataSetType (0000,0800).
    sop_class_uid, sop_instance_uid
        AffectedSOPClassUID (0000,0002), AffectedSOPInstanceUID (0000,1000), without padding; in N-SET and N-ACTION
        those that are requested, (0000,0003) and (0000,1001).
    action_type
        ActionTypeID (0000,1008).
    status
        Status (0000,0900), which responses have.
    """

    field: int
    message_id: int
    has_data_set: bool
    sop_class_uid: str
    sop_instance_uid: str
    action_type: int | None = None
    status: int | None = None


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii", errors="replace")


def _us(value: bytes) -> int:
    if len(value) != _US.size:
        raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "a number in the command set has a wrong length")
    return int(_US.unpack(value)[0])


_GROUP_LENGTH, _SOP_CLASS, _FIELD, _ID, _RESPONDED_TO = 0x0000, 0x0002, 0x0100, 0x0110, 0x0120
_DATA_SET_TYPE, _STATUS, _COMMENT, _ERROR_ID, _SOP_INSTANCE = 0x0800, 0x0900, 0x0902, 0x0903, 0x1000
_REQUESTED_CLASS, _REQUESTED_INSTANCE, _EVENT_TYPE, _ACTION_TYPE = 0x0003, 0x1001, 0x1002, 0x1008

_READ: Mapping[int, Callable[[bytes], int | str]] = {
    _SOP_CLASS: _uid, _REQUESTED_CLASS: _uid, _FIELD: _us, _ID: _us, _RESPONDED_TO: _us, _DATA_SET_TYPE: _us,
    _STATUS: _us, _SOP_INSTANCE: _uid, _REQUESTED_INSTANCE: _uid, _ACTION_TYPE: _us,
}  # fmt: skip


def decode(encoded: bytes | bytearray) -> Command:
    """Read a command set.

    Elements that say nothing which `Command` holds are passed over.

    Raises
    ------
    ProtocolBroken
        When it cannot be followed, holds an element twice or out of order, or lacks what every such message has.
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
    named_by = _RESPONDED_TO if field & RESPONSE else _ID
    if named_by not in values and field != CommandField.C_CANCEL_RQ:  # which says which it cancels instead (9.3.2.3)
        raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "the command set has no MessageID")
    return Command(
        field=field,
        message_id=int(values.get(named_by, 0)),
        has_data_set=values[_DATA_SET_TYPE] != NO_DATA_SET,
        sop_class_uid=str(values.get(_SOP_CLASS) or values.get(_REQUESTED_CLASS, "")),
        sop_instance_uid=str(values.get(_SOP_INSTANCE) or values.get(_REQUESTED_INSTANCE, "")),
        action_type=_number(values.get(_ACTION_TYPE)),
        status=_number(values.get(_STATUS)),
    )


def _number(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def response(request: Command, status: int, *, comment: str = "", error_id: int | None = None) -> bytes:
    """Encode the response to a request, without a data set (PS3.7 9.3.1.2, 9.3.5.2, 10.3).

    Parameters
    ----------
    request
        What it answers. Its UIDs go back, where they are some, as those of what was affected.
    status
        Status (0000,0900).
    comment
        ErrorComment (0000,0902), at most 64 characters.
    error_id
        ErrorID (0000,0903).
    """
    return _with_group_length(
        (
            _encoded_uid(_SOP_CLASS, request.sop_class_uid),
            _encoded_us(_FIELD, request.field | RESPONSE),
            _encoded_us(_RESPONDED_TO, request.message_id),
            _encoded_us(_DATA_SET_TYPE, NO_DATA_SET),
            _encoded_us(_STATUS, status),
            _encoded(_COMMENT, comment.encode("ascii", errors="replace"), pad=b" "),
            b"" if error_id is None else _encoded_us(_ERROR_ID, error_id),
            _encoded_uid(_SOP_INSTANCE, request.sop_instance_uid),
        )
    )


def event_report(message_id: int, sop_class_uid: str, sop_instance_uid: str, *, event_type: int) -> bytes:
    """Encode an N-EVENT-REPORT request, which a data set follows (PS3.7 10.3.1.1).

    Parameters
    ----------
    message_id
        MessageID (0000,0110).
    sop_class_uid, sop_instance_uid
        Of what it reports on.
    event_type
        EventTypeID (0000,1002).
    """
    return _with_group_length(
        (
            _encoded_uid(_SOP_CLASS, sop_class_uid),
            _encoded_us(_FIELD, CommandField.N_EVENT_REPORT_RQ),
            _encoded_us(_ID, message_id),
            _encoded_us(_DATA_SET_TYPE, _DATA_SET),
            _encoded_uid(_SOP_INSTANCE, sop_instance_uid),
            _encoded_us(_EVENT_TYPE, event_type),
        )
    )


def _with_group_length(elements: Iterable[bytes]) -> bytes:
    rest = b"".join(elements)
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
