"""Lesions: small plaques in white matter, put there on purpose, so that what becomes of them can be measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.volume import BoolArray, Float64Array
from training.simulate.head import Head
from training.simulate.space import LabelArray
from training.simulate.tissues import Tissue

_AXES_SPREAD = 0.2
_TRIES = 200


def with_lesions(head: Head, *, seed: int, count: int, diameter_mm: float) -> tuple[Head, LabelArray]:
    """Put lesions into the white matter of a head.

    They are ellipsoids of unequal axes that lie wholly in white matter and do not touch each other. Where they lie and
    how they are shaped is invented.

    Parameters
    ----------
    head
        Who gets them.
    seed
        The same seed puts the same lesions into the same head.
    count
        How many, 255 at most.
    diameter_mm
        Of the sphere that is as large as each of them.

    Returns
    -------
    The head with its lesions, and on its grid where they are: 0 for none, else the lesion's number from 1 on. Lesions
    that the head had before are not among them.

    Raises
    ------
    ValueError
        When there is no room for so many.
    """
    rng = np.random.default_rng([head.seed, seed])
    spacing = np.linalg.norm(head.affine[:3, :3], axis=0)
    lesions: LabelArray = np.zeros(head.labels.shape, np.uint8)
    free = head.labels == Tissue.WHITE_MATTER
    if not free.any():
        raise ValueError("the head has no white matter")
    box = ndimage.find_objects(free.view(np.uint8))[0]
    free = np.pad(free[box], 1)
    deep = np.flatnonzero(ndimage.distance_transform_edt(free, sampling=spacing) > diameter_mm / 2)
    put: LabelArray = np.zeros(free.shape, np.uint8)
    for number in range(1, count + 1):
        _put(put, free, rng, deep, (number, diameter_mm / 2 / spacing))
    lesions[box] = put[1:-1, 1:-1, 1:-1]
    return replace(head, labels=np.where(lesions > 0, np.uint8(Tissue.LESION), head.labels)), lesions


def _put(
    lesions: LabelArray,
    free: BoolArray,
    rng: np.random.Generator,
    deep: NDArray[np.intp],
    lesion: tuple[int, Float64Array],
) -> None:
    """Put one lesion, (number, mean radii in voxels), where white matter is free, and take that from it."""
    number, radii = lesion
    for _ in range(_TRIES if deep.size else 0):
        axes = np.exp(_AXES_SPREAD * rng.standard_normal(3))
        axes = radii * axes / np.cbrt(axes.prod())
        centre = np.array(np.unravel_index(rng.choice(deep), free.shape))
        low, high = np.floor(centre - axes).astype(int) - 1, np.ceil(centre + axes).astype(int) + 2
        if (low < 0).any() or (high > free.shape).any():
            continue
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        at = np.ogrid[box]
        body = sum(((a - c) / r) ** 2 for a, c, r in zip(at, centre, axes, strict=True)) <= 1
        if free[box][body].all():
            lesions[box][body] = number
            free[box][ndimage.binary_dilation(body)] = False
            return
    raise ValueError(f"no room in the white matter for lesion {number} of this size")
