"""A rule that names a flow and its target brings a harmonized series to the PACS."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import flow_bundle
import numpy as np
import phantom
import pytest
from fake_clock import FakeClock
from harness import RULES, Harness
from made_series import made_series
from pydicom import dcmread

from dicom_node.domain.job import JobState

FLOW_RULE = RULES.replace("test-any-contrast, target: plain", f"{flow_bundle.NAME}, target: {flow_bundle.TARGET}")


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    flow_bundle.write(tmp_path / "models")
    return Harness(tmp_path, clock, rules=FLOW_RULE)


def test_a_t1_series_comes_out_in_the_look_of_the_flow_on_its_own_grid(node: Harness) -> None:
    series = made_series(spacing_mm=6.0, directions=phantom.SAGITTAL)
    node.receive(series)
    node.run_all()
    assert node.job.state is JobState.DELIVERED, node.job.reason
    made = sorted((dcmread(BytesIO(held)) for held in node.pacs["PACS"].held.values()), key=lambda i: i.InstanceNumber)
    assert [image.ImagePositionPatient for image in made] == [image.ImagePositionPatient for image in series]
    assert made[0].SeriesDescription.startswith(f"RESEARCH harmonization {flow_bundle.TARGET}")
    before, after = (np.stack([image.pixel_array for image in images]).astype(float) for images in (series, made))
    head = before > 100
    assert np.corrcoef(before[head], after[head])[0, 1] > 0.9
    assert {"at_bound", "gradient_cosine"} <= node.job.measured.keys()
