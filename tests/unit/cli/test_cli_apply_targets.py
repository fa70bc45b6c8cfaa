"""``apply`` with targets of a site's own: added ones, and references that are measured for one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import look_bundle
import nibabel
import numpy as np
import phantom
import pytest
from dicom_files import write_dicom
from made_series import a_few
from pydicom import Dataset, dcmread

from dicom_node import app
from dicom_node.domain.ports import InferenceOutcome, InferenceRequest
from inference.added import AddedLooks
from inference.look import TOP, look_of, profile

MODEL = ("--model", look_bundle.NAME)


class Scales:
    """Runs what `look_bundle` runs, with the folder of looks that the command gives its worker."""

    def __init__(self, targets: Path) -> None:
        self._added = AddedLooks(targets)

    def run(self, request: InferenceRequest) -> InferenceOutcome:
        return look_bundle.outcome(request, self._added)

    def close(self) -> None: ...


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AddedLooks:
    """Return where a node with a model that takes looks keeps them; there is a T1 look, `ours`."""
    look_bundle.write(tmp_path / "models", tmp_path / "new")
    (tmp_path / "node.yaml").write_text("infer: {models: [models]}\n")
    monkeypatch.setattr(app, "local_executor", lambda _settings, _scratch, targets: Scales(targets))
    added = AddedLooks(tmp_path / "var" / "targets")
    added.put("ours", look_of([phantom.head(seed=9)], contrast="T1"))
    return added


def nifti(path: Path, *, gain: float = 1.0, seed: int = 0) -> Path:
    volume = phantom.head(gain=gain, seed=seed)
    affine = np.diag([-1.0, -1, 1, 1]) @ volume.affine @ np.eye(4)[[2, 1, 0, 3]]
    image = nibabel.Nifti1Image(volume.voxels.T.copy(), affine)
    image.set_sform(affine, code="scanner")
    nibabel.save(image, path)
    return path


def derived(folder: Path) -> Dataset:
    return dcmread(next(folder.rglob("*.dcm")))


def test_an_added_target_is_named_like_one_of_the_models_own(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    done = run("apply", *MODEL, "--target", "ours", write_dicom(a_few(), tmp_path / "in"), tmp_path / "out")
    assert (done.status, done.err) == (0, "")
    assert site.get("ours").digest in derived(tmp_path / "out").DerivationDescription


def test_references_make_a_look_for_one_run(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    references = [write_dicom(a_few(seed=seed), tmp_path / f"r{seed}") for seed in (1, 2)]
    source = write_dicom(a_few(), tmp_path / "in")
    named = [part for path in references for part in ("--reference", path)]
    done = run("apply", *MODEL, *named, source, tmp_path / "out")
    assert done.status == 0
    assert done.err.count(": taken as a reference\n") == 2
    assert "mind: 2 references: " in done.err
    header = derived(tmp_path / "out")
    assert header.SeriesDescription.startswith("RESEARCH harmonization reference | ")
    assert "target reference; target sha256 " in header.DerivationDescription
    assert list(site.looks()) == ["ours"]
    other = run("apply", *MODEL, *named[:2], source, tmp_path / "other")
    assert other.status == 0
    assert derived(tmp_path / "other").SeriesInstanceUID != header.SeriesInstanceUID


def test_nifti_references_and_a_nifti_head(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    reference, head = nifti(tmp_path / "reference.nii", seed=1), nifti(tmp_path / "head.nii", gain=0.4)
    done = run("apply", *MODEL, "--reference", reference, "--contrast", "T2", head, tmp_path / "out.nii")
    assert done.status == 0
    assert "assumed" not in done.err
    voxels = np.asarray(nibabel.load(tmp_path / "out.nii").dataobj, np.float32).T
    assert profile(phantom.head().with_voxels(voxels)).anchor == pytest.approx(TOP, rel=1e-3)


def test_the_contrast_of_a_nifti_file_is_taken_to_be_that_of_the_target(
    run: Any, site: AddedLooks, tmp_path: Path
) -> None:
    head = nifti(tmp_path / "head.nii")
    done = run("apply", *MODEL, "--target", "ours", head, tmp_path / "out.nii")
    assert (done.status, done.err) == (0, f"{head}: its contrast is assumed to be T1; --contrast says otherwise\n")
    refusal = run("apply", *MODEL, "--target", "ours", "--contrast", "T2", head, tmp_path / "t2.nii").refusal
    assert refusal == "dicom-node: the contrast is T2; that of the target is T1\n"


def test_a_series_of_another_contrast_than_the_references_is_not_derived(
    run: Any, site: AddedLooks, tmp_path: Path
) -> None:
    reference = write_dicom(a_few(seed=1), tmp_path / "reference")
    source = write_dicom(a_few(description="FSE PD AXIAL"), tmp_path / "in")
    done = run("apply", *MODEL, "--reference", reference, source, tmp_path / "out")
    assert done.status == 1
    assert "that of the target is T1" in done.err
    assert not (tmp_path / "out").exists()


def test_a_target_and_references_exclude_each_other(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    head = nifti(tmp_path / "head.nii")
    both = ("--target", "ours", "--reference", head)
    assert run("apply", *MODEL, *both, head, tmp_path / "out.nii").status == 2


def test_a_model_that_takes_no_looks_takes_no_references(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    manifest = tmp_path / "models" / look_bundle.NAME / "model.yaml"
    manifest.write_text(manifest.read_text().replace(look_bundle.ADDED, "qa:"))
    head = nifti(tmp_path / "head.nii")
    done = run("apply", *MODEL, "--reference", head, head, tmp_path / "out.nii")
    assert done.status == 2
    assert "takes no references" in done.err


def test_nifti_references_of_a_model_for_any_contrast_need_theirs_told(
    run: Any, site: AddedLooks, tmp_path: Path
) -> None:
    head = nifti(tmp_path / "head.nii")
    done = run("apply", *MODEL, "--reference", head, head, tmp_path / "out.nii")
    assert done.status == 2
    assert "--contrast is needed" in done.err
