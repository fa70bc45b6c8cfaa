"""Landmarks are learned, and mapped by a monotone curve that keeps zero."""

import numpy as np
import phantom
import pytest

from inference.classical import nyul
from inference.classical.head import find_head
from inference.classical.nyul import Curve, fit, landmarks, learn, match, sparing_air
from inference.errors import ModelRefused
from inference.look import LEVELS, Profile, look_of, profile

DECILES = np.array([1.0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99])
STANDARD = np.array([50.0, 150, 250, 350, 450, 550, 650, 750, 850, 1000, 1400])
MM = (4.0, 4.0, 4.0)


@pytest.mark.parametrize("directions", [phantom.SAGITTAL, phantom.CORONAL, -phantom.AXIAL])
def test_landmarks_are_those_of_the_person_not_of_the_grid(directions):
    turned = landmarks(phantom.head(MM, directions), DECILES)
    np.testing.assert_allclose(turned, landmarks(phantom.head(MM), DECILES), rtol=0.03)


def test_a_bent_and_scaled_contrast_comes_back():
    standard = learn([phantom.head(MM, seed=seed) for seed in range(3)], DECILES, top=1400)
    bent = phantom.head(MM, gain=0.2, gamma=0.6, seed=7)
    straight = phantom.head(MM, seed=7)
    restored = fit(landmarks(bent, DECILES), standard)(bent.voxels)
    wanted = straight.voxels / landmarks(straight, DECILES)[-1] * 1400
    tissue = phantom.radius(straight.voxels.shape, straight.affine) < 0.8
    before = np.abs(bent.voxels / landmarks(bent, DECILES)[-1] * 1400 - wanted)[tissue].mean()
    assert np.abs(restored - wanted)[tissue].mean() < before / 4


def test_learned_landmarks_rise_to_the_top():
    standard = learn([phantom.head(MM)], DECILES, top=1400)
    assert standard.shape == DECILES.shape
    assert standard[-1] == pytest.approx(1400)
    assert (np.diff(standard, prepend=0) > 0).all()


def test_nothing_can_be_learned_from_nothing():
    with pytest.raises(ValueError, match="no heads"):
        learn([], DECILES, top=1400)


def test_the_curve_is_monotone_and_keeps_zero():
    curve = fit(np.linspace(20, 300, 11) ** 1.1, STANDARD)
    line = np.linspace(0, 2000, 5000, dtype=np.float32).reshape(1, 1, -1)
    mapped = curve(line)
    assert mapped[0, 0, 0] == 0
    assert (np.diff(mapped[0, 0]) > 0).all()


def test_intensities_above_the_last_landmark_do_not_explode():
    measured = np.array([20.0, 50, 80, 110, 140, 170, 200, 230, 260, 299, 300])  # a last piece as short as it gets
    curve = fit(measured, STANDARD)
    fat = curve(np.full((1, 1, 1), 900, np.float32)).item()
    assert fat == pytest.approx(1400 * 900 / 300)


def test_landmarks_that_coincide_are_one():
    measured = np.array([0.0, 0, 0, 40, 80, 120, 160, 200, 240, 280, 320])
    curve = fit(measured, STANDARD)
    assert curve.source[:2].tolist() == [0, 40]
    assert curve.standard[:2].tolist() == [0, 350]
    assert np.isfinite(curve.slopes).all()


def test_an_image_of_two_intensities_is_refused():
    with pytest.raises(ModelRefused, match="distinct intensities"):
        fit(np.array([0.0] * 5 + [100.0] * 6), STANDARD)


def test_a_volume_without_a_head_is_refused():
    with pytest.raises(ModelRefused, match="no head"):
        landmarks(phantom.head().with_voxels(np.zeros((48, 46, 38), np.float32)), DECILES)


# --- landmarks of a look


def textured(volume):
    """Return a head whose tissues vary as real ones do."""
    texture = np.random.default_rng(0).normal(1, 0.12, volume.voxels.shape)
    return volume.with_voxels((volume.voxels * texture).astype(np.float32))


@pytest.fixture(scope="module")
def look():
    return look_of([textured(phantom.head(MM, seed=seed)) for seed in range(2)], contrast="T1")


def test_deep_tissue_gets_the_deciles_of_the_look(look):
    bent = textured(phantom.head(MM, gain=0.3, gamma=0.7, seed=5))
    result = bent.with_voxels(match(profile(bent), look)(bent.voxels))
    wanted = np.interp(nyul.DECILES, LEVELS, look.mean_deep)
    np.testing.assert_allclose(np.interp(nyul.DECILES, LEVELS, profile(result).deep), wanted, rtol=0.03)


def test_the_scalp_gets_its_own_landmark_where_it_is_brighter_than_the_brain(look):
    bent = textured(phantom.head(MM, gain=0.3, gamma=0.7, seed=5))
    result = bent.with_voxels(match(profile(bent), look)(bent.voxels))
    wanted = np.interp(99, LEVELS, look.mean_head)
    assert np.interp(99, LEVELS, profile(result).head) == pytest.approx(wanted, rel=0.05)


def test_without_a_bright_scalp_the_deciles_are_all(look):
    source = profile(textured(phantom.head(MM)))
    bald = Profile(source.deep, np.minimum(source.deep, source.anchor))
    sizes = [match(each, look).source.size for each in (bald, source)]
    assert sizes == [1 + nyul.DECILES.size, 2 + nyul.DECILES.size]


def test_levels_that_coincide_in_the_standard_are_one():
    curve = fit(np.array([100.0, 200, 300]), np.array([400.0, 400, 800]))
    assert curve.source.tolist() == [0, 100, 300]
    assert (curve.slopes > 0).all()


def test_a_curve_that_would_lift_the_air_scales_it_only():
    source = phantom.head(MM, noise=30)
    head = find_head(source)
    steep = Curve(np.array([0.0, 200, 400, 600]), np.array([0.0, 600, 700, 800]))
    spared = sparing_air(steep, source, head, scale=1.2)
    air = source.voxels[~head.inside]
    quiet = np.sort(air)[: int(0.98 * air.size)]
    np.testing.assert_allclose(spared(quiet.reshape(1, 1, -1))[0, 0], 1.2 * quiet, rtol=1e-4)
    assert spared(np.full((1, 1, 1), 200, np.float32)).item() == pytest.approx(600)


def test_a_curve_that_dims_the_air_stays():
    source = phantom.head(MM)
    flat = Curve(np.array([0.0, 200, 400, 600]), np.array([0.0, 100, 500, 800]))
    assert sparing_air(flat, source, find_head(source), scale=1.2) is flat
