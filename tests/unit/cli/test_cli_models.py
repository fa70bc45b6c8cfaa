"""``models``: what there is, what it takes, whether it is what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import any_contrast_bundle
import pytest
import unet_bundle
from ruamel.yaml import YAML

from inference import registry
from inference.registry import SHIPPED


@pytest.fixture(autouse=True)
def one_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have one of the shipped models, however many there are."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "harmonize-nyul").symlink_to(SHIPPED / "harmonize-nyul")
    monkeypatch.setattr(registry, "SHIPPED", shipped)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder of the site's own bundles, one of which is changed, and one has a name that is taken."""
    models = tmp_path / "models"
    any_contrast_bundle.write(models)
    bundle = any_contrast_bundle.write(tmp_path / "more")
    bundle.rename(models / "twice")
    broken = any_contrast_bundle.write(tmp_path / "more")
    (broken / "model.yaml").write_text("format: 1\n")
    broken.rename(models / "broken")
    (tmp_path / "node.yaml").write_text("infer: {models: [models]}\n")
    return models


def test_models_are_listed_and_those_that_cannot_be_used_with_why(run: Any, site: Path) -> None:
    document = run("models", "list", "--json").json
    assert [row["name"] for row in document["models"]] == ["harmonize-nyul", "test-any-contrast"]
    assert document["models"][1].items() >= {"version": "0.0.1", "task": "harmonization", "targets": ["plain"]}.items()
    assert [row["outputs"] for row in document["models"]] == [["result"], ["result"]]
    assert document["refused"].keys() == {str(site / "broken"), str(site / "twice")}
    people = run("models", "list")
    assert [line.split()[0] for line in people.out.splitlines()] == ["name", "harmonize-nyul", "test-any-contrast"]
    assert people.err.count("cannot be used: ") == 2


def test_a_model_that_tells_how_unsure_it_is_says_so(run: Any, site: Path) -> None:
    unet_bundle.write(site)
    (row,) = (line for line in run("models", "list").out.splitlines() if line.startswith(unet_bundle.NAME))
    assert "result, uncertainty" in row
    assert run("models", "show", unet_bundle.NAME, "--json").json["output"]["uncertainty"] == unet_bundle.LARGEST_HU


def test_a_model_is_shown_in_the_order_of_its_manifest(run: Any) -> None:
    text, document = run("models", "show", "harmonize-nyul").out, run("models", "show", "harmonize-nyul", "--json").json
    assert list(document)[:3] == ["format", "name", "version"]
    assert YAML(typ="safe").load(text) == document
    assert list(YAML().load(text)) == list(document)
    assert len(document["digest"]) == 64


def test_a_model_that_is_not_there_is_one_line_with_the_nearest(run: Any) -> None:
    for command in ("show", "verify"):
        refusal = run("models", command, "harmonise-nyul").refusal
        assert refusal == "dicom-node: there is no model 'harmonise-nyul'; did you mean 'harmonize-nyul'?\n"


def test_models_that_are_as_they_were_verify(run: Any) -> None:
    done = run("models", "verify")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("harmonize-nyul: differs from its reference by ")


def test_every_failure_is_told_and_not_only_the_first(run: Any, site: Path) -> None:
    reference = site / any_contrast_bundle.NAME / "reference.safetensors"
    reference.write_bytes(reference.read_bytes() + b" ")
    done = run("models", "verify")
    assert done.status == 1
    assert [line.split(":")[0] for line in done.out.splitlines()] == ["harmonize-nyul"]
    failures = done.err.splitlines()
    assert len(failures) == 3
    assert "there is a model 'test-any-contrast' already" in failures[1]
    assert "reference.safetensors: changed: " in failures[2]


def test_a_folder_of_models_that_is_not_there_is_told(run: Any, tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("infer: {models: [elsewhere]}\n")
    done = run("models", "list", "--json")
    assert done.err == f"infer.models: {tmp_path / 'elsewhere'}: there is no such folder\n"
    assert [row["name"] for row in done.json["models"]] == ["harmonize-nyul"]
