"""What became of each series that was sent: derived, or not for a stated reason, or neither."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from dicom_node.demo.comparison import Comparison
from dicom_node.demo.follow import Progress
from dicom_node.demo.pacs_client import PacsClient, PacsRefused
from dicom_node.demo.sources import SourceSeries
from dicom_node.domain.job import Job, JobState
from dicom_node.domain.series import Series, SeriesState

STAGES = ("collect", "queue", "assemble", "model", "encode", "deliver")
"""Of a job. The wait until a series is known to be complete is in `collect`, the output gate in `model`, the writing to
disk in `encode`."""

_BETWEEN = {
    "collect": (None, "queued"),
    "queue": ("queued", "running"),
    "work": ("running", "encoded"),
    "deliver": ("encoded", "delivered"),
}
"""The job's states between which a stage lies; None: when the first instance was seen."""


class Kind(StrEnum):
    """How a line of the table ends."""

    DERIVED = "derived"
    EXPLAINED = "explained"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the PACS holds of a derived series.

    Attributes
    ----------
    description
        SeriesDescription, as the PACS says it.
    files
        The images, as the PACS gave them back.
    problem
        Why this is not the series that it should be; None when it is.
    """

    description: str = ""
    files: tuple[Path, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the table: a series and, where there is one, a job.

    Attributes
    ----------
    source
        What was sent.
    rule, model
        Of the job; empty without one.
    kind
        How it ended.
    text
        The derived series, or the reason.
    seconds
        Stage -> s; stages that were not reached are missing.
    target
        What the model aims at; the model itself where it has no target.
    proof
        Of a derived series.
    against_truth
        How near it came, of a derived series whose truth is known.
    """

    source: SourceSeries
    kind: Kind
    text: str
    rule: str = ""
    model: str = ""
    target: str = ""
    seconds: Mapping[str, float] | None = None
    proof: Proof | None = None
    against_truth: Comparison | None = None


def prove(pacs: PacsClient, source: SourceSeries, job: Job, folder: Path) -> Proof:
    """Find a derived series in the PACS, in the study of its source, and fetch it into a folder."""
    uid = job.derived_series_uid
    try:
        found = pacs.find_series(source.study_uid, uid)
        if found is None:
            return Proof(problem="the PACS does not hold it in the study of its source")
        files = tuple(pacs.fetch_series(source.study_uid, uid, folder))
    except PacsRefused as refusal:
        return Proof(problem=str(refusal))
    return Proof(found.description, files, _wrong_number(source, job, found.instances, len(files)))


def _wrong_number(source: SourceSeries, job: Job, found: int, fetched: int) -> str | None:
    if found != fetched or not found:
        return f"the PACS speaks of {found} instances and gave {fetched}"
    if not job.stack and found != source.frames:  # a stack of several holds a part of the series' images
        return f"the PACS holds {found} images of {source.frames}"
    return None


def outcomes(
    sources: Iterable[SourceSeries], progress: Progress, proofs: Mapping[str, Proof], refused: Mapping[str, str]
) -> list[Outcome]:
    """Return what became of each series, in the order that they were sent.

    Parameters
    ----------
    sources
        The series that were sent.
    progress
        Where they and their jobs stood at the end.
    proofs
        Job id -> what the PACS holds of it, for jobs that were delivered.
    refused
        SeriesInstanceUID -> why the node took nothing of it.
    """
    lines: list[Outcome] = []
    for source in sources:
        series = progress.series.get(source.series_uid)
        jobs = [job for job in progress.jobs if job.series_uid == source.series_uid]
        jobs = [job for job in jobs if job.state is not JobState.SUPERSEDED] or jobs
        if source.series_uid in refused:
            lines.append(Outcome(source, Kind.EXPLAINED, f"REFUSED: {refused[source.series_uid]}"))
        elif series is None:
            lines.append(Outcome(source, Kind.FAILED, "the node did not receive it"))
        elif not jobs:
            lines.append(_without_job(source, series))
        else:
            for alike in _alike(jobs):
                line = _of_job(source, series, alike[0], proofs.get(alike[0].id))
                lines.append(
                    line if len(alike) == 1 else replace(line, text=f"{len(alike)} stacks, the first: {line.text}")
                )
    return lines


def _alike(jobs: Iterable[Job]) -> list[list[Job]]:
    """Put the jobs together that one rule held for one reason: a diffusion series may hold dozens of stacks."""
    groups: dict[tuple[str, str | None], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.rule, job.reason) if job.state is JobState.HELD else (job.id, None), []).append(job)
    return list(groups.values())


def _without_job(source: SourceSeries, series: Series) -> Outcome:
    if series.state in (SeriesState.IGNORED, SeriesState.HELD) and series.reason:
        collected = {"collect": (series.changed - series.first_seen).total_seconds()}
        return Outcome(source, Kind.EXPLAINED, f"{series.state}: {series.reason}", seconds=collected)
    return Outcome(
        source, Kind.FAILED, f"{series.state}: {series.reason or 'nothing came of it, and no reason is given'}"
    )


def _of_job(source: SourceSeries, series: Series, job: Job, proof: Proof | None) -> Outcome:
    kind, text = _verdict(job, proof)
    if job.stack:
        text = f"{job.stack}: {text}"
    return Outcome(
        source,
        kind,
        text,
        rule=job.rule,
        model=f"{job.model}, {job.target}" if job.target else job.model,
        target=job.target or job.model,
        seconds=seconds(series, job),
        proof=proof,
    )


def _verdict(job: Job, proof: Proof | None) -> tuple[Kind, str]:
    if job.state is JobState.DELIVERED and proof is not None:
        if proof.problem is not None:
            return Kind.FAILED, f"{job.state}, but {proof.problem}"
        return Kind.DERIVED, f"{proof.description} ({len(proof.files)} images, UID …{job.derived_series_uid[-8:]})"
    if job.state is JobState.HELD and job.reason:
        return Kind.EXPLAINED, f"{job.state}: {job.reason}"
    return Kind.FAILED, f"{job.state}: {job.reason or 'no reason is given'}"


def seconds(series: Series, job: Job) -> dict[str, float]:
    """Return how long each stage of a job took, s."""
    taken = {}
    for stage, (begin, end) in _BETWEEN.items():
        begun = series.first_seen if begin is None else job.times.get(begin)
        ended = job.times.get(end)
        if begun is not None and ended is not None:
            taken[stage] = (ended - begun).total_seconds()
    work = taken.pop("work", None)
    if work is not None and job.measured:
        taken["assemble"] = job.measured["assemble_s"]
        taken["model"] = job.measured["infer_s"] + job.measured["gate_s"]
        taken["encode"] = work - taken["assemble"] - taken["model"]
    return taken
