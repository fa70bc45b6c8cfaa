"""The C-ECHO and C-STORE SCP of the node, on pynetdicom (PS3.4 A, B)."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext

from dicom_node.dimse import statuses
from dicom_node.dimse.contexts import STORAGE_CLASSES, TRANSFER_SYNTAXES, UNCOMPRESSED_LITTLE_ENDIAN, VERIFICATION
from dicom_node.dimse.guard import ConnectionGuard, ConnectionLimits
from dicom_node.dimse.library import prepare_library
from dicom_node.domain.ports import InstanceStore
from dicom_node.errors import InstanceRejected, RefusedToStart
from dicom_node.receive.counters import Counters
from dicom_node.receive.policy import CANNOT_DECIDE, SHUTTING_DOWN, TOO_MANY, Accept, Policy, Reject
from dicom_node.receive.session import Session, StoreRequest

_ERROR_COMMENT_CHARACTERS = 64  # VR LO (PS3.5 6.2)
_BACKLOG = 128  # pynetdicom's five make a burst of senders wait for retransmitted SYNs

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReceiverLimits:
    """What all peers together, and each of them, may ask of the receiver.

    Attributes
    ----------
    associations
        At once; one more is rejected with (2,3,2).
    maximum_pdu
        Longest P-DATA-TF that peers are told they may send, bytes.
    idle_s
        An association on which nothing comes for so long is aborted, s.
    connection
        Of each connection.
    """

    associations: int = 50
    maximum_pdu: int = 1 << 17
    idle_s: float = 60.0
    connection: ConnectionLimits = field(default_factory=ConnectionLimits)


class _SharedContexts(list[PresentationContext]):
    """Contexts that all associations share: negotiation only reads them, and copying takes 70 ms a connection."""

    def __deepcopy__(self, memo: object) -> _SharedContexts:
        return self


class Receiver:
    """Listens for senders and puts what they send into a store.

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
    """

    def __init__(
        self,
        store: InstanceStore,
        policy: Policy,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: ReceiverLimits | None = None,
    ) -> None:
        self.counters = Counters()
        self._store = store
        self._policy = policy
        self._address = (host, port)
        self._limits = limits or ReceiverLimits()
        self._sessions: dict[Any, Session] = {}
        self._guards: dict[Any, ConnectionGuard] = {}
        self._places: set[Any] = set()
        self._lock = threading.Lock()
        self._server: Any = None
        self._stopping = False

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1] if self._server else self._address[1])

    def start(self) -> None:
        """Begin to listen; returns at once.

        Raises
        ------
        RefusedToStart
            When the address cannot be listened on.
        """
        prepare_library()
        handlers: list[EventHandlerType] = [
            (evt.EVT_CONN_OPEN, self._on_open),
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_ACCEPTED, self._on_accepted),
            (evt.EVT_DIMSE_RECV, self._on_message),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_CONN_CLOSE, _on_close),
        ]
        host, port = self._address
        try:
            self._server = self._application_entity().start_server((host, port), block=False, evt_handlers=handlers)
        except OSError as error:
            raise RefusedToStart(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
        self._server.socket.listen(_BACKLOG)
        self._server.contexts = _SharedContexts(self._server.contexts)
        log.info("receiver_started", called_ae=self._policy.ae_title)

    def stop(self, drain_s: float = 5.0) -> None:
        """Stop listening, let open associations finish for `drain_s` seconds, then abort them."""
        if self._server is None:
            return
        self._stopping = True
        server, self._server = self._server, None
        self._address = (self._address[0], int(server.server_address[1]))
        server.shutdown()
        deadline = time.monotonic() + drain_s
        while server.active_associations and time.monotonic() < deadline:
            time.sleep(0.02)
        late = server.active_associations
        if late:
            # each takes its turn of a tenth of a second in pynetdicom: together, not in a row
            with ThreadPoolExecutor(len(late)) as pool:
                list(pool.map(lambda association: association.abort(), late))
        log.info("receiver_stopped", count=len(late))

    def _application_entity(self) -> AE:
        limits = self._limits
        entity = AE(ae_title=self._policy.ae_title)
        entity.maximum_associations = sys.maxsize  # counted here: pynetdicom counts connections, silent ones too
        entity.maximum_pdu_size = limits.maximum_pdu
        entity.acse_timeout = limits.connection.negotiation_s
        entity.dimse_timeout = limits.connection.pdu_s
        entity.network_timeout = limits.idle_s
        entity.add_supported_context(VERIFICATION, list(UNCOMPRESSED_LITTLE_ENDIAN))
        for sop_class in STORAGE_CLASSES:
            entity.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))
        return entity

    def _on_open(self, event: Event) -> None:
        association: Any = event.assoc
        self._guards[association] = ConnectionGuard(association, self._limits.connection)
        run = association.run

        def run_to_its_end() -> None:
            try:
                run()
            finally:
                self._forget(association)

        # pynetdicom has ends without an event (a protocol error that it did not foresee); a thread always ends
        association.run = run_to_its_end

    def _on_requested(self, event: Event) -> None:
        association: Any = event.assoc
        calling_ae, called_ae = _titles(association)
        peer = association.requestor.address
        decision = self._decide(calling_ae, called_ae, peer)
        if isinstance(decision, Accept) and not self._take_place(association):
            decision = TOO_MANY
        if isinstance(decision, Reject):
            self.counters.rejected()
            log.warning(
                "association_rejected", calling_ae=calling_ae, called_ae=called_ae, peer=peer, reason=decision.why
            )
            association.acse.send_reject(decision.result, decision.source, decision.reason)
            association.kill()  # waits until the rejection is on its way

    def _take_place(self, association: Any) -> bool:
        """Count an association towards the limit; connections that ask for none do not keep others out."""
        with self._lock:
            if len(self._places) >= self._limits.associations:
                return False
            self._places.add(association)
            return True

    def _decide(self, calling_ae: str, called_ae: str, peer: str) -> Accept | Reject:
        if self._stopping:
            return SHUTTING_DOWN
        try:
            return self._policy.decide(calling_ae, called_ae, peer_host=peer)
        except Exception as error:  # pynetdicom would swallow it and accept: whatever goes wrong here refuses
            log.error("policy_failed", peer=peer, reason=type(error).__name__)
            return CANNOT_DECIDE

    def _on_accepted(self, event: Event) -> None:
        association: Any = event.assoc
        calling_ae, called_ae = _titles(association)
        peer = association.requestor.address
        self._sessions[association] = Session(self._store, calling_ae, called_ae, peer)
        self.counters.accepted()
        log.info("association_accepted", calling_ae=calling_ae, called_ae=called_ae, peer=peer)

    def _on_message(self, event: Event) -> None:
        self._guards[event.assoc].message_ended()

    def _on_store(self, event: Event) -> Dataset:
        session = self._sessions[event.assoc]
        try:
            outcome, length = session.put(_request(event))
        except InstanceRejected as refusal:
            return self._refuse(session, refusal)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "input/output error"
            return self._refuse(session, InstanceRejected(statuses.OUT_OF_RESOURCES, f"cannot store now: {reason}"))
        except Exception as error:  # the boundary to the network: one instance fails, the association lives
            log.error("store_failed", calling_ae=session.calling_ae, peer=session.peer, reason=type(error).__name__)
            return self._refuse(session, InstanceRejected(statuses.PROCESSING_FAILURE, "could not be stored"))
        self.counters.stored(outcome, length)
        answer = Dataset()
        answer.Status = statuses.SUCCESS
        return answer

    def _refuse(self, session: Session, refusal: InstanceRejected) -> Dataset:
        self.counters.refused(refusal.status)
        log.warning(
            "instance_refused",
            calling_ae=session.calling_ae,
            peer=session.peer,
            status=f"{refusal.status:04X}",
            reason=refusal.comment,
        )
        answer = Dataset()
        answer.Status = refusal.status
        answer.ErrorComment = refusal.comment[:_ERROR_COMMENT_CHARACTERS]
        return answer

    def _forget(self, association: Any) -> None:
        self._guards.pop(association, None)
        with self._lock:
            self._places.discard(association)
        session = self._sessions.pop(association, None)
        if session is None:
            return
        try:
            session.close(broke_off=not association.is_released)
        finally:
            self.counters.ended()
            log.info(
                "association_ended",
                calling_ae=session.calling_ae,
                peer=session.peer,
                count=session.instances,
                seconds=round(session.seconds, 3),
                reason="released" if association.is_released else "aborted or lost",
            )


def _on_close(event: Event) -> None:
    """Wake an association that waits for a request on a connection that has gone; others do not look here."""
    association: Any = event.assoc
    if association.requestor.primitive is None:
        association.dul.to_user_queue.put(None)


def _titles(association: Any) -> tuple[str, str]:
    request = association.requestor.primitive
    return request.calling_ae_title.strip(), request.called_ae_title.strip()


def _request(event: Event) -> StoreRequest:
    command: Any = event.request
    return StoreRequest(
        sop_class_uid=str(command.AffectedSOPClassUID),
        sop_instance_uid=str(command.AffectedSOPInstanceUID),
        context_sop_class_uid=str(event.context.abstract_syntax),
        transfer_syntax_uid=str(event.context.transfer_syntax),
        dataset=event.encoded_dataset(include_meta=False),
    )
