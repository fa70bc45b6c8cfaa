"""The audit of the node: associations into the ledger, their messages on from there to whoever collects them."""

from __future__ import annotations

import queue
import threading
from dataclasses import replace

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_node.audit.message import APPLICATION_START, APPLICATION_STOP, AuditSource, of_activity, of_association
from dicom_node.audit.receivers import AuditReceiver
from dicom_node.deliver.backoff import next_attempt
from dicom_node.domain.association import AssociationEvent
from dicom_node.domain.ports import Clock
from dicom_node.log import culprit, printable
from dicom_node.spool.audit_trail import AuditTrail

KEPT_IN_MEMORY = 10_000
"""Associations that wait for a ledger which cannot be written; beyond it they are only logged."""
AT_ONCE = 500
RETRY_FIRST_S, RETRY_MAX_S = 5.0, 300.0

log = structlog.get_logger()


class Auditor:
    """Writes associations down and sends their messages.

    Parameters
    ----------
    trail
        Of the ledger: the durable queue.
    source
        Who reports.
    receiver
        Takes the messages; None: none are written, associations alone are.
    clock
        For the waits between attempts, and the times of the node's own start and end.
    """

    def __init__(self, trail: AuditTrail, source: AuditSource, receiver: AuditReceiver | None, clock: Clock) -> None:
        self._trail = trail
        self._source = source
        self._receiver = receiver
        self._clock = clock
        self._events: queue.Queue[AssociationEvent] = queue.Queue(KEPT_IN_MEMORY)
        self._unwritten: list[AssociationEvent] = []
        self._writing = threading.Lock()
        self._sending = threading.Lock()
        self._failures = 0
        self._not_before = 0.0  # on the monotonic clock

    def on_association(self, event: AssociationEvent) -> None:
        """Take note of an association; returns at once, so that a peer never waits for the ledger."""
        # neither a database nor XML takes all that an AE title may hold (PS3.5 6.2 allows less than peers send)
        event = replace(event, calling_ae=printable(event.calling_ae), called_ae=printable(event.called_ae))
        try:
            self._events.put_nowait(event)
        except queue.Full:
            log.error("audit_lost", calling_ae=event.calling_ae, peer=event.peer, state=event.outcome)

    def started(self) -> None:
        """Note that the node began."""
        self._activity(of_activity(self._clock.now(), self._source, kind=APPLICATION_START))

    def stopped(self) -> None:
        """Note that the node ends, after all associations before."""
        try:
            self.write()
        except SQLAlchemyError as error:
            log.error("audit_not_written", error=culprit(error))
        self._activity(of_activity(self._clock.now(), self._source, kind=APPLICATION_STOP))

    def write(self) -> int:
        """Write what was noted into the ledger, durably; return how many associations."""
        written = 0
        with self._writing:
            while events := self._next():
                self._trail.record(events, [(each.ended_at, self._text(each)) for each in events if self._receiver])
                self._unwritten = []
                written += len(events)
        return written

    def send(self) -> None:
        """Send what waits in the ledger, until the receiver cannot be reached; then wait before the next attempt."""
        if self._receiver is None or not self._sending.acquire(blocking=False):
            return
        try:
            if self._clock.monotonic() >= self._not_before:
                self._send_waiting(self._receiver)
        finally:
            self._sending.release()

    def _send_waiting(self, receiver: AuditReceiver) -> None:
        while messages := self._trail.waiting(AT_ONCE):
            try:
                receiver.send([(at, text) for _, at, text in messages])
            except OSError as error:
                self._failures += 1
                wait_s = next_attempt(self._failures, first_s=RETRY_FIRST_S, maximum_s=RETRY_MAX_S)
                self._not_before = self._clock.monotonic() + wait_s
                log.warning(
                    "audit_deferred", attempt=self._failures, seconds=wait_s, error=error.strerror or culprit(error)
                )
                return
            self._trail.sent([number for number, _, _ in messages])
            self._failures = 0

    def _next(self) -> list[AssociationEvent]:
        """Return the associations to write now; those that could not be written before come first."""
        while len(self._unwritten) < AT_ONCE:
            try:
                self._unwritten.append(self._events.get_nowait())
            except queue.Empty:
                break
        return self._unwritten

    def _text(self, event: AssociationEvent) -> str:
        return of_association(event, self._source)

    def _activity(self, message: str) -> None:
        if self._receiver is None:
            return
        try:
            self._trail.record([], [(self._clock.now(), message)])
        except SQLAlchemyError as error:
            log.error("audit_not_written", error=culprit(error))
