"""From sites to a bundle: scans that are kept, real sites by folder, export, and targets read from references."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import phantom
import pytest
from safetensors.torch import load_file

from inference.bundle import open_bundle
from inference.mhgan.style import styles_in
from inference.registry import verify
from inference.volume import Volume
from training import export_mhgan, mhgan_styles
from training.examples import site_slices
from training.examples.site_slices import SiteSlices, folder_sites, simulated_sites
from training.loops import mhgan
from training.loops.mhgan_config import Config
from training.loops.run import read_config
from training.simulate.head import Head
from training.simulate.sites import SITES

CONFIG = Path(__file__).parents[3] / "training" / "configs" / "mhgan.yaml"


def _write_nifti(volume: Volume, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-1.0, -1, 1, 1]) @ volume.affine @ np.eye(4)[[2, 1, 0, 3]]
    nibabel.save(nibabel.Nifti1Image(volume.voxels.T.copy(), affine), path)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two sites, three people each."""
    folder = tmp_path_factory.mktemp("real")
    for site, gamma in (("old-scanner", 0.8), ("new-scanner", 1.4)):
        for person in range(3):
            _write_nifti(phantom.head(gamma=gamma, seed=person), folder / site / f"p{person}.nii")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, real: Path) -> Path:
    """Return the bundle of a tiny run on two real sites, by the commands that people use."""
    folder = tmp_path_factory.mktemp("made")
    tiny = replace(
        read_config(Config, CONFIG), steps=2, batch=2, width=4, judge_width=4, widest=8, halvings=1, bottleneck=2,
        hidden=8, procedural_heads=0, log_every=1, save_every=1, validate_every=2, validation_batches=1,
    )  # fmt: skip
    config = folder / "tiny.yaml"
    config.write_text("".join(f"{name}: {getattr(tiny, name)}\n" for name in Config.__slots__))
    told = [
        "--config",
        str(config),
        "--run",
        str(folder / "run"),
        "--sites",
        str(real),
        "--cache",
        str(folder / "cache"),
    ]
    mhgan.main([*told, "--threads", "1", "--device", "cpu"])
    with pytest.MonkeyPatch.context() as patch:  # the head of the reference pair: a phantom is quicker than a drawn one
        patch.setattr(export_mhgan, "heads_of", lambda *_: [phantom.head()])
        export_mhgan.main([*told, "--out", str(folder / "harmonize-mhgan"), "--heads", "1"])
    return folder / "harmonize-mhgan"


def test_a_run_on_folders_becomes_a_bundle_with_a_target_for_each_site(made: Path) -> None:
    bundle = open_bundle(made)
    assert tuple(bundle.manifest.targets) == ("new-scanner", "old-scanner")
    assert verify(bundle) < 1e-4
    styles = styles_in(bundle.weights())
    assert not np.allclose(styles["new-scanner"].code, styles["old-scanner"].code)
    assert (made / "MODEL_CARD.md").is_file()
    assert (made.parent / "run" / "samples" / "000002.png").is_file()


def test_scans_of_a_person_are_on_one_side_and_prepared_once(real: Path, tmp_path: Path) -> None:
    new, old = folder_sites(real, tmp_path)
    assert (new.name, old.name) == ("new-scanner", "old-scanner")
    assert [each.person for each in old.train] == ["p0.nii", "p1.nii"]
    assert [each.person for each in old.validation] == ["p2.nii"]
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    folder_sites(real, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps


def test_a_site_of_one_person_is_refused(tmp_path: Path) -> None:
    _write_nifti(phantom.head(), tmp_path / "sites" / "lonely" / "p0.nii")
    with pytest.raises(ValueError, match="two people or more"):
        folder_sites(tmp_path / "sites", tmp_path / "cache")


@pytest.mark.parametrize("name", ["Our Scanner", "ge-15t"])
def test_a_site_that_no_target_can_be_named_after_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "sites" / name).mkdir(parents=True)
    with pytest.raises(ValueError, match="rename it"):
        folder_sites(tmp_path / "sites", tmp_path / "cache")


def test_scans_that_an_earlier_version_prepared_are_told(tmp_path: Path) -> None:
    (tmp_path / "sites" / "ours").mkdir(parents=True)
    (tmp_path / "cache").mkdir()
    for person in ("one.nii", "two.nii"):
        (tmp_path / "sites" / "ours" / person).touch()
        older = {
            "voxels": np.zeros(1, np.float16),
            "floor": -0.4,
            "spans": np.zeros((3, 2), np.int64),
            "person": person,
        }
        np.savez(tmp_path / "cache" / f"ours--{person}.npz", **older)
    with pytest.raises(ValueError, match="an earlier version prepared it: remove its folder"):
        folder_sites(tmp_path / "sites", tmp_path / "cache")


def test_every_head_is_scanned_in_every_virtual_site_and_the_air_is_black(
    tmp_path: Path, drawn: Callable[[int, float], Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_slices, "_COARSE_MM", 6.0)
    monkeypatch.setattr(site_slices.zlib, "crc32", lambda _: 1)
    heads = dict.fromkeys(("procedural-003", "procedural-900"), lambda: drawn(3, 2.0))
    monkeypatch.setattr(site_slices, "people", lambda *_, **__: ({}, heads))
    sites = simulated_sites(None, tmp_path, procedural=1, deformations=0)
    assert [site.name for site in sites] == list(SITES)
    assert all((len(site.train), len(site.validation)) == (1, 1) for site in sites)
    one = sites[0].train[0]
    assert (one.voxels[:, 0, 0] == np.float16(one.floor)).all()
    assert 0.15 < one.voxels[60:90, 40:80, 30:60].std() * 4 < 2
    batch = SiteSlices(sites, batch=4, seed=0)[0]
    assert np.isfinite(batch["source"]).all()


def test_a_reference_becomes_a_target_of_the_bundle(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / made.name))
    reference = tmp_path / "ours.nii"
    _write_nifti(phantom.head(gamma=1.2, seed=9), reference)
    told = ["--bundle", str(folder), "--reference", str(reference)]
    assert mhgan_styles.main([*told, "--name", "ours"]) == 0
    bundle = open_bundle(folder)
    assert "ours" in bundle.manifest.targets
    assert bundle.digest != open_bundle(made).digest
    assert mhgan_styles.main([*told, "--name", "ours"]) == 2
    before = (folder / "model.yaml").read_bytes()
    assert mhgan_styles.main([*told, "--name", "Not A Name"]) == 2
    assert (folder / "model.yaml").read_bytes() == before


def test_weights_of_a_run_tell_the_sites_and_their_black(made: Path) -> None:
    weights = load_file(made.parent / "run" / "weights.safetensors")
    assert weights["site.old-scanner"][0] == 1
    assert -1 < weights["site.old-scanner"][1] < 0
