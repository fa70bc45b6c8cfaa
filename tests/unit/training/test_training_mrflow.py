"""Training of a flow: slices by number, bits that fall, runs that are interrupted, and a bundle in the end."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import phantom
import pytest
import torch
from safetensors.torch import load_file

from inference.bundle import open_bundle
from inference.mrflow.flow import Flow, FlowShape, read_flow
from inference.mrflow.settings import FlowSettings
from inference.registry import verify
from training import export_mrflow
from training.evaluate.people import coarser
from training.examples import target_scans
from training.examples.target_scans import TargetScan, TargetScans, prepare, read
from training.examples.target_slices import TargetSlices, changed
from training.loops import mrflow
from training.loops.run import read_config
from training.objectives.flow import QUANTUM, bits_per_dimension, dequantised
from training.simulate.head import Head
from training.simulate.sites import SITES

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
NAMES = ("mrflow", "mrflow-seed", "mrflow-public")


def a_scan(seed: int) -> TargetScan:
    """Return a ball of two tissues in a small frame: what a scan shows is tested elsewhere."""
    rng = np.random.default_rng(seed)
    away = np.linalg.norm(np.stack(np.meshgrid(*[np.arange(24) - 11.5] * 3, indexing="ij")), axis=0)
    voxels = np.where(away < 10 + seed % 2, 0.6, 0.02) + np.where(away < 6, 0.4, 0.0)
    return TargetScan((voxels + 0.02 * rng.standard_normal(away.shape)).clip(0).astype(np.float16), away < 10)


@pytest.fixture(scope="module")
def scans() -> TargetScans:
    return TargetScans([a_scan(seed) for seed in range(3)], [a_scan(9)])


@pytest.fixture
def config() -> mrflow.Config:
    read = read_config(mrflow.Config, CONFIGS / "mrflow.yaml")
    return replace(
        read, steps=4, patch=(16, 16), group=2, warm_up=1, levels=2, flow_steps=1, width=6, context=4,
        edge_widths=(4, 4), log_every=1, save_every=2, validate_every=4, validation_batches=1,
    )  # fmt: skip


def test_the_same_number_gives_the_same_slices(scans: TargetScans) -> None:
    def drawn(seed: int) -> dict[str, np.ndarray]:
        return TargetSlices(scans.train, (16, 20), group=3, planes=(0, 1, 2), seed=seed)[5]

    first, second, other = drawn(1), drawn(1), drawn(2)
    for name, array in first.items():
        assert (array.shape, array.dtype) == ((3, 1, 16, 20), np.float32)
        np.testing.assert_array_equal(array, second[name])
    assert not np.array_equal(first["image"], other["image"])


def test_a_slice_smaller_than_the_patch_is_padded_with_air(scans: TargetScans) -> None:
    image = TargetSlices(scans.train, (32, 16), group=1, planes=(0,), seed=0)[0]["image"]
    assert (image[0, 0, 24:] == 0).all()
    assert image[0, 0, :24].max() > 0.5


def test_changed_copies_keep_their_edges_where_they_are() -> None:
    patch = a_scan(1).voxels[12].astype(np.float32)
    rise = np.hypot(*np.gradient(patch))
    strong = rise > 0.15
    for seed in range(12):
        copy = changed(patch, np.random.default_rng(seed))
        others = np.hypot(*np.gradient(copy))
        assert others[strong].mean() > 2 * others[~strong].mean()
        assert copy.min() >= 0


def test_bits_are_those_of_the_entropy() -> None:
    torch.manual_seed(0)
    z = [torch.randn(4, 1, 64, 64)]
    entropy = 0.5 * math.log2(2 * math.pi * math.e) - math.log2(QUANTUM)
    assert bits_per_dimension(z, torch.zeros(4)).mean().item() == pytest.approx(entropy, abs=0.02)
    scale = math.log(2) * 64 * 64  # a flow that stretches every pixel twice leaves half the spread: one bit less
    assert bits_per_dimension(z, torch.full((4,), scale)).mean().item() == pytest.approx(entropy - 1, abs=0.02)


def test_intensities_are_spread_over_their_quanta() -> None:
    x = torch.full((1, 1, 50, 50), 10.4 * QUANTUM)
    spread = dequantised(x, torch.rand(x.shape, generator=torch.Generator().manual_seed(0))) / QUANTUM
    assert 10 <= spread.min() < 10.1
    assert 10.9 < spread.max() <= 11


def test_bits_fall_in_a_few_steps(scans: TargetScans, config: mrflow.Config) -> None:
    trainee = mrflow.FlowTrainee(replace(config, steps=1000, learning_rate=5e-3), "cpu")
    slices = TargetSlices(scans.train, config.patch, group=4, planes=(0,), seed=0)
    batch = {name: torch.from_numpy(array) for name, array in slices[0].items()}
    told = [trainee.train(batch, step)["bits"] for step in range(30)]
    assert np.mean(told[-3:]) < told[0] - 0.3


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    scans: TargetScans, config: mrflow.Config, tmp_path: Path
) -> None:
    mrflow.train(config, tmp_path / "whole", scans)
    mrflow.train(config, tmp_path / "parts", scans, fraction=0.5)
    mrflow.train(config, tmp_path / "parts", scans, resume=True)
    for name in ("weights", "state"):
        whole, parts = (load_file(tmp_path / each / f"{name}.safetensors") for each in ("whole", "parts"))
        for key, tensor in whole.items():
            torch.testing.assert_close(parts[key], tensor, rtol=0, atol=0)
    with (tmp_path / "parts" / "log.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["step"], line["split"]) for line in lines] == [
        ("1", "training"), ("2", "training"), ("2", "validation"), ("3", "training"), ("4", "training"),
        ("4", "validation"),
    ]  # fmt: skip
    assert math.isfinite(float(lines[-1]["centre_db"]))
    assert (tmp_path / "parts" / "samples" / "000004.png").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_builds_a_flow_that_is_read_again(name: str) -> None:
    read = read_config(mrflow.Config, CONFIGS / f"{name}.yaml")
    small = replace(
        read, width=4, flow_steps=1, context=min(read.context, 4), edge_widths=tuple(4 for _ in read.edge_widths)
    )
    weights = {key: tensor.numpy() for key, tensor in mrflow.FlowTrainee(small, "cpu").weights().items()}
    assert read_flow(weights, "").shape == small.shape


@pytest.fixture(scope="module")
def prepared(head: Head, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Return a folder of scans that was prepared twice, and how often the head was made."""
    cache, site, made = tmp_path_factory.mktemp("cache"), SITES["siemens-3t"], []

    def make() -> Head:
        made.append(1)
        return head

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SITES, site.name, replace(site, grid=coarser(site.grid, 4.0)))
        patch.setattr(target_scans, "_COARSE_MM", 5.0)
        for _ in range(2):
            prepare({"procedural-003": make}, cache, site.name)
    return cache, len(made)


def test_a_site_is_scanned_once_on_two_grids(prepared: tuple[Path, int]) -> None:
    cache, made = prepared
    assert made == 1
    fine, coarse = read(cache, "siemens-3t", "procedural-003")
    assert fine.voxels.shape == coarse.voxels.shape == fine.inside.shape
    assert 0.8 < np.percentile(fine.voxels[fine.inside], 80) < 1.5
    assert not np.array_equal(fine.voxels, coarse.voxels)


def test_a_run_becomes_a_bundle_that_verifies(
    scans: TargetScans, config: mrflow.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    prepared: tuple[Path, int], head: Head,
) -> None:  # fmt: skip
    mrflow.train(replace(config, steps=1), tmp_path / "run", scans)
    monkeypatch.setattr(export_mrflow, "procedural_head", lambda seed: head)
    monkeypatch.setattr(export_mrflow, "scan", lambda head, site, *, seed: phantom.head((6.0, 6.0, 6.0)))
    bundle, how = tmp_path / "bundle", ["--run", f"siemens-3t={tmp_path / 'run'}", "--cache", str(prepared[0])]
    export_mrflow.begin(bundle, ["siemens-3t"])
    manifest = bundle / "model.yaml"
    manifest.write_text(manifest.read_text().replace("alpha: [0, 1, 1]", "alpha: [0, 1]"))  # a flow of two levels
    assert export_mrflow.main([*how, "--out", str(bundle)]) == 0
    opened = open_bundle(bundle)
    assert verify(opened, device="cpu") <= opened.manifest.reference.tolerance
    assert list(opened.manifest.targets) == ["siemens-3t"]
    assert opened.weights()["siemens-3t.flow.levels.0.steps.0.mixing.matrix"].dtype == np.float16
    assert opened.weights()["siemens-3t.calibration"].shape[0] == 2
    with pytest.raises(FileNotFoundError, match="train first"):
        export_mrflow.calibrated({}, FlowSettings(), tmp_path / "nowhere", 2)


def test_half_precision_is_not_taken_where_the_flow_is_no_longer_undone() -> None:
    flow = Flow(FlowShape("affine", 2, 1, 4, 0, ()))
    dict(flow.named_parameters())["levels.0.steps.0.norm.shift"].data.fill_(1e4)  # single precision loses what is added
    weights = {f"flow.{name}": each for name, each in flow.state_dict().items()}
    with pytest.raises(ValueError, match="comes back only within"):
        export_mrflow.checked({**mrflow.described(flow.shape), **weights})
