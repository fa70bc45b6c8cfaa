"""What was sent and turns out wrong is taken back: wherever it went, until each has the note, and never twice."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from dicom3tools import errors, output
from fake_clock import FakeClock
from harness import RULES, Harness
from made_series import a_few
from pydicom import Dataset, dcmread

from dicom_node.domain.delivery import DeliveryState
from dicom_node.domain.job import Fault, Job, JobState
from dicom_node.errors import IllegalTransition
from dicom_node.spool.retention import expire

BOTH = RULES.replace("send: [pacs]", "send: [pacs, tps]")
REJECTED = "113001"


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    return Harness(tmp_path, clock, rules=BOTH)


def notes(node: Harness, pacs: str) -> list[Dataset]:
    held = (dcmread(BytesIO(content)) for content in node.pacs[pacs].held.values())
    return [ds for ds in held if ds.Modality == "KO"]


def rejected_by(note: Dataset) -> set[str]:
    (study,) = note.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    return {each.ReferencedSOPInstanceUID for each in series.ReferencedSOPSequence}


def deliver(node: Harness) -> None:
    for name in node.pipeline.destinations_due():
        node.pipeline.deliver(name)


def half_and_rest(node: Harness) -> Job:
    """Derive from the first slices of a series, and have the rest come late."""
    series = a_few()
    node.receive(series[:-1])
    node.run_all()
    first = node.job
    node.receive(series[-1:])
    node.close_series()
    return node.ledger.job(first.id)


def states(node: Harness, job: Job) -> set[DeliveryState]:
    return {each.state for each in node.ledger.deliveries(job.id)}


def test_a_replaced_result_is_rejected_wherever_it_was_sent(node: Harness, tmp_path: Path) -> None:
    first = half_and_rest(node)
    derived = {dcmread(path).SOPInstanceUID for path in node.results.paths(first.id)}
    node.run_all()
    assert node.ledger.job(first.id).state is JobState.SUPERSEDED
    assert states(node, first) == {DeliveryState.RETRACTED}
    for pacs in ("PACS", "TPS"):
        (note,) = notes(node, pacs)
        assert rejected_by(note) == derived
        assert note.ConceptNameCodeSequence[0].CodeValue == REJECTED
        assert note.ContentSequence[0].ConceptNameCodeSequence[0].CodeMeaning == "Document Title Modifier"
        assert note.ContentSequence[0].ConceptCodeSequence[0].CodeValue == "111219"
        assert (str(note.PatientName), note.StudyInstanceUID) == ("PHANTOM^HEAD", node.series.study_uid)
    second = next(job for job in node.ledger.jobs() if job.revision == 2)
    assert node.pacs["PACS"].series()[second.derived_series_uid] == 20
    (file,) = (tmp_path / "derived").glob("*-rejection/*.dcm")
    assert errors(file) == set()
    derived_files = node.results.paths(first.id)
    assert "Error" not in output("dcentvfy", file, *derived_files[:2])


def test_a_result_that_was_not_sent_yet_is_not_sent_and_needs_no_note(node: Harness) -> None:
    series = a_few()
    node.receive(series[:-1])
    node.close_series()
    while node.pipeline.infer():
        pass
    node.receive(series[-1:])
    node.run_all()
    assert node.ledger.jobs()[0].state is JobState.SUPERSEDED
    assert notes(node, "PACS") == []
    assert len(node.pacs["PACS"].series()) == 1


def test_a_note_that_cannot_be_sent_now_is_sent_later_the_same_and_once(node: Harness, clock: FakeClock) -> None:
    first = half_and_rest(node)
    node.pacs["PACS"].down = True
    deliver(node)
    assert states(node, first) == {DeliveryState.RETRACTING, DeliveryState.RETRACTED}
    node.start()  # a restart forgets nothing
    node.pacs["PACS"].down = False
    clock.advance(seconds=31)
    deliver(node)
    assert states(node, first) == {DeliveryState.RETRACTED}
    (one,), (other,) = notes(node, "PACS"), notes(node, "TPS")
    assert one == other
    clock.advance(seconds=3600)
    assert node.pipeline.destinations_due() == []


def test_a_destination_that_refuses_the_note_is_told_of_and_can_be_asked_again(node: Harness) -> None:
    first = half_and_rest(node)
    node.pacs["TPS"].refuses = {"1.2.3": 0x0122}
    deliver(node)
    refused = next(each for each in node.ledger.deliveries(first.id) if each.destination == "tps")
    assert refused.state is DeliveryState.NOT_RETRACTED
    assert refused.reason == "1 of 1 instances were refused with 0x0122"
    node.pacs["TPS"].refuses = {}
    node.ledger.retract(first.id, node.clock.now())
    deliver(node)
    assert states(node, first) == {DeliveryState.RETRACTED}
    assert node.ledger.job(first.id).state is JobState.SUPERSEDED


def test_an_admin_takes_back_what_a_job_sent_once(node: Harness) -> None:
    node.receive(a_few())
    node.close_series()
    queued = node.job
    with pytest.raises(IllegalTransition):
        node.ledger.retract(queued.id, node.clock.now())
    node.run_all()
    assert node.ledger.retract(queued.id, node.clock.now()).state is JobState.RETRACTED
    deliver(node)
    assert [len(notes(node, pacs)) for pacs in ("PACS", "TPS")] == [1, 1]
    with pytest.raises(IllegalTransition):
        node.ledger.retract(queued.id, node.clock.now())


@pytest.mark.parametrize(("fault", "code"), [(Fault.PROCESSING, "111219"), (Fault.SOFTWARE, "111218")])
def test_the_note_names_what_was_at_fault_and_goes_on_naming_it(node: Harness, fault: Fault, code: str) -> None:
    node.receive(a_few())
    node.run_all()
    node.ledger.retract(node.job.id, node.clock.now(), fault=fault)
    node.pacs["TPS"].refuses = {"1.2.3": 0x0122}
    deliver(node)
    node.pacs["TPS"].refuses = {}
    node.ledger.retract(node.job.id, node.clock.now(), fault=next(each for each in Fault if each is not fault))
    deliver(node)
    (note,), (same,) = notes(node, "PACS"), notes(node, "TPS")
    assert note.ContentSequence[0].ConceptCodeSequence[0].CodeValue == code
    assert note == same


def test_a_half_sent_result_is_rejected_too_and_what_comes_of_its_sending_changes_nothing(node: Harness) -> None:
    series = a_few()
    node.receive(series)
    node.close_series()
    while node.pipeline.infer():
        pass
    send = node.pacs["PACS"].send

    def retracted_meanwhile(paths: list[Path]) -> object:
        node.pacs["PACS"].send = send  # type: ignore[method-assign]  # the first call alone is special
        node.ledger.retract(node.job.id, node.clock.now())
        return send(paths)

    node.pacs["PACS"].send = retracted_meanwhile  # type: ignore[assignment,method-assign]  # as above
    node.pipeline.deliver("pacs")
    assert states(node, node.job) == {DeliveryState.RETRACTING}
    deliver(node)
    assert len(notes(node, "PACS")) == 1
    assert states(node, node.job) == {DeliveryState.RETRACTED}


def test_the_files_of_a_result_stay_until_its_rejection_has_arrived(node: Harness, clock: FakeClock) -> None:
    node.receive(a_few())
    node.run_all()
    node.pacs["PACS"].down = node.pacs["TPS"].down = True
    node.ledger.retract(node.job.id, clock.now())
    deliver(node)
    clock.advance(seconds=30 * 86_400)
    assert expire(node.ledger, node.spool, node.results, before=clock.now()) == 0
    node.pacs["PACS"].down = node.pacs["TPS"].down = False
    deliver(node)
    clock.advance(seconds=86_400)
    assert expire(node.ledger, node.spool, node.results, before=clock.now() + timedelta(days=1)) == 1
    assert list((node.folder / "derived").iterdir()) == []


def test_without_its_files_a_result_cannot_be_taken_back_and_the_reason_says_what_to_do(node: Harness) -> None:
    node.receive(a_few())
    node.run_all()
    node.results.discard(node.job.id)
    node.ledger.retract(node.job.id, node.clock.now())
    deliver(node)
    assert states(node, node.job) == {DeliveryState.NOT_RETRACTED}
    assert "reject it in the archive" in str(node.ledger.deliveries(node.job.id)[0].reason)


@pytest.mark.parametrize("late", ["never", "new_series"])
def test_other_policies_take_nothing_back(tmp_path: Path, clock: FakeClock, late: str) -> None:
    node = Harness(tmp_path, clock, late=late)
    half_and_rest(node)
    node.run_all()
    assert notes(node, "PACS") == []
    assert {job.state for job in node.ledger.jobs()} == {JobState.DELIVERED}
