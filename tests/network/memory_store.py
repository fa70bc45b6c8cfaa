"""An instance store in memory, with the failures that a test asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dicom_node.domain.instance import InstanceKey, Stored, Transport


@dataclass
class Held:
    key: InstanceKey
    transport: Transport
    dataset: bytes


class Arriving:
    def __init__(self, store: MemoryStore, key: InstanceKey, transport: Transport) -> None:
        self._store, self._key, self._transport = store, key, transport
        self._dataset = bytearray()
        self._ended = False

    def write(self, chunk: bytes | memoryview) -> None:
        self._dataset += chunk

    def commit(self) -> Stored:
        self.discard()
        return self._store.keep(self._key, self._transport, bytes(self._dataset))

    def discard(self) -> None:
        self._store.arriving -= not self._ended
        self._ended = True


class MemoryStore:
    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.conflicts: list[Held] = []
        self.connected: Counter[str] = Counter()
        self.failure: Exception | None = None
        self.arriving = 0

    def begin(self, key: InstanceKey, transport: Transport) -> Arriving:
        assert self.connected[key.series_uid], "the sender must be marked before its instance is seen"
        self.arriving += 1
        return Arriving(self, key, transport)

    def keep(self, key: InstanceKey, transport: Transport, dataset: bytes) -> Stored:
        if self.failure:
            raise self.failure
        came = Held(key, transport, dataset)
        first = self.held.setdefault(key.sop_instance_uid, came)
        if first is came:
            return Stored.NEW
        if first.dataset == dataset and first.transport.transfer_syntax_uid == transport.transfer_syntax_uid:
            return Stored.DUPLICATE
        self.conflicts.append(came)
        return Stored.CONFLICT

    @contextmanager
    def sender_connected(self, series_uid: str) -> Iterator[None]:
        self.connected[series_uid] += 1
        try:
            yield
        finally:
            self.connected[series_uid] -= 1
