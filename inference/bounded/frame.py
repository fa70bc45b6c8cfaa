"""The frame in which the network sees a head: upright, its crown at the upper end, whatever grid it was scanned on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy

from inference.classical.head import CROWN_MM, Head, block_means, working_factors
from inference.look import DEPTH_MM, Profile, profile_of
from inference.volume import BoolArray, Float32Array, Float64Array, Volume

SHAPE = (112, 128, 96)
"""Voxels of the frame, upwards, to the back, to the left (LPS): 224 x 256 x 192 mm hold a head with its jaw."""

FINE_MM = 2.0
"""Side of the frame's voxels: of the intensities that curves are fitted to."""

COARSE_MM = 4.0
"""Side of the voxels that the network sees: averages of 2 x 2 x 2."""

_ABOVE_CROWN_MM = 8.0

_FADE_VOXELS = 6


@dataclass(frozen=True, slots=True, eq=False)
class FramedHead:
    """A head in the frame.

    Attributes
    ----------
    voxels
        Shape `SHAPE`; what lies outside the scan is 0.
    inside, deep
        Same shape: the head, as `find_head` found it, and what lies deep in its upper part.
    tissue_above
        Brighter voxels are tissue.
    affine
        Shape (4, 4): (k, j, i, 1) of the frame to LPS mm.
    """

    voxels: Float32Array
    inside: BoolArray
    deep: BoolArray
    tissue_above: float
    affine: Float64Array

    def profile_of(self, voxels: Float32Array) -> Profile:
        """Measure intensities where the head has its tissue, as `inference.look.profile` does.

        Parameters
        ----------
        voxels
            Shape `SHAPE`: those of the head, or what was made of them.

        Raises
        ------
        ModelRefused
            When there is hardly any tissue.
        """
        tissue = self.inside & (self.voxels > self.tissue_above)
        return profile_of(voxels[self.deep & tissue], voxels[tissue])


def frame_affine(crown_mm: tuple[float, float, float]) -> Float64Array:
    """Return the affine of a frame below a crown.

    Parameters
    ----------
    crown_mm
        x and y of the middle of the upper head, z of its top; LPS.
    """
    x, y, z = crown_mm
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = FINE_MM
    affine[0, 3] = x - (SHAPE[2] - 1) / 2 * FINE_MM
    affine[1, 3] = y - (SHAPE[1] - 1) / 2 * FINE_MM
    affine[2, 3] = z + _ABOVE_CROWN_MM - (SHAPE[0] - 1) * FINE_MM
    affine[3, 3] = 1
    return affine


def crown_of(inside: BoolArray, affine: Float64Array) -> tuple[float, float, float]:
    """Return x and y of the middle of the upper head and z of its top, LPS mm.

    Parameters
    ----------
    inside
        Shape (slices, rows, columns): the head, something of it.
    affine
        Takes its indices to LPS mm.
    """
    x, y, z = affine[:3, :3] @ np.argwhere(inside).T + affine[:3, 3:]
    top = float(z.max())
    upper = z > top - CROWN_MM
    return float(x[upper].min() + x[upper].max()) / 2, float(y[upper].min() + y[upper].max()) / 2, top


def framed(volume: Volume, head: Head) -> FramedHead:
    """Bring a head into the frame.

    Voxels finer than `FINE_MM` are averaged to about that first; then they are interpolated linearly.

    Parameters
    ----------
    volume, head
        A volume, and what `find_head` found in it: something.
    """
    factors = working_factors(volume)
    means = block_means(volume.voxels, factors)
    inside = head.inside[tuple(slice(None, None, factor) for factor in factors)]
    affine = volume.affine @ np.diag([*map(float, factors), 1.0])
    affine[:3, 3] = volume.affine[:3] @ [*((factor - 1) / 2 for factor in factors), 1.0]
    to_lps = frame_affine(crown_of(inside, affine))
    to_scan = np.linalg.inv(affine) @ to_lps
    matrix, offset = to_scan[:3, :3], to_scan[:3, 3]
    voxels = scipy.ndimage.affine_transform(means, matrix, offset, SHAPE, order=1)
    mask = scipy.ndimage.affine_transform(inside.astype(np.uint8), matrix, offset, SHAPE, order=0)
    inside = np.asarray(mask, bool)
    return FramedHead(np.asarray(voxels, np.float32), inside, deep_in(inside), head.tissue_above, to_lps)


def deep_in(inside: BoolArray) -> BoolArray:
    """Return what of a head in the frame lies deep in its upper part: see `inference.classical.head.deep_part`."""
    small = np.pad(inside[::2, ::2, ::2], 1, mode="edge")  # where the frame ends is no surface
    deep = scipy.ndimage.distance_transform_edt(small, sampling=COARSE_MM)[1:-1, 1:-1, 1:-1] > DEPTH_MM
    top = int(np.flatnonzero(inside.any(axis=(1, 2)))[-1])
    deep = deep.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    deep[: max(top - round(CROWN_MM / FINE_MM), 0)] = False
    return np.asarray(deep)


def trusted_part(shape: tuple[int, ...]) -> Float32Array:
    """Return 1 inside a frame, and less towards its faces, 0 there.

    Where the frame ends, what was done to each place gives way to what was done to its intensity.
    """
    lines = [np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / _FADE_VOXELS) for n in shape]
    return np.asarray(lines[0][:, None, None] * lines[1][:, None] * lines[2], np.float32)


def on_slice(
    frame: Float32Array,
    to_frame: Float64Array,
    k: int,
    shape: tuple[int, ...],
    *,
    beyond: Literal["constant", "nearest"] = "constant",
) -> Float32Array:
    """Return what a frame holds on a slice of a volume, interpolated linearly.

    Parameters
    ----------
    frame
        Three axes.
    to_frame
        Shape (4, 4): takes indices of the volume to indices of the frame.
    k, shape
        Which slice, and its rows and columns.
    beyond
        What stands for what lies beyond the frame: 0, or what it holds at its faces.
    """
    matrix = to_frame[:3, :3]
    at = to_frame[:3, 3] + matrix[:, 0] * k
    found = scipy.ndimage.affine_transform(frame, matrix, at, (1, *shape), order=1, mode=beyond, output=np.float32)
    return np.asarray(found[0], np.float32)


def coarse(voxels: Float32Array) -> Float32Array:
    """Average 2 x 2 x 2 voxels of the frame: from `FINE_MM` to `COARSE_MM`."""
    pairs = voxels[::2] + voxels[1::2]
    pairs = pairs[:, ::2] + pairs[:, 1::2]
    return np.asarray((pairs[..., ::2] + pairs[..., 1::2]) * np.float32(0.125), np.float32)
