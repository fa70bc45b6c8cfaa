"""Where audit messages go: a file, or a syslog receiver over TLS or TCP (PS3.15 A.6, RFC 5424, RFC 5425)."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeAlias

Message: TypeAlias = tuple[datetime, str]
"""When it was written, UTC, and its XML."""

PRIORITY = 10 * 8 + 5  # security/authorization messages, normal but significant (PS3.15 A.6)
MESSAGE_ID = "DICOM+RFC3881"
_BOM = "\ufeff"  # says that what follows is UTF-8 (RFC 5424 6.4)
_TIMEOUT_S = 10.0
_GOODBYE_S = 2.0


class AuditReceiver(Protocol):
    """Takes audit messages."""

    def send(self, messages: Sequence[Message]) -> None:
        """Send messages, in their order; sending some of them again must do no harm.

        Raises
        ------
        OSError
            When they may not have arrived.
        """
        ...


class AuditFile:
    """A file to which each message is added as a line.

    It is opened anew each time: a tool that rotates logs may move it away.

    Parameters
    ----------
    path
        Its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, messages: Sequence[Message]) -> None:
        """Add messages; when this returns they would survive a power cut."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(f"{text}\n".encode() for _, text in messages)
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class SyslogReceiver:
    """A syslog receiver.

    Attributes
    ----------
    host, port
        Where it listens.
    tls
        How it is spoken to in secret; None: TCP alone, for a receiver on the same machine.
    host_name, process_id
        HOSTNAME and PROCID of the messages.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    host_name: str
    process_id: str

    def send(self, messages: Sequence[Message]) -> None:
        """Send messages over a connection of their own, and wait for the receiver to close it as well.

        Syslog answers nothing (RFC 5425 4.3): a receiver that has read up to our end has at least got them all.
        """
        with socket.create_connection((self.host, self.port), _TIMEOUT_S) as plain:
            if self.tls is None:
                plain.sendall(self._frames(messages))
                plain.shutdown(socket.SHUT_WR)
                _wait_for_the_end(plain)
            else:
                with self.tls.wrap_socket(plain, server_hostname=self.host) as secret:
                    secret.sendall(self._frames(messages))
                    _say_goodbye(secret)

    def _frames(self, messages: Sequence[Message]) -> bytes:
        return b"".join(frame(each, host_name=self.host_name, process_id=self.process_id) for each in messages)


def frame(message: Message, *, host_name: str, process_id: str) -> bytes:
    """Return a syslog message, counted in octets (RFC 5424 6, RFC 5425 4.3.1).

    Parameters
    ----------
    host_name, process_id
        As RFC 5424 names them.
    """
    at, text = message
    time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = f"<{PRIORITY}>1 {time} {_word(host_name, 255)} dicom-node {_word(process_id, 128)} {MESSAGE_ID} - "
    octets = (head + _BOM + text).encode()
    return b"%d %b" % (len(octets), octets)


def tls_context(ca_file: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return how to speak to a receiver: its certificate is checked, ours shown where there is one.

    Parameters
    ----------
    ca_file
        Certificates to trust; None: those of the system.
    certificate, key
        Ours, PEM.

    Raises
    ------
    OSError
        When a file cannot be read or does not hold what it should.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, key, password=lambda: "")  # never ask on the terminal
    return context


def _word(text: str, at_most: int) -> str:
    """Return what may stand in a syslog header: printable ASCII without spaces (RFC 5424 6.2)."""
    return "".join(c for c in text if "!" <= c <= "~")[:at_most] or "-"


def _wait_for_the_end(connection: socket.socket) -> None:
    connection.settimeout(_GOODBYE_S)
    with suppress(TimeoutError):  # it keeps its side open, as it may; a reset is an error
        while connection.recv(4096):
            pass


def _say_goodbye(secret: ssl.SSLSocket) -> None:
    secret.settimeout(_GOODBYE_S)
    # many receivers close without a closing alert of their own
    with suppress(TimeoutError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        secret.unwrap()
