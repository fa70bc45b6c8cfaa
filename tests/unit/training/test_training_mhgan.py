"""Training of the multi-harmonization GAN: each loss by hand, batches by number, losses that fall, runs that go on."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_sites
import torch
from PIL import Image
from safetensors.torch import load_file
from tiny_sites import CONFIGS, SIDE

from inference.mhgan.networks import LATENT, STYLE, Discriminator, Generator, MappingNetwork, StyleEncoder, begin
from training.examples.site_slices import Site, SiteSlices, on_square
from training.loops.mhgan import train
from training.loops.mhgan_config import Config
from training.loops.run import Averaged, read_config
from training.objectives.mhgan import (
    Weights,
    distance,
    incoherence,
    overlap,
    slope_penalty,
    taken_for_real,
    told_apart,
)  # fmt: skip


@pytest.fixture
def sites() -> list[Site]:
    return tiny_sites.sites()


@pytest.fixture
def small() -> Config:
    return tiny_sites.config()


def _log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_both_configurations_can_be_read_and_the_seeds_is_at_the_seeds_width() -> None:
    config = read_config(Config, CONFIGS / "mhgan-seed.yaml")
    sizes = config.sizes
    assert sizes.channels == [64, 128, 256, 512, 512]
    assert sizes.judge_channels == [64, 128, 256, 512, 512, 512]  # five halvings, 128 to 4
    assert (config.previous, config.temporal) == (1.0, 0.5)
    assert read_config(Config, CONFIGS / "mhgan.yaml").weights.previous == 1.0


def test_adversarial_losses_are_those_of_cross_entropy() -> None:
    real, made = torch.tensor([[0.0], [math.log(3)]]), torch.tensor([[0.0], [math.log(3)]])  # D: 1/2, 3/4
    assert taken_for_real(made).item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    of_made = (math.log(2) + math.log(4)) / 2  # -log(1 - D)
    assert told_apart(real, made).item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2 + of_made)


def test_the_penalty_is_half_the_squared_slope_at_real_slices() -> None:
    weight = torch.tensor([3.0, 4.0])
    real = torch.randn(5, 1, 1, 2, requires_grad=True)
    assert slope_penalty((real * weight).sum(dim=(1, 2, 3)), real).item() == pytest.approx(12.5)
    assert slope_penalty((real**2).sum(dim=(1, 2, 3)), real).item() == pytest.approx(
        2 * real.square().sum().item() / 5, rel=1e-5
    )


def test_distances_are_mean_absolute_differences() -> None:
    assert distance(torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 2.0]])).item() == 2.0


def test_slices_that_change_together_but_for_a_gain_are_coherent_and_a_jump_is_not() -> None:
    source = torch.tensor([0.0, 1.0, 3.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert incoherence(source, 2.5 * source + 1).item() == pytest.approx(0, abs=1e-6)
    jump = source + torch.tensor([0.0, 1.0, 0.0]).reshape(
        1, 3, 1, 1
    )  # 0, 2, 3: its spread over that of the source is g
    gain = jump.std().item() / source.std().item()
    assert incoherence(source, jump).item() == pytest.approx((abs(2 - gain) + abs(1 - 2 * gain)) / 2, rel=1e-5)


def test_no_gradient_goes_through_the_gain() -> None:
    source = torch.randn(1, 3, 4, 4)
    made = torch.randn(1, 3, 4, 4, requires_grad=True)
    incoherence(source, made).backward()
    fixed = made.detach().clone().requires_grad_()
    gain = (fixed.std() / source.std()).detach()
    (fixed.diff(dim=1) - gain * source.diff(dim=1)).abs().mean().backward()
    torch.testing.assert_close(made.grad, fixed.grad)


def test_overlap_compares_the_slices_that_two_stacks_share() -> None:
    made = torch.tensor([9.0, 1.0, 2.0]).reshape(1, 3, 1, 1)
    beside = torch.tensor([1.0, 4.0, 9.0]).reshape(1, 3, 1, 1)
    assert overlap(made, beside).item() == 1.0


def test_diversity_comes_down_to_nothing() -> None:
    weights = Weights(1.0, 0.5, 1.0, 1.0, diversity=2.0, diversity_until=100)
    assert [weights.diversity_at(step) for step in (0, 50, 100, 200)] == [2.0, 1.0, 0.0, 0.0]


def test_the_mean_of_the_weights_follows_them() -> None:
    network, twin = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 1.0)
    averaged = Averaged(network, twin, keep=0.9)
    torch.nn.init.constant_(network.weight, 2.0)
    averaged.follow(10_000)
    assert twin.weight.item() == pytest.approx(1.1)
    averaged.follow(10_000)
    assert twin.weight.item() == pytest.approx(1.19)


def test_each_domain_has_a_branch_of_its_own(small: Config) -> None:
    sizes = small.sizes
    slices, domain = torch.randn(2, 3, SIDE, SIDE), torch.tensor([0, 1])
    for network, given, wanted in (
        (MappingNetwork(sizes, 2), torch.randn(2, LATENT), STYLE), (StyleEncoder(sizes, 2), slices, STYLE),
        (Discriminator(sizes, 2), slices, 1),
        (Discriminator(sizes, 2, coarse=4), slices, 2),
    ):  # fmt: skip
        told = network(given, domain)
        assert told.shape == (2, wanted)
        torch.testing.assert_close(told[:1], network(given[:1], domain[:1]))
        network(given, torch.zeros(2, dtype=torch.long)).sum().backward()
        idle = [part.branches[1] for part in network.modules() if hasattr(part, "branches")]
        assert idle
        assert not any(weight.grad is not None and weight.grad.any() for each in idle for weight in each.parameters())


@pytest.mark.parametrize("residual", [0, 1])
def test_the_generator_takes_on_a_style_and_one_that_adds_begins_by_changing_nothing(
    small: Config, residual: int
) -> None:
    generator = Generator(replace(small.sizes, residual=residual))
    begin(generator)
    slices, styles = torch.randn(1, 3, SIDE, SIDE).expand(2, -1, -1, -1), torch.randn(2, STYLE)
    made = generator(slices, styles)
    assert made.shape == slices.shape
    if residual:
        torch.testing.assert_close(made, slices)
        torch.nn.init.normal_(generator.give.weight)
        made = generator(slices, styles)
    assert not torch.allclose(made[0], made[1], atol=1e-3)


def test_a_batch_depends_on_its_number_and_its_stacks_overlap(sites: list[Site]) -> None:
    slices = SiteSlices(sites, batch=6, seed=0, side=SIDE)
    first, again, other = slices[3], SiteSlices(sites, batch=6, seed=0, side=SIDE)[3], slices[4]
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["source"], other["source"])
    assert first["source"].shape == (6, 4, SIDE, SIDE)
    assert first["reference"].shape == (6, 3, SIDE, SIDE)
    assert set(first["target_site"]) <= {0.0, 1.0}
    held_out = SiteSlices(sites, batch=6, seed=0, side=SIDE, validation=True)[3]
    assert not np.array_equal(held_out["source"], first["source"])


def test_warped_slices_are_turned_and_stretched_and_keep_their_intensities(sites: list[Site]) -> None:
    plain, warped = (SiteSlices(sites, batch=1, seed=0, side=SIDE, warped=each) for each in (False, True))
    pairs = [(plain[number]["source"][0], warped[number]["source"][0]) for number in range(8)]  # drawn alike
    shown = [(before, after) for before, after in pairs if np.ptp(before) > 0]
    assert shown
    for before, after in shown:
        assert not np.array_equal(before, after)
        assert after.min() >= before.min() - 1e-3
        assert after.max() <= before.max() + 1e-3
    assert np.median([np.corrcoef(before.ravel(), after.ravel())[0, 1] for before, after in shown]) > 0.7


def test_slices_lie_in_the_middle_of_a_black_square() -> None:
    square = on_square(np.ones((2, 2, 4), np.float32), 6, -0.5)
    assert square[:, 2:4, 1:5].min() == 1
    assert square.sum() == pytest.approx(2 * (8 - 0.5 * 28))


def test_a_generator_of_whole_slices_learns_to_bring_them_back(
    tmp_path: Path, sites: list[Site], small: Config
) -> None:
    config = replace(small, residual=0, steps=40, learning_rate=0.002, validate_every=40, save_every=40)
    train(config, tmp_path, sites)
    cycle = [float(row["cycle"]) for row in _log(tmp_path) if row["split"] == "training"]
    assert np.mean(cycle[-5:]) < 0.8 * np.mean(cycle[:5])


def test_a_run_that_was_interrupted_goes_on_bit_by_bit(tmp_path: Path, sites: list[Site], small: Config) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    train(small, whole, sites)
    train(small, halves, sites, fraction=0.5)
    train(small, halves, sites, resume=True)
    for name in ("state.safetensors", "weights.safetensors"):
        one, other = load_file(whole / name), load_file(halves / name)
        assert one.keys() == other.keys()
        for key, tensor in one.items():
            assert torch.equal(tensor, other[key]), key
    told = [
        [{**row, "seconds": ""} for row in _log(folder) if row["split"] == "training"] for folder in (whole, halves)
    ]
    assert told[0] == told[1]


def test_a_run_keeps_samples_of_each_site_beside_the_source(tmp_path: Path, sites: list[Site], small: Config) -> None:
    train(small, tmp_path, sites)
    with Image.open(tmp_path / "samples" / "000004.png") as picture:
        assert picture.size == (3 * SIDE, 2 * SIDE)
