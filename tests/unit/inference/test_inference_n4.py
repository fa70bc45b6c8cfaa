"""N4 takes a smooth gain out of a head, and only that."""

import numpy as np
import phantom
import pytest

from inference.classical.head import Head, find_head
from inference.classical.n4 import LogField, estimate
from inference.errors import ModelRefused

MM = (8.0, 8.0, 8.0)


def shaded(volume, strength):
    """Return a head that is brighter at its front."""
    index = np.indices(volume.voxels.shape).reshape(3, -1)
    y_mm = (volume.affine[:3, :3] @ index + volume.affine[:3, 3:])[1].reshape(volume.voxels.shape)
    return volume.with_voxels((volume.voxels * np.exp(-strength * y_mm / 100)).astype(np.float32))


def unevenness(volume, voxels):
    radius = phantom.radius(volume.voxels.shape, volume.affine)
    white = voxels[(radius > 0.2) & (radius < 0.55)]
    return float(white.std() / white.mean())


@pytest.fixture(scope="module")
def uneven():
    return shaded(phantom.head(MM), 0.4)


@pytest.fixture(scope="module")
def field(uneven):
    return estimate(uneven, find_head(uneven))


def test_a_smooth_gain_is_taken_out(uneven, field):
    assert unevenness(uneven, field.removed_from(uneven.voxels)) < 0.5 * unevenness(uneven, uneven.voxels)


def test_the_mean_log_gain_inside_the_head_is_zero(field):
    assert float(field.nodes[field.inside].mean()) == pytest.approx(0, abs=1e-5)
    assert field.spread > 0.05


def test_an_even_head_is_hardly_changed():
    even = phantom.head(MM)
    assert estimate(even, find_head(even)).spread < 0.06


def test_the_field_lies_where_the_volume_does():
    nodes = np.zeros((3, 2, 2), np.float32)
    nodes[1] = np.log(2)
    field = LogField(nodes, (3, 2, 2), np.ones((3, 2, 2), bool))
    voxels = np.full((8, 3, 4), 100, np.float32)  # the last blocks hang over the edge
    removed = field.removed_from(voxels)
    assert removed.dtype == np.float32
    np.testing.assert_allclose(removed[:2], 100, rtol=1e-6)  # up to the middle of the first block
    np.testing.assert_allclose(removed[4], 50, rtol=1e-6)  # the middle of the second
    np.testing.assert_allclose(removed[2], 100 / 2 ** (1 / 3), rtol=1e-6)
    np.testing.assert_array_equal(voxels, 100)


def test_a_volume_without_a_head_is_refused():
    blank = phantom.head(MM).with_voxels(np.zeros((30, 29, 24), np.float32))
    with pytest.raises(ModelRefused, match="no head"):
        estimate(blank, Head(np.zeros((30, 29, 24), bool), np.inf))
