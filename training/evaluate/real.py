"""Real volumes: where they lie, and how they are read."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom

from inference.classical.head import block_means
from inference.volume import Volume

VARIABLE = "DICOM_NODE_DATA"
"""Environment variable that names the data folder."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def data_folder(given: Path | None) -> Path | None:
    """Return the folder of real data: the one that is given, else the one that `VARIABLE` names, else None.

    Raises
    ------
    FileNotFoundError
        When the folder is not there.
    """
    named = os.environ.get(VARIABLE)
    folder = given or (Path(named) if named else None)
    if folder is not None and not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such data folder")
    return folder


def read_real(data: Path, place: str, *, unpacked: Path) -> Volume | None:
    """Read a real volume.

    Parameters
    ----------
    data
        The data folder.
    place
        In it: a NIfTI file, or a folder of DICOM files, which may be packed as ``<folder>.tar.xz``.
    unpacked
        Folder that archives are unpacked into, once.

    Returns
    -------
    LPS, unit ``1``; None when it is not there.
    """
    path, archive = data / place, data / f"{place}.tar.xz"
    if path.is_file():
        return _read_nifti(path)
    if not path.is_dir() and archive.is_file():
        path = unpacked / place
        if not path.is_dir():
            with tarfile.open(archive) as packed:
                packed.extractall(path.parent, filter="data")
    return _read_dicom(path) if path.is_dir() else None


def coarse(volume: Volume, spacing_mm: float) -> Volume:
    """Average blocks of voxels; those at the far edge may hold fewer.

    Parameters
    ----------
    volume
        What to make small.
    spacing_mm
        Wanted distance between voxels; blocks are whole, so that it is met roughly.
    """
    factors = [max(1, round(spacing_mm / mm)) for mm in volume.spacing_mm]
    affine = volume.affine @ np.diag([*factors, 1.0])
    affine[:3, 3] = volume.affine[:3] @ [*((factor - 1) / 2 for factor in factors), 1.0]
    return Volume(np.ascontiguousarray(block_means(volume.voxels, factors)), affine, volume.unit)


def _read_nifti(path: Path) -> Volume:
    image = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Image):
        raise ValueError(f"{path}: not NIfTI")
    voxels = np.asarray(image.dataobj, np.float32)
    affine = _RAS_TO_LPS @ np.asarray(image.affine, np.float64)
    order = [2, 1, 0]  # NIfTI's fastest axis comes first, ours last
    return Volume(np.ascontiguousarray(voxels.transpose(order)), affine[:, [*order, 3]])


def _read_dicom(folder: Path) -> Volume:
    """Read one stack of classic slices, or one enhanced file."""
    files = [pydicom.dcmread(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    if len(files) == 1:
        held = highdicom.Image.from_dataset(files[0]).get_volume(apply_voi_transform=False)
    else:
        held = highdicom.get_volume_from_series(files, apply_voi_transform=False)
    return Volume(np.asarray(held.array, np.float32), np.asarray(held.affine, np.float64))
