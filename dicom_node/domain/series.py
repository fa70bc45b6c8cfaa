"""A received series and the states that it goes through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from dicom_node.errors import IllegalTransition


class SeriesState(StrEnum):
    """Where a series stands."""

    RECEIVING = "RECEIVING"
    COMPLETE = "COMPLETE"
    ROUTED = "ROUTED"
    IGNORED = "IGNORED"
    HELD = "HELD"


class SeriesEvent(StrEnum):
    """What can happen to a series."""

    COMPLETED = "completed"
    ROUTED = "routed"
    IGNORED = "ignored"
    HELD = "held"
    LATE_INSTANCE = "late instance"


SERIES_TRANSITIONS: dict[tuple[SeriesState, SeriesEvent], SeriesState] = {
    (SeriesState.RECEIVING, SeriesEvent.COMPLETED): SeriesState.COMPLETE,
    (SeriesState.COMPLETE, SeriesEvent.ROUTED): SeriesState.ROUTED,
    (SeriesState.COMPLETE, SeriesEvent.IGNORED): SeriesState.IGNORED,
    (SeriesState.COMPLETE, SeriesEvent.HELD): SeriesState.HELD,
    (SeriesState.ROUTED, SeriesEvent.LATE_INSTANCE): SeriesState.RECEIVING,
    (SeriesState.IGNORED, SeriesEvent.LATE_INSTANCE): SeriesState.RECEIVING,
    (SeriesState.HELD, SeriesEvent.LATE_INSTANCE): SeriesState.RECEIVING,
}


@dataclass(frozen=True, slots=True)
class Series:
    """A series as the ledger knows it.

    Attributes
    ----------
    series_uid, study_uid
        SeriesInstanceUID, StudyInstanceUID.
    folder
        Name of its folder in the spool.
    state, reason
        Where it stands, and why it was ignored or held.
    revision
        0 while it is received for the first time, then counts completions.
    instances
        Number of instances when it was last completed or seen.
    evidence
        What made it complete.
    first_seen, changed
        UTC.
    series_number
        SeriesNumber (0020,0011), when it has one.
    """

    series_uid: str
    study_uid: str
    folder: str
    state: SeriesState
    revision: int
    instances: int
    first_seen: datetime
    changed: datetime
    reason: str | None = None
    evidence: str | None = None
    series_number: int | None = None

    def after(self, event: SeriesEvent, **changes: Any) -> Series:
        """Return the series after `event`, with other fields changed too.

        Raises
        ------
        IllegalTransition
            When the table holds no such change.
        """
        try:
            state = SERIES_TRANSITIONS[self.state, event]
        except KeyError:
            raise IllegalTransition("series", self.state, event) from None
        return replace(self, state=state, **changes)
