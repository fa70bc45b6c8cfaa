"""Answers storage commitment requests: from what the spool holds, until the requestor has heard it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta
from typing import Protocol

import structlog

from dicom_node.boundary import Boundary
from dicom_node.deliver.backoff import next_attempt
from dicom_node.domain.commitment import Commitment, CommitmentEvent, answer
from dicom_node.domain.ports import Clock
from dicom_node.errors import DeliveryDeferred, DeliveryRefused
from dicom_node.receive.own_requests import OwnRequests
from dicom_node.receive.report import Report, ReportAddress
from dicom_node.receive.tls import client_context
from dicom_node.settings import CommitmentPeer, CommitmentSettings
from dicom_node.spool.commitments import Commitments
from dicom_node.spool.holdings import holdings
from dicom_node.spool.instances import Spool

LEASE = timedelta(minutes=10)
"""How long a process has a request for itself: longer than any report takes."""
LOOK_AGAIN_S = 2.0
"""How often it is looked whether what was missing has come, s."""
REQUESTORS_AT_ONCE = 4

log = structlog.get_logger()


class SendsReports(Protocol):
    """How reports reach a requestor; `dicom_node.receive.report.Reporter` is one."""

    def send_to(self, address: ReportAddress, report: Report) -> None:
        """Report over an association of its own."""
        ...

    def send_over(self, association: OwnRequests, report: Report) -> None:
        """Report over an association that is open."""
        ...


class CommitmentAnswers:
    """Reports on requests that are due.

    Parameters
    ----------
    queue, spool
        The requests, and what they ask about.
    reporter
        Sends the reports.
    association_of
        Request id -> the association that the request came over, None when it has ended.
    settings, clock
        Waits are measured by the time of day, which survives a restart.
    threads
        Where reports are sent from, so that one slow requestor does not hold up the others.

    Raises
    ------
    RefusedToStart
        When the certificates for speaking to a requestor cannot be used.
    """

    def __init__(  # the parts of a service, wired once
        self,
        queue: Commitments,
        spool: Spool,
        reporter: SendsReports,
        *,
        association_of: Callable[[str], OwnRequests | None],
        settings: CommitmentSettings,
        clock: Clock,
        threads: Executor | None = None,
    ) -> None:
        self._queue = queue
        self._spool = spool
        self._reporter = reporter
        self._association_of = association_of
        self._settings = settings
        self._clock = clock
        self._threads = threads or ThreadPoolExecutor(REQUESTORS_AT_ONCE, thread_name_prefix="commitment")
        self._boundary = Boundary(clock.monotonic)
        self._busy: set[str] = set()  # requestors that are being reported to
        self._peers: Mapping[str, ReportAddress] = {each.ae_title.strip(): _address(each) for each in settings.peers}

    def start(self) -> None:
        """Take up what an earlier process left behind; a report that comes twice does no harm."""
        self._queue.make_due(self._clock.now())

    def report_due(self) -> None:
        """Begin to report on every request whose time has come."""
        due: dict[str, list[Commitment]] = {}
        for request in self._queue.take_due(self._clock.now(), lease=LEASE, without=frozenset(self._busy)):
            due.setdefault(request.requestor, []).append(request)
        for requestor, requests in due.items():
            self._busy.add(requestor)
            self._threads.submit(self._report_all, requestor, requests)

    def close(self) -> None:
        """Take no more on; what was not reported is, after the next start."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _report_all(self, requestor: str, requests: Sequence[Commitment]) -> None:
        """Report to one requestor, until it cannot be reached: what is left is put off without trying."""
        trouble: str | None = None
        try:
            for request in requests:
                with self._boundary.apart("commitment"):
                    if trouble is None:
                        trouble = self._report(request)
                    else:
                        self._put_off(request, trouble)
        finally:
            self._busy.discard(requestor)

    def _report(self, request: Commitment) -> str | None:
        """Report on one request, or put it off; return why the requestor cannot be reached."""
        found = answer(request, holdings(self._spool, (each.sop_instance_uid for each in request.references)))
        now = self._clock.now()
        if found.missing and now < request.received + timedelta(seconds=self._settings.wait_s):
            # asked before the last image came, or over another association than the images
            self._queue.change(request, CommitmentEvent.DEFERRED, next_attempt=now + timedelta(seconds=LOOK_AGAIN_S))
            return None
        try:
            self._send(request, Report(request.transaction_uid, found))
        except DeliveryDeferred as deferred:
            self._put_off(request, str(deferred))
            return str(deferred)
        except DeliveryRefused as refused:  # this one alone is sent again later
            self._put_off(request, str(refused))
            return None
        self._queue.change(request, CommitmentEvent.REPORTED, attempts=request.attempts + 1, reason=None)
        log.info("commitment_reported", calling_ae=request.requestor, count=len(found.committed))
        if found.failed:
            log.warning("commitment_failed", calling_ae=request.requestor, count=len(found.failed))
        return None

    def _send(self, request: Commitment, report: Report) -> None:
        """Report where the settings say; else over the association of the request, or to where that came from."""
        address = self._peers.get(request.requestor)
        association = self._association_of(request.id) if address is None else None
        if association is not None:
            self._reporter.send_over(association, report)
        else:
            unlisted = ReportAddress(request.requestor, request.peer, self._settings.port)
            self._reporter.send_to(address or unlisted, report)

    def _put_off(self, request: Commitment, reason: str) -> None:
        now, attempts = self._clock.now(), request.attempts + 1
        log.warning("commitment_report_deferred", calling_ae=request.requestor, attempt=attempts, reason=reason)
        if now >= request.received + timedelta(days=self._settings.give_up_days):
            self._queue.change(request, CommitmentEvent.GIVEN_UP, attempts=attempts, reason=reason)
            return
        wait_s = next_attempt(attempts, first_s=self._settings.retry_first_s, maximum_s=self._settings.retry_max_s)
        at = now + timedelta(seconds=wait_s)
        self._queue.change(request, CommitmentEvent.DEFERRED, attempts=attempts, next_attempt=at, reason=reason)


def _address(peer: CommitmentPeer) -> ReportAddress:
    name, files = peer.ae_title.strip(), peer.tls
    if files is None:
        return ReportAddress(name, peer.host, peer.port)
    context = client_context(files.ca_file, files.certificate, files.key, what_for="commitment.peers")
    return ReportAddress(name, peer.host, peer.port, context)
