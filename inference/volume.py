"""A volume: voxels, where they lie, and what they measure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Float32Array: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Voxels on a regular grid in patient space.

    Attributes
    ----------
    voxels
        Shape (slices, rows, columns).
    affine
        Shape (4, 4): takes (slice, row, column, 1) to (x, y, z, 1) in mm, LPS (PS3.3 C.7.6.2.1.1): x towards the
        patient's left, y towards the back, z towards the head.
    unit
        UCUM code: ``1`` for the arbitrary units of MR, ``[hnsf'U]`` for HU.
    """

    voxels: Float32Array
    affine: Float64Array
    unit: str = "1"

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.voxels.dtype != np.float32:
            raise ValueError(f"voxels must be float32 of 3 axes, not {self.voxels.dtype} of {self.voxels.ndim}")
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all():
            raise ValueError("affine must be 4 x 4 and finite")

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbours along (slices, rows, columns), mm."""
        slices, rows, columns = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(slices), float(rows), float(columns)

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Size along (slices, rows, columns), voxel edge to voxel edge, mm."""
        slices, rows, columns = (n * s for n, s in zip(self.voxels.shape, self.spacing_mm, strict=True))
        return slices, rows, columns

    def with_voxels(self, voxels: Float32Array) -> Volume:
        """Return other voxels on the same grid, in the same unit."""
        return replace(self, voxels=voxels)
