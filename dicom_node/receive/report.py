"""Tells a requestor what became of its storage commitment request, by N-EVENT-REPORT (PS3.4 J.3.3)."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.dsutils import encode
from pynetdicom.events import Event

from dicom_node.dimse.commands import event_report
from dicom_node.dimse.contexts import UNCOMPRESSED_LITTLE_ENDIAN
from dicom_node.dimse.guard import ConnectionGuard, ConnectionLimits
from dicom_node.dimse.library import prepare_library
from dicom_node.dimse.statuses import SUCCESS
from dicom_node.domain.commitment import Answer, Reference
from dicom_node.errors import DeliveryDeferred, DeliveryRefused
from dicom_node.receive.commitment import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from dicom_node.receive.own_requests import AssociationOver, OwnRequests

ALL_COMMITTED, SOME_FAILED = 1, 2
"""Event Type IDs (PS3.4 table J.3-3)."""


@dataclass(frozen=True, slots=True)
class ReportAddress:
    """Where a requestor takes reports.

    Attributes
    ----------
    ae_title, host, port
        Of the requestor.
    tls
        How it is spoken to; None: plain TCP.
    """

    ae_title: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """An answer on its way.

    Attributes
    ----------
    transaction_uid
        Of the request.
    answer
        What became of each instance.
    """

    transaction_uid: str
    answer: Answer

    @property
    def event_type(self) -> int:
        """Event Type ID."""
        return SOME_FAILED if self.answer.failed else ALL_COMMITTED

    def dataset(self) -> Dataset:
        """Return the event information (PS3.4 table J.3-4)."""
        information = Dataset()
        information.TransactionUID = self.transaction_uid
        if self.answer.committed:
            information.ReferencedSOPSequence = list(_items(self.answer.committed))
        if self.answer.failed:
            failed = list(_items(reference for reference, _ in self.answer.failed))
            for item, (_, reason) in zip(failed, self.answer.failed, strict=True):
                item.FailureReason = reason
            information.FailedSOPSequence = failed
        return information

    def encode(self, message_id: int, transfer_syntax: str) -> tuple[bytes, bytes]:
        """Return the command set and the data set of the request that tells it (PS3.4 table J.3-3)."""
        syntax = UID(transfer_syntax)
        command = event_report(message_id, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, event_type=self.event_type)
        return command, encode(self.dataset(), syntax.is_implicit_VR, syntax.is_little_endian) or b""


def _items(references: Iterable[Reference]) -> Iterator[Dataset]:
    for reference in references:
        item = Dataset()
        item.ReferencedSOPClassUID = reference.sop_class_uid
        item.ReferencedSOPInstanceUID = reference.sop_instance_uid
        yield item


class Reporter:
    """Sends reports.

    Parameters
    ----------
    calling_ae
        The node's own AE title.
    connect_timeout_s, response_timeout_s
        For the TCP connection, and for each answer, s.
    """

    def __init__(self, calling_ae: str, *, connect_timeout_s: float = 10, response_timeout_s: float = 30) -> None:
        prepare_library()
        self._calling_ae = calling_ae
        self._connect_timeout_s = connect_timeout_s
        self._response_timeout_s = response_timeout_s

    def send_to(self, address: ReportAddress, report: Report) -> None:
        """Report over an association of its own, in which the node is the SCP although it calls (PS3.7 D.3.3.4).

        Raises
        ------
        DeliveryDeferred
            When the requestor cannot be reached; the message says what to do.
        DeliveryRefused
            When it was, but did not take this report.
        """
        with self._association(address) as association:
            try:
                status, _ = association.send_n_event_report(
                    report.dataset(), report.event_type, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
                )
            except (RuntimeError, ValueError):  # the association, or its context, is not there any more
                status = Dataset()
        _check(status.get("Status"), address.ae_title)

    def send_over(self, association: OwnRequests, report: Report) -> None:
        """Report over the association that the request came over.

        Raises
        ------
        DeliveryDeferred
            When that cannot be done any more.
        DeliveryRefused
            When the requestor did not take this report.
        """
        try:
            status = association.ask(STORAGE_COMMITMENT, report, within_s=self._response_timeout_s)
        except AssociationOver:
            raise DeliveryDeferred(f"the association with {association.requestor} has ended") from None
        _check(status, association.requestor)

    @contextmanager
    def _association(self, address: ReportAddress) -> Iterator[Any]:
        entity = AE(ae_title=self._calling_ae)
        entity.connection_timeout = self._connect_timeout_s
        entity.acse_timeout = entity.dimse_timeout = self._response_timeout_s
        limits = ConnectionLimits(negotiation_s=self._response_timeout_s, pdu_s=self._response_timeout_s)

        def guard(event: Event) -> None:
            ConnectionGuard(event.assoc, limits)

        try:
            association: Any = entity.associate(
                address.host,
                address.port,
                [build_context(STORAGE_COMMITMENT, list(UNCOMPRESSED_LITTLE_ENDIAN))],
                ae_title=address.ae_title,
                ext_neg=[build_role(STORAGE_COMMITMENT, scp_role=True)],
                evt_handlers=[(evt.EVT_CONN_OPEN, guard)],
                tls_args=None if address.tls is None else (address.tls, address.host),
            )
        except OSError as error:
            raise DeliveryDeferred(
                f"cannot reach {address.ae_title} at {address.host}:{address.port}: {error.strerror or error}"
            ) from None
        if not association.is_established:
            _close(association)
            raise DeliveryDeferred(
                f"{address.ae_title} takes no association for storage commitment reports at {address.host}:"
                f"{address.port}, {'plain' if address.tls is None else 'TLS'}: correct its entry in commitment.peers, "
                "or let it take them there"
            )
        try:
            yield association
        finally:
            if association.is_established:
                association.release()


def _close(association: Any) -> None:
    """Close what pynetdicom leaves open where a TLS handshake failed."""
    transport = association.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.close()


def _check(status: int | None, requestor: str) -> None:
    if status is None:
        raise DeliveryRefused(f"{requestor} did not answer the storage commitment report: see its log")
    if status != SUCCESS:
        raise DeliveryRefused(f"{requestor} answered the storage commitment report with 0x{status:04X}: see its log")
