"""MRFlow: what the iteration does to slices, and what the model does to volumes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import flow_bundle
import numpy as np
import phantom
import pytest
import torch
from pydantic import ValidationError

from inference.bounded.frame import framed
from inference.bundle import open_bundle
from inference.classical.head import find_head
from inference.errors import BundleRefused, ModelRefused
from inference.look import TOP, look_of, profile
from inference.model import Model
from inference.mrflow.edges import edges
from inference.mrflow.flow import Flow
from inference.mrflow.iteration import against_rise, harmonized, still_in, towards_pattern
from inference.mrflow.native import MOST_LOG_GAIN, apply_change, calibration_of, change_of
from inference.mrflow.settings import FlowSettings
from inference.registry import Registry, load
from inference.volume import Volume
from inference.worker import Worker

NOTHING = FlowSettings(alpha=(0.0,), beta_edges=0, beta_likeness=0, iterations=4)


def blobs(count: int = 2, rows: int = 32, columns: int = 48) -> torch.Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij")
    torch.manual_seed(3)
    inside = (x**2 + y**2 < 0.8).float() * 0.6 + (x**2 + y**2 < 0.3).float() * 0.4
    return (inside + 0.02 * torch.randn(count, rows, columns))[:, None].clamp_min(0)


@pytest.fixture(scope="module")
def flow() -> Flow:
    return flow_bundle.flow().requires_grad_(requires_grad=False)


def loaded(folder: Path, settings: str = flow_bundle.SETTINGS) -> Model:
    return load(open_bundle(flow_bundle.write(folder, settings=settings)), device="cpu")


def test_with_no_step_and_no_shrinking_a_slice_stays_as_it_is(flow: Flow) -> None:
    source = blobs()
    assert (harmonized(flow, source, NOTHING) - source).abs().max() < 1e-4


def test_shrinking_brings_the_latent_nearer_to_the_middle(flow: Flow) -> None:
    source = blobs()
    context = flow.context(source)

    def norm(x: torch.Tensor) -> float:
        return float(sum(z.square().sum() for z in flow(x, context)[0]))

    result = harmonized(flow, source, NOTHING.model_copy(update={"alpha": (0.1,), "iterations": 3}))
    assert norm(result) == pytest.approx(0.9**6 * norm(source), rel=1e-3)


def test_each_level_shrinks_by_its_own_alpha(flow: Flow) -> None:
    source = blobs()
    context = flow.context(source)
    before, _ = flow(source, context)
    result = harmonized(flow, source, NOTHING.model_copy(update={"alpha": (0.0, 0.5), "iterations": 1}))
    after, _ = flow(result, context)
    torch.testing.assert_close(after[0], before[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(after[1], 0.5 * before[1], atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="one number, or 2"):
        harmonized(flow, source, FlowSettings(alpha=(0.1, 0.1, 0.1)))


def test_the_same_slices_come_out_the_same(flow: Flow) -> None:
    source = blobs()
    torch.testing.assert_close(
        harmonized(flow, source, FlowSettings()), harmonized(flow, source, FlowSettings()), rtol=0, atol=0
    )


def test_the_step_towards_the_pattern_is_the_gradient_of_the_correlation() -> None:
    source, x = (blobs(1) ** 1.4).double(), blobs(1).double() + 0.1
    x.requires_grad_()
    centred = [each - each.mean() for each in (x, source)]
    likeness = (centred[0] * centred[1]).sum() / (centred[0].norm() * centred[1].norm())
    (gradient,) = torch.autograd.grad(likeness, x)
    torch.testing.assert_close(towards_pattern(x, source), gradient * x.numel() * x.detach().var(correction=0))
    scaled = 3 * source + 0.2
    assert towards_pattern(scaled, source).abs().max() < 1e-9


def test_the_step_against_rises_is_the_gradient_of_their_sum_where_there_is_no_edge() -> None:
    x = blobs(1).double().requires_grad_()
    still = (blobs(1) > 0.5).double()
    down = (x.diff(dim=2).abs() * still[:, :, :-1]).sum()
    across = (x.diff(dim=3).abs() * still[..., :-1]).sum()
    (gradient,) = torch.autograd.grad(down + across, x)
    torch.testing.assert_close(against_rise(x.detach(), still), gradient)


def test_edges_and_air_are_masked_out() -> None:
    source = torch.zeros(1, 1, 20, 20)
    source[..., 4:, :] = 0.5
    source[..., 12:, :] = 1.0
    source += 1e-4 * torch.rand(1, 1, 20, 20)
    still = still_in(source, FlowSettings(still_percentile=60, still_above=0.05))[0, 0]
    assert (still[:4] == 0).all()
    assert (still[11:13] == 0).all()
    assert still[6:10].mean() > 0.5
    assert set(still.unique().tolist()) == {0.0, 1.0}


def test_edges_hardly_change_with_a_curve_and_a_smooth_gain() -> None:
    source = blobs(1, 64, 64)
    rows = torch.linspace(-0.3, 0.3, 64)[:, None]
    told = edges(source)
    other = edges((source**1.3) * torch.exp(rows))
    strong = told.square().sum(dim=1, keepdim=True).sqrt() > 1
    turned = (told * other).sum(dim=1, keepdim=True)[strong] / (
        told.norm(dim=1, keepdim=True) * other.norm(dim=1, keepdim=True)
    )[strong]
    assert turned.mean() > 0.9
    assert edges(0.005 * torch.randn(1, 1, 32, 32)).abs().mean() < 0.15


def a_head(gamma: float = 1.0) -> Volume:
    return phantom.head((4.0, 4.0, 4.0), phantom.SAGITTAL, gamma=gamma)


@pytest.mark.parametrize("kept", ["places", "curve and field"])
def test_what_a_known_change_did_in_the_frame_is_done_on_the_scans_grid(kept: str) -> None:
    volume = a_head()
    seen = framed(volume, find_head(volume))
    scale = 1 / seen.profile_of(seen.voxels).anchor
    before = np.clip(seen.voxels * np.float32(scale), 0, 3)
    settings = FlowSettings.model_validate({"change": kept, "smooth_mm": 30 if kept != "places" else 0})
    change = change_of(before, before**1.2 * 1.1, seen, settings)
    inside = find_head(volume).inside & (volume.voxels * scale > 0.3)
    expected = (volume.voxels * scale) ** 1.2 * 1.1
    mapped = apply_change(volume, change, seen, scale=scale)
    assert np.abs(mapped - expected)[inside].mean() < 0.03 < np.abs(volume.voxels * scale - expected)[inside].mean()
    assert change.bounded == 0


def test_what_a_flow_does_to_its_own_target_is_undone() -> None:
    volume = a_head()
    seen = framed(volume, find_head(volume))
    before = np.clip(seen.voxels / seen.profile_of(seen.voxels).anchor, 0, 3).astype(np.float32)
    told = {"target": before**0.8, "source": (before**1.3) ** 0.8}  # whatever it is given, it errs in the same way
    calibration = calibration_of(before[seen.inside], told["target"][seen.inside])
    settings = FlowSettings(change="curve and field")
    same = change_of(before, told["target"], seen, settings, calibration)
    np.testing.assert_allclose(same.curve, 0, atol=0.02)
    undone = change_of(before, told["source"], seen, settings, calibration)
    middle = (undone.levels > 0.2) & (undone.levels < 0.9)
    np.testing.assert_allclose(
        undone.levels[middle] * np.exp(undone.curve[middle]), undone.levels[middle] ** 1.3, atol=0.06
    )


@pytest.mark.parametrize("wrong", [np.ones(4), np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 2.0]])])
def test_a_calibration_that_is_none_is_refused(tmp_path: Path, wrong: np.ndarray) -> None:
    weights = {**flow_bundle.tensors(flow_bundle.flow()), "calibration": wrong}
    bundle = open_bundle(flow_bundle.write(tmp_path, weights=weights))
    with pytest.raises(BundleRefused, match="two rows of positive numbers that increase"):
        load(bundle, device="cpu")


def test_air_and_gains_keep_their_bounds() -> None:
    volume = a_head()
    seen = framed(volume, find_head(volume))
    scale = 1 / seen.profile_of(seen.voxels).anchor
    before = np.clip(seen.voxels * np.float32(scale), 0, 3)
    change = change_of(before, before * 0 + 40, seen, FlowSettings())
    mapped = apply_change(volume, change, seen, scale=scale)
    far = ~find_head(volume).inside
    far &= volume.voxels * scale < 0.05
    np.testing.assert_allclose(mapped[far].mean(), (volume.voxels[far] * scale).mean(), rtol=0.2)
    assert (mapped <= np.exp(MOST_LOG_GAIN) * volume.voxels * scale * (1 + 1e-5)).all()
    assert change.bounded > 0.5


def test_with_no_step_a_volume_is_only_scaled(tmp_path: Path) -> None:
    volume = a_head(gamma=0.8)
    quiet = "flow: {alpha: [0], beta_edges: 0, beta_likeness: 0, iterations: 2, planes: [axial, coronal, sagittal]}"
    result = loaded(tmp_path, quiet)(volume, target=flow_bundle.TARGET).volume
    factor = np.median(result.voxels[volume.voxels > 100] / volume.voxels[volume.voxels > 100])
    np.testing.assert_allclose(result.voxels, volume.voxels * factor, rtol=1e-3, atol=0.5)
    assert profile(result).anchor == pytest.approx(TOP, rel=0.05)
    np.testing.assert_array_equal(result.affine, volume.affine)


def test_a_volume_comes_out_the_same_twice_and_not_as_it_was(tmp_path: Path) -> None:
    model, volume = loaded(tmp_path), a_head()
    kept = volume.voxels.copy()
    first, second = (model(volume, target=flow_bundle.TARGET).volume.voxels for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(volume.voxels, kept)
    assert np.ptp(first / np.maximum(volume.voxels, 50)) > 0.05


def test_a_look_and_an_unknown_target_are_refused(tmp_path: Path) -> None:
    model, volume = loaded(tmp_path), a_head()
    with pytest.raises(ModelRefused, match="takes no looks: a new target needs a flow"):
        model(volume, target=look_of([volume], contrast="T1"))
    with pytest.raises(ModelRefused, match="it offers siemens-3t"):
        model(volume, target="ge-15t")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("", "needs a part `flow`"),
        ("flow: {alpha: [0.1, 0.1, 0.1]}", "target siemens-3t: flow.alpha: give one number, or 2"),
    ],
)
def test_a_bundle_whose_settings_do_not_fit_is_refused(tmp_path: Path, settings: str, words: str) -> None:
    with pytest.raises(BundleRefused, match=words):
        loaded(tmp_path, settings)


def test_a_bundle_without_the_flow_of_a_target_is_refused(tmp_path: Path) -> None:
    bundle = open_bundle(flow_bundle.write(tmp_path, weights={"nothing": np.zeros(1, np.float32)}))
    with pytest.raises(BundleRefused, match="target siemens-3t: the weights tell no flow"):
        load(bundle, device="cpu")


@pytest.mark.parametrize(
    "wrong", [{"alpha": (1.1,)}, {"alpha": ()}, {"planes": ("axial", "axial")}, {"beta_edges": -1}, {"n": 1}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FlowSettings.model_validate(wrong)


def test_the_manifest_is_read_without_torch() -> None:
    code = "import sys, inference.manifest; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_worker_runs_a_flow(tmp_path: Path) -> None:
    models, volume = tmp_path / "models", a_head()
    flow_bundle.write(models)
    np.save(tmp_path / "input.npy", volume.voxels)
    request = {
        "id": 1, "model": flow_bundle.NAME, "digest": Registry([models]).get(flow_bundle.NAME).digest,
        "target": flow_bundle.TARGET, "scratch": str(tmp_path), "affine": volume.affine.tolist(), "unit": "1",
        "limit_s": 60,
    }  # fmt: skip
    answer = Worker([models], "cpu").answer(request)
    assert (answer["ok"], answer["numbers"].keys()) == (True, {"at_bound"})
    direct = load(Registry([models]).get(flow_bundle.NAME), device="cpu")(volume, target=flow_bundle.TARGET)
    np.testing.assert_array_equal(np.load(tmp_path / "output.npy"), direct.volume.voxels)
