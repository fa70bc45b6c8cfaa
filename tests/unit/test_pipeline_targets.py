"""Targets that a site adds while the node runs."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import look_bundle
import phantom
import pytest
from fake_clock import FakeClock
from harness import RULES, Harness
from made_series import made_series
from pydicom import dcmread

from dicom_node.domain.job import JobEvent, JobState
from dicom_node.domain.series import SeriesState
from inference.look import Look, look_of

TO_OURS = RULES.replace("test-any-contrast, target: plain", f"{look_bundle.NAME}, target: ours").replace(
    ", contrast: T1}", "}"
)


def a_look(seed: int = 0) -> Look:
    return look_of([phantom.head(seed=seed)], contrast="T1")


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    """Return a node that began before there was such a target."""
    look_bundle.write(tmp_path / "models", tmp_path / "new")
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES.replace("test-any-contrast", look_bundle.NAME))
    return Harness(tmp_path, clock)


def begin_to_aim_at_ours(node: Harness) -> None:
    node.rules_file.write_text(TO_OURS)
    node.pipeline.reload_rules_if_changed()
    assert "no target of that name" in (node.pipeline.rules_problem or "")
    node.added.put("ours", a_look())
    node.pipeline.reload_rules_if_changed()
    assert node.pipeline.rules_problem is None


def test_a_running_node_notices_a_target_and_the_job_keeps_its_digest(node: Harness) -> None:
    begin_to_aim_at_ours(node)
    node.receive(made_series())
    node.run_all()
    assert (node.job.state, node.job.target, node.job.target_digest) == (JobState.DELIVERED, "ours", a_look().digest)
    derived = dcmread(BytesIO(next(iter(node.pacs["PACS"].held.values()))))
    assert f"target ours; target sha256 {a_look().digest}" in derived.DerivationDescription


def test_a_job_waits_for_the_target_that_it_was_made_for(node: Harness) -> None:
    begin_to_aim_at_ours(node)
    node.receive(made_series())
    node.close_series()
    node.added.put("ours", a_look(seed=1), replace=True)
    node.run_all()
    assert (node.job.state, node.executor.ran) == (JobState.HELD, 0)
    assert "target ours was changed since this job was made" in (node.job.reason or "")
    node.added.put("ours", a_look(), replace=True)
    node.ledger.change_job(node.job.id, JobEvent.RETRIED, node.clock.now())
    node.run_all()
    assert node.job.state is JobState.DELIVERED


def test_a_job_whose_target_was_removed_is_held_with_what_is_offered(node: Harness) -> None:
    begin_to_aim_at_ours(node)
    node.receive(made_series())
    node.close_series()
    node.added.remove("ours")
    node.run_all()
    assert node.job.state is JobState.HELD
    assert node.job.reason == f"model {look_bundle.NAME} has no target 'ours': it offers plain"


def test_a_series_that_comes_after_its_target_was_removed_is_held(node: Harness) -> None:
    begin_to_aim_at_ours(node)
    node.added.remove("ours")
    node.pipeline.reload_rules_if_changed()
    assert "no target of that name" in (node.pipeline.rules_problem or "")
    node.receive(made_series())
    node.run_all()
    assert node.series.state is SeriesState.HELD
    assert "has no target 'ours'" in (node.series.reason or "")


def test_a_series_of_another_contrast_than_the_target_is_held_with_both(node: Harness) -> None:
    begin_to_aim_at_ours(node)
    node.receive(made_series(description="FSE PD AXIAL"))
    node.run_all()
    assert (node.series.state, node.job.state, node.executor.ran) == (SeriesState.HELD, JobState.HELD, 0)
    assert (node.job.reason or "").endswith("that of the target is T1")
