"""Who is there: connections and associations, counted in all and for each peer, and ended together."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Protocol

from dicom_node.receive.limits import ReceiverLimits


class Visitor(Protocol):
    """Something that serves one connection."""

    def interrupt(self) -> None:
        """Have it end soon, from another thread."""
        ...


class Places:
    """Counts from several threads.

    Parameters
    ----------
    limits
        How many there may be.
    """

    def __init__(self, limits: ReceiverLimits) -> None:
        self._limits = limits
        self._visitors: set[Visitor] = set()
        self._associations: Counter[str] = Counter()
        self._changed = threading.Condition()

    def enter(self, visitor: Visitor) -> bool:
        """Count a connection; False when it is one too many."""
        with self._changed:
            if len(self._visitors) >= self._limits.connections:
                return False
            self._visitors.add(visitor)
            return True

    def leave(self, visitor: Visitor) -> None:
        """Count the end of a connection."""
        with self._changed:
            self._visitors.discard(visitor)
            self._changed.notify_all()

    def take(self, peer: str) -> bool:
        """Count an association of a peer; False when it is one too many.

        Connections that ask for none keep no others out.
        """
        with self._changed:
            in_all, of_peer = self._associations.total(), self._associations[peer]
            if in_all >= self._limits.associations or of_peer >= self._limits.associations_per_peer:
                return False
            self._associations[peer] += 1
            return True

    def free(self, peer: str) -> None:
        """Count the end of an association."""
        with self._changed:
            self._associations[peer] -= 1
            if not self._associations[peer]:
                del self._associations[peer]
            self._changed.notify_all()

    def wait_for_associations(self, seconds: float) -> int:
        """Wait until none is open, but not longer; return how many still are."""
        with self._changed:
            self._changed.wait_for(lambda: not self._associations, seconds)
            return self._associations.total()

    def end(self, seconds: float) -> None:
        """Interrupt all connections, and wait until they have ended, but not longer."""
        with self._changed:
            visitors = list(self._visitors)
        for visitor in visitors:  # together: pynetdicom's associations take their time, each
            threading.Thread(target=visitor.interrupt, name="dicom-interrupt", daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: not self._visitors, seconds)
