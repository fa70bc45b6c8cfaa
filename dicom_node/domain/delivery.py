"""A delivery: the derived series of one job on its way to one destination, and its rejection after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from dicom_node.domain.job import JobEvent
from dicom_node.errors import IllegalTransition


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    REFUSED = "REFUSED"
    RETRACTING = "RETRACTING"
    RETRACTED = "RETRACTED"
    NOT_RETRACTED = "NOT_RETRACTED"


class DeliveryEvent(StrEnum):
    """What can come of an attempt."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    RETRIED = "retried"
    RETRACTED = "retracted"


DELIVERY_TRANSITIONS: dict[tuple[DeliveryState, DeliveryEvent], DeliveryState] = {
    (DeliveryState.WAITING, DeliveryEvent.ACCEPTED): DeliveryState.DELIVERED,
    (DeliveryState.WAITING, DeliveryEvent.DEFERRED): DeliveryState.WAITING,
    (DeliveryState.WAITING, DeliveryEvent.REFUSED): DeliveryState.REFUSED,
    (DeliveryState.WAITING, DeliveryEvent.RETRIED): DeliveryState.WAITING,
    (DeliveryState.DELIVERED, DeliveryEvent.RETRIED): DeliveryState.WAITING,
    (DeliveryState.REFUSED, DeliveryEvent.RETRIED): DeliveryState.WAITING,
    # whatever may have arrived is rejected: of an attempt that was cut short nobody knows
    (DeliveryState.WAITING, DeliveryEvent.RETRACTED): DeliveryState.RETRACTING,
    (DeliveryState.DELIVERED, DeliveryEvent.RETRACTED): DeliveryState.RETRACTING,
    (DeliveryState.REFUSED, DeliveryEvent.RETRACTED): DeliveryState.RETRACTING,
    (DeliveryState.NOT_RETRACTED, DeliveryEvent.RETRACTED): DeliveryState.RETRACTING,
    (DeliveryState.RETRACTING, DeliveryEvent.ACCEPTED): DeliveryState.RETRACTED,
    (DeliveryState.RETRACTING, DeliveryEvent.DEFERRED): DeliveryState.RETRACTING,
    (DeliveryState.RETRACTING, DeliveryEvent.REFUSED): DeliveryState.NOT_RETRACTED,
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as the ledger knows it.

    Attributes
    ----------
    job_id, destination
        Of what, and the destination's name in the rules.
    next_attempt
        Not before, UTC.
    reason
        What the destination said last, when it was not plain success.
    """

    job_id: str
    destination: str
    next_attempt: datetime
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    reason: str | None = None

    def after(self, event: DeliveryEvent, *, next_attempt: datetime, reason: str | None) -> Delivery:
        """Return the delivery after an attempt.

        Raises
        ------
        IllegalTransition
            When the table holds no such change.
        """
        try:
            state = DELIVERY_TRANSITIONS[self.state, event]
        except KeyError:
            raise IllegalTransition(f"delivery of job {self.job_id}", self.state, event) from None
        anew = event in (DeliveryEvent.RETRIED, DeliveryEvent.RETRACTED)
        attempts = 0 if anew else self.attempts + 1
        return replace(self, state=state, attempts=attempts, next_attempt=next_attempt, reason=reason)


def outcome(deliveries: Iterable[Delivery]) -> tuple[JobEvent, str | None] | None:
    """Return what its deliveries mean for a job, and what the destinations said; None while one still waits."""
    deliveries = list(deliveries)
    states = {delivery.state for delivery in deliveries}
    if DeliveryState.WAITING in states:
        return None
    reasons = [f"{each.destination}: {each.reason}" for each in deliveries if each.reason]
    event = JobEvent.FAILED if DeliveryState.REFUSED in states else JobEvent.DELIVERED
    return event, "; ".join(reasons) or None
