"""Lesions put into heads: in white matter, apart from each other, of the size that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from training.simulate.head import Head
from training.simulate.lesions import with_lesions
from training.simulate.tissues import Tissue


def test_lesions_replace_white_matter_and_nothing_else(head: Head) -> None:
    other, lesions = with_lesions(head, seed=1, count=4, diameter_mm=8.0)
    assert set(np.unique(lesions)) == {0, 1, 2, 3, 4}
    assert (head.labels[lesions > 0] == Tissue.WHITE_MATTER).all()
    assert (other.labels[lesions > 0] == Tissue.LESION).all()
    assert np.array_equal(other.labels[lesions == 0], head.labels[lesions == 0])


def test_lesions_have_their_size_and_do_not_touch(head: Head) -> None:
    _, lesions = with_lesions(head, seed=2, count=5, diameter_mm=8.0)
    assert ndimage.label(lesions > 0)[1] == 5
    millilitres = np.bincount(lesions.ravel())[1:] * 0.008
    assert millilitres == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.3)


def test_the_same_seed_gives_the_same_lesions_and_another_seed_others(head: Head) -> None:
    first, again, other = (with_lesions(head, seed=seed, count=2, diameter_mm=6.0)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_lesions_that_do_not_fit_are_refused(head: Head) -> None:
    with pytest.raises(ValueError, match="no room"):
        with_lesions(head, seed=1, count=1, diameter_mm=60.0)
