"""A gate through which senders go before each round: while it is closed, all of them rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Used by several threads; open at first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._is_open = True

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Wait until it is open, and be inside while the context lasts."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_open)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Close it, and wait until nobody is inside; it opens again when the context ends."""
        with self._changed:
            self._is_open = False
            self._changed.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._changed:
                self._is_open = True
                self._changed.notify_all()
