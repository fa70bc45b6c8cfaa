"""Threshold segmentation of a T1 head into the four classes of bulk density: air, fat, soft tissue, bone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray

from inference.classical.head import Head, working_factors
from inference.look import profile
from inference.volume import BoolArray, Float32Array, Volume

ClassArray: TypeAlias = NDArray[np.uint8]


class BulkClass(IntEnum):
    """What a voxel is taken for."""

    OUTSIDE = 0
    AIR = 1
    FAT = 2
    SOFT_TISSUE = 3
    BONE = 4


DARK = 0.2
"""Part of the intensity of white matter below which a voxel may be bone: between compact bone and fluid."""

BRIGHT = 1.2
"""Part of the intensity of white matter above which a voxel may be fat."""

SCALP_MM, SKULL_MM = 2.0, 30.0
"""How far below the surface bone is looked for, and down to where fat is; what is dark below is fluid or a vessel."""

THINNEST_AIR_MM = 10.0
"""What is as dark as air is air where a cube of this size fits into it, and bone elsewhere: compact bone is thinner."""

DIPLOE_MM = 6.0
"""Gaps up to this width between two layers of bone are bone: the bright marrow between the tables of the skull."""


def segment(volume: Volume, body: BoolArray, head: Head) -> ClassArray:
    """Tell air, fat, soft tissue and bone apart by brightness, depth and thickness.

    Conventional MR shows neither air nor compact bone; which is which is decided by thickness. All of the rules and
    their numbers are invented for this baseline, and were chosen on two simulated heads.

    Parameters
    ----------
    volume
        T1 of a head with its skull.
    body, head
        What `find_body` and `find_head` found in it.

    Returns
    -------
    Shape (slices, rows, columns), values of `BulkClass`.

    Raises
    ------
    ModelRefused
        When no head can be told from the air.
    """
    white = profile(volume, head=head).anchor
    depth_mm = _depth_mm(volume, body)
    shallow = body & (depth_mm < SKULL_MM)
    factors = working_factors(volume)
    means = scipy.ndimage.uniform_filter(volume.voxels, [factor | 1 for factor in factors])
    black = body & (means < head.tissue_above)
    widths = _widths(volume, THINNEST_AIR_MM)
    air = _dilated(_eroded(black, widths), widths) & black
    below_scalp = shallow & (depth_mm > SCALP_MM) & ~air
    bone = below_scalp & (volume.voxels < DARK * white)
    gaps = _widths(volume, DIPLOE_MM)
    bone = _eroded(_dilated(bone, gaps), gaps) & below_scalp
    classes = np.where(body, BulkClass.SOFT_TISSUE, BulkClass.OUTSIDE).astype(np.uint8)
    classes[shallow & (volume.voxels > BRIGHT * white)] = BulkClass.FAT
    classes[bone] = BulkClass.BONE
    classes[air] = BulkClass.AIR
    return classes


def _depth_mm(volume: Volume, body: BoolArray) -> Float32Array:
    """Return how far each voxel lies below the surface, in steps of the working grid; where the image ends is none."""
    factors = working_factors(volume)
    coarse = body[tuple(slice(None, None, factor) for factor in factors)]
    if coarse.all():
        return np.full(body.shape, np.inf, np.float32)
    sampling = [mm * factor for mm, factor in zip(volume.spacing_mm, factors, strict=True)]
    depth: Float32Array = scipy.ndimage.distance_transform_edt(coarse, sampling=sampling).astype(np.float32)
    for axis, factor in enumerate(factors):
        depth = np.repeat(depth, factor, axis=axis)
    return depth[tuple(slice(length) for length in body.shape)]


def _widths(volume: Volume, size_mm: float) -> list[int]:
    """Return an odd number of voxels a side, about `size_mm`."""
    return [2 * round(size_mm / 2 / mm) + 1 for mm in volume.spacing_mm]


def _dilated(mask: BoolArray, widths: Sequence[int]) -> BoolArray:
    return np.asarray(scipy.ndimage.maximum_filter(mask.view(np.uint8), widths)).view(np.bool_)


def _eroded(mask: BoolArray, widths: Sequence[int]) -> BoolArray:
    return np.asarray(scipy.ndimage.minimum_filter(mask.view(np.uint8), widths)).view(np.bool_)
