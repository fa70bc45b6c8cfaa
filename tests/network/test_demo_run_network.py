"""The demo as a user starts it, on a folder of coarse virtual scans and a file that is no image."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dicom_node.demo.virtual_scanner import demo_study

pytestmark = pytest.mark.network


def test_every_series_of_a_folder_comes_to_a_derived_series_or_a_reason(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "notes.txt").write_text("no image", encoding="utf-8")
    for scan in demo_study(100, spacing_mm=3):
        for dataset in scan.datasets:
            dataset.save_as(study / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
    command = [sys.executable, "-m", "dicom_node.demo", "--input", str(study), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 derived, 2 left alone for a stated reason, 0 failed" in done.stdout
    assert "Not sent, 1 without DICOM images in them: notes.txt" in done.stdout
    assert "\x1b" not in done.stdout
    assert (tmp_path / "out" / "before_after.png").stat().st_size > 10_000
    assert len(list((tmp_path / "out" / "derived").iterdir())) == 2
