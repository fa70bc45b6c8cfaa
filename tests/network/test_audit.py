"""The audit: associations are in the ledger, and their messages arrive once somebody takes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
import structlog
from fake_clock import FakeClock
from made_instances import CANARY, made_instance
from memory_store import MemoryStore
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE
from syslog_server import certificate, server_context, syslog_server
from until import until

from dicom_node.audit.message import AuditSource
from dicom_node.audit.receivers import AuditFile, AuditReceiver, SyslogReceiver, frame, tls_context
from dicom_node.auditing import RETRY_FIRST_S, Auditor
from dicom_node.domain.association import AssociationEvent
from dicom_node.errors import InstanceRejected
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.spool.ledger import Ledger

pytestmark = pytest.mark.network

AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
EVENT = AssociationEvent(AT, AT, "10.0.0.7", "MR1", "HARMONIZE", "released", None, False, 2, 300, 0)
SOURCE = AuditSource("HARMONIZE", "HARMONIZE@node", "4711")

Start = Callable[[AuditReceiver | None], Auditor]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def start(ledger: Ledger, clock: FakeClock) -> Start:
    return lambda receiver: Auditor(ledger.audit_trail, SOURCE, receiver, clock)


def syslog(port: int, **tls: Any) -> SyslogReceiver:
    return SyslogReceiver("127.0.0.1", port, tls_context(**tls) if tls else None, "node", "4711")


def test_every_association_is_in_the_ledger_with_who_how_many_and_how_much(start: Start, ledger: Ledger) -> None:
    auditor, store = start(None), MemoryStore()
    receiver = Receiver(store, Policy("HARMONIZE"), on_association=auditor.on_association)
    receiver.start()
    entity = AE("MR1")
    entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)

    def associate(called: str = "HARMONIZE") -> Any:
        return entity.associate("127.0.0.1", receiver.port, ae_title=called)

    released, dataset = associate(), made_instance()
    released.send_c_store(dataset)
    store.failure = InstanceRejected(0xA700, "cannot store now: No space left on device")
    released.send_c_store(dataset)
    released.release()
    associate().abort()
    assert not associate("OTHER").is_established
    until(lambda: auditor.write() >= 0 and len(ledger.audit_trail.associations()) == 3)
    noted = ledger.audit_trail.associations()
    threading.Thread(target=receiver.stop, args=(0,)).start()
    by_outcome = {each.outcome: each for each in noted}
    assert by_outcome.keys() == {"released", "aborted", "refused"}
    good = by_outcome["released"]
    length = len(next(iter(store.held.values())).dataset)
    assert (good.instances, good.bytes, good.refused_instances) == (1, length, 1)
    assert (good.peer, good.calling_ae, good.called_ae, good.tls) == ("127.0.0.1", "MR1", "HARMONIZE", False)
    assert good.started_at < good.ended_at
    assert by_outcome["refused"].reason == "called AE title not recognized"
    assert by_outcome["refused"].called_ae == "OTHER"
    assert ledger.audit_trail.count_waiting() == 0  # messages go nowhere


def test_a_file_gets_a_message_a_line_also_after_it_was_moved_away(start: Start, tmp_path: Path) -> None:
    auditor = start(AuditFile(tmp_path / "audit.log"))
    auditor.started()
    auditor.on_association(EVENT)
    auditor.write()
    auditor.send()
    (tmp_path / "audit.log").rename(tmp_path / "audit.log.1")
    auditor.stopped()
    auditor.send()
    first = (tmp_path / "audit.log.1").read_text().splitlines()
    (last,) = (tmp_path / "audit.log").read_text().splitlines()
    assert [kind(line) for line in first] == ["110100", "110104"]
    assert 'csd-code="110121"' in last


def kind(text: str) -> str:
    return Xml.fromstring(text).find("EventIdentification/EventID").attrib["csd-code"]  # type: ignore[union-attr]  # it is there


def test_a_syslog_message_is_framed_as_the_rfcs_say() -> None:
    content = frame((AT, "<é/>"), host_name="no de", process_id="4711")
    head = b"<85>1 2026-11-21T08:00:00.000Z node dicom-node 4711 DICOM+RFC3881 - "
    body = head + b"\xef\xbb\xbf" + "<é/>".encode()
    assert content == b"%d " % len(body) + body


def test_messages_arrive_over_tcp_whole_and_in_their_order(start: Start, ledger: Ledger) -> None:
    with syslog_server() as server:
        auditor = start(syslog(server.port))
        for number in range(3):
            auditor.on_association(replace(EVENT, instances=number + 1))
        auditor.write()
        auditor.send()
        until(lambda: len(server.received) == 3)
    texts = [each.partition(b"\xef\xbb\xbf")[2].decode() for each in server.received]
    assert [f"{number} instances" in text for number, text in enumerate(texts, start=1)] == [True] * 3
    assert {kind(text) for text in texts} == {"110104"}
    assert ledger.audit_trail.count_waiting() == 0


def test_messages_arrive_over_tls_where_both_sides_know_each_other(start: Start, tmp_path: Path) -> None:
    theirs, ours = certificate(tmp_path, "collector"), certificate(tmp_path, "node")
    with syslog_server(tls=server_context(*theirs, trusted=ours[0])) as server:
        auditor = start(syslog(server.port, ca_file=theirs[0], certificate=ours[0], key=ours[1]))
        auditor.on_association(EVENT)
        auditor.write()
        auditor.send()
        until(lambda: len(server.received) == 1)


def test_nothing_is_told_to_a_receiver_that_is_not_trusted(start: Start, ledger: Ledger, tmp_path: Path) -> None:
    theirs, other = certificate(tmp_path, "collector"), certificate(tmp_path, "other")
    with syslog_server(tls=server_context(*theirs)) as server:
        auditor = start(syslog(server.port, ca_file=other[0], certificate=None, key=None))
        auditor.on_association(EVENT)
        auditor.write()
        with structlog.testing.capture_logs() as events:
            auditor.send()
    assert server.received == []
    assert ledger.audit_trail.count_waiting() == 1
    assert "audit_deferred" in {event["event"] for event in events}


def test_messages_wait_in_the_ledger_for_a_receiver_that_is_down_and_over_a_restart(
    start: Start, ledger: Ledger, clock: FakeClock
) -> None:
    with syslog_server() as server:
        pass  # its port is known, and nothing listens there any more
    auditor = start(syslog(server.port))
    auditor.on_association(EVENT)
    auditor.write()
    auditor.send()
    assert ledger.audit_trail.count_waiting() == 1
    with syslog_server(resets=1) as server:
        auditor = start(syslog(server.port))  # the node was restarted
        auditor.send()
        assert ledger.audit_trail.count_waiting() == 1  # reset in the middle: it is not known what arrived
        auditor.send()
        assert server.received == []  # it waits before the next attempt
        clock.advance(seconds=RETRY_FIRST_S)
        auditor.send()
        until(lambda: len(server.received) == 1)
    assert ledger.audit_trail.count_waiting() == 0


def test_a_ledger_that_cannot_be_written_loses_nothing_that_fits_into_memory(
    start: Start, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    auditor = start(None)
    auditor.on_association(EVENT)
    with monkeypatch.context() as full:
        full.setattr(ledger.audit_trail, "_engine", None)
        with pytest.raises(AttributeError):
            auditor.write()
    auditor.on_association(replace(EVENT, calling_ae="MR2"))
    assert auditor.write() == 2
    assert [each.calling_ae for each in ledger.audit_trail.associations()] == ["MR1", "MR2"]


def test_fault_68_whatever_a_peer_calls_itself_is_written_and_sent(
    start: Start, ledger: Ledger, tmp_path: Path
) -> None:
    auditor = start(AuditFile(tmp_path / "audit.log"))
    for title in ("A\r\n<14>1 forged", "\x00\x1b[2J", "\ud800"):
        auditor.on_association(replace(EVENT, calling_ae=title))
    assert auditor.write() == 3
    auditor.send()
    assert [kind(line) for line in (tmp_path / "audit.log").read_text().splitlines()] == ["110104"] * 3
    assert all(each.calling_ae.isprintable() for each in ledger.audit_trail.associations())


def test_associations_are_forgotten_after_their_time_and_messages_wait_on(start: Start, ledger: Ledger) -> None:
    with syslog_server() as server:
        pass
    auditor = start(syslog(server.port))
    auditor.on_association(EVENT)
    auditor.write()
    assert ledger.audit_trail.forget(datetime(2026, 11, 22, tzinfo=UTC)) == 1
    assert ledger.audit_trail.count_waiting() == 1


def test_no_value_of_a_data_set_is_in_a_log_or_message(
    start: Start, ledger: Ledger, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    auditor = start(AuditFile(tmp_path / "audit.log"))
    with structlog.testing.capture_logs() as events:
        receiver = Receiver(MemoryStore(), Policy("HARMONIZE"), on_association=auditor.on_association)
        receiver.start()
        entity = AE("MR1")
        entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
        association = entity.associate("127.0.0.1", receiver.port, ae_title="HARMONIZE")
        dataset = made_instance()
        association.send_c_store(dataset)
        association.release()
        until(lambda: auditor.write())
        auditor.send()
        receiver.stop(0)
    audited = (tmp_path / "audit.log").read_text()
    assert "1 instances" in audited
    everything = f"{events}{audited}{capfd.readouterr()}"
    values = (CANARY, "canary-id", dataset.SOPInstanceUID, dataset.SeriesInstanceUID, dataset.StudyInstanceUID)
    assert not any(value in everything for value in values)
