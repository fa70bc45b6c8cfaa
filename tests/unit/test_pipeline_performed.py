"""What the scanner says of a series (MPPS) is evidence that it is complete, or that it is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from fake_clock import FakeClock
from harness import Harness
from made_series import made_series
from pydicom import Dataset

from dicom_node.domain.performed_step import PerformedStep, StepState
from dicom_node.domain.series import SeriesState


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    return Harness(tmp_path, clock)


def say(node: Harness, series: Sequence[Dataset], *, state: StepState = StepState.COMPLETED) -> None:
    made = {str(series[0].SeriesInstanceUID): frozenset(str(ds.SOPInstanceUID) for ds in series)}
    now = node.clock.now()
    node.ledger.performed_steps.save(PerformedStep("1.5", state, "MR1", now, now, made))


def test_a_series_of_which_all_is_here_that_the_scanner_made_waits_for_nothing_more(node: Harness) -> None:
    series = made_series()[20:24]  # too few for geometry to say anything
    with node.spool.sender_connected(series[0].SeriesInstanceUID):
        node.receive(series)
        node.pipeline.collect()
        assert node.series.state is SeriesState.RECEIVING
        say(node, series)
        node.pipeline.collect()
    assert node.series.state is SeriesState.COMPLETE
    assert "MPPS" in str(node.series.evidence)


def test_a_gapless_stack_of_which_the_scanner_made_more_waits_for_the_rest(node: Harness) -> None:
    series = made_series()[10:30]
    say(node, series)
    node.receive(series[:15])
    node.close_series()
    assert node.series.state is SeriesState.RECEIVING
    node.receive(series[15:])
    node.pipeline.collect()
    assert (node.series.state, node.series.instances) == (SeriesState.COMPLETE, 20)


def test_what_never_comes_is_waited_for_no_longer_than_silence(node: Harness) -> None:
    series = made_series()[10:30]
    say(node, series)
    node.receive(series[:15])
    node.close_series()
    node.clock.advance(seconds=30)
    node.pipeline.collect()
    assert node.series.evidence == "nothing came for 30 s"


def test_a_step_that_was_broken_off_shows_nothing(node: Harness) -> None:
    series = made_series()[20:24]
    say(node, series, state=StepState.DISCONTINUED)
    node.receive(series)
    node.close_series()
    assert node.series.state is SeriesState.RECEIVING
