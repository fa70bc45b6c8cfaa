"""What a PACS counts of series that come to it and to the node: asked rarely, believed when it says so twice."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from threading import Lock

import structlog

from dicom_node.assemble.completeness import Shape
from dicom_node.domain.ports import Archive, Clock
from dicom_node.errors import ArchiveSilent
from dicom_node.log import culprit

ASK_AGAIN_AFTER_S = 3.0
"""How soon the PACS is asked again about the same series, at the earliest."""
LEFT_ALONE_S = 60.0
"""How long a PACS that gave no answer is asked nothing; meanwhile it keeps no series waiting."""
ANSWERS_THAT_AGREE = 2

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Question:
    """Of which series, and how many instances of it are here.

    Attributes
    ----------
    folder
        Of the series in the spool.
    study_uid, series_uid
        StudyInstanceUID, SeriesInstanceUID.
    present
        Number of instances.
    """

    folder: str
    study_uid: str
    series_uid: str
    present: int


@dataclass(slots=True)
class _Standing:
    """Where a question stands: whether it waits to be asked, and what was answered last, how often in a row."""

    question: Question
    waits: bool = False
    count: int | None = None
    answered_at: float = -math.inf
    agreed: int = 0


class ArchiveCounts:
    """Weighs what a PACS counts; `weigh` never waits for it, `ask` does, in a thread of its own.

    The PACS may still be receiving, so what it says counts in two ways only. Has it more than is here, then no weaker
    evidence is believed. Has it as many, twice, the settle time apart, with nothing received between and no
    association open, then the series is whole.

    Parameters
    ----------
    archive
        The PACS.
    clock
        Only its monotonic time is used.
    """

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self._archive = archive
        self._clock = clock
        self._lock = Lock()  # held for moments, never while the PACS is asked
        self._standings: dict[str, _Standing] = {}  # by folder
        self._waiting: deque[_Standing] = deque()
        self._silent_until = -math.inf
        self._silence: str | None = None  # why the PACS gave no answer the last time

    def weigh(self, question: Question, shape: Shape, *, settle_s: float, sender_connected: bool) -> Shape:
        """Return the shape of a quiet series as the PACS lets it be seen, and have the PACS asked where it is time.

        Nothing is believed before its first answer, which is there soon, or it is known that none comes.

        Parameters
        ----------
        settle_s
            Seconds that two answers must lie apart.
        sender_connected
            Whether an association that brought instances of the series is open.
        """
        now = self._clock.monotonic()
        with self._lock:
            if now < self._silent_until:
                return shape
            standing = self._standings.get(question.folder)
            if standing is None or standing.question != question:  # something came: what was said before is void
                standing = self._standings[question.folder] = _Standing(question)
            if sender_connected:
                standing.agreed = 0
            if not standing.waits and now - standing.answered_at >= max(ASK_AGAIN_AFTER_S, settle_s):
                standing.waits = True
                self._waiting.append(standing)
            if standing.count is None or standing.count > question.present:
                return Shape()
            if standing.agreed >= ANSWERS_THAT_AGREE:
                what = f"all {question.present} instances that the PACS counts are there"
                return replace(shape, whole=f"{what}, as it said twice with nothing received between")
            return shape

    def forget(self, folder: str) -> None:
        """Drop what is known of a series; an unknown one is no fault."""
        with self._lock:
            self._standings.pop(folder, None)

    def ask(self) -> None:
        """Ask the PACS the question that waits longest, if there is one; this may take as long as its time-outs."""
        standing = self._next()
        if standing is None:
            return
        question = standing.question
        try:
            count = self._archive.instances(question.study_uid, question.series_uid)
        except ArchiveSilent as silent:
            self._fall_silent(str(silent))
        except Exception as error:  # the boundary to bytes that others wrote
            self._fall_silent(f"the node failed on its answer ({culprit(error)}): please report this")
        else:
            self._answered(standing, count)

    def _next(self) -> _Standing | None:
        with self._lock:
            while self._waiting:
                standing = self._waiting.popleft()
                if self._standings.get(standing.question.folder) is standing:
                    return standing
        return None

    def _answered(self, standing: _Standing, count: int) -> None:
        with self._lock:
            standing.agreed = standing.agreed + 1 if count == standing.question.present else 0
            standing.count, standing.waits, standing.answered_at = count, False, self._clock.monotonic()
            if self._silence is not None:
                log.info("archive_answers_again")
            self._silence = None

    def _fall_silent(self, reason: str) -> None:
        with self._lock:
            self._silent_until = self._clock.monotonic() + LEFT_ALONE_S
            self._standings.clear()
            self._waiting.clear()
            if reason != self._silence:  # once, and not at every series
                log.warning("archive_silent", reason=reason)
            self._silence = reason
