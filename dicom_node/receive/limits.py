"""What all peers together, and each of them, may ask of the receiver."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReceiverLimits:
    """Safe for a node that several scanners and an archive send to.

    Attributes
    ----------
    associations
        At once; one more is rejected with (2,3,2).
    associations_per_peer
        At once from one address; one more is rejected with (2,3,2).
    connections
        At once, those included on which nobody has asked for an association yet; one more is closed.
    maximum_pdu
        Longest P-DATA-TF that peers are told they may send, bytes after the header.
    request_bytes
        Longest A-ASSOCIATE-RQ. The longest that makes sense has 128 contexts of 40 transfer syntaxes, 340 kB.
    instance_bytes
        Longest data set.
    negotiation_s
        From the connection to the end of the A-ASSOCIATE-RQ, a TLS handshake included; also how long a peer may take
        to close a connection that has ended (ARTIM, PS3.8 9.1.5), s.
    pdu_s
        For one PDU, from its first byte to its last; also for the peer to take an answer, s.
    idle_s
        An association on which nothing comes for so long is aborted, s.
    association_s
        An association that lasts longer is aborted, s.
    """

    associations: int = 120
    associations_per_peer: int = 100
    connections: int = 500
    maximum_pdu: int = 1 << 17
    request_bytes: int = 1 << 20
    instance_bytes: int = 1 << 32
    negotiation_s: float = 5.0
    pdu_s: float = 30.0
    idle_s: float = 60.0
    association_s: float = 12 * 3600.0
