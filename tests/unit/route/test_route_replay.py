"""What a change of the rules would change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dicom_node.domain.facts import Facts
from dicom_node.route.replay import difference
from dicom_node.route.schema import RulesFile

RULE = "  - {name: MR, when: {Modality: MR}, run: {model: synth-ct}, send: [pacs]}\n"
MR = Facts({"Modality": "MR"})


@pytest.mark.parametrize(
    ("proposed", "added", "removed"),
    [
        (RULE, [], []),
        (RULE + RULE.replace("name: MR", "name: again"), ["again"], []),
        (RULE.replace("Modality: MR", "Modality: CT"), [], ["MR"]),
        (RULE.replace("send: [pacs]", "send: [tps]"), ["MR"], ["MR"]),
        (RULE.replace("model: synth-ct", "model: synth-ct-bulk"), ["MR"], ["MR"]),
        (RULE.replace("]}", "], priority: urgent}"), ["MR"], ["MR"]),
        (RULE.replace("{model: synth-ct}", "[{model: synth-ct}, {model: synth-ct-bulk}]"), ["MR"], []),
    ],
)
def test_outputs_that_come_and_go_are_told(
    rules: Callable[[str], RulesFile], proposed: str, added: list[str], removed: list[str]
) -> None:
    found = difference(MR, rules(RULE), rules(proposed))
    assert ([each.rule for each in found.added], [each.rule for each in found.removed]) == (added, removed)
    assert bool(found) is bool(added or removed)


def test_a_decision_reads_as_a_line(rules: Callable[[str], RulesFile]) -> None:
    (added,) = difference(MR, rules("  []"), rules(RULE)).added
    assert str(added) == 'MR: {"model":"synth-ct"} to pacs, routine'
