"""What `dicom-node apply` makes of whole real heads is the same volume to every reader, plastimatch included."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from highdicom.image import get_volume_from_series
from pydicom import dcmread
from test_encode_ct_conformance import agrees

from inference.volume import Volume

pytestmark = pytest.mark.real_data

SERIES = {"siemens_skyra3t_t1mprage_child": ("sagittal", 2), "converted_nifti2dicom_t1_hanke": ("axial", 3)}
"""Series -> plane, and how many voxels along each axis become one: about 2 mm are left, and the tests stay quick."""

Read = Callable[[Path, Path], tuple[np.ndarray, np.ndarray]]


def thinned(source: Path, folder: Path, every: int) -> Path:
    """Write every so many of the images of a series, rows and columns, of a head that fills its planes as before."""
    folder.mkdir()
    images = sorted((dcmread(path) for path in source.glob("*.dcm")), key=lambda image: image.InstanceNumber)
    for number, image in enumerate(images[::every], start=1):  # numbered anew: else two of three are missing
        image.InstanceNumber = number
        pixels = np.ascontiguousarray(image.pixel_array[::every, ::every])
        image.Rows, image.Columns = pixels.shape
        image.PixelSpacing = [float(mm) * every for mm in image.PixelSpacing]
        image.PixelData = pixels.tobytes()
        image.save_as(folder / f"{image.InstanceNumber:04d}.dcm")
    return folder


@pytest.fixture(scope="module", params=SERIES, ids=[plane for plane, _ in SERIES.values()])
def ct(request: pytest.FixtureRequest, real_series: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a synthetic CT, as the command writes it."""
    folder = tmp_path_factory.mktemp("apply")
    source = thinned(real_series / request.param, folder / "in", SERIES[request.param][1])
    command = [sys.executable, "-m", "dicom_node", "apply", "--model", "synth-ct-water", source, folder / "out"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder / "out" / "001"


def by_itk(image: SimpleITK.Image) -> tuple[np.ndarray, np.ndarray]:
    """Return voxels, fastest axis first, and what takes their indices to LPS."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0), affine


def simpleitk(ct: Path, _scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(ct)))
    return by_itk(reader.Execute())


def plastimatch(ct: Path, scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    written = scratch / "read.nrrd"
    subprocess.run(["plastimatch", "convert", "--input", ct, "--output-img", written], check=True, capture_output=True)
    return by_itk(SimpleITK.ReadImage(str(written)))


def dcm2niix(ct: Path, scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    command = ["dcm2niix", "-b", "n", "-z", "n", "-f", "read", "-o", scratch, ct]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = scratch.glob("*.nii")
    image = nibabel.load(path)
    return image.get_fdata(), np.diag([-1.0, -1, 1, 1]) @ image.affine


@pytest.mark.parametrize("read", [simpleitk, plastimatch, dcm2niix])
def test_every_reader_finds_the_same_voxels_at_the_same_places(ct: Path, read: Read, tmp_path: Path) -> None:
    if read is not simpleitk and shutil.which(read.__name__) is None:
        pytest.skip(f"{read.__name__} is not installed")
    found = get_volume_from_series([dcmread(path) for path in sorted(ct.iterdir())])
    assert {0, -1024} <= set(np.unique(found.array).tolist())
    agrees(Volume(found.array.astype(np.float32), found.affine, "[hnsf'U]"), *read(ct, tmp_path))
