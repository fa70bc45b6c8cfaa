"""The protocol data units of the upper layer: their types, headers and items (PS3.8 9.3)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from dicom_node.errors import ProtocolBroken

HEADER = Struct(">BxL")
"""Type, reserved, length of the rest (PS3.8 9.3.1)."""

_ITEM_HEADER = Struct(">LBB")
_PDV_OVERHEAD = _ITEM_HEADER.size
_COMMAND, _LAST = 0x01, 0x02  # message control header (PS3.8 E.2); the other bits are not looked at


class PduType(IntEnum):
    """The seven there are (PS3.8 9.3.1)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortReason(IntEnum):
    """Why the service provider aborts (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


ABORT_BY_USER, ABORT_BY_PROVIDER = 0, 2
"""Source of an A-ABORT (PS3.8 table 9-26)."""

_LENGTHS = {PduType.RELEASE_RQ: 4, PduType.RELEASE_RP: 4, PduType.ABORT: 4, PduType.ASSOCIATE_RJ: 4}
_TYPES = frozenset(PduType)


class Pdv(NamedTuple):
    """A presentation data value: a fragment of a command or of a data set (PS3.8 9.3.5.1)."""

    context_id: int
    is_command: bool
    is_last: bool
    fragment: memoryview


def check_header(pdu_type: int, length: int, *, maximum: int) -> None:
    """Look at a header before anything of the rest is read.

    Parameters
    ----------
    pdu_type, length
        As they came.
    maximum
        Longest PDU that may come now, bytes after the header.

    Raises
    ------
    ProtocolBroken
        When there is no such PDU, or none of such a length.
    """
    if pdu_type not in _TYPES:
        raise ProtocolBroken(AbortReason.UNRECOGNIZED_PDU, "not a PDU")
    if length > maximum:
        raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "a PDU is longer than allowed")
    if length != _LENGTHS.get(PduType(pdu_type), length):
        raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "a PDU has not the length of its type")


def pdvs(body: memoryview) -> Iterator[Pdv]:
    """Yield what a P-DATA-TF holds (PS3.8 9.3.5).

    Raises
    ------
    ProtocolBroken
        When an item does not fit, holds no message control header, or nothing although more is to come: an end of
        such fragments would never be.
    """
    at = 0
    if not body:
        raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "a P-DATA-TF without a presentation data value")
    while at < len(body):
        if len(body) - at < _PDV_OVERHEAD:
            raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "a presentation data value is cut off")
        length, context_id, control = _ITEM_HEADER.unpack_from(body, at)
        end = at + 4 + length
        if length < 2 or end > len(body):
            raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "a presentation data value has a wrong length")
        if length == 2 and not control & _LAST:
            raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "a presentation data value is empty")
        yield Pdv(context_id, bool(control & _COMMAND), bool(control & _LAST), body[at + _PDV_OVERHEAD : end])
        at = end


def command_pdus(context_id: int, command: bytes, *, maximum: int) -> bytes:
    """Encode a command set as P-DATA-TF PDUs (PS3.8 9.3.5, annex E).

    Parameters
    ----------
    command
        Encoded.
    maximum
        What the peer receives at most in one PDU, bytes after the header; 0: no limit.
    """
    return _p_data(context_id, command, _COMMAND, maximum)


def data_pdus(context_id: int, data_set: bytes, *, maximum: int) -> bytes:
    """Encode a short data set likewise."""
    return _p_data(context_id, data_set, 0, maximum)


def _p_data(context_id: int, content: bytes, kind: int, maximum: int) -> bytes:
    room = max(maximum - _PDV_OVERHEAD, 2) & ~1 if maximum else len(content)  # fragments are even (PS3.8 E.1)
    pieces = [content[at : at + room] for at in range(0, len(content), room)]
    return b"".join(
        HEADER.pack(PduType.P_DATA_TF, len(piece) + _PDV_OVERHEAD)
        + _ITEM_HEADER.pack(len(piece) + 2, context_id, kind | (_LAST if number == len(pieces) else 0))
        + piece
        for number, piece in enumerate(pieces, start=1)
    )


def reject(result: int, source: int, reason: int) -> bytes:
    """Encode an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return HEADER.pack(PduType.ASSOCIATE_RJ, 4) + bytes((0, result, source, reason))


def abort(source: int, reason: int) -> bytes:
    """Encode an A-ABORT (PS3.8 9.3.8)."""
    return HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, source, reason))


RELEASE_RESPONSE = HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)
"""PS3.8 9.3.7."""
