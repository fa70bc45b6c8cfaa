"""The bounded harmonizer keeps its limits whatever its network says."""

from __future__ import annotations

import numpy as np
import phantom
import pytest
import torch
from torch import Tensor, nn

from inference.bounded.bounds import bounds_of
from inference.bounded.frame import SHAPE
from inference.bounded.limits import KNOTS, LARGEST_LOG_GAIN, STEEPEST_LOG_GAIN_PER_MM, log_curve
from inference.bounded.network import CONTEXT, Correction, bounded, without_cells
from inference.bounded.quiet import CLEARLY, HARDLY, quieted
from inference.bundle import open_bundle
from inference.classical.base import aim_of, base_curve
from inference.look import TOP, Look, look_of, profile
from inference.models.bounded import BoundedModel
from inference.registry import SHIPPED
from inference.volume import Volume

LESIONS = (
    (4.0, (25.0, 10.0, 20.0), (-30.0, -20.0, 0.0)),
    (6.0, (-25.0, 10.0, 20.0), (30.0, -20.0, 0.0)),
    (8.0, (0.0, -45.0, 15.0), (10.0, 35.0, 10.0)),
)
"""Diameters and centres, mm; far apart from each other."""

CELLS, WIDE_CELLS = tuple(n // 8 for n in SHAPE), tuple(n // 16 for n in SHAPE)
MANIFEST = open_bundle(SHIPPED / "harmonize-bounded").manifest


class Adversary(nn.Module):
    """Says the worst: every coefficient far beyond what any limit allows, of a sign of its own."""

    def __init__(self, seed: int, *, broken: bool = False, spread: float = 1.0) -> None:
        super().__init__()
        self._seed = seed
        self._broken = broken
        self._spread = spread

    def forward(self, image: Tensor, histograms: Tensor, description: Tensor) -> Correction:
        del histograms, description
        rng = torch.Generator().manual_seed(self._seed)
        signs = [torch.randn(1, n, *cells, generator=rng) for n, cells in ((1, CELLS), (len(KNOTS) - 1, WIDE_CELLS))]
        correction = bounded(torch.zeros(1, CONTEXT), 50 * signs[0], 50 * signs[1], inside=image[:, 2:3])
        return (
            Correction(correction.told, correction.log_gain * torch.nan, correction.log_curve)
            if self._broken
            else correction
        )

    def spread(self, told: Tensor, gaps: Tensor) -> Tensor:
        del told
        return torch.full_like(gaps, self._spread)


class Nobody(Adversary):
    """Leaves field and local curves out."""

    def forward(self, image: Tensor, histograms: Tensor, description: Tensor) -> Correction:
        return without_cells(super().forward(image, histograms, description))


@pytest.fixture(scope="module")
def head() -> Volume:
    return phantom.head((2.0, 2.0, 2.0), noise=0)


@pytest.fixture(scope="module")
def look(head: Volume) -> Look:
    return look_of([head], contrast="T1")


def _result(network: nn.Module, volume: Volume, look: Look) -> Volume:
    return BoundedModel(MANIFEST, network, {}, device="cpu")(volume, target=look).volume


def with_lesion(
    volume: Volume, centre_mm: tuple[float, float, float], diameter_mm: float
) -> tuple[Volume, np.ndarray, np.ndarray]:
    """Darken a ball by a quarter; return the volume, the ball and the shell around it."""
    index = np.indices(volume.voxels.shape).reshape(3, -1)
    points = volume.affine[:3, :3] @ index + volume.affine[:3, 3:]
    away = np.linalg.norm(points - np.array(centre_mm)[:, None], axis=0).reshape(volume.voxels.shape)
    ball, shell = away < diameter_mm / 2, (away > diameter_mm / 2) & (away < diameter_mm / 2 + 3)
    voxels = volume.voxels.copy()
    voxels[ball] *= 0.75
    return volume.with_voxels(voxels), ball, shell


def contrast(volume: Volume, ball: np.ndarray, shell: np.ndarray) -> float:
    around = float(volume.voxels[shell].mean())
    return (float(volume.voxels[ball].mean()) - around) / around


@pytest.mark.parametrize("seed", range(4))
def test_the_limits_hold_whatever_the_network_says(seed: int) -> None:
    image = torch.zeros(1, 4, 56, 64, 48)
    image[:, 2, 5:50, 10:55, 8:40] = 1
    found = bounds_of(Adversary(seed)(image, torch.zeros(1, 1), torch.zeros(1, 1)))
    assert found.hold
    assert found.largest_log_gain <= LARGEST_LOG_GAIN + 1e-4
    assert found.log_gain_per_mm == pytest.approx(STEEPEST_LOG_GAIN_PER_MM, abs=1e-4)  # the adversary went to the limit
    assert found.least_slope == pytest.approx(0.8, abs=0.01)


def _correction(log_gain: float, log_curve: float) -> Correction:
    cells = torch.full((1, 1, *CELLS), log_gain), torch.full((1, len(KNOTS), *WIDE_CELLS), log_curve)
    return Correction(torch.zeros(1, CONTEXT), *cells)


@pytest.mark.parametrize(("strength", "share"), [(0.01, 0.0), (0.03, 0.5), (0.05, 1.0)])
def test_what_would_hardly_do_anything_does_nothing(strength: float, share: float) -> None:
    inside = torch.ones(1, 1, *(n // 2 for n in SHAPE))
    quiet = quieted(_correction(strength, 2 * strength), inside)
    torch.testing.assert_close(quiet.log_gain, torch.full((1, 1, *CELLS), strength * share), rtol=1e-3, atol=1e-6)
    least = min(1.0, (2 * strength - HARDLY) / (CLEARLY - HARDLY))
    torch.testing.assert_close(quiet.log_curve.max(), torch.tensor(2 * strength * max(least, 0)), rtol=1e-3, atol=1e-6)


def test_local_curves_are_monotone_between_all_knots() -> None:
    curves = log_curve(100 * torch.randn(1, len(KNOTS) - 1, 4, 4, 4))
    intensities = torch.linspace(0.01, 2.5, 300).numpy()
    for curve in curves.reshape(len(KNOTS), -1).T.numpy():
        mapped = intensities * np.exp(np.interp(intensities, KNOTS, curve))
        assert (np.diff(mapped) > 0).all()


@pytest.fixture(scope="module")
def lesions(look: Look) -> tuple[Volume, Volume, list[tuple[np.ndarray, np.ndarray]]]:
    """Return a head with lesions of 4, 6 and 8 mm; what the curves alone make of it; each lesion and its shell."""
    volume, places = phantom.head((1.5, 1.5, 1.5), noise=0), []
    for diameter_mm, *centres in LESIONS:
        for centre in centres:
            volume, ball, shell = with_lesion(volume, centre, diameter_mm)
            places.append((ball, shell))
    return volume, _result(Nobody(0), volume, look), places


@pytest.mark.parametrize("seed", range(3))
def test_lesions_keep_their_contrast_under_adversarial_coefficients(
    look: Look, lesions: tuple[Volume, Volume, list[tuple[np.ndarray, np.ndarray]]], seed: int
) -> None:
    volume, plain, places = lesions
    worst = _result(Adversary(seed), volume, look)
    for ball, shell in places:
        assert 0.8 <= contrast(worst, ball, shell) / contrast(plain, ball, shell) <= 1.25


@pytest.mark.parametrize("seed", range(3))
def test_no_edge_is_reversed(head: Volume, look: Look, seed: int) -> None:
    result = _result(Adversary(seed), head, look)
    before, after = (np.stack(np.gradient(v.voxels)) for v in (head, result))
    strength = np.linalg.norm(before, axis=0)
    edges = strength > 0.1 * strength.max()
    assert edges.sum() > 10_000
    assert ((before * after).sum(axis=0)[edges] > 0).all()


def test_air_stays_air(head: Volume, look: Look) -> None:
    air = head.voxels == 0
    assert _result(Adversary(1), head, look).voxels[air].max() == 0


def test_a_network_gone_wrong_is_left_out_and_the_numbers_say_so(head: Volume, look: Look) -> None:
    result = BoundedModel(MANIFEST, Adversary(0, broken=True), {}, device="cpu")(head, target=look)
    assert result.numbers["within_limits"] == 0
    np.testing.assert_allclose(result.volume.voxels, _curve_alone(head, look), rtol=1e-5, atol=1e-2)


def test_a_judgement_that_is_no_number_is_left_out_and_the_numbers_say_so(head: Volume, look: Look) -> None:
    result = BoundedModel(MANIFEST, Nobody(0, spread=np.nan), {}, device="cpu")(head, target=look)
    assert result.numbers["within_limits"] == 0
    np.testing.assert_array_equal(result.volume.voxels, _result(Nobody(0), head, look).voxels)


def test_a_contrast_that_was_not_learned_gets_the_curve_alone(head: Volume, look: Look) -> None:
    flair = Look("FLAIR", look.deep, look.head)
    result = BoundedModel(MANIFEST, Adversary(0), {}, device="cpu")(head, target=flair)
    assert result.numbers["learned"] == 0
    assert result.numbers["largest_log_gain"] == 0  # what was done is told, not what was said
    np.testing.assert_allclose(result.volume.voxels, _curve_alone(head, look), rtol=1e-5, atol=1e-2)


def _curve_alone(head: Volume, look: Look) -> np.ndarray:
    """Return what `harmonize-base` makes of a head."""
    return np.clip(base_curve(profile(head), aim_of(look))(head.voxels), *MANIFEST.output.range)


def test_the_same_head_comes_out_the_same_however_it_was_sliced(look: Look) -> None:
    axial = phantom.head((2.0, 2.0, 2.0), noise=0)
    turned = Volume(np.ascontiguousarray(axial.voxels[::-1].transpose(1, 2, 0)), _turned(axial))
    first, second = (_result(Adversary(2), volume, look).voxels for volume in (axial, turned))
    np.testing.assert_allclose(second.transpose(2, 0, 1)[::-1], first, rtol=0, atol=0.01 * TOP)


def _turned(volume: Volume) -> np.ndarray:
    """Return the affine of the volume with its slices in reverse and its axes (rows, columns, slices)."""
    affine = volume.affine.copy()
    affine[:3, 3] += (len(volume.voxels) - 1) * affine[:3, 0]
    affine[:3, 0] *= -1
    return affine[:, [1, 2, 0, 3]]


def test_two_runs_give_the_same(head: Volume, look: Look) -> None:
    first, second = (_result(Adversary(3), head, look).voxels for _ in range(2))
    np.testing.assert_array_equal(first, second)
