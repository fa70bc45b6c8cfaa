"""The receiver against pynetdicom's SCU and raw sockets."""

from __future__ import annotations

import copy
import errno
import io
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog
from made_instances import CANARY, made_instance
from memory_store import MemoryStore
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
)
from pynetdicom import AE, build_context
from pynetdicom.dsutils import encode
from until import until

from dicom_node.domain.instance import InstanceKey, Stored
from dicom_node.errors import InstanceRejected, RefusedToStart
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.settings import CallingAe
from dicom_node.spool.instances import Spool, folder_name

pytestmark = pytest.mark.network

Start = Callable[..., Receiver]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(scope="module")
def stopping() -> Iterator[ThreadPoolExecutor]:
    """Stop receivers in the background: pynetdicom looks only twice a second whether it should."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def start(store: MemoryStore, stopping: ThreadPoolExecutor) -> Iterator[Start]:
    started = []

    def run(*, callers: Any = "any", limits: ReceiverLimits | None = None, at: Any = None) -> Receiver:
        receiver = Receiver(at or store, Policy("HARMONIZE", callers), limits=limits)
        receiver.start()
        started.append(receiver)
        return receiver

    yield run
    for receiver in started:
        stopping.submit(receiver.stop, 0)


def associate(receiver: Receiver, *contexts: Any, calling: str = "SCANNER", called: str = "HARMONIZE") -> Any:
    contexts = contexts or (build_context(MRImageStorage, ExplicitVRLittleEndian),)
    return AE(ae_title=calling).associate("127.0.0.1", receiver.port, list(contexts), ae_title=called)


def send(receiver: Receiver, dataset: Dataset) -> int:
    association = associate(receiver)
    try:
        return int(association.send_c_store(dataset).Status)
    finally:
        association.release()


def ended(receiver: Receiver) -> Callable[[], bool]:
    return lambda: receiver.counters.snapshot().associations_open == 0


def test_an_instance_is_kept_byte_for_byte_as_the_sender_encoded_it(start: Start, store: MemoryStore) -> None:
    dataset = made_instance()
    assert send(start(), dataset) == 0x0000
    held = store.held[dataset.SOPInstanceUID]
    assert held.dataset == encode(dataset, False, True)
    assert held.key == InstanceKey(
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, MRImageStorage, dataset.SOPInstanceUID
    )
    assert (held.transport.calling_ae, held.transport.called_ae) == ("SCANNER", "HARMONIZE")
    assert held.transport.transfer_syntax_uid == ExplicitVRLittleEndian


def test_an_instance_that_comes_again_is_acknowledged_whatever_its_content(start: Start, store: MemoryStore) -> None:
    receiver, dataset = start(), made_instance()
    statuses = [send(receiver, dataset), send(receiver, dataset)]
    dataset.InstanceNumber = 2
    statuses.append(send(receiver, dataset))
    assert statuses == [0x0000, 0x0000, 0x0000]
    assert receiver.counters.snapshot().instances == {Stored.NEW: 1, Stored.DUPLICATE: 1, Stored.CONFLICT: 1}


def test_an_instance_is_in_the_spool_before_it_is_acknowledged(start: Start, tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    dataset = made_instance()
    receiver = start(at=spool)
    association = associate(receiver)
    assert association.send_c_store(dataset).Status == 0x0000
    folder = folder_name(dataset.SeriesInstanceUID)
    (path,) = spool.instances(folder)
    assert path.read_bytes().endswith(encode(dataset, False, True))
    assert spool.is_sender_connected(folder)
    association.release()
    until(lambda: not spool.is_sender_connected(folder))


@pytest.mark.parametrize("ending", ["release", "abort", "lost", "limit"])
def test_a_series_stays_open_until_its_association_ends_in_whichever_way(
    start: Start, store: MemoryStore, ending: str
) -> None:
    receiver = start(limits=ReceiverLimits(idle_s=0.5 if ending == "limit" else 60))
    dataset = made_instance()
    association = associate(receiver)
    association.send_c_store(dataset)
    if ending != "limit":
        assert store.connected[dataset.SeriesInstanceUID] == 1
    if ending == "lost":
        association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
    elif ending != "limit":
        getattr(association, ending)()
    until(lambda: not store.connected[dataset.SeriesInstanceUID])
    until(ended(receiver))


def test_an_association_with_many_series_keeps_only_the_latest_open(start: Start, store: MemoryStore) -> None:
    association = associate(start())
    datasets = [made_instance() for _ in range(10)]
    assert all(association.send_c_store(dataset).Status == 0x0000 for dataset in datasets)
    assert [store.connected[dataset.SeriesInstanceUID] for dataset in datasets] == [0, 0] + [1] * 8
    association.release()
    until(lambda: not store.connected.total())


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (InstanceRejected(0xA700, "cannot store now: No space left on device"), 0xA700),
        (OSError(errno.ENOSPC, CANARY, f"/var/{CANARY}"), 0xA700),
        (RuntimeError(CANARY), 0x0110),
    ],
)
def test_a_failure_of_the_store_is_answered_and_the_association_goes_on(
    start: Start, store: MemoryStore, failure: Exception, status: int
) -> None:
    receiver, dataset = start(), made_instance()
    association = associate(receiver)
    store.failure = failure
    answer = association.send_c_store(dataset)
    assert answer.Status == status
    assert CANARY not in answer.ErrorComment
    store.failure = None
    assert association.send_c_store(dataset).Status == 0x0000
    association.release()
    assert receiver.counters.snapshot().refused == {0xA700: 0} | {status: 1}


@pytest.mark.parametrize(
    ("keyword", "value", "status"),
    [
        ("SeriesInstanceUID", "../../x", 0xC000),
        ("StudyInstanceUID", None, 0xC000),
        ("SeriesInstanceUID", "1." * 40 + "1", 0xC000),
        ("SOPInstanceUID", "1.2.3", 0xA900),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2", 0xA900),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
def test_a_data_set_that_cannot_be_placed_is_refused(
    start: Start, store: MemoryStore, keyword: str, value: str | None, status: int
) -> None:
    good = made_instance()
    bad = encode(altered(good, keyword, value), False, True)
    assert store_encoded(associate(start()), good, bad) == status
    assert not store.held


def altered(dataset: Dataset, keyword: str, value: str | None) -> Dataset:
    changed = copy.deepcopy(dataset)
    del changed[keyword]
    if value is not None:
        setattr(changed, keyword, value)
    return changed


def store_encoded(association: Any, named: Dataset, encoded: bytes | None) -> int:
    """Send bytes under the UIDs of another data set, as a faulty sender would."""
    from pynetdicom.dimse_primitives import C_STORE

    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = named.SOPClassUID
    request.AffectedSOPInstanceUID = named.SOPInstanceUID
    request.Priority = 2
    request.DataSet = io.BytesIO(encoded or b"")
    association._reactor_checkpoint.clear()
    until(lambda: association._is_paused)
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    association.release()
    return int(response.Status)


def test_an_instance_of_another_sop_class_than_its_context_is_refused(start: Start) -> None:
    dataset = made_instance()
    association = associate(start(), build_context("1.2.840.10008.5.1.4.1.1.2", ExplicitVRLittleEndian))
    assert store_encoded(association, dataset, encode(dataset, False, True)) == 0x0122


@pytest.mark.parametrize(
    ("calling", "called", "reason"),
    [("STRANGER", "HARMONIZE", 3), ("SCANNER", "OTHER", 7), ("ELSEWHERE", "HARMONIZE", 3)],
)
def test_a_sender_that_the_policy_does_not_know_is_rejected(
    start: Start, calling: str, called: str, reason: int
) -> None:
    allowed = (
        CallingAe(ae_title="SCANNER", hosts=("127.0.0.0/8",)),
        CallingAe(ae_title="ELSEWHERE", hosts=("192.0.2.1",)),
    )
    receiver = start(callers=allowed)
    association = associate(receiver, calling=calling, called=called)
    answer = association.acceptor.primitive
    assert association.is_rejected
    assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, reason)
    assert send(receiver, made_instance()) == 0x0000
    assert sum(receiver.counters.snapshot().associations_rejected.values()) == 1


def test_a_policy_that_breaks_rejects(start: Start) -> None:
    def broken(host: str) -> list[str]:
        raise RuntimeError(host)

    store = MemoryStore()
    receiver = Receiver(store, Policy("HARMONIZE", (CallingAe(ae_title="SCANNER", hosts=("mr1",)),), resolve=broken))
    receiver.start()
    try:
        answer = associate(receiver).acceptor.primitive
        assert (answer.result, answer.result_source, answer.diagnostic) == (2, 1, 1)
    finally:
        receiver.stop(0)


def test_one_association_more_than_the_limit_is_rejected(start: Start) -> None:
    receiver = start(limits=ReceiverLimits(associations=1))
    first = associate(receiver)
    answer = associate(receiver).acceptor.primitive
    assert (answer.result, answer.result_source, answer.diagnostic) == (2, 3, 2)
    first.release()
    until(ended(receiver))
    assert receiver.counters.snapshot().associations_rejected["too many associations"] == 1


def test_the_deflated_syntax_is_not_taken(start: Start) -> None:
    contexts = [
        build_context(MRImageStorage, DeflatedExplicitVRLittleEndian),
        build_context(MRImageStorage, [ImplicitVRLittleEndian, ExplicitVRLittleEndian]),
    ]
    association = associate(start(), *contexts)
    assert [context.transfer_syntax for context in association.accepted_contexts] == [[ExplicitVRLittleEndian]]
    association.release()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x04\x00\xff\xff\xff\xf0",  # P-DATA-TF that claims four gigabytes
        b"\x01\x00\x00\x20\x00\x00",  # A-ASSOCIATE-RQ that claims two megabytes
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
        b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x02\x01\x03",  # P-DATA-TF before any association
    ],
)
def test_a_peer_that_does_not_speak_dicom_is_let_go_and_harms_nobody(start: Start, nonsense: bytes) -> None:
    receiver = start(limits=ReceiverLimits(negotiation_s=1))
    with socket.create_connection(("127.0.0.1", receiver.port)) as peer:
        peer.settimeout(20)
        peer.sendall(nonsense)
        assert closed(peer)
    assert send(receiver, made_instance()) == 0x0000


def closed(peer: socket.socket) -> bool:
    """Read up to the end that the receiver makes; a time-out fails the test."""
    try:
        while peer.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize("first_bytes", [b"", b"\x01\x00\x00", b"\x01\x00\x00\x00\x01\x00\x00\x01"])
def test_a_peer_that_stops_before_its_request_is_whole_is_let_go(start: Start, first_bytes: bytes) -> None:
    receiver = start(limits=ReceiverLimits(negotiation_s=0.3))
    with socket.create_connection(("127.0.0.1", receiver.port)) as peer:
        peer.settimeout(20)
        peer.sendall(first_bytes)
        assert closed(peer)
    until(lambda: not any(thread.name.startswith("dicom-connection") for thread in threading.enumerate()))


def test_peers_that_connect_and_say_nothing_keep_no_sender_out(start: Start) -> None:
    receiver = start(limits=ReceiverLimits(associations=2))
    silent = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(20)]
    try:
        assert send(receiver, made_instance()) == 0x0000
    finally:
        for peer in silent:
            peer.close()
    # long before the five seconds that a request may take
    until(lambda: not any(thread.name.startswith("dicom-connection") for thread in threading.enumerate()), limit_s=4)


def test_a_message_without_end_is_cut_off_and_leaves_nothing(start: Start, store: MemoryStore) -> None:
    receiver = start(limits=ReceiverLimits(instance_bytes=3000))
    association = associate(receiver)
    assert "Status" not in association.send_c_store(made_instance(side=64))
    until(ended(receiver))
    assert not store.held
    small = made_instance()
    association = associate(receiver)
    assert [association.send_c_store(small).Status for _ in range(10)] == [0x0000] * 10  # 6 kB in all
    association.release()


def test_a_reset_in_mid_instance_leaves_nothing_and_a_resend_works(start: Start, store: MemoryStore) -> None:
    receiver, dataset = start(), made_instance()
    association = associate(receiver)
    raw = association.dul.socket.socket
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.sendall(b"\x04\x00\x00\x00\x10\x00\x00\x00\x0f")
    raw.shutdown(socket.SHUT_RDWR)
    until(ended(receiver))
    assert not store.held
    assert send(receiver, dataset) == 0x0000


def test_stopping_lets_open_associations_finish_and_takes_no_new_ones(start: Start) -> None:
    receiver = start()
    association = associate(receiver)
    port = receiver.port
    stopping = threading.Thread(target=receiver.stop, args=(20,))
    stopping.start()
    until(lambda: refused(port))
    assert association.send_c_store(made_instance()).Status == 0x0000
    association.release()
    stopping.join(20)
    assert not stopping.is_alive()


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_stopping_aborts_what_does_not_finish(start: Start, store: MemoryStore) -> None:
    receiver = start()
    associations = [associate(receiver) for _ in range(3)]
    associations[0].send_c_store(made_instance())
    receiver.stop(0)
    until(lambda: all(association.is_aborted for association in associations))
    until(lambda: not store.connected.total())
    receiver.stop(0)  # once more does no harm


def test_a_port_that_is_taken_refuses_to_start(start: Start) -> None:
    taken = start().port
    with pytest.raises(RefusedToStart, match=f"cannot listen on 127.0.0.1:{taken}"):
        Receiver(MemoryStore(), Policy("HARMONIZE"), port=taken).start()


def test_nothing_of_a_data_set_is_logged(
    start: Start, store: MemoryStore, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    with structlog.testing.capture_logs() as events:
        receiver, dataset = start(), made_instance()
        send(receiver, dataset)
        store.failure = RuntimeError(CANARY)
        send(receiver, dataset)
        until(ended(receiver))
        receiver.stop(0)
    names = [event["event"] for event in events]
    assert names.count("association_ended") == 2
    assert "store_failed" in names
    everything = f"{events}{caplog.text}{capfd.readouterr()}"
    assert not any(value in everything for value in ("Canary", "canary-id", str(dataset.SOPInstanceUID)))
