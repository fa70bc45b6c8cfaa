"""Derived CT of real MR series, judged and read by parts that others wrote: dicom3tools, DCMTK, dcm2niix, ITK."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from dicom3tools import SYNTHETIC_DATA, errors, output
from highdicom.image import get_volume_from_series
from highdicom.pm.sop import pmread
from pydicom import dcmread

from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.stacks import split
from dicom_node.assemble.volume import read_volume
from dicom_node.domain.provenance import Provenance
from dicom_node.domain.stack import Stack
from dicom_node.encode import derived_ct, derived_map
from dicom_node.encode.axial import axial_of
from dicom_node.encode.series import to_bytes
from inference.volume import Volume

pytestmark = pytest.mark.real_data

SERIES = (
    "siemens_skyra3t_t1mprage_child", "philips_ingenia3t_t1mprage_classic", "ge_signa15t_fse_pd",
    "converted_nifti2dicom_t1_hanke", "siemens_prisma3t_xa30_t1tfl_enhanced",
    "siemens_prisma3t_xa30_t1tfl_enhanced_norm", "toshiba_galan3t_dti_ortho",
)  # fmt: skip
"""Every real MR of a head, also of contrasts that no model takes yet."""
NEIGHBOURS, EVERY = 12, 4
"""Slices of each series, side by side, and every fourth of their rows and columns: the tests stay quick."""
MM = 1e-3


@dataclass(frozen=True)
class Derived:
    """A part of a real series as if it were CT, on its own grid and axial, and the files made of it."""

    stack: Stack
    axial: Volume
    folder: Path

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.dcm"))

    @property
    def judged(self) -> list[Path]:
        files = self.files
        return [files[0], files[len(files) // 2], files[-1]]


@pytest.fixture(scope="module", params=SERIES)
def derived(
    request: pytest.FixtureRequest,
    real_series: Path,
    provenance: Provenance,
    tmp_path_factory: pytest.TempPathFactory,
) -> Derived:
    paths = sorted((real_series / request.param).glob("*.dcm"))
    whole = split([frame for path in paths for frame in read_frames(path).frames])[0]
    stack = Stack(whole.label, whole.frames[:NEIGHBOURS], whole.facts)
    volume = hounsfield(read_volume(stack))
    made = derived_ct.encode(
        stack, volume, provenance=replace(provenance, task="synthetic ct", model="synth-ct-bulk", target=None)
    )
    folder = tmp_path_factory.mktemp("derived")
    for number, image in enumerate(made.instances):
        (folder / f"{number:03}.dcm").write_bytes(to_bytes(image))
    axial, _ = axial_of(volume, outside=-1024)
    return Derived(stack, axial, folder)


def hounsfield(mr: Volume) -> Volume:
    """Return what an MR shows as if it were HU, on every `EVERY`-th of its rows and columns."""
    voxels = np.ascontiguousarray(mr.voxels[:, ::EVERY, ::EVERY])
    scaled = np.clip(voxels / np.percentile(voxels, 99) * 1500 - 1024, -1024, 3000).astype(np.float32)
    return Volume(scaled, mr.affine @ np.diag([1, EVERY, EVERY, 1]), "[hnsf'U]")


def agrees(axial: Volume, read: np.ndarray, affine: np.ndarray) -> None:
    """Compare with what a reader made of it, whatever the order of its axes: `affine` takes indices of `read` to LPS.

    What stands at the eight corners and at many places between must stand there for the reader, too.
    """
    assert sorted(read.shape) == sorted(axial.voxels.shape)
    last = np.array(axial.voxels.shape) - 1
    corners = np.array(np.meshgrid(*[(0, end) for end in last])).reshape(3, -1)
    some = np.random.default_rng(0).integers(0, last[:, None] + 1, (3, 500))
    index = np.concatenate((corners, some), axis=1)
    places = axial.affine[:3, :3] @ index + axial.affine[:3, 3:]
    found = np.linalg.solve(affine[:3, :3], places - affine[:3, 3:])
    nearest = np.rint(found).astype(int)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    assert (np.abs(found - nearest) * spacing[:, None]).max() < MM
    assert np.abs(read[tuple(nearest)] - axial.voxels[tuple(index)]).max() <= 0.5 + 1e-3


def inherited(derived: Derived) -> set[str]:
    """Return errors that every image of this patient and study must share, such as a UID without a valid root.

    Where the source is of one file they would excuse what is wrong with its frames, and none is needed.
    """
    paths = {frame.path for frame in derived.stack.frames}
    kept = ("Illegal root for UID", "Module=<GeneralStudy>", "(0x0010,0x", "invalid data values")
    return {line for path in paths if len(paths) > 1 for line in errors(path) if any(part in line for part in kept)}


def test_dciodvfy_finds_no_error_but_the_attribute_that_it_does_not_know(derived: Derived) -> None:
    excused = inherited(derived)
    for path in derived.judged:
        assert {line for line in errors(path) if SYNTHETIC_DATA not in line} - excused == set()


def test_dciodvfy_would_have_found_a_ct_without_rescale(derived: Derived, tmp_path: Path) -> None:
    broken = dcmread(derived.files[0])
    del broken.RescaleIntercept
    broken.save_as(tmp_path / "broken.dcm")
    assert any("RescaleIntercept" in line for line in errors(tmp_path / "broken.dcm"))


def test_dcentvfy_finds_source_and_ct_to_be_of_one_study(derived: Derived) -> None:
    sources = sorted({frame.path for frame in derived.stack.frames[:3]})
    assert output("dcentvfy", *sources, *derived.judged) == ""


def test_dcmtk_reads_the_files(derived: Derived) -> None:
    for path in derived.judged:
        assert output("dcmftest", path).startswith("yes: ")


def test_highdicom_makes_one_volume_of_them(derived: Derived) -> None:
    volume = get_volume_from_series([dcmread(path) for path in derived.files])
    agrees(derived.axial, volume.array, volume.affine)


def test_simpleitk_makes_one_volume_of_them(derived: Derived) -> None:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(derived.folder)))
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    agrees(derived.axial, SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0), affine)


def test_dcm2niix_makes_one_volume_of_them(derived: Derived, tmp_path: Path) -> None:
    if shutil.which("dcm2niix") is None:
        pytest.skip("dcm2niix is not installed")
    command = ["dcm2niix", "-b", "n", "-z", "n", "-f", "read", "-o", str(tmp_path), str(derived.folder)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.nii")
    image = nibabel.load(path)
    agrees(derived.axial, image.get_fdata(), np.diag([-1.0, -1, 1, 1]) @ image.affine)


def test_the_frame_of_reference_is_that_of_the_source(derived: Derived) -> None:
    wanted = derived.stack.frames[0].header.FrameOfReferenceUID
    assert {dcmread(path, stop_before_pixels=True).FrameOfReferenceUID for path in derived.files} == {wanted}


def test_the_same_series_gives_the_same_files(derived: Derived, provenance: Provenance) -> None:
    made = replace(provenance, task="synthetic ct", model="synth-ct-bulk", target=None)
    again = derived_ct.encode(derived.stack, hounsfield(read_volume(derived.stack)), provenance=made).instances
    assert [to_bytes(image) for image in again[:3]] == [path.read_bytes() for path in derived.files[:3]]


def test_a_map_of_uncertainty_is_of_the_same_study_without_errors_and_is_read_as_it_was(
    derived: Derived, provenance: Provenance, tmp_path: Path
) -> None:
    volume = hounsfield(read_volume(derived.stack))
    spread = volume.with_voxels((volume.voxels + np.float32(1024)) / np.float32(8))
    made = replace(provenance, task="uncertainty of synthetic ct", model="synth-ct-unet", target=None)
    (image,) = derived_map.encode(derived.stack, spread, provenance=made).instances
    path = tmp_path / "map.dcm"
    path.write_bytes(to_bytes(image))
    assert {line for line in errors(path) if SYNTHETIC_DATA not in line} - inherited(derived) == set()
    sources = sorted({frame.path for frame in derived.stack.frames[:3]})
    assert output("dcentvfy", *sources, path) == ""
    assert output("dcmftest", path).startswith("yes: ")
    axial, _ = axial_of(spread, outside=0.0)
    found = pmread(path).get_volume()
    agrees(axial, found.array, found.affine)
