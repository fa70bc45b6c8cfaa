"""What the demo shows at its end: the derived series fetched from the PACS, the table, the picture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dicom_node.demo.follow import Progress
from dicom_node.demo.narrator import Narrator
from dicom_node.demo.outcome import Kind, Outcome, Proof, outcomes, prove
from dicom_node.demo.pacs_client import PacsClient
from dicom_node.demo.picture import Pair, draw, read_pair
from dicom_node.demo.sources import SourceSeries
from dicom_node.demo.table import outcome_table, shown
from dicom_node.domain.job import Job, JobState


def fetch_and_judge(
    sources: Mapping[str, SourceSeries],
    progress: Progress,
    *,
    pacs: PacsClient,
    folder: Path,
    refused: Mapping[str, str],
) -> list[Outcome]:
    """Fetch every delivered series from the PACS into a folder, and say what became of each that was sent.

    Parameters
    ----------
    sources
        SeriesInstanceUID -> series, in the order that they were sent.
    progress
        Where they and their jobs stood at the end.
    pacs
        Is asked for what it holds.
    folder
        Gets a folder for each derived series.
    refused
        SeriesInstanceUID -> why the node took nothing of it.
    """
    proofs: dict[str, Proof] = {}
    for job in progress.jobs:
        source = sources.get(job.series_uid)
        if job.state is JobState.DELIVERED and source is not None:
            proofs[job.id] = prove(pacs, source, job, folder / _folder_name(source, job))
    return outcomes(sources.values(), progress, proofs, refused)


def draw_pairs(lines: Iterable[Outcome], path: Path) -> list[str]:
    """Draw every derived series beside its source into a PNG file; return why some could not be drawn."""
    pairs: list[Pair] = []
    problems = []
    for line in lines:
        if line.kind is Kind.DERIVED and line.proof is not None:
            title = " ".join(filter(None, (line.source.vendor, line.source.description)))
            try:
                pairs.append(read_pair(f"{title}  to  {line.target}", line.source.files, line.proof.files))
            except ValueError as error:
                problems.append(f"no picture of {line.source.name}: {error}")
    if pairs:
        draw(pairs).save(path)
    return problems


def show(narrator: Narrator, lines: Sequence[Outcome]) -> None:
    """Print the table, and in one line how many series ended in which way."""
    narrator.show(outcome_table(lines))
    count = {kind: sum(line.kind is kind for line in lines) for kind in Kind}
    narrator.show(
        shown(
            f"{count[Kind.DERIVED]} derived, {count[Kind.EXPLAINED]} left alone for a stated reason, "
            f"{count[Kind.FAILED]} failed. Collecting lasts until a series is known to be complete, the wait included; "
            "the gate counts to model, writing to encode."
        )
    )


def _folder_name(source: SourceSeries, job: Job) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "-", source.description).strip("-")
    return f"{job.derived_series_number}-{words[:40] or 'series'}"
