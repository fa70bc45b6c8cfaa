"""A peer that says byte by byte what a test wants: right, wrong or half of it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom.dsutils import encode

VERIFICATION = "1.2.840.10008.1.1"
COMMAND, DATA, LAST = 1, 0, 2

RELEASE = struct.pack(">BxLL", 5, 4, 0)
ABORT = struct.pack(">BxLL", 7, 4, 0)


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def request(
    contexts: Sequence[tuple[int, str, str]] = ((1, MRImageStorage, ExplicitVRLittleEndian),),
    *,
    calling: str = "SCANNER",
    called: str = "HARMONIZE",
    version: int = 1,
    application_context: bytes = b"1.2.840.10008.3.1.1.1",
    user_items: bytes = b"",
    maximum: int = 16384,
) -> bytes:
    proposed = b"".join(
        item(0x20, bytes((number, 0, 0, 0)) + item(0x30, abstract.encode()) + item(0x40, transfer.encode()))
        for number, abstract, transfer in contexts
    )
    user = item(0x50, item(0x51, struct.pack(">L", maximum)) + item(0x52, b"1.2.3") + user_items)
    titles = called.ljust(16).encode() + calling.ljust(16).encode()
    body = struct.pack(">HH", version, 0) + titles + bytes(32) + item(0x10, application_context) + proposed + user
    return struct.pack(">BxL", 1, len(body)) + body


def p_data(*pdvs: tuple[int, int, bytes]) -> bytes:
    """Return a P-DATA-TF of (context ID, message control header, fragment)."""
    body = b"".join(struct.pack(">LBB", len(value) + 2, number, control) + value for number, control, value in pdvs)
    return struct.pack(">BxL", 4, len(body)) + body


def command(elements: dict[int, bytes]) -> bytes:
    rest = b"".join(struct.pack("<HHL", 0, number, len(value)) + value for number, value in sorted(elements.items()))
    return struct.pack("<HHLL", 0, 0, 4, len(rest)) + rest


def even(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


def elements(field: int, sop_class: str = VERIFICATION, **more: bytes) -> dict[int, bytes]:
    """Return the command set of a request without a data set, message ID 7."""
    return {0x0002: even(sop_class), 0x0100: _us(field), 0x0110: _us(7), 0x0800: _us(0x0101)}


def store_command(dataset: Dataset) -> bytes:
    more = {0x0700: _us(0), 0x0800: _us(1), 0x1000: even(dataset.SOPInstanceUID)}
    return command(elements(1, dataset.SOPClassUID) | more)


def encoded(dataset: Dataset) -> bytes:
    data = encode(dataset, False, True)
    assert data is not None
    return data


def _us(value: int) -> bytes:
    return struct.pack("<H", value)


class RawPeer:
    """A connection; entering associates where `asking` is given."""

    def __init__(self, port: int, asking: bytes | None = b"") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        if asking is not None:
            self.socket.sendall(asking or request())
            self.answer = self.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> bytes:
        """Return the next PDU whole, nothing when the other side closed."""
        head = self._exactly(6)
        return head + self._exactly(struct.unpack(">BxL", head)[1]) if head else b""

    def status(self) -> int:
        """Return the status of the response that comes next."""
        response = self.read()[12:]
        at = response.index(struct.pack("<HHL", 0, 0x0900, 2)) + 8
        return int(struct.unpack_from("<H", response, at)[0])

    def reset(self) -> None:
        """Go as a machine that loses its power does not: with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            try:
                piece = self.socket.recv(count - len(got))
            except ConnectionResetError:
                return b""
            if not piece:
                return b""
            got += piece
        return got


def aborted(pdu: bytes, reason: int) -> bool:
    """Tell whether a PDU is the A-ABORT of a service provider for a reason (PS3.8 9.3.8)."""
    return pdu == struct.pack(">BxLBBBB", 7, 4, 0, 0, 2, reason)


def rejection(pdu: bytes) -> tuple[int, ...]:
    """Return result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    assert pdu[0] == 3
    return tuple(pdu[7:10])
