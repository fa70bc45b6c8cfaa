"""The embedded PACS of the demo: C-ECHO, C-STORE, C-FIND and C-GET over a folder (PS3.4 B, C; Study Root only).

For the demo and for tests: it listens on 127.0.0.1 and asks nobody who he is. Files are named by a hash of the SOP
Instance UID, so no text from the network becomes part of a path, and their data sets stay as they came, byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydicom import Dataset, dcmread
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag
from pydicom.uid import UID
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt
from pynetdicom.events import Event, EventHandlerType

from dicom_node.demo.pacs_index import InvalidQuery, Keys, Level, PacsIndex, keys_of, keywords_down_to
from dicom_node.dimse.contexts import STORAGE_CLASSES, VERIFICATION
from dicom_node.dimse.statuses import CANNOT_UNDERSTAND, DATA_SET_DOES_NOT_MATCH, OUT_OF_RESOURCES, SUCCESS

LOOPBACK = "127.0.0.1"
STUDY_ROOT_FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")  # pynetdicom names them only at run time (PS3.6 A)
STUDY_ROOT_GET = UID("1.2.840.10008.5.1.4.1.2.2.3")
PENDING, PENDING_WITHOUT_SOME_KEYS, CANCELLED = 0xFF00, 0xFF01, 0xFE00  # PS3.4 C.4.1.1.4


class EmbeddedPacs:
    """A PACS that lives as long as the context does; what its folder holds stays for the next one.

    Parameters
    ----------
    folder
        Holds the instances; made when it is not there.
    port
        0 takes a free one: read it from `port`.
    ae_title
        Its own; callers may call it anything.
    """

    def __init__(self, folder: Path, port: int = 0, *, ae_title: str = "PACS") -> None:
        self.folder = folder
        self.port = port
        self.ae_title = ae_title
        self.index = PacsIndex()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.folder.glob("*.dcm")):
            self.index.add(path)
        handlers: list[EventHandlerType] = [
            (evt.EVT_CONN_OPEN, send_at_once),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_C_FIND, self._on_find),
            (evt.EVT_C_GET, self._on_get),
        ]
        entity = _application_entity(self.ae_title)
        server = entity.start_server((LOOPBACK, self.port), block=False, evt_handlers=handlers)
        assert server is not None  # with block=False
        self._server = server
        self.port = server.server_address[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()

    def _on_store(self, event: Event) -> int:
        """Keep an instance; one that is held already stays as it is, and is accepted."""
        request: Any = event.request
        named = str(request.AffectedSOPInstanceUID)
        if named in self.index:
            return SUCCESS
        path = self.folder / f"{hashlib.sha256(named.encode()).hexdigest()[:32]}.dcm"
        part = path.with_suffix(f".part-{threading.get_ident()}")
        try:
            part.write_bytes(event.encoded_dataset())
            keys = keys_of(dcmread(part, stop_before_pixels=True), ["SOPInstanceUID"])
            if keys.get("SOPInstanceUID") != named:
                return DATA_SET_DOES_NOT_MATCH  # PS3.4 B.2.3: the data set does not match what the command names
            os.replace(part, path)
            self.index.add(path)
        except OSError:
            return OUT_OF_RESOURCES
        except (InvalidDicomError, InvalidQuery):
            return CANNOT_UNDERSTAND
        finally:
            part.unlink(missing_ok=True)
        return SUCCESS

    def _on_find(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        try:
            level, query = _query(event.identifier)
            matches = self.index.find(level, query)
        except InvalidQuery:
            yield DATA_SET_DOES_NOT_MATCH, None
            return
        asked_for = {element.keyword for element in event.identifier} - {"QueryRetrieveLevel", "SpecificCharacterSet"}
        pending = PENDING_WITHOUT_SOME_KEYS if asked_for - query.keys() else PENDING
        for match in matches:
            if event.is_cancelled:
                yield CANCELLED, None
                return
            yield pending, self._answer(level, {keyword: match[keyword] for keyword in query})

    def _on_get(self, event: Event) -> Iterator[int | tuple[int, Dataset | None]]:
        try:
            holdings = self.index.retrieve(*_query(event.identifier))
        except InvalidQuery:
            yield 1  # pynetdicom wants a number of sub-operations before any status
            yield DATA_SET_DOES_NOT_MATCH, None
            return
        yield len(holdings)
        for holding in holdings:
            if event.is_cancelled:
                yield CANCELLED, None
                return
            yield PENDING, dcmread(holding.path)

    def _answer(self, level: Level, keys: Keys) -> Dataset:
        answer = Dataset()
        answer.SpecificCharacterSet = "ISO_IR 192"
        answer.QueryRetrieveLevel = level.value
        answer.RetrieveAETitle = self.ae_title
        for keyword, value in keys.items():
            # Not checked: a PACS gives back the header that it was given, even a bad one
            answer.add(DataElement(Tag(keyword), dictionary_VR(keyword), value, validation_mode=IGNORE))
        return answer


def _application_entity(ae_title: str) -> AE:
    entity = AE(ae_title=ae_title)
    for sop_class in (VERIFICATION, STUDY_ROOT_FIND, STUDY_ROOT_GET):
        entity.add_supported_context(sop_class)
    for sop_class in STORAGE_CLASSES:
        # Both roles: with C-GET the instances travel back on the association that asked (PS3.4 C.4.3.2)
        entity.add_supported_context(sop_class, ALL_TRANSFER_SYNTAXES, scu_role=True, scp_role=True)
    return entity


def send_at_once(event: Event) -> None:
    """Switch Nagle's algorithm off: with it the images of a C-GET wait for delayed acknowledgements."""
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _query(identifier: Dataset) -> tuple[Level, Keys]:
    name = keys_of(identifier, ["QueryRetrieveLevel"]).get("QueryRetrieveLevel")
    try:
        level = Level(name or "")
    except ValueError:
        raise InvalidQuery(f"QueryRetrieveLevel must be one of {', '.join(Level)}") from None
    return level, keys_of(identifier, keywords_down_to(level))


def main() -> None:
    """Run the embedded PACS until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m dicom_node.demo.pacs", description="A small PACS on 127.0.0.1.")
    parser.add_argument("--folder", type=Path, required=True, help="holds the instances")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--ae-title", default="PACS")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with EmbeddedPacs(options.folder, options.port, ae_title=options.ae_title) as pacs:
        print(f"{pacs.ae_title}@{LOOPBACK}:{pacs.port} holds {len(pacs.index)} instances in {pacs.folder}", flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
