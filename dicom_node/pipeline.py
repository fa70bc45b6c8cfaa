"""The life of a series: receive -> spool -> assemble -> route -> infer -> encode -> deliver.

`collect` finds what the receiver put into the spool and closes series that are complete, `route` turns them into
jobs, `infer` works one job off, `deliver` sends what is encoded. Each may run in a thread of its own; what they know
of each other stands in the ledger, so that a node that was killed goes on where it was.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError

from dicom_node.assemble.collector import Closed, nothing
from dicom_node.assemble.gate import series_refusal
from dicom_node.assemble.stacks import split
from dicom_node.boundary import Boundary
from dicom_node.derivation import derive, refusal
from dicom_node.domain.job import Job, JobEvent, JobState
from dicom_node.domain.series import Series, SeriesEvent, SeriesState
from dicom_node.domain.stack import Stack
from dicom_node.encode.series import to_bytes
from dicom_node.errors import IllegalTransition, JobFailed, JobHeld, SeriesRefused
from dicom_node.intake import Intake
from dicom_node.jobs import job_for, provenance_of
from dicom_node.log import culprit
from dicom_node.outbox import Outbox
from dicom_node.parts import Parts
from dicom_node.route.loader import snapshot
from dicom_node.route.matcher import RuleVerdict, explain, matching
from inference.errors import BundleRefused, ModelRefused

log = structlog.get_logger()

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE})
"""What the machine lacks, whichever job is tried."""
LOOK_FOR_ROOM_EVERY_S = 30.0


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
        self._intake = Intake(parts)
        self._outbox = Outbox(parts)
        self._boundary = Boundary(parts.clock.monotonic)
        self._waits_until = 0.0  # on the monotonic clock
        self._stopping = False

    # --- the node's own life

    def reconcile(self) -> None:
        """Decide on jobs that are RUNNING in the ledger alone: the node was killed, or could not write how they ended.

        Nothing may be running. What the spool holds beyond the ledger, `collect` finds.
        """
        for job in self._ledger.jobs_in(JobState.RUNNING):
            if self._parts.results.paths(job.id):
                self._change(job, JobEvent.ENCODED, None)
            else:
                self._stopped(job, "the node ended in the middle of it")

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

    # --- spool -> assemble -> route

    def collect(self, moved_on: Callable[[], object] = nothing) -> None:
        """Look for new instances in the spool, and close the series that are complete now.

        Parameters
        ----------
        moved_on
            Called after each series that was looked at.
        """
        self._intake.collect(moved_on)

    def ask_archive(self) -> None:
        """Ask the PACS for the count of a series that waits for it; it may take its time, so in a thread of its own."""
        if self._parts.archive_counts is not None:
            self._parts.archive_counts.ask()

    def route(self, moved_on: Callable[[], object] = nothing) -> None:
        """Decide on every complete series: which rules want it, and which of them may have it.

        Parameters
        ----------
        moved_on
            Called after each.
        """
        for series in self._ledger.series(SeriesState.COMPLETE):
            with self._boundary.apart("route"):
                self._route(series)
            moved_on()

    def _route(self, series: Series) -> None:
        try:
            event, jobs, reason = self._decide(series, self._intake.read(series, series.revision))
            self._routed(series, event, jobs, reason=reason)
        except (SeriesRefused, BundleRefused, ModelRefused) as held:
            self._routed(series, SeriesEvent.HELD, [], reason=str(held))
        except Exception as error:  # one series that the node cannot digest must not stop the others
            if _lack(error) is not None:
                raise
            log.error("route_failed", series_uid=series.series_uid, error=culprit(error))
            reason = f"the node failed on it ({culprit(error)}): please report this"
            self._routed(series, SeriesEvent.HELD, [], reason=reason)

    def _routed(self, series: Series, event: SeriesEvent, jobs: Sequence[Job], *, reason: str | None) -> None:
        late = self._parts.settings.completeness.late
        made = self._ledger.route(series.series_uid, event, self._clock.now(), jobs=jobs, reason=reason, late=late)
        log.info("series_routed", series_uid=series.series_uid, state=event.value, count=len(made))

    def _decide(self, series: Series, closed: Closed) -> tuple[SeriesEvent, list[Job], str | None]:
        if self._ledger.is_derived(series.series_uid):
            return SeriesEvent.IGNORED, [], "this node made it"
        if not closed.frames:
            event = SeriesEvent.HELD if closed.broken else SeriesEvent.IGNORED
            return event, [], "; ".join(closed.set_aside) or "it holds no images"
        rules = self._parts.rules.current
        stacks = split(closed.frames)
        self._keep_facts(series, stacks)
        asked = [(stack, rule, run) for stack in stacks for rule in matching(stack.facts, rules) for run in rule.run]
        if not asked:
            return SeriesEvent.IGNORED, [], _why_not(explain(stacks[0].facts, rules))
        refused_whole = series_refusal(closed.frames, closed.broken)
        jobs = []
        for stack, rule, run in asked:
            bundle = self._parts.registry.get(run.model)
            aim = self._parts.registry.aim(run.model, run.target, run.output)
            job = job_for(
                series, stack, bundle, aim, snapshot=snapshot(rule, run, rules), at=self._clock.now(),
                apart="" if len(rule.run) == 1 else run.identity,
                number_offset=self._parts.settings.derived.series_number_offset,
            )  # fmt: skip
            reason = refused_whole or refusal(stack, bundle, aim)
            jobs.append(job if reason is None else job.after(JobEvent.HELD, self._clock.now(), reason=reason))
        held = list(dict.fromkeys(_named("" if refused_whole else job.stack, job.reason) for job in jobs if job.reason))
        event = SeriesEvent.HELD if len(held) and all(job.reason for job in jobs) else SeriesEvent.ROUTED
        return event, jobs, "; ".join(held) or None

    def _keep_facts(self, series: Series, stacks: Sequence[Stack]) -> None:
        facts = {stack.label: stack.facts for stack in stacks}
        kept = self._parts.settings.retention.facts_series
        self._ledger.facts.keep(series.series_uid, facts, self._clock.now(), series=kept)

    # --- infer -> encode

    def infer(self) -> bool:
        """Work off the next job, if there is one, and tell whether there was."""
        self.reconcile()
        queued = self._ledger.next_queued(self._clock.now()) if self._clock.monotonic() >= self._waits_until else None
        if queued is None:
            return False
        try:
            job = self._ledger.change_job(
                queued.id, JobEvent.STARTED, self._clock.now(), attempts=queued.attempts + 1, reason=None
            )
        except IllegalTransition:  # superseded just now
            return True
        try:
            measured = self._derive(job)
        except (SeriesRefused, JobHeld, BundleRefused, ModelRefused) as held:
            self._change(job, JobEvent.HELD, str(held))
        except JobFailed as failed:
            self._stopped(job, str(failed))
        except Exception as error:  # one job that the node cannot digest must not stop the others
            self._broke(job, error)
        else:
            self._change(job, JobEvent.ENCODED, None, measured=measured)
        return True

    def _derive(self, job: Job) -> Mapping[str, float]:
        """Make and store the derived series of a job; return what was measured on the way."""
        if self._parts.results.paths(job.id):
            return job.measured  # a PACS may hold some of them already: they are sent again as they are
        series = self._ledger.find_series(job.series_uid)
        closed = self._intake.read(series, job.revision) if series else None
        stack = next((s for s in split(closed.frames) if s.label == job.stack), None) if closed else None
        if closed is None or stack is None:
            raise SeriesRefused("its instances are not in the spool any more: send the series again")
        reason = series_refusal(closed.frames, closed.broken)
        if reason is not None:
            raise SeriesRefused(reason)
        registry = self._parts.registry
        bundle, aim = registry.get(job.model), registry.aim(job.model, job.target, job.output)
        provenance = provenance_of(job, bundle, serial_number=self._parts.serial_number)
        ct = self._parts.settings.derived.ct
        derived = derive(stack, bundle, self._parts.executor, aim=aim, provenance=provenance, ct=ct)
        self._parts.results.write(job.id, [to_bytes(instance) for instance in derived.instances])
        seconds = {f"{stage}_s": taken for stage, taken in derived.seconds.items()}
        return {name: round(value, 4) for name, value in {**seconds, **derived.numbers}.items()}

    def _broke(self, job: Job, error: Exception) -> None:
        """Fail a job; or have it wait, when the trouble is the machine's, which would end one job after another."""
        log.error("job_failed", job_id=job.id, error=culprit(error))
        lack = _lack(error)
        if lack is None:
            self._change(job, JobEvent.FAILED, f"the node failed on it ({culprit(error)}): please report this")
            return
        self._waits_until = self._clock.monotonic() + LOOK_FOR_ROOM_EVERY_S
        self._ledger.change_job(
            job.id, JobEvent.INTERRUPTED, self._clock.now(), attempts=job.attempts - 1, reason=f"it waits: {lack}"
        )

    def _stopped(self, job: Job, reason: str) -> None:
        """Try a job again that did not come to its end, a bounded number of times."""
        if self._stopping:
            self._ledger.change_job(job.id, JobEvent.INTERRUPTED, self._clock.now(), attempts=job.attempts - 1)
            return
        again = job.attempts < self._parts.settings.infer.attempts
        self._change(job, JobEvent.INTERRUPTED if again else JobEvent.FAILED, reason)

    def _change(self, job: Job, event: JobEvent, reason: str | None, **changes: Any) -> Job:
        changed = self._ledger.change_job(job.id, event, self._clock.now(), reason=reason, **changes)
        log.info("job_changed", job_id=job.id, state=changed.state.value, attempt=changed.attempts)
        return changed

    # --- encode -> deliver

    def destinations_due(self) -> list[str]:
        """Return the names of the destinations for which something is due."""
        return self._outbox.due()

    def deliver(self, destination: str) -> None:
        """Send what is due to one destination, until it says that it cannot take more now."""
        self._outbox.deliver(destination)


def _lack(error: Exception) -> str | None:
    """Say what the machine lacks that any other series or job would miss too; None when the fault lies elsewhere."""
    if isinstance(error, OperationalError):
        return "the ledger cannot be used"
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno in NO_ROOM else None


def _named(stack: str, reason: str | None) -> str:
    return f"{stack}: {reason}" if stack else str(reason)


def _why_not(verdicts: Sequence[RuleVerdict]) -> str:
    """Word why no rule matches: each rule with the first clause that it fails."""
    if not verdicts:
        return "there are no rules"
    return "no rule matches: " + "; ".join(f"{v.name}: {v.failed[0].clause}, not {v.failed[0].value}" for v in verdicts)
