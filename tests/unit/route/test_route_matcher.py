from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.domain.facts import Facts
from dicom_node.route.clauses import parse_when
from dicom_node.route.matcher import FailedClause, RuleVerdict, explain, matching
from dicom_node.route.schema import Priority, Rule, RulesFile, Run
from dicom_node.yaml_tree import parse

GE = Facts(
    header={"Modality": "MR", "SeriesDescription": "Sag 3D T1 FSPGR", "ImageType": ("ORIGINAL", "PRIMARY")},
    derived={"manufacturer": "GE", "field_strength_t": 1.5, "slices": 176, "is_3d": True},
)


def rule(name: str, when: Any, *, stop: bool = False) -> Rule:
    return Rule(name=name, when=parse_when(when), run=Run(model="m"), send=("pacs",), stop=stop)


def file_of(*rules: Rule) -> RulesFile:
    return RulesFile.model_construct(version=1, destinations={}, rules=rules)


def failed(when: str, facts: Facts = GE) -> list[tuple[str, Any]]:
    """Return clause and value of everything that failed; nothing where `when` is met."""
    rules = file_of(rule("r", parse(when)))
    (verdict,) = explain(facts, rules)
    assert verdict.matched is (not verdict.failed) is bool(matching(facts, rules))
    return [(each.clause, each.value) for each in verdict.failed]


@pytest.mark.parametrize(
    "when",
    [
        "{}",
        "Modality: MR\nmanufacturer: ge\nfield_strength_t: {between: [1.3, 1.7]}",
        "all: [{ImageType: ORIGINAL}, {ImageType: PRIMARY}]",
        "any: [{Modality: CT}, {slices: {at_least: 100}}]",
        "not: {Modality: CT}",
        "not: {Modality: MR, manufacturer: Philips}",
        "not: {StationName: MRSIM1}",
        "not: {not: {Modality: MR}}",
        "not: {any: [{Modality: CT}, {StationName: X}]}",
    ],
)
def test_conditions_that_hold(when: str) -> None:
    assert failed(when) == []


@pytest.mark.parametrize(
    ("when", "reasons"),
    [
        ("Modality: CT", [("Modality equals CT", "MR")]),
        (
            "field_strength_t: {between: [2.8, 3.2]}\nslices: {at_least: 60, at_most: 100}",
            [("field_strength_t between [2.8, 3.2]", 1.5), ("slices at_most 100", 176)],
        ),
        ("StationName: X", [("StationName equals X", "missing")]),
        ("is_3d: false", [("is_3d equals false", True)]),
        ("ImageType: DERIVED", [("ImageType equals DERIVED", "ORIGINAL\\PRIMARY")]),
        ("ImageType: {missing: true}", [("ImageType missing true", "ORIGINAL\\PRIMARY")]),
        (
            "any: [{Modality: CT}, {StationName: X}]",
            [("any of: Modality equals CT", "MR"), ("any of: StationName equals X", "missing")],
        ),
        ("not: {Modality: MR}", [("not (Modality equals MR)", "MR")]),
        (
            "not: {Modality: MR, is_3d: true}",
            [("not (Modality equals MR and is_3d equals true)", "Modality=MR, is_3d=True")],
        ),
        (
            "not: {any: [{Modality: MR}, {Modality: PT}]}",
            [("not (Modality equals MR or Modality equals PT)", "MR")],
        ),
    ],
)
def test_a_condition_that_fails_tells_the_clause_and_the_value(when: str, reasons: list[tuple[str, Any]]) -> None:
    assert failed(when) == reasons


def test_presence_must_be_asked_beside_a_not_where_missing_is_not_meant() -> None:
    when = "StationName: {present: true}\nnot: {StationName: MRSIM1}"
    assert failed(when) == [("StationName present true", "missing")]
    assert failed(when, Facts({"StationName": "MR2"})) == []


def test_every_matching_rule_runs_in_the_order_of_the_file() -> None:
    rules = file_of(rule("b", {"Modality": "MR"}), rule("ct", {"Modality": "CT"}), rule("a", {}))
    assert [each.name for each in matching(GE, rules)] == ["b", "a"]


def test_a_rule_that_matches_and_stops_is_the_last() -> None:
    rules = file_of(
        rule("ct", {"Modality": "CT"}, stop=True), rule("mr", {"Modality": "MR"}, stop=True), rule("all", {})
    )
    assert [each.name for each in matching(GE, rules)] == ["mr"]
    assert explain(GE, rules) == (
        RuleVerdict("ct", matched=False, failed=(FailedClause("Modality equals CT", "MR"),)),
        RuleVerdict("mr", matched=True),
        RuleVerdict("all", matched=False, failed=(FailedClause("stopped by rule 'mr'", "matched"),)),
    )


def test_nothing_is_matched_by_default() -> None:
    assert matching(Facts(), file_of(rule("mr", {"Modality": "MR"}))) == ()
    assert matching(GE, file_of()) == ()


def test_priorities_rank_urgent_first() -> None:
    assert sorted(Priority, key=lambda priority: priority.rank) == ["urgent", "routine", "batch"]


_LEAVES = st.sampled_from(
    [
        {"Modality": "MR"}, {"Modality": "CT"}, {"StationName": "X"}, {"StationName": {"missing": True}},
        {"slices": {"at_least": 60}}, {"slices": {"at_least": 60, "missing": "any"}}, {"is_3d": False},
        {"ImageType": ["DERIVED", "PRIMARY"]},
    ]
)  # fmt: skip
_WHEN = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=8,
)
_VALUES = st.sampled_from(["MR", "CT", "X", ("DERIVED", "X")])
_FACTS = st.builds(
    Facts,
    st.dictionaries(st.sampled_from(["Modality", "StationName", "ImageType"]), _VALUES),
    st.fixed_dictionaries({}, optional={"slices": st.integers(1, 200), "is_3d": st.booleans()}),
)


@given(_FACTS, st.lists(st.tuples(_WHEN, st.booleans()), max_size=5))
def test_explain_agrees_with_matching(facts: Facts, drawn: list[tuple[Any, bool]]) -> None:
    rules = file_of(*(rule(f"r{number}", when, stop=stop) for number, (when, stop) in enumerate(drawn)))
    verdicts = explain(facts, rules)
    assert [verdict.name for verdict in verdicts] == [each.name for each in rules.rules]
    assert [verdict.name for verdict in verdicts if verdict.matched] == [each.name for each in matching(facts, rules)]
    assert all(bool(verdict.failed) is not verdict.matched for verdict in verdicts)


@given(_FACTS, _WHEN)
def test_a_rule_or_its_opposite_matches_and_never_both(facts: Facts, when: Any) -> None:
    assert len(matching(facts, file_of(rule("is", when), rule("is not", {"not": when})))) == 1


def _expected(when: Any, facts: Facts) -> bool:
    """Say by the page's words whether `when` holds: a second, naive reading to compare with."""
    ((key, asked),) = when.items()
    if key == "not":
        return not _expected(asked, facts)
    if key in ("all", "any"):
        return (all if key == "all" else any)(_expected(part, facts) for part in asked)
    value: Any = facts.get(key)
    values = value if isinstance(value, tuple) else () if value is None else (value,)
    if asked == {"missing": True}:
        return not values
    if asked == {"at_least": 60}:
        return any(each >= 60 for each in values)
    if asked == {"at_least": 60, "missing": "any"}:
        return not values or any(each >= 60 for each in values)
    return any(each in (asked if isinstance(asked, list) else [asked]) for each in values)


@given(_FACTS, _WHEN)
def test_all_any_and_not_mean_what_they_say(facts: Facts, when: Any) -> None:
    assert bool(matching(facts, file_of(rule("r", when)))) is _expected(when, facts)


def test_a_value_of_the_header_stands_in_no_log(
    caplog: pytest.LogCaptureFixture, rules: Callable[[str], RulesFile]
) -> None:
    with caplog.at_level(0):
        explain(Facts({"PatientName": "CANARY^NAME"}), file_of(rule("r", {"PatientName": "other"})))
    assert caplog.records == []
