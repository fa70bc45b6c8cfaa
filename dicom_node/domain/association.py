"""An association that has ended or was never opened: who, when, how, and how much came over it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class AssociationEvent:
    """What is kept of one association, and audited.

    Attributes
    ----------
    started_at, ended_at
        UTC; of a refused one both are the time of the refusal.
    peer
        Address that it came from.
    calling_ae, called_ae
        As the peer gave them.
    outcome
        Released by the peer, aborted by either side, refused (A-ASSOCIATE-RJ), or lost with the connection.
    reason
        Why it was refused or aborted, where that is known; holds no text of the peer.
    tls
        Whether the connection was a TLS one.
    instances, bytes
        How many instances were answered with success, and the length of their data sets.
    refused_instances
        How many were answered with a failure.
    """

    started_at: datetime
    ended_at: datetime
    peer: str
    calling_ae: str
    called_ae: str
    outcome: Literal["released", "aborted", "refused", "lost"]
    reason: str | None
    tls: bool
    instances: int
    bytes: int
    refused_instances: int
