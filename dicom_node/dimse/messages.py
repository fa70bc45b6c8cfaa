"""Puts presentation data values together to messages, and hands each to what serves it (PS3.7 6.3, PS3.8 E)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeAlias

from dicom_node.dimse import commands
from dicom_node.dimse.commands import Command
from dicom_node.dimse.negotiation import AgreedContext
from dicom_node.dimse.pdu import AbortReason, Pdv, pdvs
from dicom_node.errors import ProtocolBroken


class Operation(Protocol):
    """What serves one request while its data set comes."""

    def write(self, fragment: memoryview) -> None:
        """Take the next piece of the data set; it is valid until this returns."""
        ...

    def finish(self) -> bytes | None:
        """Return the command set of the response, None where the request has none."""
        ...

    def discard(self) -> None:
        """Leave nothing behind: the rest will not come."""
        ...


Begin: TypeAlias = Callable[[AgreedContext, Command], Operation]


class Messages:
    """The messages of one association, one after another: no asynchronous window was agreed.

    Parameters
    ----------
    contexts
        Accepted presentation contexts by their ID.
    begin
        Makes the operation that serves a request.
    maximum_bytes
        Longest data set.
    """

    def __init__(self, contexts: Mapping[int, AgreedContext], begin: Begin, *, maximum_bytes: int) -> None:
        self._contexts = contexts
        self._begin = begin
        self._maximum_bytes = maximum_bytes
        self._context_id = 0  # of the message that is coming; no context has this one
        self._command = bytearray()
        self._operation: Operation | None = None
        self._bytes = 0

    def take(self, body: memoryview) -> Iterator[tuple[int, bytes]]:
        """Take a P-DATA-TF; yield the responses of the messages that end in it: context ID, command set.

        Raises
        ------
        ProtocolBroken
            When what comes is not the next piece of a message, or the message is too long.
        """
        for pdv in pdvs(body):
            if self._context_id not in (0, pdv.context_id) or pdv.context_id not in self._contexts:
                raise ProtocolBroken(AbortReason.UNEXPECTED_PARAMETER, "a fragment of another presentation context")
            if pdv.is_command is not (self._operation is None):
                raise ProtocolBroken(AbortReason.UNEXPECTED_PARAMETER, "command and data set are out of turn")
            self._context_id = pdv.context_id
            ended = self._take_command(pdv) if self._operation is None else self._take_data(self._operation, pdv)
            if ended is not None:
                self._context_id, self._operation, self._bytes = 0, None, 0
                answer = ended.finish()
                if answer is not None:
                    yield pdv.context_id, answer

    @property
    def is_under_way(self) -> bool:
        """Whether a message has begun to come, and not ended."""
        return self._context_id != 0

    def _take_command(self, pdv: Pdv) -> Operation | None:
        self._command += pdv.fragment
        if len(self._command) > commands.MAXIMUM_BYTES:
            raise ProtocolBroken(AbortReason.INVALID_PARAMETER, "a command set without end")
        if not pdv.is_last:
            return None
        command = commands.decode(self._command)
        self._command.clear()
        operation = self._begin(self._contexts[pdv.context_id], command)
        if not command.has_data_set:
            return operation
        self._operation = operation
        return None

    def _take_data(self, operation: Operation, pdv: Pdv) -> Operation | None:
        self._bytes += len(pdv.fragment)
        if self._bytes > self._maximum_bytes:
            raise ProtocolBroken(AbortReason.NOT_SPECIFIED, "a data set is longer than allowed")
        operation.write(pdv.fragment)
        return operation if pdv.is_last else None

    def discard(self) -> None:
        """Let go of a message that will not come to its end."""
        if self._operation is not None:
            self._operation.discard()
            self._operation = None
