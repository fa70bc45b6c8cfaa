"""Waits for what other threads and processes bring about; the limit only ends a test that would hang."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(holds: Callable[[], object], *, limit_s: float = 20) -> None:
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
