"""What goes wrong stays apart from the rest, and is told, but not four times a second."""

from __future__ import annotations

import pytest
from fake_clock import FakeClock
from structlog.testing import capture_logs

from dicom_node.boundary import Boundary


def breaks(boundary: Boundary, error: type[Exception] = ValueError, step: str = "collect") -> None:
    with boundary.apart(step):
        raise error("DOE^JOHN")


def test_an_error_goes_no_further_and_is_told_without_its_words(clock: FakeClock) -> None:
    with capture_logs() as logs:
        breaks(Boundary(clock.monotonic))
    assert [(log["where"], log["error"].split(":")[0]) for log in logs] == [
        ("collect", "ValueError at test_boundary.py")
    ]


def test_the_same_error_is_told_once_a_minute_and_another_one_at_once(clock: FakeClock) -> None:
    boundary = Boundary(clock.monotonic)
    with capture_logs() as logs:
        for _ in range(8 * 60):  # two minutes of ticks
            breaks(boundary)
            clock.advance(seconds=0.25)
        assert len(logs) == 2
        breaks(boundary, error=KeyError)
        breaks(boundary, step="route")
    assert [log["where"] for log in logs[2:]] == ["collect", "route"]


def test_an_interrupt_is_no_error(clock: FakeClock) -> None:
    with pytest.raises(KeyboardInterrupt), Boundary(clock.monotonic).apart("collect"):
        raise KeyboardInterrupt
