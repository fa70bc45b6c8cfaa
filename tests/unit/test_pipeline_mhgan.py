"""A rule that names a target of the multi-harmonization GAN brings a derived series to the PACS."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import mhgan_bundle
import numpy as np
from fake_clock import FakeClock
from harness import RULES, Harness
from made_series import made_series
from pydicom import dcmread

from dicom_node.domain.job import JobState

RULE = RULES.replace("test-any-contrast, target: plain", f"{mhgan_bundle.NAME}, target: siemens-3t")


def test_a_series_comes_out_in_the_style_of_a_site_on_its_own_grid(tmp_path: Path, clock: FakeClock) -> None:
    mhgan_bundle.write(tmp_path / "models")
    node = Harness(tmp_path, clock, rules=RULE)
    series = made_series()
    node.receive(series)
    node.run_all()
    assert node.job.state is JobState.DELIVERED, node.job.reason
    images = sorted(
        (dcmread(BytesIO(content)) for content in node.pacs["PACS"].held.values()),
        key=lambda image: image.InstanceNumber,
    )
    assert len(images) == len(series)
    assert {image.SeriesInstanceUID for image in images} == {node.job.derived_series_uid}
    assert "target siemens-3t" in images[0].DerivationDescription
    source, made = (
        np.array([image.pixel_array for image in each], float).ravel()
        for each in (sorted(series, key=lambda image: image.InstanceNumber), images)
    )
    assert np.corrcoef(source, made)[0, 1] > 0.95
    assert {"gain", "change", "gradient_cosine"} <= node.job.measured.keys()
