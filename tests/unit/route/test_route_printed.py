"""Rules that are printed load as the same rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from dicom_node.domain.ports import Catalogue
from dicom_node.located_yaml import fit
from dicom_node.route.conflicts import conflicts
from dicom_node.route.loader import printed, rules_of
from dicom_node.route.schema import Names, Rule, RulesFile

HERE = Path("rules.yaml")


class Folder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["folder"]
    path: str


CATALOGUE = Catalogue({"harmonize": ["a", "b"], "synth": []}, {"folder": Folder})

_NAMES = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\x7f"), min_size=1, max_size=20
)
_NAMES = _NAMES.filter(lambda name: name == name.strip() and name.isprintable())
_TEXTS = st.one_of(
    st.sampled_from(["007", "yes", "null", "1e3", "2026-01-31", "- a", "a: b", "#", "'", '"', "é"]), _NAMES
)
_CLAUSES = st.one_of(
    st.builds(lambda text: {"StationName": text}, _TEXTS.filter(lambda text: "\\" not in text)),
    st.builds(lambda texts: {"ImageType": texts}, st.lists(st.sampled_from(["A", "B", "no"]), min_size=1, unique=True)),
    st.builds(lambda low, high: {"EchoTime": {"between": sorted((low, high))}}, st.floats(0, 99), st.floats(0, 99)),
    st.sampled_from(
        [
            {"slices": {"at_least": 60, "missing": "any"}}, {"contrast": ["T1", "T2"]}, {"is_3d": True},
            {"StudyDate": {"at_least": "2026-01-31"}}, {"AcquisitionTime": {"between": ["22:00", "06:00"]}},
            {"(0019,109c)": "3"}, {"AnatomicRegionSequence.CodeMeaning": {"matches": r"(?i)^br\w+$"}},
            {"EchoTime": {"at_most": "0.02 s"}}, {"PatientAge": {"present": False}},
        ]
    ),
)  # fmt: skip
_WHENS = st.recursive(
    _CLAUSES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}), inner.map(lambda part: {"not": part})
    ),
    max_leaves=4,
)
_RUNS: Any = st.sampled_from(
    [
        {"model": "synth"},
        {"model": "harmonize", "target": "a"},
        [{"model": "synth"}, {"model": "harmonize", "target": "b"}],
    ]
)
_RULES = st.fixed_dictionaries(
    {"name": _NAMES, "when": _WHENS, "run": _RUNS, "send": st.just(["out"])},
    optional={"during": st.just("nights"), "priority": st.sampled_from(["routine", "batch"])},
)
_WINDOW = {"from": "20:00", "until": "06:00", "time_zone": "Europe/Berlin", "days": ["Sun"]}


@settings(max_examples=60, deadline=None)
@given(st.lists(_RULES, max_size=4, unique_by=lambda rule: rule["name"]), _NAMES)
def test_what_is_printed_is_read_as_the_same(drawn: list[Any], path: str) -> None:
    data = {
        "version": 1, "destinations": {"out": {"kind": "folder", "path": path}}, "windows": {"nights": _WINDOW},
        "rules": drawn,
    }  # fmt: skip
    assume(not conflicts([Rule.model_validate(rule) for rule in drawn]))  # such a file is refused
    rules = fit(HERE, data, RulesFile, context=Names.of(CATALOGUE, data))  # type: ignore[arg-type]
    text = printed(rules)
    again = rules_of(HERE, text, CATALOGUE)
    assert again == rules
    assert printed(again) == text


def test_defaults_are_written_out(rules: Callable[[str], RulesFile]) -> None:
    loaded = rules("  - {name: MR, when: {}, run: {model: synth-ct}, send: [pacs]}\n")
    assert printed(loaded).endswith(
        "rules:\n- name: MR\n  when: {}\n  run:\n    model: synth-ct\n    output: result\n  send:\n  - pacs\n"
        "  stop: false\n  priority: routine\n"
    )
