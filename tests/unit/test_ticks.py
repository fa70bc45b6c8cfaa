"""What a node does again and again goes on, whatever goes wrong and whatever the time of day."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from dicom_node.ticks import Ticks

LIMIT_S = 30.0
"""Only ends a test that would hang."""


@pytest.fixture
def stopping() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_step_is_repeated_until_the_end_even_when_it_breaks(stopping: threading.Event) -> None:
    came, enough = [], threading.Event()

    def step() -> None:
        came.append(threading.current_thread().name)
        if len(came) == 3:
            enough.set()
        raise ValueError

    ticks = Ticks(stopping)
    with capture_logs() as logs:
        ticks.start("collect", step, every_s=0.001)
        assert enough.wait(LIMIT_S)
        stopping.set()
        ticks.join(LIMIT_S)
    assert set(came) == {"collect"}
    assert [(log["event"], log["where"]) for log in logs] == [("tick_failed", "collect")]
    assert "collect" not in {thread.name for thread in threading.enumerate()}


def test_a_clock_that_is_set_back_stops_nothing(stopping: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    came = threading.Semaphore(0)
    ticks = Ticks(stopping)
    ticks.start("collect", came.release, every_s=0.001)
    assert came.acquire(timeout=LIMIT_S)
    day_before = time.time() - 86400
    monkeypatch.setattr(time, "time", lambda: day_before)
    for _ in range(5):
        assert came.acquire(timeout=LIMIT_S)


def test_a_step_that_has_not_ended_well_for_its_limit_is_late(
    stopping: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ticks = Ticks(stopping)
    ticks.ended_well("infer")
    ticks.ended_well("collect")
    now[0] += 61
    assert ticks.late({"infer": 600}, otherwise_s=60) == ["collect"]
    ticks.run("collect", lambda: None)
    assert ticks.late({"infer": 600}, otherwise_s=60) == []
