"""The grid that a site scans on: matrix, voxel size and plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from inference.volume import Float64Array

Plane: TypeAlias = Literal["axial", "coronal", "sagittal"]

_AXES: dict[Plane, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "axial": ((0, 1, 0), (1, 0, 0)),
    "coronal": ((0, 0, -1), (1, 0, 0)),
    "sagittal": ((0, 0, -1), (0, 1, 0)),
}
"""Where rows and columns run to, LPS: as radiologists hang the plane."""
_ABOVE_THE_VERTEX_MM = 95.0
_MIDDLE_MM = (0.0, -11.0)


@dataclass(frozen=True, slots=True)
class Grid:
    """A stack of slices around the head.

    Attributes
    ----------
    plane
        Plane of the slices.
    shape
        (slices, rows, columns).
    spacing_mm
        Along the same axes.
    tilt_deg
        Turn about the left-right axis: positive tips the front of the grid up.
    centre_mm
        LPS, in the head's own frame; None puts the vertex just inside the upper end.
    thickness_mm
        Of the slices of a 2D protocol: less than their spacing leaves gaps. None: a 3D protocol, whose slices meet.
    """

    plane: Plane
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    tilt_deg: float = 0.0
    centre_mm: tuple[float, float, float] | None = None
    thickness_mm: float | None = None

    @property
    def affine(self) -> Float64Array:
        """Shape (4, 4): (slice, row, column, 1) to LPS mm of the head's own frame.

        Slices run along the cross product of column and row direction (PS3.3 C.7.6.2.1.1), so that the axes
        (column, row, slice) are right-handed.
        """
        rows, columns = (np.array(axis, float) for axis in _AXES[self.plane])
        directions = self._tilted(np.stack([np.cross(columns, rows), rows, columns], axis=1))
        affine = np.eye(4)
        affine[:3, :3] = directions * np.array(self.spacing_mm)
        height = float(np.abs(affine[2, :3]) @ np.array(self.shape))
        centre = self.centre_mm or (*_MIDDLE_MM, _ABOVE_THE_VERTEX_MM - height / 2)
        affine[:3, 3] = np.array(centre) - affine[:3, :3] @ ((np.array(self.shape) - 1) / 2)
        return affine

    def _tilted(self, directions: Float64Array) -> Float64Array:
        tilt = math.radians(self.tilt_deg)
        cosine, sine = math.cos(tilt), math.sin(tilt)
        return np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]]) @ directions
