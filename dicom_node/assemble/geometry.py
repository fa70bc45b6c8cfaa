"""Where the planes of a stack lie, and what keeps them from being a regular volume."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from highdicom.spatial import get_normal_vector, get_volume_positions
from numpy.typing import NDArray
from pydicom import Dataset

from dicom_node.assemble.elements import value_of
from dicom_node.domain.stack import Frame

Floats = NDArray[np.float64]

SPACING_TOLERANCE = 0.02
"""Largest deviation of a slice spacing from the mean, as a fraction.

highdicom's default is 0.01; GE writes ImagePositionPatient with six significant digits and steps of 0.1 mm, so true
spacings of 7 mm come as 6.96 to 7.07 mm: 1.4 %, which is no fault of the stack."""

ORIENTATION_TOLERANCE = 1e-5
"""Largest departure of the cosine between two orientations from 1: 0.26 degrees."""

_SAME_PLACE_MM = 0.01
"""Planes closer than this are at one position: a hundredth of the thinnest clinical slices, far above rounding."""
_SAME_LINE_MM = 1.0
"""Stacks whose slices lie further beside each other than this are two: far above rounding, far below any width."""
_PERPENDICULAR_TOLERANCE = 1e-3
_ORTHOGONAL_TOLERANCE = 1e-4
_UNIT_TOLERANCE = 1e-3
_MULTIPLE_TOLERANCE = 0.1
"""How far a step may be from a whole number of spacings, in spacings, to count as a gap and not as unevenness."""

PLANES = ("sagittal", "coronal", "axial")
"""The anatomical plane whose normal is closest to x, y, z of the patient (PS3.3 C.7.6.2.1.1)."""


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """The Image Plane Module (PS3.3 C.7.6.2) of a frame, mm, LPS.

    Attributes
    ----------
    position
        Of the centre of the first voxel, shape (3,).
    orientation
        Direction cosines of the first row and the first column, shape (6,).
    spacing
        Between rows and between columns, shape (2,).
    """

    position: Floats
    orientation: Floats
    spacing: Floats


def plane_of(header: Dataset) -> Plane | str:
    """Return where a frame lies, or what is wrong with its image plane attributes."""
    values = []
    for keyword, count in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2)):
        try:
            numbers = np.array([float(number) for number in value_of(header, keyword) or ()])
        except (TypeError, ValueError, OverflowError):
            return f"{keyword} is not made of numbers"
        if len(numbers) == 0:
            return f"{keyword} is missing"
        if len(numbers) != count or not np.isfinite(numbers).all():
            return f"{keyword} is not {count} finite numbers"
        values.append(numbers)
    position, orientation, spacing = values
    if (spacing <= 0).any():
        return "PixelSpacing is not positive"
    row, column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm((row, column), axis=1)
    if abs(lengths - 1).max() > _UNIT_TOLERANCE or abs(row @ column) > _ORTHOGONAL_TOLERANCE:
        return "ImageOrientationPatient is not two perpendicular unit vectors"
    return Plane(position, orientation, spacing)


def distances_mm(planes: Sequence[Plane]) -> Floats:
    """Return how far each plane lies along the stack's normal, in the direction in which highdicom counts slices.

    Returns
    -------
    Shape (planes,), mm.
    """
    normal: Floats = get_normal_vector(planes[0].orientation.tolist(), index_convention="DR")
    distances: Floats = np.array([plane.position for plane in planes]) @ normal
    return distances


def places(distances: Floats, *, apart_mm: float = _SAME_PLACE_MM) -> NDArray[np.int64]:
    """Count off the distinct positions of a stack: frames at one place have the same number.

    Parameters
    ----------
    distances
        From `distances_mm`, any order.
    apart_mm
        What lies closer to its neighbour is at one place with it.

    Returns
    -------
    Shape of `distances`; 0 is the first place along the normal.
    """
    order = np.argsort(distances, kind="stable")
    numbers = np.empty(len(distances), dtype=np.int64)
    numbers[order] = np.concatenate(([0], np.cumsum(np.diff(distances[order]) > apart_mm)))
    return numbers


def lines(planes: Sequence[Plane]) -> list[int]:
    """Count off the lines along the normal on which planes of one orientation lie, one behind the other.

    A sheared stack, whose planes move sideways by less than `_SAME_LINE_MM` a slice, is on one line.
    """
    positions = np.array([plane.position for plane in planes])
    rows, columns = (
        places(positions @ direction, apart_mm=_SAME_LINE_MM)
        for direction in (planes[0].orientation[:3], planes[0].orientation[3:])
    )
    return [int(line) for line in np.unique(rows * (columns.max() + 1) + columns, return_inverse=True)[1]]


def anatomical_plane(plane: Plane) -> str:
    """Return axial, coronal or sagittal, whichever the image plane is closest to."""
    return PLANES[int(np.argmax(np.abs(np.cross(plane.orientation[:3], plane.orientation[3:]))))]


def slice_spacing_mm(frames: Sequence[Frame]) -> float | None:
    """Return the usual distance between neighbouring slices, from the positions alone; None where there is none.

    SpacingBetweenSlices is not asked: it says 2 mm in a GE series whose slices lie 7 mm apart.
    """
    planes = [plane for frame in frames if isinstance(plane := plane_of(frame.header), Plane)]
    if len(planes) < 2:
        return None
    distances = distances_mm(planes)
    numbers = places(distances)
    if numbers.max() == 0:
        return None
    steps = np.diff([distances[numbers == number].mean() for number in range(numbers.max() + 1)])
    usual = np.abs(steps - np.median(steps)) <= _MULTIPLE_TOLERANCE * np.median(steps)  # leaves the gaps out
    return float(steps[usual].mean())


def irregularity(planes: Sequence[Plane]) -> str | None:
    """Say what keeps planes of one orientation from being a volume: repeats, shear, gaps, uneven spacing.

    highdicom decides (`get_volume_positions`); the words are found here. None when they are a volume.
    """
    distances = distances_mm(planes)
    order = np.argsort(distances, kind="stable")
    repeated = len(planes) - len(set(places(distances).tolist()))
    if repeated:
        return f"{repeated} of {len(planes)} images repeat a position, and no attribute tells them apart"
    spacing, _ = get_volume_positions(
        image_positions=[plane.position.tolist() for plane in planes],
        image_orientation=planes[0].orientation.tolist(),
        rtol=SPACING_TOLERANCE,
        perpendicular_tol=_PERPENDICULAR_TOLERANCE,
    )
    if spacing is not None:
        return None
    positions = np.array([planes[k].position for k in order])
    steps = np.diff(distances[order])
    found = [_shear(positions, distances[order]), _gap(positions, steps) or _unevenness(steps)]
    return "; ".join(reason for reason in found if reason) or "the slices do not lie regularly"


def _shear(positions: Floats, distances: Floats) -> str | None:
    spans = np.linalg.norm(positions[1:] - positions[0], axis=1)
    cosines = (distances[1:] - distances[0]) / spans
    if (cosines > 1 - _PERPENDICULAR_TOLERANCE).all():
        return None
    angle = math.degrees(math.acos(min(1.0, max(-1.0, float(cosines.min())))))
    return f"the slices are shifted sideways, by up to {angle:.1f} degrees off their normal (gantry tilt or shear)"


def _gap(positions: Floats, steps: Floats) -> str | None:
    multiples = np.round(steps / steps.min())
    if (np.abs(steps / steps.min() - multiples) > _MULTIPLE_TOLERANCE).any() or multiples.max() < 2:
        return None
    missing = int((multiples - 1).sum())
    first = int(np.argmax(multiples > 1))
    axis = int(np.argmax(np.abs(positions[-1] - positions[0])))
    low, high = sorted((positions[first][axis], positions[first + 1][axis]))
    what = "a slice is missing" if missing == 1 else f"{missing} slices are missing, the first"
    where = f"between {'xyz'[axis]}={low:.1f} and {'xyz'[axis]}={high:.1f} mm"
    return f"{what} {where}, {len(positions)} of {len(positions) + missing} present"


def _unevenness(steps: Floats) -> str | None:
    if np.abs(steps - steps.mean()).max() <= SPACING_TOLERANCE * steps.mean():
        return None
    return f"the slices are unevenly spaced, {steps.min():.2f} to {steps.max():.2f} mm apart"
