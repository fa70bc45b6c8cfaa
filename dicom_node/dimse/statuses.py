"""The statuses of C-STORE: what each means and what its receiver does about it (PS3.4 B.2.3, PS3.7 C)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
OUT_OF_RESOURCES = 0xA700
DATA_SET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000


class StatusClass(StrEnum):
    """What a status asks of the sender."""

    SUCCESS = "success"
    WARNING = "warning"  # stored, though not just as it was sent
    TRY_LATER = "try later"  # not stored now; the same instance may be taken later
    REFUSED = "refused"  # not stored, and never will be


@dataclass(frozen=True, slots=True)
class StorageStatus:
    """One status, or a range of them.

    Attributes
    ----------
    first, last
        Codes, both included.
    meaning
        As the Standard words it.
    status_class
        What a sender does about it.
    clause
        Where the Standard defines it.
    """

    first: int
    last: int
    meaning: str
    status_class: StatusClass
    clause: str


_C = StatusClass

STORAGE_STATUSES: tuple[StorageStatus, ...] = (
    StorageStatus(0x0000, 0x0000, "Success", _C.SUCCESS, "PS3.4 B.2.3"),
    StorageStatus(0xA700, 0xA7FF, "Refused: out of resources", _C.TRY_LATER, "PS3.4 B.2.3"),
    StorageStatus(0xA900, 0xA9FF, "Error: data set does not match SOP class", _C.REFUSED, "PS3.4 B.2.3"),
    StorageStatus(0xC000, 0xCFFF, "Error: cannot understand", _C.REFUSED, "PS3.4 B.2.3"),
    StorageStatus(0xB000, 0xB000, "Warning: coercion of data elements", _C.WARNING, "PS3.4 B.2.3"),
    StorageStatus(0xB006, 0xB006, "Warning: elements discarded", _C.WARNING, "PS3.4 B.2.3"),
    StorageStatus(0xB007, 0xB007, "Warning: data set does not match SOP class", _C.WARNING, "PS3.4 B.2.3"),
    StorageStatus(0x0110, 0x0110, "Processing failure", _C.TRY_LATER, "PS3.7 C.5"),
    # Not a status of C-STORE, yet some archives answer it to a resend; a lost response makes resends a normal thing
    StorageStatus(0x0111, 0x0111, "Duplicate SOP instance: it is there already", _C.WARNING, "PS3.7 C.5"),
    StorageStatus(0x0117, 0x0117, "Invalid SOP instance", _C.REFUSED, "PS3.7 C.5"),
    StorageStatus(0x0122, 0x0122, "Refused: SOP class not supported", _C.REFUSED, "PS3.7 C.5"),
    StorageStatus(0x0124, 0x0124, "Refused: not authorized", _C.REFUSED, "PS3.7 C.5"),
    StorageStatus(0x0210, 0x0210, "Duplicate invocation", _C.REFUSED, "PS3.7 C.5"),
    StorageStatus(0x0211, 0x0211, "Unrecognized operation", _C.REFUSED, "PS3.7 C.5"),
    StorageStatus(0x0212, 0x0212, "Mistyped argument", _C.REFUSED, "PS3.7 C.5"),
    StorageStatus(0x0213, 0x0213, "Resource limitation", _C.TRY_LATER, "PS3.7 C.5"),
    # The rest by the status classes of PS3.7 C, so that no answer is without a meaning
    StorageStatus(0x0001, 0x0001, "Warning", _C.WARNING, "PS3.7 C.4"),
    StorageStatus(0x0107, 0x0107, "Attribute list error", _C.WARNING, "PS3.7 C.4"),
    StorageStatus(0x0116, 0x0116, "Attribute value out of range", _C.WARNING, "PS3.7 C.4"),
    StorageStatus(0xB000, 0xBFFF, "Warning that this service class does not define", _C.WARNING, "PS3.7 C.4"),
    StorageStatus(0x0001, 0xFFFF, "Failure that this service class does not define", _C.REFUSED, "PS3.7 C.5"),
)
"""Narrow ranges stand before the wide ones that hold them: the first that fits counts."""


def storage_status(code: int) -> StorageStatus:
    """Return what a C-STORE status means.

    Parameters
    ----------
    code
        Status (0000,0900), 0...0xFFFF.
    """
    return next(status for status in STORAGE_STATUSES if status.first <= code <= status.last)
