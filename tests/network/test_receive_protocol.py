"""What the Standard lets a peer do, in the ways that peers do it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_instances import made_instance
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from raw_peer import (
    COMMAND,
    DATA,
    LAST,
    RELEASE,
    RawPeer,
    command,
    elements,
    encoded,
    p_data,
    rejection,
    request,
    store_command,
)
from until import until
from ward import ECHO, ECHO_CONTEXT, Ward

from dicom_node.receive.limits import ReceiverLimits

pytestmark = pytest.mark.network


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(tmp_path)
    yield ward
    ward.stop()


def test_an_association_that_lasts_too_long_is_ended(ward: Ward) -> None:
    receiver = ward.start(ReceiverLimits(association_s=0.3))
    with RawPeer(receiver.port) as peer:
        assert peer.read()[0] == 7
    ward.is_alive()


def test_what_an_association_brought_is_told_when_it_is_over(ward: Ward) -> None:
    receiver, dataset = ward.start(), made_instance()
    data = encoded(dataset)
    with RawPeer(receiver.port) as peer:
        for piece in (data, data[:-40], b""):  # the second has another content, the third none
            peer.send(p_data((1, COMMAND | LAST, store_command(dataset)), (1, DATA | LAST, piece)))
        assert [peer.status() for _ in range(3)] == [0x0000, 0x0000, 0xC000]
        peer.send(RELEASE)
        assert peer.read()[0] == 6
    until(lambda: ward.events)
    (event,) = ward.events
    assert (event.outcome, event.reason) == ("released", None)
    assert (event.instances, event.bytes, event.refused_instances) == (2, 2 * len(data) - 40, 1)
    assert event.started_at < event.ended_at


def test_a_data_set_may_come_in_fragments_of_any_length(ward: Ward) -> None:
    receiver, dataset = ward.start(), made_instance()
    data, told = encoded(dataset), store_command(dataset)
    with RawPeer(receiver.port, request((ECHO_CONTEXT, (3, MRImageStorage, ExplicitVRLittleEndian)))) as peer:
        peer.send(b"".join(p_data((3, COMMAND, told[at : at + 9])) for at in range(0, len(told), 9)))
        peer.send(p_data((3, COMMAND | LAST, b"")))
        peer.send(
            b"".join(
                p_data((3, DATA, data[at : at + 3]), (3, DATA, data[at + 3 : at + 4])) for at in range(0, len(data), 4)
            )
        )
        peer.send(p_data((3, DATA | LAST, b"")))
        assert peer.status() == 0x0000
        # two messages at once: the second answer follows the first
        peer.send(ECHO + p_data((3, COMMAND | LAST, told), (3, DATA | LAST, data)))
        assert [peer.status(), peer.status()] == [0x0000, 0x0000]
    (path,) = ward.folder.rglob("*.dcm")
    assert path.read_bytes().endswith(data)
    ward.is_alive()


def test_a_peer_that_takes_little_at_once_gets_its_answer_in_pieces(ward: Ward) -> None:
    receiver = ward.start()
    with RawPeer(receiver.port, request((ECHO_CONTEXT,), maximum=32)) as peer:
        peer.send(ECHO)
        pieces = []
        while not pieces or not pieces[-1][11] & LAST:
            pieces.append(peer.read())
        assert max(map(len, pieces)) <= 6 + 32
        whole = b"".join(piece[12:] for piece in pieces)
        assert whole[:12] == struct.pack("<HHLL", 0, 0, 4, len(whole) - 12)
    ward.is_alive()


def test_an_unknown_command_is_refused_a_stray_cancel_passed_over_and_the_association_goes_on(ward: Ward) -> None:
    receiver = ward.start()
    cancel = {0x0100: b"\xff\x0f", 0x0120: b"\x07\0", 0x0800: b"\x01\x01"}
    with RawPeer(receiver.port, request((ECHO_CONTEXT,))) as peer:
        peer.send(p_data((1, COMMAND | LAST, command(elements(0x0020)))))
        assert peer.status() == 0x0211
        peer.send(p_data((1, COMMAND | LAST, command(elements(0x0001)))))  # a verification that is to be stored
        assert peer.status() == 0x0211
        peer.send(p_data((1, COMMAND | LAST, command(cancel))) + ECHO)
        assert peer.status() == 0x0000
    ward.is_alive()


@pytest.mark.parametrize(
    ("asking", "fields"),
    [(request(version=2), (1, 2, 2)), (request(application_context=b"1.2.3"), (1, 1, 2))],
)
def test_a_request_of_another_protocol_is_rejected(ward: Ward, asking: bytes, fields: tuple[int, int, int]) -> None:
    with RawPeer(ward.start().port, asking) as peer:
        assert rejection(peer.answer) == fields
    ward.is_alive()


def test_what_is_offered_beyond_contexts_is_declined(ward: Ward) -> None:
    offers = b"".join(
        struct.pack(">BxH", kind, len(value)) + value
        for kind, value in (
            (0x53, b"\0\x05\0\x05"),  # asynchronous operations
            (0x54, b"\0\x03" + b"1.2" + b"\1\1"),  # roles
            (0x56, b"\0\x03" + b"1.2" + b"\0"),  # extended negotiation
            (0x58, b"\1\1\0\4user\0\0"),  # identity
        )
    )
    receiver = ward.start()
    with RawPeer(receiver.port, request((ECHO_CONTEXT, (5, "1.2.3", "1.2")), user_items=offers)) as peer:
        assert peer.answer[0] == 2
        contexts, user = peer.answer.split(b"\x50\0", 1)
        assert not any(bytes((kind, 0)) in user for kind in (0x53, 0x54, 0x56, 0x58))
        assert contexts.index(b"\x21\0\0\x1b\x01\0\0\0") < contexts.index(b"\x21\0\0\x0b\x05\0\x03\0")
    ward.is_alive()
