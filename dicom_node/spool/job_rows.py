"""Jobs as rows of the ledger."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from dicom_node.domain.delivery import Delivery
from dicom_node.domain.job import Job, JobEvent, JobState
from dicom_node.domain.series import Series
from dicom_node.errors import NotFound, SeriesRefused
from dicom_node.spool.tables import deliveries_table, jobs_table, series_table


def job_of(row: RowMapping) -> Job:
    """Return a row as a job."""
    times = {state: datetime.fromisoformat(at) for state, at in row["times"].items()}
    return Job(**{**row, "state": JobState(row["state"]), "times": times})


def _values(job: Job) -> dict[str, Any]:
    return {**asdict(job), "times": {state: at.isoformat() for state, at in job.times.items()}}


def find_job(connection: Connection, job_id: str) -> Job | None:
    """Return a job, or None; where the database locks rows, it is locked."""
    query = select(jobs_table).where(jobs_table.c.id == job_id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else job_of(row)


def get_job(connection: Connection, job_id: str) -> Job:
    """Return a job.

    Raises
    ------
    NotFound
        When there is none.
    """
    job = find_job(connection, job_id)
    if job is None:
        raise NotFound(f"no job {job_id}: `dicom-node jobs list` shows their ids")
    return job


def change_job(connection: Connection, job_id: str, event: JobEvent, at: datetime, **changes: Any) -> Job:
    """Take a job through `event` and return it."""
    job = get_job(connection, job_id).after(event, at, **changes)
    connection.execute(update(jobs_table).where(jobs_table.c.id == job.id).values(_values(job)))
    return job


def add_job(connection: Connection, series: Series, job: Job, at: datetime) -> Job:
    """Make a job with a delivery to each of its destinations; return it with the series number that it got.

    Raises
    ------
    SeriesRefused
        When the same images were derived in the same way from another series.
    """
    same = select(jobs_table.c.id).where(jobs_table.c.derived_series_uid == job.derived_series_uid)
    if (other := connection.execute(same).scalar()) is not None:
        raise SeriesRefused(f"its images came under another series UID before: job {other} works on them")
    number = _free_series_number(connection, series.study_uid, job.derived_series_number)
    values = {**_values(job), "derived_series_number": number}
    connection.execute(insert(jobs_table).values(values))
    for destination in dict.fromkeys(job.snapshot["send"]):
        delivery = Delivery(job.id, destination, next_attempt=at)
        connection.execute(insert(deliveries_table).values(asdict(delivery)))
    return get_job(connection, job.id)


def _free_series_number(connection: Connection, study_uid: str, wanted: int) -> int:
    received = select(series_table.c.series_number).where(series_table.c.study_uid == study_uid)
    derived = select(jobs_table.c.derived_series_number).join(series_table).where(series_table.c.study_uid == study_uid)
    taken = {*connection.execute(received).scalars(), *connection.execute(derived).scalars()}
    while wanted in taken:
        wanted += 1
    return wanted
