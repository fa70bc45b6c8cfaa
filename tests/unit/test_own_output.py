"""Rules that would match what they make: the header that `rules check` expects of an output is the one that it has."""

from __future__ import annotations

from pathlib import Path

import phantom
import pytest
from fake_clock import FakeClock
from harness import RULES, Harness
from made_series import a_few, made_series

from dicom_node.cli.folders import series_in
from dicom_node.encode.appearance import APPEARANCE
from dicom_node.route.clauses import parse_when
from dicom_node.route.conflicts import matches_output
from dicom_node.route.matcher import matching
from dicom_node.route.schema import Rule, Run

CT = RULES.replace("{model: test-any-contrast, target: plain}", "{model: synth-ct-bulk}")


def rule(when: object) -> Rule:
    return Rule(name="r", when=parse_when(when), run=Run(model="m"), send=("pacs",))


@pytest.mark.parametrize(("kind", "rules"), [("mr", RULES), ("ct", CT)])
def test_an_output_looks_as_the_table_says(tmp_path: Path, clock: FakeClock, kind: str, rules: str) -> None:
    node = Harness(tmp_path, clock, rules=rules)
    node.receive(made_series(spacing_mm=3.0, directions=phantom.SAGITTAL) if kind == "ct" else a_few())
    node.run_all()
    assert node.pacs["PACS"].held, node.job.reason
    (tmp_path / "out").mkdir()
    for number, content in enumerate(node.pacs["PACS"].held.values()):
        (tmp_path / "out" / f"{number}.dcm").write_bytes(content)
    (stack,) = series_in(tmp_path / "out").series[0].stacks
    assert {key: stack.facts.get(key) for key in APPEARANCE[kind]} == dict(APPEARANCE[kind])
    matched = bool(matching(stack.facts, node.pipeline._parts.rules.current))
    assert matched is matches_output(node.pipeline._parts.rules.current.rules[0], APPEARANCE[kind])


@pytest.mark.parametrize(
    ("when", "of_mr", "of_ct"),
    [
        ({}, True, True),
        ({"Modality": "MR", "contrast": "T1"}, True, False),
        ({"Modality": "MR", "manufacturer": "GE"}, False, False),
        ({"Modality": "MR", "is_original": True}, False, False),
        ({"ImageType": "ORIGINAL"}, False, False),
        ({"SyntheticData": {"missing": True}}, False, False),
        ({"any": [{"StationName": "MR1"}, {"BodyPartExamined": "HEAD"}]}, True, True),
        ({"not": {"Modality": "MR"}, "slices": {"at_least": 20}}, False, True),
    ],
)
def test_a_rule_is_told_apart_by_what_its_output_has_for_certain(when: object, of_mr: bool, of_ct: bool) -> None:
    assert [matches_output(rule(when), APPEARANCE[kind]) for kind in ("mr", "ct")] == [of_mr, of_ct]
