"""What the own loop answers: C-STORE and C-ECHO, and a stray C-CANCEL by nothing (PS3.7 9.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from dicom_node.dimse import commands, statuses
from dicom_node.dimse.commands import Command, CommandField
from dicom_node.dimse.contexts import VERIFICATION
from dicom_node.dimse.messages import Operation
from dicom_node.dimse.negotiation import AgreedContext
from dicom_node.dimse.pdu import AbortReason
from dicom_node.errors import ProtocolBroken
from dicom_node.receive.counters import Counters
from dicom_node.receive.session import Session
from dicom_node.receive.storing import StoreRequest, Storing


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


def _store(context: AgreedContext, command: Command, session: Session, counters: Counters) -> Operation:
    if context.abstract_syntax == VERIFICATION:
        return _Answered(commands.response(command, statuses.UNRECOGNIZED_OPERATION))
    return _Store(context, command, session, counters)


def _echo(context: AgreedContext, command: Command, _session: Session, _counters: Counters) -> Operation:
    is_verification = command.sop_class_uid == context.abstract_syntax == VERIFICATION  # PS3.7 9.1.5.1
    status = statuses.SUCCESS if is_verification else statuses.SOP_CLASS_NOT_SUPPORTED
    return _Answered(commands.response(command, status))


def _nothing(_context: AgreedContext, _command: Command, _session: Session, _counters: Counters) -> Operation:
    return _Answered(None)


_Begin: TypeAlias = Callable[[AgreedContext, Command, Session, Counters], Operation]

_OPERATIONS: Mapping[int, _Begin] = {
    CommandField.C_STORE_RQ: _store,
    CommandField.C_ECHO_RQ: _echo,
    CommandField.C_CANCEL_RQ: _nothing,  # what it cancels has ended: there is one operation at a time (PS3.7 9.3.2.3)
}


def operation(context: AgreedContext, command: Command, session: Session, counters: Counters) -> Operation:
    """Return what serves a request.

    Raises
    ------
    ProtocolBroken
        When it is a response: nothing was asked.
    """
    begin = _OPERATIONS.get(command.field)
    if begin is not None:
        return begin(context, command, session, counters)
    if command.field & commands.RESPONSE:
        raise ProtocolBroken(AbortReason.NOT_SPECIFIED, "a response without a request")
    return _Answered(commands.response(command, statuses.UNRECOGNIZED_OPERATION))
