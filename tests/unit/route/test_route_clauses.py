from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dicom_node.domain.facts import DERIVED_FACTS, Facts, FactValue
from dicom_node.route.clauses import Clause, parse_when
from dicom_node.route.keys import Kind, key_of
from dicom_node.route.matcher import Verdict, judge
from dicom_node.route.moments import moment
from dicom_node.route.operands import MAX_PATTERN
from dicom_node.route.operators import OPERATORS
from dicom_node.yaml_tree import parse


def verdict(when: str, value: FactValue | None) -> Verdict:
    """Judge the one clause of `when` where its key has `value`."""
    (clause,) = parse_when(parse(when)).condition.parts
    assert isinstance(clause, Clause)
    values = {} if value is None else {clause.key: value}
    return judge(clause, Facts(header=values, derived=values))


def mistakes(when: str) -> list[tuple[str, str]]:
    """Return place and message of each mistake."""
    with pytest.raises(ValidationError) as refusal:
        parse_when(parse(when))
    return [(".".join(map(str, each["loc"])), each["msg"]) for each in refusal.value.errors()]


@pytest.mark.parametrize(
    ("when", "met", "not_met"),
    [
        ("Modality: MR", ["MR", "mr ", ("CT", "MR")], ["CT", "MRI", ("CT", "PT")]),
        ("Modality: {equals: mr}", ["MR"], ["CT"]),
        ("BodyPartExamined: [BRAIN, HEAD]", ["brain", "Head"], ["NECK"]),
        ("BodyPartExamined: {one_of: [BRAIN]}", ["BRAIN"], ["NECK"]),
        ("SeriesDescription: {contains: ' MPRage'}", ["Sag MPRAGE 3D"], ["T2"]),
        ("SeriesDescription: {matches: '(?i)t1|mprage'}", ["ADNI_Sag3D MPRAGE", "x T1"], ["T2"]),
        ("SeriesDescription: {matches: MPRAGE}", ["MPRAGE"], ["mprage"]),
        ("SeriesDescription: {matches: ^T1$}", ["T1", " T1 "], ["T1w"]),
        ("MagneticFieldStrength: 3", [3, 3.0, "3.0", "3"], [1.5, "three", ""]),
        ("MagneticFieldStrength: '3.0'", [3, 3.0], [1.5]),
        ("MagneticFieldStrength: {between: [1.3, 1.7]}", [1.3, 1.5, 1.7], [1.29, 1.71, 15000]),
        ("slices: {at_least: 60}", [60, 61], [59]),
        ("slices: {at_most: 60}", [60, 59], [61]),
        ("spacing_mm: {at_least: 1.0}", [0.99999994], [0.9999]),
        ("EchoTime: [10, 20]", [20, (5, 10)], [30, (5, 15)]),
        ("is_3d: yes", [True], [False]),
        ("is_3d: false", [False], [True]),
        ("(0019,109C): 3", [3, 3.0, "3 "], [4, "x"]),
        ("(0019,109c): efgre3d", ["EFGRE3D"], ["fse", 3]),
        ("(0019,109c): '3'", ["3", 3], [4]),
        ("(0019,109c): {matches: '^ef'}", ["efgre3d"], ["fse"]),
        ("PatientComments: 'a\\b'", ["A\\B"], ["a"]),
        ("StudyDate: '2026-01-31'", ["20260131", "2026.01.31"], ["20260130", "x"]),
        ("StudyDate: 20260131", ["20260131"], ["20260201"]),
        ("StudyDate: {between: ['2026-01-01', '2026-01-31']}", ["20260101", "20260131"], ["20251231", "20260201"]),
        ("StudyDate: {matches: '^2026'}", ["20260131"], ["20250131"]),
        ("AcquisitionTime: {at_least: '07:30'}", ["0730", "073000.5", "08"], ["072959.999", "07", "late"]),
        ("AcquisitionTime: {at_most: '07:30'}", ["073059", "07"], ["0731"]),
        ("AcquisitionTime: '07:30'", ["0730", "073012.25"], ["0731"]),
        ("AcquisitionTime: {between: ['22:00', '06:00']}", ["23", "0200", "060059"], ["0601", "215959"]),
        ("AcquisitionDateTime: '2026-01-31'", ["20260131", "20260131093000.5"], ["20260201", "2026"]),
        ("AcquisitionDateTime: {at_least: '2026-01-31 07:30'}", ["202601310730", "20260131083000+0100"], ["20260131"]),
        (
            "AcquisitionDateTime: {at_most: '2026-01-31T07:30:00+01:00'}",
            ["20260131063000+0000", "20260131073000"],
            ["20260131063001+0000", "20260131073001"],
        ),
        ("PatientAge: {at_least: 18Y}", ["018Y", "217M", "099y"], ["017Y", "215M", "18"]),
        ("PatientAge: [12M]", ["001Y"], ["013M"]),
        ("EchoTime: {at_most: 0.02 s}", [20, 19.9], [20.1]),
        ("SliceThickness: {between: [0.1 cm, 1500 um]}", [1.0, 1.5], [0.9, 1.6]),
        ("field_strength_t: {between: [13000 G, 17 kG]}", [1.3, 1.5, 1.7], [3.0]),
        ("FlipAngle: 9°", [9], [8]),
        ("contrast: [T1, flair]", ["T1", "FLAIR"], ["T2"]),
        ("AnatomicRegionSequence.CodeMeaning: brain", ["Brain", ("Head", "Brain")], ["Head"]),
        ("RequestAttributesSequence.ScheduledProcedureStepStartDate: {at_least: 20260101}", ["20260102"], ["20251231"]),
        ("'(2005,140f).(2005,1492)': {at_most: 3}", [3], [4]),
        ("BodyPartExamined: {one_of: [BRAIN, HEAD], missing: any}", ["BRAIN", None], ["KNEE"]),
        ("slices: {at_least: 60, missing: any}", [None, 60], [59]),
        ("ContrastBolusAgent: {present: true}", ["Gd"], []),
        ("ContrastBolusAgent: {missing: no}", ["Gd"], []),
        ("ContrastBolusAgent: {missing: true}", [None], ["Gd"]),
        ("ContrastBolusAgent: {present: false}", [None], ["Gd"]),
    ],
)
def test_an_operator_is_met_by_these_values_and_not_by_those(
    when: str, met: list[FactValue | None], not_met: list[FactValue]
) -> None:
    assert [verdict(when, value) for value in met] == [Verdict.MET] * len(met)
    assert [verdict(when, value) for value in not_met] == [Verdict.NOT_MET] * len(not_met)


@pytest.mark.parametrize("name", [name for name, row in OPERATORS.items() if not row.asks_presence])
def test_a_missing_element_is_a_verdict_of_its_own_for_every_operator_that_compares(name: str) -> None:
    assert verdict(OPERATORS[name].example, None) is Verdict.MISSING


@pytest.mark.parametrize("name", OPERATORS)
def test_the_example_of_every_operator_is_a_right_clause(name: str) -> None:
    (clause,) = parse_when(parse(OPERATORS[name].example)).condition.parts
    assert isinstance(clause, Clause)
    assert clause.operator == name


@pytest.mark.parametrize("name", DERIVED_FACTS)
def test_every_derived_fact_can_be_asked(name: str) -> None:
    values: dict[Kind, Any] = {Kind.TEXT: "x", Kind.NUMBER: 1, Kind.FLAG: True}
    for value in key_of(name).values or (values[key_of(name).kind],):
        assert verdict(f"{name}: {value}", value) is Verdict.MET


@pytest.mark.parametrize(
    ("when", "place", "message"),
    [
        ("Manufacturrer: GE", "Manufacturrer", "not a DICOM keyword or a fact; did you mean 'Manufacturer'?"),
        ("modality: MR", "modality", "not a DICOM keyword or a fact; did you mean 'Modality'?"),
        ("field_strength: 3", "field_strength", "not a DICOM keyword or a fact; did you mean 'field_strength_t'?"),
        ("'(0019': 1", "(0019", "not a tag; write it as '(gggg,eeee)', in quotes"),
        ("'(0008,9999)': 1", "(0008,9999)", "not an element of the DICOM dictionary"),
        ("TransferSyntaxUID: '1.2'", "TransferSyntaxUID", "belongs to the transfer"),
        ("ReferencedImageSequence: x", "ReferencedImageSequence", "name an element inside it, as 'ReferencedImageS"),
        ("AnatomicRegionSeqence.CodeMeaning: x", "AnatomicRegionSeqence.CodeMeaning", "mean 'AnatomicRegionSequence'?"),
        ("EchoTime.CodeMeaning: x", "EchoTime.CodeMeaning", "'EchoTime' is not a sequence"),
        ("AnatomicRegionSequence.contrast: T1", "AnatomicRegionSequence.contrast", "is a fact of the whole stack"),
        ("AnatomicRegionSequence.CodeMeanin: x", "AnatomicRegionSequence.CodeMeanin", "did you mean 'CodeMeaning'?"),
        ("contrast: T1W", "contrast", "not a value of 'contrast'; did you mean 'T1'?"),
        ("contrast: [T1, mprage]", "contrast", "not a value of 'contrast'; there is 'T1', 'T2', 'PD', 'FLAIR'"),
        ("manufacturer: Simens", "manufacturer", "did you mean 'Siemens'?"),
        ("StudyDate: '2026-02-31'", "StudyDate", "must be a date, in quotes, as '2026-01-31'"),
        ("StudyDate: {between: ['2026-02-02', '2026-02-01']}", "StudyDate.between", "the second date is lower"),
        ("AcquisitionTime: 0730", "AcquisitionTime", "must be a time of day, in quotes, as '07:30'"),
        ("AcquisitionTime: '24:00'", "AcquisitionTime", "must be a time of day"),
        ("PatientAge: {at_least: 18}", "PatientAge.at_least", "must be an age, in quotes, as '18Y'"),
        ("PatientAge: {contains: '18'}", "PatientAge.contains", "'contains' cannot be asked of 'PatientAge'"),
        ("EchoTime: {at_most: 2 mm}", "EchoTime.at_most", "is a time in ms: the unit may be 'min', 's', 'ms', 'us'"),
        ("NumberOfAverages: 2 mm", "NumberOfAverages", "no unit is known for 'NumberOfAverages'"),
        ("MagneticFieldStrength: 1.5 T", "MagneticFieldStrength", "ask 'field_strength_t', which is in tesla"),
        ("slices: {missing: any}", "slices.missing", "'any' lets the other operators of this key pass"),
        ("PixelData: x", "PixelData", "holds no text or number"),
        ("Modality: {equal: MR}", "Modality.equal", "not an operator; did you mean 'equals'?"),
        ("slices: {matches: x}", "slices.matches", "'matches' cannot be asked of 'slices', which is a number"),
        ("Modality: {between: [1, 2]}", "Modality.between", "'between' cannot be asked of 'Modality', which is text"),
        ("is_3d: {at_least: 1}", "is_3d.at_least", "cannot be asked of 'is_3d', which is true or false"),
        ("slices: {between: [2, 1]}", "slices.between", "the second number is lower"),
        ("slices: {between: 2}", "slices.between", "must be two numbers"),
        ("slices: {between: [.nan, 2]}", "slices.between", "must be a number"),
        ("slices: many", "slices", "must be a number"),
        ("slices: true", "slices", "must be a number"),
        ("is_3d: maybe", "is_3d", "must be true or false"),
        ("StationName: 007", "StationName", "must be text: put it in quotes"),
        ("PatientSex: true", "PatientSex", "must be text: put it in quotes"),
        ("StationName:", "StationName", "has no value; to ask for an element that is absent"),
        ("StationName: ''", "StationName", "is empty; to ask for an element that is absent"),
        ("StationName: {}", "StationName", "holds no operator"),
        ("StationName: []", "StationName", "must be a list of values"),
        ("ImageType: 'ORIGINAL\\PRIMARY'", "ImageType", "holds a backslash, which separates values"),
        (
            "SeriesDescription: {matches: '(t1'}",
            "SeriesDescription.matches",
            "not a regular expression: unclosed group",
        ),
        ("SeriesDescription: {matches: '(?!t2)t1'}", "SeriesDescription.matches", "look-around"),
        ("SeriesDescription: {matches: 'a{999}{999}{9}'}", "SeriesDescription.matches", "exceeds size limit"),
        (f"SeriesDescription: {{matches: {'a' * (MAX_PATTERN + 1)}}}", "SeriesDescription.matches", "longer than"),
        ("any: {Modality: MR}", "any", "must be a list of clauses"),
        ("all: []", "all", "must be a list of clauses"),
        ("any: [{}]", "any.0", "holds no clause"),
        ("not: {}", "not", "holds no clause"),
        ("not: MR", "not", "must hold clauses"),
        ("Any: [{Modality: MR}]", "Any", "must be written 'any'"),
    ],
)
def test_a_clause_that_cannot_be_meant_is_refused_at_its_place(when: str, place: str, message: str) -> None:
    ((where, told),) = mistakes(when)
    assert where == place
    assert message in told


def test_every_mistake_in_nested_clauses_is_found() -> None:
    when = "all: [{any: [{Modalty: MR}, {slices: x}]}]\nnot: {is_3d: perhaps}\n"
    assert [place for place, _ in mistakes(when)] == ["all.0.any.0.Modalty", "all.0.any.1.slices", "not.is_3d"]


def test_a_public_tag_means_its_keyword_and_a_private_one_is_compared_in_lower_case() -> None:
    assert key_of("(0018,0087)") == key_of("MagneticFieldStrength")
    assert key_of("(0019,109C)").name == key_of("(0019, 109c)").name == "(0019,109c)"


def test_a_clause_that_a_missing_value_passes_says_so() -> None:
    (clause,) = parse_when(parse("slices: {at_least: 60, missing: any}")).condition.parts
    assert isinstance(clause, Clause)
    assert clause.text == "slices at_least 60 or missing"


@given(st.dates(), st.times(), st.sampled_from(["", "+0100", "-0930"]))
def test_a_moment_that_dicom_writes_is_itself_and_after_the_one_before(day: date, at: time, offset: str) -> None:
    written = f"{day:%Y%m%d}{at:%H%M%S.%f}".zfill(21) + offset
    read, earlier = moment(written, Kind.MOMENT), moment(f"{written[:12]}{offset}", Kind.MOMENT)
    assert read is not None
    assert earlier is not None
    assert read.of(written) == read.first
    assert earlier.first <= read.first <= earlier.last
    assert (moment(written[:8], Kind.DATE), moment(written[8:21], Kind.TIME)) != (None, None)


def test_an_expression_that_would_backtrack_for_ever_answers() -> None:
    assert verdict("SeriesDescription: {matches: '^(a+)+$'}", "a" * 20_000 + "b") is Verdict.NOT_MET
    assert verdict("SeriesDescription: {matches: '^(a|aa)+$'}", "a" * 20_000 + "b") is Verdict.NOT_MET


_TEXT = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\\\x7f"), min_size=1)


@given(_TEXT.filter(str.strip), st.text(" \t", max_size=3))
def test_text_is_the_same_whatever_its_case_and_the_blanks_around_it(text: str, blanks: str) -> None:
    when = parse_when({"StationName": {"equals": text, "one_of": [text], "contains": text}})
    for value in (text, text.casefold(), blanks + text + blanks):
        for clause in when.condition.parts:
            assert isinstance(clause, Clause)
            assert judge(clause, Facts({"StationName": value})) is Verdict.MET


_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(_NUMBERS, _NUMBERS, _NUMBERS)
def test_a_number_lies_between_two_when_it_is_at_least_the_one_and_at_most_the_other(
    low: float, value: float, high: float
) -> None:
    low, high = sorted((low, high))
    asked = {"between": [low, high], "at_least": low, "at_most": high}
    clauses = parse_when({"EchoTime": asked}).condition.parts
    met = {part.operator: judge(part, Facts({"EchoTime": value})) for part in clauses if isinstance(part, Clause)}
    assert (met["between"] is Verdict.MET) is (met["at_least"] is met["at_most"] is Verdict.MET)
    assert met["between"] is Verdict.MET or not low <= value <= high
