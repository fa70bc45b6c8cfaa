"""From a stack to a derived series: what stops it on the way, and that nothing is encoded then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import any_contrast_bundle
import look_bundle
import numpy as np
import phantom
import pytest
from fake_clock import FakeClock
from harness import HereExecutor
from made_series import made_series
from pydicom import Dataset

from dicom_node import derivation
from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.stacks import split
from dicom_node.derivation import Derived, derive, harmonize, refusal
from dicom_node.domain.ports import InferenceOutcome, InferenceRequest
from dicom_node.domain.stack import Stack
from dicom_node.errors import JobHeld, ModelTimedOut, SeriesRefused
from dicom_node.infer.gate import Verdict
from dicom_node.jobs import provenance_by_hand
from inference.added import AddedLooks
from inference.aim import Aim, at_target
from inference.bundle import Bundle
from inference.contract import Acquisition
from inference.look import look_of
from inference.registry import SHIPPED, Registry
from inference.volume import Volume


@dataclass
class Bench:
    """A model at work on a stack, and whether anything was encoded."""

    registry: Registry
    executor: HereExecutor
    encoded: int = 0
    model: str = any_contrast_bundle.NAME
    target: str | None = None

    @property
    def bundle(self) -> Bundle:
        return self.registry.get(self.model)

    @property
    def aim(self) -> Aim:
        return self.registry.aim(self.model, self.target)

    def derive(self, stack: Stack, *, executor: Any = None, **changed: Any) -> Derived:
        provenance = provenance_by_hand(stack, self.bundle, self.aim, at=FakeClock().now(), number_offset=1000)
        return derive(
            stack, self.bundle, executor or self.executor, aim=self.aim, provenance=replace(provenance, **changed)
        )


class Answers:
    """An executor whose model makes of the voxels what the test says."""

    def __init__(self, change: Any) -> None:
        self._change = change

    def run(self, request: InferenceRequest) -> InferenceOutcome:
        changed = self._change(request.volume)
        volume = changed if isinstance(changed, Volume) else request.volume.with_voxels(changed.astype(np.float32))
        return InferenceOutcome(volume, {"landmarks": 3.0}, 0.0, "cpu")

    def close(self) -> None: ...


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    any_contrast_bundle.write(tmp_path / "models")
    registry = Registry([SHIPPED, tmp_path / "models"])
    bench = Bench(registry, HereExecutor(registry))
    encode = derivation.derived_mr.encode

    def counted(*arguments: Any, **named: Any) -> Any:
        bench.encoded += 1
        return encode(*arguments, **named)

    monkeypatch.setattr(derivation.derived_mr, "encode", counted)
    return bench


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return stack_of(made_series()[14:34], tmp_path)


def stack_of(series: list[Dataset], folder: Path) -> Stack:
    frames = []
    for number, ds in enumerate(series):
        ds.save_as(folder / f"{number}.dcm", enforce_file_format=True)
        frames += read_frames(folder / f"{number}.dcm").frames
    (stack,) = split(frames)
    return stack


def changed(tmp_path: Path, **values: Any) -> Stack:
    series = made_series()[14:34]
    for ds in series:
        for keyword, value in values.items():
            setattr(ds, keyword, value)
    return stack_of(series, tmp_path)


def test_a_stack_becomes_a_series_with_times_and_numbers_of_each_stage(bench: Bench, stack: Stack) -> None:
    derived = bench.derive(stack)
    assert len(derived.instances) == 20
    assert derived.seconds.keys() == {"assemble", "infer", "gate", "encode"}
    assert {"gradient_cosine", "background_rise", "clipped", "clipped_voxels"} <= derived.numbers.keys()
    assert derived.warnings == ()
    assert bench.encoded == 1


REFUSED = {
    "another contrast": ({"SeriesDescription": "Ax T2", "EchoTime": 100, "InversionTime": None}, "the contrast is T2"),
    "unknown contrast": (
        {"SeriesDescription": "x", "EchoTime": None, "RepetitionTime": None, "InversionTime": None},
        "the contrast could not be told",
    ),
    "a contrast agent": ({"ContrastBolusAgent": "Gadovist"}, "a contrast agent was given"),
    "another body part": ({"BodyPartExamined": "KNEE"}, "the body part is KNEE; the model takes HEAD, BRAIN"),
    "made by a node": ({"SyntheticData": "YES"}, "it was made by a model already"),
    "a projection": ({"ImageType": ["DERIVED", "PRIMARY", "MIP"]}, "it is a reformat or projection"),
    "inverted": ({"PhotometricInterpretation": "MONOCHROME1"}, "its grey scale is inverted"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_headers_alone_stop_what_the_model_or_the_gate_does_not_take(
    bench: Bench, tmp_path: Path, name: str
) -> None:
    values, reason = REFUSED[name]
    stack = changed(tmp_path, **values)
    bench.model = "harmonize-nyul"
    assert reason in str(refusal(stack, bench.bundle, bench.aim))
    with pytest.raises(JobHeld, match=reason):
        bench.derive(stack)
    assert (bench.executor.ran, bench.encoded) == (0, 0)


def test_nothing_speaks_against_a_plain_head(bench: Bench, stack: Stack) -> None:
    for bench.model in ("harmonize-nyul", any_contrast_bundle.NAME):
        assert refusal(stack, bench.bundle, bench.aim) is None


def test_a_volume_outside_the_contract_never_reaches_the_model(bench: Bench, tmp_path: Path) -> None:
    bench.model = "harmonize-nyul"
    with pytest.raises(JobHeld, match=r"there are 5 slices; the model takes 10 or more; the field of view is 25 mm"):
        bench.derive(stack_of(made_series()[14:19], tmp_path))
    assert (bench.executor.ran, bench.encoded) == (0, 0)


def test_pixels_that_cannot_be_decoded_are_the_fault_of_the_series(bench: Bench, stack: Stack) -> None:
    stack.frames[3].path.unlink()
    with pytest.raises(SeriesRefused, match="the pixel data cannot be decoded"):
        bench.derive(stack)
    assert bench.executor.ran == 0


FAILURES = {
    "not a number": (lambda v: np.where(v.voxels > 400, np.nan, v.voxels), "values that are not numbers"),
    "blank": (lambda v: np.full(v.voxels.shape, 7.0), "the result is blank"),
    "beyond its range": (lambda v: v.voxels * 1e4, "beyond 0 to 4095"),
    "another matrix": (lambda v: v.voxels[1:], "another matrix"),
    "another place": (lambda v: replace(v, affine=v.affine + np.eye(4)[[3, 0, 1, 2]].T), "lies elsewhere"),
    "another unit": (lambda v: replace(v, unit="mm"), "another unit"),
    "inverted": (lambda v: 4000 - v.voxels, "edges do not agree with the source"),
    "bright air": (lambda v: np.clip(v.voxels + 400 * (v.voxels < 100), 0, 4095), "air around the head|edges do not"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_result_that_fails_the_output_gate_is_held_and_nothing_is_encoded(
    bench: Bench, stack: Stack, name: str
) -> None:
    change, reason = FAILURES[name]
    bench.model = "harmonize-nyul"
    with pytest.raises(JobHeld, match=reason):
        bench.derive(stack, executor=Answers(change))
    assert bench.encoded == 0


def test_a_model_that_breaks_breaks_the_job_and_nothing_is_encoded(bench: Bench, stack: Stack) -> None:
    bench.executor.error = ModelTimedOut("the model did not answer within 600 s")
    with pytest.raises(ModelTimedOut):
        bench.derive(stack)
    assert bench.encoded == 0


def test_a_model_that_was_changed_since_the_job_was_made_is_held(bench: Bench, stack: Stack) -> None:
    """The derived UIDs and headers name the model that was meant."""
    with pytest.raises(JobHeld, match=r"was changed since this job was made \(000000000000 then, [0-9a-f]{12} now\)"):
        bench.derive(stack, model_digest="0" * 64)
    assert (bench.executor.ran, bench.encoded) == (0, 0)


def test_warnings_of_the_gate_are_told_and_stand_in_the_headers(
    bench: Bench, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = "edges agree only in part with the source: mean gradient cosine 0.91"
    monkeypatch.setattr(derivation.output_gate, "judge", lambda *_, **__: Verdict((), (sentence,), {"cosine": 0.91}))
    derived = bench.derive(stack)
    assert derived.warnings == (sentence,)
    assert derived.numbers["cosine"] == 0.91
    assert all(sentence in str(image) for image in derived.instances)


def test_numbers_of_the_model_are_kept(bench: Bench, stack: Stack) -> None:
    assert bench.derive(stack, executor=Answers(lambda v: v.voxels)).numbers["landmarks"] == 3.0


def test_a_volume_without_headers_passes_the_same_gates(bench: Bench) -> None:
    volume = Volume(np.zeros((20, 20, 20), np.float32), np.diag([5.0, 5, 5, 1]))
    bundle = bench.registry.get("harmonize-nyul")
    with pytest.raises(JobHeld, match="the contrast is T2; that of the target is T1; the image is blank"):
        harmonize(
            volume, Acquisition("MR", contrast="T2"), bundle, bench.executor, aim=at_target(bundle.manifest, None)
        )
    assert bench.executor.ran == 0


# --- targets that a site added


@pytest.fixture
def of_the_site(tmp_path: Path) -> Bench:
    look_bundle.write(tmp_path / "models", tmp_path / "new")
    added = AddedLooks(tmp_path / "targets")
    added.put("ours", look_of([phantom.head()], contrast="T1"))
    registry = Registry([tmp_path / "models"], added)
    return Bench(registry, HereExecutor(registry, added), model=look_bundle.NAME, target="ours")


def test_an_added_target_gives_its_scale_and_is_named_with_its_digest(of_the_site: Bench, stack: Stack) -> None:
    header = of_the_site.derive(stack).instances[0]
    assert f"target ours; target sha256 {of_the_site.aim.digest};" in header.DerivationDescription
    assert header.SeriesDescription.startswith("RESEARCH harmonization ours")
    assert header.WindowWidth == 1200


def test_a_look_of_other_references_gives_another_series(of_the_site: Bench, stack: Stack, tmp_path: Path) -> None:
    uids = set()
    for seed in (0, 1, 0):
        AddedLooks(tmp_path / "targets").put("ours", look_of([phantom.head(seed=seed)], contrast="T1"), replace=True)
        uids.add(of_the_site.derive(stack).instances[0].SeriesInstanceUID)
    assert len(uids) == 2


def test_a_target_that_was_changed_since_holds_the_job(of_the_site: Bench, stack: Stack) -> None:
    with pytest.raises(JobHeld, match=r"target ours was changed since this job was made \(0{12} then, "):
        of_the_site.derive(stack, target_digest="0" * 64)
    assert of_the_site.executor.ran == 0


@pytest.mark.parametrize(
    ("description", "words"),
    [("Ax T2 TSE", "the contrast is T2; that of the target is T1"), ("Ax", "could not be told")],
)
def test_an_image_of_another_contrast_or_none_is_held_before_its_pixels_are_read(
    of_the_site: Bench, tmp_path: Path, description: str, words: str
) -> None:
    stack = changed(tmp_path, SeriesDescription=description, ScanningSequence="EP", InversionTime=None)
    assert words in str(refusal(stack, of_the_site.bundle, of_the_site.aim))
    with pytest.raises(JobHeld, match=words):
        of_the_site.derive(stack)
    assert of_the_site.executor.ran == 0
