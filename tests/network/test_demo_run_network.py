"""The demo from its start to its end, on coarse virtual scans."""

from __future__ import annotations

import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import pytest

from dicom_node.demo.run import main
from dicom_node.demo.virtual_scanner import demo_study

pytestmark = pytest.mark.network


def test_every_series_of_a_folder_comes_to_a_derived_series_or_a_reason(tmp_path: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "notes.txt").write_text("no image", encoding="utf-8")
    for scan in demo_study(100, spacing_mm=4):
        for dataset in scan.datasets:
            dataset.save_as(study / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
    command = [sys.executable, "-m", "dicom_node.demo", "--input", str(study), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 derived, 2 left alone for a stated reason, 0 failed" in done.stdout
    assert "Not sent, 1 without DICOM images in them: notes.txt" in done.stdout
    assert "No truth is known of these series" in " ".join(done.stdout.split())
    assert "\x1b" not in done.stdout
    assert (tmp_path / "out" / "before_after.png").stat().st_size > 10_000
    assert len(list((tmp_path / "out" / "derived").iterdir())) == 2


def test_a_virtual_study_is_compared_with_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("dicom_node.demo.run.demo_study", partial(demo_study, spacing_mm=4))
    with warnings.catch_warnings():  # what the demo sets for its own process
        assert main(["--output", str(tmp_path / "out")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "2 derived, 2 left alone for a stated reason, 0 failed" in told
    assert "Sag 3D T1 IR-SPGR → siemens-3t" in told
    assert "All of it is simulated, so the truth is known" in told
    assert (tmp_path / "out" / "against_truth.png").stat().st_size > 10_000
