"""A PACS reached by DICOM: the C-STORE and C-ECHO SCU of the node, on pynetdicom (PS3.4 A, B)."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pynetdicom import AE, build_context, evt
from pynetdicom.events import Event

from dicom_node.deliver.outgoing import Batch, Outgoing, batches, read_outgoing
from dicom_node.deliver.settings import DicomDestinationSettings
from dicom_node.deliver.tally import Tally
from dicom_node.dimse.contexts import UNCOMPRESSED_LITTLE_ENDIAN, VERIFICATION
from dicom_node.dimse.guard import ConnectionGuard, ConnectionLimits
from dicom_node.dimse.library import prepare_library
from dicom_node.dimse.statuses import CANNOT_UNDERSTAND, SOP_CLASS_NOT_SUPPORTED, SUCCESS
from dicom_node.domain.ports import DeliveryReport
from dicom_node.errors import DeliveryDeferred, DeliveryRefused

_REJECTIONS = {
    (1, 3): "does not know our AE title {calling}: enter it there",
    (1, 7): "does not answer to the AE title {called}: correct ae_title of the destination",
    (3, 1): "is congested",
    (3, 2): "has reached its limit of associations",
}
"""Source and reason of A-ASSOCIATE-RJ -> what to do (PS3.8 table 9-21)."""


class DicomDestination:
    """A PACS that takes instances by C-STORE; see `dicom_node.domain.ports.Destination`.

    Files go as they are, byte for byte, wherever the PACS takes their transfer syntax; uncompressed ones are encoded
    anew when it takes only the other little endian syntax.

    Parameters
    ----------
    settings
        Where it is.
    calling_ae
        Our own AE title, where the settings do not name another.
    """

    def __init__(self, settings: DicomDestinationSettings, calling_ae: str) -> None:
        prepare_library()
        self._settings = settings
        self._calling_ae = settings.calling_ae or calling_ae
        self._name = f"{settings.ae_title}@{settings.host}:{settings.port}"

    def send(self, paths: Sequence[Path]) -> DeliveryReport:
        """Send DICOM files.

        Raises
        ------
        DeliveryDeferred
            When the PACS cannot take them now; everything is sent again later, what it took already included.
        DeliveryRefused
            When a path is not a readable DICOM file; all are looked at before any is sent.
        """
        tally = Tally(self._name)
        for batch in batches([read_outgoing(path) for path in paths]):
            self._send_batch(batch, tally)
        return tally.report()

    def echo(self) -> None:
        """Ask whether the PACS is there, by C-ECHO.

        Raises
        ------
        DeliveryDeferred
            When it is not, with what to do.
        """
        contexts = {(str(VERIFICATION), str(syntax)): None for syntax in UNCOMPRESSED_LITTLE_ENDIAN}
        with self._association(contexts) as association:
            if not association.accepted_contexts:
                raise DeliveryDeferred(f"{self._name} is there, but does not support verification (C-ECHO)")
            try:
                status = association.send_c_echo()
            except RuntimeError:  # the association has ended meanwhile
                raise self._lost("it accepted the association") from None
            if "Status" not in status:
                raise self._lost("it accepted the association")
            if status.Status != SUCCESS:
                raise DeliveryDeferred(f"{self._name} answered the C-ECHO with 0x{status.Status:04X}: see its log")

    def _send_batch(self, batch: Batch, tally: Tally) -> None:
        with self._association(batch.contexts) as association:
            accepted = {
                (str(context.abstract_syntax), str(context.transfer_syntax[0]))
                for context in association.accepted_contexts
            }
            for file in batch.files:
                syntax = next((syntax for sop, syntax in file.contexts if (sop, syntax) in accepted), None)
                if syntax is None:
                    tally.count(file.sop_instance_uid, SOP_CLASS_NOT_SUPPORTED)
                else:
                    tally.count(file.sop_instance_uid, self._store(association, file, syntax, tally))

    def _store(self, association: Any, file: Outgoing, syntax: str, tally: Tally) -> int:
        """Return the status of one C-STORE."""
        as_it_is = syntax == file.transfer_syntax_uid
        try:
            status = association.send_c_store(file.path if as_it_is else dcmread(file.path))
        except RuntimeError:  # the association ended between two instances
            raise self._lost(f"it answered for {tally.answered} instances") from None
        except OSError as error:
            raise DeliveryRefused(f"cannot read {file.path}: {error.strerror or error}") from None
        except (ValueError, AttributeError):
            return CANNOT_UNDERSTAND  # a data set that cannot be encoded anew; as it is, the PACS does not take it
        if "Status" not in status:
            raise self._lost(f"it answered for {tally.answered} instances")
        return int(status.Status)

    def _lost(self, until: str) -> DeliveryDeferred:
        return DeliveryDeferred(
            f"{self._name} closed the connection or did not answer within {self._settings.response_timeout_s:g} s "
            f"after {until}: see its log; the same instances are sent again later"
        )

    @contextmanager
    def _association(self, contexts: Mapping[tuple[str, str], None]) -> Iterator[Any]:
        """Open an association, and release it whatever comes; one without accepted contexts has ended already."""
        settings = self._settings
        limits = ConnectionLimits(negotiation_s=settings.response_timeout_s, pdu_s=settings.response_timeout_s)
        opened: list[ConnectionGuard] = []

        def guard(event: Event) -> None:
            opened.append(ConnectionGuard(event.assoc, limits))

        began = time.monotonic()
        try:
            association: Any = self._application_entity().associate(
                settings.host,
                settings.port,
                [build_context(sop_class, syntax) for sop_class, syntax in contexts],
                ae_title=settings.ae_title,
                evt_handlers=[(evt.EVT_CONN_OPEN, guard)],
            )
        except OSError as error:
            raise DeliveryDeferred(self._unreachable(error)) from None
        if not opened:
            raise DeliveryDeferred(self._unreachable(self._why_not_connected(time.monotonic() - began)))
        self._check_accepted(association)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def _application_entity(self) -> AE:
        entity = AE(ae_title=self._calling_ae)
        entity.connection_timeout = self._settings.connect_timeout_s
        entity.acse_timeout = entity.dimse_timeout = self._settings.response_timeout_s
        entity.network_timeout = None  # it is we who are silent between two instances
        return entity

    def _check_accepted(self, association: Any) -> None:
        answer = association.acceptor.primitive
        if association.is_rejected:
            what = _REJECTIONS.get((answer.result_source, answer.diagnostic), "refuses the association: see its log")
            what = what.format(calling=self._calling_ae, called=self._settings.ae_title)
            raise DeliveryDeferred(
                f"{self._name} {what} (rejected {answer.result}, {answer.result_source}, {answer.diagnostic})"
            )
        # without any accepted context pynetdicom ends the association by itself: that is an answer, not a loss
        if answer is None or (association.accepted_contexts and not association.is_established):
            raise DeliveryDeferred(
                f"{self._name} took the connection, but no answer to the association request came within "
                f"{self._settings.response_timeout_s:g} s: is this the port of a DICOM node?"
            )

    def _why_not_connected(self, tried_s: float) -> OSError:
        """Return why no connection was made, which pynetdicom tells only to its log: by trying once more."""
        if tried_s >= self._settings.connect_timeout_s:
            return TimeoutError()
        try:
            address = (self._settings.host, self._settings.port)
            socket.create_connection(address, self._settings.connect_timeout_s).close()
        except OSError as error:
            return error
        return OSError("the connection failed once and is tried again later")

    def _unreachable(self, error: OSError) -> str:
        host, port = self._settings.host, self._settings.port
        if isinstance(error, ConnectionRefusedError):
            return f"connection refused by {host}:{port}: is the PACS running, and is this its DICOM port?"
        if isinstance(error, socket.gaierror):
            return f"the host name {host} is unknown: correct host of the destination, or ask for the name service"
        if isinstance(error, TimeoutError):
            return (
                f"no connection to {host}:{port} within {self._settings.connect_timeout_s:g} s: is the host up, and "
                "does a firewall let the port through?"
            )
        return f"cannot reach {host}:{port}: {error.strerror or error}"
