"""Histogram matching gives a head the histogram of its references, and leaves the air dark."""

import numpy as np
import phantom
import pytest

from inference.classical.head import find_head
from inference.classical.histogram import PERCENTILES, match, pooled
from inference.errors import ModelRefused
from inference.look import LEVELS, TOP, look_of, profile
from inference.models.histogram import matched

MM = (4.0, 4.0, 4.0)


def textured(volume, spread=0.12):
    """Return a head whose tissues vary as real ones do."""
    texture = np.random.default_rng(0).normal(1, spread, volume.voxels.shape)
    return volume.with_voxels((volume.voxels * texture).astype(np.float32))


@pytest.fixture(scope="module")
def look():
    return look_of([textured(phantom.head(MM, seed=seed)) for seed in range(2)], contrast="T1")


def test_the_result_has_the_histogram_of_the_references(look):
    bent = textured(phantom.head(MM, gain=0.3, gamma=0.7, seed=5))
    result = bent.with_voxels(match(profile(bent), look)(bent.voxels))
    wanted = np.interp(PERCENTILES, LEVELS, look.mean_head)
    np.testing.assert_allclose(np.interp(PERCENTILES, LEVELS, profile(result).head), wanted, rtol=0.04)


def test_a_head_with_the_look_already_stays_as_it_is(look):
    head = textured(phantom.head(MM, seed=5))
    result = match(profile(head), look)(head.voxels)
    inside = phantom.inside(head)
    scaled = head.voxels * (TOP / profile(head).anchor)
    assert np.abs(result - scaled)[inside].mean() < 0.01 * TOP


def test_the_curve_is_monotone_and_keeps_zero(look):
    curve = match(profile(textured(phantom.head(MM, gamma=1.4))), look)
    mapped = curve(np.linspace(0, 3000, 5000, dtype=np.float32).reshape(1, 1, -1))[0, 0]
    assert mapped[0] == 0
    assert (np.diff(mapped) > 0).all()


def test_references_are_pooled_as_one_heap():
    dark, bright = np.linspace(0, 100, LEVELS.size), np.linspace(100, 200, LEVELS.size)
    heap = pooled(np.array([dark, bright]))
    assert np.percentile(heap, [0, 50, 100]).tolist() == pytest.approx([0, 100, 200], abs=0.1)


@pytest.mark.parametrize("gamma", [0.6, 1.0, 1.6])
def test_the_air_is_not_lifted_against_the_tissue(look, gamma):
    source = textured(phantom.head(MM, gamma=gamma, noise=40))
    curve = matched(source, find_head(source), look)
    air = ~phantom.inside(source)
    scale = TOP / profile(source).anchor
    before, after = (np.percentile(each[air], 98) for each in (source.voxels * scale, curve(source.voxels)))
    assert after <= 1.001 * before


def test_what_holds_one_tissue_only_is_refused(look):
    person = phantom.head(MM)
    bottle = person.with_voxels(np.where(phantom.inside(person), 700, 0).astype(np.float32) + person.voxels * 0.01)
    with pytest.raises(ModelRefused, match="hardly differ"):
        matched(bottle, find_head(bottle), look)
