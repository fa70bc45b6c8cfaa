"""Which received series and results may be deleted: finished, and older than the admin asked to keep them."""

from __future__ import annotations

from datetime import datetime, timedelta

from dicom_node.domain.delivery import DeliveryState
from dicom_node.domain.job import JobState
from dicom_node.domain.series import SeriesState
from dicom_node.spool.instances import Spool
from dicom_node.spool.ledger import Ledger
from dicom_node.spool.results import Results

FINISHED_SERIES = frozenset({SeriesState.ROUTED, SeriesState.IGNORED, SeriesState.HELD})
# FAILED is not among them: what could not be delivered stays until an admin has decided
FINISHED_JOBS = frozenset(
    {JobState.DELIVERED, JobState.HELD, JobState.CANCELLED, JobState.SUPERSEDED, JobState.RETRACTED}
)


def expire(ledger: Ledger, spool: Spool, results: Results, *, before: datetime) -> int:
    """Delete the files of finished series that last changed before a time; the ledger keeps what became of them.

    Parameters
    ----------
    before
        UTC.

    Returns
    -------
    How many series were deleted from the disk.
    """
    deleted = 0
    on_disk = set(spool.folders())
    for series in ledger.series():
        if series.folder not in on_disk or series.state not in FINISHED_SERIES or series.changed >= before:
            continue
        jobs = ledger.jobs(series.series_uid)
        if any(job.state not in FINISHED_JOBS or max(job.times.values()) >= before for job in jobs):
            continue
        if any(each.state is DeliveryState.RETRACTING for job in jobs for each in ledger.deliveries(job.id)):
            continue  # a rejection note is made from the files that it rejects
        if spool.is_sender_connected(series.folder):  # it comes again just now: what is new in it is not yet known
            continue
        # the source last: should the node end in between, its folder leads back to what is left
        for job in jobs:
            results.discard(job.id)
        deleted += spool.discard(series.folder, instances=series.instances)
    return deleted


def make_room(ledger: Ledger, spool: Spool, results: Results, *, needed_bytes: int, before: datetime) -> int:
    """Delete what may go at once where less than `needed_bytes` is free; see `expire`.

    Nothing else is deleted, however full the disk is: the spool refuses instances (A700) until there is room.
    """
    if spool.free_bytes() >= needed_bytes:
        return 0
    return expire(ledger, spool, results, before=before)


def limit(now: datetime, keep_days: float) -> datetime:
    """Return the time before which what is finished may go."""
    return now - timedelta(days=keep_days)
