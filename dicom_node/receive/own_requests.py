"""What the node asks over an association that a peer opened, such as an N-EVENT-REPORT: one request at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from dicom_node.dimse import pdu
from dicom_node.dimse.commands import Command
from dicom_node.dimse.negotiation import AgreedContext, ContextResult
from dicom_node.dimse.pdu import AbortReason
from dicom_node.errors import ProtocolBroken


class OwnRequest(Protocol):
    """Something to ask."""

    def encode(self, message_id: int, transfer_syntax: str) -> tuple[bytes, bytes]:
        """Return its command set and its data set."""
        ...


class AssociationOver(Exception):
    """The association has ended, or never had a presentation context for this."""


class OwnRequests:
    """Requests of the node on one association: asked from any thread, sent by the one that serves the association.

    So the connection stays with one thread, as TLS wants it.

    Parameters
    ----------
    contexts
        Agreed presentation contexts.
    requestor
        Title of the peer.
    """

    def __init__(self, contexts: Sequence[AgreedContext], requestor: str) -> None:
        self.requestor = requestor
        self._contexts = {each.abstract_syntax: each for each in contexts if each.result == ContextResult.ACCEPTANCE}
        self._changed = threading.Condition()
        self._to_send: tuple[AgreedContext, bytes, bytes] | None = None
        self._is_open = True
        self._busy = threading.Lock()  # asynchronous operations were not agreed on (PS3.7 D.3.3.3)
        self._message_id = 0
        self._statuses: dict[int, int] = {}
        self._is_expected = False

    @property
    def is_open(self) -> bool:
        """Whether something can be asked."""
        return self._is_open

    @property
    def is_expected(self) -> bool:
        """Whether the association is to look for requests: until then it need not wake while nothing comes."""
        return self._is_expected

    def expect(self) -> None:
        """Say that something may be asked from now on."""
        self._is_expected = True

    def ask(self, sop_class_uid: str, request: OwnRequest, *, within_s: float) -> int | None:
        """Ask, and wait; return the status of the response, None when none came in time.

        Raises
        ------
        AssociationOver
            When it cannot be asked, or the association ended before the response came.
        """
        context = self._contexts.get(sop_class_uid)
        if context is None:
            raise AssociationOver
        with self._busy, self._changed:
            self._message_id = message_id = self._message_id % 0xFFFF + 1
            self._to_send = (context, *request.encode(message_id, context.transfer_syntax))
            self._changed.wait_for(lambda: message_id in self._statuses or not self._is_open, within_s)
            self._to_send = None
            if message_id not in self._statuses and not self._is_open:
                raise AssociationOver
            return self._statuses.pop(message_id, None)

    def next(self, *, maximum: int) -> bytes:
        """Return the PDUs that are to be sent now, if any; for the thread that serves the association.

        Parameters
        ----------
        maximum
            What the peer receives at most in one PDU; 0: no limit.
        """
        with self._changed:
            if self._to_send is None:
                return b""
            (context, command, data_set), self._to_send = self._to_send, None
        number = context.context_id
        return pdu.command_pdus(number, command, maximum=maximum) + pdu.data_pdus(number, data_set, maximum=maximum)

    def take(self, response: Command) -> None:
        """Take a response; one that comes too late is passed over.

        Raises
        ------
        ProtocolBroken
            When nothing like it was ever asked.
        """
        with self._changed:
            if not 0 < response.message_id <= self._message_id or response.status is None:
                raise ProtocolBroken(AbortReason.NOT_SPECIFIED, "a response without a request")
            if response.message_id == self._message_id:
                self._statuses = {response.message_id: response.status}
                self._changed.notify_all()

    def close(self) -> None:
        """Say that the association has ended."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
