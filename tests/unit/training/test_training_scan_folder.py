"""Scans of a site's own: what is read, what is left out with its reason, and what a flow learns from them."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import phantom
import pytest
from made_series import a_few, made_series

from inference.volume import Volume
from training import export_mrflow
from training.examples.site_slices import folder_sites
from training.examples.target_scans import of_folder, read
from training.loops import mhgan, mrflow

CONFIGS = Path(__file__).parents[3] / "training" / "configs"


def write_nifti(volume: Volume, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-1.0, -1, 1, 1]) @ volume.affine @ np.eye(4)[[2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(volume.voxels.T.copy(), affine), path)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a DICOM series, two NIfTI files, and what is no scan of a head."""
    folder = tmp_path_factory.mktemp("sites") / "our-scanner"
    (folder / "anna").mkdir(parents=True)
    for number, ds in enumerate(made_series(seed=1)):
        ds.save_as(folder / "anna" / f"{number}.dcm", enforce_file_format=True)
    for name, seed in (("berta.nii", 2), ("carla.nii.gz", 3)):
        write_nifti(phantom.head(seed=seed), folder / name)
    air = phantom.head()
    write_nifti(air.with_voxels(np.zeros_like(air.voxels)), folder / "air.nii")
    (folder / "notes.txt").write_text("not an image")
    (folder / ".hidden").write_text("")
    (folder / "two-series").mkdir()
    for number, ds in enumerate((*a_few()[:3], *a_few(spacing_mm=4.0)[:3])):
        ds.save_as(folder / "two-series" / f"{number}.dcm", enforce_file_format=True)
    return folder


def test_a_flow_learns_from_all_but_the_last_and_what_is_left_out_is_told(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = of_folder(scans, tmp_path, target="our-scanner")
    assert (len(found.train), len(found.validation)) == (2, 1)
    (last,) = read(tmp_path, "our-scanner", "carla.nii.gz")
    np.testing.assert_array_equal(found.validation[0].voxels, last.voxels)
    assert 0.8 < np.percentile(last.voxels[last.inside], 80) < 1.6
    told = capsys.readouterr().err.splitlines()
    assert [line.split(": left out: ")[0] for line in told] == [
        str(scans / name) for name in ("air.nii", "notes.txt", "two-series")
    ]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "our-scanner").iterdir()}
    of_folder(scans, tmp_path, target="our-scanner")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "our-scanner").iterdir()} == before


def test_a_site_of_the_gan_is_read_in_the_same_way(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site,) = folder_sites(scans.parent, tmp_path)
    assert [each.person for each in (*site.train, *site.validation)] == ["anna", "berta.nii", "carla.nii.gz"]
    assert capsys.readouterr().err.count(": left out: ") == 3


@pytest.mark.parametrize(
    ("target", "keep", "words"),
    [
        ("siemens-3t", True, "siemens-3t is a virtual site: call your own scanner otherwise, with --target"),
        ("ours", False, "0 heads; put scans of two people or more there, one an entry"),
    ],
)
def test_the_command_says_what_is_wrong_with_a_folder(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, target: str, keep: bool, words: str
) -> None:
    (tmp_path / "empty").mkdir()
    told = [
        "--config",
        str(CONFIGS / "mrflow.yaml"),
        "--run",
        str(tmp_path / "run"),
        "--cache",
        str(tmp_path / "cache"),
    ]
    with pytest.raises(SystemExit) as end:
        mrflow.main([*told, "--target", target, "--scans", str(scans if keep else tmp_path / "empty")])
    assert end.value.code == 2
    assert words in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_told_by_the_gan_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mhgan.yaml"
    text = (CONFIGS / "mhgan.yaml").read_text()
    config.write_text(text.replace("procedural_heads: 4", "procedural_heads: 0"))
    told = ["--config", str(config), "--run", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]
    with pytest.raises(SystemExit) as end:
        mhgan.main([*told, "--sites", str(tmp_path / "nowhere")])
    assert end.value.code == 2
    assert "nowhere" in capsys.readouterr().err


def test_help_of_the_flow_names_all_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mrflow.main(["--help"])
    told = capsys.readouterr().out
    assert all(option in told for option in ("--target", "--scans", "--run", "--fraction"))


def test_a_bundle_has_the_targets_that_have_a_run(tmp_path: Path) -> None:
    export_mrflow.begin(tmp_path, ["our-scanner", "ge-15t"])
    manifest = export_mrflow.YAML(typ="safe", pure=True).load(tmp_path / "model.yaml")
    assert set(manifest["targets"]) == {"our-scanner", "ge-15t"}
    assert manifest["targets"]["our-scanner"] == manifest["targets"]["ge-15t"]
    assert manifest["reference"]["target"] == "our-scanner"
