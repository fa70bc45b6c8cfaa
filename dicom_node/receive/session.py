"""What one association does to the store: instances put there, and the series it keeps open."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field

from pydicom.uid import UID

from dicom_node.dimse.statuses import DATA_SET_DOES_NOT_MATCH, SOP_CLASS_NOT_SUPPORTED
from dicom_node.domain.instance import InstanceKey, Stored, Transport
from dicom_node.domain.ports import InstanceStore
from dicom_node.errors import AssociationLost, InstanceRejected
from dicom_node.receive.key import key_of

OPEN_SERIES = 8
"""Series that one association keeps open: a sender works on few at a time, and each may cost a file handle."""


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """A C-STORE request (PS3.7 9.1.1).

    Attributes
    ----------
    sop_class_uid, sop_instance_uid
        Affected SOP Class and Instance UID of the command.
    context_sop_class_uid, transfer_syntax_uid
        Of the presentation context that it came in.
    dataset
        As encoded by the sender.
    """

    sop_class_uid: str
    sop_instance_uid: str
    context_sop_class_uid: str
    transfer_syntax_uid: str
    dataset: bytes


@dataclass(slots=True)
class Session:
    """One association, from acceptance to its end; used by its thread alone.

    Attributes
    ----------
    instances
        How many were stored.
    """

    store: InstanceStore
    calling_ae: str
    called_ae: str
    peer: str
    instances: int = 0
    _began: float = field(default_factory=time.monotonic)
    _open: OrderedDict[str, AbstractContextManager[None]] = field(default_factory=OrderedDict)

    @property
    def seconds(self) -> float:
        """How long it has lasted, s."""
        return time.monotonic() - self._began

    def put(self, request: StoreRequest) -> tuple[Stored, int]:
        """Store an instance; when this returns it is durable.

        Returns
        -------
        What became of it, and the length of its data set in bytes.

        Raises
        ------
        InstanceRejected
            With the status and comment to answer.
        """
        if request.sop_class_uid != request.context_sop_class_uid:
            raise InstanceRejected(SOP_CLASS_NOT_SUPPORTED, "the SOP class is not that of the presentation context")
        key = key_of(request.dataset, request.transfer_syntax_uid)
        _check_named_alike(request, key)
        # Open before the instance is there: a series must never look complete because its sender was not seen yet
        self._keep_open(key.series_uid)
        transport = Transport(self.calling_ae, self.called_ae, str(UID(request.transfer_syntax_uid)))
        outcome = self.store.put(key, transport, request.dataset)
        self.instances += 1
        return outcome, len(request.dataset)

    def _keep_open(self, series_uid: str) -> None:
        if series_uid not in self._open:
            if len(self._open) >= OPEN_SERIES:
                _, longest_quiet = self._open.popitem(last=False)
                longest_quiet.__exit__(None, None, None)
            context = self.store.sender_connected(series_uid)
            context.__enter__()
            self._open[series_uid] = context
        self._open.move_to_end(series_uid)

    def close(self, *, broke_off: bool = False) -> None:
        """Let go of the series: the association has ended.

        Parameters
        ----------
        broke_off
            Whether the sender did not release it.
        """
        with suppress(AssociationLost), ExitStack() as stack:
            for context in self._open.values():
                stack.push(context)
            self._open.clear()
            if broke_off:
                raise AssociationLost


def _check_named_alike(request: StoreRequest, key: InstanceKey) -> None:
    """Refuse a data set that is not what the command calls it (PS3.4 B.2.3, Axxx)."""
    if key.sop_instance_uid != request.sop_instance_uid:
        raise InstanceRejected(DATA_SET_DOES_NOT_MATCH, "SOPInstanceUID is not that of the command")
    if key.sop_class_uid != request.sop_class_uid:
        raise InstanceRejected(DATA_SET_DOES_NOT_MATCH, "SOPClassUID is not that of the command")
