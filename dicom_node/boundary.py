"""The boundary between one item of work and the next: what goes wrong with one does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from dicom_node.log import culprit

log = structlog.get_logger()


@contextmanager
def apart(step: str) -> Iterator[None]:
    """Keep what goes wrong with one item from the others; it is tried again at the next tick."""
    try:
        yield
    except Exception as error:  # the boundary between one series and the next
        log.error("step_failed", where=step, error=culprit(error))
