"""The ledger: every change goes through the tables, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from dicom_node.domain.delivery import DeliveryEvent, DeliveryState
from dicom_node.domain.job import JOB_TRANSITIONS, Job, JobEvent, JobState, job_id
from dicom_node.domain.series import SERIES_TRANSITIONS, Series, SeriesEvent, SeriesState
from dicom_node.domain.window import Window
from dicom_node.errors import IllegalTransition, NotFound, RefusedToStart, SeriesRefused
from dicom_node.spool.database import MIGRATIONS, SCHEMA_REVISION
from dicom_node.spool.ledger import Ledger
from dicom_node.spool.tables import metadata

NOW = datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)
HOUR = timedelta(hours=1)
LATER_TABLES = (
    "commitments", "performed_series", "performed_steps", "associations", "audit_messages",
    "rules_versions", "stack_facts", "paces",
)  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def ledger(url: str) -> Ledger:
    return Ledger(url)


def a_series(uid: str = "1.2", *, study: str = "1.1", number: int | None = 3) -> Series:
    return Series(uid, study, f"folder-{uid}", SeriesState.RECEIVING, 0, 0, NOW, NOW, series_number=number)


def a_job(series_uid: str = "1.2", *, rule: str = "rule", revision: int = 1, send: tuple[str, ...] = ("pacs",)) -> Job:
    name = job_id(series_uid, revision, "", rule)
    return Job(
        name, series_uid, revision, "", rule, {"send": list(send)}, "model", "0" * 64, "target",
        f"2.25.{int(name, 16)}", 1003, NOW, times={"queued": NOW},
    )  # fmt: skip


def routed(ledger: Ledger, *jobs: Job, late: str = "replace") -> list[Job]:
    series = jobs[0].series_uid
    if ledger.find_series(series) is None:
        ledger.add_series(a_series(series))
    ledger.change_series(series, SeriesEvent.COMPLETED, NOW, revision=jobs[0].revision)
    return ledger.route(series, SeriesEvent.ROUTED, NOW, jobs=jobs, reason=None, late=late)


def test_what_is_written_is_read_back_the_same_after_a_restart(ledger: Ledger, url: str) -> None:
    of_the_site = replace(a_job(), target_digest="1" * 64)
    (job,) = routed(ledger, of_the_site)
    ledger.close()
    again = Ledger(url)
    assert again.job(job.id) == of_the_site
    assert again.find_series("1.2") == replace(a_series(), state=SeriesState.ROUTED, revision=1)


def test_a_job_made_twice_is_one_job(ledger: Ledger) -> None:
    routed(ledger, a_job())
    ledger.change_series("1.2", SeriesEvent.LATE_INSTANCE, NOW)
    assert routed(ledger, a_job()) == []
    assert len(ledger.jobs()) == 1


def test_series_numbers_of_derived_series_are_unique_in_the_study(ledger: Ledger) -> None:
    ledger.add_series(a_series("1.9", number=1004))
    first, second = routed(ledger, a_job(rule="a"), a_job(rule="b"))
    assert (first.derived_series_number, second.derived_series_number) == (1003, 1005)


def test_a_change_outside_the_table_raises_and_changes_nothing(ledger: Ledger) -> None:
    (job,) = routed(ledger, a_job())
    with pytest.raises(IllegalTransition):
        ledger.change_job(job.id, JobEvent.DELIVERED, NOW)
    with pytest.raises(IllegalTransition):
        ledger.change_series("1.2", SeriesEvent.ROUTED, NOW)
    assert ledger.job(job.id).state is JobState.QUEUED


def test_only_the_changes_of_the_tables_are_possible() -> None:
    job, series = a_job(), a_series()
    for state in JobState:
        for event in JobEvent:
            if (state, event) in JOB_TRANSITIONS:
                assert replace(job, state=state).after(event, NOW).state is JOB_TRANSITIONS[state, event]
            else:
                with pytest.raises(IllegalTransition):
                    replace(job, state=state).after(event, NOW)
    for series_state in SeriesState:
        for series_event in SeriesEvent:
            if (series_state, series_event) not in SERIES_TRANSITIONS:
                with pytest.raises(IllegalTransition):
                    replace(series, state=series_state).after(series_event)


def test_every_state_of_a_job_can_be_reached_from_queued_and_none_but_the_ended_is_a_dead_end() -> None:
    reached, edge = {JobState.QUEUED}, {JobState.QUEUED}
    while edge:
        edge = {new for (old, _), new in JOB_TRANSITIONS.items() if old in edge} - reached
        reached |= edge
    assert reached == set(JobState) - {JobState.CANCELLED}
    leaves = {
        old for old, _ in JOB_TRANSITIONS if any(new is not old for (o, _), new in JOB_TRANSITIONS.items() if o is old)
    }
    assert reached - leaves == {JobState.SUPERSEDED, JobState.RETRACTED}


def test_an_urgent_job_runs_before_an_older_routine_one(ledger: Ledger) -> None:
    urgent = replace(a_job(rule="urgent"), priority=0, derived_at=LATER)
    routed(ledger, a_job(), urgent)
    queued = ledger.next_queued(LATER)
    assert queued is not None
    assert queued.id == urgent.id


def test_a_job_waits_for_its_window_and_holds_up_no_other(ledger: Ledger) -> None:
    at_night = replace(a_job(rule="night"), priority=0, window=str(Window(time(20), time(6), "Europe/Berlin")))
    (_, day) = routed(ledger, at_night, a_job(rule="day"))
    by_day, by_night = ledger.next_queued(NOW), ledger.next_queued(NOW.replace(hour=19))
    assert by_day is not None
    assert by_night is not None
    assert (by_day.id, by_night.id) == (day.id, at_night.id)


def test_a_later_revision_supersedes_the_jobs_of_the_earlier_ones_when_asked_to(ledger: Ledger) -> None:
    (first,) = routed(ledger, a_job())
    ledger.change_series("1.2", SeriesEvent.LATE_INSTANCE, NOW)
    routed(ledger, a_job(revision=2))
    assert ledger.job(first.id).state is JobState.SUPERSEDED
    ledger.change_series("1.2", SeriesEvent.LATE_INSTANCE, NOW)
    (third,) = routed(ledger, a_job(revision=3), late="new_series")
    assert [job.state for job in ledger.jobs() if job.revision != 1] == [JobState.QUEUED, JobState.QUEUED]
    assert third.revision == 3


def test_work_under_way_on_a_superseded_job_ends_without_effect(ledger: Ledger) -> None:
    (job,) = routed(ledger, a_job())
    ledger.change_job(job.id, JobEvent.STARTED, NOW)
    ledger.change_series("1.2", SeriesEvent.LATE_INSTANCE, NOW)
    routed(ledger, a_job(revision=2))
    assert ledger.change_job(job.id, JobEvent.ENCODED, NOW).state is JobState.SUPERSEDED
    assert ledger.due(LATER, longest_wait=HOUR) == []


def test_a_delivery_is_due_when_its_job_is_encoded_and_its_time_has_come(ledger: Ledger) -> None:
    (job,) = routed(ledger, a_job(send=("pacs", "tps", "pacs")))
    assert ledger.due(LATER, longest_wait=HOUR) == []
    ledger.change_job(job.id, JobEvent.STARTED, NOW)
    ledger.change_job(job.id, JobEvent.ENCODED, NOW)
    pacs, tps = ledger.due(NOW, longest_wait=HOUR)
    assert {pacs.destination, tps.destination} == {"pacs", "tps"}
    ledger.change_delivery(pacs, DeliveryEvent.DEFERRED, NOW, next_attempt=LATER, reason="down")
    assert [each.destination for each in ledger.due(NOW, longest_wait=HOUR)] == [tps.destination]
    assert len(ledger.due(LATER, longest_wait=HOUR)) == 2


def test_a_job_ends_with_the_last_of_its_deliveries(ledger: Ledger) -> None:
    (job,) = routed(ledger, a_job(send=("pacs", "tps")))
    for event in (JobEvent.STARTED, JobEvent.ENCODED, JobEvent.SENDING):
        ledger.change_job(job.id, event, NOW)
    pacs, tps = ledger.deliveries(job.id)
    states = [
        ledger.change_delivery(each, DeliveryEvent.ACCEPTED, NOW, next_attempt=NOW, reason=None).state
        for each in (pacs, tps)
    ]
    assert states == [JobState.DELIVERING, JobState.DELIVERED]


def test_a_delivery_that_lies_beyond_the_longest_wait_is_due(ledger: Ledger) -> None:
    (job,) = routed(ledger, a_job())
    for event in (JobEvent.STARTED, JobEvent.ENCODED, JobEvent.SENDING):
        ledger.change_job(job.id, event, NOW)
    (delivery,) = ledger.deliveries(job.id)
    ledger.change_delivery(delivery, DeliveryEvent.DEFERRED, NOW, next_attempt=LATER, reason="down")
    assert ledger.due(NOW, longest_wait=timedelta(seconds=60)) == []
    assert len(ledger.due(NOW - timedelta(days=1), longest_wait=timedelta(seconds=60))) == 1


def test_the_same_derived_series_is_never_made_from_two_series(ledger: Ledger) -> None:
    (job,) = routed(ledger, a_job())
    with pytest.raises(SeriesRefused, match=job.id):
        routed(ledger, replace(a_job("1.3"), derived_series_uid=job.derived_series_uid))
    other = ledger.find_series("1.3")
    assert other is not None
    assert other.state is SeriesState.COMPLETE


def test_a_retried_job_is_delivered_everywhere_again(ledger: Ledger) -> None:
    (job,) = routed(ledger, a_job())
    for event in (JobEvent.STARTED, JobEvent.ENCODED, JobEvent.SENDING):
        ledger.change_job(job.id, event, NOW)
    (delivery,) = ledger.deliveries(job.id)
    failed = ledger.change_delivery(delivery, DeliveryEvent.REFUSED, NOW, next_attempt=LATER, reason="C000")
    assert (failed.state, failed.reason) == (JobState.FAILED, "pacs: C000")
    ledger.change_job(job.id, JobEvent.RETRIED, NOW)
    (waiting,) = ledger.deliveries(job.id)
    assert (waiting.state, waiting.attempts) == (DeliveryState.WAITING, 0)


def test_an_unknown_job_is_answered_with_what_to_do(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="jobs list"):
        ledger.job("nothing")


def test_sqlite_syncs_every_commit_and_keeps_a_write_ahead_log(ledger: Ledger) -> None:
    with ledger._engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL


def test_the_migrations_make_the_tables_that_the_code_uses(ledger: Ledger) -> None:
    found = inspect(ledger._engine)
    for table in metadata.tables.values():
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [SCHEMA_REVISION]


def test_a_ledger_of_an_earlier_version_is_brought_up_to_date_with_its_jobs(ledger: Ledger, url: str) -> None:
    routed(ledger, a_job())
    ledger.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        for later in LATER_TABLES:
            connection.execute(text(f"DROP TABLE {later}"))
        for later in ("target_digest", "window"):
            connection.execute(text(f"ALTER TABLE jobs DROP COLUMN {later}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()
    assert Ledger(url).jobs() == [a_job()]


def test_a_ledger_of_a_newer_version_is_refused(ledger: Ledger, url: str) -> None:
    ledger.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(RefusedToStart, match="newer version"):
        Ledger(url)
