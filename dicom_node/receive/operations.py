"""What each request of a peer is answered by: storage, verification, the rarer services (PS3.7 9.1, 10.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from dicom_node.dimse import commands, statuses
from dicom_node.dimse.commands import Command, CommandField
from dicom_node.dimse.contexts import STORAGE_CLASSES, VERIFICATION
from dicom_node.dimse.messages import Operation
from dicom_node.dimse.negotiation import AgreedContext
from dicom_node.receive.counters import Counters
from dicom_node.receive.own_requests import OwnRequests
from dicom_node.receive.services import Answer, Request, Service
from dicom_node.receive.session import Session
from dicom_node.receive.storing import StoreRequest, Storing

_STORED = frozenset(STORAGE_CLASSES)


class _Store:
    """A C-STORE (PS3.7 9.3.1)."""

    def __init__(self, context: AgreedContext, command: Command, session: Session, counters: Counters) -> None:
        self._command = command
        self._storing = Storing(
            StoreRequest(
                command.sop_class_uid, command.sop_instance_uid, context.abstract_syntax, context.transfer_syntax
            ),
            session,
            counters,
        )
        self.write = self._storing.write
        self.discard = self._storing.discard

    def finish(self) -> bytes:
        status, comment = self._storing.finish()
        return commands.response(self._command, status, comment=comment)


class _Answered:
    """A request whose answer is known before its data set, if it has one, has come."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer

    def write(self, fragment: memoryview) -> None:
        """Nothing of it is kept."""

    def finish(self) -> bytes | None:
        return self._answer

    def discard(self) -> None:
        """Nothing was kept."""


class _Asked:
    """A request to one of the rarer services: its data set is short, and held until it is whole."""

    def __init__(self, answer: Answer, request: Request) -> None:
        self._answer = answer
        self._request = request

    def write(self, fragment: memoryview) -> None:
        self._request.add(fragment)

    def finish(self) -> bytes:
        request = self._request
        reply = self._answer(request)
        command = replace(request.command, sop_instance_uid=reply.sop_instance_uid or request.command.sop_instance_uid)
        return commands.response(command, reply.status, comment=reply.comment, error_id=reply.error_id)

    def discard(self) -> None:
        """Let it go with the request."""


class _Response:
    """The response to something that the node asked."""

    def __init__(self, own: OwnRequests, command: Command) -> None:
        self._own = own
        self._command = command

    def write(self, fragment: memoryview) -> None:
        """Nothing of it is kept."""

    def finish(self) -> None:
        self._own.take(self._command)

    def discard(self) -> None:
        """Nothing was kept."""


class Operations:
    """What serves the messages of one association.

    Parameters
    ----------
    session, counters
        Of the association, and of the receiver.
    services
        Beside storage and verification.
    own
        What the node itself asks of the peer.
    """

    def __init__(self, session: Session, counters: Counters, services: Sequence[Service], own: OwnRequests) -> None:
        self._session = session
        self._counters = counters
        self._own = own
        self._answers = {
            (service.sop_class, field): answer for service in services for field, answer in service.answers.items()
        }

    def begin(self, context: AgreedContext, command: Command) -> Operation:
        """Return what serves a message."""
        begin = _OPERATIONS.get(command.field)
        if begin is not None:
            return begin(self, context, command)
        if command.field & commands.RESPONSE:
            return _Response(self._own, command)
        answer = self._answers.get((context.abstract_syntax, command.field))
        if answer is None:
            return self._unrecognized(context, command)
        return _Asked(answer, Request(command, context.transfer_syntax, self._session.peer, self._own))

    def _store(self, context: AgreedContext, command: Command) -> Operation:
        if context.abstract_syntax not in _STORED:
            return self._unrecognized(context, command)
        return _Store(context, command, self._session, self._counters)

    def _echo(self, context: AgreedContext, command: Command) -> Operation:
        is_verification = command.sop_class_uid == context.abstract_syntax == VERIFICATION  # PS3.7 9.1.5.1
        status = statuses.SUCCESS if is_verification else statuses.SOP_CLASS_NOT_SUPPORTED
        return _Answered(commands.response(command, status))

    def _nothing(self, _context: AgreedContext, _command: Command) -> Operation:
        return _Answered(None)

    def _unrecognized(self, _context: AgreedContext, command: Command) -> Operation:
        return _Answered(commands.response(command, statuses.UNRECOGNIZED_OPERATION))


_Begin: TypeAlias = Callable[[Operations, AgreedContext, Command], Operation]

_OPERATIONS: Mapping[int, _Begin] = {
    CommandField.C_STORE_RQ: Operations._store,
    CommandField.C_ECHO_RQ: Operations._echo,
    # what it cancels has ended: there is one operation at a time (PS3.7 9.3.2.3)
    CommandField.C_CANCEL_RQ: Operations._nothing,
}
