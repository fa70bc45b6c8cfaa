"""What may be deleted: finished and old; what became of it stays known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fake_clock import FakeClock
from harness import Harness
from made_series import TRANSPORT, encoded, key_of, made_series
from pydicom import Dataset

from dicom_node.domain.job import JobState
from dicom_node.domain.series import SeriesState
from dicom_node.errors import InstanceRejected, ModelCrashed
from dicom_node.spool.instances import Spool
from dicom_node.spool.retention import expire, limit, make_room

KEEP_DAYS = 7
DAY_S = 86400


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    return Harness(tmp_path, clock)


@pytest.fixture
def series() -> list[Dataset]:
    return made_series()[14:26]


def expired(node: Harness) -> int:
    return expire(node.ledger, node.spool, node.results, before=limit(node.clock.now(), KEEP_DAYS))


def processed(node: Harness, series: Sequence[Dataset]) -> None:
    node.receive(series)
    node.run_all()
    # a stack with a gap is complete only when nothing has come for a while
    node.clock.advance(seconds=60)
    node.run_all()


def files(node: Harness) -> int:
    """Count the instances that were received and derived."""
    return len([*node.folder.glob("spool/series/*/*.dcm"), *node.folder.glob("derived/*/*.dcm")])


def test_what_was_delivered_goes_when_its_time_is_over_and_not_before(node: Harness, series: list[Dataset]) -> None:
    processed(node, series)
    assert files(node) == 24
    node.clock.advance(seconds=KEEP_DAYS * DAY_S - 90)
    assert (expired(node), files(node)) == (0, 24)
    node.clock.advance(seconds=120)
    assert (expired(node), files(node)) == (1, 0)
    assert list(node.folder.glob("spool/series/*")) == []
    assert expired(node) == 0


def test_the_ledger_keeps_what_became_of_it(node: Harness, series: list[Dataset]) -> None:
    processed(node, series)
    before = (node.series, node.job, node.ledger.deliveries(node.job.id))
    node.clock.advance(seconds=30 * DAY_S)
    assert expired(node) == 1
    assert (node.series, node.job, node.ledger.deliveries(node.job.id)) == before


def test_the_same_series_sent_again_after_its_time_makes_no_second_result(node: Harness, series: list[Dataset]) -> None:
    processed(node, series)
    sent, ran = node.pacs["PACS"].sent, node.executor.ran
    node.clock.advance(seconds=30 * DAY_S)
    expired(node)
    processed(node, series)
    node.start()
    node.run_all()
    assert (node.series.state, node.series.revision) == (SeriesState.ROUTED, 1)
    assert node.job.state is JobState.DELIVERED
    assert (node.pacs["PACS"].sent, node.executor.ran) == (sent, ran)
    assert (expired(node), files(node)) == (1, 0)


def test_what_is_new_in_a_series_that_comes_again_is_not_lost(node: Harness, series: list[Dataset]) -> None:
    processed(node, series[:10])
    node.clock.advance(seconds=30 * DAY_S)
    expired(node)
    with node.spool.sender_connected(series[0].SeriesInstanceUID):
        node.receive(series)
        assert (expired(node), files(node)) == (0, 12)
    processed(node, [])
    assert (node.series.revision, node.series.instances) == (2, 12)


def test_ignored_and_held_series_go_too(node: Harness, series: list[Dataset]) -> None:
    processed(node, series[:5] + series[6:])
    localizer = made_series(description="Localizer")[:3]
    processed(node, localizer)
    assert [each.state for each in node.ledger.series()] == [SeriesState.HELD, SeriesState.IGNORED]
    node.clock.advance(seconds=KEEP_DAYS * DAY_S - 600)
    assert (expired(node), files(node)) == (0, 14)
    node.clock.advance(seconds=601)
    assert (expired(node), files(node)) == (2, 0)


@pytest.mark.parametrize("state", ["RECEIVING", "COMPLETE", "QUEUED", "ENCODED", "DELIVERING", "FAILED", "refused"])
def test_what_is_not_finished_stays_however_old(node: Harness, series: list[Dataset], state: str) -> None:
    unfinished(node, series, state)
    before = files(node)
    assert before >= 12
    node.clock.advance(seconds=1000 * DAY_S)
    assert (expired(node), files(node)) == (0, before)


def unfinished(node: Harness, series: list[Dataset], state: str) -> None:
    """Bring a series or its job to a state that is no end."""
    node.receive(series)
    node.pipeline.collect()
    if state == "RECEIVING":
        return
    node.clock.advance(seconds=2.5)
    node.pipeline.collect()
    if state == "COMPLETE":
        return
    node.pipeline.route()
    if state == "QUEUED":
        return
    if state == "FAILED":
        node.executor.error = ModelCrashed("the inference process ended in the middle of the job")
    while node.pipeline.infer():
        pass
    node.pacs["PACS"].down = state == "DELIVERING"
    node.pacs["PACS"].refuses = {"1.2": 0xA900} if state == "refused" else {}
    if state != "ENCODED":
        for name in node.pipeline.destinations_due():
            node.pipeline.deliver(name)
    assert node.job.state == ("FAILED" if state == "refused" else state)


def test_a_job_that_ended_lately_keeps_its_old_series(node: Harness, series: list[Dataset]) -> None:
    node.pacs["PACS"].down = True
    processed(node, series)
    node.clock.advance(seconds=30 * DAY_S)
    node.pacs["PACS"].down = False
    node.run_all()
    assert node.job.state is JobState.DELIVERED
    assert (expired(node), files(node)) == (0, 24)
    node.clock.advance(seconds=KEEP_DAYS * DAY_S + 1)
    assert (expired(node), files(node)) == (1, 0)


def test_an_end_in_the_middle_leaves_nothing_that_is_never_deleted(
    node: Harness, series: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    processed(node, series)
    node.clock.advance(seconds=30 * DAY_S)
    for store in (node.results, node.spool):
        with monkeypatch.context() as killed:
            killed.setattr(store, "discard", end)
            with pytest.raises(KeyboardInterrupt):
                expired(node)
    assert (expired(node), files(node)) == (1, 0)


def end(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_other_files_in_the_data_folder_are_left_alone(node: Harness, series: list[Dataset]) -> None:
    processed(node, series)
    unknown = node.folder / "spool" / "series" / "unknown"
    unknown.mkdir()
    (unknown / "a.dcm").write_bytes(b"x")
    node.clock.advance(seconds=30 * DAY_S)
    assert expired(node) == 1
    assert (unknown / "a.dcm").exists()


def room(node: Harness, *, free_bytes: int, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(node.spool, "free_bytes", lambda: free_bytes)
    before = limit(node.clock.now(), KEEP_DAYS)
    return make_room(node.ledger, node.spool, node.results, needed_bytes=1000, before=before)


def test_where_space_is_short_what_may_go_goes_at_once_and_nothing_else(
    node: Harness, series: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    processed(node, series)
    assert (room(node, free_bytes=0, monkeypatch=monkeypatch), files(node)) == (0, 24)  # its days are not over
    node.clock.advance(seconds=KEEP_DAYS * DAY_S + 1)
    assert (room(node, free_bytes=1000, monkeypatch=monkeypatch), files(node)) == (0, 24)  # there is room
    assert (room(node, free_bytes=999, monkeypatch=monkeypatch), files(node)) == (1, 0)


def test_fault_41_what_was_not_delivered_is_never_deleted_however_full_the_disk_is(
    node: Harness, series: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    node.pacs["PACS"].down = True
    processed(node, series)
    node.clock.advance(seconds=1000 * DAY_S)
    assert (room(node, free_bytes=0, monkeypatch=monkeypatch), files(node)) == (0, 24)
    full = Spool(node.folder / "spool", min_free_bytes=1 << 60)
    with pytest.raises(InstanceRejected) as refused:
        full.put(key_of(series[0]), TRANSPORT, encoded(series[0]))
    assert refused.value.status == 0xA700


def test_the_limit_lies_as_many_days_back_as_are_kept() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert limit(now, 0.5) == now - timedelta(hours=12)
    assert limit(now, 36_500).year == 1926
