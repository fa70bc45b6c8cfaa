"""A rule that names a synthetic CT brings a CT series to the planning system, or a reason."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import phantom
import pytest
from fake_clock import FakeClock
from harness import RULES, Harness
from made_series import made_series
from pydicom import Dataset, dcmread

from dicom_node.domain.job import JobState
from dicom_node.domain.series import SeriesState

CT_RULE = RULES.replace("test-any-contrast, target: plain", "synth-ct-bulk").replace("[pacs]", "[pacs, tps]")


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    return Harness(tmp_path, clock, rules=CT_RULE)


def held_by(node: Harness, title: str) -> list[Dataset]:
    images = [dcmread(BytesIO(content)) for content in node.pacs[title].held.values()]
    return sorted(images, key=lambda image: image.InstanceNumber)


def test_a_planning_mr_becomes_an_axial_ct_at_every_destination(node: Harness) -> None:
    series = made_series(spacing_mm=3.0, directions=phantom.SAGITTAL)
    node.receive(series)
    node.run_all()
    assert node.job.state is JobState.DELIVERED
    for title in ("PACS", "TPS"):
        images = held_by(node, title)
        assert {image.Modality for image in images} == {"CT"}
        assert {tuple(image.ImageOrientationPatient) for image in images} == {(1, 0, 0, 0, 1, 0)}
        np.testing.assert_allclose(np.diff([image.ImagePositionPatient[2] for image in images]), 3.0, atol=1e-6)
        first = images[0]
        assert first.FrameOfReferenceUID == series[0].FrameOfReferenceUID
        assert first.SeriesDescription == "RESEARCH sCT synth-ct-bulk | Ax T1 MPRAGE"
        assert first.SeriesInstanceUID == node.job.derived_series_uid
    middle = images[len(images) // 2]
    hounsfield = middle.pixel_array + float(middle.RescaleIntercept)
    assert set(np.unique(hounsfield)) & {-1024, 40, 800} == {-1024, 40, 800}
    assert {"body_dice", "bone_share", "air_share", "brain_hu"} <= node.job.measured.keys()


def test_a_series_that_the_model_is_not_made_for_is_held_with_the_reason(node: Harness) -> None:
    node.receive(made_series())  # of voxels of 5 mm
    node.run_all()
    assert node.job.state is JobState.HELD
    assert "the model takes 0.4 to 3.5 mm" in str(node.job.reason)
    assert node.pacs["TPS"].held == {}


def test_our_own_ct_is_recognised_when_it_comes_back(node: Harness) -> None:
    node.receive(made_series(spacing_mm=3.0))
    node.run_all()
    node.receive(held_by(node, "PACS"))
    node.run_all()
    assert len(node.ledger.jobs()) == 1
    ours = node.ledger.find_series(node.job.derived_series_uid)
    assert ours is not None
    assert ours.state is SeriesState.IGNORED
