"""The week played to the collector: when it takes each series for complete, and when silence alone would."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import MRImageStorage

from dicom_node.assemble.collector import Collector
from dicom_node.assemble.frames import FileContent
from dicom_node.assemble.paces import Paces
from dicom_node.domain.pace import Pace
from dicom_node.domain.stack import Frame
from simulated_week.senders import Sent

TICK_S = 0.25
"""How often the node looks; see dicom_node.node."""
_LONGEST_WAIT_S = 31.0
"""After the last change of any series the ticks go on for as long as the longest wait."""
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Closing:
    """When a series was taken for complete.

    Attributes
    ----------
    kind
        Of its sender.
    early
        Whether that happened before its last image had come.
    latency_s
        From its last image to the closing that has all of them.
    """

    kind: str
    early: bool
    latency_s: float


class WeekClock:
    """Time that the replay moves: seconds since Monday."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> datetime:
        """Return the time of day."""
        return MONDAY + timedelta(seconds=self.at)

    def monotonic(self) -> float:
        """Return seconds since Monday."""
        return self.at


class MemoryBook:
    """Paces that are kept as long as the replay lasts."""

    def __init__(self) -> None:
        self.kept: dict[str, Pace] = {}

    def paces(self) -> list[Pace]:
        """Return what is known."""
        return list(self.kept.values())

    def keep(self, pace: Pace) -> None:
        """Remember."""
        self.kept[pace.calling_ae] = pace


def by_evidence(
    week: Sequence[Sent], *, least_s: float, silence_s: float, book: MemoryBook | None = None
) -> tuple[list[Closing], MemoryBook]:
    """Play a week to the real collector, as intake does: at every tick, with what has come until then.

    Parameters
    ----------
    least_s, silence_s
        Bounds of what is learned, s.
    book
        What is known of the senders at first; nothing without it.
    """
    clock, files = WeekClock(), _Files(week)
    book = book or MemoryBook()
    paces = Paces(book, least_s=least_s, most_s=silence_s)
    collector = Collector(clock, settle_s=paces, silence_s=silence_s, read=files.read)
    early: set[int] = set()
    closings: dict[int, Closing] = {}
    complete: dict[int, int] = {}
    for at, due in _ticks(week):
        clock.at = at
        for number in due:
            paths = files.until(number, at)
            if complete.get(number) == len(paths):
                continue  # nothing new came: intake does not look into it again
            connected = any(begin <= at < end for begin, end in week[number].connected)
            collector.observe(str(number), paths, sender_connected=connected)
        for closed in collector.closed():
            number = int(closed.folder)
            sent = week[number]
            collector.forget(closed.folder)
            complete[number] = closed.instances
            if closed.instances < sent.slices:
                early.add(number)
            closings[number] = Closing(sent.kind, number in early, at - sent.last)
    return [closings[number] for number in sorted(closings)], book


def by_silence(week: Sequence[Sent], silence_s: float) -> list[Closing]:
    """Return when silence alone closes each series, looked for at the same ticks."""
    closings = []
    for sent in week:
        gaps = [after.at - before.at for before, after in zip(sent.arrivals, sent.arrivals[1:], strict=False)]
        closes = math.ceil((sent.last + silence_s) / TICK_S) * TICK_S
        closings.append(Closing(sent.kind, max(gaps, default=0.0) > silence_s, closes - sent.last))
    return closings


def _ticks(week: Sequence[Sent]) -> Iterator[tuple[float, list[int]]]:
    """Yield the ticks at which anything may happen, with the series of which something has changed."""
    changes: dict[int, set[int]] = defaultdict(set)
    for number, sent in enumerate(week):
        for at in (*(one.at for one in sent.arrivals), *(end for _, end in sent.connected)):
            changes[math.ceil(at / TICK_S)].add(number)
    todo = list(changes)
    heapq.heapify(todo)
    tick, quiet_until = 0, 0
    while todo or tick < quiet_until:
        tick = tick + 1 if tick < quiet_until else heapq.heappop(todo)
        while todo and todo[0] <= tick:
            heapq.heappop(todo)
        due = changes.pop(tick, set())
        if due:
            quiet_until = tick + math.ceil(_LONGEST_WAIT_S / TICK_S)
        yield tick * TICK_S, sorted(due)


class _Files:
    """The images of a week as files that are nowhere."""

    def __init__(self, week: Sequence[Sent]) -> None:
        self._week = week
        self._paths: dict[int, list[Path]] = {}

    def until(self, number: int, at: float) -> list[Path]:
        """Return the files of a series that have come until a time."""
        arrivals = self._week[number].arrivals
        if number not in self._paths:
            self._paths[number] = [Path(f"{number}/{k}") for k in range(len(arrivals))]
        came = sum(one.at <= at for one in arrivals)
        if came == len(arrivals):
            return self._paths[number]
        return self._paths[number][:came]

    def read(self, path: Path) -> FileContent:
        """Return what reading the file would give."""
        number, k = map(int, path.parts)
        sent = self._week[number]
        arrival = sent.arrivals[k]
        header = _header(arrival.slice_)
        uid = f"2.25.{number}.{arrival.slice_ + 1}"
        frame = Frame(header, MRImageStorage, uid, None, path, calling_ae=arrival.sender, called_ae="NODE")
        return FileContent((frame,))


@cache
def _header(k: int) -> Dataset:
    """Return the header of a slice, the same in every series: where it lies, which number it has, no count."""
    header = Dataset()
    header.Modality, header.Rows, header.Columns = "MR", 256, 256
    header.PixelSpacing, header.ImageOrientationPatient = [1, 1], [1, 0, 0, 0, 1, 0]
    header.ImagePositionPatient, header.InstanceNumber = [-128, -128, 3 * k], k + 1
    header.FrameOfReferenceUID, header.SeriesDescription = "2.25.1", "t1"
    return header
