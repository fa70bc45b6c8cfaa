from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from dicom_node.dimse.connection import Connection
from dicom_node.errors import ProtocolBroken


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def pdu(length: int, kind: int = 4) -> bytes:
    return struct.pack(">BxL", kind, length) + bytes(index % 251 for index in range(length))


def receive(connection: Connection, *, maximum: int = 1 << 17) -> tuple[int, bytes]:
    kind, body = connection.receive(by=1e9, whole_by=1e9, pdu_s=60, maximum=maximum)
    return kind, bytes(body)


def test_pdus_are_told_apart_however_they_lie_in_the_buffer(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    connection = Connection(ours, lambda: 0.0)
    sent = [pdu(length) for length in (0, 1, 4000, 16_378, 9000, 9000, 30_000, 5)]
    for each in sent:
        theirs.sendall(each + pdu(7))
        assert receive(connection) == (4, each[6:])
        assert receive(connection) == (4, pdu(7)[6:])
    connection.reserve(1 << 18)
    theirs.sendall(b"".join(sent[:5]))
    assert [receive(connection)[1] for _ in sent[:5]] == [each[6:] for each in sent[:5]]


def test_what_was_received_outlives_a_larger_buffer(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    connection = Connection(ours, lambda: 0.0)
    theirs.sendall(pdu(3) + pdu(9) + pdu(2)[:8])
    receive(connection)
    connection.reserve(1 << 18)
    assert receive(connection) == (4, pdu(9)[6:])
    theirs.sendall(pdu(2)[8:])
    assert receive(connection) == (4, pdu(2)[6:])


def test_a_wait_for_the_first_byte_takes_nothing_and_ends_in_time(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    connection = Connection(ours, lambda: 0.0)
    assert not connection.has_come(by=0.001)
    theirs.sendall(pdu(3))
    assert connection.has_come(by=10)
    assert receive(connection) == (4, pdu(3)[6:])
    theirs.close()
    with pytest.raises(EOFError):
        connection.has_come(by=10)


def test_a_header_is_judged_before_its_pdu_is_read(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(struct.pack(">BxL", 4, 101))
    with pytest.raises(ProtocolBroken, match="longer than allowed"):
        receive(Connection(ours, lambda: 0.0), maximum=100)


@pytest.mark.parametrize(
    ("arrived", "why"), [(b"", "nothing came"), (b"\4", "not complete in time"), (pdu(9)[:-1], "not complete in time")]
)
def test_time_runs_for_the_first_byte_and_then_for_the_rest(
    pair: tuple[socket.socket, socket.socket], arrived: bytes, why: str
) -> None:
    ours, theirs = pair
    theirs.sendall(arrived)
    with pytest.raises(TimeoutError, match=why):
        Connection(ours, lambda: 0.0).receive(by=0.01, whole_by=1e9, pdu_s=0.01, maximum=100)


def test_a_waiting_thread_is_interrupted_and_can_still_say_goodbye(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    connection = Connection(ours, lambda: 0.0)
    connection.interrupt()
    with pytest.raises(EOFError):
        receive(connection)
    connection.send(b"goodbye", within_s=5)
    assert theirs.recv(100) == b"goodbye"
