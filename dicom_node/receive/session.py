"""What one association does to the store: the series it keeps open, and what it brought."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field

from dicom_node.domain.instance import InstanceKey, Transport
from dicom_node.domain.ports import IncomingInstance, InstanceStore
from dicom_node.errors import AssociationLost

OPEN_SERIES = 8
"""Series that one association keeps open: a sender works on few at a time, and each may cost a file handle."""


@dataclass(slots=True)
class Session:
    """One association, from acceptance to its end; used by its thread alone.

    Attributes
    ----------
    instances, stored_bytes
        How many were stored, and the length of their data sets.
    refused
        How many were answered with a failure.
    """

    store: InstanceStore
    calling_ae: str
    called_ae: str
    peer: str
    instances: int = 0
    stored_bytes: int = 0
    refused: int = 0
    _began: float = field(default_factory=time.monotonic)
    _open: OrderedDict[str, AbstractContextManager[None]] = field(default_factory=OrderedDict)

    @property
    def seconds(self) -> float:
        """How long it has lasted, s."""
        return time.monotonic() - self._began

    def begin(self, key: InstanceKey, transfer_syntax_uid: str) -> IncomingInstance:
        """Begin to store an instance.

        Raises
        ------
        InstanceRejected
            With the status and comment to answer.
        """
        # Open before the instance is there: a series must never look complete because its sender was not seen yet
        self._keep_open(key.series_uid)
        return self.store.begin(key, Transport(self.calling_ae, self.called_ae, transfer_syntax_uid))

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
