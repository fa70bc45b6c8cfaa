"""Training of synthetic CT: examples in register, losses that fall, and runs that are interrupted."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from inference.bundle import open_bundle
from inference.ct.network import NODES_HU, fold
from inference.ct.slices import read_generator
from inference.registry import SHIPPED, verify
from inference.volume import Volume
from training import export_ct
from training.examples.ct_heads import CtSources, prepare, read
from training.examples.ct_pairs import CtPairs
from training.loops import ct_gan, ct_unet
from training.loops.run import read_config
from training.objectives.ct import bone_dice, ct_loss, gradient_error, surprise
from training.objectives.ct_adversarial import GAMES, PatchDiscriminator, gradient_consistency, gradient_penalty
from training.simulate.head import procedural_head

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
GAN_CONFIGS = ("pix2pix", "pix2pix-stable", "pix2pix-wasserstein", "cyclegan", "wolterink")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> CtSources:
    folder = tmp_path_factory.mktemp("heads")
    for seed in range(2):
        prepare(f"procedural-{seed:03d}", procedural_head(seed, 2.5), folder)
    heads = [read(path) for path in sorted(folder.glob("*.npz"))]
    return CtSources(heads, heads[:1])


@pytest.fixture
def unet() -> ct_unet.Config:
    config = read_config(ct_unet.Config, CONFIGS / "ct-unet.yaml")
    return replace(
        config, steps=4, patch=(16, 32, 32), group=1, warm_up=1, widths=(8, 8), log_every=1, save_every=2,
        validate_every=4, validation_batches=1,
    )  # fmt: skip


def _small(name: str) -> ct_gan.Config:
    config = read_config(ct_gan.Config, CONFIGS / f"ct-{name}.yaml")
    return replace(
        config, steps=4, patch=(64, 64, config.patch[2]), group=1, width=4, depth=2, critic_width=4, critic_layers=2,
        log_every=1, save_every=2, validate_every=4, validation_batches=1,
    )  # fmt: skip


def _log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_number_gives_the_same_examples(sources: CtSources) -> None:
    first, second, other = (CtPairs(sources.train, (16, 32, 32), group=2, seed=seed)[7] for seed in (3, 3, 4))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    assert not np.array_equal(first["mr"], other["mr"])


def _edges(image: np.ndarray) -> np.ndarray:
    return np.hypot(*np.gradient(image))[8:-8, 8:-8]


def test_edges_of_mr_and_ct_lie_in_the_same_places(sources: CtSources) -> None:
    pairs = CtPairs(sources.train, (96, 160, 1), group=1, seed=0)
    steps = [(z, y) for z in (-4, 0, 4) for y in (-4, 0, 4)]
    alike = []
    for number in range(16):
        example = pairs[number]
        if example["inside"].mean() < 0.5:
            continue
        mr, ct = np.log(example["mr"][0, 0, :, :, 0] + 0.1), np.clip(example["ct"][0, 0, :, :, 0], -1000, 300)
        edges = _edges(ct)
        alike.append([np.corrcoef(_edges(np.roll(mr, step, (0, 1))).ravel(), edges.ravel())[0, 1] for step in steps])
    mean = np.mean(alike, axis=0)
    assert len(alike) > 4
    assert steps[int(np.argmax(mean))] == (0, 0)
    assert mean.max() > 2 * np.median(mean)


def test_what_is_not_imaged_is_not_asked_for(sources: CtSources) -> None:
    pairs = CtPairs(sources.train, (256, 256, 1), group=1, seed=0)
    cut = 0
    for number in range(6):
        example = pairs[number]
        nothing = example["mr"][0, 0] == 0
        lowest = nothing[0].all()
        cut += bool(lowest)
        if lowest:
            assert (example["weight"][0, 0][0] == 0).all()
            assert (example["ct"][0, 0][0] <= -999).all()
    assert cut > 0


def test_unpaired_examples_are_of_different_people(sources: CtSources) -> None:
    of_mr, of_ct = sources.disjoint()
    assert of_mr
    assert of_ct
    assert {head.person for head in of_mr}.isdisjoint(head.person for head in of_ct)
    with pytest.raises(ValueError, match="two people"):
        CtSources(sources.train[:1], ()).disjoint()


def test_a_true_answer_has_no_loss_and_a_shifted_one_has() -> None:
    ct = 1000 * torch.rand(1, 1, 8, 8, 8)
    ones = torch.ones_like(ct)
    assert ct_loss(ct / 1000, ct, (ones, ones), gradients=1.0).loss.item() == pytest.approx(0, abs=1e-6)
    off = ct_loss(ct / 1000 + 0.1, ct, (ones, ones), gradients=1.0)
    assert off.loss.item() == pytest.approx(0.1, rel=1e-3)  # a shift has no gradient
    assert off.mae_hu == pytest.approx(100, rel=1e-3)
    assert gradient_error(2 * ct, ct, ones).item() > 0
    assert bone_dice(ct, ct, ones) == 1.0


def test_a_truth_between_two_nodes_is_a_little_of_both() -> None:
    low, high = NODES_HU[3], NODES_HU[4]
    ct = torch.full((1, 1, 2, 2, 4), 0.25 * low + 0.75 * high)
    ct[..., 2:] = 5000.0  # beyond the last node, and of no weight
    weight = torch.ones_like(ct)
    weight[..., 2:] = 0

    def told(shares: dict[int, float]) -> float:
        likely = torch.full((1, len(NODES_HU), *fold(ct).shape[1:]), -30.0)
        for node, share in shares.items():
            likely[:, node] = math.log(share)
        return surprise(likely, ct, weight).item()

    entropy = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert told({3: 0.25, 4: 0.75}) == pytest.approx(entropy, abs=1e-4)
    assert told({3: 0.5, 4: 0.5}) > entropy
    assert told({4: 0.75, 5: 0.25}) > 5


def test_only_the_weighted_part_counts() -> None:
    ct, weight = torch.zeros(1, 1, 4, 4, 4), torch.zeros(1, 1, 4, 4, 4)
    weight[..., :2] = 1
    answer = torch.zeros_like(ct)
    answer[..., 3] = 5
    assert ct_loss(answer, ct, (weight, weight), gradients=1.0).loss.item() == 0


@pytest.mark.parametrize("game", GAMES)
def test_a_critic_that_tells_apart_loses_less_and_a_generator_that_deceives_too(game: str) -> None:
    high, low = torch.full((1, 1, 4, 4), 2.0), torch.full((1, 1, 4, 4), -2.0)
    assert GAMES[game].tell_apart(high, low, 1.0) < GAMES[game].tell_apart(low, high, 1.0)
    assert GAMES[game].deceive(torch.ones(1)) < GAMES[game].deceive(-torch.ones(1))


def test_a_critic_of_slope_one_is_not_punished() -> None:
    class Slope(torch.nn.Module):
        def __init__(self, slope: float) -> None:
            super().__init__()
            self.slope = slope

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [self.slope * x.flatten(1).mean(dim=1) * x[0].numel() ** 0.5]

    real, made, share = torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4), torch.full((2, 1, 1, 1), 0.5)
    assert gradient_penalty(Slope(1), real, made, share).item() == pytest.approx(0, abs=1e-6)
    assert gradient_penalty(Slope(3), real, made, share).item() == pytest.approx(4, rel=1e-3)


def test_edges_that_agree_are_consistent_whatever_their_sign() -> None:
    image = torch.rand(1, 1, 16, 16)
    assert gradient_consistency(image, 3 - 2 * image).item() == pytest.approx(0, abs=1e-4)
    assert gradient_consistency(image, image.flip(-1)).item() > 0.5


def test_a_patch_of_the_paper_is_seventy_wide() -> None:
    critic = PatchDiscriminator(1, 2).eval()
    image = torch.zeros(1, 1, 128, 128, requires_grad=True)
    for layer in critic.layers[:-1]:
        layer[1] = torch.nn.Identity()  # statistics over the image would reach everywhere
    scores = critic(image)[-1]
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    assert image.grad is not None
    touched = image.grad[0, 0].abs().sum(dim=0).nonzero()
    assert int(touched.max() - touched.min()) + 1 == 70


def test_the_loss_of_the_unet_falls_on_one_patch(sources: CtSources, unet: ct_unet.Config) -> None:
    config = replace(unet, steps=1000, patch=(32, 48, 48), learning_rate=5e-3, gradients=0.0)
    trainee = ct_unet.UnetTrainee(config, "cpu")
    pairs = CtPairs(sources.train, config.patch, group=1, seed=1)
    held = next(example for example in map(pairs.__getitem__, range(40)) if example["ct"].std() > 500)
    batch = {name: torch.from_numpy(array) for name, array in held.items()}
    losses = [trainee.train(batch, step)["loss"] for step in range(24)]
    assert np.mean(losses[-3:]) < 0.7 * losses[0]


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_the_loss_of_a_generator_falls_on_one_slice(sources: CtSources, name: str) -> None:
    config = replace(_small(name), learning_rate=3e-3, steps=1000)
    trainee = ct_gan.METHODS[config.method](config, "cpu")
    held = CtPairs(sources.train, config.patch, group=1, seed=1)[3]
    batch = {key: torch.from_numpy(array) for key, array in held.items()}
    losses = [trainee.train(batch, step)["loss"] for step in range(16)]
    assert np.mean(losses[-3:]) < 0.8 * losses[0]


def _assert_same(a: Path, b: Path) -> None:
    whole, parts = (load_file(folder / "weights.safetensors") for folder in (a, b))
    for key, tensor in whole.items():
        torch.testing.assert_close(parts[key], tensor, rtol=0, atol=0)


def test_an_interrupted_unet_goes_on_as_if_it_had_not_been(
    sources: CtSources, unet: ct_unet.Config, tmp_path: Path
) -> None:
    ct_unet.train(unet, tmp_path / "whole", sources)
    ct_unet.train(unet, tmp_path / "parts", sources, fraction=0.5)
    ct_unet.train(unet, tmp_path / "parts", sources, resume=True)
    _assert_same(tmp_path / "whole", tmp_path / "parts")
    assert [(line["step"], line["split"]) for line in _log(tmp_path / "parts")] == [
        ("1", "training"), ("2", "training"), ("2", "validation"), ("3", "training"), ("4", "training"),
        ("4", "validation"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", GAN_CONFIGS)
def test_every_configuration_can_be_trained_by(name: str) -> None:
    config = read_config(ct_gan.Config, CONFIGS / f"ct-{name}.yaml")
    trainee = ct_gan.METHODS[config.method](replace(config, width=4, critic_width=4), "cpu")
    assert trainee.weights()
    assert config.game in GAMES


@pytest.mark.parametrize("name", ["pix2pix-wasserstein", "pix2pix-stable", "cyclegan"])
def test_an_interrupted_adversary_goes_on_as_if_it_had_not_been(sources: CtSources, tmp_path: Path, name: str) -> None:
    config = _small(name)
    ct_gan.train(config, tmp_path / "whole", sources)
    ct_gan.train(config, tmp_path / "parts", sources, fraction=0.5)
    ct_gan.train(config, tmp_path / "parts", sources, resume=True)
    _assert_same(tmp_path / "whole", tmp_path / "parts")
    last = _log(tmp_path / "parts")[-1]
    assert last["split"] == "validation"
    assert math.isfinite(float(last["mae_hu"]))
    weights = {key: tensor.numpy() for key, tensor in load_file(tmp_path / "whole" / "weights.safetensors").items()}
    _, seen, window = read_generator(weights)
    assert (seen, window) == (config.seen, config.window)


def _ball() -> Volume:
    away = np.linalg.norm(np.stack(np.meshgrid(*[np.arange(16) - 7.5] * 3), axis=-1), axis=-1)
    return Volume(np.where(away < 5, 100 + away, 1).astype(np.float32), np.diag([3.0, 3.0, 3.0, 1.0]))


@pytest.mark.parametrize(("name", "family"), [("unet", "ct_unet"), ("pix2pix", "ct_slices")])
def test_a_run_becomes_a_bundle_that_verifies(
    sources: CtSources, unet: ct_unet.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, family: str
) -> None:
    if name == "unet":
        ct_unet.train(replace(unet, steps=1), tmp_path / "run", sources)
    else:
        ct_gan.train(replace(_small(name), steps=1), tmp_path / "run", sources)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    plain = (SHIPPED / "synth-ct-water" / "model.yaml").read_text()
    plain = plain.replace("family: ct_water", f"family: {family}").replace("runtime: numpy", "runtime: torch")
    (bundle / "model.yaml").write_text(plain)
    monkeypatch.setattr(export_ct, "procedural_head", lambda seed: procedural_head(seed, 4.0))
    monkeypatch.setattr(export_ct, "scan", lambda head, site, *, seed: _ball())  # a head would take minutes
    export_ct.main(["--run", str(tmp_path / "run"), "--out", str(bundle)])
    assert verify(open_bundle(bundle), device="cpu") <= 1e-4
