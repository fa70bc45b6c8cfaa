"""The receiver: listens for senders, and puts what they send into a store (PS3.4 A, B)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from dicom_node.dimse.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES, UNCOMPRESSED_LITTLE_ENDIAN, VERIFICATION
from dicom_node.domain.association import AssociationEvent
from dicom_node.domain.clock import SystemClock
from dicom_node.domain.ports import InstanceStore
from dicom_node.receive.acceptor import Acceptor, House
from dicom_node.receive.counters import TOO_MANY_CONNECTIONS, Counters
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.listener import Listener
from dicom_node.receive.places import Places
from dicom_node.receive.policy import Policy
from dicom_node.receive.services import Service
from dicom_node.receive.tls import TlsFiles, TlsServer

_ENDING_S = 1.0
"""How long aborted associations may take to say so."""

log = structlog.get_logger()


def _keep_no_account(_event: AssociationEvent) -> None:
    """Nobody asked for one."""


class Receiver:
    """Answers C-STORE and C-ECHO, and what the services answer.

    Parameters
    ----------
    store
        Where instances become durable: success is answered only after it returned.
    policy
        Who may send, and to which AE title.
    host, port
        To listen on; port 0 takes a free one.
    limits
        For peers.
    tls
        Where certificates lie; None: plain TCP.
    services
        Beyond storage and verification.
    on_association
        Told of each association once it is over or was refused, from several threads.

    Raises
    ------
    RefusedToStart
        When the certificates cannot be used.
    """

    def __init__(
        self,
        store: InstanceStore,
        policy: Policy,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: ReceiverLimits | None = None,
        tls: TlsFiles | None = None,
        services: Sequence[Service] = (),
        on_association: Callable[[AssociationEvent], None] = _keep_no_account,
    ) -> None:
        self.counters = Counters()
        self._policy = policy
        self._address = (host, port)
        self._tls = None if tls is None else TlsServer(tls)
        limits = limits or ReceiverLimits()
        self._places = Places(limits)
        self._stopping = threading.Event()
        self._listener: Listener | None = None
        supported: Mapping[str, Sequence[str]] = {
            VERIFICATION: UNCOMPRESSED_LITTLE_ENDIAN,
            **dict.fromkeys(STORAGE_CLASSES, TRANSFER_SYNTAXES),
            **{service.sop_class: UNCOMPRESSED_LITTLE_ENDIAN for service in services},
        }
        self._house = House(
            store=store,
            policy=policy,
            limits=limits,
            places=self._places,
            counters=self.counters,
            clock=SystemClock(),
            supported=supported,
            services=services,
            tls=self._tls,
            tell=on_association,
            is_stopping=self._stopping.is_set,
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listener.port if self._listener else self._address[1]

    def start(self) -> None:
        """Begin to listen; returns at once.

        Raises
        ------
        RefusedToStart
            When the address cannot be listened on.
        """
        self._listener = Listener(*self._address, self._on_connection)
        self._listener.start()
        log.info("receiver_started", called_ae=self._policy.ae_title)

    def stop(self, drain_s: float = 5.0) -> None:
        """Stop listening, let open associations finish for `drain_s` seconds, then abort them."""
        if self._listener is None:
            return
        self._stopping.set()
        listener, self._listener = self._listener, None
        self._address = (self._address[0], listener.port)
        listener.stop()
        late = self._places.wait_for_associations(drain_s)
        self._places.end(_ENDING_S)
        log.info("receiver_stopped", count=late)

    def reload_certificates(self) -> None:
        """Read the certificates again, where there are any; broken ones change nothing."""
        if self._tls is not None:
            self._tls.reload()

    def _on_connection(self, connection: socket.socket, peer: str) -> None:
        acceptor = Acceptor(self._house, connection, peer)
        if not self._places.enter(acceptor):
            self.counters.closed(TOO_MANY_CONNECTIONS)
            log.warning("connection_refused", peer=peer, reason=TOO_MANY_CONNECTIONS)
            connection.close()
            return
        try:
            threading.Thread(target=self._serve, args=(acceptor,), name="dicom-connection", daemon=True).start()
        except RuntimeError:  # the system has no thread left: the listener must outlive that
            log.error("connection_refused", peer=peer, reason="no thread can be started")
            self._places.leave(acceptor)
            connection.close()

    def _serve(self, acceptor: Acceptor) -> None:
        try:
            acceptor.run()
        finally:
            self._places.leave(acceptor)
