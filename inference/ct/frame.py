"""The frame in which networks turn MR into CT: upright, 1 mm, as large as the head in the image, told by its crown."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy

from inference.bounded.frame import crown_of
from inference.classical.head import Head, block_means
from inference.errors import ModelRefused
from inference.volume import BoolArray, Float32Array, Float64Array, Volume

FINE_MM = 1.0
"""Side of the frame's voxels: tables of the skull are 1 to 2 mm thick."""

ABOVE_CROWN_MM = 8.0
"""Air that the frame leaves above the head."""

BRIGHTEST = 3.0
"""What is brighter, in parts of the scale, is shown to a network as this bright."""

_MARGIN_MM = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class FramedMr:
    """An MR volume as networks see it.

    Attributes
    ----------
    voxels
        Shape (slices, rows, columns), upwards, to the back, to the left (LPS); 0 to `BRIGHTEST`, 0 where nothing was
        imaged.
    affine
        Shape (4, 4): (k, j, i, 1) to LPS mm.
    corner_mm
        (z, y, x) of the first voxel against the crown: top of the head, middle of its upper part.
    """

    voxels: Float32Array
    affine: Float64Array
    corner_mm: tuple[float, float, float]


def scale_of(inside: Float32Array) -> float:
    """Return what counts as 1 for a network: the 90th percentile of the voxels in the head, of whatever contrast.

    Parameters
    ----------
    inside
        Voxels of the head, some of them.

    Raises
    ------
    ModelRefused
        When they hold nothing.
    """
    scale = float(np.percentile(inside, 90)) if inside.size else 0.0
    if not scale > 0:
        raise ModelRefused("no head can be told from the air")
    return scale


def normalised(voxels: Float32Array, scale: float) -> Float32Array:
    """Return voxels as networks see them: 0 to `BRIGHTEST`."""
    return np.asarray(np.clip(voxels * np.float32(1 / scale), 0, np.float32(BRIGHTEST)), np.float32)


def framed(volume: Volume, head: Head, multiples: tuple[int, int, int]) -> FramedMr:
    """Bring an MR volume into the frame.

    Voxels finer than `FINE_MM` are averaged to about that first; then they are interpolated linearly.

    Parameters
    ----------
    volume, head
        A volume, and what `find_head` found in it.
    multiples
        Lengths of the frame are multiples of these.

    Raises
    ------
    ModelRefused
        When there is no head.
    """
    scale = scale_of(volume.voxels[head.inside])
    factors = [max(1, round(FINE_MM / mm)) for mm in volume.spacing_mm]
    affine = volume.affine @ np.diag([*map(float, factors), 1.0])
    affine[:3, 3] = volume.affine[:3] @ [*((factor - 1) / 2 for factor in factors), 1.0]
    to_lps, shape, corner_mm = _box(volume, head, multiples)
    to_scan = np.linalg.inv(affine) @ to_lps
    voxels = scipy.ndimage.affine_transform(
        block_means(volume.voxels, factors), to_scan[:3, :3], to_scan[:3, 3], shape, order=1
    )
    return FramedMr(normalised(np.asarray(voxels, np.float32), scale), to_lps, corner_mm)


def natively(frame: Float32Array, affine: Float64Array, volume: Volume, *, outside: float) -> Float32Array:
    """Return values of the frame on the grid of a volume; a voxel larger than the frame's holds the mean of its parts.

    Parameters
    ----------
    frame, affine
        Shape (slices, rows, columns), and where it lies.
    volume
        Whose grid is wanted.
    outside
        Value beyond the frame.
    """
    to_frame = np.linalg.inv(affine) @ volume.affine
    parts = [max(1, round(mm / FINE_MM)) for mm in volume.spacing_mm]
    steps = [(np.arange(count) - (count - 1) / 2) / count for count in parts]
    total = np.zeros(volume.voxels.shape, np.float32)
    for step in product(*steps):
        offset = to_frame[:3, :3] @ np.array(step) + to_frame[:3, 3]
        total += scipy.ndimage.affine_transform(
            frame, to_frame[:3, :3], offset, volume.voxels.shape, order=1, cval=outside, output=np.float32
        )
    total /= np.float32(np.prod(parts))
    return total


def _box(
    volume: Volume, head: Head, multiples: tuple[int, int, int]
) -> tuple[Float64Array, tuple[int, int, int], tuple[float, float, float]]:
    """Return affine, shape and corner of a frame around the head: what is added goes below, and to all sides."""
    thin = [max(1, round(2.0 / mm)) for mm in volume.spacing_mm]
    inside: BoolArray = head.inside[tuple(slice(None, None, step) for step in thin)]
    affine = volume.affine @ np.diag([*map(float, thin), 1.0])
    nodes = affine[:3, :3] @ np.argwhere(inside).T + affine[:3, 3:]
    low, high = nodes.min(axis=1) - _MARGIN_MM, nodes.max(axis=1) + _MARGIN_MM
    crown = crown_of(inside, affine)
    high[2] = crown[2] + ABOVE_CROWN_MM
    whole = np.rint((high - low) / FINE_MM).astype(int)[::-1]
    lengths = [int(-(-length // multiple) * multiple) for length, multiple in zip(whole, multiples, strict=True)]
    size = (np.array(lengths[::-1]) - 1) * FINE_MM
    first = (low + high - size) / 2
    first[2] = high[2] - size[2]
    to_lps = np.zeros((4, 4))
    to_lps[[2, 1, 0], [0, 1, 2]] = FINE_MM
    to_lps[:3, 3] = first
    to_lps[3, 3] = 1
    corner = (float(first[2] - crown[2]), float(first[1] - crown[1]), float(first[0] - crown[0]))
    return to_lps, (lengths[0], lengths[1], lengths[2]), corner
