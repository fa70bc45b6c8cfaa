"""``apply``: files in, files out, through the gates of a node."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import any_contrast_bundle
import nibabel
import numpy as np
import phantom
import pytest
from dicom_files import write_dicom
from harness import HereExecutor
from made_series import a_few
from pydicom import dcmread
from pydicom.uid import MRImageStorage

from dicom_node import app
from dicom_node.domain.ports import InferenceOutcome
from dicom_node.errors import ModelCrashed
from dicom_node.settings import Settings
from inference.registry import SHIPPED, Registry

ANY = ("--model", any_contrast_bundle.NAME)
T1_ONLY = ("--model", "test-t1-only")

# rotated and with a shear that no scanner makes, but a registration may
OBLIQUE = np.array([[-4.9, 0.3, 0.5, 90], [0.4, 4.9, -0.6, -110], [0.2, 0.7, 5.0, -118], [0, 0, 0, 1]])


@pytest.fixture
def executor(worked: Path, monkeypatch: pytest.MonkeyPatch) -> HereExecutor:
    """Have models run in this process, which spares the start of another."""
    executor = HereExecutor(Registry([SHIPPED, worked / "var" / "models"]))
    monkeypatch.setattr(app, "local_executor", lambda *_: executor)
    return executor


@pytest.fixture
def apply(run: Any, config: Any, executor: HereExecutor) -> Any:
    return lambda *arguments: run("apply", *arguments, *config)


def nifti(path: Path, voxels: np.ndarray[Any, Any], affine: np.ndarray[Any, Any] = OBLIQUE, **header: Any) -> Path:
    image = nibabel.Nifti1Image(voxels, affine)
    image.set_sform(affine, code="scanner")
    image.header.set_xyzt_units("mm", "sec")
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


def head() -> np.ndarray[Any, Any]:
    """Return a head as NIfTI stores it: the fastest axis first."""
    return phantom.head().voxels.T.copy()


# --- DICOM


def test_from_dicom_comes_dicom(apply: Any, tmp_path: Path) -> None:
    source = a_few()
    done = apply(*ANY, write_dicom(source, tmp_path / "in"), tmp_path / "out")
    assert (done.status, done.err) == (0, "")
    assert done.out == f"{source[0].SeriesInstanceUID}: 20 instances in {tmp_path / 'out' / '001'}\n"
    derived = [dcmread(path) for path in sorted((tmp_path / "out" / "001").iterdir())]
    assert [ds.file_meta.MediaStorageSOPClassUID for ds in derived] == [MRImageStorage] * 20
    assert {ds.SeriesInstanceUID for ds in derived} != {source[0].SeriesInstanceUID}
    assert {ds.StudyInstanceUID for ds in derived} == {source[0].StudyInstanceUID}
    assert {ds.PatientID for ds in derived} == {source[0].PatientID}
    places = [sorted(tuple(ds.ImagePositionPatient) for ds in series) for series in (derived, source)]
    assert places[0] == places[1]
    assert derived[0].SeriesNumber == 1004
    assert any(ds.pixel_array.any() for ds in derived)


def test_the_same_input_gives_the_same_series_uid(apply: Any, tmp_path: Path) -> None:
    folder = write_dicom(a_few(), tmp_path / "in")
    for out in ("one", "two"):
        assert apply(*ANY, folder, tmp_path / out).status == 0
    uids = {dcmread(path).SeriesInstanceUID for path in tmp_path.glob("[ot][nw][eo]/001/*.dcm")}
    assert len(uids) == 1


def test_what_the_model_does_not_take_is_told_and_the_rest_derived(apply: Any, tmp_path: Path) -> None:
    t1, t2 = a_few(), a_few(description="Ax T2 TSE")
    for ds in t2:
        ds.SeriesNumber, ds.EchoTime, ds.InversionTime, ds.ScanningSequence = 5, 100, None, "SE"
    folder = write_dicom([*t1, *t2], tmp_path / "in")
    (folder / "notes.txt").write_text("x")
    done = apply(*T1_ONLY, folder, tmp_path / "out")
    assert done.status == 0
    assert done.out.count("\n") == 1
    assert done.out.startswith(f"{t1[0].SeriesInstanceUID}: 20 instances in ")
    junk, refused = done.err.splitlines()
    assert junk.startswith("1 file left out: not ")
    assert refused == f"{t2[0].SeriesInstanceUID}: not derived: the contrast is T2; the model takes T1"


def test_a_series_with_a_cut_slice_is_not_derived_and_nothing_is_left_behind(
    apply: Any, tmp_path: Path, executor: HereExecutor
) -> None:
    folder = write_dicom(a_few(), tmp_path / "in")
    cut = min(folder.iterdir())
    cut.write_bytes(cut.read_bytes()[:-10])
    done = apply(*ANY, folder, tmp_path / "out")
    assert (done.status, done.out) == (1, "")
    assert "not derived: 1 of its files cannot be read" in done.err
    assert done.err.splitlines()[-1] == (f"dicom-node: {folder}: no series could be derived, for the reasons above")
    assert executor.ran == 0
    assert not (tmp_path / "out").exists()


def test_a_model_that_breaks_on_one_series_leaves_the_others(
    apply: Any, tmp_path: Path, executor: HereExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = a_few(), a_few()
    for ds in other:
        ds.SeriesNumber = 5
    run = executor.run

    def break_once(request: Any) -> InferenceOutcome:
        executor.error = (
            ModelCrashed("the inference process ended in the middle of the job") if not executor.ran else None
        )
        return run(request)

    monkeypatch.setattr(executor, "run", break_once)
    done = apply(*ANY, write_dicom([*one, *other], tmp_path / "in"), tmp_path / "out")
    assert done.status == 0
    assert done.err.endswith(": not derived: the inference process ended in the middle of the job\n")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["002"]


def test_nothing_is_written_over(apply: Any, tmp_path: Path, executor: HereExecutor) -> None:
    folder = write_dicom(a_few(), tmp_path / "in")
    image = nifti(tmp_path / "in.nii", head())
    before = image.read_bytes()
    for source, out in ((folder, folder), (image, image)):
        refusal = apply(*ANY, source, out).refusal
        assert refusal == f"dicom-node: {out}: is there already, and is not written over: name a new one\n"
    assert executor.ran == 0
    assert image.read_bytes() == before
    assert len(list(folder.iterdir())) == 20


def test_an_empty_folder_is_as_good_as_a_new_one(apply: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert apply(*ANY, write_dicom(a_few(), tmp_path / "in"), tmp_path / "out").status == 0


@pytest.mark.parametrize(
    ("source", "out", "reason"),
    [
        ("nowhere", "out", "nowhere: there is no such file or folder"),
        ("nowhere.nii", "out.nii", "nowhere.nii: there is no such file or folder"),
        ("head.nii", "out", "out: from head.nii comes a file that ends in .nii or .nii.gz: name one"),
        ("head.nii", "out.img", "out.img: from head.nii comes a file that ends in .nii or .nii.gz: name one"),
        ("in", "out.nii.gz", "out.nii.gz: from in comes a folder for DICOM files: name one"),
        ("in", "head.nii/out", "head.nii/out/001: Not a directory"),
    ],
)
def test_paths_that_do_not_go_together_are_one_line(
    apply: Any, tmp_path: Path, source: str, out: str, reason: str
) -> None:
    nifti(tmp_path / "head.nii", head())
    write_dicom(a_few(), tmp_path / "in")
    assert apply(*ANY, source, out).refusal == f"dicom-node: {reason}\n"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (("--model", "harmonize-niul"), "there is no model 'harmonize-niul'; did you mean 'harmonize-nyul'?"),
        ((*T1_ONLY, "--target", "ge"), "model test-t1-only has no target 'ge': it offers plain"),
    ],
)
def test_a_model_or_target_that_is_not_there_is_one_line(apply: Any, tmp_path: Path, model: Any, reason: str) -> None:
    assert apply(*model, write_dicom(a_few()[:2], tmp_path / "in"), "out").refusal == f"dicom-node: {reason}\n"


# --- NIfTI


def test_a_nifti_file_keeps_its_grid_affine_and_codes(run: Any, config: Any, tmp_path: Path) -> None:
    """By the executor that the command uses: a process of its own."""
    source = nifti(tmp_path / "head.nii.gz", np.round(head()).astype(np.int16), cal_max=900)
    done = run("apply", *ANY, source, tmp_path / "new" / "out.nii.gz", *config)
    assert (done.status, done.err) == (0, "")
    before, after = nibabel.load(source), nibabel.load(tmp_path / "new" / "out.nii.gz")
    assert after.shape == before.shape
    assert after.get_data_dtype() == np.float32
    np.testing.assert_array_equal(after.affine, before.affine)
    for key in ("pixdim", "qform_code", "sform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "xyzt_units"):
        np.testing.assert_array_equal(after.header[key], before.header[key], err_msg=key)
    assert after.header["cal_max"] == 0
    correlation = np.corrcoef(np.ravel(before.dataobj), np.ravel(after.dataobj))[0, 1]
    assert correlation > 0.95


def test_the_slope_of_stored_integers_is_applied(apply: Any, tmp_path: Path) -> None:
    voxels = np.round(head())
    nifti(tmp_path / "plain.nii", voxels.astype(np.float32))
    scaled = nibabel.Nifti1Image((voxels * 2 - 100).astype(np.int16), OBLIQUE)
    scaled.header.set_slope_inter(0.5, 50)
    nibabel.save(scaled, tmp_path / "scaled.nii")
    for name in ("plain", "scaled"):
        assert apply(*ANY, tmp_path / f"{name}.nii", tmp_path / f"{name}-out.nii").status == 0
    plain, scaled = (nibabel.load(tmp_path / f"{name}-out.nii").get_fdata() for name in ("plain", "scaled"))
    np.testing.assert_allclose(scaled, plain, rtol=1e-5)


def test_a_last_axis_of_one_stays(apply: Any, tmp_path: Path) -> None:
    source = nifti(tmp_path / "head.nii", head()[..., np.newaxis])
    assert apply(*ANY, source, tmp_path / "out.nii").status == 0
    assert nibabel.load(tmp_path / "out.nii").shape == (*head().shape, 1)


def test_a_nifti_2_file_stays_one(apply: Any, tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(head(), OBLIQUE), tmp_path / "head.nii")
    assert apply(*ANY, tmp_path / "head.nii", tmp_path / "out.nii").status == 0
    assert type(nibabel.load(tmp_path / "out.nii")) is nibabel.Nifti2Image


def test_the_contrast_of_the_model_is_assumed_and_said(apply: Any, tmp_path: Path) -> None:
    source = nifti(tmp_path / "head.nii", head())
    done = apply(*T1_ONLY, source, tmp_path / "out.nii")
    assert (done.status, done.out) == (0, f"{tmp_path / 'out.nii'}: written\n")
    assert done.err == f"{source}: its contrast is assumed to be T1; --contrast says otherwise\n"
    assert apply(*T1_ONLY, "--contrast", "T1", source, tmp_path / "again.nii").err == ""


def test_a_contrast_that_the_model_does_not_take_is_refused(apply: Any, tmp_path: Path) -> None:
    source = nifti(tmp_path / "head.nii", head())
    refusal = apply(*T1_ONLY, "--contrast", "T2", source, "out.nii").refusal
    assert refusal == "dicom-node: the contrast is T2; the model takes T1\n"
    assert not (tmp_path / "out.nii").exists()


def _colours(path: Path) -> None:
    rgb = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(rgb, OBLIQUE), path)


def _nowhere(path: Path) -> None:
    image = nibabel.Nifti1Image(head(), None)
    nibabel.save(image, path)


def _first_row(path: Path, row: list[float]) -> None:
    """Change srow_x, which nibabel would not save like this."""
    nifti(path, head())
    content = path.read_bytes()
    path.write_bytes(content[:280] + struct.pack("<4f", *row) + content[296:])


def _cut(path: Path) -> None:
    nifti(path, head())
    path.write_bytes(path.read_bytes()[:-5000])


REFUSED = {
    "4D": (lambda path: nifti(path, np.stack([head(), head()], axis=-1)), "has 4 axes; a volume has 3: save one"),
    "2D": (lambda path: nifti(path, head()[..., 0]), "has 2 axes"),
    "complex": (lambda path: nifti(path, head().astype(np.complex64)), "colours or complex numbers"),
    "colours": (_colours, "colours or complex numbers"),
    "nowhere": (_nowhere, "does not say where it lies"),
    "not a number": (lambda path: nifti(path, np.where(head() > 500, np.nan, head())), "some voxels are not numbers"),
    "blank": (lambda path: nifti(path, np.zeros((9, 9, 9), np.float32)), "the image is blank"),
    "singular affine": (lambda path: _first_row(path, [0, 0, 0, 0]), "its affine spans no space"),
    "affine of NaN": (lambda path: _first_row(path, [np.nan] * 4), "its affine spans no space"),
    "cut": (_cut, "is not a NIfTI file that can be read"),
    "text": (lambda path: path.write_text("x" * 500), "is not a NIfTI file that can be read"),
    "empty": (lambda path: path.touch(), "is not a NIfTI file that can be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_nifti_file_that_is_no_volume_is_one_line(apply: Any, tmp_path: Path, name: str) -> None:
    make, reason = REFUSED[name]
    make(tmp_path / "head.nii")
    refusal = apply(*ANY, tmp_path / "head.nii", tmp_path / "out.nii").refusal
    assert reason in refusal
    assert not (tmp_path / "out.nii").exists()


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_gzip_file_is_one_line(apply: Any, tmp_path: Path, damage: str) -> None:
    source = nifti(tmp_path / "head.nii.gz", head())
    content = bytearray(source.read_bytes())
    if damage == "cut":
        del content[-5000:]
    else:
        content[20:30] = b"\xff" * 10
    source.write_bytes(content)
    assert "is not a NIfTI file that can be read" in apply(*ANY, source, "out.nii").refusal


def test_models_run_in_a_folder_that_is_gone_afterwards(
    run: Any, config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratches: list[Path] = []
    real = app.local_executor

    def noted(settings: Settings, scratch: Path, targets: Path) -> Any:
        scratches.append(scratch)
        return real(settings, scratch, targets)

    monkeypatch.setattr(app, "local_executor", noted)
    source = nifti(tmp_path / "head.nii", np.zeros((9, 9, 9), np.float32))
    assert run("apply", *ANY, source, tmp_path / "out.nii", *config).status == 1
    assert [scratch.exists() for scratch in scratches] == [False]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["head.nii"]
