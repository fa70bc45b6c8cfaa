"""Associations that agreed on a rarer service than the own loop serves: they go whole to pynetdicom."""

from __future__ import annotations

import socket
import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import build_context
from pynetdicom.transport import AddressInformation, AssociationSocket

from dicom_node.dimse.guard import ConnectionGuard, ConnectionLimits
from dicom_node.dimse.library import prepare_library
from dicom_node.dimse.negotiation import AgreedContext, ContextResult
from dicom_node.receive.counters import Counters
from dicom_node.receive.exchange import Ending
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.services import Service
from dicom_node.receive.session import Session
from dicom_node.receive.storing import StoreRequest, Storing

MESSAGE_BYTES = 1 << 28
"""Longest message here: unlike the own loop, pynetdicom holds it in memory."""


class LibraryAssociations:
    """Makes pynetdicom's associations out of accepted connections.

    Parameters
    ----------
    ae_title
        Our own.
    services
        Beyond those of the own loop.
    supported
        Abstract syntax -> transfer syntaxes, those of the own loop too: an association may agree on both.
    limits, counters
        Of the receiver.
    """

    def __init__(
        self,
        ae_title: str,
        services: Sequence[Service],
        supported: Mapping[str, Sequence[str]],
        *,
        limits: ReceiverLimits,
        counters: Counters,
    ) -> None:
        prepare_library()
        self._rarer: Collection[str] = {service.sop_class for service in services}
        self._handlers = [handler for service in services for handler in service.handlers]
        self._contexts = [build_context(abstract, list(transfer)) for abstract, transfer in supported.items()]
        self._limits = limits
        self._counters = counters
        self._entity = AE(ae_title=ae_title)
        self._entity.maximum_associations = 1 << 31  # counted before they come here
        self._entity.maximum_pdu_size = limits.maximum_pdu
        self._entity.acse_timeout = limits.negotiation_s
        self._entity.dimse_timeout = limits.pdu_s
        self._entity.network_timeout = limits.idle_s

    def serves(self, contexts: Sequence[AgreedContext]) -> bool:
        """Tell whether an association is to come here."""
        return any(each.abstract_syntax in self._rarer and each.result == ContextResult.ACCEPTANCE for each in contexts)

    def begin(self, sock: socket.socket, first_bytes: bytes, session: Session) -> LibraryAssociation:
        """Return an association, not yet running.

        Parameters
        ----------
        sock
            Connected.
        first_bytes
            What was read from it: an A-ASSOCIATE-RQ that is to be accepted.
        session
            Of the peer.
        """
        association: Any = Association(self._entity, "acceptor")
        association.set_socket(_ReadBefore(association, sock, first_bytes))
        own, other = association.acceptor, association.requestor
        own.maximum_length = self._limits.maximum_pdu
        own.ae_title = self._entity.ae_title
        own.address_info = AddressInformation.from_tuple(sock.getsockname())
        own.implementation_class_uid = self._entity.implementation_class_uid
        own.implementation_version_name = self._entity.implementation_version_name
        own.supported_contexts = self._contexts
        other.address_info = AddressInformation.from_tuple(sock.getpeername())
        result = LibraryAssociation(association, session, self._limits, self._counters)
        for handler in self._handlers:
            association.bind(*handler)
        return result


class LibraryAssociation:
    """One association in pynetdicom's hands."""

    def __init__(self, association: Any, session: Session, limits: ReceiverLimits, counters: Counters) -> None:
        self._association = association
        self._session = session
        self._counters = counters
        connection = ConnectionLimits(
            negotiation_s=limits.negotiation_s,
            pdu_s=limits.pdu_s,
            pdu_bytes=limits.request_bytes,
            message_bytes=min(limits.instance_bytes, MESSAGE_BYTES),
        )
        self._guard = ConnectionGuard(association, connection, association.dul.socket.receive_into)
        self._limit = threading.Timer(limits.association_s, self.abort)
        self._limit.daemon = True
        association.bind(evt.EVT_DIMSE_RECV, self._on_message)
        association.bind(evt.EVT_C_STORE, self._on_store)

    def run(self) -> Ending:
        """Serve it to its end."""
        self._limit.start()
        self._association.start()
        self._association.join()
        self._limit.cancel()
        if self._association.is_released:
            return Ending("released")
        if self._association.is_aborted:
            return Ending("aborted", "by the peer, or for a breach of the protocol")
        return Ending("lost", "the connection was lost")

    def abort(self) -> None:
        """End it, from another thread."""
        self._association.abort()

    def _on_message(self, _event: Event) -> None:
        self._guard.message_ended()

    def _on_store(self, event: Event) -> Dataset:
        command: Any = event.request
        request = StoreRequest(
            sop_class_uid=str(command.AffectedSOPClassUID),
            sop_instance_uid=str(command.AffectedSOPInstanceUID),
            context_sop_class_uid=str(event.context.abstract_syntax),
            transfer_syntax_uid=str(event.context.transfer_syntax),
        )
        storing = Storing(request, self._session, self._counters)
        storing.write(event.encoded_dataset(include_meta=False))
        answer = Dataset()
        answer.Status, comment = storing.finish()
        if comment:
            answer.ErrorComment = comment
        return answer


class _ReadBefore(AssociationSocket):
    """A connection of which something was read before pynetdicom got it."""

    def __init__(self, association: Any, sock: socket.socket, first_bytes: bytes) -> None:
        super().__init__(association, client_socket=sock)
        self._first_bytes = first_bytes
        self._receive_into = sock.recv_into

    @property
    def ready(self) -> bool:
        return bool(self._first_bytes) or bool(super().ready)

    def receive_into(self, view: memoryview) -> int:
        if not self._first_bytes:
            return self._receive_into(view)
        piece, self._first_bytes = self._first_bytes[: len(view)], self._first_bytes[len(view) :]
        view[: len(piece)] = piece
        return len(piece)
