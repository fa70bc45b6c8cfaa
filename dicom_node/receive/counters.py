"""What the receiver has done since it started, as numbers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from dicom_node.dimse.statuses import OUT_OF_RESOURCES
from dicom_node.domain.association import Outcome
from dicom_node.domain.instance import Stored
from dicom_node.receive.policy import REJECTIONS

TOO_MANY_CONNECTIONS, TLS, NO_REQUEST = "too many connections", "TLS", "no association request"
CLOSED = (TOO_MANY_CONNECTIONS, TLS, NO_REQUEST)
"""Why connections end that never came to an association."""
ENDINGS: tuple[Outcome, ...] = tuple(each for each in get_args(Outcome) if each != "refused")
"""How associations end that were accepted."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A picture of the counters at one moment; all that may be counted is there, if with 0.

    Attributes
    ----------
    associations_open
        Now.
    associations_accepted
        Since the start; as many as are open and have ended.
    associations_ended
        Outcome -> how many of the accepted ones.
    associations_rejected
        Reason -> how many were answered with A-ASSOCIATE-RJ.
    connections_closed
        Reason -> how many never came to an association.
    instances
        What became of those that were answered with success.
    refused
        Status -> how many instances were answered with it.
    received_bytes
        Encoded data sets of stored instances.
    """

    associations_open: int
    associations_accepted: int
    associations_ended: Mapping[str, int]
    associations_rejected: Mapping[str, int]
    connections_closed: Mapping[str, int]
    instances: Mapping[Stored, int]
    refused: Mapping[int, int]
    received_bytes: int


class Counters:
    """Counts from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = self._accepted = self._bytes = 0
        self._ended: Counter[str] = Counter(dict.fromkeys(ENDINGS, 0))
        self._rejected: Counter[str] = Counter({each.why: 0 for each in REJECTIONS})
        self._closed: Counter[str] = Counter(dict.fromkeys(CLOSED, 0))
        self._instances: Counter[Stored] = Counter(dict.fromkeys(Stored, 0))
        self._refused: Counter[int] = Counter({OUT_OF_RESOURCES: 0})

    def accepted(self) -> None:
        """Count an association that was opened."""
        with self._lock:
            self._accepted += 1
            self._open += 1

    def ended(self, outcome: Outcome) -> None:
        """Count the end of an opened association."""
        with self._lock:
            self._open -= 1
            self._ended[outcome] += 1

    def rejected(self, reason: str) -> None:
        """Count an association that was not opened, because of the policy or a limit."""
        with self._lock:
            self._rejected[reason] += 1

    def closed(self, reason: str) -> None:
        """Count a connection that never came to an association, for one of `CLOSED`."""
        with self._lock:
            self._closed[reason] += 1

    def stored(self, outcome: Stored, length: int) -> None:
        """Count an instance answered with success, and the bytes of its data set."""
        with self._lock:
            self._instances[outcome] += 1
            self._bytes += length

    def refused(self, status: int) -> None:
        """Count an instance answered with a failure."""
        with self._lock:
            self._refused[status] += 1

    def snapshot(self) -> Counts:
        """Return all counters as they are now."""
        with self._lock:
            return Counts(
                associations_open=self._open,
                associations_accepted=self._accepted,
                associations_ended=dict(self._ended),
                associations_rejected=dict(self._rejected),
                connections_closed=dict(self._closed),
                instances=dict(self._instances),
                refused=dict(self._refused),
                received_bytes=self._bytes,
            )
