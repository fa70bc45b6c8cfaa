"""Syncs of folders that several threads want at once: each is done once for all whose names are there before it."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

from dicom_node.spool import durable


class _Round:
    """One sync, and those who wait for it; until it was done, it counts as failed."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.error: BaseException | None = OSError(errno.EIO, "the folder was not synced")


class FolderSyncs:
    """Groups the syncs of each folder. Used by several threads.

    The first that wants a folder synced leads a round. It waits until the sync under way has ended, lets others join
    up to the moment when its own begins, and tells them what came of it: a sync covers the names that were given before
    it began, and no later ones.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._joinable: dict[Path, _Round] = {}
        self._under_way: dict[Path, _Round] = {}

    def sync(self, folder: Path) -> None:
        """Have the names in a folder on the disk that this thread has given before it called.

        Raises
        ------
        OSError
            When they are not known to be. Where one sync fails, the next, whose names were there while it ran, counts
            as failed too: the kernel tells of an error once, and may have dropped what it could not write.
        """
        with self._lock:
            joined = self._joinable.get(folder)
            if joined is None:
                mine = self._joinable[folder] = _Round()
                before = self._under_way.get(folder)
        if joined is None:
            self._lead(folder, mine, before)
        else:
            joined.ended.wait()
            _raise(joined)

    def _lead(self, folder: Path, mine: _Round, before: _Round | None) -> None:
        if before is not None:
            before.ended.wait()
        with self._lock:
            del self._joinable[folder]  # whoever comes from now on may have given a name too late for this one
            self._under_way[folder] = mine
        try:
            if before is not None:
                _raise(before)
            durable.sync_folder(folder)
            mine.error = None
        except BaseException as error:
            mine.error = error
            raise
        finally:
            with self._lock:
                if self._under_way[folder] is mine:
                    del self._under_way[folder]
            mine.ended.set()


def _raise(ended: _Round) -> None:
    """Raise afresh what a round ended with: each thread needs an error of its own."""
    if ended.error is not None:
        number = ended.error.errno if isinstance(ended.error, OSError) else errno.EIO
        raise OSError(number or errno.EIO, "the folder could not be synced") from ended.error
