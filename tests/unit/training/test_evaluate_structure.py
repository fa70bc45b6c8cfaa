"""Structure and classifiers: each reacts to what it is there for, and to nothing else."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from inference.volume import Volume
from training.evaluate.classifier import Slices, classifiers, pair_accuracies
from training.evaluate.structure import (
    Anatomy,
    cortical_thickness_mm,
    flicker,
    gradient_cosine,
    lesion_contrast,
    segmented,
    tissue_errors,
)  # fmt: skip

SHAPE = (32, 32, 32)
RADIUS = np.sqrt(sum((axis - 15.5) ** 2 for axis in np.ogrid[:32, :32, :32]))
CLASSES = np.select([RADIUS < 8, RADIUS < 12, RADIUS < 14], [3, 2, 1], 0).astype(np.uint8)
ANATOMY = Anatomy(CLASSES, 0.008, (2.0, 2.0, 2.0))
NOISE = np.random.default_rng(0).normal(0, 12, SHAPE)
BRAIN = (np.array([0, 200, 500, 800])[CLASSES] + NOISE).astype(np.float32)
MASK = CLASSES > 0


def volume(voxels: np.ndarray) -> Volume:
    return Volume(voxels.astype(np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))


def test_the_gradient_cosine_is_one_for_a_scale_and_minus_one_for_a_negative() -> None:
    assert gradient_cosine(volume(BRAIN), volume(3 * BRAIN + 5), MASK) == pytest.approx(1)
    assert gradient_cosine(volume(BRAIN), volume(-BRAIN), MASK) == pytest.approx(-1)
    other = np.random.default_rng(1).normal(0, 300, SHAPE)
    assert gradient_cosine(volume(BRAIN), volume(BRAIN + other), MASK) < 0.8


def test_tissues_that_stand_apart_are_found_in_their_volumes() -> None:
    errors = tissue_errors(segmented(BRAIN, ANATOMY), ANATOMY)
    assert all(abs(errors[f"{name}_error_percent"]) < 1 for name in ("csf", "gm", "wm", "cortex"))


def test_a_curve_that_makes_grey_matter_white_changes_the_volumes() -> None:
    flat = np.where((CLASSES == 2) & (RADIUS < 10), 800, BRAIN).astype(np.float32)
    errors = tissue_errors(segmented(flat, ANATOMY), ANATOMY)
    assert errors["wm_error_percent"] > 50
    assert errors["gm_error_percent"] < -30


def test_a_shell_of_grey_matter_is_as_thick_as_it_is_and_thinner_when_white_grows_into_it() -> None:
    assert cortical_thickness_mm(CLASSES, ANATOMY) == pytest.approx(8, abs=0.7)
    thinner = np.where((CLASSES == 2) & (RADIUS < 10), 3, CLASSES).astype(np.uint8)
    assert cortical_thickness_mm(thinner, ANATOMY) == pytest.approx(4, abs=0.7)
    assert np.isnan(cortical_thickness_mm(np.zeros_like(CLASSES), ANATOMY))


def test_flicker_is_what_changes_from_slice_to_slice() -> None:
    steady = volume(np.where(MASK, 100, 0))
    jumping = volume(np.where(MASK, 100 + 5 * (-1.0) ** np.arange(32)[:, None, None], 0))
    assert flicker(steady, MASK) == pytest.approx(0, abs=1e-4)
    assert flicker(jumping, MASK) == pytest.approx(20, rel=0.02)  # a second difference of 4 times 5 %


def test_the_contrast_of_lesions_is_against_the_white_matter_around_them() -> None:
    lesions = RADIUS < 2.5
    assert lesion_contrast(np.where(lesions, 400, BRAIN), lesions, ANATOMY) == pytest.approx(0.5, abs=0.02)


def test_classifiers_tell_sites_that_differ_and_not_those_that_do_not() -> None:
    rng = np.random.default_rng(0)

    def slices(people: int) -> Slices:
        images, sites = [], []
        for _, site in product(range(people), range(3)):
            smooth = ndimage.gaussian_filter(rng.normal(0, 1, (48, 40)), 3) * 900 + 500
            images.append(smooth + rng.normal(0, 250 if site == 2 else 20, smooth.shape))
            sites.append(site)
        return Slices(np.array(images, np.float32), np.array(sites))

    train, test = slices(24), slices(20)
    for make in classifiers(3, 12).values():
        classifier = make()
        classifier.fit(train)
        accuracies = pair_accuracies(classifier.scores(test.images), test.sites)
        assert accuracies[0, 2] > 0.9
        assert accuracies[1, 2] > 0.9
        assert 0.2 < accuracies[0, 1] < 0.8
