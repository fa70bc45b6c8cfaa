"""Network and protocol faults, by their numbers in docs/explanation/reliability.md: the receiver stays as it was."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from made_instances import made_instance
from raw_peer import (
    COMMAND,
    DATA,
    LAST,
    RELEASE,
    RawPeer,
    aborted,
    command,
    elements,
    encoded,
    p_data,
    rejection,
    request,
    store_command,
)
from until import until
from ward import ECHO, Ward

from dicom_node.log import allow_listed
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.settings import CallingAe

pytestmark = pytest.mark.network

TO_NOTHING = {0x0120: b"\7\0", 0x0900: b"\0\0"}  # MessageIDBeingRespondedTo, Status

console = structlog.dev.ConsoleRenderer(colors=False)


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(tmp_path)
    yield ward
    ward.stop()


def closes(peer: RawPeer) -> bool:
    while peer.read():
        pass
    return True


def test_fault_1_sockets_that_send_three_bytes_and_stay_are_closed_and_keep_no_sender_out(ward: Ward) -> None:
    receiver = ward.start(ReceiverLimits(associations=1, negotiation_s=2))
    stuck = [RawPeer(receiver.port, None) for _ in range(50)]
    for peer in stuck:
        peer.send(b"\x01\x00\x00")
    with RawPeer(receiver.port) as sender:
        assert sender.answer[0] == 2  # while all of them are there
    assert all(closes(peer) for peer in stuck)
    for peer in stuck:
        peer.socket.close()
    ward.is_alive()


def test_fault_3_a_pdu_that_trickles_is_cut_off_at_its_deadline(ward: Ward) -> None:
    receiver = ward.start(ReceiverLimits(pdu_s=0.5, idle_s=60))
    with RawPeer(receiver.port) as peer:
        peer.send(b"\x04\x00\x00\x00\x10\x00")
        peer.socket.settimeout(0.05)
        sent, answer = 0, b""
        while not answer and sent < 200:
            peer.send(b"\0")
            sent += 1
            try:
                answer = peer.socket.recv(10)
            except TimeoutError:
                continue
        assert answer[0] == 7
        assert sent < 200
    ward.is_alive()
    assert ("aborted", "a PDU was not complete in time") in ward.outcomes()
    assert receiver.counters.snapshot().associations_ended == {"released": 1, "aborted": 1, "lost": 0}


def test_fault_4_connections_of_a_load_balancer_leave_nothing_and_are_not_told_of(ward: Ward) -> None:
    receiver = ward.start()
    for _ in range(500):
        socket.create_connection(("127.0.0.1", receiver.port)).close()
    ward.is_alive()
    assert [event.outcome for event in ward.events] == ["released"]  # the echo's


@pytest.mark.parametrize(
    ("calling", "called", "fields", "reason"),
    [
        ("STRANGER", "HARMONIZE", (1, 1, 3), "calling AE title not recognized"),
        ("SCANNER", "OTHER", (1, 1, 7), "called AE title not recognized"),
    ],
)
def test_fault_5_an_unknown_title_is_rejected_and_told_of(
    ward: Ward, calling: str, called: str, fields: tuple[int, int, int], reason: str
) -> None:
    receiver = ward.start(callers=(CallingAe(ae_title="SCANNER"),))
    with RawPeer(receiver.port, request(calling=calling, called=called)) as peer:
        assert rejection(peer.answer) == fields
    until(lambda: ward.events)
    event = ward.events[0]
    assert (event.outcome, event.reason, event.peer) == ("refused", reason, "127.0.0.1")
    assert (event.calling_ae, event.called_ae, event.tls) == (calling, called, False)
    ward.is_alive()


@pytest.mark.parametrize("limits", [ReceiverLimits(associations=2), ReceiverLimits(associations_per_peer=2)])
def test_fault_6_one_association_too_many_is_told_to_come_later(ward: Ward, limits: ReceiverLimits) -> None:
    receiver = ward.start(limits)
    with RawPeer(receiver.port) as first, RawPeer(receiver.port):
        with RawPeer(receiver.port) as third:
            assert rejection(third.answer) == (2, 3, 2)
        first.send(RELEASE)
        assert first.read()[0] == 6
        with RawPeer(receiver.port) as fourth:
            assert fourth.answer[0] == 2
    ward.is_alive()


def test_fault_6_one_connection_too_many_is_closed(ward: Ward) -> None:
    receiver = ward.start(ReceiverLimits(connections=2, negotiation_s=20))
    with RawPeer(receiver.port, None), RawPeer(receiver.port, None), RawPeer(receiver.port, None) as third:
        assert closes(third)
    ward.is_alive()


def test_fault_8_a_reset_in_mid_data_set_leaves_no_file_and_a_resend_works(ward: Ward) -> None:
    receiver, dataset = ward.start(), made_instance(side=64)
    data = encoded(dataset)
    with RawPeer(receiver.port) as peer:
        peer.send(p_data((1, COMMAND | LAST, store_command(dataset))) + p_data((1, DATA, data[:4000])))
        until(lambda: list((ward.folder / "incoming").iterdir()))
        peer.reset()
    until(lambda: ward.outcomes() == [("lost", "the connection was lost")])
    assert ward.files() == []
    with RawPeer(receiver.port) as peer:
        peer.send(p_data((1, COMMAND | LAST, store_command(dataset))) + p_data((1, DATA | LAST, data)))
        assert peer.status() == 0x0000
        peer.send(RELEASE)
        assert peer.read()[0] == 6
    ward.is_alive()
    until(lambda: not list(ward.folder.rglob("*.sender")))
    assert [path.suffix for path in ward.files()] == [".dcm"]


@pytest.mark.parametrize("kind", [1, 4])
def test_fault_9_a_pdu_of_four_gigabytes_is_refused_at_its_header(ward: Ward, kind: int) -> None:
    receiver = ward.start(ReceiverLimits())
    with RawPeer(receiver.port, None if kind == 1 else b"") as peer:
        peer.send(struct.pack(">BxL", kind, 0xFFFFFFF0))
        assert aborted(peer.read(), 6)
    ward.is_alive()


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH_9.2\r\n", b"GET / HTTP/1.1\r\nHost: node\r\n\r\n"])
def test_fault_10_another_protocol_is_answered_with_an_abort(ward: Ward, banner: bytes) -> None:
    receiver = ward.start()
    with RawPeer(receiver.port, None) as peer:
        peer.send(banner)
        assert aborted(peer.read(), 1)
    ward.is_alive()
    assert ("aborted", "not a PDU") in ward.outcomes()
    assert receiver.counters.snapshot().connections_closed["no association request"] == 1


def test_fault_11_data_before_an_association_is_answered_with_an_abort(ward: Ward) -> None:
    receiver = ward.start()
    with RawPeer(receiver.port, None) as peer:
        peer.send(ECHO)
        assert aborted(peer.read(), 2)
    ward.is_alive()


def test_fault_12_a_command_set_without_a_command_is_answered_with_an_abort(ward: Ward) -> None:
    without = elements(0x0030)
    del without[0x0100]
    breach(ward, p_data((1, COMMAND | LAST, command(without))), 6)


@pytest.mark.parametrize(
    ("pdu", "reason"),
    [
        (p_data((3, COMMAND | LAST, command(elements(0x0030)))), 5),
        (p_data((2, COMMAND | LAST, command(elements(0x0030)))), 5),
        (struct.pack(">BxLL", 4, 4, 0), 6),  # a presentation data value of length zero
        (p_data((1, COMMAND, b"")), 6),
        (p_data(), 6),
        (p_data((1, DATA | LAST, b"\0\0")), 5),  # a data set before its command
        (p_data((1, COMMAND, b"\0\0"), (1, DATA, b"\0\0")), 5),
        (struct.pack(">BxLLBB", 4, 8, 200, 1, 3) + b"\0\0", 6),  # longer than the PDU that holds it
        (p_data((1, COMMAND | LAST, command(elements(0x8030) | TO_NOTHING))), 0),  # an answer to nothing
        (request(), 2),
    ],
)
def test_fault_13_fragments_of_nothing_that_was_agreed_are_answered_with_an_abort(
    ward: Ward, pdu: bytes, reason: int
) -> None:
    breach(ward, pdu, reason)


def breach(ward: Ward, pdu: bytes, reason: int) -> None:
    receiver = ward.start()
    with RawPeer(receiver.port) as peer:
        peer.send(pdu)
        assert aborted(peer.read(), reason)
    ward.is_alive()
    assert "aborted" in [event.outcome for event in ward.events]


@pytest.mark.parametrize(("calling", "called", "reason"), [("", "HARMONIZE", 3), ("SCANNER", "", 7)])
def test_fault_14_a_title_of_spaces_is_rejected_and_logged(ward: Ward, calling: str, called: str, reason: int) -> None:
    with structlog.testing.capture_logs() as logs:
        receiver = ward.start()
        with RawPeer(receiver.port, request(calling=calling, called=called)) as peer:
            assert rejection(peer.answer) == (1, 1, reason)
        ward.is_alive()
    assert "association_rejected" in [each["event"] for each in logs]


def test_fault_68_a_title_with_line_breaks_is_rejected_and_is_one_line_of_the_log(ward: Ward) -> None:
    with structlog.testing.capture_logs() as logs:
        receiver = ward.start()
        with RawPeer(receiver.port, request(calling="A\r\n2026 forged")) as peer:
            assert rejection(peer.answer) == (1, 1, 3)
        ward.is_alive()
    told = [each for each in logs if "forged" in str(each)]
    assert {each["event"] for each in told} == {"association_rejected", "association_ended"}
    for each in told:
        written = console(None, "info", dict(allow_listed(None, "info", each)))
        assert "forged" in written
        assert written.splitlines() == [written]


@pytest.mark.parametrize(
    "endless",
    [
        lambda dataset: p_data((1, DATA, encoded(dataset)[:600])),  # bigger and bigger
        lambda dataset: p_data((1, DATA, b"\x08\x00\x05\x00OB\0\0\xf0\xff\xff\xff")),  # an element without end
    ],
)
def test_fault_15_a_data_set_without_end_is_cut_off_and_its_file_removed(
    ward: Ward, endless: Callable[..., bytes]
) -> None:
    receiver, dataset = ward.start(ReceiverLimits(instance_bytes=20_000)), made_instance()
    with RawPeer(receiver.port) as peer:
        peer.send(p_data((1, COMMAND | LAST, store_command(dataset))))
        peer.send(endless(dataset) * 1700)
        assert aborted(peer.read(), 0)
    ward.is_alive()
    assert ward.files() == []
    assert ("aborted", "a data set is longer than allowed") in ward.outcomes()


def test_fault_15_a_command_without_end_is_cut_off(ward: Ward) -> None:
    breach(ward, p_data((1, COMMAND, bytes(15_000))) * 5, 6)
