"""Series on their way in: what has come of each, and which are complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dicom_node.assemble.archive_counts import ArchiveCounts, Question
from dicom_node.assemble.completeness import Shape, Told, Waits, evidence, heard, shape_of, whole_series
from dicom_node.assemble.elements import value_of
from dicom_node.assemble.frames import FileContent, read_frames
from dicom_node.assemble.paces import Paces
from dicom_node.domain.ports import Clock
from dicom_node.domain.stack import Frame
from dicom_node.errors import SeriesRefused
from dicom_node.log import culprit


def nothing() -> None:
    """Nobody asked whether work moves on."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A series that is complete.

    Attributes
    ----------
    folder
        Its folder in the spool.
    evidence
        What shows that it is complete.
    frames
        Its image planes.
    set_aside
        Why files of it brought no frames, each reason once.
    broken
        Those of them that are faults: `gate.series_refusal` holds the series for them.
    paths
        All its files.
    """

    folder: str
    evidence: str
    frames: tuple[Frame, ...]
    set_aside: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()

    @property
    def instances(self) -> int:
        """How many files it has."""
        return len(self.paths)


@dataclass(slots=True)
class _Arriving:
    """What has come of one series; `shape` is looked up again when more comes."""

    last_came: float
    sender_connected: bool = False
    told: Told | None = None
    longest_pause_s: float | None = None
    frames: dict[Path, tuple[Frame, ...]] = field(default_factory=dict)
    set_aside: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    quick: Shape | None = None
    full: Shape | None = None

    def read(self, path: Path, read: Callable[[Path], FileContent]) -> None:
        self.frames[path] = ()
        self.quick = self.full = None
        try:
            content = read(path)
        except SeriesRefused as refused:
            self.broken.append(str(refused))
            return
        except Exception as error:  # the boundary to bytes that others wrote: a slice must never be missing unsaid
            self.broken.append(f"the node failed on it ({culprit(error)}): please report this")
            return
        self.frames[path] = content.frames
        if content.set_aside is not None:
            self.set_aside.append(content.set_aside)

    def came(self, at: float) -> None:
        """Take note that something came, at a monotonic time."""
        if len(self.frames) > 1:
            self.longest_pause_s = max(self.longest_pause_s or 0.0, at - self.last_came)
        self.last_came = at

    def senders(self) -> frozenset[str]:
        return frozenset(frame.calling_ae for frames in self.frames.values() for frame in frames if frame.calling_ae)

    def all_frames(self) -> tuple[Frame, ...]:
        return tuple(frame for path in sorted(self.frames) for frame in self.frames[path])

    def closed(self, folder: str, because: str) -> Closed:
        aside = tuple(dict.fromkeys((*self.set_aside, *self.broken)))
        return Closed(folder, because, self.all_frames(), aside, tuple(self.broken), tuple(sorted(self.frames)))


class Collector:
    """Gathers the files of series as they come, and says which series are complete.

    Parameters
    ----------
    clock
        Only its monotonic time is used: a change of the time of day completes nothing.
    settle_s
        Seconds without a new file after which geometry that agrees is believed, or the paces of the senders to learn
        them from.
    silence_s
        Seconds without a new file after which a series is taken as it is.
    read
        Reads a file; another one lets a test or a simulation do without files.
    archive
        What the PACS counts, where one is asked.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        settle_s: float | Paces,
        silence_s: float,
        read: Callable[[Path], FileContent] | None = None,
        archive: ArchiveCounts | None = None,
    ) -> None:
        self._clock = clock
        self._settle_s, self._silence_s = settle_s, silence_s
        self._read = read
        self._archive = archive
        self._series: dict[str, _Arriving] = {}
        self._handed_on: dict[str, float] = {}  # folder -> when its last file came, while a late one may teach

    def observe(self, folder: str, paths: Sequence[Path], *, sender_connected: bool, told: Told | None = None) -> None:
        """Tell which files a series has now; those not seen before are read, once each.

        Saying the same again changes nothing; a new file starts the quiet time anew. A file that cannot be read is
        kept as a reason.

        Parameters
        ----------
        told
            What someone says who knows the whole series; None where nobody does.
        """
        now = self._clock.monotonic()
        series = self._series.get(folder)
        if series is None:
            series = self._series[folder] = _Arriving(self._handed_on.pop(folder, now))
        series.sender_connected, series.told = sender_connected, told
        new = sorted(path for path in paths if path not in series.frames)
        for path in new:
            series.read(path, self._read or read_frames)
        if new:
            # the time after reading: what came meanwhile must not look as if nothing came for as long
            series.came(self._clock.monotonic())

    def closed(self, moved_on: Callable[[], object] = nothing) -> list[Closed]:
        """Return the series that are complete now; each again at every call until it is forgotten or grows.

        Parameters
        ----------
        moved_on
            Called after each series that was looked at.
        """
        found = []
        for folder, series in self._series.items():
            because = self._evidence(folder, series)
            if because is not None:
                found.append(series.closed(folder, because))
            moved_on()
        return found

    def forget(self, folder: str) -> None:
        """Drop what is known of a series: it was handed on. An unknown folder is no fault.

        What it showed of the pace of its senders stays; of an image that comes late, soon, the next revision tells.
        """
        series = self._series.pop(folder, None)
        if self._archive is not None:
            self._archive.forget(folder)
        if series is None or not isinstance(self._settle_s, Paces):
            return
        if series.longest_pause_s is not None:
            self._settle_s.learn(series.senders(), series.longest_pause_s)
        soon = self._clock.monotonic() - self._silence_s
        self._handed_on = {each: came for each, came in self._handed_on.items() if came >= soon}
        self._handed_on[folder] = series.last_came

    def read(self, folder: str, paths: Sequence[Path]) -> Closed:
        """Return a series that was complete before, from its files."""
        series = _Arriving(self._clock.monotonic())
        for path in sorted(paths):
            series.read(path, self._read or read_frames)
        return series.closed(folder, "complete before")

    def _evidence(self, folder: str, series: _Arriving) -> str | None:
        if not series.frames:
            return None
        quiet_s = self._clock.monotonic() - series.last_came
        waits = self._waits(series)
        if quiet_s < waits.settle_s:  # geometry is not believed yet, so it is not worked out
            series.quick = series.quick or _seen(whole_series, series)
            shape = series.quick
        else:
            series.full = series.full or _seen(shape_of, series)
            shape = series.full
        shape = heard(shape, series.told)
        if waits.settle_s <= quiet_s < waits.silence_s:
            shape = self._weighed(folder, series, shape, waits)
        return evidence(shape, waits, quiet_s=quiet_s, sender_connected=series.sender_connected)

    def _weighed(self, folder: str, series: _Arriving, shape: Shape, waits: Waits) -> Shape:
        """Have the PACS's count weigh in, where it is asked and nobody who knows better has spoken."""
        first = next((frame.header for frames in series.frames.values() for frame in frames), None)
        if self._archive is None or series.told is not None or shape.whole or first is None:
            return shape
        study_uid, series_uid = (str(value_of(first, f"{level}InstanceUID") or "") for level in ("Study", "Series"))
        return self._archive.weigh(
            Question(folder, study_uid, series_uid, len(series.frames)), shape,
            settle_s=waits.settle_s, sender_connected=series.sender_connected,
        )  # fmt: skip

    def _waits(self, series: _Arriving) -> Waits:
        settle_s = self._settle_s
        if isinstance(settle_s, Paces):
            settle_s = settle_s.settle_s(series.senders())
        return Waits(settle_s, self._silence_s)


def _seen(look: Callable[[Sequence[Frame]], Shape], series: _Arriving) -> Shape:
    try:
        return look(series.all_frames())
    except Exception:  # the boundary between one series and the next; silence closes this one, and routing says why
        return Shape()
