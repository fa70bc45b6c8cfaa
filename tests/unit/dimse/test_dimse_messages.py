from __future__ import annotations

import struct
from io import BytesIO

import pytest
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom.dimse_messages import C_STORE_RSP, N_ACTION_RQ, N_EVENT_REPORT_RQ
from pynetdicom.dimse_primitives import C_STORE, N_ACTION, N_EVENT_REPORT
from pynetdicom.dsutils import decode as decode_dataset
from pynetdicom.dsutils import encode as encode_dataset

from dicom_node.dimse import commands
from dicom_node.dimse.commands import Command
from dicom_node.dimse.messages import Messages
from dicom_node.dimse.negotiation import AgreedContext, ContextResult
from dicom_node.dimse.pdu import command_pdus, pdvs
from dicom_node.errors import ProtocolBroken

STORE = Command(1, 9, has_data_set=True, sop_class_uid=str(MRImageStorage), sop_instance_uid="1.2.3")


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHL", 0, number, len(value)) + value


def us(value: int) -> bytes:
    return struct.pack("<H", value)


WHOLE = [element(0x0100, us(1)), element(0x0110, us(9)), element(0x0800, us(1))]


def test_a_response_is_what_pynetdicom_would_have_encoded() -> None:
    primitive = C_STORE()
    primitive.MessageIDBeingRespondedTo = 9
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = MRImageStorage, "1.2.3"
    primitive.Status, primitive.ErrorComment = 0xA700, "full"
    message = C_STORE_RSP()
    message.primitive_to_message(primitive)
    assert commands.response(STORE, 0xA700, comment="full") == encode_dataset(message.command_set, True, True)


def test_an_event_report_is_what_pynetdicom_would_have_encoded() -> None:
    primitive = N_EVENT_REPORT()
    primitive.MessageID, primitive.EventTypeID = 3, 2
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
    primitive.EventInformation = BytesIO(b"\0\0")
    message = N_EVENT_REPORT_RQ()
    message.primitive_to_message(primitive)
    ours = commands.event_report(3, "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1", event_type=2)
    assert ours == encode_dataset(message.command_set, True, True)


def test_what_an_action_is_requested_of_is_read_as_what_it_affects() -> None:
    primitive = N_ACTION()
    primitive.MessageID, primitive.ActionTypeID = 3, 1
    primitive.RequestedSOPClassUID, primitive.RequestedSOPInstanceUID = "1.2.840.10008.1.20.1", "1.2.3"
    message = N_ACTION_RQ()
    message.primitive_to_message(primitive)
    encoded = encode_dataset(message.command_set, True, True)
    assert encoded is not None
    assert commands.decode(encoded) == Command(
        0x0130, 3, has_data_set=False, sop_class_uid="1.2.840.10008.1.20.1", sop_instance_uid="1.2.3", action_type=1
    )


def test_a_response_names_the_request_that_it_answers() -> None:
    read = commands.decode(commands.response(STORE, 0x0110, error_id=0xA710))
    assert (read.field, read.message_id, read.status) == (0x8001, 9, 0x0110)
    told = decode_dataset(BytesIO(commands.response(STORE, 0x0110, error_id=0xA710)), True, True)
    assert told.ErrorID == 0xA710


def test_a_uid_that_is_none_does_not_go_back() -> None:
    hostile = Command(1, 9, has_data_set=True, sop_class_uid="../../x", sop_instance_uid="1" * 65)
    read = decode_dataset(BytesIO(commands.response(hostile, 0xC000)), True, True)
    assert "AffectedSOPClassUID" not in read
    assert "AffectedSOPInstanceUID" not in read


@pytest.mark.parametrize("missing", range(3))
def test_a_command_set_without_what_every_request_has_is_a_breach(missing: int) -> None:
    assert commands.decode(b"".join(WHOLE)).message_id == 9
    with pytest.raises(ProtocolBroken, match="has no"):
        commands.decode(b"".join(WHOLE[:missing] + WHOLE[missing + 1 :]))


@pytest.mark.parametrize(
    "encoded",
    [
        b"".join(WHOLE)[:-1],
        b"".join(WHOLE) + b"\0\0",
        b"".join([*WHOLE, WHOLE[2]]),  # twice
        b"".join(reversed(WHOLE)),
        b"".join(WHOLE) + struct.pack("<HHL", 8, 5, 0),  # of another group
        element(0x0100, b"\1"),
        element(0x0100, us(1))[:-2] + b"",
    ],
)
def test_a_command_set_that_cannot_be_followed_is_a_breach(encoded: bytes) -> None:
    with pytest.raises(ProtocolBroken):
        commands.decode(encoded)


@pytest.mark.parametrize("maximum", [0, 8, 9, 30, 16384])
def test_a_command_set_is_cut_to_what_the_peer_takes_and_is_whole_together(maximum: int) -> None:
    response = commands.response(STORE, 0)
    stream, pieces = memoryview(command_pdus(5, response, maximum=maximum)), []
    while stream:
        length = struct.unpack_from(">BxL", stream)[1]
        assert length <= maximum or not maximum
        pieces += pdvs(stream[6 : 6 + length])
        stream = stream[6 + length :]
    assert b"".join(bytes(each.fragment) for each in pieces) == response
    assert [each.is_last for each in pieces] == [False] * (len(pieces) - 1) + [True]
    assert {(each.context_id, each.is_command) for each in pieces} == {(5, True)}


class Kept:
    def __init__(self) -> None:
        self.data, self.discarded = b"", False

    def write(self, fragment: memoryview) -> None:
        self.data += fragment

    def finish(self) -> bytes:
        return b"answer"

    def discard(self) -> None:
        self.discarded = True


def test_what_is_interrupted_is_discarded_and_what_is_whole_is_not() -> None:
    kept: list[Kept] = []

    def begin(_context: AgreedContext, _command: Command) -> Kept:
        kept.append(Kept())
        return kept[-1]

    agreed = AgreedContext(1, MRImageStorage, ExplicitVRLittleEndian, ContextResult.ACCEPTANCE)
    messages = Messages({1: agreed}, begin, maximum_bytes=100)
    told = command_pdus(1, b"".join(WHOLE), maximum=0)[6:]
    data = struct.pack(">LBB", 6, 1, 0) + b"abcd"
    last = struct.pack(">LBB", 6, 1, 2) + b"efgh"
    assert list(messages.take(memoryview(told + data + last + told + data))) == [(1, b"answer")]
    assert [each.data for each in kept] == [b"abcdefgh", b"abcd"]
    messages.discard()
    messages.discard()
    assert [each.discarded for each in kept] == [False, True]
