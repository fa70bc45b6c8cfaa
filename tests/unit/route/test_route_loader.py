from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.domain.facts import Facts
from dicom_node.domain.ports import Catalogue
from dicom_node.errors import RefusedToStart
from dicom_node.route.live import LiveRules
from dicom_node.route.loader import check, load_rules, snapshot
from dicom_node.route.matcher import matching
from dicom_node.route.schema import Rule, RulesFile
from inference.output import Output

SHIPPED = Path(__file__).resolve().parents[3] / "routing_rules.yaml"

GOOD = """\
version: 1
destinations:
  pacs: {kind: dicom, host: 127.0.0.1, port: 4242, ae_title: ORTHANC}
rules:
  - name: MR
    when: {Modality: MR}
    run: {model: harmonize-nyul, target: siemens-3t}
    send: [pacs]
"""
CT_TOO = (
    GOOD + "  - {name: CT, when: {Modality: CT}, run: {model: synth-ct}, send: [pacs], priority: urgent, stop: yes}\n"
)


def test_a_right_file_has_no_mistakes_and_loads(
    mistakes: Callable[[str], list[str]], rules_path: Path, catalogue: Catalogue
) -> None:
    assert mistakes(CT_TOO) == []
    loaded = load_rules(rules_path, catalogue)
    assert [(rule.name, rule.run[0].target, rule.priority, rule.stop) for rule in loaded.rules] == [
        ("MR", "siemens-3t", "routine", False),
        ("CT", None, "urgent", True),
    ]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("version: 1\n", "version: 2\n", "1: version: must be 1"),
        ("version: 1\n", "", " version: is required"),
        (
            "Modality: MR", "Modalty: MR",
            "6: rules[0].when.Modalty: not a DICOM keyword or a fact; did you mean "
            "'Modality'?",
        ),
        ("when: {Modality: MR}", "# when", "5: rules[0].when: is required"),
        ("when: {Modality: MR}", "when: MR", "6: rules[0].when: must hold clauses, as 'Modality: MR'"),
        (
            "send: [pacs]", "send: [pac]",
            "8: rules[0].send[0]: no destination of that name in this file; did "
            "you mean 'pacs'?",
        ),
        ("send: [pacs]", "send: []", "8: rules[0].send: names no destination"),
        ("send: [pacs]", "send: [pacs, pacs]", "8: rules[0].send: names a destination twice"),
        ("send: [pacs]", "send: pacs", "8: rules[0].send: must be a list"),
        ("    send:", "    sen: x\n    send:", "8: rules[0].sen: not a key that is known here; did you mean 'send'?"),
        (
            "harmonize-nyul", "harmonise-nyul",
            "7: rules[0].run.model: no model of that name; did you mean "
            "'harmonize-nyul'?",
        ),
        (
            "siemens-3t", "siemens3t",
            "7: rules[0].run.target: 'harmonize-nyul' has no target of that name; "
            "did you mean 'siemens-3t'?",
        ),
        (
            ", target: siemens-3t", "",
            "7: rules[0].run.target: is required: 'harmonize-nyul' aims at a "
            "target; there is 'siemens-3t'",
        ),
        ("harmonize-nyul", "synth-ct", "7: rules[0].run.target: 'synth-ct' takes no target"),
        (
            "siemens-3t}", "siemens-3t, output: uncertainty}",
            "7: rules[0].run.output: 'harmonize-nyul' offers no uncertainty: leave this key out to get its result; "
            "name a model that does (synth-ct)",
        ),
        ("siemens-3t}", "siemens-3t, output: doubt}", "7: rules[0].run.output: must be 'result' or 'uncertainty'"),
        ("name: MR", "name: ''", "5: rules[0].name: must have at least 1 character"),
        ("name: MR", 'name: "a\\nb"', "5: rules[0].name: must be printable, with no blank at its ends"),
        ("kind: dicom", "kind: dicm", "3: destinations.pacs.kind: not a kind of destination; did you mean 'dicom'?"),
        ("kind: dicom, ", "", "3: destinations.pacs.kind: is required"),
        ("kind: dicom", "kind: [dicom]", "3: destinations.pacs.kind: not a kind of destination; did you mean 'dicom'?"),
        (
            "port: 4242", "prot: 4242, port: 1",
            "3: destinations.pacs.prot: not a key that is known here; did you mean "
            "'port'?",
        ),
        ("port: 4242", "port: x", "3: destinations.pacs.port: must be a whole number"),
        (", port: 4242", "", "3: destinations.pacs.port: is required"),
        (
            "rules:\n", "rules: !!python/object/apply:os.system [id]\nrulez:\n",
            "4: tags such as 'tag:yaml.org,2002:python/object/apply:os.system' are "
            "not accepted: write a plain value",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_key_and_nearest_name(
    mistakes: Callable[[str], list[str]], old: str, new: str, mistake: str
) -> None:
    assert old in GOOD
    assert mistakes(GOOD.replace(old, new)) == [mistake]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(mistakes: Callable[[str], list[str]]) -> None:
    text = GOOD.replace("port: 4242", "port: x").replace("Modality: MR", "slices: {between: [2, 1]}, Modalty: MR")
    text += "  - {name: MR, when: {}, run: {model: none}, send: [nowhere], stop: true}\n  - {name: last, when: {}}\n"
    told = mistakes(text)
    assert [line.split(": ")[1] for line in told] == [
        "destinations.pacs.port", "rules[0].when.slices.between", "rules[0].when.Modalty", "rules[1].name",
        "rules[1].run.model", "rules[1].send[0]", "rules[2]", "rules[2].run", "rules[2].send",
    ]  # fmt: skip
    assert "rules[1].name: is the name of a rule above" in told[3]
    assert "rules[2]: is never reached: 'MR' above matches everything and stops" in told[6]


@pytest.mark.parametrize("text", ["[]", "rules: 3", "rules: [3]", "destinations: [pacs]\nrules: [{name: [a]}]", "a"])
def test_a_file_of_another_shape_is_refused_and_raises_nothing_else(
    mistakes: Callable[[str], list[str]], text: str
) -> None:
    assert mistakes(text)


def test_a_rule_may_match_everything_where_none_below_is_cut_off(mistakes: Callable[[str], list[str]]) -> None:
    assert mistakes(CT_TOO + "  - {name: rest, when: {}, run: {model: synth-ct}, send: [pacs], stop: true}\n") == []


def test_two_rules_that_match_both_run(rules: Callable[[str], RulesFile]) -> None:
    """Fault 59, its first half; test_pipeline has the UIDs."""
    both = rules(
        "".join(f"  - {{name: {name}, when: {{}}, run: {{model: synth-ct}}, send: [pacs]}}\n" for name in "ab")
    )
    assert [rule.name for rule in matching(Facts(), both)] == ["a", "b"]


def test_a_rule_may_ask_for_what_its_model_offers(rules: Callable[[str], RulesFile]) -> None:
    asking = "  - {{name: {0}, when: {{}}, run: {{model: synth-ct{1}}}, send: [pacs]}}\n"
    loaded = rules(asking.format("ct", "") + asking.format("map", ", output: uncertainty"))
    assert [run.output for rule in loaded.rules for run in rule.run] == [Output.RESULT, Output.UNCERTAINTY]


def test_where_no_model_offers_it_the_mistake_says_so(rules_path: Path, catalogue: Catalogue) -> None:
    rules_path.write_text(GOOD.replace("siemens-3t}", "siemens-3t, output: uncertainty}"))
    (problem,) = check(rules_path, replace(catalogue, outputs={}))
    assert problem.endswith("leave this key out to get its result; no model that is installed does")


def test_a_snapshot_is_json_and_outlives_the_rule(rules_path: Path, catalogue: Catalogue) -> None:
    """Fault 58, its first half; test_pipeline has the job."""
    rules_path.write_text(GOOD.replace("pacs: {", "tps: {kind: folder, path: out}\n  pacs: {"))
    loaded = load_rules(rules_path, catalogue)
    kept = json.loads(json.dumps(snapshot(loaded.rules[0], loaded.rules[0].run[0], loaded)))
    assert kept == {
        "rule": {
            "name": "MR",
            "when": {"Modality": "MR"},
            "run": {"model": "harmonize-nyul", "target": "siemens-3t", "output": "result"},
            "send": ["pacs"],
            "stop": False,
            "priority": "routine",
            "during": None,
        },
        "window": None,
        "destinations": {
            "pacs": {"kind": "dicom", "host": "127.0.0.1", "port": 4242, "ae_title": "ORTHANC", "timeout_s": 30}
        },
    }
    assert Rule.model_validate(kept["rule"]) == loaded.rules[0]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("rules:", "rules: !!python/object/apply:os.system [id]\nx:", 4),
        ("when: {Modality: MR}", "when: {Modality: MR", 7),
        ("version: 1", "version: 1\nversion: 1", 2),
        ("- name: MR", "- name: !!python/name:os.system", 5),
    ],
)
def test_fault_55_broken_yaml_or_a_python_object_leaves_the_old_rules_and_names_the_line(
    rules_path: Path, catalogue: Catalogue, old: str, new: str, line: int
) -> None:
    rules_path.write_text(GOOD)
    live = LiveRules(rules_path, lambda: catalogue)
    before = live.current
    rules_path.write_text(GOOD.replace(old, new))
    assert (live.reload() or "").startswith(f"{rules_path}:{line}: ")
    assert live.current is before


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("Modality: MR", "Modalety: MR", "Modality"),
        ("Modality: MR", "contrasts: T1", "contrast"),
        ("Modality: MR", "contrast: T1W", "T1"),
        ("when:", "wenn:", "when"),
        ("{Modality: MR}", "{Modality: {equal: MR}}", "equals"),
        ("harmonize-nyul", "harmonize-nyull", "harmonize-nyul"),
    ],
)
def test_fault_56_an_unknown_tag_key_or_value_is_refused_with_a_suggestion(
    mistakes: Callable[[str], list[str]], old: str, new: str, meant: str
) -> None:
    assert any(f"did you mean '{meant}'?" in line for line in mistakes(GOOD.replace(old, new)))


def test_a_broken_file_leaves_the_rules_in_force_and_says_so_once(rules_path: Path, catalogue: Catalogue) -> None:
    rules_path.write_text(GOOD)
    live = LiveRules(rules_path, lambda: catalogue)
    before = live.current
    rules_path.write_text(GOOD.replace("rules:", "rules: !!python/object:os.system\nx:"))
    assert live.reload() is not None
    rules_path.write_text(GOOD.replace("Modality", "Modalityy"))
    problem = live.reload_if_changed()
    assert problem is not None
    assert problem.startswith(f"{rules_path}:6: rules[0].when.Modalityy")
    assert live.reload_if_changed() is None
    assert live.problem == problem
    assert live.current is before


def test_a_changed_file_comes_into_force(rules_path: Path, catalogue: Catalogue) -> None:
    rules_path.write_text(GOOD)
    live = LiveRules(rules_path, lambda: catalogue)
    before = live.current
    assert live.reload_if_changed() is None
    assert live.current is before
    rules_path.write_text(CT_TOO)
    assert live.reload_if_changed() is None
    assert [rule.name for rule in live.current.rules] == ["MR", "CT"]
    assert [rule.name for rule in before.rules] == ["MR"]


def test_rules_come_into_force_when_the_target_that_they_name_is_added(rules_path: Path, catalogue: Catalogue) -> None:
    rules_path.write_text(GOOD)
    known = {"now": catalogue}
    live = LiveRules(rules_path, lambda: known["now"])
    rules_path.write_text(CT_TOO.replace("siemens-3t", "our-3t"))
    assert "no target of that name" in (live.reload_if_changed() or "")
    assert live.reload_if_changed() is None
    known["now"] = replace(catalogue, models={**catalogue.models, "harmonize-nyul": ["siemens-3t", "our-3t"]})
    assert live.reload_if_changed() is None
    assert live.problem is None
    assert len(live.current.rules) == 2
    known["now"] = catalogue
    assert "no target of that name" in (live.reload_if_changed() or "")
    assert len(live.current.rules) == 2


def test_a_file_that_goes_and_comes_back_is_read_again(rules_path: Path, catalogue: Catalogue) -> None:
    rules_path.write_text(GOOD)
    live = LiveRules(rules_path, lambda: catalogue)
    rules_path.unlink()
    assert "cannot be read" in (live.reload_if_changed() or "")
    assert live.reload_if_changed() is None
    assert [rule.name for rule in live.current.rules] == ["MR"]
    rules_path.write_text(CT_TOO)
    assert live.reload_if_changed() is None
    assert live.problem is None
    assert len(live.current.rules) == 2


def test_a_file_of_the_same_size_is_seen_by_its_time(rules_path: Path, catalogue: Catalogue) -> None:
    rules_path.write_text(GOOD)
    live = LiveRules(rules_path, lambda: catalogue)
    rules_path.write_text(GOOD.replace("Modality: MR", "Modality: CT"))
    os.utime(rules_path, ns=(1, 1))
    assert live.reload_if_changed() is None
    assert matching(Facts({"Modality": "CT"}), live.current)


def test_without_good_rules_nothing_starts(rules_path: Path, catalogue: Catalogue) -> None:
    rules_path.write_text("version: 1\n")
    with pytest.raises(RefusedToStart):
        LiveRules(rules_path, lambda: catalogue)


def test_the_shipped_rules_send_the_two_brains_of_the_demo_and_ignore_ct(catalogue: Catalogue) -> None:
    shipped = load_rules(SHIPPED, catalogue)
    brain = {"contrast": "T1", "is_3d": True, "contrast_agent": False}
    ge = Facts({"Modality": "MR", "BodyPartExamined": "HEAD"}, {**brain, "manufacturer": "GE", "field_strength_t": 1.5})
    philips = Facts({"Modality": "MR"}, {**brain, "manufacturer": "Philips", "field_strength_t": 3.0})
    knee = Facts({**philips.header, "BodyPartExamined": "KNEE"}, philips.derived)
    ct = Facts({"Modality": "CT", "BodyPartExamined": "HEAD"}, {"manufacturer": "GE"})
    assert [[rule.name[:2] for rule in matching(facts, shipped)] for facts in (ge, philips, knee, ct)] == [
        ["GE"], ["Ph"], [], []
    ]  # fmt: skip


def test_the_rules_that_are_commented_out_in_the_shipped_file_are_right(rules_path: Path, catalogue: Catalogue) -> None:
    text, example = SHIPPED.read_text().split("  # - name:", 1)
    rules_path.write_text(text + ("  # - name:" + example).replace("  # ", "  "))
    assert check(rules_path, catalogue) == []
    assert len(load_rules(rules_path, catalogue).rules) == 4


def test_a_text_is_published_with_its_author_when_it_comes_into_force_and_a_broken_one_never(
    rules_path: Path, catalogue: Catalogue
) -> None:
    published: list[tuple[str, str]] = []
    rules_path.write_text(GOOD)
    live = LiveRules(rules_path, lambda: catalogue, lambda text, author: published.append((text, author)))
    rules_path.write_text("rules: [")
    live.reload()
    rules_path.write_text(CT_TOO)
    live.reload_if_changed()
    assert published == [(text, rules_path.owner()) for text in (GOOD, CT_TOO)]


def test_rules_that_cannot_be_kept_do_not_come_into_force_and_are_read_again(
    rules_path: Path, catalogue: Catalogue
) -> None:
    rules_path.write_text(GOOD)
    full = [False, True, False]

    def publish(_text: str, _author: str) -> None:
        if full.pop(0):
            raise OSError("the disk is full")

    live = LiveRules(rules_path, lambda: catalogue, publish)
    rules_path.write_text(CT_TOO)
    with pytest.raises(OSError, match="full"):
        live.reload_if_changed()
    assert len(live.current.rules) == 1
    live.reload_if_changed()
    assert len(live.current.rules) == 2
