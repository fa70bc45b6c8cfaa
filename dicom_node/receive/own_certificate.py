"""Looks at the listener's certificates before a scanner does: a handshake of the node with itself, in memory."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from dicom_node.errors import RefusedToStart
from dicom_node.receive.tls import TlsFiles, server_context

_FLIGHTS = 4
"""More than either version of TLS needs (RFC 5246 7.3, RFC 8446 2)."""


def valid_until(files: TlsFiles) -> datetime:
    """Return when the first of the node's certificate and the authorities of its peers ends, UTC.

    Raises
    ------
    RefusedToStart
        When the files cannot be used, or one of the certificates is not valid now.
    """
    server = server_context(files)
    ends = [_end_of(authority) for authority in server.get_ca_certs()]
    server.verify_mode = ssl.CERT_NONE  # the certificate of the node is looked at here, and not one of a peer
    ends.append(_end_of(_seen_by_a_peer(server, files)))
    first = min(ends)
    if first <= datetime.now(UTC):
        raise RefusedToStart(f"listen.tls: a certificate in {files.client_ca} ended on {first:%Y-%m-%d}: renew it")
    return first


def _seen_by_a_peer(server: ssl.SSLContext, files: TlsFiles) -> dict[str, object]:
    """Return what a peer that trusts this very certificate is shown."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False  # peers know the node by an address that it need not know itself
    trusting.load_verify_locations(files.certificate)
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    to_server, to_peer = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = trusting.wrap_bio(to_peer, to_server)
    node = server.wrap_bio(to_server, to_peer, server_side=True)
    try:
        for _ in range(_FLIGHTS):
            for side in (peer, node):
                with suppress(ssl.SSLWantReadError):
                    side.do_handshake()
    except ssl.SSLCertVerificationError as error:
        raise RefusedToStart(
            f"listen.tls: {files.certificate}: {error.verify_message}: get a new one, or set the clock"
        ) from None
    return dict(peer.getpeercert() or {})


def _end_of(certificate: Mapping[str, object]) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
