"""Serves one connection from its first byte to its end: TLS, negotiation, data transfer, and the account of it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from dicom_node.dimse import pdu
from dicom_node.dimse.connection import Connection
from dicom_node.dimse.messages import Messages
from dicom_node.dimse.negotiation import (
    APPLICATION_CONTEXT,
    PROTOCOL_VERSION,
    AgreedContext,
    AssociateRequest,
    ContextResult,
    agree,
    decode_request,
    encode_accept,
)
from dicom_node.dimse.pdu import HEADER, AbortReason, PduType
from dicom_node.domain.association import AssociationEvent
from dicom_node.domain.ports import Clock, InstanceStore
from dicom_node.domain.provenance import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.errors import ProtocolBroken
from dicom_node.receive.counters import NO_REQUEST, TLS, Counters
from dicom_node.receive.exchange import Ending, Exchange, broken
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.operations import Operations
from dicom_node.receive.own_requests import OwnRequests
from dicom_node.receive.places import Places
from dicom_node.receive.policy import (
    CANNOT_DECIDE,
    SHUTTING_DOWN,
    TOO_MANY,
    UNKNOWN_APPLICATION_CONTEXT,
    UNKNOWN_PROTOCOL,
    Policy,
    Reject,
)
from dicom_node.receive.services import Service
from dicom_node.receive.session import Session
from dicom_node.receive.tls import TlsRefused, TlsServer, shake_hands

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class House:
    """What all connections of a receiver share.

    Attributes
    ----------
    supported
        Abstract syntax -> transfer syntaxes, in order of preference.
    services
        What is answered beside storage and verification.
    tell
        Called with the account of each association.
    is_stopping
        Whether new associations are refused.
    """

    store: InstanceStore
    policy: Policy
    limits: ReceiverLimits
    places: Places
    counters: Counters
    clock: Clock
    supported: Mapping[str, Sequence[str]]
    services: Sequence[Service]
    tls: TlsServer | None
    tell: Callable[[AssociationEvent], None]
    is_stopping: Callable[[], bool]


class Acceptor:
    """One connection.

    Parameters
    ----------
    house
        What it shares with others.
    sock
        As accepted.
    peer
        Its address.
    """

    def __init__(self, house: House, sock: socket.socket, peer: str) -> None:
        self._house = house
        self._socket = sock
        self._connection = Connection(sock, house.clock.monotonic)
        self._session = Session(house.store, "", "", peer)
        self._started_at: datetime = house.clock.now()
        self._by = house.clock.monotonic() + house.limits.negotiation_s

    def interrupt(self) -> None:
        """Have it end soon, from another thread; see `Connection.interrupt`."""
        self._connection.interrupt()

    def run(self) -> None:
        """Serve it to its end."""
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._end(self._serve())
        except Exception as error:  # the boundary to the network: one connection fails, the others live
            log.error("connection_failed", peer=self._session.peer, reason=type(error).__name__)
        finally:
            self._connection.close()

    def _serve(self) -> Ending | None:
        """Return how it ended; None when nobody asked for anything."""
        house, session = self._house, self._session
        try:
            if house.tls is not None:
                self._socket = house.tls.wrap(self._socket)
                self._connection.run_over(self._socket)  # first: it may be interrupted in the handshake
                shake_hands(self._socket, within_s=house.limits.negotiation_s)
            request = self._receive_request()
        except TlsRefused as refusal:
            house.counters.closed(TLS)
            return Ending("refused", str(refusal))
        except ProtocolBroken as error:
            house.counters.closed(NO_REQUEST)
            return broken(error)
        except (EOFError, OSError):  # a probe of a load balancer says nothing and is not told of
            house.counters.closed(NO_REQUEST)
            return Ending("lost", NO_REQUEST) if self._connection.received_any else None
        session.calling_ae, session.called_ae = request.calling_ae, request.called_ae
        rejection = self._decide(request)
        if rejection is not None:
            return self._reject(rejection)
        try:
            return self._associate(request)
        finally:
            house.places.free(session.peer)

    def _receive_request(self) -> AssociateRequest:
        """Return the request (PS3.8 9.2, Sta2)."""
        kind, body = self._connection.receive(
            by=self._by, whole_by=self._by, pdu_s=self._house.limits.pdu_s, maximum=self._house.limits.request_bytes
        )
        if kind != PduType.ASSOCIATE_RQ:
            raise ProtocolBroken(AbortReason.UNEXPECTED_PDU, "not an association request")  # AA-1
        return decode_request(body)

    def _decide(self, request: AssociateRequest) -> Reject | None:
        """Refuse, or take a place."""
        house, peer = self._house, self._session.peer
        if not request.protocol_version & PROTOCOL_VERSION:
            return UNKNOWN_PROTOCOL
        if request.application_context != APPLICATION_CONTEXT:
            return UNKNOWN_APPLICATION_CONTEXT
        if house.is_stopping():
            return SHUTTING_DOWN
        try:
            decision = house.policy.decide(request.calling_ae, request.called_ae, peer_host=peer)
        except Exception as error:  # whatever goes wrong in names and networks refuses
            log.error("policy_failed", peer=peer, reason=type(error).__name__)
            return CANNOT_DECIDE
        if isinstance(decision, Reject):
            return decision
        return None if house.places.take(peer) else TOO_MANY

    def _reject(self, refusal: Reject) -> Ending:
        self._house.counters.rejected(refusal.why)
        session = self._session
        log.warning(
            "association_rejected",
            calling_ae=session.calling_ae,
            called_ae=session.called_ae,
            peer=session.peer,
            reason=refusal.why,
        )
        return Ending("refused", refusal.why, pdu.reject(refusal.result, refusal.source, refusal.reason))

    def _associate(self, request: AssociateRequest) -> Ending:
        house, session = self._house, self._session
        contexts = agree(request.contexts, house.supported)
        house.counters.accepted()
        log.info("association_accepted", calling_ae=session.calling_ae, called_ae=session.called_ae, peer=session.peer)
        ending = Ending("lost", "the connection failed")
        try:
            ending = self._exchange(request, contexts)
            return ending
        finally:
            house.counters.ended(ending.outcome)
            self._let_go(broke_off=ending.outcome != "released")

    def _let_go(self, *, broke_off: bool) -> None:
        try:
            self._session.close(broke_off=broke_off)
        except OSError as error:  # the kernel drops the marks with their files; the peer is still to get its answer
            log.error("series_not_let_go", peer=self._session.peer, reason=error.strerror or type(error).__name__)

    def _exchange(self, request: AssociateRequest, contexts: Sequence[AgreedContext]) -> Ending:
        house, limits = self._house, self._house.limits
        accept = encode_accept(
            request,
            contexts,
            maximum_length=limits.maximum_pdu,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        )
        accepted = {each.context_id: each for each in contexts if each.result == ContextResult.ACCEPTANCE}
        own = OwnRequests(contexts, request.calling_ae)
        operations = Operations(self._session, house.counters, house.services, own)
        messages = Messages(accepted, operations.begin, maximum_bytes=limits.instance_bytes)
        try:
            self._connection.send(accept, within_s=limits.pdu_s)
        except OSError:
            return Ending("lost", "the connection was lost")
        # a usual image with its command at once, so that few calls are made for each
        self._connection.reserve(2 * (limits.maximum_pdu + HEADER.size))
        return Exchange(
            self._connection, messages, own, limits, peer_maximum=request.maximum_length, clock=house.clock.monotonic
        ).run()

    def _end(self, ending: Ending | None) -> None:
        """Say goodbye, account for it, and let the peer close (PS3.8 9.2, Sta13)."""
        if ending is None:
            return
        house = self._house
        if ending.last_words:
            try:
                self._connection.send(ending.last_words, within_s=house.limits.negotiation_s)
            except OSError:
                ending = Ending(ending.outcome, ending.reason)
        self._account(ending)
        if ending.last_words:
            self._connection.wait_for_close(by=house.clock.monotonic() + house.limits.negotiation_s)

    def _account(self, ending: Ending) -> None:
        session = self._session
        log.info(
            "association_ended",
            calling_ae=session.calling_ae,
            peer=session.peer,
            count=session.instances,
            seconds=round(session.seconds, 3),
            state=ending.outcome,
            reason=ending.reason,
        )
        self._house.tell(
            AssociationEvent(
                started_at=self._started_at,
                ended_at=self._house.clock.now(),
                peer=session.peer,
                calling_ae=session.calling_ae,
                called_ae=session.called_ae,
                outcome=ending.outcome,
                reason=ending.reason,
                tls=self._house.tls is not None,
                instances=session.instances,
                bytes=session.stored_bytes,
                refused_instances=session.refused,
            )
        )
