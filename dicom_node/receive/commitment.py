"""Storage commitment push model as SCP: takes requests (N-ACTION), knows what they came over (PS3.4 J.3.2)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import structlog
from pydicom import Dataset
from pydicom.uid import UID

from dicom_node.dimse.commands import CommandField
from dicom_node.domain.commitment import Commitment, Reference
from dicom_node.domain.identifiers import is_uid
from dicom_node.domain.ports import Clock
from dicom_node.errors import RequestRefused
from dicom_node.receive.own_requests import OwnRequests
from dicom_node.receive.services import (
    INVALID_ARGUMENT,
    NO_SUCH_ACTION,
    NO_SUCH_INSTANCE,
    Request,
    Service,
    answering,
)

STORAGE_COMMITMENT = UID("1.2.840.10008.1.20.1")
STORAGE_COMMITMENT_INSTANCE = UID("1.2.840.10008.1.20.1.1")
"""The well-known instance that every request is addressed to (PS3.4 J.3.5)."""
REQUEST_ACTION = 1
"""Action Type ID of a storage commitment request (PS3.4 table J.3-1)."""

log = structlog.get_logger()


class CommitmentRequests:
    """Takes storage commitment requests.

    Parameters
    ----------
    ask
        Writes a request down; success is answered only after it returned.
    clock
        Tells when it came.
    check_room
        Raises OSError when there is no room for more.
    """

    def __init__(
        self, ask: Callable[[Commitment], Commitment], clock: Clock, *, check_room: Callable[[], None] = lambda: None
    ) -> None:
        self._ask = ask
        self._check_room = check_room
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, OwnRequests] = {}

    @property
    def service(self) -> Service:
        """What the receiver needs to offer it."""
        return Service(STORAGE_COMMITMENT, {CommandField.N_ACTION_RQ: answering(self._on_action)})

    def association_of(self, request_id: str) -> OwnRequests | None:
        """Return the association that a request came over, while it is open."""
        with self._lock:
            association = self._open.get(request_id)
        return association if association is not None and association.is_open else None

    def _on_action(self, asked: Request) -> None:
        if asked.command.action_type != REQUEST_ACTION:
            raise RequestRefused(NO_SUCH_ACTION, "the action type is not 1")
        if asked.command.sop_instance_uid != STORAGE_COMMITMENT_INSTANCE:
            raise RequestRefused(NO_SUCH_INSTANCE, "requests go to 1.2.840.10008.1.20.1.1")
        self._check_room()
        information = asked.data_set()
        now = self._clock.now()
        request = self._ask(
            Commitment(
                _uid(information, "TransactionUID"), asked.calling_ae, asked.peer,
                tuple(_references(information)), received=now, next_attempt=now,
            )
        )  # fmt: skip
        self._keep(request.id, asked.association)
        log.info("commitment_asked", calling_ae=request.requestor, count=len(request.references))

    def _keep(self, request_id: str, association: OwnRequests) -> None:
        association.expect()
        with self._lock:
            self._open = {name: each for name, each in self._open.items() if each.is_open}
            self._open[request_id] = association


def _references(information: Dataset) -> Iterator[Reference]:
    items = information.get("ReferencedSOPSequence") or ()
    if not items:  # type 1 with one or more items (PS3.4 table J.3-2)
        raise RequestRefused(INVALID_ARGUMENT, "ReferencedSOPSequence is missing or empty")
    for item in items:
        yield Reference(_uid(item, "ReferencedSOPClassUID"), _uid(item, "ReferencedSOPInstanceUID"))


def _uid(dataset: Dataset, keyword: str) -> str:
    value = str(dataset.get(keyword) or "")
    if not is_uid(value):
        raise RequestRefused(INVALID_ARGUMENT, f"{keyword} is missing or no UID")
    return value
