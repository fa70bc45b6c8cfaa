"""What the rules of a file are to each other: some can never match, some are never reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from pydantic_core import InitErrorDetails

from dicom_node.domain.facts import Facts, FactValue
from dicom_node.located_yaml import located_error
from dicom_node.route.clauses import All, AnyOf, Condition, Not, in_words, parse_when
from dicom_node.route.possible import given, is_impossible

if TYPE_CHECKING:
    from dicom_node.route.schema import Rule

ALWAYS: tuple[Condition, ...] = tuple(
    AnyOf((Not(parse_when(fact).condition), parse_when(implied).condition))
    for fact, implied in (
        ({"contrast": {"present": True}}, {"Modality": "MR"}),
        ({"is_original": True}, {"ImageType": "ORIGINAL"}),
        ({"is_3d": True}, {"MRAcquisitionType": "3D"}),
        ({"field_strength_t": {"present": True}}, {"MagneticFieldStrength": {"present": True}}),
    )
)
"""What holds of every stack, because of how the facts are derived."""


def matches_output(rule: Rule, looks: Mapping[str, FactValue | None]) -> bool:
    """Tell whether a rule could match what it makes itself.

    Parameters
    ----------
    looks
        What the header of its output has for certain, by keyword or fact; None: it is missing. The rest, such as the
        part of the body, may be as it was in the source.
    """
    values = {key: value for key, value in looks.items() if value is not None}
    return not is_impossible(given(All((*rule.when.condition.parts, *ALWAYS)), Facts(values, values), looks))


def conflicts(rules: Sequence[Rule]) -> list[InitErrorDetails]:
    """Return a mistake for each rule that no stack can meet, or that rules above which stop leave nothing to."""
    mistakes = []
    above: list[Rule] = []
    for position, rule in enumerate(rules):
        problem = _contradiction(rule) or _hidden(rule, above)
        if problem is not None:
            mistakes.append(located_error(("rules", position), problem))
        if rule.stop:
            above.append(rule)
    return mistakes


def _contradiction(rule: Rule) -> str | None:
    parts = rule.when.condition.parts
    if not is_impossible(All((*parts, *ALWAYS))):
        return None
    two = next((pair for pair in combinations(parts, 2) if is_impossible(All((*pair, *ALWAYS)))), None)
    if two is None:
        return "can never match: no series meets all of its clauses"
    return f"can never match: no series meets both '{in_words(two[0])}' and '{in_words(two[1])}'"


def _hidden(rule: Rule, above: Sequence[Rule]) -> str | None:
    above = [each for each in above if not is_impossible(All((rule.when.condition, each.when.condition, *ALWAYS)))]
    if not above or not is_impossible(_left_by(rule, above)):
        return None
    for other in above:
        if not other.when.condition.parts:
            return f"is never reached: '{other.name}' above matches everything and stops"
        if is_impossible(_left_by(rule, [other])):
            return f"is never reached: '{other.name}' above matches all that it matches, and stops"
    needed = list(above)
    for other in above:  # leave out what is not needed to hide it
        fewer = [each for each in needed if each is not other]
        if is_impossible(_left_by(rule, fewer)):
            needed = fewer
    names = ", ".join(f"'{each.name}'" for each in needed)
    return f"is never reached: together {names} above match all that it matches, and stop"


def _left_by(rule: Rule, above: Sequence[Rule]) -> Condition:
    """Return the condition that a stack meets which the rule sees and matches."""
    return All((*rule.when.condition.parts, *ALWAYS, *(Not(each.when.condition) for each in above)))
