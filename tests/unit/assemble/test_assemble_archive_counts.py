"""What a PACS counts holds up weaker evidence, or shows that a series is whole; it never keeps anything waiting."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from dicom_node.assemble.archive_counts import ArchiveCounts
from dicom_node.assemble.collector import Collector
from dicom_node.assemble.completeness import Told
from dicom_node.errors import ArchiveSilent

GAPLESS = "one stack of 8 slices without a gap, and nothing came for 2 s"


class FakeArchive:
    """A PACS that has `count` instances of every series, or fails with what is put there."""

    def __init__(self):
        self.count = 0
        self.asked = []
        self.meanwhile = lambda: None

    def instances(self, study_uid, series_uid):
        self.asked.append((study_uid, series_uid))
        self.meanwhile()
        if isinstance(self.count, Exception):
            raise self.count
        return self.count


@pytest.fixture
def archive():
    return FakeArchive()


@pytest.fixture
def counts(archive, clock):
    return ArchiveCounts(archive, clock)


@pytest.fixture
def settle_s():
    return 2


@pytest.fixture
def collector(clock, counts, settle_s):
    return Collector(clock, settle_s=settle_s, silence_s=30, archive=counts)


@pytest.fixture
def after(clock, collector, counts):
    """Return what lets time pass as a node does: the collector's tick, the PACS's tick, the collector's again."""

    def ticks(seconds):
        closed = []
        for _ in range(round(seconds / 0.25)):
            clock.advance(seconds=0.25)
            closed = collector.closed()
            counts.ask()
            if closed:
                break
        return [each.evidence for each in closed]

    return ticks


def observe(collector, paths, *, connected=False, told=None, folder="series"):
    collector.observe(folder, paths, sender_connected=connected, told=told)


def test_a_gapless_stack_of_which_the_pacs_has_more_waits_for_the_rest(archive, collector, after, written, slices):
    paths = written(slices(16))
    archive.count = 16
    observe(collector, paths[:8])
    assert after(20) == []
    assert set(archive.asked) == {("1.2.1", "1.2.2")}
    observe(collector, paths)
    assert after(3) == [GAPLESS.replace("8", "16")]


def test_what_the_pacs_has_more_is_waited_for_no_longer_than_silence(archive, collector, after, written, slices):
    archive.count = 16
    observe(collector, written(slices(8)), connected=True)
    assert after(29.75) == []
    assert after(0.25) == ["nothing came for 30 s"]


@pytest.mark.parametrize("count", [0, 7, 8])
def test_a_pacs_that_has_no_more_holds_nothing_up(archive, collector, after, written, slices, count):
    archive.count = count
    observe(collector, written(slices(8)))
    assert after(2.5) == [GAPLESS]


@pytest.mark.parametrize(("settle_s", "apart_s"), [(2, 3), (5, 5)])
def test_as_many_twice_the_settle_time_apart_is_the_whole_series(
    archive, collector, after, clock, written, slices, settle_s, apart_s
):
    archive.count = 4  # too few for geometry
    observe(collector, written(slices(4)))
    began = clock.monotonic()
    (evidence,) = after(29)
    assert evidence.startswith("all 4 instances that the PACS counts are there, as it said twice")
    assert len(archive.asked) == 2
    assert clock.monotonic() - began == settle_s + apart_s + 0.25  # a tick after the second answer


def test_an_answer_is_void_when_something_came_after_it(archive, collector, after, written, slices):
    paths = written(slices(4))
    archive.count = 3
    observe(collector, paths[:3])
    assert after(4) == []
    observe(collector, paths)
    archive.count = 4
    assert after(5) == []
    assert after(0.25) != []


def test_as_many_twice_shows_nothing_while_the_pacs_goes_on_or_its_answers_do_not_follow_each_other(
    archive, collector, after, written, slices
):
    observe(collector, written(slices(4)))
    for archive.count in (4, 3, 4, 2, 4, 3):
        assert after(3.25) == []


def test_as_many_twice_shows_nothing_while_the_sender_is_connected(archive, collector, after, written, slices):
    paths = written(slices(4))
    archive.count = 4
    observe(collector, paths, connected=True)
    assert after(15) == []
    observe(collector, paths, connected=False)
    assert after(7) != []


def test_a_pacs_is_not_asked_while_images_come_nor_where_better_is_known(
    archive, collector, after, written, slices, enhanced
):
    paths = written(slices(8))
    for n in range(1, 9):
        observe(collector, paths[:n])
        after(1.75)
    assert archive.asked == []
    observe(collector, paths, told=Told("all 9 instances that the scanner's MPPS names", 1))
    observe(collector, written([enhanced(slices(4))]), folder="enhanced")
    after(20)
    assert archive.asked == []


def test_it_is_asked_about_one_series_every_three_seconds_at_most(archive, collector, after, written, slices):
    archive.count = 2
    observe(collector, written(slices(4)))
    after(25)
    assert len(archive.asked) == 8


@pytest.mark.parametrize("failure", [ArchiveSilent("no answer"), ValueError("a value of the data set")])
def test_a_silent_pacs_holds_nothing_up_and_is_told_of_once(archive, collector, after, clock, written, slices, failure):
    archive.count = failure
    with capture_logs() as logs:
        for n in range(4):
            observe(collector, written(slices(8, SeriesInstanceUID=f"1.2.{n}")), folder=f"{n}")
            assert after(3) == [GAPLESS]
            collector.forget(f"{n}")
        assert len(archive.asked) == 1
        clock.advance(seconds=60)
        for archive.count in (failure, 8):
            observe(collector, written(slices(8)))
            assert after(3) == [GAPLESS]
            collector.forget("series")
            clock.advance(seconds=60)
    assert [each["event"] for each in logs] == ["archive_silent", "archive_answers_again"]
    assert len(archive.asked) == 3
    assert "data set" not in logs[0]["reason"]


def test_other_series_close_while_the_pacs_is_being_asked(archive, collector, after, clock, written, slices):
    archive.count = 16
    observe(collector, written(slices(8)))
    observe(collector, written(slices(3)), folder="localizer")
    clock.advance(seconds=27)
    observe(collector, written(slices(8)), folder="late")
    seen = []
    archive.meanwhile = lambda: (clock.advance(seconds=3), seen.extend(each.folder for each in collector.closed()))
    after(0.25)
    assert seen == ["series", "localizer"]


def test_a_series_that_was_handed_on_is_not_asked_about(archive, collector, counts, clock, written, slices):
    observe(collector, written(slices(8)))
    clock.advance(seconds=2)
    collector.closed()
    collector.forget("series")
    counts.ask()
    assert archive.asked == []
