"""What the networks see of a head, and how what they make of it comes back to the scan: the seed's preprocessing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.bounded.frame import SHAPE, FramedHead, framed
from inference.classical.head import find_head
from inference.classical.histogram import refuse_uniform
from inference.look import TOP
from inference.volume import BoolArray, Float32Array, Float64Array, Volume

SIDE = max(SHAPE)
"""Rows and columns of the square that slices of every plane are shown on, 2 mm each."""

CLIP = 4.0
"""Standard deviations from the mean of the head beyond which intensities are clipped; what is left is divided by it."""


FULL = 0.3
"""Part of the head's area in the largest slice of a plane from which on a slice is trained on, and counts in full."""

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
    """

    head: FramedHead
    voxels: Float32Array
    mean: float
    spread: float

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
    return Sight(head, voxels, mean, spread)


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


def natively(made: Float32Array, sight: Sight, volume: Volume, *, floor: float) -> tuple[Float32Array, float]:
    """Bring what the networks made of a head to the grid of the scan, in the scale of looks.

    Only what was changed is interpolated: y - g x, with g the ratio of the spreads of y and x. The scan itself, times
    g, gives the rest, so that what is finer than the frame, or was clipped, stays. Nothing is changed in the air.

    Parameters
    ----------
    made
        Shape of the frame: what the networks made of `sight.voxels`.
    sight, volume
        The head, and the scan that it is of.
    floor
        What black is shown as in the style that was given.

    Returns
    -------
    Shape of the volume, the anchor of deep tissue at `TOP`; and g, in parts of the mere scale.
    """
    black = np.where(sight.head.inside, made - np.float32(floor), np.float32(0))
    scale = TOP / sight.head.profile_of(black).anchor
    wanted = black * np.float32(scale)
    gain = scale * float(made[sight.head.inside].std() / (sight.voxels[sight.head.inside].std() * sight.spread * CLIP))
    shown = (sight.voxels - np.float32(sight.floor)) * np.float32(sight.spread * CLIP)
    change = wanted - np.float32(gain) * shown
    voxels = _interpolated(change, sight.head.affine, volume)
    voxels += np.float32(gain) * volume.voxels
    return voxels, gain * sight.head.profile_of(sight.head.voxels).anchor / TOP


def _interpolated(change: Float32Array, affine: Float64Array, volume: Volume) -> Float32Array:
    """Read the frame where the voxels of a scan lie, linearly; beyond it its border goes on."""
    to_frame = np.linalg.inv(affine) @ volume.affine
    found = ndimage.affine_transform(
        change, to_frame[:3, :3], to_frame[:3, 3], volume.voxels.shape, order=1, mode="nearest", output=np.float32
    )
    return np.asarray(found, np.float32)
