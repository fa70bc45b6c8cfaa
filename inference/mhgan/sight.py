"""What the networks see of a head: the seed's preprocessing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.bounded.frame import FINE_MM, SHAPE, FramedHead, framed
from inference.classical.head import find_head
from inference.classical.histogram import refuse_uniform
from inference.volume import BoolArray, Float32Array, Float64Array, Volume

SIDE = max(SHAPE)
"""Rows and columns of the square that slices of every plane are shown on, 2 mm each."""

CLIP = 4.0
"""Standard deviations from the mean of the head beyond which intensities are clipped; what is left is divided by it."""

FULL = 0.3
"""Part of the head's area in the largest slice of a plane from which on a slice is trained on, and counts in full."""

_AIR_FROM_MM, _AIR_WITHIN_MM = 4.0, 8.0
"""Nearer to the head than the first nothing is air; further than the second, all is."""

_LEAST = 0.01
"""What a slice with next to nothing of the head counts: only where no plane has more does that matter."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A head as the networks see it.

    Attributes
    ----------
    head
        In the frame of 2 mm.
    voxels
        Shape `inference.bounded.frame.SHAPE`, -1 to 1; the air around the head is black: its noise, and where the field
        of view ends, tell a site, and are no style.
    mean, spread
        Of the head's voxels, in the unit of the scan.
    air
        Shape of the frame, 0 to 1: how far away from the head a voxel is.
    noise
        Median of the air, in parts of the spread, as it were in voxels of 1 mm3: averaging voxels takes the root of
        their number off it. 0 where there is no air, or the scanner has made it black.
    """

    head: FramedHead
    voxels: Float32Array
    mean: float
    spread: float
    air: Float32Array
    noise: float

    @property
    def floor(self) -> float:
        """What black is shown as."""
        return black_of(self.mean, self.spread)


def sight_of(volume: Volume) -> Sight:
    """Bring a head into the frame, and its intensities to mean 0 and standard deviation 1 / `CLIP`, clipped to -1 to 1.

    Raises
    ------
    ModelRefused
        When no head can be told from the air, or it shows nothing.
    """
    head = framed(volume, find_head(volume))
    refuse_uniform(head.profile_of(head.voxels))
    voxels, mean, spread = normalised(head.voxels, head.inside)
    air = _air_of(head.inside)
    seen = head.voxels[(air == 1) & (head.voxels > 0)]
    noise = float(np.median(seen)) / spread * math.sqrt(math.prod(volume.spacing_mm)) if seen.size else 0.0
    return Sight(head, voxels, mean, spread, air, noise)


def _air_of(inside: BoolArray) -> Float32Array:
    """Return 0 near the head, 1 away from it, and a ramp between."""
    near = ndimage.binary_dilation(inside, iterations=round(_AIR_FROM_MM / FINE_MM))
    ramp = 1 + 2 * round((_AIR_WITHIN_MM - _AIR_FROM_MM) / FINE_MM)
    return 1 - np.minimum(1, 2 * ndimage.uniform_filter(near.astype(np.float32), ramp))


def black_of(mean: float, spread: float) -> float:
    """Return what black is shown as, given mean and standard deviation of a head."""
    return max(-mean / spread / CLIP, -1.0)


def normalised(voxels: Float32Array, inside: BoolArray) -> tuple[Float32Array, float, float]:
    """Return voxels as they are shown, and mean and standard deviation of those inside, in the unit of the scan."""
    mean, spread = float(voxels[inside].mean(dtype=np.float64)), float(voxels[inside].std(dtype=np.float64))
    shown = np.clip((voxels - np.float32(mean)) * np.float32(1 / (spread * CLIP)), -1, 1)
    shown[~inside] = black_of(mean, spread)
    return np.asarray(shown, np.float32), mean, spread


def span(inside: BoolArray, axis: int) -> tuple[int, int]:
    """Return the first slice along an axis that shows enough of a head, and the one after the last."""
    full = np.flatnonzero(_areas(inside, axis) >= FULL)
    return int(full[0]), int(full[-1]) + 1


def counted(inside: BoolArray, axis: int) -> Float32Array:
    """Return how much each slice along an axis counts where planes are fused, above 0 to 1; shape (slices,)."""
    return np.asarray(np.clip(_areas(inside, axis) / FULL, _LEAST, 1) ** 2, np.float32)


def _areas(inside: BoolArray, axis: int) -> Float64Array:
    areas = inside.sum(axis=tuple(other for other in range(3) if other != axis))
    return np.asarray(areas / areas.max())
