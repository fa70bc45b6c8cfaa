"""What CT shows of simulated heads."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.air_cells import pneumatised
from training.simulate.ct import ct_scan
from training.simulate.ct_tissues import ct_texture, hounsfield, source
from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.shapes import SPREAD
from training.simulate.tissues import Tissue
from training.simulate.truth import labels_on

GRID = Grid("axial", (80, 96, 80), (2.5, 2.5, 2.5))


def test_every_tissue_has_a_value_and_says_where_it_is_from() -> None:
    means, textures = hounsfield(0)
    assert np.isfinite(means).all()
    assert (textures >= 0).all()
    assert all(source(tissue) for tissue in Tissue)


def test_tissues_come_in_the_order_of_their_density() -> None:
    ordered = (
        Tissue.AIR, Tissue.FAT, Tissue.CSF, Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.MARROW,
        Tissue.CORTICAL_BONE, Tissue.TOOTH,
    )  # fmt: skip
    for seed in range(8):
        means, _ = hounsfield(seed)
        assert (np.diff(means[list(ordered)]) > 0).all()


def test_bone_is_not_equally_dense_in_all_people_but_water_is() -> None:
    people = np.stack([hounsfield(seed)[0] for seed in range(40)])
    assert people[:, Tissue.CORTICAL_BONE].std() > 50
    assert people[:, Tissue.CSF].std() == 0


def test_texture_is_as_strong_as_other_textures() -> None:
    field = ct_texture(np.random.default_rng(0), (100, 100, 100), 1.0)
    assert float(field.std()) == pytest.approx(SPREAD, rel=0.15)


def test_air_cells_lie_in_bone_behind_the_ears_on_both_sides(head: Head) -> None:
    filled = pneumatised(head)
    cells = (filled.labels == Tissue.AIR) & (head.labels != Tissue.AIR)
    assert np.isin(head.labels[cells], (Tissue.CORTICAL_BONE, Tissue.MARROW)).all()
    x_mm = head.affine[0, 2] * np.nonzero(cells)[2] + head.affine[0, 3]
    assert (np.abs(x_mm) > 30).all()
    for side in (-1, 1):
        assert (side * x_mm > 0).sum() * 0.008 > 1  # ml


def test_heads_without_teeth_get_some_and_others_keep_theirs(head: Head) -> None:
    assert pneumatised(head).millilitres(Tissue.TOOTH) == head.millilitres(Tissue.TOOTH) > 0
    toothless = Head(np.where(head.labels == Tissue.TOOTH, np.uint8(Tissue.CORTICAL_BONE), head.labels), head.affine, 1)
    assert pneumatised(toothless).millilitres(Tissue.TOOTH) > 0


def test_the_ct_lies_where_the_labels_lie(head: Head) -> None:
    filled = pneumatised(head)
    scanned, labels = ct_scan(filled, seed=1, grid=GRID).voxels, labels_on(filled, GRID)
    means, _ = hounsfield(filled.seed)
    for tissue in (Tissue.WHITE_MATTER, Tissue.GREY_MATTER, Tissue.MUSCLE):
        assert float(np.median(scanned[labels == tissue])) == pytest.approx(means[tissue], abs=15)
    assert np.median(scanned[labels == Tissue.CORTICAL_BONE]) > 500
