"""A bundle is used as it was made, or not at all."""

import hashlib
import pickle

import any_contrast_bundle
import pytest

from inference.bundle import MANIFEST, open_bundle
from inference.errors import BundleRefused, ModelRefused


@pytest.fixture
def folder(tmp_path):
    return any_contrast_bundle.write(tmp_path)


def rewrite(folder, old, new):
    path = folder / MANIFEST
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def repin(folder, name):
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    lines = (folder / MANIFEST).read_text().splitlines()
    lines = [f"weights: {{file: {name}, sha256: {digest}}}" if line.startswith("weights:") else line for line in lines]
    (folder / MANIFEST).write_text("\n".join(lines))


def test_a_bundle_opens_and_its_tensors_can_be_read(folder):
    bundle = open_bundle(folder)
    assert bundle.manifest.name == any_contrast_bundle.NAME
    assert len(bundle.digest) == 64
    assert set(bundle.weights()) == {"percentiles", "landmarks.plain"}
    assert set(bundle.reference()) == {"input", "output", "affine"}


def test_the_digest_shows_a_change_of_the_manifest(folder):
    before = open_bundle(folder).digest
    rewrite(folder, "Tests.", "tests.")
    assert open_bundle(folder).digest != before


@pytest.mark.parametrize("name", ["weights.safetensors", "reference.safetensors"])
def test_a_changed_file_is_refused(folder, name):
    bundle = open_bundle(folder)
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleRefused, match=f"{name}: changed"):
        bundle.weights() if name.startswith("weights") else bundle.reference()


def test_weights_that_were_changed_before_are_refused_when_it_is_opened(folder):
    with (folder / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleRefused, match="changed"):
        open_bundle(folder)


def test_a_pickle_is_refused_by_its_name(folder):
    rewrite(folder, "file: weights.safetensors", "file: weights.pt")
    with pytest.raises(BundleRefused, match=r"weights\.file"):
        open_bundle(folder)


def test_a_pickle_that_is_called_safetensors_is_refused(folder):
    (folder / "weights.safetensors").write_bytes(pickle.dumps({"landmarks.plain": [1, 2]}))
    repin(folder, "weights.safetensors")
    with pytest.raises(BundleRefused, match="not a safetensors file"):
        open_bundle(folder).weights()


@pytest.mark.parametrize(
    "name", ["../weights.safetensors", "/etc/weights.safetensors", "a/b.safetensors", ".safetensors"]
)
def test_a_file_name_that_leads_elsewhere_is_refused(folder, name):
    rewrite(folder, "file: weights.safetensors", f"file: {name}")
    with pytest.raises(BundleRefused, match=r"weights\.file"):
        open_bundle(folder)


def test_a_link_that_leads_out_of_the_folder_is_refused(folder, tmp_path):
    outside = (folder / "weights.safetensors").rename(tmp_path / "elsewhere.safetensors")
    (folder / "weights.safetensors").symlink_to(outside)
    with pytest.raises(BundleRefused, match="leads out"):
        open_bundle(folder)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("format: 1", "format: 2", "format"),
        ("family: nyul", "familly: nyul", "family"),
        ("skull: either", "skull: either\n  colour: red", "input.colour"),
        ("skull: either", "skull: [either", "line"),
        ("range: [0, 4095]", "range: [0, 5000]", "does not fit"),
        ("range: [0, 4095]", "range: [5, 1]", "output"),
        ("target: plain}", "target: plane}", "no target 'plane'"),
    ],
)
def test_a_mistake_in_the_manifest_is_named(folder, old, new, words):
    rewrite(folder, old, new)
    with pytest.raises(BundleRefused, match=words):
        open_bundle(folder)


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(BundleRefused, match="cannot be read"):
        open_bundle(tmp_path)


def test_a_target_is_chosen_by_name_or_because_it_is_the_only_one(folder):
    manifest = open_bundle(folder).manifest
    assert manifest.choose_target("plain") == manifest.choose_target(None) == "plain"
    with pytest.raises(ModelRefused, match="no target 'plane': it offers plain"):
        manifest.choose_target("plane")
    two = manifest.model_copy(update={"targets": {**manifest.targets, "other": manifest.targets["plain"]}})
    with pytest.raises(ModelRefused, match="needs a target"):
        two.choose_target(None)
