"""Storage commitment on the wire: requests, and the reports on the same association and on others."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme
from commitment_scu import Scanner, listening
from fake_clock import FakeClock
from made_instances import CANARY, made_instance
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pynetdicom import AE
from sqlalchemy.exc import OperationalError
from until import until

from dicom_node.commitments import LEASE, CommitmentAnswers
from dicom_node.domain.commitment import CommitmentState
from dicom_node.errors import RefusedToStart
from dicom_node.receive import services
from dicom_node.receive.commitment import CommitmentRequests
from dicom_node.receive.policy import Policy
from dicom_node.receive.report import Reporter
from dicom_node.receive.server import Receiver
from dicom_node.settings import CommitmentPeer, CommitmentSettings, PeerTls
from dicom_node.spool.instances import Spool
from dicom_node.spool.ledger import Ledger

pytestmark = pytest.mark.network

DAY_S = 86_400


class Here:
    """Does at once what is submitted, in this thread."""

    def submit(self, work: Callable[..., object], *arguments: object) -> Future[object]:
        work(*arguments)
        return Future()

    def shutdown(self, **_: object) -> None: ...


class Node:
    """The part of a node that storage commitment needs; made again on the same folder, it is one that was restarted."""

    def __init__(self, folder: Path, clock: FakeClock, peers: tuple[CommitmentPeer, ...], **settings: Any) -> None:
        self.clock = clock
        self.spool = Spool(folder / "spool")
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
        requests = CommitmentRequests(self.ledger.commitments.ask, clock, check_room=self.spool.check_room)
        self.answers = CommitmentAnswers(
            self.ledger.commitments, self.spool, Reporter("HARMONIZE", connect_timeout_s=5, response_timeout_s=20),
            association_of=requests.association_of, settings=CommitmentSettings(peers=peers, **settings), clock=clock,
            threads=Here(),  # type: ignore[arg-type]  # all of an executor that is used
        )  # fmt: skip
        self.receiver = Receiver(self.spool, Policy("HARMONIZE"), services=[requests.service])
        self.receiver.start()

    def stop(self) -> None:
        threading.Thread(target=self.receiver.stop, args=(0,)).start()
        self.ledger.close()

    @property
    def request(self) -> Any:
        (only,) = self.ledger.commitments.all()
        return only

    def report(self, *, after_s: float = 0) -> None:
        self.clock.advance(seconds=after_s)
        self.answers.report_due()


Start = Callable[..., Node]


@pytest.fixture
def start(tmp_path: Path, clock: FakeClock) -> Iterator[Start]:
    started: list[Node] = []

    def run(scanner: Scanner | None = None, *, tls: PeerTls | None = None, **settings: Any) -> Node:
        for earlier in started:
            earlier.stop()
        where: dict[str, Any] = {} if scanner is None else {"host": "127.0.0.1", "port": scanner.port, "tls": tls}
        peers = (CommitmentPeer(ae_title="MR1", **where),) if where else ()
        started.append(Node(tmp_path, clock, peers, **settings))
        return started[-1]

    yield run
    for last in started[-1:]:
        last.stop()


def stored(node: Node, count: int = 2) -> list[str]:
    """Send instances to the node; return their UIDs."""
    entity = AE("MR1")
    entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", node.receiver.port, ae_title="HARMONIZE")
    datasets = [made_instance() for _ in range(count)]
    assert [association.send_c_store(each).Status for each in datasets] == [0x0000] * count
    association.release()
    return [str(each.SOPInstanceUID) for each in datasets]


def asked(node: Node, scanner: Scanner, instances: list[str], transaction: str = "1.2.3.4") -> None:
    association = scanner.associate(node.receiver.port)
    assert scanner.ask(association, transaction, instances) == 0x0000
    association.release()


def test_what_is_stored_is_committed_over_an_association_that_the_node_opens_as_scp(start: Start) -> None:
    with listening(Scanner()) as scanner:
        node = start(scanner)
        instances = stored(node)
        asked(node, scanner, instances)
        node.report()
    ((event_type, information),) = scanner.reports
    assert (event_type, information.TransactionUID) == (1, "1.2.3.4")
    assert scanner.committed == instances
    assert "FailedSOPSequence" not in information
    assert node.request.state is CommitmentState.REPORTED


def test_a_scanner_that_is_not_listed_hears_over_the_association_that_it_asked_over(start: Start) -> None:
    node, scanner = start(), Scanner()
    instances = stored(node)
    association = scanner.associate(node.receiver.port)
    assert scanner.ask(association, "1.2.3.4", instances) == 0x0000
    node.report()
    until(lambda: scanner.reports)
    assert scanner.committed == instances
    assert scanner.ask(association, "1.2.3.5", instances) == 0x0000  # the association is as good as before
    node.report()
    until(lambda: len(scanner.reports) == 2)
    association.release()
    assert {each.state for each in node.ledger.commitments.all()} == {CommitmentState.REPORTED}


def test_a_scanner_that_is_not_listed_and_has_gone_is_called_where_it_came_from(start: Start) -> None:
    with listening(Scanner()) as scanner:
        node = start(port=scanner.port)
        asked(node, scanner, stored(node))
        node.report()
    assert len(scanner.reports) == 1


def test_a_scanner_that_takes_reports_over_tls_is_told_over_tls_and_knows_the_node(
    start: Start, tmp_path: Path
) -> None:
    authority = trustme.CA()
    with listening(Scanner(), tls=server_tls(authority)) as scanner:
        node = start(scanner, tls=certified(tmp_path, authority))
        instances = stored(node)
        asked(node, scanner, instances)
        node.report()
    assert scanner.committed == instances
    assert node.request.state is CommitmentState.REPORTED


@pytest.mark.parametrize("shown", ["another authority's certificate", "no TLS"])
def test_a_scanner_that_is_not_known_by_its_certificate_is_told_nothing(
    start: Start, tmp_path: Path, shown: str
) -> None:
    tls = None if shown == "no TLS" else server_tls(trustme.CA())
    with listening(Scanner(), tls=tls) as scanner:
        node = start(scanner, tls=certified(tmp_path, trustme.CA()))
        asked(node, scanner, stored(node))
        node.report()
    assert scanner.reports == []
    assert node.request.state is CommitmentState.WAITING
    assert "TLS: correct its entry in commitment.peers" in node.request.reason


def test_certificates_that_cannot_be_used_keep_the_node_from_starting(start: Start, tmp_path: Path) -> None:
    with pytest.raises(RefusedToStart, match=r"^commitment.peers: .*absent.pem cannot be used: No such file"):
        start(Scanner(port=104), tls=PeerTls(ca_file=tmp_path / "absent.pem"))


def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """Return how a scanner speaks TLS that wants to know who calls."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def certified(folder: Path, authority: trustme.CA) -> PeerTls:
    """Return the files of a node that an authority knows."""
    files = PeerTls(ca_file=folder / "ca.pem", certificate=folder / "node.pem", key=folder / "node.key")
    own = authority.issue_cert("node.example.org")
    for path, blob in (
        (files.ca_file, authority.cert_pem),
        (files.certificate, own.cert_chain_pems[0]),
        (files.key, own.private_key_pem),
    ):
        blob.write_to_path(str(path))
    return files


def test_fault_53_a_request_that_comes_before_its_images_waits_for_them_and_then_no_longer(start: Start) -> None:
    with listening(Scanner()) as scanner:
        node = start(scanner, wait_s=30)
        late = generate_uid()
        instances = stored(node)
        asked(node, scanner, [*instances, late])
        node.report()
        node.report(after_s=29)
        assert scanner.reports == []
        node.report(after_s=2)
    assert scanner.reports[0][0] == 2
    assert (scanner.committed, scanner.failed) == (instances, {late: 0x0112})


def test_fault_53_a_request_that_comes_twice_is_answered_twice_and_is_one(start: Start) -> None:
    with listening(Scanner()) as scanner:
        node = start(scanner)
        instances = stored(node)
        asked(node, scanner, instances)
        asked(node, scanner, instances)
        node.report()
        asked(node, scanner, instances)
        node.report()
        node.report(after_s=DAY_S / 2)
    assert [event_type for event_type, _ in scanner.reports] == [1, 1]
    assert scanner.reports[0][1] == scanner.reports[1][1]
    assert node.request.state is CommitmentState.REPORTED


def test_fault_53_a_transaction_that_stands_for_other_instances_changes_nothing_in_the_first(start: Start) -> None:
    with listening(Scanner()) as scanner:
        node = start(scanner)
        first, other = stored(node)
        asked(node, scanner, [first])
        asked(node, scanner, [other])
        node.report()
    told = {event_type: information for event_type, information in scanner.reports}
    assert told[1].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first
    assert told[2].FailedSOPSequence[0].FailureReason == 0x0131


def test_fault_53_a_report_for_an_unknown_transaction_is_refused_and_harms_nothing(start: Start) -> None:
    node, scanner = start(), Scanner()
    association = scanner.associate(node.receiver.port)
    information = Dataset()
    information.TransactionUID = "1.2.3"
    status, _ = association.send_n_event_report(information, 1, "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1")
    assert status.Status != 0x0000
    assert scanner.ask(association, "1.2.3.4", ["1.2.5"]) == 0x0000
    association.release()


def test_a_report_that_nobody_takes_is_sent_later_and_later_and_survives_a_restart(start: Start) -> None:
    with listening(Scanner()) as scanner:
        pass  # its port is known, and nothing listens there any more
    node = start(scanner, retry_first_s=30, retry_max_s=600)
    asked(node, scanner, stored(node))
    node.report()
    assert (node.request.state, node.request.attempts) == (CommitmentState.WAITING, 1)
    assert "commitment.peers" in node.request.reason
    node.report(after_s=29)
    assert node.request.attempts == 1
    node.report(after_s=2)
    assert node.request.attempts == 2
    node = start(scanner, retry_first_s=30, retry_max_s=600)
    node.report(after_s=59)
    assert node.request.attempts == 2
    for _ in range(10):
        node.report(after_s=600)
    assert node.request.attempts == 12
    with listening(scanner):
        node.report(after_s=600)
    assert len(scanner.reports) == 1
    assert node.request.state is CommitmentState.REPORTED


def test_a_requestor_that_cannot_be_reached_is_tried_once_for_all_that_waits(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(Scanner()) as scanner:
        pass
    node = start(scanner)
    instances = stored(node)
    for number in range(3):
        asked(node, scanner, instances, transaction=f"1.2.{number}")
    tried: list[object] = []
    send_to = Reporter.send_to
    monkeypatch.setattr(Reporter, "send_to", lambda *how: (tried.append(how), send_to(*how)))
    node.report()
    assert len(tried) == 1
    assert [each.attempts for each in node.ledger.commitments.all()] == [1, 1, 1]


def test_a_request_whose_requestor_cannot_be_reached_for_days_is_given_up_until_it_asks_again(start: Start) -> None:
    with listening(Scanner()) as scanner:
        pass
    node = start(scanner, give_up_days=3)
    asked(node, scanner, stored(node))
    node.report()
    node.report(after_s=3 * DAY_S)
    assert node.request.state is CommitmentState.GIVEN_UP
    node.report(after_s=DAY_S)
    assert node.request.attempts == 2
    with listening(scanner):
        asked(node, scanner, [each.sop_instance_uid for each in node.request.references])
        node.report()
    assert len(scanner.reports) == 1


def test_a_report_that_the_scanner_answers_with_a_failure_is_sent_again(start: Start) -> None:
    with listening(Scanner(answers=[0x0110])) as scanner:
        node = start(scanner)
        asked(node, scanner, stored(node))
        node.report()
        assert "0x0110" in node.request.reason
        node.report(after_s=31)
    assert len(scanner.reports) == 2
    assert node.request.state is CommitmentState.REPORTED


def test_a_request_of_another_process_that_was_killed_in_mid_report_is_taken_over(start: Start) -> None:
    with listening(Scanner()) as scanner:
        node = start(scanner)
        asked(node, scanner, stored(node))
        node.ledger.commitments.take_due(node.clock.now(), lease=LEASE)  # and the process ends here
        node.report(after_s=60)
        assert scanner.reports == []
        node = start(scanner)
        node.answers.start()
        node.report()
    assert len(scanner.reports) == 1


@pytest.mark.parametrize(
    ("transaction", "instances", "how", "status"),
    [
        ("1.2.3.4", ["1.2.5"], {"action_type": 2}, 0x0123),
        ("1.2.3.4", ["1.2.5"], {"instance_uid": "1.2.3"}, 0x0112),
        ("", ["1.2.5"], {}, 0x0115),
        ("1.2.3.4", [], {}, 0x0115),
        ("1.2.3.4", [""], {}, 0x0115),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused_and_leaves_nothing(
    start: Start, transaction: str, instances: list[str], how: dict[str, Any], status: int
) -> None:
    node, scanner = start(), Scanner()
    association = scanner.associate(node.receiver.port)
    assert scanner.ask(association, transaction, instances, **how) == status
    association.release()
    assert node.ledger.commitments.all() == []


@pytest.mark.parametrize(
    ("error", "status"), [(OSError(28, CANARY), 0x0213), (OperationalError(CANARY, {}, Exception(CANARY)), 0x0110)]
)
def test_a_ledger_that_cannot_be_written_is_answered_with_a_failure_and_never_with_success(
    start: Start, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def full(*_: object) -> None:
        raise error

    node, scanner = start(), Scanner()
    monkeypatch.setattr(node.ledger.commitments, "_engine", type("Full", (), {"begin": full}))
    association = scanner.associate(node.receiver.port)
    with structlog.testing.capture_logs() as events:
        assert scanner.ask(association, "1.2.3.4", ["1.2.5"]) == status
    association.release()
    assert "request_refused" in {event["event"] for event in events}
    assert CANARY not in str(events)


def test_a_request_that_is_larger_than_any_is_refused_before_it_is_decoded(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, scanner = start(), Scanner()
    monkeypatch.setattr(services, "MAXIMUM_BYTES", 1000)
    association = scanner.associate(node.receiver.port)
    assert scanner.ask(association, "1.2.3.4", [f"1.2.{number}" for number in range(50)]) == 0x0213
    assert scanner.ask(association, "1.2.3.4", ["1.2.5"]) == 0x0000
    association.release()


def test_no_request_is_taken_while_less_than_the_watermark_is_free(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, scanner = start(), Scanner()
    association = scanner.associate(node.receiver.port)
    with monkeypatch.context() as full:
        full.setattr(node.spool, "_min_free_bytes", 1 << 60)
        assert scanner.ask(association, "1.2.3.4", ["1.2.5"]) == 0x0213
    assert scanner.ask(association, "1.2.3.4", ["1.2.5"]) == 0x0000
    association.release()
