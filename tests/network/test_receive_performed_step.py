"""Performed procedure steps on the wire: what a scanner says it did is kept, and nothing that it may not say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from fake_clock import FakeClock
from made_instances import CANARY
from memory_store import MemoryStore
from pydicom import Dataset
from pydicom.uid import MRImageStorage
from pynetdicom import AE, evt

from dicom_node.domain.performed_step import StepState
from dicom_node.receive.performed_step import PerformedStepMessages
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.spool.ledger import Ledger
from dicom_node.spool.performed_steps import PerformedSteps

pytestmark = pytest.mark.network

MPPS = "1.2.840.10008.3.1.2.3.3"
STEP = "1.2.3.9"


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[PerformedSteps]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield ledger.performed_steps
    ledger.close()


@pytest.fixture
def scanner(steps: PerformedSteps, clock: FakeClock) -> Iterator[Any]:
    service = PerformedStepMessages(steps, clock).service
    receiver = Receiver(MemoryStore(), Policy("HARMONIZE"), services=[service])
    receiver.start()
    entity = AE("MR1")
    entity.add_requested_context(MPPS)
    association = entity.associate("127.0.0.1", receiver.port, ae_title="HARMONIZE")
    yield association
    association.release()
    threading.Thread(target=receiver.stop, args=(0,)).start()


def attributes(state: str | None = None, **series: list[str]) -> Dataset:
    ds = Dataset()
    ds.PatientName = CANARY
    if state is not None:
        ds.PerformedProcedureStepStatus = state
    if series:
        ds.PerformedSeriesSequence = [listed(name, uids) for name, uids in series.items()]
    return ds


def listed(name: str, instances: list[str]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = "1.4." + name.removeprefix("s")
    item.ReferencedImageSequence = []
    item.ReferencedNonImageCompositeSOPInstanceSequence = []
    for number, uid in enumerate(instances):
        reference = Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = MRImageStorage, uid
        # the last is no image
        (
            item.ReferencedNonImageCompositeSOPInstanceSequence
            if number == len(instances) - 1
            else item.ReferencedImageSequence
        ).append(reference)
    return item


def create(scanner: Any, ds: Dataset, uid: str | None = STEP) -> Dataset:
    status, _ = scanner.send_n_create(ds, MPPS, uid)
    return status  # type: ignore[no-any-return]  # of a library without types


def change(scanner: Any, ds: Dataset, uid: str = STEP) -> Dataset:
    status, _ = scanner.send_n_set(ds, MPPS, uid)
    return status  # type: ignore[no-any-return]  # of a library without types


def test_what_a_scanner_did_is_told_of_its_series_when_the_step_is_completed(
    scanner: Any, steps: PerformedSteps, clock: FakeClock
) -> None:
    assert create(scanner, attributes("IN PROGRESS")).Status == 0x0000
    clock.advance(seconds=60)
    assert change(scanner, attributes(s1=["1.1", "1.2"])).Status == 0x0000
    assert steps.performed("1.4.1") is None
    assert change(scanner, attributes("COMPLETED", s1=["1.1", "1.2", "1.3"], s2=["2.1"])).Status == 0x0000
    assert steps.performed("1.4.1") == {"1.1", "1.2", "1.3"}
    assert steps.performed("1.4.2") == {"2.1"}
    step = steps.find(STEP)
    assert step is not None
    assert (step.state, step.calling_ae, step.changed) == (StepState.COMPLETED, "MR1", clock.now())


def test_a_step_without_a_uid_is_given_one_and_its_creator_told(scanner: Any, steps: PerformedSteps) -> None:
    told: list[str] = []  # pynetdicom's requestor passes over it
    scanner.bind(evt.EVT_DIMSE_RECV, lambda event: told.append(event.message.command_set.AffectedSOPInstanceUID))
    assert create(scanner, attributes("IN PROGRESS"), None).Status == 0x0000
    (uid,) = told
    assert steps.find(uid) is not None


def test_a_final_step_changes_no_more(scanner: Any, steps: PerformedSteps) -> None:
    create(scanner, attributes("IN PROGRESS"))
    change(scanner, attributes("DISCONTINUED", s1=["1.1"]))
    answer = change(scanner, attributes("COMPLETED"))
    assert (answer.Status, answer.ErrorID) == (0x0110, 0xA710)
    assert steps.find(STEP).state is StepState.DISCONTINUED  # type: ignore[union-attr]  # it is there


def test_what_may_not_be_said_is_refused_and_changes_nothing(scanner: Any, steps: PerformedSteps) -> None:
    assert create(scanner, attributes("COMPLETED")).Status == 0x0106
    assert create(scanner, attributes()).Status == 0x0120
    assert change(scanner, attributes("COMPLETED")).Status == 0x0112
    assert steps.find(STEP) is None
    assert create(scanner, attributes("IN PROGRESS")).Status == 0x0000
    assert create(scanner, attributes("IN PROGRESS")).Status == 0x0111
    assert change(scanner, attributes("DONE")).Status == 0x0106
    assert change(scanner, attributes("COMPLETED", s1=[""])).Status == 0x0106
    assert steps.find(STEP).state is StepState.IN_PROGRESS  # type: ignore[union-attr]  # it is there


def test_nothing_of_a_step_is_logged(
    scanner: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    with structlog.testing.capture_logs() as events:
        create(scanner, attributes("IN PROGRESS", s1=["1.1"]))
        change(scanner, attributes("CANARY"))
        change(scanner, attributes("COMPLETED", s1=["1.1"]))
    assert {"step_created", "request_refused", "step_changed"} <= {event["event"] for event in events}
    everything = f"{events}{caplog.text}{capfd.readouterr()}"
    assert not any(value in everything for value in (CANARY, "CANARY", STEP, "1.4.1"))
