"""Folders of DICOM a scanner: what training reads from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import phantom
import pytest
from pydicom import dcmread

from dicom_node.demo import site_folders
from training.evaluate.real import read_real


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return folders that were written with phantoms in place of heads: these take seconds each."""
    monkeypatch.setattr(site_folders, "procedural_head", lambda seed, _spacing_mm: seed)
    monkeypatch.setattr(site_folders, "scan", lambda head, _site, *, seed: phantom.head(seed=seed))
    site_folders.main([str(tmp_path / "sites"), "--people", "2"])
    assert capsys.readouterr().out.count(": 48 images\n") == 4
    return tmp_path / "sites"


def test_each_scanner_has_people_of_its_own_with_the_headers_of_its_vendor(folder: Path, tmp_path: Path) -> None:
    headers = {
        place: dcmread(next(place.iterdir()), stop_before_pixels=True)
        for site in folder.iterdir()
        for place in site.iterdir()
    }
    assert {place.parent.name for place in headers} == set(site_folders.SCANNERS)
    assert len({header.PatientID for header in headers.values()}) == len(headers) == 4
    assert {header.Manufacturer.split()[0] for header in headers.values()} == {"GE", "Philips"}


def test_what_is_written_is_read_as_one_volume(folder: Path, tmp_path: Path) -> None:
    found = read_real(folder / "ward-ge", "person-01", unpacked=tmp_path)
    assert found is not None
    assert sorted(found.voxels.shape) == sorted(phantom.head().voxels.shape)
    assert np.percentile(found.voxels, 99) > 100


def test_nothing_that_is_there_is_written_over(folder: Path) -> None:
    with pytest.raises(FileExistsError):
        site_folders.write_sites(folder, people=1, spacing_mm=2)
