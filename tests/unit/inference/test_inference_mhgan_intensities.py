"""Bands of intensity that judges see, and the local curves that the generator gives."""

from __future__ import annotations

import numpy as np
import torch

from inference.mhgan.intensities import Bands, curved

_DARKEST, _BRIGHTEST = -0.5, 1.0


def test_a_curve_is_linear_between_its_intensities_and_level_beyond() -> None:
    values = torch.tensor([0.1, -0.2, 0.4, 0.3])
    x = torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8)
    told = curved(x, values.reshape(1, 4, 1, 1).expand(1, 4, 4, 4), 2)
    wanted = np.interp(x.numpy().ravel(), np.linspace(_DARKEST, _BRIGHTEST, 4), values.numpy())
    np.testing.assert_allclose(told.numpy().ravel(), wanted, atol=1e-6)


def test_curves_differ_from_place_to_place() -> None:
    curves = torch.zeros(1, 2, 2, 2)
    curves[:, :, :, 1] = 1
    told = curved(torch.zeros(1, 3, 4, 4), curves, 2)
    np.testing.assert_allclose(told[0, 1, 0].numpy(), [0, 0.25, 0.75, 1], atol=1e-6)  # half pixels, linear


def test_a_curve_that_asks_for_nothing_changes_nothing() -> None:
    assert not curved(torch.rand(2, 3, 8, 8), torch.zeros(2, 5, 4, 4), 2).any()


def test_the_mean_of_a_band_is_how_much_of_a_slice_lies_near_it() -> None:
    bands = Bands(3, 6, 2)
    x = torch.full((1, 3, 8, 8), -0.25)  # the second of -0.5, -0.25, ... 0.75
    x[:, :, :, 4:] = 0.5  # the fifth
    shown = bands(x)
    assert shown.shape == (1, bands.channels, 4, 4)
    near = (shown[0, 12:].mean(dim=(1, 2)).numpy() + 0.5) / 2
    away = np.arange(6)[:, None] - [1, 4]
    np.testing.assert_allclose(near, np.exp(-0.5 * away**2).mean(axis=1), atol=1e-5)


def test_without_bands_a_judge_sees_the_slices_alone() -> None:
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(Bands(3, 0, 1)(x), x)
