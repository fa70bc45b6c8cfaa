"""What is true of a scan: where the head is, and which tissue lies in each of the scanner's voxels."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from inference.volume import BoolArray
from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.shapes import enclosed
from training.simulate.space import LabelArray


def truth_mask(head: Head, grid: Grid) -> BoolArray:
    """Return what lies within the outer skin, air cavities included.

    Parameters
    ----------
    head
        Who is scanned.
    grid
        The scanner's.

    Returns
    -------
    Shape of the grid; true where the voxel's centre is inside.
    """
    return _nearest(enclosed(head.labels > 0).view(np.uint8), head, grid).astype(bool)


def labels_on(head: Head, grid: Grid) -> LabelArray:
    """Return the `Tissue` at the centre of each of the scanner's voxels; shape of the grid, air beyond the head."""
    return _nearest(head.labels, head, grid)


def _nearest(labels: LabelArray, head: Head, grid: Grid) -> LabelArray:
    to_head = np.linalg.inv(head.affine) @ grid.affine
    return np.asarray(
        ndimage.affine_transform(labels, to_head[:3, :3], to_head[:3, 3], grid.shape, order=0, cval=0), np.uint8
    )
