"""The rarer services of the receiver, each a SOP class with its handlers, and what all of their handlers share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeAlias

import structlog
from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode
from pynetdicom.events import Event, EventHandlerType

from dicom_node.dimse.statuses import PROCESSING_FAILURE, SUCCESS
from dicom_node.errors import RequestRefused
from dicom_node.log import culprit

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

Reply: TypeAlias = tuple[Dataset, Dataset | None]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Service:
    """A service that pynetdicom serves for us, in the uncompressed little endian transfer syntaxes.

    Attributes
    ----------
    sop_class
        Its abstract syntax.
    handlers
        Of pynetdicom's events.
    """

    sop_class: UID
    handlers: Sequence[EventHandlerType]


def answering(handle: Callable[[Event], None]) -> Callable[[Event], Reply]:
    """Return a handler that answers success when `handle` returns, and what it raises as a failure status.

    Whatever goes wrong with one request, its association lives: this is the boundary to the network.
    """

    def handler(event: Event) -> Reply:
        try:
            handle(event)
        except RequestRefused as refused:
            return _refuse(event, refused), None
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "input/output error"
            return _refuse(event, RequestRefused(RESOURCE_LIMITATION, f"cannot be kept now: {reason}")), None
        except Exception as error:  # the boundary itself; a sender that is answered a failure asks again
            log.error("request_failed", calling_ae=calling_ae(event), error=culprit(error))
            return _refuse(event, RequestRefused(PROCESSING_FAILURE, "could not be dealt with now: ask again")), None
        return _status(SUCCESS), None

    return handler


def _refuse(event: Event, refused: RequestRefused) -> Dataset:
    log.warning(
        "request_refused", calling_ae=calling_ae(event), peer=peer(event),
        status=f"{refused.status:04X}", reason=refused.comment,
    )  # fmt: skip
    status = _status(refused.status)
    status.ErrorComment = refused.comment[:_ERROR_COMMENT_CHARACTERS]
    if refused.error_id is not None:
        status.ErrorID = refused.error_id
    return status


def _status(code: int) -> Dataset:
    status = Dataset()
    status.Status = code
    return status


def decoded(event: Event, encoded: BytesIO | None) -> Dataset:
    """Return the data set of a request.

    Raises
    ------
    RequestRefused
        When it is larger than any such request, or cannot be decoded.
    """
    if encoded is None:
        return Dataset()
    if len(encoded.getbuffer()) > MAXIMUM_BYTES:
        raise RequestRefused(RESOURCE_LIMITATION, "the request is too large: ask for less at a time")
    syntax = UID(event.context.transfer_syntax)
    try:
        return decode(encoded, syntax.is_implicit_VR, syntax.is_little_endian)
    except Exception as error:  # the boundary to bytes that others wrote
        log.warning("request_undecodable", calling_ae=calling_ae(event), error=culprit(error))
        raise RequestRefused(PROCESSING_FAILURE, "the data set cannot be decoded") from None


def calling_ae(event: Event) -> str:
    """Return the title that the peer calls itself."""
    association: Any = event.assoc
    return str(association.requestor.primitive.calling_ae_title).strip()


def peer(event: Event) -> str:
    """Return the address that the association came from."""
    association: Any = event.assoc
    return str(association.requestor.address)
