"""Follows series and jobs in the node's ledger until everything that was sent has come to an end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dicom_node.domain.job import Job, JobState
from dicom_node.domain.series import Series, SeriesState

SETTLED_SERIES = frozenset({SeriesState.ROUTED, SeriesState.IGNORED, SeriesState.HELD})
ENDED_JOBS = frozenset(
    {JobState.DELIVERED, JobState.HELD, JobState.FAILED, JobState.CANCELLED, JobState.SUPERSEDED}
)  # fmt: skip
POLL_S = 0.25


class ReadsLedger(Protocol):
    """What is read of the ledger."""

    def series(self) -> list[Series]:
        """Return all series, oldest first."""
        ...

    def jobs(self) -> list[Job]:
        """Return all jobs, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far everything has come.

    Attributes
    ----------
    series, jobs
        SeriesInstanceUID -> series; the jobs, oldest first.
    expected
        SeriesInstanceUID -> number of instances that the node accepted.
    """

    series: Mapping[str, Series]
    jobs: tuple[Job, ...]
    expected: Mapping[str, int]

    @property
    def waiting_series(self) -> list[str]:
        """UIDs of the series about which nothing is decided yet, or not about all of their instances."""
        return [uid for uid, instances in self.expected.items() if not _is_settled(self.series.get(uid), instances)]

    @property
    def waiting_jobs(self) -> list[Job]:
        """The jobs that have not come to an end."""
        return [job for job in self.jobs if job.state not in ENDED_JOBS]

    @property
    def is_over(self) -> bool:
        """True when nothing more is to come."""
        return not self.waiting_series and not self.waiting_jobs

    def states(self) -> dict[str, str]:
        """Return the state of everything, by UID of a series or id of a job."""
        series = {uid: f"{each.state}, {each.instances} instances" for uid, each in self.series.items()}
        return series | {job.id: str(job.state) for job in self.jobs}


def follow(
    ledger: ReadsLedger,
    expected: Mapping[str, int],
    *,
    quiet_limit_s: float,
    tell: Callable[[Progress], None],
    may_go_on: Callable[[], bool] = lambda: True,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Progress:
    """Read the ledger until everything is over, or nothing has changed for too long.

    Parameters
    ----------
    ledger
        Of a node that runs in another process.
    expected
        SeriesInstanceUID -> number of instances that the node accepted.
    quiet_limit_s
        How long nothing may change, s.
    tell
        Is called at first and after every change.
    may_go_on
        False ends it at once, for instance because the node is gone.
    monotonic, sleep
        The clock and the pause, s.

    Returns
    -------
    The last progress; `Progress.is_over` tells whether it came to an end.
    """
    last: dict[str, str] | None = None
    changed_at = monotonic()
    while True:
        series = {each.series_uid: each for each in ledger.series()}
        progress = Progress(series, tuple(ledger.jobs()), expected)
        if progress.states() != last:
            last, changed_at = progress.states(), monotonic()
            tell(progress)
        if progress.is_over or not may_go_on() or monotonic() - changed_at > quiet_limit_s:
            return progress
        sleep(POLL_S)


def _is_settled(series: Series | None, instances: int) -> bool:
    return series is not None and series.state in SETTLED_SERIES and series.instances >= instances
