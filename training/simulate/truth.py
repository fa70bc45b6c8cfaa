"""What is true of a scan: where the head is, and which tissue lies in each of the scanner's voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.volume import BoolArray, Float32Array, Volume
from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.scan import exposed
from training.simulate.shapes import enclosed
from training.simulate.sites import Site
from training.simulate.space import LabelArray


@dataclass(frozen=True, slots=True, eq=False)
class KnownScan:
    """A scan with all that is true of it; every array has the volume's shape.

    Attributes
    ----------
    volume
        The image, as `scan` makes it.
    signal
        Without noise, with even coils and without copies; at the scale of the volume.
    gain
        The receive field, about 1 in the middle of the head.
    labels
        `Tissue` at the centre of each voxel.
    inside
        Within the outer skin.
    """

    volume: Volume
    signal: Float32Array
    gain: Float32Array
    labels: LabelArray
    inside: BoolArray


def scan_with_truth(head: Head, site: Site, *, seed: int, grid: Grid | None = None) -> KnownScan:
    """Scan a head and tell the truth about it; the arguments are those of `scan`, and so is the image."""
    grid = grid or site.grid
    exposure = exposed(head, site, seed=seed, grid=grid)
    return KnownScan(exposure.volume, exposure.signal, exposure.gain, labels_on(head, grid), truth_mask(head, grid))


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
