"""The rarer services of the receiver: each a SOP class with what answers its requests (PS3.7 10.1)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TypeAlias

import structlog
from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode

from dicom_node.dimse.commands import Command
from dicom_node.dimse.statuses import PROCESSING_FAILURE, SUCCESS
from dicom_node.errors import RequestRefused
from dicom_node.log import culprit
from dicom_node.receive.own_requests import OwnRequests

# PS3.7 C.5
INVALID_ATTRIBUTE_VALUE = 0x0106
DUPLICATE_INSTANCE = 0x0111
NO_SUCH_INSTANCE = 0x0112
INVALID_ARGUMENT = 0x0115
MISSING_ATTRIBUTE = 0x0120
NO_SUCH_ACTION = 0x0123
RESOURCE_LIMITATION = 0x0213

STATUSES: Mapping[int, str] = {
    SUCCESS: "It is written down so that it survives a power cut.",
    INVALID_ATTRIBUTE_VALUE: "A status that is none of the three, or not the one that a step begins with; no UID.",
    PROCESSING_FAILURE: "Any other failure; with ErrorID A710, a step that is final and may no longer be updated.",
    DUPLICATE_INSTANCE: "The step was created before.",
    NO_SUCH_INSTANCE: "The step was never created here; a commitment request to another instance than the well-known.",
    INVALID_ARGUMENT: "A commitment request without TransactionUID or instances, or with what is no UID.",
    MISSING_ATTRIBUTE: "A step that is created without a status.",
    NO_SUCH_ACTION: "Another action than a commitment request.",
    RESOURCE_LIMITATION: "No space, or an error of the file system, or a request of more than 8 MiB: ask again later.",
}
"""Those that the node answers to N-ACTION, N-CREATE and N-SET, and when."""

MAXIMUM_BYTES = 8 << 20
"""Of the data set of one request: some sixty thousand instances by their UIDs."""

_ERROR_COMMENT_CHARACTERS = 64  # VR LO (PS3.5 6.2)

log = structlog.get_logger()


class Request:
    """A request to one of these services.

    Parameters
    ----------
    command
        Its command set.
    transfer_syntax
        Of its data set.
    peer
        Address that the association came from.
    association
        Over which the node can ask the peer something in turn.
    """

    def __init__(self, command: Command, transfer_syntax: str, peer: str, association: OwnRequests) -> None:
        self.command = command
        self.peer = peer
        self.association = association
        self._syntax = UID(transfer_syntax)
        self._data_set = bytearray()
        self._is_too_large = False

    @property
    def calling_ae(self) -> str:
        """Title that the peer calls itself."""
        return self.association.requestor

    def add(self, fragment: memoryview) -> None:
        """Take the next piece of its data set; nothing is kept of one that is larger than any such request."""
        if self._is_too_large or len(self._data_set) + len(fragment) > MAXIMUM_BYTES:
            self._is_too_large = True
            self._data_set.clear()
        else:
            self._data_set += fragment

    def data_set(self) -> Dataset:
        """Decode its data set.

        Raises
        ------
        RequestRefused
            When it is larger than any such request, or cannot be decoded.
        """
        if self._is_too_large:
            raise RequestRefused(RESOURCE_LIMITATION, "the request is too large: ask for less at a time")
        try:
            return decode(BytesIO(self._data_set), self._syntax.is_implicit_VR, self._syntax.is_little_endian)
        except Exception as error:  # the boundary to bytes that others wrote
            log.warning("request_undecodable", calling_ae=self.calling_ae, error=culprit(error))
            raise RequestRefused(PROCESSING_FAILURE, "the data set cannot be decoded") from None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered.

    Attributes
    ----------
    status, comment, error_id
        Status (0000,0900), ErrorComment (0000,0902), ErrorID (0000,0903).
    sop_instance_uid
        Of what was made, where the requestor left it to the node.
    """

    status: int = SUCCESS
    comment: str = ""
    error_id: int | None = None
    sop_instance_uid: str | None = None


Answer: TypeAlias = Callable[[Request], Reply]


@dataclass(frozen=True, slots=True)
class Service:
    """A service beside storage and verification, in the uncompressed little endian transfer syntaxes.

    Attributes
    ----------
    sop_class
        Its abstract syntax.
    answers
        Command field -> what answers such requests.
    """

    sop_class: str
    answers: Mapping[int, Answer]


def answering(handle: Callable[[Request], None]) -> Answer:
    """Return what answers success when `handle` returns, and what it raises as a failure status.

    Whatever goes wrong with one request, its association lives: this is the boundary to the network.
    """

    def answer(request: Request) -> Reply:
        try:
            handle(request)
        except RequestRefused as refused:
            return _refuse(request, refused)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "input/output error"
            return _refuse(request, RequestRefused(RESOURCE_LIMITATION, f"cannot be kept now: {reason}"))
        except Exception as error:  # the boundary itself; a sender that is answered a failure asks again
            log.error("request_failed", calling_ae=request.calling_ae, error=culprit(error))
            return _refuse(request, RequestRefused(PROCESSING_FAILURE, "could not be dealt with now: ask again"))
        return Reply()

    return answer


def _refuse(request: Request, refused: RequestRefused) -> Reply:
    log.warning(
        "request_refused", calling_ae=request.calling_ae, peer=request.peer,
        status=f"{refused.status:04X}", reason=refused.comment,
    )  # fmt: skip
    return Reply(refused.status, refused.comment[:_ERROR_COMMENT_CHARACTERS], refused.error_id)
