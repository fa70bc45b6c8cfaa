"""A folder for files that must not outlive the process that made them."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "infer-"
_LOCK = "lock"


class Scratch:
    """Folders below one that is ours; those of processes that were killed are removed when the next one starts.

    Each owner holds a lock in its folder, which the kernel lets go when the owner dies: a folder whose lock can be
    had has no owner any more. Process numbers would not do, since in a container every node is number 1.

    Parameters
    ----------
    root
        Where; made when it is not there.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        for left in root.glob(f"{_PREFIX}*"):
            _remove_when_ownerless(left)
        self._own, lock = _owned(root)
        self._lock: int | None = lock

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend a fresh folder, readable by this user alone; it is removed with all that it holds."""
        path = Path(tempfile.mkdtemp(dir=self._own))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        if self._lock is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            os.close(self._lock)
            self._lock = None


def _owned(root: Path) -> tuple[Path, int]:
    """Make a folder and lock it; again, should another node that starts now remove it before it is locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        try:
            lock = _locked(folder / _LOCK)
        except FileNotFoundError:
            continue
        if lock is not None and (folder / _LOCK).exists():
            return folder, lock


def _locked(path: Path) -> int | None:
    """Return a descriptor that holds the lock, or None when another owner has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_when_ownerless(folder: Path) -> None:
    try:
        lock = _locked(folder / _LOCK)
    except OSError:  # removed by its owner just now
        return
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
