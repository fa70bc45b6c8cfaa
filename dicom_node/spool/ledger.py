"""The ledger: what is known of series, jobs and deliveries. Every change goes through the tables of `domain`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, func, insert, or_, select, text, update

from dicom_node.domain.delivery import Delivery, DeliveryEvent, DeliveryState, outcome
from dicom_node.domain.job import Fault, Job, JobEvent, JobState
from dicom_node.domain.series import Series, SeriesEvent, SeriesState
from dicom_node.domain.window import Window
from dicom_node.errors import IllegalTransition
from dicom_node.spool.audit_trail import AuditTrail
from dicom_node.spool.commitments import Commitments
from dicom_node.spool.database import open_database
from dicom_node.spool.delivery_rows import deliveries_of, delivery_of, retract_deliveries, save_delivery
from dicom_node.spool.job_rows import add_job, change_job, find_job, get_job, job_of
from dicom_node.spool.kept_facts import KeptFacts
from dicom_node.spool.pace_book import LedgerPaceBook
from dicom_node.spool.performed_steps import PerformedSteps
from dicom_node.spool.rules_versions import RulesVersions
from dicom_node.spool.tables import deliveries_table, jobs_table, series_table

SUPERSEDABLE = frozenset(JobState) - {JobState.CANCELLED, JobState.SUPERSEDED, JobState.RETRACTED}


class Ledger:
    """Series, jobs and deliveries in a database.

    Parameters
    ----------
    url
        See `open_database`.

    Raises
    ------
    RefusedToStart
        When the database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)
        self._reader = self._engine.execution_options(only_reads=True)
        self.rules = RulesVersions(self._engine)
        self.facts = KeptFacts(self._engine)
        self.commitments = Commitments(self._engine)
        self.performed_steps = PerformedSteps(self._engine)
        self.audit_trail = AuditTrail(self._engine)
        self.pace_book = LedgerPaceBook(self._engine)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def ping(self) -> None:
        """Write nothing, but take the write lock; raises what the database raises when it cannot."""
        with self._engine.begin() as connection:
            connection.execute(text("SELECT 1"))

    # --- series

    def series(self, state: SeriesState | None = None) -> list[Series]:
        """Return all series, or those in one state, oldest first."""
        query = select(series_table).order_by(series_table.c.first_seen)
        if state is not None:
            query = query.where(series_table.c.state == state)
        return [_series(row) for row in self._read(query)]

    def find_series(self, series_uid: str) -> Series | None:
        """Return one series, or None."""
        rows = self._read(select(series_table).where(series_table.c.series_uid == series_uid))
        return _series(rows[0]) if rows else None

    def series_in(self, folder: str) -> Series | None:
        """Return the series of a folder of the spool, or None."""
        rows = self._read(select(series_table).where(series_table.c.folder == folder))
        return _series(rows[0]) if rows else None

    def add_series(self, series: Series) -> None:
        """Add a series that was seen for the first time."""
        with self._engine.begin() as connection:
            connection.execute(insert(series_table).values(asdict(series)))

    def change_series(self, series_uid: str, event: SeriesEvent, at: datetime, **changes: Any) -> Series:
        """Take a series through `event` and return it."""
        with self._engine.begin() as connection:
            return _change_series(connection, series_uid, event, changed=at, **changes)

    def note_series(self, series_uid: str, reason: str, *, instances: int) -> None:
        """Say something about a series without moving it, and take note of how many instances it has now."""
        with self._engine.begin() as connection:
            connection.execute(
                update(series_table)
                .where(series_table.c.series_uid == series_uid)
                .values(reason=reason, instances=instances)
            )

    def route(  # one transaction: a series is routed with its jobs, or not at all
        self, series_uid: str, event: SeriesEvent, at: datetime, *, jobs: Iterable[Job], reason: str | None, late: str
    ) -> list[Job]:
        """Take a complete series through `event`, and make its jobs with a delivery to each destination.

        Parameters
        ----------
        late
            With ``replace``, jobs of earlier revisions are superseded.
        jobs
            Their series numbers are wishes: the next number that is free in the study is taken.

        Returns
        -------
        The jobs as they were made; one that was there already is left as it is.

        Raises
        ------
        SeriesRefused
            When the same images were derived in the same way from another series; nothing is changed then.
        """
        made = []
        with self._engine.begin() as connection:
            series = _change_series(connection, series_uid, event, changed=at, reason=reason)
            if late == "replace":
                _supersede(connection, series, at)
            for job in jobs:
                if find_job(connection, job.id) is None:
                    made.append(add_job(connection, series, job, at))
        return made

    # --- jobs

    def jobs(self, series_uid: str | None = None) -> list[Job]:
        """Return all jobs, or those of one series, oldest first."""
        query = select(jobs_table).order_by(jobs_table.c.derived_at, jobs_table.c.id)
        if series_uid is not None:
            query = query.where(jobs_table.c.series_uid == series_uid)
        return [job_of(row) for row in self._read(query)]

    def jobs_in(self, state: JobState) -> list[Job]:
        """Return the jobs in one state, oldest first."""
        query = select(jobs_table).where(jobs_table.c.state == state).order_by(jobs_table.c.derived_at, jobs_table.c.id)
        return [job_of(row) for row in self._read(query)]

    def job(self, job_id: str) -> Job:
        """Return one job.

        Raises
        ------
        NotFound
            When there is none of that id.
        """
        with self._reader.connect() as connection:
            return get_job(connection, job_id)

    def next_queued(self, now: datetime) -> Job | None:
        """Return the job that is to run next: the most urgent, then the one that broke least often, then the oldest.

        Parameters
        ----------
        now
            UTC; a job waits while its window is not open.
        """
        queued = jobs_table.c.state == JobState.QUEUED
        windows = self._read(select(jobs_table.c.window).where(queued, jobs_table.c.window.is_not(None)).distinct())
        is_open = [row["window"] for row in windows if Window.parse(row["window"]).is_open(now)]
        query = (
            select(jobs_table)
            .where(queued, or_(jobs_table.c.window.is_(None), jobs_table.c.window.in_(is_open)))
            .order_by(jobs_table.c.priority, jobs_table.c.attempts, jobs_table.c.derived_at, jobs_table.c.id)
            .limit(1)
        )
        rows = self._read(query)
        return job_of(rows[0]) if rows else None

    def change_job(self, job_id: str, event: JobEvent, at: datetime, **changes: Any) -> Job:
        """Take a job through `event` and return it; a retry makes its deliveries wait again too."""
        with self._engine.begin() as connection:
            job = change_job(connection, job_id, event, at, **changes)
            if event is JobEvent.RETRIED:
                for delivery in deliveries_of(connection, job_id):
                    save_delivery(connection, delivery.after(DeliveryEvent.RETRIED, next_attempt=at, reason=None))
            return job

    def retract(self, job_id: str, at: datetime, *, fault: Fault = Fault.PROCESSING) -> Job:
        """Have what a job sent rejected wherever it was sent, and return the job; see `dicom_node.outbox`.

        A rejection that a destination refused is tried again, as it was: one note names one fault.

        Raises
        ------
        NotFound
            When there is no such job.
        IllegalTransition
            When nothing of it was sent, or all of that is rejected already.
        """
        with self._engine.begin() as connection:
            before = get_job(connection, job_id)
            job = before.after(JobEvent.RETRACTED, at)
            if not retract_deliveries(connection, before, at):
                raise IllegalTransition(f"job {job_id}", before.state, JobEvent.RETRACTED)
            if job.state is not before.state:
                change_job(connection, job_id, JobEvent.RETRACTED, at, reason=fault.value)
            return get_job(connection, job_id)

    def is_derived(self, series_uid: str) -> bool:
        """Tell whether a series is one that this node made."""
        return bool(self._read(select(jobs_table.c.id).where(jobs_table.c.derived_series_uid == series_uid)))

    # --- deliveries

    def deliveries(self, job_id: str) -> list[Delivery]:
        """Return the deliveries of a job."""
        with self._reader.connect() as connection:
            return deliveries_of(connection, job_id)

    def due(self, now: datetime, *, longest_wait: timedelta) -> list[Delivery]:
        """Return the deliveries and rejections whose time has come, in the order they are to be tried.

        Parameters
        ----------
        now
            UTC.
        longest_wait
            One that lies further ahead was set by a clock that went ahead and was put back since: it is due too.
        """
        at = deliveries_table.c.next_attempt
        query = (
            select(deliveries_table)
            .join(jobs_table)
            .where(
                or_(
                    and_(
                        jobs_table.c.state.in_((JobState.ENCODED, JobState.DELIVERING)),
                        deliveries_table.c.state == DeliveryState.WAITING,
                    ),
                    deliveries_table.c.state == DeliveryState.RETRACTING,
                ),
                or_(at <= now, at > now + longest_wait),
            )
            .order_by(jobs_table.c.priority, at, deliveries_table.c.job_id)
        )
        return [delivery_of(row) for row in self._read(query)]

    def change_delivery(
        self, delivery: Delivery, event: DeliveryEvent, at: datetime, *, next_attempt: datetime, reason: str | None
    ) -> Job:
        """Record what came of an attempt, and return its job, which ends with the last of its deliveries.

        What came of sending a series that was retracted meanwhile is of no interest: its rejection goes after it.
        """
        with self._engine.begin() as connection:
            job = get_job(connection, delivery.job_id)
            (now,) = (each for each in deliveries_of(connection, job.id) if each.destination == delivery.destination)
            if now.state is not delivery.state:
                return job
            save_delivery(connection, delivery.after(event, next_attempt=next_attempt, reason=reason))
            ended = outcome(deliveries_of(connection, job.id))
            if ended is None or delivery.state is DeliveryState.RETRACTING:
                return job
            job_event, said = ended
            return change_job(connection, job.id, job_event, at, reason=said)

    # --- counts

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many series, jobs and deliveries are in each state: (noun, state) -> count."""
        counted = {}
        for table in (series_table, jobs_table, deliveries_table):
            for row in self._read(select(table.c.state, func.count().label("n")).group_by(table.c.state)):
                counted[table.name, row["state"]] = row["n"]
        return counted

    def _read(self, query: Select[Any]) -> Sequence[RowMapping]:
        with self._reader.connect() as connection:
            return connection.execute(query).mappings().all()


def _series(row: RowMapping) -> Series:
    return Series(**{**row, "state": SeriesState(row["state"])})


def _change_series(connection: Connection, series_uid: str, event: SeriesEvent, **changes: Any) -> Series:
    # locked where the database locks rows; in SQLite the whole transaction has the only right to write
    query = select(series_table).where(series_table.c.series_uid == series_uid).with_for_update()
    series = _series(connection.execute(query).mappings().one()).after(event, **changes)
    connection.execute(update(series_table).where(series_table.c.series_uid == series_uid).values(asdict(series)))
    return series


def _supersede(connection: Connection, series: Series, at: datetime) -> None:
    earlier = select(jobs_table.c.id).where(
        jobs_table.c.series_uid == series.series_uid,
        jobs_table.c.revision < series.revision,
        jobs_table.c.state.in_(SUPERSEDABLE),
    )
    for job_id in connection.execute(earlier).scalars().all():
        retract_deliveries(connection, get_job(connection, job_id), at)
        change_job(connection, job_id, JobEvent.SUPERSEDED, at, reason=f"revision {series.revision} replaces it")
