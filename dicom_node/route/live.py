"""The rules in force: a file that is read again when it changes, and kept as it was when the new one is broken."""

from __future__ import annotations

import pwd
import threading
from collections.abc import Callable
from pathlib import Path

from dicom_node.domain.ports import Catalogue
from dicom_node.errors import RefusedToStart
from dicom_node.located_yaml import text_of
from dicom_node.route.loader import rules_of
from dicom_node.route.schema import RulesFile

_Stamp = tuple[int, int, int]


class LiveRules:
    """The rules in force; safe to use from several threads.

    Parameters
    ----------
    path
        The rules file.
    catalogue
        Returns what it may name now: a site adds targets while the node runs.
    publish
        Called with a text that comes into force and the name of its author, just before it does; it may come again
        with the same text. What it raises leaves the old rules in force, and the file is read again.

    Raises
    ------
    RefusedToStart
        When the file is broken: without good rules there is nothing to keep.
    """

    def __init__(
        self, path: Path, catalogue: Callable[[], Catalogue], publish: Callable[[str, str], object] = lambda *_: None
    ) -> None:
        self._path = path
        self._catalogue = catalogue
        self._publish = publish
        self._lock = threading.Lock()
        self._stamp = _stamp(path)
        self._named = catalogue()
        text = text_of(path)
        self._current = rules_of(path, text, self._named)
        publish(text, author_of(path))
        self._problem: str | None = None

    @property
    def current(self) -> RulesFile:
        """The last rules that were without mistakes; a caller keeps one object for the whole of a decision."""
        return self._current

    @property
    def problem(self) -> str | None:
        """What is wrong with the file as it was last read; None when its rules are in force."""
        return self._problem

    def reload(self) -> str | None:
        """Read the file again.

        Returns
        -------
        None when its rules are in force now; else one line that says what is wrong with it, and the old ones stay.
        """
        with self._lock:
            return self._read()

    def reload_if_changed(self) -> str | None:
        """Read the file again if its time, size or inode changed since it was last read, or what it may name.

        Returns as `reload` does. A broken file is reported once, not at every tick.
        """
        with self._lock:
            is_same = _stamp(self._path) == self._stamp and self._catalogue() == self._named
            return None if is_same else self._read()

    def _read(self) -> str | None:
        before = _stamp(self._path)
        named = self._catalogue()
        try:
            text = text_of(self._path)
            rules = rules_of(self._path, text, named)
        except RefusedToStart as refusal:
            self._stamp, self._named, self._problem = before, named, str(refusal)
            return self._problem
        if _stamp(self._path) != before:
            return f"{self._path}: changed while it was read; it is read again"  # the stamp stays old: so it will be
        self._publish(text, author_of(self._path))
        self._stamp, self._named, self._current, self._problem = before, named, rules, None
        return None


def author_of(path: Path) -> str:
    """Return who owns the file, which is who wrote it last where editors write a new one, as most do."""
    try:
        owner = path.stat().st_uid
    except OSError:
        return "unknown"
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"user {owner}"


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
