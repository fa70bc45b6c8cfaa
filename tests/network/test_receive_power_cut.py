"""Fault 40: what was acknowledged is there after a power cut, whatever the moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from forgetful_disk import ForgetfulDisk
from made_instances import made_instance
from pydicom import Dataset
from raw_peer import COMMAND, DATA, LAST, RELEASE, RawPeer, encoded, p_data, store_command

from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.spool.folder_syncs import FolderSyncs
from dicom_node.spool.instances import Spool

pytestmark = pytest.mark.network

LIMIT_S = 30.0
"""Only ends a test that would hang."""


class Sender:
    """Sends to a receiver on a forgetful disk, and looks after each step whether all it was promised is there."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.receiver = Receiver(Spool(folder), Policy("HARMONIZE"))
        self.receiver.start()
        self.disk = ForgetfulDisk(folder, monkeypatch)
        self.disk.at_each_step = self.look
        self.acknowledged: list[bytes] = []
        self.missing: list[bytes] = []
        self.torn: list[str] = []

    def store(self, peer: RawPeer, dataset: Dataset) -> None:
        data = encoded(dataset)
        peer.send(p_data((1, COMMAND | LAST, store_command(dataset)), (1, DATA | LAST, data)))
        assert peer.status() == 0x0000
        self.acknowledged.append(data)
        self.look()

    def look(self) -> None:
        promised = list(self.acknowledged)  # before the disk is read: other associations go on meanwhile
        for left in (self.disk.left(), self.disk.left_at_most()):
            files = named(left)
            self.torn += [path for path, content in files.items() if not content]
            self.missing += [data for data in promised if not any(each.endswith(data) for each in files.values())]


def named(left: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that the node takes for instances, set aside or not."""
    return {path: content for path, content in left.items() if path.endswith((".dcm", ".conflict"))}


@pytest.fixture
def sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sender]:
    sender = Sender(tmp_path / "spool", monkeypatch)
    yield sender
    threading.Thread(target=sender.receiver.stop, args=(0,)).start()


def send_all(sender: Sender) -> None:
    """Send two series in turn, on two associations; then one image again, and another under its UID."""
    series = [[made_instance(series_uid=f"1.2.{number}") for _ in range(3)] for number in (1, 2)]
    with RawPeer(sender.receiver.port) as first, RawPeer(sender.receiver.port) as second:
        for pair in zip(*series, strict=True):
            for peer, dataset in zip((first, second), pair, strict=True):
                sender.store(peer, dataset)
        again = series[0][1]
        sender.store(second, again)
        again.PatientID = "another"
        sender.store(first, again)
        for peer in (first, second):
            peer.send(RELEASE)
            assert peer.read()[0] == 6


@pytest.fixture
def crowd() -> threading.Event:
    """Return what is set once a second association wants a folder synced that is being synced."""
    return threading.Event()


@pytest.fixture
def crowded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crowd: threading.Event) -> Iterator[Sender]:
    """Yield a sender on a disk whose first sync of a series lasts until a second association wants the same."""
    real_fsync, real_sync = os.fsync, FolderSyncs.sync

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        if Path(f"/proc/self/fd/{descriptor}").resolve().parent.name == "series":
            assert crowd.wait(LIMIT_S)

    def sync(self: FolderSyncs, folder: Path) -> None:
        if self._under_way:
            crowd.set()
        real_sync(self, folder)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(FolderSyncs, "sync", sync)
    sender = Sender(tmp_path / "spool", monkeypatch)
    yield sender
    threading.Thread(target=sender.receiver.stop, args=(0,)).start()


def send_one_series_on_four_associations(sender: Sender) -> None:
    def send(images: list[Dataset]) -> None:
        with RawPeer(sender.receiver.port) as peer:
            for dataset in images:
                sender.store(peer, dataset)

    parts = [[made_instance(series_uid="1.2.1") for _ in range(4)] for _ in range(4)]
    with ThreadPoolExecutor(len(parts)) as threads:
        list(threads.map(send, parts))


def test_fault_40_a_power_cut_loses_nothing_of_what_associations_store_in_one_folder_at_once(crowded: Sender) -> None:
    send_one_series_on_four_associations(crowded)
    assert (crowded.missing, crowded.torn) == ([], [])
    assert len(set(crowded.acknowledged)) == 16


def test_a_name_that_came_during_a_sync_would_be_found_out_if_it_counted_as_synced(
    crowded: Sender, crowd: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(self: FolderSyncs, folder: Path) -> None:
        under_way = self._under_way.get(folder)
        if under_way is None:
            shared(self, folder)
        else:
            crowd.set()
            under_way.ended.wait()

    shared = FolderSyncs.sync
    monkeypatch.setattr(FolderSyncs, "sync", sync)
    send_one_series_on_four_associations(crowded)
    assert crowded.missing


def test_fault_40_a_power_cut_at_any_moment_loses_nothing_acknowledged_and_leaves_nothing_half(
    sender: Sender, tmp_path: Path
) -> None:
    send_all(sender)
    assert sender.disk.steps > 40
    assert (sender.missing, sender.torn) == ([], [])
    assert len(set(sender.acknowledged)) == 7


@pytest.mark.parametrize("forgotten", ["file", "folder"])
def test_a_receiver_that_did_not_sync_would_be_found_out(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file"
        if kind != forgotten:
            real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    send_all(sender)
    assert sender.missing
