"""``dicom-node jobs``: the work that the rules asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dicom_node.cli.options import Config, Json, example, ledger_of, settings_of, show_fields, show_json, show_table

if TYPE_CHECKING:
    from dicom_node.domain.job import Job
    from dicom_node.spool.ledger import Ledger

app = typer.Typer(help="The work that the rules asked for.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="As `jobs list` shows it.")]


@app.command("list", epilog=example("dicom-node jobs list", "dicom-node jobs list --json --config /etc/node.yaml"))
def list_jobs(config: Config = None, json: Json = False) -> None:
    """List all jobs with their state and, where they were held, failed or wait for a destination, why."""
    with ledger_of(settings_of(config)) as ledger:
        rows = [{**_row(job), "reason": job.reason or _awaited(ledger, job)} for job in ledger.jobs()]
    if json:
        show_json(rows)
        return
    columns = ("id", "rule", "model", "state", "reason", "attempts")
    show_table(columns, [[row[name] for name in columns] for row in rows], empty="No jobs: no series was routed yet.")


@app.command("show", epilog=example("dicom-node jobs show 3f2a9c01b7de"))
def show_job(job_id: JobId, config: Config = None, json: Json = False) -> None:
    """Show one job: what ran on what, when, the rule as it was then, and how its deliveries stand."""
    settings = settings_of(config)
    with ledger_of(settings) as ledger:
        job, deliveries = ledger.job(job_id), ledger.deliveries(job_id)
    from dicom_node.holdings import open_results

    details = {
        "stack": job.stack, "revision": job.revision, "target": job.target, "model_digest": job.model_digest,
        "target_digest": job.target_digest, "output": job.output,
        "derived_series_number": job.derived_series_number, "files": str(open_results(settings).folder(job.id)),
    }  # fmt: skip
    columns = ("destination", "state", "attempts", "next_attempt", "reason")
    if json:
        rows = [{**{name: getattr(each, name) for name in columns}, "next_attempt": each.next_attempt.isoformat()}
                for each in deliveries]  # fmt: skip
        show_json({**_row(job), **details, "measured": job.measured, "deliveries": rows, "snapshot": job.snapshot})
        return
    fields = {**_row(job), **details}
    del fields["times"]
    if job.target_digest is None:  # a target of the model's bundle, which the digest of the model covers
        del fields["target_digest"]
    show_fields({**fields, **job.times, **job.measured})
    typer.echo("")
    show_table(columns, [[getattr(each, name) for name in columns] for each in deliveries], empty="No destinations.")


@app.command("retry", epilog=example("dicom-node jobs retry 3f2a9c01b7de"))
def retry_job(job_id: JobId, config: Config = None) -> None:
    """Queue a HELD or FAILED job again, with its rule as it was and the same derived UIDs."""
    settings = settings_of(config)
    from dicom_node.domain.clock import SystemClock
    from dicom_node.domain.job import JobEvent
    from dicom_node.errors import IllegalTransition, NodeError

    with ledger_of(settings) as ledger:
        try:
            job = ledger.change_job(job_id, JobEvent.RETRIED, SystemClock().now(), attempts=0, reason=None)
        except IllegalTransition:
            state = ledger.job(job_id).state
            raise NodeError(f"job {job_id} is {state}: only one that is HELD or FAILED can be tried again") from None
    typer.echo(f"job {job.id} is {job.state}: a running node takes it next")


class FaultName(StrEnum):
    """Members of `Fault` as the command line names them."""

    PROCESSING = "processing"
    SOFTWARE = "software"


@app.command("retract", epilog=example("dicom-node jobs retract 3f2a9c01b7de"))
def retract_job(
    job_id: JobId,
    fault: Annotated[
        FaultName,
        typer.Option(help="What the note gives as the reason; one that refused the first note gets the same again."),
    ] = FaultName.PROCESSING,
    config: Config = None,
) -> None:
    """Take back what a job sent: a rejection note goes wherever the derived series went."""
    settings = settings_of(config)
    from dicom_node.domain.clock import SystemClock
    from dicom_node.domain.job import Fault
    from dicom_node.errors import IllegalTransition, NodeError

    with ledger_of(settings) as ledger:
        try:
            job = ledger.retract(job_id, SystemClock().now(), fault=Fault[fault.name])
        except IllegalTransition:
            state = ledger.job(job_id).state
            raise NodeError(f"job {job_id} is {state}: there is nothing that was sent and is not taken back") from None
        where = ", ".join(each.destination for each in ledger.deliveries(job_id) if each.state == "RETRACTING")
    typer.echo(f"job {job.id} is {job.state}: a running node sends a rejection note to {where}")


def _awaited(ledger: Ledger, job: Job) -> str | None:
    """Say what keeps a delivery that is under way, or for which hours a job waits."""
    if job.state == "QUEUED" and job.window is not None:
        return f"it begins {job.window}"
    if job.state != "DELIVERING":
        return None
    said = (f"{each.destination}: {each.reason}" for each in ledger.deliveries(job.id) if each.reason)
    return "; ".join(said) or None


def _row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "series_uid": job.series_uid,
        "rule": job.rule,
        "model": job.model,
        "state": job.state,
        "reason": job.reason,
        "attempts": job.attempts,
        "derived_series_uid": job.derived_series_uid,
        "times": {state: at.isoformat() for state, at in job.times.items()},
    }
