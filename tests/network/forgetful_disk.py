"""A disk that forgets at a power cut what was not synced: what would be left of a folder, at any moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

STEPS = ("open", "writev", "fsync", "fdatasync", "link", "rename", "unlink", "mkdir", "rmdir")


class ForgetfulDisk:
    """Looks at each system call of this process that changes files, and calls `at_each_step` after each.

    A sync puts on the disk what is there when it begins, and takes its time: others go on meanwhile.

    Two things may come of a power cut, and anything between them: of the names in a folder, only those that were
    there when it was last synced (`left`); or all that were ever given (`left_at_most`). Of the content of a file,
    what was there when it was last synced, and nothing where it never was.

    Parameters
    ----------
    root
        Folder on it; what it holds now is taken for synced.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.steps = 0
        self.at_each_step: Callable[[], None] = lambda: None
        self._listings: dict[str, dict[str, int]] = {}  # folder -> its synced names, each with the file's number
        self._contents: dict[int, bytes] = {}
        self._synced_at: dict[str, int] = {}  # folder -> when the sync began that was the last to count
        self._lock = threading.RLock()
        for folder, _, names in os.walk(root):
            self._sync(folder)
            for name in names:
                self._sync(os.path.join(folder, name))
        for name in STEPS:
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **how: Any) -> Any:
            if name in ("fsync", "fdatasync"):
                with self._lock:
                    began, keep = self.steps, self._seen(f"/proc/self/fd/{arguments[0]}")
                real(*arguments)
                with self._lock:
                    keep(began)
                    self._stepped()
                return None
            with self._lock:  # one after the other: what is looked at must not change meanwhile
                result = real(*arguments, **how)
                if name == "open" and arguments[1] & os.O_CREAT and os.fstat(result).st_size == 0:
                    self._contents.pop(os.fstat(result).st_ino, None)  # the number of a file that was deleted
                self._stepped()
                return result

        return step

    def _stepped(self) -> None:
        self.steps += 1
        self.at_each_step()

    def _sync(self, path: str) -> None:
        self._seen(path)(self.steps)

    def _seen(self, path: str) -> Callable[[int], None]:
        """Look at what a sync that begins now covers; return what keeps it once the sync, begun at a step, ended."""
        real = os.path.realpath(path)
        if not os.path.isdir(real):
            number, content = os.stat(path).st_ino, Path(path).read_bytes()
            return lambda began: self._contents.update({number: content})
        with os.scandir(real) as entries:
            names = {entry.name: entry.inode() for entry in entries}

        def keep(began: int) -> None:
            if began >= self._synced_at.get(real, 0):  # else another that began later has ended before
                self._synced_at[real], self._listings[real] = began, names

        return keep

    def left(self) -> Mapping[str, bytes]:
        """Return path -> content of what is left at least."""
        with self._lock:
            return dict(self._below(os.path.realpath(self.root), self._listings))

    def left_at_most(self) -> Mapping[str, bytes]:
        """Return the same where every name is on the disk."""
        with self._lock:
            root = os.path.realpath(self.root)
            listings = {
                folder: {name: os.stat(os.path.join(folder, name)).st_ino for name in (*folders, *names)}
                for folder, folders, names in os.walk(root)
            }
            return dict(self._below(root, listings))

    def _below(self, folder: str, listings: Mapping[str, Mapping[str, int]]) -> list[tuple[str, bytes]]:
        found = []
        for name, number in listings.get(folder, {}).items():
            path = os.path.join(folder, name)
            if os.path.isdir(path):
                found += self._below(path, listings)
            else:
                found.append((path, self._contents.get(number, b"")))
        return found
