"""Training of the bounded harmonizer: its examples, its objective, and a run that is interrupted."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from inference.bounded.description import LENGTH
from inference.bounded.frame import SHAPE
from inference.bounded.network import CONTEXT, LANDMARKS, BoundedNetwork, Correction, without_cells
from inference.classical.base import SPREAD, base_curve, gaps
from inference.look import LEVELS, Profile
from training.examples.curves import apply_curve, random_curve
from training.examples.fields import random_field
from training.examples.heads import prepare_simulated
from training.examples.pairs import Pairs
from training.examples.sources import Sources
from training.loops.bounded import Config, train
from training.objectives.bounded import Judge, Weights, base_slopes, judged
from training.simulate.head import procedural_head

TINY = Config(
    seed=0, steps=4, groups=2, group=2, real_share=0.0, learning_rate=1e-3, warm_up=1, averaging=0.9, widths=(8, 8, 8),
    procedural_heads=2, deformations=0, log_every=1, save_every=2, validate_every=4, validation_groups=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tmp_path_factory.mktemp("heads")
    prepare_simulated(((f"head-{seed}", procedural_head(seed, 4.0)) for seed in range(2)), folder)
    files = sorted(folder.glob("*.npz"))
    return Sources(files, files[:1], ())


@pytest.fixture(scope="module")
def whole(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that was not interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(TINY, folder, sources, resume=False, fraction=1.0, workers=0)
    return folder


@pytest.fixture(scope="module")
def batch(sources: Sources) -> dict[str, torch.Tensor]:
    pairs = Pairs(sources.simulated, (), group=2, real_share=0.0, seed=1)
    return {name: torch.from_numpy(array) for name, array in pairs[0].items()}


def test_the_same_number_gives_the_same_examples(sources: Sources) -> None:
    first, second, other = (Pairs(sources.simulated, (), group=1, real_share=0.0, seed=seed)[7] for seed in (3, 3, 4))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    assert not np.array_equal(first["image"], other["image"])


def test_random_curves_are_monotone_and_keep_zero_and_one() -> None:
    for seed in range(20):
        curve = random_curve(np.random.default_rng(seed))
        assert (np.diff(curve) >= 0).all()
        np.testing.assert_allclose(apply_curve(curve, np.array([0.0, 1.0])), [0, 1], atol=1e-3)


def test_random_fields_are_as_strong_in_the_head_as_they_say() -> None:
    inside = np.zeros(SHAPE, bool)
    inside[20:100, 20:110, 15:80] = True
    for seed in range(8):
        field = random_field(np.random.default_rng(seed), inside)[::4, ::4, ::4][inside[::4, ::4, ::4]]
        assert abs(float(field.mean())) < 1e-3
        assert float(np.abs(field).max()) == pytest.approx(1, abs=1e-3)


def test_the_true_field_is_worth_decibels(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.examples.pairs._SIMULATED_SHARES", (0.0, 1.0, 0.0, 0.0, 0.0))
    pairs = Pairs(sources.simulated, (), group=4, real_share=0.0, seed=2)
    batch = {name: torch.from_numpy(array) for name, array in pairs[0].items()}
    nothing = Correction(torch.zeros(4, CONTEXT), torch.zeros_like(batch["gain"]), torch.zeros(4, 8, 7, 8, 6))
    true = Correction(nothing.told, batch["gain"], nothing.log_curve)
    without, with_field = (judged(batch, each, _apart(30), Weights()).psnr_db.mean() for each in (nothing, true))
    assert with_field > without + 1


def _apart(spread: float) -> Judge:
    """Judge people to differ that much, whatever is known."""
    return lambda told, gaps: torch.full_like(gaps, spread)


def test_doing_nothing_is_as_good_as_the_scale_alone(batch: dict[str, torch.Tensor]) -> None:
    network = BoundedNetwork((8, 8, 8), LENGTH)
    correction = without_cells(network(batch["image"], batch["histograms"], batch["description"]))
    result = judged(batch, correction, _apart(torch.inf), Weights())
    torch.testing.assert_close(result.psnr_db, result.psnr_scale_db)


def test_the_objective_reaches_every_weight(batch: dict[str, torch.Tensor]) -> None:
    network = BoundedNetwork((8, 8, 8), LENGTH)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)  # the last layers begin at zero, behind which nothing is reached
    correction = network(batch["image"], batch["histograms"], batch["description"])
    judged(batch, correction, network.spread, Weights()).loss.mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not_been(
    sources: Sources, whole: Path, tmp_path: Path
) -> None:
    train(TINY, tmp_path, sources, resume=False, fraction=0.5, workers=0)
    train(TINY, tmp_path, sources, resume=True, fraction=1.0, workers=0)
    parts = load_file(tmp_path / "weights.safetensors")
    for name, tensor in load_file(whole / "weights.safetensors").items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-3, atol=1e-5)


def test_the_log_has_a_line_a_step_and_the_validation(whole: Path) -> None:
    with (whole / "log.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["step"], line["split"]) for line in lines] == [
        ("1", "training"), ("2", "training"), ("3", "training"), ("4", "training"), ("4", "validation"),
    ]  # fmt: skip


def test_the_curve_that_learns_is_the_curve_that_serves() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        deep, spread = np.sort(rng.gamma(3, 1, LEVELS.size)), np.exp(rng.normal(0, 1, LANDMARKS))
        source, aim = Profile(deep, 1.3 * deep), np.sort(rng.uniform(50, 1500, LANDMARKS))
        served = base_curve(source, aim, top=1, spread=SPREAD * spread)
        slopes = base_slopes(gaps(source, aim, top=1), torch.from_numpy(spread).float())
        np.testing.assert_allclose(slopes.numpy(), served.slopes, rtol=1e-3, atol=1e-5)
