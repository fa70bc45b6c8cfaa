"""The settle time that a sender's own history asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.assemble.collector import Collector
from dicom_node.assemble.paces import Paces
from dicom_node.domain.pace import ENOUGH, KEPT, Pace


class MemoryBook:
    def __init__(self) -> None:
        self.kept = {}

    def paces(self):
        return list(self.kept.values())

    def keep(self, pace) -> None:
        self.kept[pace.calling_ae] = pace


@pytest.fixture
def book():
    return MemoryBook()


def collector_of(clock, book):
    return Collector(clock, settle_s=Paces(book, least_s=1, most_s=30), silence_s=30)


def written_by(sender, images):
    for image in images:
        image.file_meta.SendingApplicationEntityTitle = sender
    return images


def send(clock, collector, folder, paths, *, gap_s):
    for n in range(1, len(paths) + 1):
        collector.observe(folder, paths[:n], sender_connected=False)
        if n < len(paths):
            clock.advance(seconds=gap_s)


def test_a_sender_of_whom_little_is_known_waits_the_longest():
    pace = Pace("MR1", (0.1,) * (ENOUGH - 1))
    assert pace.settle_s(least_s=1, most_s=30) == 30
    assert pace.after(0.1).settle_s(least_s=1, most_s=30) == 1


def test_the_wait_is_half_as_long_again_as_the_longest_pause_but_for_one_in_fifty():
    pauses = (0.5,) * (KEPT - 2) + (4.0, 21.0)
    assert Pace("MR1", pauses).settle_s(least_s=1, most_s=30) == 6
    assert Pace("MR1", (*pauses[2:], 21.0, 21.0)).settle_s(least_s=1, most_s=30) == 30


@given(pauses=st.lists(st.floats(0, 100), max_size=2 * KEPT), least_s=st.floats(0, 5), more_s=st.floats(0, 60))
def test_a_wait_is_within_its_bounds_and_only_the_last_series_count(pauses, least_s, more_s):
    pace = Pace("MR1")
    for pause_s in pauses:
        pace = pace.after(pause_s)
    assert least_s <= pace.settle_s(least_s=least_s, most_s=least_s + more_s) <= least_s + more_s
    assert len(pace.pauses_s) == min(len(pauses), KEPT)


def test_a_series_closes_after_the_wait_that_its_sender_has_taught(clock, book, written, slices):
    paths = written(written_by("MR1", slices(6)))
    collector = collector_of(clock, book)
    for n in range(ENOUGH):
        send(clock, collector, f"{n}", paths, gap_s=0.8)
        clock.advance(seconds=29)
        assert collector.closed() == []
        clock.advance(seconds=1)
        assert len(collector.closed()) == 1
        collector.forget(f"{n}")
    assert book.kept["MR1"].pauses_s == (0.8,) * ENOUGH
    restarted = collector_of(clock, book)
    send(clock, restarted, "next", paths, gap_s=0.8)
    clock.advance(seconds=1.1)
    assert restarted.closed() == []
    clock.advance(seconds=0.2)
    (closed,) = restarted.closed()
    assert closed.evidence == "one stack of 6 slices without a gap, and nothing came for 1.2 s"


def test_an_image_that_comes_late_but_soon_teaches_how_long_its_sender_may_pause(clock, book, written, slices):
    book.keep(Pace("MR1", (0.1,) * ENOUGH))
    paths = written(written_by("MR1", slices(8)))
    collector = collector_of(clock, book)
    send(clock, collector, "s", paths[:7], gap_s=0.1)
    clock.advance(seconds=1)
    assert len(collector.closed()) == 1
    collector.forget("s")
    clock.advance(seconds=9)
    collector.observe("s", paths, sender_connected=False)
    collector.forget("s")
    assert book.kept["MR1"].pauses_s[-2:] == (0.1, 10.0)


def test_an_image_that_comes_after_an_hour_teaches_nothing(clock, book, written, slices):
    paths = written(written_by("MR1", slices(8)))
    collector = collector_of(clock, book)
    send(clock, collector, "s", paths[:7], gap_s=0.1)
    clock.advance(seconds=3600)
    collector.observe("s", paths, sender_connected=False)
    collector.forget("s")
    assert book.kept == {}


def test_a_series_of_two_senders_waits_as_long_as_the_slower_and_teaches_of_both(clock, book, written, slices):
    book.keep(Pace("FAST", (0.1,) * ENOUGH))
    book.keep(Pace("SLOW", (4.0,) * ENOUGH))
    images = slices(8)
    paths = written(written_by("FAST", images[:4]) + written_by("SLOW", images[4:]))
    collector = collector_of(clock, book)
    send(clock, collector, "s", paths, gap_s=0.5)
    clock.advance(seconds=5.5)
    assert collector.closed() == []
    clock.advance(seconds=0.5)
    assert len(collector.closed()) == 1
    collector.forget("s")
    assert [book.kept[sender].pauses_s[-1] for sender in ("FAST", "SLOW")] == [0.5, 0.5]
