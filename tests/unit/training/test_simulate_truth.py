"""What is true of a scan: the head within its skin, the tissue in each voxel."""

from __future__ import annotations

import numpy as np

from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.scan import scan
from training.simulate.sites import SITES
from training.simulate.tissues import Tissue
from training.simulate.truth import labels_on, truth_mask

GRID = Grid("sagittal", (60, 80, 80), (3.0, 3.0, 3.0))


def test_the_mask_holds_all_tissue_and_the_air_within_but_none_around(head: Head) -> None:
    inside, labels = truth_mask(head, GRID), labels_on(head, GRID)
    assert inside[labels > 0].all()
    assert (labels[inside] == Tissue.AIR).any()
    assert not inside[:, :2].any()
    assert not inside[:2].any()
    assert inside.shape == GRID.shape


def test_what_shines_in_a_scan_is_inside_and_what_is_outside_is_dark(head: Head) -> None:
    inside = truth_mask(head, GRID)
    volume = scan(head, SITES["siemens-3t"], seed=1, grid=GRID)
    assert np.median(volume.voxels[~inside]) < 0.1 * np.median(volume.voxels[inside])
    assert np.percentile(volume.voxels[labels_on(head, GRID) == Tissue.WHITE_MATTER], 5) > np.percentile(
        volume.voxels[~inside], 95
    )


def test_labels_lie_where_the_grid_does(head: Head) -> None:
    shifted = Grid("axial", (40, 60, 60), (4.0, 4.0, 4.0), tilt_deg=20.0)
    for grid in (GRID, shifted):
        index = np.argwhere(labels_on(head, grid) == Tissue.THALAMUS).mean(axis=0)
        own = np.argwhere(head.labels == Tissue.THALAMUS).mean(axis=0)
        assert np.allclose((grid.affine @ [*index, 1])[:3], (head.affine @ [*own, 1])[:3], atol=1.5)
