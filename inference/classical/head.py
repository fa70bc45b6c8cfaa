"""Which voxels of a whole-head MR volume are head, and which are air around it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from inference.volume import BoolArray, Float32Array, Volume

WORKING_MM = 2.0
"""Grid on which the head is found: fine enough for its outline, coarse enough to average noise and to be quick."""

CROWN_MM = 130.0
"""How far below the top of the head a brain reaches; below are the lower face, the neck and the shoulders."""

_BINS = 256
_TISSUE_FLOOR = 0.5
"""Part of Otsu's threshold that counts as tissue: dark muscle and the neck's weak signal lie below the threshold."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Where the head is in a volume.

    Attributes
    ----------
    inside
        Shape (slices, rows, columns): true inside the outer surface, the head's air cavities included; all false when
        there is no head to be told from the air.
    tissue_above
        Brighter voxels are tissue; below lie air and compact bone. In the unit of the volume.
    """

    inside: BoolArray
    tissue_above: float


def find_head(volume: Volume) -> Head:
    """Find the head: everything inside the outer surface of the largest bright body.

    Otsu's threshold [1]_ is taken on the square root of the intensities, which evens the classes out, on a grid of
    about 2 mm; the largest component is kept and its holes are filled, in space and within each plane of the grid, so
    that cavities which open through the nose or at the edge of the image are filled too.

    Parameters
    ----------
    volume
        Any orientation and spacing; the head is brighter than the air.

    References
    ----------
    .. [1] Otsu N. A threshold selection method from gray-level histograms. IEEE Trans Syst Man Cybern 9:62-66, 1979.
    """
    factors = working_factors(volume)
    coarse = block_means(volume.voxels, factors)
    threshold = tissue_threshold(coarse)
    # filled before it is opened too: opening wears away a thin scalp, unless what it encloses holds it
    inside = _filled(_largest_body(_filled(coarse > threshold)))
    return Head(_refined(inside, factors, volume.voxels.shape), threshold)


def deep_part(volume: Volume, head: Head, *, depth_mm: float, crown_mm: float) -> BoolArray:
    """Return the part of a head that most images of heads share: the brain and what surrounds it.

    Parameters
    ----------
    volume, head
        A volume, and what `find_head` found in it.
    depth_mm
        Leave out what lies less than this below the surface: scalp and skull. Where the image ends is no surface.
    crown_mm
        Leave out what lies further than this below the top of the head, towards the feet: the face and the neck.

    Returns
    -------
    Shape (slices, rows, columns).
    """
    if not head.inside.any():
        return head.inside
    factors = working_factors(volume)
    coarse = head.inside[tuple(slice(None, None, factor) for factor in factors)]
    sampling = [mm * factor for mm, factor in zip(volume.spacing_mm, factors, strict=True)]
    if not coarse.all():
        coarse = np.asarray(scipy.ndimage.distance_transform_edt(coarse, sampling=sampling) > depth_mm)
    height_mm = sum(
        step * factor * index
        for step, factor, index in zip(volume.affine[2, :3], factors, np.ogrid[_whole(coarse.shape)], strict=True)
    )
    if coarse.any():
        top_mm = np.max(height_mm, where=coarse, initial=-np.inf) + depth_mm
        coarse = coarse & (height_mm > top_mm - crown_mm)
    return _refined(coarse, factors, volume.voxels.shape)


def upper_extents_mm(volume: Volume, head: Head) -> tuple[float, float]:
    """Return how wide and how deep a head is, the smaller first, in its uppermost `CROWN_MM`.

    Parameters
    ----------
    volume, head
        A volume, and what `find_head` found in it: something.

    Returns
    -------
    Horizontal extents along x and y of the patient, mm, where the image does not end before.
    """
    factors = working_factors(volume)
    nodes = np.argwhere(head.inside[tuple(slice(None, None, factor) for factor in factors)]) * factors
    x, y, z = volume.affine[:3, :3] @ nodes.T + volume.affine[:3, 3:]
    upper = z > z.max() - CROWN_MM
    short, long = sorted(float(np.ptp(axis[upper])) for axis in (x, y))
    return short, long


def working_factors(volume: Volume) -> list[int]:
    """Return how many voxels along (slices, rows, columns) make one of the working grid, about `WORKING_MM`."""
    return [max(1, round(WORKING_MM / mm)) for mm in volume.spacing_mm]


def _whole(shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(length) for length in shape)


def _refined(coarse: BoolArray, factors: list[int], shape: tuple[int, ...]) -> BoolArray:
    """Take a mask from the working grid to the grid of the volume."""
    for axis, factor in enumerate(factors):
        coarse = np.repeat(coarse, factor, axis=axis)
    return coarse[_whole(shape)]


def block_means(voxels: Float32Array, factors: list[int]) -> Float32Array:
    """Average blocks of `factors` voxels; blocks that hang over the edge average what they hold."""
    means = voxels
    for axis, factor in enumerate(factors):
        if factor > 1:
            lying = np.moveaxis(means, axis, 0)
            total = lying[::factor].copy()
            for k in range(1, factor):  # several times as fast as np.add.reduceat
                part = lying[k::factor]
                total[: len(part)] += part
            total[:-1] /= factor
            total[-1] /= len(lying) - factor * (len(total) - 1)
            means = np.moveaxis(total, 0, axis)
    return np.ascontiguousarray(means)


def tissue_threshold(voxels: Float32Array) -> float:
    """Return the intensity between air and tissue; infinity in a volume without contrast."""
    root = np.sqrt(np.clip(voxels, 0, None))
    top = float(np.percentile(root, 99.5))
    if top <= 0 or root.min() == root.max():
        return math.inf
    counts, edges = np.histogram(np.clip(root, 0, top), bins=_BINS, range=(0, top))
    return _TISSUE_FLOOR * _otsu(counts, edges) ** 2


def _otsu(counts: np.ndarray, edges: np.ndarray) -> float:
    """Return the threshold that maximises the variance between the two classes of a histogram."""
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    between = below * above * (mean_below - mean_above) ** 2
    return float(edges[1 + int(np.argmax(between))])


def _largest_body(tissue: BoolArray) -> BoolArray:
    """Return the largest component, cut from ghosts and noise that touch it by a thin bridge."""
    opened = scipy.ndimage.binary_opening(tissue)
    labels, count = scipy.ndimage.label(opened if opened.any() else tissue)
    if count == 0:
        return tissue
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body: BoolArray = labels == np.argmax(sizes)
    return body


def _filled(body: BoolArray) -> BoolArray:
    """Fill what the body encloses in space, and within each plane of each axis."""
    filled = body | _enclosed(body, (0, 1, 2))
    for across in range(3):
        first, second = (axis for axis in range(3) if axis != across)
        filled |= _enclosed(filled, (first, second))
    return filled


def _enclosed(body: BoolArray, axes: tuple[int, ...]) -> BoolArray:
    """Return what is outside the body and cannot reach the image's edge by steps along `axes`."""
    neighbours = np.zeros((3, 3, 3), bool)
    for axis in axes:
        neighbours[tuple(slice(None) if other == axis else 1 for other in range(3))] = True
    labels, count = scipy.ndimage.label(~body, structure=neighbours)
    enclosed = np.ones(count + 1, bool)
    enclosed[0] = False
    for axis in axes:
        for face in (0, -1):
            enclosed[np.take(labels, face, axis=axis)] = False
    return enclosed[labels]
