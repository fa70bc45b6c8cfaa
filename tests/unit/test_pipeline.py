"""The life of a series, under a clock that the test moves."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from fake_clock import FakeClock
from harness import RULES, Harness
from made_series import a_few
from pydicom import dcmread

from dicom_node.domain.job import JobEvent, JobState
from dicom_node.domain.series import SeriesState
from dicom_node.errors import ModelCrashed

TWO_RULES = (
    RULES
    + """\
  - name: the same once more
    when: {Modality: MR}
    run: {model: test-any-contrast, target: plain}
    send: [tps]
"""
)
SHIPPED_RULE = RULES.replace("test-any-contrast, target: plain", "harmonize-nyul, target: siemens-3t").replace(
    ", contrast: T1}", "}"
)


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    return Harness(tmp_path, clock)


def test_a_series_becomes_one_derived_series_in_the_pacs(node: Harness) -> None:
    series = a_few()
    node.receive(series)
    node.run_all()
    assert node.series.state is SeriesState.ROUTED
    assert node.job.state is JobState.DELIVERED
    assert node.pacs["PACS"].series() == {node.job.derived_series_uid: len(series)}
    derived = dcmread(BytesIO(next(iter(node.pacs["PACS"].held.values()))))
    assert derived.StudyInstanceUID == series[0].StudyInstanceUID
    assert derived.SeriesDescription.startswith("RESEARCH harmonization")
    assert derived.SeriesNumber == 1004


def test_a_series_is_not_touched_while_it_still_arrives(node: Harness) -> None:
    series = a_few()
    node.receive(series[:12])
    node.pipeline.collect()
    for ds in series[12:]:
        node.clock.advance(seconds=1.5)
        node.receive([ds])
        node.pipeline.collect()
        node.pipeline.route()
    assert node.series.state is SeriesState.RECEIVING
    node.close_series()
    assert node.series.state is SeriesState.ROUTED
    assert node.series.instances == len(series)


def test_the_same_series_sent_again_changes_nothing(node: Harness) -> None:
    series = a_few()
    node.receive(series)
    node.run_all()
    sent = node.pacs["PACS"].sent
    node.receive(series)
    node.run_all()
    assert node.series.revision == 1
    assert node.pacs["PACS"].sent == sent
    node.start()  # and after a restart
    node.run_all()
    assert node.series.revision == 1


def test_our_own_derived_series_is_recognised_when_it_comes_back(node: Harness) -> None:
    """Fault 57."""
    node.receive(a_few())
    node.run_all()
    node.receive([dcmread(BytesIO(content)) for content in node.pacs["PACS"].held.values()])
    node.run_all()
    assert len(node.ledger.jobs()) == 1
    ours = node.ledger.find_series(node.job.derived_series_uid)
    assert ours is not None
    assert (ours.state, ours.reason) == (SeriesState.IGNORED, "this node made it")


def test_a_series_that_no_rule_matches_is_ignored_with_the_failing_clause_of_each_rule(node: Harness) -> None:
    node.receive(a_few(description="Ax T2 FLAIR"))
    node.run_all()
    assert node.series.state is SeriesState.IGNORED
    assert node.series.reason is not None
    assert "every T1" in node.series.reason
    assert "contrast" in node.series.reason


def test_fault_59_two_matching_rules_make_two_derived_series_with_uids_and_numbers_of_their_own(
    tmp_path: Path, clock: FakeClock
) -> None:
    node = Harness(tmp_path, clock, rules=TWO_RULES)
    node.receive(a_few())
    node.run_all()
    first, second = sorted(node.ledger.jobs(), key=lambda job: job.rule)
    assert first.derived_series_uid != second.derived_series_uid
    assert first.derived_series_number != second.derived_series_number
    assert node.pacs["PACS"].series() == {first.derived_series_uid: 20}
    assert node.pacs["TPS"].series() == {second.derived_series_uid: 20}


def test_a_contrast_outside_the_models_contract_is_held_with_the_reason(tmp_path: Path, clock: FakeClock) -> None:
    node = Harness(tmp_path, clock, rules=SHIPPED_RULE)
    node.receive(a_few(description="FSE PD AXIAL"))
    node.run_all()
    assert node.series.state is SeriesState.HELD
    assert node.job.state is JobState.HELD
    assert node.job.reason is not None
    assert "contrast" in node.job.reason
    assert node.executor.ran == 0
    assert node.pacs["PACS"].held == {}


def test_a_dead_pacs_makes_its_deliveries_wait_longer_each_time_while_the_others_go_on(
    tmp_path: Path, clock: FakeClock
) -> None:
    node = Harness(tmp_path, clock, rules=TWO_RULES)
    node.pacs["PACS"].down = True
    node.receive(a_few())
    node.run_all()
    assert node.pacs["PACS"].held == {}
    assert len(node.pacs["TPS"].series()) == 1
    waits = []
    for _ in range(6):
        (waiting,) = [d for job in node.ledger.jobs() for d in node.ledger.deliveries(job.id) if d.reason]
        waits.append(round((waiting.next_attempt - clock.now()).total_seconds()))
        clock.advance(seconds=waits[-1])
        for name in node.pipeline.destinations_due():
            node.pipeline.deliver(name)
    assert waits == [30, 60, 120, 240, 480, 600]
    node.pacs["PACS"].down = False
    clock.advance(seconds=600)
    for name in node.pipeline.destinations_due():
        node.pipeline.deliver(name)
    assert {job.state for job in node.ledger.jobs()} == {JobState.DELIVERED}


def test_a_delivery_that_waits_survives_a_restart(node: Harness) -> None:
    node.pacs["PACS"].down = True
    node.receive(a_few())
    node.run_all()
    node.pacs["PACS"].down = False
    node.start()
    node.clock.advance(seconds=31)
    node.run_all()
    assert node.job.state is JobState.DELIVERED


def test_instances_that_the_pacs_refuses_end_the_job_with_the_status(node: Harness) -> None:
    node.pacs["PACS"].refuses = {"1.2.3": 0xC000}
    node.receive(a_few())
    node.run_all()
    assert node.job.state is JobState.FAILED
    assert "0xC000" in str(node.job.reason)
    node.pacs["PACS"].refuses = {}
    node.ledger.change_job(node.job.id, JobEvent.RETRIED, node.clock.now(), attempts=0)
    node.run_all()
    assert node.job.state is JobState.DELIVERED


def test_a_model_that_breaks_is_tried_a_bounded_number_of_times_and_the_next_job_runs(node: Harness) -> None:
    node.executor.error = ModelCrashed("the inference process ended")
    node.receive(a_few())
    node.run_all()
    assert (node.job.state, node.job.attempts) == (JobState.FAILED, 3)
    node.executor.error = None
    node.receive(a_few())
    node.run_all()
    assert [job.state for job in node.ledger.jobs()].count(JobState.DELIVERED) == 1


def test_an_error_that_nobody_foresaw_fails_its_job_without_its_words(node: Harness) -> None:
    node.executor.error = RuntimeError("DOE^JOHN is in this message")
    node.receive(a_few())
    node.run_all()
    assert node.job.state is JobState.FAILED
    assert "RuntimeError at harness.py" in str(node.job.reason)
    assert "DOE" not in str(node.job.reason)


def test_a_retry_writes_the_same_bytes_under_the_same_uids(node: Harness) -> None:
    node.pacs["PACS"].refuses = {"1.2.3": 0xA900}
    node.receive(a_few())
    node.run_all()
    before = [path.read_bytes() for path in node.results.paths(node.job.id)]
    node.clock.advance(seconds=86400)
    node.pacs["PACS"].refuses = {}
    node.ledger.change_job(node.job.id, JobEvent.RETRIED, node.clock.now(), attempts=0)
    node.run_all()
    assert node.job.state is JobState.DELIVERED
    assert [path.read_bytes() for path in node.results.paths(node.job.id)] == before


@pytest.mark.parametrize(
    ("late", "revisions", "jobs"),
    [
        ("never", 1, [JobState.DELIVERED]),
        ("replace", 2, [JobState.DELIVERED, JobState.SUPERSEDED]),
        ("new_series", 2, [JobState.DELIVERED, JobState.DELIVERED]),
    ],
)
def test_fault_35_a_late_slice_is_treated_as_the_policy_says(
    tmp_path: Path, clock: FakeClock, late: str, revisions: int, jobs: list[JobState]
) -> None:
    node = Harness(tmp_path, clock, late=late)
    series = a_few()
    node.receive(series[:-1])
    node.run_all()
    node.receive(series[-1:])
    node.run_all()
    assert node.series.revision == revisions
    assert sorted(job.state for job in node.ledger.jobs()) == sorted(jobs)
    assert len({job.derived_series_uid for job in node.ledger.jobs()}) == revisions
    if late == "never":
        assert "left out" in str(node.series.reason)


def test_a_late_slice_after_a_restart_is_seen_too(node: Harness) -> None:
    series = a_few()
    node.receive(series[:-1])
    node.run_all()
    node.start()
    node.receive(series[-1:])
    node.run_all()
    assert node.series.revision == 2


def test_fault_33_a_missing_slice_holds_the_series_until_it_comes(node: Harness) -> None:
    series = a_few()
    node.receive(series[:9] + series[10:])
    node.close_series()
    assert node.series.state is SeriesState.RECEIVING  # a gap is no evidence; only silence closes it
    node.clock.advance(seconds=30)
    node.run_all()
    assert node.series.state is SeriesState.HELD
    assert node.pacs["PACS"].held == {}
    node.receive(series[9:10])
    node.run_all()
    assert [job.state for job in node.ledger.jobs()].count(JobState.DELIVERED) == 1


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.ENCODED, JobState.DELIVERING])
def test_a_node_that_ended_in_the_middle_of_a_job_brings_it_to_its_end(node: Harness, state: JobState) -> None:
    node.receive(a_few())
    node.close_series()
    events = [JobEvent.STARTED, JobEvent.ENCODED, JobEvent.SENDING]
    if state is not JobState.RUNNING:
        node.pipeline.infer()
        events = events[2:]
    for event in events[: 1 if state is JobState.RUNNING else [JobState.ENCODED, JobState.DELIVERING].index(state)]:
        node.ledger.change_job(node.job.id, event, node.clock.now(), attempts=1)
    assert node.job.state is state
    node.start()
    node.run_all()
    assert node.job.state is JobState.DELIVERED
    assert node.pacs["PACS"].series() == {node.job.derived_series_uid: 20}


def test_a_job_that_ends_the_node_each_time_stops_after_some_attempts(node: Harness) -> None:
    node.receive(a_few())
    node.close_series()
    for attempt in range(1, 4):
        node.ledger.change_job(node.job.id, JobEvent.STARTED, node.clock.now(), attempts=attempt)
        node.start()
    assert node.job.state is JobState.FAILED


def test_a_broken_rules_file_leaves_the_good_rules_in_force_and_says_so(node: Harness) -> None:
    node.rules_file.write_text("version: 1\nrules: [")
    node.pipeline.reload_rules()
    assert node.pipeline.rules_problem is not None
    node.receive(a_few())
    node.run_all()
    assert node.job.state is JobState.DELIVERED
    node.rules_file.write_text(RULES)
    node.pipeline.reload_rules_if_changed()
    assert node.pipeline.rules_problem is None


def test_fault_58_a_job_keeps_its_rule_when_the_rule_is_deleted(node: Harness) -> None:
    node.receive(a_few())
    node.close_series()
    node.rules_file.write_text(RULES.replace("every T1", "another").replace("contrast: T1", "contrast: T2"))
    node.pipeline.reload_rules()
    node.run_all()
    assert node.job.state is JobState.DELIVERED
    assert node.job.snapshot["rule"]["name"] == "every T1"


def test_one_series_that_cannot_be_digested_does_not_stop_the_others(
    node: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison, good = a_few(), a_few()

    def identify(folder: str, real: object = node.spool.identify) -> object:
        key = real(folder)  # type: ignore[operator]
        if key.series_uid == poison[0].SeriesInstanceUID:
            raise RuntimeError
        return key

    monkeypatch.setattr(node.spool, "identify", identify)
    node.receive(poison)
    node.receive(good)
    node.run_all()
    assert [series.series_uid for series in node.ledger.series()] == [good[0].SeriesInstanceUID]
    assert node.job.state is JobState.DELIVERED


def test_a_rule_with_two_outputs_makes_two_derived_series(tmp_path: Path, clock: FakeClock) -> None:
    twice = "[{model: test-any-contrast, target: plain}, {model: harmonize-nyul, target: siemens-3t}]"
    node = Harness(tmp_path, clock, rules=RULES.replace("{model: test-any-contrast, target: plain}", twice))
    node.receive(a_few())
    node.run_all()
    jobs = node.ledger.jobs()
    assert sorted(job.model for job in jobs) == ["harmonize-nyul", "test-any-contrast"]
    assert {job.rule for job in jobs} == {"every T1"}
    assert len({job.derived_series_uid for job in jobs}) == len({job.derived_series_number for job in jobs}) == 2
    assert all(job.snapshot["rule"]["run"]["model"] == job.model for job in jobs)


def test_a_job_begins_when_its_window_opens_and_not_before(tmp_path: Path, clock: FakeClock) -> None:
    """The clock of the tests says 8:00 UTC, which is 9:00 in Berlin."""
    late = "    during: evening\nwindows:\n  evening: {from: '18:00', until: '22:00', time_zone: Europe/Berlin}\n"
    node = Harness(tmp_path, clock, rules=RULES + late)
    node.receive(a_few())
    node.run_all()
    assert (node.job.state, node.executor.ran) == (JobState.QUEUED, 0)
    clock.advance(seconds=8.5 * 3600)
    assert not node.pipeline.infer()
    clock.advance(seconds=1800)
    node.run_all()
    assert node.job.state is JobState.DELIVERED
