"""A rule that asks for the uncertainty of a synthetic CT brings a map of its own to the PACS, beside the CT."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import unet_bundle
from fake_clock import FakeClock
from harness import RULES, Harness
from pydicom import dcmread
from pydicom.uid import CTImageStorage, ParametricMapStorage

from dicom_node.domain.job import Job, JobState
from dicom_node.domain.series import SeriesState
from inference.output import Output

ONE = "  - name: {name}\n    when: {{Modality: MR}}\n    run: {{model: test-ct-unet{output}}}\n    send: [pacs]\n"
MAP_ALONE = RULES[: RULES.index("  - name")] + ONE.format(name="how sure it is", output=", output: uncertainty")
BOTH = MAP_ALONE + ONE.format(name="planning MR to synthetic CT", output="")


def node_with(folder: Path, clock: FakeClock, rules: str = BOTH, **bundle: float) -> Harness:
    unet_bundle.write(folder / "models", **bundle)
    return Harness(folder, clock, rules=rules)


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    return node_with(tmp_path, clock)


def jobs(node: Harness) -> dict[Output, Job]:
    return {job.output: job for job in node.ledger.jobs()}


def test_one_series_gives_a_ct_and_a_map_on_the_same_slices(node: Harness, clock: FakeClock) -> None:
    series = unet_bundle.small_series()
    node.receive(series)
    node.run_all()
    made = jobs(node)
    assert {output: job.state for output, job in made.items()} == dict.fromkeys(Output, JobState.DELIVERED)
    held = [dcmread(BytesIO(content)) for content in node.pacs["PACS"].held.values()]
    ct = sorted((ds for ds in held if ds.SOPClassUID == CTImageStorage), key=lambda ds: ds.InstanceNumber)
    (found,) = (ds for ds in held if ds.SOPClassUID == ParametricMapStorage)
    assert found.SeriesInstanceUID == made[Output.UNCERTAINTY].derived_series_uid != ct[0].SeriesInstanceUID
    assert found.SeriesNumber != ct[0].SeriesNumber
    assert found.SeriesDescription == "RESEARCH sCT uncertainty test-ct-unet | Ax T1 MPRAGE"
    assert found.FrameOfReferenceUID == ct[0].FrameOfReferenceUID == series[0].FrameOfReferenceUID
    places = [f.PlanePositionSequence[0].ImagePositionPatient for f in found.PerFrameFunctionalGroupsSequence]
    assert places == [image.ImagePositionPatient for image in ct]
    body = np.stack([image.pixel_array for image in ct]) > 0
    values = found.pixel_array
    assert 0 < np.median(values[body]) < unet_bundle.LARGEST_HU
    assert (values[~body] > 0).mean() < 0.01  # but for slices between, which are interpolated
    assert made[Output.UNCERTAINTY].measured["passes"] == 8
    assert made[Output.UNCERTAINTY].measured["uncertainty_median_hu"] > 0

    node.receive([found])
    node.pipeline.collect()
    clock.advance(seconds=31)  # one multi-frame image of another node might be followed by more
    node.run_all()
    ours = node.ledger.find_series(found.SeriesInstanceUID)
    assert ours is not None
    assert ours.state is SeriesState.IGNORED
    assert len(node.ledger.jobs()) == 2


def test_a_map_over_the_limit_of_its_bundle_is_held(tmp_path: Path, clock: FakeClock) -> None:
    node = node_with(tmp_path, clock, MAP_ALONE, largest=0.001)
    node.receive(unet_bundle.small_series())
    node.run_all()
    assert node.job.state is JobState.HELD
    assert "beyond 0 to 0.001, the range that its model promises" in str(node.job.reason)


def test_a_job_whose_snapshot_is_older_than_the_choice_asks_for_the_result(node: Harness) -> None:
    node.receive(unet_bundle.small_series())
    node.close_series()
    job = jobs(node)[Output.UNCERTAINTY]
    run = dict(job.snapshot["rule"]["run"])
    del run["output"]
    assert replace(job, snapshot={"rule": {"run": run}}).output is Output.RESULT
