"""Agreement of edges: how far the gradients of a result point the way that those of its source do, and where not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from inference.volume import BoolArray, Float32Array, Float64Array, Volume

PLACE_MM = 8.0
"""Side of the cubes that are judged by themselves: about as large as the smallest lesion that is measured."""
_FEWEST = 3
"""Voxels along such a side at the least: the gradients of fewer are mostly noise."""
_SLICE_SHARE = 0.1
"""A slice is judged when it holds this part of what the fullest slice holds."""
_PLACE_SHARE, _PLACE_EDGE = 0.5, 0.3
"""A place is judged when this part of it is head, its edges, before or after, this part as strong as the mean."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Weighted mean cosines between two gradients, from -1 (contrast reversed) to 1 (same edges).

    Attributes
    ----------
    mean
        Over the whole head.
    worst_slice, slice_index
        Of the slice that agrees least, and which it is, from 0.
    worst_place, place_mm
        Of the place that agrees least, and its centre, LPS mm.
    """

    mean: float
    worst_slice: float
    slice_index: int
    worst_place: float
    place_mm: tuple[float, float, float]


def agreement(source: Volume, result: Volume, judged: BoolArray) -> Agreement:
    """Measure how well edges point the same way.

    Each voxel weighs as much as its gradient in the source and in the result, each relative to its own mean: an edge
    that vanished counts against the result, and so does one that was drawn. Where neither has an edge they agree.

    Parameters
    ----------
    source, result
        On the same grid.
    judged
        Shape (slices, rows, columns): which voxels count; at least one.
    """
    box = scipy.ndimage.find_objects(judged.astype(np.int8))[0]
    sides = [max(_FEWEST, round(PLACE_MM / mm)) for mm in source.spacing_mm]
    slices, places = _sums(source.voxels[box], result.voxels[box], judged[box], sides, source.spacing_mm)
    total = slices.sum(axis=1)
    of_slices = np.where(slices[4] >= _SLICE_SHARE * slices[4].max(), _cosines(slices), 1)
    edges = np.max(places[:2] * total[4] / np.maximum(total[:2], np.finfo(float).tiny)[:, None, None, None], axis=0)
    full = (places[4] >= _PLACE_SHARE * np.prod(sides)) & (edges >= _PLACE_EDGE * places[4])
    of_places = np.where(full, _cosines(places), 1)
    k = int(np.argmin(of_slices))
    worst = np.array(np.unravel_index(int(np.argmin(of_places)), of_places.shape))
    first = np.array([axis.start for axis in box])
    x, y, z, _ = source.affine @ [*(first + (worst + 0.5) * sides - 0.5), 1]
    return Agreement(
        mean=float(_cosines(total)),
        worst_slice=float(of_slices[k]),
        slice_index=box[0].start + k,
        worst_place=float(of_places.min()),
        place_mm=(float(x), float(y), float(z)),
    )


def _cosines(sums: Float64Array) -> Float64Array:
    """Return the mean of both weightings; 1 where neither volume has an edge, 0 where only one has."""
    norm_a, norm_b, along_a, along_b = sums[:4]
    neither = np.asarray((norm_a == 0) & (norm_b == 0), float)
    each = (
        np.divide(along, norm, out=neither.copy(), where=norm > 0)
        for along, norm in ((along_a, norm_a), (along_b, norm_b))
    )
    return np.asarray(sum(each) / 2)


def _sums(
    a: Float32Array, b: Float32Array, judged: BoolArray, sides: list[int], spacing_mm: tuple[float, float, float]
) -> tuple[Float64Array, Float64Array]:
    """Add up, of each slice and each place: both norms, cosine times each norm, and the voxels that count.

    Returns
    -------
    Shapes (5, slices) and (5, places along slices, along rows, along columns).
    """
    of_slices, of_places = [], []
    for first in range(0, len(a), sides[0]):
        low, last = max(first - 1, 0), min(first + sides[0], len(a))
        own = slice(first - low, last - low)
        parts = (voxels[low : last + 1] for voxels in (a, b))
        columns = _products(*(_gradients(part, own, spacing_mm) for part in parts)) * judged[first:last]
        for axis in (2, 3):
            columns = np.add.reduceat(columns, np.arange(0, columns.shape[axis], sides[axis - 1]), axis=axis)
        of_slices.append(columns.sum(axis=(2, 3), dtype=float))
        of_places.append(columns.sum(axis=1, dtype=float))
    return np.concatenate(of_slices, axis=1), np.stack(of_places, axis=1)


def _products(a: Float32Array, b: Float32Array) -> Float32Array:
    """Return both norms, cosine times each, and 1, voxel by voxel; shape (5, slices, rows, columns)."""
    norm_a, norm_b = (np.sqrt(np.einsum("c...,c...", each, each)) for each in (a, b))
    both = norm_a * norm_b
    cosine = np.divide(np.einsum("c...,c...", a, b), both, out=np.zeros_like(both), where=both > 0)
    return np.stack([norm_a, norm_b, cosine * norm_a, cosine * norm_b, np.ones_like(both)])


def _gradients(voxels: Float32Array, own: slice, spacing_mm: tuple[float, float, float]) -> Float32Array:
    """Return central differences per mm in the slices `own`; shape (3, slices, rows, columns).

    An axis of one voxel has none.
    """
    gradients = [
        np.gradient(voxels, mm, axis=axis)[own] if voxels.shape[axis] > 1 else np.zeros_like(voxels[own])
        for axis, mm in enumerate(spacing_mm)
    ]
    return np.stack(gradients).astype(np.float32, copy=False)
