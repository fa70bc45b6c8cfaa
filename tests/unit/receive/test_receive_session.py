from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from dicom_node.domain.instance import InstanceKey, Transport
from dicom_node.receive.session import Session
from dicom_node.spool.instances import Spool


class Store:
    def __init__(self) -> None:
        self.events: list[str] = []
        self.breaks = False

    def begin(self, key: InstanceKey, transport: Transport) -> Any:
        self.events.append(f"begin {key.series_uid}")

    @contextmanager
    def sender_connected(self, series_uid: str) -> Iterator[None]:
        self.events.append(f"open {series_uid}")
        try:
            yield
        finally:
            self.events.append(f"close {series_uid}")
        if self.breaks:
            raise OSError("No space left")


def key(series_uid: str) -> InstanceKey:
    return InstanceKey("1.2", series_uid, MRImageStorage, "1.2.3.4")


def test_a_series_is_open_before_its_first_instance_is_stored_and_until_the_end() -> None:
    store = Store()
    session = Session(store, "SCANNER", "HARMONIZE", "127.0.0.1")
    for series_uid in ("1.1", "1.1", "1.2"):
        session.begin(key(series_uid), ExplicitVRLittleEndian)
    assert store.events == ["open 1.1", "begin 1.1", "begin 1.1", "open 1.2", "begin 1.2"]
    session.close()
    session.close()
    assert sorted(store.events[5:]) == ["close 1.1", "close 1.2"]


def test_of_many_series_the_one_that_was_quiet_longest_is_let_go() -> None:
    store = Store()
    session = Session(store, "SCANNER", "HARMONIZE", "127.0.0.1")
    for series in (1, 2, 3, 4, 5, 6, 7, 8, 1, 9):
        session.begin(key(f"1.{series}"), ExplicitVRLittleEndian)
    assert [event for event in store.events if event.startswith("close")] == ["close 1.2"]


def test_every_series_is_let_go_even_when_one_cannot_be() -> None:
    store = Store()
    session = Session(store, "SCANNER", "HARMONIZE", "127.0.0.1")
    for series_uid in ("1.1", "1.2"):
        session.begin(key(series_uid), ExplicitVRLittleEndian)
    store.breaks = True
    with pytest.raises(OSError, match="No space left"):
        session.close()
    assert sorted(store.events[-2:]) == ["close 1.1", "close 1.2"]


def test_every_series_of_an_association_that_breaks_off_is_told_so_and_of_one_that_is_released_none(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path)
    for broke_off in (True, False):
        session = Session(spool, "SCANNER", "HARMONIZE", "127.0.0.1")
        for series_uid in ("1.1", "1.2"):
            incoming = session.begin(key(series_uid), ExplicitVRLittleEndian)
            incoming.write(b"data")
            incoming.commit()
        session.close(broke_off=broke_off)
        assert [spool.has_broken_off(folder) for folder in spool.folders()] == [broke_off] * 2
