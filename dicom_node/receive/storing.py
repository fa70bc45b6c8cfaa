"""One C-STORE: its data set goes to the store as it comes, and its answer tells what became of it (PS3.4 B.2)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from dicom_node.dimse import statuses
from dicom_node.domain.instance import InstanceKey
from dicom_node.domain.ports import IncomingInstance
from dicom_node.errors import InstanceRejected
from dicom_node.receive.counters import Counters
from dicom_node.receive.key import find_key, key_of
from dicom_node.receive.session import Session

LONGEST_HEADER_BYTES = 1 << 22
"""Of a data set up to its SeriesInstanceUID: so much is held in memory until it is known where it goes."""

ERROR_COMMENT_CHARACTERS = 64  # VR LO (PS3.5 6.2)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A C-STORE request (PS3.7 9.1.1).

    Attributes
    ----------
    sop_class_uid, sop_instance_uid
        Affected SOP Class and Instance UID of the command.
    context_sop_class_uid, transfer_syntax_uid
        Of the presentation context that it came in.
    """

    sop_class_uid: str
    sop_instance_uid: str
    context_sop_class_uid: str
    transfer_syntax_uid: str


class Storing:
    """Takes a data set piece by piece; a failure is kept for the answer, and what still comes is passed over.

    Parameters
    ----------
    request
        What the command says.
    session
        Of the association that it came on.
    counters
        Count what becomes of it.
    """

    def __init__(self, request: StoreRequest, session: Session, counters: Counters) -> None:
        self._request = request
        self._session = session
        self._counters = counters
        self._held = bytearray()  # of the data set, until its key is known
        self._look_again_at = 0
        self._incoming: IncomingInstance | None = None
        self._bytes = 0
        self._refusal: InstanceRejected | None = None
        if request.sop_class_uid != request.context_sop_class_uid:
            self._refuse(
                InstanceRejected(
                    statuses.SOP_CLASS_NOT_SUPPORTED, "the SOP class is not that of the presentation context"
                )
            )

    def write(self, chunk: bytes | memoryview) -> None:
        """Take the next piece; it need not stay valid afterwards."""
        self._bytes += len(chunk)
        if self._refusal is None:
            self._try(lambda: self._write(chunk))

    def finish(self) -> tuple[int, str]:
        """Store it; return the status and the comment to answer."""
        if self._refusal is None:
            self._try(self._commit)
        if self._refusal is None:
            return statuses.SUCCESS, ""
        self._counters.refused(self._refusal.status)
        self._session.refused += 1
        log.warning(
            "instance_refused",
            calling_ae=self._session.calling_ae,
            peer=self._session.peer,
            status=f"{self._refusal.status:04X}",
            reason=self._refusal.comment,
        )
        return self._refusal.status, self._refusal.comment[:ERROR_COMMENT_CHARACTERS]

    def discard(self) -> None:
        """Leave nothing behind."""
        self._held.clear()
        if self._incoming is not None:
            self._incoming.discard()

    def _write(self, chunk: bytes | memoryview) -> None:
        if self._incoming is not None:
            self._incoming.write(chunk)
        elif self._held:
            self._held += chunk
            if len(self._held) >= self._look_again_at:
                self._look_for_key(self._held)
        else:
            self._look_for_key(chunk)

    def _look_for_key(self, head: bytes | bytearray | memoryview) -> None:
        """Begin to store as soon as it is known what comes; looked for again at twice the length."""
        key = find_key(head, self._request.transfer_syntax_uid)
        if key is not None:
            self._begin(key, head)
        elif len(head) > LONGEST_HEADER_BYTES:
            raise InstanceRejected(statuses.CANNOT_UNDERSTAND, "SeriesInstanceUID stands too far behind")
        else:
            self._look_again_at = 2 * len(head)
            if head is not self._held:
                self._held += head

    def _begin(self, key: InstanceKey, head: bytes | bytearray | memoryview) -> None:
        _check_named_alike(self._request, key)
        self._incoming = self._session.begin(key, self._request.transfer_syntax_uid)
        self._incoming.write(memoryview(head))
        self._held = bytearray()

    def _commit(self) -> None:
        if self._incoming is None:
            self._begin(key_of(bytes(self._held), self._request.transfer_syntax_uid), self._held)
        assert self._incoming is not None
        outcome = self._incoming.commit()
        self._counters.stored(outcome, self._bytes)
        self._session.instances += 1
        self._session.stored_bytes += self._bytes

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except InstanceRejected as refusal:
            self._refuse(refusal)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "input/output error"
            self._refuse(InstanceRejected(statuses.OUT_OF_RESOURCES, f"cannot store now: {reason}"))
        except Exception as error:  # the boundary to the network: one instance fails, the association lives
            log.error(
                "store_failed",
                calling_ae=self._session.calling_ae,
                peer=self._session.peer,
                reason=type(error).__name__,
            )
            self._refuse(InstanceRejected(statuses.PROCESSING_FAILURE, "could not be stored"))

    def _refuse(self, refusal: InstanceRejected) -> None:
        self._refusal = refusal
        self.discard()


def _check_named_alike(request: StoreRequest, key: InstanceKey) -> None:
    """Refuse a data set that is not what the command calls it (PS3.4 B.2.3, Axxx)."""
    if key.sop_instance_uid != request.sop_instance_uid:
        raise InstanceRejected(statuses.DATA_SET_DOES_NOT_MATCH, "SOPInstanceUID is not that of the command")
    if key.sop_class_uid != request.sop_class_uid:
        raise InstanceRejected(statuses.DATA_SET_DOES_NOT_MATCH, "SOPClassUID is not that of the command")
