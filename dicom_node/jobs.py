"""Makes jobs: what a rule wants done with a stack, with everything fixed that a retry must not change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dicom_node import __version__
from dicom_node.domain.job import Job, job_id
from dicom_node.domain.provenance import Provenance
from dicom_node.domain.series import Series
from dicom_node.domain.stack import Stack
from dicom_node.encode.tasks import task_of
from dicom_node.encode.uids import series_uid
from dicom_node.route.schema import Priority
from inference.aim import Aim
from inference.bundle import Bundle
from inference.output import Output


def job_for(
    series: Series, stack: Stack, bundle: Bundle, aim: Aim, *,
    snapshot: Mapping[str, Any], at: datetime, number_offset: int, apart: str = "",
) -> Job:  # fmt: skip
    """Return the job of one rule on one stack.

    Parameters
    ----------
    aim
        What the rule's target is now.
    snapshot
        Of the rule and its destinations, as `dicom_node.route.loader.snapshot` makes it.
    at
        UTC; becomes the date in every derived header.
    number_offset
        Added to the source's series number.
    apart
        What sets it apart from the other runs of its rule, empty for the only one.
    """
    rule = snapshot["rule"]
    return Job(
        id=job_id(series.series_uid, series.revision, stack.label, rule["name"], apart),
        series_uid=series.series_uid,
        revision=series.revision,
        stack=stack.label,
        rule=rule["name"],
        snapshot={**snapshot, "send": rule["send"]},
        model=bundle.manifest.name,
        model_digest=bundle.digest,
        target=aim.name,
        target_digest=aim.digest,
        derived_series_uid=_derived_uid(stack, bundle, aim, rule=rule["name"], revision=series.revision),
        derived_series_number=(series.series_number or 0) + number_offset,
        # DICOM times carry microseconds, so nothing is lost on the way through the ledger and the headers
        derived_at=at,
        priority=Priority(rule["priority"]).rank,
        times={"queued": at},
        window=snapshot.get("window"),
    )


def provenance_of(job: Job, bundle: Bundle, *, serial_number: str) -> Provenance:
    """Return what the derived headers of a job tell about where they come from."""
    return Provenance(
        model=job.model,
        model_version=bundle.manifest.version,
        model_digest=job.model_digest,
        task=task_of(bundle.manifest.task, job.output),
        target=job.target,
        target_digest=job.target_digest,
        node_version=__version__,
        serial_number=serial_number,
        series_uid=job.derived_series_uid,
        series_number=job.derived_series_number,
        derived_at=job.derived_at,
        revision=job.revision,
    )


def provenance_by_hand(stack: Stack, bundle: Bundle, aim: Aim, *, at: datetime, number_offset: int) -> Provenance:
    """Return the same for a stack that is worked on without a node and its ledger."""
    number = stack.facts.get("SeriesNumber")
    return Provenance(
        model=bundle.manifest.name,
        model_version=bundle.manifest.version,
        model_digest=bundle.digest,
        task=task_of(bundle.manifest.task, aim.output),
        target=aim.name,
        target_digest=aim.digest,
        node_version=__version__,
        serial_number="COMMAND LINE",
        series_uid=_derived_uid(stack, bundle, aim, rule="", revision=1),
        series_number=(number if isinstance(number, int) else 0) + number_offset,
        derived_at=at,
        revision=1,
    )


def _derived_uid(stack: Stack, bundle: Bundle, aim: Aim, *, rule: str, revision: int) -> str:
    parameters = {"model": bundle.manifest.name, "target": aim.name or "", "rule": rule, "stack": stack.label}
    if aim.digest is not None:
        parameters["target_digest"] = aim.digest
    return series_uid(
        [frame.sop_instance_uid for frame in stack.frames],
        bundle.digest,
        parameters=parameters,
        kind=bundle.manifest.output.kind if aim.output is Output.RESULT else aim.output,
        revision=revision,
    )
