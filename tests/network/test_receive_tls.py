"""The TLS listener: who is let in, who is not, and that no handshake holds up another (faults 2 and 7)."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import dcmtk
import pytest
import structlog
import trustme
from made_instances import made_instance
from memory_store import MemoryStore
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE, build_context
from until import until

from dicom_node.domain.association import AssociationEvent
from dicom_node.errors import RefusedToStart
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.receive.tls import TlsFiles

pytestmark = pytest.mark.network


class Site:
    """An authority, the certificates it gave, and a receiver that shows one."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.files = TlsFiles(folder / "node.pem", folder / "node.key", folder / "ca.pem")
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.certify(self.authority)
        self.events: list[AssociationEvent] = []
        self.store = MemoryStore()

    def certify(self, authority: trustme.CA) -> None:
        own = authority.issue_cert("127.0.0.1")
        own.private_key_pem.write_to_path(str(self.files.key))
        own.cert_chain_pems[0].write_to_path(str(self.files.certificate))

    def receiver(self, *, mutual: bool = False) -> Receiver:
        files = self.files if mutual else TlsFiles(self.files.certificate, self.files.key)
        limits = ReceiverLimits(negotiation_s=2)
        return Receiver(
            self.store, Policy("HARMONIZE"), limits=limits, tls=files, on_association=self.events.append
        )  # fmt: skip

    def client(self, *, shows: trustme.CA | None = None, trusts: trustme.CA | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        (trusts or self.authority).configure_trust(context)
        if shows is not None:
            shows.issue_cert("scanner@example.org").configure_cert(context)
        return context


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def start(site: Site) -> Iterator[Callable[..., Receiver]]:
    started = []

    def run(*, mutual: bool = False) -> Receiver:
        site.events.clear()
        receiver = site.receiver(mutual=mutual)
        receiver.start()
        started.append(receiver)
        return receiver

    yield run
    for receiver in started:
        receiver.stop(0)


def send(receiver: Receiver, context: ssl.SSLContext) -> int | None:
    """Return the status of one instance, None where no association came about."""
    entity = AE(ae_title="SCANNER")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
    association = entity.associate(
        "127.0.0.1", receiver.port, [build_context(MRImageStorage, ExplicitVRLittleEndian)],
        ae_title="HARMONIZE", tls_args=(context, "127.0.0.1"),
    )  # fmt: skip
    if not association.is_established:
        connection = association.dul.socket and association.dul.socket.socket
        if connection:
            connection.close()
        return None
    try:
        return int(association.send_c_store(made_instance(side=256)).Status)
    finally:
        association.release()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_image_comes_over_either_version(
    site: Site, start: Callable[..., Receiver], version: ssl.TLSVersion
) -> None:
    receiver, client = start(), site.client()
    client.minimum_version = client.maximum_version = version
    assert send(receiver, client) == 0x0000
    until(lambda: site.events)
    assert [(event.outcome, event.tls) for event in site.events] == [("released", True)]


def test_a_peer_with_a_certificate_of_ours_is_let_in(site: Site, start: Callable[..., Receiver]) -> None:
    assert send(start(mutual=True), site.client(shows=site.authority)) == 0x0000


def test_fault_2_peers_that_connect_and_say_nothing_hold_up_no_other(
    site: Site, start: Callable[..., Receiver]
) -> None:
    receiver = start()
    silent = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(50)]
    try:
        assert send(receiver, site.client()) == 0x0000
        for peer in silent:
            peer.settimeout(20)
            assert peer.recv(1) == b""  # closed when its time was over
    finally:
        for peer in silent:
            peer.close()


@pytest.mark.parametrize("plain", [b"\x01\x00\x00\x00\x00\xcd" + bytes(205), b"GET / HTTP/1.1\r\n\r\n"])
def test_fault_7_plain_text_is_closed_and_told_of(site: Site, start: Callable[..., Receiver], plain: bytes) -> None:
    receiver = start()
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as peer:
        peer.sendall(plain)
        while True:
            try:
                if not peer.recv(100):
                    break
            except ConnectionResetError:
                break
    until(lambda: refusals(site))
    assert refusals(site) == ["TLS: the peer does not speak it"]
    assert send(receiver, site.client()) == 0x0000


def refusals(site: Site) -> list[str | None]:
    return [event.reason for event in site.events if event.outcome == "refused"]


def shake(receiver: Receiver, context: ssl.SSLContext) -> bytes:
    """Return what comes when the handshake is done; raises when it fails."""
    with (
        socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
    ):
        return peer.recv(1)


def test_fault_7_an_old_version_is_refused_and_told_of(site: Site, start: Callable[..., Receiver]) -> None:
    receiver, client = start(), site.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
        client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError):  # noqa: PT011 -- which, differs between versions of OpenSSL
        shake(receiver, client)
    until(lambda: refusals(site))
    assert refusals(site) == ["TLS: the peer's version is too old"]
    assert send(receiver, site.client()) == 0x0000


def test_fault_7_a_cipher_without_forward_secrecy_is_refused(site: Site, start: Callable[..., Receiver]) -> None:
    receiver, client = start(), site.client()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("AES256-GCM-SHA384")
    with pytest.raises(OSError):  # noqa: PT011 -- which, differs between versions of OpenSSL
        shake(receiver, client)
    until(lambda: refusals(site))
    assert refusals(site) == ["TLS: no common cipher"]


@pytest.mark.parametrize(
    ("stranger", "reason"),
    [(True, "TLS: the peer's certificate is not trusted"), (False, "TLS: the peer showed no certificate")],
)
def test_fault_7_a_certificate_of_nobody_known_is_refused_and_told_of(
    site: Site, start: Callable[..., Receiver], stranger: bool, reason: str
) -> None:
    receiver = start(mutual=True)
    with pytest.raises(OSError):  # noqa: PT011 -- which, differs between versions of OpenSSL
        shake(receiver, site.client(shows=trustme.CA() if stranger else None))
    until(lambda: refusals(site))
    assert refusals(site) == [reason]
    assert send(receiver, site.client(shows=site.authority)) == 0x0000


def test_certificates_are_read_again_and_broken_ones_change_nothing(site: Site, start: Callable[..., Receiver]) -> None:
    receiver, renewed = start(), trustme.CA()
    whole = site.files.certificate.read_bytes(), site.files.key.read_bytes()
    try:
        site.certify(renewed)
        receiver.reload_certificates()
        assert send(receiver, site.client(trusts=renewed)) == 0x0000
        assert send(receiver, site.client()) is None
        site.files.key.write_text("half a key")
        with structlog.testing.capture_logs() as logs:
            receiver.reload_certificates()
        assert [each["event"] for each in logs] == ["tls_files_not_reloaded"]
        assert send(receiver, site.client(trusts=renewed)) == 0x0000
    finally:
        site.files.certificate.write_bytes(whole[0])
        site.files.key.write_bytes(whole[1])


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_certificates_that_cannot_be_used_refuse_to_start(tmp_path: Path, missing: str) -> None:
    site = Site(tmp_path)
    getattr(site.files, missing).write_text("")
    with pytest.raises(RefusedToStart, match=r"listen.tls: .*cannot be used"):
        site.receiver()


def test_dcmtk_is_let_in(site: Site, start: Callable[..., Receiver], tmp_path: Path) -> None:
    receiver, own = start(mutual=True), site.authority.issue_cert("scanner@example.org")
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate.pem"))
    result = dcmtk.run(
        "echoscu", "-v", "+tls", tmp_path / "key.pem", tmp_path / "certificate.pem", "+cf", site.files.client_ca,
        "-aec", "HARMONIZE", "127.0.0.1", receiver.port,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
