"""A look is measured on heads, says nothing of their scale, and survives being written."""

import numpy as np
import phantom
import pytest
from safetensors.numpy import save

from inference.classical.head import find_head
from inference.errors import BundleRefused, ModelRefused
from inference.look import ANCHOR, LEVELS, TOP, Look, from_bytes, look_of, looks_in, profile

MM = (4.0, 4.0, 4.0)


@pytest.fixture(scope="module")
def look():
    return look_of([phantom.head(MM, seed=seed) for seed in range(2)], contrast="T1")


def test_each_reference_is_scaled_by_its_anchor(look):
    assert look.deep.shape == look.head.shape == (2, LEVELS.size)
    for row in look.deep:
        assert np.interp(ANCHOR, LEVELS, row) == pytest.approx(TOP)


def test_a_look_does_not_depend_on_the_scale_of_its_references(look):
    louder = look_of([phantom.head(MM, gain=7, seed=seed) for seed in range(2)], contrast="T1")
    np.testing.assert_allclose(louder.head, look.head, rtol=1e-3)


@pytest.mark.parametrize("directions", [phantom.SAGITTAL, phantom.CORONAL, -phantom.AXIAL])
def test_a_profile_is_that_of_the_person_not_of_the_grid(directions):
    turned, straight = (profile(phantom.head(MM, each)) for each in (directions, phantom.AXIAL))
    levels = np.searchsorted(LEVELS, [10, 50, 90])
    np.testing.assert_allclose(turned.deep[levels], straight.deep[levels], rtol=0.03)


def test_a_head_that_is_known_is_not_looked_for_again():
    volume = phantom.head(MM)
    np.testing.assert_array_equal(profile(volume, head=find_head(volume)).head, profile(volume).head)


def test_a_look_survives_its_file(look):
    again = from_bytes(look.to_bytes())
    assert again.contrast == "T1"
    assert again.digest == look.digest
    np.testing.assert_array_equal(again.head, look.head)


def test_looks_are_found_among_other_tensors(look):
    tensors = {"network.weight": np.zeros(3), **look.tensors("a.b-1"), **look.tensors("other")}
    assert set(looks_in(tensors)) == {"a.b-1", "other"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"no", "not a safetensors file"), (save({"x": np.zeros(2)}), "holds no look")],
)
def test_a_file_without_a_look_is_refused(data, reason):
    with pytest.raises(BundleRefused, match=reason):
        from_bytes(data)


def test_a_look_whose_percentiles_fall_is_refused(look):
    tensors = look.tensors("bad")
    tensors["bad.T1.deep"] = tensors["bad.T1.deep"][:, ::-1].copy()
    with pytest.raises(BundleRefused, match="the look bad"):
        looks_in(tensors)
    with pytest.raises(ValueError, match="percentiles"):
        Look("T1", look.deep[:, :5], look.head)


def test_nothing_has_no_look():
    with pytest.raises(ModelRefused, match="no reference"):
        look_of([], contrast="T1")
    with pytest.raises(ModelRefused, match="no head"):
        look_of([phantom.head(MM).with_voxels(np.zeros((60, 58, 48), np.float32))], contrast="T1")
