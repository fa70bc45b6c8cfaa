"""A job: one stack of one series revision, sent through one rule."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from dicom_node.errors import IllegalTransition
from inference.output import Output


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    ENCODED = "ENCODED"
    DELIVERING = "DELIVERING"
    DELIVERED = "DELIVERED"
    HELD = "HELD"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SUPERSEDED = "SUPERSEDED"
    RETRACTED = "RETRACTED"


class JobEvent(StrEnum):
    """What can happen to a job."""

    STARTED = "started"
    INTERRUPTED = "interrupted"
    ENCODED = "encoded"
    SENDING = "sending"
    DELIVERED = "delivered"
    HELD = "held"
    FAILED = "failed"
    RETRIED = "retried"
    SUPERSEDED = "superseded"
    RETRACTED = "retracted"


class Fault(StrEnum):
    """What was at fault in what is taken back by hand: the job's reason from then on, by which its note is coded."""

    PROCESSING = "retracted by hand: inappropriate image processing"
    SOFTWARE = "retracted by hand: software failure"


_S, _E = JobState, JobEvent

JOB_TRANSITIONS: dict[tuple[JobState, JobEvent], JobState] = {
    (_S.QUEUED, _E.STARTED): _S.RUNNING,
    (_S.QUEUED, _E.HELD): _S.HELD,
    (_S.QUEUED, _E.SUPERSEDED): _S.SUPERSEDED,
    (_S.RUNNING, _E.INTERRUPTED): _S.QUEUED,
    (_S.RUNNING, _E.ENCODED): _S.ENCODED,
    (_S.RUNNING, _E.HELD): _S.HELD,
    (_S.RUNNING, _E.FAILED): _S.FAILED,
    (_S.RUNNING, _E.SUPERSEDED): _S.SUPERSEDED,
    (_S.ENCODED, _E.SENDING): _S.DELIVERING,
    (_S.ENCODED, _E.SUPERSEDED): _S.SUPERSEDED,
    (_S.DELIVERING, _E.SENDING): _S.DELIVERING,
    (_S.DELIVERING, _E.DELIVERED): _S.DELIVERED,
    (_S.DELIVERING, _E.FAILED): _S.FAILED,
    (_S.DELIVERING, _E.SUPERSEDED): _S.SUPERSEDED,
    (_S.DELIVERED, _E.SUPERSEDED): _S.SUPERSEDED,
    (_S.HELD, _E.RETRIED): _S.QUEUED,
    (_S.HELD, _E.SUPERSEDED): _S.SUPERSEDED,
    (_S.FAILED, _E.RETRIED): _S.QUEUED,
    (_S.FAILED, _E.SUPERSEDED): _S.SUPERSEDED,
    (_S.DELIVERING, _E.RETRACTED): _S.RETRACTED,
    (_S.DELIVERED, _E.RETRACTED): _S.RETRACTED,
    (_S.FAILED, _E.RETRACTED): _S.RETRACTED,
    # a rejection note that a destination refused is sent again
    (_S.RETRACTED, _E.RETRACTED): _S.RETRACTED,
    (_S.SUPERSEDED, _E.RETRACTED): _S.SUPERSEDED,
    (_S.RETRACTED, _E.SENDING): _S.RETRACTED,
    # work that was under way when a later revision superseded the job ends without effect
    (_S.SUPERSEDED, _E.INTERRUPTED): _S.SUPERSEDED,
    (_S.SUPERSEDED, _E.ENCODED): _S.SUPERSEDED,
    (_S.SUPERSEDED, _E.HELD): _S.SUPERSEDED,
    (_S.SUPERSEDED, _E.FAILED): _S.SUPERSEDED,
    (_S.SUPERSEDED, _E.SENDING): _S.SUPERSEDED,
    (_S.SUPERSEDED, _E.DELIVERED): _S.SUPERSEDED,
}


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the ledger knows it.

    Attributes
    ----------
    id
        From `job_id`: the same work has the same id.
    series_uid, revision, stack
        What it works on; `stack` is the label of the stack, empty where the series holds one.
    rule, snapshot
        The rule's name, and the whole rule and its destinations as they were when the job was made (JSON types).
    model, model_digest, target, target_digest
        What ran or will run; `target_digest` is the SHA-256 of a target that the site added.
    derived_series_uid, derived_series_number, derived_at
        Fixed when the job is made, so that a retry writes the same bytes; `derived_at` is UTC.
    priority
        Lower runs first.
    times
        State -> when it was last entered, UTC.
    window
        When it may begin, as `Window` writes it; None: at any time.
    measured
        What the last run measured: seconds of each stage (``infer_s``), numbers of model, gate and encoder.
    """

    id: str
    series_uid: str
    revision: int
    stack: str
    rule: str
    snapshot: Mapping[str, Any]
    model: str
    model_digest: str
    target: str | None
    derived_series_uid: str
    derived_series_number: int
    derived_at: datetime
    priority: int = 1
    state: JobState = JobState.QUEUED
    reason: str | None = None
    attempts: int = 0
    times: Mapping[str, datetime] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    target_digest: str | None = None
    window: str | None = None

    @property
    def output(self) -> Output:
        """What its rule asks of the model; rules of before there was a choice ask for the result."""
        return Output(self.snapshot["rule"]["run"].get("output", Output.RESULT))

    def after(self, event: JobEvent, at: datetime, **changes: Any) -> Job:
        """Return the job after `event` at the time `at` (UTC), with other fields changed too.

        Raises
        ------
        IllegalTransition
            When the table holds no such change.
        """
        try:
            state = JOB_TRANSITIONS[self.state, event]
        except KeyError:
            raise IllegalTransition(f"job {self.id}", self.state, event) from None
        times = self.times if state is self.state else {**self.times, state.lower(): at}
        return replace(self, state=state, times=times, **changes)


def job_id(series_uid: str, revision: int, stack: str, rule: str, output: str = "") -> str:
    """Return the 12 hexadecimal digits that name this work: made twice, it is the same job.

    Parameters
    ----------
    output
        Which of several outputs of the rule; empty for the only one.
    """
    parts = (series_uid, str(revision), stack, rule, *filter(None, [output]))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
