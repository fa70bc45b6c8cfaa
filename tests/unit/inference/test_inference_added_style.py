"""A style that a model read: stored whole, bound to the very weights that read it, and refused anywhere else."""

from __future__ import annotations

from pathlib import Path

import look_bundle
import mhgan_bundle
import numpy as np
import phantom
import pytest
from safetensors.numpy import load, save

from inference.added import AddedLooks
from inference.added_style import AddedStyle, added_style, style_in
from inference.aim import at_added
from inference.errors import BundleRefused, ModelRefused
from inference.look import look_of
from inference.model import ask, read_style
from inference.models import mhgan
from inference.output import Output
from inference.registry import Registry
from inference.worker import Worker


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    mhgan_bundle.write(folder)
    look_bundle.write(folder, tmp_path_factory.mktemp("scratch") / "new")
    return folder


@pytest.fixture
def added(tmp_path: Path) -> AddedLooks:
    return AddedLooks(tmp_path / "targets")


@pytest.fixture
def registry(models: Path, added: AddedLooks) -> Registry:
    return Registry([models], added)


@pytest.fixture
def style(registry: Registry) -> AddedStyle:
    numbers = [mhgan_bundle.style(number).numbers for number in (7, 8)]
    return added_style(mhgan_bundle.NAME, registry.get(mhgan_bundle.NAME).digest, contrast="T1", read=numbers)


def test_it_is_read_as_it_was_written_with_what_read_it(added: AddedLooks, style: AddedStyle) -> None:
    file = added.put("ours", style)
    held = added.get("ours")
    assert isinstance(held, AddedStyle)
    assert (held.digest, held.model, held.model_digest) == (style.digest, mhgan_bundle.NAME, style.model_digest)
    assert (held.references, held.contrast) == (2, "T1")
    np.testing.assert_array_equal(held.mean, style.numbers.mean(axis=0))
    assert {tensor.shape for tensor in load(file.read_bytes()).values()} == {style.numbers.shape, (32,)}


def test_it_is_offered_by_the_model_that_read_it_alone(
    registry: Registry, added: AddedLooks, style: AddedStyle
) -> None:
    added.put("ours", style)
    assert registry.targets()[mhgan_bundle.NAME] == (*mhgan_bundle.SITES, "ours")
    assert registry.targets()[look_bundle.NAME] == (look_bundle.TARGET,)
    aim = registry.aim(mhgan_bundle.NAME, "ours")
    assert (aim.digest, aim.contrast) == (style.digest, "T1")
    with pytest.raises(ModelRefused, match="cannot aim at 'ours': it is a style that model harmonize-mhgan read"):
        registry.aim(look_bundle.NAME, "ours")


def test_other_weights_do_not_take_it_and_say_how_to_read_it_again(
    registry: Registry, added: AddedLooks, style: AddedStyle
) -> None:
    older = AddedStyle(style.model, "0" * 64, style.contrast, style.numbers)
    added.put("ours", older)
    assert "ours" not in registry.targets()[mhgan_bundle.NAME]
    with pytest.raises(ModelRefused, match=r"other weights \(000000000000 then, .* --replace` reads"):
        registry.aim(mhgan_bundle.NAME, "ours")


def test_a_look_is_refused_where_a_style_is_wanted_and_the_way_to_one_is_told(registry: Registry) -> None:
    look = look_of([phantom.head()], contrast="T1")
    with pytest.raises(ModelRefused, match="`models target add --model harmonize-mhgan` reads a style"):
        at_added(registry.get(mhgan_bundle.NAME), "ours", look)


def test_a_style_of_another_contrast_is_refused(registry: Registry, style: AddedStyle) -> None:
    other = AddedStyle(style.model, style.model_digest, "T2", style.numbers)
    with pytest.raises(ModelRefused, match="the references are T2; the model takes T1"):
        at_added(registry.get(mhgan_bundle.NAME), "ours", other)


def test_the_model_gives_what_it_read_in_a_head_to_another(registry: Registry) -> None:
    bundle = registry.get(mhgan_bundle.NAME)
    model = mhgan.load(bundle, device="cpu")
    reference, head = phantom.head(gamma=0.8, seed=1), phantom.head()
    numbers = read_style(model, reference)
    style = added_style(bundle.manifest.name, bundle.digest, contrast="T1", read=[numbers])
    made = ask(model, head, target=style, output=Output.RESULT).volume.voxels
    np.testing.assert_array_equal(made, model(head, target=model.style_of(reference)).volume.voxels)
    with pytest.raises(ModelRefused, match="a style has"):
        model.in_style(head, numbers[:-1])


def test_the_worker_reads_a_style_and_takes_it_back_only_for_the_weights_that_read_it(
    models: Path, registry: Registry, added: AddedLooks, style: AddedStyle, tmp_path: Path
) -> None:
    head = phantom.head()
    np.save(tmp_path / "input.npy", head.voxels)
    base = {"id": 1, "model": mhgan_bundle.NAME, "digest": style.model_digest, "scratch": str(tmp_path),
            "affine": head.affine.tolist(), "unit": "1", "limit_s": 60}  # fmt: skip
    worker = Worker([models], "cpu", added=added)
    answer = worker.answer({**base, "read": "style"})
    assert answer["ok"], answer
    assert not (tmp_path / "output.npy").exists()
    read = added_style(mhgan_bundle.NAME, style.model_digest, contrast="T1", read=[answer["style"]])
    added.put("ours", read)
    assert worker.answer({**base, "target": "ours", "target_digest": read.digest})["ok"]
    older = AddedStyle(style.model, "0" * 64, "T1", read.numbers)
    added.put("older", older)
    answer = worker.answer({**base, "target": "older", "target_digest": older.digest})
    assert (answer["kind"], "other weights" in answer["message"]) == ("refused", True)


def test_a_model_without_an_encoder_reads_none(models: Path, registry: Registry, tmp_path: Path) -> None:
    head = phantom.head()
    np.save(tmp_path / "input.npy", head.voxels)
    answer = Worker([models], "cpu").answer({
        "id": 1, "model": look_bundle.NAME, "digest": registry.get(look_bundle.NAME).digest, "scratch": str(tmp_path),
        "affine": head.affine.tolist(), "unit": "1", "limit_s": 60, "read": "style",
    })  # fmt: skip
    assert (answer["kind"], answer["message"]) == (
        "refused", "the model reads no styles in references: name one of its targets",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"m.T1.style": np.zeros((2, 3), np.float32)}, "does not tell which model read it"),
        ({"m.T1.style": np.zeros(3, np.float32), "m.T1.reader": np.zeros(32, np.uint8)}, "references, numbers"),
        ({"m.T1.style": np.full((1, 3), np.nan, np.float32), "m.T1.reader": np.zeros(32, np.uint8)}, "finite"),
        ({"m.T1.style": np.zeros((0, 3), np.float32), "m.T1.reader": np.zeros(32, np.uint8)}, "references, numbers"),
    ],
)
def test_a_malformed_file_is_refused_with_its_name(
    added: AddedLooks, tensors: dict[str, np.ndarray], words: str
) -> None:
    added.folder.mkdir()
    (added.folder / "ours.safetensors").write_bytes(save(tensors))
    with pytest.raises(BundleRefused, match=words):
        added.get("ours")
    assert "ours.safetensors" in added.refused()[added.folder / "ours.safetensors"]


def test_a_look_is_no_style() -> None:
    assert style_in(look_of([phantom.head()], contrast="T1").tensors()) is None
