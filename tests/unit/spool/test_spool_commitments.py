"""Requests for storage commitment in the ledger, and what the spool holds of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fake_clock import FakeClock
from made_series import TRANSPORT, encoded, key_of, made_series
from pydicom.uid import MRImageStorage

from dicom_node.domain.commitment import (
    COMMITMENT_TRANSITIONS,
    Commitment,
    CommitmentEvent,
    CommitmentState,
    Holding,
    Reference,
    answer,
)
from dicom_node.errors import IllegalTransition, NotFound
from dicom_node.spool.holdings import holdings
from dicom_node.spool.instances import Spool
from dicom_node.spool.ledger import Ledger

LEASE = timedelta(minutes=10)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = Ledger(url)
    yield opened
    opened.close()


def a_request(clock: FakeClock, *instances: str, transaction: str = "1.9", requestor: str = "MR1") -> Commitment:
    references = tuple(Reference(MRImageStorage, uid) for uid in instances or ("1.2.3",))
    return Commitment(transaction, requestor, "10.0.0.7", references, received=clock.now(), next_attempt=clock.now())


def test_a_request_is_there_after_a_restart(ledger: Ledger, url: str, clock: FakeClock) -> None:
    asked = ledger.commitments.ask(a_request(clock))
    ledger.close()
    assert Ledger(url).commitments.all() == [asked] == [a_request(clock)]


def test_the_same_request_again_is_no_second_one_and_is_reported_on_again(ledger: Ledger, clock: FakeClock) -> None:
    first = ledger.commitments.ask(a_request(clock, "1.1", "1.2"))
    ledger.commitments.change(first, CommitmentEvent.REPORTED, attempts=1)
    clock.advance(seconds=60)
    again = ledger.commitments.ask(a_request(clock, "1.2", "1.1"))
    assert (again.state, again.attempts, again.received) == (CommitmentState.WAITING, 0, clock.now())
    assert [each.id for each in ledger.commitments.all()] == [first.id]


def test_a_transaction_uid_that_stands_for_other_instances_already_fails_with_0131(
    ledger: Ledger, clock: FakeClock
) -> None:
    ledger.commitments.ask(a_request(clock, "1.1"))
    other = ledger.commitments.ask(a_request(clock, "1.2"))
    assert answer(other, {"1.2": Holding(MRImageStorage)}).failed == ((Reference(MRImageStorage, "1.2"), 0x0131),)
    assert not ledger.commitments.ask(a_request(clock, "1.2", requestor="MR2")).duplicate


def test_what_is_taken_is_kept_from_other_processes_until_the_lease_is_over(ledger: Ledger, clock: FakeClock) -> None:
    asked = ledger.commitments.ask(a_request(clock))
    assert [each.id for each in ledger.commitments.take_due(clock.now(), lease=LEASE)] == [asked.id]
    assert ledger.commitments.take_due(clock.now(), lease=LEASE) == []
    clock.advance(seconds=601)
    assert len(ledger.commitments.take_due(clock.now(), lease=LEASE)) == 1


def test_a_clock_that_is_set_back_does_not_put_a_report_off_for_days(ledger: Ledger, clock: FakeClock) -> None:
    ledger.commitments.ask(a_request(clock))
    clock.set_back(timedelta(days=3))
    assert len(ledger.commitments.take_due(clock.now(), lease=LEASE)) == 1


def test_a_request_that_is_asked_again_while_it_is_reported_on_is_reported_on_again(
    ledger: Ledger, clock: FakeClock
) -> None:
    first = ledger.commitments.ask(a_request(clock))
    clock.advance(seconds=1)
    ledger.commitments.ask(a_request(clock))
    assert ledger.commitments.change(first, CommitmentEvent.REPORTED).state is CommitmentState.WAITING


def test_the_requests_of_one_requestor_can_be_left_where_they_are(ledger: Ledger, clock: FakeClock) -> None:
    ledger.commitments.ask(a_request(clock))
    other = ledger.commitments.ask(a_request(clock, requestor="MR2"))
    taken = ledger.commitments.take_due(clock.now(), lease=LEASE, without={"MR1"})
    assert [each.id for each in taken] == [other.id]


def test_settled_requests_are_forgotten_after_their_time_and_waiting_ones_never(
    ledger: Ledger, clock: FakeClock
) -> None:
    settled = ledger.commitments.ask(a_request(clock))
    waiting = ledger.commitments.ask(a_request(clock, transaction="1.8"))
    ledger.commitments.change(settled, CommitmentEvent.REPORTED)
    clock.advance(seconds=10)
    assert ledger.commitments.forget(clock.now()) == 1
    assert [each.id for each in ledger.commitments.all()] == [waiting.id]
    with pytest.raises(NotFound):
        ledger.commitments.change(settled, CommitmentEvent.REPORTED)


def test_what_is_not_in_the_table_of_transitions_raises(ledger: Ledger, clock: FakeClock) -> None:
    asked = ledger.commitments.ask(a_request(clock))
    ledger.commitments.change(asked, CommitmentEvent.REPORTED)
    assert (CommitmentState.REPORTED, CommitmentEvent.GIVEN_UP) not in COMMITMENT_TRANSITIONS
    with pytest.raises(IllegalTransition):
        ledger.commitments.change(asked, CommitmentEvent.GIVEN_UP)


def test_each_instance_is_committed_or_fails_with_its_reason(clock: FakeClock, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    good, disputed, absent, damaged = made_series()[20:24]
    for ds in (good, disputed, damaged):
        spool.put(key_of(ds), TRANSPORT, encoded(ds))
    disputed.InstanceNumber = 99
    spool.put(key_of(disputed), TRANSPORT, encoded(disputed))
    named = {ds.SOPInstanceUID: ds for ds in (good, disputed, absent, damaged)}
    (folder,) = spool.folders()
    broken = next(path for path in spool.instances(folder) if damaged.SOPInstanceUID.encode() in path.read_bytes())
    broken.write_bytes(b"nothing of it")

    held = holdings(spool, named)
    found = answer(a_request(clock, *named), held)
    assert [each.sop_instance_uid for each in found.committed] == [good.SOPInstanceUID]
    assert {each.sop_instance_uid: reason for each, reason in found.failed} == {
        disputed.SOPInstanceUID: 0x0110, absent.SOPInstanceUID: 0x0112, damaged.SOPInstanceUID: 0x0112,
    }  # fmt: skip
    assert found.missing
    as_ct = Commitment(
        "1", "MR1", "", (Reference("1.2.840.10008.5.1.4.1.1.2", good.SOPInstanceUID),), clock.now(), clock.now()
    )
    assert answer(as_ct, held).failed[0][1] == 0x0119


def test_an_instance_that_is_named_twice_is_answered_once(clock: FakeClock) -> None:
    found = answer(a_request(clock, "1.1", "1.1"), {"1.1": Holding(MRImageStorage)})
    assert len(found.committed) == 1
