"""Modality performed procedure step as SCP: keeps what a scanner says it did (N-CREATE, N-SET; PS3.4 F.7)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import structlog
from pydicom import Dataset
from pydicom.uid import UID, generate_uid

from dicom_node.dimse.commands import CommandField
from dicom_node.dimse.statuses import PROCESSING_FAILURE
from dicom_node.domain.identifiers import is_uid
from dicom_node.domain.performed_step import FINAL, PerformedStep, StepState
from dicom_node.domain.ports import Clock
from dicom_node.errors import RequestRefused
from dicom_node.receive.services import (
    DUPLICATE_INSTANCE,
    INVALID_ATTRIBUTE_VALUE,
    MISSING_ATTRIBUTE,
    NO_SUCH_INSTANCE,
    Reply,
    Request,
    Service,
    answering,
)

PERFORMED_STEP = UID("1.2.840.10008.3.1.2.3.3")
NO_LONGER_UPDATED = 0xA710
"""ErrorID of the one failure that the service defines (PS3.4 table F.7.2-2)."""

_REFERENCES = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")

log = structlog.get_logger()


class StepStore(Protocol):
    """Where steps are kept."""

    def find(self, uid: str) -> PerformedStep | None:
        """Return one step, or None."""
        ...

    def save(self, step: PerformedStep) -> None:
        """Write a step, durably, as it is now."""
        ...


class PerformedStepMessages:
    """Takes what scanners say of their steps.

    Parameters
    ----------
    store
        Keeps it; success is answered only after it returned.
    clock
        Tells when it was said.
    check_room
        Raises OSError when there is no room for more.
    """

    def __init__(self, store: StepStore, clock: Clock, *, check_room: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._check_room = check_room
        self._clock = clock
        self._lock = threading.Lock()  # between looking for a step and writing it

    @property
    def service(self) -> Service:
        """What the receiver needs to offer it."""
        set_ = answering(self._on_set)
        return Service(PERFORMED_STEP, {CommandField.N_CREATE_RQ: self._answer_create, CommandField.N_SET_RQ: set_})

    def _answer_create(self, request: Request) -> Reply:
        # the requestor may leave the UID to us, and is told it then (PS3.7 10.1.5.1.4)
        uid = request.command.sop_instance_uid or str(generate_uid(None))
        return replace(answering(lambda request: self._create(request, uid))(request), sop_instance_uid=uid)

    def _create(self, request: Request, uid: str) -> None:
        self._check_room()
        if not is_uid(uid):
            raise RequestRefused(INVALID_ATTRIBUTE_VALUE, "AffectedSOPInstanceUID is no UID")
        attributes = request.data_set()
        if _state(attributes, None) is not StepState.IN_PROGRESS:  # PS3.4 F.7.2.1.2
            raise RequestRefused(INVALID_ATTRIBUTE_VALUE, "a step is created with the status IN PROGRESS")
        now = self._clock.now()
        step = PerformedStep(
            uid, StepState.IN_PROGRESS, request.calling_ae, created=now, changed=now, series=_series(attributes)
        )
        with self._lock:
            if self._store.find(uid) is not None:
                raise RequestRefused(DUPLICATE_INSTANCE, "this step was created before")
            self._store.save(step)
        log.info("step_created", calling_ae=step.calling_ae)

    def _on_set(self, request: Request) -> None:
        self._check_room()
        changes = request.data_set()
        with self._lock:
            step = self._store.find(request.command.sop_instance_uid)
            if step is None:
                raise RequestRefused(NO_SUCH_INSTANCE, "this step was never created here")
            if step.state in FINAL:
                raise RequestRefused(
                    PROCESSING_FAILURE, "Performed Procedure Step Object may no longer be updated",
                    error_id=NO_LONGER_UPDATED,
                )  # fmt: skip
            changed = replace(step, state=_state(changes, step.state), changed=self._clock.now())
            if "PerformedSeriesSequence" in changes:  # N-SET gives the whole of each attribute that it gives
                changed = replace(changed, series=_series(changes))
            self._store.save(changed)
        log.info("step_changed", calling_ae=step.calling_ae, state=changed.state.value, count=len(changed.series))


def _state(attributes: Dataset, otherwise: StepState | None) -> StepState:
    value = attributes.get("PerformedProcedureStepStatus")
    if not value:
        if otherwise is None:
            raise RequestRefused(MISSING_ATTRIBUTE, "PerformedProcedureStepStatus is missing")
        return otherwise
    try:
        return StepState(str(value))
    except ValueError:
        raise RequestRefused(INVALID_ATTRIBUTE_VALUE, "PerformedProcedureStepStatus is none of the three") from None


def _series(attributes: Dataset) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for series in attributes.get("PerformedSeriesSequence") or ():
        instances = {
            _uid(item, "ReferencedSOPInstanceUID") for keyword in _REFERENCES for item in series.get(keyword) or ()
        }
        uid = _uid(series, "SeriesInstanceUID")  # some scanners list one series in several items
        found[uid] = found.get(uid, frozenset()) | instances
    return found


def _uid(dataset: Dataset, keyword: str) -> str:
    value = str(dataset.get(keyword) or "")
    if not is_uid(value):
        raise RequestRefused(INVALID_ATTRIBUTE_VALUE, f"{keyword} is missing or no UID")
    return value
