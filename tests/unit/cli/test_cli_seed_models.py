"""The two seed harmonizers as an admin meets them: targets, references of a site's own, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flow_bundle
import mhgan_bundle
import numpy as np
import phantom
import pytest
from dicom_files import write_dicom
from made_series import a_few, made_series
from pydicom import Dataset, dcmread

from dicom_node import app
from dicom_node.domain.ports import InferenceOutcome, InferenceRequest
from dicom_node.errors import JobHeld
from inference import registry
from inference.added import AddedLooks
from inference.added_style import AddedStyle
from inference.errors import ModelRefused
from inference.model import ask, read_style
from inference.registry import Registry, load

MHGAN = ("--model", mhgan_bundle.NAME)
FLOW = ("--model", flow_bundle.NAME)


class Here:
    """Runs models in this process, with the folder of added targets that the command names."""

    def __init__(self, models: Path, targets: Path) -> None:
        self._models, self._added = models, AddedLooks(targets)

    def run(self, request: InferenceRequest) -> InferenceOutcome:
        target = request.target
        meant = target if request.target_digest is None or target is None else self._added.get(target)
        try:
            result = ask(self._loaded(request), request.volume, target=meant, output=request.output)
        except ModelRefused as refusal:
            raise JobHeld(str(refusal)) from None
        return InferenceOutcome(result.volume, result.numbers, 0.0, "cpu")

    def read_style(self, request: InferenceRequest) -> tuple[float, ...]:
        return tuple(map(float, read_style(self._loaded(request), request.volume)))

    def _loaded(self, request: InferenceRequest) -> Any:
        return load(Registry([self._models]).get(request.model), device="cpu")

    def close(self) -> None: ...


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AddedLooks:
    """Return where a node with these two models alone keeps added targets."""
    monkeypatch.setattr(registry, "SHIPPED", tmp_path / "shipped")
    mhgan_bundle.write(tmp_path / "models")
    flow_bundle.write(tmp_path / "models")
    (tmp_path / "node.yaml").write_text("infer: {models: [models]}\n")
    added = AddedLooks(tmp_path / "var" / "targets")
    monkeypatch.setattr(
        app, "local_executor", lambda _settings, _scratch, targets=added.folder: Here(tmp_path / "models", targets)
    )
    return added


@pytest.fixture
def head(tmp_path: Path) -> Path:
    return write_dicom(made_series(), tmp_path / "in")


def references(tmp_path: Path, *seeds: int) -> list[Path]:
    return [write_dicom(made_series(seed=seed), tmp_path / f"reference-{seed}") for seed in seeds]


def derived(folder: Path) -> Dataset:
    return dcmread(next(folder.rglob("*.dcm")))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (MHGAN, "model harmonize-mhgan needs a target: it offers ge-15t, siemens-3t"),
        ((*MHGAN, "--target", "siemens"), "model harmonize-mhgan has no target 'siemens': it offers ge-15t, siemens"),
        ((*FLOW, "--target", "ge-15t"), "model test-flow has no target 'ge-15t': it offers siemens-3t"),
    ],
)
def test_a_target_that_is_missing_or_unknown_is_told_with_those_that_there_are(
    run: Any, site: AddedLooks, head: Path, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    assert words in run("apply", *options, head, tmp_path / "out").refusal


def a_t2(folder: Path) -> Path:
    series = a_few(description="Ax T2 TSE")
    for ds in series:
        ds.ScanningSequence, ds.SequenceVariant, ds.EchoTime, ds.RepetitionTime = "SE", "SK", 100, 5000
        del ds.InversionTime
    return write_dicom(series, folder)


@pytest.mark.parametrize("options", [(*MHGAN, "--target", "siemens-3t"), FLOW])
def test_a_t2_is_not_given_to_a_model_of_t1(
    run: Any, site: AddedLooks, tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = run("apply", *options, a_t2(tmp_path / "t2"), tmp_path / "out")
    assert done.status == 1
    assert "the contrast is T2; the model takes T1" in done.err
    assert not (tmp_path / "out").exists()


def ball(radius_mm: float) -> list[Dataset]:
    """Return a series of a bottle: even, round, smaller or larger than a head."""
    series = made_series()
    shape, _ = phantom.grid((5.0, 5.0, 5.0))
    centre = (np.array(shape) - 1) / 2
    away = np.linalg.norm((np.indices(shape).T - centre).T * 5.0, axis=0)
    noise = np.random.default_rng(0).normal(0, 8, shape)
    voxels = np.clip(np.where(away < radius_mm, 700, 0) + np.abs(noise), 0, 4095).astype("<u2")
    for ds, plane in zip(series, voxels, strict=True):
        ds.PixelData = plane.tobytes()
    return series


@pytest.mark.parametrize("options", [(*MHGAN, "--target", "siemens-3t"), FLOW])
def test_a_bottle_is_not_harmonized(run: Any, site: AddedLooks, tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run("apply", *options, write_dicom(ball(50), tmp_path / "bottle"), tmp_path / "out")
    assert done.status == 1
    assert "not derived: " in done.err
    assert not (tmp_path / "out").exists()


def test_both_harmonize_a_head(run: Any, site: AddedLooks, head: Path, tmp_path: Path) -> None:
    for number, options in enumerate(((*MHGAN, "--target", "ge-15t"), FLOW)):
        done = run("apply", *options, head, tmp_path / f"out-{number}")
        assert done.status == 0, done.err
    assert "target ge-15t" in derived(tmp_path / "out-0").DerivationDescription
    assert "target siemens-3t" in derived(tmp_path / "out-1").DerivationDescription


def test_a_reference_series_is_the_target_of_one_run(run: Any, site: AddedLooks, head: Path, tmp_path: Path) -> None:
    (reference,) = references(tmp_path, 3)
    done = run("apply", *MHGAN, "--reference", reference, head, tmp_path / "out")
    assert done.status == 0, done.err
    assert ": taken as a reference\n" in done.err
    assert "target reference; target sha256 " in derived(tmp_path / "out").DerivationDescription
    assert site.looks() == {}


def test_a_reference_of_another_contrast_is_left_out(run: Any, site: AddedLooks, head: Path, tmp_path: Path) -> None:
    done = run("apply", *MHGAN, "--reference", a_t2(tmp_path / "t2"), head, tmp_path / "out")
    assert done.status == 1
    assert "left out: the contrast is T2; the model takes T1" in done.err
    assert "no reference can serve" in done.err


def test_the_flow_takes_no_references(run: Any, site: AddedLooks, head: Path, tmp_path: Path) -> None:
    done = run("apply", *FLOW, "--reference", head, head, tmp_path / "out")
    assert done.status == 2
    assert "model test-flow takes no references: name a target" in done.err


def test_a_style_is_added_named_by_apply_and_listed(run: Any, site: AddedLooks, head: Path, tmp_path: Path) -> None:
    done = run("models", "target", "add", "ours", *MHGAN, *references(tmp_path, 1, 2))
    assert done.status == 0, done.err
    assert done.out.splitlines()[-2:] == [
        f"ours: T1, of 2, in {site.folder / 'ours.safetensors'}", "models that can aim at it: harmonize-mhgan",
    ]  # fmt: skip
    style = site.get("ours")
    assert isinstance(style, AddedStyle)
    assert style.references == 2
    shown = run("models", "target", "show", "ours", "--json").json
    assert (shown["read_by"], shown["digest"], shown["models"]) == (
        "harmonize-mhgan",
        style.digest,
        ["harmonize-mhgan"],
    )
    assert "read_by" in run("models", "target", "show", "ours").out
    assert run("apply", *MHGAN, "--target", "ours", head, tmp_path / "out").status == 0
    assert style.digest in derived(tmp_path / "out").DerivationDescription
    refusal = run("apply", *FLOW, "--target", "ours", head, tmp_path / "other").refusal
    assert "cannot aim at 'ours': it is a style that model harmonize-mhgan read" in refusal


def test_a_style_of_other_weights_is_listed_as_what_cannot_be_used(
    run: Any, site: AddedLooks, head: Path, tmp_path: Path
) -> None:
    numbers = mhgan_bundle.style(1).numbers[np.newaxis]
    site.put("ours", AddedStyle(mhgan_bundle.NAME, "0" * 64, "T1", numbers))
    assert "cannot be used: ours: it was read with other weights" in run("models", "target", "list").err
    refusal = run("apply", *MHGAN, "--target", "ours", head, tmp_path / "out").refusal
    assert "`models target add --model harmonize-mhgan --replace` reads the references again" in refusal


def test_a_model_that_reads_no_styles_is_not_asked(run: Any, site: AddedLooks, head: Path) -> None:
    done = run("models", "target", "add", "ours", *FLOW, head)
    assert done.status == 2
    assert "reads no styles in references: leave --model out" in done.err
    assert site.looks() == {}
