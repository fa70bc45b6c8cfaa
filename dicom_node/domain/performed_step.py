"""A modality performed procedure step: what a scanner says it did (PS3.3 B.17, PS3.4 F.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class StepState(StrEnum):
    """PerformedProcedureStepStatus (0040,0252)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


FINAL = frozenset({StepState.COMPLETED, StepState.DISCONTINUED})
"""A step in one of these may no longer be updated (PS3.4 F.7.2.2.2)."""


@dataclass(frozen=True, slots=True)
class PerformedStep:
    """A performed procedure step as the ledger knows it.

    Attributes
    ----------
    uid
        SOP Instance UID of the step.
    state
        As the scanner set it last.
    calling_ae
        Who told of it.
    created, changed
        UTC.
    series
        SeriesInstanceUID -> SOPInstanceUIDs of all its instances, images or not.
    """

    uid: str
    state: StepState
    calling_ae: str
    created: datetime
    changed: datetime
    series: Mapping[str, frozenset[str]] = field(default_factory=dict)
