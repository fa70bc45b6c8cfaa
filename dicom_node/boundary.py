"""The boundary between one item of work and the next: what goes wrong with one does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from dicom_node.log import culprit

log = structlog.get_logger()

TOLD_AGAIN_AFTER_S = 60.0
"""What goes wrong goes wrong again at every tick, four times a second: the log of a month must still fit the disk."""


class Boundary:
    """Keeps what goes wrong with one item of work from the others, and says so.

    Parameters
    ----------
    monotonic
        Seconds from an arbitrary start.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._told: dict[tuple[str, str], float] = {}  # as many as there are places in the code that raise

    @contextmanager
    def apart(self, step: str) -> Iterator[None]:
        """Keep what goes wrong with one item from the others; it is tried again at the next tick."""
        try:
            yield
        except Exception as error:  # the boundary itself
            self.tell("step_failed", step, error)

    def tell(self, event: str, where: str, error: Exception) -> None:
        """Log an error, unless the same was logged in the last minute."""
        found, now = (where, culprit(error)), self._monotonic()
        if now - self._told.get(found, -TOLD_AGAIN_AFTER_S) >= TOLD_AGAIN_AFTER_S:
            self._told[found] = now
            log.error(event, where=where, error=found[1])
