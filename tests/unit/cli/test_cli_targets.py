"""``models target``: looks of a site's own references, and what is said of each reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import look_bundle
import nibabel
import numpy as np
import phantom
import pytest
from dicom_files import write_dicom
from made_series import a_few
from pydicom import Dataset

from inference import registry
from inference.added import AddedLooks
from inference.look import Look


@pytest.fixture(autouse=True)
def nothing_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have only the models of the site, whichever of those that are shipped take looks."""
    monkeypatch.setattr(registry, "SHIPPED", tmp_path / "shipped")


@pytest.fixture
def site(tmp_path: Path) -> AddedLooks:
    """Return where a node with a model that takes looks keeps them."""
    look_bundle.write(tmp_path / "models", tmp_path / "new")
    (tmp_path / "node.yaml").write_text("infer: {models: [models]}\n")
    return AddedLooks(tmp_path / "var" / "targets")


def a_series(folder: Path, *, seed: int = 0, **attributes: Any) -> tuple[Path, str]:
    """Write a T1, of a person of its own; return its folder and its SeriesInstanceUID."""
    series = a_few(seed=seed)
    for ds in series:
        ds.PatientID = f"PHANTOM-{seed}"
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)
    return write_dicom(series, folder), str(series[0].SeriesInstanceUID)


def three(tmp_path: Path) -> tuple[list[Path], list[str]]:
    folders, uids = zip(*(a_series(tmp_path / f"s{seed}", seed=seed) for seed in range(3)), strict=True)
    return list(folders), list(uids)


def nifti(path: Path, *, gain: float = 1.0) -> Path:
    volume = phantom.head(gain=gain)
    affine = np.diag([-1.0, -1, 1, 1]) @ volume.affine @ np.eye(4)[[2, 1, 0, 3]]
    image = nibabel.Nifti1Image(volume.voxels.T.copy(), affine)
    image.set_sform(affine, code="scanner")
    nibabel.save(image, path)
    return path


def test_three_series_become_a_target_that_models_can_aim_at(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    folders, uids = three(tmp_path)
    done = run("models", "target", "add", "our-3t", *folders)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        *(f"{uid}: taken: T1 Siemens 3 T" for uid in uids),
        f"our-3t: T1, of 3, in {site.folder / 'our-3t.safetensors'}",
        f"models that can aim at it: {look_bundle.NAME}",
    ]
    assert site.get("our-3t").deep.shape[0] == 3
    (model,) = (row for row in run("models", "list", "--json").json["models"] if row["name"] == look_bundle.NAME)
    assert model["targets"] == ["plain", "our-3t"]
    assert run("models", "show", look_bundle.NAME, "--json").json["offered_targets"] == ["plain", "our-3t"]


def test_nothing_of_the_patient_is_stored(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    folder, uid = a_series(tmp_path / "one", PatientName="DOE^JANE", PatientID="123456")
    assert run("models", "target", "add", "our-3t", folder).status == 0
    (file,) = site.folder.iterdir()
    assert not any(text.encode() in file.read_bytes() for text in ("DOE", "123456", uid))


def test_json_is_one_document_and_tells_each_reference(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    (good, uid), (agent, left) = (
        a_series(tmp_path / "good"), a_series(tmp_path / "agent", seed=1, SeriesDescription="T1 MPRAGE +C"),
    )  # fmt: skip
    document = run("models", "target", "add", "our-3t", good, agent, "--json").json
    assert document["taken"] == [uid]
    (row,) = document["left_out"]
    assert row == {"reference": left, "reason": "a contrast agent was given; a look takes images without one"}
    assert document["digest"] == site.get("our-3t").digest
    assert document["models"] == [look_bundle.NAME]
    assert document["mind"] == ["one reference: a look of 3 people or more depends less on any one head"]


def _blank(ds: Dataset) -> None:
    ds.PixelData = bytes(len(ds.PixelData))


def _bottle(ds: Dataset) -> None:
    pixels = ds.pixel_array
    ds.PixelData = np.where(pixels > 90, 700 + pixels // 60, pixels // 9).astype("<u2").tobytes()


@pytest.mark.parametrize(
    ("changes", "pixels", "words"),
    [
        (
            {"SeriesDescription": "Ax", "ScanningSequence": "EP", "InversionTime": None},
            None,
            "contrast could not be told",
        ),
        ({"SeriesDescription": "DTI"}, None, "a look takes T1 or T2 or PD or FLAIR"),
        ({"ContrastBolusAgent": "Gadovist"}, None, "a contrast agent was given"),
        ({"BodyPartExamined": "KNEE"}, None, "the body part is KNEE; a look takes HEAD"),
        ({"ImageType": ["DERIVED", "PRIMARY", "MPR"]}, None, "MPR"),
        ({"PixelSpacing": [8, 8]}, None, "which is not the size of a head"),
        ({}, _blank, "the image is blank"),
        ({}, _bottle, "is it a phantom?"),
    ],
)
def test_what_is_no_reference_is_left_out_with_the_reason(
    run: Any, site: AddedLooks, tmp_path: Path, changes: dict[str, Any], pixels: Any, words: str
) -> None:
    series = a_few()
    for ds in series:
        for keyword, value in changes.items():
            setattr(ds, keyword, value)
        if pixels:
            pixels(ds)
    done = run("models", "target", "add", "our-3t", write_dicom(series, tmp_path / "in"))
    assert (done.status, done.out) == (1, "")
    left_out, refusal = done.err.splitlines()
    assert left_out.startswith(f"{series[0].SeriesInstanceUID}: left out: ")
    assert words in left_out
    assert refusal == "dicom-node: no reference can serve, for the reasons above"
    assert not site.folder.exists()


def test_references_of_several_contrasts_are_refused_before_any_is_measured(
    run: Any, site: AddedLooks, tmp_path: Path
) -> None:
    folders, _ = three(tmp_path)
    t2, uid = a_series(
        tmp_path / "t2", SeriesDescription="T2 TSE", ScanningSequence="SE", EchoTime=100, InversionTime=None
    )
    refusal = run("models", "target", "add", "our-3t", *folders, t2).refusal
    assert refusal == (
        f"dicom-node: a look has one contrast, and the references are 3 T1 and 1 T2, T2 for instance {uid}\n"
    )


def test_what_was_mixed_is_told(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    one, _ = a_series(tmp_path / "one")
    other, _ = a_series(tmp_path / "other", Manufacturer="GE MEDICAL SYSTEMS", MagneticFieldStrength=1.5)
    done = run("models", "target", "add", "our-3t", one, other, one)
    assert done.status == 0
    again, *cautions = done.err.splitlines()
    assert again.endswith(": left out: it was named before")
    assert cautions == [
        "mind: 2 references: a look of 3 people or more depends less on any one head",
        "mind: several references are of the same person, who counts that many times",
        "mind: the references come from several scanners (GE 1.5 T, Siemens 3 T): the look lies between them",
    ]


def test_nifti_references_need_their_contrast_told(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    path = nifti(tmp_path / "head.nii.gz")
    assert run("models", "target", "add", "ours", path).status == 2
    assert run("models", "target", "add", "ours", tmp_path / "in", "--contrast", "T2").status == 2
    assert run("models", "target", "add", "ours", path, "--contrast", "FLAIR").status == 0
    assert site.get("ours").contrast == "FLAIR"


def test_the_same_head_is_the_same_look_whatever_its_scale(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    for name, gain in (("one", 1.0), ("other", 3.7)):
        path = nifti(tmp_path / f"{name}.nii", gain=gain)
        assert run("models", "target", "add", name, path, "--contrast", "T1").status == 0
    np.testing.assert_allclose(site.get("one").deep, site.get("other").deep, rtol=1e-4)


def test_a_name_is_checked_before_references_are_read(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert "'plain' is a target that comes with " in run("models", "target", "add", "plain", nowhere).refusal
    assert "cannot name a target" in run("models", "target", "add", "Our 3T", nowhere).refusal
    assert "there is no such file" in run("models", "target", "add", "ours", nowhere).refusal
    folder, _ = a_series(tmp_path / "in")
    assert run("models", "target", "add", "ours", folder).status == 0
    assert "--replace puts the new one" in run("models", "target", "add", "ours", nowhere).refusal
    assert run("models", "target", "add", "ours", folder, "--replace").status == 0


def test_targets_are_listed_shown_and_removed(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    assert "models target add" in run("models", "target", "list").out
    folder, _ = a_series(tmp_path / "in")
    run("models", "target", "add", "ours", folder)
    (site.folder / "odd.safetensors").write_bytes(b"")
    document = run("models", "target", "list", "--json").json
    assert [(row["name"], row["contrast"], row["references"]) for row in document["targets"]] == [("ours", "T1", 1)]
    assert list(document["refused"]) == [str(site.folder / "odd.safetensors")]
    assert "not a safetensors file" in run("doctor").out
    shown = run("models", "target", "show", "ours", "--json").json
    assert len(shown["deep"]) == len(shown["head"]) == len(shown["percentiles"])
    assert "800" in run("models", "target", "show", "ours").out
    assert run("models", "target", "remove", "ours").out == "ours: removed\n"
    assert "there is no added target 'ours'" in run("models", "target", "show", "ours").refusal
    assert "there is no added target 'ours'" in run("models", "target", "remove", "ours").refusal


def test_removing_a_target_that_a_rule_names_says_so(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    folder, _ = a_series(tmp_path / "in")
    run("models", "target", "add", "ours", folder)
    rules = tmp_path / "routing_rules.yaml"
    rules.write_text(
        "version: 1\ndestinations:\n  pacs: {kind: dicom, host: h, port: 104, ae_title: PACS}\nrules:\n"
        f"  - {{name: to ours, when: {{}}, run: {{model: {look_bundle.NAME}, target: ours}}, send: [pacs]}}\n"
    )
    assert run("rules", "check").status == 0
    done = run("models", "target", "remove", "ours")
    assert (done.status, done.err) == (0, f"mind: rule 'to ours' in {rules} names it: change the rule\n")
    assert "no target of that name" in run("rules", "check").err


def test_a_look_that_no_model_takes_is_kept_and_told(run: Any, tmp_path: Path) -> None:
    folder, _ = a_series(tmp_path / "in")
    done = run("models", "target", "add", "ours", folder)
    assert done.status == 0
    assert "mind: no model that is installed here can aim at it\n" in done.err


def test_looks_lie_where_the_settings_say(run: Any, site: AddedLooks, tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("infer: {models: [models], targets: looks}\n")
    folder, _ = a_series(tmp_path / "in")
    run("models", "target", "add", "ours", folder)
    assert isinstance(AddedLooks(tmp_path / "looks").get("ours"), Look)
    assert not site.folder.exists()
