"""Logs: one line an event, from an allow-list of keys, never a value from a data set."""

from __future__ import annotations

import hashlib
import logging
import sys
import threading
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Literal

import structlog

ALLOWED_KEYS = frozenset(
    {
        "event", "level", "timestamp", "study", "instance",
        "address", "attempt", "called_ae", "calling_ae", "count", "destination", "error", "evidence", "instances",
        "job_id", "model", "peer", "reason", "revision", "role", "rule", "seconds", "series", "state", "status",
        "target", "where",
    }
)  # fmt: skip
"""Keys that may stand in a log. `reason` is for reasons that the node words itself, without header values."""

UID_KEYS = {"series_uid": "series", "study_uid": "study", "sop_instance_uid": "instance"}
"""UIDs lead back to a patient: they are logged under another key as a salted hash, short enough to read out."""


def set_up(*, form: Literal["json", "console"], level: str, salt: bytes) -> None:
    """Send all logs of this process to standard error in one form.

    Parameters
    ----------
    form
        ``json`` for machines, ``console`` for people.
    level
        ``debug``, ``info``, ``warning`` or ``error``.
    salt
        Makes the hashes of UIDs this node's own; the same salt lets `dicom-node series list` find a series of the log.
    """
    people = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    renderer: Any = structlog.processors.JSONRenderer() if form == "json" else people
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            HashUids(salt),
            allow_listed,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    silence_libraries()
    sys.excepthook = lambda _kind, error, _traceback: _unforeseen(error)
    threading.excepthook = lambda given: _unforeseen(given.exc_value)
    sys.unraisablehook = lambda given: _unforeseen(given.exc_value)


def _unforeseen(error: BaseException | None) -> None:
    """Tell the kind and place of an error that ended a thread: a traceback would quote what it was about."""
    structlog.get_logger().error("unforeseen", error="unknown" if error is None else culprit(error))


def silence_libraries() -> None:
    """Keep the libraries from telling what they read: pydicom's warnings and pynetdicom's messages quote values.

    Nothing of the node's own goes through `logging` or `warnings`: what matters of the libraries is logged by our code.
    """
    logging.captureWarnings(capture=True)  # what is warned of is logged instead
    logging.disable(logging.CRITICAL)


class HashUids:
    """A structlog processor that puts a salted hash in the place of each UID.

    Parameters
    ----------
    salt
        See `set_up`.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Return the event with its UIDs hashed."""
        for key, shown in UID_KEYS.items():
            if key in event:
                event[shown] = short_hash(self._salt, str(event.pop(key)))
        return event


def short_hash(salt: bytes, uid: str) -> str:
    """Return 10 hexadecimal digits that stand for a UID in logs."""
    return hashlib.blake2b(uid.encode(), key=salt[:64], digest_size=5).hexdigest()


def culprit(error: BaseException) -> str:
    """Return the kind of an unexpected error and the line that raised it; its message may quote a data set.

    For logs, and for reasons that an admin reads and sends to the developers.
    """
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return type(error).__name__
    return f"{type(error).__name__} at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"


def allow_listed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every key that is not on the list, and from what stays line breaks and what a terminal would obey.

    An AE title may hold both.
    """
    return {
        key: printable(value) if isinstance(value, str) else value
        for key, value in event.items()
        if key in ALLOWED_KEYS
    }


def printable(text: str) -> str:
    """Return text that stays on its line and does nothing to a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
