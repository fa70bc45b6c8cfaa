"""Axial slices of a volume: what planning systems load, one spacing and no tilt."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import scipy
from pydicom import Dataset
from pydicom.valuerep import format_number_as_ds

from inference.volume import Float64Array, Volume

if TYPE_CHECKING:
    import SimpleITK

AXIAL: Float64Array = np.array([[0.0, 0, 1], [0, 1, 0], [1, 0, 0]])
"""Directions of slices, rows and columns as columns, LPS: towards the head, the back and the left."""

AXIAL_TOLERANCE = 1e-3
"""Largest departure of a direction cosine at which a grid counts as axial."""

_WHOLE_TOLERANCE = 1e-3
"""A grid that is this near, in voxels, to one voxel more has it: extents carry rounding errors."""

_NEAR = 1e-3
"""A plane that is this near to a source slice, in slices, takes from no other."""


def axial_of(volume: Volume, *, outside: float) -> tuple[Volume, bool]:
    """Return axial slices of a volume, from the feet to the head, and whether they are on its own grid.

    A volume that is axial already keeps its grid, another is resampled; see `resampled`.
    """
    upright = head_up(volume)
    return (upright, True) if is_axial(upright) else (resampled(volume, outside=outside), False)


def crossed(source: Volume, axial: Volume, k: int) -> range:
    """Return which slices of the source axial plane k is interpolated from."""
    _, rows, columns = axial.voxels.shape
    corners = np.array([[k, row, column, 1.0] for row, column in itertools.product((0, rows - 1), (0, columns - 1))])
    slices = (np.linalg.inv(source.affine) @ axial.affine @ corners.T)[0]
    last = len(source.voxels) - 1
    first, end = np.clip([np.floor(slices.min() + _NEAR), np.ceil(slices.max() - _NEAR)], 0, last).astype(int)
    return range(int(first), int(end) + 1)


def describe_resampling(axial: Volume) -> str:
    """Return how a volume became these axial slices, as a clause of DerivationDescription."""
    slice_mm, _, pixel_mm = axial.spacing_mm
    return f"resampled to axial slices of {slice_mm:.4g} mm, pixels of {pixel_mm:.4g} mm, linear interpolation"


def plane(axial: Volume, k: int) -> Dataset:
    """Return the Image Plane Module (PS3.3 C.7.6.2) of slice k."""
    slice_mm, row_mm, column_mm = axial.spacing_mm
    directions = axial.affine[:3, :3] / np.array(axial.spacing_mm)
    image = Dataset()
    image.ImageOrientationPatient = _decimals(np.concatenate((directions[:, 2], directions[:, 1])))
    image.ImagePositionPatient = _decimals(axial.affine[:3, 3] + k * axial.affine[:3, 0])
    image.PixelSpacing = _decimals(np.array([row_mm, column_mm]))
    image.SliceThickness = _decimals(np.array([slice_mm]))[0]
    return image


def is_axial(volume: Volume) -> bool:
    """Tell whether slice k is an axial image whose rows go to the left and columns to the back, k towards the head."""
    directions = volume.affine[:3, :3] / np.array(volume.spacing_mm)
    return bool(np.abs(directions - AXIAL).max() <= AXIAL_TOLERANCE)


def head_up(volume: Volume) -> Volume:
    """Return the same volume with its slices in the other order when they run towards the feet."""
    if volume.affine[2, 0] >= 0:
        return volume
    turned = volume.affine.copy()
    turned[:3, 0] *= -1
    turned[:3, 3] += volume.affine[:3, 0] * (len(volume.voxels) - 1)
    return Volume(np.ascontiguousarray(volume.voxels[::-1]), turned, volume.unit)


def resampled(volume: Volume, *, outside: float) -> Volume:
    """Bring a volume to axial slices of square pixels, by linear interpolation.

    The new grid spans the centres of all voxels. Between slices its spacing is that of the axis which is nearest to the
    patient's z; within them it is the smaller of the other two.

    Parameters
    ----------
    outside
        What stands where the volume has no voxels, in its unit.
    """
    import SimpleITK  # here, as in `_image`: few nodes resample, and all would wait for it at their start

    shape, affine = _grid(volume)
    slices, rows, columns = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    found = SimpleITK.Resample(
        _image(volume),
        list(reversed(shape)),
        SimpleITK.Transform(),
        SimpleITK.sitkLinear,
        affine[:3, 3].tolist(),
        [columns, rows, slices],
        np.eye(3).ravel().tolist(),
        outside,
    )
    return Volume(SimpleITK.GetArrayFromImage(found), affine, volume.unit)


def _grid(volume: Volume) -> tuple[tuple[int, int, int], Float64Array]:
    spacing = np.array(volume.spacing_mm)
    _, nearest = scipy.optimize.linear_sum_assignment(
        -np.abs(volume.affine[:3, :3] / spacing)
    )  # x, y, z of the patient -> axis
    x_mm, y_mm, z_mm = spacing[nearest].tolist()
    pixel_mm = min(x_mm, y_mm)
    steps = np.array([pixel_mm, pixel_mm, z_mm])
    indices = np.array(list(itertools.product(*((0, length - 1) for length in volume.voxels.shape))))
    corners = indices @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    first = corners.min(axis=0)
    whole = np.floor((corners.max(axis=0) - first) / steps + _WHOLE_TOLERANCE)
    columns, rows, slices = (whole.astype(int) + 1).tolist()
    affine = np.eye(4)
    affine[:3, :3] = AXIAL * np.array([z_mm, pixel_mm, pixel_mm])
    affine[:3, 3] = first
    return (slices, rows, columns), affine


def _decimals(values: Float64Array) -> list[str]:
    return [format_number_as_ds(float(value)) for value in np.round(values, 6) + 0.0]  # no minus zero


def _image(volume: Volume) -> SimpleITK.Image:
    """Return a volume as SimpleITK holds it: the fastest axis first."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(volume.voxels)
    directions = volume.affine[:3, :3] / np.array(volume.spacing_mm)
    image.SetSpacing(list(reversed(volume.spacing_mm)))
    image.SetDirection(directions[:, ::-1].ravel().tolist())
    image.SetOrigin(volume.affine[:3, 3].tolist())
    return image
