"""A landmark bundle is made from heads: its files are pinned, its reference is what the model gives."""

import any_contrast_bundle
import numpy as np
import phantom
import pytest

from inference.bundle import MANIFEST, open_bundle
from inference.errors import BundleRefused, ModelRefused
from inference.registry import load, verify
from inference.volume import Volume
from training import landmarks

MADE = np.array([200.0, 500.0, 800.0])


def test_weights_and_reference_are_written_and_pinned(tmp_path):
    folder = any_contrast_bundle.write(tmp_path)
    before = open_bundle(folder).digest
    landmarks.write_weights(folder, "plain", MADE)
    landmarks.write_reference(folder, phantom.head((7.0, 7.0, 7.0)))
    bundle = open_bundle(folder)
    assert bundle.digest != before
    np.testing.assert_array_equal(bundle.weights()["landmarks.plain"], MADE)
    assert verify(bundle) == 0


def test_new_weights_without_a_new_reference_are_noticed(tmp_path):
    folder = any_contrast_bundle.write(tmp_path)
    landmarks.write_weights(folder, "plain", MADE)
    with pytest.raises(BundleRefused, match="missed by"):
        verify(open_bundle(folder))


def test_comments_in_the_manifest_stay(tmp_path):
    folder = any_contrast_bundle.write(tmp_path)
    path = folder / MANIFEST
    path.write_text("# why\n" + path.read_text())
    landmarks.write_weights(folder, "plain", MADE)
    assert path.read_text().startswith("# why\n")
    assert 'unit: "1"' in path.read_text()


@pytest.mark.parametrize("directions", [phantom.AXIAL, phantom.SAGITTAL])
def test_a_coarse_volume_lies_where_the_fine_one_does(directions):
    fine = phantom.head((2.0, 3.0, 3.0), directions, noise=0)
    small = landmarks.coarse(fine, 6.0)
    assert small.spacing_mm == pytest.approx((6.0, 6.0, 6.0))
    weighted = [centre_of_brightness(volume) for volume in (fine, small)]
    np.testing.assert_allclose(weighted[0], weighted[1], atol=0.5)


def centre_of_brightness(volume: Volume):
    points = volume.affine[:3, :3] @ np.indices(volume.voxels.shape).reshape(3, -1) + volume.affine[:3, 3:]
    return (points * volume.voxels.ravel()).sum(axis=1) / volume.voxels.sum()


def test_heads_are_scans_of_the_site_one_a_seed():
    (volume,) = landmarks.heads_of("siemens-3t", [3])
    assert volume.spacing_mm == pytest.approx((1, 1, 1))
    assert volume.unit == "1"


def test_a_bottle_is_refused_where_a_head_is_not(tmp_path):
    folder = any_contrast_bundle.write(tmp_path)
    landmarks.write_weights(folder, "plain", MADE)
    model = load(open_bundle(folder))
    person = phantom.head((5.0, 5.0, 5.0))
    bottle = person.with_voxels(np.where(phantom.inside(person), 700, 0).astype(np.float32) + person.voxels * 0.01)
    assert model(person, target="plain").volume.voxels.max() > 0
    with pytest.raises(ModelRefused, match="hardly differ"):
        model(bottle, target="plain")
