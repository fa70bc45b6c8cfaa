"""Texture: as strong as it is said to be, of the head and not of the scan."""

from __future__ import annotations

import numpy as np
import pytest

from training.simulate.shapes import SPREAD
from training.simulate.texture import LIVELY, PLAIN, Texture, textured
from training.simulate.tissues import Tissue

SHAPE = (60, 60, 60)
LEVELS = np.ones(len(Tissue), np.float32)


@pytest.mark.parametrize("texture", [PLAIN, LIVELY])
def test_a_tissue_keeps_its_mean_and_spreads_as_told(texture: Texture) -> None:
    labels = np.full(SHAPE, Tissue.WHITE_MATTER, np.uint8)
    signals = [textured(labels, LEVELS, texture, seed=seed) for seed in range(6)]
    assert np.mean(signals) == pytest.approx(1.0, abs=0.02)
    assert np.std(signals) == pytest.approx(SPREAD * texture.spread[Tissue.WHITE_MATTER], rel=0.25)


def test_shares_of_the_scales_make_a_spread_of_one() -> None:
    for texture in (PLAIN, LIVELY):
        assert sum(share**2 for _, share in texture.scales) == pytest.approx(1.0)


def test_white_matter_of_label_maps_is_livelier_than_that_of_drawn_heads() -> None:
    assert LIVELY.spread[Tissue.WHITE_MATTER] > PLAIN.spread[Tissue.WHITE_MATTER]


def test_a_tissue_without_texture_is_flat_and_no_signal_is_negative() -> None:
    labels = np.full(SHAPE, Tissue.CORTICAL_BONE, np.uint8)
    labels[:30] = Tissue.BLOOD
    wild = Texture(scales=((8, 1.0),), spread={Tissue.BLOOD: 5.0})
    signal = textured(labels, LEVELS, wild, seed=1)
    assert (signal[30:] == 1.0).all()
    assert signal[:30].min() == 0.0
