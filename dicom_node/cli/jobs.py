"""``dicom-node jobs``: the work that the rules asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dicom_node.cli.options import Config, Json, settings_of, show_fields, show_json, show_table

if TYPE_CHECKING:
    from dicom_node.domain.job import Job

app = typer.Typer(help="The work that the rules asked for.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="As `jobs list` shows it.")]


@app.command("list")
def list_jobs(config: Config = None, json: Json = False) -> None:
    """List all jobs with their state and, where they were held or failed, why."""
    settings = settings_of(config)
    from dicom_node.app import open_ledger

    rows = [_row(job) for job in open_ledger(settings).jobs()]
    if json:
        show_json(rows)
        return
    columns = ("id", "rule", "model", "state", "reason", "attempts")
    show_table(columns, [[row[name] for name in columns] for row in rows], empty="No jobs: no series was routed yet.")


@app.command("show")
def show_job(job_id: JobId, config: Config = None, json: Json = False) -> None:
    """Show one job: what ran on what, when, the rule as it was then, and how its deliveries stand."""
    settings = settings_of(config)
    from dicom_node.app import open_ledger, open_results

    ledger = open_ledger(settings)
    job = ledger.job(job_id)
    deliveries = [
        {"destination": each.destination, "state": each.state, "attempts": each.attempts,
         "next_attempt": each.next_attempt.isoformat(), "reason": each.reason}
        for each in ledger.deliveries(job_id)
    ]  # fmt: skip
    details = {
        "stack": job.stack, "revision": job.revision, "target": job.target, "model_digest": job.model_digest,
        "derived_series_number": job.derived_series_number, "files": str(open_results(settings).folder(job.id)),
    }  # fmt: skip
    if json:
        show_json({**_row(job), **details, "deliveries": deliveries, "snapshot": job.snapshot})
        return
    show_fields({**_row(job), **details, "times": ", ".join(f"{k} {v}" for k, v in _row(job)["times"].items())})
    typer.echo("")
    columns = ("destination", "state", "attempts", "next_attempt", "reason")
    show_table(columns, [list(each.values()) for each in deliveries], empty="No destinations.")


@app.command("retry")
def retry_job(job_id: JobId, config: Config = None) -> None:
    """Queue a HELD or FAILED job again, with its rule as it was and the same derived UIDs."""
    settings = settings_of(config)
    from dicom_node.app import open_ledger
    from dicom_node.domain.clock import SystemClock
    from dicom_node.domain.job import JobEvent

    job = open_ledger(settings).change_job(job_id, JobEvent.RETRIED, SystemClock().now(), attempts=0, reason=None)
    typer.echo(f"job {job.id} is {job.state}: a running node takes it next")


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
