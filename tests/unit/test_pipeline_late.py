"""Instances that come late, at each moment of a series' way: none is forgotten, none changes what was made before."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fake_clock import FakeClock
from harness import Harness
from made_series import a_few
from pydicom import Dataset
from pydicom.uid import RawDataStorage, generate_uid
from sqlalchemy.exc import OperationalError

from dicom_node.assemble import collector
from dicom_node.domain.job import Job, JobEvent, JobState
from dicom_node.domain.series import SeriesState


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    return Harness(tmp_path, clock)


def test_a_slice_that_comes_while_its_series_waits_to_be_routed_is_not_forgotten(
    node: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = a_few()
    node.receive(series[:-1])

    def locked(*_: object, **__: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    with monkeypatch.context() as broken:
        broken.setattr(node.ledger, "route", locked)
        node.close_series()
        assert node.series.state is SeriesState.COMPLETE
        node.receive(series[-1:])
        for _ in range(3):
            node.pipeline.collect()
            node.pipeline.route()
    node.pipeline.route()
    node.run_all()
    assert (node.series.revision, node.series.instances) == (2, len(series))


@pytest.mark.parametrize("late", ["never", "new_series"])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_job_works_on_the_instances_that_it_was_made_for_whatever_came_later(
    tmp_path: Path, clock: FakeClock, late: str, restarted: bool
) -> None:
    node = Harness(tmp_path, clock, late=late)
    series = a_few()
    node.receive(series[:-1])
    node.close_series()
    first = node.job
    node.receive(series[-1:])
    node.close_series()
    if restarted:
        node.start()
    node.run_all()
    assert node.ledger.job(first.id).state is JobState.DELIVERED
    assert node.pacs["PACS"].series()[first.derived_series_uid] == len(series) - 1


def test_a_late_slice_while_the_node_was_down_between_closing_and_routing_makes_two_revisions_of_different_content(
    node: Harness,
) -> None:
    series = a_few()
    node.receive(series[:-1])
    node.pipeline.collect()
    node.clock.advance(seconds=2.5)
    node.pipeline.collect()
    assert node.series.state is SeriesState.COMPLETE
    node.receive(series[-1:])
    node.start()
    node.pipeline.route()
    assert node.pipeline.infer()
    assert len(node.results.paths(node.job.id)) == len(series) - 1
    node.run_all()
    assert node.series.revision == 2


def test_raw_data_that_follows_its_image_makes_no_new_revision_after_a_restart_either(node: Harness) -> None:
    series = a_few()
    node.receive(series)
    node.run_all()
    node.start()
    raw = Dataset()
    raw.SOPClassUID, raw.SOPInstanceUID = RawDataStorage, generate_uid()
    raw.StudyInstanceUID, raw.SeriesInstanceUID = series[0].StudyInstanceUID, series[0].SeriesInstanceUID
    node.receive([raw])
    node.run_all()
    assert node.series.revision == 1
    assert "Raw Data" in str(node.series.reason)


def test_late_slices_that_are_left_out_one_by_one_are_told_once(tmp_path: Path, clock: FakeClock) -> None:
    node = Harness(tmp_path, clock, late="never")
    series = a_few()
    node.receive(series[:12])
    node.run_all()
    for ds in series[12:]:
        node.receive([ds])
        node.run_all()
    assert str(node.series.reason).startswith("8 more instances came after it was complete")
    assert str(node.series.reason).count("more instances") == 1


def test_a_job_that_is_superseded_just_before_it_starts_does_not_stop_the_next(
    node: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.receive(a_few())
    node.close_series()
    real = node.ledger.next_queued

    def superseded_meanwhile(now: datetime) -> Job | None:
        queued = real(now)
        if queued is not None:
            node.ledger.change_job(queued.id, JobEvent.SUPERSEDED, node.clock.now())
        return queued

    monkeypatch.setattr(node.ledger, "next_queued", superseded_meanwhile)
    assert node.pipeline.infer()
    assert node.job.state is JobState.SUPERSEDED


def test_a_slice_that_comes_while_the_headers_of_another_series_are_read_is_not_late(
    node: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = a_few()
    node.receive(series[:-1])
    node.pipeline.collect()
    node.clock.advance(seconds=1)
    real = collector.Collector.closed

    def slow(each: collector.Collector, *rest: Any) -> list[collector.Closed]:
        node.clock.advance(seconds=10)
        node.receive(series[-1:])
        return real(each, *rest)

    with monkeypatch.context() as busy:
        busy.setattr(collector.Collector, "closed", slow)
        node.pipeline.collect()
    node.run_all()
    assert (node.series.revision, node.series.instances) == (1, len(series))


def test_a_slice_with_which_its_sender_hangs_up_just_while_the_node_looks_is_not_late(
    node: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = a_few()
    node.receive(series[:-1])
    node.pipeline.collect()
    node.clock.advance(seconds=2.5)

    def hangs_up(_folder: str) -> bool:
        node.receive(series[-1:])
        return False

    monkeypatch.setattr(node.spool, "is_sender_connected", hangs_up)
    node.pipeline.collect()
    assert node.series.state is SeriesState.RECEIVING
