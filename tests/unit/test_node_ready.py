"""A node that works through a backlog is ready however long that takes; one that hangs is not."""

from __future__ import annotations

import threading
import time
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from fake_clock import FakeClock
from harness import Harness
from made_series import a_few

from dicom_node.node import STALLED_AFTER_S, collect_and_route
from dicom_node.ticks import Ticks

SERIES = 4
UNTIL_SILENCE_S = 31.0

slices = cache(a_few)


class Backlog:
    """Series that all came at once, each of which takes a node its time."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.node, self.clock = Harness(folder, clock), clock
        self.ticks = Ticks(threading.Event())
        self.ticks.ended_well("collect")
        self.late: list[list[str]] = []
        for number, each in enumerate(slices()[:SERIES]):
            each.SeriesInstanceUID = f"1.2.3.{number}"
            self.node.receive([each])

    def slowly(self, step: Any, seconds: float) -> Any:
        """Return a step that takes so long, and notes at its end whether the node would have been called late."""

        def slow(*how: Any, **more: Any) -> Any:
            result = step(*how, **more)
            self.clock.advance(seconds=seconds)
            self.late.append(self.ticks.late({}, otherwise_s=STALLED_AFTER_S))
            return result

        return slow

    def work(self) -> None:
        self.ticks.run("collect", partial(collect_and_route, self.node.pipeline, self.ticks))


@pytest.fixture
def backlog(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Backlog:
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    return Backlog(tmp_path, clock)


@pytest.mark.parametrize("part", ["look into a folder", "weigh the evidence", "close", "route"])
def test_a_long_pass_that_moves_on_from_series_to_series_stays_ready(
    backlog: Backlog, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    slow_down(backlog, monkeypatch, part, seconds=STALLED_AFTER_S * 0.9)
    began = backlog.clock.monotonic()
    for _ in range(2):
        backlog.work()
        backlog.clock.advance(seconds=UNTIL_SILENCE_S)
        backlog.ticks.ended_well("collect")
    assert len(backlog.late) >= SERIES
    assert backlog.clock.monotonic() - began > SERIES * 0.9 * STALLED_AFTER_S
    assert not any(backlog.late)


@pytest.mark.parametrize("part", ["look into a folder", "weigh the evidence", "close", "route"])
def test_a_pass_that_hangs_at_one_series_does_not(backlog: Backlog, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    slow_down(backlog, monkeypatch, part, seconds=STALLED_AFTER_S * 1.1)
    for _ in range(2):
        backlog.work()
        backlog.clock.advance(seconds=UNTIL_SILENCE_S)
    assert ["collect"] in backlog.late


def slow_down(backlog: Backlog, monkeypatch: pytest.MonkeyPatch, part: str, *, seconds: float) -> None:
    pipeline: Any = backlog.node.pipeline
    owner, name = {
        "look into a folder": (pipeline._intake, "_is_settled"),
        "weigh the evidence": (pipeline._parts.collector, "_evidence"),
        "close": (pipeline._intake, "_complete"),
        "route": (pipeline, "_route"),
    }[part]
    monkeypatch.setattr(owner, name, backlog.slowly(getattr(owner, name), seconds))
