"""NIfTI files as volumes, and back onto the grid that they came on."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from dicom_node.errors import NotFound, SeriesRefused
from inference.volume import Volume

# NIfTI is RAS with the fastest axis first, ours is LPS with the slowest first
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
_REVERSE = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=float)


def read_nifti(path: Path, *, unit: str) -> Volume:
    """Read a NIfTI file.

    Raises
    ------
    NotFound
        When there is no such file.
    SeriesRefused
        When it is not NIfTI, has no three axes, or does not say where it lies.
    """
    if not path.is_file():
        raise NotFound(f"{path}: there is no such file")
    try:
        image = _load(path)
        voxels = np.asarray(image.dataobj, dtype=np.float32)
    except (nibabel.filebasedimages.ImageFileError, OSError, ValueError, EOFError) as error:
        raise SeriesRefused(f"{path}: is not a NIfTI file that can be read") from error
    while voxels.ndim > 3 and voxels.shape[-1] == 1:
        voxels = voxels[..., 0]
    if voxels.ndim != 3:
        raise SeriesRefused(f"{path}: has {voxels.ndim} axes; a volume has 3: split it first")
    return Volume(np.ascontiguousarray(voxels.T), _FLIP @ image.affine @ _REVERSE, unit)


def write_nifti(path: Path, volume: Volume, *, like: Path) -> None:
    """Write a volume that lies on the grid of another NIfTI file, with that file's orientation codes."""
    source = _load(like)
    header = source.header.copy()
    header.set_data_dtype(np.float32)
    header.set_slope_inter(1, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(volume.voxels.T, source.affine, header), path)


def _load(path: Path) -> nibabel.Nifti1Image:
    image = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Image):
        raise nibabel.filebasedimages.ImageFileError("not NIfTI")
    return image
