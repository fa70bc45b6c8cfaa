"""Deliveries as rows of the ledger."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select, update

from dicom_node.domain.delivery import Delivery, DeliveryEvent, DeliveryState
from dicom_node.domain.job import Job, JobState
from dicom_node.spool.tables import deliveries_table


def delivery_of(row: RowMapping) -> Delivery:
    """Return a row as a delivery."""
    return Delivery(**{**row, "state": DeliveryState(row["state"])})


def deliveries_of(connection: Connection, job_id: str) -> list[Delivery]:
    """Return the deliveries of a job."""
    query = select(deliveries_table).where(deliveries_table.c.job_id == job_id)
    return [delivery_of(row) for row in connection.execute(query).mappings()]


def save_delivery(connection: Connection, delivery: Delivery) -> None:
    """Write a delivery over its row."""
    where = (
        deliveries_table.c.job_id == delivery.job_id,
        deliveries_table.c.destination == delivery.destination,
    )
    connection.execute(update(deliveries_table).where(*where).values(asdict(delivery)))


def retract_deliveries(connection: Connection, job: Job, at: datetime) -> int:
    """Have the deliveries of a job rejected of which anything may have arrived; return how many these are."""
    if JobState.DELIVERING.lower() not in job.times:
        return 0
    done = (DeliveryState.RETRACTING, DeliveryState.RETRACTED)
    sent = [delivery for delivery in deliveries_of(connection, job.id) if delivery.state not in done]
    for delivery in sent:
        save_delivery(connection, delivery.after(DeliveryEvent.RETRACTED, next_attempt=at, reason=None))
    return len(sent)
