"""``rules history``, ``restore`` and ``replay``: on the ledger of a node that has run."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from harness import RULES

from dicom_node.domain.clock import SystemClock
from dicom_node.spool.ledger import Ledger

CHANGED = RULES.replace("send: [pacs]", "send: [tps]")


@pytest.fixture
def node(worked: Path, tmp_path: Path) -> Path:
    """Return the folder of a node whose rules were changed once: version 1 is `RULES`, version 2 `CHANGED`."""
    folder = Path(copytree(worked, tmp_path / "node"))
    ledger = Ledger(f"sqlite:///{folder / 'var' / 'ledger.sqlite'}")
    ledger.rules.publish(CHANGED, author="eve", at=SystemClock().now())
    ledger.close()
    (folder / "var" / "rules.yaml").write_text(CHANGED)
    return folder


@pytest.fixture
def rules(run: Any, node: Path) -> Any:
    return lambda *arguments: run("rules", *arguments, "--config", node / "node.yaml")


def test_history_tells_number_author_and_what_changed(rules: Any) -> None:
    first, second = rules("history", "--json").json
    assert (first["number"], first["same_as"], first["text"]) == (1, None, RULES)
    assert (second["author"], second["added"], second["removed"]) == ("eve", 1, 1)
    assert rules("history").out.splitlines()[2].split()[-3:] == ["eve", "1", "1"]


def test_the_changes_of_one_version_are_a_diff(rules: Any) -> None:
    lines = rules("history", 2).out.splitlines()
    assert lines[:2] == ["--- version 1", "+++ version 2"]
    assert [line for line in lines[2:] if line[0] in "+-"] == ["-    send: [pacs]", "+    send: [tps]"]
    rules("restore", 1)
    assert rules("history", 3, "--json").json[0]["same_as"] == 1
    assert rules("history", 9).refusal.startswith("dicom-node: no version 9 of the rules")


def test_a_version_is_restored_and_is_a_version_again(rules: Any, node: Path) -> None:
    assert "version 1 again" in rules("restore", 1).out
    assert (node / "var" / "rules.yaml").read_text() == RULES
    assert [(row["number"], row["same_as"]) for row in rules("history", "--json").json] == [
        (1, None),
        (2, None),
        (3, 1),
    ]


def test_changes_that_were_never_in_force_are_not_lost_without_being_asked(rules: Any, node: Path) -> None:
    file = node / "var" / "rules.yaml"
    file.write_bytes(CHANGED.encode() + b"# \xff\n")
    assert "holds changes that never were in force" in rules("restore", 1).refusal
    file.write_text(CHANGED + "# not done yet\n")
    assert "holds changes that never were in force" in rules("restore", 1).refusal
    assert file.read_text().endswith("# not done yet\n")
    assert rules("restore", 1, "--force").status == 0
    assert file.read_text() == RULES


def test_a_version_that_names_what_is_not_there_any_more_is_not_restored(rules: Any, node: Path) -> None:
    ledger = Ledger(f"sqlite:///{node / 'var' / 'ledger.sqlite'}")
    ledger.rules.publish(RULES.replace("test-any-contrast", "gone"), author="eve", at=SystemClock().now())
    ledger.close()
    assert "version 3:8: rules[0].run.model: no model of that name" in rules("restore", 3).refusal
    assert (node / "var" / "rules.yaml").read_text() == CHANGED


def test_replay_tells_what_other_rules_would_have_done_with_the_last_series(rules: Any, tmp_path: Path) -> None:
    proposed = tmp_path / "new.yaml"
    proposed.write_text(CHANGED.replace("contrast: T1", "contrast: T1, SeriesDescription: nothing"))
    document = rules("replay", proposed, "--json").json
    assert document["series"] == len({row["series_uid"] for row in document["changed"]}) + 1  # the localizer is no T1
    assert document["changed"][0]["removed"][0]["send"] == ["tps"]
    assert document["changed"][0]["added"] == []
    told = rules("replay", proposed, "--last", 1).out.splitlines()
    assert told[1].startswith("  - every T1: ")
    assert told[-1] == "1 of 1 stacks, of the last 1 series, would be decided otherwise"


def test_replay_of_the_rules_in_force_changes_nothing(rules: Any, tmp_path: Path) -> None:
    (tmp_path / "same.yaml").write_text(CHANGED)
    assert rules("replay", tmp_path / "same.yaml", "--json").json["changed"] == []


def test_replay_of_a_broken_file_is_refused(rules: Any, tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text(CHANGED.replace("contrast: T1", "contrast: T1W"))
    assert "did you mean 'T1'?" in rules("replay", tmp_path / "new.yaml").refusal
