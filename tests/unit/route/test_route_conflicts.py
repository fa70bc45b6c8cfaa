"""Rules that can never match, and rules that are never reached, are mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.domain.facts import Facts
from dicom_node.route.clauses import All, Not, parse_when
from dicom_node.route.conflicts import conflicts
from dicom_node.route.matcher import holds, matching
from dicom_node.route.possible import given as settled
from dicom_node.route.possible import is_impossible
from dicom_node.route.schema import Rule, RulesFile, Run
from dicom_node.yaml_tree import parse


def rule(name: str, when: Any, *, stop: bool = True) -> Rule:
    return Rule(name=name, when=parse_when(when), run=Run(model="m"), send=("pacs",), stop=stop)


def told(*whens: str) -> list[tuple[int, str]]:
    """Return position and message of each conflict between rules that all stop."""
    found = conflicts([rule(f"r{position}", parse(when)) for position, when in enumerate(whens)])
    return [(each["loc"][1], str(each["type"].message())) for each in found]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "when",
    [
        "all: [{Modality: MR}, {Modality: CT}]",
        "Modality: MR\nnot: {Modality: [MR, CT]}",
        "slices: {at_least: 60, at_most: 59}",
        "slices: {at_least: 59.2, at_most: 59.8}",
        "contrast: T1\nModality: CT",
        "contrast: {matches: '^T3'}",
        "all: [{contrast: T1}, {contrast: {matches: '^T2'}}]",
        "is_original: true\nImageType: {missing: true}",
        "field_strength_t: {at_least: 2}\nMagneticFieldStrength: {present: false}",
        "SeriesDescription: {equals: abc, contains: d}",
        "SeriesDescription: {contains: t1w}\nnot: {SeriesDescription: {matches: '(?i)t1|t2'}}",
        "StationName: MR1\nnot: {StationName: {matches: '(?i)^mr'}}",
        "StudyDate: {at_least: '2026-01-02', at_most: '2026-01-01'}",
        "AcquisitionTime: {between: ['22:00', '06:00'], at_least: '07:00', at_most: '21:00'}",
        "PatientAge: {at_least: 18Y, at_most: 215M}",
        "AcquisitionDateTime: {at_least: '2026-02', at_most: '2026-01-31'}",
        "EchoTime: {at_least: 0.1 s, at_most: 90}",
        "BodyPartExamined: {missing: true, equals: HEAD}",
        "BodyPartExamined: {missing: true, present: true}",
        "ImageType: ORIGINAL\nnot: {ImageType: {present: true}}",
        "any: [{all: [{Modality: MR}, {Modality: CT}]}, {slices: {at_least: 2, at_most: 1}}]",
        "'(0019,1001)': 3\nnot: {'(0019,1001)': 3}",
    ],
)
def test_a_rule_that_no_series_can_meet_is_told(when: str) -> None:
    ((_, message),) = told(when)
    assert message.startswith("can never match: no series meets ")


@pytest.mark.parametrize(
    "when",
    [
        "{}",
        "all: [{ImageType: ORIGINAL}, {ImageType: PRIMARY}]",
        "all: [{AnatomicRegionSequence.CodeMeaning: Head}, {AnatomicRegionSequence.CodeMeaning: Brain}]",
        "ImageType: ORIGINAL\nnot: {ImageType: DERIVED}",
        "slices: {at_least: 60, at_most: 60}",
        "spacing_mm: {at_least: 59.2, at_most: 59.8}",
        "SeriesDescription: {contains: t1, matches: '^[^t]*$'}",
        "SeriesDescription: {matches: T1}\nnot: {SeriesDescription: {contains: t2}}",
        "StationName: MR1\nnot: {StationName: {matches: MR}}",
        "BodyPartExamined: {equals: HEAD, missing: any}\nnot: {BodyPartExamined: {present: true}}",
        "AcquisitionTime: {between: ['22:00', '06:00'], at_least: '05:59', at_most: '07:00'}",
        "AcquisitionDateTime: {at_least: '2026-01-01T00:00+14:00', at_most: '2026-01-01T00:00-12:00'}",
        "not: {Modality: MR}",
        "'(0019,1001)': {equals: '3', at_least: 2}",
    ],
)
def test_a_rule_that_some_series_can_meet_is_let_be(when: str) -> None:
    assert told(when) == []


def test_the_two_clauses_that_contradict_each_other_are_named() -> None:
    ((_, message),) = told("manufacturer: GE\ncontrast: T1\nModality: CT")
    assert message == "can never match: no series meets both 'contrast equals T1' and 'Modality equals CT'"


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("{}", "Modality: MR"),
        ("Modality: MR", "contrast: T1\nModality: MR"),
        ("slices: {at_least: 60}", "slices: {between: [60, 200]}"),
        ("manufacturer: [GE, Philips]", "manufacturer: ge"),
        ("any: [{BodyPartExamined: HEAD}, {BodyPartExamined: {missing: true}}]", "BodyPartExamined: {missing: true}"),
        ("BodyPartExamined: {one_of: [HEAD, NECK], missing: any}", "not: {BodyPartExamined: {present: true}}"),
        ("SeriesDescription: {contains: t1}", "SeriesDescription: {matches: '(?i)t1w|st1'}"),
        ("Modality: MR", "contrast: FLAIR"),
    ],
)
def test_a_rule_below_one_that_matches_all_of_it_and_stops_is_told(above: str, below: str) -> None:
    ((position, message),) = told(above, below)
    assert position == 1
    assert message.startswith("is never reached: 'r0' above matches ")


def test_rules_that_hide_one_only_together_are_named_and_the_others_are_not() -> None:
    assert told("slices: {at_least: 60}", "Modality: CT", "slices: {at_most: 59}", "slices: {present: true}") == [
        (3, "is never reached: together 'r0', 'r2' above match all that it matches, and stop")
    ]


def test_rules_that_do_not_stop_or_leave_something_hide_nothing() -> None:
    assert conflicts([rule("a", {}, stop=False), rule("b", {"Modality": "MR"})]) == []
    assert told("slices: {at_least: 60}", "slices: {at_most: 59}", "Modality: MR") == []  # where slices is missing


def test_a_file_with_a_hidden_rule_is_refused_at_its_line(mistakes: Callable[[str], list[str]]) -> None:
    text = "version: 1\ndestinations: {pacs: {kind: folder, path: out}}\nrules:\n"
    for when in ("Modality: MR", "{Modality: MR, contrast: T1}"):
        when = when if when[0] == "{" else f"{{{when}}}"
        text += f"  - {{name: '{when}', when: {when}, run: {{model: synth-ct}}, send: [pacs], stop: true}}\n"
    assert mistakes(text) == [
        "5: rules[1]: is never reached: '{Modality: MR}' above matches all that it matches, and stops"
    ]


def test_a_search_without_end_is_given_up_and_the_rule_let_be() -> None:
    pigeons, holes = range(9), range(8)  # each pigeon in a hole, no two in one: false, and long to show
    sits = [{"any": [{f"(0019,10{p:02x})": h} for h in holes]} for p in pigeons]
    apart = [
        {"not": {"all": [{f"(0019,10{p:02x})": h}, {f"(0019,10{q:02x})": h}]}}
        for h in holes for p in pigeons for q in pigeons if p < q
    ]  # fmt: skip
    assert not is_impossible(parse_when({"all": sits + apart}).condition)


_CLAUSES = st.sampled_from(
    [
        {"Modality": "MR"}, {"Modality": {"one_of": ["MR", "CT"], "missing": "any"}}, {"Modality": {"present": False}},
        {"ImageType": "A"}, {"ImageType": {"contains": "b"}}, {"ImageType": {"matches": "(?i)a|c"}},
        {"slices": {"at_least": 3}}, {"slices": {"between": [2, 3]}}, {"slices": {"missing": True}},
        {"is_3d": True}, {"orientation": "axial"}, {"orientation": {"matches": "^s"}},
        {"StudyDate": {"at_most": "2026-01-01"}}, {"PatientAge": {"at_least": "18Y"}},
        {"EchoTime": {"at_most": "2 ms"}},
    ]
)  # fmt: skip
_WHENS = st.recursive(
    _CLAUSES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=8,
)
_FACTS = st.builds(
    Facts,
    st.fixed_dictionaries(
        {},
        optional={
            "Modality": st.sampled_from(["MR", "CT", "PT"]),
            "ImageType": st.lists(st.sampled_from(["A", "ab", "B", "c"]), min_size=2, max_size=3).map(tuple),
            "StudyDate": st.sampled_from(["20251231", "20260101", "20260102", "x"]),
            "PatientAge": st.sampled_from(["017Y", "018Y", "300M"]), "EchoTime": st.sampled_from([1.0, 2.0, 3.0]),
        },
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "slices": st.integers(1, 4), "is_3d": st.booleans(), "orientation": st.sampled_from(["axial", "sagittal"]),
        },
    ),
)  # fmt: skip


@settings(deadline=None)
@given(_FACTS, _WHENS)
def test_what_a_series_meets_is_never_called_impossible(facts: Facts, when: Any) -> None:
    condition = parse_when(when).condition
    met = condition if holds(condition, facts) else Not(condition)
    assert not is_impossible(met)
    assert is_impossible(All((met, Not(met))))
    assert holds(settled(condition, facts, ["Modality", "slices"]), facts) is holds(condition, facts)


@settings(max_examples=50, deadline=None)
@given(_FACTS, st.lists(st.tuples(_WHENS, st.booleans()), min_size=1, max_size=4))
def test_a_rule_that_a_series_reaches_is_never_called_unreachable(facts: Facts, drawn: list[tuple[Any, bool]]) -> None:
    rules = [rule(str(position), when, stop=stop) for position, (when, stop) in enumerate(drawn)]
    if facts.derived.get("is_3d"):
        facts = Facts({**facts.header, "MRAcquisitionType": "3D"}, facts.derived)
    matched = matching(facts, RulesFile.model_construct(version=1, destinations={}, rules=tuple(rules)))
    assert not {each.name for each in matched} & {str(each["loc"][1]) for each in conflicts(rules)}
