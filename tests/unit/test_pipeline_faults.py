"""What goes wrong at the worst moment: nothing acknowledged is lost, nothing is derived twice or differently."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_clock import FakeClock
from harness import RULES, Harness
from made_series import TRANSPORT, a_few, encoded, key_of
from pydicom.uid import generate_uid
from sqlalchemy.exc import OperationalError

from dicom_node.assemble import collector
from dicom_node.domain.instance import InstanceKey
from dicom_node.domain.job import Job, JobEvent, JobState
from dicom_node.domain.series import Series, SeriesState
from dicom_node.errors import ModelCrashed, SeriesRefused
from dicom_node.spool import durable
from dicom_node.spool.instances import folder_name

LOCKED = OperationalError("UPDATE", {}, Exception("database is locked"))


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    return Harness(tmp_path, clock)


def series_of(node: Harness, uid: str) -> Series:
    found = node.ledger.find_series(uid)
    assert found is not None
    return found


def deliver_all(node: Harness) -> None:
    for name in node.pipeline.destinations_due():
        node.pipeline.deliver(name)


def fails(error: Exception) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


# --- a retry


def test_a_job_whose_files_were_made_is_sent_again_without_another_run_of_the_model(node: Harness) -> None:
    node.pacs["PACS"].refuses = {"1.2.3": 0xA900}
    node.receive(a_few())
    node.run_all()
    before = [(path, path.stat().st_mtime_ns) for path in node.results.paths(node.job.id)]
    node.pacs["PACS"].refuses = {}
    node.ledger.change_job(node.job.id, JobEvent.RETRIED, node.clock.now(), attempts=0)
    node.run_all()
    assert node.job.state is JobState.DELIVERED
    assert node.executor.ran == 1
    assert [(path, path.stat().st_mtime_ns) for path in node.results.paths(node.job.id)] == before


def test_a_job_that_breaks_lets_the_others_go_first(node: Harness) -> None:
    node.receive(a_few())
    node.close_series()
    node.clock.advance(seconds=1)
    node.receive(a_few())
    node.close_series()
    node.executor.error = ModelCrashed("the inference process ended")
    node.pipeline.infer()
    node.executor.error = None
    node.pipeline.infer()
    assert [(job.state, job.attempts) for job in node.ledger.jobs()] == [(JobState.QUEUED, 1), (JobState.ENCODED, 1)]


# --- a ledger that cannot be written


@pytest.mark.parametrize("event", [JobEvent.ENCODED, JobEvent.HELD, JobEvent.FAILED])
def test_a_job_whose_end_could_not_be_written_is_taken_up_again_without_a_restart(
    node: Harness, monkeypatch: pytest.MonkeyPatch, event: JobEvent
) -> None:
    node.receive(a_few())
    node.close_series()
    node.executor.error = {JobEvent.HELD: SeriesRefused("no"), JobEvent.FAILED: RuntimeError()}.get(event)
    real = node.ledger.change_job

    def locked_at_the_end(job_id: str, what: JobEvent, *args: Any, **kwargs: Any) -> Job:
        if what is event:
            raise LOCKED
        return real(job_id, what, *args, **kwargs)

    with monkeypatch.context() as broken:
        broken.setattr(node.ledger, "change_job", locked_at_the_end)
        with pytest.raises(OperationalError):
            node.pipeline.infer()
    assert node.job.state is JobState.RUNNING
    node.executor.error = None
    node.run_all()
    assert node.job.state is JobState.DELIVERED


def test_a_delivery_and_the_end_of_its_job_are_written_together(node: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    node.receive(a_few())
    node.close_series()
    node.pipeline.infer()
    with monkeypatch.context() as broken:
        broken.setattr(Job, "after", fails_when_delivered(Job.after))
        deliver_all(node)
    assert [each.state.value for each in node.ledger.deliveries(node.job.id)] == ["WAITING"]
    node.run_all()
    assert node.job.state is JobState.DELIVERED


def fails_when_delivered(real: Any) -> Any:
    def after(job: Job, event: JobEvent, *args: Any, **kwargs: Any) -> Job:
        if event is JobEvent.DELIVERED:
            raise LOCKED
        return real(job, event, *args, **kwargs)  # type: ignore[no-any-return]

    return after


# --- a full disk


def test_a_full_disk_makes_jobs_wait_and_not_fail(node: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    node.receive(a_few())
    with monkeypatch.context() as full:
        full.setattr(durable, "write_folder", fails(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
        node.run_all()
        assert node.job.state is JobState.QUEUED
        assert "No space left" in str(node.job.reason)
        ran = node.executor.ran
        for _ in range(20):
            assert not node.pipeline.infer()  # it does not run models over and over for nothing
        assert node.executor.ran == ran
    node.clock.advance(seconds=60)
    node.run_all()
    assert (node.job.state, node.job.attempts) == (JobState.DELIVERED, 1)


# --- a clock that jumps


def test_a_clock_that_is_set_back_a_day_delays_no_delivery_by_a_day(node: Harness) -> None:
    node.pacs["PACS"].down = True
    node.receive(a_few())
    node.run_all()
    node.pacs["PACS"].down = False
    node.clock.set_back(timedelta(days=1))
    node.clock.advance(seconds=600)
    deliver_all(node)
    assert node.job.state is JobState.DELIVERED


# --- what must not take others along


def test_a_series_whose_completeness_cannot_be_judged_is_held_and_does_not_stop_the_others(
    node: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, good = a_few(), a_few()
    real = collector.shape_of

    def shape_of(frames: Any) -> Any:
        if frames[0].header.SeriesInstanceUID == poison[0].SeriesInstanceUID:
            raise ZeroDivisionError
        return real(frames)

    monkeypatch.setattr(collector, "shape_of", shape_of)
    node.receive(poison)
    node.receive(good)
    node.run_all()
    assert series_of(node, good[0].SeriesInstanceUID).state is SeriesState.ROUTED
    node.clock.advance(seconds=30)
    node.run_all()
    assert series_of(node, poison[0].SeriesInstanceUID).state is not SeriesState.RECEIVING


def test_a_file_on_which_reading_breaks_holds_its_series_instead_of_being_left_out(
    node: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = a_few()
    node.receive(series)
    last = node.spool.instances(folder_name(series[0].SeriesInstanceUID))[-1]
    real = collector.read_frames

    def read_frames(path: Path) -> Any:
        if path == last:
            raise ZeroDivisionError
        return real(path)

    monkeypatch.setattr(collector, "read_frames", read_frames)
    node.run_all()
    node.clock.advance(seconds=30)
    node.run_all()
    assert node.series.state is SeriesState.HELD
    assert "ZeroDivisionError" in str(node.series.reason)
    assert node.pacs["PACS"].held == {}


def test_a_series_whose_first_file_is_damaged_is_held_with_the_reason(node: Harness) -> None:
    series = a_few()
    node.receive(series)
    first = node.spool.instances(folder_name(series[0].SeriesInstanceUID))[0]
    first.write_bytes(b"")
    node.run_all()
    node.clock.advance(seconds=30)
    node.run_all()
    assert node.series.state is SeriesState.HELD
    assert "cannot be read" in str(node.series.reason)


def test_a_header_too_deep_to_be_read_holds_its_series_with_the_reason(node: Harness) -> None:
    open_item = b"\x08\x00\x06\x00SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    close_item = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    ds = a_few()[0]
    node.spool.put(key_of(ds), TRANSPORT, open_item * 1500 + close_item * 1500 + encoded(ds))
    node.run_all()
    node.clock.advance(seconds=30)
    node.run_all()
    assert node.series.state is SeriesState.HELD
    assert "not readable as DICOM" in str(node.series.reason)


def test_the_same_images_under_another_series_uid_are_held_with_the_reason(node: Harness) -> None:
    series = a_few()
    node.receive(series)
    node.run_all()
    other = generate_uid()
    for ds in series:
        ds.SeriesInstanceUID = other
    node.receive(series)
    node.run_all()
    assert series_of(node, other).state is SeriesState.HELD
    assert "another series UID" in str(series_of(node, other).reason)
    assert len(node.ledger.jobs()) == 1


def test_a_delivery_on_which_the_node_breaks_does_not_stop_those_behind_it(
    node: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.receive(a_few())
    node.receive(a_few(seed=1))
    node.close_series()
    while node.pipeline.infer():
        pass
    poison = node.ledger.due(node.clock.now(), longest_wait=timedelta(hours=1))[0].job_id
    real = node.results.paths

    def paths(job_id: str) -> list[Path]:
        if job_id == poison:
            raise RuntimeError
        return real(job_id)

    monkeypatch.setattr(node.results, "paths", paths)
    deliver_all(node)
    states = {job.id: job.state for job in node.ledger.jobs()}
    assert states.pop(poison) is JobState.DELIVERING
    assert list(states.values()) == [JobState.DELIVERED]


def test_a_series_number_beyond_what_dicom_allows_is_no_series_number(node: Harness) -> None:
    series = a_few()
    number = b"\x20\x00\x11\x00IS\x0a\x00" + b"9" * 10
    for ds in series:
        del ds.SeriesNumber
        content = encoded(ds)
        at = content.index(b"\x20\x00\x13\x00IS")
        key = InstanceKey(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPClassUID, ds.SOPInstanceUID)
        node.spool.put(key, TRANSPORT, content[:at] + number + content[at:])
    node.run_all()
    assert node.job.state is JobState.DELIVERED


def test_rules_of_the_same_destination_each_send_their_series_there_once(tmp_path: Path, clock: FakeClock) -> None:
    second = "  - {name: again, when: {Modality: MR}, run: {model: test-any-contrast, target: plain}, send: [pacs]}\n"
    node = Harness(tmp_path, clock, rules=RULES + second)
    series = a_few()
    node.receive(series)
    node.run_all()
    assert sorted(node.pacs["PACS"].series().values()) == [len(series)] * 2
