"""Threads that want one folder synced share a sync, and none is told that its name is safe when it may not be."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from dicom_node.spool import durable, folder_syncs
from dicom_node.spool.folder_syncs import FolderSyncs

LIMIT_S = 30.0
"""Only ends a test that would hang."""
FOLDER, OTHER = Path("series"), Path("other")


class SlowDisk:
    """Syncs that end when the test lets them, each with the names that were there when it began."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.syncs = FolderSyncs()
        self.names: set[str] = set()
        self.synced: set[str] = set()
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.waiting = threading.Semaphore(0)
        self.calls: list[Path] = []
        self.error: OSError | None = None
        self._threads = threads

    def sync_folder(self, folder: Path) -> None:
        covered = set(self.names)
        self.calls.append(folder)
        self.began.release()
        assert self.may_end.acquire(timeout=LIMIT_S)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.synced |= covered

    def name(self, name: str, folder: Path = FOLDER) -> Future[bool]:
        """Give a name and have it synced, in a thread of its own; tells whether it was safe when that returned."""

        def named() -> bool:
            self.names.add(name)
            self.syncs.sync(folder)
            return name in self.synced

        return self._threads.submit(named)

    def wait_until_one_began(self) -> None:
        assert self.began.acquire(timeout=LIMIT_S)

    def wait_until_waiting(self, count: int) -> None:
        """Wait until so many threads wait for others."""
        for _ in range(count):
            assert self.waiting.acquire(timeout=LIMIT_S)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    with ThreadPoolExecutor(8) as threads:
        disk = SlowDisk(threads)
        monkeypatch.setattr(durable, "sync_folder", disk.sync_folder)

        class Watched(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                disk.waiting.release()
                return super().wait(timeout)

        class Round(folder_syncs._Round):
            def __init__(self) -> None:
                super().__init__()
                self.ended = Watched()

        monkeypatch.setattr(folder_syncs, "_Round", Round)
        yield disk
        disk.may_end.release(100)


def three_during_a_sync(disk: SlowDisk) -> tuple[Future[bool], list[Future[bool]]]:
    first = disk.name("1")
    disk.wait_until_one_began()
    others = [disk.name(name) for name in "234"]
    disk.wait_until_waiting(3)
    return first, others


def test_a_thread_alone_syncs_at_once(disk: SlowDisk) -> None:
    disk.may_end.release(2)
    assert disk.name("1").result(LIMIT_S)
    assert disk.name("2").result(LIMIT_S)
    assert disk.calls == [FOLDER, FOLDER]


def test_all_that_come_during_a_sync_share_the_next_and_are_not_told_of_the_one_under_way(disk: SlowDisk) -> None:
    first, others = three_during_a_sync(disk)
    disk.may_end.release()
    assert first.result(LIMIT_S)
    disk.wait_until_one_began()
    assert not any(each.done() for each in others)
    disk.may_end.release()
    assert [each.result(LIMIT_S) for each in others] == [True] * 3
    assert disk.calls == [FOLDER, FOLDER]


def test_folders_do_not_wait_for_each_other(disk: SlowDisk) -> None:
    disk.name("1")
    disk.wait_until_one_began()
    disk.name("2", OTHER)
    disk.wait_until_one_began()
    assert disk.calls == [FOLDER, OTHER]


def test_an_error_reaches_each_that_shared_the_sync(disk: SlowDisk) -> None:
    first, others = three_during_a_sync(disk)
    disk.may_end.release()
    assert first.result(LIMIT_S)
    disk.wait_until_one_began()
    disk.error = OSError(errno.ENOSPC, "full")
    disk.may_end.release()
    errors = [each.exception(LIMIT_S) for each in others]
    assert [getattr(each, "errno", None) for each in errors] == [errno.ENOSPC] * 3
    assert len(set(map(id, errors))) == 3


def test_those_whose_names_were_there_while_a_sync_failed_are_not_told_that_they_are_safe(disk: SlowDisk) -> None:
    first, others = three_during_a_sync(disk)
    disk.error = OSError(errno.EIO, "broken")
    disk.may_end.release()
    for each in (first, *others):
        assert isinstance(each.exception(LIMIT_S), OSError)
    assert disk.calls == [FOLDER]
    disk.may_end.release()
    assert disk.name("5").result(LIMIT_S)


def test_nothing_is_kept_of_a_folder_that_nobody_waits_for(disk: SlowDisk) -> None:
    disk.may_end.release(2)
    for folder in (FOLDER, OTHER):
        disk.name("1", folder).result(LIMIT_S)
    assert (disk.syncs._joinable, disk.syncs._under_way) == ({}, {})
