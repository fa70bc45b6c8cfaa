"""What scanners say they made: kept, and told of a series once it is final."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_clock import FakeClock

from dicom_node.domain.performed_step import PerformedStep, StepState
from dicom_node.spool.ledger import Ledger
from dicom_node.spool.performed_steps import PerformedSteps


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[PerformedSteps]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield ledger.performed_steps
    ledger.close()


def a_step(clock: FakeClock, uid: str = "1.5", **series: frozenset[str]) -> PerformedStep:
    named = {"1." + name.removeprefix("s"): instances for name, instances in series.items()}
    return PerformedStep(uid, StepState.IN_PROGRESS, "MR1", clock.now(), clock.now(), named)


def test_a_step_is_read_back_as_it_was_saved_last(steps: PerformedSteps, clock: FakeClock) -> None:
    first = a_step(clock, s1=frozenset({"1.1.1"}))
    steps.save(first)
    assert steps.find("1.5") == first
    last = replace(first, state=StepState.COMPLETED, series={"1.2": frozenset({"1.2.1", "1.2.2"})})
    steps.save(last)
    assert steps.find("1.5") == last
    assert steps.find("1.6") is None


@pytest.mark.parametrize(
    ("state", "told"), [("IN PROGRESS", None), ("DISCONTINUED", None), ("COMPLETED", frozenset({"1.1.1"}))]
)
def test_only_a_completed_step_tells_what_a_series_holds(
    steps: PerformedSteps, clock: FakeClock, state: str, told: frozenset[str] | None
) -> None:
    steps.save(replace(a_step(clock, s1=frozenset({"1.1.1"})), state=StepState(state)))
    assert steps.performed("1.1") == told


def test_a_series_of_two_steps_holds_what_both_made_once_both_are_completed(
    steps: PerformedSteps, clock: FakeClock
) -> None:
    first = replace(a_step(clock, "1.5", s1=frozenset({"1.1.1"})), state=StepState.COMPLETED)
    second = a_step(clock, "1.6", s1=frozenset({"1.1.2"}))
    steps.save(first)
    steps.save(second)
    assert steps.performed("1.1") is None
    steps.save(replace(second, state=StepState.COMPLETED))
    assert steps.performed("1.1") == {"1.1.1", "1.1.2"}


def test_a_step_that_lists_a_series_without_instances_says_nothing_of_it(
    steps: PerformedSteps, clock: FakeClock
) -> None:
    steps.save(replace(a_step(clock, s1=frozenset()), state=StepState.COMPLETED))
    assert steps.performed("1.1") is None


def test_steps_are_forgotten_after_their_time(steps: PerformedSteps, clock: FakeClock) -> None:
    steps.save(a_step(clock, "1.5", s1=frozenset({"1.1.1"})))
    clock.advance(seconds=60)
    steps.save(a_step(clock, "1.6"))
    assert steps.forget(clock.now()) == 1
    assert steps.find("1.5") is None
    assert steps.find("1.6") is not None
