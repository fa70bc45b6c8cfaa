"""What a model aims at: its own targets, added looks, and how the values of these are stored."""

import look_bundle
import numpy as np
import pytest

from inference.added import AddedLooks
from inference.errors import BundleRefused, ModelRefused
from inference.look import LEVELS, TOP, Look
from inference.registry import Registry


def a_look(contrast="T1", *, brightest=1000.0):
    """Return a look whose deep tissue has its anchor at `TOP` and its 99th percentile at `brightest`."""
    profile = np.interp(LEVELS, [0, 90, 99, 100], [100, TOP, brightest, 2000])[np.newaxis]
    return Look(contrast, profile, profile)


@pytest.fixture
def added(tmp_path):
    return AddedLooks(tmp_path / "targets")


@pytest.fixture
def registry_with(tmp_path, added):
    def make(contrasts="any"):
        look_bundle.write(tmp_path / "models", tmp_path / "new", contrasts=contrasts)
        return Registry([tmp_path / "models"], added)

    return make


def test_a_look_that_is_added_later_is_offered_beside_the_bundles_own(registry_with, added):
    registry = registry_with()
    assert registry.targets() == {look_bundle.NAME: ("plain",)}
    added.put("our-t2", a_look("T2"))
    assert registry.targets() == {look_bundle.NAME: ("plain", "our-t2")}
    added.remove("our-t2")
    assert registry.targets() == {look_bundle.NAME: ("plain",)}


def test_an_added_look_is_aimed_at_with_its_contrast_and_digest(registry_with, added):
    added.put("our-t2", a_look("T2"))
    aim = registry_with().aim(look_bundle.NAME, "our-t2")
    assert (aim.name, aim.contrast, aim.digest) == ("our-t2", "T2", a_look("T2").digest)
    assert aim.target.values_per_unit == 1


def test_the_bundles_own_target_wins_over_an_added_one_of_its_name(registry_with, added):
    added.put("plain", a_look())
    registry = registry_with()
    assert registry.targets() == {look_bundle.NAME: ("plain",)}
    assert registry.aim(look_bundle.NAME, "plain").digest is None
    assert registry.aim(look_bundle.NAME, None).name == "plain"


def test_a_look_of_a_contrast_that_the_model_never_takes_is_not_offered(registry_with, added):
    added.put("our-t2", a_look("T2"))
    registry = registry_with("[T1, PD]")
    assert registry.targets() == {look_bundle.NAME: ("plain",)}
    with pytest.raises(ModelRefused, match="the references are T2; the model takes T1 or PD"):
        registry.aim(look_bundle.NAME, "our-t2")


def test_a_target_that_is_not_there_is_refused_with_what_is(registry_with, added):
    added.put("our-t1", a_look())
    with pytest.raises(ModelRefused, match="no target 'or-t1': it offers plain, our-t1"):
        registry_with().aim(look_bundle.NAME, "or-t1")


def test_a_file_that_cannot_be_used_is_named(registry_with, added):
    added.put("our-t1", a_look()).write_bytes(b"")
    with pytest.raises(BundleRefused, match=r"our-t1.safetensors: not a safetensors file"):
        registry_with().aim(look_bundle.NAME, "our-t1")


def test_a_model_that_takes_no_looks_says_so(tmp_path, added):
    bundle = look_bundle.write(tmp_path / "models", tmp_path / "new")
    manifest = bundle / "model.yaml"
    manifest.write_text(manifest.read_text().replace(look_bundle.ADDED, "qa:"))
    added.put("our-t1", a_look())
    registry = Registry([tmp_path / "models"], added)
    assert registry.targets() == {look_bundle.NAME: ("plain",)}
    with pytest.raises(ModelRefused, match="takes no looks that were measured on references"):
        registry.aim(look_bundle.NAME, "our-t1")


@pytest.mark.parametrize(
    ("brightest", "window"), [(1000.0, (600, 1200)), (1364.0, (680, 1360)), (9000.0, (2047.5, 4095))]
)
def test_the_window_is_widened_where_that_of_the_bundle_would_cut_deep_tissue_off(
    registry_with, added, brightest, window
):
    profile = np.interp(LEVELS, [0, 90, 99, 100], [100, TOP, brightest, 2 * brightest])[np.newaxis]
    added.put("bright", Look("T2", profile, profile))
    target = registry_with().aim(look_bundle.NAME, "bright").target
    assert (target.window_center, target.window_width) == window
