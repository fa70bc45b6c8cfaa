"""A series of every virtual site: what the node makes of its headers, and whether they are right."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.gate import refusal
from dicom_node.assemble.stacks import split
from dicom_node.assemble.volume import read_volume
from dicom_node.demo.scanner_images import Examination
from dicom_node.demo.scanner_series import HABITS, series_of
from dicom_node.demo.virtual_scanner import ScannedSeries, save_study
from dicom_node.domain.stack import Stack
from inference.volume import Volume
from training.simulate.sites import SITES, Site
from training.simulate.unseen import UNSEEN

EXAMINATION = Examination(("test",), "TEST")
EVERY = [
    *SITES.values(),
    *(replace(site, name=f"{vendor}, as {site.name}", vendor=vendor) for site in UNSEEN.values() for vendor in HABITS),
]
"""Every sequence and contrast of every vendor."""


def volume_of(site: Site) -> Volume:
    grid = replace(site.grid, shape=(6, 12, 10))
    return Volume(np.random.default_rng(0).uniform(0, 2000, grid.shape).astype(np.float32), grid.affine)


def written(site: Site) -> list[Dataset]:
    return series_of(volume_of(site), site, examination=EXAMINATION, number=7)


def stack_of(site: Site, folder: Path) -> Stack:
    paths = save_study([ScannedSeries(site.name, "SCANNER", written(site))], folder)
    (stack,) = split([frame for path in paths for frame in read_frames(path).frames])
    return stack


@pytest.mark.parametrize("site", EVERY, ids=lambda site: site.name)
def test_the_node_sees_each_site_for_what_it_is(site: Site, tmp_path: Path) -> None:
    stack = stack_of(site, tmp_path)
    assert refusal(stack) is None
    facts = stack.facts
    assert facts.get("manufacturer") == site.vendor
    assert f"{facts.get('field_strength_t'):g} T" == site.field_strength
    assert facts.get("contrast") == site.contrast
    assert facts.get("is_3d") is (site.grid.thickness_mm is None)
    assert facts.get("orientation") == site.grid.plane
    assert facts.get("contrast_agent") is False
    assert facts.get("is_original") is True
    assert facts.get("spacing_mm") == pytest.approx(site.grid.spacing_mm[0], abs=1e-3)


@pytest.mark.parametrize("site", [SITES["siemens-3t"], UNSEEN["siemens-3t-2d-t2"]], ids=lambda site: site.name)
def test_the_node_reads_back_what_was_scanned(site: Site, tmp_path: Path) -> None:
    volume, read = volume_of(site), read_volume(stack_of(site, tmp_path))
    back = np.linalg.inv(volume.affine) @ read.affine
    turned = volume.voxels[::-1] if back[0, 0] < 0 else volume.voxels
    assert np.abs(read.voxels - turned).max() <= 0.5 + 1e-3
    assert np.allclose(np.abs(back[:3, :3]), np.eye(3), atol=1e-5)


def test_a_siemens_mprage_is_told_as_siemens_tells_it() -> None:
    first = written(SITES["siemens-3t"])[0]
    assert (first.SeriesDescription, first.SequenceName) == ("t1_mprage_sag", "*tfl3d1")
    assert (list(first.ScanningSequence), list(first.SequenceVariant)) == (["GR", "IR"], ["SK", "SP", "MP"])
    assert (first.RepetitionTime, first.InversionTime, first.EchoTrainLength) == (1900, 900, 1)
    assert "SpacingBetweenSlices" not in first
    assert "RescaleSlope" not in first
    assert first.BitsStored == 12


def test_repetition_time_has_the_meaning_of_its_vendor() -> None:
    repetition = {name: float(written(site)[0].RepetitionTime) for name, site in SITES.items()}
    assert repetition == {"philips-3t": 9.9, "ge-15t": 9.2, "ge-15t-b": 10.4, "siemens-3t": 1900}


@pytest.mark.parametrize(
    "site", [site for site in UNSEEN.values() if site.grid.thickness_mm], ids=lambda site: site.name
)
def test_slices_with_gaps_are_thinner_than_their_distance(site: Site) -> None:
    first = written(site)[0]
    assert float(first.SliceThickness) == site.grid.thickness_mm
    assert float(first.SpacingBetweenSlices) == pytest.approx(site.grid.spacing_mm[0])


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("site", EVERY, ids=lambda site: site.name)
def test_dciodvfy_finds_no_error(site: Site, tmp_path: Path) -> None:
    path, *_ = save_study([ScannedSeries(site.name, "SCANNER", written(site))], tmp_path / "one")
    found = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    assert [line for line in found.stderr.splitlines() if line.startswith("Error")] == []
