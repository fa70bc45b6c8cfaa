"""Series on their way in: what has come of each, and which are complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dicom_node.assemble.completeness import Shape, Waits, evidence, shape_of, told, whole_series
from dicom_node.assemble.frames import read_frames
from dicom_node.domain.ports import Clock
from dicom_node.domain.stack import Frame
from dicom_node.errors import SeriesRefused
from dicom_node.log import culprit


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
    sender_connected: bool
    told: str | None = None
    frames: dict[Path, tuple[Frame, ...]] = field(default_factory=dict)
    set_aside: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    quick: Shape | None = None
    full: Shape | None = None

    def read(self, path: Path) -> None:
        self.frames[path] = ()
        self.quick = self.full = None
        try:
            content = read_frames(path)
        except SeriesRefused as refused:
            self.broken.append(str(refused))
            return
        except Exception as error:  # the boundary to bytes that others wrote: a slice must never be missing unsaid
            self.broken.append(f"the node failed on it ({culprit(error)}): please report this")
            return
        self.frames[path] = content.frames
        if content.set_aside is not None:
            self.set_aside.append(content.set_aside)

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
        Seconds without a new file after which geometry that agrees is believed.
    silence_s
        Seconds without a new file after which a series is taken as it is.
    """

    def __init__(self, clock: Clock, *, settle_s: float, silence_s: float) -> None:
        self._clock = clock
        self._waits = Waits(settle_s, silence_s)
        self._series: dict[str, _Arriving] = {}

    def observe(self, folder: str, paths: Sequence[Path], *, sender_connected: bool, told: str | None = None) -> None:
        """Tell which files a series has now; those not seen before are read, once each.

        Saying the same again changes nothing; a new file starts the quiet time anew. A file that cannot be read is
        kept as a reason.

        Parameters
        ----------
        told
            Who else says that these files are the whole series, as a sentence; None where nobody does.
        """
        series = self._series.setdefault(folder, _Arriving(self._clock.monotonic(), sender_connected))
        series.sender_connected, series.told = sender_connected, told
        new = [path for path in sorted(paths) if path not in series.frames]
        for path in new:
            series.read(path)
        if new:
            series.last_came = self._clock.monotonic()

    def closed(self) -> list[Closed]:
        """Return the series that are complete now; each again at every call until it is forgotten or grows."""
        found = ((folder, series, self._evidence(series)) for folder, series in self._series.items())
        return [series.closed(folder, because) for folder, series, because in found if because is not None]

    def forget(self, folder: str) -> None:
        """Drop what is known of a series: it was handed on. An unknown folder is no fault."""
        self._series.pop(folder, None)

    def read(self, folder: str, paths: Sequence[Path]) -> Closed:
        """Return a series that was complete before, from its files."""
        series = _Arriving(self._clock.monotonic(), sender_connected=False)
        for path in sorted(paths):
            series.read(path)
        return series.closed(folder, "complete before")

    def _evidence(self, series: _Arriving) -> str | None:
        if not series.frames:
            return None
        quiet_s = self._clock.monotonic() - series.last_came
        if quiet_s < self._waits.settle_s:  # geometry is not believed yet, so it is not worked out
            series.quick = series.quick or _seen(whole_series, series)
            shape = series.quick
        else:
            series.full = series.full or _seen(shape_of, series)
            shape = series.full
        shape = told(shape, series.told)
        return evidence(shape, self._waits, quiet_s=quiet_s, sender_connected=series.sender_connected)


def _seen(look: Callable[[Sequence[Frame]], Shape], series: _Arriving) -> Shape:
    try:
        return look(series.all_frames())
    except Exception:  # the boundary between one series and the next; silence closes this one, and routing says why
        return Shape()
