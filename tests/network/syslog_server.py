"""A syslog receiver that keeps what it is sent, over TCP or TLS, and certificates for it."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class SyslogServer:
    port: int
    received: list[bytes] = field(default_factory=list)


@contextmanager
def syslog_server(*, tls: ssl.SSLContext | None = None, resets: int = 0) -> Iterator[SyslogServer]:
    """Listen; the first `resets` connections are reset after the first bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SyslogServer(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, server, tls, resets))
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)


def _serve(listener: socket.socket, server: SyslogServer, tls: ssl.SSLContext | None, resets: int) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(20)
            if resets:
                resets -= 1
                connection.recv(1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                continue
            try:
                server.received += _frames(_read(connection, tls))
            except (ssl.SSLError, ConnectionResetError):
                continue  # a client that does not trust us, or that we do not


def _read(connection: socket.socket, tls: ssl.SSLContext | None) -> bytes:
    if tls is None:
        return _all(connection)
    with tls.wrap_socket(connection, server_side=True) as secret:
        content = _all(secret)
        secret.unwrap()
        return content


def _all(connection: socket.socket) -> bytes:
    content = b""
    while piece := connection.recv(65536):
        content += piece
    return content


def _frames(content: bytes) -> Iterator[bytes]:
    """Take messages apart by their octet counts (RFC 5425 4.3)."""
    while content:
        length, _, rest = content.partition(b" ")
        yield rest[: int(length)]
        content = rest[int(length) :]


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that signs itself; return it and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*command.split(), f"/CN={name}", *names], check=True, capture_output=True)
    return certificate, key


def server_context(certificate: Path, key: Path, *, trusted: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if trusted is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(trusted)
    return context
