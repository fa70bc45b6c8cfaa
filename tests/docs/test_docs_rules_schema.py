"""docs/reference/routing_rules.schema.json: current, and of one mind with the node about what a file looks like."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dicom_node.domain.facts import DERIVED_FACTS
from dicom_node.route.operators import OPERATORS
from dicom_node.yaml_tree import parse

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
SCHEMA = REFERENCE / "routing_rules.schema.json"
SHIPPED = ROOT / "routing_rules.yaml"
RULE = "version: 1\ndestinations: {pacs: {kind: dicom, host: h, port: 1, ae_title: A}}\nrules:\n"
RULE += "  - {name: r, when: {%s}, run: {model: m}, send: [pacs]}\n"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", (REFERENCE / "routing-rules.md").read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def plain(text: str) -> Any:
    return json.loads(json.dumps(parse(text)))


def test_it_is_current() -> None:
    made = runpy.run_path(str(REFERENCE / "generate.py"))["schema_text"]()
    assert SCHEMA.read_text(encoding="utf-8") == made, "run: make docs"


@pytest.mark.parametrize("text", [SHIPPED.read_text(), *EXAMPLES])
def test_it_takes_what_the_node_takes(validator: Draft202012Validator, text: str) -> None:
    assert [error.message for error in validator.iter_errors(plain(text))] == []


@pytest.mark.parametrize("example", [row.example for row in OPERATORS.values()])
def test_it_takes_the_example_of_every_operator(validator: Draft202012Validator, example: str) -> None:
    assert validator.is_valid(plain(RULE % example))


@pytest.mark.parametrize(
    "when",
    [
        "contrast: T1W", "manufacturer: {one_of: [Simens]}", "modality: MR", "Modality: {at_least: 3}", "Modality: 3",
        "slices: {matches: x}", "is_3d: 3", "Modality: {equal: MR}", "any: [{field_strength: 3}]", "not: [{}]",
        "slices: {between: [1]}", "StudyDate: {contains: x}",
    ],
)  # fmt: skip
def test_it_underlines_what_the_node_refuses(validator: Draft202012Validator, when: str) -> None:
    assert not validator.is_valid(plain(RULE % when))


@pytest.mark.parametrize(
    ("old", "new"),
    [("version: 1", "version: 2"), ("send:", "sends:"), ("port: 1", "port: x"), ("{model: m}", "[{modell: m}]")],
)
def test_it_knows_the_keys_around_the_clauses(validator: Draft202012Validator, old: str, new: str) -> None:
    good = RULE % "Modality: MR"
    assert validator.is_valid(plain(good))
    assert not validator.is_valid(plain(good.replace(old, new)))


def test_editors_complete_every_fact_and_the_keywords_of_images(validator: Draft202012Validator) -> None:
    offered = validator.schema["$defs"]["When"]["properties"]
    assert {*DERIVED_FACTS, "all", "any", "not", "Modality", "EchoTime", "PixelSpacing"} <= set(offered)
    assert offered["contrast"]["description"].startswith("what an MR stack is weighted for")


def test_the_shipped_file_names_it_and_a_page_tells_how_to_use_it() -> None:
    first = SHIPPED.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=docs/reference/routing_rules.schema.json"
    assert (ROOT / first.partition("=")[2]).is_file()
    assert "routing_rules.schema.json" in (ROOT / "docs" / "how-to" / "write-a-rule.md").read_text()
