"""A PACS that answers each instance as a test has written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.events import Event

Answer = int | Callable[[Event], int]


@dataclass
class ScriptedPacs:
    answers: list[Answer] = field(default_factory=list)
    received: list[tuple[str, str, bytes]] = field(default_factory=list)
    port: int = 0

    def on_store(self, event: Event) -> int:
        request: Any = event.request
        dataset = event.encoded_dataset(include_meta=False)
        self.received.append((str(request.AffectedSOPInstanceUID), str(event.context.transfer_syntax), dataset))
        answer = self.answers.pop(0) if self.answers else 0x0000
        return answer if isinstance(answer, int) else answer(event)


def abort(event: Event) -> int:
    event.assoc.abort()
    return 0x0000


@contextmanager
def running_pacs(
    *answers: Answer,
    syntaxes: Sequence[UID] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian),
    sop_classes: Sequence[str] | None = None,
    echo: Callable[[Event], int] = lambda event: 0x0000,
    **entity_settings: Any,
) -> Iterator[ScriptedPacs]:
    pacs = ScriptedPacs(list(answers))
    entity = AE(ae_title="PACS")
    entity.add_supported_context("1.2.840.10008.1.1")
    for sop_class in sop_classes or [context.abstract_syntax for context in AllStoragePresentationContexts]:
        entity.add_supported_context(sop_class, list(syntaxes))
    for name, value in entity_settings.items():
        setattr(entity, name, value)
    handlers: list[Any] = [(evt.EVT_C_STORE, pacs.on_store), (evt.EVT_C_ECHO, echo)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    pacs.port = server.server_address[1]
    try:
        yield pacs
    finally:
        # in the background: pynetdicom looks only twice a second whether it should stop
        threading.Thread(target=server.shutdown).start()
