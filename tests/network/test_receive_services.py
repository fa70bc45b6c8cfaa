"""Associations that agree on storage and on a rarer service: one loop serves all of it."""

from __future__ import annotations

import ssl
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from made_instances import made_instance
from memory_store import MemoryStore
from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE, build_context, evt
from pynetdicom.events import Event
from raw_peer import COMMAND, DATA, LAST, RawPeer, aborted, command, elements, encoded, even, p_data, request
from until import until

from dicom_node.dimse.commands import CommandField
from dicom_node.domain.association import AssociationEvent
from dicom_node.domain.commitment import Answer, Reference
from dicom_node.receive import services
from dicom_node.receive.commitment import STORAGE_COMMITMENT_INSTANCE
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.own_requests import AssociationOver, OwnRequests
from dicom_node.receive.policy import Policy
from dicom_node.receive.report import Report
from dicom_node.receive.server import Receiver
from dicom_node.receive.services import Reply, Request, Service
from dicom_node.receive.tls import TlsFiles

pytestmark = pytest.mark.network

COMMITMENT = UID("1.2.840.10008.1.20.1")
MIXED = ((1, MRImageStorage, ExplicitVRLittleEndian), (3, COMMITMENT, ExplicitVRLittleEndian))
REPORT = Report("1.2.3", Answer((Reference(MRImageStorage, "1.2.4"),), ()))
LIMIT_S = 30.0
"""Only ends a test that would hang."""


@dataclass
class House:
    """A receiver with a service that keeps what it is asked."""

    tls: TlsFiles | None = None
    store: MemoryStore = field(default_factory=MemoryStore)
    asked: list[Request] = field(default_factory=list)
    events: list[AssociationEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.receiver = Receiver(
            self.store,
            Policy("HARMONIZE"),
            limits=ReceiverLimits(associations=1),
            tls=self.tls,
            services=[Service(COMMITMENT, {CommandField.N_ACTION_RQ: self.on_action})],
            on_association=self.events.append,
        )

    def on_action(self, request: Request) -> Reply:
        request.association.expect()
        self.asked.append(request)
        return services.answering(lambda request: str(request.data_set()))(request)  # type: ignore[arg-type,return-value]

    @property
    def association(self) -> OwnRequests:
        """The association over which it was asked last."""
        return self.asked[-1].association


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    house.receiver.start()
    yield house
    house.receiver.stop(0)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def associate(house: House, on_report: Any = None, tls: Any = None) -> Any:
    entity = AE(ae_title="SCANNER")
    contexts = [build_context(each, ExplicitVRLittleEndian) for each in (MRImageStorage, COMMITMENT)]
    handlers: Any = [] if on_report is None else [(evt.EVT_N_EVENT_REPORT, on_report)]
    return entity.associate(
        "127.0.0.1", house.receiver.port, contexts, ae_title="HARMONIZE", evt_handlers=handlers, tls_args=tls
    )


def ask(association: Any, transaction: str = "1.2.3") -> int:
    information = Dataset()
    information.TransactionUID = transaction
    status, _ = association.send_n_action(information, 1, COMMITMENT, STORAGE_COMMITMENT_INSTANCE)
    return int(status.Status)


def action(*data: bytes) -> bytes:
    """Return an N-ACTION in fragments of its data set."""
    told = {0x0003: even(COMMITMENT), 0x0800: b"\1\0", 0x1001: even(STORAGE_COMMITMENT_INSTANCE), 0x1008: b"\1\0"}
    asked = elements(0x0130) | told
    del asked[0x0002]
    *first, last = data
    fragments = [(3, DATA, each) for each in first] + [(3, DATA | LAST, last)]
    return p_data((3, COMMAND | LAST, command(asked))) + b"".join(p_data(each) for each in fragments)


def test_a_rarer_service_and_storage_share_an_association(house: House) -> None:
    association, dataset = associate(house), made_instance(side=256)
    assert len(association.accepted_contexts) == 2
    assert association.send_c_store(dataset).Status == 0x0000
    assert ask(association) == 0x0000
    assert association.send_c_store(made_instance()).Status == 0x0000
    (asked,) = house.asked
    assert (asked.data_set().TransactionUID, asked.calling_ae, asked.peer) == ("1.2.3", "SCANNER", "127.0.0.1")
    assert (len(house.store.held), dataset.SOPInstanceUID in house.store.held) == (2, True)
    assert associate(house).is_rejected  # it takes its place as any other
    association.release()
    until(lambda: len(house.events) == 2)
    assert [(event.outcome, event.instances) for event in house.events] == [("refused", 0), ("released", 2)]
    assert associate(house).is_established


def test_stopping_aborts_it_too(house: House) -> None:
    association = associate(house)
    association.send_c_store(made_instance())
    house.receiver.stop(0)
    until(lambda: association.is_aborted)
    until(lambda: [event.outcome for event in house.events] == ["aborted"])
    assert not house.store.connected.total()


def test_what_belongs_to_another_service_of_the_association_is_not_done(house: House) -> None:
    dataset = made_instance()
    dataset.SOPClassUID = COMMITMENT  # an image of no storage class must not come in by the side door
    store = elements(1, COMMITMENT) | {0x0800: b"\1\0", 0x1000: even(dataset.SOPInstanceUID)}
    with RawPeer(house.receiver.port, request(MIXED)) as peer:
        peer.send(p_data((3, COMMAND | LAST, command(store)), (3, DATA | LAST, encoded(dataset))))
        assert peer.status() == 0x0211
        peer.send(p_data((1, COMMAND | LAST, command(elements(0x0130, MRImageStorage)))))
        assert peer.status() == 0x0211
        peer.send(p_data((3, COMMAND | LAST, command(elements(0x0030, COMMITMENT)))))
        assert peer.status() == 0x0122
    assert (house.store.held, house.asked) == ({}, [])


def test_a_request_larger_than_any_is_refused_and_nothing_of_it_is_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAXIMUM_BYTES", 1000)
    information = Dataset()
    information.TransactionUID = "1.2.3"
    with RawPeer(house.receiver.port, request(MIXED)) as peer:
        peer.send(action(bytes(600), bytes(600), bytes(600)))
        assert peer.status() == 0x0213
        assert not house.asked[0]._data_set
        peer.send(action(encoded(information)))
        assert peer.status() == 0x0000


def test_what_the_node_asks_goes_between_the_messages_of_the_peer_and_the_images_go_on(
    house: House, threads: ThreadPoolExecutor
) -> None:
    reported: list[Dataset] = []

    def on_report(event: Event) -> tuple[int, None]:
        reported.append(event.event_information)
        return 0x0000, None

    association = associate(house, on_report)
    assert ask(association) == 0x0000
    for _ in range(3):
        status = threads.submit(house.association.ask, COMMITMENT, REPORT, within_s=LIMIT_S)
        assert association.send_c_store(made_instance()).Status == 0x0000
        assert status.result() == 0x0000
    association.release()
    assert [each.TransactionUID for each in reported] == ["1.2.3"] * 3
    assert len(house.store.held) == 3


def test_what_the_node_asks_is_encrypted_where_the_association_is(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    files = TlsFiles(tmp_path / "node.pem", tmp_path / "node.key")
    own.private_key_pem.write_to_path(str(files.key))
    own.cert_chain_pems[0].write_to_path(str(files.certificate))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    house = House(files)
    house.receiver.start()
    association = associate(house, lambda _event: (0x0000, None), tls=(context, "127.0.0.1"))
    assert ask(association) == 0x0000
    status = threads.submit(house.association.ask, COMMITMENT, REPORT, within_s=LIMIT_S)
    assert association.send_c_store(made_instance()).Status == 0x0000
    assert status.result() == 0x0000
    association.release()
    house.receiver.stop(0)


class Asked:
    """A peer that the node has asked something and that has not answered yet."""

    def __init__(self, house: House, peer: RawPeer, threads: ThreadPoolExecutor, *, within_s: float = LIMIT_S) -> None:
        peer.send(action(b""))
        assert peer.status() == 0x0000
        self.status: Future[int | None] = threads.submit(house.association.ask, COMMITMENT, REPORT, within_s=within_s)
        self.request = peer.read() + peer.read()


def response(message_id: int, status: int = 0x0000) -> bytes:
    told = elements(0x8100, COMMITMENT) | {0x0120: struct.pack("<H", message_id), 0x0900: struct.pack("<H", status)}
    del told[0x0110]
    return p_data((3, COMMAND | LAST, command(told)))


def test_the_status_of_the_response_is_told_to_whoever_asked(house: House, threads: ThreadPoolExecutor) -> None:
    with RawPeer(house.receiver.port, request(MIXED)) as peer:
        asked = Asked(house, peer, threads)
        assert COMMITMENT.encode() in asked.request
        peer.send(response(1, 0x0110))
        assert asked.status.result(LIMIT_S) == 0x0110


def test_an_answer_that_comes_too_late_does_no_harm(house: House, threads: ThreadPoolExecutor) -> None:
    with RawPeer(house.receiver.port, request(MIXED)) as peer:
        assert Asked(house, peer, threads, within_s=0.5).status.result(LIMIT_S) is None
        second = Asked(house, peer, threads)
        peer.send(response(1, 0x0110) + response(2))
        assert second.status.result(LIMIT_S) == 0x0000


@pytest.mark.parametrize("message_id", [0, 2])
def test_a_response_to_what_was_never_asked_ends_the_association(
    house: House, threads: ThreadPoolExecutor, message_id: int
) -> None:
    with RawPeer(house.receiver.port, request(MIXED)) as peer:
        asked = Asked(house, peer, threads)
        peer.send(response(message_id))
        assert aborted(peer.read(), 0)
        with pytest.raises(AssociationOver):
            asked.status.result(LIMIT_S)
    assert not house.association.is_open


def test_whoever_asks_is_told_when_the_association_ends(house: House, threads: ThreadPoolExecutor) -> None:
    with RawPeer(house.receiver.port, request(MIXED)) as peer:
        asked = Asked(house, peer, threads)
        house.receiver.stop(0)
        with pytest.raises(AssociationOver):
            asked.status.result(LIMIT_S)
        with pytest.raises(AssociationOver):
            house.association.ask(COMMITMENT, REPORT, within_s=LIMIT_S)


def memory_kb() -> int:
    """Return the most memory that this process has had since `forget_peak`."""
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1])


def test_an_image_of_200_megabytes_is_never_held_whole(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = threading.Semaphore(0)
    monkeypatch.setattr("memory_store.Arriving.write", lambda *_: dropped.release())
    dataset = made_instance()
    head, piece = encoded(dataset)[:-136], bytes(100_000)
    store = elements(1, MRImageStorage) | {0x0800: b"\1\0", 0x1000: even(dataset.SOPInstanceUID)}
    with RawPeer(house.receiver.port, request(MIXED)) as peer:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = memory_kb()
        peer.send(p_data((1, COMMAND | LAST, command(store))) + p_data((1, DATA, head)))
        for _ in range(2000):
            peer.send(p_data((1, DATA, piece)))
        peer.send(p_data((1, DATA | LAST, piece)))
        assert peer.status() == 0x0000
        assert memory_kb() - before < 20_000
        peer.send(action(b""))
        assert peer.status() == 0x0000
