"""From the spool to complete series: the first part of the pipeline."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from dicom_node.assemble.collector import Closed
from dicom_node.boundary import apart
from dicom_node.domain.series import Series, SeriesEvent, SeriesState
from dicom_node.parts import Parts

log = structlog.get_logger()

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

FINISHED = frozenset({SeriesState.ROUTED, SeriesState.IGNORED, SeriesState.HELD})
# A folder that changed this recently may change again within the resolution of the file system's clock
FRESH_NS = 2_000_000_000


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
        self._seen: dict[str, int] = {}  # folder -> when it had changed last, ns
        # folder -> files with images that the series was complete with
        self._images: _Recent[str, frozenset[Path]] = _Recent(256)
        # (series UID, revision) -> headers: deciding, and the jobs of all its stacks, need them soon
        self._headers: _Recent[tuple[str, int], Closed] = _Recent(4)

    def collect(self) -> None:
        """Look for new instances in the spool, and close the series that are complete now."""
        receiving = {each.folder: each for each in self._ledger.series(SeriesState.RECEIVING)}
        seen, self._seen = self._seen, {}
        for folder, changed_ns in self._parts.spool.folders():
            if folder in receiving or seen.get(folder) != changed_ns:
                with apart("collect"):
                    self._look_into(folder, receiving.get(folder))
                # the file system's clock is the machine's, not the injected one
                is_fresh = time.time_ns() - changed_ns < FRESH_NS
                self._seen[folder] = -1 if is_fresh else changed_ns
            else:
                self._seen[folder] = changed_ns
        for closed in self._parts.collector.closed():
            with apart("complete"):
                self._complete(closed)

    def _look_into(self, folder: str, receiving: Series | None) -> None:
        paths = self._parts.spool.instances(folder)
        if not paths:
            return
        if receiving is None and not self._opened(folder, paths):
            return
        connected = self._parts.spool.is_sender_connected(folder)
        self._parts.collector.observe(folder, paths, sender_connected=connected)

    def _left_out(self, folder: str, paths: Sequence[Path]) -> str | None:
        """Say why instances that came late make no new revision; None when they do."""
        if self._parts.settings.completeness.late == "never":
            return "left out, as completeness.late says"
        known = self._images.get(folder)
        if known is not None:
            # a Raw Data object that follows its image changes nothing in what is derived from the image
            late = self._parts.collector.read(folder, [path for path in paths if path not in known])
            if not late.frames and not late.broken:
                return "; ".join(late.set_aside)
        return None

    def _opened(self, folder: str, paths: Sequence[Path]) -> bool:
        """Have a series that is new, or has late instances, in RECEIVING; tell whether it is."""
        identity = self._parts.spool.identify(folder)
        series = self._ledger.find_series(identity.series_uid)
        now = self._clock.now()
        if series is None:
            new = Series(
                identity.series_uid, identity.study_uid, folder, SeriesState.RECEIVING, 0, 0, first_seen=now,
                changed=now, series_number=identity.series_number,
            )  # fmt: skip
            self._ledger.add_series(new)
            return True
        if series.state not in FINISHED or len(paths) <= series.instances:
            return series.state is SeriesState.RECEIVING
        left_out = self._left_out(folder, paths)
        if left_out is not None:
            more = len(paths) - series.instances
            note = f"{more} more instances came after it was complete: {left_out}"
            self._ledger.note_series(
                series.series_uid, "; ".join(filter(None, (series.reason, note))), instances=len(paths)
            )
            return False
        self._ledger.change_series(series.series_uid, SeriesEvent.LATE_INSTANCE, now)
        log.info("series_reopened", series_uid=series.series_uid)
        return True

    def _complete(self, closed: Closed) -> None:
        identity = self._parts.spool.identify(closed.folder)
        before = self._ledger.find_series(identity.series_uid)
        revision = 1 if before is None else before.revision + 1
        series = self._ledger.change_series(
            identity.series_uid, SeriesEvent.COMPLETED, self._clock.now(),
            revision=revision, instances=closed.instances, evidence=closed.evidence, reason=None,
        )  # fmt: skip
        self._parts.collector.forget(closed.folder)
        self._images[closed.folder] = frozenset(frame.path for frame in closed.frames)
        self._headers[series.series_uid, revision] = closed
        log.info("series_complete", series_uid=series.series_uid, instances=series.instances, revision=revision)

    def read(self, series: Series) -> Closed:
        """Return the headers of a series that is complete."""
        key = (series.series_uid, series.revision)
        closed = self._headers.get(key)
        if closed is None:
            paths = self._parts.spool.instances(series.folder)
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
