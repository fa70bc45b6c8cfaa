"""Bundles are found, loaded and verified; a bad one harms no other."""

import hashlib
import shutil
import subprocess
import sys

import any_contrast_bundle
import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file, save

from inference.bundle import MANIFEST, open_bundle
from inference.errors import BundleRefused, ModelRefused
from inference.manifest import OutputSpec
from inference.output import Output
from inference.registry import SHIPPED, Registry, families, load, verify

NAME = any_contrast_bundle.NAME


def change(folder, old, new):
    path = folder / MANIFEST
    path.write_text(path.read_text().replace(old, new))


def repin(folder, part, data):
    old = (folder / f"{part}.safetensors").read_bytes()
    (folder / f"{part}.safetensors").write_bytes(data)
    change(folder, hashlib.sha256(old).hexdigest(), hashlib.sha256(data).hexdigest())


def test_bundles_are_found_in_their_folders(tmp_path):
    any_contrast_bundle.write(tmp_path)
    registry = Registry([tmp_path / "absent", tmp_path])
    assert registry.names() == (NAME,)
    assert registry.targets() == {NAME: ("plain",)}
    assert registry.get(NAME).manifest.version == "0.0.1"
    assert not registry.refused


def test_a_name_that_is_not_there_is_answered_with_the_nearest(tmp_path):
    any_contrast_bundle.write(tmp_path)
    with pytest.raises(BundleRefused, match=f"did you mean '{NAME}'"):
        Registry([tmp_path]).get("test-any-contrasts")


def test_a_broken_bundle_is_kept_apart_with_its_reason(tmp_path):
    folder = any_contrast_bundle.write(tmp_path)
    change(folder, "format: 1", "format: 7")
    registry = Registry([tmp_path])
    assert registry.names() == ()
    assert "format" in registry.refused[folder]
    with pytest.raises(BundleRefused, match="format"):
        registry.get(NAME)


def test_a_later_bundle_does_not_take_the_place_of_an_earlier_one(tmp_path):
    first = any_contrast_bundle.write(tmp_path / "shipped")
    second = any_contrast_bundle.write(tmp_path / "site")
    registry = Registry([tmp_path / "shipped", tmp_path / "site"])
    assert registry.get(NAME).folder == first
    assert "already" in registry.refused[second]


def test_a_family_that_is_not_listed_is_never_imported(tmp_path):
    folder = any_contrast_bundle.write(tmp_path)
    change(folder, "family: nyul", "family: antigravity")
    with pytest.raises(BundleRefused, match="'antigravity' is none of"):
        load(Registry([tmp_path]).get(NAME))
    assert "antigravity" not in sys.modules
    assert "nyul" in families()


def test_a_bundle_whose_model_gives_its_reference_is_verified(tmp_path):
    any_contrast_bundle.write(tmp_path)
    assert verify(Registry([tmp_path]).get(NAME)) < 1e-6


def test_a_bundle_whose_model_misses_its_reference_is_refused(tmp_path):
    folder = any_contrast_bundle.write(tmp_path)
    pair = load_file(folder / "reference.safetensors")
    repin(folder, "reference", save({**pair, "output": pair["output"] + np.float32(5)}))
    with pytest.raises(BundleRefused, match="missed by"):
        verify(Registry([tmp_path]).get(NAME))


@pytest.mark.parametrize(
    "wrong",
    [
        {"output": np.zeros((1, 1, 1), np.float32)},
        {"output": np.zeros((2, 3), np.float32)},
        {"input": np.zeros((4, 4), np.float32)},
        {"affine": np.eye(3)},
    ],
)
def test_a_reference_that_is_no_pair_of_volumes_is_refused(tmp_path, wrong):
    folder = any_contrast_bundle.write(tmp_path)
    repin(folder, "reference", save({**load_file(folder / "reference.safetensors"), **wrong}))
    with pytest.raises(BundleRefused, match="not a reference pair"):
        verify(Registry([tmp_path]).get(NAME))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"landmarks.plain": np.array([1.0, 2, 3])}, "percentiles"),
        ({"percentiles": np.array([10.0, 50, 90])}, "no landmarks for target 'plain'"),
        ({"percentiles": np.array([10.0, 50, 90]), "landmarks.plain": np.array([3.0, 2, 4])}, "no landmarks"),
        ({"percentiles": np.array([10.0, 50, 190]), "landmarks.plain": np.array([1.0, 2, 4])}, "percentiles"),
        ({"percentiles": np.array([10.0, 50, 90]), "landmarks.plain": np.array([1.0, 2, np.nan])}, "not numbers"),
    ],
)
def test_weights_that_the_family_cannot_use_are_refused(tmp_path, weights, words):
    repin(any_contrast_bundle.write(tmp_path), "weights", save(weights))
    with pytest.raises(BundleRefused, match=words):
        load(Registry([tmp_path]).get(NAME))


def test_a_classical_model_needs_no_torch(tmp_path):
    any_contrast_bundle.write(tmp_path)
    code = (
        "import sys, pathlib, inference.worker\n"
        "from inference.registry import Registry, load\n"
        f"load(Registry([pathlib.Path(sys.argv[1])]).get('{NAME}'))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, timeout=60)


def test_a_family_that_cannot_tell_its_uncertainty_must_not_promise_it(tmp_path):
    shutil.copytree(SHIPPED / "synth-ct-water", tmp_path / "synth-ct-water")
    manifest = tmp_path / "synth-ct-water" / "model.yaml"
    manifest.write_text(manifest.read_text().replace("range: [-1024, 3000]", "range: [-1024, 3000], uncertainty: 500"))
    bundle = open_bundle(manifest.parent)
    assert bundle.manifest.outputs == tuple(Output)
    with pytest.raises(BundleRefused, match="models of family 'ct_water' offer none: take it out"):
        load(bundle)


def test_an_output_that_a_model_does_not_offer_is_no_aim():
    with pytest.raises(ModelRefused, match="model synth-ct-water offers no uncertainty"):
        Registry([SHIPPED]).aim("synth-ct-water", None, Output.UNCERTAINTY)


@pytest.mark.parametrize("spec", [{"kind": "mr", "unit": "1", "range": (0, 9)}, {"range": (-1024, -900)}])
def test_only_a_ct_has_an_uncertainty_and_within_its_range(spec):
    with pytest.raises(ValidationError, match="uncertainty: only a CT has one"):
        OutputSpec(**{"kind": "ct", "unit": "[hnsf'U]", "uncertainty": 500} | spec)
