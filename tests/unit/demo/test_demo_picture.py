"""The picture of before and after: what it shows, and where."""

from __future__ import annotations

import numpy as np

from dicom_node.demo.pair import Pair, Window
from dicom_node.demo.picture import TITLE, draw
from dicom_node.demo.tile import GAP, TILE
from inference.volume import Volume


def test_planes_keep_their_proportions_and_stand_side_by_side() -> None:
    dark = Volume(np.zeros((10, 20, 40), np.float32), np.diag([4.0, 2.0, 1.0, 1.0]))
    bright = Volume(np.full((10, 20, 40), 1000, np.float32), np.diag([4.0, 2.0, 1.0, 1.0]))
    sheet = np.asarray(draw([Pair("T1 — Ω", dark, bright, Window(500, 1000))]))
    tiles = [sheet[TITLE : TITLE + TILE, GAP + n * (TILE + GAP) :][:, :TILE] for n in range(6)]
    assert [bool(tile.any()) for tile in tiles] == [False, True] * 3
    assert all((tile == 255).all() for tile in tiles[1::2])  # 40 mm each way, whatever the voxels' shape


def test_a_flat_volume_leaves_the_rest_of_its_tile_black() -> None:
    flat = Volume(np.full((4, 20, 20), 1000, np.float32), np.eye(4))
    sheet = np.asarray(draw([Pair("T1", flat, flat, Window(500, 1000))]))
    coronal = sheet[TITLE : TITLE + TILE, GAP + 2 * (TILE + GAP) :][:, :TILE]
    lit = (coronal == 255).any(axis=1)
    assert lit.sum() == round(4 / 20 * TILE)
    assert lit[TILE // 2]
