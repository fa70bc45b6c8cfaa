"""The life of a series: receive -> spool -> assemble -> route -> infer -> encode -> deliver.

`collect` finds what the receiver put into the spool and closes series that are complete, `route` turns them into
jobs, `infer` works one job off, `deliver` sends what is encoded. Each may run in a thread of its own; what they know
of each other stands in the ledger, so that a node that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from dicom_node.assemble.collector import Closed, Collector
from dicom_node.assemble.gate import series_refusal
from dicom_node.assemble.stacks import split
from dicom_node.deliver.backoff import next_attempt
from dicom_node.derivation import derive, refusal
from dicom_node.domain.delivery import Delivery, DeliveryEvent, DeliveryState
from dicom_node.domain.job import Job, JobEvent, JobState
from dicom_node.domain.ports import Clock, Destination, Executor
from dicom_node.domain.series import Series, SeriesEvent, SeriesState
from dicom_node.encode import derived_mr
from dicom_node.errors import DeliveryDeferred, JobFailed, JobHeld, SeriesRefused
from dicom_node.jobs import job_for, provenance_of
from dicom_node.log import culprit
from dicom_node.route.live import LiveRules
from dicom_node.route.loader import snapshot
from dicom_node.route.matcher import RuleVerdict, explain, matching
from dicom_node.settings import Settings
from dicom_node.spool.instances import Spool
from dicom_node.spool.ledger import Ledger
from dicom_node.spool.results import Results
from inference.errors import BundleRefused
from inference.registry import Registry

log = structlog.get_logger()

FINISHED = frozenset({SeriesState.ROUTED, SeriesState.IGNORED, SeriesState.HELD})
# A folder that changed this recently may change again within the resolution of the file system's clock
FRESH_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pipeline is built from; `app.py` chooses them.

    Attributes
    ----------
    destination
        Makes a destination of its settings in a rule's snapshot.
    serial_number
        Of this node, for the headers of what it makes.
    """

    spool: Spool
    results: Results
    ledger: Ledger
    collector: Collector
    rules: LiveRules
    registry: Registry
    executor: Executor
    destination: Callable[[Mapping[str, Any]], Destination]
    clock: Clock
    settings: Settings
    serial_number: str


class Pipeline:
    """Moves series from the spool to the PACS.

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
        self._closed: dict[str, Closed] = {}  # series UID -> headers, so that they need not be read again
        self._stopping = False

    # --- the node's own life

    def reconcile(self) -> None:
        """Bring ledger and spool together after an end of any kind; nothing may be running yet."""
        for job in self._ledger.jobs():
            if job.state is JobState.RUNNING:
                self._stopped(job, "the node ended while the model ran")
            elif job.state is JobState.DELIVERING:
                self._settle(job, self._ledger.deliveries(job.id))

    def stop(self) -> None:
        """Say that the node ends: a job that breaks from now on was not at fault."""
        self._stopping = True

    @property
    def rules_problem(self) -> str | None:
        """What is wrong with the rules file as it stands, while earlier rules are in force."""
        return self._parts.rules.problem

    def reload_rules(self) -> None:
        """Read the rules file; a broken one changes nothing but `rules_problem`."""
        self._parts.rules.reload()
        log.info("rules_reloaded", reason=self.rules_problem)

    def reload_rules_if_changed(self) -> None:
        """Read the rules file when it was written since the last look."""
        before = self._parts.rules.current
        self._parts.rules.reload_if_changed()
        if self._parts.rules.current is not before:
            log.info("rules_reloaded")

    # --- spool -> assemble

    def collect(self) -> None:
        """Look for new instances in the spool, and close the series that are complete now."""
        receiving = {each.folder: each for each in self._ledger.series() if each.state is SeriesState.RECEIVING}
        for folder, changed_ns in self._parts.spool.folders():
            if folder in receiving or self._seen.get(folder) != changed_ns:
                with _apart("collect"):
                    self._look_into(folder, receiving.get(folder))
                age_ns = self._clock.now().timestamp() * 1e9 - changed_ns
                self._seen[folder] = changed_ns if age_ns > FRESH_NS else -1
        for closed in self._parts.collector.closed():
            with _apart("complete"):
                self._complete(closed)

    def _look_into(self, folder: str, receiving: Series | None) -> None:
        paths = self._parts.spool.instances(folder)
        if not paths:
            return
        if receiving is None and not self._opened(folder, len(paths)):
            return
        connected = self._parts.spool.is_sender_connected(folder)
        self._parts.collector.observe(folder, paths, sender_connected=connected)

    def _opened(self, folder: str, instances: int) -> bool:
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
        if series.state not in FINISHED or instances <= series.instances:
            return series.state is SeriesState.RECEIVING
        if self._parts.settings.completeness.late == "never":
            more = instances - series.instances
            note = f"{more} instances came after it was complete and were left out, as completeness.late says"
            self._ledger.note_series(series.series_uid, "; ".join(filter(None, (series.reason, note))))
            self._ledger.count_instances(series.series_uid, instances)
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
        self._closed[series.series_uid] = closed
        log.info("series_complete", series_uid=series.series_uid, instances=series.instances, revision=revision)

    # --- assemble -> route

    def route(self) -> None:
        """Decide on every complete series: which rules want it, and which of them may have it."""
        for series in self._ledger.series():
            if series.state is SeriesState.COMPLETE:
                with _apart("route"):
                    self._route(series)

    def _route(self, series: Series) -> None:
        closed = self._closed.pop(series.series_uid, None) or self._read(series)
        try:
            event, jobs, reason = self._decide(series, closed)
        except (SeriesRefused, BundleRefused) as held:
            event, jobs, reason = SeriesEvent.HELD, [], str(held)
        except Exception as error:  # one series that the node cannot digest must not stop the others
            log.error("route_failed", series_uid=series.series_uid, error=culprit(error))
            event, jobs, reason = SeriesEvent.HELD, [], f"the node failed on it ({culprit(error)}): please report this"
        late = self._parts.settings.completeness.late
        made = self._ledger.route(series.series_uid, event, self._clock.now(), jobs=jobs, reason=reason, late=late)
        log.info("series_routed", series_uid=series.series_uid, state=event.value, count=len(made))

    def _read(self, series: Series) -> Closed:
        return self._parts.collector.read(series.folder, self._parts.spool.instances(series.folder))

    def _decide(self, series: Series, closed: Closed) -> tuple[SeriesEvent, list[Job], str | None]:
        if self._ledger.is_derived(series.series_uid):
            return SeriesEvent.IGNORED, [], "this node made it"
        if not closed.frames:
            event = SeriesEvent.HELD if closed.broken else SeriesEvent.IGNORED
            return event, [], "; ".join(closed.set_aside) or "it holds no images"
        rules = self._parts.rules.current
        stacks = split(closed.frames)
        wanted = [(stack, rule) for stack in stacks for rule in matching(stack.facts, rules)]
        if not wanted:
            return SeriesEvent.IGNORED, [], _why_not(explain(stacks[0].facts, rules))
        refused_whole = series_refusal(closed.frames, closed.broken)
        jobs = []
        for stack, rule in wanted:
            bundle = self._parts.registry.get(rule.run.model)
            job = job_for(
                series, stack, bundle, snapshot=snapshot(rule, rules), at=self._clock.now(),
                number_offset=self._parts.settings.derived.series_number_offset,
            )  # fmt: skip
            reason = refused_whole or refusal(stack, bundle)
            jobs.append(job if reason is None else job.after(JobEvent.HELD, self._clock.now(), reason=reason))
        held = list(dict.fromkeys(_named(job.stack, job.reason) for job in jobs if job.reason))
        event = SeriesEvent.HELD if len(held) and all(job.reason for job in jobs) else SeriesEvent.ROUTED
        return event, jobs, "; ".join(held) or None

    # --- infer -> encode

    def infer(self) -> bool:
        """Work off the next job, if there is one, and tell whether there was."""
        queued = self._ledger.next_queued()
        if queued is None:
            return False
        job = self._ledger.change_job(
            queued.id, JobEvent.STARTED, self._clock.now(), attempts=queued.attempts + 1, reason=None
        )
        try:
            self._derive(job)
        except (SeriesRefused, JobHeld, BundleRefused) as held:
            self._change(job, JobEvent.HELD, str(held))
        except JobFailed as failed:
            self._stopped(job, str(failed))
        except Exception as error:  # one job that the node cannot digest must not stop the others
            log.error("job_failed", job_id=job.id, error=culprit(error))
            self._change(job, JobEvent.FAILED, f"the node failed on it ({culprit(error)}): please report this")
        else:
            self._change(job, JobEvent.ENCODED, None)
        return True

    def _derive(self, job: Job) -> None:
        series = self._ledger.find_series(job.series_uid)
        closed = self._read(series) if series else None
        stack = next((s for s in split(closed.frames) if s.label == job.stack), None) if closed else None
        if closed is None or stack is None:
            raise SeriesRefused("its instances are not in the spool any more: send the series again")
        reason = series_refusal(closed.frames, closed.broken)
        if reason is not None:
            raise SeriesRefused(reason)
        bundle = self._parts.registry.get(job.model)
        provenance = provenance_of(job, bundle, serial_number=self._parts.serial_number)
        derived = derive(stack, bundle, self._parts.executor, target=job.target, provenance=provenance)
        self._parts.results.write(job.id, [derived_mr.to_bytes(instance) for instance in derived.instances])
        for stage, seconds in derived.seconds.items():
            log.debug("stage_done", job_id=job.id, where=stage, seconds=round(seconds, 3))

    def _stopped(self, job: Job, reason: str) -> None:
        """Try a job again that did not come to its end, a bounded number of times."""
        if self._stopping:
            self._ledger.change_job(job.id, JobEvent.INTERRUPTED, self._clock.now(), attempts=job.attempts - 1)
            return
        again = job.attempts < self._parts.settings.infer.attempts
        self._change(job, JobEvent.INTERRUPTED if again else JobEvent.FAILED, reason)

    def _change(self, job: Job, event: JobEvent, reason: str | None) -> Job:
        changed = self._ledger.change_job(job.id, event, self._clock.now(), reason=reason)
        log.info("job_changed", job_id=job.id, state=changed.state.value, attempt=changed.attempts)
        return changed

    # --- encode -> deliver

    def destinations_due(self) -> list[str]:
        """Return the names of the destinations for which something is due."""
        return list(dict.fromkeys(delivery.destination for delivery in self._ledger.due(self._clock.now())))

    def deliver(self, destination: str) -> None:
        """Send what is due to one destination, until it says that it cannot take more now."""
        for delivery in self._ledger.due(self._clock.now()):
            if delivery.destination == destination and not self._attempt(delivery):
                break

    def _attempt(self, delivery: Delivery) -> bool:
        """Send one derived series; tell whether the destination takes more."""
        job = self._ledger.change_job(delivery.job_id, JobEvent.SENDING, self._clock.now())
        if job.state is not JobState.DELIVERING:
            return True
        paths = self._parts.results.paths(job.id)
        settings = job.snapshot["destinations"][delivery.destination]
        event, reason, takes_more = DeliveryEvent.ACCEPTED, None, True
        try:
            if not paths:
                event, reason = DeliveryEvent.REFUSED, "its files are gone: retry the job"
            else:
                report = self._parts.destination(settings).send(paths)
                reason = "; ".join(report.warnings) or None
                if report.refused:
                    event, reason = DeliveryEvent.REFUSED, _refused(report.refused, len(paths))
        except DeliveryDeferred as deferred:
            event, reason, takes_more = DeliveryEvent.DEFERRED, str(deferred), False
        self._record(job, delivery, event, reason)
        return takes_more

    def _record(self, job: Job, delivery: Delivery, event: DeliveryEvent, reason: str | None) -> None:
        retry = self._parts.settings.deliver
        wait_s = next_attempt(delivery.attempts + 1, first_s=retry.retry_first_s, maximum_s=retry.retry_max_s)
        at = self._clock.now() + timedelta(seconds=wait_s)
        deliveries = self._ledger.change_delivery(delivery, event, next_attempt=at, reason=reason)
        log.info("delivery", job_id=job.id, destination=delivery.destination, state=event.value)
        self._settle(job, deliveries)

    def _settle(self, job: Job, deliveries: Sequence[Delivery]) -> None:
        """End a job whose deliveries have all come to an end."""
        states = {delivery.state for delivery in deliveries}
        if DeliveryState.WAITING in states:
            return
        reasons = [f"{d.destination}: {d.reason}" for d in deliveries if d.reason]
        refused = DeliveryState.REFUSED in states
        self._change(job, JobEvent.FAILED if refused else JobEvent.DELIVERED, "; ".join(reasons) or None)


@contextmanager
def _apart(step: str) -> Iterator[None]:
    """Keep what goes wrong with one item from the others; it is tried again at the next tick."""
    try:
        yield
    except Exception as error:  # the boundary between one series and the next
        log.error("step_failed", where=step, error=culprit(error))


def _named(stack: str, reason: str | None) -> str:
    return f"{stack}: {reason}" if stack else str(reason)


def _why_not(verdicts: Sequence[RuleVerdict]) -> str:
    """Word why no rule matches: each rule with the first clause that it fails."""
    if not verdicts:
        return "there are no rules"
    return "no rule matches: " + "; ".join(f"{v.name}: {v.failed[0].clause}, not {v.failed[0].value}" for v in verdicts)


def _refused(refused: Mapping[str, int], sent: int) -> str:
    statuses = ", ".join(sorted({f"0x{status:04X}" for status in refused.values()}))
    return f"{len(refused)} of {sent} instances were refused with {statuses}"
