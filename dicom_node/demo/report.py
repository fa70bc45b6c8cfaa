"""What the demo shows at its end: the derived series fetched from the PACS, the tables, the pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dicom_node.demo.comparison import Compared, compare
from dicom_node.demo.follow import Progress
from dicom_node.demo.narrator import Narrator
from dicom_node.demo.outcome import Kind, Outcome, Proof, outcomes, prove
from dicom_node.demo.pacs_client import PacsClient
from dicom_node.demo.pair import Pair, read_pair
from dicom_node.demo.picture import draw
from dicom_node.demo.sources import SourceSeries
from dicom_node.demo.table import outcome_table, shown, truth_table
from dicom_node.demo.truth import Truths
from dicom_node.demo.truth_picture import draw_truths
from dicom_node.domain.job import Job, JobState
from inference.errors import ModelRefused

BEFORE_AFTER, AGAINST_TRUTH = "before_after.png", "against_truth.png"
MEASURED_AGAINST = (
    "All of it is simulated, so the truth is known: the same head, scanned in the virtual target scanner on the same "
    "grid, with that scanner's own noise. Measured inside the head, on what the PACS gave back. Before is the source, "
    "scaled so that its deep 90th percentile is that of the truth: mere scale is no merit. PSNR's range is the truth's "
    "99.9th percentile. Edges: mean cosine between the gradients of source and result, 1 where all point the same way. "
    "None of it says how the model does on patients' images."
)
NO_TRUTH = (
    "No truth is known of these series: the picture shows before and after, and no number can say whether they came "
    "nearer to the scanner that the model aims at."
)


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


def look_at(lines: Sequence[Outcome], truths: Truths, folder: Path) -> tuple[list[Outcome], list[str]]:
    """Draw every derived series beside its source, and compare it with the truth where one is known.

    Parameters
    ----------
    lines
        What became of each series.
    truths
        Of the study.
    folder
        Gets `BEFORE_AFTER` and, where a truth is known, `AGAINST_TRUTH`.

    Returns
    -------
    The lines, with the numbers; and why some series could not be drawn or compared.
    """
    pairs: list[Pair] = []
    compared: list[Compared] = []
    judged: list[Outcome] = []
    problems: list[str] = []
    for line in lines:
        numbers = None
        if line.kind is Kind.DERIVED and line.proof is not None:
            title = " ".join(filter(None, (line.source.vendor, line.source.description)))
            try:
                pairs.append(read_pair(f"{title}  to  {line.target}", line.source.files, line.proof.files))
                truth = truths.of(line.source.series_uid, line.target)
                if truth is not None:
                    compared.append(compare(pairs[-1], truth))
                    numbers = compared[-1].numbers
            except (ValueError, ModelRefused) as error:
                problems.append(f"{line.source.name}: no picture, or no numbers: {error}")
        judged.append(replace(line, against_truth=numbers))
    if pairs:
        draw(pairs).save(folder / BEFORE_AFTER)
    if compared:
        draw_truths(compared).save(folder / AGAINST_TRUTH)
    return judged, problems


def show(narrator: Narrator, lines: Sequence[Outcome]) -> None:
    """Print the table, in one line how many series ended in which way, and how near to the truth they came."""
    narrator.show(outcome_table(lines))
    count = {kind: sum(line.kind is kind for line in lines) for kind in Kind}
    narrator.show(
        shown(
            f"{count[Kind.DERIVED]} derived, {count[Kind.EXPLAINED]} left alone for a stated reason, "
            f"{count[Kind.FAILED]} failed. Collecting lasts until a series is known to be complete, the wait included; "
            "the gate counts to model, writing to encode."
        )
    )
    compared = [line for line in lines if line.against_truth is not None]
    if compared:
        narrator.show(truth_table(compared))
        narrator.show(shown(MEASURED_AGAINST))
    elif count[Kind.DERIVED]:
        narrator.show(shown(NO_TRUTH))


def _folder_name(source: SourceSeries, job: Job) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "-", source.description).strip("-")
    return f"{job.derived_series_number}-{words[:40] or 'series'}"
