"""``dicom-node series``: what was received, and what became of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dicom_node.cli.options import (
    Config,
    Json,
    example,
    ledger_of,
    settings_of,
    show_fields,
    show_json,
    show_table,
    shown,
)

if TYPE_CHECKING:
    from dicom_node.domain.pace import Pace
    from dicom_node.domain.series import Series
    from dicom_node.settings import Settings

app = typer.Typer(help="What was received, and what became of it.", no_args_is_help=True)

# `first_seen` and the like are more than a list needs; `show` has them
_LISTED = ("series_uid", "state", "reason", "instances", "revision")


@app.command("list", epilog=example("dicom-node series list", "dicom-node series list --json | jq '.[] | .reason'"))
def list_series(config: Config = None, json: Json = False) -> None:
    """List all received series with their state and, where they were ignored or held, why."""
    with ledger_of(settings_of(config)) as ledger:
        rows = [_row(series) for series in ledger.series()]
    if json:
        show_json(rows)
        return
    show_table(_LISTED, [list(row.values()) for row in rows], empty="Nothing was received yet: point a scanner here.")


@app.command("show", epilog=example("dicom-node series show 1.2.840.113619.2.5.1"))
def show_series(
    uid: Annotated[str, typer.Argument(help="SeriesInstanceUID, as `series list` shows it.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one series: its state and why, its evidence, its jobs, and instances that came again changed."""
    settings = settings_of(config)
    with ledger_of(settings) as ledger:
        series, of_series = ledger.find_series(uid), ledger.jobs(uid)
        paces = {pace.calling_ae: pace for pace in ledger.pace_book.paces()}
    from dicom_node.domain.pace import Pace
    from dicom_node.errors import NotFound
    from dicom_node.holdings import open_spool
    from dicom_node.spool.senders import senders as senders_of

    if series is None:
        raise NotFound(f"no series {shown(uid)}: `dicom-node series list` shows them")
    spool = open_spool(settings)
    conflicts = [
        {"sop_instance_uid": each.sop_instance_uid, "received": each.received.isoformat()}
        for each in spool.conflicts(series.folder)
    ]
    senders = [_pace(settings, paces.get(title, Pace(title))) for title in senders_of(spool.instances(series.folder))]
    columns = ("id", "rule", "revision", "state", "reason")
    jobs = [{name: getattr(job, name) for name in columns} for job in of_series]
    if json:
        show_json(
            {**_row(series), "conflicts": conflicts, "evidence": series.evidence, "jobs": jobs, "senders": senders}
        )
        return
    show_fields({**asdict(series), "state": series.state.value})
    typer.echo("")
    show_table(("job", *columns[1:]), [list(job.values()) for job in jobs], empty="No jobs.")
    for sender in senders:
        typer.echo(f"sent by {shown(sender['calling_ae'])}: {_settles(sender)}")
    for conflict in conflicts:
        typer.echo(f"came again with other content, set aside: {conflict['sop_instance_uid']} {conflict['received']}")


@app.command("export", epilog=example("dicom-node series export 1.2.840.113619.2.5.1 --nifti OUT_FOLDER"))
def export_series(
    uid: Annotated[str, typer.Argument(help="SeriesInstanceUID, as `series list` shows it.")],
    nifti: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write a .nii.gz file for each stack.")],
    config: Config = None,
) -> None:
    """Write the volumes of a received series as NIfTI: the same voxels that a model would see.

    What the gate refuses is not written, but told. Exit status 1 when nothing could be written.
    """
    settings = settings_of(config)
    with ledger_of(settings) as ledger:
        series = ledger.find_series(uid)
    from dicom_node.assemble.volume import read_volume
    from dicom_node.cli.folders import series_of
    from dicom_node.cli.nifti import write_new_nifti
    from dicom_node.errors import NotFound, SeriesRefused
    from dicom_node.holdings import open_spool

    if series is None:
        raise NotFound(f"no series {shown(uid)}: `dicom-node series list` shows them")
    found = series_of(open_spool(settings).sealed(series.folder, series.revision))
    if found is None:
        raise NotFound(f"no images of {shown(uid)} are in the spool any more: send it again")
    if found.refused:
        raise SeriesRefused(f"{shown(uid)}: {found.refused}")
    written = 0
    for number, stack in enumerate(found.stacks, start=1):
        path = nifti / f"{series.series_number or 0}-{number:02d}.nii.gz"
        try:
            write_new_nifti(path, read_volume(stack))
        except SeriesRefused as refused:
            typer.echo(f"{shown(stack.label) or 'the only stack'}: not written: {refused}", err=True)
        else:
            written += 1
            typer.echo(f"{path}: {len(stack.frames)} slices{f', {shown(stack.label)}' if stack.label else ''}")
    if not written:
        raise SeriesRefused(f"{shown(uid)}: nothing of it could be written, for the reasons above")


def _pace(settings: Settings, pace: Pace) -> dict[str, Any]:
    """Return what is known of a sender: how long its series settle, and what that was learned from."""
    waits = settings.completeness
    settle_s = waits.settle_s
    if learned := settle_s is None:
        settle_s = pace.settle_s(least_s=waits.settle_min_s, most_s=waits.silence_s)
    longest_s = max(pace.pauses_s, default=None)
    return {
        "calling_ae": pace.calling_ae, "settle_s": settle_s, "learned": learned, "series": len(pace.pauses_s),
        "longest_pause_s": longest_s,
    }  # fmt: skip


def _settles(sender: dict[str, Any]) -> str:
    settles = f"settles after {sender['settle_s']:g} s"
    if not sender["learned"]:
        return f"{settles}, as completeness.settle_s says"
    known = f"learned from {sender['series']} series"
    return f"{settles}, {known}" + (f", longest pause {sender['longest_pause_s']:g} s" if sender["series"] else "")


def _row(series: Series) -> dict[str, Any]:
    return {name: getattr(series, name) for name in _LISTED}
