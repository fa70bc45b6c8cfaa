"""What the receiver has done since it started, as numbers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from dicom_node.domain.instance import Stored


@dataclass(frozen=True, slots=True)
class Counts:
    """A picture of the counters at one moment.

    Attributes
    ----------
    associations_open
        Now.
    associations_accepted, associations_rejected
        Since the start.
    instances
        What became of those that were answered with success.
    refused
        Status -> how many instances were answered with it.
    received_bytes
        Encoded data sets of stored instances.
    """

    associations_open: int
    associations_accepted: int
    associations_rejected: int
    instances: Mapping[Stored, int]
    refused: Mapping[int, int]
    received_bytes: int


class Counters:
    """Counts from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = self._accepted = self._rejected = self._bytes = 0
        self._instances: Counter[Stored] = Counter({outcome: 0 for outcome in Stored})
        self._refused: Counter[int] = Counter()

    def accepted(self) -> None:
        """Count an association that was opened."""
        with self._lock:
            self._accepted += 1
            self._open += 1

    def ended(self) -> None:
        """Count the end of an opened association."""
        with self._lock:
            self._open -= 1

    def rejected(self) -> None:
        """Count an association that was not opened, because of the policy or the limit."""
        with self._lock:
            self._rejected += 1

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
                associations_rejected=self._rejected,
                instances=dict(self._instances),
                refused=dict(self._refused),
                received_bytes=self._bytes,
            )
