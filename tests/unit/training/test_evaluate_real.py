"""Real volumes: read into the patient's frame, averaged, and used as truths with the looks of others."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from inference.look import TOP, profile
from inference.volume import Volume
from training.evaluate.e1 import RealCase
from training.evaluate.people import People
from training.evaluate.real import VARIABLE, coarse, data_folder, read_real
from training.evaluate.splits import Splits
from training.simulate.grid import Grid
from training.simulate.head import procedural_head
from training.simulate.scan import scan
from training.simulate.sites import SITES


def write_nifti(path: Path, volume: Volume) -> None:
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine[:, [2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(volume.voxels.transpose(2, 1, 0), to_ras), path)


def test_nifti_comes_out_in_lps_with_slices_first(tmp_path: Path) -> None:
    voxels = np.zeros((4, 5, 6), np.float32)  # x, y, z
    voxels[1, 2, 3] = 7
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (10, 20, 30)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / "a.nii.gz")
    volume = read_real(tmp_path, "a.nii.gz", unpacked=tmp_path)
    assert volume is not None
    assert volume.voxels.shape == (6, 5, 4)
    assert volume.voxels[3, 2, 1] == 7
    assert (volume.affine @ [3, 2, 1, 1])[:3] == pytest.approx([-12, -26, 42])


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_real(tmp_path, "nothing.nii.gz", unpacked=tmp_path) is None


def test_averaging_keeps_the_middle_of_what_is_averaged() -> None:
    volume = Volume(np.arange(64, dtype=np.float32).reshape(4, 4, 4), np.eye(4))
    small = coarse(volume, 2.0)
    assert small.voxels.shape == (2, 2, 2)
    assert small.voxels[0, 0, 0] == volume.voxels[:2, :2, :2].mean()
    assert (small.affine @ [0, 0, 0, 1])[:3] == pytest.approx([0.5, 0.5, 0.5])


def test_the_data_folder_is_given_or_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert data_folder(None) == tmp_path
    with pytest.raises(FileNotFoundError, match="no such data folder"):
        data_folder(tmp_path / "absent")
    monkeypatch.delenv(VARIABLE)
    assert data_folder(None) is None


def test_a_real_truth_gets_the_look_of_others(tmp_path: Path) -> None:
    grid = Grid("axial", (60, 60, 50), (4.0, 4.0, 4.0))
    for seed, site in ((5, "siemens-3t"), (6, "ge-15t")):
        write_nifti(tmp_path / f"{seed}.nii.gz", scan(procedural_head(seed, 4.0), SITES[site], seed=1, grid=grid))
    both = {
        "ann": {"path": "5.nii.gz", "contrast": "T1", "subject": "ann", "side": "test", "references": ["bob"]},
        "bob": {"path": "6.nii.gz", "contrast": "T1", "subject": "bob", "side": "test"},
    }
    splits = Splits.model_validate({
        "labelmaps": {"train": [], "test": []}, "procedural": {"train": [0, 1], "test": [2, 3]}, "real": both,
    })  # fmt: skip
    people = People(splits, tmp_path, tmp_path / "cache", 4.0, 4.0)
    trial = RealCase("ann", "gamma 1.5", "ann", "T1").trial(people)
    bob = read_real(tmp_path, "6.nii.gz", unpacked=tmp_path)
    assert bob is not None
    assert trial.look.deep[0] == pytest.approx(profile(bob).scaled().deep)
    assert profile(trial.truth).anchor == pytest.approx(TOP, rel=0.02)
    assert trial.target is None
