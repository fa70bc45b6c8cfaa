"""Elements of headers that others wrote: some cannot be read, and pydicom's complaints quote their values."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from pydicom import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

UNREADABLE = (
    OSError, EOFError, InvalidDicomError, BytesLengthException, ValueError, TypeError, LookupError, AttributeError,
    NotImplementedError, OverflowError, MemoryError, RecursionError, struct.error,
)  # fmt: skip
"""What pydicom raises on bytes that are not what they claim to be: hostile input has no single error."""

_lock = Lock()
_silenced: list[warnings.catch_warnings[None]] = []
_depth = 0


def value_of(header: Dataset, keyword: str) -> Any:
    """Return the value of an element, None when it is missing, empty or unreadable."""
    try:
        value = header.get(keyword)
    except UNREADABLE:
        return None
    return None if isinstance(value, str) and not value else value


@contextmanager
def unquoted() -> Iterator[None]:
    """Keep pydicom's warnings, which quote values of the data set, from standard error.

    The filters belong to the whole process, so the first thread to enter sets them and the last to leave puts them
    back; `warnings.catch_warnings` alone would leave them as whichever thread ended last had found them.
    """
    global _depth
    with _lock:
        if _depth == 0:
            _silenced.append(warnings.catch_warnings())
            _silenced[0].__enter__()
            warnings.simplefilter("ignore")
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _silenced.pop().__exit__(None, None, None)
