"""What dicom2nifti makes of a series is what models see: voxels and their places, by other people's code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import phantom
import pytest
from dicom2nifti.convert_dicom import dicom_array_to_nifti
from made_series import made_series
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.stacks import split
from dicom_node.assemble.volume import read_volume
from dicom_node.cli.nifti import write_new_nifti


@pytest.mark.parametrize("directions", [phantom.AXIAL, phantom.SAGITTAL, phantom.CORONAL])
def test_the_volume_of_a_made_series_is_that_of_dicom2nifti(directions: NDArray[np.float64], tmp_path: Path) -> None:
    series = made_series(directions=directions)
    paths = []
    for number, image in enumerate(series):
        paths.append(tmp_path / f"{number}.dcm")
        image.save_as(paths[-1], enforce_file_format=True)
    assert_same(paths, series, tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["philips_ingenia3t_t1mprage_classic", "siemens_skyra3t_t1mprage_child"])
def test_the_volume_of_a_real_series_is_that_of_dicom2nifti(name: str, real_series: Path, tmp_path: Path) -> None:
    paths = sorted(path for path in (real_series / name).rglob("*") if path.is_file())
    assert_same(paths, [dcmread(path) for path in paths], tmp_path)


def assert_same(paths: Sequence[Path], images: Sequence[Dataset], folder: Path) -> None:
    (stack,) = split([frame for path in paths for frame in read_frames(path).frames])
    write_new_nifti(folder / "ours.nii", read_volume(stack))
    dicom_array_to_nifti(list(images), str(folder / "theirs.nii"), reorient_nifti=False)
    ours, theirs = (nibabel.as_closest_canonical(nibabel.load(folder / f"{who}.nii")) for who in ("ours", "theirs"))
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-3)
    np.testing.assert_allclose(ours.get_fdata(), theirs.get_fdata(), rtol=1e-5, atol=1e-3)
