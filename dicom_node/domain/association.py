"""What is told of an association when it is over, or was refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Outcome = Literal["released", "aborted", "refused", "lost"]


@dataclass(frozen=True, slots=True)
class AssociationEvent:
    """One association that a peer opened, or tried to open.

    Attributes
    ----------
    started_at, ended_at
        UTC.
    peer
        Address that the connection came from.
    calling_ae, called_ae
        As requested; empty where no request was understood.
    outcome
        How it ended.
    reason
        Why it was refused, aborted or lost; holds no text of the peer.
    tls
        Whether the connection was encrypted.
    instances, bytes
        How many were stored, and the length of their data sets.
    refused_instances
        How many were answered with a failure.
    """

    started_at: datetime
    ended_at: datetime
    peer: str
    calling_ae: str
    called_ae: str
    outcome: Outcome
    reason: str | None
    tls: bool
    instances: int
    bytes: int
    refused_instances: int
