"""From encoded series to the PACS: the last part of the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import structlog

from dicom_node.boundary import Boundary
from dicom_node.deliver.backoff import next_attempt
from dicom_node.domain.delivery import Delivery, DeliveryEvent, DeliveryState
from dicom_node.domain.job import Job, JobEvent, JobState
from dicom_node.encode.rejection import encode_rejection
from dicom_node.encode.series import to_bytes
from dicom_node.errors import DeliveryDeferred, DeliveryRefused
from dicom_node.log import culprit
from dicom_node.parts import Parts

log = structlog.get_logger()


class Outbox:
    """Sends what is encoded, and tries again what could not be sent.

    Parameters
    ----------
    parts
        See `Parts`.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ledger = parts.ledger
        self._clock = parts.clock
        self._boundary = Boundary(parts.clock.monotonic)

    def due(self) -> list[str]:
        """Return the names of the destinations for which something is due."""
        return list(dict.fromkeys(delivery.destination for delivery in self._due()))

    def deliver(self, destination: str) -> None:
        """Send what is due to one destination, until it says that it cannot take more now."""
        takes_more = True
        for delivery in self._due():
            if delivery.destination == destination and takes_more:
                with self._boundary.apart("deliver"):
                    takes_more = self._attempt(delivery)

    def _due(self) -> list[Delivery]:
        longest_wait = timedelta(seconds=self._parts.settings.deliver.retry_max_s)
        return self._ledger.due(self._clock.now(), longest_wait=longest_wait)

    def _attempt(self, delivery: Delivery) -> bool:
        """Send one derived series, or the note that rejects it; tell whether the destination takes more."""
        if delivery.state is DeliveryState.RETRACTING:
            return self._send(self._ledger.job(delivery.job_id), delivery, self._rejection)
        job = self._ledger.change_job(delivery.job_id, JobEvent.SENDING, self._clock.now())
        return job.state is not JobState.DELIVERING or self._send(job, delivery, self._derived)

    def _derived(self, job: Job) -> Sequence[Path]:
        paths = self._parts.results.paths(job.id)
        if not paths:
            raise DeliveryRefused("its files are gone: retry the job")
        return paths

    def _rejection(self, job: Job) -> Sequence[Path]:
        """Write the note that rejects what a job sent; made again, it is the same."""
        derived = self._parts.results.paths(job.id)
        if not derived:
            raise DeliveryRefused("its files are gone, so no rejection note can be made: reject it in the archive")
        ordered = job.times[job.state.lower()]
        note = encode_rejection(derived, job, at=ordered, serial_number=self._parts.serial_number)
        return self._parts.results.write_rejection(job.id, to_bytes(note))

    def _send(self, job: Job, delivery: Delivery, files: Callable[[Job], Sequence[Path]]) -> bool:
        settings = job.snapshot["destinations"][delivery.destination]
        event, reason, takes_more = DeliveryEvent.ACCEPTED, None, True
        try:
            paths = files(job)
            report = self._parts.destination(settings).send(paths)
            reason = "; ".join(report.warnings) or None
            if report.refused:
                event, reason = DeliveryEvent.REFUSED, _refused(report.refused, len(paths))
        except DeliveryDeferred as deferred:
            event, reason, takes_more = DeliveryEvent.DEFERRED, str(deferred), False
        except DeliveryRefused as refusal:
            event, reason = DeliveryEvent.REFUSED, str(refusal)
        except Exception as error:  # one delivery that the node cannot digest must not stop the others
            event, reason = DeliveryEvent.DEFERRED, f"the node failed on it ({culprit(error)}): please report this"
        self._record(job, delivery, event, reason)
        return takes_more

    def _record(self, job: Job, delivery: Delivery, event: DeliveryEvent, reason: str | None) -> None:
        retry = self._parts.settings.deliver
        wait_s = next_attempt(delivery.attempts + 1, first_s=retry.retry_first_s, maximum_s=retry.retry_max_s)
        now = self._clock.now()
        at = now + timedelta(seconds=wait_s)
        changed = self._ledger.change_delivery(delivery, event, now, next_attempt=at, reason=reason)
        log.info("delivery", job_id=job.id, destination=delivery.destination, state=event.value)
        if changed.state is not job.state:
            log.info("job_changed", job_id=job.id, state=changed.state.value, attempt=changed.attempts)


def _refused(refused: Mapping[str, int], sent: int) -> str:
    statuses = ", ".join(sorted({f"0x{status:04X}" for status in refused.values()}))
    return f"{len(refused)} of {sent} instances were refused with {statuses}"
