"""``apply`` with a synthetic CT: CT images of a DICOM folder, HU on its own grid of a NIfTI file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import phantom
import pytest
import unet_bundle
from dicom_files import write_dicom
from harness import HereExecutor
from made_series import made_series
from pydicom import dcmread
from pydicom.uid import ParametricMapStorage

from dicom_node import app
from inference.registry import SHIPPED, Registry

MODEL = ("--model", "synth-ct-bulk")


@pytest.fixture
def apply(run: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(app, "local_executor", lambda *_: HereExecutor(Registry([SHIPPED])))
    return lambda *arguments: run("apply", *MODEL, *arguments)


def test_from_an_mr_comes_a_ct(apply: Any, tmp_path: Path) -> None:
    series = made_series(spacing_mm=3.0)
    done = apply(write_dicom(series, tmp_path / "in"), tmp_path / "out")
    assert (done.status, done.err) == (0, "")
    images = [dcmread(path) for path in sorted((tmp_path / "out" / "001").iterdir())]
    assert len(images) == len(series)
    assert {image.Modality for image in images} == {"CT"}


def test_from_nifti_comes_nifti_in_hounsfield_units(apply: Any, tmp_path: Path) -> None:
    volume = phantom.head((3.0, 3.0, 3.0), phantom.SAGITTAL)
    affine = np.diag([-1.0, -1, 1, 1]) @ volume.affine @ np.eye(4)[[2, 1, 0, 3]]
    image = nibabel.Nifti1Image(volume.voxels.T.copy(), affine)
    image.set_sform(affine, code="scanner")
    nibabel.save(image, tmp_path / "in.nii")
    done = apply(tmp_path / "in.nii", tmp_path / "out.nii")
    assert done.status == 0, done.err
    made = nibabel.load(tmp_path / "out.nii")
    np.testing.assert_allclose(made.affine, image.affine)
    assert set(np.unique(made.get_fdata())) <= {-1024, -1000, -100, 40, 800}


def test_how_unsure_a_model_is_comes_as_one_map(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unet_bundle.write(tmp_path / "models")
    (tmp_path / "node.yaml").write_text("infer: {models: [models]}\n")
    monkeypatch.setattr(app, "local_executor", lambda *_: HereExecutor(Registry([tmp_path / "models"])))
    source = write_dicom(unet_bundle.small_series(), tmp_path / "in")
    done = run("apply", "--model", unet_bundle.NAME, "--output", "uncertainty", source, tmp_path / "out")
    assert (done.status, done.err) == (0, "")
    (path,) = (tmp_path / "out" / "001").iterdir()
    image = dcmread(path)
    assert image.SOPClassUID == ParametricMapStorage
    assert image.pixel_array.max() > 0


def test_a_model_that_cannot_tell_is_refused_before_it_runs(apply: Any, tmp_path: Path) -> None:
    source = write_dicom(made_series(spacing_mm=8.0), tmp_path / "in")
    done = apply("--output", "uncertainty", source, tmp_path / "out")
    assert done.refusal == "dicom-node: model synth-ct-bulk offers no uncertainty: ask for its result alone\n"
    assert not (tmp_path / "out").exists()
