"""Another person of the same kind: a head that is scaled, turned and smoothly bent at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from inference.volume import Float32Array, Float64Array
from training.simulate.head import Head
from training.simulate.shapes import SPREAD, smooth_field
from training.simulate.space import LabelArray

_CELLS = 4
_TURN_DEG = 3.0
_MARGIN_MM = 12.0
_SLAB = 24
_AIR_AROUND = 4


def deformed(head: Head, *, seed: int, bend_mm: float = 2.0, scale: float = 0.04) -> Head:
    """Deform a head.

    Each label is taken from the nearest voxel, so that no tissue is made up between two others. The map is smooth over
    a quarter of the head; up to a `bend_mm` of about 8 it does not fold. The amounts are invented.

    Parameters
    ----------
    head
        Whoever it starts from.
    seed
        The same seed deforms the same head in the same way.
    bend_mm
        Standard deviation of the displacement along each axis.
    scale
        Standard deviation of the log of the size, and again of each axis by itself.

    Returns
    -------
    With the same spacing, its top at the same height, and a seed, and so a texture, of its own.
    """
    rng = np.random.default_rng([head.seed, seed])
    sizes = np.exp(scale * rng.standard_normal() + scale * rng.standard_normal(3))
    linear = Rotation.from_euler("xyz", _TURN_DEG * rng.standard_normal(3), degrees=True).as_matrix() * sizes
    spacing = np.linalg.norm(head.affine[:3, :3], axis=0)
    pad = np.ceil(_MARGIN_MM / spacing).astype(int)
    shape = tuple(int(n + 2 * p) for n, p in zip(head.labels.shape, pad, strict=True))
    affine = head.affine.copy()
    affine[:3, 3] -= head.affine[:3, :3] @ pad
    bends = [np.float32(bend_mm / SPREAD / s) * smooth_field(rng, shape, _CELLS) for s in spacing]
    back = np.eye(4)
    back[:3, :3] = np.linalg.inv(linear)
    to_source = np.linalg.inv(head.affine) @ back @ affine
    labels = _pulled(head.labels, to_source, bends)
    labels, affine = _cropped(labels, affine)
    affine[2, 3] += _top_mm(head.labels, head.affine) - _top_mm(labels, affine)
    return replace(head, labels=labels, affine=affine, seed=int(rng.integers(2**31)))


def _pulled(labels: LabelArray, to_source: Float64Array, bends: list[Float32Array]) -> LabelArray:
    """Return the labels that lie where a matrix and displacements, in voxels of the source, point to."""
    result: LabelArray = np.empty(bends[0].shape, np.uint8)
    matrix, offset = to_source[:3, :3].astype(np.float32), to_source[:3, 3].astype(np.float32)
    for start in range(0, len(result), _SLAB):
        slab = slice(start, min(start + _SLAB, len(result)))
        z = np.arange(slab.start, slab.stop, dtype=np.float32)[:, None, None]
        y = np.arange(result.shape[1], dtype=np.float32)[:, None]
        x = np.arange(result.shape[2], dtype=np.float32)
        nodes = [
            m[0] * z + m[1] * y + m[2] * x + o + bend[slab] for m, o, bend in zip(matrix, offset, bends, strict=True)
        ]
        result[slab] = ndimage.map_coordinates(labels, nodes, order=0, mode="nearest")
    return result


def _cropped(labels: LabelArray, affine: Float64Array) -> tuple[LabelArray, Float64Array]:
    """Cut off what is but air, a few voxels of it excepted."""
    box = [
        slice(max(0, part.start - _AIR_AROUND), min(size, part.stop + _AIR_AROUND))
        for part, size in zip(ndimage.find_objects((labels > 0).view(np.uint8))[0], labels.shape, strict=True)
    ]
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ [part.start for part in box]
    return np.ascontiguousarray(labels[tuple(box)]), moved


def _top_mm(labels: LabelArray, affine: Float64Array) -> float:
    highest = int(np.flatnonzero((labels > 0).any(axis=(1, 2)))[-1])
    return float(affine[2, 0] * highest + affine[2, 3])
