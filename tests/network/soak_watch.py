"""Watches a process from outside: its memory, threads and open files, and how the disk under it is doing."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from dicom_node.spool import durable


@dataclass(frozen=True)
class Sample:
    """One look.

    Attributes
    ----------
    at_s
        Since the watch began.
    memory
        Resident, MB.
    files
        Open, but for those of the ledger: its connections are kept for whoever needs one next.
    """

    at_s: float
    memory: float
    threads: int
    files: int


class Watch:
    """Looks when it is asked to; while the context is open it also times the disk every so often.

    Parameters
    ----------
    pid
        Of the process.
    folder
        On the disk that it writes to.

    Attributes
    ----------
    disk
        (when, s; how long a small file took to be synced and named, and its folder to be synced, by this process, s).
    """

    def __init__(self, pid: int, folder: Path, *, every_s: float) -> None:
        self._process = Path("/proc") / str(pid)
        self._folder = folder
        self._every_s = every_s
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self.disk: list[tuple[float, float]] = []
        folder.mkdir()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def look(self) -> Sample:
        memory_kb, threads = (self._status(name) for name in ("VmRSS", "Threads"))
        return Sample(time.monotonic() - self._began, memory_kb / 1024, threads, sum(1 for _ in self._files()))

    def _files(self) -> Iterator[str]:
        for each in os.listdir(self._process / "fd"):
            with suppress(FileNotFoundError):  # closed meanwhile
                name = os.readlink(self._process / "fd" / each)
                if "/ledger.sqlite" not in name:
                    yield name

    def _status(self, name: str) -> int:
        lines = (self._process / "status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith(name + ":")))

    def _disk_s(self) -> float:
        began = time.monotonic()
        first, second = self._folder / "unnamed", self._folder / "named"
        durable.write_file(first, [bytes(8192)])
        first.rename(second)
        durable.sync_folder(self._folder)
        took = time.monotonic() - began
        second.unlink()
        return took

    def _run(self) -> None:
        while not self._over.is_set():
            self.disk.append((time.monotonic() - self._began, self._disk_s()))
            self._over.wait(self._every_s)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return how much the second rises for each unit of the first, by least squares."""
    if len({x for x, _ in points}) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope
