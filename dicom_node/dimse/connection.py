"""A connection on which PDUs come and go, TCP or TLS: one buffer, a deadline for everything."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress

from dicom_node.dimse.pdu import HEADER, check_header

_FIRST_CAPACITY = 1 << 14  # what a connection costs that never becomes an association


class Connection:
    """One connection, used by one thread; only `interrupt` may be called by another.

    Parameters
    ----------
    sock
        Connected. TLS is done with its handshake.
    clock
        Seconds that never jump.
    """

    def __init__(self, sock: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self.received_any = False
        self.interrupted = False
        self._socket = sock
        self._clock = clock
        self._start = self._end = 0
        self._buffer = bytearray(_FIRST_CAPACITY)
        self._view = memoryview(self._buffer)

    def run_over(self, sock: socket.socket) -> None:
        """Go on over what stands in for the socket: one that encrypts. Nothing must have been received."""
        self._socket = sock

    def receive(self, *, by: float, whole_by: float, pdu_s: float, maximum: int) -> tuple[int, memoryview]:
        """Wait for a PDU; return its type and what follows its header, valid until the next call.

        Parameters
        ----------
        by
            When its first byte must have come, by the clock.
        whole_by
            When its last must have come, however late it began.
        pdu_s
            How long the rest may take once the first byte is there, s.
        maximum
            Longest that may come, bytes after the header; nothing of a longer one is kept.

        Raises
        ------
        ProtocolBroken
            When what comes is no PDU, or a longer one.
        TimeoutError
            When it did not come in time.
        OSError
            When the connection is lost, EOFError when the peer has closed it.
        """
        self._await(1, min(by, whole_by), "nothing came for too long")
        end = min(self._clock() + pdu_s, whole_by)
        self._await(HEADER.size, end, "a PDU was not complete in time")
        pdu_type, length = HEADER.unpack_from(self._buffer, self._start)
        check_header(pdu_type, length, maximum=maximum)
        self._await(HEADER.size + length, end, "a PDU was not complete in time")
        body = self._start + HEADER.size
        self._start = body + length
        return pdu_type, self._view[body : self._start]

    def has_come(self, *, by: float) -> bool:
        """Wait for the first byte of a PDU; tell whether it came in time, by the clock.

        Raises
        ------
        OSError
            When the connection is lost, EOFError when the peer has closed it.
        """
        try:
            self._await(1, by, "nothing came")
        except TimeoutError:
            return False
        return True

    def reserve(self, capacity: int) -> None:
        """Make the buffer so large that as much can be read at once."""
        if capacity > len(self._buffer):
            held = self._buffer[self._start : self._end]
            self._buffer = bytearray(capacity)
            self._view = memoryview(self._buffer)
            self._start, self._end = 0, len(held)
            self._buffer[: len(held)] = held

    def _await(self, length: int, by: float, otherwise: str) -> None:
        """Have `length` bytes of what is next in the buffer."""
        while self._end - self._start < length:
            self._make_room(length)
            left_s = by - self._clock()
            if left_s <= 0:
                raise TimeoutError(otherwise)
            self._socket.settimeout(left_s)
            try:
                received = self._socket.recv_into(self._view[self._end :])
            except TimeoutError:
                raise TimeoutError(otherwise) from None
            if not received:
                raise EOFError("the peer closed the connection")
            self._end += received
            self.received_any = True

    def _make_room(self, length: int) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        if length > len(self._buffer):
            self.reserve(length)
        elif self._start + length > len(self._buffer):
            held = self._end - self._start
            self._buffer[:held] = self._buffer[self._start : self._end]
            self._start, self._end = 0, held

    def send(self, data: bytes, *, within_s: float) -> None:
        """Send all of it.

        Raises
        ------
        OSError
            When the connection is lost; TimeoutError when the peer does not take it in time.
        """
        self._socket.settimeout(within_s)
        self._socket.sendall(data)

    def interrupt(self) -> None:
        """Have a waiting `receive` raise EOFError now, from another thread; sending stays possible."""
        self.interrupted = True
        with suppress(OSError):
            # of the plain socket also under TLS: SSLSocket.shutdown would drop the session that the A-ABORT needs
            socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def wait_for_close(self, *, by: float) -> None:
        """Let the peer close, as is its turn (PS3.8 Sta13): closing first may reset what it has not read yet."""
        self._start = self._end = 0
        with suppress(OSError):
            while (left_s := by - self._clock()) > 0 and not self.interrupted:
                self._socket.settimeout(left_s)
                if not self._socket.recv_into(self._view):
                    return

    def close(self) -> None:
        """Close it."""
        with suppress(OSError):
            self._socket.close()
