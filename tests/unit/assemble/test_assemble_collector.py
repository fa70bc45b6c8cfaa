from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node.assemble import collector as collector_module
from dicom_node.assemble.collector import Collector


@pytest.fixture
def collector(clock):
    return Collector(clock, settle_s=2, silence_s=30)


def observe(collector, paths, *, connected=False):
    collector.observe("series", paths, sender_connected=connected)


def test_a_series_closes_when_the_stack_has_no_gap_and_the_sender_is_quiet(clock, collector, written, slices):
    paths = written(slices(8))
    for n in range(1, 9):
        observe(collector, paths[:n])
        assert collector.closed() == []
        clock.advance(seconds=1)
    clock.advance(seconds=1)
    (closed,) = collector.closed()
    assert closed.folder == "series"
    assert closed.evidence == "one stack of 8 slices without a gap, and nothing came for 2 s"
    assert len(closed.frames) == closed.instances == 8
    assert closed.set_aside == closed.broken == ()


def test_a_series_with_a_gap_waits_for_silence(clock, collector, written, slices):
    paths = written(slices(8))
    observe(collector, paths[:3] + paths[4:])
    clock.advance(seconds=29)
    assert collector.closed() == []
    clock.advance(seconds=1)
    assert collector.closed()[0].evidence == "nothing came for 30 s"


def test_the_missing_slice_closes_it(clock, collector, written, slices):
    paths = written(slices(8))
    observe(collector, paths[:3] + paths[4:])
    clock.advance(seconds=20)
    assert collector.closed() == []
    observe(collector, paths)
    clock.advance(seconds=2)
    assert len(collector.closed()[0].frames) == 8


def test_geometry_never_closes_while_a_sender_is_connected(clock, collector, written, slices):
    paths = written(slices(8))
    observe(collector, paths, connected=True)
    clock.advance(seconds=10)
    assert collector.closed() == []
    observe(collector, paths, connected=False)
    assert len(collector.closed()) == 1


def test_silence_closes_even_while_a_sender_is_connected(clock, collector, written, slices):
    observe(collector, written(slices(3)), connected=True)
    clock.advance(seconds=30)
    assert collector.closed()[0].evidence == "nothing came for 30 s"


def test_one_multi_frame_instance_closes_at_once(collector, written, slices, enhanced):
    observe(collector, written([enhanced(slices(4))]), connected=True)
    assert collector.closed()[0].evidence == "one multi-frame instance holds its 4 images"


def test_observing_the_same_again_changes_nothing(clock, collector, written, slices, monkeypatch):
    read = []
    real = collector_module.read_frames
    monkeypatch.setattr(collector_module, "read_frames", lambda path: read.append(path) or real(path))
    paths = written(slices(8))
    observe(collector, paths)
    clock.advance(seconds=1)
    observe(collector, list(reversed(paths)))
    clock.advance(seconds=1)
    assert len(collector.closed()) == 1
    assert sorted(read) == paths


def test_a_closed_series_is_told_until_it_is_forgotten_or_grows(clock, collector, written, slices):
    paths = written(slices(8))
    observe(collector, paths[:7])
    clock.advance(seconds=2)
    assert collector.closed() == collector.closed() != []
    observe(collector, paths)
    assert collector.closed() == []
    clock.advance(seconds=2)
    assert len(collector.closed()[0].frames) == 8
    collector.forget("series")
    collector.forget("series")
    assert collector.closed() == []


def test_a_broken_file_is_a_reason_and_not_fatal(clock, collector, written, slices, tmp_path):
    paths = written(slices(8))
    paths[7].write_bytes(paths[7].read_bytes()[:-8])
    observe(collector, paths)
    clock.advance(seconds=30)
    (closed,) = collector.closed()
    assert len(closed.frames) == 7
    assert closed.instances == 8
    assert closed.broken == closed.set_aside == ("the pixel data holds 40 of 48 bytes, the header asks for 48",)


def test_series_do_not_disturb_each_other(clock, collector, written, slices):
    paths = written(slices(8))
    collector.observe("a", paths[:6], sender_connected=False)
    clock.advance(seconds=1)
    collector.observe("b", paths[:5], sender_connected=False)
    clock.advance(seconds=1)
    assert [closed.folder for closed in collector.closed()] == ["a"]


def test_a_series_without_images_closes_by_silence(clock, collector, written, one_slice):
    observe(collector, written([one_slice(0, SOPClassUID="1.2.840.10008.5.1.4.1.1.66")]))
    clock.advance(seconds=30)
    (closed,) = collector.closed()
    assert closed.frames == ()
    assert closed.set_aside == ("Raw Data is set aside: volumes are made of MR, CT and PET images",)


def test_nothing_observed_closes_nothing(clock, collector):
    observe(collector, [])
    clock.advance(seconds=100)
    assert collector.closed() == []


def test_a_series_that_was_complete_before_is_read_again(collector, written, slices):
    closed = collector.read("series", written(slices(8)))
    assert len(closed.frames) == closed.instances == 8


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(order=st.permutations(range(8)), pauses=st.lists(st.floats(0, 1.9), min_size=8, max_size=8))
def test_the_order_of_arrival_never_changes_what_is_complete_nor_when(order, pauses, clock, written, slices, tmp_path):
    paths = sorted(tmp_path.glob("*.dcm")) or written(slices(8))
    collector = Collector(clock, settle_s=2, silence_s=30)
    for n, pause in enumerate(pauses, start=1):
        observe(collector, [paths[k] for k in order[:n]])
        assert collector.closed() == []
        clock.advance(seconds=pause)
    clock.advance(seconds=2 - pauses[-1] + 1e-6)
    (closed,) = collector.closed()
    assert [frame.sop_instance_uid for frame in closed.frames] == [ds.SOPInstanceUID for ds in slices(8)]
    assert closed.evidence == "one stack of 8 slices without a gap, and nothing came for 2 s"
