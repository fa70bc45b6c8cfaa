"""A derived series beside its source: how both are turned, in which window and on which scale."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from dicom_node.demo.pair import Window, read_pair, upright
from dicom_node.domain.provenance import Provenance, StoredScale
from dicom_node.encode.derivation import describe
from dicom_node.encode.pixels import describe_scale
from inference.volume import Volume

SLICES, ROWS, COLUMNS = 5, 4, 3
ORIENTATIONS = {
    "axial": ([1, 0, 0, 0, 1, 0], [0, 0, 1]),
    "sagittal": ([0, 1, 0, 0, 0, -1], [-1, 0, 0]),
    "coronal": ([1, 0, 0, 0, 0, -1], [0, 1, 0]),
}
"""Direction cosines along a row and down a column, and the slices' direction, LPS."""
PROVENANCE = Provenance(
    "some-model", "1.0.0", "0" * 64, "harmonization", "siemens-3t", node_version="0", serial_number="0",
    series_uid="1.2.4", series_number=1, derived_at=datetime(2026, 1, 5, tzinfo=UTC), revision=1,
)  # fmt: skip


def write_series(folder: Path, plane: str, *, name: str = "1.2.3", source: str | None = None) -> dict[str, Path]:
    """Write a series whose voxels tell where they lie: 100 * towards the head + 10 * back + left, in steps from 1."""
    folder.mkdir()
    cosines, normal = ORIENTATIONS[plane]
    along_row, down_column = np.array(cosines[:3]), np.array(cosines[3:])
    files = {}
    for k in range(SLICES):
        corner = np.array(normal) * k * 2.0
        position = corner + np.arange(COLUMNS)[:, None] * along_row + np.arange(ROWS)[:, None, None] * down_column
        left, back, head = np.moveaxis(position, -1, 0)
        image = header(f"{name}.{k}", cosines, corner)
        image.PixelData = np.asarray(500 + 100 * head + 10 * back + left, dtype="<u2").tobytes()
        if source:
            image.SourceImageSequence = [Dataset()]
            image.SourceImageSequence[0].ReferencedSOPInstanceUID = f"{source}.{k}"
        files[image.SOPInstanceUID] = folder / f"{k}.dcm"
        image.save_as(files[image.SOPInstanceUID], enforce_file_format=True)
    return files


def header(sop: str, cosines: list[float], corner: np.ndarray) -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = MRImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = sop
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = "1.2", sop.rpartition(".")[0], "1.2.9"
    image.Modality, image.PatientID = "MR", "P"
    image.Rows, image.Columns, image.SamplesPerPixel, image.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    image.PixelSpacing, image.SliceThickness = [1, 1], 2
    image.ImageOrientationPatient, image.ImagePositionPatient = cosines, [float(each) for each in corner]
    image.WindowCenter, image.WindowWidth = [600, 40], [1200, 80]
    return image


@pytest.mark.parametrize("plane", ORIENTATIONS)
def test_every_series_is_turned_to_the_radiological_view(tmp_path: Path, plane: str) -> None:
    source = write_series(tmp_path / "source", plane)
    derived = write_series(tmp_path / "derived", plane, name="1.2.4", source="1.2.3")
    pair = read_pair("T1", source, list(derived.values()))
    steps = [np.unique(np.sign(np.diff(pair.after.voxels, axis=axis))) for axis in range(3)]
    assert [list(step) for step in steps] == [[-1], [1], [1]]  # down: to the feet; back; right: to the patient's left
    assert np.array_equal(pair.before.voxels, pair.after.voxels)


def test_both_are_shown_in_the_first_window_of_the_derived_header(tmp_path: Path) -> None:
    source = write_series(tmp_path / "source", "axial")
    derived = write_series(tmp_path / "derived", "axial", name="1.2.4", source="1.2.3")
    assert read_pair("T1", source, list(derived.values())).window == Window(600, 1200)


def test_only_images_that_the_derived_series_refers_to_are_taken_from_its_source(tmp_path: Path) -> None:
    source = write_series(tmp_path / "source", "axial")
    second_echo = write_series(tmp_path / "echo", "axial", name="1.2.5")
    derived = write_series(tmp_path / "derived", "axial", name="1.2.4", source="1.2.3")
    pair = read_pair("T1", source | second_echo, list(derived.values()))
    assert pair.before.voxels.shape == pair.after.voxels.shape


def test_series_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    source = write_series(tmp_path / "source", "axial")
    derived = write_series(tmp_path / "derived", "axial", name="1.2.4", source="1.2.9")
    with pytest.raises(ValueError, match="do not refer"):
        read_pair("T1", source, list(derived.values()))


def test_a_volume_in_memory_is_turned_as_its_images_are(tmp_path: Path) -> None:
    source = write_series(tmp_path / "source", "sagittal")
    derived = write_series(tmp_path / "derived", "sagittal", name="1.2.4", source="1.2.3")
    read = read_pair("T1", source, list(derived.values())).after
    native = Volume(np.flip(read.voxels.transpose(2, 0, 1)).copy(), np.diag([1.0, 1, 1, 1]))
    native.affine[:3, :3] = -read.affine[:3, [2, 0, 1]]
    native.affine[:3, 3] = (read.affine @ [*(np.array(read.voxels.shape) - 1), 1])[:3]
    turned = upright(native)
    assert np.array_equal(turned.voxels, read.voxels)
    assert np.allclose(turned.affine, read.affine)


def test_the_scale_of_the_stored_values_is_read_from_the_derivation(tmp_path: Path) -> None:
    source = write_series(tmp_path / "source", "axial")
    derived = write_series(tmp_path / "derived", "axial", name="1.2.4", source="1.2.3")
    assert read_pair("T1", source, list(derived.values())).per_unit == 1
    scale = StoredScale(values_per_unit=1.25, window_center=1, window_width=1)
    for path in derived.values():
        image = dcmread(path)
        image.DerivationDescription = describe(PROVENANCE, describe_scale(scale))
        image.save_as(path)
    assert read_pair("T1", source, list(derived.values())).per_unit == 1.25


def test_the_window_follows_the_standards_formula() -> None:
    values = np.array([0, 100, 599.5, 5000], dtype=np.float32)
    assert Window(600, 1200).shades(values).tolist() == [0, 21, 127, 255]
