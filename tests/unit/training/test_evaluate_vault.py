"""Plausibility without a truth: a whole skull is whole, and holes in it are counted."""

from __future__ import annotations

import numpy as np
import pytest

from inference.ct.hounsfield import HOUNSFIELD
from inference.volume import Float64Array, Volume
from training.evaluate.vault import plausibility

SIDE, SPACING_MM = 64, 3.0
OUTER_MM, INNER_MM, SKIN_MM = 78.0, 70.0, 86.0


@pytest.fixture(scope="module")
def places_mm() -> Float64Array:
    line = (np.arange(SIDE) - (SIDE - 1) / 2) * SPACING_MM
    return np.stack(np.meshgrid(line, line, line, indexing="ij"))


def head(places_mm: Float64Array, *holes: tuple[float, float, float]) -> Volume:
    """Return skin around a skull around a brain, with round holes of 20 mm about some directions (z, y, x)."""
    radius = np.linalg.norm(places_mm, axis=0)
    voxels = np.where(radius < SKIN_MM, 30.0, -1000.0)
    voxels[(radius > INNER_MM) & (radius < OUTER_MM)] = 1000
    for direction in holes:
        middle = np.array(direction)[:, None, None, None] * (OUTER_MM / np.linalg.norm(direction))
        voxels[np.linalg.norm(places_mm - middle, axis=0) < 14] = 30
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[[2, 1, 0], [0, 1, 2]] = SPACING_MM
    affine[:3, 3] = -SPACING_MM * (SIDE - 1) / 2
    return Volume(voxels.astype(np.float32), affine, HOUNSFIELD)


def test_a_whole_skull_is_closed(places_mm: Float64Array) -> None:
    found = plausibility(head(places_mm), np.linalg.norm(places_mm, axis=0) < SKIN_MM)
    assert found["vault_open_percent"] == 0
    assert found["vault_holes"] == 0
    assert found["outline_dice"] > 0.98
    assert found["bone_percent"] == pytest.approx(100 * (OUTER_MM**3 - INNER_MM**3) / SKIN_MM**3, rel=0.05)
    assert found["air_percent"] == 0


def test_holes_are_counted(places_mm: Float64Array) -> None:
    inside = np.linalg.norm(places_mm, axis=0) < SKIN_MM
    one = plausibility(head(places_mm, (1, 0, 0)), inside)
    two = plausibility(head(places_mm, (1, 0.9, 0), (1, -0.9, 0)), inside)
    assert (one["vault_holes"], two["vault_holes"]) == (1, 2)
    assert 0 < one["vault_open_percent"] < two["vault_open_percent"] < 10


def test_a_body_without_bone_is_open_everywhere(places_mm: Float64Array) -> None:
    whole = head(places_mm)
    water = whole.with_voxels(np.minimum(whole.voxels, np.float32(0)))
    found = plausibility(water, np.linalg.norm(places_mm, axis=0) < SKIN_MM)
    assert found["vault_open_percent"] == 100
    assert found["vault_holes"] == 1
    assert found["bone_percent"] == 0


def test_an_outline_that_is_too_large_shows(places_mm: Float64Array) -> None:
    inside = np.linalg.norm(places_mm, axis=0) < SKIN_MM - 12
    assert plausibility(head(places_mm), inside)["outline_dice"] < 0.85
