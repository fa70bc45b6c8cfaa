"""A guard on one connection: no PDU longer than a cap, none slower than its deadline, no message without end."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Any

_HEADER_BYTES = 6  # PDU type, reserved, length of the rest (PS3.8 9.3.1)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one peer may ask of a connection.

    Attributes
    ----------
    negotiation_s
        For one PDU while no association is established, s.
    pdu_s
        For one PDU afterwards, from its first byte to its last, s; also for the peer to take what is sent to it.
    pdu_bytes
        Longest PDU. A-ASSOCIATE-RQ is not bound by the negotiated length; the longest that makes sense has 128
        contexts of 40 transfer syntaxes, 340 kB.
    message_bytes
        Longest message, all its PDUs together.
    """

    negotiation_s: float = 5.0
    pdu_s: float = 30.0
    pdu_bytes: int = 1 << 20
    message_bytes: int = 1 << 30


class ConnectionGuard:
    """Stands in for the receive function of a pynetdicom connection.

    pynetdicom reads a PDU of any declared length into memory and waits for its end for ever. An `OSError` from here
    makes it close the connection.

    Parameters
    ----------
    association
        A pynetdicom association whose transport connection is open.
    limits
        For this peer.
    """

    def __init__(self, association: Any, limits: ConnectionLimits) -> None:
        self._association = association
        self._socket: socket.socket = association.dul.socket.socket
        self._limits = limits
        self._deadline = 0.0
        self._message_bytes = 0
        association.dul.socket.recv = self.receive
        self._socket.settimeout(limits.pdu_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def message_ended(self) -> None:
        """Note that a whole message was received: the next one starts from nothing."""
        self._message_bytes = 0

    def receive(self, length: int) -> bytearray:
        """Return `length` bytes from the peer, or fewer when it closed the connection.

        Raises
        ------
        OSError
            When a limit is passed or the connection breaks.
        """
        if length == _HEADER_BYTES:
            self._deadline = time.monotonic() + self._seconds_for_a_pdu()
        self._message_bytes += length
        if length > self._limits.pdu_bytes or self._message_bytes > self._limits.message_bytes:
            raise ConnectionAbortedError("the PDU or message is longer than allowed")
        buffer = bytearray(length)
        with memoryview(buffer) as view:
            received = self._fill(view)
        del buffer[received:]
        self._socket.settimeout(self._limits.pdu_s)
        return buffer

    def _seconds_for_a_pdu(self) -> float:
        return self._limits.pdu_s if self._association.is_established else self._limits.negotiation_s

    def _fill(self, view: memoryview) -> int:
        filled = 0
        while filled < len(view):
            left_s = self._deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("the PDU was not complete in time")
            self._socket.settimeout(left_s)
            received = self._socket.recv_into(view[filled:])
            if not received:
                break
            filled += received
        return filled
