"""CT of a head: Hounsfield units of each tissue, as a scanner would show them."""

from __future__ import annotations

import numpy as np

from inference.ct.hounsfield import AIR_HU, HOUNSFIELD
from inference.volume import Volume
from training.simulate.ct_tissues import ct_texture, hounsfield
from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.scan import resampled

HEAD_CT = Grid("axial", (76, 256, 256), (2.5, 0.9375, 0.9375))
"""A whole-head helical CT, reconstructed to half of the usual matrix."""


def ct_scan(head: Head, *, seed: int, grid: Grid = HEAD_CT, noise_hu: float = 5.0) -> Volume:
    """Scan a head by CT.

    Tissues mix where they share a voxel; noise is Gaussian; no beam hardening, scatter or table. On the grid of an MR
    scan of the same head, the two are in register.

    Parameters
    ----------
    head
        Who is scanned; `training.simulate.air_cells.pneumatised` adds the small air cells and teeth that labels lack.
    seed
        The noise comes from it; the texture and density of bone belong to the head.
    grid
        Matrix, voxel size and plane.
    noise_hu
        Standard deviation of the noise, HU.

    Returns
    -------
    On the grid, LPS, in HU (``[hnsf'U]``).
    """
    means, spreads = hounsfield(head.seed)
    spacing_mm = float(np.linalg.norm(head.affine[:3, 0]))
    voxels_hu = ct_texture(np.random.default_rng(head.seed), head.labels.shape, spacing_mm)
    voxels_hu *= spreads[head.labels]
    voxels_hu += means[head.labels]
    voxels = resampled(voxels_hu, head.affine, grid, blur=1.0, outside=AIR_HU)
    voxels += np.float32(noise_hu) * np.random.default_rng([head.seed, seed]).standard_normal(voxels.shape, np.float32)
    return Volume(voxels, grid.affine, HOUNSFIELD)
