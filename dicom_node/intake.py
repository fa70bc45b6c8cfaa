"""From the spool to complete series: the first part of the pipeline."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from dicom_node.assemble.collector import Closed, nothing
from dicom_node.assemble.completeness import Told
from dicom_node.boundary import Boundary
from dicom_node.domain.series import Series, SeriesEvent, SeriesState
from dicom_node.parts import Parts
from dicom_node.spool.instances import instance_name

log = structlog.get_logger()

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_LATE = re.compile(r"(?:^|; )\d+ more instances came after it was complete")


class Intake:
    """Finds what the receiver put into the spool, and closes the series that are complete.

    The spool is the only thing that it shares with the receiver, so the two may be processes of their own.

    Parameters
    ----------
    parts
        See `Parts`.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ledger = parts.ledger
        self._clock = parts.clock
        self._boundary = Boundary(parts.clock.monotonic)
        self._began = False
        self._unsettled: set[str] = set()  # folders that hold something new, or may
        # (series UID, revision) -> headers: deciding, and the jobs of all its stacks, need them soon
        self._headers: _Recent[tuple[str, int], Closed] = _Recent(4)

    def collect(self, moved_on: Callable[[], object] = nothing) -> None:
        """Look for new instances in the spool, and close the series that are complete now.

        Parameters
        ----------
        moved_on
            Called after each series that was looked at.
        """
        # after a start everything is looked at, so the ledger is asked once and not for each
        known = {each.folder: each for each in self._ledger.series(SeriesState.RECEIVING if self._began else None)}
        if not self._began:
            self._unsettled.update(self._parts.spool.folders())
            self._began = True
        self._unsettled.update(self._parts.spool.news())
        self._unsettled.update(each.folder for each in known.values() if each.state is SeriesState.RECEIVING)
        for folder in sorted(self._unsettled):
            with self._boundary.apart("collect"):
                if self._is_settled(folder, known.get(folder) or self._ledger.series_in(folder)):
                    self._unsettled.discard(folder)
            moved_on()
        for closed in self._parts.collector.closed(moved_on):
            with self._boundary.apart("complete"):
                self._complete(closed)
            moved_on()

    def _is_settled(self, folder: str, series: Series | None) -> bool:
        """Look into a folder; False when there is something in it that can only be dealt with later."""
        paths = self._parts.spool.instances(folder)
        if not paths:
            return True
        if series is None:
            self._add(folder)
        elif series.state is SeriesState.COMPLETE:
            return False  # what came since then is late, but nothing is decided yet on what came before
        elif series.state is not SeriesState.RECEIVING and not self._is_reopened(series, paths):
            return True
        spool = self._parts.spool
        connected = spool.is_sender_connected(folder) or spool.has_broken_off(folder)
        series_uid = series.series_uid if series is not None else self._parts.spool.identify(folder).series_uid
        told = self._told(series_uid, paths)
        self._parts.collector.observe(folder, paths, sender_connected=connected, told=told)
        return True  # RECEIVING: looked into at every tick

    def _told(self, series_uid: str, paths: Sequence[Path]) -> Told | None:
        """Compare what is there with what the scanner says that it made (MPPS, PS3.4 F.7)."""
        made = self._parts.performed.performed(series_uid) if self._parts.performed is not None else None
        if not made:
            return None
        missing = {instance_name(uid) for uid in made} - {path.stem for path in paths}
        return Told(f"all {len(made)} instances that the scanner's MPPS names", len(missing))

    def _add(self, folder: str) -> None:
        key, now = self._parts.spool.identify(folder), self._clock.now()
        new = Series(
            key.series_uid, key.study_uid, folder, SeriesState.RECEIVING, 0, 0, first_seen=now, changed=now,
            series_number=key.series_number,
        )  # fmt: skip
        self._ledger.add_series(new)

    def _is_reopened(self, series: Series, paths: Sequence[Path]) -> bool:
        """Have a series with late instances in RECEIVING again, where these make a new revision."""
        if len(paths) <= series.instances:
            return False
        sealed = set(self._parts.spool.sealed(series.folder, series.revision))
        late = [path for path in paths if path not in sealed]
        left_out = self._left_out(series.folder, late)
        if left_out is None:
            self._ledger.change_series(series.series_uid, SeriesEvent.LATE_INSTANCE, self._clock.now())
            log.info("series_reopened", series_uid=series.series_uid)
            return True
        before = _LATE.split(series.reason or "")[0]
        note = f"{len(late)} more instances came after it was complete: {left_out}"
        reason = "; ".join(filter(None, (before, note)))
        self._ledger.note_series(series.series_uid, reason, instances=len(paths))
        return False

    def _left_out(self, folder: str, late: Sequence[Path]) -> str | None:
        """Say why instances that came late make no new revision; None when they do."""
        if self._parts.settings.completeness.late == "never":
            return "left out, as completeness.late says"
        # a Raw Data object that follows its image changes nothing in what is derived from the image
        found = self._parts.collector.read(folder, late)
        return "; ".join(found.set_aside) if late and not found.frames and not found.broken else None

    def _complete(self, closed: Closed) -> None:
        if len(self._parts.spool.instances(closed.folder)) > closed.instances:
            return  # more has come since it was looked into: the headers of other series may have taken a while
        series = self._ledger.series_in(closed.folder)
        assert series is not None  # only what is in the ledger is observed
        revision = series.revision + 1
        self._parts.spool.seal(closed.folder, revision, closed.paths)
        self._ledger.change_series(
            series.series_uid, SeriesEvent.COMPLETED, self._clock.now(),
            revision=revision, instances=closed.instances, evidence=closed.evidence, reason=None,
        )  # fmt: skip
        self._parts.collector.forget(closed.folder)
        self._headers[series.series_uid, revision] = closed
        log.info("series_complete", series_uid=series.series_uid, instances=closed.instances, revision=revision)

    def read(self, series: Series, revision: int) -> Closed:
        """Return the headers of a revision of a series, whatever came after it."""
        key = (series.series_uid, revision)
        closed = self._headers.get(key)
        if closed is None:
            paths = self._parts.spool.sealed(series.folder, revision)
            closed = self._headers[key] = self._parts.collector.read(series.folder, paths)
        return closed


class _Recent(OrderedDict[_Key, _Value]):
    """A mapping that forgets what was put into it first when there is more than `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, key: _Key, value: _Value) -> None:
        super().__setitem__(key, value)
        while len(self) > self._limit:
            self.popitem(last=False)
