"""TLS, as listener and as caller: versions and ciphers of BCP 195, files of certificates (PS3.15 B.12, RFC 9325)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from dicom_node.errors import RefusedToStart

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325 4.2). Those of TLS 1.3 all have both."""

log = structlog.get_logger()


class TlsRefused(Exception):
    """A handshake that came to nothing although the peer said something; the message is worded here."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where certificates lie, in PEM.

    Attributes
    ----------
    certificate, key
        Of the node; intermediate certificates stand behind its own.
    client_ca
        Who must have signed the certificate that a peer shows; None: peers need none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


class TlsServer:
    """The server's side of TLS.

    Parameters
    ----------
    files
        Read now and at `reload`.

    Raises
    ------
    RefusedToStart
        When they cannot be used.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._context = server_context(files)

    def reload(self) -> None:
        """Read the files again, for connections from now on; where they cannot be used, those before stay in use."""
        try:
            self._context = server_context(self._files)
        except RefusedToStart as refusal:
            log.error("tls_files_not_reloaded", reason=str(refusal))
        else:
            log.info("tls_files_reloaded")

    def wrap(self, sock: socket.socket) -> ssl.SSLSocket:
        """Return what stands in for a connected socket; the handshake is still to come."""
        return self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)


def shake_hands(sock: ssl.SSLSocket, *, within_s: float) -> None:
    """Do the handshake.

    Raises
    ------
    TlsRefused
        When the peers do not agree.
    OSError
        When the peer goes, or does not come to the end in time.
    """
    sock.settimeout(within_s)
    try:
        sock.do_handshake()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError) as error:
        raise ConnectionResetError("the peer has gone") from error
    except ssl.SSLError as error:
        reason = error.reason or "unknown"
        raise TlsRefused(f"TLS: {_REASONS.get(reason, reason.lower().replace('_', ' '))}") from error


_REASONS: Mapping[str, str] = {
    "HTTP_REQUEST": "the peer does not speak it",
    "WRONG_VERSION_NUMBER": "the peer does not speak it",
    "PACKET_LENGTH_TOO_LONG": "the peer does not speak it",
    "RECORD_LAYER_FAILURE": "the peer does not speak it",
    "UNSUPPORTED_PROTOCOL": "the peer's version is too old",
    "VERSION_TOO_LOW": "the peer's version is too old",
    "NO_SHARED_CIPHER": "no common cipher",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer showed no certificate",
    "CERTIFICATE_VERIFY_FAILED": "the peer's certificate is not trusted",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not trust this node's certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer does not trust this node's certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer does not trust this node's certificate",
}


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return how the listener speaks TLS.

    Raises
    ------
    RefusedToStart
        When a file is not there, cannot be read, or the key is not the certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        # a password would be asked for on the terminal: an encrypted key is refused instead
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        raise _unusable("listen.tls", (files.certificate, files.key, files.client_ca), error) from None
    return context


def client_context(
    ca_file: Path | None, certificate: Path | None, key: Path | None, *, what_for: str
) -> ssl.SSLContext:
    """Return how the node speaks TLS where it calls: the other side's certificate and name are checked.

    Parameters
    ----------
    ca_file
        Who must have signed its certificate; None: those whom the system trusts.
    certificate, key
        What the node shows when it is asked; None: nothing.
    what_for
        The settings that name the files.

    Raises
    ------
    RefusedToStart
        When a file is not there, cannot be read, or the key is not the certificate's.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        if certificate is not None:
            context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise _unusable(what_for, (ca_file, certificate, key), error) from None
    return context


def _unusable(what_for: str, files: Sequence[Path | None], error: OSError | ValueError) -> RefusedToStart:
    what = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    named = ", ".join(str(each) for each in files if each is not None)
    return RefusedToStart(f"{what_for}: {named} cannot be used: {what}; PEM files without a password are")


def _no_password() -> str:
    raise ValueError("the key has a password")
