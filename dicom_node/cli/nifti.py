"""NIfTI files as volumes, and back onto the grid that they came on."""

from __future__ import annotations

import zlib
from pathlib import Path

import nibabel
import numpy as np

from dicom_node.errors import NotFound, SeriesRefused
from inference.volume import Volume

_UNREADABLE = (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError, ValueError, EOFError,
               zlib.error)  # fmt: skip

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
        When it is not NIfTI, is not grey, has no three axes, or does not say where it lies.
    """
    if not path.is_file():
        raise NotFound(f"{path}: there is no such file")
    try:
        image = _load(path)
        _check_header(image, path)
        voxels = np.asarray(image.dataobj, dtype=np.float32)
    except (*_UNREADABLE, OSError) as error:
        raise SeriesRefused(f"{path}: is not a NIfTI file that can be read") from error
    voxels = voxels.reshape(voxels.shape[:3])
    return Volume(np.ascontiguousarray(voxels.T), _FLIP @ image.affine @ _REVERSE, unit)


def write_nifti(path: Path, volume: Volume, *, like: Path) -> None:
    """Write a volume that lies on the grid of another NIfTI file, with that file's orientation codes."""
    source = _load(like)
    header = source.header.copy()
    header.set_data_dtype(np.float32)
    header.set_slope_inter(1, 0)
    header["cal_min"] = header["cal_max"] = 0  # the window of the source is not that of the result
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = volume.voxels.T.reshape(source.shape)  # with the axes of length 1 that it came with
    nibabel.save(type(source)(voxels, source.affine, header), path)


def write_new_nifti(path: Path, volume: Volume) -> None:
    """Write a volume as a NIfTI-1 file of its own: float32, mm, in the scanner's space (codes 1).

    Raises
    ------
    SeriesRefused
        When there is something of that name.
    """
    if path.exists():
        raise SeriesRefused(f"{path}: is there already, and is not written over: name a new folder")
    image = nibabel.Nifti1Image(volume.voxels.T, _FLIP @ volume.affine @ _REVERSE)
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


def _check_header(image: nibabel.Nifti1Image, path: Path) -> None:
    """Refuse what is no volume in space, before its voxels are read."""
    axes = len(image.shape)
    if image.get_data_dtype().kind not in "iuf":
        raise SeriesRefused(f"{path}: its voxels are colours or complex numbers; a model takes grey values")
    if axes < 3 or any(length != 1 for length in image.shape[3:]):
        raise SeriesRefused(f"{path}: has {axes} axes; a volume has 3: save one volume of it as a file of its own")
    if not any(image.header[code] for code in ("qform_code", "sform_code")):
        raise SeriesRefused(f"{path}: does not say where it lies (qform_code and sform_code are 0): set one of them")
    if not np.isfinite(image.affine).all() or np.linalg.matrix_rank(image.affine) < 4:
        raise SeriesRefused(f"{path}: its affine spans no space: set qform and sform anew")


def _load(path: Path) -> nibabel.Nifti1Image:
    image = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Image):
        raise nibabel.filebasedimages.ImageFileError("not NIfTI")
    return image
