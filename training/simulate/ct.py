"""CT of a head: Hounsfield units of each tissue, as a scanner would show them."""

from __future__ import annotations

import numpy as np

from inference.volume import Volume
from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.scan import resampled
from training.simulate.shapes import smooth_field
from training.simulate.tissues import Tissue

AIR_HU = -1000.0
HEAD_CT = Grid("axial", (76, 256, 256), (2.5, 0.9375, 0.9375))
"""A whole-head helical CT, reconstructed to half of the usual matrix."""

_HU: dict[Tissue, tuple[float, float]] = {
    Tissue.AIR: (AIR_HU, 0), Tissue.SKIN: (30, 10), Tissue.FAT: (-100, 8), Tissue.MUSCLE: (55, 5),
    Tissue.CORTICAL_BONE: (1250, 180), Tissue.MARROW: (350, 150), Tissue.CSF: (7, 1), Tissue.GREY_MATTER: (38, 1),
    Tissue.WHITE_MATTER: (29, 1), Tissue.STRIATUM: (38, 1), Tissue.PALLIDUM: (38, 1), Tissue.THALAMUS: (36, 1),
    Tissue.CEREBELLAR_CORTEX: (37, 1), Tissue.BRAIN_STEM: (30, 1), Tissue.VITREOUS: (8, 1), Tissue.LENS: (80, 5),
    Tissue.MUCOSA: (40, 8), Tissue.TOOTH: (2000, 200), Tissue.BLOOD: (45, 2),
    Tissue.LESION: (26, 1),
}  # fmt: skip
"""Mean and spread within the tissue, HU: the usual ranges of radiology textbooks; the spreads of bone are invented."""


def ct_scan(head: Head, *, seed: int, grid: Grid = HEAD_CT, noise_hu: float = 5.0) -> Volume:
    """Scan a head by CT.

    Tissues mix where they share a voxel; noise is Gaussian; no beam hardening, scatter or table.

    Parameters
    ----------
    head
        Who is scanned.
    seed
        The noise comes from it.
    grid
        Matrix, voxel size and plane.
    noise_hu
        Standard deviation of the noise, HU.

    Returns
    -------
    On the grid, LPS, in HU (``[hnsf'U]``).
    """
    means, spreads = np.array([_HU[tissue] for tissue in Tissue], np.float32).T
    hounsfield = smooth_field(np.random.default_rng(head.seed), head.labels.shape, 32)
    hounsfield *= spreads[head.labels]
    hounsfield += means[head.labels]
    voxels = resampled(hounsfield, head.affine, grid, blur=1.0, outside=AIR_HU)
    voxels += np.float32(noise_hu) * np.random.default_rng([head.seed, seed]).standard_normal(voxels.shape, np.float32)
    return Volume(voxels, grid.affine, "[hnsf'U]")
