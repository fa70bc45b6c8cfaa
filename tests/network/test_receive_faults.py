"""Network and protocol faults, by their numbers in docs/explanation/reliability.md: the receiver stays as it was."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from made_instances import made_instance
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from raw_peer import (
    COMMAND,
    DATA,
    LAST,
    RELEASE,
    VERIFICATION,
    RawPeer,
    aborted,
    command,
    elements,
    encoded,
    p_data,
    request,
    store_command,
)
from until import until

from dicom_node.domain.association import AssociationEvent
from dicom_node.domain.ports import InstanceStore
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.settings import CallingAe
from dicom_node.spool.instances import Spool

pytestmark = pytest.mark.network

ECHO = p_data((1, COMMAND | LAST, command(elements(0x0030))))
ECHO_CONTEXT = (1, VERIFICATION, ExplicitVRLittleEndian)
QUICK = ReceiverLimits(negotiation_s=0.4, pdu_s=0.4)


class Ward:
    """A receiver on a spool, with the accounts it gave, and what must be as before when a fault is over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool: InstanceStore = Spool(folder)
        self.events: list[AssociationEvent] = []
        self._receivers: list[Receiver] = []

    def start(self, limits: ReceiverLimits = QUICK, callers: object = "any") -> Receiver:
        policy = Policy("HARMONIZE", callers)  # type: ignore[arg-type]  # the type of two kinds of callers
        receiver = Receiver(self.spool, policy, limits=limits, on_association=self.events.append)
        receiver.start()
        self._receivers.append(receiver)
        self._before = self._held()
        return receiver

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file() and path.parent.name != "news"]

    def is_alive(self) -> None:
        """See that an echo is answered and that threads and file handles are back to what they were."""
        with RawPeer(self._receivers[-1].port, request((ECHO_CONTEXT,))) as peer:
            peer.send(ECHO)
            assert peer.status() == 0x0000
            peer.send(RELEASE)
            assert peer.read()[0] == 6
        until(lambda: self._held() <= self._before)

    def _held(self) -> int:
        own = sum(thread.name == "dicom-connection" for thread in threading.enumerate())
        return own + len(os.listdir("/proc/self/fd"))

    def outcomes(self) -> list[tuple[str, str | None]]:
        return [(event.outcome, event.reason) for event in self.events]

    def stop(self) -> None:
        for receiver in self._receivers:
            receiver.stop(0)


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


def rejection(pdu: bytes) -> tuple[int, ...]:
    assert pdu[0] == 3
    return tuple(pdu[7:10])


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
    assert ward.outcomes()[0] == ("aborted", "not a PDU")


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
        (p_data((1, COMMAND | LAST, command(elements(0x8030)))), 0),  # an answer to nothing
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
    assert ward.events[0].outcome == "aborted"


@pytest.mark.parametrize(("calling", "called", "reason"), [("", "HARMONIZE", 3), ("SCANNER", "", 7)])
def test_fault_14_a_title_of_spaces_is_rejected_and_logged(ward: Ward, calling: str, called: str, reason: int) -> None:
    with structlog.testing.capture_logs() as logs:
        receiver = ward.start()
        with RawPeer(receiver.port, request(calling=calling, called=called)) as peer:
            assert rejection(peer.answer) == (1, 1, reason)
        ward.is_alive()
    assert "association_rejected" in [each["event"] for each in logs]


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
    assert ward.outcomes()[0] == ("aborted", "a data set is longer than allowed")


def test_fault_15_a_command_without_end_is_cut_off(ward: Ward) -> None:
    breach(ward, p_data((1, COMMAND, bytes(15_000))) * 5, 6)


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
