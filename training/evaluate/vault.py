"""What can be said of a synthetic CT without a true one: its outline, its share of bone, and holes in its skull."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from inference.ct import hounsfield
from inference.ct.body import find_body
from inference.volume import BoolArray, Float64Array, Volume
from training.evaluate.ct_metrics import AIR_HU, BONE_HU, dice

_BELOW_THE_TOP_MM = 75.0
"""How far below the top of the head rays start: about the middle of the brain, above the eyes."""

_LOWEST_RAY_DEG = 10.0
_RAYS = 2000
_REACH_MM = 140.0
_STEP_MM = 1.0
_HOLE_RAYS = 4
"""Fewest neighbouring rays that count as a hole: about 1 cm2 of the skull."""


def plausibility(result: Volume, head: BoolArray) -> dict[str, float]:
    """Measure what needs no truth.

    Parameters
    ----------
    result
        HU.
    head
        Shape of the volume: the head in the MR.

    Returns
    -------
    ``outline_dice``
        Dice of the head and of the body that is found in the result, as `find_body` finds one in MR.
    ``bone_percent``, ``air_percent``
        Part of the head that is bone (at or above `BONE_HU`), and air (at or below `AIR_HU`).
    ``vault_open_percent``
        Part of 2000 rays, from the middle of the brain outwards and at least 10 degrees upwards, that meet no bone.
    ``vault_holes``
        Groups of neighbouring rays that meet none, from about 1 cm2 on.
    """
    # bone counts as water: the threshold is to lie between air and tissue, not between tissue and bone
    body = find_body(
        result.with_voxels(
            np.clip(result.voxels, hounsfield.AIR_HU, hounsfield.WATER_HU) - np.float32(hounsfield.AIR_HU)
        )
    )
    directions = _upwards()
    open_rays = _meet_no_bone(result, _middle_mm(result, head), directions)
    return {
        "outline_dice": dice(body, head),
        "bone_percent": 100 * float((result.voxels[head] >= BONE_HU).mean()),
        "air_percent": 100 * float((result.voxels[head] <= AIR_HU).mean()),
        "vault_open_percent": 100 * float(open_rays.mean()),
        "vault_holes": float(_holes(directions[open_rays])),
    }


def _middle_mm(volume: Volume, head: BoolArray) -> Float64Array:
    """Return the middle of the head's outline at the height where rays start, LPS mm."""
    points = np.argwhere(head)[::7] @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    height = points[:, 2].max() - _BELOW_THE_TOP_MM
    above = points[points[:, 2] >= height]
    x, y = (above[:, :2].min(axis=0) + above[:, :2].max(axis=0)) / 2
    return np.array([x, y, height])


def _upwards() -> Float64Array:
    """Return evenly spread unit vectors (a Fibonacci lattice) of the upper half; shape (rays, 3), LPS."""
    number = np.arange(_RAYS) + 0.5
    z = 1 - number / _RAYS * (1 - np.sin(np.radians(_LOWEST_RAY_DEG)))
    around = np.pi * (1 + np.sqrt(5)) * number
    flat = np.sqrt(1 - z**2)
    return np.stack([flat * np.cos(around), flat * np.sin(around), z], axis=1)


def _meet_no_bone(volume: Volume, middle_mm: Float64Array, directions: Float64Array) -> BoolArray:
    to_index = np.linalg.inv(volume.affine)
    steps_mm = np.arange(0, _REACH_MM, _STEP_MM)
    points = middle_mm + steps_mm[:, None, None] * directions
    at = points @ to_index[:3, :3].T + to_index[:3, 3]
    values = ndimage.map_coordinates(volume.voxels, np.moveaxis(at, -1, 0), order=1, cval=hounsfield.OUTSIDE_HU)
    return np.asarray(values.max(axis=0) < BONE_HU)


def _holes(directions: Float64Array) -> int:
    """Count groups of neighbours."""
    if len(directions) < _HOLE_RAYS:
        return 0
    apart = 1.6 * np.sqrt(2 * np.pi * (1 - np.sin(np.radians(_LOWEST_RAY_DEG))) / _RAYS)
    pairs: NDArray[np.intp] = KDTree(directions).query_pairs(apart, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(directions),) * 2)
    _, groups = connected_components(links, directed=False)
    return int((np.bincount(groups) >= _HOLE_RAYS).sum())
